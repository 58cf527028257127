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
                                      .embedded_count = kafka->embedded_count,
                                      .replication_factor = 1, .limits = *limits};
        struct reason why = {""};
        struct log *log = NULL;

        if (kafka_log_new(kafka->loop, &config, events, events_user, &log, &why) != OK) fail_msg("no log: %s", why.text);
        kafka->first = log;
        return log;
}

static void kafka_close(void *user, struct log *log)
{
        struct kafka_backend *kafka = backend_of(user);

        if (kafka->writer) rd_kafka_destroy(kafka->writer);
        if (kafka->hole_maker) rd_kafka_destroy(kafka->hole_maker);
        kafka->writer = kafka->hole_maker = NULL;
        kafka->first = NULL;
        log_free(log);
}

/* A second log on the first one's cluster, for the same loop. */
static struct log *sibling_open(void *user, const struct log_limits *limits, const struct log_events *events, void *events_user)
{
        struct kafka_backend *kafka = backend_of(user);
        bool embedded = strcmp(kafka->brokers, "embedded") == 0;
        struct kafka_config config = {.brokers = embedded ? embedded_brokers(kafka->first) : kafka->brokers, .replication_factor = 1,
                                      .limits = *limits};
        struct reason why = {""};
        struct log *log = NULL;

        if (kafka_log_new(kafka->loop, &config, events, events_user, &log, &why) != OK) fail_msg("no second log: %s", why.text);
        return log;
}

static void sibling_close(void *user, struct log *log)
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

/* A client beside the log, with properties by name and value, NULL behind the last. */
static rd_kafka_t *open_client(struct kafka_backend *kafka, struct log *log, rd_kafka_type_t type, const char *const *properties)
{
        const char *brokers = strcmp(kafka->brokers, "embedded") == 0 ? embedded_brokers(log) : kafka->brokers;
        rd_kafka_conf_t *conf = rd_kafka_conf_new();
        char text[256];
        rd_kafka_t *rk;

        assert_int_equal(rd_kafka_conf_set(conf, "bootstrap.servers", brokers, text, sizeof text), RD_KAFKA_CONF_OK);
        for (; *properties; properties += 2)
                assert_int_equal(rd_kafka_conf_set(conf, properties[0], properties[1], text, sizeof text), RD_KAFKA_CONF_OK);
        rk = rd_kafka_new(type, conf, text, sizeof text);
        if (!rk) fail_msg("%s", text);
        return rk;
}

static rd_kafka_t *writer_of(struct kafka_backend *kafka, struct log *log)
{
        const char *const properties[] = {"linger.ms", "0", NULL};

        if (!kafka->writer) kafka->writer = open_client(kafka, log, RD_KAFKA_PRODUCER, properties);
        return kafka->writer;
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

/* A transaction that is given up leaves its records and its mark, which no reader sees: at least two offsets. The mark comes after the
 * answer, so nobody else may be writing. */
static void make_hole(struct kafka_backend *kafka, struct log *log, const char *topic, uint32_t partition, uint64_t hole)
{
        uint64_t start = kafka_now(kafka);
        int64_t end;

        assert_true(hole >= 2);
        if (!kafka->hole_maker) {
                const char *const properties[] = {"linger.ms", "0", "transactional.id", kafka->prefix, NULL};

                kafka->hole_maker = open_client(kafka, log, RD_KAFKA_PRODUCER, properties);
                assert_null(rd_kafka_init_transactions(kafka->hole_maker, BEHIND_MS));
        }
        end = end_of(kafka->hole_maker, topic, partition) + (int64_t)hole;
        assert_null(rd_kafka_begin_transaction(kafka->hole_maker));
        for (uint64_t i = 0; i + 1 < hole; i++) assert_int_equal(produce(kafka->hole_maker, topic, partition, bytes_of_text("hole")), 0);
        assert_int_equal(rd_kafka_flush(kafka->hole_maker, BEHIND_MS), 0);
        assert_null(rd_kafka_abort_transaction(kafka->hole_maker, BEHIND_MS));
        while (end_of(kafka->hole_maker, topic, partition) < end) assert_true(kafka_now(kafka) - start < BEHIND_MS);
}

static enum err kafka_write(void *user, struct log *log, const char *topic, uint32_t partition, struct bytes data, uint64_t hole)
{
        struct kafka_backend *kafka = backend_of(user);

        if (hole) make_hole(kafka, log, topic, partition, hole);
        return produce(writer_of(kafka, log), topic, partition, data) || rd_kafka_flush(kafka->writer, BEHIND_MS) ? ERR_FAILED : OK;
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
        rd_kafka_t *rk = writer_of(backend_of(user), log);
        rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
        rd_kafka_DeleteTopic_t *topics[] = {rd_kafka_DeleteTopic_new(topic)};
        rd_kafka_resp_err_t err;

        rd_kafka_DeleteTopics(rk, topics, 1, NULL, queue);
        err = await_result(queue);
        rd_kafka_DeleteTopic_destroy(topics[0]);
        rd_kafka_queue_destroy(queue);
        return err ? ERR_FAILED : OK;
}

static enum err kafka_truncate(void *user, struct log *log, const char *topic, uint32_t partition, uint64_t index)
{
        rd_kafka_t *rk = writer_of(backend_of(user), log);
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
        return err ? ERR_FAILED : OK;
}

/* By a consumer of its own, from the start to what is the end now. A new one each time: one that had read a topic before it was deleted would
 * begin the next of that name somewhere in the middle. */
static enum err kafka_dump(void *user, struct log *log, const char *topic, uint32_t partition,
                           void (*each)(void *arg, uint64_t index, struct bytes data), void *arg)
{
        static const char *const properties[] = {"group.id", "another", "enable.partition.eof", "true", "fetch.wait.max.ms", "10",
                                                 NULL};
        rd_kafka_t *rk = open_client(backend_of(user), log, RD_KAFKA_CONSUMER, properties);
        rd_kafka_topic_partition_list_t *from = rd_kafka_topic_partition_list_new(1);
        rd_kafka_message_t *message;
        bool over = false;

        rd_kafka_topic_partition_list_add(from, topic, (int32_t)partition)->offset = RD_KAFKA_OFFSET_BEGINNING;
        assert_int_equal(rd_kafka_assign(rk, from), 0);
        rd_kafka_topic_partition_list_destroy(from);
        while (!over && (message = rd_kafka_consumer_poll(rk, BEHIND_MS))) {
                over = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
                if (!message->err) each(arg, (uint64_t)message->offset, bytes_make(message->payload, message->len));
                rd_kafka_message_destroy(message);
        }
        rd_kafka_destroy(rk);
        return over ? OK : ERR_TIMEOUT;
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
                .lasting = real, .holes = real, .dump = kafka_dump,
        };
        kafka->sibling = kafka->backend;
        kafka->sibling.open = sibling_open;
        kafka->sibling.close = sibling_close;
}

void kafka_backend_clear(struct kafka_backend *kafka)
{
        loop_free(kafka->loop);
        context_clear(&kafka->ctx);
}
