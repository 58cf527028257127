/* The client's producer: takes local messages, pushes each whole as bytes into a stream (docs/protocol.md, "The stream client").
 *
 * In order, several pushes in flight. What is not confirmed is kept, and after a reconnect pushed again: the same bytes in the
 * original order (I5). Holds no connection itself: it is told when one stands and when it is lost. */
#ifndef STROP_STREAM_PRODUCER_H
#define STROP_STREAM_PRODUCER_H

#include "stream/limits.h"
#include "transport/router.h"

struct producer;

struct producer_events {
        /* The stream stands at the node. Once per connection. */
        void (*ready)(void *user);
        /* producer_full from now on; `drained` ends it. */
        void (*full)(void *user);
        /* Every message given so far is confirmed, or room is there again after ERR_FULL. */
        void (*drained)(void *user);
        /* Something for people, once for each trouble: ERR_TIMEOUT, the node does not answer; ERR_FAILED, it cannot store or answers
         * wrongly; OK, that is over. */
        void (*notice)(void *user, enum err err, const char *text);
        /* The stream cannot be used ("no such ...": the node's reason): the node refused to create it. */
        void (*refused)(void *user, const char *reason);
};

/* name is copied; `service` is the stream service's address ("stream_kafka"). */
struct producer *producer_new(struct router *router, struct bytes service, struct bytes stream_name,
                              const struct stream_client_limits *limits, const struct producer_events *events, void *user);
void producer_free(struct producer *producer);

/* The address to put into a route in place of the connection's. Accepts ORIGIN_LOCAL alone. Messages beyond the limit are dropped
 * and counted; senders look at producer_full before they send. */
struct bytes producer_address(const struct producer *producer);

/* A connection stands; conn is its local address (copied). Creates the stream, then pushes. */
void producer_connected(struct producer *producer, struct bytes conn);
void producer_disconnected(struct producer *producer);

bool producer_full(const struct producer *producer);
size_t producer_unconfirmed(const struct producer *producer);

#endif
