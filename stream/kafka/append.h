/* A stream's appends that have no answer yet, in the order in which they were asked for; part of struct log_stream.
 *
 * Nothing accepted is given up: an append stays until its report says that the record is in the log, or definitely not. When that
 * is open (its producer died, or the report says "possibly"), it and all behind it in its stream are produced again in the
 * original order as soon as no report of the stream is due any more. What stands before the first open one and is stored is told. */
#ifndef STROP_STREAM_KAFKA_APPEND_H
#define STROP_STREAM_KAFKA_APPEND_H

#include "stream/kafka/core.h"
#include "stream/tail.h"

struct log_stream;

enum append_state {
        APPEND_WAITING, /* not handed to librdkafka, or to be handed again */
        APPEND_FLYING,  /* handed; its report will come */
        APPEND_STORED,  /* in the log at `index`; told when all before it are told */
        APPEND_FAILED,  /* definitely not in the log; told in its turn */
};

struct append {
        STAILQ_ENTRY(append) entry;
        struct log_stream *stream;
        struct tail_record *record; /* the one copy of the bytes: librdkafka refers to it until its report */
        uint64_t token, index;
        enum append_state state;
        bool maybe;              /* an earlier attempt may have stored it */
        rd_kafka_resp_err_t err; /* FAILED */
};

STAILQ_HEAD(append_list, append);
TAILQ_HEAD(stream_list, log_stream); /* any list of streams */

struct append_stream {
        struct append_list list;
        struct append *next; /* the first one WAITING; behind it all wait too or have failed. NULL: none waits */
        size_t flying;
        unsigned repeats;   /* times in a row that an outcome was open */
        bool broken;        /* an outcome is open: nothing is handed until no report is due */
        bool proven;        /* this producer has stored a record in this topic as it now is; until then one at a time */
        uint64_t proven_ms; /* ... and at this time its last one */
        uint64_t gone_ms, gone_last_ms; /* Kafka has said since then, and at this time last, that there is no such topic; 0: it does not */
        bool stalled;       /* in its producer's list of streams to be tried again later; due at: */
        uint64_t stall_due_ms;
        TAILQ_ENTRY(log_stream) by_stall;
};

void append_stream_init(struct append_stream *append);
/* Whether nothing of it is under way. */
static inline bool append_stream_idle(const struct append_stream *append) { return STAILQ_EMPTY(&append->list) && !append->stalled; }

/* Accepts a record. */
void append_add(struct log_stream *stream, struct bytes data, uint64_t token);
/* Hands to the topic's producer what waits, as far as it may be, and tells what was decided by that. The stream may be gone then. */
void append_push(struct log_stream *stream);
/* librdkafka's report of one; `gone`: its producer has died, so nothing is definite but success. The stream may be gone then. */
void append_report(struct append *append, rd_kafka_msg_status_t status, rd_kafka_resp_err_t err, int64_t offset, bool gone);
/* The producer is no more, and no report will come: what flew waits again. */
void append_lost(struct log_stream *stream);
/* Answers all as cancelled, and moves them to `grave`, since librdkafka may still refer to them. */
void append_give_up(struct log_stream *stream, struct append_list *grave);
void append_free(struct append *append);

#endif
