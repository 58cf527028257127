/* What a protocol core needs from outside: time, randomness, timers, counters, and a place for objects that end.
 *
 * Nothing below the programs reads a clock or draws a random byte by itself. The programs give real ones; tests give a
 * clock that they set and randomness from a seed, so that every run can be had again. One context a thread. */
#ifndef STROP_BASE_CONTEXT_H
#define STROP_BASE_CONTEXT_H

#include "transport/base/stats.h"
#include "transport/base/timer.h"

#include <stddef.h>

/* An object that waits for the end of the turn to be freed; embedded in what ends inside a callback. */
struct grave {
        struct grave *next;
        void (*bury)(void *object);
        void *object;
};

struct context {
        uint64_t (*now_ms)(void *user);                     /* monotonic, milliseconds */
        uint64_t (*utc_s)(void *user);                      /* wall clock, seconds UTC */
        void (*random)(void *user, void *out, size_t n);    /* cannot fail; cryptographically strong outside of tests */
        void *user;
        struct timers timers;
        struct stats stats;
        struct grave *graves;
};

/* Real time (CLOCK_MONOTONIC, CLOCK_REALTIME) and the system's randomness. Tests overwrite the three functions. */
void context_init(struct context *ctx);
/* Buries what waits and frees the timers' memory; the context's objects must be gone. */
void context_clear(struct context *ctx);

static inline uint64_t context_now_ms(struct context *ctx) { return ctx->now_ms(ctx->user); }
static inline uint64_t context_utc_s(struct context *ctx) { return ctx->utc_s(ctx->user); }
static inline void context_random(struct context *ctx, void *out, size_t n) { ctx->random(ctx->user, out, n); }
static inline void context_count(struct context *ctx, enum stat_id stat) { ctx->stats.v[stat]++; }

/* Sets a timer to fire in `in_ms` from now. */
MUST_USE enum err context_timer_set(struct context *ctx, struct timer *timer, uint64_t in_ms);
void context_timer_stop(struct context *ctx, struct timer *timer);

/* A random number from 0 to `below` - 1, for jitter and the like. */
uint64_t context_random_below(struct context *ctx, uint64_t below);

/* Frees `object` by `bury` at the end of this turn, since something further up the stack may still look at it. */
void context_bury(struct context *ctx, struct grave *grave, void (*bury)(void *object), void *object);

/* Ends a turn: what was given to context_bury is freed. Called by the loop (and by the simulation) with nothing of ours on the stack. */
void context_turn_end(struct context *ctx);

#endif
