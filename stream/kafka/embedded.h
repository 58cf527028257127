/* The mock cluster in this process, and what tests do to it. Its records are forgotten with it. */
#ifndef STROP_STREAM_KAFKA_EMBEDDED_H
#define STROP_STREAM_KAFKA_EMBEDDED_H

#include "stream/log.h"

#include <stdint.h>

/* For tests; `log` is one on the embedded cluster. */

/* The cluster's address, for an instance of librdkafka beside the log. */
const char *embedded_brokers(struct log *log);
/* The brokers do not answer any more, or again. */
void embedded_set_down(struct log *log, bool down);
/* The same of one broker, from 1 on. */
void embedded_set_broker_down(struct log *log, int broker, bool down);
/* This broker, from 1 on, leads the partition from now on; -1: none does. */
void embedded_set_leader(struct log *log, const char *topic, uint32_t partition, int broker);
/* Answers of the broker, from 1 on, are late by so much. */
void embedded_set_delay(struct log *log, int broker, int ms);
/* The next `count` requests of this kind (Kafka's API key: 0 produce, 1 fetch, 2 list offsets, 3 metadata, 8 offset commit,
 * 9 offset fetch, 10 find coordinator) are answered with this error code of Kafka's. */
void embedded_push_error(struct log *log, int16_t api_key, int16_t error, int count);
/* The same (0: no error), the answer late by so much. */
void embedded_push_late(struct log *log, int16_t api_key, int16_t error, int late_ms, int count);
/* How many of these are left. */
size_t embedded_errors_left(struct log *log, int16_t api_key);
/* The next `count` requests to create topics are answered with this error. */
void embedded_refuse_creates(struct log *log, int16_t error, int count);
/* The topic counts as unknown to Kafka (3), or is in order again (0), with any error code of Kafka's. */
void embedded_set_topic_error(struct log *log, const char *topic, int16_t error);

#endif
