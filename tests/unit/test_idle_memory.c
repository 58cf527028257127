/* What a connection costs that does nothing, and one that has sent half a frame: a few KiB, whatever its length prefix promises. */
#include "tests/support/tcp_rig.h"

#include "transport/conn.h"

#include <malloc.h>
#include <unistd.h>

enum { CONNECTIONS = 300, BYTES_EACH = 4096 };

struct fixture {
        struct tcp_rig rig;
        struct router *router;
        struct conns *conns;
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

        (void)state;
        tcp_rig_init(&f.rig, on_accepted, NULL);
        assert_non_null(f.router = router_new(&f.rig.ctx, &limits));
        assert_non_null(f.conns = conns_new(f.router, &events, NULL));
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        for (int i = 0; i < CONNECTIONS; i++) close(f.fds[i]);
        conns_free(f.conns);
        loop_finish(f.rig.loop, 10000);
        router_free(f.router);
        tcp_rig_clear(&f.rig);
        return 0;
}

static void G15_R1_connections_cost_little(void **state)
{
        static const uint8_t begun[] = {0xff, 0xff, 1}, heartbeat[] = {0, 0};
        size_t before = mallinfo2().uordblks, idle, half;

        (void)state;
        for (int i = 0; i < CONNECTIONS; i++) {
                f.fds[i] = tcp_rig_connect(&f.rig);
                assert_int_equal(write(f.fds[i], heartbeat, sizeof heartbeat), sizeof heartbeat);
                tcp_rig_until(&f.rig, f.rig.ctx.stats.v[STAT_HEARTBEATS] == (uint64_t)i + 1);
        }
        idle = mallinfo2().uordblks - before;
        for (int i = 0; i < CONNECTIONS; i++) assert_int_equal(write(f.fds[i], begun, sizeof begun), sizeof begun);
        for (int i = 0; i < 2000; i++) loop_run_once(f.rig.loop);
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
