/* The readers' indexes while Kafka's group coordinator is not there yet, or has moved: look-ups are tried again, never answered wrongly, and
 * the process goes on (librdkafka 2.0.2 ends one that asks by an instance without a group). */
#include "stream/kafka/embedded.h"
#include "stream/kafka/kafka.h"
#include "tests/support/test.h"
#include "transport/loop.h"

#include <stdlib.h>

enum { OFFSET_COMMIT = 8, OFFSET_FETCH = 9, DEADLINE_MS = 30000 };
enum { LOAD_IN_PROGRESS = 14, NOT_AVAILABLE = 15, NOT_COORDINATOR = 16 };

struct fixture {
        struct context ctx;
        struct loop *loop;
        struct log *log;
        uint64_t token; /* of the latest completion */
        struct log_result result;
        bool stopped;
};

static void done(void *user, const struct log_result *result)
{
        struct fixture *f = user;

        f->token = result->token;
        f->result = *result;
}

static void pressure(void *user, bool high)
{
        (void)user;
        (void)high;
}

static void stopped(void *user)
{
        struct fixture *f = user;

        f->stopped = true;
}

static const struct log_events events = {done, pressure, stopped};

static void await(struct fixture *f, uint64_t token)
{
        uint64_t end = context_now_ms(&f->ctx) + DEADLINE_MS;

        while (f->token != token) {
                if (context_now_ms(&f->ctx) > end) fail_msg("no completion of %llu in time", (unsigned long long)token);
                loop_run_once(f->loop);
        }
}

static int setup(void **state)
{
        struct fixture *f = calloc(1, sizeof *f);
        struct kafka_config config = {.brokers = "embedded", .replication_factor = 1, .limits = LOG_LIMITS_DEFAULT};
        struct reason why;

        context_init(&f->ctx);
        f->loop = loop_new(&f->ctx);
        if (kafka_log_new(f->loop, &config, &events, f, &f->log, &why)) fail_msg("%s", why.text);
        log_create(f->log, "s", 1, 1);
        await(f, 1);
        assert_ok(f->result.err);
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        log_free(f->log);
        loop_free(f->loop);
        context_clear(&f->ctx);
        free(f);
        return 0;
}

static void check_error(struct fixture *f, int16_t error)
{
        static uint64_t token = 100;

        log_index_save(f->log, "reader", "s", 0, 41 + token, 1);
        embedded_push_error(f->log, OFFSET_FETCH, error, 3);
        log_index_load(f->log, "another", "s", 0, ++token);
        await(f, token);
        assert_ok(f->result.err);
        assert_false(f->result.present);
        embedded_push_error(f->log, OFFSET_COMMIT, error, 2);
        log_index_save(f->log, "reader", "s", 0, 42 + token, 1);
        log_index_load(f->log, "reader", "s", 0, token + 1);
        await(f, ++token);
        assert_true(f->result.present);
        assert_int_equal(f->result.index, 41 + token);
}

static void test_coordinator_errors(void **state)
{
        check_error(*state, NOT_COORDINATOR);
        check_error(*state, NOT_AVAILABLE);
        check_error(*state, LOAD_IN_PROGRESS);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_coordinator_errors, setup, teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
