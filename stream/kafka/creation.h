/* The creation of topics: what is asked for together goes to Kafka together, and is done when the topics can be written to. */
#ifndef STROP_STREAM_KAFKA_CREATION_H
#define STROP_STREAM_KAFKA_CREATION_H

#include "stream/kafka/core.h"

struct creations;
struct kafka_topic;

/* NULL: out of memory. */
struct creations *creations_new(struct kafka_log *log);
/* None is under way any more, and the helper is gone. */
void creations_free(struct creations *creations);

/* Joins a creation that is under way. `topic` is kept by it until it is done. */
void creations_ask(struct creations *creations, struct kafka_topic *topic, uint32_t partitions, uint64_t token);
void creations_cancel(struct waiting *waiting);
/* Kafka can be reached again. */
void creations_retry(struct creations *creations);
/* Completes all as cancelled, and asks for nothing any more. */
void creations_give_up(struct creations *creations);

#endif
