/* What is known of a stream, and for how long that is trusted. Kafka shows by nothing but its end that a topic is not the one that it was: one
 * made anew is shorter, or has grown by more than this node knows of. So what says where the log ends is a look, and what is in memory is given
 * only while looks follow each other closely. */
#include "stream/kafka/reader_parts.h"
#include "transport/base/logger.h"

enum {
        TRUST_SWEEPS = 4, /* sweeps' periods: see known_is_sure */
        QUIET_MS = 60000, /* between two warnings of one stream */
        LAPSE_TIMES = 2,  /* times that trust, or the time from sweep to sweep where that is longer: see lapsed */
};

bool known_is_confirmed(const struct log_stream *stream, uint64_t since_ms, uint64_t age_ms)
{
        const struct read_stream *s = &stream->read;

        return s->end_known && (s->end_ms >= since_ms || context_now_ms(stream->log->ctx) - s->end_ms <= age_ms);
}

/* --- looks --- */

static uint64_t trust_ms(const struct log_stream *stream) { return TRUST_SWEEPS * (uint64_t)stream->log->limits.sweep_ms; }

/* Whether nobody had looked at that time for so long that the topic may have been made anew and filled as far as it was before, which no look
 * shows. */
static bool lapsed(const struct log_stream *stream, uint64_t at_ms)
{
        uint64_t trust = trust_ms(stream), period = ends_period_ms(stream->log->reader->ends);

        return at_ms > stream->read.looked_ms + LAPSE_TIMES * (period > trust ? period : trust);
}

/* Clients may create a stream again and again: not so soon after the last time. */
static bool is_recreated(const struct log_stream *stream)
{
        const struct read_stream *s = &stream->read;

        return s->recreated_ms && (!s->heeded_ms || context_now_ms(stream->log->ctx) - s->heeded_ms >= READ_LOOK_MS);
}

/* A log that others write grows all the time: not so soon after the last time, so that a read gets on. */
static bool is_grown(const struct log_stream *stream)
{
        const struct read_stream *s = &stream->read;

        return s->grown && (!s->grown_ms || context_now_ms(stream->log->ctx) - s->grown_ms >= trust_ms(stream));
}

bool known_is_sure(const struct log_stream *stream, uint64_t since_ms)
{
        return known_is_confirmed(stream, since_ms, trust_ms(stream)) && !is_recreated(stream) && !is_grown(stream) &&
               !lapsed(stream, context_now_ms(stream->log->ctx));
}

/* What will be in memory is from then on, as if somebody had looked. */
static void drop(struct log_stream *stream, uint64_t at_ms)
{
        struct read_stream *s = &stream->read;
        uint64_t generation = s->tail.generation;

        tail_doubt(stream->log->reader->tail, &s->tail);
        follow_doubt(stream, generation);
        if (at_ms > s->looked_ms) s->looked_ms = at_ms;
}

static void heed_creation(struct log_stream *stream)
{
        struct read_stream *s = &stream->read;
        struct read *read;

        if (!is_recreated(stream)) return;
        s->recreated_ms = 0;
        s->heeded_ms = context_now_ms(stream->log->ctx);
        drop(stream, s->heeded_ms);
        /* What they stepped over may have been another topic's. */
        TAILQ_FOREACH(read, &s->reads, entry) {
                /* cppcheck-suppress uninitvar; it does not see through the list's macro */
                if (read->taken_back || read->ask.index == read->from) continue;
                read->ask.index = read->from;
                read->taken_back = true;
        }
}

void known_created(struct log_stream *stream)
{
        struct read_stream *s = &stream->read;

        s->end_ms = 0;
        if (s->end_known && !s->recreated_ms) s->recreated_ms = context_now_ms(stream->log->ctx);
        heed_creation(stream);
}

static void heed_growth(struct log_stream *stream)
{
        struct read_stream *s = &stream->read;

        if (!is_grown(stream)) return;
        s->grown = false;
        s->grown_ms = context_now_ms(stream->log->ctx);
        follow_doubt(stream, s->tail.generation);
}

void known_grown_before_ours(struct log_stream *stream)
{
        follow_forget_run(stream);
        stream->read.grown = true;
        heed_growth(stream);
}

void known_grown(struct log_stream *stream)
{
        tail_forget(stream->log->reader->tail, &stream->read.tail);
        known_grown_before_ours(stream);
}

void known_doubt(struct log_stream *stream, uint64_t at_ms)
{
        heed_creation(stream);
        heed_growth(stream);
        if (stream->read.end_known && lapsed(stream, at_ms)) drop(stream, at_ms);
}

void known_end(struct log_stream *stream, uint64_t end, uint64_t at_ms)
{
        struct read_stream *s = &stream->read;

        known_doubt(stream, at_ms);
        if (!s->end_known) {
                s->end_known = true;
                s->end = end;
                s->end_ms = 0;
        }
        if (end < s->end) return;
        s->end = end;
        if (at_ms > s->looked_ms) s->looked_ms = at_ms;
        if (at_ms > s->end_ms && at_ms > s->recreated_ms) s->end_ms = at_ms;
}

/* With appends of our own under way nobody can tell whose it is: the next look does, or what is acknowledged of ours meanwhile; and what the live
 * fetch is about to bring is known then. Where nothing of this comes, readers of what lies before may not wait for it. No longer than what
 * Kafka said holds for who does not wait (reader_need), or his questions would be answered in vain, one after the other. */
void known_seen(struct log_stream *stream, uint64_t end, uint64_t at_ms, bool awaited)
{
        const struct read_stream *s = &stream->read;

        known_doubt(stream, at_ms);
        if (s->end_known && end > s->end) {
                if (awaited && context_now_ms(stream->log->ctx) - s->end_ms <= stream->log->limits.sweep_ms) return;
                known_grown(stream);
                if (stream->append.flying == 0) follow_foreign(stream);
        }
        known_end(stream, end, at_ms);
}

void known_followed(struct log_stream *stream, uint64_t end, uint64_t at_ms)
{
        known_doubt(stream, at_ms);
        if (end > stream->read.end && stream->append.flying == 0) follow_foreign(stream);
        known_end(stream, end, at_ms);
}

/* --- another topic --- */

void known_anew(struct log_stream *stream)
{
        struct read *read;

        follow_drop(stream);
        stream->read.end_known = false;
        TAILQ_FOREACH(read, &stream->read.reads, entry) {
                read->ask.index = read->from;
                read->taken_back = false;
                read->of_another = true;
        }
}

void known_note_remade(struct log_stream *stream, uint64_t end)
{
        struct read_stream *s = &stream->read;
        uint64_t now = context_now_ms(stream->log->ctx);

        context_count(stream->log->ctx, STAT_TOPIC_REMADE);
        if (s->warned_ms && now - s->warned_ms < QUIET_MS) return;
        s->warned_ms = now;
        log_warning("kafka", "stream %s: made anew by somebody: it ended at %llu, and ends at %llu", stream->topic->name, (unsigned long long)s->end,
                    (unsigned long long)end);
}

void known_remade(struct log_stream *stream, uint64_t end)
{
        known_note_remade(stream, end);
        tail_reset(stream->log->reader->tail, &stream->read.tail);
        known_anew(stream);
        known_end(stream, end, context_now_ms(stream->log->ctx));
}

void known_absent(struct log_stream *stream)
{
        tail_reset(stream->log->reader->tail, &stream->read.tail);
        known_anew(stream);
        reader_finish_all(stream);
}

/* --- no leader --- */

void known_no_leader(struct log_stream *stream)
{
        stream->read.no_leader = true;
        if (stream->read.history) fetch_stop(stream->read.history);
}
