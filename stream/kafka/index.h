/* The indices of readers as Kafka's committed offsets: group = the client's id with the prefix, topic and partition as they are.
 *
 * Saves are coalesced: the newest of one (client, stream) counts, it is sent no sooner than a while after the one before, and
 * a bounded number of requests is out; under load the delay grows and not the queue. A look-up sees what this node has not
 * sent yet, and is repeated until Kafka has answered it: "absent" is said only when that is known. */
#ifndef STROP_STREAM_KAFKA_INDEX_H
#define STROP_STREAM_KAFKA_INDEX_H

#include "stream/kafka/core.h"

/* NULL: out of memory. */
struct index *index_new(struct kafka_log *log);
/* No request is out any more: the control instance is muted. */
void index_free(struct index *index);

/* As log_index_save, log_index_load, log_flush_saves. */
void index_save(struct index *index, const char *client, const char *name, uint32_t partition, uint64_t value, uint64_t owner);
void index_load(struct index *index, const char *client, const char *name, uint32_t partition, uint64_t token);
void index_flush(struct index *index, uint64_t owner);
void index_cancel(struct waiting *waiting);

/* An answer that came to the control instance's queue. */
void index_event(struct index *index, rd_kafka_event_t *event);
/* Kafka can be reached again. */
void index_retry(struct index *index);

/* Sends all saves as soon as may be. */
void index_flush_all(struct index *index);
/* Saves that were sent and have no answer. */
size_t index_saves_out(const struct index *index);
/* Whether every save has been taken by Kafka. */
bool index_is_saved(const struct index *index);
/* Completes all look-ups as cancelled, and asks for nothing any more. */
void index_give_up(struct index *index);

#endif
