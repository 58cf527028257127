/* The context: errors and counters have names, graves wait for the end of the turn, randomness and timers. */
#include "tests/support/test.h"
#include "tests/support/test_context.h"

#include <ctype.h>

static void errors_and_counters_have_names(void **state)
{
        struct reason why;

        (void)state;
        for (unsigned i = 0; i < ERR_COUNT; i++) {
                assert_true(err_name((enum err)i)[0] && err_text((enum err)i)[0]);
                assert_int_equal(err_class((enum err)i) == ERR_CLASS_NONE, i == OK);
        }
        assert_string_equal(err_name(ERR_FULL), "ERR_FULL");
        assert_string_equal(err_text(ERR_FULL), "a limit is reached");
        assert_string_equal(err_name((enum err)9999), "ERR_FAILED");
        assert_err(fail(&why, ERR_FULL, "%s: %d", "too many", 3), ERR_FULL);
        assert_string_equal(why.text, "too many: 3");
        assert_err(fail(NULL, ERR_SYSTEM, "nobody reads this"), ERR_SYSTEM);
        for (unsigned i = 0; i < STAT_COUNT; i++) {
                assert_true(stat_help((enum stat_id)i)[0]);
                for (const char *p = stat_name((enum stat_id)i); *p; p++)
                        assert_true(islower((unsigned char)*p) || *p == '_');
        }
}

struct body {
        struct grave grave;
        struct context *ctx;
        struct body *next; /* given to bury when this one is buried */
        size_t *buried;
};

static void bury_body(void *object)
{
        struct body *body = object;

        ++*body->buried;
        if (body->next) context_bury(body->ctx, &body->next->grave, bury_body, body->next);
        memset(body, 0xee, sizeof *body);
}

static void graves_wait_for_the_end_of_the_turn(void **state)
{
        struct test_context tc;
        size_t buried = 0;
        struct body third = {.buried = &buried}, second = {.buried = &buried}, first = {.buried = &buried, .next = &third};

        (void)state;
        test_context_init(&tc, 1);
        first.ctx = second.ctx = third.ctx = &tc.ctx;
        context_bury(&tc.ctx, &first.grave, bury_body, &first);
        context_bury(&tc.ctx, &second.grave, bury_body, &second);
        assert_int_equal(buried, 0);
        context_turn_end(&tc.ctx);
        assert_int_equal(buried, 3);
        context_turn_end(&tc.ctx);
        assert_int_equal(buried, 3);
        test_context_clear(&tc);
}

static void real_context_works(void **state)
{
        struct context ctx;
        uint8_t a[32] = {0}, b[32] = {0};
        uint64_t before;

        (void)state;
        context_init(&ctx);
        context_random(&ctx, a, sizeof a);
        context_random(&ctx, b, sizeof b);
        assert_memory_not_equal(a, b, sizeof a);
        before = context_now_ms(&ctx);
        assert_true(before > 0 && context_now_ms(&ctx) >= before);
        assert_true(context_utc_s(&ctx) > 1600000000);
        context_clear(&ctx);
}

static void random_below_reaches_all_and_nothing_else(void **state)
{
        struct test_context tc;
        size_t seen[7] = {0};

        (void)state;
        test_context_init(&tc, 7);
        assert_int_equal(context_random_below(&tc.ctx, 0), 0);
        assert_int_equal(context_random_below(&tc.ctx, 1), 0);
        for (size_t i = 0; i < 7000; i++) {
                uint64_t n = context_random_below(&tc.ctx, 7);
                assert_true(n < 7);
                seen[n]++;
        }
        for (size_t i = 0; i < 7; i++)
                assert_true(seen[i] > 850 && seen[i] < 1150);
        test_context_clear(&tc);
}

static void note_time(void *arg)
{
        struct test_context *tc = ((void **)arg)[0];

        *(uint64_t *)((void **)arg)[1] = tc->now_ms;
}

static void clock_stops_at_each_deadline(void **state)
{
        struct test_context tc;
        uint64_t fired = 0, start;
        struct timer timer, far;
        void *arg[] = {&tc, &fired};

        (void)state;
        test_context_init(&tc, 1);
        start = tc.now_ms;
        timer_init(&timer, note_time, arg);
        timer_init(&far, note_time, arg);
        assert_ok(context_timer_set(&tc.ctx, &timer, 500));
        assert_ok(context_timer_set(&tc.ctx, &far, UINT64_MAX));
        assert_int_equal(far.at_ms, UINT64_MAX);
        test_context_advance(&tc, 499);
        assert_int_equal(fired, 0);
        test_context_advance(&tc, 10000);
        assert_int_equal(fired, start + 500);
        assert_int_equal(tc.now_ms, start + 10499);
        context_timer_stop(&tc.ctx, &far);
        assert_false(test_context_step(&tc));
        test_context_clear(&tc);
}

static void same_seed_same_randomness(void **state)
{
        struct test_context a, b;

        (void)state;
        test_context_init(&a, 5);
        test_context_init(&b, 5);
        for (size_t i = 0; i < 100; i++)
                assert_int_equal(test_context_next(&a), test_context_next(&b));
        test_context_clear(&b);
        test_context_init(&b, 6);
        assert_int_not_equal(test_context_next(&a), test_context_next(&b));
        test_context_clear(&a);
        test_context_clear(&b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(errors_and_counters_have_names),
                cmocka_unit_test(graves_wait_for_the_end_of_the_turn),
                cmocka_unit_test(real_context_works),
                cmocka_unit_test(random_below_reaches_all_and_nothing_else),
                cmocka_unit_test(clock_stops_at_each_deadline),
                cmocka_unit_test(same_seed_same_randomness),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
