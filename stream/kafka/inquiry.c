/* Questions for ends, whole or by leader. All that is remembered here is the helper's. */
#include "stream/kafka/inquiry.h"

#include "stream/kafka/core.h"
#include "stream/kafka/partition.h"

#include <stdlib.h>
#include <string.h>

enum {
        CAREFUL_MS = 10000,              /* after a question that failed, leaders are asked apart for so long */
        SNAPSHOT_MS = 5000,              /* who leads what is looked up anew after so long, and after a failure */
        PART_MS = INQUIRY_ANSWER_MS / 2, /* one leader, or the look-up, is waited for no longer than this */
        NEARLY = 20,                     /* who had all but one part in so many of the time that was meant for it had its time */
        SICK_MAX = 16,                   /* brokers remembered as sick; of more, those that were tried last */
        SICK_SHARE = 6,                  /* one that does not answer may take one part in so many of the helper's time */
        SICK_MIN_MS = 200, /* how long it is waited for first; twice as long each time that it does not answer, up to PART_MS */
        NOBODY = -1,       /* no broker leads it */
        UNKNOWN = -2,      /* not in the snapshot: made since, or not there */
        DONE = -3,         /* it has its answer */
};

struct sick {
        int32_t broker;
        int wait_ms;
        uint64_t until_ms;
};

struct inquiry {
        struct context *ctx;
        uint64_t careful_until_ms, snapshot_ms; /* snapshot_ms: 0: to be made anew */
        const struct rd_kafka_metadata *snapshot;
        const struct rd_kafka_metadata_topic **by_name;
        struct sick sick[SICK_MAX];
        size_t sick_count;
};

/* One question. */
struct question {
        struct inquiry *inquiry;
        rd_kafka_t *rk;
        rd_kafka_topic_partition_list_t *list;
        int32_t *leaders; /* of each element, where leaders are asked apart */
        uint64_t now_ms, end_ms;
        bool slowly;
        bool held_up; /* by a leader that had no good answer */
};

static uint64_t now_of(const struct inquiry *inquiry) { return context_now_ms(inquiry->ctx); }

/* So much of `ms` is left to the question. */
static int left_of(const struct question *question, int ms)
{
        uint64_t now = now_of(question->inquiry), left = question->end_ms > now ? question->end_ms - now : 0;

        return left < (uint64_t)ms ? (int)left : ms;
}

/* Something is wrong: leaders are asked apart for a while. */
static void be_careful(struct question *question) { question->inquiry->careful_until_ms = question->now_ms + CAREFUL_MS; }

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
static bool look(struct question *question)
{
        struct inquiry *inquiry = question->inquiry;
        const struct rd_kafka_metadata *all;
        size_t count;

        if (inquiry->snapshot_ms && question->now_ms - inquiry->snapshot_ms < SNAPSHOT_MS) return true;
        if (rd_kafka_metadata(question->rk, 1, NULL, &all, left_of(question, PART_MS))) return inquiry->snapshot;
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
        inquiry->snapshot_ms = question->now_ms;
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
        return UNKNOWN;
}

/* --- brokers that did not answer --- */

static struct sick *sick_of(struct inquiry *inquiry, int32_t broker)
{
        for (size_t i = 0; i < inquiry->sick_count; i++)
                if (inquiry->sick[i].broker == broker) return &inquiry->sick[i];
        return NULL;
}

static struct sick *sick_new(struct inquiry *inquiry)
{
        struct sick *first = &inquiry->sick[0];

        if (inquiry->sick_count < SICK_MAX) return &inquiry->sick[inquiry->sick_count++];
        for (size_t i = 1; i < SICK_MAX; i++)
                if (inquiry->sick[i].until_ms < first->until_ms) first = &inquiry->sick[i];
        return first;
}

static void note_sick(struct inquiry *inquiry, int32_t broker)
{
        struct sick *sick = sick_of(inquiry, broker);

        if (broker < 0) return;
        if (sick) {
                sick->wait_ms = sick->wait_ms * 2 < PART_MS ? sick->wait_ms * 2 : PART_MS;
        } else {
                sick = sick_new(inquiry);
                *sick = (struct sick){.broker = broker, .wait_ms = SICK_MIN_MS};
        }
        sick->until_ms = now_of(inquiry) + SICK_SHARE * (uint64_t)sick->wait_ms;
}

static void note_well(struct inquiry *inquiry, int32_t broker)
{
        struct sick *sick = sick_of(inquiry, broker);

        if (sick) *sick = inquiry->sick[--inquiry->sick_count];
}

/* --- asking --- */

struct outcome {
        rd_kafka_resp_err_t err; /* of the whole: no partition has an offset then */
        bool named;              /* some partitions have errors of their own: without them it would have been answered */
        bool lost;               /* it is not even known who leads some of them: whoever was asked did not answer */
};

static struct outcome ask(const struct question *question, rd_kafka_topic_partition_list_t *list, int most_ms)
{
        int ms = left_of(question, most_ms);
        struct outcome outcome = {.err = ms > 0 ? rd_kafka_offsets_for_times(question->rk, list, ms) : RD_KAFKA_RESP_ERR__TIMED_OUT};

        for (int i = 0; i < list->cnt; i++) {
                rd_kafka_topic_partition_t *element = &list->elems[i];

                if (element->err == RD_KAFKA_RESP_ERR__IN_PROGRESS) {
                        element->err = RD_KAFKA_RESP_ERR_NO_ERROR;
                        outcome.lost = true;
                }
                outcome.named |= element->err != RD_KAFKA_RESP_ERR_NO_ERROR;
        }
        return outcome;
}

static bool is_silence(rd_kafka_resp_err_t err)
{
        return err == RD_KAFKA_RESP_ERR__TIMED_OUT || err == RD_KAFKA_RESP_ERR__TRANSPORT || err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
}

static rd_kafka_topic_partition_list_t *led_by(const struct question *question, int32_t leader)
{
        rd_kafka_topic_partition_list_t *some = rd_kafka_topic_partition_list_new(question->list->cnt);

        for (int i = 0; i < question->list->cnt; i++)
                if (question->leaders[i] == leader)
                        rd_kafka_topic_partition_list_add(some, question->list->elems[i].topic, question->list->elems[i].partition)
                                ->offset = RD_KAFKA_OFFSET_END;
        return some;
}

/* Gives the leader's partitions what was found: `err` to those that have neither offset nor error. */
static void give(const struct question *question, int32_t leader, const rd_kafka_topic_partition_list_t *some, rd_kafka_resp_err_t err)
{
        for (int i = 0, k = 0; i < question->list->cnt; i++) {
                rd_kafka_topic_partition_t *element = &question->list->elems[i];

                if (question->leaders[i] != leader) continue;
                element->offset = some ? some->elems[k].offset : RD_KAFKA_OFFSET_INVALID;
                element->err = some ? some->elems[k].err : err;
                if (!element->err && element->offset < 0) element->err = err;
                question->leaders[i] = DONE;
                k++;
        }
}

/* The broker answers, but not for all: those for which it does not are asked about apart from now on. */
static void ask_each(const struct question *question, rd_kafka_topic_partition_list_t *some)
{
        for (int i = 0; i < some->cnt; i++) {
                rd_kafka_topic_partition_t *element = &some->elems[i];
                rd_kafka_topic_partition_list_t *one = rd_kafka_topic_partition_list_new(1);
                struct outcome outcome;

                if (left_of(question, 1) == 0) return;
                rd_kafka_topic_partition_list_add(one, element->topic, element->partition)->offset = RD_KAFKA_OFFSET_END;
                outcome = ask(question, one, INQUIRY_SLOW_MS);
                element->offset = one->elems[0].offset;
                element->err = one->elems[0].err;
                if (outcome.err && !outcome.named)
                        element->err = kafka_verdict(outcome.err) == KAFKA_DENIED ? outcome.err : RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
                rd_kafka_topic_partition_list_destroy(one);
        }
}

/* What there was no time for: for the next question. */
static rd_kafka_resp_err_t later_of(const struct question *question)
{
        return question->slowly ? RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE : RD_KAFKA_RESP_ERR__RETRY;
}

/* One whose time others took is not sick because it did not answer in what was left of it: the next question shows. */
static void ask_leader(struct question *question, int32_t leader)
{
        struct inquiry *inquiry = question->inquiry;
        const struct sick *sick = sick_of(inquiry, leader);
        rd_kafka_resp_err_t rest = sick ? RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE : later_of(question);
        rd_kafka_topic_partition_list_t *some = led_by(question, leader);
        int meant_ms = sick ? sick->wait_ms : PART_MS;
        bool cut = (question->held_up || question->slowly) && left_of(question, meant_ms) < meant_ms - meant_ms / NEARLY;
        struct outcome outcome = ask(question, some, meant_ms);

        if (!outcome.err) {
                note_well(inquiry, leader);
        } else if (!outcome.named) {
                cut = cut && outcome.err == RD_KAFKA_RESP_ERR__TIMED_OUT;
                be_careful(question);
                if (!cut) inquiry->snapshot_ms = 0;
                question->held_up = true;
                if (!is_silence(outcome.err)) {
                        ask_each(question, some);
                } else if (!outcome.lost && leader >= 0 && !cut) {
                        note_sick(inquiry, leader);
                        rest = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
                }
        }
        give(question, leader, some, rest);
        rd_kafka_topic_partition_list_destroy(some);
}

static void ask_or_leave(struct question *question, int32_t leader)
{
        const struct sick *sick = sick_of(question->inquiry, leader);

        if (sick && now_of(question->inquiry) < sick->until_ms)
                be_careful(question);
        else if (leader != NOBODY && left_of(question, 1) > 0) {
                ask_leader(question, leader);
                return;
        }
        give(question, leader, NULL, sick || leader == NOBODY ? RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE : later_of(question));
}

static void ask_by_leader(struct question *question)
{
        for (int i = 0; i < question->list->cnt; i++)
                question->leaders[i] = leader_of(question->inquiry, &question->list->elems[i]);
        for (int i = 0; i < question->list->cnt; i++)
                if (question->leaders[i] != DONE) ask_or_leave(question, question->leaders[i]);
}

/* What has neither offset nor error. */
static void leave_rest(const struct question *question, rd_kafka_resp_err_t err)
{
        for (int i = 0; i < question->list->cnt; i++)
                if (!question->list->elems[i].err && question->list->elems[i].offset < 0) question->list->elems[i].err = err;
}

/* --- topics that are not there --- */

/* NULL: there is no answer. */
static const struct rd_kafka_metadata *ask_about(const struct question *question, const char *topic)
{
        rd_kafka_topic_t *rkt = left_of(question, 1) > 0 ? rd_kafka_topic_new(question->rk, topic, NULL) : NULL;
        const struct rd_kafka_metadata *metadata;
        rd_kafka_resp_err_t err;

        if (!rkt) return NULL;
        err = rd_kafka_metadata(question->rk, 0, rkt, &metadata, left_of(question, PART_MS));
        rd_kafka_topic_destroy(rkt);
        return err ? NULL : metadata;
}

/* All partitions of the topic at once: whoever asks for many that are not there causes one request. Those that have been doubted are
 * marked by `opaque`, which is of no other use here. */
static void doubt_topic(const struct question *question, const char *topic)
{
        const struct rd_kafka_metadata *metadata = ask_about(question, topic);

        for (int i = 0; i < question->list->cnt; i++) {
                rd_kafka_topic_partition_t *element = &question->list->elems[i];

                if (kafka_verdict(element->err) != KAFKA_ABSENT || strcmp(element->topic, topic) != 0) continue;
                element->opaque = element;
                if (!metadata || kafka_verdict(partition_in(metadata, (uint32_t)element->partition)) != KAFKA_ABSENT)
                        element->err = RD_KAFKA_RESP_ERR__RETRY;
        }
        if (metadata) rd_kafka_metadata_destroy(metadata);
}

/* librdkafka repeats for as long as it keeps metadata that there is no such topic, and does not notice when there is one again: only what Kafka says
 * so now is absent. */
static void doubt_absent(const struct question *question)
{
        for (int i = 0; i < question->list->cnt; i++) {
                const rd_kafka_topic_partition_t *element = &question->list->elems[i];

                if (!element->opaque && kafka_verdict(element->err) == KAFKA_ABSENT) doubt_topic(question, element->topic);
        }
}

/* --- the question --- */

/* False: it failed, and nobody knows because of which partitions. */
static bool ask_whole(struct question *question)
{
        struct outcome outcome = ask(question, question->list, question->slowly ? INQUIRY_SLOW_MS : INQUIRY_ANSWER_MS);

        if (outcome.err && !outcome.named) return false;
        leave_rest(question, RD_KAFKA_RESP_ERR__RETRY);
        return true;
}

/* False: the leaders are to be asked apart. */
static bool answered_whole(struct question *question)
{
        struct inquiry *inquiry = question->inquiry;

        if (question->now_ms < inquiry->careful_until_ms) return false;
        forget_snapshot(inquiry);
        if (ask_whole(question)) return true;
        be_careful(question);
        return false;
}

static void ask_carefully(struct question *question)
{
        question->end_ms = question->slowly ? question->now_ms + PART_MS : now_of(question->inquiry) + INQUIRY_ANSWER_MS;
        question->leaders = calloc((size_t)question->list->cnt, sizeof(*question->leaders));
        if (question->leaders && look(question)) ask_by_leader(question);
        leave_rest(question, later_of(question));
        free(question->leaders);
}

void inquiry_ask(struct inquiry *inquiry, rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list, bool slowly)
{
        uint64_t now = now_of(inquiry);
        struct question question = {.inquiry = inquiry, .rk = rk, .list = list, .now_ms = now, .slowly = slowly, .end_ms = now + INQUIRY_ANSWER_MS};

        if (!answered_whole(&question)) ask_carefully(&question);
        doubt_absent(&question);
}

struct inquiry *inquiry_new(struct context *ctx)
{
        struct inquiry *inquiry = calloc(1, sizeof(*inquiry));

        if (inquiry) inquiry->ctx = ctx;
        return inquiry;
}

void inquiry_free(struct inquiry *inquiry)
{
        if (!inquiry) return;
        forget_snapshot(inquiry);
        free(inquiry);
}
