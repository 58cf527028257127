/* librdkafka's simple consumer. Start and stop are the helper's, since metadata and stopping block. Each fetch's queue writes the
 * fetch's number into the fetcher's pipe when it has something; numbers are never used again. */
#include "stream/kafka/fetch.h"

#include "stream/kafka/partition.h"
#include "stream/kafka/topics.h"
#include "transport/base/logger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
        LOOK_MS = 2000,     /* metadata, and the log's bounds */
        MESSAGES_MAX = 256, /* taken off a queue at once */
        BATCHES_MAX = 8,    /* so many times in one turn */
        READY_MAX = 64,     /* numbers read from the pipe at once */
};

struct fetcher {
        struct kafka_log *log;
        enum kafka_role role;
        size_t run_max;
        const struct fetch_events *events;
        struct consumers consumers;
        struct fetch *fetches; /* by id */
        uint64_t ids;
        int ready[2];
        struct loop_watch *watch;
};

/* --- the helper's part --- */

static enum fetch_outcome look(struct fetch *fetch)
{
        rd_kafka_resp_err_t err = partition_look(fetch->consumer->handle.rk, fetch->rkt, fetch->stream->partition, LOOK_MS);

        if (err == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) return FETCH_NO_LEADER;
        switch (kafka_verdict(err)) {
        case KAFKA_FINE: return FETCH_STOPPED;
        case KAFKA_ABSENT: return FETCH_ABSENT;
        case KAFKA_DENIED: return FETCH_DENIED;
        default: return FETCH_FAILED;
        }
}

static void start_run(struct helper_job *job)
{
        struct fetch *fetch = HELPER_JOB_OWNER(job, struct fetch, job);
        rd_kafka_t *rk = fetch->consumer->handle.rk;

        fetch->outcome = FETCH_FAILED;
        if (!(fetch->rkt = rd_kafka_topic_new(rk, fetch->stream->topic->name, NULL))) return;
        if ((fetch->outcome = look(fetch)) != FETCH_STOPPED) return;
        fetch->queue = rd_kafka_queue_new(rk);
        rd_kafka_queue_io_event_enable(fetch->queue, fetch->fetcher->ready[1], &fetch->id, sizeof fetch->id);
        if (rd_kafka_consume_start_queue(fetch->rkt, (int32_t)fetch->stream->partition, (int64_t)fetch->run.from, fetch->queue) == 0) return;
        rd_kafka_queue_destroy(fetch->queue);
        fetch->queue = NULL;
        fetch->outcome = FETCH_FAILED;
}

/* The log's bounds, for a fetch that was out of them. */
static void ask_bounds(struct fetch *fetch)
{
        int64_t low, high;
        rd_kafka_resp_err_t err = rd_kafka_query_watermark_offsets(fetch->consumer->handle.rk, fetch->stream->topic->name,
                                                                   (int32_t)fetch->stream->partition, &low, &high, LOOK_MS);

        if (err || low < 0 || high < low) {
                fetch->outcome = kafka_verdict(err) == KAFKA_ABSENT ? FETCH_ABSENT : FETCH_FAILED;
                return;
        }
        fetch->low = (uint64_t)low;
        fetch->high = (uint64_t)high;
}

static void close_queue(struct fetch *fetch)
{
        if (fetch->queue) {
                rd_kafka_consume_stop(fetch->rkt, (int32_t)fetch->stream->partition);
                rd_kafka_queue_io_event_enable(fetch->queue, -1, NULL, 0);
                rd_kafka_queue_destroy(fetch->queue);
                fetch->queue = NULL;
        }
        if (fetch->rkt) rd_kafka_topic_destroy(fetch->rkt);
        fetch->rkt = NULL;
}

static void end_run(struct helper_job *job)
{
        struct fetch *fetch = HELPER_JOB_OWNER(job, struct fetch, job);

        close_queue(fetch);
        if (fetch->outcome == FETCH_RANGE) ask_bounds(fetch);
}

/* --- the loop's part --- */

static void leave(struct fetch *fetch)
{
        HASH_DEL(fetch->fetcher->fetches, fetch);
        consumers_give_back(&fetch->fetcher->consumers, fetch->consumer);
}

static void fetch_free(struct fetch *fetch)
{
        run_clear(&fetch->run);
        free(fetch);
}

static void end_done(struct helper_job *job)
{
        struct fetch *fetch = HELPER_JOB_OWNER(job, struct fetch, job);

        leave(fetch); /* first: its owner may begin another one, which needs the place, and the instance before to be gone */
        fetch->fetcher->events->ended(fetch);
        fetch_free(fetch);
}

static void end(struct fetch *fetch, enum fetch_outcome outcome)
{
        fetch->state = FETCH_ENDING;
        fetch->outcome = outcome;
        fetch->job = (struct helper_job){.run = end_run, .done = end_done};
        helper_ask(fetch->fetcher->log->helper, &fetch->job);
}

static void take_error(struct fetch *fetch, const rd_kafka_message_t *message)
{
        switch (message->err) {
        case RD_KAFKA_RESP_ERR__PARTITION_EOF:
                if (message->offset >= 0) run_extend(&fetch->run, (uint64_t)message->offset);
                fetch->at_end = fetch->told = true;
                return;
        case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
        case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE: end(fetch, FETCH_RANGE); return;
        default: break;
        }
        log_debug("kafka", "stream %s: %s", fetch->stream->topic->name, rd_kafka_message_errstr(message));
        if (kafka_verdict(message->err) == KAFKA_ABSENT) end(fetch, FETCH_ABSENT);
        else if (kafka_verdict(message->err) == KAFKA_DENIED) end(fetch, FETCH_DENIED);
}

static void take_message(struct fetch *fetch, const rd_kafka_message_t *message)
{
        struct run *run = &fetch->run;

        if (message->err) {
                take_error(fetch, message);
                return;
        }
        if (message->offset < 0 || (uint64_t)message->offset < run->upto) return;
        if (run_weight(run) > fetch->fetcher->run_max && fetch->fetcher->role == KAFKA_LIVE) run_forget(run);
        fetch->at_end = false;
        fetch->told = true;
        if (run_add(run, (uint64_t)message->offset, bytes_make(message->payload, message->len)) != OK) end(fetch, FETCH_FAILED);
        else if (run_weight(run) > fetch->fetcher->run_max && fetch->fetcher->role == KAFKA_HISTORY) end(fetch, FETCH_FULL);
}

static void wake_again(struct fetch *fetch)
{
        ssize_t n = write(fetch->fetcher->ready[1], &fetch->id, sizeof fetch->id);

        if (n != (ssize_t)sizeof fetch->id) end(fetch, FETCH_FAILED);
}

/* Takes what the queue has. False: nothing more for now. */
static bool take_batch(struct fetch *fetch)
{
        rd_kafka_message_t *messages[MESSAGES_MAX];
        ssize_t count = rd_kafka_consume_batch_queue(fetch->queue, 0, messages, MESSAGES_MAX);

        for (ssize_t i = 0; i < count; i++) {
                if (fetch->state == FETCH_RUNNING) take_message(fetch, messages[i]);
                rd_kafka_message_destroy(messages[i]);
        }
        return count == MESSAGES_MAX && fetch->state == FETCH_RUNNING;
}

/* At the end of a log that is written all the time Kafka never says that it is the end. */
static void end_history(struct fetch *fetch)
{
        if (fetch->state != FETCH_RUNNING || fetch->fetcher->role != KAFKA_HISTORY) return;
        if (fetch->at_end) end(fetch, FETCH_AT_END);
        else if (fetch->run.upto >= fetch->end) end(fetch, FETCH_FULL);
}

static void take_all(struct fetch *fetch)
{
        int batches = 0;

        if (fetch->state != FETCH_RUNNING) return;
        while (take_batch(fetch))
                if (++batches == BATCHES_MAX) {
                        wake_again(fetch);
                        break;
                }
        if (!fetch->told) return;
        fetch->told = fetch->vain = false;
        end_history(fetch);
        health_answered(fetch->fetcher->log->health); /* others begin then, and this one may be stopped */
        fetch->fetcher->events->grown(fetch);
        fetch->fresh = fetch->run.upto;
        fetch->fresh_ms = context_now_ms(fetch->fetcher->log->ctx);
}

static void start_done(struct helper_job *job)
{
        struct fetch *fetch = HELPER_JOB_OWNER(job, struct fetch, job);

        if (fetch->state == FETCH_ENDING) {
                end(fetch, FETCH_STOPPED); /* stopped meanwhile */
        } else if (fetch->outcome != FETCH_STOPPED) {
                end(fetch, fetch->outcome);
        } else {
                fetch->state = FETCH_RUNNING;
                take_all(fetch); /* its first sign may have come already */
        }
}

static void take_ready(void *arg)
{
        struct fetcher *fetcher = arg;
        uint64_t ids[READY_MAX];
        ssize_t n = read(fetcher->ready[0], ids, sizeof ids);

        for (size_t i = 0; n > 0 && i < (size_t)n / sizeof *ids; i++) {
                struct fetch *fetch = NULL;

                HASH_FIND(hh, fetcher->fetches, &ids[i], sizeof ids[i], fetch);
                if (fetch) take_all(fetch);
        }
}

static enum err open_pipe(struct fetcher *fetcher, struct reason *why)
{
        if (pipe2(fetcher->ready, O_CLOEXEC | O_NONBLOCK) < 0) return fail(why, ERR_SYSTEM, "no pipe: %s", strerror(errno));
        if (loop_watch_fd(fetcher->log->loop, fetcher->ready[0], take_ready, fetcher, &fetcher->watch) == OK) return OK;
        close(fetcher->ready[0]);
        close(fetcher->ready[1]);
        return fail(why, ERR_SYSTEM, "the event loop takes no more");
}

enum err fetcher_new(struct kafka_log *log, enum kafka_role role, size_t run_max, const struct fetch_events *events,
                     struct fetcher **out, struct reason *why)
{
        struct fetcher *fetcher = calloc(1, sizeof *fetcher);
        enum err err;

        if (!fetcher) return fail(why, ERR_NO_MEMORY, "out of memory");
        *fetcher = (struct fetcher){.log = log, .role = role, .run_max = run_max, .events = events};
        if ((err = open_pipe(fetcher, why))) goto fail;
        if ((err = consumers_open(&fetcher->consumers, log, role, why))) goto fail_pipe;
        *out = fetcher;
        return OK;
fail_pipe:
        loop_unwatch(fetcher->watch);
        close(fetcher->ready[0]);
        close(fetcher->ready[1]);
fail:
        free(fetcher);
        return err;
}

void fetcher_free(struct fetcher *fetcher)
{
        struct fetch *fetch, *next;

        if (!fetcher) return;
        loop_unwatch(fetcher->watch);
        HASH_ITER(hh, fetcher->fetches, fetch, next) {
                /* cppcheck-suppress uninitvar; it does not see through the table's macro */
                close_queue(fetch);
                leave(fetch);
                fetch_free(fetch);
        }
        consumers_close(&fetcher->consumers);
        close(fetcher->ready[0]);
        close(fetcher->ready[1]);
        free(fetcher);
}

size_t fetcher_count(const struct fetcher *fetcher)
{
        return HASH_COUNT(fetcher->fetches);
}

static void stop_those_of(struct fetcher *fetcher, const struct consumer_instance *instance)
{
        struct fetch *fetch, *next;

        HASH_ITER(hh, fetcher->fetches, fetch, next)
                /* cppcheck-suppress uninitvar; it does not see through the table's macro */
                if (fetch->consumer == instance) fetch_stop(fetch);
}

struct fetch *fetch_start(struct fetcher *fetcher, struct log_stream *stream, uint64_t from)
{
        struct consumer_instance *worn;
        struct fetch *fetch = calloc(1, sizeof *fetch);

        if (!fetch) return NULL;
        fetch->id = ++fetcher->ids;
        HASH_ADD(hh, fetcher->fetches, id, sizeof fetch->id, fetch);
        if (!fetch->hh.tbl) {
                free(fetch);
                return NULL;
        }
        fetch->fetcher = fetcher;
        fetch->stream = stream;
        fetch->consumer = consumers_take(&fetcher->consumers, stream->topic->name);
        fetch->state = FETCH_STARTING;
        run_init(&fetch->run, from);
        fetch->fresh = from;
        fetch->fresh_ms = context_now_ms(fetcher->log->ctx);
        context_count(fetcher->log->ctx, STAT_FETCHES);
        fetch->job = (struct helper_job){.run = start_run, .done = start_done};
        helper_ask(fetcher->log->helper, &fetch->job);
        if ((worn = consumers_to_leave(&fetcher->consumers))) stop_those_of(fetcher, worn);
        return fetch;
}

void fetch_doubt(struct fetch *fetch) { run_forget_before(&fetch->run, fetch->fresh); }

void fetch_stop(struct fetch *fetch)
{
        if (fetch->state == FETCH_STARTING) fetch->state = FETCH_ENDING; /* the job that is out sees to the rest */
        else if (fetch->state == FETCH_RUNNING) end(fetch, FETCH_STOPPED);
}
