/* Streams that Kafka does not want to make, or not yet, on the mock cluster. */
#include "stream/kafka/embedded.h"
#include "tests/support/kafka_backend.h"
#include "tests/support/log_probe.h"

enum { INVALID_REPLICATION_FACTOR = 38, NOT_CONTROLLER = 41, POLICY_VIOLATION = 44, CREATES = 1000 };

struct fixture {
        struct kafka_backend kafka;
        struct probe *probe;
};

static int setup(void **state)
{
        struct fixture *f = calloc(1, sizeof *f);
        struct log_limits limits = LOG_LIMITS_DEFAULT;

        assert_non_null(f);
        limits.create_patience_ms = 1000;
        kafka_backend_init(&f->kafka, "embedded");
        f->kafka.backend.patience_ms = 30000;
        f->probe = probe_open_with(&f->kafka.backend, &limits);
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        probe_close(f->probe);
        kafka_backend_clear(&f->kafka);
        free(f);
        return 0;
}

static enum err create(struct fixture *f)
{
        return await(f->probe, ask_create(f->probe, f->probe->topic, 1))->err;
}

static void brokers_that_are_only_just_back_are_waited_for(void **state)
{
        embedded_refuse_creates(((struct fixture *)*state)->probe->log, INVALID_REPLICATION_FACTOR, 2);
        assert_ok(create(*state));
}

static void a_controller_that_moves_is_waited_for(void **state)
{
        embedded_refuse_creates(((struct fixture *)*state)->probe->log, NOT_CONTROLLER, 2);
        assert_ok(create(*state));
}

static void replicas_that_never_can_be_are_an_error(void **state)
{
        struct fixture *f = *state;
        uint64_t start = context_now_ms(&f->kafka.ctx);

        embedded_refuse_creates(f->probe->log, INVALID_REPLICATION_FACTOR, 1000000);
        assert_err(create(f), ERR_FAILED);
        assert_true(context_now_ms(&f->kafka.ctx) - start >= 1000);
        embedded_refuse_creates(f->probe->log, 0, 0);
        assert_ok(create(f));
}

static void what_a_policy_forbids_is_an_error_at_once(void **state)
{
        struct fixture *f = *state;

        embedded_refuse_creates(f->probe->log, POLICY_VIOLATION, 1);
        assert_err(create(f), ERR_FAILED);
        assert_ok(create(f));
}

static void a_thousand_at_once(void **state)
{
        struct fixture *f = *state;
        uint64_t tokens[CREATES];
        char topic[160];

        for (unsigned i = 0; i < CREATES; i++) {
                snprintf(topic, sizeof topic, "%s-%u", f->probe->topic, i);
                tokens[i] = ask_create(f->probe, topic, 1);
        }
        for (unsigned i = 0; i < CREATES; i++) assert_ok(await(f->probe, tokens[i])->err);
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

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(brokers_that_are_only_just_back_are_waited_for),
                T(a_controller_that_moves_is_waited_for),
                T(replicas_that_never_can_be_are_an_error),
                T(what_a_policy_forbids_is_an_error_at_once),
                T(a_thousand_at_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
