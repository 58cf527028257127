/* The tail: the newest records of each stream, kept in memory for readers that wait at its end, so that an idle stream costs
 * no fetch. Of what this node appended, never of what it fetched: a fetch may overtake the acknowledgement of the same
 * record, and an acknowledgement that goes back is the sign of a topic made anew. One budget of bytes for all streams;
 * the streams that were used least recently lose their oldest records first.
 *
 * The records of a stream are one contiguous run. A pure data structure: no time, no I/O, nothing asynchronous. */
#ifndef STROP_STREAM_TAIL_H
#define STROP_STREAM_TAIL_H

#include "stream/log.h"

#include <stdbool.h>
#include <sys/queue.h>

/* A record's bytes with their memory. Made before the append, so that the append, its repetition and the tail share one copy. */
struct tail_record {
        size_t n;
        uint8_t data[];
};

/* A copy of `data`; NULL: out of memory. tail_record_free(NULL) is fine. */
struct tail_record *tail_record_new(struct bytes data);
void tail_record_free(struct tail_record *record);
static inline struct bytes tail_record_bytes(const struct tail_record *record) { return bytes_make(record->data, record->n); }

/* One stream's part, embedded in whatever stands for the stream. All fields but `foreign` are the tail's own. */
struct tail_stream {
        TAILQ_ENTRY(tail_stream) by_use;
        struct tail_record **ring;   /* of `cap` slots, a power of two or 0; the run's oldest record is in slot `head` */
        size_t head, count, cap;
        uint64_t next;               /* index behind the last acknowledged record; the run is [next - count, next) */
        uint64_t clear_from;         /* nothing lies in [clear_from, next - count); at most next - count */
        uint64_t generation;         /* grows whenever the stream was found to be made anew, or may have been */
        bool known;                  /* `next` says something: there was an acknowledgement in this generation */
        bool listed;                 /* is in the list by use: has records */
        bool foreign;                /* someone else writes it too; set by the tail, cleared by whoever follows the others' records */
};

struct tail;

/* `budget` in bytes; what a record costs beside its bytes is counted too. NULL: out of memory. */
struct tail *tail_new(size_t budget);
/* All streams must have been cleared. NULL is fine. */
void tail_free(struct tail *tail);
/* Bytes held now, never more than the budget. */
size_t tail_bytes(const struct tail *tail);

void tail_stream_init(struct tail_stream *stream);
/* Drops its records; the stream may be freed. */
void tail_stream_clear(struct tail *tail, struct tail_stream *stream);

enum tail_acked {
        TAIL_STARTED,  /* the first one known of this stream */
        TAIL_EXTENDED, /* it follows the last one */
        TAIL_RESTARTED,/* there is a gap before it: others write this stream. The run begins anew with it, `foreign` is set */
        TAIL_REMADE,   /* it is not behind the last one: the topic was made anew. Dropped what was known, a new generation */
};
/* An append was acknowledged: `take_record` stands at `index`. Acknowledgements of one stream come in the order of their indices.
 * The record is taken; when memory is short or it is larger than the budget it is not kept, and all else holds. */
MUST_USE enum tail_acked tail_acked(struct tail *tail, struct tail_stream *stream, uint64_t index, struct tail_record *take_record);

/* A fetch has shown that no record lies in [from, to): `to` was the first record at or behind `from`, or the log's start or its
 * end. A result of an older generation changes nothing, nor does one that does not reach the run. */
void tail_nothing_between(struct tail_stream *stream, uint64_t generation, uint64_t from, uint64_t to);

/* Whether it has all records in [from, end), and knows of none behind. */
bool tail_is_all_from(const struct tail_stream *stream, uint64_t from, uint64_t end);

/* The log is known to begin at `start`: what lies before it is dropped. Until this is known the tail may give what retention has removed
 * meanwhile; from then on nobody gets it any more. */
void tail_starts_at(struct tail *tail, struct tail_stream *stream, uint64_t start);

/* Its records are dropped; where they ended, and all else, stays known. */
void tail_forget(struct tail *tail, struct tail_stream *stream);

/* It may be another topic's by now, as far as is known: its records are dropped, and a new generation begins; where they ended, and all else, stays
 * known. */
void tail_doubt(struct tail *tail, struct tail_stream *stream);

/* The topic is known to be gone or made anew: all that is known of it is dropped, `foreign` too, and a new generation begins. */
void tail_reset(struct tail *tail, struct tail_stream *stream);

enum tail_answer {
        TAIL_FOUND, /* at least one record */
        TAIL_AT_END,/* as far as this node's own appends say, nothing is there yet, or only what is larger than record_max: found says how much */
        TAIL_BEYOND,/* the index lies behind the end that this node's own appends know */
        TAIL_ASK,   /* only a fetch can tell */
};
struct tail_found {
        size_t count;     /* records given */
        size_t too_large; /* passed over, since larger than record_max */
};
/* Answers a read where it can. At most `cap` records; they live until the tail changes. With foreign writers TAIL_AT_END and
 * TAIL_BEYOND say nothing about what these have written; found records are right in any case. read->max_records is at least 1. */
MUST_USE enum tail_answer tail_read(struct tail *tail, struct tail_stream *stream, const struct log_read *read, struct log_record *records,
                                    size_t cap, struct tail_found *found);

#endif
