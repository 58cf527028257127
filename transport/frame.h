/* The TCP frame (docs/protocol.md, "TCP frame"): two bytes of length, big-endian, then that many bytes of message. */
#ifndef STROP_TRANSPORT_FRAME_H
#define STROP_TRANSPORT_FRAME_H

#include "transport/base/bytes.h"
#include "transport/base/err.h"
#include "transport/base/writer.h"

/* Takes the next frame off a byte stream.
 * in      borrowed; *body points into it and lives as long as it does
 * *used   bytes to drop from the front of `in`
 * returns OK; ERR_AGAIN when the frame is not whole yet (outputs untouched). Any thread. */
MUST_USE enum err frame_next(struct bytes in, size_t *used, struct bytes *body);

/* Writes the length; `size` is at most FRAME_MAX, which the caller has checked. */
void frame_put_length(struct writer *w, size_t size);

#endif
