/* Consumers that are renewed, on the mock cluster: those that end are waited for. */
#include "stream/kafka/reader_parts.h"
#include "tests/support/kafka_backend.h"
#include "tests/support/log_probe.h"
#include "transport/base/logger.h"

#include <string.h>

enum { MS = 30000, KNOWN = 4 };

struct fixture {
        struct kafka_backend kafka;
        struct probe *probe;
        struct log_limits limits;
        unsigned left; /* lines that say so of a consumer */
};

static void count_left(void *user, enum log_level level, const char *line)
{
        struct fixture *f = user;

        (void)level;
        if (strstr(line, "left to itself")) f->left++;
}

static int setup(void **state)
{
        struct fixture *f = calloc(1, sizeof *f);

        assert_non_null(f);
        kafka_backend_init(&f->kafka, "embedded");
        f->kafka.backend.patience_ms = MS;
        f->limits = LOG_LIMITS_DEFAULT;
        f->limits.topics_per_consumer = KNOWN;
        f->probe = probe_open_with(&f->kafka.backend, &f->limits);
        logger_set_sink(count_left, f);
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        logger_set_sink(NULL, NULL);
        kafka_backend_clear(&f->kafka);
        free(f);
        return 0;
}

static struct kafka_log *log_of(const struct fixture *f) { return (struct kafka_log *)(void *)f->probe->log; }

static uint64_t renewed(const struct fixture *f) { return f->kafka.ctx.stats.v[STAT_KAFKA_CONSUMERS_RENEWED]; }

/* --- the instances --- */

static void take(struct consumers *consumers, unsigned n, struct consumer_instance **out)
{
        char name[16];

        snprintf(name, sizeof name, "t%u", n);
        *out = consumers_take(consumers, name);
        assert_non_null(*out);
}

/* Several that end at once are all given their time, and at the close each is awaited. */
static void all_that_end_are_awaited(void **state)
{
        enum { RENEWALS = 3 };
        struct fixture *f = *state;
        struct kafka_log *log = log_of(f);
        struct consumers consumers;
        struct consumer_instance *instance;
        struct reason why;
        int before = rd_kafka_thread_cnt();

        log->limits.topics_per_consumer = 1;
        assert_ok(consumers_open(&consumers, log, KAFKA_HISTORY, &why));
        for (unsigned i = 0; i <= RENEWALS; i++) {
                take(&consumers, i, &instance);
                consumers_give_back(&consumers, instance);
        }
        assert_int_equal(renewed(f), RENEWALS);
        consumers_close(&consumers);
        assert_int_equal(rd_kafka_thread_cnt(), before);
        assert_int_equal(f->left, 0);
        probe_close(f->probe);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                T(all_that_end_are_awaited),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
