/* One end of a bi-directional stream: puts producer and consumer together, and makes one voice of the two towards people. */
#include "stream/client/bidirectional.h"

#include "stream/client/handle.h"

#include <stdio.h>
#include <stdlib.h>

#define STREAM_SERVICE BYTES_LITERAL("stream_kafka")
#define INDEX_SERVICE  BYTES_LITERAL("stream_kafka_index")

struct bidirectional {
        struct producer *producer;
        struct consumer *consumer;
        const struct bidirectional_events *events;
        void *user;
        bool producer_stands, consumer_stands;
        char said[512]; /* the latest notice: both ends see the same trouble, people hear of it once */
        struct context *ctx;
        struct grave grave;
};

static const struct bidirectional_events no_events = {tell_nobody, tell_nobody, notice_nobody, refuse_nobody};

static void notice(void *user, enum err err, const char *text)
{
        struct bidirectional *stream = user;

        if (strcmp(stream->said, text) == 0) return;
        snprintf(stream->said, sizeof stream->said, "%s", text);
        stream->events->notice(stream->user, err, text);
}

static void refused(void *user, const char *reason)
{
        struct bidirectional *stream = user;

        stream->events->refused(stream->user, reason);
}

static void producer_ready(void *user)
{
        struct bidirectional *stream = user;

        stream->producer_stands = true;
        if (stream->consumer_stands) stream->events->ready(stream->user);
}

static void consumer_ready(void *user)
{
        struct bidirectional *stream = user;

        stream->consumer_stands = true;
        if (stream->producer_stands) stream->events->ready(stream->user);
}

static void full(void *user)
{
        struct bidirectional *stream = user;

        consumer_pause(stream->consumer, true);
}

static void drained(void *user)
{
        struct bidirectional *stream = user;

        consumer_pause(stream->consumer, false);
        stream->events->drained(stream->user);
}

static const struct producer_events producer_events = {producer_ready, full, drained, notice, refused};
static const struct consumer_events consumer_events = {consumer_ready, notice, refused};

struct bidirectional *bidirectional_new(struct router *router, const struct bidirectional_config *config,
                                        const struct stream_client_limits *limits, const struct bidirectional_events *events, void *user)
{
        struct bidirectional *stream = calloc(1, sizeof *stream);
        struct consumer_config reader = {
                .service = STREAM_SERVICE,
                .index_service = INDEX_SERVICE,
                .stream_name = config->receiver,
                .client_id = config->client_id,
        };

        if (!stream) return NULL;
        stream->ctx = router_context(router);
        stream->events = events;
        stream->user = user;
        stream->producer = producer_new(router, STREAM_SERVICE, config->sender, limits, &producer_events, stream);
        if (!stream->producer) goto failed;
        reader.reply_address = producer_address(stream->producer);
        stream->consumer = consumer_new(router, &reader, limits, &consumer_events, stream);
        if (!stream->consumer) goto failed;
        return stream;
failed:
        producer_free(stream->producer);
        free(stream);
        return NULL;
}

static void bury(void *object) { free(object); }

void bidirectional_free(struct bidirectional *stream)
{
        if (!stream) return;
        stream->events = &no_events;
        consumer_free(stream->consumer);
        producer_free(stream->producer);
        context_bury(stream->ctx, &stream->grave, bury, stream);
}

/* The consumer asks first, as the crate does it. */
void bidirectional_connected(struct bidirectional *stream, struct bytes conn)
{
        stream->producer_stands = stream->consumer_stands = false;
        consumer_connected(stream->consumer, conn);
        producer_connected(stream->producer, conn);
}

void bidirectional_disconnected(struct bidirectional *stream)
{
        stream->producer_stands = stream->consumer_stands = false;
        stream->said[0] = '\0';
        consumer_disconnected(stream->consumer);
        producer_disconnected(stream->producer);
}

struct bytes bidirectional_address(const struct bidirectional *stream) { return producer_address(stream->producer); }

bool bidirectional_full(const struct bidirectional *stream) { return producer_full(stream->producer); }

size_t bidirectional_unconfirmed(const struct bidirectional *stream) { return producer_unconfirmed(stream->producer); }
