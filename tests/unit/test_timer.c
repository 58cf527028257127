/* Timers: order, moving, stopping from within others, and a long random run against a plain list. */
#include "tests/support/test.h"
#include "tests/support/test_context.h"

#include <stdio.h>

enum { MANY = 64, ROUNDS = 20000 };

struct probe {
        struct timer timer;
        struct timers *timers;
        char name;
        char *log;               /* fired timers' names, in order */
        struct probe *stops, *sets;
        uint64_t sets_at_ms;
};

static void probe_fire(void *arg)
{
        struct probe *probe = arg;
        size_t n = strlen(probe->log);

        assert_false(timer_is_set(&probe->timer));
        probe->log[n] = probe->name;
        probe->log[n + 1] = 0;
        if (probe->stops) timer_stop(probe->timers, &probe->stops->timer);
        if (probe->sets) assert_ok(timer_set(probe->timers, &probe->sets->timer, probe->sets_at_ms));
}

static void probes_init(struct probe *probes, size_t count, struct timers *timers, char *log)
{
        timers_init(timers);
        log[0] = 0;
        for (size_t i = 0; i < count; i++) {
                probes[i] = (struct probe){.timers = timers, .name = (char)('a' + i), .log = log};
                timer_init(&probes[i].timer, probe_fire, &probes[i]);
        }
}

static void fires_by_deadline_and_then_as_set(void **state)
{
        static const uint64_t at_ms[] = {30, 10, 20, 10, 5, 10};
        struct probe probes[6];
        struct timers timers;
        uint64_t next;
        char log[16];

        (void)state;
        probes_init(probes, 6, &timers, log);
        assert_false(timers_next(&timers, &next));
        for (size_t i = 0; i < 6; i++)
                assert_ok(timer_set(&timers, &probes[i].timer, at_ms[i]));
        assert_true(timers_next(&timers, &next));
        assert_int_equal(next, 5);
        timers_run(&timers, 4);
        assert_string_equal(log, "");
        timers_run(&timers, 20);
        assert_string_equal(log, "ebdfc");
        timers_run(&timers, 1000);
        assert_string_equal(log, "ebdfca");
        assert_false(timers_next(&timers, &next));
        timers_clear(&timers);
}

static void moving_counts_as_setting_anew(void **state)
{
        struct probe probes[3];
        struct timers timers;
        char log[16];

        (void)state;
        probes_init(probes, 3, &timers, log);
        for (size_t i = 0; i < 3; i++)
                assert_ok(timer_set(&timers, &probes[i].timer, 10));
        assert_ok(timer_set(&timers, &probes[0].timer, 10));
        assert_ok(timer_set(&timers, &probes[2].timer, 3));
        timers_run(&timers, 10);
        assert_string_equal(log, "cba");
        timers_clear(&timers);
}

static void stops_inside_fire(void **state)
{
        struct probe probes[4];
        struct timers timers;
        char log[16];

        (void)state;
        probes_init(probes, 4, &timers, log);
        for (size_t i = 0; i < 4; i++)
                assert_ok(timer_set(&timers, &probes[i].timer, 10));
        probes[0].stops = &probes[2];
        probes[1].stops = &probes[1]; /* itself, and it is not set any more */
        timers_run(&timers, 10);
        assert_string_equal(log, "abd");
        timer_stop(&timers, &probes[3].timer);
        assert_false(timer_is_set(&probes[2].timer));
        timers_clear(&timers);
}

static void set_inside_fire_waits_for_the_next_run(void **state)
{
        struct probe probes[3];
        struct timers timers;
        char log[16];

        (void)state;
        probes_init(probes, 3, &timers, log);
        assert_ok(timer_set(&timers, &probes[0].timer, 1));
        assert_ok(timer_set(&timers, &probes[1].timer, 10));
        probes[0].sets = &probes[0]; /* again and again, and due before the other */
        probes[0].sets_at_ms = 0;
        timers_run(&timers, 10);
        assert_string_equal(log, "ab");
        timers_run(&timers, 10);
        assert_string_equal(log, "aba");
        timers_clear(&timers);
        assert_false(timer_is_set(&probes[0].timer));
}

/* What the heap says is next must be what a search through all finds. */
static void agrees_with_a_plain_search(void **state)
{
        struct test_context tc;
        struct timers timers;
        struct timer timer[MANY];

        (void)state;
        test_context_init(&tc, 1);
        timers_init(&timers);
        for (size_t i = 0; i < MANY; i++)
                timer_init(&timer[i], probe_fire, NULL);
        for (size_t round = 0; round < ROUNDS; round++) {
                struct timer *t = &timer[context_random_below(&tc.ctx, MANY)], *first = NULL;
                uint64_t next;

                if (context_random_below(&tc.ctx, 3)) assert_ok(timer_set(&timers, t, context_random_below(&tc.ctx, 100)));
                else timer_stop(&timers, t);
                for (size_t i = 0; i < MANY; i++) {
                        if (!timer_is_set(&timer[i])) continue;
                        if (!first || timer[i].at_ms < first->at_ms || (timer[i].at_ms == first->at_ms && timer[i].order < first->order))
                                first = &timer[i];
                }
                assert_int_equal(timers_next(&timers, &next), first != NULL);
                if (first) assert_ptr_equal(timers.heap[0], first);
        }
        timers_clear(&timers);
        test_context_clear(&tc);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(fires_by_deadline_and_then_as_set),
                cmocka_unit_test(moving_counts_as_setting_anew),
                cmocka_unit_test(stops_inside_fire),
                cmocka_unit_test(set_inside_fire_waits_for_the_next_run),
                cmocka_unit_test(agrees_with_a_plain_search),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
