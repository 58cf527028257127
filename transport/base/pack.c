/* A cursor over msgpack (the format's specification, "Formats"): the four kinds that our own formats are made of. */
#include "transport/base/pack.h"

enum {
        FIXARRAY = 0x90, /* to 0x9f */
        FIXSTR = 0xa0,   /* to 0xbf */
        FIXINT_MAX = 0x7f,
        BIN8 = 0xc4,     /* then 16 and 32 bits */
        UINT8 = 0xcc,    /* then 16, 32 and 64 bits */
        STR8 = 0xd9,     /* then 16 and 32 bits */
        ARRAY16 = 0xdc,  /* then 32 bits */
};

static void pack_fail(struct pack_reader *r, enum err err)
{
        if (!r->err) r->err = err;
        r->p = r->end;
}

static size_t left(const struct pack_reader *r)
{
        return (size_t)(r->end - r->p);
}

static uint64_t big_endian(struct pack_reader *r, size_t n)
{
        uint64_t value = 0;

        if (left(r) < n) {
                pack_fail(r, ERR_TRUNCATED);
                return 0;
        }
        for (size_t i = 0; i < n; i++) value = value << 8 | r->p[i];
        r->p += n;
        return value;
}

static struct bytes take(struct pack_reader *r, uint64_t n)
{
        struct bytes taken = BYTES_NONE;

        if (n > left(r)) pack_fail(r, ERR_TRUNCATED);
        if (r->err) return taken;
        taken = bytes_make(r->p, (size_t)n);
        if (n) r->p += n;
        return taken;
}

/* A number that stands behind its kind in a power of two of bytes: `kind` means `size`, each next kind twice as many. */
static uint64_t sized(struct pack_reader *r, uint8_t found, uint8_t kind, size_t size, unsigned kinds)
{
        if (found < kind || found >= kind + kinds) {
                pack_fail(r, ERR_MALFORMED);
                return 0;
        }
        return big_endian(r, size << (found - kind));
}

uint64_t pack_uint(struct pack_reader *r)
{
        uint8_t found = (uint8_t)big_endian(r, 1);

        if (r->err || found <= FIXINT_MAX) return found;
        return sized(r, found, UINT8, 1, 4);
}

struct bytes pack_bin(struct pack_reader *r)
{
        uint8_t found = (uint8_t)big_endian(r, 1);

        return take(r, r->err ? 0 : sized(r, found, BIN8, 1, 3));
}

struct bytes pack_str(struct pack_reader *r)
{
        uint8_t found = (uint8_t)big_endian(r, 1);
        struct bytes text;

        if (r->err) return BYTES_NONE;
        if ((found & 0xe0) == FIXSTR) text = take(r, found & 0x1f);
        else text = take(r, sized(r, found, STR8, 1, 3));
        if (!r->err && !bytes_are_utf8(text)) pack_fail(r, ERR_MALFORMED);
        return r->err ? BYTES_NONE : text;
}

size_t pack_array(struct pack_reader *r)
{
        uint8_t found = (uint8_t)big_endian(r, 1);
        uint64_t count;

        if (r->err) return 0;
        if ((found & 0xf0) == FIXARRAY) count = found & 0x0f;
        else count = sized(r, found, ARRAY16, 2, 2);
        if (count > left(r)) pack_fail(r, ERR_TRUNCATED);
        return r->err ? 0 : (size_t)count;
}

enum err pack_end(const struct pack_reader *r)
{
        if (r->err) return r->err;
        return r->p == r->end ? OK : ERR_TRAILING;
}

static int write_some(void *user, const char *p, size_t n)
{
        struct writer *w = user;

        writer_put(w, p, n);
        return w->full ? -1 : 0;
}

msgpack_packer pack_into(struct writer *w)
{
        msgpack_packer pk;

        msgpack_packer_init(&pk, w, write_some);
        return pk;
}
