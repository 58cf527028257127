/* CBOR heads, read with a cursor and written in their shortest form (RFC 8949, section 3).
 *
 * What is taken and what is refused follows the decoder of the Rust crate (docs/protocol.md, "CBOR"), except that a stray
 * "break" never counts as an item. Nothing here recurses: nesting that is passed over is kept on a small stack. */
#include "transport/secure_channel/cbor.h"

enum {
        /* Majors 1 (negative) and 7 (simple) are only ever passed over. */
        MAJOR_UINT = 0,
        MAJOR_BYTES = 2,
        MAJOR_TEXT = 3,
        MAJOR_ARRAY = 4,
        MAJOR_MAP = 5,
        MAJOR_TAG = 6,
        INFO_U8 = 24, /* one byte follows; 25: two, 26: four, 27: eight */
        INFO_U64 = 27,
        INFO_INDEFINITE = 31,
        ITEM_FALSE = 0xf4,
        ITEM_TRUE = 0xf5,
        ITEM_NULL = 0xf6,
        ITEM_BREAK = 0xff,
};

struct head {
        uint8_t major;
        bool indefinite;
        uint64_t argument; /* 0 when indefinite */
};

void cbor_fail(struct cbor_reader *r, enum err err)
{
        if (!r->err) r->err = err;
        r->p = r->end;
}

static size_t left(const struct cbor_reader *r)
{
        return (size_t)(r->end - r->p);
}

/* 0 and an error at the end; 0 is the head of a number, so what comes of it is refused by the error alone. */
static uint8_t peek(struct cbor_reader *r)
{
        if (r->p == r->end) {
                cbor_fail(r, ERR_TRUNCATED);
                return 0;
        }
        return *r->p;
}

static uint64_t big_endian(struct cbor_reader *r, size_t n)
{
        uint64_t value = 0;

        if (left(r) < n) {
                cbor_fail(r, ERR_TRUNCATED);
                return 0;
        }
        for (size_t i = 0; i < n; i++) value = value << 8 | r->p[i];
        r->p += n;
        return value;
}

static struct head head_read(struct cbor_reader *r)
{
        uint8_t first = peek(r), info = first & 31;
        struct head head = {.major = first >> 5};

        if (r->err) return head;
        r->p++;
        if (info < INFO_U8) head.argument = info;
        else if (info <= INFO_U64) head.argument = big_endian(r, (size_t)1 << (info - INFO_U8));
        else if (info == INFO_INDEFINITE) head.indefinite = true;
        else cbor_fail(r, ERR_MALFORMED);
        return head;
}

/* The argument of a definite head of this kind. */
static uint64_t definite(struct cbor_reader *r, uint8_t major)
{
        struct head head = head_read(r);

        if (!r->err && (head.major != major || head.indefinite)) cbor_fail(r, ERR_MALFORMED);
        return r->err ? 0 : head.argument;
}

uint64_t cbor_uint(struct cbor_reader *r)
{
        return definite(r, MAJOR_UINT);
}

uint64_t cbor_uint_max(struct cbor_reader *r, uint64_t max)
{
        uint64_t value = cbor_uint(r);

        if (value > max) cbor_fail(r, ERR_MALFORMED);
        return r->err ? 0 : value;
}

bool cbor_bool(struct cbor_reader *r)
{
        uint8_t first = peek(r);

        if (!r->err && first != ITEM_FALSE && first != ITEM_TRUE) cbor_fail(r, ERR_MALFORMED);
        if (r->err) return false;
        r->p++;
        return first == ITEM_TRUE;
}

static struct bytes take(struct cbor_reader *r, uint64_t n)
{
        struct bytes taken = BYTES_NONE;

        if (n > left(r)) cbor_fail(r, ERR_TRUNCATED);
        if (r->err) return taken;
        taken = bytes_make(r->p, (size_t)n);
        r->p += n;
        return taken;
}

struct bytes cbor_bytes(struct cbor_reader *r)
{
        return take(r, definite(r, MAJOR_BYTES));
}

void cbor_bytes_fixed(struct cbor_reader *r, uint8_t *out, size_t n)
{
        struct bytes in = cbor_bytes(r);

        if (in.n != n) cbor_fail(r, ERR_MALFORMED);
        if (!r->err && n) memcpy(out, in.p, n);
}

bool cbor_take_null(struct cbor_reader *r)
{
        if (peek(r) != ITEM_NULL) return false;
        r->p++;
        return true;
}

/* Each item takes a byte at least, so a larger count than there are bytes is known to be cut off. */
static struct cbor_items items_of(struct cbor_reader *r, struct head head, unsigned items_per_entry)
{
        if (!r->err && head.argument > left(r) / items_per_entry) cbor_fail(r, ERR_TRUNCATED);
        if (r->err) return (struct cbor_items){0, false};
        return (struct cbor_items){head.argument, head.indefinite};
}

static struct cbor_items container(struct cbor_reader *r, uint8_t major, unsigned items_per_entry)
{
        struct head head = head_read(r);

        if (!r->err && head.major != major) cbor_fail(r, ERR_MALFORMED);
        return items_of(r, head, items_per_entry);
}

struct cbor_items cbor_array(struct cbor_reader *r)
{
        return container(r, MAJOR_ARRAY, 1);
}

struct cbor_items cbor_map(struct cbor_reader *r)
{
        return container(r, MAJOR_MAP, 2);
}

bool cbor_more(struct cbor_reader *r, struct cbor_items *items)
{
        if (r->err) return false;
        if (!items->indefinite) return items->left && items->left--;
        if (peek(r) == ITEM_BREAK) {
                r->p++;
                *items = (struct cbor_items){0, false};
                return false;
        }
        return !r->err;
}

void cbor_need(struct cbor_reader *r, struct cbor_items *items)
{
        if (!cbor_more(r, items)) cbor_fail(r, ERR_MALFORMED);
}

uint64_t cbor_variant(struct cbor_reader *r)
{
        uint64_t count = definite(r, MAJOR_ARRAY);

        if (!r->err && count != 2) cbor_fail(r, ERR_MALFORMED);
        return cbor_uint(r);
}

static void text_check(struct cbor_reader *r, uint8_t major, struct bytes text)
{
        if (!r->err && major == MAJOR_TEXT && !bytes_are_utf8(text)) cbor_fail(r, ERR_MALFORMED);
}

/* A byte or text string, in chunks of the same kind when indefinite. */
static void string_skip(struct cbor_reader *r, struct head head)
{
        struct cbor_items chunks = {0, true};

        if (!head.indefinite) {
                text_check(r, head.major, take(r, head.argument));
                return;
        }
        while (cbor_more(r, &chunks)) text_check(r, head.major, take(r, definite(r, head.major)));
}

/* What is open while something is passed over: arrays, maps and tags (one item). */
struct open {
        struct cbor_items items; /* of a map: keys and values, each for itself */
        bool pairs, odd;         /* an indefinite map; a key of it without its value so far */
};

struct skip {
        struct open open[CBOR_DEPTH_MAX];
        size_t depth;
};

static void skip_enter(struct skip *skip, struct cbor_reader *r, struct cbor_items items, bool map)
{
        if (r->err) return;
        if (skip->depth == CBOR_DEPTH_MAX) {
                cbor_fail(r, ERR_TOO_LARGE);
                return;
        }
        if (map) items.left *= 2; /* no overflow: there are as many bytes */
        skip->open[skip->depth++] = (struct open){.items = items, .pairs = map && items.indefinite};
}

/* Takes one head and what belongs to it, without the items inside. */
static void skip_item(struct skip *skip, struct cbor_reader *r)
{
        struct head head = head_read(r);

        if (r->err) return;
        switch (head.major) {
        case MAJOR_BYTES:
        case MAJOR_TEXT: string_skip(r, head); return;
        case MAJOR_ARRAY: skip_enter(skip, r, items_of(r, head, 1), false); return;
        case MAJOR_MAP: skip_enter(skip, r, items_of(r, head, 2), true); return;
        default: break;
        }
        /* Of the other kinds none is indefinite; in the last one the same bits are a "break", and there is nothing for it to end. */
        if (head.indefinite) cbor_fail(r, ERR_MALFORMED);
        if (head.major == MAJOR_TAG) skip_enter(skip, r, (struct cbor_items){1, false}, false);
}

void cbor_skip(struct cbor_reader *r)
{
        struct skip skip;

        skip.depth = 0; /* the rest is set when it is entered */
        skip_item(&skip, r);
        while (skip.depth && !r->err) {
                struct open *top = &skip.open[skip.depth - 1];

                if (cbor_more(r, &top->items)) {
                        top->odd = top->pairs && !top->odd;
                        skip_item(&skip, r);
                } else {
                        if (top->odd) cbor_fail(r, ERR_MALFORMED);
                        skip.depth--;
                }
        }
}

void cbor_skip_rest(struct cbor_reader *r, struct cbor_items *items, unsigned items_per_entry)
{
        while (cbor_more(r, items))
                for (unsigned i = 0; i < items_per_entry; i++) cbor_skip(r);
}

struct bytes cbor_rest(const struct cbor_reader *r)
{
        return bytes_make(r->p, left(r));
}

static void put_head(struct writer *w, uint8_t major, uint64_t argument)
{
        static const uint8_t info[] = {[1] = INFO_U8, [2] = INFO_U8 + 1, [4] = INFO_U8 + 2, [8] = INFO_U64};
        uint8_t head[9];
        size_t n = cbor_head_size(argument) - 1;

        head[0] = (uint8_t)((unsigned)major << 5 | (n ? info[n] : (unsigned)argument));
        for (size_t i = n; i > 0; i--, argument >>= 8) head[i] = (uint8_t)argument;
        writer_put(w, head, n + 1);
}

size_t cbor_head_size(uint64_t value)
{
        if (value < INFO_U8) return 1;
        if (value <= UINT8_MAX) return 2;
        if (value <= UINT16_MAX) return 3;
        return value <= UINT32_MAX ? 5 : 9;
}

void cbor_put_uint(struct writer *w, uint64_t value)
{
        put_head(w, MAJOR_UINT, value);
}

void cbor_put_bytes_head(struct writer *w, size_t n)
{
        put_head(w, MAJOR_BYTES, n);
}

void cbor_put_bytes(struct writer *w, struct bytes bytes)
{
        cbor_put_bytes_head(w, bytes.n);
        writer_put(w, bytes.p, bytes.n);
}

void cbor_put_array(struct writer *w, uint64_t count)
{
        put_head(w, MAJOR_ARRAY, count);
}

void cbor_put_map(struct writer *w, uint64_t count)
{
        put_head(w, MAJOR_MAP, count);
}

void cbor_put_bool(struct writer *w, bool value)
{
        writer_put_u8(w, value ? ITEM_TRUE : ITEM_FALSE);
}

void cbor_put_null(struct writer *w)
{
        writer_put_u8(w, ITEM_NULL);
}
