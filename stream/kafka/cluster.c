/* A real Kafka: topics are made with CreateTopics, many in one request. */
#include "stream/kafka/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CREATE_TIMEOUT_MS = 10000, CREATE_WAIT_MS = 5000, STREAMS_A_MS = 10 };

void cluster_note(struct cluster_topic *topic, rd_kafka_resp_err_t err, const char *why)
{
        topic->made = err == RD_KAFKA_RESP_ERR_NO_ERROR;
        topic->verdict = err == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS ? KAFKA_FINE : kafka_verdict(err);
        topic->fleeting = err == RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR;
        snprintf(topic->why, sizeof topic->why, "%s", why ? why : rd_kafka_err2str(err));
}

static void answer_all(struct cluster_batch *batch, rd_kafka_resp_err_t err, const char *why)
{
        for (size_t i = 0; i < batch->count; i++)
                if (batch->topics[i].verdict != KAFKA_REFUSED) cluster_note(&batch->topics[i], err, why);
}

static void create_topics(struct cluster *cluster, struct cluster_batch *batch)
{
        rd_kafka_t *rk = cluster->log->control.rk;
        rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
        rd_kafka_NewTopic_t *topics[CLUSTER_BATCH_MAX];
        char text[256];
        size_t n = 0;

        for (size_t i = 0; i < batch->count; i++) {
                struct cluster_topic *topic = &batch->topics[i];
                rd_kafka_NewTopic_t *made = rd_kafka_NewTopic_new(topic->name, (int)topic->partitions, cluster->log->replication_factor,
                                                                  text, sizeof text);

                topic->verdict = made ? KAFKA_LATER : KAFKA_REFUSED; /* until the answer says something of it */
                if (made) topics[n++] = made;
                else snprintf(topic->why, sizeof topic->why, "%s", text);
        }
        rd_kafka_AdminOptions_set_request_timeout(options, CREATE_TIMEOUT_MS, text, sizeof text);
        rd_kafka_AdminOptions_set_operation_timeout(options, CREATE_WAIT_MS, text, sizeof text);
        rd_kafka_AdminOptions_set_opaque(options, batch);
        cluster->out = batch;
        rd_kafka_CreateTopics(rk, topics, n, options, cluster->log->control.queue);
        rd_kafka_NewTopic_destroy_array(topics, n);
        rd_kafka_AdminOptions_destroy(options);
}

/* Answers come in the order of the request, as far as is known. */
static struct cluster_topic *find(struct cluster_batch *batch, const char *name, size_t hint)
{
        if (hint < batch->count && strcmp(batch->topics[hint].name, name) == 0) return &batch->topics[hint];
        for (size_t i = 0; i < batch->count; i++)
                if (strcmp(batch->topics[i].name, name) == 0) return &batch->topics[i];
        return NULL;
}

static void take_result(struct cluster_batch *batch, const rd_kafka_topic_result_t *result, size_t i)
{
        struct cluster_topic *topic = find(batch, rd_kafka_topic_result_name(result), i);

        if (topic) cluster_note(topic, rd_kafka_topic_result_error(result), rd_kafka_topic_result_error_string(result));
}

void cluster_event(struct cluster *cluster, rd_kafka_event_t *event)
{
        struct cluster_batch *batch = rd_kafka_event_opaque(event);
        const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(event);
        const rd_kafka_topic_result_t **topics;
        size_t count;

        cluster->out = NULL;
        if (!result || rd_kafka_event_error(event)) {
                answer_all(batch, rd_kafka_event_error(event), rd_kafka_event_error_string(event));
        } else {
                topics = rd_kafka_CreateTopics_result_topics(result, &count);
                for (size_t i = 0; i < count; i++) take_result(batch, topics[i], i);
        }
        batch->done(batch->user, batch);
}

void cluster_renewed(struct cluster *cluster)
{
        struct cluster_batch *batch = cluster->out;

        if (!batch) return;
        cluster->out = NULL;
        answer_all(batch, RD_KAFKA_RESP_ERR__TIMED_OUT, "no answer");
        batch->done(batch->user, batch);
}

static bool may_ask(struct cluster *cluster, const char *name, uint32_t partition)
{
        (void)cluster;
        (void)name;
        (void)partition;
        return true;
}

static uint64_t sweep_ms(const struct cluster *cluster, size_t streams)
{
        (void)cluster;
        return streams / STREAMS_A_MS;
}

static void cluster_free(struct cluster *cluster)
{
        free(cluster->brokers);
        free(cluster);
}

enum err cluster_new(struct kafka_log *log, const char *brokers, struct cluster **out, struct reason *why)
{
        static const struct cluster_ops ops = {.create = create_topics, .may_ask = may_ask, .free = cluster_free, .sweep_ms = sweep_ms};
        struct cluster *cluster = calloc(1, sizeof *cluster);

        if (!cluster || !(cluster->brokers = strdup(brokers))) {
                free(cluster);
                return fail(why, ERR_NO_MEMORY, "out of memory");
        }
        cluster->ops = &ops;
        cluster->log = log;
        *out = cluster;
        return OK;
}
