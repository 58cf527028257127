/* The log on Kafka put together: its operations go to the parts, its parts' completions to the asker. */
#include "stream/kafka/kafka.h"

#include "stream/kafka/cluster.h"
#include "stream/kafka/creation.h"
#include "stream/kafka/index.h"
#include "stream/kafka/producers.h"
#include "transport/base/logger.h"

#include <stdlib.h>
#include <string.h>

static struct kafka_log *kafka_of(struct log *log)
{
        return (struct kafka_log *)(void *)log;
}

/* --- completions --- */

void kafka_wait_add(struct kafka_log *log, struct waiting *waiting, enum log_op op, uint64_t token)
{
        waiting->op = op;
        waiting->token = token;
        HASH_ADD(hh, log->waiting, token, sizeof waiting->token, waiting);
}

void kafka_wait_remove(struct kafka_log *log, struct waiting *waiting)
{
        if (waiting->hh.tbl) HASH_DEL(log->waiting, waiting); /* one that the table had no memory for could not be cancelled, that is all */
}

void kafka_done(struct kafka_log *log, const struct log_result *result)
{
        const struct log_result *before = log->telling;

        if (log->silent) return;
        log->telling = result;
        log->base.events->done(log->base.user, result);
        log->telling = before;
}

void kafka_done_later(struct kafka_log *log, const struct log_result *result)
{
        struct later *later = calloc(1, sizeof *later);

        if (!later || (!timer_is_set(&log->later_timer) && context_timer_set(log->ctx, &log->later_timer, 0) != OK)) {
                log_error("kafka", "out of memory: a request stays without an answer");
                free(later);
                return;
        }
        later->result = *result;
        if (result->why) {
                strncpy(later->why, result->why, sizeof later->why - 1);
                later->result.why = later->why;
        }
        STAILQ_INSERT_TAIL(&log->later, later, entry);
}

void kafka_answer_later(struct kafka_log *log, enum log_op op, uint64_t token, enum err err, const char *why)
{
        kafka_done_later(log, &(struct log_result){.op = op, .token = token, .err = err, .why = why});
}

static void tell_later(void *arg)
{
        struct kafka_log *log = arg;
        struct later *later;
        size_t count = 0;

        /* What comes meanwhile is for the next turn. All stay in the log's list until they are told, as whoever is told may cancel others. */
        STAILQ_FOREACH(later, &log->later, entry) count++;
        for (; count > 0 && (later = STAILQ_FIRST(&log->later)); count--) {
                STAILQ_REMOVE_HEAD(&log->later, entry);
                if (!later->cancelled) kafka_done(log, &later->result);
                free(later);
        }
}

static bool cancel_later(struct kafka_log *log, uint64_t token)
{
        struct later *later;

        STAILQ_FOREACH(later, &log->later, entry) {
                /* cppcheck-suppress uninitvar; it does not see through the list's macro */
                if (later->result.token != token) continue;
                later->cancelled = true;
                return true;
        }
        return false;
}

/* --- errors --- */

enum kafka_verdict kafka_verdict(rd_kafka_resp_err_t err)
{
        switch ((int)err) {
        case RD_KAFKA_RESP_ERR_NO_ERROR: return KAFKA_FINE;
        case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION: return KAFKA_ABSENT;
        case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
        case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED: return KAFKA_DENIED;
        case RD_KAFKA_RESP_ERR__TRANSPORT:
        case RD_KAFKA_RESP_ERR__RESOLVE:
        case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        case RD_KAFKA_RESP_ERR__TIMED_OUT:
        case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
        case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
        case RD_KAFKA_RESP_ERR__WAIT_COORD:
        case RD_KAFKA_RESP_ERR__RETRY:
        case RD_KAFKA_RESP_ERR__AUTHENTICATION:
        case RD_KAFKA_RESP_ERR__SSL:
        case RD_KAFKA_RESP_ERR__UNKNOWN_BROKER:
        case RD_KAFKA_RESP_ERR__PURGE_QUEUE:
        case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT:
        case RD_KAFKA_RESP_ERR__DESTROY:
        case RD_KAFKA_RESP_ERR__FATAL:
        case RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE:
        case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
        case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
        case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
        case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
        case RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE:
        case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
        case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
        case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
        case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
        case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS:
        case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
        case RD_KAFKA_RESP_ERR_NOT_CONTROLLER:
        case RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR:
        case RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH:
        case RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH:
        case RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE:
        case RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT:
        case RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER:
        case RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID:
        case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
        case RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED: return KAFKA_LATER;
        default: return KAFKA_REFUSED;
        }
}

/* --- stopping --- */

static void give_up_all(struct kafka_log *log)
{
        if (log->creations) creations_give_up(log->creations);
        if (log->reader) reader_give_up(log->reader);
        if (log->index) index_give_up(log->index);
        if (log->producers) producers_give_up(log->producers);
        if (log->health) health_stop(log->health);
}

static void finish_stop(struct kafka_log *log)
{
        if (log->stopped) return;
        log->stopped = true;
        context_timer_stop(log->ctx, &log->stop_timer);
        give_up_all(log);
        tell_later(log);
        log->base.events->stopped(log->base.user);
}

static bool is_finished(struct kafka_log *log)
{
        return producers_outstanding(log->producers) == 0 && index_is_saved(log->index);
}

static void check_stop(void *arg)
{
        struct kafka_log *log = arg;

        if (is_finished(log) || context_now_ms(log->ctx) >= log->stop_at_ms ||
            context_timer_set(log->ctx, &log->stop_timer, log->stop_at_ms - context_now_ms(log->ctx)) != OK)
                finish_stop(log);
}

void kafka_progress(struct kafka_log *log)
{
        if (!log->stopping || log->stopped || !is_finished(log)) return;
        if (context_timer_set(log->ctx, &log->stop_timer, 0) != OK) log_error("kafka", "out of memory: stops when its time is over");
}

static void op_stop(struct log *base, uint32_t wait_ms)
{
        struct kafka_log *log = kafka_of(base);

        if (log->stopping) return;
        log->stopping = true;
        log->stop_at_ms = context_now_ms(log->ctx) + wait_ms;
        reader_give_up(log->reader);
        index_flush_all(log->index);
        if (context_timer_set(log->ctx, &log->stop_timer, 0) != OK) log_error("kafka", "out of memory: does not stop");
}

/* --- operations --- */

/* True when the log takes no requests any more; the asker is told. */
static bool is_over(struct kafka_log *log, enum log_op op, uint64_t token)
{
        if (!log->stopped && !(log->stopping && op == LOG_READ)) return false;
        kafka_answer_later(log, op, token, ERR_CANCELLED, "the node stops");
        return true;
}

static void op_create(struct log *base, const char *name, uint32_t partitions, uint64_t token)
{
        struct kafka_log *log = kafka_of(base);

        if (!is_over(log, LOG_CREATE, token)) topics_create(log->topics, name, partitions, token);
}

static struct log_stream *op_get(struct log *base, const char *name, uint32_t partition)
{
        return topics_get(kafka_of(base)->topics, name, partition);
}

static void op_put(struct log *base, struct log_stream *stream)
{
        (void)base;
        topics_put(stream);
}

static void op_append(struct log *base, struct log_stream *stream, struct bytes data, uint64_t token)
{
        if (!is_over(kafka_of(base), LOG_APPEND, token)) append_add(stream, data, token);
}

static void op_read(struct log *base, struct log_stream *stream, const struct log_read *read, uint64_t token)
{
        struct kafka_log *log = kafka_of(base);

        if (!is_over(log, LOG_READ, token)) reader_read(log->reader, stream, read, token);
}

static void op_index_load(struct log *base, const char *client, const char *name, uint32_t partition, uint64_t token)
{
        struct kafka_log *log = kafka_of(base);

        if (!is_over(log, LOG_INDEX_LOAD, token)) index_load(log->index, client, name, partition, token);
}

static void op_index_save(struct log *base, const char *client, const char *name, uint32_t partition, uint64_t index, uint64_t owner)
{
        index_save(kafka_of(base)->index, client, name, partition, index, owner);
}

static void op_flush_saves(struct log *base, uint64_t owner)
{
        index_flush(kafka_of(base)->index, owner);
}

static void op_cancel(struct log *base, uint64_t token)
{
        struct kafka_log *log = kafka_of(base);
        struct waiting *waiting;

        if (log->telling && log->telling->token == token) return; /* as a connection does that ends by its answer: nothing is left of it */
        HASH_FIND(hh, log->waiting, &token, sizeof token, waiting);
        if (!waiting) {
                if (!cancel_later(log, token)) producers_cancel(log->producers, token);
                return;
        }
        kafka_wait_remove(log, waiting);
        switch (waiting->op) {
        case LOG_CREATE: creations_cancel(waiting); break;
        case LOG_READ: reader_cancel(waiting); break;
        case LOG_INDEX_LOAD: index_cancel(waiting); break;
        case LOG_APPEND: break; /* not in this table */
        }
}

static const char *op_away(struct log *base)
{
        return health_not_up(kafka_of(base)->health);
}

static void free_memory(struct kafka_log *log)
{
        struct later *later;

        context_timer_stop(log->ctx, &log->later_timer);
        context_timer_stop(log->ctx, &log->stop_timer);
        while ((later = STAILQ_FIRST(&log->later))) {
                STAILQ_REMOVE_HEAD(&log->later, entry);
                free(later);
        }
        free(log->properties);
        free(log->property_text);
        free(log->prefix);
        free(log->group_prefix);
        free(log);
}

/* Also of one that is half made. */
static void op_free(struct log *base)
{
        struct kafka_log *log = kafka_of(base);

        log->silent = log->stopped = log->stopping = true;
        give_up_all(log);
        handle_mute(&log->control);
        handle_mute(&log->watch);
        helper_free(log->helper);
        creations_free(log->creations);
        reader_close(log->reader);
        producers_free(log->producers);
        index_free(log->index);
        topics_free(log->topics);
        reader_free(log->reader);
        handle_destroy(&log->control);
        handle_destroy(&log->watch);
        if (log->cluster) log->cluster->ops->free(log->cluster);
        health_free(log->health);
        free_memory(log);
}

/* --- the control instance --- */

struct retired {
        struct helper_job job;
        struct handle handle;
};

static void retired_run(struct helper_job *job)
{
        handle_destroy(&HELPER_JOB_OWNER(job, struct retired, job)->handle);
}

static void retired_done(struct helper_job *job)
{
        free(HELPER_JOB_OWNER(job, struct retired, job));
}

/* What the helper was asked before goes by the old instance, whose end is a later job of the same helper. */
static enum err renew(struct kafka_log *log, struct handle *handle, enum kafka_role role, struct reason *why)
{
        struct retired *retired = calloc(1, sizeof *retired);
        rd_kafka_conf_t *conf;
        enum err err;

        if (!retired) return fail(why, ERR_NO_MEMORY, "out of memory");
        if ((err = kafka_log_conf(log, role, &conf, why)) || (err = handle_renew(handle, role, conf, &retired->handle, why))) {
                free(retired);
                return err;
        }
        retired->job = (struct helper_job){.run = retired_run, .done = retired_done};
        helper_ask(log->helper, &retired->job);
        return OK;
}

enum err kafka_renew_control(struct kafka_log *log, struct reason *why)
{
        enum err err = renew(log, &log->control, KAFKA_CONTROL, why);

        if (!err) cluster_renewed(log->cluster);
        return err;
}

enum err kafka_renew_watch(struct kafka_log *log, struct reason *why)
{
        enum err err = renew(log, &log->watch, KAFKA_WATCH, why);

        if (err) return err;
        health_use(log->health, log->watch.rk);
        context_count(log->ctx, STAT_KAFKA_CONSUMERS_RENEWED);
        return OK;
}

static const struct log_ops kafka_ops = {
        .create = op_create, .get = op_get, .put = op_put, .append = op_append, .read = op_read, .index_load = op_index_load,
        .index_save = op_index_save, .flush_saves = op_flush_saves, .cancel = op_cancel, .stop = op_stop, .free = op_free, .away = op_away,
};

/* --- making --- */

static void take_event(void *user, rd_kafka_event_t *event)
{
        struct kafka_log *log = user;

        switch (rd_kafka_event_type(event)) {
        case RD_KAFKA_EVENT_CREATETOPICS_RESULT: cluster_event(log->cluster, event); break;
        case RD_KAFKA_EVENT_ALTERCONSUMERGROUPOFFSETS_RESULT:
        case RD_KAFKA_EVENT_LISTCONSUMERGROUPOFFSETS_RESULT: index_event(log->index, event); break;
        default: break;
        }
}

static void kafka_is_back(void *user)
{
        struct kafka_log *log = user;

        creations_retry(log->creations);
        index_retry(log->index);
        reader_retry(log->reader);
}

enum err kafka_log_conf(struct kafka_log *log, enum kafka_role role, rd_kafka_conf_t **out, struct reason *why)
{
        return kafka_conf_new(log->cluster->brokers, log->properties, log->property_count, role, out, why);
}

static enum err copy_properties(struct kafka_log *log, const struct kafka_config *config)
{
        size_t n = 1;
        char *p;

        for (size_t i = 0; i < config->property_count; i++)
                n += strlen(config->properties[i].name) + strlen(config->properties[i].value) + 2;
        p = log->property_text = malloc(n);
        log->properties = calloc(config->property_count + 1, sizeof *log->properties);
        if (!p || !log->properties) return ERR_NO_MEMORY;
        for (size_t i = 0; i < config->property_count; i++) {
                log->properties[i].name = p;
                p = stpcpy(p, config->properties[i].name) + 1;
                log->properties[i].value = p;
                p = stpcpy(p, config->properties[i].value) + 1;
        }
        log->property_count = config->property_count;
        return OK;
}

static enum err copy_config(struct kafka_log *log, const struct kafka_config *config, struct reason *why)
{
        log->limits = config->limits;
        log->replication_factor = config->replication_factor;
        log->embedded_count = config->embedded_count > 0 ? config->embedded_count : 1;
        log->prefix = strdup(config->prefix ? config->prefix : "");
        log->group_prefix = strdup(config->group_prefix ? config->group_prefix : "");
        if (!log->prefix || !log->group_prefix || copy_properties(log, config) != OK) return fail(why, ERR_NO_MEMORY, "out of memory");
        return OK;
}

static enum err make_cluster(struct kafka_log *log, const char *brokers, struct reason *why)
{
        if (strcmp(brokers, "embedded") == 0) return cluster_embedded_new(log, &log->cluster, why);
        return cluster_new(log, brokers, &log->cluster, why);
}

static enum err open_instance(struct kafka_log *log, struct handle *handle, enum kafka_role role, struct reason *why)
{
        rd_kafka_conf_t *conf;
        enum err err = kafka_log_conf(log, role, &conf, why);

        return err ? err : handle_open(handle, log->loop, log->health, role, conf, take_event, log, why);
}

static enum err make_parts(struct kafka_log *log, const struct kafka_config *config, struct reason *why)
{
        enum err err;

        log->helper = helper_new(log->loop);
        log->health = health_new(log->ctx, kafka_is_back, log);
        log->topics = topics_new(log);
        log->creations = creations_new(log);
        log->index = index_new(log);
        if (!log->helper || !log->health || !log->topics || !log->creations || !log->index)
                return fail(why, ERR_SYSTEM, "out of memory, descriptors or threads");
        if ((err = make_cluster(log, config->brokers, why)) || (err = open_instance(log, &log->control, KAFKA_CONTROL, why)) ||
            (err = open_instance(log, &log->watch, KAFKA_WATCH, why)) ||
            (err = producers_new(log, &log->producers, why)) || (err = reader_new(log, &log->reader, why)))
                return err;
        return OK;
}

enum err kafka_log_new(struct loop *loop, const struct kafka_config *config, const struct log_events *events, void *user,
                       struct log **out, struct reason *why)
{
        struct kafka_log *log;
        enum err err;

        if ((err = kafka_properties_check(config->properties, config->property_count, why))) return err;
        if (!(log = calloc(1, sizeof *log))) return fail(why, ERR_NO_MEMORY, "out of memory");
        log->base = (struct log){.ops = &kafka_ops, .events = events, .user = user};
        log->loop = loop;
        log->ctx = loop_context(loop);
        STAILQ_INIT(&log->later);
        timer_init(&log->later_timer, tell_later, log);
        timer_init(&log->stop_timer, check_stop, log);
        if ((err = copy_config(log, config, why)) || (err = make_parts(log, config, why))) {
                op_free(&log->base);
                return err;
        }
        health_start(log->health, log->helper, log->watch.rk);
        *out = &log->base;
        return OK;
}

const char *kafka_library_version(void)
{
        return rd_kafka_version_str();
}
