/* The loop: timers, descriptors, signals, the end of turns, and the end of a program. */
#include "tests/support/test.h"

#include "transport/loop.h"

#include <signal.h>
#include <unistd.h>

struct fixture {
        struct context ctx;
        struct loop *loop;
        struct loop_watch *watch;
        int pipe[2];
        size_t fired, ready, ended;
        char order[8];
        size_t order_n;
        struct grave grave;
        struct loop_ending ending;
        bool buried;
};

static struct fixture f;

static int setup(void **state)
{
        (void)state;
        memset(&f, 0, sizeof f);
        context_init(&f.ctx);
        assert_non_null(f.loop = loop_new(&f.ctx));
        assert_int_equal(pipe(f.pipe), 0);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        loop_unwatch(f.watch);
        loop_free(f.loop);
        context_clear(&f.ctx);
        close(f.pipe[0]);
        close(f.pipe[1]);
        return 0;
}

static void note(void *arg)
{
        f.order[f.order_n++] = *(const char *)arg;
        if (f.order_n == 3) loop_stop(f.loop);
}

static void fires_timers_in_order(void **state)
{
        static char names[] = "abc";
        struct timer a, b, c;

        (void)state;
        timer_init(&a, note, &names[0]);
        timer_init(&b, note, &names[1]);
        timer_init(&c, note, &names[2]);
        assert_ok(context_timer_set(&f.ctx, &c, 30));
        assert_ok(context_timer_set(&f.ctx, &a, 0));
        assert_ok(context_timer_set(&f.ctx, &b, 10));
        loop_run(f.loop);
        assert_memory_equal(f.order, "abc", 3);
}

static void stop(void *arg)
{
        (void)arg;
        f.fired++;
        loop_stop(f.loop);
}

static void wakes_for_a_timer_no_sooner_than_it_is_due(void **state)
{
        struct timer timer;
        uint64_t before = context_now_ms(&f.ctx);

        (void)state;
        timer_init(&timer, stop, NULL);
        assert_ok(context_timer_set(&f.ctx, &timer, 25));
        loop_run(f.loop);
        assert_true(context_now_ms(&f.ctx) - before >= 25);
        assert_int_equal(f.fired, 1);
}

static void stopped_before_it_runs_does_not_run(void **state)
{
        (void)state;
        loop_stop(f.loop);
        loop_run(f.loop);
}

static void on_ready(void *arg)
{
        char byte;

        assert_ptr_equal(arg, &f);
        assert_int_equal(read(f.pipe[0], &byte, 1), 1);
        if (++f.ready < 2) return;
        loop_unwatch(f.watch); /* from within its own call */
        f.watch = NULL;
        loop_stop(f.loop);
}

static void tells_of_a_descriptor_that_can_be_read(void **state)
{
        (void)state;
        assert_ok(loop_watch_fd(f.loop, f.pipe[0], on_ready, &f, &f.watch));
        assert_int_equal(write(f.pipe[1], "xyz", 3), 3);
        loop_run(f.loop);
        assert_int_equal(f.ready, 2);
        loop_run_once(f.loop);
        assert_int_equal(f.ready, 2);
}

static void tells_of_a_signal_in_the_loop(void **state)
{
        (void)state;
        assert_ok(loop_watch_signal(f.loop, SIGUSR1, stop, NULL, &f.watch));
        assert_int_equal(raise(SIGUSR1), 0);
        assert_int_equal(f.fired, 0);
        loop_run(f.loop);
        assert_int_equal(f.fired, 1);
}

static void bury(void *object)
{
        assert_ptr_equal(object, &f);
        f.buried = true;
}

static void on_ready_bury(void *arg)
{
        char byte;

        (void)arg;
        assert_int_equal(read(f.pipe[0], &byte, 1), 1);
        context_bury(&f.ctx, &f.grave, bury, &f);
        assert_false(f.buried);
}

static void ends_the_turn_after_each_round(void **state)
{
        (void)state;
        assert_ok(loop_watch_fd(f.loop, f.pipe[0], on_ready_bury, &f, &f.watch));
        assert_int_equal(write(f.pipe[1], "x", 1), 1);
        loop_run_once(f.loop);
        assert_true(f.buried);
}

static void on_end(void *arg)
{
        (void)arg;
        f.ended++;
        loop_ending_remove(&f.ending);
}

static void finishing_waits_for_what_ends(void **state)
{
        struct timer timer;
        uint64_t before = context_now_ms(&f.ctx);

        (void)state;
        timer_init(&timer, on_end, NULL);
        loop_ending_add(f.loop, &f.ending, on_end, NULL);
        assert_ok(context_timer_set(&f.ctx, &timer, 20));
        loop_finish(f.loop, 60000);
        assert_in_range(context_now_ms(&f.ctx) - before, 20, 30000);
        assert_int_equal(f.ended, 1);
        loop_finish(f.loop, 60000); /* nothing to wait for */
        assert_in_range(context_now_ms(&f.ctx) - before, 20, 30000);
}

static void finishing_does_not_wait_for_ever(void **state)
{
        uint64_t before = context_now_ms(&f.ctx);

        (void)state;
        loop_ending_add(f.loop, &f.ending, on_end, NULL);
        loop_finish(f.loop, 20);
        assert_true(context_now_ms(&f.ctx) - before >= 20);
        assert_int_equal(f.ended, 0);
        loop_free(f.loop);
        assert_int_equal(f.ended, 1);
        f.loop = NULL;
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                T(fires_timers_in_order),
                T(wakes_for_a_timer_no_sooner_than_it_is_due),
                T(stopped_before_it_runs_does_not_run),
                T(tells_of_a_descriptor_that_can_be_read),
                T(tells_of_a_signal_in_the_loop),
                T(ends_the_turn_after_each_round),
                T(finishing_waits_for_what_ends),
                T(finishing_does_not_wait_for_ever),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
