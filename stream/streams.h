/* The streams that the node knows: one worker for each stream and partition, shared by all connections, and who holds it.
 * A stream is held by each connection that created or used it and by each request on it; one that nobody holds is forgotten after a while. */
#ifndef STROP_STREAM_STREAMS_H
#define STROP_STREAM_STREAMS_H

#include "stream/limits.h"
#include "stream/log.h"
#include "transport/router.h"

#define HASH_NONFATAL_OOM 1
#include <sys/queue.h>
#include <uthash.h>

struct streams;

struct stream {
        struct streams *streams;
        struct worker *worker;
        struct log_stream *log_stream;
        uint32_t partition;
        size_t holders;
        uint64_t idle_since_ms; /* without holders: when it was last used */
        TAILQ_ENTRY(stream) idle;
        UT_hash_handle hh;
        size_t key_n;           /* name, NUL, partition */
        char name[];            /* the key begins here */
};

TAILQ_HEAD(stream_queue, stream);

struct streams {
        struct router *router;
        struct log *log;
        const struct service_limits *limits;
        worker_handler *handler; /* of each stream's worker; its self is the struct stream */
        void *owner;
        struct stream *table;
        struct stream_queue idle; /* those without holders, the one idle for longest first */
        struct timer forget;
};

void streams_init(struct streams *streams, struct router *router, struct log *log, const struct service_limits *limits, worker_handler *handler,
                  void *owner);
void streams_clear(struct streams *streams);
size_t streams_count(const struct streams *streams);

/* The stream, made where it is not known; NULL when memory is out or the router takes no more workers. The limit on streams is the caller's to ask
 * beforehand. Whoever gets it holds it next. */
struct stream *streams_get(struct streams *streams, const char *name, uint32_t partition);
bool streams_known(const struct streams *streams, const char *name, uint32_t partition);

void stream_hold(struct stream *stream);
void stream_release(struct stream *stream);
/* Someone used it without holding it. */
void stream_touch(struct stream *stream);

/* Whether `name` may be a stream's: [A-Za-z0-9._-]{1,249}, neither "." nor "..", not internal ("__..."); else a sentence about
 * what is wrong with it. A prefix in front of it counts: `max` is what the log leaves. */
const char *stream_name_wrong(struct bytes name, size_t max);

#endif
