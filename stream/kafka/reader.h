/* Reads. What this node appended itself it knows from the acknowledgement: a read at the end of a stream is answered from the tail at
 * once, and an idle stream costs nothing but a place in the sweep of ends, which finds what others wrote. Only what lies behind the
 * tail, and streams that others are writing, are fetched. */
#ifndef STROP_STREAM_KAFKA_READER_H
#define STROP_STREAM_KAFKA_READER_H

#include "stream/kafka/fetch.h"
#include "stream/tail.h"

struct kafka_topic;
struct read;

/* A stream's part; in struct log_stream. */
struct read_stream {
        TAILQ_HEAD(read_list, read) reads;
        struct tail_stream tail;
        struct fetch *history, *live; /* under way, or NULL */
        struct run *run;              /* what the last history fetch brought; NULL: nothing, or forgotten */
        uint64_t run_used_ms;         /* when a reader had something of it last */
        uint64_t end;                 /* index behind the last record that is known of; says something while end_known */
        uint64_t end_ms;              /* when Kafka was asked for what confirmed it last */
        uint64_t looked_ms;           /* when Kafka was asked for the last look: an answer, an acknowledgement, or a fetch that got to the end */
        uint64_t recreated_ms;        /* when it was created once more, first since what was in memory was dropped for that; 0: it was not */
        uint64_t heeded_ms;           /* when what was in memory was dropped last because the stream was created once more; 0: never */
        uint64_t grown_ms;            /* when what fetches had brought was dropped last because others have written; 0: never */
        uint64_t warned_ms;           /* when it was said last that its topic was made anew; 0: never */
        uint64_t foreign_ms;          /* when a record of somebody else's was seen last */
        uint64_t idle_since_ms;
        uint64_t absent_ms;           /* when Kafka said last that there is no such stream, or a reader asked anew since; 0: it does not say so */
        uint64_t created_ms;          /* when its topic was created through this node last; 0: never */
        TAILQ_ENTRY(log_stream) by_idle, by_run, by_want, by_end, by_acked, by_live, by_plan;
        enum { ENDS_NOTHING, ENDS_SWEPT, ENDS_URGENT, ENDS_PAUSE, ENDS_ABSENT, ENDS_SLOW } ends; /* its list in the sweep of ends */
        enum { WANTS_NOTHING, WANTS_FETCH, WANTS_PAUSE } wants;          /* its list of streams to be planned again */
        unsigned watched_by;          /* the instance that was asked for its end last, by number; 0: none was */
        bool end_known;
        bool grown;                   /* others have written since then */
        bool no_leader;               /* Kafka could not say who leads it: it is asked about apart from others, and not fetched */
        bool asking;                  /* a look-up of its end is out */
        bool idle, acked, alive, planned; /* in the list of that name */
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

/* This node's append stands at `index`; the record is taken. Reads are answered when all that was acknowledged at once has been told:
 * reader_flush. */
void reader_acked(struct log_stream *stream, uint64_t index, struct tail_record *take_record);
void reader_flush(struct reader *reader);
/* The topic is there; made by this node just now when topic->made. If not, whoever asked for it wants to know what stands in it now: nothing is
 * given from memory before Kafka has said where it ends, and what is in memory goes, now or within two seconds. */
void reader_topic_created(struct kafka_topic *topic);
/* Kafka can be reached again. */
void reader_retry(struct reader *reader);
/* Completes all reads as cancelled, and fetches nothing any more. */
void reader_give_up(struct reader *reader);

#endif
