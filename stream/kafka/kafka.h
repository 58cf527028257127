/* The log on Kafka, by librdkafka; or on its in-process mock cluster ("embedded"). docs/architecture.md, "The path to Kafka". */
#ifndef STROP_STREAM_KAFKA_KAFKA_H
#define STROP_STREAM_KAFKA_KAFKA_H

#include "stream/limits.h"
#include "stream/log.h"
#include "transport/loop.h"

struct kafka_property {
        const char *name, *value;
};

struct kafka_config {
        const char *brokers;                     /* "host:port,...", or "embedded" */
        const struct kafka_property *properties; /* librdkafka's, passed through */
        size_t property_count;
        const char *prefix;                      /* put with "_" before topic names; NULL or "": none */
        const char *group_prefix;                /* put as it is before group names; NULL or "": none */
        int replication_factor;
        int embedded_count;                      /* brokers of the embedded cluster; 0: one. More are for tests */
        struct log_limits limits;
};

/* Refuses properties that are ours, wrong names and wrong values; kafka_log_new does so by itself. ERR_USAGE. */
MUST_USE enum err kafka_properties_check(const struct kafka_property *properties, size_t count, struct reason *why);

/* Starts the log; does not wait for Kafka. ERR_USAGE with librdkafka's own words for a wrong property, or with ours for one that our
 * promises rest on. */
MUST_USE enum err kafka_log_new(struct loop *loop, const struct kafka_config *config, const struct log_events *events, void *user,
                                struct log **out, struct reason *why);

/* librdkafka's version at run time, for --version. */
const char *kafka_library_version(void);

#endif
