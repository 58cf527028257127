/* The node put together, over links that the test holds and the log in memory: a client is served, and a stop is orderly. */
#include "tests/support/test.h"

#include "node/node.h"
#include "stream/log_memory.h"
#include "stream/protocol.h"
#include "tests/support/fake_link.h"
#include "tests/support/test_context.h"
#include "transport/frame.h"
#include "transport/message.h"

#include <stdlib.h>

struct fixture {
        struct test_context tc;
        struct node *node;
        struct log *log;
        struct fake_link *link;
        size_t read_n;          /* how much of what was written to the link has been looked at */
        uint8_t address[64];    /* of the stream's worker */
        size_t address_n;
        size_t stopped;
};

static struct fixture f;

static int setup(void **state)
{
        struct node_config config = {TRANSPORT_LIMITS_DEFAULT, SERVICE_LIMITS_DEFAULT};
        struct log_limits limits = LOG_LIMITS_DEFAULT;

        (void)state;
        memset(&f, 0, sizeof f);
        config.transport.connections = 2;
        test_context_init(&f.tc, 1);
        assert_non_null(f.node = node_new(&f.tc.ctx, &config));
        assert_non_null(f.log = log_memory_new(&f.tc.ctx, &limits, &node_log_events, f.node));
        assert_ok(node_set_log(f.node, f.log));
        f.link = fake_link_new();
        node_accept(f.node, &f.link->link);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        node_free(f.node);
        test_context_clear(&f.tc);
        fake_link_free(f.link);
        return 0;
}

static void send(struct bytes to, const struct stream_request *request)
{
        uint8_t payload_memory[512], route_memory[128], frame_memory[1024];
        struct writer payload = writer_make(payload_memory, sizeof payload_memory), route = writer_make(route_memory, sizeof route_memory),
                      frame = writer_make(frame_memory, sizeof frame_memory);
        struct message msg = {.onward.count = 1, .ret = {1, BYTES_LITERAL("\x00\x02me")}};

        stream_put_request(&payload, request);
        address_put(&route, address_local(to));
        msg.onward.encoded = writer_bytes(&route);
        msg.payload = writer_bytes(&payload);
        frame_put_length(&frame, message_size(&msg));
        message_put(&frame, &msg);
        assert_ok(writer_err(&payload));
        assert_ok(writer_err(&frame));
        fake_link_feed(f.link, writer_bytes(&frame));
}

/* The next answer on the link; false when there is none. Views live until more is written. */
static bool next_answer(struct message *msg, struct stream_response *response)
{
        struct bytes rest = bytes_make(f.link->written + f.read_n, f.link->written_n - f.read_n), body;
        size_t used;

        if (frame_next(rest, &used, &body)) return false;
        f.read_n += used;
        assert_ok(message_read(body, 10, msg));
        assert_ok(stream_response_read(msg->payload, response));
        return true;
}

static void create_stream(void)
{
        struct stream_request create = {.protocol = STREAM_CREATE, .create = {.named = true, .name = BYTES_LITERAL("s"), .partitions = 1}};
        struct stream_response response;
        struct address front;
        struct message msg;

        send(BYTES_LITERAL("stream_kafka"), &create);
        test_context_advance(&f.tc, 10);
        assert_true(next_answer(&msg, &response));
        assert_int_equal(response.protocol, STREAM_CREATE);
        assert_true(route_front(msg.ret, &front));
        assert_in_range(front.value.n, 1, sizeof f.address);
        memcpy(f.address, front.value.p, f.address_n = front.value.n);
}

static void push(uint64_t id)
{
        uint8_t memory[UINT_SIZE_MAX];
        struct stream_request request = {.protocol = STREAM_PUSH, .push = {request_id_of(id, memory), BYTES_LITERAL("data")}};

        send(bytes_make(f.address, f.address_n), &request);
}

static void pull(uint64_t id, uint64_t index)
{
        uint8_t memory[UINT_SIZE_MAX];
        struct stream_request request = {.protocol = STREAM_PULL, .pull = {request_id_of(id, memory), index, 8}};

        send(bytes_make(f.address, f.address_n), &request);
}

static void on_stopped(void *user)
{
        assert_ptr_equal(user, &f);
        f.stopped++;
}

static void serves_a_client(void **state)
{
        struct stream_response response;
        struct message msg;

        (void)state;
        create_stream();
        push(7);
        test_context_advance(&f.tc, 10);
        assert_true(next_answer(&msg, &response));
        assert_int_equal(response.protocol, STREAM_PUSH);
        assert_int_equal(response.push.id, 7);
        assert_false(response.push.failed);
        pull(8, 0);
        test_context_advance(&f.tc, 10);
        assert_true(next_answer(&msg, &response));
        assert_int_equal(response.protocol, STREAM_PULL);
        assert_int_equal(response.pull.count, 1);
        assert_int_equal(node_figures(f.node).connections, 1);
        assert_int_equal(node_figures(f.node).service.streams, 1);
        assert_null(node_figures(f.node).log_away);
}

static void says_that_its_log_is_away(void **state)
{
        (void)state;
        log_memory_set_faults(f.log, &(struct log_memory_faults){.away = true});
        assert_non_null(node_figures(f.node).log_away);
}

static void refuses_one_connection_too_many(void **state)
{
        struct fake_link *second = fake_link_new(), *third = fake_link_new();

        (void)state;
        node_accept(f.node, &second->link);
        node_accept(f.node, &third->link);
        assert_false(second->closed);
        assert_true(third->closed);
        assert_int_equal(node_figures(f.node).connections, 2);
        fake_link_down(second, ERR_CLOSED, "gone");
        fake_link_free(second);
        fake_link_free(third);
}

static void R9_forgets_what_a_lost_connection_had_asked_for(void **state)
{
        (void)state;
        create_stream();
        pull(1, 0);
        assert_int_equal(node_figures(f.node).service.held_pulls, 1);
        push(2);
        fake_link_down(f.link, ERR_CLOSED, "gone");
        assert_int_equal(node_figures(f.node).service.held_pulls, 0);
        test_context_advance(&f.tc, 10000);
        assert_int_equal(node_figures(f.node).connections, 0);
        assert_int_equal(node_figures(f.node).service.open_requests, 0);
}

static void G9_a_stop_answers_what_was_accepted(void **state)
{
        struct fake_link *late = fake_link_new();
        struct stream_response response;
        struct message msg;

        (void)state;
        create_stream();
        pull(1, 5);
        push(2);
        push(3);
        node_stop(f.node, 5000, on_stopped, &f);
        node_stop(f.node, 5000, on_stopped, &f); /* again: nothing more */
        assert_false(f.link->reading);
        push(4); /* stays where it is */
        node_accept(f.node, &late->link);
        assert_true(late->closed);
        assert_true(next_answer(&msg, &response));
        assert_int_equal(response.protocol, STREAM_PULL);
        assert_int_equal(response.pull.count, 0);
        test_context_advance(&f.tc, 100);
        for (uint64_t id = 2; id <= 3; id++) {
                assert_true(next_answer(&msg, &response));
                assert_int_equal(response.protocol, STREAM_PUSH);
                assert_int_equal(response.push.id, id);
                assert_false(response.push.failed);
        }
        assert_false(next_answer(&msg, &response));
        assert_int_equal(f.stopped, 1);
        assert_false(f.link->closed);
        node_free(f.node);
        f.node = NULL;
        assert_true(f.link->closed && f.link->flushed);
        fake_link_free(late);
}

static void G9_a_stop_does_not_wait_for_ever(void **state)
{
        struct stream_response response;
        struct message msg;

        (void)state;
        create_stream();
        log_memory_set_faults(f.log, &(struct log_memory_faults){.away = true});
        push(1);
        node_stop(f.node, 3000, on_stopped, &f);
        test_context_advance(&f.tc, 2900);
        assert_int_equal(f.stopped, 0);
        test_context_advance(&f.tc, 200);
        assert_int_equal(f.stopped, 1);
        assert_false(next_answer(&msg, &response)); /* I2: nobody can say what became of it */
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                T(serves_a_client),
                T(says_that_its_log_is_away),
                T(refuses_one_connection_too_many),
                T(R9_forgets_what_a_lost_connection_had_asked_for),
                T(G9_a_stop_answers_what_was_accepted),
                T(G9_a_stop_does_not_wait_for_ever),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
