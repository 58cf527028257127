/* A consumer and its fetches. A fetch reads one partition from one index on into a run of its own and queue of its own, so that what
 * an older fetch of the same partition brings can never be taken for its: the fetch is the generation. */
#ifndef STROP_STREAM_KAFKA_FETCH_H
#define STROP_STREAM_KAFKA_FETCH_H

#include "stream/kafka/consumers.h"
#include "stream/kafka/run.h"

struct fetcher;
struct log_stream;

enum fetch_state {
        FETCH_STARTING, /* the helper looks whether the partition is there, and starts */
        FETCH_RUNNING,
        FETCH_ENDING,   /* the helper stops it; `ended` follows */
};

enum fetch_outcome {
        FETCH_STOPPED,  /* by its owner, or since its consumer is to end: whoever still needs it begins anew */
        FETCH_FULL,     /* it has brought what was there when it began, or what the run may hold */
        FETCH_AT_END,   /* the end of the log is reached, and it was to end there */
        FETCH_RANGE,    /* its index is not in the log: [low, high) is */
        FETCH_ABSENT,   /* no such topic or partition */
        FETCH_DENIED,
        FETCH_NO_LEADER,
        FETCH_FAILED,   /* not now */
};

struct fetch {
        UT_hash_handle hh;
        uint64_t id;
        struct fetcher *fetcher;
        struct consumer_instance *consumer;
        struct log_stream *stream; /* stays until `ended` */
        enum fetch_state state;
        enum fetch_outcome outcome;
        uint64_t generation;       /* the stream's, when it began or was doubted; for its owner, who sets it */
        uint64_t end;              /* where the log ended when it began; its owner sets it */
        struct run run;
        bool at_end;               /* nothing lies behind the run, as Kafka said last */
        bool told;                 /* Kafka has said something since `grown` */
        bool vain;                 /* a reader has waited for it in vain since, and nothing says that it is in order; for its owner, who sets it */
        uint64_t fresh;            /* what it has brought just now begins there: in `grown`, else behind its run */
        uint64_t fresh_ms;         /* when Kafka said something before that, or it began */
        uint64_t low, high;
        rd_kafka_topic_t *rkt;
        rd_kafka_queue_t *queue;
        struct helper_job job;
};

struct fetch_events {
        /* Kafka has just said something: the run has grown, or its end is the log's. */
        void (*grown)(struct fetch *fetch);
        /* It is over; freed when this returns, with its run unless that was taken. */
        void (*ended)(struct fetch *fetch);
};

/* `role`: KAFKA_HISTORY, whose fetches end when full or at the end of the log, as it is or as it was known; or KAFKA_LIVE, whose fetches go on
 * until they are stopped, and forget what is old. `run_max`: bytes of a run, about. ERR_USAGE, ERR_NO_MEMORY, ERR_SYSTEM. */
MUST_USE enum err fetcher_new(struct kafka_log *log, enum kafka_role role, size_t run_max, const struct fetch_events *events,
                              struct fetcher **out, struct reason *why);
/* Ends all, blocking, without events. The helper is gone. */
void fetcher_free(struct fetcher *fetcher);
/* Fetches under way. */
size_t fetcher_count(const struct fetcher *fetcher);

/* NULL: out of memory. The partition may be asked about, and has no other fetch in this fetcher. */
struct fetch *fetch_start(struct fetcher *fetcher, struct log_stream *stream, uint64_t from);
/* What it has brought is in doubt, and is forgotten; not what it has brought just now. */
void fetch_doubt(struct fetch *fetch);
/* `ended` follows, not from within. */
void fetch_stop(struct fetch *fetch);

#endif
