/* Creation in two steps. First Kafka is asked to make what is missing, in one request at a time for all that were asked for meanwhile;
 * a topic that exists is as good. Then the helper asks for metadata, through the producer that the topic belongs to, until every
 * partition has a leader: so the first push does not wait for it, and a topic that was deleted and made anew is known again. What is not
 * ready is looked at again after a pause of its own, so that it is no matter what else there is to look at. */
#include "stream/kafka/creation.h"

#include "stream/kafka/cluster.h"
#include "stream/kafka/producers.h"
#include "transport/base/logger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        RETRY_MS = 250,         /* Kafka was not ready to create */
        CHECK_MIN_MS = 20,      /* a topic has no leader yet; doubled each time */
        CHECK_MAX_MS = 320,
        ABSENT_MAX = 10,        /* checks that do not find a topic, before it is made again: some two seconds */
        METADATA_MIN_MS = 100,  /* how long an answer is waited for; doubled when it does not come, since a request can lie for a */
        METADATA_MAX_MS = 3200, /* second in an instance that is just connecting, and another one wakes it */
        SINGLY_MAX = 4,         /* up to so many topics one request each; more: one request for all that the producer knows */
};

enum creation_state {
        CREATION_QUEUED,   /* in `queue` */
        CREATION_ASKED,    /* in `asked`: in the request that is out */
        CREATION_CHECKED,  /* in `check`: waits for the helper */
        CREATION_CHECKING, /* in `checking`: in the helper's hands */
        CREATION_OVER,     /* in no list: is being told */
};

struct creator {
        struct waiting waiting; /* first */
        LIST_ENTRY(creator) entry;
        struct creation *of;
};

struct creation {
        TAILQ_ENTRY(creation) entry;
        enum creation_state state;
        struct kafka_topic *topic;
        uint32_t partitions;
        LIST_HEAD(creator_list, creator) creators;
        unsigned absent;
        uint64_t due_ms, pause_ms; /* CHECKED: not looked at before, for it was not ready so long ago; 0: has just come */
        uint64_t refused_ms; /* when Kafka first refused what it may take in a moment; 0: never */
        bool made, denied; /* denied: not allowed to create; it may exist all the same */
};
TAILQ_HEAD(creation_list, creation);

enum check_result { CHECK_LATER, CHECK_READY, CHECK_ABSENT, CHECK_DENIED };

struct check {
        const char *name; /* the topic's; its creation keeps it */
        enum check_result result;
        int partitions;
};

struct creations {
        struct kafka_log *log;
        struct creation_list queue, asked, check, checking;
        struct cluster_batch batch;
        struct timer queue_timer, check_timer;
        bool given_up;
        /* The helper's while anything is in `checking`. */
        struct helper_job job;
        rd_kafka_t *rk;
        struct check checks[CLUSTER_BATCH_MAX];
        size_t check_count;
        int patience_ms;
};

static void ask_queued(void *arg);
static void check_next(void *arg);

static void set_timer(struct creations *creations, struct timer *timer, uint64_t in_ms)
{
        if (timer_is_set(timer) || creations->given_up) return;
        if (context_timer_set(creations->log->ctx, timer, in_ms) != OK) log_error("kafka", "out of memory: creations wait");
}

static struct creation_list *list_of(struct creation *creation)
{
        struct creations *creations = creation->topic->log->creations;
        struct creation_list *const lists[] = {&creations->queue, &creations->asked, &creations->check, &creations->checking};

        return lists[creation->state];
}

static void move(struct creation *creation, enum creation_state state)
{
        TAILQ_REMOVE(list_of(creation), creation, entry);
        creation->state = state;
        TAILQ_INSERT_TAIL(list_of(creation), creation, entry);
}

/* Completes it for all who asked. */
static void tell(struct creation *creation, enum err err, const char *why)
{
        struct kafka_log *log = creation->topic->log;
        struct creator *creator;

        while ((creator = LIST_FIRST(&creation->creators))) {
                struct log_result result = {.op = LOG_CREATE, .token = creator->waiting.token, .err = err, .why = why};

                LIST_REMOVE(creator, entry);
                kafka_wait_remove(log, &creator->waiting);
                free(creator);
                kafka_done(log, &result);
        }
}

static void finish(struct creation *creation, enum err err, const char *why)
{
        struct kafka_topic *topic = creation->topic;

        TAILQ_REMOVE(list_of(creation), creation, entry);
        creation->state = CREATION_OVER;
        tell(creation, err, why);
        topic->creation = NULL;
        topic->made = false;
        free(creation);
        topics_release_topic(topic);
}

static void refuse(struct creation *creation, enum err err, const char *why)
{
        char text[320];

        snprintf(text, sizeof text, "Kafka refused to make the stream: %s", why);
        log_warning("kafka", "topic %s: %s", creation->topic->name, text);
        finish(creation, err, text);
}

/* True: nobody waits for it any more, and it is over. One that is in Kafka's hands, or the helper's, is asked when it comes back. */
static bool end_unwanted(struct creation *creation)
{
        if (!LIST_EMPTY(&creation->creators)) return false;
        finish(creation, OK, NULL);
        return true;
}

/* --- the first step --- */

static void ask_again(struct creation *creation)
{
        struct creations *creations = creation->topic->log->creations;

        if (end_unwanted(creation)) return;
        move(creation, CREATION_QUEUED);
        set_timer(creations, &creations->queue_timer, RETRY_MS);
}

/* The second step comes, and at once. */
static void go_on(struct creation *creation)
{
        creation->due_ms = creation->pause_ms = 0;
        move(creation, CREATION_CHECKED);
}

/* Whether a refusal that may be over in a moment is waited out. */
static bool is_patient(struct creation *creation, const struct cluster_topic *answer)
{
        struct kafka_log *log = creation->topic->log;
        uint64_t now = context_now_ms(log->ctx);

        if (!creation->refused_ms) creation->refused_ms = now;
        return answer->fleeting && now - creation->refused_ms < log->limits.create_patience_ms;
}

static void take_answer(struct creation *creation, const struct cluster_topic *answer)
{
        switch (answer->verdict) {
        case KAFKA_FINE:
                creation->made |= answer->made;
                if (answer->made) log_debug("kafka", "topic %s: made", creation->topic->name);
                go_on(creation);
                break;
        case KAFKA_DENIED:
                creation->denied = true;
                go_on(creation);
                break;
        case KAFKA_LATER: ask_again(creation); break;
        default:
                if (is_patient(creation, answer)) ask_again(creation);
                else refuse(creation, ERR_FAILED, answer->why);
                break;
        }
}

static void answered(void *user, struct cluster_batch *batch)
{
        struct creations *creations = user;
        struct creation *creation;

        if (creations->given_up) return;
        for (size_t i = 0; i < batch->count && (creation = TAILQ_FIRST(&creations->asked)); i++) take_answer(creation, &batch->topics[i]);
        if (!TAILQ_EMPTY(&creations->queue)) set_timer(creations, &creations->queue_timer, 0);
        check_next(creations);
}

static void ask_queued(void *arg)
{
        struct creations *creations = arg;
        struct cluster *cluster = creations->log->cluster;
        struct cluster_batch *batch = &creations->batch;
        struct creation *creation;

        if (!TAILQ_EMPTY(&creations->asked) || creations->given_up || health_away(creations->log->health)) return;
        batch->count = 0;
        while (batch->count < CLUSTER_BATCH_MAX && (creation = TAILQ_FIRST(&creations->queue))) {
                batch->topics[batch->count++] = (struct cluster_topic){.name = creation->topic->name, .partitions = creation->partitions};
                move(creation, CREATION_ASKED);
        }
        if (batch->count) cluster->ops->create(cluster, batch);
}

/* --- the second step --- */

static void look(struct check *check, const struct rd_kafka_metadata *metadata)
{
        const struct rd_kafka_metadata_topic *topic = NULL;

        check->result = CHECK_ABSENT;
        for (int i = 0; i < metadata->topic_cnt && !topic; i++)
                if (strcmp(metadata->topics[i].topic, check->name) == 0) topic = &metadata->topics[i];
        if (!topic || kafka_verdict(topic->err) == KAFKA_ABSENT) return;
        check->result = kafka_verdict(topic->err) == KAFKA_DENIED ? CHECK_DENIED : CHECK_LATER;
        if (topic->err || topic->partition_cnt == 0) return;
        for (int i = 0; i < topic->partition_cnt; i++)
                if (topic->partitions[i].leader < 0) return;
        check->partitions = topic->partition_cnt;
        check->result = CHECK_READY;
}

static void check_some(struct creations *creations, struct check *checks, size_t count, rd_kafka_topic_t *only)
{
        const struct rd_kafka_metadata *metadata;
        rd_kafka_resp_err_t err = rd_kafka_metadata(creations->rk, 0, only, &metadata, creations->patience_ms);

        for (size_t i = 0; i < count; i++) {
                checks[i].result = CHECK_LATER;
                if (!err) look(&checks[i], metadata);
        }
        if (!err) rd_kafka_metadata_destroy(metadata);
        if (!err) creations->patience_ms = METADATA_MIN_MS;
        else if (creations->patience_ms < METADATA_MAX_MS) creations->patience_ms *= 2;
}

static void check_run(struct helper_job *job)
{
        struct creations *creations = HELPER_JOB_OWNER(job, struct creations, job);

        if (creations->check_count > SINGLY_MAX) {
                check_some(creations, creations->checks, creations->check_count, NULL);
                return;
        }
        for (size_t i = 0; i < creations->check_count; i++) {
                rd_kafka_topic_t *rkt = rd_kafka_topic_new(creations->rk, creations->checks[i].name, NULL);

                creations->checks[i].result = CHECK_LATER;
                if (rkt) check_some(creations, &creations->checks[i], 1, rkt);
                if (rkt) rd_kafka_topic_destroy(rkt);
        }
}

static void look_again(struct creation *creation, uint64_t in_ms)
{
        creation->pause_ms = in_ms < CHECK_MAX_MS ? in_ms : CHECK_MAX_MS;
        creation->due_ms = context_now_ms(creation->topic->log->ctx) + creation->pause_ms;
        move(creation, CREATION_CHECKED);
}

static void take_check(struct creation *creation, const struct check *check)
{
        if (check->result == CHECK_READY) {
                creation->topic->partitions = (uint32_t)check->partitions;
                creation->topic->made = creation->made;
                reader_topic_created(creation->topic);
                finish(creation, OK, NULL);
        } else if (check->result == CHECK_DENIED || (check->result == CHECK_ABSENT && creation->denied)) {
                refuse(creation, ERR_NOT_ALLOWED, "the node is not allowed to");
        } else if (end_unwanted(creation)) {
                return;
        } else if (check->result == CHECK_ABSENT && ++creation->absent >= ABSENT_MAX) {
                creation->absent = 0;
                move(creation, CREATION_QUEUED);
        } else {
                look_again(creation, creation->pause_ms ? 2 * creation->pause_ms : CHECK_MIN_MS);
        }
}

static void check_done(struct helper_job *job)
{
        struct creations *creations = HELPER_JOB_OWNER(job, struct creations, job);
        struct creation *creation;

        if (creations->given_up) return;
        for (size_t i = 0; i < creations->check_count && (creation = TAILQ_FIRST(&creations->checking)); i++)
                take_check(creation, &creations->checks[i]);
        if (!TAILQ_EMPTY(&creations->queue)) set_timer(creations, &creations->queue_timer, 0);
        check_next(creations);
}

static bool attach(struct creation *creation)
{
        struct kafka_log *log = creation->topic->log;
        struct reason why;

        if (producers_attach(log->producers, creation->topic, &why) == OK) return true;
        refuse(creation, ERR_FAILED, why.text);
        return false;
}

/* Whether it is its turn, in a round of this producer (NULL: of none yet). Those that soon would be are taken along: it is one request for many. */
static bool is_due(const struct creation *creation, const struct producer *producer, uint64_t now)
{
        bool along = producer && creation->topic->producer == producer;

        return now >= creation->due_ms - (along ? creation->pause_ms / 2 : 0);
}

/* Takes what is due and belongs to one live producer into `checking`; NULL: nothing. */
static struct producer *take_round(struct creations *creations)
{
        uint64_t now = context_now_ms(creations->log->ctx);
        struct producer *producer = NULL;
        struct creation *creation, *next;

        creations->check_count = 0;
        for (creation = TAILQ_FIRST(&creations->check); creation && creations->check_count < CLUSTER_BATCH_MAX; creation = next) {
                next = TAILQ_NEXT(creation, entry);
                if (!is_due(creation, producer, now) || !attach(creation)) continue;
                if (creation->topic->producer->state != PRODUCER_LIVE) {
                        if (!end_unwanted(creation)) look_again(creation, RETRY_MS);
                        continue;
                }
                if (producer && creation->topic->producer != producer) continue;
                producer = creation->topic->producer;
                creations->checks[creations->check_count++] = (struct check){.name = creation->topic->name};
                move(creation, CREATION_CHECKING);
        }
        return producer;
}

/* Sets the timer for the first that is due: all have their pause before them. */
static void wait_for_next(struct creations *creations)
{
        uint64_t now = context_now_ms(creations->log->ctx), due_ms = UINT64_MAX;
        struct creation *creation;

        TAILQ_FOREACH(creation, &creations->check, entry)
                if (creation->due_ms < due_ms) due_ms = creation->due_ms;
        if (due_ms == UINT64_MAX) return;
        set_timer(creations, &creations->check_timer, due_ms > now ? due_ms - now : 0);
}

static void check_next(void *arg)
{
        struct creations *creations = arg;
        struct producer *producer;

        if (!TAILQ_EMPTY(&creations->checking) || creations->given_up) return;
        context_timer_stop(creations->log->ctx, &creations->check_timer);
        if (!(producer = take_round(creations))) {
                wait_for_next(creations);
                return;
        }
        creations->rk = producer->handle.rk; /* stays: its end is a later job of the same helper */
        creations->job = (struct helper_job){.run = check_run, .done = check_done};
        helper_ask(creations->log->helper, &creations->job);
}

/* --- asking --- */

struct creations *creations_new(struct kafka_log *log)
{
        struct creations *creations = calloc(1, sizeof *creations);

        if (!creations) return NULL;
        creations->log = log;
        creations->patience_ms = METADATA_MIN_MS;
        creations->batch.done = answered;
        creations->batch.user = creations;
        TAILQ_INIT(&creations->queue);
        TAILQ_INIT(&creations->asked);
        TAILQ_INIT(&creations->check);
        TAILQ_INIT(&creations->checking);
        timer_init(&creations->queue_timer, ask_queued, creations);
        timer_init(&creations->check_timer, check_next, creations);
        return creations;
}

static struct creation *creation_new(struct creations *creations, struct kafka_topic *topic, uint32_t partitions)
{
        struct creation *creation = calloc(1, sizeof *creation);

        if (!creation) return NULL;
        creation->topic = topic;
        creation->partitions = partitions;
        LIST_INIT(&creation->creators);
        creation->state = CREATION_QUEUED;
        TAILQ_INSERT_TAIL(&creations->queue, creation, entry);
        topic->creation = creation;
        set_timer(creations, &creations->queue_timer, 0);
        return creation;
}

void creations_ask(struct creations *creations, struct kafka_topic *topic, uint32_t partitions, uint64_t token)
{
        struct creation *creation = topic->creation;
        struct creator *creator = calloc(1, sizeof *creator);

        if (!creation && creator) creation = creation_new(creations, topic, partitions);
        if (!creation || !creator) {
                free(creator);
                kafka_answer_later(creations->log, LOG_CREATE, token, ERR_FAILED, "the node is out of memory");
                topics_release_topic(topic);
                return;
        }
        creator->of = creation;
        kafka_wait_add(creations->log, &creator->waiting, LOG_CREATE, token);
        LIST_INSERT_HEAD(&creation->creators, creator, entry);
}

void creations_cancel(struct waiting *waiting)
{
        struct creator *creator = (struct creator *)(void *)waiting;
        struct creation *creation = creator->of;

        LIST_REMOVE(creator, entry);
        free(creator);
        /* What is looked at again ends in its next turn, what is asked for when it is answered. */
        if (creation->state == CREATION_QUEUED && !creation->topic->log->creations->given_up) end_unwanted(creation);
}

void creations_retry(struct creations *creations)
{
        if (!TAILQ_EMPTY(&creations->queue)) set_timer(creations, &creations->queue_timer, 0);
}

void creations_give_up(struct creations *creations)
{
        struct creation_list *const lists[] = {&creations->queue, &creations->asked, &creations->check, &creations->checking};
        struct creation *creation;

        creations->given_up = true;
        context_timer_stop(creations->log->ctx, &creations->queue_timer);
        context_timer_stop(creations->log->ctx, &creations->check_timer);
        for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
                TAILQ_FOREACH(creation, lists[i], entry) tell(creation, ERR_CANCELLED, "the node stops");
}

static void finish_all(struct creation_list *list)
{
        struct creation *creation;

        while ((creation = TAILQ_FIRST(list))) finish(creation, ERR_CANCELLED, "the node stops");
}

void creations_free(struct creations *creations)
{
        if (!creations) return;
        creations_give_up(creations);
        finish_all(&creations->queue);
        finish_all(&creations->asked);
        finish_all(&creations->check);
        finish_all(&creations->checking);
        free(creations);
}
