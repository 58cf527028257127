/* The table of streams: found by name and partition, forgotten when nobody holds them any more. */
#include "stream/streams.h"

#include "transport/base/logger.h"

#include <stdlib.h>

static struct context *ctx_of(struct streams *streams)
{
        return router_context(streams->router);
}

static void stream_free(struct stream *stream)
{
        struct streams *streams = stream->streams;

        HASH_DEL(streams->table, stream);
        router_remove(streams->router, stream->worker);
        if (stream->log_stream) log_stream_put(streams->log, stream->log_stream);
        free(stream);
}

static void set_forget_timer(struct streams *streams)
{
        struct stream *first = TAILQ_FIRST(&streams->idle);
        uint64_t now = context_now_ms(ctx_of(streams)), due;

        if (!first || timer_is_set(&streams->forget)) return;
        due = first->idle_since_ms + streams->limits->forget_ms;
        if (context_timer_set(ctx_of(streams), &streams->forget, due > now ? due - now : 0)) return; /* the next idle stream tries again */
}

static void forget_idle(void *arg)
{
        struct streams *streams = arg;
        uint64_t now = context_now_ms(ctx_of(streams));
        struct stream *first;

        while ((first = TAILQ_FIRST(&streams->idle)) && now - first->idle_since_ms >= streams->limits->forget_ms) {
                log_debug(NULL, "stream %s, partition %u: forgotten, nobody uses it", first->name, first->partition);
                TAILQ_REMOVE(&streams->idle, first, idle);
                stream_free(first);
        }
        set_forget_timer(streams);
}

void streams_init(struct streams *streams, struct router *router, struct log *log, const struct service_limits *limits, worker_handler *handler,
                  void *owner)
{
        *streams = (struct streams){.router = router, .log = log, .limits = limits, .handler = handler, .owner = owner};
        TAILQ_INIT(&streams->idle);
        timer_init(&streams->forget, forget_idle, streams);
}

void streams_clear(struct streams *streams)
{
        struct stream *stream, *next;

        context_timer_stop(ctx_of(streams), &streams->forget);
        HASH_ITER(hh, streams->table, stream, next) stream_free(stream);
        TAILQ_INIT(&streams->idle);
}

size_t streams_count(const struct streams *streams)
{
        return HASH_COUNT(streams->table);
}

/* Name, NUL, partition: what the table is searched by. */
struct stream_key {
        char text[STREAM_NAME_MAX + 1 + sizeof(uint32_t)];
        size_t n;
};

static struct stream_key make_key(const char *name, uint32_t partition)
{
        struct stream_key key = {.n = strlen(name) + 1};

        memcpy(key.text, name, key.n);
        memcpy(key.text + key.n, &partition, sizeof partition);
        key.n += sizeof partition;
        return key;
}

static struct stream *find(const struct streams *streams, const struct stream_key *key)
{
        struct stream *stream;

        HASH_FIND(hh, streams->table, key->text, key->n, stream);
        return stream;
}

bool streams_known(const struct streams *streams, const char *name, uint32_t partition)
{
        struct stream_key key = make_key(name, partition);

        return find(streams, &key) != NULL;
}

static void join_idle(struct stream *stream)
{
        stream->idle_since_ms = context_now_ms(ctx_of(stream->streams));
        TAILQ_INSERT_TAIL(&stream->streams->idle, stream, idle);
        set_forget_timer(stream->streams);
}

struct stream *streams_get(struct streams *streams, const char *name, uint32_t partition)
{
        struct stream_key key = make_key(name, partition);
        struct stream *stream = find(streams, &key), *added;

        if (stream) return stream;
        stream = calloc(1, sizeof *stream + key.n);
        if (!stream) return NULL;
        stream->streams = streams;
        stream->partition = partition;
        stream->key_n = key.n;
        memcpy(stream->name, key.text, key.n);
        HASH_ADD_KEYPTR(hh, streams->table, stream->name, stream->key_n, stream);
        added = find(streams, &key);
        if (!added) {
                free(stream);
                return NULL;
        }
        stream->log_stream = log_stream_get(streams->log, name, partition);
        if (!stream->log_stream || router_add(streams->router, BYTES_NONE, ORIGIN_TCP, streams->handler, stream, &stream->worker)) {
                stream_free(stream);
                return NULL;
        }
        join_idle(stream);
        return stream;
}

void stream_hold(struct stream *stream)
{
        if (stream->holders++ == 0) TAILQ_REMOVE(&stream->streams->idle, stream, idle);
}

void stream_release(struct stream *stream)
{
        if (--stream->holders == 0) join_idle(stream);
}

void stream_touch(struct stream *stream)
{
        if (stream->holders) return;
        TAILQ_REMOVE(&stream->streams->idle, stream, idle);
        join_idle(stream);
}

const char *stream_name_wrong(struct bytes name, size_t max)
{
        if (name.n == 0) return "Invalid request";
        if (name.n > max) return "The stream name is too long";
        for (size_t i = 0; i < name.n; i++) {
                uint8_t c = name.p[i];
                bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
                if (!fine) return "A stream name may have letters, digits, '.', '_' and '-' only";
        }
        if (bytes_equal(name, BYTES_LITERAL(".")) || bytes_equal(name, BYTES_LITERAL(".."))) return "The stream name may not be . or ..";
        if (name.n >= 2 && name.p[0] == '_' && name.p[1] == '_') return "Stream names that begin with __ are reserved";
        return NULL;
}
