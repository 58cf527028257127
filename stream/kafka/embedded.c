/* librdkafka's mock cluster as a Kafka of one broker. It cannot answer CreateTopics, and makes whatever it is asked about; so topics
 * are made by its own call, and a table of ours says which ones there are. */
#include "stream/kafka/embedded.h"

#include "stream/kafka/cluster.h"
#include "stream/kafka/nudge.h"
#include "transport/base/arena.h"
#include "transport/base/logger.h"

#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOKS_A_MS = 12500 }; /* some tenth of a processor */

struct embedded_topic {
        UT_hash_handle hh;
        uint32_t partitions;
        char name[];
};

struct embedded {
        struct cluster cluster; /* first */
        rd_kafka_t *host;       /* what the mock cluster lives in */
        rd_kafka_mock_cluster_t *mock;
        uint16_t port;
        struct embedded_topic *topics;
        struct arena memory;    /* of these: none is ever forgotten, and one by one they would hold a page of the heap each */
        rd_kafka_resp_err_t create_error; /* for the next create_errors requests */
        int create_errors;
};

static struct embedded *embedded_of(struct cluster *cluster)
{
        return (struct embedded *)(void *)cluster;
}

static struct embedded_topic *find(struct embedded *embedded, const char *name)
{
        struct embedded_topic *topic;

        HASH_FIND_STR(embedded->topics, name, topic);
        return topic;
}

static void create_run(struct helper_job *job)
{
        struct cluster_batch *batch = HELPER_JOB_OWNER(job, struct cluster_batch, job);
        struct embedded *embedded = embedded_of(batch->cluster);
        struct nudge *nudge = nudge_start(embedded->port);

        for (size_t i = 0; i < batch->count; i++) {
                struct cluster_topic *topic = &batch->topics[i];
                rd_kafka_resp_err_t err = rd_kafka_mock_topic_create(embedded->mock, topic->name, (int)topic->partitions, 1);

                cluster_note(topic, err, NULL);
        }
        nudge_stop(nudge);
}

static void refuse_run(struct helper_job *job)
{
        struct cluster_batch *batch = HELPER_JOB_OWNER(job, struct cluster_batch, job);

        for (size_t i = 0; i < batch->count; i++) cluster_note(&batch->topics[i], embedded_of(batch->cluster)->create_error, NULL);
}

static void remember(struct embedded *embedded, const char *name, uint32_t partitions)
{
        size_t n = strlen(name) + 1;
        struct embedded_topic *topic;

        if (find(embedded, name) || !(topic = arena_alloc(&embedded->memory, sizeof *topic + n))) return;
        topic->partitions = partitions;
        memcpy(topic->name, name, n);
        HASH_ADD_STR(embedded->topics, name, topic); /* without memory for the table it is not remembered, as above */
}

static void create_done(struct helper_job *job)
{
        struct cluster_batch *batch = HELPER_JOB_OWNER(job, struct cluster_batch, job);
        struct embedded *embedded = embedded_of(batch->cluster);

        for (size_t i = 0; i < batch->count; i++)
                if (batch->topics[i].verdict == KAFKA_FINE) remember(embedded, batch->topics[i].name, batch->topics[i].partitions);
        batch->done(batch->user, batch);
}

static void create_topics(struct cluster *cluster, struct cluster_batch *batch)
{
        struct embedded *embedded = embedded_of(cluster);
        bool refused = embedded->create_errors > 0;

        if (refused) embedded->create_errors--;
        batch->job = (struct helper_job){.run = refused ? refuse_run : create_run, .done = create_done};
        batch->cluster = cluster;
        helper_ask(cluster->log->helper, &batch->job);
}

static bool may_ask(struct cluster *cluster, const char *name, uint32_t partition)
{
        struct embedded_topic *topic = find(embedded_of(cluster), name);

        return topic && partition < topic->partitions;
}

/* The mock looks through all its topics for each that it is asked about, on the node's own processor. */
static uint64_t sweep_ms(const struct cluster *cluster, size_t streams)
{
        const struct embedded *embedded = (const struct embedded *)(const void *)cluster;

        return streams * HASH_COUNT(embedded->topics) / LOOKS_A_MS;
}

static void embedded_free(struct cluster *cluster)
{
        struct embedded *embedded = embedded_of(cluster);

        HASH_CLEAR(hh, embedded->topics);
        arena_clear(&embedded->memory);
        if (embedded->mock) {
                struct nudge *nudge = nudge_start(embedded->port);

                rd_kafka_mock_cluster_destroy(embedded->mock);
                nudge_stop(nudge);
        }
        if (embedded->host) rd_kafka_destroy(embedded->host);
        free(cluster->brokers);
        free(embedded);
}

/* Nobody reads the host's lines by a queue: they are few, and of use only to whoever looks for a fault in the mock itself. */
static void host_log(const rd_kafka_t *rk, int level, const char *facility, const char *line)
{
        (void)rk;
        (void)level;
        log_debug("embedded", "%s: %s", facility, line);
}

static enum err start(struct embedded *embedded, struct reason *why)
{
        rd_kafka_conf_t *conf = rd_kafka_conf_new();
        char text[256];

        rd_kafka_conf_set_log_cb(conf, host_log);
        if (!(embedded->host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text))) {
                rd_kafka_conf_destroy(conf);
                return fail(why, ERR_SYSTEM, "%s", text);
        }
        if (!(embedded->mock = rd_kafka_mock_cluster_new(embedded->host, embedded->cluster.log->embedded_count)))
                return fail(why, ERR_SYSTEM, "librdkafka refused to start its mock cluster");
        if (!(embedded->cluster.brokers = strdup(rd_kafka_mock_cluster_bootstraps(embedded->mock))))
                return fail(why, ERR_NO_MEMORY, "out of memory");
        embedded->port = (uint16_t)strtoul(strrchr(embedded->cluster.brokers, ':') + 1, NULL, 10); /* "127.0.0.1:port" */
        return OK;
}

enum err cluster_embedded_new(struct kafka_log *log, struct cluster **out, struct reason *why)
{
        static const struct cluster_ops ops = {.create = create_topics, .may_ask = may_ask, .free = embedded_free, .sweep_ms = sweep_ms};
        struct embedded *embedded = calloc(1, sizeof *embedded);
        enum err err;

        if (!embedded) return fail(why, ERR_NO_MEMORY, "out of memory");
        embedded->cluster.ops = &ops;
        embedded->cluster.log = log;
        arena_init(&embedded->memory, SIZE_MAX);
        if ((err = start(embedded, why))) {
                embedded_free(&embedded->cluster);
                return err;
        }
        *out = &embedded->cluster;
        return OK;
}

static struct embedded *embedded_of_log(struct log *log)
{
        return embedded_of(((struct kafka_log *)(void *)log)->cluster);
}

const char *embedded_brokers(struct log *log)
{
        return embedded_of_log(log)->cluster.brokers;
}

void embedded_set_broker_down(struct log *log, int broker, bool down)
{
        if (down) rd_kafka_mock_broker_set_down(embedded_of_log(log)->mock, broker);
        else rd_kafka_mock_broker_set_up(embedded_of_log(log)->mock, broker);
}

void embedded_set_down(struct log *log, bool down)
{
        for (int id = 1; id <= embedded_of_log(log)->cluster.log->embedded_count; id++)
                embedded_set_broker_down(log, id, down);
}

void embedded_set_leader(struct log *log, const char *topic, uint32_t partition, int broker)
{
        rd_kafka_mock_partition_set_leader(embedded_of_log(log)->mock, topic, (int)partition, broker);
}

void embedded_set_delay(struct log *log, int broker, int ms)
{
        rd_kafka_mock_broker_set_rtt(embedded_of_log(log)->mock, broker, ms);
}

void embedded_refuse_creates(struct log *log, int16_t error, int count)
{
        embedded_of_log(log)->create_error = (rd_kafka_resp_err_t)error;
        embedded_of_log(log)->create_errors = count;
}

void embedded_push_late(struct log *log, int16_t api_key, int16_t error, int late_ms, int count)
{
        for (int i = 0; i < count; i++)
                rd_kafka_mock_broker_push_request_error_rtts(embedded_of_log(log)->mock, 1, api_key, 1, (rd_kafka_resp_err_t)error, late_ms);
}

void embedded_push_error(struct log *log, int16_t api_key, int16_t error, int count)
{
        embedded_push_late(log, api_key, error, 0, count);
}

size_t embedded_errors_left(struct log *log, int16_t api_key)
{
        size_t left = 0;

        rd_kafka_mock_broker_error_stack_cnt(embedded_of_log(log)->mock, 1, api_key, &left);
        return left;
}

void embedded_set_topic_error(struct log *log, const char *topic, int16_t error)
{
        rd_kafka_mock_topic_set_error(embedded_of_log(log)->mock, topic, (rd_kafka_resp_err_t)error);
}
