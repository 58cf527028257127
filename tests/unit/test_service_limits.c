/* Every limit of the stream services reached: what is refused, what waits, what is forgotten, and that the others do not suffer. */
#include "stream/service.h"
#include "tests/support/service_bench.h"
#include "tests/support/test.h"
#include "tests/support/vectors.h"
#include "transport/frame.h"

#include <stdio.h>
#include <stdlib.h>

static struct stream_service_figures figures(struct bench *bench)
{
        return node_figures(bench->node).service;
}

static size_t count_answers(struct bench_client *client, enum stream_protocol protocol)
{
        struct bench_answer answer;
        size_t count = 0;

        while (bench_next(client, &answer)) count += answer.response.protocol == protocol;
        return count;
}

/* --- one connection's share ---------------------------------------------------------------------------------------------- */

static void R4_pulls_beyond_the_limit_are_empty_at_once(void **state)
{
        struct bench *bench = bench_new(3);
        struct bench_client *client, *other;

        (void)state;
        bench->config.service.pulls_per_conn = 3;
        bench_start(bench);
        client = bench_connect(bench);
        other = bench_connect(bench);
        struct bytes to = bench_made(client, "s");
        for (uint64_t i = 0; i < 3; i++) bench_pull(client, to, i, 0, 1);
        bench_nothing(client);
        bench_pull(client, to, 3, 0, 1);
        struct bench_answer answer = bench_only(client, STREAM_PULL);
        assert_int_equal(answer.response.pull.id, 3);
        assert_int_equal(answer.response.pull.count, 0);
        assert_int_equal(bench_stat(bench, STAT_LIMIT_PULLS), 1);
        bench_pull(other, to, 4, 0, 1); /* another's share is its own */
        bench_nothing(other);
        bench_advance(bench, 5000);
        assert_int_equal(count_answers(client, STREAM_PULL), 3);
        assert_int_equal(count_answers(other, STREAM_PULL), 1);
        bench_pull(client, to, 5, 0, 1);
        bench_nothing(client);
        bench_free(bench);
}

static void R4_reading_waits_for_requests(void **state)
{
        struct bench *bench = bench_new(3);
        struct bench_client *client, *other;

        (void)state;
        bench->config.service.requests_per_conn = 4;
        bench_start(bench);
        client = bench_connect(bench);
        other = bench_connect(bench);
        struct bytes to = bench_made(client, "s");
        bench_set_away(bench, true);
        for (uint64_t i = 0; i < 10; i++) bench_push(client, to, i, BYTES_LITERAL("x"));
        assert_int_equal(figures(bench).open_requests, 4);
        assert_false(client->link->reading);
        assert_true(client->link->left_n > 0);
        assert_true(other->link->reading);
        assert_int_equal(bench_stat(bench, STAT_LIMIT_REQUESTS), 1);
        bench_push(other, to, 1, BYTES_LITERAL("y"));
        bench_set_away(bench, false);
        bench_settle(bench);
        assert_true(client->link->reading);
        assert_int_equal(count_answers(client, STREAM_PUSH), 10); /* nothing that was sent is lost */
        assert_int_equal(count_answers(other, STREAM_PUSH), 1);
        bench_free(bench);
}

static void R4_reading_waits_for_bytes_of_pushes(void **state)
{
        struct bench *bench = bench_new(3);
        static uint8_t data[1000];
        struct bench_client *client;

        (void)state;
        bench->config.service.request_bytes_per_conn = 6500;
        bench_start(bench);
        client = bench_connect(bench);
        struct bytes to = bench_made(client, "s");
        bench_set_away(bench, true);
        for (uint64_t i = 0; i < 20; i++) bench_push(client, to, i, bytes_make(data, sizeof data));
        assert_int_equal(figures(bench).open_requests, 5);
        assert_false(client->link->reading);
        bench_advance(bench, 300000);
        assert_false(client->link->closed); /* it is we who do not read */
        bench_set_away(bench, false);
        bench_settle(bench);
        assert_int_equal(count_answers(client, STREAM_PUSH), 20);
        bench_free(bench);
}

/* Creates, index look-ups and pushes count together, pulls do not. */
static void R4_all_kinds_of_requests_count(void **state)
{
        struct bench *bench = bench_new(3);
        struct bench_client *client;

        (void)state;
        bench->config.service.requests_per_conn = 3;
        bench_start(bench);
        client = bench_connect(bench);
        struct bytes to = bench_made(client, "s");
        bench_set_away(bench, true);
        bench_pull(client, to, 1, 0, 1);
        bench_create(client, "t");
        bench_index_get(client, "c", "s");
        assert_true(client->link->reading);
        bench_push(client, to, 1, BYTES_LITERAL("x"));
        assert_false(client->link->reading);
        bench_set_away(bench, false);
        bench_settle(bench);
        assert_true(client->link->reading);
        assert_int_equal(figures(bench).open_requests, 0);
        bench_free(bench);
}

/* Who pushes and leaves is held by nothing, and what it pushed stays with the log. */
static void R4_pushes_of_those_who_leave_are_bounded(void **state)
{
        enum { ROUNDS = 40, BYTES = 1000, HIGH = 10000 };
        struct bench *bench = bench_new(3);
        struct bench_client *good;
        static uint8_t data[BYTES];
        const struct log_record *records;
        size_t count = 0;

        (void)state;
        bench->log_limits.append_bytes_high = HIGH;
        bench->log_limits.append_bytes_low = HIGH / 2;
        bench_start(bench);
        good = bench_connect(bench);
        struct bytes to = bench_made(good, "s");
        bench_set_away(bench, true);
        for (int i = 0; i < ROUNDS; i++) {
                struct bench_client *client = bench_connect(bench);

                bench_push(client, to, 1, bytes_make(data, sizeof data));
                fake_link_down(client->link, ERR_CLOSED, "gone");
        }
        assert_int_equal(bench_stat(bench, STAT_LIMIT_APPENDS), ROUNDS - 2 * HIGH / BYTES - 1);
        bench_set_away(bench, false);
        bench_settle(bench);
        bench_push(good, to, 7, bytes_make(data, sizeof data));
        bench_settle(bench);
        assert_int_equal(count_answers(good, STREAM_PUSH), 1);
        assert_ok(log_memory_dump(bench->log, "s", 0, &records, &count));
        assert_int_equal(count, 2 * HIGH / BYTES + 2);
        bench_free(bench);
}

static void log_pressure_holds_those_who_push(void **state)
{
        struct bench *bench = bench_new(3);
        struct bench_client *pusher, *reader, *late;
        static uint8_t data[1000];

        (void)state;
        bench->log_limits.append_bytes_high = 10000;
        bench->log_limits.append_bytes_low = 4000;
        bench_start(bench);
        pusher = bench_connect(bench);
        reader = bench_connect(bench);
        late = bench_connect(bench);
        struct bytes to = bench_made(pusher, "s");
        bench_set_away(bench, true);
        for (uint64_t i = 0; i < 50; i++) bench_push(pusher, to, i, bytes_make(data, sizeof data));
        assert_false(pusher->link->reading);
        assert_in_range(figures(bench).open_requests, 10, 12);
        assert_int_equal(bench_stat(bench, STAT_LIMIT_LOG), 1);
        bench_pull(reader, to, 1, 1000, 1);
        assert_true(reader->link->reading);
        bench_push(late, to, 1, bytes_make(data, sizeof data));
        assert_false(late->link->reading);
        bench_set_away(bench, false);
        bench_settle(bench);
        assert_int_equal(count_answers(pusher, STREAM_PUSH), 50);
        assert_int_equal(count_answers(late, STREAM_PUSH), 1);
        assert_true(pusher->link->reading && late->link->reading);
        bench_free(bench);
}

/* Many pulls at once on a connection that takes nothing: no more waits for it than the mark and one frame; then all are answered. */
static void R3_a_slow_reader_does_not_pile_up_answers(void **state)
{
        struct bench *bench = bench_new(3);
        struct bench_client *writer, *slow, *fast;
        static uint8_t data[10000];
        size_t high;

        (void)state;
        bench_start(bench);
        high = bench->config.transport.output_high;
        writer = bench_connect(bench);
        slow = bench_connect(bench);
        fast = bench_connect(bench);
        struct bytes to = bench_made(writer, "s");
        slow->slow = true;
        for (uint64_t i = 0; i < 40; i++) bench_pull(slow, to, i, 6 * i / 40, 6); /* held: nothing is there yet */
        for (uint64_t i = 0; i < 12; i++) bench_pushed(writer, to, bytes_make(data, sizeof data), i);
        for (uint64_t i = 40; i < 60; i++) bench_pull(slow, to, i, 6, 6);
        bench_settle(bench);
        assert_in_range(slow->link->queued, 1, high + FRAME_LENGTH_SIZE + FRAME_MAX);
        bench_pull(fast, to, 1, 6, 6);
        assert_int_equal(bench_only(fast, STREAM_PULL).response.pull.count, 6);

        bool answered[60] = {false};
        for (size_t turns = 0, left = 60; left > 0; turns++) {
                struct bench_answer answer;

                assert_true(turns < 1000);
                if (slow->link->queued) fake_link_drain(slow->link, 50000);
                bench_settle(bench);
                assert_in_range(slow->link->queued, 0, high + FRAME_LENGTH_SIZE + FRAME_MAX);
                while (bench_next(slow, &answer)) {
                        assert_false(answered[answer.response.pull.id]);
                        answered[answer.response.pull.id] = true;
                        assert_true(answer.response.pull.count > 0);
                        left--;
                }
        }
        assert_int_equal(figures(bench).held_pulls, 0);
        bench_free(bench);
}

static void R3_one_who_takes_nothing_is_cut_off(void **state)
{
        struct bench *bench = bench_new(3);
        struct bench_client *slow;
        static uint8_t data[60000];

        (void)state;
        bench_start(bench);
        slow = bench_connect(bench);
        struct bytes to = bench_made(slow, "s");
        slow->slow = true;
        for (uint64_t i = 0; i < 12; i++) bench_pull(slow, to, i, i, 1);
        for (uint64_t i = 0; i < 12; i++) assert_ok(log_memory_write(bench->log, "s", 0, bytes_make(data, sizeof data), 0));
        bench_settle(bench);
        assert_in_range(figures(bench).held_pulls, 1, 11); /* some wait for the output */
        bench_advance(bench, bench->config.transport.send_stalled_ms + 1000);
        assert_true(slow->link->closed);
        assert_int_equal(figures(bench).held_pulls, 0);
        assert_int_equal(node_figures(bench->node).connections, 0);
        bench_free(bench);
}

/* --- packing ------------------------------------------------------------------------------------------------------------- */

static uint64_t below(struct bench *bench, uint64_t n)
{
        return test_context_next(&bench->tc) % n;
}

/* What one more record would have added to the frame. */
static size_t with_one_more(const struct bench_answer *answer, uint64_t index, size_t n)
{
        uint64_t count = answer->response.pull.count;

        return answer->frame.n + stream_pulled_message_size(index, n) + bare_uint_size(count + 1) - bare_uint_size(count);
}

/* Answers of any size, for readers with any way back: each fits its frame, and holds what fits and the limit allows, no less. */
static void R5_answers_are_packed_to_the_brim(void **state)
{
        enum { RECORDS = 1500 };
        struct bench *bench = bench_new(5);
        struct bench_client *client;
        static uint8_t data[FRAME_MAX], ret[40000];
        const struct log_record *records;
        size_t count, answered = 0, full = 0;

        (void)state;
        bench_start(bench);
        client = bench_connect(bench);
        struct bytes to = bench_made(client, "s");
        memset(ret, 'r', sizeof ret);
        for (unsigned i = 0; i < RECORDS; i++) {
                size_t n = below(bench, 3) ? below(bench, 100) : below(bench, 40) ? below(bench, 5000) : 60000 + below(bench, 5423);
                assert_ok(log_memory_write(bench->log, "s", 0, bytes_make(data, n), below(bench, 20) ? 0 : below(bench, 100000)));
        }
        assert_ok(log_memory_dump(bench->log, "s", 0, &records, &count));
        for (unsigned i = 0; i < 1500; i++) {
                size_t first = (size_t)below(bench, RECORDS), at = first;
                uint64_t limit = 1 + (below(bench, 2) ? below(bench, 10) : below(bench, UINT64_MAX - 1));
                struct bench_answer answer;
                struct stream_message message;

                client->ret = bytes_make(ret, below(bench, 3) ? 2 : (size_t)below(bench, sizeof ret));
                bench_pull(client, to, below(bench, 2) ? i : UINT64_MAX, records[first].index, limit);
                if (!bench_next(client, &answer)) { /* what lies there does not fit this way back, and nothing lies behind it */
                        bench_advance(bench, 5000);
                        assert_int_equal(bench_only(client, STREAM_PULL).response.pull.count, 0);
                        continue;
                }
                bench_nothing(client);
                assert_in_range(answer.frame.n, 1, FRAME_MAX);
                assert_in_range(answer.response.pull.count, 1, limit);
                /* Alone with the longest index: more than that is a hole for this reader. */
                size_t head = answer.frame.n - answer.response.pull.messages.n - bare_uint_size(answer.response.pull.count);
                size_t most = FRAME_MAX - head - 1 - UINT_SIZE_MAX - 3 - 8; /* lengths in a smaller answer take up to 4 bytes less, twice */
                while (stream_message_next(&answer.response.pull.messages, &message)) {
                        while (records[at].index < message.index) assert_true(records[at++].data.n > most);
                        assert_int_equal(records[at].index, message.index);
                        assert_int_equal(records[at].data.n, message.data.n);
                        at++;
                }
                answered++;
                if (answer.response.pull.count == limit) continue;
                while (at < count && records[at].data.n > most) at++;
                if (at == count) continue;
                assert_true(with_one_more(&answer, records[at].index, records[at].data.n) > FRAME_MAX - 8);
                full++;
        }
        assert_true(answered > 1000 && full > 400);
        bench_free(bench);
}

/* A foreign record that fits no answer is left out when one follows; else the pull is held, never answered empty for it. */
static void C5_records_too_large_for_a_frame(void **state)
{
        struct bench *bench = bench_new(5);
        struct bench_client *client, *writer;
        static uint8_t data[100000];
        struct bench_answer answer;

        (void)state;
        bench_start(bench);
        client = bench_connect(bench);
        writer = bench_connect(bench);
        struct bytes to = bench_made(client, "s");
        assert_ok(log_memory_write(bench->log, "s", 0, bytes_make(data, 100000), 0));
        assert_ok(log_memory_write(bench->log, "s", 0, BYTES_LITERAL("one"), 0));
        assert_ok(log_memory_write(bench->log, "s", 0, bytes_make(data, 70000), 0));
        bench_pull(client, to, 1, 0, 8);
        answer = bench_only(client, STREAM_PULL);
        assert_int_equal(answer.response.pull.count, 1);
        bench_pull(client, to, 2, 2, 8);
        bench_advance(bench, 4000);
        bench_nothing(client);
        bench_pushed(writer, to, BYTES_LITERAL("three"), 3);
        assert_int_equal(bench_only(client, STREAM_PULL).response.pull.count, 1);
        bench_free(bench);
}

/* --- streams ------------------------------------------------------------------------------------------------------------- */

static void check_refused(struct bench_client *client, const char *reason)
{
        assert_bytes_equal("reason", bench_only(client, STREAM_ERROR).response.error.reason, bytes_of_text(reason));
}

static void R11_partitions_and_streams(void **state)
{
        struct bench *bench = bench_new(5);
        struct bench_client *client, *other;
        const struct log_record *records;
        struct bench_answer answer;
        size_t count;

        (void)state;
        bench->config.service.partitions = 4;
        bench->config.service.streams = 6;
        bench_start(bench);
        client = bench_connect(bench);
        other = bench_connect(bench);
        bench_create_partitioned(client, "p", 5);
        check_refused(client, "Too many partitions");
        bench_create_partitioned(client, "p", 1000000);
        check_refused(client, "Too many partitions");
        bench_create_partitioned(client, "p", 0);
        check_refused(client, "A stream needs at least one partition");
        assert_err(log_memory_dump(bench->log, "p", 0, &records, &count), ERR_NOT_FOUND);
        bench_create_partitioned(client, "p", 4);
        for (int i = 0; i < 4; i++) assert_true(bench_next(client, &answer));
        bench_made(client, "a");
        bench_create_partitioned(client, "b", 2); /* only one more */
        check_refused(client, "Too many streams");
        bench_made(client, "b");
        bench_create(client, "c");
        check_refused(client, "Too many streams");
        assert_err(log_memory_dump(bench->log, "c", 0, &records, &count), ERR_NOT_FOUND);
        bench_made(other, "a"); /* what is there is joined all the same */
        bench_create_partitioned(other, "p", 4);
        for (int i = 0; i < 4; i++) assert_true(bench_next(other, &answer));
        assert_int_equal(bench_stat(bench, STAT_LIMIT_STREAMS), 2);
        assert_int_equal(figures(bench).streams, 6);
        bench_free(bench);
}

/* Creates that wait together do not get past the limit either. */
static void R11_creates_at_once(void **state)
{
        struct bench *bench = bench_new(5);
        struct bench_client *client;
        char name[16];

        (void)state;
        bench->config.service.streams = 5;
        bench_start(bench);
        client = bench_connect(bench);
        bench_set_away(bench, true);
        for (unsigned i = 0; i < 10; i++) {
                snprintf(name, sizeof name, "s%u", i);
                bench_create(client, name);
        }
        bench_set_away(bench, false);
        bench_settle(bench);
        struct bench_answer answer;
        size_t made = 0, refused = 0;
        while (bench_next(client, &answer)) *(answer.response.protocol == STREAM_ERROR ? &refused : &made) += 1;
        assert_int_equal(made, 5);
        assert_int_equal(refused, 5);
        assert_int_equal(figures(bench).streams, 5);
        bench_free(bench);
}

static void R11_streams_of_one_connection(void **state)
{
        struct bench *bench = bench_new(5);
        struct bench_client *client, *other;

        (void)state;
        bench->config.service.streams_per_conn = 2;
        bench_start(bench);
        client = bench_connect(bench);
        other = bench_connect(bench);
        bench_made(client, "a");
        bench_made(client, "b");
        bench_made(client, "a");
        bench_create(client, "c");
        check_refused(client, "Too many streams on one connection");
        bench_made(other, "c");
        bench_free(bench);
}

static void streams_that_nobody_uses_are_forgotten(void **state)
{
        struct bench *bench = bench_new(5);
        struct bench_client *maker, *user, *later;

        (void)state;
        bench->config.service.forget_ms = 10000;
        bench_start(bench);
        maker = bench_connect(bench);
        user = bench_connect(bench);
        struct bytes kept = bench_made(maker, "kept"), used = bench_made(maker, "used"), left = bench_made(maker, "left");
        bench_pushed(user, used, BYTES_LITERAL("x"), 0);
        bench_advance(bench, 100000);
        assert_int_equal(figures(bench).streams, 3); /* its maker is still there */
        bench_pushed(user, left, BYTES_LITERAL("x"), 0);
        fake_link_down(maker->link, ERR_CLOSED, "gone");
        bench_advance(bench, 9000);
        assert_int_equal(figures(bench).streams, 3);
        bench_advance(bench, 2000);
        assert_int_equal(figures(bench).streams, 2); /* "kept"; the others are held by who used them */
        bench_pushed(user, used, BYTES_LITERAL("y"), 1);
        bench_push(user, kept, 1, BYTES_LITERAL("z"));
        bench_nothing(user);
        assert_int_equal(bench_stat(bench, STAT_DROP_NO_WORKER), 1);
        fake_link_down(user->link, ERR_CLOSED, "gone");
        bench_advance(bench, 11000);
        assert_int_equal(figures(bench).streams, 0);
        later = bench_connect(bench);
        struct bytes anew = bench_made(later, "used"); /* another address, the same records */
        assert_false(bytes_equal(anew, used));
        bench_pull(later, anew, 1, 0, 8);
        assert_int_equal(bench_only(later, STREAM_PULL).response.pull.count, 2);
        bench_free(bench);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(R4_pulls_beyond_the_limit_are_empty_at_once),
                cmocka_unit_test(R4_reading_waits_for_requests),
                cmocka_unit_test(R4_reading_waits_for_bytes_of_pushes),
                cmocka_unit_test(R4_all_kinds_of_requests_count),
                cmocka_unit_test(R4_pushes_of_those_who_leave_are_bounded),
                cmocka_unit_test(log_pressure_holds_those_who_push),
                cmocka_unit_test(R3_a_slow_reader_does_not_pile_up_answers),
                cmocka_unit_test(R3_one_who_takes_nothing_is_cut_off),
                cmocka_unit_test(R5_answers_are_packed_to_the_brim),
                cmocka_unit_test(C5_records_too_large_for_a_frame),
                cmocka_unit_test(R11_partitions_and_streams),
                cmocka_unit_test(R11_creates_at_once),
                cmocka_unit_test(R11_streams_of_one_connection),
                cmocka_unit_test(streams_that_nobody_uses_are_forgotten),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
