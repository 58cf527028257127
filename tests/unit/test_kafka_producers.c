/* Producers that die, on the mock cluster: whatever happens to a producer, each append is answered once, what was said to be stored
 * stands where it was said, what was said to have failed does not, and a stream's records keep their order. What stands is read by
 * a consumer of the test's own. */
#include "stream/kafka/core.h"
#include "stream/kafka/producers.h"
#include "tests/support/kafka_records.h"
#include "tests/support/mock_log.h"

enum { PRODUCE = 0, TOO_LARGE = 10, NOT_ENOUGH_REPLICAS = 19, AUTHORIZATION = 29, OUT_OF_ORDER = 45, INVALID_RECORD = 87 };
enum { STREAMS_MAX = 40, APPENDS_MAX = 600, IN_FLIGHT = 5, MS = MOCK_LOG_MS, TEXT = 160 };

/* A stream and what was appended to it: record n says "topic/n". */
struct writer {
        char topic[140];
        struct log_stream *stream;
        uint64_t tokens[APPENDS_MAX];
        unsigned count;
};

struct fixture {
        struct mock_log mock;
        struct writer writers[STREAMS_MAX];
        unsigned count;
};

static const struct kafka_property one_a_batch[] = {{"batch.num.messages", "1"}};
static const struct kafka_property ten_a_batch[] = {{"batch.num.messages", "10"}};

static int setup(void **state)
{
        struct fixture *f = calloc(1, sizeof *f);

        assert_non_null(f);
        mock_log_init(&f->mock);
        *state = f;
        return 0;
}

/* For a test that opens them again; otherwise teardown does it. */
static void close_writers(struct fixture *f)
{
        for (unsigned i = 0; i < f->count; i++)
                log_stream_put(f->mock.probe->log, f->writers[i].stream);
        f->count = 0;
        mock_log_close(&f->mock);
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        close_writers(f);
        mock_log_clear(&f->mock);
        free(f);
        return 0;
}

/* Opens the log, with a property of librdkafka's or NULL, and so many streams. */
static void open_writers(struct fixture *f, const struct kafka_property *property, unsigned count)
{
        uint64_t tokens[STREAMS_MAX];

        f->mock.kafka.properties = property;
        f->mock.kafka.property_count = property ? 1 : 0;
        mock_log_open(&f->mock);
        for (unsigned i = 0; i < count; i++) {
                struct writer *writer = &f->writers[i];

                *writer = (struct writer){0};
                snprintf(writer->topic, sizeof writer->topic, "%s-%u", f->mock.probe->topic, i);
                tokens[i] = ask_create(f->mock.probe, writer->topic, 1);
        }
        for (; f->count < count; f->count++) {
                assert_ok(await(f->mock.probe, tokens[f->count])->err);
                f->writers[f->count].stream = stream_of(f->mock.probe, f->writers[f->count].topic, 0);
        }
}

static struct bytes record_of(const struct writer *writer, unsigned n, char text[static TEXT])
{
        snprintf(text, TEXT, "%.139s/%u", writer->topic, n);
        return bytes_of_text(text);
}

static void append(struct fixture *f, struct writer *writer, unsigned count)
{
        char text[TEXT];

        for (unsigned i = 0; i < count; i++, writer->count++)
                writer->tokens[writer->count] = ask_append(f->mock.probe, writer->stream, record_of(writer, writer->count, text));
}

static void append_to_all(struct fixture *f, unsigned count)
{
        for (unsigned i = 0; i < count; i++)
                for (unsigned k = 0; k < f->count; k++)
                        append(f, &f->writers[k], 1);
}

static void await_all(struct fixture *f)
{
        for (unsigned k = 0; k < f->count; k++)
                for (unsigned i = 0; i < f->writers[k].count; i++)
                        await(f->mock.probe, f->writers[k].tokens[i]);
}

static uint64_t restarts(const struct fixture *f) { return counted(&f->mock, STAT_KAFKA_FATAL); }

static void await_restart(struct fixture *f, uint64_t more_than) { until_counted(&f->mock, STAT_KAFKA_FATAL, more_than); }

/* --- what must hold --- */

/* The number of the record, or that it is none of the writer's. */
static unsigned number_of(const struct writer *writer, struct bytes data)
{
        size_t before = strlen(writer->topic) + 1;
        char text[TEXT], *end;
        unsigned long n;

        if (data.n <= before || data.n >= sizeof text) fail_msg("%s: a record that nobody wrote", writer->topic);
        memcpy(text, data.p, data.n);
        text[data.n] = '\0';
        n = strtoul(text + before, &end, 10);
        if (memcmp(text, writer->topic, before - 1) != 0 || *end || n >= writer->count) fail_msg("%s: a record of %s", writer->topic, text);
        return (unsigned)n;
}

static void check_answers(struct fixture *f, const struct writer *writer, const struct kafka_records *log)
{
        uint64_t next = 0;
        char text[TEXT];

        for (unsigned i = 0; i < writer->count; i++) {
                const struct seen *seen = seen_of(f->mock.probe, writer->tokens[i]);
                const struct log_record *record = seen->err ? NULL : kafka_records_at(log, seen->index);

                if (!seen->done) fail_msg("%s: %u was not answered", writer->topic, i);
                if (seen->err) continue;
                if (seen->index < next)
                        fail_msg("%s: %u stands at %llu, before its predecessor", writer->topic, i, (unsigned long long)seen->index);
                if (!record || !bytes_equal(record->data, record_of(writer, i, text)))
                        fail_msg("%s: %u does not stand at %llu", writer->topic, i, (unsigned long long)seen->index);
                next = seen->index + 1;
        }
}

enum log_shape {
        ONCE,      /* each record once, in order */
        IN_ORDER,  /* records may stand several times, but the first time in order */
        ANY_ORDER, /* the mock cluster has stored what a real one refuses: it does not look at sequences */
};

static void check_log(struct fixture *f, const struct writer *writer, const struct kafka_records *log, enum log_shape shape)
{
        unsigned next = 0, stored = 0;

        for (unsigned i = 0; i < writer->count; i++)
                stored += seen_of(f->mock.probe, writer->tokens[i])->err == OK;
        for (size_t i = 0; i < log->count; i++) {
                unsigned n = number_of(writer, log->records[i].data);

                if (seen_of(f->mock.probe, writer->tokens[n])->err) fail_msg("%s: %u stands, and was said to have failed", writer->topic, n);
                if (n < next && shape == ONCE) fail_msg("%s: %u stands twice", writer->topic, n);
                for (; next < n && shape != ANY_ORDER; next++)
                        if (!seen_of(f->mock.probe, writer->tokens[next])->err) fail_msg("%s: %u overtook %u", writer->topic, n, next);
                if (n == next) next++;
        }
        if (shape == ONCE) assert_int_equal(log->count, stored);
}

static void check(struct fixture *f, enum log_shape shape)
{
        struct kafka_records logs[STREAMS_MAX];
        const char *topics[STREAMS_MAX];

        for (unsigned k = 0; k < f->count; k++)
                topics[k] = f->writers[k].topic;
        kafka_records_read(embedded_brokers(f->mock.probe->log), topics, f->count, logs);
        for (unsigned k = 0; k < f->count; k++) {
                check_answers(f, &f->writers[k], &logs[k]);
                check_log(f, &f->writers[k], &logs[k], shape);
                kafka_records_clear(&logs[k]);
        }
}

static void check_all_stored(struct fixture *f, enum log_shape shape)
{
        await_all(f);
        for (unsigned k = 0; k < f->count; k++)
                for (unsigned i = 0; i < f->writers[k].count; i++)
                        assert_ok(seen_of(f->mock.probe, f->writers[k].tokens[i])->err);
        check(f, shape);
}

/* --- fatal errors --- */

/* The next request is refused in the way that ends a producer, and so are those that are out with it, as a real broker does. Where fewer
 * are out, what is left ends the next producer as well. */
static void kill_producer(struct log *log) { embedded_push_late(log, PRODUCE, OUT_OF_ORDER, 20, IN_FLIGHT); }

static void G8_a_fatal_error_loses_nothing_and_keeps_the_order(void **state)
{
        struct fixture *f = *state;

        open_writers(f, NULL, 30);
        append_to_all(f, 10);
        await_all(f);
        kill_producer(f->mock.probe->log);
        append_to_all(f, 10); /* under way when it dies */
        await_restart(f, 0);
        append_to_all(f, 10); /* while it is replaced */
        check_all_stored(f, ANY_ORDER);
        append_to_all(f, 10); /* and after */
        check_all_stored(f, ANY_ORDER);
}

static void I4_one_stream_keeps_its_order_through_a_fatal_error(void **state)
{
        struct fixture *f = *state;

        open_writers(f, ten_a_batch, 1);
        append(f, &f->writers[0], 1);
        await_all(f);
        kill_producer(f->mock.probe->log);
        append(f, &f->writers[0], 300);
        await_restart(f, 0);
        append(f, &f->writers[0], 200);
        check_all_stored(f, IN_ORDER);
}

static void fatal_errors_again_and_again(void **state)
{
        struct fixture *f = *state;

        open_writers(f, ten_a_batch, 10);
        for (unsigned round = 0; round < 5; round++) {
                kill_producer(f->mock.probe->log);
                append_to_all(f, 20);
                await_restart(f, round);
                append_to_all(f, 5);
        }
        check_all_stored(f, ANY_ORDER);
        assert_true(restarts(f) >= 5);
}

static void a_fatal_error_while_the_broker_is_away(void **state)
{
        struct fixture *f = *state;

        open_writers(f, one_a_batch, 10);
        append_to_all(f, 2);
        await_all(f);
        kill_producer(f->mock.probe->log);
        append_to_all(f, 10);
        await_restart(f, 0);
        embedded_set_down(f->mock.probe->log, true);
        append_to_all(f, 10);
        must_not_come(f->mock.probe, f->writers[0].tokens[f->writers[0].count - 1], 1500); /* longer than the dead one may wait for answers */
        embedded_set_down(f->mock.probe->log, false);
        check_all_stored(f, ANY_ORDER);
}

static void topics_of_other_producers_go_on(void **state)
{
        struct fixture *f = *state;
        struct kafka_topic *first, *last;

        f->mock.limits.topics_per_producer = 2;
        open_writers(f, NULL, 4);
        append_to_all(f, 5);
        await_all(f);
        first = f->writers[0].stream->topic;
        last = f->writers[3].stream->topic;
        assert_ptr_not_equal(first->producer, last->producer);
        embedded_push_late(f->mock.probe->log, PRODUCE, OUT_OF_ORDER, 20, 1);
        append(f, &f->writers[0], 1);
        await_restart(f, 0);
        append(f, &f->writers[3], 20);
        await(f->mock.probe, f->writers[3].tokens[f->writers[3].count - 1]);
        assert_int_equal(last->producer->state, PRODUCER_LIVE);
        append_to_all(f, 5);
        check_all_stored(f, ANY_ORDER);
        assert_int_equal(restarts(f), 1);
}

/* librdkafka before 2.3.0 counts a request whose answer was lost as stored, and ends the producer when the broker has not stored it. */
static void possibly_stored_and_then_out_of_order(void **state)
{
        struct fixture *f = *state;
        struct writer *writer = &f->writers[0];

        for (int lost = 1; lost <= 2; lost++) { /* one, and several, fail in different ways */
                open_writers(f, one_a_batch, 1);
                append(f, writer, 5);
                await_all(f);
                embedded_push_late(f->mock.probe->log, PRODUCE, 0, 60000, lost); /* stored, and the answers do not come in time */
                append(f, writer, (unsigned)lost);
                while (embedded_errors_left(f->mock.probe->log, PRODUCE) > 0)
                        probe_run(f->mock.probe, 1);
                embedded_set_down(f->mock.probe->log, true);
                append(f, writer, 10);
                embedded_push_late(f->mock.probe->log, PRODUCE, NOT_ENOUGH_REPLICAS, 20, 1);
                embedded_push_late(f->mock.probe->log, PRODUCE, OUT_OF_ORDER, 20, IN_FLIGHT - 1);
                embedded_set_down(f->mock.probe->log, false);
                check_all_stored(f, IN_ORDER);
                close_writers(f);
        }
        if (rd_kafka_version() < 0x02030000) assert_true(restarts(f) >= 1);
}

/* --- a stop while a producer is replaced --- */

static void any_result(void *user, const struct log_result *result) { *(uint64_t *)user = result->token; }

static void any_pressure(void *user, bool high)
{
        (void)user;
        (void)high;
}

static void any_stop(void *user) { (void)user; }

static void freed_at_any_moment_of_a_replacement(void **state)
{
        static const struct log_events events = {any_result, any_pressure, any_stop};
        struct fixture *f = *state;

        for (unsigned moment = 0; moment < 6; moment++) {
                uint64_t done = 0, before = restarts(f);
                struct log *log = f->mock.kafka.backend.open(&f->mock.kafka, &LOG_LIMITS_DEFAULT, &events, &done);
                struct log_stream *stream = log_stream_get(log, "s", 0);

                log_create(log, "s", 1, 1);
                while (done != 1)
                        loop_run_once(f->mock.kafka.loop);
                kill_producer(log);
                for (unsigned i = 0; i < 100; i++)
                        log_append(log, stream, bytes_of_text("x"), 2 + i);
                await_restart(f, before);
                for (unsigned i = 0; i < moment; i++)
                        loop_run_once(f->mock.kafka.loop);
                log_stream_put(log, stream);
                f->mock.kafka.backend.close(&f->mock.kafka, log);
        }
}

static void a_stop_in_a_replacement_stores_what_was_accepted(void **state)
{
        struct fixture *f = *state;

        open_writers(f, NULL, 5);
        kill_producer(f->mock.probe->log);
        append_to_all(f, 20);
        await_restart(f, 0);
        probe_stop(f->mock.probe, MS);
        check_all_stored(f, ANY_ORDER);
}

static void a_stop_that_has_no_time_leaves_the_outcome_open(void **state)
{
        struct fixture *f = *state;
        unsigned open = 0;

        open_writers(f, NULL, 5);
        kill_producer(f->mock.probe->log);
        append_to_all(f, 20);
        await_restart(f, 0);
        embedded_set_down(f->mock.probe->log, true);
        probe_stop(f->mock.probe, 200);
        await_all(f);
        for (unsigned k = 0; k < f->count; k++)
                for (unsigned i = 0; i < f->writers[k].count; i++) {
                        enum err err = seen_of(f->mock.probe, f->writers[k].tokens[i])->err;

                        assert_true(err == OK || err == ERR_CANCELLED);
                        open += err != OK;
                }
        assert_true(open > 0);
}

/* --- refusals --- */

static void I2_what_is_refused_alone_is_not_in_the_log(void **state)
{
        struct fixture *f = *state;

        open_writers(f, NULL, 3);
        append_to_all(f, 3);
        await_all(f);
        embedded_push_error(f->mock.probe->log, PRODUCE, INVALID_RECORD,
                            2); /* once with its producer, and once when it is known that it is this one */
        append(f, &f->writers[1], 1);
        assert_err(await(f->mock.probe, f->writers[1].tokens[3])->err, ERR_FAILED);
        append_to_all(f, 10);
        await_all(f);
        check(f, ONCE);
        assert_int_equal(restarts(f), 1);
        /* Again, and nobody else suffers. */
        embedded_push_error(f->mock.probe->log, PRODUCE, INVALID_RECORD, 1);
        append(f, &f->writers[1], 1);
        assert_err(await(f->mock.probe, f->writers[1].tokens[14])->err, ERR_FAILED);
        append_to_all(f, 10);
        await_all(f);
        check(f, ONCE);
        assert_int_equal(restarts(f), 1);
}

/* One record of hundreds is larger than the topic takes: its batch is refused, with all that was out behind it, and then it alone. */
static void I4_a_refusal_among_hundreds_keeps_the_order(void **state)
{
        enum { REFUSED = 137 };
        struct fixture *f = *state;
        struct writer *writer = &f->writers[0];

        open_writers(f, ten_a_batch, 1);
        append(f, writer, 1);
        await_all(f);
        embedded_push_late(f->mock.probe->log, PRODUCE, TOO_LARGE, 100, 1);
        embedded_push_late(f->mock.probe->log, PRODUCE, OUT_OF_ORDER, 100, IN_FLIGHT - 1);
        embedded_push_late(f->mock.probe->log, PRODUCE, 0, 0, REFUSED - 1);
        embedded_push_error(f->mock.probe->log, PRODUCE, TOO_LARGE, 1);
        append(f, writer, 500);
        await_all(f);
        for (unsigned i = 0; i < writer->count; i++)
                assert_err(seen_of(f->mock.probe, writer->tokens[i])->err, i == REFUSED ? ERR_TOO_LARGE : OK);
        check(f, ONCE);
}

static void R10_a_topic_that_may_not_be_written_is_said_so_and_comes_back(void **state)
{
        struct fixture *f = *state;

        open_writers(f, NULL, 3);
        append_to_all(f, 3);
        await_all(f);
        embedded_push_error(f->mock.probe->log, PRODUCE, AUTHORIZATION, 2);
        append(f, &f->writers[0], 1);
        assert_err(await(f->mock.probe, f->writers[0].tokens[3])->err, ERR_NOT_ALLOWED);
        append(f, &f->writers[1], 5);
        append(f, &f->writers[2], 5);
        await_all(f);
        made(f->mock.probe, f->writers[0].topic, 1); /* as a client does that hears of a failure */
        append(f, &f->writers[0], 5);
        await_all(f);
        assert_ok(seen_of(f->mock.probe, f->writers[0].tokens[8])->err);
        check(f, ONCE);
}

/* --- the pool --- */

static unsigned producers_of(const struct mock_log *f) { return producers_count(mock_log_inside(f)->producers); }

static void topics_that_come_and_go_do_not_pile_up(void **state)
{
        struct mock_log *f = *state;
        struct log_stream *lasting;

        f->limits.topics_per_producer = 8;
        mock_log_open(f);
        lasting = made_stream(f->probe);
        for (unsigned i = 0; i < 60; i++) {
                struct log_stream *stream = new_stream(f, i);

                assert_int_equal(appended(f->probe, stream, bytes_of_text("x")), 0);
                log_stream_put(f->probe->log, stream);
                assert_int_equal(appended(f->probe, lasting, bytes_of_text("y")), i);
                assert_true(producers_of(f) <= 2);
        }
        assert_true(lasting->topic->producer->topics_known <= f->limits.topics_per_producer);
        assert_int_equal(counted(f, STAT_KAFKA_FATAL), 0); /* made anew, not dead */
        log_stream_put(f->probe->log, lasting);
}

/* Many at once, each with a record, all of which go, in any order: one producer stays, for what comes. */
static void producers_go_with_their_topics(void **state)
{
        enum { STREAMS = 40, EACH = 8, SOME_PRIME = 13 };
        struct mock_log *f = *state;
        struct log_stream *streams[STREAMS];

        f->limits.topics_per_producer = EACH;
        mock_log_open(f);
        for (unsigned i = 0; i < STREAMS; i++) {
                streams[i] = new_stream(f, i);
                appended(f->probe, streams[i], bytes_of_text("x"));
        }
        assert_true(producers_of(f) >= STREAMS / EACH);
        for (unsigned i = 0; i < STREAMS; i++) {
                log_stream_put(f->probe->log, streams[i * SOME_PRIME % STREAMS]);
                probe_run(f->probe, 20);
        }
        for (uint64_t end = context_now_ms(&f->kafka.ctx) + MS; producers_of(f) > 1 && context_now_ms(&f->kafka.ctx) < end;)
                probe_run(f->probe, 20);
        assert_int_equal(producers_of(f), 1);
}

static void a_full_queue_of_librdkafka_is_waited_for(void **state)
{
        static const struct kafka_property small[] = {{"queue.buffering.max.messages", "10"}};
        struct fixture *f = *state;

        open_writers(f, small, 4);
        embedded_set_delay(f->mock.probe->log, 1, 20);
        append_to_all(f, 60);
        check_all_stored(f, ONCE);
}

static void pressure_holds_while_the_broker_is_away(void **state)
{
        struct fixture *f = *state;

        f->mock.limits.append_bytes_high = 100000;
        f->mock.limits.append_bytes_low = 50000;
        open_writers(f, NULL, 10);
        embedded_set_down(f->mock.probe->log, true);
        while (!f->mock.probe->pressure)
                append_to_all(f, 1);
        append_to_all(f, 5); /* what comes all the same is not dropped */
        probe_run(f->mock.probe, 100);
        assert_true(f->mock.probe->pressure);
        embedded_set_down(f->mock.probe->log, false);
        check_all_stored(f, ONCE);
        assert_false(f->mock.probe->pressure);
        assert_int_equal(f->mock.probe->pressure_on, 1);
        assert_int_equal(f->mock.probe->pressure_off, 1);
}

/* The helper has one job of a producer at a time: a producer that is about to end, and dies in the same turn, ends once. */
static void G8_a_fatal_error_as_a_producer_is_about_to_end(void **state)
{
        struct mock_log *f = *state;
        struct log_stream *stream;
        struct producer *producer;

        f->limits.topics_per_producer = 1;
        mock_log_open(f);
        stream = made_stream(f->probe);
        appended(f->probe, stream, bytes_of_text("x"));
        probe_run(f->probe, 200);
        producer = stream->topic->producer;
        log_stream_put(f->probe->log, stream);
        assert_int_equal(producer->state, PRODUCER_DRAINING);
        rd_kafka_test_fatal_error(producer->handle.rk, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "of the test");
        producer_retire(producer);
        probe_run(f->probe, 3000);
        stream = stream_of(f->probe, f->probe->topic, 0);
        appended(f->probe, stream, bytes_of_text("y"));
        log_stream_put(f->probe->log, stream);
}

/* What is cancelled and was no append leaves nothing behind, even while appends are under way. */
static void what_is_cancelled_leaves_nothing(void **state)
{
        enum { LOADS = 200 };
        struct mock_log *f = *state;
        const struct kafka_log *log;
        struct log_stream *stream;

        mock_log_open(f);
        log = mock_log_inside(f);
        stream = made_stream(f->probe);
        appended(f->probe, stream, bytes_of_text("x"));
        uint64_t push = ask_append(f->probe, stream, bytes_of_text("y"));

        probe_save(f->probe, "reader", f->probe->topic, 0, 1);
        for (int i = 0; i < LOADS; i++) probe_cancel(f->probe, ask_load(f->probe, "reader", f->probe->topic, 0));
        assert_int_equal(producers_cancelled(log->producers), 0);
        assert_ok(await(f->probe, push)->err);
        log_stream_put(f->probe->log, stream);
}

/* A log's events as they were, but for one thing that is done when the first look-up is told. */
struct canceller {
        struct probe *probe;
        const struct log_events *inner; /* the probe's */
        struct log_events events;
        uint64_t victim;
        unsigned told;
};

static struct canceller canceller;

static void cancel_at_the_first(void *user, const struct log_result *result)
{
        canceller.inner->done(user, result);
        if (result->op != LOG_INDEX_LOAD || canceller.told++) return;
        probe_cancel(canceller.probe, canceller.victim);
        log_cancel(canceller.probe->log, result->token); /* its own: it is too late for that */
}

static void cancel_at_answers(struct probe *probe)
{
        canceller = (struct canceller){.probe = probe, .inner = probe->log->events, .events = *probe->log->events};
        canceller.events.done = cancel_at_the_first;
        probe->log->events = &canceller.events;
}

/* Answers that come in one turn: whoever gets the first one cancels it and the second, which then does not come (the probe would fail), and
 * nothing is remembered of both while an append is under way. */
static void what_is_cancelled_by_an_answer_of_the_same_turn_never_comes(void **state)
{
        enum { LATE_MS = 1000 };
        struct mock_log *f = *state;
        const struct kafka_log *log;
        struct log_stream *stream;
        uint64_t push, first, last;

        mock_log_open(f);
        log = mock_log_inside(f);
        stream = stream_of(f->probe, f->probe->topic, 0);
        made(f->probe, f->probe->topic, 1);
        appended(f->probe, stream, bytes_of_text("x"));
        embedded_push_late(f->probe->log, PRODUCE, 0, LATE_MS, 1);
        push = ask_append(f->probe, stream, bytes_of_text("y"));
        cancel_at_answers(f->probe);
        probe_save(f->probe, "reader", f->probe->topic, 0, 1); /* it is told before Kafka has it */
        first = ask_load(f->probe, "reader", f->probe->topic, 0);
        canceller.victim = ask_load(f->probe, "reader", f->probe->topic, 0);
        last = ask_load(f->probe, "reader", f->probe->topic, 0);
        await(f->probe, last);
        assert_true(seen_of(f->probe, first)->done);
        assert_int_equal(canceller.told, 2);
        assert_int_equal(producers_outstanding(log->producers), 1);
        assert_int_equal(producers_cancelled(log->producers), 0);
        assert_ok(await(f->probe, push)->err);
        f->probe->log->events = canceller.inner;
        log_stream_put(f->probe->log, stream);
}

/* With writers, and without. */
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define MOCK_T(name) cmocka_unit_test_setup_teardown(name, mock_log_setup, mock_log_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                T(G8_a_fatal_error_loses_nothing_and_keeps_the_order),
                T(I4_one_stream_keeps_its_order_through_a_fatal_error),
                T(fatal_errors_again_and_again),
                T(a_fatal_error_while_the_broker_is_away),
                T(topics_of_other_producers_go_on),
                T(possibly_stored_and_then_out_of_order),
                T(freed_at_any_moment_of_a_replacement),
                T(a_stop_in_a_replacement_stores_what_was_accepted),
                T(a_stop_that_has_no_time_leaves_the_outcome_open),
                T(I2_what_is_refused_alone_is_not_in_the_log),
                T(I4_a_refusal_among_hundreds_keeps_the_order),
                T(R10_a_topic_that_may_not_be_written_is_said_so_and_comes_back),
                MOCK_T(topics_that_come_and_go_do_not_pile_up),
                MOCK_T(producers_go_with_their_topics),
                T(a_full_queue_of_librdkafka_is_waited_for),
                T(pressure_holds_while_the_broker_is_away),
                MOCK_T(G8_a_fatal_error_as_a_producer_is_about_to_end),
                MOCK_T(what_is_cancelled_leaves_nothing),
                MOCK_T(what_is_cancelled_by_an_answer_of_the_same_turn_never_comes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
