/* A read is answered as soon as a run of records covers its index and has something for it. What no run covers is fetched by the
 * history consumer, one bounded fetch after the other; a read at the end of the log waits there, and the live consumer brings what
 * comes. */
#include "stream/kafka/reader.h"

#include "stream/kafka/cluster.h"
#include "stream/kafka/topics.h"
#include "transport/base/logger.h"

#include <stdlib.h>

enum {
        HISTORY_RUN = 256 << 10, /* bytes that one fetch brings */
        LIVE_RUN = 64 << 10,
        HISTORY_MAX = 64,        /* fetches of the past at once; further ones wait */
        RECORDS_MAX = 4096,      /* in one answer, whatever was asked for */
        LOOK_MS = 2000,          /* how long a read that does not hold may look for what lies behind */
        IDLE_MS = 2000,          /* what a stream keeps for its readers, and its live fetch, ends so long after the last read */
        RETRY_MS = 200,
};

struct read {
        struct waiting waiting; /* first */
        TAILQ_ENTRY(read) entry;
        struct log_stream *stream;
        struct log_read ask;    /* its index moves on over what is not for it */
        struct timer deadline;
        uint64_t asked_ms, pass;
        bool at_end;            /* nothing was there for it when Kafka was asked */
};

struct reader {
        struct kafka_log *log;
        struct fetcher *history, *live;
        struct stream_list idle, wanting, pausing;
        uint64_t passes;
        struct timer idle_timer, retry_timer;
        bool given_up;
        struct log_record records[RECORDS_MAX]; /* of the answer being given */
};

static void plan(struct log_stream *stream);

static void set_timer(struct reader *reader, struct timer *timer, uint64_t in_ms)
{
        if (timer_is_set(timer) || reader->given_up) return;
        if (context_timer_set(reader->log->ctx, timer, in_ms) != OK) log_error("kafka", "out of memory: readers wait");
}

/* --- one read --- */

static void finish(struct read *read, enum err err, const char *why, size_t count)
{
        struct kafka_log *log = read->stream->log;
        struct log_result result = {.op = LOG_READ, .token = read->waiting.token, .err = err, .why = why,
                                    .records = log->reader->records, .count = count};

        TAILQ_REMOVE(&read->stream->read.reads, read, entry);
        context_timer_stop(log->ctx, &read->deadline);
        kafka_wait_remove(log, &read->waiting);
        free(read);
        kafka_done(log, &result);
}

static void finish_all(struct log_stream *stream)
{
        struct read *read;

        while ((read = TAILQ_FIRST(&stream->read.reads))) finish(read, OK, NULL, 0);
}

static void time_over(void *arg)
{
        struct read *read = arg;
        struct log_stream *stream = read->stream;
        uint64_t waited = context_now_ms(stream->log->ctx) - read->asked_ms;

        /* What lies behind is still looked for: give it the time that this takes. */
        if (!read->at_end && waited < LOOK_MS && !health_away(stream->log->health) &&
            context_timer_set(stream->log->ctx, &read->deadline, LOOK_MS - waited) == OK)
                return;
        stream->refs++;
        finish(read, OK, NULL, 0);
        plan(stream);
        stream->refs--;
        topics_release(stream);
}

static const struct run *run_for(const struct log_stream *stream, uint64_t index)
{
        const struct read_stream *s = &stream->read;

        if (s->live && run_covers(&s->live->run, index)) return &s->live->run;
        if (s->history && run_covers(&s->history->run, index)) return &s->history->run;
        return run_covers(s->run, index) ? s->run : NULL;
}

/* Whether the fetch will bring more into this run in a moment. */
static bool is_growing(const struct log_stream *stream, const struct run *run)
{
        const struct fetch *fetch = stream->read.history;

        return fetch && run == &fetch->run && fetch->state != FETCH_ENDING && !fetch->at_end;
}

/* Whether it was answered. */
static bool answer(struct read *read)
{
        struct reader *reader = read->stream->log->reader;
        const struct run *run;
        struct run_answer got;

        while ((run = run_for(read->stream, read->ask.index))) {
                got = run_read(run, &read->ask, reader->records, RECORDS_MAX);
                if (!got.full && is_growing(read->stream, run)) return false;
                reader->log->ctx->stats.v[STAT_RECORDS_TOO_LARGE] += got.too_large;
                if (got.count) {
                        finish(read, OK, NULL, got.count);
                        return true;
                }
                if (read->ask.index == run->upto) return false;
                read->ask.index = run->upto; /* what lies before is a hole, or too large */
                read->at_end = false;
        }
        return false;
}

/* Kafka said that the log ends at `end`, and all of [from, end) has been given to those that wait for it: reads there wait, or
 * their time is over. */
static void note_end(struct log_stream *stream, uint64_t from, uint64_t end)
{
        uint64_t now = context_now_ms(stream->log->ctx);
        struct read *read;

        stream->read.end = end;
again:
        TAILQ_FOREACH(read, &stream->read.reads, entry) {
                if (read->at_end || read->ask.index < from || (read->ask.index < end && !run_for(stream, read->ask.index))) continue;
                read->at_end = true;
                if (now - read->asked_ms < read->ask.hold_ms) continue;
                finish(read, OK, NULL, 0);
                goto again; /* whoever was told may have cancelled others */
        }
}

/* --- what is to be fetched --- */

static void keep_idle(struct log_stream *stream)
{
        struct reader *reader = stream->log->reader;
        struct read_stream *s = &stream->read;

        if (!s->live && !s->run) return;
        s->idle_since_ms = context_now_ms(stream->log->ctx);
        if (s->idle) TAILQ_REMOVE(&reader->idle, stream, read.by_idle);
        TAILQ_INSERT_TAIL(&reader->idle, stream, read.by_idle);
        s->idle = true;
        set_timer(reader, &reader->idle_timer, IDLE_MS);
}

static void not_idle(struct log_stream *stream)
{
        if (!stream->read.idle) return;
        TAILQ_REMOVE(&stream->log->reader->idle, stream, read.by_idle);
        stream->read.idle = false;
}

static void forget_run(struct log_stream *stream)
{
        if (!stream->read.run) return;
        run_clear(stream->read.run);
        free(stream->read.run);
        stream->read.run = NULL;
}

static void idle_over(void *arg)
{
        struct reader *reader = arg;
        uint64_t now = context_now_ms(reader->log->ctx);
        struct log_stream *stream;

        while ((stream = TAILQ_FIRST(&reader->idle))) {
                if (now - stream->read.idle_since_ms < IDLE_MS) {
                        set_timer(reader, &reader->idle_timer, IDLE_MS - (now - stream->read.idle_since_ms));
                        return;
                }
                not_idle(stream);
                forget_run(stream);
                if (stream->read.live) fetch_stop(stream->read.live);
                topics_release(stream);
        }
}

static void wants_nothing(struct log_stream *stream)
{
        struct reader *reader = stream->log->reader;

        if (stream->read.wants == WANTS_FETCH) TAILQ_REMOVE(&reader->wanting, stream, read.by_want);
        if (stream->read.wants == WANTS_PAUSE) TAILQ_REMOVE(&reader->pausing, stream, read.by_want);
        stream->read.wants = WANTS_NOTHING;
}

/* To be planned as soon as a fetch may be started. */
static void wants_fetch(struct log_stream *stream)
{
        if (stream->read.wants == WANTS_FETCH) return;
        wants_nothing(stream);
        TAILQ_INSERT_TAIL(&stream->log->reader->wanting, stream, read.by_want);
        stream->read.wants = WANTS_FETCH;
}

/* ... and not before a while. */
static void wants_pause(struct log_stream *stream)
{
        struct reader *reader = stream->log->reader;

        wants_nothing(stream);
        TAILQ_INSERT_TAIL(&reader->pausing, stream, read.by_want);
        stream->read.wants = WANTS_PAUSE;
        set_timer(reader, &reader->retry_timer, RETRY_MS);
}

/* The first read that needs a fetch of the past. */
static struct read *first_wanting(const struct log_stream *stream)
{
        struct read *read;

        TAILQ_FOREACH(read, &stream->read.reads, entry)
                if (!read->at_end && read->ask.index <= INT64_MAX) return read;
        return NULL;
}

static bool is_on_its_way(const struct log_stream *stream)
{
        const struct read *read;

        TAILQ_FOREACH(read, &stream->read.reads, entry)
                if (!read->at_end && run_covers(&stream->read.history->run, read->ask.index)) return true;
        return false;
}

static void start_history(struct log_stream *stream)
{
        struct reader *reader = stream->log->reader;
        struct read *read = first_wanting(stream);

        if (!read || stream->read.history) return;
        if (fetcher_count(reader->history) >= HISTORY_MAX || health_away(stream->log->health)) {
                wants_fetch(stream);
                return;
        }
        context_count(stream->log->ctx, STAT_TAIL_MISSES);
        if (!(stream->read.history = fetch_start(reader->history, stream, read->ask.index))) wants_pause(stream);
}

static bool waits_at_end(const struct log_stream *stream)
{
        const struct read *read;

        TAILQ_FOREACH(read, &stream->read.reads, entry)
                if (read->at_end && read->ask.index <= INT64_MAX) return true;
        return false;
}

static void start_live(struct log_stream *stream)
{
        struct reader *reader = stream->log->reader;

        if (stream->read.live || !waits_at_end(stream)) return;
        if (health_away(stream->log->health)) wants_fetch(stream);
        else if (!(stream->read.live = fetch_start(reader->live, stream, stream->read.end))) wants_pause(stream);
}

/* Sees to it that what the reads wait for is being fetched. */
static void plan(struct log_stream *stream)
{
        struct read_stream *s = &stream->read;

        if (stream->log->reader->given_up || s->wants == WANTS_PAUSE) return;
        wants_nothing(stream);
        if (TAILQ_EMPTY(&s->reads)) {
                keep_idle(stream);
                return;
        }
        not_idle(stream);
        if (s->history && s->history->state != FETCH_ENDING && first_wanting(stream) && !is_on_its_way(stream)) fetch_stop(s->history);
        start_history(stream);
        start_live(stream);
}

static void serve(struct log_stream *stream)
{
        uint64_t pass = ++stream->log->reader->passes;
        struct read *read;

        stream->refs++;
again:
        TAILQ_FOREACH(read, &stream->read.reads, entry) {
                if (read->pass == pass) continue;
                read->pass = pass;
                if (answer(read)) goto again; /* whoever was told may have cancelled others */
        }
        plan(stream);
        stream->refs--;
}

/* --- what fetches bring --- */

static void grown(struct fetch *fetch)
{
        struct log_stream *stream = fetch->stream;

        stream->refs++;
        serve(stream);
        if (fetch->at_end) note_end(stream, fetch->run.from, fetch->run.upto);
        plan(stream);
        stream->refs--;
        topics_release(stream);
}

/* The run of a history fetch stays for the next reads. */
static void keep_run(struct log_stream *stream, struct fetch *fetch)
{
        struct run *run = malloc(sizeof *run);

        if (!run) return;
        forget_run(stream);
        *run = fetch->run;
        run_init(&fetch->run, 0);
        stream->read.run = run;
}

/* What was asked for is not in the log: readers before its start begin there, those behind its end wait. */
static void clamp(struct log_stream *stream, uint64_t low, uint64_t high)
{
        struct read *read;

        TAILQ_FOREACH(read, &stream->read.reads, entry) {
                if (read->ask.index < low) read->ask.index = low;
                if (read->ask.index < high) read->at_end = false;
        }
        note_end(stream, high, high);
}

static void plan_wanting(struct reader *reader)
{
        struct log_stream *stream;

        while (fetcher_count(reader->history) < HISTORY_MAX && !health_away(reader->log->health) &&
               (stream = TAILQ_FIRST(&reader->wanting)))
                plan(stream);
}

static void pause_over(void *arg)
{
        struct reader *reader = arg;
        struct log_stream *stream;

        while ((stream = TAILQ_FIRST(&reader->pausing))) {
                wants_nothing(stream);
                wants_fetch(stream);
        }
        plan_wanting(reader);
}

static void take_outcome(struct log_stream *stream, const struct fetch *fetch)
{
        switch (fetch->outcome) {
        case FETCH_RANGE: clamp(stream, fetch->low, fetch->high); break;
        case FETCH_DENIED:
                health_warn(stream->log->health, "READ", "not allowed to read topic %s", stream->topic->name);
                finish_all(stream);
                break;
        case FETCH_ABSENT: finish_all(stream); break;
        case FETCH_FAILED: wants_pause(stream); break;
        default: break;
        }
}

static void history_ended(struct fetch *fetch)
{
        struct log_stream *stream = fetch->stream;
        struct reader *reader = stream->log->reader;

        stream->read.history = NULL;
        if (reader->given_up) return;
        stream->refs++;
        keep_run(stream, fetch);
        take_outcome(stream, fetch);
        serve(stream);
        stream->refs--;
        topics_release(stream);
        plan_wanting(reader);
}

static void live_ended(struct fetch *fetch)
{
        struct log_stream *stream = fetch->stream;
        struct read *read;

        stream->read.live = NULL;
        if (stream->log->reader->given_up) return;
        /* Whatever ended it, a fetch of the past finds out where the log's end is now. */
        TAILQ_FOREACH(read, &stream->read.reads, entry) read->at_end = false;
        stream->refs++;
        if (fetch->outcome == FETCH_FAILED) wants_pause(stream);
        serve(stream);
        stream->refs--;
        topics_release(stream);
}

/* --- asking --- */

enum err reader_new(struct kafka_log *log, struct reader **out, struct reason *why)
{
        static const struct fetch_events history_events = {grown, history_ended}, live_events = {grown, live_ended};
        struct reader *reader = calloc(1, sizeof *reader);
        enum err err;

        if (!reader) return fail(why, ERR_NO_MEMORY, "out of memory");
        reader->log = log;
        TAILQ_INIT(&reader->idle);
        TAILQ_INIT(&reader->wanting);
        TAILQ_INIT(&reader->pausing);
        timer_init(&reader->idle_timer, idle_over, reader);
        timer_init(&reader->retry_timer, pause_over, reader);
        if ((err = fetcher_new(log, KAFKA_HISTORY, HISTORY_RUN, &history_events, &reader->history, why)) ||
            (err = fetcher_new(log, KAFKA_LIVE, LIVE_RUN, &live_events, &reader->live, why))) {
                reader_close(reader);
                reader_free(reader);
                return err;
        }
        *out = reader;
        return OK;
}

void reader_close(struct reader *reader)
{
        if (!reader) return;
        fetcher_free(reader->history);
        fetcher_free(reader->live);
        reader->history = reader->live = NULL;
}

void reader_free(struct reader *reader)
{
        if (!reader) return;
        context_timer_stop(reader->log->ctx, &reader->idle_timer);
        context_timer_stop(reader->log->ctx, &reader->retry_timer);
        free(reader);
}

void read_stream_init(struct log_stream *stream)
{
        TAILQ_INIT(&stream->read.reads);
}

void read_stream_clear(struct log_stream *stream)
{
        not_idle(stream);
        wants_nothing(stream);
        forget_run(stream);
}

bool read_stream_idle(const struct log_stream *stream)
{
        return TAILQ_EMPTY(&stream->read.reads) && !stream->read.history && !stream->read.live;
}

/* The first look is in the next turn, since no answer may come from within the call. */
static void begin(void *arg)
{
        struct read *read = arg;
        struct log_stream *stream = read->stream;

        read->deadline.fire = time_over;
        if (context_timer_set(stream->log->ctx, &read->deadline, read->ask.hold_ms) != OK) {
                time_over(read);
                return;
        }
        serve(stream);
        topics_release(stream);
}

void reader_read(struct reader *reader, struct log_stream *stream, const struct log_read *ask, uint64_t token)
{
        struct cluster *cluster = reader->log->cluster;
        struct read *read;

        if (!cluster->ops->may_ask(cluster, stream->topic->name, stream->partition) || ask->max_records == 0) {
                kafka_answer_later(reader->log, LOG_READ, token, OK, NULL);
                return;
        }
        if (!(read = calloc(1, sizeof *read))) {
                kafka_answer_later(reader->log, LOG_READ, token, ERR_FAILED, "the node is out of memory");
                return;
        }
        read->stream = stream;
        read->ask = *ask;
        read->asked_ms = context_now_ms(reader->log->ctx);
        read->at_end = ask->index > INT64_MAX; /* no log of Kafka's goes so far */
        timer_init(&read->deadline, begin, read);
        TAILQ_INSERT_TAIL(&stream->read.reads, read, entry);
        kafka_wait_add(reader->log, &read->waiting, LOG_READ, token);
        if (context_timer_set(reader->log->ctx, &read->deadline, 0) != OK) log_error("kafka", "out of memory: a read waits for ever");
}

void reader_cancel(struct waiting *waiting)
{
        struct read *read = (struct read *)(void *)waiting;
        struct log_stream *stream = read->stream;

        context_timer_stop(stream->log->ctx, &read->deadline);
        TAILQ_REMOVE(&stream->read.reads, read, entry);
        free(read);
        stream->refs++;
        plan(stream);
        stream->refs--;
        topics_release(stream);
}

void reader_acked(struct log_stream *stream, uint64_t index, struct tail_record *take_record)
{
        (void)stream;
        (void)index;
        tail_record_free(take_record);
}

void reader_topic_created(struct kafka_topic *topic)
{
        (void)topic;
}

void reader_retry(struct reader *reader)
{
        plan_wanting(reader);
}

static void give_up(struct log_stream *stream)
{
        struct read *read;

        while ((read = TAILQ_FIRST(&stream->read.reads))) {
                kafka_answer_later(stream->log, LOG_READ, read->waiting.token, ERR_CANCELLED, "the node stops");
                context_timer_stop(stream->log->ctx, &read->deadline);
                TAILQ_REMOVE(&stream->read.reads, read, entry);
                kafka_wait_remove(stream->log, &read->waiting);
                free(read);
        }
}

void reader_give_up(struct reader *reader)
{
        reader->given_up = true;
        context_timer_stop(reader->log->ctx, &reader->idle_timer);
        context_timer_stop(reader->log->ctx, &reader->retry_timer);
        topics_each(reader->log->topics, give_up);
}
