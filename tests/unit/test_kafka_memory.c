/* A log on Kafka of which one part or another has no memory: whichever allocation fails, it is said so and all that was made is freed. */
#include "stream/kafka/kafka.h"
#include "tests/support/test.h"
#include "tests/support/tsan_threads.h"

#include <dlfcn.h>
#include <stdlib.h>

/* Of this thread's allocations the one with this number fails; 0: none does, or it has. librdkafka has its own allocator: the system's. */
static _Thread_local size_t fails_at;

/* In place of the system's, for all of ours in this program. */
void *calloc(size_t n, size_t size)
{
        static void *(*real)(size_t n, size_t size);

        if (fails_at && --fails_at == 0) return NULL;
        if (!real) *(void **)&real = dlsym(RTLD_NEXT, "calloc");
        return real(n, size);
}

static void done(void *user, const struct log_result *result)
{
        (void)user;
        fail_msg("a completion of %llu, which nobody asked for", (unsigned long long)result->token);
}

static void pressure(void *user, bool high)
{
        (void)user;
        (void)high;
}

static void stopped(void *user) { (void)user; }

static void a_log_that_has_no_memory_is_refused(void **state)
{
        static const struct log_events events = {done, pressure, stopped};
        struct kafka_property properties[] = {{"linger.ms", "1"}};
        struct kafka_config config = {.brokers = "embedded", .properties = properties, .property_count = 1, .prefix = "p", .group_prefix = "g",
                                      .replication_factor = 1, .limits = LOG_LIMITS_DEFAULT};
        struct context ctx;
        size_t refused = 0;
        bool failed = true;

        (void)state;
        tsan_threads_use();
        context_init(&ctx);
        for (size_t at = 1; failed; at++) {
                struct loop *loop = loop_new(&ctx);
                struct reason why = {""};
                struct log *log = NULL;
                enum err err;

                fails_at = at;
                err = kafka_log_new(loop, &config, &events, NULL, &log, &why);
                failed = fails_at == 0;
                fails_at = 0;
                if (err) {
                        assert_true(failed);
                        assert_null(log);
                        assert_true(why.text[0]);
                        refused++;
                } else {
                        log_free(log);
                }
                loop_free(loop);
        }
        assert_true(refused >= 10); /* the log, its properties, and each of its parts */
        context_clear(&ctx);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(a_log_that_has_no_memory_is_refused)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}
