/* BARE's uint, data and string: docs/protocol.md, "BARE". */
#include "transport/bare.h"

#include "transport/wire.h"

static void reader_fail(struct bare_reader *r, enum err err)
{
        if (r->err == OK) r->err = err;
        r->p = r->end;
}

static size_t left(const struct bare_reader *r)
{
        return (size_t)(r->end - r->p);
}

uint64_t bare_uint(struct bare_reader *r)
{
        uint64_t value = 0;

        for (unsigned i = 0; i < UINT_SIZE_MAX; i++) {
                if (left(r) == 0) {
                        reader_fail(r, ERR_TRUNCATED);
                        return 0;
                }
                uint8_t byte = *r->p++;
                if (i == UINT_SIZE_MAX - 1 && byte > 1) break; /* more than 64 bits, or more than ten bytes */
                value |= (uint64_t)(byte & 0x7f) << (7 * i);
                if (!(byte & 0x80)) return value;
        }
        reader_fail(r, ERR_MALFORMED);
        return 0;
}

uint8_t bare_u8(struct bare_reader *r)
{
        if (left(r) == 0) {
                reader_fail(r, ERR_TRUNCATED);
                return 0;
        }
        return *r->p++;
}

struct bytes bare_data(struct bare_reader *r)
{
        uint64_t n = bare_uint(r);

        if (n > left(r)) reader_fail(r, ERR_TRUNCATED);
        if (r->err) return BYTES_NONE;
        struct bytes data = bytes_make(r->p, (size_t)n);
        r->p += n;
        return data;
}

struct bytes bare_string(struct bare_reader *r)
{
        struct bytes text = bare_data(r);

        if (!r->err && !bytes_are_utf8(text)) reader_fail(r, ERR_MALFORMED);
        return r->err ? BYTES_NONE : text;
}

struct bytes bare_uint_raw(struct bare_reader *r, size_t max)
{
        const uint8_t *start = r->p;

        for (size_t i = 0; i < max; i++) {
                if (left(r) == 0) {
                        reader_fail(r, ERR_TRUNCATED);
                        return BYTES_NONE;
                }
                if (!(*r->p++ & 0x80)) return bytes_make(start, i + 1);
        }
        reader_fail(r, ERR_MALFORMED);
        return BYTES_NONE;
}

bool bare_present(struct bare_reader *r)
{
        return bare_u8(r) != 0;
}

enum err bare_end(const struct bare_reader *r)
{
        if (r->err) return r->err;
        return left(r) ? ERR_TRAILING : OK;
}

struct bytes bare_rest(const struct bare_reader *r)
{
        return bytes_make(r->p, left(r));
}

void bare_put_uint(struct writer *w, uint64_t value)
{
        uint8_t out[UINT_SIZE_MAX];
        size_t n = 0;

        for (; value >= 0x80; value >>= 7) out[n++] = (uint8_t)(value | 0x80);
        out[n++] = (uint8_t)value;
        writer_put(w, out, n);
}

void bare_put_data(struct writer *w, struct bytes data)
{
        bare_put_uint(w, data.n);
        writer_put(w, data.p, data.n);
}

size_t bare_uint_size(uint64_t value)
{
        size_t n = 1;

        for (; value >= 0x80; value >>= 7) n++;
        return n;
}
