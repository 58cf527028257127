/* The pool, the life of a producer, and back pressure. */
#include "stream/kafka/producers.h"

#include "transport/base/logger.h"

#include <stdlib.h>

enum {
        RECORD_COST = 512,   /* what an append costs beside its bytes, ours and librdkafka's */
        PURGE_AGAIN_MS = 50, /* what is queued in a dead producer is purged so often, since requests that come back are queued */
        IN_FLIGHT_MS = 1000, /* answers to requests that are out are waited for so long: each tells what else would be open */
        COLLECT_MS = 5000,   /* how long a dead producer may take to report what it had */
        PAUSE_MIN_MS = 50,   /* before a new producer, when the last one died soon */
        PAUSE_MAX_MS = 5000,
        LIVED_MS = 10000, /* longer than this: the next one is made at once */
        WORN = 4,         /* full, and serves less than one of so many topics that it knows: made anew */
};

struct cancelled {
        UT_hash_handle hh;
        uint64_t token;
};

struct producers {
        struct kafka_log *log;
        LIST_HEAD(producer_list, producer) list;
        unsigned numbers;
        size_t outstanding, bytes;
        bool high, given_up;
        struct cancelled *cancelled;
        struct append_list grave;
};

static void take_event(void *user, rd_kafka_event_t *event);
static void life_due(void *arg);
static void try_stalled(void *arg);
static void collected(struct producer *producer);

/* --- a producer's life --- */

static enum err producer_open(struct producer *producer, struct reason *why)
{
        enum kafka_role role = producer->careful ? KAFKA_CAREFUL_PRODUCER : KAFKA_PRODUCER;
        struct kafka_log *log = producer->producers->log;
        struct kafka_topic *topic;
        rd_kafka_conf_t *conf;
        enum err err;

        if ((err = kafka_log_conf(log, role, &conf, why))) return err;
        if ((err = handle_open(&producer->handle, log->loop, log->health, role, conf, take_event, producer, why))) return err;
        producer->state = PRODUCER_LIVE;
        producer->flying = 0;
        producer->topics_known = producer->topic_count;
        producer->opened_ms = context_now_ms(log->ctx);
        LIST_FOREACH (topic, &producer->topics, by_producer)
                topic->rkt = rd_kafka_topic_new(producer->handle.rk, topic->name, NULL);
        return OK;
}

static enum err producer_new(struct producers *producers, bool careful, struct producer **out, struct reason *why)
{
        struct producer *producer = calloc(1, sizeof *producer);
        enum err err;

        if (!producer) return fail(why, ERR_NO_MEMORY, "out of memory");
        producer->producers = producers;
        producer->number = ++producers->numbers;
        producer->careful = careful;
        LIST_INIT(&producer->topics);
        TAILQ_INIT(&producer->stalled);
        timer_init(&producer->stall_timer, try_stalled, producer);
        timer_init(&producer->life_timer, life_due, producer);
        if ((err = producer_open(producer, why))) {
                free(producer);
                return err;
        }
        LIST_INSERT_HEAD(&producers->list, producer, entry);
        *out = producer;
        return OK;
}

static void set_timer(struct producer *producer, struct timer *timer, uint64_t in_ms)
{
        if (context_timer_set(producer->producers->log->ctx, timer, in_ms) != OK)
                log_error("kafka", "producer %u: out of memory: it does not go on by itself", producer->number);
}

static void producer_free(struct producer *producer)
{
        struct context *ctx = producer->producers->log->ctx;

        context_timer_stop(ctx, &producer->stall_timer);
        context_timer_stop(ctx, &producer->life_timer);
        LIST_REMOVE(producer, entry);
        free(producer);
}

static void attach(struct kafka_topic *topic, struct producer *producer)
{
        topic->producer = producer;
        LIST_INSERT_HEAD(&producer->topics, topic, by_producer);
        producer->unwanted = false;
        producer->topic_count++;
        producer->topics_known++;
        if (producer->state == PRODUCER_LIVE) topic->rkt = rd_kafka_topic_new(producer->handle.rk, topic->name, NULL);
}

/* What waits goes out, in the order of each stream. */
static void push_all(struct producer *producer)
{
        struct kafka_topic *topic;
        struct log_stream *stream;

        LIST_FOREACH (topic, &producer->topics, by_producer)
                LIST_FOREACH (stream, &topic->streams, entry)
                        if (stream->append.next) producer_stall(producer, stream, 0);
        try_stalled(producer);
}

static void open_again(struct producer *producer)
{
        struct reason why;

        if (producer->producers->given_up) return;
        if (producer_open(producer, &why) != OK) {
                log_error("kafka", "producer %u: cannot be made anew: %s", producer->number, why.text);
                set_timer(producer, &producer->life_timer, PAUSE_MAX_MS);
                return;
        }
        push_all(producer);
}

static uint64_t next_pause(struct producer *producer)
{
        if (!producer->died_ms || producer->died_ms - producer->opened_ms > LIVED_MS)
                producer->pause_ms = 0;
        else if (producer->pause_ms == 0)
                producer->pause_ms = PAUSE_MIN_MS;
        else if (producer->pause_ms < PAUSE_MAX_MS)
                producer->pause_ms *= 2;
        producer->died_ms = 0;
        return producer->pause_ms;
}

static void lose_all(struct producer *producer)
{
        struct kafka_topic *topic;
        struct log_stream *stream;

        LIST_FOREACH (topic, &producer->topics, by_producer)
                LIST_FOREACH (stream, &topic->streams, entry)
                        append_lost(stream);
}

/* Streams that were to be tried again are tried by the topic's new producer. */
static void move_stalled(struct kafka_topic *topic, struct producer *from)
{
        struct log_stream *stream;

        LIST_FOREACH (stream, &topic->streams, entry) {
                if (stream->append.stalled) TAILQ_REMOVE(&from->stalled, stream, append.by_stall);
                stream->append.stalled = false;
                if (stream->append.next) producer_stall(topic->producer, stream, 0);
        }
}

/* Topics of which a record was refused go to a careful producer. Nothing of them is under way. */
static void move_refused(struct producer *producer)
{
        struct kafka_topic *topic, *next;
        struct reason why;

        for (topic = LIST_FIRST(&producer->topics); topic && !producer->careful; topic = next) {
                next = LIST_NEXT(topic, by_producer);
                if (!topic->careful) continue;
                producers_detach(topic);
                if (producers_attach(producer->producers, topic, &why) != OK) {
                        log_error("kafka", "topic %s: no careful producer: %s", topic->name, why.text);
                        attach(topic, producer); /* where it may be refused again, after a pause */
                        continue;
                }
                move_stalled(topic, producer);
        }
}

static void destroy_run(struct helper_job *job) { handle_destroy(&HELPER_JOB_OWNER(job, struct producer, job)->handle); }

static void destroy_done(struct helper_job *job)
{
        struct producer *producer = HELPER_JOB_OWNER(job, struct producer, job);

        if (!producer->producers->given_up) {
                lose_all(producer);
                move_refused(producer);
        }
        producer->state = PRODUCER_PAUSING;
        if (producer->unwanted)
                producer_free(producer);
        else
                set_timer(producer, &producer->life_timer, next_pause(producer));
}

static void producer_end(struct producer *producer)
{
        struct kafka_topic *topic;

        context_timer_stop(producer->producers->log->ctx, &producer->life_timer);
        producer->state = PRODUCER_ENDING;
        handle_mute(&producer->handle);
        LIST_FOREACH (topic, &producer->topics, by_producer) {
                if (topic->rkt) rd_kafka_topic_destroy(topic->rkt);
                topic->rkt = NULL;
        }
        producer->job = (struct helper_job){.run = destroy_run, .done = destroy_done};
        helper_ask(producer->producers->log->helper, &producer->job);
}

static void purge_run(struct helper_job *job)
{
        struct producer *producer = HELPER_JOB_OWNER(job, struct producer, job);

        rd_kafka_purge(producer->handle.rk, producer->purge_flags);
}

static void purge_done(struct helper_job *job)
{
        struct producer *producer = HELPER_JOB_OWNER(job, struct producer, job);

        producer->purging = false;
        if (!producer->producers->given_up) set_timer(producer, &producer->life_timer, PURGE_AGAIN_MS);
        collected(producer);
}

/* First what is queued alone: requests that are out get their answers, so that less is stored twice. */
static void purge(struct producer *producer)
{
        bool late = context_now_ms(producer->producers->log->ctx) - producer->died_ms >= IN_FLIGHT_MS;

        producer->purge_flags = RD_KAFKA_PURGE_F_QUEUE | (late ? RD_KAFKA_PURGE_F_INFLIGHT : 0);
        producer->purging = true;
        producer->job = (struct helper_job){.run = purge_run, .done = purge_done};
        helper_ask(producer->producers->log->helper, &producer->job);
}

/* Nothing is to be reported any more, and it may end. */
static bool is_collected(const struct producer *producer)
{
        return producer->flying == 0 && !producer->purging && (producer->state == PRODUCER_PURGING || producer->state == PRODUCER_DRAINING);
}

/* Has it ended in the next turn: this one may be about an event whose messages refer to the instance until they are freed. */
static void collected(struct producer *producer)
{
        if (!is_collected(producer) || producer->producers->given_up) return;
        context_timer_stop(producer->producers->log->ctx, &producer->life_timer);
        set_timer(producer, &producer->life_timer, 0);
}

static void life_due(void *arg)
{
        struct producer *producer = arg;

        if (producer->state == PRODUCER_PAUSING) {
                open_again(producer);
        } else if (is_collected(producer)) {
                producer_end(producer);
        } else if (producer->state == PRODUCER_PURGING) {
                /* Reports that are still due then do not come: after the producer's end their records wait again. */
                if (context_now_ms(producer->producers->log->ctx) - producer->died_ms >= COLLECT_MS)
                        producer_end(producer);
                else
                        purge(producer);
        }
}

void producer_retire(struct producer *producer)
{
        char text[256] = "";

        if (producer->state != PRODUCER_LIVE && producer->state != PRODUCER_DRAINING) return;
        rd_kafka_fatal_error(producer->handle.rk, text, sizeof text);
        log_warning("kafka", "producer %u: replaced after a fatal error: %s", producer->number, text);
        context_count(producer->producers->log->ctx, STAT_KAFKA_FATAL);
        /* One that was draining may be about to end: its end comes after the purge, as the helper has one job of a producer at a time. */
        context_timer_stop(producer->producers->log->ctx, &producer->life_timer);
        producer->state = PRODUCER_PURGING;
        producer->died_ms = context_now_ms(producer->producers->log->ctx);
        purge(producer);
}

/* --- events --- */

static void take_reports(struct producer *producer, rd_kafka_event_t *event)
{
        const rd_kafka_message_t *message;

        while ((message = rd_kafka_event_message_next(event))) {
                if (message->err && rd_kafka_fatal_error(producer->handle.rk, NULL, 0)) producer_retire(producer);
                if (!message->err) health_answered(producer->producers->log->health);
                producer->flying--;
                append_report(message->_private, rd_kafka_message_status(message), message->err, message->offset,
                              producer->state == PRODUCER_PURGING);
        }
        reader_flush(producer->producers->log->reader);
        collected(producer);
}

static void take_event(void *user, rd_kafka_event_t *event)
{
        struct producer *producer = user;

        switch (rd_kafka_event_type(event)) {
        case RD_KAFKA_EVENT_DR:
                take_reports(producer, event);
                break;
        case RD_KAFKA_EVENT_ERROR:
                if (rd_kafka_event_error_is_fatal(event)) producer_retire(producer);
                break;
        default:
                break;
        }
}

static void try_at(struct producer *producer, uint64_t due_ms)
{
        uint64_t now = context_now_ms(producer->producers->log->ctx);

        if (timer_is_set(&producer->stall_timer) && producer->stall_due_ms <= due_ms) return;
        context_timer_stop(producer->producers->log->ctx, &producer->stall_timer);
        producer->stall_due_ms = due_ms;
        set_timer(producer, &producer->stall_timer, due_ms > now ? due_ms - now : 0);
}

/* Those that are not due keep their place, for the next time. */
static void try_stalled(void *arg)
{
        struct producer *producer = arg;
        struct stream_list streams = TAILQ_HEAD_INITIALIZER(streams);
        uint64_t now = context_now_ms(producer->producers->log->ctx);
        struct log_stream *stream;

        TAILQ_CONCAT(&streams, &producer->stalled, append.by_stall);
        while ((stream = TAILQ_FIRST(&streams))) {
                TAILQ_REMOVE(&streams, stream, append.by_stall);
                if (stream->append.stall_due_ms > now) {
                        TAILQ_INSERT_TAIL(&producer->stalled, stream, append.by_stall);
                        try_at(producer, stream->append.stall_due_ms);
                        continue;
                }
                stream->append.stalled = false;
                append_push(stream);
        }
}

void producer_stall(struct producer *producer, struct log_stream *stream, uint32_t in_ms)
{
        if (!stream->append.stalled) TAILQ_INSERT_TAIL(&producer->stalled, stream, append.by_stall);
        stream->append.stalled = true;
        stream->append.stall_due_ms = context_now_ms(producer->producers->log->ctx) + in_ms;
        try_at(producer, stream->append.stall_due_ms);
}

/* --- the pool --- */

enum err producers_new(struct kafka_log *log, struct producers **out, struct reason *why)
{
        struct producers *producers = calloc(1, sizeof *producers);
        struct producer *first;
        enum err err;

        if (!producers) return fail(why, ERR_NO_MEMORY, "out of memory");
        producers->log = log;
        LIST_INIT(&producers->list);
        STAILQ_INIT(&producers->grave);
        if ((err = producer_new(producers, false, &first, why))) {
                free(producers);
                return err;
        }
        *out = producers;
        return OK;
}

static void forget_cancelled(struct producers *producers)
{
        struct cancelled *cancelled, *next;

        HASH_ITER(hh, producers->cancelled, cancelled, next)
        {
                HASH_DEL(producers->cancelled, cancelled);
                free(cancelled);
        }
}

void producers_free(struct producers *producers)
{
        struct producer *producer;
        struct append *append;

        if (!producers) return;
        producers->given_up = true;
        while ((producer = LIST_FIRST(&producers->list))) {
                struct kafka_topic *topic;

                while ((topic = LIST_FIRST(&producer->topics)))
                        producers_detach(topic);
                handle_mute(&producer->handle);
                handle_destroy(&producer->handle);
                producer_free(producer);
        }
        while ((append = STAILQ_FIRST(&producers->grave))) {
                STAILQ_REMOVE_HEAD(&producers->grave, entry);
                append_free(append);
        }
        forget_cancelled(producers);
        free(producers);
}

static struct producer *with_room(struct producers *producers, bool careful)
{
        struct producer *producer;

        LIST_FOREACH (producer, &producers->list, entry)
                if (producer->careful == careful && !producer->unwanted &&
                    producer->topics_known < producers->log->limits.topics_per_producer)
                        return producer;
        return NULL;
}

enum err producers_attach(struct producers *producers, struct kafka_topic *topic, struct reason *why)
{
        struct producer *producer = topic->producer;
        enum err err;

        if (producer) return OK;
        if (!(producer = with_room(producers, topic->careful)) && (err = producer_new(producers, topic->careful, &producer, why)))
                return err;
        attach(topic, producer);
        return OK;
}

/* Full, and most of the topics that it knows are no more: room for new ones is made by a new instance. */
static bool is_worn(const struct producer *producer)
{
        return producer->topics_known >= producer->producers->log->limits.topics_per_producer &&
               producer->topic_count <= producer->topics_known / WORN;
}

/* Without a topic, while another one has room for what comes. */
static bool is_spare(const struct producer *producer)
{
        const struct producers *producers = producer->producers;
        const struct producer *other;

        if (producer->topic_count) return false;
        LIST_FOREACH (other, &producers->list, entry)
                if (other != producer && other->careful == producer->careful && !other->unwanted &&
                    other->topics_known < producers->log->limits.topics_per_producer)
                        return true;
        return false;
}

void producers_detach(struct kafka_topic *topic)
{
        struct producer *producer = topic->producer;

        if (!producer) return;
        if (topic->rkt) rd_kafka_topic_destroy(topic->rkt);
        topic->rkt = NULL;
        topic->producer = NULL;
        LIST_REMOVE(topic, by_producer);
        producer->topic_count--;
        if (producer->producers->given_up || (!is_worn(producer) && !is_spare(producer))) return;
        if (producer->topic_count == 0) producer->unwanted = true;
        if (producer->state == PRODUCER_LIVE) {
                producer->state = PRODUCER_DRAINING;
                collected(producer);
        } else if (producer->state == PRODUCER_PAUSING && producer->unwanted) {
                producer_free(producer);
        }
}

/* --- accounting --- */

static void tell_pressure(struct producers *producers, bool high)
{
        struct kafka_log *log = producers->log;

        producers->high = high;
        log->base.events->pressure(log->base.user, high);
}

bool producers_take_no_more(const struct producers *producers) { return producers->bytes > 2 * producers->log->limits.append_bytes_high; }

void producers_account(struct producers *producers, size_t n)
{
        producers->outstanding++;
        producers->bytes += n + RECORD_COST;
        if (!producers->high && producers->bytes > producers->log->limits.append_bytes_high) tell_pressure(producers, true);
}

void producers_release(struct producers *producers, size_t n)
{
        producers->outstanding--;
        producers->bytes -= n + RECORD_COST;
        if (producers->high && producers->bytes <= producers->log->limits.append_bytes_low) tell_pressure(producers, false);
        kafka_progress(producers->log);
}

void producers_cancel(struct producers *producers, uint64_t token)
{
        struct cancelled *cancelled;

        HASH_FIND(hh, producers->cancelled, &token, sizeof token, cancelled);
        if (cancelled || !producers->outstanding || !(cancelled = calloc(1, sizeof *cancelled))) return;
        cancelled->token = token;
        HASH_ADD(hh, producers->cancelled, token, sizeof cancelled->token, cancelled);
        if (!cancelled->hh.tbl) free(cancelled); /* its completion meets an unknown token, no more */
}

bool producers_is_cancelled(struct producers *producers, uint64_t token)
{
        struct cancelled *cancelled;
        bool found;

        if (!producers->cancelled) return false;
        HASH_FIND(hh, producers->cancelled, &token, sizeof token, cancelled);
        found = cancelled != NULL;
        if (found) {
                HASH_DEL(producers->cancelled, cancelled);
                free(cancelled);
        }
        if (!producers->outstanding) forget_cancelled(producers); /* of appends that were answered before */
        return found;
}

size_t producers_cancelled(const struct producers *producers) { return HASH_COUNT(producers->cancelled); }

unsigned producers_count(const struct producers *producers)
{
        const struct producer *producer;
        unsigned count = 0;

        LIST_FOREACH (producer, &producers->list, entry)
                count++;
        return count;
}

size_t producers_outstanding(const struct producers *producers) { return producers->outstanding; }

void producers_give_up(struct producers *producers)
{
        struct producer *producer;
        struct kafka_topic *topic;
        struct log_stream *stream;

        producers->given_up = true;
        LIST_FOREACH (producer, &producers->list, entry) {
                if (producer->state <= PRODUCER_PURGING) handle_mute(&producer->handle); /* later it is the helper's */
                context_timer_stop(producers->log->ctx, &producer->stall_timer);
                context_timer_stop(producers->log->ctx, &producer->life_timer);
                LIST_FOREACH (topic, &producer->topics, by_producer)
                        LIST_FOREACH (stream, &topic->streams, entry)
                                append_give_up(stream, &producers->grave);
        }
}
