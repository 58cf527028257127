/* A peer's text: found in a body, printed for a terminal, put into a line of a log. No control character comes through, and what comes out
 * is UTF-8. */
#include "client/text.h"
#include "tests/fuzz/fuzz.h"
#include "transport/base/logger.h"
#include "transport/bare.h"

enum { LINE_MAX_N = 96 };

static void check_harmless(struct bytes text, bool tabs)
{
        fuzz_require(bytes_are_utf8(text));
        for (size_t i = 0; i < text.n; i++) {
                fuzz_require((text.p[i] >= 0x20 && text.p[i] != 0x7f) || (tabs && text.p[i] == '\t'));
                if (i) fuzz_require(text.p[i - 1] != 0xc2 || text.p[i] >= 0xa0); /* U+0080 to U+009F */
                if (i > 1 && text.p[i - 2] == 0xe2 && text.p[i - 1] == 0x80) fuzz_require(text.p[i] != 0xa8 && text.p[i] != 0xa9);
        }
}

/* What the text's plain characters are stays as it is. */
static bool is_plain(struct bytes text)
{
        for (size_t i = 0; i < text.n; i++)
                if (text.p[i] < 0x20 || text.p[i] >= 0x7f) return false;
        return true;
}

static void check_print(struct bytes text)
{
        static char printed[6 * 4096 + 1];
        FILE *out = fmemopen(printed, sizeof printed, "w");
        struct bytes shown;

        fuzz_require(out && text_print(out, text));
        shown = bytes_make(printed, (size_t)ftell(out));
        fclose(out);
        check_harmless(shown, true);
        if (is_plain(text)) fuzz_require(bytes_equal(shown, text));
}

static void check_line(struct bytes in)
{
        char line[LINE_MAX_N];

        for (size_t cap = 1; cap <= sizeof line; cap += 19) {
                fuzz_require(printable(line, cap, in) == line && strlen(line) < cap);
                check_harmless(bytes_of_text(line), false);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct bytes body = bytes_make(data, size), text;
        struct bare_reader r = bare_reader_make(body);

        check_line(body);
        if (size > 4096) return 0;
        if (!text_of_body(body, &text)) {
                fuzz_require(!bytes_are_utf8(body));
                return 0;
        }
        (void)bare_string(&r);
        fuzz_require(text.n == 0 || (text.p >= data && text.p + text.n <= data + size));
        fuzz_require(!r.err || bytes_equal(text, body));
        check_print(text);
        return 0;
}
