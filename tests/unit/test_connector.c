/* The connection that comes back: which address is dialled when, with which pauses, over a net that the test holds. */
#include "tests/support/test.h"

#include "tests/support/fake_link.h"
#include "tests/support/test_context.h"
#include "transport/connector.h"

#include <stdio.h>

struct fixture {
        struct test_context tc;
        struct fake_net net;
        struct router *router;
        struct connector *connector;
        size_t up, lost, failed;
        enum err lost_err;
        uint64_t pause_ms;
        char address[64], why[128];
        bool free_when_lost;
};

static struct fixture f;

static void on_up(void *user, struct conn *conn)
{
        assert_ptr_equal(user, &f);
        assert_ptr_equal(conn, connector_conn(f.connector));
        f.up++;
}

static void on_lost(void *user, enum err err, const char *why)
{
        assert_ptr_equal(user, &f);
        assert_non_null(why);
        assert_null(connector_conn(f.connector));
        f.lost++;
        f.lost_err = err;
        if (!f.free_when_lost) return;
        connector_free(f.connector);
        f.connector = NULL;
}

static void on_failed(void *user, const char *address, const char *why, uint64_t pause_ms)
{
        assert_ptr_equal(user, &f);
        f.failed++;
        f.pause_ms = pause_ms;
        snprintf(f.address, sizeof f.address, "%s", address);
        snprintf(f.why, sizeof f.why, "%s", why);
}

static int setup(void **state)
{
        static const char *const addresses[] = {"a.example:1", "b.example:2"};
        static const struct connector_events events = {.up = on_up, .lost = on_lost, .failed = on_failed};
        struct transport_limits limits = TRANSPORT_LIMITS_DEFAULT;

        (void)state;
        memset(&f, 0, sizeof f);
        test_context_init(&f.tc, 1);
        fake_net_init(&f.net);
        assert_non_null(f.router = router_new(&f.tc.ctx, &limits));
        assert_non_null(f.connector = connector_new(f.router, &f.net.net, addresses, 2, &events, &f));
        assert_int_equal(f.net.dialled, 0);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        connector_free(f.connector);
        context_turn_end(&f.tc.ctx);
        router_free(f.router);
        test_context_clear(&f.tc);
        fake_net_clear(&f.net);
        return 0;
}

static void dials_the_first_address_in_the_next_turn(void **state)
{
        (void)state;
        test_context_advance(&f.tc, 0);
        assert_int_equal(f.net.dialled, 1);
        assert_string_equal(f.net.address, "a.example:1");
        assert_null(connector_conn(f.connector));
        fake_net_up(&f.net);
        assert_int_equal(f.up, 1);
        assert_non_null(connector_conn(f.connector));
        assert_int_equal(f.tc.ctx.stats.v[STAT_RECONNECTS], 0);
}

static void goes_round_the_addresses_with_pauses_that_grow(void **state)
{
        uint64_t whole = 100;
        size_t i;

        (void)state;
        f.net.refuse = true;
        for (i = 0; i < 20; i++) {
                test_context_advance(&f.tc, f.pause_ms);
                assert_int_equal(f.net.dialled, i + 1);
                assert_int_equal(f.failed, i + 1);
                assert_string_equal(f.address, i % 2 ? "b.example:2" : "a.example:1");
                assert_string_equal(f.why, "refused by the test");
                assert_in_range(f.pause_ms, whole / 2, whole);
                whole = whole * 2 < 2000 ? whole * 2 : 2000;
        }
}

static void jitters_its_pauses(void **state)
{
        size_t below = 0, above = 0, i;

        (void)state;
        f.net.refuse = true;
        for (i = 0; i < 100; i++) {
                test_context_advance(&f.tc, f.pause_ms);
                if (i < 10) continue;
                below += f.pause_ms < 1500;
                above += f.pause_ms >= 1500;
        }
        assert_in_range(below, 20, 70);
        assert_in_range(above, 20, 70);
}

static void tries_on_when_a_link_does_not_come_up(void **state)
{
        (void)state;
        test_context_advance(&f.tc, 0);
        fake_link_down(f.net.links[0], ERR_TIMEOUT, "took too long");
        assert_int_equal(f.failed, 1);
        assert_string_equal(f.why, "took too long");
        assert_string_equal(f.address, "a.example:1");
        test_context_advance(&f.tc, f.pause_ms);
        assert_string_equal(f.net.address, "b.example:2");
        fake_net_up(&f.net);
        assert_int_equal(f.up, 1);
}

static void G12_comes_back_soon_after_a_loss(void **state)
{
        struct fake_link *link;

        (void)state;
        test_context_advance(&f.tc, 0);
        link = fake_net_up(&f.net);
        test_context_advance(&f.tc, 60000);
        fake_link_down(link, ERR_CLOSED, "gone");
        assert_int_equal(f.lost, 1);
        assert_int_equal(f.lost_err, ERR_CLOSED);
        test_context_advance(&f.tc, 100);
        assert_int_equal(f.net.dialled, 2);
        assert_string_equal(f.net.address, "b.example:2");
        fake_net_up(&f.net);
        assert_int_equal(f.up, 2);
        assert_int_equal(f.tc.ctx.stats.v[STAT_RECONNECTS], 1);
}

static void comes_back_after_its_connection_was_closed_on_purpose(void **state)
{
        (void)state;
        test_context_advance(&f.tc, 0);
        fake_net_up(&f.net);
        conn_close(connector_conn(f.connector), ERR_TIMEOUT, "no answer", false);
        assert_int_equal(f.lost, 1);
        assert_int_equal(f.lost_err, ERR_TIMEOUT);
        test_context_advance(&f.tc, 100);
        assert_int_equal(f.net.dialled, 2);
}

static void does_not_hammer_a_node_that_drops_it_at_once(void **state)
{
        size_t i;

        (void)state;
        for (i = 0; i < 10; i++) {
                test_context_advance(&f.tc, 2000);
                fake_link_down(fake_net_up(&f.net), ERR_CLOSED, "gone");
        }
        test_context_advance(&f.tc, 999); /* the pause is at its longest by now */
        assert_int_equal(f.net.dialled, 10);
        test_context_advance(&f.tc, 1001);
        assert_int_equal(f.net.dialled, 11);
}

static void ends_in_any_state(void **state)
{
        (void)state;
        test_context_advance(&f.tc, 0); /* while it dials */
        connector_free(f.connector);
        f.connector = NULL;
        assert_true(f.net.links[0]->closed);
        test_context_advance(&f.tc, 100000);
        assert_int_equal(f.net.dialled, 1);
        assert_int_equal(f.lost + f.failed, 0);
}

static void sends_what_is_queued_when_it_ends(void **state)
{
        struct fake_link *link;

        (void)state;
        test_context_advance(&f.tc, 0);
        link = fake_net_up(&f.net);
        connector_free(f.connector);
        f.connector = NULL;
        assert_true(link->closed && link->flushed);
        assert_int_equal(f.lost, 0);
}

static void may_be_freed_by_whoever_hears_of_the_loss(void **state)
{
        (void)state;
        f.free_when_lost = true;
        test_context_advance(&f.tc, 0);
        fake_link_down(fake_net_up(&f.net), ERR_CLOSED, "gone");
        assert_int_equal(f.lost, 1);
        test_context_advance(&f.tc, 100000);
        assert_int_equal(f.net.dialled, 1);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                T(dials_the_first_address_in_the_next_turn),
                T(goes_round_the_addresses_with_pauses_that_grow),
                T(jitters_its_pauses),
                T(tries_on_when_a_link_does_not_come_up),
                T(G12_comes_back_soon_after_a_loss),
                T(comes_back_after_its_connection_was_closed_on_purpose),
                T(does_not_hammer_a_node_that_drops_it_at_once),
                T(ends_in_any_state),
                T(sends_what_is_queued_when_it_ends),
                T(may_be_freed_by_whoever_hears_of_the_loss),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
