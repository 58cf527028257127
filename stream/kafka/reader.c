/* A read from its asking to its answer. */
#include "stream/kafka/cluster.h"
#include "stream/kafka/reader_parts.h"
#include "transport/base/logger.h"

#include <stdlib.h>

enum {
        HISTORY_RUN = 256 << 10, /* bytes that one fetch of the past brings */
        LIVE_RUN = 64 << 10,     /* ... that a fetch at the end keeps */
};

void reader_set_timer(struct reader *reader, struct timer *timer, uint64_t in_ms)
{
        if (timer_is_set(timer) || reader->given_up) return;
        if (context_timer_set(reader->log->ctx, timer, in_ms) != OK) log_error("kafka", "out of memory: readers wait");
}

/* --- one read --- */

static void finish(struct read *read, size_t count)
{
        struct kafka_log *log = read->stream->log;
        struct log_result result = {.op = LOG_READ, .token = read->waiting.token, .records = log->reader->records, .count = count};

        TAILQ_REMOVE(&read->stream->read.reads, read, entry);
        context_timer_stop(log->ctx, &read->deadline);
        kafka_wait_remove(log, &read->waiting);
        free(read);
        kafka_done(log, &result);
}

void reader_finish_all(struct log_stream *stream)
{
        struct read *read;

        while ((read = TAILQ_FIRST(&stream->read.reads))) finish(read, 0);
}

static bool answer_from_tail(struct read *read)
{
        struct read_stream *s = &read->stream->read;
        struct reader *reader = read->stream->log->reader;
        struct tail_found found;

        switch (tail_read(reader->tail, &s->tail, &read->ask, reader->records, READ_RECORDS_MAX, &found)) {
        case TAIL_FOUND:
                reader->log->ctx->stats.v[STAT_RECORDS_TOO_LARGE] += found.too_large;
                context_count(reader->log->ctx, STAT_TAIL_HITS);
                finish(read, found.count);
                return true;
        case TAIL_AT_END:
                reader->log->ctx->stats.v[STAT_RECORDS_TOO_LARGE] += found.too_large;
                if (read->ask.index < s->tail.next) read->ask.index = s->tail.next; /* what lies before is too large for it */
                return false;
        default: return false;
        }
}

static const struct run *run_for(const struct log_stream *stream, uint64_t index)
{
        const struct read_stream *s = &stream->read;

        if (follow_is_of_now(s->live) && run_reaches(&s->live->run, index)) return &s->live->run;
        if (follow_is_of_now(s->history) && run_reaches(&s->history->run, index)) return &s->history->run;
        return run_reaches(s->run, index) ? s->run : NULL;
}

/* Whether the fetch will bring more into this run in a moment. */
static bool is_growing(const struct log_stream *stream, const struct run *run)
{
        const struct fetch *fetch = stream->read.history;

        return fetch && run == &fetch->run && fetch->state != FETCH_ENDING && !fetch->at_end;
}

/* `last`: what there is has to do. */
static bool answer_from_run(struct read *read, bool last)
{
        struct log_stream *stream = read->stream;
        struct reader *reader = stream->log->reader;
        const struct run *run;
        struct run_answer got;

        while ((run = run_for(stream, read->ask.index))) {
                got = run_read(run, &read->ask, reader->records, READ_RECORDS_MAX);
                if (!got.full && !last && is_growing(stream, run)) return false;
                reader->log->ctx->stats.v[STAT_RECORDS_TOO_LARGE] += got.too_large;
                if (!got.too_large)
                        tail_nothing_between(&stream->read.tail, stream->read.tail.generation, read->ask.index,
                                             got.count ? reader->records[0].index : run->upto);
                if (run == stream->read.run) follow_used_run(stream);
                if (got.count) {
                        finish(read, got.count);
                        return true;
                }
                read->ask.index = run->upto; /* what lies before is a hole, or too large */
        }
        return false;
}

/* Whether what is in memory may be given to it. */
static bool is_sure(const struct read *read) { return known_is_sure(read->stream, read->asked_ms); }

enum read_need reader_need(const struct read *read)
{
        const struct read_stream *s = &read->stream->read;
        uint64_t index = read->ask.index;

        if (index > INT64_MAX) return READ_WAITS; /* no log of Kafka's goes so far */
        if (!s->end_known || (index < s->end && (!is_sure(read) || s->no_leader))) return READ_ASKS;
        if (s->live && s->live->state != FETCH_ENDING && !s->live->vain && run_covers(&s->live->run, index))
                return s->live->at_end && index >= s->end ? READ_WAITS : READ_FOLLOWS;
        if (s->history && s->history->state != FETCH_ENDING && run_covers(&s->history->run, index)) return READ_COMES;
        if (index < s->end) return READ_WANTS;
        /* Who does not wait is told what Kafka said just now: the sweep sees to those alone that wait. */
        if (read->ask.hold_ms == 0 && !known_is_confirmed(read->stream, read->asked_ms, read->stream->log->limits.sweep_ms)) return READ_ASKS;
        return READ_WAITS;
}

/* Who waits behind the end of a topic that was made anew is let go at once, to look where it is. */
static bool is_over(const struct read *read)
{
        bool in_vain = read->of_another && read->ask.index > read->stream->read.end;

        if (reader_need(read) != READ_WAITS) return false;
        return in_vain || context_now_ms(read->stream->log->ctx) - read->asked_ms >= read->ask.hold_ms;
}

/* The read may be gone then. */
static void serve(struct read *read)
{
        if (is_sure(read) && (answer_from_tail(read) || answer_from_run(read, false))) return;
        if (is_over(read)) finish(read, 0);
}

void reader_serve(struct log_stream *stream)
{
        uint64_t pass = ++stream->log->reader->passes;
        struct read_list *reads = &stream->read.reads;
        struct read *read;

        stream->refs++;
        /* Each goes to the end of the list before it is told, since whoever is told may cancel others; so they keep their order. */
        while ((read = TAILQ_FIRST(reads)) && read->pass != pass) {
                read->pass = pass;
                TAILQ_REMOVE(reads, read, entry);
                TAILQ_INSERT_TAIL(reads, read, entry);
                serve(read);
        }
        follow_plan(stream);
        stream->refs--;
        topics_release(stream);
}

static void time_over(void *arg)
{
        struct read *read = arg;
        struct log_stream *stream = read->stream;
        struct kafka_log *log = stream->log;
        uint64_t waited = context_now_ms(log->ctx) - read->asked_ms;

        /* What lies behind is still looked for: give it the time that this takes. */
        if (reader_need(read) != READ_WAITS && waited < READ_LOOK_MS && !health_away(log->health) &&
            context_timer_set(log->ctx, &read->deadline, READ_LOOK_MS - waited) == OK)
                return;
        stream->refs++;
        if (!is_sure(read) || !answer_from_run(read, true)) {
                follow_in_vain(read);
                finish(read, 0);
        }
        follow_plan_soon(stream);
        stream->refs--;
        topics_release(stream);
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
        stream->refs++;
        read->begun = true;
        serve(read);
        follow_plan_soon(stream);
        stream->refs--;
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
        read->from = ask->index;
        read->pass = reader->passes; /* whoever asks anew when told has its turn in the next pass */
        read->asked_ms = context_now_ms(reader->log->ctx);
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
        follow_plan_soon(stream);
        topics_release(stream);
}

/* --- what is acknowledged, and created --- */

static void wait_for_flush(struct log_stream *stream)
{
        if (stream->read.acked || TAILQ_EMPTY(&stream->read.reads)) return;
        TAILQ_INSERT_TAIL(&stream->log->reader->acked, stream, read.by_acked);
        stream->read.acked = true;
}

void reader_acked(struct log_stream *stream, uint64_t index, struct tail_record *take_record)
{
        struct read_stream *s = &stream->read;
        uint64_t now = context_now_ms(stream->log->ctx);
        bool vouched, foreign;

        known_doubt(stream, now);
        vouched = follow_vouches(stream);
        foreign = s->end_known && index > s->end;
        switch (tail_acked(stream->log->reader->tail, &s->tail, index, take_record)) {
        case TAIL_REMADE:
                known_note_remade(stream, index + 1);
                known_anew(stream);
                foreign = false;
                break;
        case TAIL_RESTARTED: foreign = true; break;
        default: break;
        }
        if (foreign && !vouched) known_grown_before_ours(stream);
        if (foreign) follow_foreign(stream);
        known_end(stream, index + 1, now);
        wait_for_flush(stream);
}

void reader_flush(struct reader *reader)
{
        struct log_stream *stream;

        while ((stream = TAILQ_FIRST(&reader->acked))) {
                TAILQ_REMOVE(&reader->acked, stream, read.by_acked);
                stream->read.acked = false;
                reader_serve(stream);
        }
}

static void made_by_us(struct log_stream *stream)
{
        stream->append.proven = false;
        stream->append.gone_ms = 0;
        stream->read.recreated_ms = 0;
        tail_reset(stream->log->reader->tail, &stream->read.tail);
        known_anew(stream);
        known_end(stream, 0, context_now_ms(stream->log->ctx));
        wait_for_flush(stream);
}

void reader_topic_created(struct kafka_topic *topic)
{
        struct log_stream *stream;

        LIST_FOREACH(stream, &topic->streams, entry) {
                /* cppcheck-suppress uninitvar; it does not see through the list's macro */
                ends_created(topic->log->reader->ends, stream);
                if (topic->made) made_by_us(stream);
                else known_created(stream);
        }
        reader_flush(topic->log->reader);
}

/* --- begin and end --- */

enum err reader_new(struct kafka_log *log, struct reader **out, struct reason *why)
{
        struct reader *reader = calloc(1, sizeof *reader);
        enum err err;

        if (!reader) return fail(why, ERR_NO_MEMORY, "out of memory");
        reader->log = log;
        follow_init(reader);
        reader->tail = tail_new(log->limits.tail_bytes);
        reader->ends = ends_new(reader);
        if (!reader->tail || !reader->ends) err = fail(why, ERR_NO_MEMORY, "out of memory");
        else if (!(err = fetcher_new(log, KAFKA_HISTORY, HISTORY_RUN, &follow_history_events, &reader->history, why)))
                err = fetcher_new(log, KAFKA_LIVE, LIVE_RUN, &follow_live_events, &reader->live, why);
        if (err) {
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
        follow_stop(reader);
        ends_free(reader->ends);
        tail_free(reader->tail);
        free(reader);
}

void read_stream_init(struct log_stream *stream)
{
        TAILQ_INIT(&stream->read.reads);
        tail_stream_init(&stream->read.tail);
        if (stream->topic->made) known_end(stream, 0, context_now_ms(stream->log->ctx));
}

void read_stream_clear(struct log_stream *stream)
{
        struct reader *reader = stream->log->reader;

        if (stream->read.acked) TAILQ_REMOVE(&reader->acked, stream, read.by_acked);
        stream->read.acked = false;
        follow_leave(stream);
        ends_leave(reader->ends, stream);
        tail_stream_clear(reader->tail, &stream->read.tail);
}

bool read_stream_idle(const struct log_stream *stream)
{
        return TAILQ_EMPTY(&stream->read.reads) && !stream->read.history && !stream->read.live && !stream->read.asking;
}

void reader_retry(struct reader *reader)
{
        follow_retry(reader);
        ends_retry(reader->ends);
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
        follow_stop(reader);
        ends_stop(reader->ends);
        topics_each(reader->log->topics, give_up);
}
