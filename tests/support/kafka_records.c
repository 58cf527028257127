/* A consumer of some partitions, from their beginning until librdkafka says that each one's end is reached. */
#include "tests/support/kafka_records.h"

#include "tests/support/test.h"

#include <librdkafka/rdkafka.h>
#include <stdlib.h>
#include <string.h>

enum { PATIENCE_MS = 30000 };

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
        char text[256];

        if (rd_kafka_conf_set(conf, name, value, text, sizeof text) != RD_KAFKA_CONF_OK) fail_msg("%s", text);
}

static rd_kafka_t *consumer(const char *brokers)
{
        rd_kafka_conf_t *conf = rd_kafka_conf_new();
        char text[256];
        rd_kafka_t *rk;

        set(conf, "bootstrap.servers", brokers);
        set(conf, "group.id", "tests");
        set(conf, "enable.auto.commit", "false");
        set(conf, "enable.partition.eof", "true");
        set(conf, "auto.offset.reset", "error");
        set(conf, "fetch.wait.max.ms", "10");
        if (!(rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text))) fail_msg("%s", text);
        rd_kafka_poll_set_consumer(rk);
        return rk;
}

static void keep(struct kafka_records *records, const rd_kafka_message_t *message)
{
        uint8_t *data = malloc(message->len + 1);

        if (records->count == records->cap) {
                records->cap = records->cap ? 2 * records->cap : 64;
                records->records = realloc(records->records, records->cap * sizeof *records->records);
        }
        assert_true(data && records->records);
        if (message->len) memcpy(data, message->payload, message->len);
        records->records[records->count++] = (struct log_record){(uint64_t)message->offset, bytes_make(data, message->len)};
}

static size_t find(const char *topic, const char *const topics[], size_t count)
{
        size_t i = 0;

        while (i < count && strcmp(topics[i], topic) != 0)
                i++;
        assert_true(i < count);
        return i;
}

void kafka_records_read(const char *brokers, const char *const topics[], size_t count, struct kafka_records records[])
{
        rd_kafka_t *rk = consumer(brokers);
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);

        for (size_t i = 0; i < count; i++) {
                records[i] = (struct kafka_records){0};
                rd_kafka_topic_partition_list_add(list, topics[i], 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
        }
        assert_int_equal(rd_kafka_assign(rk, list), 0);
        for (size_t left = count; left > 0;) {
                rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, PATIENCE_MS);

                if (!message) fail_msg("nothing came in %d ms", PATIENCE_MS);
                if (!message->err) keep(&records[find(rd_kafka_topic_name(message->rkt), topics, count)], message);
                if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) left--;
                rd_kafka_message_destroy(message);
        }
        rd_kafka_topic_partition_list_destroy(list);
        rd_kafka_destroy(rk);
}

void kafka_records_clear(struct kafka_records *records)
{
        for (size_t i = 0; i < records->count; i++)
                free((void *)(uintptr_t)records->records[i].data.p);
        free(records->records);
        *records = (struct kafka_records){0};
}

const struct log_record *kafka_records_at(const struct kafka_records *records, uint64_t index)
{
        for (size_t i = 0; i < records->count; i++)
                if (records->records[i].index == index) return &records->records[i];
        return NULL;
}
