/* The client's producer against a scripted hub: order, the same bytes again, refusals, silence, limits. */
#include "tests/support/test.h"

#include "stream/client/producer.h"
#include "tests/support/scripted_hub.h"
#include "tests/support/test_context.h"

#include <stdio.h>

static struct test_context tc;
static struct router *router;
static struct hub hub;
static struct producer *producer;
static struct stream_client_limits limits;
static unsigned ready, full, drained, notices, refusals;
static char said[512];

static void on_ready(void *user) { (void)user, ready++; }
static void on_full(void *user) { (void)user, full++; }
static void on_drained(void *user) { (void)user, drained++; }

static void on_notice(void *user, enum err err, const char *text)
{
        (void)user, (void)err;
        notices++;
        snprintf(said, sizeof said, "%s", text);
}

static void on_refused(void *user, const char *reason)
{
        (void)user;
        refusals++;
        snprintf(said, sizeof said, "%s", reason);
}

static const struct producer_events events = {on_ready, on_full, on_drained, on_notice, on_refused};

static void open_producer(void)
{
        producer = producer_new(router, BYTES_LITERAL("stream_kafka"), BYTES_LITERAL("a_to_b"), &limits, &events, NULL);
        assert_non_null(producer);
}

static int setup(void **state)
{
        const struct transport_limits transport = TRANSPORT_LIMITS_DEFAULT;

        (void)state;
        test_context_init(&tc, 1);
        router = router_new(&tc.ctx, &transport);
        hub_init(&hub, router);
        limits = STREAM_CLIENT_LIMITS_DEFAULT;
        ready = full = drained = notices = refusals = 0;
        said[0] = '\0';
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        producer_free(producer);
        hub_clear(&hub);
        context_turn_end(&tc.ctx);
        router_free(router);
        test_context_clear(&tc);
        return 0;
}

/* A message to the worker "peer" behind the stream, with a way back. */
static void send_bytes(struct bytes payload)
{
        const struct bytes onward[] = {producer_address(producer), BYTES_LITERAL("peer")}, back = BYTES_LITERAL("me");
        struct message msg = {.payload = payload};

        assert_ok(route_of_locals(router_arena(router), onward, 2, &msg.onward));
        assert_ok(route_of_locals(router_arena(router), &back, 1, &msg.ret));
        assert_ok(router_send(router, ORIGIN_OWN, msg));
}

static void send_text(const char *text) { send_bytes(bytes_of_text(text)); }

static void connect_and_create(void)
{
        struct hub_request *request;

        producer_connected(producer, hub_conn(&hub));
        request = hub_take(&hub, STREAM_CREATE);
        assert_string_equal(request->to, "stream_kafka");
        assert_true(bytes_equal(request->request.create.name, BYTES_LITERAL("a_to_b")));
        hub_answer_created(&hub, request);
}

/* The next request is a push of this text; the whole transport message, its own hop taken off. */
static struct hub_request *take_push(const char *text)
{
        struct hub_request *request = hub_take(&hub, STREAM_PUSH);
        struct message msg;
        struct address front;

        assert_string_equal(request->to, hub.stream_address);
        assert_ok(message_read(request->request.push.data, 16, &msg));
        assert_int_equal(msg.onward.count, 1);
        assert_true(route_front(msg.onward, &front));
        assert_true(bytes_equal(front.value, BYTES_LITERAL("peer")));
        assert_int_equal(msg.ret.count, 1);
        if (!bytes_equal(msg.payload, bytes_of_text(text))) fail_msg("pushed %.*s, expected %s", (int)msg.payload.n, msg.payload.p, text);
        return request;
}

static void pushes_in_order(void **state)
{
        static const char *const texts[] = {"early", "one", "two"};

        (void)state;
        open_producer();
        send_text("early");
        connect_and_create();
        assert_int_equal(ready, 1);
        send_text("one");
        send_text("two");
        for (size_t i = 0; i < 3; i++) {
                struct hub_request *request = take_push(texts[i]);

                assert_int_equal(hub_request_number(request), i);
                assert_int_equal(producer_unconfirmed(producer), 3 - i);
                hub_answer_pushed(&hub, request, false, i);
        }
        assert_int_equal(producer_unconfirmed(producer), 0);
        assert_int_equal(drained, 1);
        hub_quiet(&hub);
        test_context_advance(&tc, 60000);
        assert_int_equal(notices, 0);
        hub_quiet(&hub);
}

/* I5: the same bytes in the original order, and what was confirmed not again. */
static void pushes_again_after_a_reconnect(void **state)
{
        (void)state;
        open_producer();
        connect_and_create();
        send_text("one");
        send_text("two");
        send_text("three");
        hub_answer_pushed(&hub, take_push("one"), false, 0);
        producer_disconnected(producer);
        send_text("four");
        hub_reconnect(&hub);
        hub.stream_address = "another_worker";
        connect_and_create();
        assert_int_equal(ready, 2);
        hub_answer_pushed(&hub, take_push("two"), false, 1);
        hub_answer_pushed(&hub, take_push("three"), false, 2);
        hub_answer_pushed(&hub, take_push("four"), false, 3);
        assert_int_equal(producer_unconfirmed(producer), 0);
        assert_int_equal(tc.ctx.stats.v[STAT_REPUSHED], 2);
}

/* An answer that comes for an older connection's push confirms nothing. */
static void ignores_answers_to_older_pushes(void **state)
{
        struct hub_request *old;

        (void)state;
        open_producer();
        connect_and_create();
        send_text("one");
        old = take_push("one");
        producer_disconnected(producer);
        producer_connected(producer, hub_conn(&hub));
        hub_answer_pushed(&hub, old, false, 0);
        assert_int_equal(producer_unconfirmed(producer), 1);
        hub_answer_created(&hub, hub_take(&hub, STREAM_CREATE));
        assert_int_equal(hub_request_number(take_push("one")), 1);
}

/* After a refusal: nothing new goes out, the other answers are awaited, and then, after a pause, what was refused and what came behind. */
static void tries_again_what_was_refused(void **state)
{
        struct hub_request *request;
        char expected[80];

        (void)state;
        open_producer();
        connect_and_create();
        send_text("one");
        send_text("two");
        send_text("three");
        request = take_push("one");
        snprintf(expected, sizeof expected, "could not store a message of %zu bytes (larger", request->request.push.data.n);
        hub_answer_pushed(&hub, request, true, 0);
        assert_int_equal(notices, 1);
        assert_non_null(strstr(said, expected));
        send_text("four");
        hub_answer_pushed(&hub, take_push("two"), false, 0);
        hub_answer_pushed(&hub, take_push("three"), true, 0);
        hub_quiet(&hub);
        assert_int_equal(producer_unconfirmed(producer), 3);
        test_context_advance(&tc, limits.retry_min_ms);
        hub_answer_created(&hub, hub_take(&hub, STREAM_CREATE)); /* it may have been deleted */
        request = take_push("one");
        hub_answer_pushed(&hub, request, true, 0);
        assert_int_equal(notices, 1);
        take_push("three");
        hub_answer_pushed(&hub, hub.taken, true, 0);
        take_push("four");
        hub_answer_pushed(&hub, hub.taken, true, 0);
        test_context_advance(&tc, limits.retry_min_ms / 2);
        hub_quiet(&hub); /* pauses grow */
        test_context_advance(&tc, 2 * limits.retry_min_ms);
        hub_answer_created(&hub, hub_take(&hub, STREAM_CREATE));
        hub_answer_pushed(&hub, take_push("one"), false, 1);
        hub_answer_pushed(&hub, take_push("three"), false, 2);
        hub_answer_pushed(&hub, take_push("four"), false, 3);
        assert_int_equal(producer_unconfirmed(producer), 0);
        assert_int_equal(notices, 2);
        assert_string_equal(said, "the node answers again");
}

/* No answer: said once; the stream is created anew, and then the pushes go out again. A late answer still counts. */
static void asks_again_after_silence(void **state)
{
        struct hub_request *request;

        (void)state;
        open_producer();
        connect_and_create();
        send_text("one");
        send_text("two");
        request = take_push("one");
        test_context_advance(&tc, limits.answer_ms);
        assert_int_equal(notices, 1);
        assert_non_null(strstr(said, "did not answer"));
        hub_answer_pushed(&hub, request, false, 0);
        assert_int_equal(producer_unconfirmed(producer), 1);
        take_push("two");
        hub_take(&hub, STREAM_CREATE);
        test_context_advance(&tc, limits.answer_ms);
        assert_int_equal(notices, 1);
        hub_answer_created(&hub, hub_take(&hub, STREAM_CREATE));
        hub_answer_pushed(&hub, take_push("two"), false, 1);
        assert_int_equal(producer_unconfirmed(producer), 0);
        assert_int_equal(ready, 1);
        assert_string_equal(said, "the node answers again");
}

/* A node may answer in any order: the last answer that is awaited confirms the first push, which is forgotten then. */
static void goes_on_when_a_later_push_is_refused_before_the_first_is_confirmed(void **state)
{
        struct hub_request *request;
        uint8_t memory[UINT_SIZE_MAX];
        uint64_t one;

        (void)state;
        open_producer();
        connect_and_create();
        send_text("one");
        send_text("two");
        one = hub_request_number(take_push("one"));
        request = take_push("two");
        hub_answer_pushed(&hub, request, true, 0);
        request->request.push.id = request_id_of(one, memory);
        hub_answer_pushed(&hub, request, false, 0);
        assert_int_equal(producer_unconfirmed(producer), 1);
        test_context_advance(&tc, limits.retry_min_ms);
        hub_answer_created(&hub, hub_take(&hub, STREAM_CREATE));
        hub_answer_pushed(&hub, take_push("two"), false, 1);
        assert_int_equal(producer_unconfirmed(producer), 0);
        hub_quiet(&hub);
}

static void says_when_it_is_refused_and_tries_on(void **state)
{
        (void)state;
        open_producer();
        producer_connected(producer, hub_conn(&hub));
        hub_answer_error(&hub, hub_take(&hub, STREAM_CREATE), "too many\nstreams");
        assert_int_equal(refusals, 1);
        assert_null(strchr(said, '\n'));
        hub_quiet(&hub);
        test_context_advance(&tc, limits.retry_min_ms);
        hub_answer_error(&hub, hub_take(&hub, STREAM_CREATE), "too many streams");
        assert_int_equal(refusals, 1);
        test_context_advance(&tc, 2 * limits.retry_min_ms);
        hub_answer_created(&hub, hub_take(&hub, STREAM_CREATE));
        assert_int_equal(ready, 1);
}

/* However often it is refused, it comes again after the longest pause, and no sooner than half of it. */
static void its_pauses_grow_to_the_longest_and_no_further(void **state)
{
        (void)state;
        limits.retry_max_ms = 1000;
        open_producer();
        producer_connected(producer, hub_conn(&hub));
        for (int i = 0; i < 20; i++) {
                hub_answer_error(&hub, hub_take(&hub, STREAM_CREATE), "too many streams");
                test_context_advance(&tc, i < 4 ? 0 : limits.retry_max_ms / 2 - 1);
                hub_quiet(&hub);
                test_context_advance(&tc, i < 4 ? limits.retry_max_ms : limits.retry_max_ms / 2 + 1);
        }
        hub_answer_created(&hub, hub_take(&hub, STREAM_CREATE));
        assert_int_equal(ready, 1);
}

static void takes_no_other_stream(void **state)
{
        (void)state;
        open_producer();
        producer_connected(producer, hub_conn(&hub));
        hub_answer_created_as(&hub, hub_take(&hub, STREAM_CREATE), "other");
        assert_int_equal(ready, 0);
        assert_int_equal(notices, 1);
        test_context_advance(&tc, limits.answer_ms);
        hub.stream_address = "0123456789012345678901234567890123456789";
        hub_answer_created(&hub, hub_take(&hub, STREAM_CREATE)); /* so long an address leaves no room for the largest push */
        assert_int_equal(ready, 0);
}

/* Messages beyond twice the limit are dropped and counted; in flight are no more than allowed, by number and by bytes. */
static void holds_to_its_limits(void **state)
{
        (void)state;
        limits.unconfirmed = 4;
        limits.in_flight = 3;
        open_producer();
        connect_and_create();
        for (int i = 0; i < 4; i++) {
                assert_false(producer_full(producer));
                send_text("m");
        }
        assert_true(producer_full(producer));
        assert_int_equal(full, 1);
        for (int i = 0; i < 5; i++)
                send_text("m");
        assert_int_equal(producer_unconfirmed(producer), 8);
        assert_int_equal(tc.ctx.stats.v[STAT_DROP_UNCONFIRMED_FULL], 1);
        for (int i = 0; i < 3; i++)
                hub_take(&hub, STREAM_PUSH);
        hub_quiet(&hub);
        hub_answer_pushed(&hub, hub.taken, false, 0);
        for (int i = 0; i < 4; i++) {
                assert_int_equal(drained, 0);
                hub_answer_pushed(&hub, hub_take(&hub, STREAM_PUSH), false, 0);
        }
        hub_answer_pushed(&hub, hub_take(&hub, STREAM_PUSH), false, 0);
        assert_int_equal(drained, 1);
        assert_int_equal(full, 1);
}

static void holds_to_its_limit_of_bytes(void **state)
{
        static uint8_t big[1000];
        struct bytes payload = bytes_make(big, sizeof big);

        (void)state;
        limits.unconfirmed_bytes = 4000;
        limits.in_flight_bytes = 2500;
        open_producer();
        connect_and_create();
        for (int i = 0; i < 4; i++) {
                assert_false(producer_full(producer));
                send_bytes(payload);
        }
        assert_true(producer_full(producer));
        hub_take(&hub, STREAM_PUSH);
        hub_take(&hub, STREAM_PUSH);
        hub_quiet(&hub);
}

static void drains_below_half(void **state)
{
        (void)state;
        limits.unconfirmed = 4;
        open_producer();
        connect_and_create();
        for (int i = 0; i < 4; i++)
                send_text("m");
        hub_answer_pushed(&hub, hub_take(&hub, STREAM_PUSH), false, 0);
        assert_int_equal(drained, 0);
        hub_answer_pushed(&hub, hub_take(&hub, STREAM_PUSH), false, 1);
        assert_int_equal(drained, 1);
}

static void drops_what_fits_into_no_record(void **state)
{
        static uint8_t big[70000];

        (void)state;
        open_producer();
        connect_and_create();
        send_bytes(bytes_make(big, 65423));
        assert_int_equal(tc.ctx.stats.v[STAT_FRAMES_TOO_LARGE], 1);
        hub_quiet(&hub);
        send_bytes(bytes_make(big, 65000));
        hub_take(&hub, STREAM_PUSH);
}

/* From outside nothing is pushed (C23). */
static void takes_local_messages_alone(void **state)
{
        struct bytes onward;
        struct message msg = {0};
        struct origin origin = {.kind = ORIGIN_STREAM};

        (void)state;
        open_producer();
        connect_and_create();
        onward = producer_address(producer);
        assert_ok(route_of_locals(router_arena(router), &onward, 1, &msg.onward));
        assert_ok(router_send(router, origin, msg));
        assert_int_equal(tc.ctx.stats.v[STAT_DROP_NOT_ALLOWED], 1);
        hub_quiet(&hub);
}

static void ignores_what_is_no_answer(void **state)
{
        struct hub_request *request;

        (void)state;
        open_producer();
        connect_and_create();
        send_text("one");
        request = take_push("one");
        hub_answer(&hub, request, BYTES_LITERAL("\x01nonsense"));
        hub_answer_pulled(&hub, request, NULL, 0);
        assert_int_equal(tc.ctx.stats.v[STAT_DROP_UNDECODED], 1);
        assert_int_equal(tc.ctx.stats.v[STAT_ANSWERS_LATE], 1);
        assert_int_equal(producer_unconfirmed(producer), 1);
        hub_answer_pushed(&hub, request, false, 0);
        hub_answer_pushed(&hub, request, false, 0);
        assert_int_equal(producer_unconfirmed(producer), 0);
        assert_int_equal(tc.ctx.stats.v[STAT_ANSWERS_LATE], 2);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(pushes_in_order),
                T(pushes_again_after_a_reconnect),
                T(ignores_answers_to_older_pushes),
                T(tries_again_what_was_refused),
                T(goes_on_when_a_later_push_is_refused_before_the_first_is_confirmed),
                T(asks_again_after_silence),
                T(says_when_it_is_refused_and_tries_on),
                T(its_pauses_grow_to_the_longest_and_no_further),
                T(takes_no_other_stream),
                T(holds_to_its_limits),
                T(holds_to_its_limit_of_bytes),
                T(drains_below_half),
                T(drops_what_fits_into_no_record),
                T(takes_local_messages_alone),
                T(ignores_what_is_no_answer),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
