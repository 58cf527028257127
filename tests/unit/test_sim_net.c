/* The simulated network keeps the contract of links: bytes whole and in order, back pressure, ends that are told once. */
#include "tests/support/sim_net.h"
#include "tests/support/test.h"
#include "tests/support/test_context.h"

#include <stdio.h>
#include <stdlib.h>

enum { ENDS_MAX = 8, STREAM_MAX = 1 << 20 };
static const char address[] = "node:4000";

/* A user of a link that takes what comes, in bites of its own, and keeps it all. */
struct user {
        struct link *link;
        size_t ups, downs, drains, takes; /* takes: most bytes used up in one event; 0: all */
        enum err err;
        char why[64];
        bool closes_when_up, closes_when_received;
        uint8_t *got;
        size_t got_n;
};

struct fixture {
        struct test_context tc;
        struct sim_net *net;
        struct sim_host *host;
        struct user dialler, accepted[ENDS_MAX];
        size_t accepted_n;
        bool calling; /* a call on a link is on the stack: no event may come */
};

static struct fixture *f; /* the running test's */

static void user_closes(struct user *user, bool flush)
{
        f->calling = true;
        user->link->ops->close(user->link, flush);
        f->calling = false;
        user->link = NULL;
}

static void on_up(void *arg)
{
        struct user *user = arg;

        assert_false(f->calling);
        assert_int_equal(user->downs, 0);
        user->ups++;
        if (user->closes_when_up) user_closes(user, false);
}

static size_t on_received(void *arg, struct bytes in)
{
        struct user *user = arg;
        size_t n = user->takes && user->takes < in.n ? user->takes : in.n;

        assert_false(f->calling);
        assert_non_null(user->link);
        assert_true(in.n > 0 && user->got_n + n <= STREAM_MAX);
        memcpy(user->got + user->got_n, in.p, n);
        user->got_n += n;
        if (user->closes_when_received) user_closes(user, true);
        return n;
}

static void on_drained(void *arg, size_t queued)
{
        struct user *user = arg;

        assert_false(f->calling);
        assert_int_equal(queued, user->link->ops->queued(user->link));
        user->drains++;
}

static void on_down(void *arg, enum err err, const char *why)
{
        struct user *user = arg;

        assert_false(f->calling);
        assert_int_equal(user->downs++, 0);
        user->err = err;
        snprintf(user->why, sizeof user->why, "%s", why);
        user->link = NULL;
}

static const struct link_events events = {on_up, on_received, on_drained, on_down};

static void accept_link(void *arg, struct link *link)
{
        struct user *user = &f->accepted[f->accepted_n++];

        (void)arg;
        assert_true(f->accepted_n <= ENDS_MAX);
        user->got = malloc(STREAM_MAX);
        user->link = link;
        link->events = &events;
        link->user = user;
}

static int setup(void **state)
{
        (void)state;
        f = calloc(1, sizeof *f);
        assert_non_null(f);
        test_context_init(&f->tc, 3);
        f->net = sim_net_new(&f->tc.ctx);
        f->host = sim_net_listen(f->net, address, accept_link, NULL);
        f->dialler.got = malloc(STREAM_MAX);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        sim_net_free(f->net);
        test_context_clear(&f->tc);
        for (size_t i = 0; i < ENDS_MAX; i++)
                free(f->accepted[i].got);
        free(f->dialler.got);
        free(f);
        return 0;
}

static void dial(const char *to)
{
        struct net *net = sim_net_dialler(f->net, 0);

        f->calling = true;
        assert_ok(net->dial(net, to, &events, &f->dialler, &f->dialler.link, NULL));
        f->calling = false;
}

static void connect(void)
{
        dial(address);
        test_context_advance(&f->tc, 1000);
        assert_int_equal(f->dialler.ups, 1);
        assert_int_equal(f->accepted_n, 1);
        assert_int_equal(sim_net_connections(f->net), 1);
}

static enum err user_writes(struct user *user, struct bytes bytes)
{
        enum err err;

        f->calling = true;
        err = user->link->ops->write(user->link, (struct bytes[]){bytes_make(bytes.p, bytes.n / 2), BYTES_NONE,
                                     bytes_make(bytes.p + bytes.n / 2, bytes.n - bytes.n / 2)}, 3);
        f->calling = false;
        return err;
}

static void user_reads(struct user *user, bool reading)
{
        f->calling = true;
        user->link->ops->set_reading(user->link, reading);
        f->calling = false;
}

static void got_is(struct user *user, struct bytes expected)
{
        if (!bytes_equal(bytes_make(user->got, user->got_n), expected)) fail_msg("got other bytes, %zu of %zu", user->got_n, expected.n);
}

/* Random bytes of the test's own, the same for each call with one `which`. */
static struct bytes stream_of(uint8_t *out, size_t n, uint64_t which)
{
        struct test_context tc;

        test_context_init(&tc, which);
        context_random(&tc.ctx, out, n);
        test_context_clear(&tc);
        return bytes_make(out, n);
}

static void carries_bytes_both_ways(void **state)
{
        (void)state;
        connect();
        assert_ok(user_writes(&f->dialler, BYTES_LITERAL("hello")));
        assert_ok(user_writes(&f->accepted[0], BYTES_LITERAL("welcome")));
        assert_int_equal(f->dialler.link->ops->queued(f->dialler.link), 5);
        assert_int_equal(f->accepted[0].got_n, 0);
        test_context_advance(&f->tc, 0);
        got_is(&f->accepted[0], BYTES_LITERAL("hello"));
        got_is(&f->dialler, BYTES_LITERAL("welcome"));
        assert_int_equal(f->dialler.link->ops->queued(f->dialler.link), 0);
        assert_true(f->dialler.drains == 1 && f->accepted[0].ups == 0);
}

static void nobody_listens(void **state)
{
        struct net *net = sim_net_dialler(f->net, 0);
        struct reason why;
        struct link *link = NULL;

        (void)state;
        assert_err(net->dial(net, "no port", &events, &f->dialler, &link, &why), ERR_USAGE);
        assert_null(link);
        dial("elsewhere:4000");
        assert_int_equal(f->dialler.downs, 0);
        test_context_advance(&f->tc, 1000);
        assert_err(f->dialler.err, ERR_UNREACHABLE);
        assert_string_equal(f->dialler.why, "connection refused");
        assert_int_equal(f->accepted_n, 0);
}

static void refused_by_chance(void **state)
{
        (void)state;
        sim_net_set_faults(f->net, &(struct sim_net_faults){.refuse_percent = 100});
        dial(address);
        test_context_advance(&f->tc, 1000);
        assert_err(f->dialler.err, ERR_UNREACHABLE);
        assert_int_equal(f->accepted_n, 0);
}

static void whole_and_in_order_in_any_pieces(void **state)
{
        static uint8_t there[200000], back[200000];
        struct bytes a = stream_of(there, sizeof there, 1), b = stream_of(back, sizeof back, 2);

        (void)state;
        sim_net_set_faults(f->net, &(struct sim_net_faults){.delay_max_ms = 20, .piece_max = 700, .stall_percent = 3, .stall_max_ms = 500});
        connect();
        f->accepted[0].takes = 999;
        for (size_t at = 0; at < a.n; at += 5000) {
                assert_ok(user_writes(&f->dialler, bytes_make(a.p + at, 5000)));
                assert_ok(user_writes(&f->accepted[0], bytes_make(b.p + at, 5000)));
                test_context_advance(&f->tc, 10);
        }
        test_context_advance(&f->tc, 100000);
        f->accepted[0].takes = 0;
        assert_ok(user_writes(&f->dialler, BYTES_LITERAL("."))); /* what was left is offered again with what comes */
        test_context_advance(&f->tc, 1000);
        assert_int_equal(f->accepted[0].got[--f->accepted[0].got_n], '.');
        got_is(&f->accepted[0], a);
        got_is(&f->dialler, b);
}

static void back_pressure_reaches_the_writer(void **state)
{
        static uint8_t memory[10000];
        struct bytes in = stream_of(memory, sizeof memory, 1);

        (void)state;
        sim_net_set_faults(f->net, &(struct sim_net_faults){.piece_max = 100, .buffer = 1000});
        connect();
        user_reads(&f->accepted[0], false);
        assert_ok(user_writes(&f->dialler, in));
        test_context_advance(&f->tc, 10000);
        assert_int_equal(f->accepted[0].got_n, 0);
        assert_true(f->dialler.link->ops->queued(f->dialler.link) >= in.n - 1100);
        user_reads(&f->accepted[0], true);
        test_context_advance(&f->tc, 10000);
        got_is(&f->accepted[0], in);
        assert_int_equal(f->dialler.link->ops->queued(f->dialler.link), 0);
}

static void a_narrow_connection_takes_its_time(void **state)
{
        static uint8_t memory[10000];
        struct bytes in = stream_of(memory, sizeof memory, 1);

        (void)state;
        sim_net_set_faults(f->net, &(struct sim_net_faults){.piece_max = 100, .slow_percent = 100, .slow_bytes_per_s = 1000});
        connect();
        assert_int_equal(sim_net_figures(f->net).slow, 1);
        assert_ok(user_writes(&f->dialler, in));
        test_context_advance(&f->tc, 5000);
        assert_true(f->accepted[0].got_n > 4500 && f->accepted[0].got_n < 5500);
        test_context_advance(&f->tc, 6000);
        got_is(&f->accepted[0], in);
}

/* Blocks come one behind the other here, each of one way or both. */
static void what_a_block_holds_comes_when_it_is_over(void **state)
{
        size_t before = 0, held = 0;

        (void)state;
        connect();
        sim_net_set_faults(f->net, &(struct sim_net_faults){.block_mean_ms = 2000, .block_max_ms = 1000});
        for (int i = 0; i < 200; i++) {
                assert_ok(user_writes(&f->dialler, BYTES_LITERAL("x")));
                test_context_advance(&f->tc, 50);
                held += f->accepted[0].got_n == before;
                before = f->accepted[0].got_n;
        }
        assert_true(sim_net_figures(f->net).blocks > 2);
        assert_true(held > 10 && held < 190);
        sim_net_set_faults(f->net, &(struct sim_net_faults){0});
        test_context_advance(&f->tc, 2000);
        assert_int_equal(f->accepted[0].got_n, 200);
        assert_int_equal(f->accepted[0].downs, 0);
}

static void a_crash_is_silent_at_the_dialler(void **state)
{
        (void)state;
        connect();
        sim_net_crash_dialler(f->net, 0);
        test_context_advance(&f->tc, 1000);
        assert_int_equal(f->dialler.downs, 0);
        assert_int_equal(f->accepted[0].downs, 1);
        assert_err(user_writes(&f->dialler, BYTES_LITERAL("lost")), ERR_CLOSED);
        user_closes(&f->dialler, true);
        test_context_advance(&f->tc, 10000);
        assert_int_equal(sim_net_connections(f->net), 0);
}

static void close_in_order_sends_what_is_queued(void **state)
{
        static uint8_t memory[50000];
        struct bytes in = stream_of(memory, sizeof memory, 1);

        (void)state;
        sim_net_set_faults(f->net, &(struct sim_net_faults){.delay_max_ms = 5, .piece_max = 1000});
        connect();
        assert_ok(user_writes(&f->dialler, in));
        user_closes(&f->dialler, true);
        test_context_advance(&f->tc, 4000);
        got_is(&f->accepted[0], in);
        assert_string_equal(f->accepted[0].why, "closed by the other side");
        assert_true(f->dialler.downs == 0 && f->accepted[0].downs == 1);
        assert_int_equal(sim_net_connections(f->net), 0);
        assert_false(test_context_step(&f->tc));
}

static void both_close_in_order(void **state)
{
        (void)state;
        connect();
        assert_ok(user_writes(&f->dialler, BYTES_LITERAL("a")));
        assert_ok(user_writes(&f->accepted[0], BYTES_LITERAL("b")));
        user_closes(&f->dialler, true);
        user_closes(&f->accepted[0], true);
        test_context_advance(&f->tc, 10000);
        assert_true(f->dialler.downs == 0 && f->accepted[0].downs == 0);
        assert_false(test_context_step(&f->tc));
}

static void one_who_does_not_read_is_not_waited_for(void **state)
{
        (void)state;
        connect();
        user_reads(&f->accepted[0], false);
        assert_ok(user_writes(&f->dialler, BYTES_LITERAL("never seen")));
        user_closes(&f->dialler, true);
        test_context_advance(&f->tc, SIM_NET_LINGER_MS - 100);
        assert_int_equal(f->accepted[0].downs, 0);
        test_context_advance(&f->tc, 200);
        assert_string_equal(f->accepted[0].why, "connection reset");
        assert_false(test_context_step(&f->tc));
}

static void close_at_once_resets(void **state)
{
        (void)state;
        connect();
        assert_ok(user_writes(&f->dialler, BYTES_LITERAL("lost")));
        user_closes(&f->dialler, false);
        test_context_advance(&f->tc, 0);
        assert_int_equal(f->accepted[0].got_n, 0);
        assert_string_equal(f->accepted[0].why, "connection reset");
        assert_true(f->dialler.downs == 0 && f->accepted[0].downs == 1);
}

static void closes_from_within_events(void **state)
{
        (void)state;
        f->dialler.closes_when_up = true;
        dial(address);
        test_context_advance(&f->tc, 1000);
        assert_true(f->dialler.ups == 1 && f->accepted[0].downs == 1);
        f->dialler.closes_when_up = false;
        f->dialler.ups = 0;
        dial(address);
        test_context_advance(&f->tc, 1000);
        f->accepted[1].closes_when_received = true;
        assert_ok(user_writes(&f->dialler, BYTES_LITERAL("bye")));
        test_context_advance(&f->tc, 1000);
        got_is(&f->accepted[1], BYTES_LITERAL("bye"));
        assert_string_equal(f->dialler.why, "closed by the other side");
        assert_false(test_context_step(&f->tc));
}

static void close_while_connecting(void **state)
{
        (void)state;
        dial(address);
        user_closes(&f->dialler, true);
        test_context_advance(&f->tc, 1000);
        assert_true(f->dialler.ups == 0 && f->dialler.downs == 0 && f->accepted_n == 0);
}

static void resets_tell_both_sides_once_and_maybe_late(void **state)
{
        (void)state;
        sim_net_set_faults(f->net, &(struct sim_net_faults){.late_percent = 100, .late_max_ms = 1000});
        connect();
        sim_net_reset_all(f->net);
        assert_int_equal(f->dialler.downs + f->accepted[0].downs, 0);
        test_context_advance(&f->tc, 0);
        assert_int_equal(f->dialler.downs + f->accepted[0].downs, 1);
        struct user *left = f->dialler.downs ? &f->accepted[0] : &f->dialler;
        assert_ok(user_writes(left, BYTES_LITERAL("into the void")));
        test_context_advance(&f->tc, 1000);
        assert_true(f->dialler.downs == 1 && f->accepted[0].downs == 1);
        assert_true(f->dialler.got_n == 0 && f->accepted[0].got_n == 0);
        assert_int_equal(sim_net_figures(f->net).resets, 1);
        assert_false(test_context_step(&f->tc));
}

static void resets_come_by_themselves(void **state)
{
        (void)state;
        sim_net_set_faults(f->net, &(struct sim_net_faults){.reset_mean_ms = 500});
        dial(address);
        test_context_advance(&f->tc, 1001);
        assert_true(f->dialler.downs == 1 && f->accepted[0].downs == 1);
}

static void crash_is_silent_at_the_host(void **state)
{
        (void)state;
        connect();
        assert_ok(user_writes(&f->dialler, BYTES_LITERAL("lost")));
        sim_host_crash(f->host);
        assert_err(user_writes(&f->accepted[0], BYTES_LITERAL("x")), ERR_CLOSED);
        test_context_advance(&f->tc, 1000);
        assert_true(f->dialler.downs == 1 && f->accepted[0].downs == 0 && f->accepted[0].got_n == 0);
        user_closes(&f->accepted[0], true);
        test_context_advance(&f->tc, 0);
        f->dialler.downs = 0;
        dial(address);
        test_context_advance(&f->tc, 1000);
        assert_err(f->dialler.err, ERR_UNREACHABLE);
        f->dialler.downs = f->dialler.ups = 0;
        f->host = sim_net_listen(f->net, address, accept_link, NULL);
        dial(address);
        test_context_advance(&f->tc, 1000);
        assert_true(f->dialler.ups == 1 && f->accepted_n == 2);
}

struct tapped {
        size_t opened, closed, by_dialler, by_host;
};

static void tap_opened(void *user, uint64_t conn, uint64_t who)
{
        assert_int_equal(who, 0);
        assert_true(conn > 0);
        ((struct tapped *)user)->opened++;
}

static void tap_written(void *user, uint64_t conn, bool by_dialler, struct bytes bytes)
{
        assert_true(conn > 0);
        *(by_dialler ? &((struct tapped *)user)->by_dialler : &((struct tapped *)user)->by_host) += bytes.n;
}

static void tap_closed(void *user, uint64_t conn)
{
        assert_true(conn > 0);
        ((struct tapped *)user)->closed++;
}

static void tap_sees_all(void **state)
{
        static const struct sim_net_tap tap = {tap_opened, tap_written, tap_closed};
        struct tapped tapped = {0};

        (void)state;
        sim_net_set_tap(f->net, &tap, &tapped);
        connect();
        assert_ok(user_writes(&f->dialler, BYTES_LITERAL("abc")));
        assert_ok(user_writes(&f->accepted[0], BYTES_LITERAL("de")));
        assert_true(tapped.opened == 1 && tapped.closed == 0 && tapped.by_dialler == 3 && tapped.by_host == 2);
        user_closes(&f->dialler, false);
        assert_int_equal(tapped.closed, 0);
        test_context_advance(&f->tc, 0);
        assert_int_equal(tapped.closed, 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(carries_bytes_both_ways, setup, teardown),
                cmocka_unit_test_setup_teardown(nobody_listens, setup, teardown),
                cmocka_unit_test_setup_teardown(refused_by_chance, setup, teardown),
                cmocka_unit_test_setup_teardown(whole_and_in_order_in_any_pieces, setup, teardown),
                cmocka_unit_test_setup_teardown(back_pressure_reaches_the_writer, setup, teardown),
                cmocka_unit_test_setup_teardown(a_narrow_connection_takes_its_time, setup, teardown),
                cmocka_unit_test_setup_teardown(what_a_block_holds_comes_when_it_is_over, setup, teardown),
                cmocka_unit_test_setup_teardown(a_crash_is_silent_at_the_dialler, setup, teardown),
                cmocka_unit_test_setup_teardown(close_in_order_sends_what_is_queued, setup, teardown),
                cmocka_unit_test_setup_teardown(both_close_in_order, setup, teardown),
                cmocka_unit_test_setup_teardown(one_who_does_not_read_is_not_waited_for, setup, teardown),
                cmocka_unit_test_setup_teardown(close_at_once_resets, setup, teardown),
                cmocka_unit_test_setup_teardown(closes_from_within_events, setup, teardown),
                cmocka_unit_test_setup_teardown(close_while_connecting, setup, teardown),
                cmocka_unit_test_setup_teardown(resets_tell_both_sides_once_and_maybe_late, setup, teardown),
                cmocka_unit_test_setup_teardown(resets_come_by_themselves, setup, teardown),
                cmocka_unit_test_setup_teardown(crash_is_silent_at_the_host, setup, teardown),
                cmocka_unit_test_setup_teardown(tap_sees_all, setup, teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
