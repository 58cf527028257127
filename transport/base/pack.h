/* msgpack, for what is ours alone: files at rest and invitations. Written by msgpack-c into a struct writer; read with a cursor.
 *
 * msgpack-c's own decoder allocates by the counts that the input announces; this one allocates nothing, looks into its
 * input, and takes each value only as the kind that the caller asks for. */
#ifndef STROP_BASE_PACK_H
#define STROP_BASE_PACK_H

#include "transport/base/bytes.h"
#include "transport/base/err.h"
#include "transport/base/writer.h"

#include <msgpack.h>

struct pack_reader {
        const uint8_t *p, *end;
        enum err err; /* the first error stays */
};

static inline struct pack_reader pack_reader_make(struct bytes in)
{
        return (struct pack_reader){in.p, in.n ? in.p + in.n : in.p, OK};
}

/* Each takes one value. ERR_MALFORMED: of another kind; ERR_TRUNCATED: the input ends before it does. Results point into the input. */
uint64_t pack_uint(struct pack_reader *r);
struct bytes pack_bin(struct pack_reader *r);
struct bytes pack_str(struct pack_reader *r); /* ERR_MALFORMED unless UTF-8 */
size_t pack_array(struct pack_reader *r);     /* how many items follow; never more than there are bytes left */
/* The reader's error, or ERR_TRAILING when bytes are left. */
MUST_USE enum err pack_end(const struct pack_reader *r);

/* A packer of msgpack-c that writes into `w`; what does not fit is told by the writer. */
msgpack_packer pack_into(struct writer *w);
static inline void pack_put_str(msgpack_packer *pk, struct bytes text) { msgpack_pack_str_with_body(pk, text.p, text.n); }
static inline void pack_put_bin(msgpack_packer *pk, struct bytes data) { msgpack_pack_bin_with_body(pk, data.p, data.n); }

#endif
