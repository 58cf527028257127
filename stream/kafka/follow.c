/* What is fetched for the readers of a stream: the past, in one bounded fetch after the other; and what comes, while others write the
 * stream. What a fetch of an older generation of the stream brings is dropped. */
#include "stream/kafka/reader_parts.h"

#include <stdlib.h>

enum {
        HISTORY_MAX = 64,   /* fetches of the past at once; further ones wait */
        LIVE_MAX = 500,     /* fetches at the end at once: each costs all of them; other streams are found by the sweep each time */
        IDLE_MS = 2000,     /* what a stream keeps for its readers, and its fetches, end so long after the last read */
        FOREIGN_MS = 10000, /* a live fetch ends when nobody else has written for so long */
        LOOK_AROUND_MS = 1000,
        RETRY_MS = 200,
};

/* --- lists --- */

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
        reader_set_timer(reader, &reader->retry_timer, RETRY_MS);
}

static void not_idle(struct log_stream *stream)
{
        if (stream->read.idle) TAILQ_REMOVE(&stream->log->reader->idle, stream, read.by_idle);
        stream->read.idle = false;
}

static void keep_idle(struct log_stream *stream)
{
        struct reader *reader = stream->log->reader;
        struct read_stream *s = &stream->read;

        if (s->idle || (!s->live && !s->history)) return;
        s->idle_since_ms = context_now_ms(stream->log->ctx);
        TAILQ_INSERT_TAIL(&reader->idle, stream, read.by_idle);
        s->idle = true;
        reader_set_timer(reader, &reader->idle_timer, IDLE_MS);
}

static void not_alive(struct log_stream *stream)
{
        if (stream->read.alive) TAILQ_REMOVE(&stream->log->reader->alive, stream, read.by_live);
        stream->read.alive = false;
}

/* --- runs --- */

void follow_forget_run(struct log_stream *stream)
{
        struct reader *reader = stream->log->reader;

        if (!stream->read.run) return;
        TAILQ_REMOVE(&reader->runs, stream, read.by_run);
        reader->runs_bytes -= run_size(stream->read.run);
        run_clear(stream->read.run);
        free(stream->read.run);
        stream->read.run = NULL;
}

void follow_used_run(struct log_stream *stream)
{
        struct reader *reader = stream->log->reader;

        stream->read.run_used_ms = context_now_ms(reader->log->ctx);
        TAILQ_REMOVE(&reader->runs, stream, read.by_run);
        TAILQ_INSERT_TAIL(&reader->runs, stream, read.by_run);
}

/* The run stays for the next reads, for a while, and while there is room for it. */
static void keep_run(struct log_stream *stream, struct fetch *fetch)
{
        struct reader *reader = stream->log->reader;
        struct run *run = malloc(sizeof *run);

        if (!run) return;
        follow_forget_run(stream);
        *run = fetch->run;
        run_init(&fetch->run, 0);
        stream->read.run = run;
        stream->read.run_used_ms = context_now_ms(reader->log->ctx);
        TAILQ_INSERT_TAIL(&reader->runs, stream, read.by_run);
        reader->runs_bytes += run_size(run);
        reader_set_timer(reader, &reader->runs_timer, IDLE_MS);
}

static void forget_runs_above(struct reader *reader, size_t bytes)
{
        while (reader->runs_bytes > bytes) follow_forget_run(TAILQ_FIRST(&reader->runs));
}

static void runs_over(void *arg)
{
        struct reader *reader = arg;
        uint64_t now = context_now_ms(reader->log->ctx);
        struct log_stream *stream;

        while ((stream = TAILQ_FIRST(&reader->runs))) {
                if (now - stream->read.run_used_ms < IDLE_MS) {
                        reader_set_timer(reader, &reader->runs_timer, IDLE_MS - (now - stream->read.run_used_ms));
                        return;
                }
                follow_forget_run(stream);
        }
}

void follow_drop(struct log_stream *stream)
{
        follow_forget_run(stream);
        if (stream->read.history) fetch_stop(stream->read.history);
        if (stream->read.live) fetch_stop(stream->read.live);
}

static void doubt(struct fetch *fetch, uint64_t generation)
{
        if (!fetch || fetch->generation != generation) return;
        fetch_doubt(fetch);
        fetch->generation = fetch->stream->read.tail.generation;
}

void follow_doubt(struct log_stream *stream, uint64_t generation)
{
        follow_forget_run(stream);
        doubt(stream->read.history, generation);
        doubt(stream->read.live, generation);
        follow_plan_soon(stream);
}

static void not_planned(struct log_stream *stream)
{
        if (stream->read.planned) TAILQ_REMOVE(&stream->log->reader->planned, stream, read.by_plan);
        stream->read.planned = false;
}

void follow_leave(struct log_stream *stream)
{
        not_planned(stream);
        not_idle(stream);
        not_alive(stream);
        wants_nothing(stream);
        follow_forget_run(stream);
}

static void idle_over(void *arg)
{
        struct reader *reader = arg;
        uint64_t now = context_now_ms(reader->log->ctx);
        struct log_stream *stream;

        while ((stream = TAILQ_FIRST(&reader->idle))) {
                if (now - stream->read.idle_since_ms < IDLE_MS) {
                        reader_set_timer(reader, &reader->idle_timer, IDLE_MS - (now - stream->read.idle_since_ms));
                        return;
                }
                not_idle(stream);
                if (stream->read.history) fetch_stop(stream->read.history);
                if (stream->read.live) fetch_stop(stream->read.live);
        }
}

/* --- what to fetch --- */

static struct read *first_that_wants(const struct log_stream *stream, bool *comes)
{
        struct read *read, *first = NULL;

        *comes = false;
        TAILQ_FOREACH(read, &stream->read.reads, entry) {
                /* cppcheck-suppress uninitvar; it does not see through the list's macro */
                enum read_need need = reader_need(read);

                if (need == READ_WANTS && read->begun && !first) first = read;
                if (need == READ_COMES) *comes = true;
        }
        return first;
}

static void plan_history(struct log_stream *stream)
{
        struct reader *reader = stream->log->reader;
        struct fetch *history = stream->read.history;
        bool comes;
        struct read *read = first_that_wants(stream, &comes);

        if (!read) return;
        if (history) {
                if (!comes) fetch_stop(history); /* it is for nobody any more; the next one begins when it has ended */
                return;
        }
        if (fetcher_count(reader->history) >= HISTORY_MAX || health_away(stream->log->health)) {
                wants_fetch(stream);
                return;
        }
        context_count(stream->log->ctx, STAT_TAIL_MISSES);
        stream->read.history = history = fetch_start(reader->history, stream, read->ask.index);
        if (!history) {
                wants_pause(stream);
                return;
        }
        history->generation = stream->read.tail.generation;
        history->end = stream->read.end;
}

/* Others may have the place of a fetch of the past. The live one goes on, since it may be in order, and an open transaction before it; but until it
 * says something what is there is fetched as the past is. */
void follow_in_vain(const struct read *read)
{
        const struct read_stream *s = &read->stream->read;
        enum read_need need = reader_need(read);

        if (need == READ_COMES) fetch_stop(s->history);
        if (need == READ_FOLLOWS) s->live->vain = read->ask.index < s->end;
}

static void start_live(struct log_stream *stream, uint64_t from)
{
        struct reader *reader = stream->log->reader;
        struct read_stream *s = &stream->read;

        if (s->live || s->no_leader || health_away(stream->log->health) || fetcher_count(reader->live) >= LIVE_MAX || reader->given_up) return;
        if (!(s->live = fetch_start(reader->live, stream, from))) return;
        s->live->generation = s->tail.generation;
        TAILQ_INSERT_TAIL(&reader->alive, stream, read.by_live);
        s->alive = true;
        reader_set_timer(reader, &reader->alive_timer, LOOK_AROUND_MS);
}

void follow_foreign(struct log_stream *stream)
{
        stream->read.tail.foreign = true;
        stream->read.foreign_ms = context_now_ms(stream->log->ctx);
}

/* While anybody reads, its end is looked at: at once for who needs to know it, by the sweep for all others. */
static void plan_ends(struct log_stream *stream)
{
        struct ends *ends = stream->log->reader->ends;
        bool asks = false, waits = false, reads = false;
        const struct read *read;

        TAILQ_FOREACH(read, &stream->read.reads, entry) {
                /* cppcheck-suppress uninitvar; it does not see through the list's macro */
                enum read_need need = reader_need(read);

                if (read->ask.index > INT64_MAX) continue;
                reads = true;
                if (!read->begun) continue;
                asks |= need == READ_ASKS;
                waits |= need == READ_WAITS;
        }
        if (waits && stream->read.tail.foreign && !stream->read.live && stream->read.end_known) start_live(stream, stream->read.end);
        if (asks) ends_ask(ends, stream);
        else if (reads) ends_sweep(ends, stream);
        else ends_leave(ends, stream);
}

void follow_plan(struct log_stream *stream)
{
        struct reader *reader = stream->log->reader;

        if (reader->given_up || stream->read.wants == WANTS_PAUSE) return;
        wants_nothing(stream);
        if (TAILQ_EMPTY(&stream->read.reads)) {
                keep_idle(stream);
                ends_leave(reader->ends, stream);
                return;
        }
        not_idle(stream);
        plan_ends(stream);
        plan_history(stream);
}

void follow_plan_soon(struct log_stream *stream)
{
        struct reader *reader = stream->log->reader;

        if (reader->given_up || stream->read.planned) return;
        TAILQ_INSERT_TAIL(&reader->planned, stream, read.by_plan);
        stream->read.planned = true;
        reader_set_timer(reader, &reader->plan_timer, 0);
}

static void plans_due(void *arg)
{
        struct reader *reader = arg;
        struct log_stream *stream;

        while ((stream = TAILQ_FIRST(&reader->planned))) {
                not_planned(stream);
                stream->refs++;
                follow_plan(stream);
                stream->refs--;
                topics_release(stream);
        }
}

static void plan_wanting(struct reader *reader)
{
        struct log_stream *stream;

        while (!reader->given_up && fetcher_count(reader->history) < HISTORY_MAX && !health_away(reader->log->health) &&
               (stream = TAILQ_FIRST(&reader->wanting)))
                follow_plan(stream);
}

static void pause_over(void *arg)
{
        struct reader *reader = arg;
        struct log_stream *stream;

        while ((stream = TAILQ_FIRST(&reader->pausing))) wants_fetch(stream);
        plan_wanting(reader);
}

void follow_retry(struct reader *reader)
{
        plan_wanting(reader);
}

/* --- what fetches bring --- */

bool follow_is_of_now(const struct fetch *fetch)
{
        return fetch && fetch->generation == fetch->stream->read.tail.generation && !fetch->stream->log->reader->given_up;
}

bool follow_keeps_up(const struct log_stream *stream)
{
        const struct fetch *live = stream->read.live;

        if (!follow_is_of_now(live) || live->state != FETCH_RUNNING || live->vain) return false;
        return live->fresh >= stream->read.end || tail_is_all_from(&stream->read.tail, live->fresh, stream->read.end);
}

bool follow_vouches(const struct log_stream *stream)
{
        return follow_keeps_up(stream) && context_now_ms(stream->log->ctx) - stream->read.live->fresh_ms <= stream->log->limits.sweep_ms;
}

static void note_end(const struct fetch *fetch)
{
        struct log_stream *stream = fetch->stream;
        uint64_t now = context_now_ms(stream->log->ctx);
        bool lives = fetch == stream->read.live;

        if (!fetch->at_end && (!fetch->run.count || fetch->run.upto < stream->read.end)) return;
        if (lives && follow_vouches(stream)) known_followed(stream, fetch->run.upto, now);
        else known_seen(stream, fetch->run.upto, now, stream->append.flying > 0 || (!lives && follow_keeps_up(stream)));
}

static void grown(struct fetch *fetch)
{
        struct log_stream *stream = fetch->stream;

        if (!follow_is_of_now(fetch)) {
                fetch_stop(fetch);
                return;
        }
        known_doubt(stream, context_now_ms(stream->log->ctx));
        note_end(fetch);
        reader_serve(stream);
}

/* What was asked for is not in the log: readers before its start begin there. A log that ends before what was read of it is another one, and
 * so is one that ended there when the fetch asked, whatever has come since: its start is not what the fetch was before. One that ends
 * behind what is known has records of others. */
static void out_of_range(struct log_stream *stream, const struct fetch *fetch)
{
        uint64_t now = context_now_ms(stream->log->ctx);
        struct read *read;

        if (fetch->high < fetch->run.upto || fetch->low <= fetch->run.upto) {
                known_remade(stream, fetch->high);
                wants_pause(stream); /* whoever answers so once may do so again: a replica that begins later than its leader */
                return;
        }
        stream->read.end_ms = 0;
        tail_starts_at(stream->log->reader->tail, &stream->read.tail, fetch->low);
        follow_forget_run(stream);
        TAILQ_FOREACH(read, &stream->read.reads, entry)
                if (read->ask.index < fetch->low) read->ask.index = fetch->low;
        if (fetch->high > stream->read.end) {
                known_grown(stream);
                known_end(stream, fetch->high, now);
        }
}

static void take_outcome(struct log_stream *stream, const struct fetch *fetch)
{
        switch (fetch->outcome) {
        case FETCH_RANGE: out_of_range(stream, fetch); break;
        case FETCH_AT_END:
                /* Behind an open transaction: it is there, but nobody may have it yet. */
                if (fetch->run.upto >= fetch->end) break;
                if (stream->read.live) stream->read.live->vain = false;
                wants_pause(stream);
                break;
        case FETCH_ABSENT: known_absent(stream); break;
        case FETCH_FAILED: wants_pause(stream); break;
        case FETCH_NO_LEADER: known_no_leader(stream); break;
        case FETCH_DENIED:
                health_warn(stream->log->health, "READ", "not allowed to read topic %s", stream->topic->name);
                reader_finish_all(stream);
                break;
        default: break;
        }
}

/* Nothing is wrong with the log that it read, as far as is known: what it brought may be given to others. */
static bool ended_well(const struct fetch *fetch)
{
        return fetch->outcome == FETCH_STOPPED || fetch->outcome == FETCH_FULL || fetch->outcome == FETCH_AT_END;
}

static void ended(struct fetch *fetch)
{
        struct log_stream *stream = fetch->stream;
        struct reader *reader = stream->log->reader;

        if (reader->given_up) return;
        stream->refs++;
        if (follow_is_of_now(fetch)) {
                take_outcome(stream, fetch);
                if (fetch->run.count && ended_well(fetch)) keep_run(stream, fetch);
        }
        reader_serve(stream);
        forget_runs_above(reader, reader->log->limits.fetched_bytes);
        stream->refs--;
        topics_release(stream);
        plan_wanting(reader);
}

static void history_ended(struct fetch *fetch)
{
        fetch->stream->read.history = NULL;
        ended(fetch);
}

static void live_ended(struct fetch *fetch)
{
        fetch->stream->read.live = NULL;
        not_alive(fetch->stream);
        ended(fetch);
}

const struct fetch_events follow_history_events = {grown, history_ended}, follow_live_events = {grown, live_ended};

/* Ends live fetches of streams that nobody else writes any more. */
static void look_around(void *arg)
{
        struct reader *reader = arg;
        uint64_t now = context_now_ms(reader->log->ctx);
        struct log_stream *stream;

        TAILQ_FOREACH(stream, &reader->alive, read.by_live) {
                /* cppcheck-suppress uninitvar; it does not see through the list's macro */
                if (now - stream->read.foreign_ms < FOREIGN_MS) continue;
                stream->read.tail.foreign = false;
                fetch_stop(stream->read.live);
        }
        if (!TAILQ_EMPTY(&reader->alive)) reader_set_timer(reader, &reader->alive_timer, LOOK_AROUND_MS);
}

/* --- begin and end --- */

void follow_init(struct reader *reader)
{
        TAILQ_INIT(&reader->idle);
        TAILQ_INIT(&reader->runs);
        TAILQ_INIT(&reader->wanting);
        TAILQ_INIT(&reader->pausing);
        TAILQ_INIT(&reader->acked);
        TAILQ_INIT(&reader->alive);
        TAILQ_INIT(&reader->planned);
        timer_init(&reader->idle_timer, idle_over, reader);
        timer_init(&reader->runs_timer, runs_over, reader);
        timer_init(&reader->retry_timer, pause_over, reader);
        timer_init(&reader->alive_timer, look_around, reader);
        timer_init(&reader->plan_timer, plans_due, reader);
}

void follow_stop(struct reader *reader)
{
        context_timer_stop(reader->log->ctx, &reader->idle_timer);
        context_timer_stop(reader->log->ctx, &reader->runs_timer);
        context_timer_stop(reader->log->ctx, &reader->retry_timer);
        context_timer_stop(reader->log->ctx, &reader->alive_timer);
        context_timer_stop(reader->log->ctx, &reader->plan_timer);
}
