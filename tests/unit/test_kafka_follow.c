/* What is fetched for readers on the mock cluster: when it is made doubtful by what others write, and what becomes of who waits for a fetch that
 * brings nothing. */
#include "stream/kafka/reader_parts.h"
#include "tests/support/mock_log.h"

enum { FETCH = 1, THEIRS = FOLLOWED_OURS + 1, HANGS_MS = 2 * MOCK_LOG_MS };

static void check_text(const struct seen *seen, uint64_t index, const char *text) { check_record(seen, 0, index, bytes_of_text(text)); }

static struct log_read one_at(uint64_t index)
{
        struct log_read one = usual(index, 0);

        one.max_records = 1;
        return one;
}

static struct seen *read_one(struct mock_log *f, struct log_stream *stream, uint64_t index)
{
        return await(f->probe, ask_read(f->probe, stream, one_at(index)));
}

/* --- a live fetch that hangs --- */

/* The live fetch has no answer any more, and somebody else's record stands where it goes on. */
static struct log_stream *new_stream_that_hangs(struct mock_log *f, uint64_t *waits)
{
        struct log_stream *stream = new_followed_stream(f, waits);

        while (stream->read.live->run.upto < THEIRS) probe_run(f->probe, 1);
        embedded_push_late(f->probe->log, FETCH, 0, HANGS_MS, 1);
        while (embedded_errors_left(f->probe->log, FETCH)) probe_run(f->probe, 1);
        write_as_another(f, stream, "theirs again");
        return stream;
}

/* Who waited for it all his time ends it, so that the next one has the record from a fetch of the past. */
static void a_live_fetch_that_hangs_ends_with_the_read_that_waited_for_it(void **state)
{
        struct mock_log *f = *state;
        struct log_stream *stream;
        uint64_t waits;

        mock_log_open(f);
        stream = new_stream_that_hangs(f, &waits);
        probe_cancel(f->probe, waits);
        assert_int_equal(await(f->probe, ask_read(f->probe, stream, usual(THEIRS, READ_LOOK_MS)))->count, 0);
        check_text(read_one(f, stream, THEIRS), THEIRS, "theirs again");
        log_stream_put(f->probe->log, stream);
}

/* What is fetched for another one, who reads what lies before, is for who waits for it as well. */
static void who_waits_for_a_live_fetch_that_hangs_has_what_is_fetched_for_another(void **state)
{
        struct mock_log *f = *state;
        struct log_stream *stream;
        uint64_t waits;

        mock_log_open(f);
        stream = new_stream_that_hangs(f, &waits);
        while (stream->read.end == THEIRS) probe_run(f->probe, 10); /* the sweep looks, and makes what is in memory doubtful */
        check_text(read_one(f, stream, 0), 0, "theirs");
        check_text(await(f->probe, waits), THEIRS, "theirs again");
        assert_true(stream->read.live && stream->read.live->run.upto == THEIRS); /* it has brought nothing yet */
        log_stream_put(f->probe->log, stream);
}

/* Who waits for the live fetch in vain does not end the one of the past, which is another's. */
static void who_waits_for_a_live_fetch_in_vain_leaves_the_past_to_others(void **state)
{
        struct mock_log *f = *state;
        uint64_t waits, past;
        struct log_stream *stream;

        mock_log_open(f);
        stream = new_stream_that_hangs(f, &waits);
        probe_cancel(f->probe, waits);
        waits = ask_read(f->probe, stream, usual(THEIRS, READ_LOOK_MS));
        probe_run(f->probe, READ_LOOK_MS / 2);
        embedded_push_late(f->probe->log, FETCH, 0, HANGS_MS, 1);
        past = ask_read(f->probe, stream, usual(0, MOCK_LOG_MS));
        while (embedded_errors_left(f->probe->log, FETCH)) probe_run(f->probe, 1);
        assert_int_equal(await(f->probe, waits)->count, 0);
        assert_true(stream->read.history && stream->read.history->state == FETCH_RUNNING);
        probe_cancel(f->probe, past);
        log_stream_put(f->probe->log, stream);
}

/* --- others write --- */

static bool has_brought(void *arg)
{
        const struct log_stream *stream = arg;

        return stream->read.live && run_reaches(&stream->read.live->run, THEIRS);
}

/* The sweep finds that others have written, or an acknowledgement of ours shows it: what fetches have brought before may be another topic's of the
 * same name, so it goes; but not again and again, however often they write, or readers of the past would not get on. */
static void growth_makes_what_fetches_have_brought_doubtful_now_and_then(void **state)
{
        struct mock_log *f = *state;
        struct log_stream *stream;
        uint64_t waits, begin_ms;

        mock_log_open(f);
        stream = new_followed_stream(f, &waits);
        write_as_another(f, stream, "theirs again");
        check_text(await(f->probe, waits), THEIRS, "theirs again");
        waits = ask_read(f->probe, stream, usual(THEIRS + 1, 2 * MOCK_LOG_MS));
        f->kafka.backend.run(&f->kafka, has_brought, stream, MOCK_LOG_MS);
        assert_true(has_brought(stream));
        begin_ms = stream->read.grown_ms;
        assert_true(begin_ms); /* for its first record; not yet for this one */
        known_grown(stream);
        assert_true(has_brought(stream) || stream->read.grown_ms > begin_ms);
        while (stream->read.grown_ms == begin_ms) probe_run(f->probe, 10); /* the sweep looks, and it is heeded */
        assert_false(has_brought(stream));
        assert_false(stream->read.grown);
        probe_cancel(f->probe, waits);
        log_stream_put(f->probe->log, stream);
}

/* One record of ours is the first that this log knows of its own, and shows that others have written before it. */
static void an_append_that_shows_that_others_wrote_makes_what_was_fetched_doubtful(void **state)
{
        enum { RECORDS = 3 };
        struct mock_log *f = *state;
        struct log_stream *stream;
        uint64_t misses;

        mock_log_open(f);
        stream = new_stream(f, 0);
        for (int i = 0; i < RECORDS; i++) write_as_another(f, stream, "theirs");
        check_text(read_one(f, stream, 0), 0, "theirs");
        misses = counted(f, STAT_TAIL_MISSES);
        check_text(read_one(f, stream, 1), 1, "theirs");
        assert_int_equal(counted(f, STAT_TAIL_MISSES), misses);
        write_as_another(f, stream, "theirs");
        assert_int_equal(appended(f->probe, stream, bytes_of_text("ours")), RECORDS + 1);
        check_text(read_one(f, stream, 1), 1, "theirs");
        assert_int_equal(counted(f, STAT_TAIL_MISSES), misses + 1);
        log_stream_put(f->probe->log, stream);
}

/* A read is asked for in the turn in which another one ends: what it wants is in memory, so nothing is fetched. */
static void what_is_in_memory_is_not_fetched_whatever_ends_just_then(void **state)
{
        struct mock_log *f = *state;
        struct log_stream *stream;
        uint64_t waits, fetches;

        mock_log_open(f);
        stream = new_stream(f, 0);
        for (int i = 0; i < 2; i++) write_as_another(f, stream, "theirs");
        check_text(read_one(f, stream, 0), 0, "theirs");
        fetches = counted(f, STAT_FETCHES);
        waits = ask_read(f->probe, stream, usual(INT64_MAX, MOCK_LOG_MS));
        probe_run(f->probe, 10);
        probe_cancel(f->probe, waits);
        check_text(read_one(f, stream, 1), 1, "theirs");
        assert_int_equal(counted(f, STAT_FETCHES), fetches);
        log_stream_put(f->probe->log, stream);
}

#define T(test) cmocka_unit_test_setup_teardown(test, mock_log_setup, mock_log_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                T(a_live_fetch_that_hangs_ends_with_the_read_that_waited_for_it),
                T(who_waits_for_a_live_fetch_that_hangs_has_what_is_fetched_for_another),
                T(who_waits_for_a_live_fetch_in_vain_leaves_the_past_to_others),
                T(what_is_in_memory_is_not_fetched_whatever_ends_just_then),
                T(growth_makes_what_fetches_have_brought_doubtful_now_and_then),
                T(an_append_that_shows_that_others_wrote_makes_what_was_fetched_doubtful),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
