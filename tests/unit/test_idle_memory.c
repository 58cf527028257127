/* What a connection costs that does nothing, and one that has sent half a frame: a few KiB, whatever its length prefix promises. */
#include "tests/support/test.h"

#include "transport/conn.h"
#include "transport/tcp.h"

#include <malloc.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS = 300, BYTES_EACH = 4096 };

struct fixture {
        struct context ctx;
        struct loop *loop;
        struct router *router;
        struct conns *conns;
        struct tcp_listener *listener;
        int fds[CONNECTIONS];
};

static struct fixture f;

static void on_accepted(void *user, struct link *take_link)
{
        struct conn *conn;

        (void)user;
        assert_ok(conns_open(f.conns, take_link, true, &conn));
}

static int setup(void **state)
{
        static const struct conns_events events = {0};
        struct transport_limits limits = TRANSPORT_LIMITS_DEFAULT;
        struct reason why;

        (void)state;
        context_init(&f.ctx);
        assert_non_null(f.loop = loop_new(&f.ctx));
        assert_non_null(f.router = router_new(&f.ctx, &limits));
        assert_non_null(f.conns = conns_new(f.router, &events, NULL));
        assert_ok(tcp_listen(f.loop, &limits, "127.0.0.1:0", on_accepted, NULL, &f.listener, &why));
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        for (int i = 0; i < CONNECTIONS; i++) close(f.fds[i]);
        conns_free(f.conns);
        tcp_listener_free(f.listener);
        loop_finish(f.loop, 10000);
        router_free(f.router);
        loop_free(f.loop);
        context_clear(&f.ctx);
        return 0;
}

static int plain_socket(void)
{
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        to.sin_port = htons((uint16_t)strtoul(strrchr(tcp_listener_address(f.listener), ':') + 1, NULL, 10));
        assert_true(fd >= 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
        return fd;
}

/* Runs the loop until `value` is `wanted`. */
static void run_until(const uint64_t *value, uint64_t wanted)
{
        uint64_t until_ms = context_now_ms(&f.ctx) + 20000;

        while (*value != wanted) {
                if (context_now_ms(&f.ctx) > until_ms) fail_msg("%llu of %llu", (unsigned long long)*value, (unsigned long long)wanted);
                loop_run_once(f.loop);
        }
}

static void G15_R1_connections_cost_little(void **state)
{
        static const uint8_t begun[] = {0xff, 0xff, 1}, heartbeat[] = {0, 0};
        size_t before = mallinfo2().uordblks, idle, half;

        (void)state;
        for (int i = 0; i < CONNECTIONS; i++) {
                f.fds[i] = plain_socket();
                assert_int_equal(write(f.fds[i], heartbeat, sizeof heartbeat), sizeof heartbeat);
                run_until(&f.ctx.stats.v[STAT_HEARTBEATS], (uint64_t)i + 1);
        }
        idle = mallinfo2().uordblks - before;
        for (int i = 0; i < CONNECTIONS; i++) assert_int_equal(write(f.fds[i], begun, sizeof begun), sizeof begun);
        for (int i = 0; i < 2000; i++) loop_run_once(f.loop);
        half = mallinfo2().uordblks - before;
        print_message("%zu bytes an idle connection, %zu with half a frame\n", idle / CONNECTIONS, half / CONNECTIONS);
        assert_int_equal(conns_count(f.conns), CONNECTIONS);
        assert_true(idle <= (size_t)CONNECTIONS * BYTES_EACH);
        assert_true(half <= (size_t)CONNECTIONS * BYTES_EACH);
        if (before) assert_true(half > idle && idle > CONNECTIONS * 100); /* the figures mean something; a sanitizer's allocator gives none */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(G15_R1_connections_cost_little, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
