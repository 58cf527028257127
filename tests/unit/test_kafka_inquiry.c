/* One question for ends, asked of a librdkafka that this file plays, with a clock that moves by what was waited for: what a broker that hangs takes
 * from others, and how often topics that are not there are looked at. */
#include "stream/kafka/inquiry.h"

#include "stream/kafka/core.h"
#include "tests/support/test.h"
#include "tests/support/test_context.h"
#include "tests/support/tsan_threads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BROKERS = 4, TOPICS_MAX = 8, HANGS = 1000000, NAME = 16 };

struct broker {
        int answer_ms; /* HANGS: never */
        unsigned asked;
};

struct fixture {
        struct test_context tc;
        struct inquiry *inquiry;
        struct broker brokers[BROKERS]; /* by number; each leads the one partition of the topic "led-<number>" */
        unsigned looks;                 /* requests for one topic's metadata */
        int look_ms, all_ms;            /* how long one takes, and one for all topics */
        rd_kafka_t *rk;
};

static struct fixture *f; /* librdkafka's functions have no place for it */

static int leader_of_topic(const char *topic) { return strncmp(topic, "led-", 4) == 0 ? topic[4] - '0' : -1; }

/* --- librdkafka's part --- */

static struct rd_kafka_metadata_partition partition_of_topic[BROKERS];
static struct rd_kafka_metadata_topic all_topics[BROKERS];
static char all_names[BROKERS][NAME];

static const struct rd_kafka_metadata *metadata_of_all(void)
{
        static struct rd_kafka_metadata all;

        for (int i = 0; i < BROKERS; i++) {
                snprintf(all_names[i], NAME, "led-%d", i);
                partition_of_topic[i] = (struct rd_kafka_metadata_partition){.id = 0, .leader = i};
                all_topics[i] = (struct rd_kafka_metadata_topic){.topic = all_names[i], .partition_cnt = 1, .partitions = &partition_of_topic[i]};
        }
        all = (struct rd_kafka_metadata){.topic_cnt = BROKERS, .topics = all_topics};
        return &all;
}

/* A topic has no partition but the first. */
static const struct rd_kafka_metadata *metadata_of_one(void)
{
        static struct rd_kafka_metadata_partition first = {.id = 0, .leader = 0};
        static struct rd_kafka_metadata_topic topic = {.topic = NULL, .partition_cnt = 1, .partitions = &first};
        static struct rd_kafka_metadata one = {.topic_cnt = 1, .topics = &topic};

        return &one;
}

rd_kafka_resp_err_t rd_kafka_metadata(rd_kafka_t *rk, int all, rd_kafka_topic_t *only, const struct rd_kafka_metadata **out, int ms)
{
        (void)rk;
        (void)only;
        if (all) {
                f->tc.now_ms += (uint64_t)(f->all_ms < ms ? f->all_ms : ms);
                if (f->all_ms > ms) return RD_KAFKA_RESP_ERR__TIMED_OUT;
                *out = metadata_of_all();
                return RD_KAFKA_RESP_ERR_NO_ERROR;
        }
        f->looks++;
        f->tc.now_ms += (uint64_t)(f->look_ms < ms ? f->look_ms : ms);
        if (f->look_ms > ms) return RD_KAFKA_RESP_ERR__TIMED_OUT;
        *out = metadata_of_one();
        return RD_KAFKA_RESP_ERR_NO_ERROR;
}

void rd_kafka_metadata_destroy(const struct rd_kafka_metadata *metadata) { (void)metadata; }

/* How long the slowest of the list's leaders takes. */
static int slowest_of(const rd_kafka_topic_partition_list_t *list)
{
        int slowest = 0;

        for (int i = 0; i < list->cnt; i++) {
                int leader = leader_of_topic(list->elems[i].topic);

                if (leader < 0) continue;
                f->brokers[leader].asked++;
                if (f->brokers[leader].answer_ms > slowest) slowest = f->brokers[leader].answer_ms;
        }
        return slowest;
}

rd_kafka_resp_err_t rd_kafka_offsets_for_times(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list, int ms)
{
        int takes = slowest_of(list);

        (void)rk;
        f->tc.now_ms += (uint64_t)(takes < ms ? takes : ms);
        if (takes > ms) return RD_KAFKA_RESP_ERR__TIMED_OUT;
        for (int i = 0; i < list->cnt; i++) {
                list->elems[i].err = list->elems[i].partition == 0 ? RD_KAFKA_RESP_ERR_NO_ERROR : RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
                list->elems[i].offset = list->elems[i].partition == 0 ? 7 : RD_KAFKA_OFFSET_INVALID;
        }
        return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* --- */

static int setup(void **state)
{
        rd_kafka_conf_t *conf = rd_kafka_conf_new();
        char text[256];

        tsan_threads_use();
        rd_kafka_conf_set_log_cb(conf, NULL);
        assert_non_null(f = calloc(1, sizeof *f));
        test_context_init(&f->tc, 1);
        assert_non_null(f->inquiry = inquiry_new(&f->tc.ctx));
        assert_non_null(f->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text)); /* for handles on topics alone */
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        rd_kafka_destroy(f->rk);
        inquiry_free(f->inquiry);
        test_context_clear(&f->tc);
        free(f);
        return 0;
}

static rd_kafka_topic_partition_list_t *ask(rd_kafka_topic_partition_list_t *list, bool slowly)
{
        for (int i = 0; i < list->cnt; i++)
                list->elems[i].offset = RD_KAFKA_OFFSET_END;
        inquiry_ask(f->inquiry, f->rk, list, slowly);
        return list;
}

/* One question for the topics that these brokers lead, in this order. */
static rd_kafka_topic_partition_list_t *ask_led_by(const int *brokers, size_t count)
{
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
        char name[NAME];

        for (size_t i = 0; i < count; i++) {
                snprintf(name, sizeof name, "led-%d", brokers[i]);
                rd_kafka_topic_partition_list_add(list, name, 0);
        }
        return ask(list, false);
}

/* Two brokers hang, and even who leads what comes late. They are found out one after the other and left out then, and the third one is asked. */
static void brokers_that_hang_are_found_out_one_by_one(void **state)
{
        static const int order[] = {1, 2, 3};
        rd_kafka_topic_partition_list_t *list;

        (void)state;
        f->all_ms = INQUIRY_ANSWER_MS / 2 - 10;
        f->brokers[1].answer_ms = f->brokers[2].answer_ms = HANGS;
        f->brokers[3].answer_ms = 50;
        for (int n = 0; n < 2; n++) {
                list = ask_led_by(order, 3);
                assert_int_equal(list->elems[2].err, RD_KAFKA_RESP_ERR__RETRY); /* never "left out" */
                rd_kafka_topic_partition_list_destroy(list);
        }
        list = ask_led_by(order, 3);
        assert_int_equal(list->elems[0].err, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE);
        assert_int_equal(list->elems[1].err, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE);
        assert_int_equal(list->elems[2].err, RD_KAFKA_RESP_ERR_NO_ERROR);
        assert_int_equal(list->elems[2].offset, 7);
        rd_kafka_topic_partition_list_destroy(list);
}

/* One broker hangs, and the next takes nearly as long as there is for one: too long for what is left, and no reason to leave it out. */
static void a_broker_whose_time_another_took_is_asked_again(void **state)
{
        static const int all[] = {0, 1, 2}, order[] = {1, 2};
        rd_kafka_topic_partition_list_t *list;
        unsigned asked;

        (void)state;
        f->brokers[1].answer_ms = HANGS;
        f->brokers[0].answer_ms = 100;
        f->brokers[2].answer_ms = INQUIRY_ANSWER_MS / 2 - 50;
        list = ask_led_by(all, 3); /* 100 ms, 1,000 ms, and 900 ms that do not do */
        assert_int_equal(list->elems[0].err, RD_KAFKA_RESP_ERR_NO_ERROR);
        assert_int_equal(list->elems[1].err, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE);
        assert_int_equal(list->elems[2].err, RD_KAFKA_RESP_ERR__RETRY);
        rd_kafka_topic_partition_list_destroy(list);
        asked = f->brokers[2].asked;
        list = ask_led_by(order, 2);
        assert_int_equal(f->brokers[2].asked, asked + 1);
        assert_int_equal(list->elems[1].err, RD_KAFKA_RESP_ERR_NO_ERROR);
        rd_kafka_topic_partition_list_destroy(list);
}

/* A question that is to take little finds out who leads, and has no time left to ask him: the next one has, even for one that takes as long. */
static void one_that_is_slow_is_heard_by_the_next_question(void **state)
{
        enum { ANSWER_MS = INQUIRY_ANSWER_MS / 2 - 50, LOOK_MS = 500, EACH_MS = 1000 };
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
        uint64_t start = f->tc.now_ms;

        (void)state;
        f->all_ms = LOOK_MS;
        f->brokers[1].answer_ms = ANSWER_MS;
        rd_kafka_topic_partition_list_add(list, "led-1", 0);
        ask(list, true);
        assert_int_equal(list->elems[0].err, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE);
        f->tc.now_ms = start + 2 * EACH_MS;
        list->elems[0].err = RD_KAFKA_RESP_ERR_NO_ERROR;
        ask(list, true);
        assert_int_equal(list->elems[0].err, RD_KAFKA_RESP_ERR_NO_ERROR);
        assert_int_equal(list->elems[0].offset, 7);
        rd_kafka_topic_partition_list_destroy(list);
}

/* Partitions that are not there, of topics that are: each topic is looked at once, however many of its partitions were asked for. */
static void topics_are_looked_at_once_in_a_question(void **state)
{
        enum { TOPICS = 3, PARTITIONS = 20 };
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(TOPICS * PARTITIONS);
        char name[NAME];

        (void)state;
        for (int i = 0; i < TOPICS * PARTITIONS; i++) {
                snprintf(name, sizeof name, "topic-%d", i % TOPICS);
                rd_kafka_topic_partition_list_add(list, name, i / TOPICS);
        }
        ask(list, false);
        assert_int_equal(f->looks, TOPICS);
        for (int i = 0; i < list->cnt; i++)
                assert_int_equal(kafka_verdict(list->elems[i].err), i / TOPICS == 0 ? KAFKA_FINE : KAFKA_ABSENT);
        rd_kafka_topic_partition_list_destroy(list);
}

/* Kafka does not say so in time: then nothing is absent, and all that is waited for has its end. */
static void what_kafka_does_not_say_is_not_absent(void **state)
{
        enum { TOPICS = 30 };
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(TOPICS);
        uint64_t start = f->tc.now_ms;
        char name[NAME];

        (void)state;
        f->look_ms = HANGS;
        for (int i = 0; i < TOPICS; i++) {
                snprintf(name, sizeof name, "topic-%d", i);
                rd_kafka_topic_partition_list_add(list, name, 1);
        }
        ask(list, false);
        for (int i = 0; i < list->cnt; i++)
                assert_int_equal(list->elems[i].err, RD_KAFKA_RESP_ERR__RETRY);
        assert_true(f->tc.now_ms - start <= INQUIRY_ANSWER_MS);
        rd_kafka_topic_partition_list_destroy(list);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                T(brokers_that_hang_are_found_out_one_by_one),
                T(a_broker_whose_time_another_took_is_asked_again),
                T(one_that_is_slow_is_heard_by_the_next_question),
                T(topics_are_looked_at_once_in_a_question),
                T(what_kafka_does_not_say_is_not_absent),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
