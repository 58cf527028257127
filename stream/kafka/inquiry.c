/* Questions for ends, whole or by leader. All that is remembered here is the helper's. */
#include "stream/kafka/inquiry.h"

#include <stdlib.h>
#include <string.h>

enum {
        CAREFUL_MS = 10000, /* after a question that failed, leaders are asked apart for so long */
        SNAPSHOT_MS = 5000, /* who leads what is looked up anew after so long, and after any failure */
        SICK_MAX = 16,      /* brokers that are left out at once; further ones are asked each time */
        SICK_SHARE = 6,     /* one that does not answer may take one part in so many of the helper's time */
        SICK_MIN_MS = 200,  /* how long it is waited for first; twice as long each time that it does not answer */
        NOBODY = -1,        /* no broker leads it */
        UNKNOWN = -2,       /* not in the snapshot: a topic that was made since, if it is one */
        DONE = -3,          /* it has its answer */
};

struct sick {
        int32_t broker;
        int wait_ms;
        uint64_t until_ms;
};

struct inquiry {
        uint64_t careful_until_ms, snapshot_ms; /* snapshot_ms: 0: to be made anew */
        const struct rd_kafka_metadata *snapshot;
        const struct rd_kafka_metadata_topic **by_name;
        struct sick sick[SICK_MAX];
        size_t sick_count;
};

/* One question that is being asked by leader. */
struct part {
        struct inquiry *inquiry;
        rd_kafka_t *rk;
        rd_kafka_topic_partition_list_t *list;
        int32_t *leaders; /* of each element */
        uint64_t now_ms;
};

/* --- who leads what --- */

static void forget_snapshot(struct inquiry *inquiry)
{
        if (inquiry->snapshot) rd_kafka_metadata_destroy(inquiry->snapshot);
        free(inquiry->by_name);
        inquiry->snapshot = NULL;
        inquiry->by_name = NULL;
        inquiry->snapshot_ms = 0;
}

static int compare_topics(const void *a, const void *b)
{
        const struct rd_kafka_metadata_topic *const *left = a, *const *right = b;

        return strcmp((*left)->topic, (*right)->topic);
}

static int compare_name(const void *name, const void *topic)
{
        return strcmp(name, (*(const struct rd_kafka_metadata_topic *const *)topic)->topic);
}

/* All topics at once, which also tells the instance who leads them. False: there is none, not even an old one. */
static bool look(struct inquiry *inquiry, rd_kafka_t *rk, uint64_t now_ms)
{
        const struct rd_kafka_metadata *all;
        size_t count;

        if (inquiry->snapshot_ms && now_ms - inquiry->snapshot_ms < SNAPSHOT_MS) return true;
        if (rd_kafka_metadata(rk, 1, NULL, &all, INQUIRY_ANSWER_MS / 2)) return inquiry->snapshot;
        forget_snapshot(inquiry);
        inquiry->snapshot = all;
        count = (size_t)all->topic_cnt;
        if (!(inquiry->by_name = calloc(count + 1, sizeof(*inquiry->by_name)))) {
                forget_snapshot(inquiry);
                return false;
        }
        for (size_t i = 0; i < count; i++)
                inquiry->by_name[i] = &all->topics[i];
        qsort(inquiry->by_name, count, sizeof(*inquiry->by_name), compare_topics);
        inquiry->snapshot_ms = now_ms;
        return true;
}

/* The broker's number, or NOBODY, UNKNOWN, or DONE where the element has got an error. */
static int32_t leader_of(const struct inquiry *inquiry, rd_kafka_topic_partition_t *element)
{
        const struct rd_kafka_metadata_topic *const *found, *topic;

        found = bsearch(element->topic, inquiry->by_name, (size_t)inquiry->snapshot->topic_cnt, sizeof(*inquiry->by_name), compare_name);
        if (!found) return UNKNOWN;
        topic = *found;
        element->err = topic->err;
        if (element->err) return DONE;
        for (int i = 0; i < topic->partition_cnt; i++)
                if (topic->partitions[i].id == element->partition)
                        return topic->partitions[i].leader < 0 ? NOBODY : topic->partitions[i].leader;
        element->err = RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
        return DONE;
}

/* --- brokers that did not answer --- */

static struct sick *sick_of(struct inquiry *inquiry, int32_t broker)
{
        for (size_t i = 0; i < inquiry->sick_count; i++)
                if (inquiry->sick[i].broker == broker) return &inquiry->sick[i];
        return NULL;
}

static void note_sick(struct inquiry *inquiry, int32_t broker, uint64_t now_ms)
{
        struct sick *sick = sick_of(inquiry, broker);

        if (broker < 0) return;
        if (sick) {
                sick->wait_ms = sick->wait_ms * 2 < INQUIRY_ANSWER_MS ? sick->wait_ms * 2 : INQUIRY_ANSWER_MS;
        } else {
                if (inquiry->sick_count == SICK_MAX) return;
                sick = &inquiry->sick[inquiry->sick_count++];
                *sick = (struct sick){.broker = broker, .wait_ms = SICK_MIN_MS};
        }
        sick->until_ms = now_ms + SICK_SHARE * (uint64_t)sick->wait_ms;
}

static void note_well(struct inquiry *inquiry, int32_t broker)
{
        struct sick *sick = sick_of(inquiry, broker);

        if (sick) *sick = inquiry->sick[--inquiry->sick_count];
}

/* --- by leader --- */

static bool is_silence(rd_kafka_resp_err_t err)
{
        return err == RD_KAFKA_RESP_ERR__TIMED_OUT || err == RD_KAFKA_RESP_ERR__TRANSPORT || err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
}

/* Whether any partition has an error of its own, so that it is known which ones spoil the question. */
static bool names_the_culprits(const rd_kafka_topic_partition_list_t *list)
{
        for (int i = 0; i < list->cnt; i++)
                if (list->elems[i].err) return true;
        return false;
}

static rd_kafka_topic_partition_list_t *led_by(const struct part *part, int32_t leader)
{
        rd_kafka_topic_partition_list_t *some = rd_kafka_topic_partition_list_new(part->list->cnt);

        for (int i = 0; i < part->list->cnt; i++)
                if (part->leaders[i] == leader)
                        rd_kafka_topic_partition_list_add(some, part->list->elems[i].topic, part->list->elems[i].partition)->offset =
                                RD_KAFKA_OFFSET_END;
        return some;
}

/* Gives the leader's partitions what was found: `err` to those that have neither offset nor error. */
static void give(struct part *part, int32_t leader, const rd_kafka_topic_partition_list_t *some, rd_kafka_resp_err_t err)
{
        for (int i = 0, k = 0; i < part->list->cnt; i++) {
                rd_kafka_topic_partition_t *element = &part->list->elems[i];

                if (part->leaders[i] != leader) continue;
                element->offset = some ? some->elems[k].offset : RD_KAFKA_OFFSET_INVALID;
                element->err = some ? some->elems[k].err : err;
                if (!element->err && element->offset < 0) element->err = err;
                part->leaders[i] = DONE;
                k++;
        }
}

/* The broker answers, but not for all: those for which it does not are asked about apart. */
static void ask_each(const struct part *part, rd_kafka_topic_partition_list_t *some)
{
        for (int i = 0; i < some->cnt; i++) {
                rd_kafka_topic_partition_t *element = &some->elems[i];
                rd_kafka_topic_partition_list_t *one = rd_kafka_topic_partition_list_new(1);

                rd_kafka_topic_partition_list_add(one, element->topic, element->partition)->offset = RD_KAFKA_OFFSET_END;
                element->err = rd_kafka_offsets_for_times(part->rk, one, INQUIRY_SLOW_MS) ? RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE
                                                                                          : one->elems[0].err;
                element->offset = one->elems[0].offset;
                rd_kafka_topic_partition_list_destroy(one);
                if (element->err) part->inquiry->snapshot_ms = 0;
        }
}

static void ask_leader(struct part *part, int32_t leader)
{
        struct inquiry *inquiry = part->inquiry;
        const struct sick *sick = sick_of(inquiry, leader);
        rd_kafka_topic_partition_list_t *some;
        rd_kafka_resp_err_t err;

        if (leader == NOBODY || (sick && part->now_ms < sick->until_ms)) {
                give(part, leader, NULL, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE);
                return;
        }
        some = led_by(part, leader);
        err = rd_kafka_offsets_for_times(part->rk, some, sick ? sick->wait_ms : INQUIRY_ANSWER_MS / 2);
        if (!err) {
                note_well(inquiry, leader);
        } else {
                inquiry->careful_until_ms = part->now_ms + CAREFUL_MS;
                inquiry->snapshot_ms = 0;
                if (is_silence(err))
                        note_sick(inquiry, leader, part->now_ms);
                else if (!names_the_culprits(some))
                        ask_each(part, some);
        }
        give(part, leader, some, is_silence(err) && leader >= 0 ? RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE : RD_KAFKA_RESP_ERR__RETRY);
        rd_kafka_topic_partition_list_destroy(some);
}

static void ask_by_leader(struct part *part)
{
        for (int i = 0; i < part->list->cnt; i++)
                part->leaders[i] = leader_of(part->inquiry, &part->list->elems[i]);
        for (int i = 0; i < part->list->cnt; i++)
                if (part->leaders[i] != DONE) ask_leader(part, part->leaders[i]);
}

static void all_retry(rd_kafka_topic_partition_list_t *list)
{
        for (int i = 0; i < list->cnt; i++)
                if (!list->elems[i].err) list->elems[i].err = RD_KAFKA_RESP_ERR__RETRY;
}

/* --- the question --- */

/* False: it failed, and nobody knows because of which partitions. */
static bool ask_whole(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list, bool slowly)
{
        rd_kafka_resp_err_t err = rd_kafka_offsets_for_times(rk, list, slowly ? INQUIRY_SLOW_MS : INQUIRY_ANSWER_MS);

        if (err && !names_the_culprits(list)) return false;
        for (int i = 0; i < list->cnt; i++)
                if (!list->elems[i].err && (err || list->elems[i].offset < 0)) list->elems[i].err = RD_KAFKA_RESP_ERR__RETRY;
        return true;
}

void inquiry_ask(struct inquiry *inquiry, rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list, uint64_t now_ms, bool slowly)
{
        struct part part = {.inquiry = inquiry, .rk = rk, .list = list, .now_ms = now_ms};

        if (now_ms >= inquiry->careful_until_ms) {
                forget_snapshot(inquiry);
                if (ask_whole(rk, list, slowly)) return;
                inquiry->careful_until_ms = now_ms + CAREFUL_MS;
        }
        if (!look(inquiry, rk, now_ms) || !(part.leaders = calloc((size_t)list->cnt, sizeof(*part.leaders)))) {
                all_retry(list);
                return;
        }
        ask_by_leader(&part);
        free(part.leaders);
}

struct inquiry *inquiry_new(void) { return calloc(1, sizeof(struct inquiry)); }

void inquiry_free(struct inquiry *inquiry)
{
        if (!inquiry) return;
        forget_snapshot(inquiry);
        free(inquiry);
}
