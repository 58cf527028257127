/* What one round of the loop does for one link, or for the listener, when much is there: so much and no more, so that others have their turn. */
#include "tests/support/test.h"

#include "transport/tcp.h"

#include <netinet/in.h>
#include <stdio.h>
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

enum { DEADLINE_MS = 20000, FLOOD_MAX = 3 * INPUT_READ };

static struct fixture {
        struct context ctx;
        struct loop *loop;
        struct tcp_listener *listener;
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
        struct transport_limits limits = TRANSPORT_LIMITS_DEFAULT;
        struct reason why;

        (void)state;
        memset(&f, 0, sizeof f);
        context_init(&f.ctx);
        assert_non_null(f.flood.got = malloc(FLOOD_MAX));
        assert_non_null(f.good.got = malloc(FLOOD_MAX));
        assert_non_null(f.loop = loop_new(&f.ctx));
        assert_ok(tcp_listen(f.loop, &limits, "127.0.0.1:0", on_accepted, NULL, &f.listener, &why));
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        if (f.flood.link) f.flood.link->ops->close(f.flood.link, false);
        if (f.good.link) f.good.link->ops->close(f.good.link, false);
        tcp_listener_free(f.listener);
        loop_run_once(f.loop);
        loop_free(f.loop);
        context_clear(&f.ctx);
        free(f.flood.got);
        free(f.good.got);
        return 0;
}

/* Runs the loop until the condition holds. */
#define until(condition) \
        do { \
                uint64_t until_ms = context_now_ms(&f.ctx) + DEADLINE_MS; \
                while (!(condition)) { \
                        if (context_now_ms(&f.ctx) > until_ms) fail_msg("%s:%d: waited in vain for %s", __FILE__, __LINE__, #condition); \
                        loop_run_once(f.loop); \
                } \
        } while (0)

/* A plain blocking socket, connected to the listener. */
static int plain_socket(void)
{
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        to.sin_port = htons((uint16_t)strtoul(strrchr(tcp_listener_address(f.listener), ':') + 1, NULL, 10));
        assert_true(fd >= 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
        return fd;
}

/* The descriptor at the other end of `fd`. */
static int other_end(int fd)
{
        struct sockaddr_in mine, peer;
        socklen_t size = sizeof mine;

        assert_int_equal(getsockname(fd, (struct sockaddr *)&mine, &size), 0);
        for (int other = 3; other < 256; other++) {
                size = sizeof peer;
                if (!getpeername(other, (struct sockaddr *)&peer, &size) && peer.sin_port == mine.sin_port) return other;
        }
        fail_msg("nobody has accepted it");
        return -1;
}

/* Others have their turn however much one sends, and what a round leaves is not lost. */
static void R4_one_round_reads_so_much_of_a_link_and_no_more(void **state)
{
        const int wanted = 1 << 20;
        uint8_t *data = malloc(FLOOD_MAX);
        int flood = plain_socket(), good = plain_socket(), taken, there = 0;

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
        int fds[MANY], flood = plain_socket(), good = plain_socket();

        (void)state;
        until(f.good.link);
        for (int i = 0; i < MANY; i++) fds[i] = plain_socket();
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
