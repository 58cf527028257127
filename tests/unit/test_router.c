/* The router: flat delivery, who may reach whom, and its limits. */
#include "tests/support/test.h"
#include "tests/support/test_context.h"
#include "transport/router.h"

#include <stdlib.h>

struct fixture {
        struct test_context tc;
        struct router *router;
};

struct counter {
        struct router *router;
        struct worker *worker;
        unsigned got, depth, deepest;
        bool forward, remove_itself, flood;
        enum origin_kind last;
};

static void count(void *self, const struct delivery *delivery)
{
        struct counter *c = self;

        c->got++;
        c->last = delivery->origin.kind;
        if (++c->depth > c->deepest) c->deepest = c->depth;
        struct message onward = {.onward = route_rest(delivery->msg.onward), .ret = delivery->msg.ret, .payload = delivery->msg.payload};
        if (c->forward && onward.onward.count) router_post(c->router, delivery->origin, onward);
        for (unsigned i = 0; c->flood && i < 100; i++) router_post(c->router, ORIGIN_OWN, delivery->msg);
        c->flood = false;
        if (c->remove_itself) router_remove(c->router, c->worker);
        c->depth--;
}

static int setup_with(void **state, struct transport_limits limits)
{
        struct fixture *f = calloc(1, sizeof *f);

        test_context_init(&f->tc, 1);
        f->router = router_new(&f->tc.ctx, &limits);
        *state = f;
        return 0;
}

static int setup(void **state)
{
        return setup_with(state, TRANSPORT_LIMITS_DEFAULT);
}

static int setup_small(void **state)
{
        struct transport_limits limits = TRANSPORT_LIMITS_DEFAULT;

        limits.queue_messages = 10;
        limits.workers = 2;
        return setup_with(state, limits);
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        router_free(f->router);
        test_context_clear(&f->tc);
        free(f);
        return 0;
}

static struct counter counter_at(struct fixture *f, struct bytes address, unsigned accepts, struct counter *c)
{
        *c = (struct counter){.router = f->router};
        assert_ok(router_add(f->router, address, accepts, count, c, &c->worker));
        return *c;
}

static void send_to(struct fixture *f, enum origin_kind from, const struct bytes *hops, size_t n)
{
        struct message msg = {.payload = BYTES_LITERAL("x")};

        assert_ok(route_of_locals(router_arena(f->router), hops, n, &msg.onward));
        assert_ok(router_send(f->router, (struct origin){from, 0, NULL}, msg));
}

static void test_delivery_is_flat(void **state)
{
        struct fixture *f = *state;
        struct bytes hops[200];
        struct counter c;

        counter_at(f, BYTES_LITERAL("a"), ORIGIN_LOCAL, &c);
        c.forward = true;
        for (size_t i = 0; i < 200; i++) hops[i] = BYTES_LITERAL("a");
        send_to(f, ORIGIN_LOCAL, hops, 200);
        assert_int_equal(c.got, 200);
        assert_int_equal(c.deepest, 1);
        router_remove(f->router, c.worker);
}

struct order {
        struct router *router;
        struct bytes got[8];
        size_t count;
};

static void note_payload(void *self, const struct delivery *delivery)
{
        struct order *order = self;

        order->got[order->count++] = delivery->msg.payload;
}

/* Three messages at once: over four hops, over one, over two. */
static void send_three(void *self, const struct delivery *delivery)
{
        struct order *order = self;
        static const struct bytes names[] = {BYTES_LITERAL("1"), BYTES_LITERAL("2"), BYTES_LITERAL("3")};
        static const size_t hops[] = {3, 0, 1};
        struct bytes way[4];

        (void)delivery;
        for (size_t i = 0; i < 3; i++) {
                struct message msg = {.payload = names[i]};

                for (size_t hop = 0; hop < hops[i]; hop++) way[hop] = BYTES_LITERAL("a");
                way[hops[i]] = BYTES_LITERAL("end");
                assert_ok(route_of_locals(router_arena(order->router), way, hops[i] + 1, &msg.onward));
                assert_ok(router_send(order->router, ORIGIN_OWN, msg));
        }
}

static void test_what_came_first_is_done_first(void **state)
{
        struct fixture *f = *state;
        struct order order = {.router = f->router};
        struct worker *start, *end;
        struct bytes hop = BYTES_LITERAL("start");
        struct counter c;

        counter_at(f, BYTES_LITERAL("a"), ORIGIN_LOCAL, &c);
        c.forward = true;
        assert_ok(router_add(f->router, hop, ORIGIN_LOCAL, send_three, &order, &start));
        assert_ok(router_add(f->router, BYTES_LITERAL("end"), ORIGIN_LOCAL, note_payload, &order, &end));
        send_to(f, ORIGIN_LOCAL, &hop, 1);
        assert_int_equal(order.count, 3);
        for (size_t i = 0; i < 3; i++) assert_int_equal(order.got[i].p[0], '1' + i);
        router_remove(f->router, start);
        router_remove(f->router, end);
        router_remove(f->router, c.worker);
}

static void test_C23_origins(void **state)
{
        static const enum origin_kind kinds[] = {ORIGIN_LOCAL, ORIGIN_TCP, ORIGIN_STREAM, ORIGIN_CHANNEL, ORIGIN_CHANNEL_UNTRUSTED};
        struct fixture *f = *state;
        struct bytes hop = BYTES_LITERAL("a");

        for (unsigned accepts = 0; accepts < 32; accepts++) {
                struct counter c;
                unsigned expected = 0;
                uint64_t dropped = f->tc.ctx.stats.v[STAT_DROP_NOT_ALLOWED];

                counter_at(f, hop, accepts, &c);
                for (unsigned k = 0; k < 5; k++) {
                        send_to(f, kinds[k], &hop, 1);
                        if (accepts & kinds[k]) {
                                expected++;
                                assert_int_equal(c.last, kinds[k]);
                        }
                        assert_int_equal(c.got, expected);
                }
                assert_int_equal(f->tc.ctx.stats.v[STAT_DROP_NOT_ALLOWED] - dropped, 5 - expected);
                router_remove(f->router, c.worker);
        }
}

static void test_unknown_address(void **state)
{
        struct fixture *f = *state;
        struct bytes hop = BYTES_LITERAL("nobody");
        struct message tcp = {.payload = BYTES_NONE};

        send_to(f, ORIGIN_TCP, &hop, 1);
        assert_ok(route_prepend(router_arena(f->router), (struct address){ADDRESS_TCP, BYTES_LITERAL("127.0.0.1:1")}, ROUTE_EMPTY, &tcp.onward));
        assert_ok(router_send(f->router, ORIGIN_OWN, tcp));
        assert_int_equal(f->tc.ctx.stats.v[STAT_DROP_NO_WORKER], 2);
}

static void test_removal_in_own_handler(void **state)
{
        struct fixture *f = *state;
        struct bytes hop = BYTES_LITERAL("a");
        struct counter c;

        counter_at(f, hop, ORIGIN_LOCAL, &c);
        c.remove_itself = c.flood = true;
        send_to(f, ORIGIN_LOCAL, &hop, 1);
        assert_int_equal(c.got, 1);
        assert_int_equal(f->tc.ctx.stats.v[STAT_DROP_NO_WORKER], 100);
}

static void test_queue_limit(void **state)
{
        struct fixture *f = *state;
        struct bytes hop = BYTES_LITERAL("a");
        struct counter c;

        counter_at(f, hop, ORIGIN_LOCAL, &c);
        c.flood = true;
        send_to(f, ORIGIN_LOCAL, &hop, 1);
        assert_int_equal(c.got, 11);
        assert_int_equal(f->tc.ctx.stats.v[STAT_DROP_QUEUE_FULL], 90);
        router_remove(f->router, c.worker);
}

static void test_worker_limit_and_addresses(void **state)
{
        struct fixture *f = *state;
        struct counter a, b;
        struct worker *none = NULL;

        counter_at(f, BYTES_NONE, ORIGIN_LOCAL, &a);
        assert_int_equal(worker_address(a.worker).n, ADDRESS_RANDOM_SIZE);
        assert_err(router_add(f->router, worker_address(a.worker), ORIGIN_LOCAL, count, &a, &none), ERR_UNEXPECTED);
        counter_at(f, BYTES_NONE, ORIGIN_LOCAL, &b);
        assert_false(bytes_equal(worker_address(a.worker), worker_address(b.worker)));
        assert_err(router_add(f->router, BYTES_NONE, ORIGIN_LOCAL, count, &a, &none), ERR_FULL);
        assert_null(none);
        router_remove(f->router, a.worker);
        router_remove(f->router, b.worker);
}

/* What a worker removed in this turn is called may still be in messages on their way. */
static void test_address_outlives_its_worker(void **state)
{
        struct fixture *f = *state;
        struct counter c, sink;
        struct bytes hop = BYTES_LITERAL("sink"), address;

        counter_at(f, BYTES_NONE, ORIGIN_LOCAL, &c);
        counter_at(f, hop, ORIGIN_LOCAL, &sink);
        address = worker_address(c.worker);
        router_remove(f->router, c.worker);
        send_to(f, ORIGIN_LOCAL, (struct bytes[]){hop, address}, 2);
        assert_int_equal(sink.got, 1);
        router_remove(f->router, sink.worker);
        context_turn_end(&f->tc.ctx);
}

/* A message that does not even enter the queue takes its arena memory with it. */
static void test_refused_message_leaves_no_memory(void **state)
{
        struct transport_limits limits = TRANSPORT_LIMITS_DEFAULT;
        struct fixture *f;
        struct bytes hop = BYTES_LITERAL("a");
        struct message msg = {.payload = BYTES_NONE};

        limits.queue_messages = 0;
        limits.arena_bytes = 64;
        setup_with(state, limits);
        f = *state;
        for (size_t i = 0; i < 100; i++) {
                assert_ok(route_of_locals(router_arena(f->router), &hop, 1, &msg.onward));
                assert_err(router_send(f->router, ORIGIN_OWN, msg), ERR_FULL);
        }
        assert_int_equal(f->tc.ctx.stats.v[STAT_DROP_QUEUE_FULL], 100);
        teardown(state);
}

struct answerer {
        struct router *router;
        size_t times;
};

static void answer(void *self, const struct delivery *delivery)
{
        struct answerer *a = self;

        for (size_t i = 0; i < a->times; i++)
                router_answer(a->router, delivery->msg.ret, BYTES_LITERAL("answerer"), delivery->msg.payload);
}

static void test_answers_and_the_arena_limit(void **state)
{
        struct transport_limits limits = TRANSPORT_LIMITS_DEFAULT;
        struct fixture *f;
        struct answerer a;
        struct worker *worker;
        struct counter asker;
        struct bytes to = BYTES_LITERAL("service"), back = BYTES_LITERAL("asker");

        limits.arena_bytes = 256;
        setup_with(state, limits);
        f = *state;
        a = (struct answerer){f->router, 100};
        counter_at(f, back, ORIGIN_LOCAL, &asker);
        assert_ok(router_add(f->router, to, ORIGIN_LOCAL, answer, &a, &worker));
        for (uint64_t round = 1; round < 4; round++) {
                struct message msg = {.payload = BYTES_LITERAL("?")};
                assert_ok(route_of_locals(router_arena(f->router), &to, 1, &msg.onward));
                assert_ok(route_of_locals(router_arena(f->router), &back, 1, &msg.ret));
                assert_ok(router_send(f->router, ORIGIN_OWN, msg));
                assert_true(asker.got > 5 * round && asker.got < 20 * round);
                assert_int_equal(asker.got + f->tc.ctx.stats.v[STAT_DROP_QUEUE_FULL], 100 * round);
        }
        router_remove(f->router, worker);
        router_remove(f->router, asker.worker);
        teardown(state);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_delivery_is_flat, setup, teardown),
                cmocka_unit_test_setup_teardown(test_what_came_first_is_done_first, setup, teardown),
                cmocka_unit_test_setup_teardown(test_C23_origins, setup, teardown),
                cmocka_unit_test_setup_teardown(test_unknown_address, setup, teardown),
                cmocka_unit_test_setup_teardown(test_removal_in_own_handler, setup, teardown),
                cmocka_unit_test_setup_teardown(test_queue_limit, setup_small, teardown),
                cmocka_unit_test_setup_teardown(test_worker_limit_and_addresses, setup_small, teardown),
                cmocka_unit_test_setup_teardown(test_address_outlives_its_worker, setup, teardown),
                cmocka_unit_test(test_refused_message_leaves_no_memory),
                cmocka_unit_test(test_answers_and_the_arena_limit),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
