/* librdkafka's properties: what we set, what the operator passes through, and what may not be changed since promises rest on it. */
#ifndef STROP_STREAM_KAFKA_CONFIG_H
#define STROP_STREAM_KAFKA_CONFIG_H

#include "stream/kafka/kafka.h"

#include <librdkafka/rdkafka.h>

/* What an instance of librdkafka is for. */
enum kafka_role {
        KAFKA_CONTROL, /* topics and indices: requests that may take long */
        KAFKA_WATCH,   /* who leads what, where logs end, and whether Kafka can be reached: requests that are answered soon or not at all */
        KAFKA_PRODUCER,         /* dies of the first record that Kafka refuses */
        KAFKA_CAREFUL_PRODUCER, /* lives on */
        KAFKA_HISTORY, /* a consumer for records that lie behind */
        KAFKA_LIVE,    /* a consumer for the ends of streams that others write too */
};

/* A configuration for one instance; `brokers` as librdkafka takes them. The properties have been checked. The caller owns it until
 * librdkafka takes it. ERR_USAGE, ERR_NO_MEMORY. */
MUST_USE enum err kafka_conf_new(const char *brokers, const struct kafka_property *properties, size_t count, enum kafka_role role,
                                 rd_kafka_conf_t **out, struct reason *why);

#endif
