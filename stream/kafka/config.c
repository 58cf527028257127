/* Three layers, each over the one before: our defaults, the operator's properties, and what has to be as it is. */
#include "stream/kafka/config.h"

#include <string.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
        const char *name;
        const char *reason;
} refused[] = {
        {"acks", "an acknowledged push has to be on all in-sync replicas"},
        {"request.required.acks", "an acknowledged push has to be on all in-sync replicas"},
        {"enable.idempotence", "pushes have to be stored in order and without gaps"},
        {"enable.gapless.guarantee", "pushes have to be stored in order and without gaps"},
        {"message.timeout.ms", "a push that was accepted is never given up"},
        {"delivery.timeout.ms", "a push that was accepted is never given up"},
        {"delivery.report.only.error", "a push is acknowledged when its delivery is reported"},
        {"transactional.id", "pushes are not part of transactions"},
        {"auto.offset.reset", "a reader never skips records in silence"},
        {"client.rack", "a reader is told what the leader of a partition knows, and a follower may know less"},
        {"enable.auto.commit", "the index of a reader is saved when the reader says so"},
        {"enable.partition.eof", "the end of a stream has to be seen"},
        {"group.id", "the groups are named by the clients"},
        {"bootstrap.servers", "the brokers are given by the option for Kafka's address"},
        {"metadata.broker.list", "the brokers are given by the option for Kafka's address"},
        {"log.queue", "log lines go through the node's own log"},
};

static const struct kafka_property defaults[] = {
        {"client.id", "strop-node"},
        {"socket.keepalive.enable", "true"},
        {"socket.nagle.disable", "true"}, /* requests are small, and the next one need not wait for the first one to be seen */
        {"socket.connection.setup.timeout.ms", "5000"},
        {"reconnect.backoff.ms", "100"},
        {"reconnect.backoff.max.ms", "1000"},
        {"log.connection.close", "false"},
        {"topic.metadata.propagation.max.ms", "1000"},
        {"allow.auto.create.topics", "false"}, /* a stream that was deleted does not come back by a push */
};

static const struct kafka_property producer_defaults[] = {
        {"linger.ms", "0"},
        {"queue.buffering.max.messages", "10000000"}, /* our own limit, in bytes, is what counts */
        {"queue.buffering.max.kbytes", "2000000"},
};
static const struct kafka_property careful_producer_fixed[] = {
        {"enable.idempotence", "true"},
        {"acks", "all"},
        {"message.timeout.ms", "0"},
};
/* Otherwise what is behind a refused record is sent again without it, before anybody can decide what becomes of the record. */
static const struct kafka_property producer_fixed[] = {
        {"enable.idempotence", "true"},
        {"acks", "all"},
        {"message.timeout.ms", "0"},
        {"enable.gapless.guarantee", "true"},
};

/* A fetch that waits at the broker keeps the next partition from joining: waits are short, and only partitions that have
 * something to give are in the set. What is queued may be as large as the largest batch that brokers take by default: where the last answer to the
 * fetch before is more than this, librdkafka 2.0.2 waits a whole second before it begins the next one of the same partition. */
static const struct kafka_property history_defaults[] = {
        {"fetch.wait.max.ms", "10"},
        {"fetch.message.max.bytes", "262144"},
        {"fetch.max.bytes", "4194304"},
        {"queued.max.messages.kbytes", "1024"},
        {"socket.timeout.ms", "10000"},
        {"fetch.error.backoff.ms", "100"},
};
static const struct kafka_property live_defaults[] = {
        {"fetch.wait.max.ms", "50"},
        {"socket.timeout.ms", "10000"},
        {"fetch.message.max.bytes", "262144"},
        {"fetch.max.bytes", "4194304"},
        {"fetch.error.backoff.ms", "100"},
};
static const struct kafka_property consumer_fixed[] = {
        {"auto.offset.reset", "error"}, /* the default skips to the end in silence */
        {"enable.auto.commit", "false"},
        {"enable.partition.eof", "true"},
};

/* Which broker leads a partition is asked anew after this: when ends are asked for, librdkafka 2.0.2 goes on asking the broker that led it before,
 * whatever that one answers. A broker that leaves a request without an answer for so long counts as gone: librdkafka asks about topics by
 * preference whom it asked last, so one that hangs would be asked again and again. */
static const struct kafka_property watch_defaults[] = {
        {"metadata.max.age.ms", "5000"},
        {"socket.timeout.ms", "3000"},
};
static const struct kafka_property watch_fixed[] = {
        /* Where a log ends is asked, not how far it may be read: our own records may stand behind an open transaction. */
        {"isolation.level", "read_uncommitted"},
        {"enable.auto.commit", "false"},
};
/* A consumer with a group that it never joins: librdkafka 2.0.2 looks for the coordinator anew through the instance's own group when it
 * is told that a group's offsets are elsewhere, and an instance without a group ends the process there. */
static const struct kafka_property control_fixed[] = {
        {"group.id", "strop-node"},
        {"enable.auto.commit", "false"},
};

static enum err set_one(rd_kafka_conf_t *conf, const struct kafka_property *property, struct reason *why)
{
        char text[256];

        if (rd_kafka_conf_set(conf, property->name, property->value, text, sizeof text) == RD_KAFKA_CONF_OK) return OK;
        return fail(why, ERR_USAGE, "%s: %s", property->name, text); /* its words may name an alias */
}

static enum err set_all(rd_kafka_conf_t *conf, const struct kafka_property *properties, size_t count, struct reason *why)
{
        enum err err;

        for (size_t i = 0; i < count; i++)
                if ((err = set_one(conf, &properties[i], why))) return err;
        return OK;
}

static enum err check_refused(const char *name, struct reason *why)
{
        for (size_t i = 0; i < LENGTH(refused); i++)
                if (strcmp(name, refused[i].name) == 0) return fail(why, ERR_USAGE, "%s cannot be set: %s", name, refused[i].reason);
        if (strncmp(name, "test.mock.", 10) == 0) return fail(why, ERR_USAGE, "%s cannot be set: it is for tests of librdkafka", name);
        return OK;
}

enum err kafka_properties_check(const struct kafka_property *properties, size_t count, struct reason *why)
{
        rd_kafka_conf_t *conf = rd_kafka_conf_new();
        enum err err = OK;

        for (size_t i = 0; i < count && !err; i++) {
                err = check_refused(properties[i].name, why);
                if (!err) err = set_one(conf, &properties[i], why);
        }
        rd_kafka_conf_destroy(conf);
        return err;
}

static enum err set_role(rd_kafka_conf_t *conf, enum kafka_role role, bool fixed, struct reason *why)
{
        static const struct {
                const struct kafka_property *defaults;
                size_t default_count;
                const struct kafka_property *fixed;
                size_t fixed_count;
        } roles[] = {
                [KAFKA_CONTROL] = {NULL, 0, control_fixed, LENGTH(control_fixed)},
                [KAFKA_WATCH] = {watch_defaults, LENGTH(watch_defaults), watch_fixed, LENGTH(watch_fixed)},
                [KAFKA_PRODUCER] = {producer_defaults, LENGTH(producer_defaults), producer_fixed, LENGTH(producer_fixed)},
                [KAFKA_CAREFUL_PRODUCER] = {producer_defaults, LENGTH(producer_defaults), careful_producer_fixed, LENGTH(careful_producer_fixed)},
                [KAFKA_HISTORY] = {history_defaults, LENGTH(history_defaults), consumer_fixed, LENGTH(consumer_fixed)},
                [KAFKA_LIVE] = {live_defaults, LENGTH(live_defaults), consumer_fixed, LENGTH(consumer_fixed)},
        };

        if (fixed) return set_all(conf, roles[role].fixed, roles[role].fixed_count, why);
        return set_all(conf, roles[role].defaults, roles[role].default_count, why);
}

enum err kafka_conf_new(const char *brokers, const struct kafka_property *properties, size_t count, enum kafka_role role,
                        rd_kafka_conf_t **out, struct reason *why)
{
        const struct kafka_property ours[] = {{"bootstrap.servers", brokers}, {"log.queue", "true"}};
        rd_kafka_conf_t *conf = rd_kafka_conf_new();
        enum err err;

        if ((err = set_all(conf, defaults, LENGTH(defaults), why)) || (err = set_role(conf, role, false, why)) ||
            (err = set_all(conf, properties, count, why)) || (err = set_role(conf, role, true, why)) ||
            (err = set_all(conf, ours, LENGTH(ours), why))) {
                rd_kafka_conf_destroy(conf);
                return err;
        }
        *out = conf;
        return OK;
}
