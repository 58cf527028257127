/* The transport message (docs/protocol.md, "Transport message"): where it goes, where answers go, and what it carries. */
#ifndef STROP_TRANSPORT_MESSAGE_H
#define STROP_TRANSPORT_MESSAGE_H

#include "transport/route.h"

struct message {
        struct route onward; /* still to go; the first address is whoever gets it next */
        struct route ret;    /* the way back */
        struct bytes payload;
};

/* Reads a message; views into `in`. The version is not looked at and bytes behind the payload are ignored, as the hub and
 * the crate do. ERR_TRUNCATED, ERR_MALFORMED, ERR_TOO_LARGE (route longer than max_hops). */
MUST_USE enum err message_read(struct bytes in, size_t max_hops, struct message *out);

/* As message_read, for what the hub of 2021 takes beyond that: address types written as a uint longer than needed (80 00 for 0). The routes are
 * put together anew in the arena, types in one byte. Types over 127 are refused: there the two readings exclude each other. ERR_FULL: the arena. */
MUST_USE enum err message_read_wide(struct bytes in, size_t max_hops, struct arena *arena, struct message *out);

/* The encoded size, without a frame's length. */
size_t message_size(const struct message *msg);
void message_put(struct writer *w, const struct message *msg);

/* Everything of the encoding that stands before the payload's bytes, so that a sender can hand payload on uncopied. */
void message_put_head(struct writer *w, const struct message *msg);
size_t message_head_size(const struct message *msg);

#endif
