/* Asks Kafka where logs end, and gets an answer for each partition. librdkafka 2.0.2 answers for all partitions of a question or for none:
 * a broker that hangs, a leader that has moved, a partition that cannot be looked at spoil it for the others. So after a question that
 * failed, and for a while from then on, each leader is asked apart, and one that did not answer is left out for a time. */
#ifndef STROP_STREAM_KAFKA_INQUIRY_H
#define STROP_STREAM_KAFKA_INQUIRY_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

struct context;
struct inquiry;

/* `ctx`: for its clock. NULL: out of memory. */
struct inquiry *inquiry_new(struct context *ctx);
/* NULL is fine. */
void inquiry_free(struct inquiry *inquiry);

/* The helper's thread. Blocks for INQUIRY_ANSWER_MS at most, where something is wrong for twice that; when `slowly` is asked for, for
 * INQUIRY_SLOW_MS, or for half of INQUIRY_ANSWER_MS where brokers are tried that did not answer. Each partition gets its offset, or an error: what
 * Kafka says of it; LEADER_NOT_AVAILABLE for one that is to be asked about apart from others, now and then; _RETRY where nothing is known. */
enum { INQUIRY_ANSWER_MS = 2000, INQUIRY_SLOW_MS = 200 };
void inquiry_ask(struct inquiry *inquiry, rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list, bool slowly);

#endif
