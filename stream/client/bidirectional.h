/* One end of a bi-directional stream: a producer on one stream and a consumer on the other. Routes into it begin with
 * bidirectional_address, the producer's. While the producer takes no more, the consumer pulls no more. */
#ifndef STROP_STREAM_BIDIRECTIONAL_H
#define STROP_STREAM_BIDIRECTIONAL_H

#include "stream/client/consumer.h"
#include "stream/client/producer.h"

struct bidirectional;

struct bidirectional_events {
        void (*ready)(void *user);                                  /* both ends stand; once per connection */
        void (*drained)(void *user);                                /* as the producer's */
        void (*notice)(void *user, enum err err, const char *text); /* as theirs, once for both */
        void (*refused)(void *user, const char *reason);
};

struct bidirectional_config {
        struct bytes sender, receiver; /* names of the stream that this end writes, and of the one that it reads */
        struct bytes client_id;        /* stable for an identity and a stream */
};

/* All is copied. NULL: out of memory, or of workers. */
struct bidirectional *bidirectional_new(struct router *router, const struct bidirectional_config *config,
                                        const struct stream_client_limits *limits, const struct bidirectional_events *events, void *user);
void bidirectional_free(struct bidirectional *stream);
/* A connection stands (its local address, copied), or is lost. */
void bidirectional_connected(struct bidirectional *stream, struct bytes conn);
void bidirectional_disconnected(struct bidirectional *stream);
struct bytes bidirectional_address(const struct bidirectional *stream);
bool bidirectional_full(const struct bidirectional *stream);
size_t bidirectional_unconfirmed(const struct bidirectional *stream);

#endif
