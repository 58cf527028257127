/* Reads: answered from what fetches brought, held at the end of the log, and completed empty when their time is over. */
#ifndef STROP_STREAM_KAFKA_READER_H
#define STROP_STREAM_KAFKA_READER_H

#include "stream/kafka/fetch.h"
#include "stream/tail.h"

struct kafka_topic;
struct read;

/* A stream's part; in struct log_stream. */
struct read_stream {
        TAILQ_HEAD(read_list, read) reads;
        struct fetch *history, *live; /* under way, or NULL */
        struct run *run;              /* what the last history fetch brought; NULL: nothing, or forgotten */
        TAILQ_ENTRY(log_stream) by_idle, by_want;
        uint64_t idle_since_ms;
        uint64_t end;                 /* where the log ended when Kafka was asked last */
        bool idle;                    /* in the list of streams that keep something though nobody reads */
        enum { WANTS_NOTHING, WANTS_FETCH, WANTS_PAUSE } wants; /* in a list of streams to plan again: as soon as may be, or after a pause */
};

/* Opens the consumers. ERR_USAGE, ERR_NO_MEMORY, ERR_SYSTEM. */
MUST_USE enum err reader_new(struct kafka_log *log, struct reader **out, struct reason *why);
/* Ends the consumers, blocking; the helper is gone, and no read is left. */
void reader_close(struct reader *reader);
/* Closed before, and all streams are gone. */
void reader_free(struct reader *reader);

void read_stream_init(struct log_stream *stream);
void read_stream_clear(struct log_stream *stream);
bool read_stream_idle(const struct log_stream *stream);

/* As log_read. */
void reader_read(struct reader *reader, struct log_stream *stream, const struct log_read *ask, uint64_t token);
void reader_cancel(struct waiting *waiting);

/* This node's append stands at `index`; the record is taken. */
void reader_acked(struct log_stream *stream, uint64_t index, struct tail_record *take_record);
/* The topic is there; made by this node just now when topic->made. */
void reader_topic_created(struct kafka_topic *topic);
/* Kafka can be reached again. */
void reader_retry(struct reader *reader);
/* Completes all reads as cancelled, and fetches nothing any more. */
void reader_give_up(struct reader *reader);

#endif
