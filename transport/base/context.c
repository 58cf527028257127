/* The real context: the system's clocks and its randomness, and the graves of one turn. */
#include "transport/base/context.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static uint64_t real_now_ms(void *user)
{
        struct timespec t;

        (void)user;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint64_t real_utc_s(void *user)
{
        struct timespec t;

        (void)user;
        clock_gettime(CLOCK_REALTIME, &t);
        return (uint64_t)t.tv_sec;
}

/* Callers take it for granted that bytes come back, and keys are made of them: without randomness there is no going on. */
static void real_random(void *user, void *out, size_t n)
{
        uint8_t *p = out;

        (void)user;
        while (n > 0) {
                ssize_t got = getrandom(p, n, 0);
                if (got < 0 && errno == EINTR) continue;
                if (got <= 0) {
                        fputs("the system gives no randomness\n", stderr);
                        abort();
                }
                p += got;
                n -= (size_t)got;
        }
}

void context_init(struct context *ctx)
{
        *ctx = (struct context){.now_ms = real_now_ms, .utc_s = real_utc_s, .random = real_random};
        timers_init(&ctx->timers);
}

void context_clear(struct context *ctx)
{
        context_turn_end(ctx);
        timers_clear(&ctx->timers);
}

enum err context_timer_set(struct context *ctx, struct timer *timer, uint64_t in_ms)
{
        uint64_t now_ms = context_now_ms(ctx);

        return timer_set(&ctx->timers, timer, in_ms > UINT64_MAX - now_ms ? UINT64_MAX : now_ms + in_ms);
}

void context_timer_stop(struct context *ctx, struct timer *timer)
{
        timer_stop(&ctx->timers, timer);
}

uint64_t context_random_below(struct context *ctx, uint64_t below)
{
        uint64_t bits, unbiased;

        if (below < 2) return 0;
        unbiased = UINT64_MAX - UINT64_MAX % below;
        do
                context_random(ctx, &bits, sizeof bits);
        while (bits >= unbiased);
        return bits % below;
}

void context_bury(struct context *ctx, struct grave *grave, void (*bury)(void *object), void *object)
{
        *grave = (struct grave){ctx->graves, bury, object};
        ctx->graves = grave;
}

void context_turn_end(struct context *ctx)
{
        while (ctx->graves) {
                struct grave *grave = ctx->graves;
                ctx->graves = grave->next;
                grave->bury(grave->object); /* the grave goes with its object; more may be given to bury meanwhile */
        }
}
