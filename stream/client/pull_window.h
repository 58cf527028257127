/* Which pulls a consumer has out, and which it should ask next: arithmetic alone, no messages.
 *
 * One pull always covers the next index. While answers come back full, more are out ahead of it, each as far behind the one before as
 * the last full answer had records; an answer that comes before its turn is held until what lies before it is there. */
#ifndef STROP_STREAM_PULL_WINDOW_H
#define STROP_STREAM_PULL_WINDOW_H

#include "stream/client/consumer.h"
#include "transport/base/bytes.h"
#include "transport/base/context.h"

/* An answer's messages that wait for their turn. */
struct pull_answer {
        struct grave grave;
        struct bytes messages; /* for stream_message_next */
        uint8_t memory[];
};

struct pull {
        bool used;
        uint64_t id, from, limit;
        uint64_t asked_ms;
        struct pull_answer *held; /* answered, but what lies before it is not here yet */
};

struct pull_window {
        struct pull pulls[CONSUMER_PULLS_MAX];
        uint64_t stride; /* records in the last full answer; 0: the last was not full, nothing is asked ahead */
};

/* The pull that awaits the answer `id`; NULL: none does. */
struct pull *window_find(struct pull_window *window, uint64_t id);
/* Remembers a pull; NULL: no room. */
struct pull *window_add(struct pull_window *window, uint64_t id, uint64_t from, uint64_t limit, uint64_t now_ms);
/* Forgets a pull, or all and the stride. Held answers are freed at the end of the turn: their messages may be in the router's queue. */
void pull_remove(struct pull *pull, struct context *ctx);
void window_clear(struct pull_window *window, struct context *ctx);

/* What to ask now that `index` is the next one wanted: for the gap before what is out or held, or ahead. False: nothing. */
bool window_next(const struct pull_window *window, uint64_t index, const struct stream_client_limits *limits, uint64_t *from,
                 uint64_t *limit);
/* Learns from an answer whether there is more where it came from. `bytes` is the answer's size. */
void window_learn(struct pull_window *window, const struct pull *pull, uint64_t count, size_t bytes, uint32_t pull_limit);
/* Keeps a copy of an answer's messages until its turn. ERR_NO_MEMORY. */
MUST_USE enum err pull_hold(struct pull *pull, struct bytes messages);
/* A held answer whose turn has come; NULL: none. */
struct pull *window_ripe(struct pull_window *window, uint64_t index);
/* When the pull that has waited longest for its answer was asked; false: none waits. */
bool window_oldest(const struct pull_window *window, uint64_t *asked_ms);

#endif
