/* One entry for each (client, stream) of which something is under way: a save that waits or is out or was sent a moment ago, or
 * a look-up. Entries come and go; what Kafka has is asked of Kafka, so that what another node saved is seen. */
#include "stream/kafka/index.h"

#include "stream/kafka/topics.h"
#include "transport/base/logger.h"

#include <stdlib.h>
#include <string.h>

enum {
        /* As long as librdkafka lets it be: 2.0.2 ends the process when the time of a request is over while it looks for its coordinator
         * (an assertion on its eonce, at the next change of a broker). What stays without an answer is asked again by a new instance. */
        REQUEST_MS = 3600000,
        RETRY_MS = 200,
        LOADS_OUT_MAX = 64,
};

struct load {
        struct waiting waiting; /* first */
        LIST_ENTRY(load) entry;
};

/* A request that is out, until its answer or the end of its instance. */
struct request {
        TAILQ_ENTRY(request) entry;
        struct index_entry *of; /* NULL: the warm-up */
        bool saves;
        uint64_t asked_ms;
};

/* Entries of one owner with a save that waits or is under way. */
struct owner {
        UT_hash_handle hh;
        uint64_t id;
        size_t count;
        LIST_HEAD(owned_list, index_entry) entries;
};

struct index_entry {
        UT_hash_handle hh;
        struct index *index;
        uint64_t value;     /* the newest that was asked to be saved; says something while dirty or saving */
        bool dirty;         /* not sent yet */
        bool saving;        /* a request with an older or this value is out */
        bool resting;       /* sent or failed a moment ago: not before the timer */
        bool ready;         /* in index->ready */
        bool loading;       /* a look-up is out, or in index->loads */
        struct owner *owner; /* while dirty or saving */
        LIST_ENTRY(index_entry) by_owner;
        TAILQ_ENTRY(index_entry) by_ready;
        STAILQ_ENTRY(index_entry) by_load;
        struct timer rest;
        LIST_HEAD(load_list, load) waiting;
        const char *group, *topic; /* in key */
        uint32_t partition;
        size_t key_len;
        char key[];         /* partition, group, NUL, topic, NUL */
};

struct index {
        struct kafka_log *log;
        struct index_entry *entries;
        struct owner *owners;
        TAILQ_HEAD(ready_list, index_entry) ready;
        STAILQ_HEAD(loading_list, index_entry) loads, loads_again;
        TAILQ_HEAD(request_list, request) out; /* oldest first */
        size_t count, saves_out, loads_out;
        uint64_t calm_ms;                      /* until then Kafka was away: waiting begins there */
        struct timer again, warm, patience;
        bool given_up, warmed;
};

static void pump(struct index *index);

/* --- entries --- */

static void release(struct index_entry *entry)
{
        struct index *index = entry->index;

        if (entry->dirty || entry->saving || entry->resting || entry->loading || !LIST_EMPTY(&entry->waiting)) return;
        HASH_DEL(index->entries, entry);
        index->count--;
        free(entry);
}

static struct owner *owner_of(const struct index *index, uint64_t id)
{
        struct owner *owner;

        HASH_FIND(hh, index->owners, &id, sizeof id, owner);
        return owner;
}

static void set_owner(struct index_entry *entry, uint64_t id)
{
        struct index *index = entry->index;
        struct owner *owner = owner_of(index, id);

        if (!owner && (owner = calloc(1, sizeof *owner))) {
                owner->id = id;
                HASH_ADD(hh, index->owners, id, sizeof owner->id, owner);
                if (!owner->hh.tbl) {
                        free(owner); /* the save is sent in its time, not at its connection's end */
                        owner = NULL;
                }
        }
        entry->owner = owner;
        if (!owner) return;
        owner->count++;
        LIST_INSERT_HEAD(&owner->entries, entry, by_owner);
}

static void drop_owner(struct index_entry *entry)
{
        struct owner *owner = entry->owner;

        if (!owner) return;
        entry->owner = NULL;
        LIST_REMOVE(entry, by_owner);
        if (--owner->count) return;
        HASH_DEL(entry->index->owners, owner);
        free(owner);
}

static void make_ready(struct index_entry *entry)
{
        if (!entry->dirty || entry->saving || entry->resting || entry->ready) return;
        entry->ready = true;
        TAILQ_INSERT_TAIL(&entry->index->ready, entry, by_ready);
}

static void rested(void *arg)
{
        struct index_entry *entry = arg;
        struct index *index = entry->index;

        entry->resting = false;
        make_ready(entry);
        release(entry);
        pump(index);
}

static void rest(struct index_entry *entry, uint64_t ms)
{
        entry->resting = context_timer_set(entry->index->log->ctx, &entry->rest, ms) == OK;
}

static struct index_entry *entry_new(struct index *index, const void *key, size_t key_len)
{
        struct index_entry *entry = calloc(1, sizeof *entry + key_len);

        if (!entry) return NULL;
        entry->index = index;
        entry->key_len = key_len;
        memcpy(entry->key, key, key_len);
        memcpy(&entry->partition, key, sizeof entry->partition);
        entry->group = entry->key + sizeof entry->partition;
        entry->topic = entry->group + strlen(entry->group) + 1;
        LIST_INIT(&entry->waiting);
        timer_init(&entry->rest, rested, entry);
        HASH_ADD_KEYPTR(hh, index->entries, entry->key, entry->key_len, entry);
        if (!entry->hh.tbl) {
                free(entry);
                return NULL;
        }
        index->count++;
        return entry;
}

static char *make_key(const struct index *index, const char *client, const char *name, uint32_t partition, size_t *key_len)
{
        char *topic = topics_name(index->log, name);
        size_t prefix = strlen(index->log->group_prefix), group = strlen(client), n = topic ? strlen(topic) : 0;
        char *key = topic ? malloc(sizeof partition + prefix + group + 1 + n + 1) : NULL;
        char *p = key;

        if (key) {
                memcpy(p, &partition, sizeof partition);
                p += sizeof partition;
                memcpy(p, index->log->group_prefix, prefix);
                memcpy(p + prefix, client, group + 1);
                p += prefix + group + 1;
                memcpy(p, topic, n + 1);
                *key_len = (size_t)(p - key) + n + 1;
        }
        free(topic);
        return key;
}

/* NULL: out of memory, or too many; `room`: whether a new one may be made at all. */
static struct index_entry *entry_get(struct index *index, const char *client, const char *name, uint32_t partition, bool room)
{
        struct index_entry *entry = NULL;
        size_t key_len;
        char *key = make_key(index, client, name, partition, &key_len);

        if (!key) return NULL;
        HASH_FIND(hh, index->entries, key, key_len, entry);
        if (!entry && room && index->count < index->log->limits.index_entries) entry = entry_new(index, key, key_len);
        free(key);
        return entry;
}

/* --- requests --- */

static void set_timer(struct index *index, struct timer *timer, uint64_t in_ms)
{
        if (timer_is_set(timer) || index->given_up) return;
        if (context_timer_set(index->log->ctx, timer, in_ms) != OK) log_error("kafka", "out of memory: look-ups wait");
}

/* NULL: out of memory. */
static struct request *request_new(struct index *index, struct index_entry *entry, bool saves)
{
        struct request *request = calloc(1, sizeof *request);

        if (!request) return NULL;
        request->of = entry;
        request->saves = saves;
        request->asked_ms = context_now_ms(index->log->ctx);
        TAILQ_INSERT_TAIL(&index->out, request, entry);
        set_timer(index, &index->patience, index->log->limits.index_answer_ms);
        return request;
}

static rd_kafka_AdminOptions_t *options_new(struct index *index, rd_kafka_admin_op_t op, struct request *request)
{
        rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(index->log->control.rk, op);
        char text[128];

        rd_kafka_AdminOptions_set_request_timeout(options, REQUEST_MS, text, sizeof text);
        rd_kafka_AdminOptions_set_opaque(options, request);
        return options;
}

static void ask_save(struct index_entry *entry, struct request *request)
{
        struct handle *control = &entry->index->log->control;
        rd_kafka_AdminOptions_t *options = options_new(entry->index, RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS, request);
        rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(1);
        rd_kafka_AlterConsumerGroupOffsets_t *alter;

        rd_kafka_topic_partition_list_add(offsets, entry->topic, (int32_t)entry->partition)->offset = (int64_t)entry->value;
        alter = rd_kafka_AlterConsumerGroupOffsets_new(entry->group, offsets);
        rd_kafka_AlterConsumerGroupOffsets(control->rk, &alter, 1, options, control->queue);
        rd_kafka_AlterConsumerGroupOffsets_destroy(alter);
        rd_kafka_topic_partition_list_destroy(offsets);
        rd_kafka_AdminOptions_destroy(options);
}

/* False: out of memory. */
static bool send_save(struct index_entry *entry)
{
        struct index *index = entry->index;
        struct request *request = request_new(index, entry, true);

        if (!request) return false;
        entry->saving = true;
        entry->dirty = false;
        rest(entry, index->log->limits.index_save_ms);
        index->saves_out++;
        ask_save(entry, request);
        return true;
}

/* What another group's offset is asked for, or with no entry the warm-up. False: out of memory. */
static bool send_list(struct index *index, const char *group, const char *topic, uint32_t partition, struct index_entry *entry)
{
        struct request *request = request_new(index, entry, false);
        rd_kafka_topic_partition_list_t *partitions;
        rd_kafka_ListConsumerGroupOffsets_t *list;
        rd_kafka_AdminOptions_t *options;

        if (!request) return false;
        options = options_new(index, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, request);
        partitions = rd_kafka_topic_partition_list_new(1);
        rd_kafka_topic_partition_list_add(partitions, topic, (int32_t)partition);
        list = rd_kafka_ListConsumerGroupOffsets_new(group, partitions);
        rd_kafka_ListConsumerGroupOffsets(index->log->control.rk, &list, 1, options, index->log->control.queue);
        rd_kafka_ListConsumerGroupOffsets_destroy(list);
        rd_kafka_topic_partition_list_destroy(partitions);
        rd_kafka_AdminOptions_destroy(options);
        return true;
}

static void pump(struct index *index)
{
        struct index_entry *entry;

        if (index->given_up || health_away(index->log->health)) return;
        while (index->saves_out < index->log->limits.index_saves_in_flight && (entry = TAILQ_FIRST(&index->ready))) {
                if (!send_save(entry)) {
                        set_timer(index, &index->again, RETRY_MS);
                        return;
                }
                TAILQ_REMOVE(&index->ready, entry, by_ready);
                entry->ready = false;
        }
        while (index->loads_out < LOADS_OUT_MAX && (entry = STAILQ_FIRST(&index->loads))) {
                if (!send_list(index, entry->group, entry->topic, entry->partition, entry)) {
                        set_timer(index, &index->again, RETRY_MS);
                        return;
                }
                STAILQ_REMOVE_HEAD(&index->loads, by_load);
                index->loads_out++;
        }
}

static void try_again(void *arg)
{
        struct index *index = arg;

        STAILQ_CONCAT(&index->loads, &index->loads_again);
        pump(index);
}

static void warm_up(void *arg)
{
        struct index *index = arg;

        /* The first request for a coordinator on a fresh cluster makes the cluster build what it needs for groups. */
        if (!send_list(index, "strop-node", "strop-node", 0, NULL)) set_timer(index, &index->warm, RETRY_MS);
}

/* --- answers --- */

static rd_kafka_resp_err_t outcome(const rd_kafka_group_result_t *group, int64_t *offset)
{
        const rd_kafka_error_t *error = rd_kafka_group_result_error(group);
        const rd_kafka_topic_partition_list_t *partitions = rd_kafka_group_result_partitions(group);

        if (error) return rd_kafka_error_code(error);
        if (!partitions || partitions->cnt < 1) return RD_KAFKA_RESP_ERR__FAIL;
        *offset = partitions->elems[0].offset;
        return partitions->elems[0].err;
}

static void saved(struct index_entry *entry, rd_kafka_resp_err_t err)
{
        struct index *index = entry->index;

        index->saves_out--;
        entry->saving = false;
        switch (kafka_verdict(err)) {
        case KAFKA_FINE: break;
        case KAFKA_LATER:
                entry->dirty = true;
                rest(entry, RETRY_MS);
                break;
        case KAFKA_ABSENT: log_debug("kafka", "index of %s in %s not saved: no such stream", entry->group, entry->topic); break;
        default: log_warning("kafka", "index of %s in %s not saved: %s", entry->group, entry->topic, rd_kafka_err2str(err)); break;
        }
        if (!entry->dirty) drop_owner(entry);
        make_ready(entry);
        release(entry);
        kafka_progress(index->log);
}

static void answer_load(struct index_entry *entry, enum err err, const char *why, bool present, uint64_t value)
{
        struct kafka_log *log = entry->index->log;
        struct load *load;

        while ((load = LIST_FIRST(&entry->waiting))) {
                struct log_result result = {.op = LOG_INDEX_LOAD, .token = load->waiting.token, .err = err, .why = why,
                                            .present = present, .index = value};

                LIST_REMOVE(load, entry);
                kafka_wait_remove(log, &load->waiting);
                free(load);
                kafka_done(log, &result);
        }
}

static bool is_pending(const struct index_entry *entry)
{
        return entry->dirty || entry->saving;
}

/* What is still to be saved is told before Kafka has it, but not for a stream that Kafka may lack: there it will be lost. */
static bool can_be_told(const struct index_entry *entry)
{
        return is_pending(entry) && topics_has(entry->index->log->topics, entry->topic, entry->partition);
}

static void loaded(struct index_entry *entry, rd_kafka_resp_err_t err, int64_t offset)
{
        struct index *index = entry->index;

        index->loads_out--;
        if (!can_be_told(entry) && (is_pending(entry) || kafka_verdict(err) == KAFKA_LATER) && !LIST_EMPTY(&entry->waiting)) {
                STAILQ_INSERT_TAIL(&index->loads_again, entry, by_load);
                set_timer(index, &index->again, RETRY_MS);
                return;
        }
        if (is_pending(entry)) {
                answer_load(entry, OK, NULL, true, entry->value);
        } else if (kafka_verdict(err) == KAFKA_FINE || kafka_verdict(err) == KAFKA_ABSENT) {
                bool present = !err && offset >= 0;

                answer_load(entry, OK, NULL, present, present ? (uint64_t)offset : 0);
        } else {
                log_warning("kafka", "index of %s in %s cannot be read: %s", entry->group, entry->topic, rd_kafka_err2str(err));
                answer_load(entry, kafka_verdict(err) == KAFKA_DENIED ? ERR_NOT_ALLOWED : ERR_FAILED, rd_kafka_err2str(err), false, 0);
        }
        entry->loading = false;
        release(entry);
}

/* The request is in no list any more. */
static void take_answer(struct index *index, struct request *take_request, rd_kafka_resp_err_t err, int64_t offset)
{
        struct index_entry *entry = take_request->of;
        bool saves = take_request->saves;

        free(take_request);
        if (!entry) {
                if (kafka_verdict(err) == KAFKA_LATER) set_timer(index, &index->warm, RETRY_MS);
        } else if (saves) {
                saved(entry, err);
        } else {
                loaded(entry, err, offset);
        }
}

void index_event(struct index *index, rd_kafka_event_t *event)
{
        struct request *request = rd_kafka_event_opaque(event);
        rd_kafka_resp_err_t err = rd_kafka_event_error(event);
        const rd_kafka_AlterConsumerGroupOffsets_result_t *altered = rd_kafka_event_AlterConsumerGroupOffsets_result(event);
        const rd_kafka_ListConsumerGroupOffsets_result_t *listed = rd_kafka_event_ListConsumerGroupOffsets_result(event);
        const rd_kafka_group_result_t **groups = NULL;
        int64_t offset = RD_KAFKA_OFFSET_INVALID;
        size_t count = 0;

        if (index->given_up) return;
        if (altered && !err) groups = rd_kafka_AlterConsumerGroupOffsets_result_groups(altered, &count);
        if (listed && !err) groups = rd_kafka_ListConsumerGroupOffsets_result_groups(listed, &count);
        if (!err) err = count ? outcome(groups[0], &offset) : RD_KAFKA_RESP_ERR__FAIL;
        if (kafka_verdict(err) != KAFKA_LATER) health_answered(index->log->health);
        TAILQ_REMOVE(&index->out, request, entry);
        take_answer(index, request, err, offset);
        pump(index);
}

/* librdkafka can lose a request while it looks for a coordinator. Its instance is given up, with all that it was asked. What was asked of it is
 * set apart before that: whoever is told meanwhile may save at once, and what is sent then is the new instance's. */
static void answer_is_late(struct index *index)
{
        struct request_list late = TAILQ_HEAD_INITIALIZER(late);
        struct request *request;
        struct reason why;

        TAILQ_CONCAT(&late, &index->out, entry);
        if (kafka_renew_control(index->log, &why) != OK) {
                TAILQ_CONCAT(&index->out, &late, entry); /* nobody was told anything: nothing came meanwhile */
                log_error("kafka", "no answer to a request for an index, and no new instance: %s", why.text);
                return;
        }
        log_warning("kafka", "no answer to a request for an index in %u ms: asked again by a new instance", index->log->limits.index_answer_ms);
        context_count(index->log->ctx, STAT_KAFKA_CONTROL);
        while ((request = TAILQ_FIRST(&late))) {
                TAILQ_REMOVE(&late, request, entry);
                take_answer(index, request, RD_KAFKA_RESP_ERR__TIMED_OUT, 0);
        }
}

static void look_at_oldest(void *arg)
{
        struct index *index = arg;
        struct request *oldest = TAILQ_FIRST(&index->out);
        uint64_t now = context_now_ms(index->log->ctx), patience_ms = index->log->limits.index_answer_ms, since;

        if (!oldest) return;
        if (health_away(index->log->health)) index->calm_ms = now;
        since = oldest->asked_ms > index->calm_ms ? oldest->asked_ms : index->calm_ms;
        if (now - since >= patience_ms) answer_is_late(index);
        if (!TAILQ_EMPTY(&index->out)) set_timer(index, &index->patience, now - since >= patience_ms ? patience_ms : since + patience_ms - now);
}

/* --- asking --- */

struct index *index_new(struct kafka_log *log)
{
        struct index *index = calloc(1, sizeof *index);

        if (!index) return NULL;
        index->log = log;
        TAILQ_INIT(&index->ready);
        STAILQ_INIT(&index->loads);
        STAILQ_INIT(&index->loads_again);
        TAILQ_INIT(&index->out);
        timer_init(&index->again, try_again, index);
        timer_init(&index->warm, warm_up, index);
        timer_init(&index->patience, look_at_oldest, index);
        return index;
}

void index_save(struct index *index, const char *client, const char *name, uint32_t partition, uint64_t value, uint64_t owner)
{
        const struct owner *known = owner_of(index, owner);
        bool room = !known || known->count < index->log->limits.index_entries_per_conn;
        struct index_entry *entry;

        if (value > INT64_MAX || index->given_up) return; /* Kafka cannot hold it */
        if (!(entry = entry_get(index, client, name, partition, room))) {
                context_count(index->log->ctx, STAT_INDEX_SAVES_DROPPED);
                return;
        }
        entry->value = value;
        drop_owner(entry);
        entry->dirty = true;
        set_owner(entry, owner);
        make_ready(entry);
        pump(index);
}

void index_load(struct index *index, const char *client, const char *name, uint32_t partition, uint64_t token)
{
        struct index_entry *entry = entry_get(index, client, name, partition, true);
        struct load *load;

        if (entry && can_be_told(entry)) {
                kafka_done_later(index->log, &(struct log_result){.op = LOG_INDEX_LOAD, .token = token, .present = true,
                                                                  .index = entry->value});
                return;
        }
        if (!entry || !(load = calloc(1, sizeof *load))) {
                if (entry) release(entry);
                kafka_answer_later(index->log, LOG_INDEX_LOAD, token, ERR_FULL, "too many look-ups at once");
                return;
        }
        kafka_wait_add(index->log, &load->waiting, LOG_INDEX_LOAD, token);
        LIST_INSERT_HEAD(&entry->waiting, load, entry);
        if (entry->loading) return;
        entry->loading = true;
        STAILQ_INSERT_TAIL(&index->loads, entry, by_load);
        pump(index);
}

void index_cancel(struct waiting *waiting)
{
        struct load *load = (struct load *)(void *)waiting;

        LIST_REMOVE(load, entry); /* its entry goes when its request is over */
        free(load);
}

/* Sent now, whatever was sent before. */
static void hurry(struct index_entry *entry)
{
        context_timer_stop(entry->index->log->ctx, &entry->rest);
        entry->resting = false;
        make_ready(entry);
}

void index_flush(struct index *index, uint64_t id)
{
        struct index_entry *entry;
        struct owner *owner;

        HASH_FIND(hh, index->owners, &id, sizeof id, owner);
        if (!owner) return;
        LIST_FOREACH(entry, &owner->entries, by_owner) hurry(entry);
        pump(index);
}

void index_retry(struct index *index)
{
        if (!index->warmed) warm_up(index);
        index->warmed = true;
        try_again(index);
}

void index_flush_all(struct index *index)
{
        struct index_entry *entry, *next;

        HASH_ITER(hh, index->entries, entry, next) {
                if (entry->dirty) hurry(entry);
        }
        pump(index);
}

size_t index_saves_out(const struct index *index) { return index->saves_out; }

bool index_is_saved(const struct index *index)
{
        for (const struct index_entry *entry = index->entries; entry; entry = entry->hh.next)
                if (is_pending(entry)) return false;
        return true;
}

void index_give_up(struct index *index)
{
        struct index_entry *entry, *next;

        index->given_up = true;
        context_timer_stop(index->log->ctx, &index->again);
        context_timer_stop(index->log->ctx, &index->warm);
        context_timer_stop(index->log->ctx, &index->patience);
        HASH_ITER(hh, index->entries, entry, next) {
                context_timer_stop(index->log->ctx, &entry->rest);
                answer_load(entry, ERR_CANCELLED, "the node stops", false, 0);
        }
}

void index_free(struct index *index)
{
        struct index_entry *entry, *next;
        struct request *request;

        if (!index) return;
        index_give_up(index);
        while ((request = TAILQ_FIRST(&index->out))) {
                TAILQ_REMOVE(&index->out, request, entry);
                free(request);
        }
        HASH_ITER(hh, index->entries, entry, next) {
                drop_owner(entry);
                HASH_DEL(index->entries, entry);
                free(entry);
        }
        free(index);
}
