/* The log on Kafka: the suite for every log on the embedded cluster, or on a real Kafka where STROP_TEST_BROKERS names one; and which
 * properties it refuses. */
#include "tests/support/kafka_backend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void nobody(void *user, const struct log_result *result)
{
        (void)user;
        (void)result;
}

static void no_pressure(void *user, bool high)
{
        (void)user;
        (void)high;
}

static void no_stop(void *user)
{
        (void)user;
}

/* Opening a log with this property fails with a reason that says so. */
static void check_refused(const char *name, const char *value, const char *expected)
{
        const struct log_events events = {nobody, no_pressure, no_stop};
        struct kafka_property property = {name, value};
        struct kafka_config config = {.brokers = "127.0.0.1:1", .properties = &property, .property_count = 1, .replication_factor = 1,
                                      .limits = LOG_LIMITS_DEFAULT};
        struct kafka_backend kafka;
        struct reason why = {""};
        struct log *log = NULL;
        enum err err;

        kafka_backend_init(&kafka, "embedded");
        err = kafka_log_new(kafka.loop, &config, &events, NULL, &log, &why);
        if (err != ERR_USAGE || log) fail_msg("%s=%s: %s", name, value, err_name(err));
        if (!strstr(why.text, expected)) fail_msg("%s=%s: got \"%s\", expected \"%s\" in it", name, value, why.text, expected);
        kafka_backend_clear(&kafka);
}

static void properties_that_promises_rest_on_are_refused(void **state)
{
        static const char *const names[] = {
                "acks", "request.required.acks", "enable.idempotence", "message.timeout.ms", "delivery.timeout.ms", "auto.offset.reset",
                "enable.auto.commit", "group.id", "test.mock.num.brokers", "test.mock.broker.rtt", "transactional.id", "bootstrap.servers",
                "metadata.broker.list", "enable.partition.eof", "delivery.report.only.error", "enable.gapless.guarantee",
        };

        (void)state;
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) check_refused(names[i], "1", names[i]);
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) check_refused(names[i], "1", "cannot be set:");
}

static void wrong_properties_are_refused_in_librdkafkas_words(void **state)
{
        (void)state;
        check_refused("no.such.thing", "1", "No such configuration property: \"no.such.thing\"");
        check_refused("linger.ms", "often", "linger.ms: Invalid value for configuration property");
        check_refused("security.protocol", "carrier_pigeon", "Invalid value \"carrier_pigeon\" for configuration property \"security.protocol\"");
        check_refused("socket.timeout.ms", "5", "outside allowed range");
        /* Found only when it is used. */
        check_refused("max.in.flight.requests.per.connection", "6", "max.in.flight");
}

static int run_suite(const char *brokers)
{
        struct kafka_backend kafka;
        int failed;

        kafka_backend_init(&kafka, brokers);
        failed = log_suite_run(&kafka.backend);
        kafka_backend_clear(&kafka);
        return failed;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(properties_that_promises_rest_on_are_refused),
                cmocka_unit_test(wrong_properties_are_refused_in_librdkafkas_words),
        };
        const char *brokers = getenv("STROP_TEST_BROKERS");
        int failed = cmocka_run_group_tests(tests, NULL, NULL);

        return failed + run_suite(brokers ? brokers : "embedded");
}
