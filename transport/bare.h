/* BARE (draft-devault-bare), as far as Ockam uses it: docs/protocol.md, "BARE".
 *
 * The reader looks into its input and copies nothing. Its first error stays: later reads give empty values, so a decoder
 * reads all its fields and asks once. The writer is `struct writer`. */
#ifndef STROP_TRANSPORT_BARE_H
#define STROP_TRANSPORT_BARE_H

#include "transport/base/bytes.h"
#include "transport/base/err.h"
#include "transport/base/writer.h"

struct bare_reader {
        const uint8_t *p, *end;
        enum err err;
};

static inline struct bare_reader bare_reader_make(struct bytes in)
{
        return (struct bare_reader){in.p, in.n ? in.p + in.n : in.p, OK};
}

/* One to ten bytes, at most 64 bits (longer than needed is taken); ERR_MALFORMED beyond, ERR_TRUNCATED at the end. */
uint64_t bare_uint(struct bare_reader *r);
uint8_t bare_u8(struct bare_reader *r);
/* Length and bytes; ERR_TRUNCATED when the length goes beyond the input. The result points into the input. */
struct bytes bare_data(struct bare_reader *r);
/* As bare_data; ERR_MALFORMED unless UTF-8. */
struct bytes bare_string(struct bare_reader *r);
/* The bytes of a uint of any size, for numbers that are only sent back: the hub of 2021 takes and echoes more than 64 bits. */
struct bytes bare_uint_raw(struct bare_reader *r, size_t max);
/* An optional's first byte: anything but 0 is "present" (both the hub and the crate take it so). */
bool bare_present(struct bare_reader *r);
/* The reader's error, or ERR_TRAILING when bytes are left. */
MUST_USE enum err bare_end(const struct bare_reader *r);
/* What has not been read yet. */
struct bytes bare_rest(const struct bare_reader *r);

/* The shortest form is written. */
void bare_put_uint(struct writer *w, uint64_t value);
void bare_put_data(struct writer *w, struct bytes data);
static inline void bare_put_string(struct writer *w, struct bytes text) { bare_put_data(w, text); }

/* How many bytes these take. */
size_t bare_uint_size(uint64_t value);
static inline size_t bare_data_size(size_t n) { return bare_uint_size(n) + n; }

#endif
