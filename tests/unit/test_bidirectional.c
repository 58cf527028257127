/* A bi-directional stream: both ends ready, the way back, back pressure from one to the other; and, over many seeds, that a reader gets
 * exactly what stands in the log, and the log everything that was sent, whatever order answers come in and however often connections end. */
#include "tests/support/test.h"

#include "stream/client/bidirectional.h"
#include "tests/support/scripted_hub.h"
#include "tests/support/test_context.h"

#include <stdio.h>
#include <stdlib.h>

static struct test_context tc;
static struct router *router;
static struct hub hub;
static struct bidirectional *stream;
static struct worker *reader;
static unsigned ready, drained, notices, refusals;
static struct stream_client_limits limits;

static void on_ready(void *user) { (void)user, ready++; }
static void on_drained(void *user) { (void)user, drained++; }
static void on_notice(void *user, enum err err, const char *text) { (void)user, (void)err, (void)text, notices++; }
static void on_refused(void *user, const char *reason) { (void)user, (void)reason, refusals++; }
static const struct bidirectional_events events = {on_ready, on_drained, on_notice, on_refused};

static uint64_t *got; /* the numbers that were routed on */
static size_t got_count, got_cap;

static void on_message(void *self, const struct delivery *delivery)
{
        struct address back;

        (void)self;
        assert_true(route_front(delivery->msg.ret, &back));
        assert_true(bytes_equal(back.value, bidirectional_address(stream)));
        assert_int_equal(delivery->msg.payload.n, sizeof(uint64_t));
        if (got_count == got_cap) {
                got_cap = got_cap ? 2 * got_cap : 64;
                got = realloc(got, got_cap * sizeof *got);
                assert_non_null(got);
        }
        memcpy(&got[got_count++], delivery->msg.payload.p, sizeof(uint64_t));
}

static void open_all(uint64_t seed)
{
        const struct transport_limits transport = TRANSPORT_LIMITS_DEFAULT;
        const struct bidirectional_config config = {
                .sender = BYTES_LITERAL("loop"), .receiver = BYTES_LITERAL("loop"), .client_id = BYTES_LITERAL("me")};

        test_context_init(&tc, seed);
        router = router_new(&tc.ctx, &transport);
        hub_init(&hub, router);
        assert_ok(router_add(router, BYTES_LITERAL("reader"), ORIGIN_STREAM, on_message, NULL, &reader));
        stream = bidirectional_new(router, &config, &limits, &events, NULL);
        assert_non_null(stream);
        ready = drained = notices = refusals = 0;
        got_count = 0;
}

static void close_all(void)
{
        bidirectional_free(stream);
        router_remove(router, reader);
        hub_clear(&hub);
        context_turn_end(&tc.ctx);
        router_free(router);
        test_context_clear(&tc);
}

static int setup(void **state)
{
        (void)state;
        limits = STREAM_CLIENT_LIMITS_DEFAULT;
        open_all(1);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        close_all();
        free(got);
        got = NULL;
        got_cap = 0;
        return 0;
}

static void send_number(uint64_t number)
{
        const struct bytes onward[] = {bidirectional_address(stream), BYTES_LITERAL("reader")};
        struct message msg = {.payload = bytes_make(&number, sizeof number)};

        assert_ok(route_of_locals(router_arena(router), onward, 2, &msg.onward));
        assert_ok(router_send(router, ORIGIN_OWN, msg));
}

/* The consumer asks first, then the producer; ready when both stand. */
static void is_ready_when_both_ends_are(void **state)
{
        (void)state;
        bidirectional_connected(stream, hub_conn(&hub));
        hub_answer_created(&hub, hub_take(&hub, STREAM_CREATE));
        hub_answer_created(&hub, hub_take(&hub, STREAM_CREATE));
        assert_int_equal(ready, 0);
        hub_answer_index(&hub, hub_take(&hub, STREAM_INDEX), false, 0);
        assert_int_equal(ready, 1);
        hub_take(&hub, STREAM_PULL);
        hub_quiet(&hub);
}

/* Silence and its end concern both; people hear of it once. */
static void says_a_trouble_once(void **state)
{
        (void)state;
        bidirectional_connected(stream, hub_conn(&hub));
        test_context_advance(&tc, 3 * limits.answer_ms);
        assert_int_equal(notices, 1);
}

static void pulls_no_more_than_it_can_answer(void **state)
{
        struct hub_request *pull;

        (void)state;
        close_all();
        limits.unconfirmed = 2;
        open_all(1);
        bidirectional_connected(stream, hub_conn(&hub));
        hub_answer_created(&hub, hub_take(&hub, STREAM_CREATE));
        hub_answer_created(&hub, hub_take(&hub, STREAM_CREATE));
        hub_answer_index(&hub, hub_take(&hub, STREAM_INDEX), false, 0);
        pull = hub_take(&hub, STREAM_PULL);
        send_number(0);
        send_number(1);
        assert_true(bidirectional_full(stream));
        assert_int_equal(bidirectional_unconfirmed(stream), 2);
        hub_answer_pulled(&hub, pull, NULL, 0);
        test_context_advance(&tc, limits.empty_ms);
        hub_take(&hub, STREAM_PUSH);
        hub_answer_pushed(&hub, hub_take(&hub, STREAM_PUSH), false, 1);
        assert_int_equal(drained, 1);
        hub_take(&hub, STREAM_PULL);
}

/* --- many seeds ------------------------------------------------------------------------------------------------------ */

enum { ROUNDS = 400, RECORDS_MAX = 8192 };

static struct record {
        size_t n;
        uint8_t data[64];
} records[RECORDS_MAX];
static uint64_t record_count, saved_index;
static bool index_is_saved;

/* What the hub has been asked and not answered yet. A push is in the log as soon as it is asked for. */
static struct hub_request *open_requests[256];
static size_t open_count;

static void take_in_requests(void)
{
        struct hub_request *request;

        while ((request = STAILQ_FIRST(&hub.requests))) {
                STAILQ_REMOVE_HEAD(&hub.requests, entry);
                if (request->request.protocol == STREAM_PUSH) {
                        struct bytes data = request->request.push.data;

                        assert_true(record_count < RECORDS_MAX && data.n <= sizeof records[0].data);
                        records[record_count].n = data.n;
                        memcpy(records[record_count++].data, data.p, data.n);
                }
                if (request->request.protocol == STREAM_INDEX && request->request.index.kind == STREAM_INDEX_SAVE) {
                        saved_index = request->request.index.index;
                        index_is_saved = true;
                        route_copy_clear(&request->ret);
                        free(request);
                        continue;
                }
                assert_true(open_count < 256);
                open_requests[open_count++] = request;
        }
}

static void forget_open_requests(void)
{
        while (open_count > 0) {
                open_count--;
                route_copy_clear(&open_requests[open_count]->ret);
                free(open_requests[open_count]);
        }
}

/* A node's answer to a pull: what there is, sometimes less than could be; false: nothing yet, it is held. */
static bool answer_pull(const struct hub_request *request)
{
        struct stream_message messages[16];
        uint64_t index = request->request.pull.index, limit = request->request.pull.limit, count = 0;

        if (index >= record_count && test_context_next(&tc) % 8) return false;
        if (limit > 1 && test_context_next(&tc) % 4 == 0) limit = 1 + test_context_next(&tc) % limit;
        for (; count < limit && index + count < record_count; count++)
                messages[count] = (struct stream_message){index + count, bytes_make(records[index + count].data, records[index + count].n)};
        hub_answer_pulled(&hub, request, messages, count);
        return true;
}

static bool answer_one(const struct hub_request *request)
{
        switch (request->request.protocol) {
        case STREAM_CREATE:
                hub_answer_created(&hub, request);
                return true;
        case STREAM_INDEX:
                hub_answer_index(&hub, request, index_is_saved, saved_index);
                return true;
        case STREAM_PUSH:
                hub_answer_pushed(&hub, request, false, 0);
                return true;
        case STREAM_PULL:
                return answer_pull(request);
        default:
                fail_msg("protocol %d", (int)request->request.protocol);
                return false;
        }
}

static void answer_some_request(void)
{
        size_t i;
        struct hub_request *request;

        take_in_requests();
        if (open_count == 0) return;
        i = test_context_next(&tc) % open_count;
        request = open_requests[i];
        if (!answer_one(request)) return;
        open_requests[i] = open_requests[--open_count];
        route_copy_clear(&request->ret);
        free(request);
}

static void reconnect(void)
{
        bidirectional_disconnected(stream);
        take_in_requests();
        forget_open_requests();
        hub_reconnect(&hub);
        bidirectional_connected(stream, hub_conn(&hub));
}

static bool all_is_read(uint64_t sent)
{
        return bidirectional_unconfirmed(stream) == 0 && record_count >= sent && got_count == record_count;
}

static void run_seed(uint64_t seed)
{
        uint64_t sent = 0, next = 0;

        record_count = 0;
        index_is_saved = false;
        open_all(seed);
        bidirectional_connected(stream, hub_conn(&hub));
        for (int i = 0; i < ROUNDS; i++) {
                uint64_t dice = test_context_next(&tc) % 100;

                if (dice < 30 && !bidirectional_full(stream)) send_number(sent++);
                else if (dice < 90) answer_some_request();
                else if (dice < 99) test_context_advance(&tc, test_context_next(&tc) % 400);
                else reconnect();
        }
        for (int i = 0; i < 100000 && !all_is_read(sent); i++) {
                answer_some_request();
                test_context_advance(&tc, 50);
        }
        if (!all_is_read(sent))
                fail_msg("seed %d: %d sent, %d in the log, %d read", (int)seed, (int)sent, (int)record_count, (int)got_count);
        for (size_t i = 0; i < got_count; i++) {
                uint64_t stored;

                memcpy(&stored, records[i].data + records[i].n - sizeof stored, sizeof stored);
                if (got[i] != stored) fail_msg("seed %d: read %d, message %d of the log is %d", (int)seed, (int)got[i], (int)i, (int)stored);
                if (stored > next) fail_msg("seed %d: %d stands in the log before %d", (int)seed, (int)stored, (int)next);
                if (stored == next) next++;
        }
        assert_int_equal(next, sent);
        forget_open_requests();
        close_all();
}

static void reads_exactly_the_log_over_many_seeds(void **state)
{
        (void)state;
        close_all();
        limits.pull_limit = 8;
        limits.in_flight = 6;
        limits.unconfirmed = 20;
        for (uint64_t seed = 1; seed <= 300; seed++) run_seed(seed);
        open_all(1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(is_ready_when_both_ends_are),
                T(says_a_trouble_once),
                T(pulls_no_more_than_it_can_answer),
                T(reads_exactly_the_log_over_many_seeds),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
