/* A context whose clock the test sets and whose randomness comes from a seed: every run can be had again. */
#ifndef STROP_TESTS_TEST_CONTEXT_H
#define STROP_TESTS_TEST_CONTEXT_H

#include "transport/base/context.h"

struct test_context {
        struct context ctx;  /* hand out &tc.ctx; not to be moved after test_context_init */
        uint64_t now_ms;     /* what the clock says */
        uint64_t utc_s;
        uint64_t random[4];  /* state of xoshiro256** */
};

/* Starts at now_ms 1,000,000 and in the year 2024, inside the life of the vectors' identities. */
void test_context_init(struct test_context *tc, uint64_t seed);
void test_context_clear(struct test_context *tc);

/* The next 64 random bits, for tests' own choices. */
uint64_t test_context_next(struct test_context *tc);

/* Moves the clock on by `ms`, stopping at each deadline between: due timers fire, then the turn ends. */
void test_context_advance(struct test_context *tc, uint64_t ms);
/* Moves the clock to the next deadline and fires what is due; false when no timer is set. Moves at least by nothing: timers
 * that are due at once fire without the clock's moving. */
bool test_context_step(struct test_context *tc);

#endif
