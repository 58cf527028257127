/* What Kafka itself says of one partition, whatever librdkafka remembers. */
#ifndef STROP_STREAM_KAFKA_PARTITION_H
#define STROP_STREAM_KAFKA_PARTITION_H

#include <librdkafka/rdkafka.h>
#include <stdint.h>

/* What metadata of one topic says of a partition. NO_ERROR: it is there and led; LEADER_NOT_AVAILABLE: there, and nobody leads it;
 * __UNKNOWN_PARTITION: its topic has fewer. Else Kafka's error for the topic. */
rd_kafka_resp_err_t partition_in(const struct rd_kafka_metadata *metadata, uint32_t partition);
/* Asks for that metadata, too; else why there is no answer. The helper's thread; blocks for `ms` at most. */
rd_kafka_resp_err_t partition_look(rd_kafka_t *rk, rd_kafka_topic_t *rkt, uint32_t partition, int ms);

#endif
