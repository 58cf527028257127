/* The table of topics and of their partitions (streams). */
#ifndef STROP_STREAM_KAFKA_TOPICS_H
#define STROP_STREAM_KAFKA_TOPICS_H

#include "stream/kafka/append.h"
#include "stream/kafka/reader.h"

struct creation;

/* One topic. Lives while it has streams or a creation. */
struct kafka_topic {
        UT_hash_handle hh;
        struct kafka_log *log;
        LIST_HEAD(log_stream_list, log_stream) streams;
        LIST_ENTRY(kafka_topic) by_producer;
        struct producer *producer; /* the one that it belongs to; NULL: none yet */
        rd_kafka_topic_t *rkt;     /* its handle there; NULL while that one is replaced */
        struct creation *creation; /* NULL: none under way */
        uint32_t partitions;       /* 0: not known */
        bool made;                 /* by this node, just now: it was empty */
        bool refusing;             /* its last append was refused, and that has been logged */
        bool careful;              /* Kafka has refused a record of it: it belongs to a careful producer */
        char name[];               /* as Kafka knows it, with the prefix */
};

/* One partition. Lives while somebody holds it or something of it is under way. */
struct log_stream {
        LIST_ENTRY(log_stream) entry;
        struct kafka_log *log;
        struct kafka_topic *topic;
        uint32_t partition;
        size_t refs;
        struct append_stream append;
        struct read_stream read;
};

/* NULL: out of memory. */
struct topics *topics_new(struct kafka_log *log);
/* Frees all topics and streams. Nothing of them is under way any more. */
void topics_free(struct topics *topics);

/* A handle on a partition, counted. NULL: out of memory. */
struct log_stream *topics_get(struct topics *topics, const char *name, uint32_t partition);
void topics_put(struct log_stream *stream);
/* Frees the stream when nobody needs it any more; called by whoever let go of something of it. */
void topics_release(struct log_stream *stream);
/* Calls `each` for every stream; it may not free any. */
void topics_each(struct topics *topics, void (*each)(struct log_stream *stream));

size_t topics_count(const struct topics *topics);

/* As log_create. */
void topics_create(struct topics *topics, const char *name, uint32_t partitions, uint64_t token);
/* Whether a topic of this name (Kafka's) is known to have this partition. False: it may have it all the same. */
bool topics_has(const struct topics *topics, const char *name, uint32_t partition);
/* A creation let go of the topic. */
void topics_release_topic(struct kafka_topic *topic);

/* Kafka's name of a stream's topic, in heap memory; NULL: out of memory. */
char *topics_name(const struct kafka_log *log, const char *name);

#endif
