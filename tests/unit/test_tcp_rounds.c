/* What one round of the loop does for one link, or for the listener, when much is there: so much and no more, so that others have their turn. */
#include "tests/support/tcp_rig.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* A link that was accepted, and how things were when it had its last turn. */
struct end {
        struct link *link;
        uint8_t *got;
        size_t got_n, turns;
        size_t accepted_then, flood_got_then;
};

enum { FLOOD_MAX = 3 * INPUT_READ };

static struct fixture {
        struct tcp_rig rig;
        struct end flood, good; /* the first two that are accepted; all others are closed */
        size_t accepted;
} f;

static void on_up(void *user) { (void)user; }

static size_t on_received(void *user, struct bytes in)
{
        struct end *end = user;

        assert_true(end->got_n + in.n <= FLOOD_MAX);
        memcpy(end->got + end->got_n, in.p, in.n);
        end->got_n += in.n;
        end->turns++;
        end->accepted_then = f.accepted;
        end->flood_got_then = f.flood.got_n;
        return in.n;
}

static void on_drained(void *user, size_t queued)
{
        (void)user;
        (void)queued;
}

static void on_down(void *user, enum err err, const char *why)
{
        struct end *end = user;

        (void)err;
        (void)why;
        end->link = NULL;
}

static const struct link_events end_events = {.up = on_up, .received = on_received, .drained = on_drained, .down = on_down};

static void on_accepted(void *user, struct link *take_link)
{
        struct end *end = f.accepted == 0 ? &f.flood : f.accepted == 1 ? &f.good : NULL;

        (void)user;
        f.accepted++;
        if (!end) {
                take_link->ops->close(take_link, false);
                return;
        }
        end->link = take_link;
        take_link->events = &end_events;
        take_link->user = end;
}

static int setup(void **state)
{
        (void)state;
        memset(&f, 0, sizeof f);
        tcp_rig_init(&f.rig, on_accepted, NULL);
        assert_non_null(f.flood.got = malloc(FLOOD_MAX));
        assert_non_null(f.good.got = malloc(FLOOD_MAX));
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        if (f.flood.link) f.flood.link->ops->close(f.flood.link, false);
        if (f.good.link) f.good.link->ops->close(f.good.link, false);
        tcp_rig_clear(&f.rig);
        free(f.flood.got);
        free(f.good.got);
        return 0;
}

#define until(condition) tcp_rig_until(&f.rig, condition)

/* Others have their turn however much one sends, and what a round leaves is not lost. */
static void R4_one_round_reads_so_much_of_a_link_and_no_more(void **state)
{
        const int wanted = 1 << 20;
        uint8_t *data = malloc(FLOOD_MAX);
        int flood = tcp_rig_connect(&f.rig), good = tcp_rig_connect(&f.rig), taken, there = 0;

        (void)state;
        assert_non_null(data);
        for (size_t i = 0; i < FLOOD_MAX; i++) data[i] = (uint8_t)(i * 7 + i / 251);
        until(f.good.link);
        taken = other_end(flood);
        assert_int_equal(setsockopt(taken, SOL_SOCKET, SO_RCVBUF, &wanted, sizeof wanted), 0);
        assert_int_equal(setsockopt(flood, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted), 0);
        assert_int_equal(write(flood, data, FLOOD_MAX), FLOOD_MAX);
        while (there <= 2 * INPUT_READ) assert_int_equal(ioctl(taken, FIONREAD, &there), 0);
        assert_int_equal(write(good, "good", 4), 4);
        until(f.good.got_n == 4);
        assert_in_range(f.good.flood_got_then, 0, INPUT_READ); /* in the same round, before or after a first piece */
        until(f.flood.got_n == FLOOD_MAX);
        assert_true(f.flood.turns >= 3);
        assert_memory_equal(f.flood.got, data, FLOOD_MAX);
        close(flood);
        close(good);
        free(data);
}

/* Many who connect at once: one who is connected has his turn in between. */
static void R4_one_round_accepts_so_many_and_no_more(void **state)
{
        enum { MANY = ACCEPTS_PER_ROUND + 30 };
        int fds[MANY], flood = tcp_rig_connect(&f.rig), good = tcp_rig_connect(&f.rig);

        (void)state;
        until(f.good.link);
        for (int i = 0; i < MANY; i++) fds[i] = tcp_rig_connect(&f.rig);
        assert_int_equal(write(good, "good", 4), 4);
        until(f.good.got_n == 4);
        assert_in_range(f.good.accepted_then, 2, 2 + ACCEPTS_PER_ROUND); /* in the same round, before or after the first of them */
        until(f.accepted == 2 + MANY);
        for (int i = 0; i < MANY; i++) close(fds[i]);
        close(flood);
        close(good);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                T(R4_one_round_reads_so_much_of_a_link_and_no_more),
                T(R4_one_round_accepts_so_many_and_no_more),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
