/* The reading side on the mock cluster: what happens to readers when brokers go and come, leaders move or are missing, and what is kept for
 * them stays within its bounds. */
#include "stream/kafka/reader_parts.h"
#include "tests/support/mock_log.h"

enum { MS = MOCK_LOG_MS, LEADERLESS = 140, LED = 6 };

static const struct reader *reader_of(const struct mock_log *f) { return mock_log_inside(f)->reader; }

/* Nothing is kept in memory, so that all that is read has to be fetched. */
static void open_without_tail(struct mock_log *f)
{
        f->limits.tail_bytes = 0;
        mock_log_open(f);
}

static void check_text(const struct seen *seen, uint64_t index, const char *text) { check_record(seen, 0, index, bytes_of_text(text)); }

/* Who reads from there on gets this first. */
static void check_read(struct mock_log *f, struct log_stream *stream, uint64_t index, const char *text)
{
        check_text(await(f->probe, ask_read(f->probe, stream, usual(index, MS))), index, text);
}

/* Who waits at the end gets what somebody else writes then. */
static void check_wait(struct mock_log *f, struct log_stream *stream, uint64_t end, const char *text)
{
        uint64_t waits = ask_read(f->probe, stream, usual(end, MS));

        must_not_come(f->probe, waits, 20);
        write_as_another(f, stream, text);
        check_text(await(f->probe, waits), end, text);
}

/* --- brokers ----------------------------------------------------------------------------------------------------------------- */

/* Sweeps and fetches since `before` are no more than so many in the time that has passed. */
struct work {
        uint64_t sweeps, fetches, at_ms;
};

static struct work work_now(struct mock_log *f)
{
        return (struct work){counted(f, STAT_SWEEPS), counted(f, STAT_FETCHES), context_now_ms(&f->kafka.ctx)};
}

static void check_no_spin(struct mock_log *f, struct work before, uint64_t fetches)
{
        struct work now = work_now(f);
        uint64_t periods = (now.at_ms - before.at_ms) / f->limits.sweep_ms + 2;

        if (now.sweeps - before.sweeps > periods || now.fetches - before.fetches > fetches)
                fail_msg("%llu sweeps and %llu fetches in %llu ms", (unsigned long long)(now.sweeps - before.sweeps),
                         (unsigned long long)(now.fetches - before.fetches), (unsigned long long)(now.at_ms - before.at_ms));
}

/* Readers wait at the end and in the past while the brokers are away; nobody spins, and all get what is theirs. */
static void readers_outlast_brokers_that_go_and_come(void **state)
{
        struct mock_log *f = *state;

        open_without_tail(f);
        struct log_stream *stream = new_stream(f, 0);
        for (unsigned i = 0; i < 3; i++)
                appended(f->probe, stream, bytes_of_text("old"));
        for (unsigned round = 0; round < 2; round++) {
                uint64_t waits = ask_read(f->probe, stream, usual(3 + round, MS));
                must_not_come(f->probe, waits, 100);
                struct work before = work_now(f);
                embedded_set_down(f->probe->log, true);
                uint64_t past = ask_read(f->probe, stream, usual(0, MS));
                must_not_come(f->probe, waits, 1500);
                embedded_set_down(f->probe->log, false);
                write_as_another(f, stream, "theirs");
                check_text(await(f->probe, waits), 3 + round, "theirs");
                check_text(await(f->probe, past), 0, "old");
                check_no_spin(f, before, 12);
        }
        log_stream_put(f->probe->log, stream);
}

/* However long the brokers were away while a sweep was under way: what others write then is found no later than after any other sweep. */
static void the_sweep_goes_on_after_a_long_absence(void **state)
{
        enum { AWAY_MS = 8000 };
        struct mock_log *f = *state;

        open_without_tail(f);
        struct log_stream *stream = new_stream(f, 0);
        uint64_t waits = ask_read(f->probe, stream, usual(0, MS)), back_ms;
        must_not_come(f->probe, waits, 600);
        embedded_set_down(f->probe->log, true);
        must_not_come(f->probe, waits, AWAY_MS);
        assert_non_null(log_away(f->probe->log));
        embedded_set_down(f->probe->log, false);
        until_away(f, false);
        back_ms = context_now_ms(&f->kafka.ctx);
        write_as_another(f, stream, "theirs");
        check_text(await(f->probe, waits), 0, "theirs");
        assert_true(context_now_ms(&f->kafka.ctx) - back_ms < AWAY_MS - 2000);
        log_stream_put(f->probe->log, stream);
}

/* The partition moves to another broker, back, and is without a leader for a while; records come on both sides. */
static void readers_follow_the_leader(void **state)
{
        struct mock_log *f = *state;
        static const int leaders[] = {2, 1, -1, 2, -1, 1};
        char text[16];
        uint64_t index = 0;

        static const struct kafka_property soon[] = {{"metadata.max.age.ms", "500"}};
        f->kafka.embedded_count = 2;
        f->kafka.properties = soon;
        f->kafka.property_count = 1;
        mock_log_open(f);
        struct log_stream *stream = new_stream(f, 0);
        struct work before = work_now(f);
        for (unsigned i = 0; i < sizeof leaders / sizeof leaders[0]; i++) {
                uint64_t waits = ask_read(f->probe, stream, usual(index, MS));
                must_not_come(f->probe, waits, 50);
                embedded_set_leader(f->probe->log, topic_of(stream), 0, leaders[i]);
                if (leaders[i] < 0) {
                        must_not_come(f->probe, waits, 600);
                        continue;
                }
                snprintf(text, sizeof text, "theirs %u", i);
                write_as_another(f, stream, text);
                check_text(await(f->probe, waits), index++, text);
                assert_int_equal(appended(f->probe, stream, bytes_of_text("ours")), index);
                check_read(f, stream, index++, "ours");
        }
        check_no_spin(f, before, 60);
        log_stream_put(f->probe->log, stream);
}

/* More partitions without a leader than there may be fetches, each with a reader that wants its past: the others are served all the same,
 * in the past and at the end. */
static void streams_without_a_leader_do_not_hold_up_others(void **state)
{
        struct mock_log *f = *state;
        struct log_stream *streams[LEADERLESS], *good;
        uint64_t tokens[LEADERLESS];

        open_without_tail(f);
        good = new_stream(f, LEADERLESS);
        appended(f->probe, good, bytes_of_text("zero"));
        for (unsigned i = 0; i < LEADERLESS; i++) {
                streams[i] = new_stream(f, i);
                appended(f->probe, streams[i], bytes_of_text("lost for now"));
        }
        for (unsigned i = 0; i < LEADERLESS; i++)
                embedded_set_leader(f->probe->log, topic_of(streams[i]), 0, -1);
        for (unsigned i = 0; i < LEADERLESS; i++)
                tokens[i] = ask_read(f->probe, streams[i], usual(i % 2, MS)); /* the past, or the end */
        for (unsigned i = 0; i < 3; i++) {
                check_read(f, good, 0, "zero");
                check_wait(f, good, 1 + i, "theirs");
        }
        for (unsigned i = 0; i < LEADERLESS; i++)
                embedded_set_leader(f->probe->log, topic_of(streams[i]), 0, 1);
        for (unsigned i = 0; i < LEADERLESS; i += 2)
                check_text(await(f->probe, tokens[i]), 0, "lost for now");
        for (unsigned i = 0; i < LEADERLESS; i++) {
                if (i % 2) probe_cancel(f->probe, tokens[i]);
                log_stream_put(f->probe->log, streams[i]);
        }
        log_stream_put(f->probe->log, good);
}

/* Streams of one broker, each with a record of ours, and a reader at the end of each. */
struct led {
        struct log_stream *streams[LED];
        uint64_t waits[LED];
};

static void led_by(struct mock_log *f, struct led *led, unsigned first, int broker)
{
        for (unsigned i = 0; i < LED; i++) {
                led->streams[i] = new_stream(f, first + i);
                embedded_set_leader(f->probe->log, topic_of(led->streams[i]), 0, broker);
                appended(f->probe, led->streams[i], bytes_of_text("ours"));
                led->waits[i] = ask_read(f->probe, led->streams[i], usual(1, MS));
        }
        must_not_come(f->probe, led->waits[0], 600);
}

/* Three brokers, of which one is to become sick, and streams of it and of another one. */
static void open_led(struct mock_log *f, struct led *sick, struct led *good)
{
        f->kafka.embedded_count = 3;
        mock_log_open(f);
        led_by(f, sick, 0, 2);
        led_by(f, good, LED, 1);
}

static void let_go(struct mock_log *f, struct led *led)
{
        for (unsigned i = 0; i < LED; i++) {
                if (!seen_of(f->probe, led->waits[i])->done) probe_cancel(f->probe, led->waits[i]);
                log_stream_put(f->probe->log, led->streams[i]);
        }
}

static void each_gets_what_others_write(struct mock_log *f, struct led *led)
{
        for (unsigned i = 0; i < LED; i++)
                write_as_another(f, led->streams[i], "theirs");
        for (unsigned i = 0; i < LED; i++)
                check_text(await(f->probe, led->waits[i]), 1, "theirs");
}

/* One broker of three is gone, and still leads what it led. Readers of the others' streams get what is theirs meanwhile, and its own when it is
 * back. */
static void a_broker_that_is_gone_holds_up_its_own_streams_alone(void **state)
{
        struct mock_log *f = *state;
        static struct led sick, good;

        open_led(f, &sick, &good);
        embedded_set_broker_down(f->probe->log, 2, true);
        must_not_come(f->probe, good.waits[0], 600);
        each_gets_what_others_write(f, &good);
        for (unsigned i = 0; i < LED; i++)
                assert_false(seen_of(f->probe, sick.waits[i])->done);
        embedded_set_broker_down(f->probe->log, 2, false);
        each_gets_what_others_write(f, &sick);
        let_go(f, &sick);
        let_go(f, &good);
}

/* One broker of three keeps its connections and does not answer: where the others' streams end is known as before, so what is in memory is
 * given; and Kafka does not count as away. */
static void a_broker_that_hangs_does_not_keep_others_from_being_asked(void **state)
{
        enum { ROUNDS = 3, TRUSTED_MS = 1200 };
        struct mock_log *f = *state;
        static struct led sick, good;

        open_led(f, &sick, &good);
        embedded_set_delay(f->probe->log, 2, 2 * MS);
        for (unsigned round = 0; round < ROUNDS; round++) {
                must_not_come(f->probe, sick.waits[0], TRUSTED_MS);
                for (unsigned i = 0; i < LED; i++)
                        check_read(f, good.streams[i], 0, "ours");
        }
        assert_null(log_away(f->probe->log));
        let_go(f, &sick);
        let_go(f, &good);
}

/* A stop waits for an append while Kafka is away; readers of the past are told at once, and when Kafka comes back nothing is begun for
 * them. */
static void kafka_comes_back_while_the_log_stops(void **state)
{
        struct mock_log *f = *state;

        open_without_tail(f);
        struct log_stream *stream = new_stream(f, 0);
        appended(f->probe, stream, bytes_of_text("zero"));
        until_away(f, false);
        embedded_set_down(f->probe->log, true);
        until_away(f, true);
        uint64_t append = ask_append(f->probe, stream, bytes_of_text("one")), past = ask_read(f->probe, stream, usual(0, MS));
        must_not_come(f->probe, past, 50);
        f->probe->calls++;
        log_stop(f->probe->log, MS);
        f->probe->calls--;
        assert_err(await(f->probe, past)->err, ERR_CANCELLED);
        embedded_set_down(f->probe->log, false);
        assert_int_equal(await(f->probe, append)->index, 1);
        probe_run(f->probe, 50);
        assert_true(f->probe->stopped);
        log_stream_put(f->probe->log, stream);
}

/* --- bounds ------------------------------------------------------------------------------------------------------------------ */

/* Streams come and go: a consumer knows so many topics and no more, then another one takes its place, also under fetches that go on. */
static void consumers_are_renewed(void **state)
{
        enum { STREAMS = 41, KNOWN = 5 };
        struct mock_log *f = *state;

        f->limits.topics_per_consumer = KNOWN;
        open_without_tail(f);
        struct log_stream *followed = new_stream(f, STREAMS);
        check_wait(f, followed, 0, "theirs"); /* now it is followed, by the other consumer */
        for (unsigned i = 0; i < STREAMS; i++) {
                struct log_stream *stream = new_stream(f, i);

                appended(f->probe, stream, bytes_of_text(topic_of(stream)));
                check_read(f, stream, 0, topic_of(stream));
                log_stream_put(f->probe->log, stream);
        }
        assert_in_range(counted(f, STAT_KAFKA_CONSUMERS_RENEWED), STREAMS / KNOWN - 1, STREAMS / KNOWN + 1);
        check_wait(f, followed, 1, "theirs too");
        log_stream_put(f->probe->log, followed);
}

/* The same of the instance that looks for ends. Who waits meanwhile is served. */
static void the_instance_that_watches_is_renewed(void **state)
{
        enum { STREAMS = 60, KNOWN = 5, PER_RENEWAL = KNOWN + 2 * 2 };
        struct mock_log *f = *state;

        f->limits.topics_per_consumer = KNOWN;
        f->limits.sweep_ms = 20;
        open_without_tail(f);
        struct log_stream *lasting = new_stream(f, STREAMS);
        uint64_t waits = ask_read(f->probe, lasting, usual(0, 2 * MS));
        for (unsigned i = 0; i < STREAMS; i++) {
                struct log_stream *stream = new_stream(f, i);
                uint64_t read = ask_read(f->probe, stream, usual(0, MS));

                for (uint64_t end = context_now_ms(&f->kafka.ctx) + MS; !stream->read.watched_by && context_now_ms(&f->kafka.ctx) < end;)
                        probe_run(f->probe, 5);
                assert_int_not_equal(stream->read.watched_by, 0);
                probe_cancel(f->probe, read);
                log_stream_put(f->probe->log, stream);
        }
        assert_in_range(counted(f, STAT_KAFKA_CONSUMERS_RENEWED), STREAMS / PER_RENEWAL / 2, STREAMS / KNOWN);
        assert_false(seen_of(f->probe, waits)->done);
        write_as_another(f, lasting, "theirs");
        check_text(await(f->probe, waits), 0, "theirs");
        log_stream_put(f->probe->log, lasting);
}

/* What is kept of the past for readers stays below its bound, whoever reads, and is forgotten when nobody has read it for a while. */
static void fetched_records_stay_within_their_bound(void **state)
{
        enum { STREAMS = 8, RECORDS = 40 };
        struct mock_log *f = *state;
        struct log_stream *streams[STREAMS];
        static uint8_t memory[1000];

        f->limits.fetched_bytes = 200000; /* three runs of 64 KiB */
        open_without_tail(f);
        for (unsigned s = 0; s < STREAMS; s++) {
                streams[s] = new_stream(f, s);
                for (unsigned i = 0; i < RECORDS; i++)
                        ask_append(f->probe, streams[s], made_up(memory, sizeof memory, i));
                appended(f->probe, streams[s], BYTES_NONE);
        }
        for (unsigned i = 0; i < RECORDS; i++)
                for (unsigned s = 0; s < STREAMS; s++) {
                        struct log_read read = usual(i, MS);

                        read.max_records = 1;
                        check_record(await(f->probe, ask_read(f->probe, streams[s], read)), 0, i, made_up(memory, sizeof memory, i));
                        assert_true(reader_of(f)->runs_bytes <= f->limits.fetched_bytes);
                }
        assert_true(reader_of(f)->runs_bytes > 0);
        probe_run(f->probe, 2500);
        assert_int_equal(reader_of(f)->runs_bytes, 0);
        for (unsigned s = 0; s < STREAMS; s++)
                log_stream_put(f->probe->log, streams[s]);
}

/* C5: empty records (tombstones) weigh what their places weigh, so that a flood of them is fetched in pieces as all else is. */
static void C5_a_flood_of_empty_records_is_bounded(void **state)
{
        enum { EMPTY = 25000 };
        struct mock_log *f = *state;

        open_without_tail(f);
        struct log_stream *stream = new_stream(f, 0);
        for (unsigned i = 0; i < EMPTY; i++)
                log_append(f->probe->log, stream, BYTES_NONE, UINT64_MAX - i), log_cancel(f->probe->log, UINT64_MAX - i);
        assert_int_equal(appended(f->probe, stream, bytes_of_text("true")), EMPTY);
        uint64_t fetches = counted(f, STAT_FETCHES), at = 0;
        while (at < EMPTY) {
                struct log_read read = usual(at, MS);

                read.max_records = 5000;
                struct seen *seen = await(f->probe, ask_read(f->probe, stream, read));
                assert_true(seen->count > 0);
                assert_int_equal(seen->records[0].index, at);
                at = seen->records[seen->count - 1].index + 1;
                assert_true(reader_of(f)->runs_bytes <= f->limits.fetched_bytes);
        }
        assert_in_range(counted(f, STAT_FETCHES) - fetches, 3, 4);
        log_stream_put(f->probe->log, stream);
}

/* Thousands of reads of one stream: each is told, in the order in which they were asked for. */
static void many_readers_of_one_stream_are_served_in_order(void **state)
{
        enum { READS = 2000 };
        struct mock_log *f = *state;
        static uint64_t tokens[READS];

        mock_log_open(f);
        struct log_stream *stream = new_stream(f, 0);
        for (unsigned i = 0; i < READS; i++)
                tokens[i] = ask_read(f->probe, stream, usual(0, MS));
        probe_run(f->probe, 20);
        for (unsigned i = 0; i < READS; i += 7)
                probe_cancel(f->probe, tokens[i]);
        appended(f->probe, stream, bytes_of_text("for all"));
        for (unsigned i = 0, last = 0; i < READS; i++) {
                if (i % 7 == 0) continue;
                struct seen *seen = await(f->probe, tokens[i]);
                check_text(seen, 0, "for all");
                if (last) assert_true(seen->order > seen_of(f->probe, tokens[last])->order);
                last = i;
        }
        log_stream_put(f->probe->log, stream);
}

#define T(name) cmocka_unit_test_setup_teardown(name, mock_log_setup, mock_log_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                T(readers_outlast_brokers_that_go_and_come),
                T(the_sweep_goes_on_after_a_long_absence),
                T(readers_follow_the_leader),
                T(streams_without_a_leader_do_not_hold_up_others),
                T(a_broker_that_is_gone_holds_up_its_own_streams_alone),
                T(a_broker_that_hangs_does_not_keep_others_from_being_asked),
                T(kafka_comes_back_while_the_log_stops),
                T(consumers_are_renewed),
                T(the_instance_that_watches_is_renewed),
                T(fetched_records_stay_within_their_bound),
                T(C5_a_flood_of_empty_records_is_bounded),
                T(many_readers_of_one_stream_are_served_in_order),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
