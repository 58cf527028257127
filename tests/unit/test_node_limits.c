/* What many clients together may cost, and one who asks too fast: who is beyond a limit waits or is refused, is counted, and one who
 * behaves beside him is answered all the time. Each test reaches a limit that concerns more than one connection, or a rate. */
#include "tests/support/service_bench.h"
#include "tests/support/test.h"
#include "tests/support/vectors.h"
#include "transport/wire.h"

#include <stdio.h>

static struct node_figures figures(struct bench *bench) { return node_figures(bench->node); }

static size_t count_answers(struct bench_client *client)
{
        struct bench_answer answer;
        size_t count = 0;

        while (bench_next(client, &answer))
                count++;
        return count;
}

/* A client that behaves: what it pushes is stored at the next index, and comes back. */
struct good {
        struct bench_client *client;
        struct bytes to;
        uint64_t next;
};

static struct good good_from(struct bench *bench, const char *peer)
{
        struct good good = {.client = bench_connect_from(bench, peer)};

        good.to = bench_made(good.client, "good");
        return good;
}

static void good_is_served(struct good *good)
{
        struct stream_message message;

        bench_pushed(good->client, good->to, BYTES_LITERAL("a good message"), good->next);
        bench_pull(good->client, good->to, 7, good->next, 1);
        struct bench_answer answer = bench_only(good->client, STREAM_PULL);
        assert_int_equal(answer.response.pull.count, 1);
        assert_true(stream_message_next(&answer.response.pull.messages, &message));
        assert_int_equal(message.index, good->next);
        assert_bytes_equal("what was pushed", message.data, BYTES_LITERAL("a good message"));
        good->next++;
}

/* --- each limit that one client reaches ------------------------------------------------------------------------------------ */

struct bad {
        struct bench *bench;
        struct bench_client *client;
        struct bytes to;
};

static void too_many_connections(struct bad *bad)
{
        for (int i = 0; i < 3; i++) bad->client = bench_connect(bad->bench);
}

static void a_long_route(struct bad *bad)
{
        /* Four addresses where three are allowed. */
        bench_feed(bad->client, BYTES_LITERAL("\x00\x13\x01\x04\x00\x01" "a\x00\x01" "b\x00\x01" "c\x00\x01" "d\x00\x00\x00\x00\x00\x00\x00"));
}

static void a_frame_that_never_ends(struct bad *bad)
{
        bench_feed(bad->client, BYTES_LITERAL("\xff\xff\x01"));
        bench_advance(bad->bench, 2000);
}

static void no_frame_at_all(struct bad *bad)
{
        bad->client = bench_connect(bad->bench);
        bench_advance(bad->bench, 2000);
}

static void takes_nothing(struct bad *bad)
{
        bad->client->slow = true;
        bench_push(bad->client, bad->to, 1, BYTES_LITERAL("x"));
        bench_advance(bad->bench, 2000);
}

static void too_much_output(struct bad *bad)
{
        bad->client->slow = true;
        for (uint64_t i = 0; i < 40; i++) bench_push(bad->client, bad->to, i, BYTES_LITERAL("x"));
}

static void too_many_streams(struct bad *bad)
{
        for (int i = 0; i < 4; i++) bench_create(bad->client, i % 2 ? "one" : i ? "two" : "three");
        bench_create(bad->client, "four");
}

static void too_many_pulls(struct bad *bad)
{
        for (uint64_t i = 0; i < 4; i++) bench_pull(bad->client, bad->to, i, 1000, 1);
}

static void a_long_name(struct bad *bad) { bench_create(bad->client, "a_name_of_21_letters_"); }
static void many_partitions(struct bad *bad) { bench_create_partitioned(bad->client, "p", 3); }
static void a_large_record(struct bad *bad) { bench_push(bad->client, bad->to, 1, BYTES_LITERAL("0123456789012345678901234567890123456789")); }

#define SET(group, field, number) offsetof(struct node_config, group.field), sizeof(((struct node_config *)0)->group.field), number

static const struct {
        const char *name;
        size_t at, size;
        uint64_t value;
        void (*reach)(struct bad *bad);
        enum stat_id stat;
        uint64_t counts;
        bool closes;
} reached[] = {
        {"connections", SET(transport, connections, 4), too_many_connections, STAT_CONNS_REFUSED, 1, true},
        {"route_hops", SET(transport, route_hops, 3), a_long_route, STAT_FRAMES_MALFORMED, 1, true},
        {"frame_start_ms", SET(transport, frame_start_ms, 1000), a_frame_that_never_ends, STAT_CONNS_TIMED_OUT, 1, true},
        {"first_frame_ms", SET(transport, first_frame_ms, 1000), no_frame_at_all, STAT_CONNS_TIMED_OUT, 1, true},
        {"send_stalled_ms", SET(transport, send_stalled_ms, 1000), takes_nothing, STAT_CONNS_TIMED_OUT, 1, true},
        {"output_high", SET(transport, output_high, 1000), too_much_output, STAT_LIMIT_OUTPUT, 1, false},
        {"output_max", SET(transport, output_max, 900), too_much_output, STAT_CONNS_OUTPUT_FULL, 1, true},
        {"streams", SET(service, streams, 4), too_many_streams, STAT_LIMIT_STREAMS, 2, false},
        {"streams_per_conn", SET(service, streams_per_conn, 3), too_many_streams, STAT_LIMIT_STREAMS, 2, false},
        {"pulls_per_conn", SET(service, pulls_per_conn, 3), too_many_pulls, STAT_LIMIT_PULLS, 1, false},
        {"name_max", SET(service, name_max, 20), a_long_name, STAT_REQUESTS_INVALID, 1, false},
        {"partitions", SET(service, partitions, 2), many_partitions, STAT_REQUESTS_INVALID, 1, false},
        {"record_max", SET(service, record_max, 39), a_large_record, STAT_PUSHES_FAILED, 1, false},
};

static void set_limit(struct node_config *config, size_t at, size_t size, uint64_t value)
{
        if (size == sizeof(uint32_t))
                memcpy((uint8_t *)config + at, &(uint32_t){(uint32_t)value}, size);
        else
                memcpy((uint8_t *)config + at, &(size_t){(size_t)value}, sizeof(size_t));
}

static void each_limit_is_reached_counted_and_not_noticed_by_others(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof reached / sizeof *reached; i++) {
                struct bench *bench = bench_new(i);
                struct bad bad = {.bench = bench};
                struct good good;

                set_limit(&bench->config, reached[i].at, reached[i].size, reached[i].value);
                bench_start(bench);
                good = good_from(bench, "192.0.2.2:1");
                good_is_served(&good);
                bad.client = bench_connect(bench);
                bad.to = bench_made(bad.client, "bad");
                uint64_t before = bench_stat(bench, reached[i].stat);
                reached[i].reach(&bad);
                if (bench_stat(bench, reached[i].stat) != before + reached[i].counts)
                        fail_msg("%s: %s is %llu", reached[i].name, stat_name(reached[i].stat),
                                 (unsigned long long)bench_stat(bench, reached[i].stat));
                if (bad.client->link->closed != reached[i].closes) fail_msg("%s: closed: %d", reached[i].name, bad.client->link->closed);
                good_is_served(&good);
                bench_free(bench);
        }
}

/* --- rates --------------------------------------------------------------------------------------------------------------- */

static void R4_a_connection_beyond_its_rate_waits(void **state)
{
        struct bench *bench = bench_new(1);
        struct bench_client *client;
        struct good good;

        (void)state;
        bench->config.transport.frames_per_s = 20;
        bench_start(bench);
        good = good_from(bench, "192.0.2.2:1");
        client = bench_connect_from(bench, "192.0.2.1:1");
        struct bytes to = bench_made(client, "s");
        bench_advance(bench, 1000);
        for (uint64_t i = 0; i < 60; i++)
                bench_push(client, to, i, BYTES_LITERAL("x"));
        assert_int_equal(count_answers(client), 21); /* a second's worth, and the one that was too much */
        assert_false(client->link->reading);
        assert_int_equal(bench_stat(bench, STAT_LIMIT_RATE), 1);
        good_is_served(&good);
        bench_advance(bench, 1000);
        assert_in_range(count_answers(client), 19, 21);
        good_is_served(&good);
        bench_advance(bench, 1000);
        assert_in_range(count_answers(client), 18, 20); /* all 60: nothing was dropped */
        bench_advance(bench, 60000);
        assert_true(client->link->reading && !client->link->closed);
        bench_free(bench);
}

/* How many frames of those with these numbers are worked off in one turn. */
static uint64_t turn(struct bench *bench, struct fake_link **links, unsigned count)
{
        const uint64_t before = bench_stat(bench, STAT_FRAMES_IN);
        uint64_t at;

        assert_true(timers_next(&bench->tc.ctx.timers, &at));
        test_context_step(&bench->tc);
        for (unsigned i = 0; i < count; i++)
                if (links[i]->reading) fake_link_offer(links[i]);
        return bench_stat(bench, STAT_FRAMES_IN) - before;
}

/* Of those who send much a turn works off so many frames and no more, whether one does so or many; they go on in the order in which they came. Who
 * has a few goes before all of them. */
static void R4_G18_many_who_flood_share_a_turn_and_wait_in_line(void **state)
{
        enum { FLOODERS = 40, FRAMES = 400 };
        struct bench *bench = bench_new(1);
        struct fake_link *links[FLOODERS];
        static uint8_t flood[FRAMES * 2];
        const uint8_t few[FRAMES_BEFORE_LINE * 2] = {0};
        size_t most = bench->config.transport.frames_per_turn, first_left;
        struct fake_link *calm;

        (void)state;
        bench_start(bench);
        for (unsigned i = 0; i < FLOODERS; i++) links[i] = bench_connect(bench)->link;
        calm = bench_connect(bench)->link;
        fake_link_feed(links[0], bytes_make(flood, sizeof flood)); /* heartbeats */
        assert_int_equal(bench_stat(bench, STAT_FRAMES_IN), most);
        for (unsigned i = 1; i < FLOODERS; i++) fake_link_feed(links[i], bytes_make(flood, sizeof flood));
        assert_int_equal(bench_stat(bench, STAT_FRAMES_IN), most + (FLOODERS - 1) * FRAMES_BEFORE_LINE);
        first_left = links[0]->left_n;
        for (unsigned i = 0; i < FLOODERS / LINE_PER_TURN; i++) {
                assert_int_equal(turn(bench, links, FLOODERS), most);
                for (unsigned j = 0; j < FLOODERS; j++) /* those whose turn it was, and no other */
                        assert_int_equal((j ? sizeof flood - FRAMES_BEFORE_LINE * 2 : first_left) - links[j]->left_n,
                                         j / LINE_PER_TURN <= i ? most / LINE_PER_TURN * 2 : 0);
                fake_link_feed(calm, bytes_make(few, sizeof few)); /* all of it at once */
                assert_int_equal(calm->left_n, 0);
                assert_true(calm->reading);
        }
        bench_settle(bench);
        assert_int_equal(bench_stat(bench, STAT_FRAMES_IN), FLOODERS * FRAMES + FLOODERS / LINE_PER_TURN * FRAMES_BEFORE_LINE);
        fake_link_feed(links[0], bytes_make(flood, sizeof flood)); /* and alone again */
        assert_int_equal(links[0]->left_n, sizeof flood - most * 2);
        bench_free(bench);
}

/* Who leaves while he waits in the line leaves the line; those behind him go on. */
static void R9_who_waits_in_the_line_may_leave(void **state)
{
        enum { FLOODERS = 20, FRAMES = 400 };
        struct bench *bench = bench_new(1);
        struct fake_link *links[FLOODERS];
        static uint8_t flood[FRAMES * 2];

        (void)state;
        bench_start(bench);
        for (unsigned i = 0; i < FLOODERS; i++) links[i] = bench_connect(bench)->link;
        for (unsigned i = 0; i < FLOODERS; i++) fake_link_feed(links[i], bytes_make(flood, sizeof flood));
        for (unsigned i = 0; i < FLOODERS; i += 2) fake_link_down(links[i], ERR_CLOSED, "gone");
        bench_settle(bench);
        for (unsigned i = 1; i < FLOODERS; i += 2) assert_int_equal(links[i]->left_n, 0);
        bench_free(bench);
}

/* A node that ends while many wait. */
static void R9_the_line_may_end_with_the_node(void **state)
{
        struct bench *bench = bench_new(1);
        static uint8_t flood[800];

        (void)state;
        bench_start(bench);
        for (unsigned i = 0; i < 20; i++) fake_link_feed(bench_connect(bench)->link, bytes_make(flood, sizeof flood));
        bench_free(bench);
}

static void R4_bytes_have_a_rate_too(void **state)
{
        struct bench *bench = bench_new(1);
        struct bench_client *client;
        static uint8_t data[50000];
        struct good good;

        (void)state;
        bench->config.transport.bytes_per_s = 100000;
        bench_start(bench);
        good = good_from(bench, "192.0.2.2:1");
        client = bench_connect_from(bench, "192.0.2.1:1");
        struct bytes to = bench_made(client, "s");
        bench_advance(bench, 1000);
        for (uint64_t i = 0; i < 6; i++)
                bench_push(client, to, i, bytes_make(data, sizeof data));
        assert_int_equal(count_answers(client), 2);
        assert_int_equal(bench_stat(bench, STAT_LIMIT_RATE), 1);
        good_is_served(&good);
        bench_advance(bench, 1000);
        assert_int_equal(count_answers(client), 2);
        bench_advance(bench, 1100);
        assert_int_equal(count_answers(client), 2);
        bench_free(bench);
}

static void R4_the_connections_of_one_host_share_its_rate(void **state)
{
        struct bench *bench = bench_new(1);
        struct bench_client *clients[5];
        struct bytes to[5];
        size_t answers = 0;
        struct good good;

        (void)state;
        bench->config.transport.host_frames_per_s = 50;
        bench_start(bench);
        good = good_from(bench, "192.0.2.2:1");
        for (unsigned i = 0; i < 5; i++) {
                clients[i] = bench_connect_from(bench, i % 2 ? "192.0.2.1:1" : "192.0.2.1:2");
                to[i] = bench_made(clients[i], "s");
        }
        bench_advance(bench, 1000);
        for (uint64_t n = 0; n < 200; n++)
                bench_push(clients[n % 5], to[n % 5], n, BYTES_LITERAL("x"));
        for (unsigned i = 0; i < 5; i++)
                answers += count_answers(clients[i]);
        assert_in_range(answers, 50, 55); /* each of them may go beyond by one */
        good_is_served(&good);
        bench_advance(bench, 1000);
        for (unsigned i = 0; i < 5; i++)
                answers += count_answers(clients[i]);
        assert_in_range(answers, 95, 110);
        good_is_served(&good);
        bench_advance(bench, 3000);
        for (unsigned i = 0; i < 5; i++)
                answers += count_answers(clients[i]);
        assert_int_equal(answers, 200);
        assert_true(bench_stat(bench, STAT_LIMIT_RATE) >= 5);
        bench_free(bench);
}

static void R4_the_connections_of_one_host_share_its_rate_of_bytes(void **state)
{
        struct bench *bench = bench_new(1);
        struct bench_client *clients[2];
        struct bytes to[2];
        static uint8_t data[50000];
        size_t answers = 0;
        struct good good;

        (void)state;
        bench->config.transport.host_bytes_per_s = 100000;
        bench_start(bench);
        good = good_from(bench, "192.0.2.2:1");
        for (unsigned i = 0; i < 2; i++) {
                clients[i] = bench_connect_from(bench, i ? "192.0.2.1:1" : "192.0.2.1:2");
                to[i] = bench_made(clients[i], "s");
        }
        bench_advance(bench, 1000);
        for (uint64_t n = 0; n < 8; n++)
                bench_push(clients[n % 2], to[n % 2], n, bytes_make(data, sizeof data));
        for (unsigned i = 0; i < 2; i++)
                answers += count_answers(clients[i]);
        assert_in_range(answers, 2, 3); /* a second's worth; each of them may go beyond by one */
        assert_in_range(bench_stat(bench, STAT_LIMIT_RATE), 1, 2);
        good_is_served(&good);
        bench_advance(bench, 1000);
        for (unsigned i = 0; i < 2; i++)
                answers += count_answers(clients[i]);
        assert_in_range(answers, 4, 6);
        good_is_served(&good);
        bench_advance(bench, 4000);
        for (unsigned i = 0; i < 2; i++)
                answers += count_answers(clients[i]);
        assert_int_equal(answers, 8); /* nothing was dropped */
        bench_free(bench);
}

static void R4_R11_creates_have_a_rate(void **state)
{
        struct bench *bench = bench_new(1);
        struct bench_client *client;
        struct good good;
        char name[16];

        (void)state;
        bench->config.service.creates_per_s = 5;
        bench_start(bench);
        good = good_from(bench, "192.0.2.2:1");
        client = bench_connect_from(bench, "192.0.2.1:1");
        for (unsigned i = 0; i < 12; i++) {
                snprintf(name, sizeof name, "s%u", i);
                bench_create(client, name);
        }
        assert_int_equal(count_answers(client), 6);
        assert_false(client->link->reading);
        assert_int_equal(bench_stat(bench, STAT_LIMIT_CREATES), 1);
        good_is_served(&good);
        bench_advance(bench, 1000);
        assert_int_equal(count_answers(client), 5);
        fake_link_down(client->link, ERR_CLOSED, "while it waits"); /* R9 */
        bench_advance(bench, 10000);
        good_is_served(&good);
        bench_free(bench);
}

static void R4_a_host_is_refused_one_connection_too_many(void **state)
{
        struct bench *bench = bench_new(1);
        struct bench_client *refused, *last;
        struct good good;

        (void)state;
        bench->config.transport.host_connections = 3;
        bench_start(bench);
        good = good_from(bench, "192.0.2.1:1");
        last = bench_connect_from(bench, "192.0.2.1:2");
        bench_connect_from(bench, "192.0.2.1:3");
        refused = bench_connect_from(bench, "192.0.2.1:4");
        assert_true(refused->link->closed);
        assert_int_equal(bench_stat(bench, STAT_LIMIT_HOST), 1);
        assert_int_equal(bench_stat(bench, STAT_CONNS_REFUSED), 1);
        assert_false(bench_connect_from(bench, "[2001:db8::1]:4")->link->closed);
        good_is_served(&good);
        fake_link_down(last->link, ERR_CLOSED, "gone");
        bench_settle(bench);
        assert_false(bench_connect_from(bench, "192.0.2.1:5")->link->closed);
        bench_free(bench);
}

/* --- memory of all together ------------------------------------------------------------------------------------------------ */

/* Pulls with long ways back keep memory too. Whoever keeps more than a little waits when all together keep too much. */
static void R4_G17_requests_of_all_connections_keep_so_much_and_no_more(void **state)
{
        enum { FLOODERS = 20, LIMIT = 200000, SPARED = 8192 };
        struct bench *bench = bench_new(1);
        struct bench_client *flooders[FLOODERS];
        static uint8_t way[4000];
        size_t answers = 0;
        struct good good;

        (void)state;
        memset(way, 'w', sizeof way);
        bench->config.service.request_bytes = LIMIT;
        bench->config.service.request_bytes_spared = SPARED;
        bench_start(bench);
        good = good_from(bench, "192.0.2.2:1");
        for (unsigned i = 0; i < FLOODERS; i++) {
                flooders[i] = bench_connect(bench);
                struct bytes to = bench_made(flooders[i], "s");
                flooders[i]->ret = bytes_make(way, sizeof way);
                for (uint64_t n = 0; n < 60; n++)
                        bench_pull(flooders[i], to, n, n, 1); /* held: the stream is empty */
                assert_true(figures(bench).service.request_bytes <= LIMIT + FLOODERS * (size_t)(SPARED + 5000));
                good_is_served(&good);
        }
        assert_true(figures(bench).service.request_bytes >= LIMIT);
        assert_true(bench_stat(bench, STAT_LIMIT_REQUESTS_ALL) > 10);
        assert_false(flooders[0]->link->reading && flooders[FLOODERS - 1]->link->reading);
        for (int round = 0; round < 200; round++) {
                bench_advance(bench, 1000);
                good_is_served(&good);
        }
        for (unsigned i = 0; i < FLOODERS; i++)
                answers += count_answers(flooders[i]);
        assert_int_equal(answers, FLOODERS * 60); /* nothing was dropped */
        assert_int_equal(figures(bench).service.request_bytes, 0);
        bench_free(bench);
}

/* Readers that take nothing, each below its own mark. */
static void R3_G17_output_of_all_connections_keeps_so_much_and_no_more(void **state)
{
        enum { SLOW = 20, LIMIT = 500000, ONE = 60000 };
        struct bench *bench = bench_new(1);
        struct bench_client *slow[SLOW], *writer;
        static uint8_t data[ONE];
        size_t most = LIMIT + (SLOW + 1) * (size_t)(FRAME_MAX + FRAME_LENGTH_SIZE), answers = 0;
        struct good good;

        (void)state;
        bench->config.transport.output_all = LIMIT;
        bench_start(bench);
        good = good_from(bench, "192.0.2.2:1");
        writer = bench_connect(bench);
        struct bytes to = bench_made(writer, "s");
        for (uint64_t i = 0; i < 4; i++)
                bench_pushed(writer, to, bytes_make(data, sizeof data), i);
        for (unsigned i = 0; i < SLOW; i++) {
                slow[i] = bench_connect(bench);
                slow[i]->slow = true;
                for (uint64_t n = 0; n < 4; n++)
                        bench_pull(slow[i], to, n, n, 1);
                assert_true(figures(bench).output_bytes <= most);
                good_is_served(&good);
        }
        assert_true(figures(bench).output_bytes > LIMIT);
        assert_true(bench_stat(bench, STAT_LIMIT_OUTPUT_ALL) > 5);
        assert_int_equal(bench_stat(bench, STAT_LIMIT_OUTPUT), 0);
        for (int turn = 0; turn < 1000 && answers < SLOW * 4; turn++) {
                struct bench_client *client = slow[turn % SLOW];

                if (client->link->queued) fake_link_drain(client->link, 40000);
                bench_settle(bench);
                assert_true(figures(bench).output_bytes <= most);
                answers += count_answers(client);
        }
        assert_int_equal(answers, SLOW * 4);
        good_is_served(&good);
        for (unsigned i = 0; i < SLOW; i++)
                if (slow[i]->link->queued) fake_link_drain(slow[i]->link, SIZE_MAX);
        assert_int_equal(figures(bench).output_bytes, 0);
        bench_free(bench);
}

/* What a connection that goes takes with it is taken off the sums. */
static void R9_sums_shrink_with_connections_that_go(void **state)
{
        struct bench *bench = bench_new(1);
        struct bench_client *client;
        static uint8_t data[30000];

        (void)state;
        bench_start(bench);
        for (unsigned i = 0; i < 10; i++) {
                client = bench_connect(bench);
                client->slow = true;
                struct bytes to = bench_made(client, "s");
                bench_push(client, to, 1, bytes_make(data, sizeof data));
                bench_pull(client, to, 2, i, 1);
                bench_pull(client, to, 3, 1000, 1);
                assert_true(figures(bench).output_bytes > 30000 && figures(bench).service.request_bytes > 0);
                fake_link_down(client->link, ERR_CLOSED, "gone");
                bench_settle(bench);
                assert_int_equal(figures(bench).output_bytes, 0);
                assert_int_equal(figures(bench).service.request_bytes, 0);
        }
        bench_free(bench);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_limit_is_reached_counted_and_not_noticed_by_others),
                cmocka_unit_test(R4_a_connection_beyond_its_rate_waits),
                cmocka_unit_test(R4_G18_many_who_flood_share_a_turn_and_wait_in_line),
                cmocka_unit_test(R9_who_waits_in_the_line_may_leave),
                cmocka_unit_test(R9_the_line_may_end_with_the_node),
                cmocka_unit_test(R4_bytes_have_a_rate_too),
                cmocka_unit_test(R4_the_connections_of_one_host_share_its_rate),
                cmocka_unit_test(R4_the_connections_of_one_host_share_its_rate_of_bytes),
                cmocka_unit_test(R4_R11_creates_have_a_rate),
                cmocka_unit_test(R4_a_host_is_refused_one_connection_too_many),
                cmocka_unit_test(R4_G17_requests_of_all_connections_keep_so_much_and_no_more),
                cmocka_unit_test(R3_G17_output_of_all_connections_keeps_so_much_and_no_more),
                cmocka_unit_test(R9_sums_shrink_with_connections_that_go),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
