/* Timers in a binary heap, ordered by deadline and then by when they were set. A timer knows its slot, so that stopping it
 * costs no search. */
#include "transport/base/timer.h"

#include <assert.h>
#include <stdlib.h>

enum { HEAP_MIN = 16 };

void timers_init(struct timers *timers)
{
        *timers = (struct timers){0};
}

void timers_clear(struct timers *timers)
{
        for (size_t i = 0; i < timers->count; i++)
                timers->heap[i]->slot = 0;
        free(timers->heap);
        timers_init(timers);
}

void timer_init(struct timer *timer, void (*fire)(void *arg), void *arg)
{
        *timer = (struct timer){.fire = fire, .arg = arg};
}

static bool earlier(const struct timer *a, const struct timer *b)
{
        return a->at_ms < b->at_ms || (a->at_ms == b->at_ms && a->order < b->order);
}

static void place(struct timers *timers, size_t at, struct timer *timer)
{
        timers->heap[at] = timer;
        timer->slot = at + 1;
}

/* Moves the timer from the free place `at` to where it belongs, and others out of its way. */
static void settle(struct timers *timers, size_t at, struct timer *timer)
{
        while (at > 0 && earlier(timer, timers->heap[(at - 1) / 2])) {
                place(timers, at, timers->heap[(at - 1) / 2]);
                at = (at - 1) / 2;
        }
        for (size_t child; (child = 2 * at + 1) < timers->count; at = child) {
                if (child + 1 < timers->count && earlier(timers->heap[child + 1], timers->heap[child])) child++;
                if (earlier(timer, timers->heap[child])) break;
                place(timers, at, timers->heap[child]);
        }
        place(timers, at, timer);
}

static bool heap_has_room(struct timers *timers)
{
        size_t cap = timers->cap ? timers->cap * 2 : HEAP_MIN;
        struct timer **heap;

        if (timers->count < timers->cap) return true;
        heap = realloc(timers->heap, cap * sizeof *heap);
        if (!heap) return false;
        timers->heap = heap;
        timers->cap = cap;
        return true;
}

enum err timer_set(struct timers *timers, struct timer *timer, uint64_t at_ms)
{
        timer_stop(timers, timer);
        if (!heap_has_room(timers)) return ERR_NO_MEMORY;
        /* Set while others fire and due already: behind all those that are due in this round. */
        timer->at_ms = timers->running && at_ms < timers->run_ms ? timers->run_ms : at_ms;
        timer->order = timers->order++;
        timers->count++;
        settle(timers, timers->count - 1, timer);
        return OK;
}

void timer_stop(struct timers *timers, struct timer *timer)
{
        size_t at;
        struct timer *last;

        if (!timer->slot) return;
        at = timer->slot - 1;
        assert(timers->heap[at] == timer);
        last = timers->heap[--timers->count];
        timer->slot = 0;
        if (last != timer) settle(timers, at, last);
}

bool timers_next(const struct timers *timers, uint64_t *at_ms)
{
        if (timers->count == 0) return false;
        *at_ms = timers->heap[0]->at_ms;
        return true;
}

void timers_run(struct timers *timers, uint64_t now_ms)
{
        uint64_t order = timers->order;

        assert(!timers->running);
        timers->running = true;
        timers->run_ms = now_ms;
        while (timers->count > 0 && timers->heap[0]->at_ms <= now_ms && timers->heap[0]->order < order) {
                struct timer *timer = timers->heap[0];
                timer_stop(timers, timer);
                timer->fire(timer->arg); /* may free the timer */
        }
        timers->running = false;
}
