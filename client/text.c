/* Text that comes from a peer. Controls are those of Unicode's category Cc, and the line and paragraph separators. */
#include "client/text.h"

#include "transport/bare.h"

bool text_of_body(struct bytes body, struct bytes *text)
{
        struct bare_reader r = bare_reader_make(body);
        struct bytes found = bare_string(&r);

        if (r.err) found = body;
        if (r.err && !bytes_are_utf8(body)) return false;
        *text = found;
        return true;
}

/* Length in bytes of the control character at p, 0 where there is none; its code point. */
static size_t control_at(const uint8_t *p, size_t n, unsigned *code)
{
        if (*p < 0x20 || *p == 0x7f) {
                *code = *p;
                return *p == '\t' ? 0 : 1;
        }
        if (n >= 2 && p[0] == 0xc2 && p[1] < 0xa0) {
                *code = p[1];
                return 2;
        }
        if (n >= 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9)) {
                *code = 0x2000u + (p[2] & 0x3fu);
                return 3;
        }
        return 0;
}

bool text_print(FILE *out, struct bytes text)
{
        size_t plain = 0, i = 0;

        while (i < text.n) {
                unsigned code = 0;
                size_t length = control_at(text.p + i, text.n - i, &code);

                if (length == 0) {
                        i++;
                        continue;
                }
                fwrite(text.p + plain, 1, i - plain, out);
                fprintf(out, code < 0x80 ? "\\x%02x" : "\\u%04x", code);
                i += length;
                plain = i;
        }
        fwrite(text.p + plain, 1, text.n - plain, out);
        return !ferror(out);
}

bool text_print_json(FILE *out, struct bytes text)
{
        putc('"', out);
        for (size_t i = 0, length; i < text.n; i += length) {
                const uint8_t *p = text.p + i;
                unsigned code = 0;

                length = control_at(p, text.n - i, &code);
                if (length > 0 || *p == '\t') {
                        fprintf(out, "\\u%04x", code);
                        if (length == 0) length = 1;
                        continue;
                }
                if (*p == '"' || *p == '\\') putc('\\', out);
                putc(*p, out);
                length = 1;
        }
        putc('"', out);
        return !ferror(out);
}
