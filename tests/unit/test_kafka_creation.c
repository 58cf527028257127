/* Streams that Kafka does not want to make, or not yet, on the mock cluster. */
#include "tests/support/mock_log.h"

enum { INVALID_REPLICATION_FACTOR = 38, NOT_CONTROLLER = 41, POLICY_VIOLATION = 44, CREATES = 1000 };

static int setup(void **state)
{
        mock_log_setup(state);
        ((struct mock_log *)*state)->limits.create_patience_ms = 1000;
        mock_log_open(*state);
        return 0;
}

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

static void a_thousand_at_once(void **state)
{
        struct mock_log *f = *state;
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
#define T(name) cmocka_unit_test_setup_teardown(name, setup, mock_log_teardown)
        const struct CMUnitTest tests[] = {
                T(brokers_that_are_only_just_back_are_waited_for),
                T(a_controller_that_moves_is_waited_for),
                T(replicas_that_never_can_be_are_an_error),
                T(what_a_policy_forbids_is_an_error_at_once),
                T(a_thousand_at_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
