/* The interface to the logs behind the streams: what the services need of Kafka, or of its twin in memory.
 *
 * Every operation is asked for with a token, a number that its asker makes and never uses again, and has exactly one
 * completion, `done` with that token, never from within the call that asked. When the asker is gone, log_cancel drops
 * what it still waits for: no completion follows then, except that appends cannot be taken back: they are stored all the same.
 * A completion whose token nobody knows any more is ignored by the receiver. Loop's thread only. */
#ifndef STROP_STREAM_LOG_H
#define STROP_STREAM_LOG_H

#include "transport/base/bytes.h"
#include "transport/base/err.h"

struct log;
/* One partition of one stream, as the log sees it. */
struct log_stream;

struct log_record {
        uint64_t index;
        struct bytes data;
};

enum log_op { LOG_CREATE, LOG_APPEND, LOG_READ, LOG_INDEX_LOAD };

struct log_result {
        enum log_op op;
        uint64_t token;
        enum err err;             /* OK, or a definite failure; ERR_CANCELLED: the log stops, and the outcome is open */
        const char *why;          /* with an error: a sentence that a client may see; never NULL */
        uint64_t index;           /* APPEND: where it stands; INDEX_LOAD: the saved index, if any */
        bool present;             /* INDEX_LOAD: something was saved */
        const struct log_record *records; /* READ: in order, possibly none; they live until `done` returns */
        size_t count;
};

struct log_events {
        void (*done)(void *user, const struct log_result *result);
        /* Too much is accepted and not stored yet: askers should stop (true), and may go on (false). May come from within an append. */
        void (*pressure)(void *user, bool high);
        /* log_stop has finished. */
        void (*stopped)(void *user);
};

/* A read: from `index` on, at most `max_records` and as many as fit `max_bytes` when each costs its size and `record_overhead`;
 * the first one is given even when larger than max_bytes, as long as it is at most `record_max`. Records larger than record_max are
 * passed over like holes. At or beyond the end it waits for up to hold_ms, then is answered empty (0: at once). An index below
 * the log's start means its start. */
struct log_read {
        uint64_t index;
        uint64_t max_records;
        size_t max_bytes, record_overhead, record_max;
        uint32_t hold_ms;
};

struct log_ops {
        /* Makes the stream with so many partitions where it does not exist; done when it can be written to. A stream that exists is left as it is.
         * Names have been checked by the caller. Away: waits. ERR_NOT_ALLOWED, ERR_FAILED. */
        void (*create)(struct log *log, const char *name, uint32_t partitions, uint64_t token);
        /* A handle on one partition, whether or not it exists; counted: each get has its put. NULL: out of memory. */
        struct log_stream *(*get)(struct log *log, const char *name, uint32_t partition);
        void (*put)(struct log *log, struct log_stream *stream);
        /* Data is copied. Appends to one stream are stored in the order in which they are asked for. Away: kept and tried until stored.
         * OK with index; ERR_NOT_FOUND (no such topic or partition), ERR_TOO_LARGE, ERR_NOT_ALLOWED, ERR_FULL (twice append_bytes_high are
         * under way), ERR_FAILED: definitely not stored. */
        void (*append)(struct log *log, struct log_stream *stream, struct bytes data, uint64_t token);
        /* No such topic or partition, or away until the time is over: no records, OK. Nobody is held for a topic that is gone: when it is
         * deleted, or made anew and ends before the index, the answer is empty at once. */
        void (*read)(struct log *log, struct log_stream *stream, const struct log_read *read, uint64_t token);
        /* The index that `client` last saved; held while it cannot be known, never a false "absent". A stream known not to exist: absent. */
        void (*index_load)(struct log *log, const char *client, const char *name, uint32_t partition, uint64_t token);
        /* No completion. The newest of one (client, stream) wins; `owner` names who asked, for log_flush_saves. */
        void (*index_save)(struct log *log, const char *client, const char *name, uint32_t partition, uint64_t index, uint64_t owner);
        /* Saves of this owner that still wait are sent now (its connection has ended). */
        void (*flush_saves)(struct log *log, uint64_t owner);
        void (*cancel)(struct log *log, uint64_t token);
        /* Finishes what was accepted: appends are stored and answered, saves are sent, within wait_ms; the rest is completed with ERR_CANCELLED.
         * `stopped` follows. */
        void (*stop)(struct log *log, uint32_t wait_ms);
        void (*free)(struct log *log);
        /* NULL: the log can be reached; else a sentence about what is wrong with it, also while it has never answered. For health checks. */
        const char *(*away)(struct log *log);
};

struct log {
        const struct log_ops *ops;
        const struct log_events *events;
        void *user;
};

static inline void log_create(struct log *log, const char *name, uint32_t partitions, uint64_t token)
{
        log->ops->create(log, name, partitions, token);
}
static inline struct log_stream *log_stream_get(struct log *log, const char *name, uint32_t partition)
{
        return log->ops->get(log, name, partition);
}
static inline void log_stream_put(struct log *log, struct log_stream *stream)
{
        log->ops->put(log, stream);
}
static inline void log_append(struct log *log, struct log_stream *stream, struct bytes data, uint64_t token)
{
        log->ops->append(log, stream, data, token);
}
static inline void log_read(struct log *log, struct log_stream *stream, const struct log_read *read, uint64_t token)
{
        log->ops->read(log, stream, read, token);
}
static inline void log_index_load(struct log *log, const char *client, const char *name, uint32_t partition, uint64_t token)
{
        log->ops->index_load(log, client, name, partition, token);
}
static inline void log_index_save(struct log *log, const char *client, const char *name, uint32_t partition, uint64_t index,
                                  uint64_t owner)
{
        log->ops->index_save(log, client, name, partition, index, owner);
}
static inline void log_flush_saves(struct log *log, uint64_t owner)
{
        log->ops->flush_saves(log, owner);
}
static inline void log_cancel(struct log *log, uint64_t token)
{
        log->ops->cancel(log, token);
}
static inline void log_stop(struct log *log, uint32_t wait_ms)
{
        log->ops->stop(log, wait_ms);
}
static inline const char *log_away(struct log *log)
{
        return log->ops->away(log);
}
static inline void log_free(struct log *log)
{
        if (log) log->ops->free(log);
}

#endif
