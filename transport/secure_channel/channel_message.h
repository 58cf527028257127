/* The CBOR inside an encrypted message (docs/protocol.md, "Messages"): a routed payload, refreshed credentials, close.
 * Vectors: channel-messages.json. */
#ifndef STROP_SECURE_CHANNEL_CHANNEL_MESSAGE_H
#define STROP_SECURE_CHANNEL_CHANNEL_MESSAGE_H

#include "transport/message.h"

enum channel_message_kind { CHANNEL_MESSAGE_PAYLOAD = 0, CHANNEL_MESSAGE_CREDENTIALS = 1, CHANNEL_MESSAGE_CLOSE = 2 };

struct channel_message {
        enum channel_message_kind kind;
        struct message msg;   /* payload: routes are put together in the arena, the payload points into the input */
        struct bytes history; /* credentials: the CBOR of the change history */
};

/* ERR_MALFORMED, ERR_TRUNCATED; ERR_TOO_LARGE: more than max_hops; ERR_FULL: the arena. */
MUST_USE enum err channel_message_read(struct bytes in, struct arena *arena, size_t max_hops, struct channel_message *out);

size_t channel_payload_size(const struct message *msg);
void channel_payload_put(struct writer *w, const struct message *msg);
void channel_close_put(struct writer *w); /* 82 02 80 */

#endif
