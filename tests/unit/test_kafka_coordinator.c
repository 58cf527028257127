/* The readers' indexes while Kafka's group coordinator is not there yet, has moved, or does not answer at all: look-ups and saves are tried
 * again, never answered wrongly, and the process goes on (librdkafka 2.0.2 ends one that asks by an instance without a group). And how
 * many saves become requests. */
#include "stream/kafka/index.h"
#include "tests/support/mock_log.h"

enum { OFFSET_COMMIT = 8, OFFSET_FETCH = 9, FIND_COORDINATOR = 10, MS = MOCK_LOG_MS, NEVER_MS = 3600000 };
enum { LOAD_IN_PROGRESS = 14, NOT_AVAILABLE = 15, NOT_COORDINATOR = 16 };

/* --- a log with a stream "s" ------------------------------------------------------------------------------------------------- */

static void open_log(struct mock_log *f)
{
        mock_log_open(f);
        made(f->probe, "s", 1);
}

static void open_impatient(struct mock_log *f)
{
        f->limits.index_answer_ms = 500;
        open_log(f);
}

/* One save at a time, five readers, two of each connection. */
static void open_shared(struct mock_log *f)
{
        f->limits.index_saves_in_flight = 1;
        f->limits.index_entries = 5;
        f->limits.index_entries_per_conn = 2;
        open_log(f);
}

static const struct index *index_of(const struct mock_log *f) { return mock_log_inside(f)->index; }

static void save(struct mock_log *f, const char *client, uint64_t index, uint64_t conn)
{
        f->probe->calls++;
        log_index_save(f->probe->log, client, "s", 0, index, conn);
        f->probe->calls--;
}

static const struct seen *load(struct mock_log *f, const char *client) { return await(f->probe, ask_load(f->probe, client, "s", 0)); }

static void until_saved(struct mock_log *f)
{
        while (!index_is_saved(index_of(f)))
                probe_run(f->probe, 1);
}

static void check_index(const struct seen *seen, uint64_t index)
{
        assert_ok(seen->err);
        assert_true(seen->present);
        assert_int_equal(seen->index, index);
}

static void check_absent(const struct seen *seen)
{
        assert_ok(seen->err);
        assert_false(seen->present);
}

/* What Kafka has, asked through a log that knows nothing of ours. */
static void check_saved(struct mock_log *f, const char *client, uint64_t index)
{
        struct probe *other = probe_open_with(&f->kafka.sibling, &LOG_LIMITS_DEFAULT);

        check_index(await(other, ask_load(other, client, "s", 0)), index);
        probe_close(other);
}

/* --- Kafka's answers --------------------------------------------------------------------------------------------------------- */

static void check_error(struct mock_log *f, int16_t error, uint64_t index)
{
        save(f, "reader", index, 1);
        embedded_push_error(f->probe->log, OFFSET_FETCH, error, 3);
        check_absent(load(f, "another"));
        assert_int_equal(embedded_errors_left(f->probe->log, OFFSET_FETCH), 0);
        embedded_push_error(f->probe->log, OFFSET_COMMIT, error, 2);
        save(f, "reader", index + 1, 1);
        check_index(load(f, "reader"), index + 1);
        until_saved(f);
        assert_int_equal(embedded_errors_left(f->probe->log, OFFSET_COMMIT), 0);
        embedded_push_error(f->probe->log, OFFSET_FETCH, error, 3);
        check_saved(f, "reader", index + 1); /* what is there is not said to be absent because it cannot be looked up just then */
        assert_int_equal(embedded_errors_left(f->probe->log, OFFSET_FETCH), 0);
}

static void test_coordinator_errors(void **state)
{
        open_log(*state);
        check_error(*state, NOT_COORDINATOR, 41);
        check_error(*state, NOT_AVAILABLE, 42);
        check_error(*state, LOAD_IN_PROGRESS, 43);
}

static void a_look_up_without_an_answer_is_asked_again(void **state)
{
        static const int16_t requests[] = {OFFSET_FETCH, FIND_COORDINATOR};
        struct mock_log *f = *state;

        open_impatient(f);
        for (size_t i = 0; i < 2; i++) {
                char client[16] = {(char)('a' + i)};

                embedded_push_late(f->probe->log, requests[i], 0, NEVER_MS, 1);
                check_absent(load(f, client));
                assert_int_equal(counted(f, STAT_KAFKA_CONTROL), i + 1);
        }
        made(f->probe, "t", 1); /* the rest goes on by the new instance */
}

static void a_save_without_an_answer_is_sent_again(void **state)
{
        struct mock_log *f = *state;

        open_impatient(f);
        embedded_push_late(f->probe->log, OFFSET_COMMIT, 0, NEVER_MS, 1);
        save(f, "reader", 5, 1);
        until_counted(f, STAT_KAFKA_CONTROL, 0);
        save(f, "reader", 6, 1);
        probe_stop(f->probe, MS);
        check_saved(f, "reader", 6);
}

/* The log knows that there is "s", so a look-up is answered by what is still to be saved. */
static struct log_stream *held_stream(struct mock_log *f)
{
        struct log_stream *stream = stream_of(f->probe, "s", 0);

        made(f->probe, "s", 1);
        return stream;
}

/* A log's events as they were, but a connection ends whenever a look-up is answered. */
struct ender {
        struct mock_log *f;
        const struct log_events *inner; /* the probe's */
        struct log_events events;
        uint64_t conn;
        size_t flushed; /* saves that were sent by that */
};

static struct ender ender;

static void end_at_an_answer(void *user, const struct log_result *result)
{
        const struct index *index = index_of(ender.f);
        size_t before = index_saves_out(index);

        ender.inner->done(user, result);
        if (result->op != LOG_INDEX_LOAD) return;
        log_flush_saves(ender.f->probe->log, ender.conn);
        ender.flushed += index_saves_out(index) - before;
}

static void end_at_answers(struct mock_log *f, uint64_t conn)
{
        const struct log_events *inner = f->probe->log->events;

        ender = (struct ender){.f = f, .inner = inner, .events = *inner, .conn = conn};
        ender.events.done = end_at_an_answer;
        f->probe->log->events = &ender.events;
}

/* Whoever is told while the old instance's requests are given up may have saves sent: these are the new instance's, and are not given up with
 * the others (their answers would then be about requests that are no more). */
static void what_is_sent_while_an_instance_is_given_up_stays(void **state)
{
        enum { CONN = 1, ENDING = 2 };
        struct mock_log *f = *state;
        struct log_stream *stream;
        uint64_t look_up;

        open_impatient(f);
        stream = held_stream(f);
        embedded_push_late(f->probe->log, OFFSET_COMMIT, 0, NEVER_MS, 1);
        embedded_push_late(f->probe->log, OFFSET_FETCH, 0, NEVER_MS, 1);
        save(f, "other", 7, ENDING);
        look_up = ask_load(f->probe, "reader", "s", 0);
        save(f, "reader", 5, CONN); /* is told when the look-up is given up */
        end_at_answers(f, ENDING);
        while (counted(f, STAT_KAFKA_CONTROL) == 0) loop_run_once(f->kafka.loop);
        assert_true(seen_of(f->probe, look_up)->done);
        check_index(seen_of(f->probe, look_up), 5);
        assert_int_equal(ender.flushed, 1);
        assert_int_equal(index_saves_out(index_of(f)), 1);
        f->probe->log->events = ender.inner;
        log_stream_put(f->probe->log, stream);
        probe_stop(f->probe, MS);
        check_saved(f, "other", 7);
        check_saved(f, "reader", 5);
}

static void no_instance_is_given_up_while_kafka_is_away(void **state)
{
        struct mock_log *f = *state;
        uint64_t look_up, before;

        open_impatient(f);
        until_away(f, false);
        embedded_set_down(f->probe->log, true);
        until_away(f, true);
        before = counted(f, STAT_KAFKA_CONTROL); /* what was asked before may have become late before it was known why */
        look_up = ask_load(f->probe, "reader", "s", 0);
        probe_run(f->probe, 3 * f->limits.index_answer_ms);
        assert_int_equal(counted(f, STAT_KAFKA_CONTROL), before);
        embedded_set_down(f->probe->log, false);
        assert_ok(await(f->probe, look_up)->err);
}

/* --- how many saves become requests ------------------------------------------------------------------------------------------ */

/* Requests that have come to Kafka since embedded_push_late(..., count). */
static size_t came(struct mock_log *f, size_t count) { return count - embedded_errors_left(f->probe->log, OFFSET_COMMIT); }

static void saves_of_one_reader_are_few(void **state)
{
        struct mock_log *f = *state;
        uint64_t start;

        open_log(f);
        save(f, "reader", 0, 1);
        load(f, "another"); /* the coordinator is known */
        start = context_now_ms(&f->kafka.ctx);
        embedded_push_late(f->probe->log, OFFSET_COMMIT, 0, 0, 1000);
        for (uint64_t i = 1; i <= 2000; i++) {
                save(f, "reader", i, 1);
                if (i % 100 == 0) loop_run_once(f->kafka.loop);
        }
        probe_stop(f->probe, MS);
        assert_in_range(came(f, 1000), 1, 3 + (context_now_ms(&f->kafka.ctx) - start) / 100);
        check_saved(f, "reader", 2000);
}

static void only_so_many_saves_are_under_way_at_once(void **state)
{
        enum { READERS = 30, LATE_MS = 20, AT_ONCE = 3 };
        struct mock_log *f = *state;
        char client[32];
        size_t most = 0;

        f->limits.index_saves_in_flight = AT_ONCE;
        open_log(f);
        embedded_push_late(f->probe->log, OFFSET_COMMIT, 0, LATE_MS, 1000);
        for (int i = 0; i < READERS; i++) {
                snprintf(client, sizeof client, "reader%d", i);
                save(f, client, (uint64_t)i, 1);
        }
        while (!index_is_saved(index_of(f))) {
                loop_run_once(f->kafka.loop);
                if (index_saves_out(index_of(f)) > most) most = index_saves_out(index_of(f));
        }
        assert_int_equal(most, AT_ONCE);
        assert_in_range(came(f, 1000), READERS, 2 * READERS);
}

/* Two readers' indexes are under way and no third one's: its save is dropped and counted, its look-up refused. The two notice nothing, and when
 * they are done the third one's turn comes. */
static void only_so_many_readers_are_remembered(void **state)
{
        struct mock_log *f = *state;
        const struct seen *third;

        f->limits.index_entries = 2;
        open_log(f);
        save(f, "first", 11, 1);
        save(f, "second", 12, 1);
        save(f, "third", 13, 1);
        assert_int_equal(counted(f, STAT_INDEX_SAVES_DROPPED), 1);
        assert_err(load(f, "third")->err, ERR_FULL);
        save(f, "first", 21, 1);
        check_index(load(f, "first"), 21);
        until_saved(f);
        while ((third = load(f, "third"))->err == ERR_FULL)
                probe_run(f->probe, 1); /* they rest for a moment */
        check_absent(third);
        save(f, "third", 33, 1);
        assert_int_equal(counted(f, STAT_INDEX_SAVES_DROPPED), 1);
        probe_stop(f->probe, MS);
        check_saved(f, "first", 21);
        check_saved(f, "second", 12);
        check_saved(f, "third", 33);
}

static bool is_saved_for(struct mock_log *f, const char *client)
{
        const struct seen *seen = load(f, client);

        assert_ok(seen->err);
        return seen->present;
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
        struct mock_log *f = *state;

        open_shared(f);
        embedded_push_late(f->probe->log, OFFSET_COMMIT, 0, LATE_MS, 1);
        for (size_t i = 0; i < sizeof saves / sizeof saves[0]; i++) {
                save(f, saves[i].client, i, saves[i].conn);
                assert_int_equal(counted(f, STAT_INDEX_SAVES_DROPPED), saves[i].dropped);
        }
        assert_err(load(f, "a sixth")->err, ERR_FULL);
        until_saved(f);
        assert_true(is_saved_for(f, "sent") && is_saved_for(f, "one"));
        assert_true(is_saved_for(f, "good") && is_saved_for(f, "other") && is_saved_for(f, "fifth"));
        assert_false(is_saved_for(f, "two") || is_saved_for(f, "sixth"));
}

/* What Kafka has put off, and is to be sent again, still counts for its connection. */
static void saves_that_are_sent_again_keep_their_owner(void **state)
{
        enum { FLOOD = 1, GOOD = 2, MANY = 1000 };
        struct mock_log *f = *state;

        open_shared(f);
        embedded_push_error(f->probe->log, OFFSET_COMMIT, LOAD_IN_PROGRESS, MANY);
        save(f, "one", 1, FLOOD);
        save(f, "two", 2, FLOOD);
        while (came(f, MANY) < 4)
                probe_run(f->probe, 1);
        save(f, "three", 3, FLOOD);
        assert_int_equal(counted(f, STAT_INDEX_SAVES_DROPPED), 1);
        save(f, "good", 4, GOOD);
        assert_int_equal(counted(f, STAT_INDEX_SAVES_DROPPED), 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, mock_log_setup, mock_log_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                T(test_coordinator_errors),
                T(a_look_up_without_an_answer_is_asked_again),
                T(a_save_without_an_answer_is_sent_again),
                T(what_is_sent_while_an_instance_is_given_up_stays),
                T(no_instance_is_given_up_while_kafka_is_away),
                T(saves_of_one_reader_are_few),
                T(only_so_many_saves_are_under_way_at_once),
                T(only_so_many_readers_are_remembered),
                T(saves_that_wait_are_bounded_for_a_connection_and_for_all),
                T(saves_that_are_sent_again_keep_their_owner),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
