/* The client's consumer against a scripted hub: where it goes on, order and gaps, truncation, silence, what is malformed. */
#include "tests/support/test.h"

#include "stream/client/consumer.h"
#include "tests/support/scripted_hub.h"
#include "tests/support/test_context.h"

#include <stdio.h>

static struct test_context tc;
static struct router *router;
static struct hub hub;
static struct consumer *consumer;
static struct worker *reader;
static struct stream_client_limits limits;
static unsigned ready, notices, refusals;
static char said[512], got[4096]; /* what was routed on, one letter a message */

static void on_ready(void *user) { (void)user, ready++; }

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

static const struct consumer_events events = {on_ready, on_notice, on_refused};

static void on_message(void *self, const struct delivery *delivery)
{
        struct address back;
        size_t n = strlen(got);

        (void)self;
        assert_int_equal(delivery->origin.kind, ORIGIN_STREAM);
        assert_true(route_front(delivery->msg.ret, &back));
        assert_true(bytes_equal(back.value, BYTES_LITERAL("producer")));
        assert_int_equal(delivery->msg.payload.n, 1);
        assert_true(n + 1 < sizeof got);
        got[n] = (char)delivery->msg.payload.p[0];
        got[n + 1] = '\0';
}

static void open_consumer(void)
{
        const struct consumer_config config = {
                .service = BYTES_LITERAL("stream_kafka"),
                .index_service = BYTES_LITERAL("stream_kafka_index"),
                .stream_name = BYTES_LITERAL("b_to_a"),
                .client_id = BYTES_LITERAL("me"),
                .reply_address = BYTES_LITERAL("producer"),
        };

        consumer = consumer_new(router, &config, &limits, &events, NULL);
        assert_non_null(consumer);
}

static int setup(void **state)
{
        const struct transport_limits transport = TRANSPORT_LIMITS_DEFAULT;

        (void)state;
        test_context_init(&tc, 1);
        router = router_new(&tc.ctx, &transport);
        hub_init(&hub, router);
        assert_ok(router_add(router, BYTES_LITERAL("reader"), ORIGIN_STREAM, on_message, NULL, &reader));
        limits = STREAM_CLIENT_LIMITS_DEFAULT;
        limits.pull_limit = 4;
        limits.save_ms = 0;
        ready = notices = refusals = 0;
        said[0] = got[0] = '\0';
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        consumer_free(consumer);
        router_remove(router, reader);
        hub_clear(&hub);
        context_turn_end(&tc.ctx);
        router_free(router);
        test_context_clear(&tc);
        return 0;
}

/* A stored message for the reader, carrying one letter. */
static struct bytes record(char letter)
{
        static uint8_t memory[64][64];
        static size_t next;
        struct writer w = writer_make(memory[next++ % 64], 64);

        writer_put(&w, "\x01\x01\x00\x06reader\x01\x00\x04them\x01", 18);
        writer_put_u8(&w, (uint8_t)letter);
        assert_ok(writer_err(&w));
        return writer_bytes(&w);
}

/* Answers a pull with one message for each letter, from `index` on. */
static void answer(const struct hub_request *request, uint64_t index, const char *letters)
{
        struct stream_message messages[32];
        size_t count = strlen(letters);

        assert_true(count <= 32);
        for (size_t i = 0; i < count; i++) messages[i] = (struct stream_message){index + i, record(letters[i])};
        hub_answer_pulled(&hub, request, messages, count);
}

static struct hub_request *take_pull(uint64_t index, uint64_t limit)
{
        struct hub_request *request = hub_take(&hub, STREAM_PULL);

        assert_string_equal(request->to, hub.stream_address);
        assert_int_equal(request->request.pull.index, index);
        assert_int_equal(request->request.pull.limit, limit);
        return request;
}

static void expect_save(uint64_t index)
{
        struct hub_request *request = hub_take(&hub, STREAM_INDEX);

        assert_string_equal(request->to, "stream_kafka_index");
        assert_int_equal(request->request.index.kind, STREAM_INDEX_SAVE);
        assert_true(bytes_equal(request->request.index.client_id, BYTES_LITERAL("me")));
        assert_true(bytes_equal(request->request.index.stream_name, BYTES_LITERAL("b_to_a")));
        assert_int_equal(request->request.index.index, index);
}

static void connect_and_create(void)
{
        struct hub_request *request;

        consumer_connected(consumer, hub_conn(&hub));
        request = hub_take(&hub, STREAM_CREATE);
        assert_true(bytes_equal(request->request.create.name, BYTES_LITERAL("b_to_a")));
        hub_answer_created(&hub, request);
}

static void start_at(bool present, uint64_t index)
{
        struct hub_request *request;

        open_consumer();
        connect_and_create();
        assert_int_equal(ready, 0);
        request = hub_take(&hub, STREAM_INDEX);
        assert_int_equal(request->request.index.kind, STREAM_INDEX_GET);
        hub_answer_index(&hub, request, present, index);
        assert_int_equal(ready, 1);
}

static void starts_at_0_where_nothing_is_saved(void **state)
{
        (void)state;
        start_at(false, 0);
        answer(take_pull(0, 4), 0, "abc");
        assert_string_equal(got, "abc");
        assert_int_equal(consumer_index(consumer), 3);
        expect_save(3);
        answer(take_pull(3, 4), 3, "");
        assert_string_equal(got, "abc");
}

static void goes_on_where_it_was(void **state)
{
        (void)state;
        start_at(true, 7);
        answer(take_pull(6, 1), 6, "x");
        assert_string_equal(got, "");
        take_pull(0, 1);
        answer(take_pull(7, 4), 7, "ab");
        assert_string_equal(got, "ab");
        expect_save(9);
        take_pull(9, 4);
        hub_quiet(&hub);
}

/* The record before the index may be gone by the log's retention: what comes instead is later, and not lost. */
static void takes_later_messages_as_a_sign_of_life(void **state)
{
        (void)state;
        start_at(true, 7);
        answer(take_pull(6, 1), 9, "c");
        assert_string_equal(got, "c");
        take_pull(0, 1);
        expect_save(10);
        take_pull(10, 4);
}

/* The stream was cut, or made anew. */
static void C9_says_when_the_stream_is_shorter(void **state)
{
        struct hub_request *check;

        (void)state;
        start_at(true, 7);
        check = take_pull(6, 1);
        test_context_advance(&tc, 5000);
        answer(check, 0, "");
        assert_int_equal(notices, 0);
        answer(take_pull(0, 1), 0, "a");
        assert_string_equal(got, "");
        check = take_pull(6, 1);
        test_context_advance(&tc, 5000);
        answer(check, 0, "");
        assert_int_equal(notices, 1);
        assert_non_null(strstr(said, "b_to_a ends before message 6"));
        assert_int_equal(tc.ctx.stats.v[STAT_STREAM_TRUNCATED], 1);
        answer(take_pull(0, 4), 0, "ab");
        assert_string_equal(got, "ab");
        expect_save(2);
}

/* The same under a reader that waits: after a while without anything it looks once, then at each such while again. */
static void C9_says_when_it_becomes_shorter_while_nothing_comes(void **state)
{
        struct hub_request *check;
        unsigned pulls = 0;

        (void)state;
        start_at(false, 0);
        answer(take_pull(0, 4), 0, "ab");
        expect_save(2);
        for (unsigned round = 0; round < 2; round++) {
                for (; pulls < limits.check_ms / 5000; pulls++) {
                        check = take_pull(2, 4);
                        hub_quiet(&hub);
                        test_context_advance(&tc, 5000);
                        answer(check, 0, "");
                }
                pulls = 0;
                check = take_pull(1, 1);
                if (round == 1) break;
                hub_quiet(&hub);       /* no more than that is asked ... */
                answer(check, 1, "b"); /* ... while it stands */
                assert_string_equal(got, "ab");
        }
        for (int i = 0; i < 2; i++) { /* it does not: asked once more, and with it whether there is anything at all */
                test_context_advance(&tc, 5000);
                answer(check, 0, "");
                check = i == 0 ? take_pull(1, 1) : NULL;
        }
        answer(take_pull(0, 1), 0, "x");
        check = take_pull(1, 1);
        assert_int_equal(notices, 0);
        test_context_advance(&tc, 5000);
        answer(check, 0, "");
        assert_int_equal(notices, 1);
        assert_int_equal(tc.ctx.stats.v[STAT_STREAM_TRUNCATED], 1);
        answer(take_pull(0, 4), 0, "x");
        assert_string_equal(got, "abx");
}

/* Nothing at all is no proof: the node's Kafka may be away. */
static void takes_silence_of_both_for_no_answer(void **state)
{
        struct hub_request *check;

        (void)state;
        start_at(true, 7);
        for (int i = 0; i < 3; i++) {
                answer(take_pull(6, 1), 0, "");
                answer(take_pull(0, 1), 0, "");
                hub_quiet(&hub); /* answered at once, so not asked again at once */
                test_context_advance(&tc, limits.empty_ms);
        }
        check = take_pull(6, 1);
        answer(check, 6, "x");
        take_pull(0, 1);
        take_pull(7, 4);
        assert_int_equal(notices, 0);
        assert_int_equal(consumer_index(consumer), 7);
}

static void C9_resumes_from_its_own_index(void **state)
{
        (void)state;
        start_at(true, 5);
        answer(take_pull(4, 1), 4, "x");
        take_pull(0, 1);
        answer(take_pull(5, 4), 5, "a");
        expect_save(6);
        take_pull(6, 4);
        consumer_disconnected(consumer);
        hub_reconnect(&hub);
        connect_and_create();
        assert_int_equal(ready, 2);
        answer(take_pull(5, 1), 5, "a");
        take_pull(0, 1);
        answer(take_pull(6, 4), 6, "b");
        assert_string_equal(got, "ab");
}

static void ignores_answers_of_an_older_connection(void **state)
{
        struct hub_request *old;

        (void)state;
        start_at(false, 0);
        old = take_pull(0, 4);
        consumer_connected(consumer, hub_conn(&hub));
        answer(old, 0, "a");
        assert_string_equal(got, "");
        hub_answer_created(&hub, hub_take(&hub, STREAM_CREATE));
        answer(take_pull(0, 4), 0, "a");
        assert_string_equal(got, "a");
}

/* Full answers: several pulls out, each as far on as the last answer had records; with an answer that is not full back to one. */
static void asks_ahead_while_answers_are_full(void **state)
{
        struct hub_request *request;

        (void)state;
        start_at(false, 0);
        answer(take_pull(0, 4), 0, "abcd");
        expect_save(4);
        request = take_pull(4, 4);
        answer(request, 4, "efgh");
        take_pull(8, 4);
        take_pull(12, 4);
        request = take_pull(16, 4);
        assert_string_equal(got, "abcdefgh");
        expect_save(8);
        take_pull(20, 4);
        hub_quiet(&hub);
}

/* Answers out of their order are held; a gap is asked for with exactly what is missing. */
static void fills_gaps_before_it_goes_on(void **state)
{
        struct hub_request *request;

        (void)state;
        limits.pulls_ahead = 2;
        start_at(false, 0);
        answer(take_pull(0, 4), 0, "abcd");
        expect_save(4);
        take_pull(4, 4);
        answer(hub.taken, 4, "ef"); /* the node sent less than there is */
        assert_string_equal(got, "abcdef");
        request = take_pull(8, 4);
        answer(request, 8, "ij");
        assert_string_equal(got, "abcdef");
        expect_save(6);
        answer(take_pull(6, 2), 6, "gh");
        assert_string_equal(got, "abcdefghij");
        assert_int_equal(consumer_index(consumer), 10);
}

/* Offsets need not be consecutive, and what came already is not routed on again. */
static void C5_takes_holes_and_repeats(void **state)
{
        const struct stream_message messages[] = {{3, record('a')}, {3, record('A')}, {9, record('b')}, {8, record('B')}};

        (void)state;
        start_at(false, 0);
        hub_answer_pulled(&hub, take_pull(0, 4), messages, 4);
        assert_string_equal(got, "ab");
        assert_int_equal(consumer_index(consumer), 10);
}

/* What does not decode, or goes nowhere, is left out, counted, and not asked for again: before, between and after true messages. */
static void C5_skips_what_does_not_decode(void **state)
{
        static uint8_t large[60000], many_hops[3 + 300 * 3 + 1 + 1];
        struct writer w = writer_make(many_hops, sizeof many_hops);

        (void)state;
        writer_put(&w, "\x01\xac\x02", 3); /* 300 hops */
        for (int i = 0; i < 300; i++) writer_put(&w, "\x00\x01x", 3);
        writer_put(&w, "\x00\x00", 2);
        assert_ok(writer_err(&w));
        memset(large, 0xff, sizeof large);
        const struct bytes junk[] = {
                BYTES_LITERAL("junk"), BYTES_NONE, BYTES_LITERAL("\x00"), BYTES_LITERAL("\x01\x00\x00\x00"), BYTES_LITERAL("\x01\x01\x00\x06read"),
                {large, sizeof large}, writer_bytes(&w),
        };
        enum { JUNK = sizeof junk / sizeof *junk };
        struct stream_message messages[2];

        limits.pulls_ahead = 1;
        start_at(false, 0);
        for (uint64_t i = 0; i <= JUNK; i++) { /* a message after each, the last after nothing */
                size_t n = 0;
                if (i > 0) messages[n++] = (struct stream_message){2 * i - 1, junk[i - 1]};
                messages[n++] = (struct stream_message){2 * i, record((char)('a' + i))};
                hub_answer_pulled(&hub, take_pull(i ? 2 * i - 1 : 0, 4), messages, n);
                expect_save(2 * i + 1);
                assert_int_equal(got[i], 'a' + i);
        }
        assert_int_equal(tc.ctx.stats.v[STAT_DROP_UNDECODED], JUNK);
        assert_int_equal(notices, 0);
}

/* The largest index that there is has none after it. */
static void C5_an_index_that_cannot_be(void **state)
{
        const struct stream_message messages[] = {{0, record('a')}, {UINT64_MAX, record('z')}, {1, record('b')}};

        (void)state;
        start_at(false, 0);
        hub_answer_pulled(&hub, take_pull(0, 4), messages, 3);
        assert_string_equal(got, "ab");
        assert_int_equal(consumer_index(consumer), 2);
}

static void pulls_nothing_while_paused(void **state)
{
        (void)state;
        start_at(false, 0);
        consumer_pause(consumer, true);
        answer(take_pull(0, 4), 0, "a");
        assert_string_equal(got, "a");
        expect_save(1);
        test_context_advance(&tc, 60000);
        hub_quiet(&hub);
        assert_int_equal(notices, 0);
        consumer_pause(consumer, false);
        take_pull(1, 4);
}

static void asks_again_after_silence(void **state)
{
        struct hub_request *late;

        (void)state;
        start_at(false, 0);
        late = take_pull(0, 4);
        test_context_advance(&tc, limits.answer_ms);
        assert_int_equal(notices, 1);
        answer(late, 0, "a");
        assert_string_equal(got, ""); /* given up; it comes again */
        hub_take(&hub, STREAM_CREATE);
        test_context_advance(&tc, limits.answer_ms);
        assert_int_equal(notices, 1);
        hub_answer_created(&hub, hub_take(&hub, STREAM_CREATE));
        answer(take_pull(0, 4), 0, "a");
        assert_string_equal(got, "a");
        assert_string_equal(said, "the node answers again");
        assert_int_equal(ready, 1);
}

static void asks_again_for_its_index(void **state)
{
        (void)state;
        open_consumer();
        connect_and_create();
        hub_take(&hub, STREAM_INDEX);
        test_context_advance(&tc, limits.answer_ms);
        hub_answer_created(&hub, hub_take(&hub, STREAM_CREATE));
        hub_answer_index(&hub, hub_take(&hub, STREAM_INDEX), false, 0);
        take_pull(0, 4);
        assert_int_equal(ready, 1);
}

/* A hub that holds no pulls is not asked without a pause. */
static void pauses_after_an_empty_answer_at_once(void **state)
{
        (void)state;
        start_at(false, 0);
        answer(take_pull(0, 4), 0, "");
        hub_quiet(&hub);
        test_context_advance(&tc, limits.empty_ms);
        take_pull(0, 4);
        test_context_advance(&tc, limits.empty_ms);
        answer(hub.taken, 0, "");
        take_pull(0, 4); /* it was held, so at once */
}

static void says_when_it_is_refused_and_tries_on(void **state)
{
        (void)state;
        open_consumer();
        consumer_connected(consumer, hub_conn(&hub));
        hub_answer_error(&hub, hub_take(&hub, STREAM_CREATE), "not allowed");
        assert_int_equal(refusals, 1);
        assert_string_equal(said, "not allowed");
        hub_quiet(&hub);
        test_context_advance(&tc, limits.retry_min_ms);
        hub_take(&hub, STREAM_CREATE);
}

/* Saves are no more often than needed; the last one is not forgotten. */
static void saves_now_and_then(void **state)
{
        (void)state;
        limits.save_ms = 100;
        start_at(false, 0);
        answer(take_pull(0, 4), 0, "a");
        expect_save(1);
        answer(take_pull(1, 4), 1, "b");
        answer(take_pull(2, 4), 2, "c");
        take_pull(3, 4);
        hub_quiet(&hub);
        test_context_advance(&tc, 100);
        expect_save(3);
        test_context_advance(&tc, 1000);
        hub_quiet(&hub);
}

static void saves_when_it_ends(void **state)
{
        (void)state;
        limits.save_ms = 100;
        start_at(false, 0);
        answer(take_pull(0, 4), 0, "a");
        expect_save(1);
        answer(take_pull(1, 4), 1, "b");
        take_pull(2, 4);
        consumer_free(consumer);
        consumer = NULL;
        expect_save(2);
        hub_quiet(&hub);
}

/* What the router has no room for is asked for again, not passed over. */
static void loses_nothing_when_the_router_is_full(void **state)
{
        struct transport_limits transport = TRANSPORT_LIMITS_DEFAULT;

        (void)state;
        router_remove(router, reader);
        hub_clear(&hub);
        router_free(router);
        transport.queue_messages = 3;
        router = router_new(&tc.ctx, &transport);
        hub_init(&hub, router);
        assert_ok(router_add(router, BYTES_LITERAL("reader"), ORIGIN_STREAM, on_message, NULL, &reader));
        start_at(false, 0);
        answer(take_pull(0, 4), 0, "abcd");
        assert_string_equal(got, "abc");
        test_context_advance(&tc, limits.retry_min_ms);
        answer(take_pull(3, 4), 3, "d");
        assert_string_equal(got, "abcd");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(starts_at_0_where_nothing_is_saved),
                T(goes_on_where_it_was),
                T(takes_later_messages_as_a_sign_of_life),
                T(C9_says_when_the_stream_is_shorter),
                T(C9_says_when_it_becomes_shorter_while_nothing_comes),
                T(takes_silence_of_both_for_no_answer),
                T(C9_resumes_from_its_own_index),
                T(ignores_answers_of_an_older_connection),
                T(asks_ahead_while_answers_are_full),
                T(fills_gaps_before_it_goes_on),
                T(C5_takes_holes_and_repeats),
                T(C5_skips_what_does_not_decode),
                T(C5_an_index_that_cannot_be),
                T(pulls_nothing_while_paused),
                T(asks_again_after_silence),
                T(asks_again_for_its_index),
                T(pauses_after_an_empty_answer_at_once),
                T(says_when_it_is_refused_and_tries_on),
                T(saves_now_and_then),
                T(saves_when_it_ends),
                T(loses_nothing_when_the_router_is_full),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
