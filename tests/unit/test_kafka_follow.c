/* What is fetched for readers on the mock cluster: when it is made doubtful by what others write, and what becomes of who waits for a fetch that
 * brings nothing. */
#include "stream/kafka/reader_parts.h"
#include "tests/support/mock_log.h"

enum { FETCH = 1, LIST_OFFSETS = 2, SELDOM_MS = 10000, THEIRS = FOLLOWED_OURS + 1, HANGS_MS = 2 * MOCK_LOG_MS };

static void check_text(const struct seen *seen, uint64_t index, const char *text) { check_record(seen, 0, index, bytes_of_text(text)); }

static struct log_read one_at(uint64_t index)
{
        struct log_read one = usual(index, MOCK_LOG_MS);

        one.max_records = 1;
        return one;
}

static struct seen *read_one(struct mock_log *f, struct log_stream *stream, uint64_t index)
{
        return await(f->probe, ask_read(f->probe, stream, one_at(index)));
}

/* --- a live fetch that hangs --- */

/* The live fetch has no answer any more. */
static void hang(struct mock_log *f, const struct log_stream *stream, uint64_t upto)
{
        while (stream->read.live->run.upto < upto) probe_run(f->probe, 1);
        embedded_push_late(f->probe->log, FETCH, 0, HANGS_MS, 1);
        while (embedded_errors_left(f->probe->log, FETCH)) probe_run(f->probe, 1);
}

/* ... and somebody else's record stands where it goes on. */
static struct log_stream *new_stream_that_hangs(struct mock_log *f, uint64_t *waits)
{
        struct log_stream *stream = new_followed_stream(f, waits);

        hang(f, stream, THEIRS);
        write_as_another(f, stream, "theirs again");
        return stream;
}

/* It has brought nothing yet. */
static bool hangs(const struct log_stream *stream) { return stream->read.live && stream->read.live->run.upto == THEIRS; }

/* Who waited for it all his time is the last one: the next one has the record from a fetch of the past. */
static void a_live_fetch_that_hangs_is_not_waited_for_again(void **state)
{
        struct mock_log *f = *state;
        struct log_stream *stream;
        uint64_t waits;

        mock_log_open(f);
        stream = new_stream_that_hangs(f, &waits);
        while (stream->read.end == THEIRS) probe_run(f->probe, 10); /* the sweep looks */
        probe_cancel(f->probe, waits);
        assert_int_equal(await(f->probe, ask_read(f->probe, stream, usual(THEIRS, READ_LOOK_MS)))->count, 0);
        check_text(read_one(f, stream, THEIRS), THEIRS, "theirs again");
        assert_true(hangs(stream));
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
        assert_true(hangs(stream));
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
        while (stream->read.end == THEIRS) probe_run(f->probe, 10); /* the sweep looks, and makes what is in memory doubtful */
        probe_cancel(f->probe, waits);
        embedded_push_late(f->probe->log, FETCH, 0, HANGS_MS, 1);
        past = ask_read(f->probe, stream, usual(0, MOCK_LOG_MS));
        while (embedded_errors_left(f->probe->log, FETCH)) probe_run(f->probe, 1);
        waits = ask_read(f->probe, stream, usual(THEIRS, READ_LOOK_MS));
        assert_int_equal(await(f->probe, waits)->count, 0);
        assert_true(stream->read.history && stream->read.history->state == FETCH_RUNNING);
        probe_cancel(f->probe, past);
        log_stream_put(f->probe->log, stream);
}

/* --- others write --- */

static void until_brought(struct mock_log *f, const struct log_stream *stream, uint64_t index)
{
        while (!run_reaches(&stream->read.live->run, index)) probe_run(f->probe, 10);
}

/* The sweep finds that others have written: what fetches have brought before may be another topic's of the same name, so it goes; but not again and
 * again, however often they write, or readers of the past would not get on. */
static void growth_makes_what_fetches_have_brought_doubtful_now_and_then(void **state)
{
        enum { OFTEN_MS = 1, TRUST_MS = 4 * OFTEN_MS };
        struct mock_log *f = *state;
        struct log_stream *stream;
        uint64_t waits;

        mock_log_open(f);
        stream = new_followed_stream(f, &waits);
        stream->log->limits.sweep_ms = SELDOM_MS; /* no sweep comes between */
        write_as_another(f, stream, "theirs");
        until_brought(f, stream, THEIRS);
        stream->read.grown_ms = 0;
        known_grown(stream); /* as a sweep does */
        assert_false(run_reaches(&stream->read.live->run, THEIRS));
        assert_true(stream->read.grown_ms);

        write_as_another(f, stream, "theirs");
        until_brought(f, stream, THEIRS + 1);
        known_grown(stream);
        assert_true(run_reaches(&stream->read.live->run, THEIRS + 1));
        assert_true(known_is_sure(stream, stream->read.end_ms));

        stream->log->limits.sweep_ms = OFTEN_MS;
        while (context_now_ms(stream->log->ctx) < stream->read.grown_ms + TRUST_MS) probe_run(f->probe, 1);
        assert_false(known_is_sure(stream, 0));
        known_doubt(stream, context_now_ms(stream->log->ctx));
        assert_false(run_reaches(&stream->read.live->run, THEIRS + 1));
        probe_cancel(f->probe, waits);
        log_stream_put(f->probe->log, stream);
}

/* What others write comes through the live fetch, one record after the other: nothing that is in memory is doubtful. */
static void what_is_followed_is_not_doubtful(void **state)
{
        enum { RECORDS = 50 };
        struct mock_log *f = *state;
        struct log_stream *stream;
        uint64_t waits, hits, fetches;

        mock_log_open(f);
        stream = new_followed_stream(f, &waits);
        until_brought(f, stream, FOLLOWED_OURS);
        stream->log->limits.sweep_ms = SELDOM_MS; /* no sweep finds it before the live fetch brings it */
        stream->read.grown_ms = 0;
        stream->read.grown = false;
        for (uint64_t i = THEIRS; i < THEIRS + RECORDS; i++) {
                write_as_another(f, stream, "theirs again");
                check_text(await(f->probe, waits), i, "theirs again");
                waits = ask_read(f->probe, stream, usual(i + 1, 2 * MOCK_LOG_MS));
        }
        hang(f, stream, THEIRS + RECORDS);
        assert_int_equal(appended(f->probe, stream, bytes_of_text("ours")), THEIRS + RECORDS);
        check_text(await(f->probe, waits), THEIRS + RECORDS, "ours");
        assert_int_equal(stream->read.live->run.upto, THEIRS + RECORDS);
        assert_true(follow_keeps_up(stream)); /* though Kafka's word of ours came before it */
        assert_int_equal(stream->read.grown_ms, 0);
        assert_false(stream->read.grown);
        hits = counted(f, STAT_TAIL_HITS);
        fetches = counted(f, STAT_FETCHES);
        check_text(read_one(f, stream, THEIRS), THEIRS, "theirs again");
        check_text(read_one(f, stream, THEIRS + RECORDS), THEIRS + RECORDS, "ours");
        assert_int_equal(counted(f, STAT_TAIL_HITS), hits + 1);
        assert_int_equal(counted(f, STAT_FETCHES), fetches);
        log_stream_put(f->probe->log, stream);
}

/* ... but where the live fetch was silent before, the topic may have been made anew and filled. */
static void what_is_followed_after_a_silence_is_doubtful(void **state)
{
        struct mock_log *f = *state;
        struct log_stream *stream;
        uint64_t waits;

        mock_log_open(f);
        stream = new_followed_stream(f, &waits);
        until_brought(f, stream, FOLLOWED_OURS);
        while (!stream->read.live->at_end) probe_run(f->probe, 10);
        stream->log->limits.sweep_ms = SELDOM_MS;
        stream->read.grown_ms = 0;
        stream->read.live->fresh_ms -= SELDOM_MS + 1;
        write_as_another(f, stream, "theirs");
        check_text(await(f->probe, waits), THEIRS, "theirs");
        assert_true(stream->read.grown_ms);
        log_stream_put(f->probe->log, stream);
}

/* An append of ours is under way: a log that has grown has grown by it, as far as is known, and nothing is doubtful. */
static void what_may_be_ours_makes_nothing_doubtful(void **state)
{
        struct mock_log *f = *state;
        struct log_stream *stream;
        uint64_t hits;

        f->limits.sweep_ms = SELDOM_MS;
        mock_log_open(f);
        stream = new_stream(f, 0);
        appended(f->probe, stream, bytes_of_text("ours"));
        hits = counted(f, STAT_TAIL_HITS);
        known_seen(stream, 2, context_now_ms(stream->log->ctx), true);
        assert_int_equal(stream->read.end, 1);
        check_text(read_one(f, stream, 0), 0, "ours");
        assert_int_equal(counted(f, STAT_TAIL_HITS), hits + 1);
        known_seen(stream, 2, context_now_ms(stream->log->ctx), false);
        assert_int_equal(stream->read.end, 2);
        check_text(read_one(f, stream, 0), 0, "ours");
        assert_int_equal(counted(f, STAT_TAIL_HITS), hits + 1);
        log_stream_put(f->probe->log, stream);
}

/* Somebody writes all the time, so that Kafka never says that here is the end: a fetch of the past ends where the end was, and what it has brought
 * is given. */
static void the_past_is_given_though_its_end_is_never_said(void **state)
{
        enum { ENOUGH = 1000 };
        struct mock_log *f = *state;
        struct log_stream *stream;

        mock_log_open(f);
        stream = new_stream(f, 0);
        write_as_another(f, stream, "theirs");
        embedded_push_late(f->probe->log, FETCH, 0, 0, 1);
        embedded_push_late(f->probe->log, FETCH, 0, HANGS_MS, 1);
        embedded_push_late(f->probe->log, FETCH, 0, 0, ENOUGH);
        check_text(await(f->probe, ask_read(f->probe, stream, usual(0, MOCK_LOG_MS))), 0, "theirs");
        assert_in_range(embedded_errors_left(f->probe->log, FETCH), ENOUGH, ENOUGH + 1);
        log_stream_put(f->probe->log, stream);
}

/* One record of ours is the first that this log knows of its own, and shows that others have written before it. */
static void an_append_that_shows_that_others_wrote_makes_what_was_fetched_doubtful(void **state)
{
        enum { RECORDS = 3 };
        struct mock_log *f = *state;
        struct log_stream *stream;

        mock_log_open(f);
        stream = new_stream(f, 0);
        for (int i = 0; i < RECORDS; i++) write_as_another(f, stream, "theirs");
        check_text(read_one(f, stream, 0), 0, "theirs");
        while (!stream->read.run) probe_run(f->probe, 1);
        write_as_another(f, stream, "theirs");
        assert_int_equal(appended(f->probe, stream, bytes_of_text("ours")), RECORDS + 1);
        assert_null(stream->read.run);
        log_stream_put(f->probe->log, stream);
}

/* A read is asked for in the turn in which another one ends: what it wants is in memory, so nothing is fetched. */
static void what_is_in_memory_is_not_fetched_whatever_ends_just_then(void **state)
{
        struct mock_log *f = *state;
        struct log_stream *stream;
        uint64_t waits;

        f->limits.sweep_ms = SELDOM_MS; /* memory is trusted for long */
        mock_log_open(f);
        stream = new_stream(f, 0);
        appended(f->probe, stream, bytes_of_text("ours"));
        waits = ask_read(f->probe, stream, usual(1, MOCK_LOG_MS));
        probe_run(f->probe, 10);
        probe_cancel(f->probe, waits);
        check_text(read_one(f, stream, 0), 0, "ours");
        assert_int_equal(counted(f, STAT_FETCHES), 0);
        log_stream_put(f->probe->log, stream);
}

/* Who does not wait asks behind the end, and the live fetch that should tell hangs: he has his answer from a few questions, none of them in vain. */
static void who_does_not_wait_asks_not_again_and_again(void **state)
{
        enum { ENOUGH = 1000, FEW = 5, OLD_MS = 260 };
        struct mock_log *f = *state;
        struct log_stream *stream;
        uint64_t waits, end_ms;

        mock_log_open(f);
        stream = new_followed_stream(f, &waits);
        hang(f, stream, THEIRS);
        end_ms = stream->read.end_ms;
        while (stream->read.end_ms == end_ms) probe_run(f->probe, 1); /* a sweep just now */
        probe_cancel(f->probe, waits);
        write_as_another(f, stream, "theirs again");
        while (stream->read.asking || context_now_ms(stream->log->ctx) < stream->read.end_ms + OLD_MS) probe_run(f->probe, 1);
        embedded_push_late(f->probe->log, LIST_OFFSETS, 0, 0, ENOUGH);
        assert_int_equal(await(f->probe, ask_read(f->probe, stream, usual(THEIRS + 2, 0)))->count, 0);
        assert_in_range(ENOUGH - embedded_errors_left(f->probe->log, LIST_OFFSETS), 1, FEW);
        log_stream_put(f->probe->log, stream);
}

#define T(test) cmocka_unit_test_setup_teardown(test, mock_log_setup, mock_log_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                T(a_live_fetch_that_hangs_is_not_waited_for_again),
                T(who_waits_for_a_live_fetch_that_hangs_has_what_is_fetched_for_another),
                T(who_waits_for_a_live_fetch_in_vain_leaves_the_past_to_others),
                T(what_is_in_memory_is_not_fetched_whatever_ends_just_then),
                T(growth_makes_what_fetches_have_brought_doubtful_now_and_then),
                T(who_does_not_wait_asks_not_again_and_again),
                T(what_is_followed_is_not_doubtful),
                T(what_is_followed_after_a_silence_is_doubtful),
                T(what_may_be_ours_makes_nothing_doubtful),
                T(the_past_is_given_though_its_end_is_never_said),
                T(an_append_that_shows_that_others_wrote_makes_what_was_fetched_doubtful),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
