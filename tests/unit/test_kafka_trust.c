/* When the node gives records from memory, on the mock cluster: only while it is known that the topic is still the one that they came from, and to
 * those who ask for them whatever else is under way. */
#include "stream/kafka/reader_parts.h"
#include "tests/support/mock_log.h"

#include <poll.h>

enum { PRODUCE = 0, LIST_OFFSETS = 2 };
/* Longer than memory is trusted without a look, and longer than it is kept without one. */
enum { UNSURE_MS = 1500, BLOCKED_MS = 2200, LONG_MS = 3000 };

static void check_text(const struct seen *seen, uint64_t index, const char *text) { check_record(seen, 0, index, bytes_of_text(text)); }

static struct seen *read_at(struct mock_log *f, struct log_stream *stream, uint64_t index)
{
        return await(f->probe, ask_read(f->probe, stream, usual(index, 0)));
}

/* While a stream is followed its topic is found to be made anew, shorter: what the fetch that ends then had brought is nobody's any more. */
static void what_was_followed_is_not_given_when_the_topic_is_made_anew(void **state)
{
        enum { THEIRS = 6 };
        struct mock_log *f = *state;
        struct log_stream *stream;
        uint64_t waits, again;

        mock_log_open(f);
        stream = new_stream(f, 0);
        for (uint64_t i = 0; i < THEIRS; i++) {
                waits = ask_read(f->probe, stream, usual(i, MOCK_LOG_MS));
                must_not_come(f->probe, waits, 20);
                write_as_another(f, stream, "of the former topic");
                check_text(await(f->probe, waits), i, "of the former topic");
        }
        waits = ask_read(f->probe, stream, usual(THEIRS, MOCK_LOG_MS));
        while (!stream->read.live || !run_covers(&stream->read.live->run, THEIRS - 1)) probe_run(f->probe, 10);
        again = ask_read(f->probe, stream, usual(THEIRS - 1, MOCK_LOG_MS));
        stream->refs++;
        known_remade(stream, THEIRS - 2); /* as ends.c says when it finds the end there */
        reader_serve(stream);
        stream->refs--;
        assert_false(seen_of(f->probe, again)->count);
        probe_cancel(f->probe, waits);
        if (!seen_of(f->probe, again)->done) probe_cancel(f->probe, again);
        log_stream_put(f->probe->log, stream);
}

/* Nobody looked for a while, and it ends where it did: it may be another topic as long, so it is read from Kafka. */
static void memory_is_not_trusted_over_a_time_in_which_nobody_looked(void **state)
{
        struct mock_log *f = *state;
        struct log_stream *stream;
        uint64_t hits, misses;

        mock_log_open(f);
        stream = new_stream(f, 0);
        appended(f->probe, stream, bytes_of_text("first"));
        check_text(read_at(f, stream, 0), 0, "first");
        hits = counted(f, STAT_TAIL_HITS);
        misses = counted(f, STAT_TAIL_MISSES);
        assert_int_equal(hits, 1);
        probe_run(f->probe, LONG_MS);
        check_text(read_at(f, stream, 0), 0, "first");
        assert_int_equal(counted(f, STAT_TAIL_HITS), hits);
        assert_int_equal(counted(f, STAT_TAIL_MISSES), misses + 1);
        probe_run(f->probe, LONG_MS);
        appended(f->probe, stream, bytes_of_text("second")); /* is known again, and says nothing of the first */
        check_text(read_at(f, stream, 1), 1, "second");
        assert_int_equal(counted(f, STAT_TAIL_HITS), hits + 1);
        check_text(read_at(f, stream, 0), 0, "first");
        assert_int_equal(counted(f, STAT_TAIL_HITS), hits + 1);
        assert_int_equal(counted(f, STAT_TAIL_MISSES), misses + 2);
        log_stream_put(f->probe->log, stream);
}

/* As long as a reader waits somebody looks: nothing is forgotten, however long it takes. */
static void memory_is_trusted_while_a_reader_waits(void **state)
{
        struct mock_log *f = *state;
        struct log_stream *stream;
        uint64_t waits, sweeps;

        mock_log_open(f);
        stream = new_stream(f, 0);
        appended(f->probe, stream, bytes_of_text("first"));
        waits = ask_read(f->probe, stream, usual(1, MOCK_LOG_MS));
        sweeps = counted(f, STAT_SWEEPS);
        until_counted(f, STAT_SWEEPS, sweeps + 12);
        check_text(read_at(f, stream, 0), 0, "first");
        assert_int_equal(counted(f, STAT_TAIL_HITS), 1);
        assert_int_equal(counted(f, STAT_TAIL_MISSES), 0);
        probe_cancel(f->probe, waits);
        log_stream_put(f->probe->log, stream);
}

/* Whoever was told before it where the log ends cannot be sure of that after it, though nobody can say how long Kafka would have taken to answer. */
static void outage(struct mock_log *f, const struct log_stream *stream)
{
        const uint64_t long_ago_ms = 0;

        embedded_set_down(f->probe->log, true);
        until_away(f, true);
        assert_true(known_is_confirmed(stream, long_ago_ms, 0));
        while (stream->read.asking) probe_run(f->probe, 20);
        probe_run(f->probe, LONG_MS);
        assert_false(known_is_sure(stream, long_ago_ms));
        embedded_set_down(f->probe->log, false);
        until_away(f, false);
}

/* The sweep looks at what is followed as well, however long nothing comes. */
static void memory_is_trusted_while_a_stream_is_followed(void **state)
{
        struct mock_log *f = *state;
        uint64_t waits, hits, sweeps;
        struct log_stream *stream;

        mock_log_open(f);
        stream = new_followed_stream(f, &waits);
        sweeps = counted(f, STAT_SWEEPS);
        until_counted(f, STAT_SWEEPS, sweeps + 12);
        hits = counted(f, STAT_TAIL_HITS);
        check_text(read_at(f, stream, FOLLOWED_OURS), FOLLOWED_OURS, "ours");
        assert_int_equal(counted(f, STAT_TAIL_HITS), hits + 1);
        probe_cancel(f->probe, waits);
        log_stream_put(f->probe->log, stream);
}

/* Kafka was away, and the first that is heard of the stream afterwards is a record that a fetch from before brings: it says nothing of the time
 * between, so what was in memory before is read anew. */
static void a_record_after_an_outage_makes_nothing_from_before_it_sure(void **state)
{
        enum { LATE_MS = 3000, LATE = 4 };
        struct mock_log *f = *state;
        uint64_t waits, hits;
        struct log_stream *stream;

        mock_log_open(f);
        stream = new_followed_stream(f, &waits);
        hits = counted(f, STAT_TAIL_HITS);
        embedded_push_late(f->probe->log, LIST_OFFSETS, 0, LATE_MS, LATE); /* the sweep says nothing before the record does */
        outage(f, stream);
        write_as_another(f, stream, "after it");
        check_text(await(f->probe, waits), FOLLOWED_OURS + 1, "after it");
        waits = ask_read(f->probe, stream, usual(FOLLOWED_OURS, MOCK_LOG_MS)); /* the helper may still wait for such an answer */
        check_text(await(f->probe, waits), FOLLOWED_OURS, "ours");
        assert_int_equal(counted(f, STAT_TAIL_HITS), hits);
        log_stream_put(f->probe->log, stream);
}

/* Kafka is so slow, or so broken, that no question for the end is answered, but what is written comes: whoever waits for it has it, from the fetch
 * that there is, and behind a hole as well. */
static void follows_where_no_look_is_to_be_had(struct mock_log *f, void (*spoil)(struct log *log))
{
        enum { RECORDS = 2, SMALL = 8 };
        struct log_read small = usual(FOLLOWED_OURS + 1, MOCK_LOG_MS);
        struct log_stream *stream;
        uint64_t waits, fetches;

        mock_log_open(f);
        stream = new_followed_stream(f, &waits);
        probe_cancel(f->probe, waits);
        fetches = counted(f, STAT_FETCHES);
        spoil(f->probe->log);
        for (int i = 0; i < RECORDS; i++) {
                small.record_max = SMALL;
                waits = ask_read(f->probe, stream, small);
                write_as_another(f, stream, "too large for him");
                while (stream->read.live->run.upto <= small.index) probe_run(f->probe, 10);
                probe_run(f->probe, LONG_MS);
                write_as_another(f, stream, "theirs");
                check_text(await(f->probe, waits), small.index + 1, "theirs");
                small.index += 2;
        }
        waits = ask_read(f->probe, stream, small);
        assert_int_equal(counted(f, STAT_FETCHES), fetches);
        probe_cancel(f->probe, waits);
        embedded_set_delay(f->probe->log, 1, 0);
        log_stream_put(f->probe->log, stream);
}

static void be_slow(struct log *log) { embedded_set_delay(log, 1, 1200); }

static void refuse_questions(struct log *log) { embedded_push_error(log, LIST_OFFSETS, 6 /* not the leader */, 10000); }

static void a_slow_kafka_ends_no_fetch_that_brings_something(void **state) { follows_where_no_look_is_to_be_had(*state, be_slow); }

static void questions_that_fail_end_no_fetch_that_brings_something(void **state) { follows_where_no_look_is_to_be_had(*state, refuse_questions); }

static void block(struct helper_job *job)
{
        (void)job;
        (void)poll(NULL, 0, BLOCKED_MS);
}

static void blocked(struct helper_job *job) { (void)job; }

/* The question waits for other calls that block, for longer than memory is kept without a look: its answer is good all the same. */
static void an_answer_that_was_long_in_coming_is_good(void **state)
{
        enum { ENOUGH = 1000 };
        struct helper_job job = {.run = block, .done = blocked};
        struct mock_log *f = *state;
        struct log_stream *stream;

        mock_log_open(f);
        stream = new_stream(f, 0);
        appended(f->probe, stream, bytes_of_text("first"));
        probe_run(f->probe, UNSURE_MS);
        embedded_push_late(f->probe->log, LIST_OFFSETS, 0, 0, ENOUGH);
        helper_ask(mock_log_inside(f)->helper, &job);
        check_text(await(f->probe, ask_read(f->probe, stream, usual(0, MOCK_LOG_MS))), 0, "first");
        assert_int_equal(ENOUGH - embedded_errors_left(f->probe->log, LIST_OFFSETS), 1);
        log_stream_put(f->probe->log, stream);
}

/* One waits for the past over an outage, told before it where the log ends: he has what is fetched after it, and so has who comes then. */
static void an_outage_makes_what_a_waiting_reader_was_told_before_unsure(void **state)
{
        struct mock_log *f = *state;
        uint64_t waits, hits;
        struct log_stream *stream;

        f->limits.fetched_bytes = 0;
        mock_log_open(f);
        stream = new_followed_stream(f, &waits);
        probe_cancel(f->probe, waits);
        embedded_set_delay(f->probe->log, 1, 2 * MOCK_LOG_MS); /* the past does not come before the outage */
        waits = ask_read(f->probe, stream, usual(0, 2 * MOCK_LOG_MS));
        must_not_come(f->probe, waits, 300);
        embedded_set_delay(f->probe->log, 1, 0);
        outage(f, stream);
        hits = counted(f, STAT_TAIL_HITS);
        check_text(await(f->probe, waits), 0, "theirs");
        check_text(read_at(f, stream, FOLLOWED_OURS), FOLLOWED_OURS, "ours");
        assert_int_equal(counted(f, STAT_TAIL_HITS), hits);
        log_stream_put(f->probe->log, stream);
}

/* A record of ours is stored, and Kafka's word of that is late: who reads what lies before it has it at once, and Kafka is not asked in vain. */
static void readers_of_the_past_do_not_wait_for_an_answer_to_an_append(void **state)
{
        enum { LATE_MS = 8000, ENOUGH = 1000, READS = 3, QUESTIONS = 10 };
        struct mock_log *f = *state;
        struct log_stream *stream;
        uint64_t append;

        mock_log_open(f);
        stream = new_stream(f, 0);
        appended(f->probe, stream, bytes_of_text("past"));
        probe_run(f->probe, UNSURE_MS);
        embedded_push_late(f->probe->log, PRODUCE, 0, LATE_MS, 1);
        append = ask_append(f->probe, stream, bytes_of_text("late"));
        probe_run(f->probe, 200);
        embedded_push_late(f->probe->log, LIST_OFFSETS, 0, 0, ENOUGH);
        for (int i = 0; i < READS; i++) check_text(read_at(f, stream, 0), 0, "past");
        assert_in_range(ENOUGH - embedded_errors_left(f->probe->log, LIST_OFFSETS), 1, READS * QUESTIONS);
        assert_false(seen_of(f->probe, append)->done);
        assert_int_equal(await(f->probe, append)->index, 1);
        check_text(read_at(f, stream, 1), 1, "late");
        log_stream_put(f->probe->log, stream);
}

/* Kafka gives a record now and then: when the time is over the reader has those that have come. */
static void a_read_whose_time_is_over_has_what_has_come(void **state)
{
        enum { RECORDS = 20, SLOWLY_MS = 300 };
        struct mock_log *f = *state;
        struct log_stream *stream;
        struct seen *seen;

        f->limits.tail_bytes = 0;
        mock_log_open(f);
        stream = new_stream(f, 0);
        for (int i = 0; i < RECORDS; i++) appended(f->probe, stream, bytes_of_text("one of its own batch"));
        check_text(read_at(f, stream, RECORDS - 1), RECORDS - 1, "one of its own batch");
        embedded_set_delay(f->probe->log, 1, SLOWLY_MS);
        seen = read_at(f, stream, 0);
        assert_in_range(seen->count, 1, RECORDS - 1);
        check_text(seen, 0, "one of its own batch");
        embedded_set_delay(f->probe->log, 1, 0);
        log_stream_put(f->probe->log, stream);
}

/* Each time that the stream is created once more its memory is in doubt, and what was being fetched; a reader of the past gets on all the same. */
static void creating_it_again_and_again_keeps_no_reader_from_the_past(void **state)
{
        enum { RECORDS = 100 };
        struct mock_log *f = *state;
        struct log_stream *stream;
        uint64_t create, read, creates = 0;

        f->limits.tail_bytes = 0;
        mock_log_open(f);
        stream = new_stream(f, 0);
        for (int i = 0; i < RECORDS; i++) appended(f->probe, stream, bytes_of_text("past"));
        create = ask_create(f->probe, topic_of(stream), 1);
        for (uint64_t i = 0; i < RECORDS; i++) {
                read = ask_read(f->probe, stream, usual(i, MOCK_LOG_MS));
                while (!seen_of(f->probe, read)->done) {
                        probe_run(f->probe, 1);
                        if (!seen_of(f->probe, create)->done) continue;
                        create = ask_create(f->probe, topic_of(stream), 1);
                        creates++;
                }
                check_text(seen_of(f->probe, read), i, "past");
        }
        assert_true(creates > 3);
        await(f->probe, create);
        log_stream_put(f->probe->log, stream);
}

/* Kafka takes longer for a fetch than the sweep takes to come round. */
static void creating_it_again_and_again_keeps_no_reader_from_a_slow_past(void **state)
{
        enum { SLOWLY_MS = 700, EACH_MS = 20 };
        struct mock_log *f = *state;
        struct log_stream *stream;
        uint64_t read;

        f->limits.tail_bytes = 0;
        mock_log_open(f);
        stream = new_stream(f, 0);
        appended(f->probe, stream, bytes_of_text("past"));
        made(f->probe, topic_of(stream), 1);
        embedded_set_delay(f->probe->log, 1, SLOWLY_MS);
        read = ask_read(f->probe, stream, usual(0, MOCK_LOG_MS));
        while (!seen_of(f->probe, read)->done) {
                probe_run(f->probe, EACH_MS);
                reader_topic_created(stream->topic); /* as creation.c says when it is there already */
        }
        check_text(seen_of(f->probe, read), 0, "past");
        embedded_set_delay(f->probe->log, 1, 0);
        log_stream_put(f->probe->log, stream);
}

/* An answer to a question from before the stream was created once more says nothing of what is there since. */
static void what_was_asked_before_a_creation_says_nothing_of_what_is_there_after_it(void **state)
{
        enum { LATE_MS = 1500, ENOUGH = 1000 };
        struct mock_log *f = *state;
        struct log_stream *stream;
        uint64_t read, hits;

        mock_log_open(f);
        stream = new_stream(f, 0);
        appended(f->probe, stream, bytes_of_text("first"));
        probe_run(f->probe, UNSURE_MS);
        hits = counted(f, STAT_TAIL_HITS);
        embedded_push_late(f->probe->log, LIST_OFFSETS, 0, LATE_MS, ENOUGH);
        read = ask_read(f->probe, stream, usual(0, MOCK_LOG_MS));
        while (embedded_errors_left(f->probe->log, LIST_OFFSETS) == ENOUGH) probe_run(f->probe, 1);
        stream->topic->made = false;
        reader_topic_created(stream->topic); /* as creation.c says when it is there already */
        assert_true(stream->read.asking);
        check_text(await(f->probe, read), 0, "first");
        assert_in_range(ENOUGH - embedded_errors_left(f->probe->log, LIST_OFFSETS), 2, ENOUGH);
        assert_int_equal(counted(f, STAT_TAIL_HITS), hits);
        log_stream_put(f->probe->log, stream);
}

/* The same where memory is not dropped at once, since it was just now because of another creation: an answer from before makes nothing sure. */
static void what_was_asked_before_a_creation_that_is_put_off_makes_nothing_sure(void **state)
{
        struct mock_log *f = *state;
        struct log_stream *stream;
        uint64_t before;

        mock_log_open(f);
        stream = new_stream(f, 0);
        appended(f->probe, stream, bytes_of_text("first"));
        before = context_now_ms(stream->log->ctx);
        probe_run(f->probe, 10);
        stream->read.heeded_ms = context_now_ms(stream->log->ctx);
        known_created(stream);
        known_end(stream, 1, before);
        assert_false(known_is_sure(stream, before));
        probe_run(f->probe, 10);
        known_end(stream, 1, context_now_ms(stream->log->ctx));
        assert_true(known_is_sure(stream, before));
        log_stream_put(f->probe->log, stream);
}

/* Memory let it step over what is too large for it; in the topic that took its place something else may stand there. */
static void a_creation_takes_a_read_back_to_where_it_began(void **state)
{
        struct mock_log *f = *state;
        struct log_stream *stream;
        struct log_read small = usual(0, MOCK_LOG_MS);
        struct read *read;
        uint64_t waits;

        mock_log_open(f);
        stream = new_stream(f, 0);
        appended(f->probe, stream, bytes_of_text("too large"));
        small.record_max = 3;
        waits = ask_read(f->probe, stream, small);
        must_not_come(f->probe, waits, 100);
        read = TAILQ_FIRST(&stream->read.reads);
        assert_int_equal(read->ask.index, 1);
        reader_topic_created(stream->topic); /* as creation.c says when it is there already */
        assert_int_equal(read->ask.index, 0);
        while (read->ask.index == 0) probe_run(f->probe, 10);
        assert_false(seen_of(f->probe, waits)->done);
        stream->read.heeded_ms -= READ_LOOK_MS; /* as if the time had passed */
        reader_topic_created(stream->topic);
        assert_int_equal(read->ask.index, 1); /* once is enough, or it would not get on */
        probe_cancel(f->probe, waits);
        log_stream_put(f->probe->log, stream);
}

/* However soon one creation follows another, and however long what Kafka says is trusted otherwise. */
static void each_creation_makes_the_end_be_asked_for(void **state)
{
        enum { SELDOM_MS = 10000, ENOUGH = 1000 };
        struct mock_log *f = *state;
        struct log_stream *stream;

        f->limits.sweep_ms = SELDOM_MS;
        mock_log_open(f);
        stream = new_stream(f, 0);
        appended(f->probe, stream, bytes_of_text("first"));
        made(f->probe, topic_of(stream), 1);
        appended(f->probe, stream, bytes_of_text("second"));
        embedded_push_late(f->probe->log, LIST_OFFSETS, 0, 0, ENOUGH);
        check_text(read_at(f, stream, 1), 1, "second");
        assert_int_equal(embedded_errors_left(f->probe->log, LIST_OFFSETS), ENOUGH);
        made(f->probe, topic_of(stream), 1);
        check_text(read_at(f, stream, 1), 1, "second");
        assert_true(embedded_errors_left(f->probe->log, LIST_OFFSETS) < ENOUGH);
        log_stream_put(f->probe->log, stream);
}

#define T(test) cmocka_unit_test_setup_teardown(test, mock_log_setup, mock_log_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                T(what_was_followed_is_not_given_when_the_topic_is_made_anew),
                T(memory_is_not_trusted_over_a_time_in_which_nobody_looked),
                T(memory_is_trusted_while_a_reader_waits),
                T(memory_is_trusted_while_a_stream_is_followed),
                T(a_record_after_an_outage_makes_nothing_from_before_it_sure),
                T(a_slow_kafka_ends_no_fetch_that_brings_something),
                T(questions_that_fail_end_no_fetch_that_brings_something),
                T(an_answer_that_was_long_in_coming_is_good),
                T(an_outage_makes_what_a_waiting_reader_was_told_before_unsure),
                T(readers_of_the_past_do_not_wait_for_an_answer_to_an_append),
                T(a_read_whose_time_is_over_has_what_has_come),
                T(creating_it_again_and_again_keeps_no_reader_from_the_past),
                T(creating_it_again_and_again_keeps_no_reader_from_a_slow_past),
                T(each_creation_makes_the_end_be_asked_for),
                T(what_was_asked_before_a_creation_that_is_put_off_makes_nothing_sure),
                T(a_creation_takes_a_read_back_to_where_it_began),
                T(what_was_asked_before_a_creation_says_nothing_of_what_is_there_after_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
