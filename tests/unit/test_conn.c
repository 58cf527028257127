/* Connections over a link that the test holds: what comes in reaches the router, what is sent comes out as the hub of 2021 sends it,
 * and every limit of a connection is reached. */
#include "tests/support/test.h"

#include "tests/support/fake_link.h"
#include "tests/support/test_context.h"
#include "tests/support/vectors.h"
#include "transport/base/logger.h"
#include "transport/conn.h"

#include <stdlib.h>

struct fixture {
        struct test_context tc;
        struct transport_limits limits;
        struct router *router;
        struct conns *conns;
        struct fake_link *link; /* of the first connection */
        struct conn *conn;
        uint64_t conn_id;
        struct worker *echo, *sink;
        size_t closed, drained, sunk;
        enum err closed_err;
        char closed_why[128];
        struct origin sink_origin;
        bool sink_closes;                /* the worker "sink" closes the connection from within its handler */
        enum conn_hold sink_holds;       /* ... or holds it */
        uint8_t sink_return[128];        /* the return route that it saw, encoded */
        size_t sink_return_n;
};

static struct fixture *fixture; /* the running test's */

static uint64_t stat_of(enum stat_id stat)
{
        return fixture->tc.ctx.stats.v[stat];
}

static void on_closed(void *user, uint64_t id, enum err err, const char *why)
{
        struct fixture *f = user;

        assert_null(conns_find(f->conns, id));
        f->closed++;
        f->closed_err = err;
        snprintf(f->closed_why, sizeof f->closed_why, "%s", why);
}

static void on_drained(void *user, uint64_t id)
{
        struct fixture *f = user;

        assert_non_null(conns_find(f->conns, id));
        f->drained++;
}

static const struct conns_events conns_events = {.closed = on_closed, .drained = on_drained};

static void echo_handle(void *self, const struct delivery *delivery)
{
        struct fixture *f = self;

        router_answer(f->router, delivery->msg.ret, BYTES_LITERAL("echo_service"), delivery->msg.payload);
}

static void sink_handle(void *self, const struct delivery *delivery)
{
        struct fixture *f = self;
        struct conn *conn = conns_find(f->conns, delivery->origin.conn);

        f->sunk++;
        f->sink_origin = delivery->origin;
        f->sink_return_n = delivery->msg.ret.encoded.n;
        assert_in_range(f->sink_return_n, 1, sizeof f->sink_return);
        memcpy(f->sink_return, delivery->msg.ret.encoded.p, f->sink_return_n);
        if (conn && f->sink_holds) conn_hold(conn, f->sink_holds);
        if (conn && f->sink_closes) conn_close(conn, ERR_CANCELLED, "closed by the test", true);
}

static void open_conn(struct fixture *f, bool accepted)
{
        f->link = fake_link_new();
        assert_ok(conns_open(f->conns, &f->link->link, accepted, &f->conn));
        f->conn_id = conn_id(f->conn);
}

static void start(struct fixture *f, bool accepted)
{
        assert_non_null(f->router = router_new(&f->tc.ctx, &f->limits));
        assert_non_null(f->conns = conns_new(f->router, &conns_events, f));
        assert_ok(router_add(f->router, BYTES_LITERAL("echo_service"), ORIGIN_TCP, echo_handle, f, &f->echo));
        assert_ok(router_add(f->router, BYTES_LITERAL("sink"), ORIGIN_TCP, sink_handle, f, &f->sink));
        open_conn(f, accepted);
}

/* Tests change limits before they call `start`. */
static int setup(void **state)
{
        struct fixture *f = calloc(1, sizeof *f);

        assert_non_null(f);
        test_context_init(&f->tc, 1);
        f->limits = TRANSPORT_LIMITS_DEFAULT;
        fixture = *state = f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        conns_free(f->conns);
        router_remove(f->router, f->echo);
        router_remove(f->router, f->sink);
        router_free(f->router);
        test_context_clear(&f->tc);
        fake_link_free(f->link);
        free(f);
        vectors_clear();
        return 0;
}

/* Frames for "sink" (return route [me], payload "hi"), for "echo_service", a heartbeat of each kind, one that does not decode. */
#define SINK_FRAME BYTES_LITERAL("\x00\x10\x01\x01\x00\x04sink\x01\x00\x02me\x02hi")
#define ECHO_FRAME BYTES_LITERAL("\x00\x18\x01\x01\x00\x0c" "echo_service\x01\x00\x02me\x02hi")
#define ECHO_ANSWER BYTES_LITERAL("\x00\x18\x01\x01\x00\x02me\x01\x00\x0c" "echo_service\x02hi")
#define EMPTY_FRAME BYTES_LITERAL("\x00\x00")
#define PING_FRAME BYTES_LITERAL("\x00\x09\x01\x00\x01\x00\x02me\x01\x00")
#define BAD_FRAME BYTES_LITERAL("\x00\x01\x01")

/* --- the wire ----------------------------------------------------------------------------------------------------------- */

/* What our node does otherwise on purpose: it never dials out for a client (R7), and takes an empty frame as a heartbeat. */
static bool differs_on_purpose(const char *name)
{
        return strstr(name, "hub connects out") || strstr(name, "zero-length frame");
}

static void run_vector(struct fixture *f, const json_t *vector)
{
        const char *name = json_string_value(json_object_get(vector, "name"));
        const json_t *responses = json_object_get(vector, "responses");
        struct fake_link *link = fake_link_new();
        size_t i, at = 0, closed = f->closed;
        struct conn *conn;

        assert_ok(conns_open(f->conns, &link->link, true, &conn));
        if (strstr(name, "three TCP segments")) fake_link_feed(link, BYTES_LITERAL("\x00\x1b\x01\x01\x00"));
        fake_link_feed(link, vector_hex(vector, "request"));
        for (i = 0; i < json_array_size(responses); i++) {
                struct bytes expected = hex_bytes(json_string_value(json_array_get(responses, i)));

                assert_true(at + expected.n <= link->written_n);
                assert_bytes_equal(name, bytes_make(link->written + at, expected.n), expected);
                at += expected.n;
        }
        assert_int_equal(at, link->written_n);
        assert_int_equal(f->closed - closed, json_is_true(json_object_get(vector, "connection_closed")) ? 1 : 0);
        if (!link->closed) conn_close(conn, ERR_CANCELLED, "done", false);
        fake_link_free(link);
}

static void answers_as_the_hub_of_2021(void **state)
{
        struct fixture *f = *state;
        const json_t *vectors;
        size_t i, run = 0;

        start(f, true);
        vectors = vector_member(vectors_load("tests/vectors/hub-2021.json"), "vectors");
        for (i = 0; i < json_array_size(vectors); i++) {
                const json_t *vector = json_array_get(vectors, i);
                const char *name = json_string_value(json_object_get(vector, "name"));

                if (strncmp(name, "transport ", 10) || differs_on_purpose(name)) continue;
                run_vector(f, vector);
                run++;
        }
        assert_int_equal(run, 19);
}

static void hands_a_message_on_with_its_own_address_before_the_return_route(void **state)
{
        struct fixture *f = *state;
        uint8_t expected[64] = {ADDRESS_LOCAL, ADDRESS_RANDOM_SIZE};

        start(f, true);
        fake_link_feed(f->link, SINK_FRAME);
        assert_int_equal(f->sunk, 1);
        assert_int_equal(f->sink_origin.kind, ORIGIN_TCP);
        assert_int_equal(f->sink_origin.conn, f->conn_id);
        assert_int_equal(conn_address(f->conn).n, ADDRESS_RANDOM_SIZE);
        memcpy(expected + 2, conn_address(f->conn).p, ADDRESS_RANDOM_SIZE);
        memcpy(expected + 2 + ADDRESS_RANDOM_SIZE, "\x00\x02me", 4);
        assert_bytes_equal("return route", bytes_make(f->sink_return, f->sink_return_n), bytes_make(expected, 2 + ADDRESS_RANDOM_SIZE + 4));
        assert_int_equal(stat_of(STAT_FRAMES_IN), 1);
        assert_int_equal(stat_of(STAT_BYTES_IN), SINK_FRAME.n);
}

static void takes_frames_however_they_are_cut(void **state)
{
        struct fixture *f = *state;
        uint8_t two[64];
        size_t cut;

        start(f, true);
        memcpy(two, ECHO_FRAME.p, ECHO_FRAME.n);
        memcpy(two + ECHO_FRAME.n, ECHO_FRAME.p, ECHO_FRAME.n);
        for (cut = 0; cut <= 2 * ECHO_FRAME.n; cut++) {
                fake_link_feed(f->link, bytes_make(two, cut));
                fake_link_feed(f->link, bytes_make(two + cut, 2 * ECHO_FRAME.n - cut));
                assert_int_equal(f->link->written_n, 2 * ECHO_ANSWER.n);
                assert_bytes_equal("first", bytes_make(f->link->written, ECHO_ANSWER.n), ECHO_ANSWER);
                assert_bytes_equal("second", bytes_make(f->link->written + ECHO_ANSWER.n, ECHO_ANSWER.n), ECHO_ANSWER);
                assert_int_equal(f->link->left_n, 0);
                fake_link_forget(f->link);
        }
}

static void R8_is_not_reached_from_outside(void **state)
{
        struct fixture *f = *state;
        uint8_t frame[64] = {0, 5 + ADDRESS_RANDOM_SIZE + 1, 1, 1, 0, ADDRESS_RANDOM_SIZE};

        start(f, true);
        memcpy(frame + 6, conn_address(f->conn).p, ADDRESS_RANDOM_SIZE); /* then an empty return route, an empty payload */
        fake_link_feed(f->link, bytes_make(frame, 6 + ADDRESS_RANDOM_SIZE + 2));
        assert_int_equal(f->link->written_n, 0);
        assert_int_equal(stat_of(STAT_DROP_NOT_ALLOWED), 1);
}

static void ignores_heartbeats(void **state)
{
        struct fixture *f = *state;

        start(f, true);
        fake_link_feed(f->link, EMPTY_FRAME);
        fake_link_feed(f->link, BYTES_LITERAL("\x00\x04\x01\x00\x00\x00"));
        fake_link_feed(f->link, BYTES_LITERAL("\x00\x05\x01\x00\x00\x01\x07"));
        assert_int_equal(f->link->written_n, 0);
        assert_int_equal(stat_of(STAT_HEARTBEATS), 3);
        assert_false(f->link->closed);
}

static void answers_pings_only_where_it_was_dialled(void **state)
{
        struct fixture *f = *state;

        start(f, false);
        fake_link_feed(f->link, PING_FRAME);
        assert_int_equal(f->link->written_n, 0);
        assert_int_equal(stat_of(STAT_HEARTBEATS), 1);
}

/* A ping is answered without the router; what its head took of the arena goes with it. */
static void R13_long_pings_leave_nothing_in_the_arena(void **state)
{
        enum { RETURN = 30000, HEAD = 7, TAIL = 2 };
        struct fixture *f = *state;
        static uint8_t frame[2 + HEAD + RETURN + TAIL];
        struct writer w = writer_make(frame, sizeof frame);

        start(f, true);
        writer_put_u8(&w, (sizeof frame - 2) >> 8);
        writer_put_u8(&w, (sizeof frame - 2) & 0xff);
        writer_put_u8(&w, 1); /* version, no onward address, one return address */
        writer_put_u8(&w, 0);
        writer_put_u8(&w, 1);
        writer_put_u8(&w, 0);
        bare_put_uint(&w, RETURN);
        memset(w.p + w.n, 120, RETURN);
        w.n += RETURN;
        writer_put_u8(&w, 1);
        writer_put_u8(&w, 0);
        for (size_t i = 0; i < 2 * f->limits.arena_bytes / RETURN; i++) {
                fake_link_feed(f->link, bytes_make(frame, sizeof frame));
                assert_in_range(fake_link_written(f->link).n, RETURN, sizeof frame);
                fake_link_drain(f->link, fake_link_written(f->link).n);
                fake_link_forget(f->link);
        }
        assert_int_equal(router_arena(f->router)->used, 0);
        fake_link_feed(f->link, ECHO_FRAME);
        assert_int_not_equal(fake_link_written(f->link).n, 0);
        assert_int_equal(stat_of(STAT_DROP_QUEUE_FULL), 0);
}

static void closes_an_accepted_connection_on_a_frame_that_does_not_decode(void **state)
{
        struct fixture *f = *state;

        start(f, true);
        fake_link_feed(f->link, BAD_FRAME);
        assert_true(f->link->closed);
        assert_int_equal(f->closed, 1);
        assert_int_equal(err_class(f->closed_err), ERR_CLASS_PEER);
        assert_int_equal(stat_of(STAT_FRAMES_MALFORMED), 1);
        assert_int_equal(conns_count(f->conns), 0);
}

static size_t lines;

static void count_line(void *user, enum log_level level, const char *line)
{
        (void)user;
        assert_int_equal(level, LOG_LEVEL_INFO);
        assert_non_null(strstr(line, "closing it: a frame does not decode"));
        lines++;
}

static void fail_many(struct fixture *f, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                struct fake_link *link = fake_link_new();
                struct conn *conn;

                assert_ok(conns_open(f->conns, &link->link, true, &conn));
                fake_link_feed(link, BAD_FRAME);
                assert_true(link->closed);
                fake_link_free(link);
        }
}

static void R12_does_not_let_peers_fill_the_log(void **state)
{
        struct fixture *f = *state;

        lines = 0;
        start(f, true);
        logger_set_sink(count_line, NULL);
        fail_many(f, 1000);
        assert_int_equal(lines, 20);
        test_context_advance(&f->tc, 10000);
        fail_many(f, 1);
        assert_int_equal(lines, 21);
        logger_set_sink(NULL, NULL);
        assert_int_equal(stat_of(STAT_FRAMES_MALFORMED), 1001);
}

static void skips_a_frame_that_does_not_decode_where_it_dialled(void **state)
{
        struct fixture *f = *state;

        start(f, false);
        fake_link_feed(f->link, BAD_FRAME);
        fake_link_feed(f->link, ECHO_FRAME);
        assert_bytes_equal("answer", fake_link_written(f->link), ECHO_ANSWER);
        assert_int_equal(stat_of(STAT_FRAMES_MALFORMED), 1);
}

/* --- sending ------------------------------------------------------------------------------------------------------------ */

/* A message to [connection, "x"] with a payload of n bytes, from within this process. */
static void send_bytes(struct fixture *f, size_t n)
{
        struct bytes hops[2] = {conn_address(f->conn), BYTES_LITERAL("x")};
        uint8_t *payload = calloc(1, n + 1);
        struct message msg = {ROUTE_EMPTY, ROUTE_EMPTY, bytes_make(payload, n)};

        assert_non_null(payload);
        assert_ok(route_of_locals(router_arena(f->router), hops, 2, &msg.onward));
        router_post(f->router, ORIGIN_OWN, msg);
        free(payload);
}

enum { SENT_HEAD = 2 + 1 + 1 + 3 + 1 }; /* of a frame of send_bytes: length, version, [x], [] ; then the payload with its length */

static void sends_up_to_the_largest_frame(void **state)
{
        struct fixture *f = *state;
        size_t largest = FRAME_MAX + 2 - SENT_HEAD - 3;

        start(f, true);
        send_bytes(f, largest);
        assert_int_equal(f->link->written_n, FRAME_MAX + 2);
        assert_bytes_equal("length", bytes_make(f->link->written, 2), BYTES_LITERAL("\xff\xff"));
        fake_link_forget(f->link);
        send_bytes(f, largest + 1);
        assert_int_equal(f->link->written_n, 0);
        assert_int_equal(stat_of(STAT_FRAMES_TOO_LARGE), 1);
        assert_int_equal(stat_of(STAT_FRAMES_OUT), 1);
        assert_int_equal(stat_of(STAT_BYTES_OUT), FRAME_MAX + 2);
        assert_false(f->link->closed);
}

static void R3_stops_reading_while_much_waits_to_be_sent(void **state)
{
        struct fixture *f = *state;

        f->limits.output_high = 1000;
        f->limits.output_low = 100;
        start(f, true);
        send_bytes(f, 900);
        assert_true(f->link->reading);
        send_bytes(f, 900);
        assert_false(f->link->reading);
        assert_int_equal(conn_queued(f->conn), f->link->queued);
        fake_link_drain(f->link, f->link->queued - 101);
        assert_false(f->link->reading);
        assert_int_equal(f->drained, 0);
        fake_link_drain(f->link, 1);
        assert_true(f->link->reading);
        assert_int_equal(f->drained, 1);
}

static void R3_closes_when_too_much_waits_to_be_sent(void **state)
{
        struct fixture *f = *state;

        f->limits.output_max = 2000;
        start(f, true);
        send_bytes(f, 900);
        send_bytes(f, 900);
        assert_false(f->link->closed);
        send_bytes(f, 900);
        assert_true(f->link->closed);
        assert_int_equal(f->closed_err, ERR_FULL);
        assert_int_equal(stat_of(STAT_CONNS_OUTPUT_FULL), 1);
}

static void R3_closes_when_nothing_goes_out_for_too_long(void **state)
{
        struct fixture *f = *state;

        start(f, false);
        send_bytes(f, 10);
        test_context_advance(&f->tc, 59000);
        fake_link_drain(f->link, 1); /* a little has gone out: the time starts over */
        test_context_advance(&f->tc, 59999);
        assert_false(f->link->closed);
        test_context_advance(&f->tc, 1);
        assert_true(f->link->closed);
        assert_int_equal(f->closed_err, ERR_TIMEOUT);
        assert_int_equal(stat_of(STAT_CONNS_TIMED_OUT), 1);
}

static void has_all_the_time_when_nothing_waits(void **state)
{
        struct fixture *f = *state;

        start(f, true);
        fake_link_feed(f->link, ECHO_FRAME);
        fake_link_drain(f->link, SIZE_MAX);
        test_context_advance(&f->tc, 1000 * 3600 * 24);
        assert_false(f->link->closed);
        assert_int_equal(f->closed, 0);
}

static void closes_when_the_link_takes_nothing(void **state)
{
        struct fixture *f = *state;

        start(f, true);
        f->link->fail_write = ERR_NO_MEMORY;
        fake_link_feed(f->link, ECHO_FRAME);
        assert_true(f->link->closed);
        assert_int_equal(f->closed_err, ERR_NO_MEMORY);
}

static void closes_when_scratch_memory_does_not_suffice_for_a_message(void **state)
{
        struct fixture *f = *state;
        uint8_t hop[700] = {0}, route[1500];
        struct writer w = writer_make(route, sizeof route);
        struct message msg = {{2, BYTES_NONE}, ROUTE_EMPTY, BYTES_NONE};

        f->limits.arena_bytes = 512;
        start(f, true);
        address_put(&w, address_local(conn_address(f->conn)));
        address_put(&w, address_local(bytes_make(hop, sizeof hop)));
        msg.onward.encoded = writer_bytes(&w);
        router_post(f->router, ORIGIN_OWN, msg);
        assert_true(f->link->closed);
        assert_int_equal(f->closed_err, ERR_FULL);
}

/* --- deadlines ---------------------------------------------------------------------------------------------------------- */

static void R2_wants_the_first_whole_frame_in_time(void **state)
{
        struct fixture *f = *state;

        start(f, true);
        test_context_advance(&f->tc, 29999);
        assert_false(f->link->closed);
        test_context_advance(&f->tc, 1);
        assert_true(f->link->closed);
        assert_int_equal(f->closed_err, ERR_TIMEOUT);
        assert_int_equal(stat_of(STAT_CONNS_TIMED_OUT), 1);
}

static void R2_wants_no_first_frame_where_it_dialled(void **state)
{
        struct fixture *f = *state;

        start(f, false);
        test_context_advance(&f->tc, 1000000);
        assert_false(f->link->closed);
}

static void R2_wants_no_first_frame_where_there_is_no_limit(void **state)
{
        struct fixture *f = *state;

        f->limits.first_frame_ms = 0;
        start(f, true);
        test_context_advance(&f->tc, 1000000);
        assert_false(f->link->closed);
}

static void R1_wants_a_frame_that_has_begun_in_time(void **state)
{
        struct fixture *f = *state;

        start(f, true);
        fake_link_feed(f->link, SINK_FRAME);
        test_context_advance(&f->tc, 100000);
        fake_link_feed(f->link, BYTES_LITERAL("\xff\xff\x01"));
        test_context_advance(&f->tc, 10000);
        assert_false(f->link->closed); /* 3 bytes give a millisecond */
        test_context_advance(&f->tc, 1);
        assert_true(f->link->closed);
        assert_int_equal(f->closed_err, ERR_TIMEOUT);
}

static void R1_gives_a_second_for_each_two_kilobytes(void **state)
{
        struct fixture *f = *state;
        uint8_t half[2048] = {0xff, 0xff};
        int i;

        start(f, false);
        fake_link_feed(f->link, bytes_make(half, sizeof half));
        half[0] = half[1] = 0;
        for (i = 1; i < 5; i++) {
                test_context_advance(&f->tc, 2000);
                fake_link_feed(f->link, bytes_make(half, sizeof half));
        }
        test_context_advance(&f->tc, 6999); /* 8 + 7 s have passed, 10 + 5 are allowed */
        assert_false(f->link->closed);
        test_context_advance(&f->tc, 1);
        assert_true(f->link->closed);
}

static void R1_starts_the_time_over_with_each_frame(void **state)
{
        struct fixture *f = *state;
        int i;

        start(f, true);
        for (i = 0; i < 100; i++) { /* always in the middle of a frame, but never long in the same */
                fake_link_feed(f->link, bytes_make(SINK_FRAME.p + (i ? 5 : 0), SINK_FRAME.n - (i ? 5 : 0)));
                fake_link_feed(f->link, bytes_make(SINK_FRAME.p, 5));
                test_context_advance(&f->tc, 9000);
        }
        assert_false(f->link->closed);
        assert_int_equal(f->sunk, 100);
        test_context_advance(&f->tc, 1002);
        assert_true(f->link->closed);
}

static void asks_nothing_of_the_other_side_while_it_does_not_read(void **state)
{
        struct fixture *f = *state;

        start(f, true);
        fake_link_feed(f->link, BYTES_LITERAL("\x00\x10\x01"));
        conn_hold(f->conn, CONN_HOLD_LOG);
        test_context_advance(&f->tc, 1000000);
        assert_false(f->link->closed);
        conn_release(f->conn, CONN_HOLD_LOG);
        test_context_advance(&f->tc, 9999);
        assert_false(f->link->closed);
        test_context_advance(&f->tc, 2);
        assert_true(f->link->closed);
}

/* --- limits and holding ------------------------------------------------------------------------------------------------- */

static void refuses_one_connection_too_many(void **state)
{
        struct fixture *f = *state;
        struct fake_link *second = fake_link_new(), *third = fake_link_new();
        struct conn *conn = NULL;

        f->limits.connections = 1;
        start(f, true);
        assert_err(conns_open(f->conns, &second->link, true, &conn), ERR_FULL);
        assert_true(second->closed);
        assert_null(conn);
        assert_int_equal(stat_of(STAT_CONNS_REFUSED), 1);
        conn_close(f->conn, ERR_CANCELLED, "makes room", false);
        assert_ok(conns_open(f->conns, &third->link, true, &conn));
        assert_int_not_equal(conn_id(conn), f->conn_id);
        conn_close(conn, ERR_CANCELLED, "done", false);
        fake_link_free(second);
        fake_link_free(third);
}

static void refuses_a_connection_when_no_worker_can_be_had(void **state)
{
        struct fixture *f = *state;
        struct fake_link *second = fake_link_new();
        struct conn *conn;

        f->limits.workers = 3;
        start(f, true);
        assert_err(conns_open(f->conns, &second->link, true, &conn), ERR_FULL);
        assert_true(second->closed);
        assert_int_equal(conns_count(f->conns), 1);
        fake_link_free(second);
}

static void takes_no_longer_route_than_is_allowed(void **state)
{
        struct fixture *f = *state;

        f->limits.route_hops = 2;
        start(f, false);
        fake_link_feed(f->link, BYTES_LITERAL("\x00\x0e\x01\x01\x00\x04sink\x02\x00\x00\x00\x00\x00"));
        assert_int_equal(f->sunk, 1);
        fake_link_feed(f->link, BYTES_LITERAL("\x00\x10\x01\x01\x00\x04sink\x03\x00\x00\x00\x00\x00\x00\x00"));
        assert_int_equal(f->sunk, 1);
        assert_int_equal(stat_of(STAT_FRAMES_MALFORMED), 1);
}

static void works_off_so_many_frames_in_one_turn(void **state)
{
        struct fixture *f = *state;
        uint8_t many[10 * 18];
        size_t i;

        f->limits.frames_per_turn = 4;
        start(f, true);
        for (i = 0; i < 10; i++) memcpy(many + i * SINK_FRAME.n, SINK_FRAME.p, SINK_FRAME.n);
        fake_link_feed(f->link, bytes_make(many, sizeof many));
        assert_int_equal(f->sunk, 4);
        assert_false(f->link->reading);
        test_context_advance(&f->tc, 0);
        assert_true(f->link->reading);
        fake_link_offer(f->link);
        assert_int_equal(f->sunk, 8);
        test_context_advance(&f->tc, 0);
        fake_link_offer(f->link);
        assert_int_equal(f->sunk, 10);
        assert_int_equal(f->link->left_n, 0);
        assert_true(f->link->reading);
}

static void leaves_frames_where_they_are_while_it_is_held(void **state)
{
        struct fixture *f = *state;
        uint8_t two[36];

        start(f, true);
        memcpy(two, SINK_FRAME.p, SINK_FRAME.n);
        memcpy(two + SINK_FRAME.n, SINK_FRAME.p, SINK_FRAME.n);
        f->sink_holds = CONN_HOLD_REQUESTS;
        fake_link_feed(f->link, bytes_make(two, sizeof two));
        assert_int_equal(f->sunk, 1);
        assert_int_equal(f->link->left_n, SINK_FRAME.n);
        f->sink_holds = 0;
        conn_hold(f->conn, CONN_HOLD_LOG);
        conn_release(f->conn, CONN_HOLD_REQUESTS);
        conn_release(f->conn, CONN_HOLD_REQUESTS);
        assert_false(f->link->reading); /* the other one holds it still */
        conn_release(f->conn, CONN_HOLD_LOG);
        assert_true(f->link->reading);
        fake_link_offer(f->link);
        assert_int_equal(f->sunk, 2);
}

static void holds_all(void **state)
{
        struct fixture *f = *state;
        struct fake_link *second = fake_link_new();
        struct conn *conn;

        start(f, true);
        assert_ok(conns_open(f->conns, &second->link, true, &conn));
        conns_hold_all(f->conns, CONN_HOLD_STOP);
        assert_false(f->link->reading);
        assert_false(second->reading);
        conns_free(f->conns);
        f->conns = NULL;
        assert_int_equal(f->closed, 2);
        assert_true(f->link->flushed && second->flushed);
        fake_link_free(second);
}

/* --- the end ------------------------------------------------------------------------------------------------------------ */

static void R9_may_be_closed_by_whoever_handles_its_message(void **state)
{
        struct fixture *f = *state;
        uint8_t two[36];

        start(f, true);
        memcpy(two, SINK_FRAME.p, SINK_FRAME.n);
        memcpy(two + SINK_FRAME.n, SINK_FRAME.p, SINK_FRAME.n);
        f->sink_closes = true;
        fake_link_feed(f->link, bytes_make(two, sizeof two));
        assert_int_equal(f->sunk, 1);
        assert_int_equal(f->closed, 1);
        assert_string_equal(f->closed_why, "closed by the test");
        assert_true(f->link->flushed);
        conn_close(f->conn, ERR_CANCELLED, "again", false); /* within the turn: nothing */
        assert_int_equal(f->closed, 1);
        test_context_advance(&f->tc, 0);
        assert_null(conns_find(f->conns, f->conn_id));
}

static void R9_tells_of_a_lost_link_once(void **state)
{
        struct fixture *f = *state;
        uint8_t address[ADDRESS_RANDOM_SIZE];
        struct message msg = {ROUTE_EMPTY, ROUTE_EMPTY, BYTES_LITERAL("late")};
        struct bytes hop = {address, sizeof address};

        start(f, true);
        memcpy(address, conn_address(f->conn).p, sizeof address);
        fake_link_feed(f->link, BYTES_LITERAL("\x00"));
        fake_link_down(f->link, ERR_CLOSED, "gone");
        assert_int_equal(f->closed, 1);
        assert_int_equal(f->closed_err, ERR_CLOSED);
        assert_string_equal(f->closed_why, "gone");
        assert_int_equal(conns_count(f->conns), 0);
        test_context_advance(&f->tc, 1000000); /* no deadline is left behind */
        assert_ok(route_of_locals(router_arena(f->router), &hop, 1, &msg.onward));
        router_post(f->router, ORIGIN_OWN, msg);
        assert_int_equal(stat_of(STAT_DROP_NO_WORKER), 1);
        assert_int_equal(stat_of(STAT_CONNS_OPENED), 1);
        assert_int_equal(stat_of(STAT_CONNS_CLOSED), 1);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                T(answers_as_the_hub_of_2021),
                T(hands_a_message_on_with_its_own_address_before_the_return_route),
                T(takes_frames_however_they_are_cut),
                T(R8_is_not_reached_from_outside),
                T(ignores_heartbeats),
                T(answers_pings_only_where_it_was_dialled),
                T(R13_long_pings_leave_nothing_in_the_arena),
                T(closes_an_accepted_connection_on_a_frame_that_does_not_decode),
                T(R12_does_not_let_peers_fill_the_log),
                T(skips_a_frame_that_does_not_decode_where_it_dialled),
                T(sends_up_to_the_largest_frame),
                T(R3_stops_reading_while_much_waits_to_be_sent),
                T(R3_closes_when_too_much_waits_to_be_sent),
                T(R3_closes_when_nothing_goes_out_for_too_long),
                T(has_all_the_time_when_nothing_waits),
                T(closes_when_the_link_takes_nothing),
                T(closes_when_scratch_memory_does_not_suffice_for_a_message),
                T(R2_wants_the_first_whole_frame_in_time),
                T(R2_wants_no_first_frame_where_it_dialled),
                T(R2_wants_no_first_frame_where_there_is_no_limit),
                T(R1_wants_a_frame_that_has_begun_in_time),
                T(R1_gives_a_second_for_each_two_kilobytes),
                T(R1_starts_the_time_over_with_each_frame),
                T(asks_nothing_of_the_other_side_while_it_does_not_read),
                T(refuses_one_connection_too_many),
                T(refuses_a_connection_when_no_worker_can_be_had),
                T(takes_no_longer_route_than_is_allowed),
                T(works_off_so_many_frames_in_one_turn),
                T(leaves_frames_where_they_are_while_it_is_held),
                T(holds_all),
                T(R9_may_be_closed_by_whoever_handles_its_message),
                T(R9_tells_of_a_lost_link_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
