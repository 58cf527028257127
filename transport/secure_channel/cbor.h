/* CBOR (RFC 8949) as minicbor derives it for Ockam: a cursor over heads, no tree, no recursion on input (depth at most 16).
 * docs/protocol.md, "CBOR", says what is taken beyond what is written: indefinite arrays and maps, integers longer than
 * needed, unknown items. */
#ifndef STROP_SECURE_CHANNEL_CBOR_H
#define STROP_SECURE_CHANNEL_CBOR_H

#include "transport/base/bytes.h"
#include "transport/base/err.h"
#include "transport/base/writer.h"

enum { CBOR_DEPTH_MAX = 16 };

struct cbor_reader {
        const uint8_t *p, *end;
        enum err err; /* the first error stays */
};

/* An array or map that is being read. */
struct cbor_items {
        uint64_t left;   /* items (for maps: pairs) still to come; meaningless when indefinite */
        bool indefinite;
};

static inline struct cbor_reader cbor_reader_make(struct bytes in)
{
        return (struct cbor_reader){in.p, in.n ? in.p + in.n : in.p, OK};
}

/* Remembers an error that a decoder found itself; reading is over. */
void cbor_fail(struct cbor_reader *r, enum err err);

uint64_t cbor_uint(struct cbor_reader *r);
uint64_t cbor_uint_max(struct cbor_reader *r, uint64_t max); /* ERR_MALFORMED when larger */
/* An integer up to 255. In line, since addresses are arrays of these: most of what a message's decoding costs. */
static inline uint8_t cbor_u8(struct cbor_reader *r)
{
        if (r->end - r->p >= 2) {
                if (r->p[0] < 24) return *r->p++;
                if (r->p[0] == 24) {
                        r->p += 2;
                        return r->p[-1];
                }
        }
        return (uint8_t)cbor_uint_max(r, UINT8_MAX);
}
bool cbor_bool(struct cbor_reader *r);
/* A definite-length byte string; chunks are ERR_MALFORMED. Points into the input. */
struct bytes cbor_bytes(struct cbor_reader *r);
/* A byte string of exactly n bytes, copied; ERR_MALFORMED for another length. */
void cbor_bytes_fixed(struct cbor_reader *r, uint8_t *out, size_t n);
/* Takes a null if one comes next. ERR_TRUNCATED when nothing does. */
bool cbor_take_null(struct cbor_reader *r);
struct cbor_items cbor_array(struct cbor_reader *r);
struct cbor_items cbor_map(struct cbor_reader *r);
/* Whether another item (pair) follows; takes the end of an indefinite one. False after an error. */
bool cbor_more(struct cbor_reader *r, struct cbor_items *items);
/* Goes on to the next item where there has to be one, a struct's field: ERR_MALFORMED at the end of the array. */
void cbor_need(struct cbor_reader *r, struct cbor_items *items);
/* The outer array of an enum: definite, two items; gives the variant. */
uint64_t cbor_variant(struct cbor_reader *r);
/* Passes over one whole item of any kind; ERR_TOO_LARGE when arrays, maps and tags are nested more than CBOR_DEPTH_MAX deep in it. */
void cbor_skip(struct cbor_reader *r);
/* Passes over what is left of an array or map, its end included. */
void cbor_skip_rest(struct cbor_reader *r, struct cbor_items *items, unsigned items_per_entry);
struct bytes cbor_rest(const struct cbor_reader *r);

/* Shortest forms. */
void cbor_put_uint(struct writer *w, uint64_t value);
static inline void cbor_put_u8(struct writer *w, uint8_t value)
{
        const uint8_t two[] = {24, value};

        /* Sizes that the compiler knows: a copy of one or two bytes then costs no call. */
        if (value < 24) writer_put_u8(w, value);
        else writer_put(w, two, sizeof two);
}
void cbor_put_bytes(struct writer *w, struct bytes bytes);
void cbor_put_bytes_head(struct writer *w, size_t n); /* the n bytes are written by the caller */
void cbor_put_array(struct writer *w, uint64_t count);
void cbor_put_map(struct writer *w, uint64_t count);
void cbor_put_bool(struct writer *w, bool value);
void cbor_put_null(struct writer *w);
size_t cbor_head_size(uint64_t value); /* of any head with this argument */

#endif
