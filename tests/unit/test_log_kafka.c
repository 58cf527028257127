/* The log on Kafka: the suite for every log on the embedded cluster, or on a real Kafka where STROP_TEST_BROKERS names one, there also with a
 * second node; and which properties it refuses. */
#include "tests/support/kafka_backend.h"
#include "tests/support/log_probe.h"

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
                "metadata.broker.list", "enable.partition.eof", "delivery.report.only.error", "enable.gapless.guarantee", "client.rack",
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

/* --- two nodes on one Kafka that can delete topics ------------------------------------------------------------------------ */

struct two_nodes {
        struct kafka_backend kafka;
        struct probe *a, *b;
        struct log_stream *at_a, *at_b; /* the stream of a's topic */
};

static int two_nodes_setup(void **state)
{
        struct two_nodes *two = *state = calloc(1, sizeof *two);
        struct log_limits limits = LOG_LIMITS_DEFAULT;

        assert_non_null(two);
        limits.tail_bytes = 4000;
        kafka_backend_init(&two->kafka, getenv("STROP_TEST_BROKERS"));
        two->a = probe_open_with(&two->kafka.backend, &limits);
        two->b = probe_open_with(&two->kafka.sibling, &limits);
        two->at_a = made_stream(two->a);
        made(two->b, two->a->topic, 1);
        two->at_b = stream_of(two->b, two->a->topic, 0);
        return 0;
}

static int two_nodes_teardown(void **state)
{
        struct two_nodes *two = *state;

        log_stream_put(two->a->log, two->at_a);
        log_stream_put(two->b->log, two->at_b);
        probe_close(two->b);
        probe_close(two->a);
        kafka_backend_clear(&two->kafka);
        free(two);
        return 0;
}

/* The topic is deleted, and node b makes it anew with so many records. */
static void make_anew(struct two_nodes *two, unsigned count)
{
        assert_ok(two->kafka.backend.remove(&two->kafka, two->a->log, two->a->topic));
        made(two->b, two->a->topic, 1);
        for (unsigned i = 0; i < count; i++) assert_int_equal(appended(two->b, two->at_b, bytes_of_text("new")), i);
}

/* No look at the end shows it: only that nobody looked for a while, or that the stream was created once more. */
static void a_topic_made_anew_as_long_as_it_was(struct two_nodes *two, bool create)
{
        enum { LONG_MS = 4000 };
        struct seen *seen;

        assert_int_equal(appended(two->a, two->at_a, bytes_of_text("old")), 0);
        check_record(await(two->a, ask_read(two->a, two->at_a, usual(0, 1000))), 0, 0, bytes_of_text("old"));
        make_anew(two, 1);
        if (create) made(two->a, two->a->topic, 1);
        else probe_run(two->a, LONG_MS);
        seen = await(two->a, ask_read(two->a, two->at_a, usual(0, 1000)));
        check_record(seen, 0, 0, bytes_of_text("new"));
        assert_int_equal(seen->count, 1);
}

static void a_topic_made_anew_as_long_is_read_anew_after_a_while(void **state) { a_topic_made_anew_as_long_as_it_was(*state, false); }
static void a_topic_made_anew_as_long_is_read_anew_by_who_creates_it(void **state) { a_topic_made_anew_as_long_as_it_was(*state, true); }

/* Node a follows what node b writes, up to the moment at which the topic goes; when it has noticed that, nothing of before is given. */
static void a_topic_made_anew_while_it_is_followed_gives_nothing_of_before(void **state)
{
        enum { OLD = 10, NEW = 4, HOLD_MS = 20000 };
        struct two_nodes *two = *state;
        uint64_t waits;
        struct seen *seen;

        for (unsigned i = 0; i < OLD; i++) {
                waits = ask_read(two->a, two->at_a, usual(i, HOLD_MS));
                assert_int_equal(appended(two->b, two->at_b, bytes_of_text("old")), i);
                check_record(await(two->a, waits), 0, i, bytes_of_text("old"));
        }
        waits = ask_read(two->a, two->at_a, usual(OLD, HOLD_MS));
        must_not_come(two->a, waits, 500);
        make_anew(two, NEW);
        check_empty(await(two->a, waits)); /* it waited behind the end of a topic that is gone */
        seen = await(two->a, ask_read(two->a, two->at_a, usual(NEW - 1, HOLD_MS)));
        check_record(seen, 0, NEW - 1, bytes_of_text("new"));
        assert_int_equal(seen->count, 1);
}

/* The same while node a follows it, whatever its fetch has noticed of that. */
static void a_topic_made_anew_as_long_while_it_is_followed(void **state)
{
        enum { OLD = 3, HOLD_MS = 20000 };
        struct two_nodes *two = *state;
        uint64_t waits;

        for (unsigned i = 0; i < OLD; i++) {
                waits = ask_read(two->a, two->at_a, usual(i, HOLD_MS));
                assert_int_equal(appended(two->b, two->at_b, bytes_of_text("old")), i);
                check_record(await(two->a, waits), 0, i, bytes_of_text("old"));
        }
        waits = ask_read(two->a, two->at_a, usual(OLD, HOLD_MS));
        must_not_come(two->a, waits, 500);
        make_anew(two, OLD);
        made(two->a, two->a->topic, 1);
        check_record(await(two->a, ask_read(two->a, two->at_a, usual(OLD - 1, HOLD_MS))), 0, OLD - 1, bytes_of_text("new"));
        if (!seen_of(two->a, waits)->done) probe_cancel(two->a, waits);
}

/* Node a knew that somebody else writes, and looked away; a fetch that begins then knows nothing of the time before it. */
static void a_topic_made_anew_as_long_between_two_readers_that_wait(void **state)
{
        enum { LONG_MS = 4000, HOLD_MS = 20000 };
        struct two_nodes *two = *state;
        uint64_t waits = ask_read(two->a, two->at_a, usual(0, HOLD_MS));

        assert_int_equal(appended(two->b, two->at_b, bytes_of_text("old")), 0);
        check_record(await(two->a, waits), 0, 0, bytes_of_text("old"));
        assert_int_equal(appended(two->a, two->at_a, bytes_of_text("old")), 1);
        probe_run(two->a, LONG_MS);
        make_anew(two, 2);
        waits = ask_read(two->a, two->at_a, usual(2, HOLD_MS));
        must_not_come(two->a, waits, 300);
        check_record(await(two->a, ask_read(two->a, two->at_a, usual(1, HOLD_MS))), 0, 1, bytes_of_text("new"));
        probe_cancel(two->a, waits);
}

/* The end at which a reader waits lies before the log's start by now: he goes on there at once, and Kafka is not asked again and again. */
static void who_waits_at_an_end_that_retention_has_passed_reads_on(void **state)
{
        enum { OLD = 5, GONE = 10, ALL = 12, HOLD_MS = 20000, LONG_MS = 4000, FETCHES = 6 };
        struct two_nodes *two = *state;
        uint64_t waits, fetches;

        for (unsigned i = 0; i < OLD; i++) {
                waits = ask_read(two->a, two->at_a, usual(i, HOLD_MS));
                assert_int_equal(appended(two->b, two->at_b, bytes_of_text("old")), i);
                check_record(await(two->a, waits), 0, i, bytes_of_text("old"));
        }
        probe_run(two->a, LONG_MS);
        for (unsigned i = OLD; i < ALL; i++) assert_int_equal(appended(two->b, two->at_b, bytes_of_text("later")), i);
        assert_ok(two->kafka.backend.truncate(&two->kafka, two->a->log, two->a->topic, 0, GONE));
        fetches = two->kafka.ctx.stats.v[STAT_FETCHES];
        check_record(await(two->a, ask_read(two->a, two->at_a, usual(OLD, HOLD_MS))), 0, GONE, bytes_of_text("later"));
        assert_in_range(two->kafka.ctx.stats.v[STAT_FETCHES] - fetches, 1, FETCHES);
}

/* A reader from the start, which retention has removed: memory of what stands there still is as good as before. */
static void who_reads_before_the_start_costs_others_nothing(void **state)
{
        enum { RECORDS = 10, GONE = 3 };
        struct two_nodes *two = *state;
        uint64_t hits;
        uint8_t memory[1000];

        for (unsigned i = 0; i < RECORDS; i++) assert_int_equal(appended(two->a, two->at_a, made_up(memory, sizeof memory, i)), i);
        assert_ok(two->kafka.backend.truncate(&two->kafka, two->a->log, two->a->topic, 0, GONE));
        check_record(await(two->a, ask_read(two->a, two->at_a, usual(0, 1000))), 0, GONE, made_up(memory, sizeof memory, GONE));
        hits = two->kafka.ctx.stats.v[STAT_TAIL_HITS];
        made_up(memory, sizeof memory, RECORDS - 1);
        check_record(await(two->a, ask_read(two->a, two->at_a, usual(RECORDS - 1, 1000))), 0, RECORDS - 1, bytes_make(memory, sizeof memory));
        assert_int_equal(two->kafka.ctx.stats.v[STAT_TAIL_HITS], hits + 1);
}

#define TWO(test) cmocka_unit_test_setup_teardown(test, two_nodes_setup, two_nodes_teardown)

static int run_two_nodes(void)
{
        const struct CMUnitTest tests[] = {
                TWO(a_topic_made_anew_as_long_is_read_anew_after_a_while),
                TWO(a_topic_made_anew_as_long_is_read_anew_by_who_creates_it),
                TWO(a_topic_made_anew_while_it_is_followed_gives_nothing_of_before),
                TWO(a_topic_made_anew_as_long_while_it_is_followed),
                TWO(a_topic_made_anew_as_long_between_two_readers_that_wait),
                TWO(who_waits_at_an_end_that_retention_has_passed_reads_on),
                TWO(who_reads_before_the_start_costs_others_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
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

        if (brokers) failed += run_two_nodes();
        return failed + run_suite(brokers ? brokers : "embedded");
}
