/* Timers, apart from any event loop: a binary heap that whoever owns the clock asks for the next deadline and runs.
 * The programs' loop and the simulation drive the same code, the one with real time, the other with time of its own. */
#ifndef STROP_BASE_TIMER_H
#define STROP_BASE_TIMER_H

#include "transport/base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct timer {
        void (*fire)(void *arg); /* set by timer_init */
        void *arg;
        uint64_t at_ms;          /* deadline, on the clock of the context */
        uint64_t order;          /* timers with one deadline fire in the order in which they were set */
        size_t slot;             /* place in the heap + 1; 0: not set */
};

struct timers {
        struct timer **heap;
        size_t count, cap;
        uint64_t order;
        bool running;    /* timers_run is on the stack ... */
        uint64_t run_ms; /* ... with this time */
};

void timers_init(struct timers *timers);
void timers_clear(struct timers *timers);

void timer_init(struct timer *timer, void (*fire)(void *arg), void *arg);

/* Sets the timer, or moves it when it is set already. A timer fires once. ERR_NO_MEMORY leaves it unset. */
MUST_USE enum err timer_set(struct timers *timers, struct timer *timer, uint64_t at_ms);

/* Unsets it; nothing when it is not set. May be called from within any timer's `fire`. */
void timer_stop(struct timers *timers, struct timer *timer);

static inline bool timer_is_set(const struct timer *timer)
{
        return timer->slot != 0;
}

/* The next deadline; false when no timer is set. */
bool timers_next(const struct timers *timers, uint64_t *at_ms);

/* Fires what is due at `now_ms`. Timers set by those that fire wait for the next call, even when due at once. */
void timers_run(struct timers *timers, uint64_t now_ms);

#endif
