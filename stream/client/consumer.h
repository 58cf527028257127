/* The client's consumer: pulls a stream from the index it has come to and routes each message on
 * (docs/protocol.md, "The stream client").
 *
 * On a connection: create, index get where nothing is known yet, pull again and again, index save. Where it goes on from an
 * index it first pulls from the one before: if that stays empty while the stream is not, the log ends before what was read of it
 * (it was cut, or made anew), which is said, and it is read from its start. The same now and then while nothing comes. Several pulls are
 * out while answers come back full.
 * Delivered with origin ORIGIN_STREAM, the producer's address before the return route. */
#ifndef STROP_STREAM_CONSUMER_H
#define STROP_STREAM_CONSUMER_H

#include "stream/limits.h"
#include "transport/router.h"

struct consumer;

enum { CONSUMER_PULLS_MAX = 16 }; /* more is never out, whatever the limits say */

struct consumer_events {
        /* The index to go on from is known and the first pull is out. Once per connection. */
        void (*ready)(void *user);
        /* As the producer's; ERR_NOT_FOUND: the stream ends before what was read of it. */
        void (*notice)(void *user, enum err err, const char *text);
        void (*refused)(void *user, const char *reason);
};

struct consumer_config {
        struct bytes service, index_service; /* "stream_kafka", "stream_kafka_index" */
        struct bytes stream_name, client_id;
        struct bytes reply_address; /* put before return routes: the producer's; may be empty (nothing is put) */
};

/* All is copied. */
struct consumer *consumer_new(struct router *router, const struct consumer_config *config, const struct stream_client_limits *limits,
                              const struct consumer_events *events, void *user);
void consumer_free(struct consumer *consumer);

void consumer_connected(struct consumer *consumer, struct bytes conn);
void consumer_disconnected(struct consumer *consumer);
/* While paused no pull goes out (the application or its producer takes no more). */
void consumer_pause(struct consumer *consumer, bool paused);
/* The next index it wants. */
uint64_t consumer_index(const struct consumer *consumer);

#endif
