/* The readers' indexes while Kafka's group coordinator is not there yet, has moved, or does not answer at all: look-ups and saves are tried
 * again, never answered wrongly, and the process goes on (librdkafka 2.0.2 ends one that asks by an instance without a group). And how
 * many saves become requests. */
#include "stream/kafka/embedded.h"
#include "stream/kafka/index.h"
#include "stream/kafka/kafka.h"
#include "tests/support/test.h"
#include "tests/support/tsan_threads.h"
#include "transport/loop.h"

#include <stdio.h>
#include <stdlib.h>

enum { OFFSET_COMMIT = 8, OFFSET_FETCH = 9, FIND_COORDINATOR = 10, DEADLINE_MS = 30000, NEVER_MS = 3600000 };
enum { LOAD_IN_PROGRESS = 14, NOT_AVAILABLE = 15, NOT_COORDINATOR = 16 };

struct fixture {
        struct context ctx;
        struct loop *loop;
        struct log *log;
        uint64_t token; /* of the latest completion */
        struct log_result result;
        bool stopped;
};

static void done(void *user, const struct log_result *result)
{
        struct fixture *f = user;

        f->token = result->token;
        f->result = *result;
}

static void pressure(void *user, bool high)
{
        (void)user;
        (void)high;
}

static void stopped(void *user)
{
        struct fixture *f = user;

        f->stopped = true;
}

static const struct log_events events = {done, pressure, stopped};

static void await(struct fixture *f, uint64_t token)
{
        uint64_t end = context_now_ms(&f->ctx) + DEADLINE_MS;

        while (f->token != token) {
                if (context_now_ms(&f->ctx) > end) fail_msg("no completion of %llu in time", (unsigned long long)token);
                loop_run_once(f->loop);
        }
}

static int setup_with(void **state, struct log_limits limits)
{
        struct fixture *f = calloc(1, sizeof *f);
        struct kafka_config config = {.brokers = "embedded", .replication_factor = 1, .limits = limits};
        struct reason why;

        tsan_threads_use();
        context_init(&f->ctx);
        f->loop = loop_new(&f->ctx);
        if (kafka_log_new(f->loop, &config, &events, f, &f->log, &why)) fail_msg("%s", why.text);
        log_create(f->log, "s", 1, 1);
        await(f, 1);
        assert_ok(f->result.err);
        *state = f;
        return 0;
}

static int setup(void **state)
{
        return setup_with(state, LOG_LIMITS_DEFAULT);
}

static int setup_impatient(void **state)
{
        struct log_limits limits = LOG_LIMITS_DEFAULT;

        limits.index_answer_ms = 500;
        return setup_with(state, limits);
}

static int setup_narrow(void **state)
{
        struct log_limits limits = LOG_LIMITS_DEFAULT;

        limits.index_saves_in_flight = 3;
        return setup_with(state, limits);
}

static int setup_small(void **state)
{
        struct log_limits limits = LOG_LIMITS_DEFAULT;

        limits.index_entries = 2;
        return setup_with(state, limits);
}

static int setup_shared(void **state)
{
        struct log_limits limits = LOG_LIMITS_DEFAULT;

        limits.index_saves_in_flight = 1;
        limits.index_entries = 5;
        limits.index_entries_per_conn = 2;
        return setup_with(state, limits);
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        log_free(f->log);
        loop_free(f->loop);
        context_clear(&f->ctx);
        free(f);
        return 0;
}

static void check_error(struct fixture *f, int16_t error)
{
        static uint64_t token = 100;

        log_index_save(f->log, "reader", "s", 0, 41 + token, 1);
        embedded_push_error(f->log, OFFSET_FETCH, error, 3);
        log_index_load(f->log, "another", "s", 0, ++token);
        await(f, token);
        assert_ok(f->result.err);
        assert_false(f->result.present);
        embedded_push_error(f->log, OFFSET_COMMIT, error, 2);
        log_index_save(f->log, "reader", "s", 0, 42 + token, 1);
        log_index_load(f->log, "reader", "s", 0, token + 1);
        await(f, ++token);
        assert_true(f->result.present);
        assert_int_equal(f->result.index, 41 + token);
}

static void test_coordinator_errors(void **state)
{
        check_error(*state, NOT_COORDINATOR);
        check_error(*state, NOT_AVAILABLE);
        check_error(*state, LOAD_IN_PROGRESS);
}

static uint64_t renewals(struct fixture *f)
{
        return f->ctx.stats.v[STAT_KAFKA_CONTROL];
}

/* What Kafka has, asked through a log that knows nothing of ours. */
static void check_saved(struct fixture *f, const char *client, uint64_t index)
{
        struct kafka_config config = {.brokers = embedded_brokers(f->log), .replication_factor = 1, .limits = LOG_LIMITS_DEFAULT};
        struct reason why;
        struct log *other;

        if (kafka_log_new(f->loop, &config, &events, f, &other, &why)) fail_msg("%s", why.text);
        f->token = 0; /* of an earlier check */
        log_index_load(other, client, "s", 0, 900);
        await(f, 900);
        assert_ok(f->result.err);
        assert_true(f->result.present);
        assert_int_equal(f->result.index, index);
        log_free(other);
}

static void stop(struct fixture *f)
{
        log_stop(f->log, DEADLINE_MS);
        while (!f->stopped) loop_run_once(f->loop);
}

static void a_look_up_without_an_answer_is_asked_again(void **state)
{
        static const int16_t requests[] = {OFFSET_FETCH, FIND_COORDINATOR};
        struct fixture *f = *state;

        for (size_t i = 0; i < 2; i++) {
                char client[16] = {(char)('a' + i)};

                embedded_push_late(f->log, requests[i], 0, NEVER_MS, 1);
                log_index_load(f->log, client, "s", 0, 10 + i);
                await(f, 10 + i);
                assert_ok(f->result.err);
                assert_false(f->result.present);
                assert_int_equal(renewals(f), i + 1);
        }
        log_create(f->log, "t", 1, 20); /* the rest goes on by the new instance */
        await(f, 20);
        assert_ok(f->result.err);
}

static void a_save_without_an_answer_is_sent_again(void **state)
{
        struct fixture *f = *state;

        embedded_push_late(f->log, OFFSET_COMMIT, 0, NEVER_MS, 1);
        log_index_save(f->log, "reader", "s", 0, 5, 1);
        while (renewals(f) == 0) loop_run_once(f->loop);
        log_index_save(f->log, "reader", "s", 0, 6, 1);
        stop(f);
        check_saved(f, "reader", 6);
}

static void no_instance_is_given_up_while_kafka_is_away(void **state)
{
        struct fixture *f = *state;
        uint64_t end, before;

        while (log_away(f->log)) loop_run_once(f->loop);
        embedded_set_down(f->log, true);
        while (!log_away(f->log)) loop_run_once(f->loop);
        before = renewals(f); /* what was asked before may have become late before it was known why */
        log_index_load(f->log, "reader", "s", 0, 10);
        end = context_now_ms(&f->ctx) + 1500; /* three times its patience */
        while (context_now_ms(&f->ctx) < end) loop_run_once(f->loop);
        assert_int_equal(renewals(f), before);
        embedded_set_down(f->log, false);
        await(f, 10);
        assert_ok(f->result.err);
}

/* Requests that have come to Kafka since embedded_push_late(..., count). */
static size_t came(struct fixture *f, size_t count)
{
        return count - embedded_errors_left(f->log, OFFSET_COMMIT);
}

static void saves_of_one_reader_are_few(void **state)
{
        struct fixture *f = *state;
        uint64_t start;

        log_index_save(f->log, "reader", "s", 0, 0, 1);
        log_index_load(f->log, "another", "s", 0, 10); /* the coordinator is known */
        await(f, 10);
        start = context_now_ms(&f->ctx);
        embedded_push_late(f->log, OFFSET_COMMIT, 0, 0, 1000);
        for (uint64_t i = 1; i <= 2000; i++) {
                log_index_save(f->log, "reader", "s", 0, i, 1);
                if (i % 100 == 0) loop_run_once(f->loop);
        }
        stop(f);
        assert_in_range(came(f, 1000), 1, 3 + (context_now_ms(&f->ctx) - start) / 100);
        check_saved(f, "reader", 2000);
}

static void only_so_many_saves_are_under_way_at_once(void **state)
{
        enum { READERS = 30, LATE_MS = 20 };
        struct fixture *f = *state;
        const struct index *index = ((const struct kafka_log *)(const void *)f->log)->index;
        char client[32];
        size_t most = 0;

        embedded_push_late(f->log, OFFSET_COMMIT, 0, LATE_MS, 1000);
        for (int i = 0; i < READERS; i++) {
                snprintf(client, sizeof client, "reader%d", i);
                log_index_save(f->log, client, "s", 0, (uint64_t)i, 1);
        }
        while (!index_is_saved(index)) {
                loop_run_once(f->loop);
                if (index_saves_out(index) > most) most = index_saves_out(index);
        }
        assert_int_equal(most, 3);
        assert_in_range(came(f, 1000), READERS, 2 * READERS);
}

/* Two readers' indexes are under way and no third one's: its save is dropped and counted, its look-up refused. The two notice nothing, and when
 * they are done the third one's turn comes. */
static void only_so_many_readers_are_remembered(void **state)
{
        struct fixture *f = *state;
        const struct index *index = ((const struct kafka_log *)(const void *)f->log)->index;
        uint64_t token = 20;

        log_index_save(f->log, "first", "s", 0, 11, 1);
        log_index_save(f->log, "second", "s", 0, 12, 1);
        log_index_save(f->log, "third", "s", 0, 13, 1);
        assert_int_equal(f->ctx.stats.v[STAT_INDEX_SAVES_DROPPED], 1);
        log_index_load(f->log, "third", "s", 0, 10);
        await(f, 10);
        assert_err(f->result.err, ERR_FULL);
        log_index_save(f->log, "first", "s", 0, 21, 1);
        log_index_load(f->log, "first", "s", 0, 11);
        await(f, 11);
        assert_ok(f->result.err);
        assert_int_equal(f->result.index, 21);
        while (!index_is_saved(index)) loop_run_once(f->loop);
        do { /* they rest for a moment */
                log_index_load(f->log, "third", "s", 0, ++token);
                await(f, token);
        } while (f->result.err == ERR_FULL);
        assert_ok(f->result.err);
        assert_false(f->result.present);
        log_index_save(f->log, "third", "s", 0, 33, 1);
        assert_int_equal(f->ctx.stats.v[STAT_INDEX_SAVES_DROPPED], 1);
        stop(f);
        check_saved(f, "first", 21);
        check_saved(f, "second", 12);
        check_saved(f, "third", 33);
}

static bool is_saved_for(struct fixture *f, const char *client)
{
        static uint64_t token = 5000;

        log_index_load(f->log, client, "s", 0, ++token);
        await(f, token);
        assert_ok(f->result.err);
        return f->result.present;
}

/* Who saves for many names at once takes no more than a share, and not the places of others; what has no place is dropped and counted. */
static void saves_that_wait_are_bounded_for_a_connection_and_for_all(void **state)
{
        enum { FLOOD = 1, GOOD = 2, OTHER = 3, LAST = 4, LATE_MS = 300 };
        static const struct {
                const char *client;
                uint64_t conn;
                uint64_t dropped; /* in all, when it has been asked for */
        } saves[] = {{"sent", FLOOD, 0}, {"one", FLOOD, 0},   {"two", FLOOD, 1},  {"one", FLOOD, 1}, {"good", GOOD, 1},
                     {"other", OTHER, 1}, {"fifth", OTHER, 1}, {"sixth", LAST, 2}, {"good", GOOD, 2}};
        struct fixture *f = *state;
        const struct index *index = ((const struct kafka_log *)(const void *)f->log)->index;

        embedded_push_late(f->log, OFFSET_COMMIT, 0, LATE_MS, 1);
        for (size_t i = 0; i < sizeof saves / sizeof saves[0]; i++) {
                log_index_save(f->log, saves[i].client, "s", 0, i, saves[i].conn);
                assert_int_equal(f->ctx.stats.v[STAT_INDEX_SAVES_DROPPED], saves[i].dropped);
        }
        log_index_load(f->log, "a sixth", "s", 0, 4000);
        await(f, 4000);
        assert_err(f->result.err, ERR_FULL);
        while (!index_is_saved(index))
                loop_run_once(f->loop);
        assert_true(is_saved_for(f, "sent") && is_saved_for(f, "one"));
        assert_true(is_saved_for(f, "good") && is_saved_for(f, "other") && is_saved_for(f, "fifth"));
        assert_false(is_saved_for(f, "two") || is_saved_for(f, "sixth"));
}

/* What Kafka has put off, and is to be sent again, still counts for its connection. */
static void saves_that_are_sent_again_keep_their_owner(void **state)
{
        enum { FLOOD = 1, GOOD = 2, MANY = 1000 };
        struct fixture *f = *state;

        embedded_push_error(f->log, OFFSET_COMMIT, LOAD_IN_PROGRESS, MANY);
        log_index_save(f->log, "one", "s", 0, 1, FLOOD);
        log_index_save(f->log, "two", "s", 0, 2, FLOOD);
        while (embedded_errors_left(f->log, OFFSET_COMMIT) > MANY - 4)
                loop_run_once(f->loop);
        log_index_save(f->log, "three", "s", 0, 3, FLOOD);
        assert_int_equal(f->ctx.stats.v[STAT_INDEX_SAVES_DROPPED], 1);
        log_index_save(f->log, "good", "s", 0, 4, GOOD);
        assert_int_equal(f->ctx.stats.v[STAT_INDEX_SAVES_DROPPED], 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_coordinator_errors, setup, teardown),
                cmocka_unit_test_setup_teardown(a_look_up_without_an_answer_is_asked_again, setup_impatient, teardown),
                cmocka_unit_test_setup_teardown(a_save_without_an_answer_is_sent_again, setup_impatient, teardown),
                cmocka_unit_test_setup_teardown(no_instance_is_given_up_while_kafka_is_away, setup_impatient, teardown),
                cmocka_unit_test_setup_teardown(saves_of_one_reader_are_few, setup, teardown),
                cmocka_unit_test_setup_teardown(only_so_many_saves_are_under_way_at_once, setup_narrow, teardown),
                cmocka_unit_test_setup_teardown(only_so_many_readers_are_remembered, setup_small, teardown),
                cmocka_unit_test_setup_teardown(saves_that_wait_are_bounded_for_a_connection_and_for_all, setup_shared, teardown),
                cmocka_unit_test_setup_teardown(saves_that_are_sent_again_keep_their_owner, setup_shared, teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
