/* A loop in real time that looks every millisecond whether a test has what it waits for, and clients of librdkafka beside the log
 * that write, delete and truncate. */
#include "tests/support/kafka_backend.h"

#include "stream/kafka/embedded.h"
#include "tests/support/tsan_threads.h"

#include <librdkafka/rdkafka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { BEHIND_MS = 10000 };

static struct kafka_backend *backend_of(void *user)
{
        return user;
}

static struct log *kafka_open(void *user, const struct log_limits *limits, const struct log_events *events, void *events_user)
{
        struct kafka_backend *kafka = backend_of(user);
        struct kafka_config config = {.brokers = kafka->brokers, .properties = kafka->properties, .property_count = kafka->property_count,
                                      .replication_factor = 1, .limits = *limits};
        struct reason why = {""};
        struct log *log = NULL;

        if (kafka_log_new(kafka->loop, &config, events, events_user, &log, &why) != OK) fail_msg("no log: %s", why.text);
        return log;
}

static void kafka_close(void *user, struct log *log)
{
        (void)user;
        log_free(log);
}

static void tick(void *arg)
{
        struct kafka_backend *kafka = arg;

        if (kafka->done(kafka->arg) || context_now_ms(&kafka->ctx) >= kafka->until_ms) loop_stop(kafka->loop);
        else assert_int_equal(context_timer_set(&kafka->ctx, &kafka->tick, 1), OK);
}

static void kafka_run(void *user, bool (*done)(void *arg), void *arg, uint64_t ms)
{
        struct kafka_backend *kafka = backend_of(user);

        if (done(arg)) return;
        kafka->done = done;
        kafka->arg = arg;
        kafka->until_ms = context_now_ms(&kafka->ctx) + ms;
        assert_int_equal(context_timer_set(&kafka->ctx, &kafka->tick, 0), OK);
        loop_run(kafka->loop);
}

static uint64_t kafka_now(void *user)
{
        return context_now_ms(&backend_of(user)->ctx);
}

/* --- behind the log's back --- */

static rd_kafka_t *other_client(struct kafka_backend *kafka, struct log *log, const char *transactional_id)
{
        rd_kafka_conf_t *conf = rd_kafka_conf_new();
        const char *brokers = strcmp(kafka->brokers, "embedded") == 0 ? embedded_brokers(log) : kafka->brokers;
        char text[256];
        rd_kafka_t *rk;

        assert_int_equal(rd_kafka_conf_set(conf, "bootstrap.servers", brokers, text, sizeof text), RD_KAFKA_CONF_OK);
        if (transactional_id)
                assert_int_equal(rd_kafka_conf_set(conf, "transactional.id", transactional_id, text, sizeof text), RD_KAFKA_CONF_OK);
        rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
        if (!rk) fail_msg("%s", text);
        return rk;
}

static rd_kafka_resp_err_t produce(rd_kafka_t *rk, const char *topic, uint32_t partition, struct bytes data)
{
        return rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION((int32_t)partition),
                                 RD_KAFKA_V_VALUE((void *)(uintptr_t)data.p, data.n), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
}

static int64_t end_of(rd_kafka_t *rk, const char *topic, uint32_t partition)
{
        int64_t low, high;

        assert_int_equal(rd_kafka_query_watermark_offsets(rk, topic, (int32_t)partition, &low, &high, BEHIND_MS), 0);
        return high;
}

/* A transaction that is given up leaves its records and its mark, which no reader sees. The mark comes after the answer. */
static void make_hole(struct kafka_backend *kafka, struct log *log, const char *topic, uint32_t partition, uint64_t hole)
{
        rd_kafka_t *rk = other_client(kafka, log, topic);
        int64_t end = end_of(rk, topic, partition) + (int64_t)hole;
        uint64_t start = kafka_now(kafka);

        assert_null(rd_kafka_init_transactions(rk, BEHIND_MS));
        assert_null(rd_kafka_begin_transaction(rk));
        for (uint64_t i = 0; i + 1 < hole; i++) assert_int_equal(produce(rk, topic, partition, bytes_of_text("hole")), 0);
        assert_int_equal(rd_kafka_flush(rk, BEHIND_MS), 0);
        assert_null(rd_kafka_abort_transaction(rk, BEHIND_MS));
        while (end_of(rk, topic, partition) < end) assert_true(kafka_now(kafka) - start < BEHIND_MS);
        rd_kafka_destroy(rk);
}

static enum err kafka_write(void *user, struct log *log, const char *topic, uint32_t partition, struct bytes data, uint64_t hole)
{
        struct kafka_backend *kafka = backend_of(user);
        rd_kafka_t *rk;
        bool stored;

        if (hole) make_hole(kafka, log, topic, partition, hole);
        rk = other_client(kafka, log, NULL);
        stored = produce(rk, topic, partition, data) == 0 && rd_kafka_flush(rk, BEHIND_MS) == 0;
        rd_kafka_destroy(rk);
        return stored ? OK : ERR_FAILED;
}

static rd_kafka_resp_err_t await_result(rd_kafka_queue_t *queue)
{
        rd_kafka_event_t *event = rd_kafka_queue_poll(queue, BEHIND_MS);
        rd_kafka_resp_err_t err = event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;

        if (event) rd_kafka_event_destroy(event);
        return err;
}

static enum err kafka_remove(void *user, struct log *log, const char *topic)
{
        rd_kafka_t *rk = other_client(backend_of(user), log, NULL);
        rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
        rd_kafka_DeleteTopic_t *topics[] = {rd_kafka_DeleteTopic_new(topic)};
        rd_kafka_resp_err_t err;

        rd_kafka_DeleteTopics(rk, topics, 1, NULL, queue);
        err = await_result(queue);
        rd_kafka_DeleteTopic_destroy(topics[0]);
        rd_kafka_queue_destroy(queue);
        rd_kafka_destroy(rk);
        return err ? ERR_FAILED : OK;
}

static enum err kafka_truncate(void *user, struct log *log, const char *topic, uint32_t partition, uint64_t index)
{
        rd_kafka_t *rk = other_client(backend_of(user), log, NULL);
        rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
        rd_kafka_topic_partition_list_t *before = rd_kafka_topic_partition_list_new(1);
        rd_kafka_DeleteRecords_t *deletes[1];
        rd_kafka_resp_err_t err;

        rd_kafka_topic_partition_list_add(before, topic, (int32_t)partition)->offset = (int64_t)index;
        deletes[0] = rd_kafka_DeleteRecords_new(before);
        rd_kafka_DeleteRecords(rk, deletes, 1, NULL, queue);
        err = await_result(queue);
        rd_kafka_DeleteRecords_destroy(deletes[0]);
        rd_kafka_topic_partition_list_destroy(before);
        rd_kafka_queue_destroy(queue);
        rd_kafka_destroy(rk);
        return err ? ERR_FAILED : OK;
}

void kafka_backend_init(struct kafka_backend *kafka, const char *brokers)
{
        bool real = strcmp(brokers, "embedded") != 0;

        tsan_threads_use();
        *kafka = (struct kafka_backend){.brokers = brokers};
        context_init(&kafka->ctx);
        assert_non_null(kafka->loop = loop_new(&kafka->ctx));
        timer_init(&kafka->tick, tick, kafka);
        snprintf(kafka->prefix, sizeof kafka->prefix, "test-%ld-%llu-", (long)getpid(), (unsigned long long)context_now_ms(&kafka->ctx));
        kafka->backend = (struct log_backend){
                .name = real ? "log on Kafka" : "log on the embedded cluster", .prefix = real ? kafka->prefix : "", .user = kafka,
                .open = kafka_open, .close = kafka_close, .run = kafka_run, .now_ms = kafka_now, .patience_ms = 5000,
                .write = kafka_write, .remove = real ? kafka_remove : NULL, .truncate = real ? kafka_truncate : NULL,
                .lasting = real, .holes = real,
        };
}

void kafka_backend_clear(struct kafka_backend *kafka)
{
        loop_free(kafka->loop);
        context_clear(&kafka->ctx);
}
