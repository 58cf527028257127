/* Whether Kafka can be reached, told once when that changes, and librdkafka's log lines, so that a Kafka that is away makes one
 * warning and not a flood. A probe asks every few seconds, sooner when librdkafka says that it lost all brokers. */
#ifndef STROP_STREAM_KAFKA_HEALTH_H
#define STROP_STREAM_KAFKA_HEALTH_H

#include "stream/kafka/helper.h"

#include <librdkafka/rdkafka.h>

struct health;

/* `back` is called when Kafka can be reached again after it could not, and at the first time that it could. NULL: out of memory. */
struct health *health_new(struct context *ctx, void (*back)(void *user), void *user);
/* The probe has ended: the helper is gone. */
void health_free(struct health *health);
/* Begins to ask; `rk` must stay until health_stop, and the helper until it is freed. */
void health_start(struct health *health, struct helper *helper, rd_kafka_t *rk);
void health_stop(struct health *health);
/* Asks by another instance from now on; the helper may still be asking by the last one. */
void health_use(struct health *health, rd_kafka_t *rk);

/* NULL: reachable, or nothing known yet; else a sentence. For whoever decides whether to ask Kafka at all. */
const char *health_away(const struct health *health);
/* NULL: known to be reachable; else a sentence. For whoever asks how it is. */
const char *health_not_up(const struct health *health);
/* Known to be reachable. */
bool health_is_up(const struct health *health);

/* An event that was taken off any instance's queue. True for a log line, which is nobody else's. */
bool health_event(struct health *health, rd_kafka_event_t *event);
/* A warning, at most one a minute of a kind. */
void health_warn(struct health *health, const char *kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* A request was answered by Kafka. */
void health_answered(struct health *health);

#endif
