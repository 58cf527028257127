/* What the parts of the reader share: reads (reader.c), what is known (known.c), fetches (follow.c), and ends (ends.c). */
#ifndef STROP_STREAM_KAFKA_READER_PARTS_H
#define STROP_STREAM_KAFKA_READER_PARTS_H

#include "stream/kafka/topics.h"

enum {
        READ_RECORDS_MAX = 4096, /* in one answer, whatever was asked for */
        READ_LOOK_MS = 2000,     /* how long a read may look for what is there, beside the time that it may wait for what is not */
};

/* What a read that has no answer yet waits for. */
enum read_need {
        READ_WAITS,  /* it is at the end, or behind it */
        READ_COMES,  /* a fetch of the past is about to bring what it wants, or to say that it is at the end */
        READ_FOLLOWS, /* ... the live one is */
        READ_ASKS,   /* the end is not known */
        READ_WANTS,  /* a fetch of what lies behind */
};

struct read {
        struct waiting waiting; /* first */
        TAILQ_ENTRY(read) entry;
        struct log_stream *stream;
        struct log_read ask;    /* its index moves on over what is not for it */
        uint64_t from;          /* the index that was asked for: it holds again when the topic is made anew */
        struct timer deadline;
        uint64_t asked_ms, pass;
        bool begun;             /* it has been looked at, in the turn after it was asked for: nothing is fetched for it before */
        bool taken_back;        /* a creation has taken it back to `from`: once is enough, or it would not get on */
        bool of_another;        /* it was asked for before the topic was made anew: nothing that it waits for behind the end will come */
};

struct ends;

struct reader {
        struct kafka_log *log;
        struct tail *tail;
        struct fetcher *history, *live;
        struct ends *ends;
        struct stream_list idle, runs, wanting, pausing, acked, alive, planned;
        size_t runs_bytes;      /* of all runs that are kept */
        struct timer idle_timer, runs_timer, retry_timer, alive_timer, plan_timer;
        uint64_t passes;
        bool given_up;
        struct log_record records[READ_RECORDS_MAX]; /* of the answer being given */
};

/* --- reader.c --- */

/* Answers what can be answered, and sees to the rest. */
void reader_serve(struct log_stream *stream);
/* Completes all of the stream's reads empty. */
void reader_finish_all(struct log_stream *stream);
enum read_need reader_need(const struct read *read);
void reader_set_timer(struct reader *reader, struct timer *timer, uint64_t in_ms);

/* --- known.c: what is known of a stream --- */

/* Whether Kafka has said since then where the log ends, or not longer ago than that. */
bool known_is_confirmed(const struct log_stream *stream, uint64_t since_ms, uint64_t age_ms);
/* Whether what is in memory may be given to who asked then: only while it is known that the topic is still the one that it came from. So nobody
 * gets records of a topic that is gone later than some sweeps' periods after another one has taken its name. */
bool known_is_sure(const struct log_stream *stream, uint64_t since_ms);
/* Before anything is taken that Kafka said, asked at that time or later: when nobody had looked for long, what is in memory from before goes. */
void known_doubt(struct log_stream *stream, uint64_t at_ms);
/* A look: the log ended there, or further on, when that was asked. */
void known_end(struct log_stream *stream, uint64_t end, uint64_t at_ms);
/* The same of one that may have grown by what others write. `awaited`: something is under way that tells soon whose it is. */
void known_seen(struct log_stream *stream, uint64_t end, uint64_t at_ms, bool awaited);
/* The same, brought by the live fetch, which had kept up and was not silent: nothing is doubtful. */
void known_followed(struct log_stream *stream, uint64_t end, uint64_t at_ms);
/* It is another topic: all that was fetched goes, its end is not known, and reads are where they were asked for, since what they stepped over
 * lay in the topic that is gone. */
void known_anew(struct log_stream *stream);
/* It was created once more, or was there: nothing is sure before Kafka has said where it ends, and what is in memory goes, now or soon. */
void known_created(struct log_stream *stream);
/* The log has grown, and not by this node: what was known of its records from before may be another topic's, of the same name. */
void known_grown(struct log_stream *stream);
/* The same, as the index of an append of this node shows, which the tail knows already. */
void known_grown_before_ours(struct log_stream *stream);
/* Says that it is another topic, now and then, and counts it. */
void known_note_remade(struct log_stream *stream, uint64_t end);
/* The stream is shorter than it was: what is known of it is dropped. It ends at `end`. */
void known_remade(struct log_stream *stream, uint64_t end);
/* The stream does not exist. */
void known_absent(struct log_stream *stream);
/* Nobody leads it for now. */
void known_no_leader(struct log_stream *stream);

/* --- follow.c: what is fetched --- */

extern const struct fetch_events follow_history_events, follow_live_events;
void follow_init(struct reader *reader);
void follow_stop(struct reader *reader);
/* Sees to it that what the reads wait for comes. */
void follow_plan(struct log_stream *stream);
/* The same in the next turn, once for all that ask for it until then: a plan looks at every read of the stream, so thousands that begin,
 * end or are taken back together must not each cause one. */
void follow_plan_soon(struct log_stream *stream);
/* Somebody else writes the stream: what is there is fetched like the past, since a fetch of the past starts faster than the live consumer
 * takes a stream in; what comes after it is followed, while readers wait at the end. */
void follow_foreign(struct log_stream *stream);
/* Whether what the fetch brought is of the topic as it is known now. NULL: false. */
bool follow_is_of_now(const struct fetch *fetch);
/* Whether the live fetch has brought all that is known to be there, but for our own newest: what others write then comes through it, one record after
 * the other. */
bool follow_keeps_up(const struct log_stream *stream);
/* The same, and it was not silent: nobody has made the topic anew. */
bool follow_vouches(const struct log_stream *stream);
/* Drops what was fetched, and lets fetches that are out end. */
void follow_drop(struct log_stream *stream);
/* The stream had that generation until now, and what was in memory is in doubt: drops what was fetched. Fetches that are out go on, so that
 * slow ones come to something; what they bring from now on is of the new generation. */
void follow_doubt(struct log_stream *stream, uint64_t generation);
/* A read got something of the run that is kept. */
void follow_used_run(struct log_stream *stream);
/* Forgets the run that is kept. */
void follow_forget_run(struct log_stream *stream);
/* A read has waited all its time for what stands there, and nothing came. */
void follow_in_vain(const struct read *read);
void follow_retry(struct reader *reader);
/* Leaves all lists and forgets what was fetched; no fetch is out. */
void follow_leave(struct log_stream *stream);

/* --- ends.c: where logs end --- */

/* NULL: out of memory. */
struct ends *ends_new(struct reader *reader);
void ends_free(struct ends *ends);
void ends_stop(struct ends *ends);
/* Its end is to be known soon; or to be looked up again and again. */
void ends_ask(struct ends *ends, struct log_stream *stream);
void ends_sweep(struct ends *ends, struct log_stream *stream);
void ends_leave(struct ends *ends, struct log_stream *stream);
/* Its topic is there, whatever Kafka said before. */
void ends_created(struct ends *ends, struct log_stream *stream);
void ends_retry(struct ends *ends);
/* From one sweep's beginning to the next one's, as far as is known, or longer where Kafka takes long to answer. */
uint64_t ends_period_ms(const struct ends *ends);

#endif
