/* The suite for every log: one test for each promise of stream/log.h. */
#include "tests/support/log_probe.h"

static struct bytes text(const char *s)
{
        return bytes_of_text(s);
}

/* --- creating ------------------------------------------------------------------------------------------------------ */

static void create_makes_and_joins(void **state)
{
        struct probe *probe = probe_open(state);
        struct log_stream *third;

        made(probe, probe->topic, 3);
        third = stream_of(probe, probe->topic, 2);
        assert_int_equal(appended(probe, third, text("a")), 0);
        made(probe, probe->topic, 3);
        made(probe, probe->topic, 1);
        made(probe, probe->topic, 5);
        assert_int_equal(appended(probe, third, text("b")), 1);
        struct log_stream *fifth = stream_of(probe, probe->topic, 4);
        assert_int_equal(await(probe, ask_append(probe, fifth, text("c")))->err, ERR_NOT_FOUND);
        log_stream_put(probe->log, third);
        log_stream_put(probe->log, fifth);
        probe_close(probe);
}

static void creates_that_come_together(void **state)
{
        struct probe *probe = probe_open(state);
        uint64_t tokens[20];
        char topic[160];

        for (unsigned i = 0; i < 20; i++) {
                snprintf(topic, sizeof topic, "%s-%u", probe->topic, i / 2); /* each twice */
                tokens[i] = ask_create(probe, topic, 1);
        }
        for (unsigned i = 0; i < 20; i++) assert_int_equal(await(probe, tokens[i])->err, OK);
        for (unsigned i = 0; i < 10; i++) {
                snprintf(topic, sizeof topic, "%s-%u", probe->topic, i);
                struct log_stream *stream = stream_of(probe, topic, 0);
                assert_int_equal(appended(probe, stream, text(topic)), 0);
                struct seen *seen = await(probe, ask_read(probe, stream, usual(0, 0)));
                assert_int_equal(seen->count, 1);
                check_record(seen, 0, 0, text(topic));
                log_stream_put(probe->log, stream);
        }
        probe_close(probe);
}

static void names_of_every_kind(void **state)
{
        struct probe *probe = probe_open(state);
        char topic[250];

        /* As long as Kafka takes, and with every kind of character; a prefix that the log itself puts before it is the back end's matter. */
        snprintf(topic, sizeof topic, "%s.A-z_0", probe->topic);
        made(probe, topic, 1);
        struct log_stream *stream = stream_of(probe, topic, 0), *same = stream_of(probe, topic, 0);
        assert_int_equal(appended(probe, stream, text("x")), 0);
        log_stream_put(probe->log, stream);
        assert_int_equal(appended(probe, same, text("y")), 1);
        log_stream_put(probe->log, same);
        probe_close(probe);
}

/* --- appending ----------------------------------------------------------------------------------------------------- */

static void appends_keep_their_order(void **state)
{
        enum { N = 500 };
        struct probe *probe = probe_open(state);
        struct log_stream *stream = made_stream(probe);
        uint64_t tokens[N], last_order = 0;
        uint8_t memory[64];

        for (unsigned i = 0; i < N; i++) tokens[i] = ask_append(probe, stream, made_up(memory, i % 64, i));
        memset(memory, 0, sizeof memory); /* what was given has been copied */
        for (unsigned i = 0; i < N; i++) {
                struct seen *seen = await(probe, tokens[i]);
                assert_int_equal(seen->err, OK);
                assert_int_equal(seen->index, i);
                if (i) assert_true(seen->order > last_order);
                last_order = seen->order;
        }
        for (unsigned i = 0; i < N;) {
                struct seen *seen = await(probe, ask_read(probe, stream, usual(i, 0)));
                assert_true(seen->count > 0);
                for (size_t k = 0; k < seen->count; k++, i++) check_record(seen, k, i, made_up(memory, i % 64, i));
        }
        log_stream_put(probe->log, stream);
        probe_close(probe);
}

static void records_of_every_size(void **state)
{
        static const size_t sizes[] = {0, 1, 127, 128, 16383, 16384, 65000, RECORD_MAX};
        enum { N = sizeof sizes / sizeof *sizes };
        struct probe *probe = probe_open(state);
        struct log_stream *stream = made_stream(probe);
        static uint8_t memory[RECORD_MAX];

        for (unsigned i = 0; i < N; i++) assert_int_equal(appended(probe, stream, made_up(memory, sizes[i], i)), i);
        for (unsigned i = 0; i < N; i++) {
                struct log_read read = usual(i, 0);
                read.max_records = 1;
                struct seen *seen = await(probe, ask_read(probe, stream, read));
                assert_int_equal(seen->count, 1);
                check_record(seen, 0, i, made_up(memory, sizes[i], i));
        }
        log_stream_put(probe->log, stream);
        probe_close(probe);
}

static void append_to_what_is_not_there(void **state)
{
        struct probe *probe = probe_open(state);
        struct log_stream *stream = stream_of(probe, probe->topic, 0);

        assert_int_equal(await(probe, ask_append(probe, stream, text("a")))->err, ERR_NOT_FOUND);
        made(probe, probe->topic, 1); /* and nothing of it is left once the topic is there */
        assert_int_equal(appended(probe, stream, text("b")), 0);
        log_stream_put(probe->log, stream);
        probe_close(probe);
}

static void pressure_is_told_and_taken_back(void **state)
{
        struct log_limits limits = LOG_LIMITS_DEFAULT;
        static uint8_t memory[10000];
        uint64_t tokens[20];

        limits.append_bytes_high = 120000;
        limits.append_bytes_low = 20000;
        struct probe *probe = probe_open_with(*state, &limits);
        struct log_stream *stream = made_stream(probe);
        for (unsigned i = 0; i < 20; i++) tokens[i] = ask_append(probe, stream, made_up(memory, sizeof memory, i));
        for (unsigned i = 0; i < 20; i++) assert_int_equal(await(probe, tokens[i])->index, i); /* nothing that was accepted is dropped */
        probe_run(probe, 50);
        assert_true(probe->pressure_on >= 1);
        assert_int_equal(probe->pressure_on, probe->pressure_off);
        log_stream_put(probe->log, stream);
        probe_close(probe);
}

/* Who does not heed the pressure is refused at twice the mark; what was accepted before is stored. */
static void appends_at_twice_the_mark_are_refused(void **state)
{
        enum { MOST = 60, BYTES = 10000, HIGH = 120000 };
        struct log_limits limits = LOG_LIMITS_DEFAULT;
        static uint8_t memory[BYTES];
        uint64_t tokens[MOST], stored = 0;

        limits.append_bytes_high = HIGH;
        limits.append_bytes_low = HIGH / 2;
        struct probe *probe = probe_open_with(*state, &limits);
        struct log_stream *stream = made_stream(probe);
        for (unsigned i = 0; i < MOST; i++) tokens[i] = ask_append(probe, stream, made_up(memory, BYTES, i));
        for (unsigned i = 0; i < MOST; i++) {
                const struct seen *seen = await(probe, tokens[i]);

                assert_int_equal(seen->err, stored == i && !seen->err ? OK : ERR_FULL);
                if (!seen->err) assert_int_equal(seen->index, stored++);
        }
        assert_in_range(stored, 2 * HIGH / BYTES - 2, 2 * HIGH / BYTES + 1);
        assert_int_equal(appended(probe, stream, made_up(memory, BYTES, MOST)), stored);
        log_stream_put(probe->log, stream);
        probe_close(probe);
}

/* --- reading ------------------------------------------------------------------------------------------------------- */

static void read_begins_at_its_index_and_keeps_its_limit(void **state)
{
        struct probe *probe = probe_open(state);
        struct log_stream *stream = made_stream(probe);
        uint8_t memory[16];

        for (unsigned i = 0; i < 10; i++) appended(probe, stream, made_up(memory, 16, i));
        for (unsigned from = 0; from < 10; from++)
                for (unsigned limit = 1; limit <= 11; limit += 5) {
                        struct log_read read = usual(from, 1000);
                        read.max_records = limit;
                        struct seen *seen = await(probe, ask_read(probe, stream, read));
                        assert_int_equal(seen->count, limit < 10 - from ? limit : 10 - from);
                        for (unsigned k = 0; k < seen->count; k++) check_record(seen, k, from + k, made_up(memory, 16, from + k));
                }
        struct log_read read = usual(0, 0);
        read.max_records = UINT64_MAX;
        assert_int_equal(await(probe, ask_read(probe, stream, read))->count, 10);
        log_stream_put(probe->log, stream);
        probe_close(probe);
}

static void read_packs_by_bytes(void **state)
{
        static const struct { size_t max_bytes, overhead, expected; } cases[] = {
                {300, 0, 3}, {299, 0, 2}, {330, 10, 3}, {329, 10, 2}, {100, 0, 1}, {1, 0, 1}, {0, 5, 1}, {1000, 0, 5}, {FRAME_ROOM, 3, 5},
        };
        struct probe *probe = probe_open(state);
        struct log_stream *stream = made_stream(probe);
        uint8_t memory[100];

        for (unsigned i = 0; i < 5; i++) appended(probe, stream, made_up(memory, 100, i));
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct log_read read = {0, 100, cases[i].max_bytes, cases[i].overhead, 100, 0};
                struct seen *seen = await(probe, ask_read(probe, stream, read));
                assert_int_equal(seen->count, cases[i].expected);
                for (unsigned k = 0; k < seen->count; k++) check_record(seen, k, k, made_up(memory, 100, k));
        }
        log_stream_put(probe->log, stream);
        probe_close(probe);
}

static void read_passes_over_what_is_too_large(void **state)
{
        struct probe *probe = probe_open(state);
        struct log_stream *stream = made_stream(probe);
        struct log_read read = {0, 100, 1000, 0, 10, 0};
        uint8_t memory[100];

        appended(probe, stream, made_up(memory, 11, 0));
        appended(probe, stream, made_up(memory, 10, 1));
        appended(probe, stream, made_up(memory, 100, 2));
        appended(probe, stream, made_up(memory, 9, 3));
        appended(probe, stream, made_up(memory, 50, 4));
        struct seen *seen = await(probe, ask_read(probe, stream, read));
        assert_int_equal(seen->count, 2);
        check_record(seen, 0, 1, made_up(memory, 10, 1));
        check_record(seen, 1, 3, made_up(memory, 9, 3));
        /* With nothing behind it, it is as the end: held until something comes. */
        read.index = 4;
        check_empty(await(probe, ask_read(probe, stream, read)));
        read.hold_ms = (uint32_t)probe->backend->patience_ms;
        uint64_t held = ask_read(probe, stream, read);
        must_not_come(probe, held, 50);
        appended(probe, stream, made_up(memory, 1, 5));
        seen = await(probe, held);
        assert_int_equal(seen->count, 1);
        check_record(seen, 0, 5, made_up(memory, 1, 5));
        log_stream_put(probe->log, stream);
        probe_close(probe);
}

static void read_at_the_end_is_held(void **state)
{
        struct probe *probe = probe_open(state);
        struct log_stream *stream = made_stream(probe);
        struct log_backend *backend = probe->backend;

        check_empty(await(probe, ask_read(probe, stream, usual(0, 0))));
        uint64_t start = backend->now_ms(backend->user);
        struct seen *seen = await(probe, ask_read(probe, stream, usual(0, 300)));
        check_empty(seen);
        assert_in_range(seen->at_ms - start, 300, 300 + backend->patience_ms / 2);

        uint64_t first = ask_read(probe, stream, usual(0, (uint32_t)backend->patience_ms));
        uint64_t second = ask_read(probe, stream, usual(0, (uint32_t)backend->patience_ms));
        must_not_come(probe, first, 50);
        assert_int_equal(appended(probe, stream, text("now")), 0);
        check_record(await(probe, first), 0, 0, text("now"));
        check_record(await(probe, second), 0, 0, text("now"));

        /* Beyond the end: what comes before is not for this reader. */
        uint64_t beyond = ask_read(probe, stream, usual(3, (uint32_t)backend->patience_ms));
        appended(probe, stream, text("one"));
        appended(probe, stream, text("two"));
        must_not_come(probe, beyond, 50);
        appended(probe, stream, text("three"));
        check_record(await(probe, beyond), 0, 3, text("three"));
        assert_int_equal(seen_of(probe, beyond)->count, 1);
        check_empty(await(probe, ask_read(probe, stream, usual(UINT64_MAX, 0))));
        check_empty(await(probe, ask_read(probe, stream, usual(UINT64_MAX, 100))));
        check_empty(await(probe, ask_read(probe, stream, usual((uint64_t)INT64_MAX, 100))));
        log_stream_put(probe->log, stream);
        probe_close(probe);
}

static void read_of_what_is_not_there_is_empty_at_once(void **state)
{
        struct probe *probe = probe_open(state);
        struct log_stream *nowhere = stream_of(probe, probe->topic, 0);
        uint32_t hold_ms = (uint32_t)(4 * probe->backend->patience_ms); /* if it were held, await would give up */

        check_empty(await(probe, ask_read(probe, nowhere, usual(0, hold_ms))));
        made(probe, probe->topic, 1);
        struct log_stream *second = stream_of(probe, probe->topic, 1);
        check_empty(await(probe, ask_read(probe, second, usual(0, hold_ms))));
        appended(probe, nowhere, text("here now"));
        check_record(await(probe, ask_read(probe, nowhere, usual(0, 0))), 0, 0, text("here now"));
        log_stream_put(probe->log, nowhere);
        log_stream_put(probe->log, second);
        probe_close(probe);
}

static void read_below_the_start_begins_there(void **state)
{
        struct log_limits limits = LOG_LIMITS_DEFAULT;
        uint8_t memory[8];

        limits.tail_bytes = 0; /* what is kept in memory may outlive retention */
        struct probe *probe = probe_open_with(*state, &limits);
        struct log_backend *backend = probe->backend;

        if (!backend->truncate) {
                probe_close(probe);
                skip();
        }
        struct log_stream *stream = made_stream(probe);
        for (unsigned i = 0; i < 10; i++) appended(probe, stream, made_up(memory, 8, i));
        assert_int_equal(backend->truncate(backend->user, probe->log, probe->topic, 0, 6), OK);
        for (unsigned from = 0; from <= 6; from += 3) {
                struct seen *seen = await(probe, ask_read(probe, stream, usual(from, 1000)));
                assert_int_equal(seen->count, 4);
                for (unsigned k = 0; k < 4; k++) check_record(seen, k, 6 + k, made_up(memory, 8, 6 + k));
        }
        /* All gone: the end is the start. */
        assert_int_equal(backend->truncate(backend->user, probe->log, probe->topic, 0, 10), OK);
        uint64_t held = ask_read(probe, stream, usual(0, (uint32_t)backend->patience_ms));
        must_not_come(probe, held, 50);
        assert_int_equal(appended(probe, stream, text("ten")), 10);
        check_record(await(probe, held), 0, 10, text("ten"));
        log_stream_put(probe->log, stream);
        probe_close(probe);
}

static void read_sees_what_others_write(void **state)
{
        struct probe *probe = probe_open(state);
        struct log_backend *backend = probe->backend;
        uint32_t hold_ms = (uint32_t)backend->patience_ms;

        if (!backend->write) {
                probe_close(probe);
                skip();
        }
        struct log_stream *stream = made_stream(probe);
        appended(probe, stream, text("ours 0"));
        uint64_t held = ask_read(probe, stream, usual(1, hold_ms));
        must_not_come(probe, held, 50);
        assert_int_equal(backend->write(backend->user, probe->log, probe->topic, 0, text("theirs 1"), 0), OK);
        check_record(await(probe, held), 0, 1, text("theirs 1"));
        assert_int_equal(appended(probe, stream, text("ours 2")), 2);
        assert_int_equal(backend->write(backend->user, probe->log, probe->topic, 0, BYTES_NONE, 0), OK);
        assert_int_equal(appended(probe, stream, text("ours 4")), 4);
        static const char *const all[] = {"ours 0", "theirs 1", "ours 2", "", "ours 4"};
        for (unsigned from = 0; from < 5; from++) {
                struct seen *seen = await(probe, ask_read(probe, stream, usual(from, hold_ms)));
                for (unsigned k = 0; k < seen->count; k++) check_record(seen, k, from + k, text(all[from + k]));
                assert_true(seen->count > 0);
        }
        log_stream_put(probe->log, stream);
        probe_close(probe);
}

static void read_steps_over_holes(void **state)
{
        struct probe *probe = probe_open(state);
        struct log_backend *backend = probe->backend;

        if (!backend->write || !backend->holes) {
                probe_close(probe);
                skip();
        }
        struct log_stream *stream = made_stream(probe);
        appended(probe, stream, text("zero"));
        assert_int_equal(backend->write(backend->user, probe->log, probe->topic, 0, text("five"), 4), OK);
        assert_int_equal(appended(probe, stream, text("six")), 6);
        for (unsigned from = 1; from <= 5; from++) {
                struct seen *seen = await(probe, ask_read(probe, stream, usual(from, (uint32_t)backend->patience_ms)));
                assert_true(seen->count > 0);
                check_record(seen, 0, 5, text("five"));
                if (seen->count > 1) check_record(seen, 1, 6, text("six"));
        }
        log_stream_put(probe->log, stream);
        probe_close(probe);
}

static void a_topic_made_anew_begins_at_0(void **state)
{
        struct probe *probe = probe_open(state);
        struct log_backend *backend = probe->backend;

        if (!backend->remove) {
                probe_close(probe);
                skip();
        }
        struct log_stream *stream = made_stream(probe);
        for (unsigned i = 0; i < 5; i++) appended(probe, stream, text("old"));
        assert_int_equal(backend->remove(backend->user, probe->log, probe->topic), OK);
        made(probe, probe->topic, 1);
        assert_int_equal(appended(probe, stream, text("new")), 0);
        struct seen *seen = await(probe, ask_read(probe, stream, usual(0, 1000)));
        assert_int_equal(seen->count, 1);
        check_record(seen, 0, 0, text("new"));
        check_empty(await(probe, ask_read(probe, stream, usual(1, 0))));
        log_stream_put(probe->log, stream);
        probe_close(probe);
}

static void readers_of_a_topic_that_is_gone_are_let_go(void **state)
{
        struct probe *probe = probe_open(state);
        struct log_backend *backend = probe->backend;
        uint32_t hold_ms = (uint32_t)(4 * backend->patience_ms); /* if it were held, await would give up */

        if (!backend->remove) {
                probe_close(probe);
                skip();
        }
        struct log_stream *stream = made_stream(probe);
        for (unsigned i = 0; i < 5; i++) appended(probe, stream, text("old"));
        uint64_t at_end = ask_read(probe, stream, usual(5, hold_ms)), beyond = ask_read(probe, stream, usual(9, hold_ms));
        must_not_come(probe, beyond, 50);
        assert_false(seen_of(probe, at_end)->done);
        assert_int_equal(backend->remove(backend->user, probe->log, probe->topic), OK);
        made(probe, probe->topic, 1);
        check_empty(await(probe, at_end));
        check_empty(await(probe, beyond));
        /* Who asks now is held: it is told of what comes, from where it is. */
        beyond = ask_read(probe, stream, usual(1, hold_ms));
        assert_int_equal(appended(probe, stream, text("new 0")), 0);
        must_not_come(probe, beyond, 50);
        assert_int_equal(appended(probe, stream, text("new 1")), 1);
        check_record(await(probe, beyond), 0, 1, text("new 1"));
        log_stream_put(probe->log, stream);
        probe_close(probe);
}

/* --- cancelling ---------------------------------------------------------------------------------------------------- */

static void what_is_cancelled_is_never_completed(void **state)
{
        struct probe *probe = probe_open(state);
        struct log_stream *stream = made_stream(probe);
        uint32_t hold_ms = (uint32_t)probe->backend->patience_ms;

        uint64_t at_once = ask_read(probe, stream, usual(0, hold_ms));
        probe_cancel(probe, at_once);
        uint64_t held = ask_read(probe, stream, usual(0, hold_ms));
        must_not_come(probe, held, 50);
        probe_cancel(probe, held);
        uint64_t load = ask_load(probe, "nobody", probe->topic, 0);
        probe_cancel(probe, load);
        uint64_t create = ask_create(probe, probe->topic, 1);
        probe_cancel(probe, create);
        uint64_t append = ask_append(probe, stream, text("cannot be taken back"));
        probe_cancel(probe, append);
        probe_cancel(probe, append); /* of what is not known any more: nothing */
        assert_int_equal(appended(probe, stream, text("next")), 1);
        struct seen *seen = await(probe, ask_read(probe, stream, usual(0, 1000)));
        check_record(seen, 0, 0, text("cannot be taken back"));
        probe_cancel(probe, held);
        probe_run(probe, 100); /* the probe fails when one of them comes */
        log_stream_put(probe->log, stream);
        probe_close(probe);
}

static void a_handle_given_back_does_not_disturb(void **state)
{
        struct probe *probe = probe_open(state);
        struct log_stream *stream = made_stream(probe), *other = stream_of(probe, probe->topic, 0);

        uint64_t append = ask_append(probe, stream, text("a"));
        uint64_t read = ask_read(probe, stream, usual(0, (uint32_t)probe->backend->patience_ms));
        log_stream_put(probe->log, stream);
        log_stream_put(probe->log, other);
        assert_int_equal(await(probe, append)->err, OK);
        check_record(await(probe, read), 0, 0, text("a"));
        probe_close(probe);
}

/* --- indices ------------------------------------------------------------------------------------------------------- */

static void check_index(struct probe *probe, const char *client, const char *topic, uint32_t partition, bool present, uint64_t index)
{
        struct seen *seen = await(probe, ask_load(probe, client, topic, partition));

        assert_int_equal(seen->err, OK);
        assert_int_equal(seen->present, present);
        if (present) assert_int_equal(seen->index, index);
}

static void indices_are_saved_and_loaded(void **state)
{
        struct probe *probe = probe_open(state);
        const char *topic = probe->topic;
        char bob[160], alice[160], nowhere[160];

        snprintf(bob, sizeof bob, "%s bob/1", topic);
        snprintf(alice, sizeof alice, "%s alice", topic);
        snprintf(nowhere, sizeof nowhere, "%s-nowhere", topic);
        made(probe, topic, 2);
        check_index(probe, bob, topic, 0, false, 0);
        probe_save(probe, bob, topic, 0, 3);
        check_index(probe, bob, topic, 0, true, 3);
        probe_save(probe, bob, topic, 0, 1); /* a lower one is taken */
        check_index(probe, bob, topic, 0, true, 1);
        probe_save(probe, bob, topic, 0, 0);
        check_index(probe, bob, topic, 0, true, 0);
        check_index(probe, alice, topic, 0, false, 0);
        check_index(probe, bob, topic, 1, false, 0);
        probe_save(probe, bob, topic, 1, (uint64_t)INT64_MAX);
        check_index(probe, bob, topic, 1, true, (uint64_t)INT64_MAX);
        check_index(probe, bob, topic, 0, true, 0);
        check_index(probe, bob, topic, 7, false, 0);
        check_index(probe, bob, nowhere, 0, false, 0);
        probe_save(probe, bob, nowhere, 0, 5); /* lost, and never told */
        check_index(probe, bob, nowhere, 0, false, 0);
        probe_close(probe);
}

static void the_newest_of_many_saves_wins(void **state)
{
        struct probe *probe = probe_open(state);
        char client[160];

        snprintf(client, sizeof client, "%s-c", probe->topic);
        made(probe, probe->topic, 1);
        for (uint64_t i = 1; i <= 500; i++) probe_save(probe, client, probe->topic, 0, i);
        check_index(probe, client, probe->topic, 0, true, 500);
        probe_run(probe, 300);
        check_index(probe, client, probe->topic, 0, true, 500);
        probe_save(probe, client, probe->topic, 0, 501);
        probe->calls++;
        log_flush_saves(probe->log, 1);
        log_flush_saves(probe->log, 77); /* an owner that nobody knows */
        probe->calls--;
        if (probe->backend->lasting) {
                probe_run(probe, probe->backend->patience_ms / 2);
                probe_reopen(probe);
        }
        check_index(probe, client, probe->topic, 0, true, 501);
        probe_close(probe);
}

/* --- stopping ------------------------------------------------------------------------------------------------------ */

static void stop_finishes_what_was_accepted(void **state)
{
        struct probe *probe = probe_open(state);
        struct log_stream *stream = made_stream(probe);
        uint64_t tokens[100];
        char client[160];

        snprintf(client, sizeof client, "%s-c", probe->topic);
        uint64_t held = ask_read(probe, stream, usual(200, (uint32_t)(4 * probe->backend->patience_ms)));
        for (unsigned i = 0; i < 100; i++) tokens[i] = ask_append(probe, stream, text("x"));
        probe_save(probe, client, probe->topic, 0, 42);
        probe_stop(probe, (uint32_t)probe->backend->patience_ms);
        for (unsigned i = 0; i < 100; i++) {
                assert_true(seen_of(probe, tokens[i])->done);
                assert_int_equal(seen_of(probe, tokens[i])->err, OK);
                assert_int_equal(seen_of(probe, tokens[i])->index, i);
        }
        assert_true(seen_of(probe, held)->done);
        assert_int_equal(seen_of(probe, held)->err, ERR_CANCELLED);
        log_stream_put(probe->log, stream);
        if (probe->backend->lasting) {
                probe->stopped = false;
                probe_reopen(probe);
                check_index(probe, client, probe->topic, 0, true, 42);
                stream = stream_of(probe, probe->topic, 0);
                assert_int_equal(appended(probe, stream, text("y")), 100);
                log_stream_put(probe->log, stream);
        }
        probe_close(probe);
}

static void stop_of_an_idle_log(void **state)
{
        struct probe *probe = probe_open(state);

        probe_stop(probe, 1000);
        assert_int_equal(probe->completions, 0);
        probe_close(probe);
}

/* --- everything at once -------------------------------------------------------------------------------------------- */

struct model {
        struct log_stream *stream;
        size_t asked;           /* appends; record i is made_up from i */
        uint64_t last_read;     /* index that the reader wants next */
        uint64_t read;          /* its open read, or 0 */
};

static size_t model_size(uint64_t i)
{
        return (size_t)(i * i * 37 % 3000);
}

/* Readers follow three streams while these are written, with all limits varied: nothing is skipped, repeated or changed. */
static void readers_follow_writers(void **state)
{
        enum { STREAMS = 3, RECORDS = 300 };
        struct probe *probe = probe_open(state);
        struct model models[STREAMS];
        static uint8_t memory[3000];
        unsigned turn = 0;

        made(probe, probe->topic, STREAMS);
        for (uint32_t i = 0; i < STREAMS; i++) models[i] = (struct model){stream_of(probe, probe->topic, i), 0, 0, 0};
        for (bool busy = true; busy; turn++) {
                busy = false;
                for (unsigned s = 0; s < STREAMS; s++) {
                        struct model *m = &models[s];
                        for (unsigned k = 0; k < (turn * 7 + s) % 5 && m->asked < RECORDS; k++, m->asked++)
                                ask_append(probe, m->stream, made_up(memory, model_size(m->asked), (unsigned)m->asked + s));
                        if (m->last_read == RECORDS) continue;
                        busy = true;
                        struct log_read read = {m->last_read, 1 + turn % 9, turn * 997 % 20000, OVERHEAD, RECORD_MAX, 200};
                        struct seen *seen = await(probe, ask_read(probe, m->stream, read));
                        for (size_t k = 0; k < seen->count; k++, m->last_read++)
                                check_record(seen, k, m->last_read, made_up(memory, model_size(m->last_read), (unsigned)m->last_read + s));
                        assert_true(seen->count <= read.max_records);
                }
                assert_true(turn < 2000);
        }
        for (unsigned s = 0; s < STREAMS; s++) log_stream_put(probe->log, models[s].stream);
        probe_close(probe);
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(create_makes_and_joins),
        cmocka_unit_test(creates_that_come_together),
        cmocka_unit_test(names_of_every_kind),
        cmocka_unit_test(appends_keep_their_order),
        cmocka_unit_test(records_of_every_size),
        cmocka_unit_test(append_to_what_is_not_there),
        cmocka_unit_test(pressure_is_told_and_taken_back),
        cmocka_unit_test(appends_at_twice_the_mark_are_refused),
        cmocka_unit_test(read_begins_at_its_index_and_keeps_its_limit),
        cmocka_unit_test(read_packs_by_bytes),
        cmocka_unit_test(read_passes_over_what_is_too_large),
        cmocka_unit_test(read_at_the_end_is_held),
        cmocka_unit_test(read_of_what_is_not_there_is_empty_at_once),
        cmocka_unit_test(read_below_the_start_begins_there),
        cmocka_unit_test(read_sees_what_others_write),
        cmocka_unit_test(read_steps_over_holes),
        cmocka_unit_test(a_topic_made_anew_begins_at_0),
        cmocka_unit_test(readers_of_a_topic_that_is_gone_are_let_go),
        cmocka_unit_test(what_is_cancelled_is_never_completed),
        cmocka_unit_test(a_handle_given_back_does_not_disturb),
        cmocka_unit_test(indices_are_saved_and_loaded),
        cmocka_unit_test(the_newest_of_many_saves_wins),
        cmocka_unit_test(stop_finishes_what_was_accepted),
        cmocka_unit_test(stop_of_an_idle_log),
        cmocka_unit_test(readers_follow_writers),
};

int log_suite_run(struct log_backend *backend)
{
        enum { COUNT = sizeof tests / sizeof *tests };
        struct CMUnitTest with_backend[COUNT];

        for (size_t i = 0; i < COUNT; i++) {
                with_backend[i] = tests[i];
                with_backend[i].initial_state = backend;
        }
        return _cmocka_run_group_tests(backend->name, with_backend, COUNT, NULL, NULL);
}
