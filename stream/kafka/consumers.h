/* The instance of librdkafka that fetches of one role go through, renewed after so many topics: librdkafka keeps what it knows of each
 * topic that it has ever fetched, and streams come and go. The one before ends with its last fetch; fetches that last begin anew in the
 * new one when that is half full, so that there are two at most and neither comes to know more than it may. */
#ifndef STROP_STREAM_KAFKA_CONSUMERS_H
#define STROP_STREAM_KAFKA_CONSUMERS_H

#include "stream/kafka/core.h"

struct known_topic;

enum { CONSUMERS_ENDING_MAX = 16 }; /* instances that end at once; of more, the first one is left to itself */

struct consumer_instance {
        struct handle handle;
        struct known_topic *known; /* topics that it has been asked for */
        size_t uses;               /* fetches that go through it */
};

struct consumers {
        struct kafka_log *log;
        enum kafka_role role;
        struct consumer_instance *current;
        struct consumer_instance *before; /* it still has fetches; NULL: none. While it has, `current` is not renewed */
        bool leaving;                     /* its fetches have been asked to end */
        struct consumer_ending {
                int handle;               /* handle_end's */
                uint64_t since_ms;
        } ending[CONSUMERS_ENDING_MAX];   /* those that go, in that order */
        size_t ending_count;
};

/* ERR_USAGE, ERR_NO_MEMORY, ERR_SYSTEM: nothing is open. */
MUST_USE enum err consumers_open(struct consumers *consumers, struct kafka_log *log, enum kafka_role role, struct reason *why);
/* The instance for a fetch of this topic; each has its consumers_give_back. Never NULL. */
struct consumer_instance *consumers_take(struct consumers *consumers, const char *topic);
/* The instance before, once, when its fetches are to be stopped: their owners begin them anew, in the current one. NULL: none is. */
struct consumer_instance *consumers_to_leave(struct consumers *consumers);
/* Nothing of the fetch is left in the instance. */
void consumers_give_back(struct consumers *consumers, struct consumer_instance *instance);
/* Topics that it has been asked for. */
size_t consumer_knows(const struct consumer_instance *instance);
/* Blocks, for a bounded time. All were given back. */
void consumers_close(struct consumers *consumers);

#endif
