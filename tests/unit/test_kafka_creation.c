/* Streams that Kafka does not want to make, or not yet, on the mock cluster. */
#include "stream/kafka/cluster.h"
#include "stream/kafka/topics.h"
#include "tests/support/mock_log.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <time.h>

enum { INVALID_REPLICATION_FACTOR = 38, NOT_CONTROLLER = 41, POLICY_VIOLATION = 44, CREATES = 1000 };

/* The questions for one topic's metadata. The helper's thread notes them. */
struct asked {
        char topic[160];
        atomic_uint count, early; /* in all, and before the pause was over that the ones before it demand */
        uint64_t last_ms;
};

static struct asked asked[2];

static uint64_t clock_ms(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void note(struct asked *one)
{
        unsigned before = atomic_load(&one->count);
        uint64_t now = clock_ms(), pause_ms = before ? 20ull << (before < 5 ? before - 1 : 4) : 0;

        if (before && now - one->last_ms < pause_ms) atomic_fetch_add(&one->early, 1);
        one->last_ms = now;
        atomic_fetch_add(&one->count, 1);
}

/* Before there is a question for it. */
static void watch(size_t i, const char *topic)
{
        snprintf(asked[i].topic, sizeof asked[i].topic, "%s", topic);
        atomic_store(&asked[i].count, 0);
        atomic_store(&asked[i].early, 0);
}

/* In place of librdkafka's, for all of this program. */
rd_kafka_resp_err_t rd_kafka_metadata(rd_kafka_t *rk, int all, rd_kafka_topic_t *only, const struct rd_kafka_metadata **metadata, int timeout_ms)
{
        rd_kafka_resp_err_t (*real)(rd_kafka_t *, int, rd_kafka_topic_t *, const struct rd_kafka_metadata **, int);

        *(void **)&real = dlsym(RTLD_NEXT, "rd_kafka_metadata");
        for (size_t i = 0; i < 2; i++)
                if (only && strcmp(rd_kafka_topic_name(only), asked[i].topic) == 0) note(&asked[i]);
        return real(rk, all, only, metadata, timeout_ms);
}

static int setup_with(void **state, size_t topics_per_producer)
{
        struct mock_log *f;

        mock_log_setup(state);
        f = *state;
        f->limits.create_patience_ms = 1000;
        f->limits.topics_per_producer = topics_per_producer;
        mock_log_open(f);
        return 0;
}

static int setup(void **state) { return setup_with(state, LOG_LIMITS_DEFAULT.topics_per_producer); }
static int setup_one_a_producer(void **state) { return setup_with(state, 1); }

static enum err create(struct mock_log *f)
{
        return await(f->probe, ask_create(f->probe, f->probe->topic, 1))->err;
}

static void brokers_that_are_only_just_back_are_waited_for(void **state)
{
        embedded_refuse_creates(((struct mock_log *)*state)->probe->log, INVALID_REPLICATION_FACTOR, 2);
        assert_ok(create(*state));
}

static void a_controller_that_moves_is_waited_for(void **state)
{
        embedded_refuse_creates(((struct mock_log *)*state)->probe->log, NOT_CONTROLLER, 2);
        assert_ok(create(*state));
}

static void replicas_that_never_can_be_are_an_error(void **state)
{
        struct mock_log *f = *state;
        uint64_t start = context_now_ms(&f->kafka.ctx);

        embedded_refuse_creates(f->probe->log, INVALID_REPLICATION_FACTOR, 1000000);
        assert_err(create(f), ERR_FAILED);
        assert_true(context_now_ms(&f->kafka.ctx) - start >= 1000);
        embedded_refuse_creates(f->probe->log, 0, 0);
        assert_ok(create(f));
}

static void what_a_policy_forbids_is_an_error_at_once(void **state)
{
        struct mock_log *f = *state;

        embedded_refuse_creates(f->probe->log, POLICY_VIOLATION, 1);
        assert_err(create(f), ERR_FAILED);
        assert_ok(create(f));
}

/* Stands between the log and its cluster, and counts requests. */
static const struct cluster_ops *true_ops;
static unsigned requests;

static void count_create(struct cluster *cluster, struct cluster_batch *batch)
{
        requests++;
        true_ops->create(cluster, batch);
}

/* One request at a time carries all that was asked for meanwhile. */
static void a_thousand_at_once(void **state)
{
        struct mock_log *f = *state;
        struct cluster *cluster = mock_log_inside(f)->cluster;
        struct cluster_ops counting;
        uint64_t tokens[CREATES];
        char topic[160];

        true_ops = cluster->ops;
        counting = *true_ops;
        counting.create = count_create;
        cluster->ops = &counting;
        requests = 0;
        for (unsigned i = 0; i < CREATES; i++) {
                snprintf(topic, sizeof topic, "%s-%u", f->probe->topic, i);
                tokens[i] = ask_create(f->probe, topic, 1);
        }
        for (unsigned i = 0; i < CREATES; i++) assert_ok(await(f->probe, tokens[i])->err);
        cluster->ops = true_ops;
        assert_in_range(requests, 1, 2 + CREATES / CLUSTER_BATCH_MAX);
        for (unsigned i = 0; i < CREATES; i++) {
                struct log_stream *stream;

                snprintf(topic, sizeof topic, "%s-%u", f->probe->topic, i);
                stream = stream_of(f->probe, topic, 0);
                tokens[i] = ask_append(f->probe, stream, bytes_of_text(topic));
                log_stream_put(f->probe->log, stream);
        }
        for (unsigned i = 0; i < CREATES; i++) {
                assert_ok(await(f->probe, tokens[i])->err);
                assert_int_equal(seen_of(f->probe, tokens[i])->index, 0);
        }
}

static struct log_stream *leaderless(struct mock_log *f, const char *topic)
{
        struct log_stream *stream = stream_of(f->probe, topic, 0); /* the topic keeps its producer */

        made(f->probe, topic, 1);
        embedded_set_leader(f->probe->log, topic, 0, -1);
        return stream;
}

static bool both_are_asked_about(void *arg)
{
        enum { QUESTIONS = 8 };

        (void)arg;
        return atomic_load(&asked[0].count) >= QUESTIONS && atomic_load(&asked[1].count) >= QUESTIONS;
}

/* Two that are not ready, at two producers: each has its own pauses, which grow, whatever there is to be done for the other one. */
static void creations_that_wait_have_pauses_that_grow(void **state)
{
        struct mock_log *f = *state;
        struct log_stream *streams[2];
        uint64_t tokens[2];

        for (unsigned i = 0; i < 2; i++) {
                char topic[160];

                snprintf(topic, sizeof topic, "%s-%u", f->probe->topic, i);
                streams[i] = leaderless(f, topic);
                watch(i, topic);
        }
        assert_ptr_not_equal(streams[0]->topic->producer, streams[1]->topic->producer);
        for (unsigned i = 0; i < 2; i++) tokens[i] = ask_create(f->probe, asked[i].topic, 1);
        f->kafka.backend.run(&f->kafka, both_are_asked_about, NULL, MOCK_LOG_MS);
        assert_true(both_are_asked_about(NULL));
        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(atomic_load(&asked[i].early), 0);
                embedded_set_leader(f->probe->log, asked[i].topic, 0, 1);
                assert_ok(await(f->probe, tokens[i])->err);
                log_stream_put(f->probe->log, streams[i]);
        }
}

static bool no_topic_is_known(void *arg) { return topics_count(mock_log_inside(arg)->topics) == 0; }

static void creations_that_nobody_waits_for_end(void **state)
{
        struct mock_log *f = *state;
        struct log_stream *stream = leaderless(f, f->probe->topic);
        uint64_t tokens[2];

        for (unsigned i = 0; i < 2; i++) tokens[i] = ask_create(f->probe, f->probe->topic, 1);
        log_stream_put(f->probe->log, stream);
        probe_cancel(f->probe, tokens[0]);
        must_not_come(f->probe, tokens[1], 100);
        assert_false(no_topic_is_known(f));
        probe_cancel(f->probe, tokens[1]);
        f->kafka.backend.run(&f->kafka, no_topic_is_known, f, MOCK_LOG_MS);
        assert_true(no_topic_is_known(f));
}

/* Whoever asks and leaves while Kafka is away leaves nothing behind. */
static void creations_that_nobody_waits_for_do_not_pile_up(void **state)
{
        struct mock_log *f = *state;
        char topic[160];

        until_away(f, false);
        embedded_set_down(f->probe->log, true);
        until_away(f, true);
        for (unsigned i = 0; i < 100; i++) {
                snprintf(topic, sizeof topic, "%s-%u", f->probe->topic, i);
                probe_cancel(f->probe, ask_create(f->probe, topic, 1));
        }
        assert_true(no_topic_is_known(f));
        embedded_set_down(f->probe->log, false);
        assert_ok(create(f));
}

static bool first_is_asked_about(void *arg)
{
        (void)arg;
        return atomic_load(&asked[0].count) > 0;
}

/* Kafka says that it made the topic, or has it, and then for long that there is none: it is asked to make it again. */
static void a_topic_that_is_not_seen_is_made_again(void **state)
{
        enum { UNKNOWN_TOPIC = 3, CHECKS = 10 };
        struct mock_log *f = *state;
        uint64_t token;

        assert_ok(create(f));
        embedded_set_topic_error(f->probe->log, f->probe->topic, UNKNOWN_TOPIC);
        watch(0, f->probe->topic);
        token = ask_create(f->probe, f->probe->topic, 1);
        f->kafka.backend.run(&f->kafka, first_is_asked_about, NULL, MOCK_LOG_MS);
        embedded_refuse_creates(f->probe->log, POLICY_VIOLATION, 1);
        assert_err(await(f->probe, token)->err, ERR_FAILED);
        assert_true(atomic_load(&asked[0].count) >= CHECKS);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, mock_log_teardown)
        const struct CMUnitTest tests[] = {
                T(brokers_that_are_only_just_back_are_waited_for),
                T(a_controller_that_moves_is_waited_for),
                T(replicas_that_never_can_be_are_an_error),
                T(what_a_policy_forbids_is_an_error_at_once),
                T(a_thousand_at_once),
                cmocka_unit_test_setup_teardown(creations_that_wait_have_pauses_that_grow, setup_one_a_producer, mock_log_teardown),
                T(creations_that_nobody_waits_for_end),
                T(creations_that_nobody_waits_for_do_not_pile_up),
                T(a_topic_that_is_not_seen_is_made_again),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
