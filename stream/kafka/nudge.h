/* The mock cluster of librdkafka 2.0.2 can miss that somebody waits for it and then sleeps for a second, unless something comes to its
 * socket. While one of its calls is made, a thread of ours knocks there every few milliseconds. */
#ifndef STROP_STREAM_KAFKA_NUDGE_H
#define STROP_STREAM_KAFKA_NUDGE_H

#include <stdint.h>

struct nudge;

/* `port` on 127.0.0.1. NULL where there are no threads or descriptors: the call then takes as long as it takes. */
struct nudge *nudge_start(uint16_t port);
void nudge_stop(struct nudge *nudge);

#endif
