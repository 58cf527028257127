/* The pool of producers. A topic belongs to exactly one of them, so that the order of a stream's records is one producer's
 * matter; each has a bounded number of topics, since librdkafka walks all that a producer knows for each message.
 * A producer that librdkafka gave up (a fatal error) is replaced, and one that knows many topics and serves few of them.
 *
 * A usual producer dies of the first record that Kafka refuses: what is behind it in its stream is then not stored before it is known
 * what becomes of that record (gapless). So that one stream's refusals do not trouble others again, its topic then
 * moves to a careful producer, which lives with refusals, and where each stream has one record under way. */
#ifndef STROP_STREAM_KAFKA_PRODUCERS_H
#define STROP_STREAM_KAFKA_PRODUCERS_H

#include "stream/kafka/topics.h"

enum producer_state {
        PRODUCER_LIVE,
        PRODUCER_DRAINING, /* sound, but knows too many topics that are no more: takes nothing, and ends when its reports are in */
        PRODUCER_PURGING,  /* dead: the helper purges it, and its reports are collected */
        PRODUCER_ENDING,   /* the helper destroys it */
        PRODUCER_PAUSING,  /* a new one is opened when the timer fires */
};

struct producer {
        LIST_ENTRY(producer) entry;
        struct producers *producers;
        unsigned number; /* for logs */
        enum producer_state state;
        bool careful;  /* lives on when Kafka refuses a record */
        bool unwanted; /* has no topics any more and is not opened again */
        bool purging;  /* a purge is the helper's */
        struct handle handle;
        LIST_HEAD(topic_list, kafka_topic) topics;
        size_t topic_count;  /* now */
        size_t topics_known; /* since it was opened: librdkafka keeps them all */
        size_t flying;       /* reports due */
        uint64_t opened_ms, died_ms, pause_ms;
        struct stream_list stalled;
        struct timer stall_timer, life_timer;
        uint64_t stall_due_ms; /* when stall_timer is set: for when */
        struct helper_job job; /* of a purge or the end */
        int purge_flags;       /* the helper's while it purges */
};

/* Opens the first producer, so that wrong properties are found at once. ERR_USAGE, ERR_NO_MEMORY, ERR_SYSTEM. */
MUST_USE enum err producers_new(struct kafka_log *log, struct producers **out, struct reason *why);
/* Ends all of them, blocking; the helper is gone. */
void producers_free(struct producers *producers);

/* Sees to it that the topic belongs to a producer; with the errors of producers_new where one had to be made. */
MUST_USE enum err producers_attach(struct producers *producers, struct kafka_topic *topic, struct reason *why);
void producers_detach(struct kafka_topic *topic);

/* So much is under way, pressure or not, that one more record is refused. */
bool producers_take_no_more(const struct producers *producers);
/* Takes or gives back room for a record of n bytes. */
void producers_account(struct producers *producers, size_t n);
void producers_release(struct producers *producers, size_t n);
/* The completion of this append, if one is to come, is not wanted; whether that is so is asked once, when it comes. */
void producers_cancel(struct producers *producers, uint64_t token);
bool producers_is_cancelled(struct producers *producers, uint64_t token);

/* How many cancellations wait for their append's completion. */
size_t producers_cancelled(const struct producers *producers);

/* Tries the stream again in a while. */
void producer_stall(struct producer *producer, struct log_stream *stream, uint32_t in_ms);
/* librdkafka says that this one is dead. */
void producer_retire(struct producer *producer);

/* How many there are. */
unsigned producers_count(const struct producers *producers);
/* Appends without an answer. */
size_t producers_outstanding(const struct producers *producers);
/* Answers every append that has none as cancelled, and produces nothing any more. */
void producers_give_up(struct producers *producers);

#endif
