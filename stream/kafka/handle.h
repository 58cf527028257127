/* One instance of librdkafka (a producer or a consumer), its events brought to the loop: librdkafka's threads only enqueue
 * and write into a pipe. Its log lines and errors go to `health` first. */
#ifndef STROP_STREAM_KAFKA_HANDLE_H
#define STROP_STREAM_KAFKA_HANDLE_H

#include "stream/kafka/config.h"
#include "stream/kafka/health.h"

struct handle {
        rd_kafka_t *rk;            /* NULL: not open */
        rd_kafka_queue_t *queue;   /* its main queue */
        struct loop *loop;
        struct loop_watch *watch;
        struct health *health;
        int wake[2];
        void (*event)(void *user, rd_kafka_event_t *event); /* delivery reports, results of requests, and errors; the event is borrowed */
        void *user;
};

/* Loop's thread. Takes `take_conf`. ERR_USAGE with librdkafka's words; ERR_SYSTEM. */
MUST_USE enum err handle_open(struct handle *handle, struct loop *loop, struct health *health, enum kafka_role role,
                              rd_kafka_conf_t *take_conf, void (*event)(void *user, rd_kafka_event_t *event), void *user,
                              struct reason *why);
/* A new instance in place of the one there is, which goes to `old`, muted, for handle_destroy. On an error nothing has changed. Otherwise
 * as handle_open. */
MUST_USE enum err handle_renew(struct handle *handle, enum kafka_role role, rd_kafka_conf_t *take_conf, struct handle *old,
                               struct reason *why);
/* Loop's thread: no event comes any more. What is left is for handle_destroy. */
void handle_mute(struct handle *handle);
/* Ends the instance; blocks, so it is the helper's unless the log ends. Muted before; closed or never opened is fine. */
void handle_destroy(struct handle *handle);
/* Begins to end it, in a thread of its own, since librdkafka 2.0.2 can wait for ever for one of its own threads when a topic was deleted under a
 * fetch (seen about once in ten runs of the model on a real Kafka). Nothing of ours is in its hands: for consumers. Muted before.
 * What it returns is for the two below, until it has ended or is left; -1: it has ended. */
MUST_USE int handle_end(struct handle *handle);
/* Whether it has ended; waits for that, for so long at most. */
bool handle_await(int ending, uint64_t ms);
/* It does not end, and is left to itself. */
void handle_leave(int ending);

#endif
