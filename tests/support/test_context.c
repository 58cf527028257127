/* A context of the test's own; randomness is xoshiro256** (Blackman, Vigna), seeded by splitmix64. */
#include "tests/support/test_context.h"

static uint64_t test_now_ms(void *user) { return ((struct test_context *)user)->now_ms; }
static uint64_t test_utc_s(void *user) { return ((struct test_context *)user)->utc_s; }

static uint64_t rotl(uint64_t x, unsigned k) { return x << k | x >> (64 - k); }

uint64_t test_context_next(struct test_context *tc)
{
        uint64_t *s = tc->random, result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = rotl(s[3], 45);
        return result;
}

static void test_random(void *user, void *out, size_t n)
{
        uint8_t *p = out;
        uint64_t bits = 0;

        for (size_t i = 0; i < n; i++, bits >>= 8) {
                if (i % 8 == 0) bits = test_context_next(user);
                p[i] = (uint8_t)bits;
        }
}

void test_context_init(struct test_context *tc, uint64_t seed)
{
        *tc = (struct test_context){.now_ms = 1000000, .utc_s = 1717171717};
        for (size_t i = 0; i < 4; i++) {
                uint64_t z = seed += 0x9e3779b97f4a7c15u;
                z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
                z = (z ^ z >> 27) * 0x94d049bb133111ebu;
                tc->random[i] = z ^ z >> 31;
        }
        context_init(&tc->ctx);
        tc->ctx.now_ms = test_now_ms;
        tc->ctx.utc_s = test_utc_s;
        tc->ctx.random = test_random;
        tc->ctx.user = tc;
}

void test_context_clear(struct test_context *tc)
{
        context_clear(&tc->ctx);
}

static void run_at(struct test_context *tc, uint64_t at_ms)
{
        if (at_ms > tc->now_ms) {
                tc->utc_s += at_ms / 1000 - tc->now_ms / 1000;
                tc->now_ms = at_ms;
        }
        timers_run(&tc->ctx.timers, tc->now_ms);
        context_turn_end(&tc->ctx);
}

void test_context_advance(struct test_context *tc, uint64_t ms)
{
        uint64_t end = tc->now_ms + ms, at_ms;

        while (timers_next(&tc->ctx.timers, &at_ms) && at_ms <= end)
                run_at(tc, at_ms);
        run_at(tc, end);
}

bool test_context_step(struct test_context *tc)
{
        uint64_t at_ms;

        if (!timers_next(&tc->ctx.timers, &at_ms)) return false;
        run_at(tc, at_ms);
        return true;
}
