/* Which pulls are out, held, and to be asked next: a small table that is walked through, sixteen entries at most. */
#include "stream/client/pull_window.h"

#include "transport/wire.h"

#include <stdlib.h>

struct pull *window_find(struct pull_window *window, uint64_t id)
{
        for (size_t i = 0; i < CONSUMER_PULLS_MAX; i++) {
                struct pull *pull = &window->pulls[i];

                if (pull->used && !pull->held && pull->id == id) return pull;
        }
        return NULL;
}

struct pull *window_add(struct pull_window *window, uint64_t id, uint64_t from, uint64_t limit, uint64_t now_ms)
{
        for (size_t i = 0; i < CONSUMER_PULLS_MAX; i++) {
                struct pull *pull = &window->pulls[i];

                if (pull->used) continue;
                *pull = (struct pull){.used = true, .id = id, .from = from, .limit = limit, .asked_ms = now_ms};
                return pull;
        }
        return NULL;
}

static void bury_answer(void *object) { free(object); }

void pull_remove(struct pull *pull, struct context *ctx)
{
        if (pull->held) context_bury(ctx, &pull->held->grave, bury_answer, pull->held);
        *pull = (struct pull){0};
}

void window_clear(struct pull_window *window, struct context *ctx)
{
        for (size_t i = 0; i < CONSUMER_PULLS_MAX; i++)
                pull_remove(&window->pulls[i], ctx);
        window->stride = 0;
}

/* What the table says about an index: whether a pull that is out covers it, where what lies ahead of it begins and where the last of
 * it begins, and how many are out. */
struct survey {
        bool covered;
        uint64_t first_ahead, last;
        size_t out, used;
};

static struct survey survey(const struct pull_window *window, uint64_t index)
{
        struct survey s = {.first_ahead = UINT64_MAX, .last = index};

        for (size_t i = 0; i < CONSUMER_PULLS_MAX; i++) {
                const struct pull *pull = &window->pulls[i];

                if (!pull->used) continue;
                s.used++;
                if (!pull->held) s.out++;
                if (!pull->held && pull->from <= index) s.covered = true;
                if (pull->from > index && pull->from < s.first_ahead) s.first_ahead = pull->from;
                if (pull->from > s.last) s.last = pull->from;
        }
        return s;
}

bool window_next(const struct pull_window *window, uint64_t index, const struct stream_client_limits *limits, uint64_t *from,
                 uint64_t *limit)
{
        struct survey s = survey(window, index);
        uint64_t next;

        if (s.used == CONSUMER_PULLS_MAX) return false;
        if (!s.covered) {
                *from = index;
                *limit = s.first_ahead - index < limits->pull_limit ? s.first_ahead - index : limits->pull_limit;
                return true;
        }
        next = s.last + window->stride;
        if (window->stride == 0 || s.out >= limits->pulls_ahead || next < s.last || next - index > window->stride * limits->pulls_ahead)
                return false;
        *from = next;
        *limit = limits->pull_limit;
        return true;
}

void window_learn(struct pull_window *window, const struct pull *pull, uint64_t count, size_t bytes, uint32_t pull_limit)
{
        bool full = count >= pull->limit || bytes >= FRAME_MAX / 2;

        if (!full)
                window->stride = 0;
        else if (pull->limit >= pull_limit)
                window->stride = count;
}

enum err pull_hold(struct pull *pull, struct bytes messages)
{
        struct pull_answer *held = malloc(sizeof *held + messages.n);

        if (!held) return ERR_NO_MEMORY;
        if (messages.n) memcpy(held->memory, messages.p, messages.n);
        held->messages = bytes_make(held->memory, messages.n);
        pull->held = held;
        return OK;
}

struct pull *window_ripe(struct pull_window *window, uint64_t index)
{
        for (size_t i = 0; i < CONSUMER_PULLS_MAX; i++) {
                struct pull *pull = &window->pulls[i];

                if (pull->used && pull->held && pull->from <= index) return pull;
        }
        return NULL;
}

bool window_oldest(const struct pull_window *window, uint64_t *asked_ms)
{
        bool any = false;

        for (size_t i = 0; i < CONSUMER_PULLS_MAX; i++) {
                const struct pull *pull = &window->pulls[i];

                if (!pull->used || pull->held || (any && pull->asked_ms >= *asked_ms)) continue;
                *asked_ms = pull->asked_ms;
                any = true;
        }
        return any;
}
