/* Limits and counters of the log on Kafka that no other test reaches, on the mock cluster: how many streams one question for ends names, and
 * what is counted of the tail and of librdkafka's errors. */
#include "tests/support/mock_log.h"

enum { MS = MOCK_LOG_MS, LIST_OFFSETS = 2 };

/* More streams with a waiting reader than one question may name: a sweep asks several, and no reader is left out. */
static void a_question_for_ends_names_so_many_streams(void **state)
{
        enum { STREAMS = 10, CHUNK = 3, QUESTIONS = (STREAMS + CHUNK - 1) / CHUNK, ENOUGH = 1000 };
        struct mock_log *f = *state;
        struct log_stream *streams[STREAMS];
        uint64_t reads[STREAMS], sweeps;
        size_t asked;

        f->limits.sweep_chunk = CHUNK;
        f->limits.sweep_ms = 50;
        mock_log_open(f);
        for (unsigned i = 0; i < STREAMS; i++) {
                streams[i] = new_stream(f, i);
                reads[i] = ask_read(f->probe, streams[i], usual(0, MS));
        }
        until_counted(f, STAT_SWEEPS, 1); /* all ends are known by now */
        sweeps = counted(f, STAT_SWEEPS);
        embedded_push_late(f->probe->log, LIST_OFFSETS, 0, 0, ENOUGH);
        until_counted(f, STAT_SWEEPS, sweeps + 3); /* three whole ones, and the edges of two */
        sweeps = counted(f, STAT_SWEEPS) - sweeps;
        asked = ENOUGH - embedded_errors_left(f->probe->log, LIST_OFFSETS);
        assert_in_range(asked, (sweeps - 1) * QUESTIONS, (sweeps + 1) * QUESTIONS);
        for (unsigned i = 0; i < STREAMS; i++) write_as_another(f, streams[i], topic_of(streams[i]));
        for (unsigned i = 0; i < STREAMS; i++) {
                check_record(await(f->probe, reads[i]), 0, 0, bytes_of_text(topic_of(streams[i])));
                log_stream_put(f->probe->log, streams[i]);
        }
}

/* A pull is answered from memory or needs a fetch, and is counted as the one or the other. */
static void the_tail_counts_what_it_had_and_what_it_had_not(void **state)
{
        struct mock_log *f = *state;
        struct log_stream *stream;
        uint64_t waits, hits;

        f->limits.tail_bytes = 4000;
        mock_log_open(f);
        stream = made_stream(f->probe);
        waits = ask_read(f->probe, stream, usual(0, MS));
        appended(f->probe, stream, bytes_of_text("first"));
        check_record(await(f->probe, waits), 0, 0, bytes_of_text("first"));
        assert_int_equal(counted(f, STAT_TAIL_HITS), 1);
        assert_int_equal(counted(f, STAT_TAIL_MISSES), 0);
        for (unsigned i = 1; i < 10; i++) { /* the first record goes from memory */
                static uint8_t memory[1000];

                appended(f->probe, stream, made_up(memory, sizeof memory, i));
        }
        hits = counted(f, STAT_TAIL_HITS);
        check_record(await(f->probe, ask_read(f->probe, stream, usual(0, MS))), 0, 0, bytes_of_text("first"));
        assert_int_equal(counted(f, STAT_TAIL_HITS), hits);
        assert_int_equal(counted(f, STAT_TAIL_MISSES), 1);
        log_stream_put(f->probe->log, stream);
}

static void errors_of_librdkafka_are_counted(void **state)
{
        struct mock_log *f = *state;

        mock_log_open(f);
        log_stream_put(f->probe->log, made_stream(f->probe));
        assert_int_equal(counted(f, STAT_KAFKA_ERRORS), 0);
        embedded_set_down(f->probe->log, true);
        until_counted(f, STAT_KAFKA_ERRORS, 0);
        embedded_set_down(f->probe->log, false);
        made(f->probe, "another", 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, mock_log_setup, mock_log_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                T(a_question_for_ends_names_so_many_streams),
                T(the_tail_counts_what_it_had_and_what_it_had_not),
                T(errors_of_librdkafka_are_counted),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
