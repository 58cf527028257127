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
        return (struct cbor_reader){in.p, in.p + in.n, OK};
}

uint64_t cbor_uint(struct cbor_reader *r);
bool cbor_bool(struct cbor_reader *r);
/* A definite-length byte string; chunks are ERR_MALFORMED. Points into the input. */
struct bytes cbor_bytes(struct cbor_reader *r);
/* Takes a null if one comes next. */
bool cbor_take_null(struct cbor_reader *r);
struct cbor_items cbor_array(struct cbor_reader *r);
struct cbor_items cbor_map(struct cbor_reader *r);
/* Whether another item (pair) follows; takes the end of an indefinite one. False after an error. */
bool cbor_more(struct cbor_reader *r, struct cbor_items *items);
/* The outer array of an enum: definite, two items; gives the variant. */
uint64_t cbor_variant(struct cbor_reader *r);
/* Passes over whole items of any kind, nested CBOR_DEPTH_MAX deep at most. */
void cbor_skip(struct cbor_reader *r);
/* Passes over what is left of an array or map, its end included. */
void cbor_skip_rest(struct cbor_reader *r, struct cbor_items *items, unsigned items_per_entry);
struct bytes cbor_rest(const struct cbor_reader *r);

/* Shortest forms. */
void cbor_put_uint(struct writer *w, uint64_t value);
void cbor_put_bytes(struct writer *w, struct bytes bytes);
void cbor_put_array(struct writer *w, uint64_t count);
void cbor_put_map(struct writer *w, uint64_t count);
void cbor_put_bool(struct writer *w, bool value);
void cbor_put_null(struct writer *w);
size_t cbor_head_size(uint64_t value); /* of any head with this argument */

#endif
