/* What differs between a real Kafka and the mock cluster inside librdkafka: to create topics, to know whether it is safe to ask
 * about one (the mock makes what it is asked for), and what its answers cost. */
#ifndef STROP_STREAM_KAFKA_CLUSTER_H
#define STROP_STREAM_KAFKA_CLUSTER_H

#include "stream/kafka/core.h"

enum { CLUSTER_BATCH_MAX = 500 };

struct cluster_topic {
        const char *name; /* stays until the batch is done */
        uint32_t partitions;
        bool made;        /* it did not exist before */
        enum kafka_verdict verdict; /* FINE: it exists now, whoever made it */
        bool fleeting;    /* REFUSED, but Kafka says so as well for a moment when its brokers are only just back */
        char why[256];
};

/* One request; there is one at a time. */
struct cluster_batch {
        struct cluster_topic topics[CLUSTER_BATCH_MAX];
        size_t count;
        struct helper_job job; /* the cluster's */
        struct cluster *cluster;
        void (*done)(void *user, struct cluster_batch *batch);
        void *user;
};

struct cluster_ops {
        /* `done` follows, not from within. */
        void (*create)(struct cluster *cluster, struct cluster_batch *batch);
        /* Whether Kafka may be asked about this partition; false: it does not exist. */
        bool (*may_ask)(struct cluster *cluster, const char *name, uint32_t partition);
        void (*free)(struct cluster *cluster);
        /* How often, at most, so many streams may be swept without making the machine busy: milliseconds from one sweep to the next. */
        uint64_t (*sweep_ms)(const struct cluster *cluster, size_t streams);
};

struct cluster {
        const struct cluster_ops *ops;
        struct kafka_log *log;
        struct cluster_batch *out; /* asked of the control instance; NULL: none */
        char *brokers; /* what the instances are told */
};

/* A Kafka at `brokers`; or the mock cluster ("embedded"). ERR_NO_MEMORY, ERR_SYSTEM. */
MUST_USE enum err cluster_new(struct kafka_log *log, const char *brokers, struct cluster **out, struct reason *why);
MUST_USE enum err cluster_embedded_new(struct kafka_log *log, struct cluster **out, struct reason *why);

/* An answer to a create that came to the control instance's queue. */
void cluster_event(struct cluster *cluster, rd_kafka_event_t *event);
/* The control instance is another one from now on: what was asked of the last one is answered with "later". */
void cluster_renewed(struct cluster *cluster);
/* What Kafka said of one topic of a batch. */
void cluster_note(struct cluster_topic *topic, rd_kafka_resp_err_t err, const char *why);

#endif
