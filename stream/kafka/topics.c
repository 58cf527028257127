/* Topics by name, streams by number in their topic. */
#include "stream/kafka/topics.h"

#include "stream/kafka/creation.h"
#include "stream/kafka/producers.h"

#include <stdlib.h>
#include <string.h>

struct topics {
        struct kafka_log *log;
        struct kafka_topic *by_name;
};

struct topics *topics_new(struct kafka_log *log)
{
        struct topics *topics = calloc(1, sizeof *topics);

        if (topics) topics->log = log;
        return topics;
}

char *topics_name(const struct kafka_log *log, const char *name)
{
        size_t before = strlen(log->prefix), n = strlen(name) + 1;
        char *out = malloc(before + 1 + n);

        if (!out) return NULL;
        memcpy(out, log->prefix, before);
        if (before) out[before++] = '_';
        memcpy(out + before, name, n);
        return out;
}

static struct kafka_topic *topic_new(struct topics *topics, const char *name)
{
        size_t n = strlen(name) + 1;
        struct kafka_topic *topic = calloc(1, sizeof *topic + n);

        if (!topic) return NULL;
        topic->log = topics->log;
        LIST_INIT(&topic->streams);
        memcpy(topic->name, name, n);
        HASH_ADD_STR(topics->by_name, name, topic);
        if (topic->hh.tbl) return topic;
        free(topic);
        return NULL;
}

static struct kafka_topic *topic_get(struct topics *topics, const char *stream_name)
{
        char *name = topics_name(topics->log, stream_name);
        struct kafka_topic *topic = NULL;

        if (!name) return NULL;
        HASH_FIND_STR(topics->by_name, name, topic);
        if (!topic) topic = topic_new(topics, name);
        free(name);
        return topic;
}

bool topics_has(const struct topics *topics, const char *name, uint32_t partition)
{
        struct kafka_topic *topic;

        HASH_FIND_STR(topics->by_name, name, topic);
        return topic && partition < topic->partitions;
}

void topics_release_topic(struct kafka_topic *topic)
{
        struct topics *topics = topic->log->topics;

        if (topic->creation || !LIST_EMPTY(&topic->streams)) return;
        producers_detach(topic);
        HASH_DEL(topics->by_name, topic);
        free(topic);
}

static struct log_stream *stream_new(struct kafka_topic *topic, uint32_t partition)
{
        struct log_stream *stream = calloc(1, sizeof *stream);

        if (!stream) return NULL;
        stream->log = topic->log;
        stream->topic = topic;
        stream->partition = partition;
        append_stream_init(&stream->append);
        read_stream_init(stream);
        LIST_INSERT_HEAD(&topic->streams, stream, entry);
        return stream;
}

static void stream_free(struct log_stream *stream)
{
        struct kafka_topic *topic = stream->topic;

        read_stream_clear(stream);
        LIST_REMOVE(stream, entry);
        free(stream);
        topics_release_topic(topic);
}

struct log_stream *topics_get(struct topics *topics, const char *name, uint32_t partition)
{
        struct kafka_topic *topic = topic_get(topics, name);
        struct log_stream *stream;

        if (!topic) return NULL;
        LIST_FOREACH(stream, &topic->streams, entry)
                if (stream->partition == partition) break;
        if (!stream) stream = stream_new(topic, partition);
        if (stream) stream->refs++;
        else topics_release_topic(topic);
        return stream;
}

void topics_put(struct log_stream *stream)
{
        stream->refs--;
        topics_release(stream);
}

void topics_release(struct log_stream *stream)
{
        if (stream->refs == 0 && append_stream_idle(&stream->append) && read_stream_idle(stream)) stream_free(stream);
}

void topics_each(struct topics *topics, void (*each)(struct log_stream *stream))
{
        struct kafka_topic *topic, *next;
        struct log_stream *stream;

        HASH_ITER(hh, topics->by_name, topic, next)
                LIST_FOREACH(stream, &topic->streams, entry) each(stream);
}

size_t topics_count(const struct topics *topics) { return HASH_COUNT(topics->by_name); }

void topics_create(struct topics *topics, const char *name, uint32_t partitions, uint64_t token)
{
        struct kafka_topic *topic = topic_get(topics, name);

        if (topic) creations_ask(topics->log->creations, topic, partitions, token);
        else kafka_answer_later(topics->log, LOG_CREATE, token, ERR_FAILED, "the node is out of memory");
}

void topics_free(struct topics *topics)
{
        struct kafka_topic *topic, *next;
        struct log_stream *stream;

        if (!topics) return;
        HASH_ITER(hh, topics->by_name, topic, next) {
                while ((stream = LIST_FIRST(&topic->streams))) {
                        read_stream_clear(stream);
                        LIST_REMOVE(stream, entry);
                        free(stream);
                }
                HASH_DEL(topics->by_name, topic);
                free(topic);
        }
        free(topics);
}
