/* Where logs end, asked by the helper for many streams at once. Streams whose end a reader needs to know are asked about soon; those that
 * have a reader are swept again and again, so that what others write is found; the period grows with their number. Streams that nobody
 * leads, or whose leader does not answer, are asked about apart, now and then, and not for long. One that is not there, as Kafka has said,
 * is asked about once in a sweep's time, however often a reader comes for it. */
#include "stream/kafka/cluster.h"
#include "stream/kafka/inquiry.h"
#include "stream/kafka/reader_parts.h"
#include "transport/base/logger.h"

#include <stdlib.h>

enum {
        AGAIN_MS = 100,    /* Kafka could not say: a topic was made just now, or its leader moves */
        SLOW_MS = 1000,    /* streams without a leader are asked about once in so long */
        MEASURED_MAX_MS = 5000, /* see ends_period_ms */
        TIMES_MORE = 2,    /* an instance is renewed when it knows so many times more topics than there are, and topics_per_consumer */
};

struct ends_entry {
        struct log_stream *stream;
        uint64_t generation, end, next; /* as they were when it was asked; next: behind the last acknowledged append, 0: none known */
        bool end_known, flying;
};

struct ends {
        struct reader *reader;
        struct stream_list swept, urgent, pausing, absent, slow;
        size_t swept_count, left;       /* left: to be asked about in this sweep */
        struct timer round, again, absent_timer, slow_timer;
        bool out;                       /* the job is the helper's */
        bool slow_due, slowly, found;   /* it is time for slow ones; the question that is out is about such; one of them has a leader now */
        struct helper_job job;
        uint64_t asked_ms;              /* when the question that is out was asked */
        uint64_t began_ms, due_ms;      /* when the last sweep began, and the next one is due */
        uint64_t lasting_ms;            /* from the one to the other */
        uint64_t took_ms, answered_ms;  /* how long the last question took that was answered, and when it was */
        uint64_t spent_ms;              /* what answers took since the last sweep began: the time that Kafka is away is no sweep's */
        bool sweeping;
        unsigned instance;              /* the one that is asked, by number */
        size_t known;                   /* topics that it has been asked about */
        rd_kafka_t *rk;
        rd_kafka_topic_partition_list_t *list; /* entries' topics and partitions, in their order */
        struct inquiry *inquiry;
        size_t count, cap;
        struct ends_entry entries[];
};

static void ask_next(struct ends *ends);

/* --- the question --- */

static void ask_run(struct helper_job *job)
{
        struct ends *ends = HELPER_JOB_OWNER(job, struct ends, job);

        inquiry_ask(ends->inquiry, ends->rk, ends->list, ends->slowly);
}

static void add(struct ends *ends, struct log_stream *stream)
{
        struct read_stream *s = &stream->read;
        rd_kafka_topic_partition_t *partition;

        ends->entries[ends->count++] = (struct ends_entry){
                .stream = stream, .generation = s->tail.generation, .end = s->end, .end_known = s->end_known,
                .next = s->tail.known ? s->tail.next : 0, .flying = stream->append.flying > 0,
        };
        s->asking = true;
        if (s->watched_by != ends->instance) ends->known++;
        s->watched_by = ends->instance;
        partition = rd_kafka_topic_partition_list_add(ends->list, stream->topic->name, (int32_t)stream->partition);
        partition->offset = RD_KAFKA_OFFSET_END;
}

static void collect_slow(struct ends *ends)
{
        struct log_stream *stream;

        TAILQ_FOREACH(stream, &ends->slow, read.by_end) {
                if (ends->count == ends->cap) break;
                /* cppcheck-suppress uninitvar; it does not see through the list's macro */
                if (!stream->read.asking) add(ends, stream);
        }
        /* Those that were asked about go behind the others. */
        for (size_t i = 0; i < ends->count; i++) {
                TAILQ_REMOVE(&ends->slow, ends->entries[i].stream, read.by_end);
                TAILQ_INSERT_TAIL(&ends->slow, ends->entries[i].stream, read.by_end);
        }
}

static void collect_urgent(struct ends *ends, size_t upto)
{
        struct log_stream *stream;

        while (ends->count < upto && (stream = TAILQ_FIRST(&ends->urgent))) {
                ends_leave(ends, stream);
                add(ends, stream);
        }
}

static void collect_swept(struct ends *ends)
{
        struct log_stream *stream;

        while (ends->count < ends->cap && ends->left > 0 && (stream = TAILQ_FIRST(&ends->swept))) {
                ends->left--;
                TAILQ_REMOVE(&ends->swept, stream, read.by_end);
                TAILQ_INSERT_TAIL(&ends->swept, stream, read.by_end);
                if (!stream->read.asking) add(ends, stream);
        }
}

/* What is urgent goes first; but half is the sweep's while one is under way, or those who come anew again and again would keep it from going on. */
static void collect(struct ends *ends)
{
        size_t half = ends->cap / 2;

        collect_urgent(ends, ends->cap - (ends->left < half ? ends->left : half));
        collect_swept(ends);
        collect_urgent(ends, ends->cap);
}

/* --- the answer --- */

static void take_end(struct ends *ends, const struct ends_entry *entry, uint64_t end)
{
        struct log_stream *stream = entry->stream;
        const struct read_stream *s = &stream->read;

        if (entry->generation != s->tail.generation) return;
        if (end < entry->next || (entry->end_known && end < entry->end)) known_remade(stream, end);
        else known_seen(stream, end, ends->asked_ms, entry->flying || stream->append.flying > 0 || follow_keeps_up(stream));
}

/* What is asked about next is asked about apart, as long as Kafka knows no leader. */
static void note_leader(struct ends *ends, struct log_stream *stream, rd_kafka_resp_err_t err)
{
        if (err == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) {
                known_no_leader(stream);
        } else {
                ends->found |= stream->read.no_leader;
                stream->read.no_leader = false;
                if (stream->read.ends == ENDS_SLOW) ends_leave(ends, stream);
        }
}

/* Kafka could not say. */
static void pause_urgent(struct ends *ends, struct log_stream *stream)
{
        if (stream->read.ends != ENDS_NOTHING || TAILQ_EMPTY(&stream->read.reads)) return;
        stream->read.ends = ENDS_PAUSE;
        TAILQ_INSERT_TAIL(&ends->pausing, stream, read.by_end);
        reader_set_timer(ends->reader, &ends->again, AGAIN_MS);
}

static void take_answer(struct ends *ends, const struct ends_entry *entry, const rd_kafka_topic_partition_t *answer)
{
        struct log_stream *stream = entry->stream;

        note_leader(ends, stream, answer->err);
        switch (kafka_verdict(answer->err)) {
        case KAFKA_FINE: take_end(ends, entry, (uint64_t)answer->offset); break;
        case KAFKA_ABSENT: known_absent(stream); break;
        case KAFKA_DENIED:
                health_warn(stream->log->health, "READ", "not allowed to read topic %s", stream->topic->name);
                reader_finish_all(stream);
                break;
        default: pause_urgent(ends, stream); break;
        }
        reader_serve(stream);
}

/* That there is no such stream is believed, and remembered, unless it was created since that was asked. */
static void note_absent(const struct ends *ends, struct log_stream *stream, rd_kafka_topic_partition_t *answer)
{
        if (kafka_verdict(answer->err) != KAFKA_ABSENT) stream->read.absent_ms = 0;
        else if (stream->read.created_ms >= ends->asked_ms) answer->err = RD_KAFKA_RESP_ERR__RETRY;
        else stream->read.absent_ms = context_now_ms(ends->reader->log->ctx);
}

/* Kafka has said nothing of any of them. */
static bool was_in_vain(const struct ends *ends)
{
        for (size_t i = 0; i < ends->count; i++)
                if (kafka_verdict(ends->list->elems[i].err) != KAFKA_LATER) return false;
        return true;
}

static void note_time(struct ends *ends)
{
        uint64_t now = context_now_ms(ends->reader->log->ctx), took = now - ends->asked_ms;

        if (was_in_vain(ends)) return;
        ends->spent_ms += took;
        if (ends->slowly) return;
        ends->took_ms = took;
        ends->answered_ms = now;
}

static void ask_done(struct helper_job *job)
{
        struct ends *ends = HELPER_JOB_OWNER(job, struct ends, job);

        note_time(ends);
        /* Whoever is told may ask anew; that question goes out behind this answer, whose list and entries are still in use. */
        for (size_t i = 0; i < ends->count; i++) {
                struct log_stream *stream = ends->entries[i].stream;

                stream->refs++;
                stream->read.asking = false;
                note_absent(ends, stream, &ends->list->elems[i]);
                if (!ends->reader->given_up) take_answer(ends, &ends->entries[i], &ends->list->elems[i]);
                stream->refs--;
                topics_release(stream);
        }
        /* Where some of the slow ones have their leader again, the others may. */
        if (ends->slowly && ends->found) ends->slow_due = true;
        ends->count = 0;
        rd_kafka_topic_partition_list_destroy(ends->list);
        ends->list = NULL;
        ends->out = false;
        ask_next(ends);
}

/* --- when --- */

static uint64_t period_ms(const struct ends *ends)
{
        const struct kafka_log *log = ends->reader->log;
        uint64_t stretched = log->cluster->ops->sweep_ms(log->cluster, ends->swept_count), usual = log->limits.sweep_ms;

        return stretched > usual ? stretched : usual;
}

static void not_sooner(struct ends *ends, uint64_t due_ms)
{
        if (ends->due_ms < due_ms) ends->due_ms = due_ms;
}

static void set_round(struct ends *ends)
{
        uint64_t now = context_now_ms(ends->reader->log->ctx);

        if (ends->swept_count) reader_set_timer(ends->reader, &ends->round, ends->due_ms > now ? ends->due_ms - now : 0);
}

static uint64_t larger(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* A period is from one sweep's beginning to the next one's, so that what a sweep takes does not come on top; but no less than half of the
 * helper's time is for others. */
static void end_round(struct ends *ends)
{
        uint64_t took = context_now_ms(ends->reader->log->ctx) - ends->began_ms, period = period_ms(ends);

        if (ends->sweeping) {
                ends->lasting_ms = larger(2 * ends->spent_ms, period);
                ends->due_ms = ends->began_ms + larger(2 * took, period);
        }
        ends->sweeping = false;
        set_round(ends);
}

/* What has been measured counts up to a bound: beyond it nobody can tell a Kafka that is slow from one that was stopped for a while. One answer alone
 * says something for a while. */
uint64_t ends_period_ms(const struct ends *ends)
{
        uint64_t now = context_now_ms(ends->reader->log->ctx), measured = ends->swept_count ? ends->lasting_ms : 0;

        if (ends->sweeping) measured = larger(measured, 2 * ends->spent_ms);
        if (now - ends->answered_ms <= 2 * ends->took_ms) measured = larger(measured, 2 * ends->took_ms);
        return larger(period_ms(ends), measured < MEASURED_MAX_MS ? measured : MEASURED_MAX_MS);
}

/* librdkafka 2.0.2 forgets no topic that it was asked about: it looks all up anew again and again, and so keeps them. */
static void renew_when_worn(struct ends *ends)
{
        struct kafka_log *log = ends->reader->log;
        struct reason why;

        if (ends->known < log->limits.topics_per_consumer + TIMES_MORE * topics_count(log->topics)) return;
        ends->known = 0; /* on an error, too: it is tried again after as many */
        if (kafka_renew_watch(log, &why) == OK) ends->instance++;
        else health_warn(log->health, "WATCH", "the instance that looks at topics cannot be renewed: %s", why.text);
}

static void ask_next(struct ends *ends)
{
        struct kafka_log *log = ends->reader->log;

        if (ends->out || ends->reader->given_up || health_away(log->health)) return;
        if (ends->left == 0) end_round(ends);
        if (TAILQ_EMPTY(&ends->slow)) ends->slow_due = false;
        if (TAILQ_EMPTY(&ends->urgent) && ends->left == 0 && !ends->slow_due) return;
        renew_when_worn(ends);
        ends->list = rd_kafka_topic_partition_list_new((int)ends->cap);
        ends->slowly = ends->slow_due;
        ends->found = false;
        ends->slow_due = false;
        if (ends->slowly) collect_slow(ends);
        else collect(ends);
        ends->rk = log->watch.rk;
        ends->asked_ms = context_now_ms(log->ctx);
        ends->out = true;
        ends->job = (struct helper_job){.run = ask_run, .done = ask_done};
        helper_ask(log->helper, &ends->job);
}

static void begin_round(void *arg)
{
        struct ends *ends = arg;

        if (ends->swept_count) context_count(ends->reader->log->ctx, STAT_SWEEPS);
        ends->left = ends->swept_count;
        ends->began_ms = context_now_ms(ends->reader->log->ctx);
        ends->sweeping = true;
        ends->spent_ms = 0;
        ask_next(ends);
}

static void pause_over(void *arg)
{
        struct ends *ends = arg;
        struct log_stream *stream;

        while ((stream = TAILQ_FIRST(&ends->pausing))) {
                ends_leave(ends, stream);
                follow_plan(stream);
        }
}

/* So long it is not asked about: Kafka has just said that it is not there. 0: it may be asked about. */
static uint64_t absent_for_ms(const struct ends *ends, const struct log_stream *stream)
{
        uint64_t since = context_now_ms(ends->reader->log->ctx) - stream->read.absent_ms, all = ends->reader->log->limits.sweep_ms;

        return stream->read.absent_ms && since < all ? all - since : 0;
}

static void absent_is_due(void *arg)
{
        struct ends *ends = arg;
        struct log_stream *stream;
        uint64_t ms;

        while ((stream = TAILQ_FIRST(&ends->absent))) {
                if ((ms = absent_for_ms(ends, stream))) {
                        reader_set_timer(ends->reader, &ends->absent_timer, ms);
                        return;
                }
                ends_leave(ends, stream);
                follow_plan(stream);
        }
}

/* True for one of which Kafka has just said that it is not there: its reader has its answer when it is time to ask again. */
static bool is_absent(struct ends *ends, struct log_stream *stream)
{
        if (!absent_for_ms(ends, stream)) return false;
        if (stream->read.ends == ENDS_ABSENT) return true;
        ends_leave(ends, stream);
        stream->read.ends = ENDS_ABSENT;
        stream->read.absent_ms = context_now_ms(ends->reader->log->ctx); /* from now on, so that the list is in the order of time */
        TAILQ_INSERT_TAIL(&ends->absent, stream, read.by_end);
        reader_set_timer(ends->reader, &ends->absent_timer, absent_for_ms(ends, stream));
        return true;
}

static void slow_is_due(void *arg)
{
        struct ends *ends = arg;

        if (TAILQ_EMPTY(&ends->slow)) return;
        ends->slow_due = true;
        reader_set_timer(ends->reader, &ends->slow_timer, SLOW_MS);
        ask_next(ends);
}

/* True for a stream without a leader: it is asked about now and then. */
static bool is_slow(struct ends *ends, struct log_stream *stream)
{
        if (!stream->read.no_leader) return false;
        if (stream->read.ends == ENDS_SLOW) return true;
        ends_leave(ends, stream);
        stream->read.ends = ENDS_SLOW;
        TAILQ_INSERT_TAIL(&ends->slow, stream, read.by_end);
        reader_set_timer(ends->reader, &ends->slow_timer, SLOW_MS);
        return true;
}

void ends_ask(struct ends *ends, struct log_stream *stream)
{
        if (is_slow(ends, stream) || stream->read.asking || stream->read.ends == ENDS_URGENT || stream->read.ends == ENDS_PAUSE ||
            is_absent(ends, stream))
                return;
        ends_leave(ends, stream);
        stream->read.ends = ENDS_URGENT;
        TAILQ_INSERT_TAIL(&ends->urgent, stream, read.by_end);
        ask_next(ends);
}

void ends_sweep(struct ends *ends, struct log_stream *stream)
{
        if (is_slow(ends, stream) || stream->read.ends == ENDS_SWEPT) return;
        ends_leave(ends, stream);
        stream->read.ends = ENDS_SWEPT;
        TAILQ_INSERT_TAIL(&ends->swept, stream, read.by_end);
        if (ends->swept_count++ == 0) {
                not_sooner(ends, stream->read.end_ms + period_ms(ends));
                ends->lasting_ms = 0;
        }
        if (!ends->sweeping) set_round(ends);
}

void ends_leave(struct ends *ends, struct log_stream *stream)
{
        switch (stream->read.ends) {
        case ENDS_NOTHING: return;
        case ENDS_SWEPT:
                TAILQ_REMOVE(&ends->swept, stream, read.by_end);
                ends->swept_count--;
                if (ends->left > ends->swept_count) ends->left = ends->swept_count;
                break;
        case ENDS_URGENT: TAILQ_REMOVE(&ends->urgent, stream, read.by_end); break;
        case ENDS_PAUSE: TAILQ_REMOVE(&ends->pausing, stream, read.by_end); break;
        case ENDS_ABSENT: TAILQ_REMOVE(&ends->absent, stream, read.by_end); break;
        case ENDS_SLOW: TAILQ_REMOVE(&ends->slow, stream, read.by_end); break;
        }
        stream->read.ends = ENDS_NOTHING;
}

void ends_created(struct ends *ends, struct log_stream *stream)
{
        stream->read.absent_ms = 0;
        stream->read.created_ms = context_now_ms(ends->reader->log->ctx);
        if (stream->read.ends != ENDS_ABSENT) return;
        ends_leave(ends, stream);
        follow_plan_soon(stream);
}

/* A sweep that Kafka's absence has interrupted goes on, and has taken no time until now. */
void ends_retry(struct ends *ends)
{
        ends->began_ms = context_now_ms(ends->reader->log->ctx);
        ask_next(ends);
}

/* --- begin and end --- */

struct ends *ends_new(struct reader *reader)
{
        size_t cap = reader->log->limits.sweep_chunk;
        struct ends *ends = calloc(1, sizeof *ends + cap * sizeof ends->entries[0]);

        if (!ends) return NULL;
        if (!(ends->inquiry = inquiry_new(reader->log->ctx))) {
                free(ends);
                return NULL;
        }
        ends->reader = reader;
        ends->instance = 1;
        ends->cap = cap;
        TAILQ_INIT(&ends->swept);
        TAILQ_INIT(&ends->urgent);
        TAILQ_INIT(&ends->pausing);
        TAILQ_INIT(&ends->absent);
        TAILQ_INIT(&ends->slow);
        timer_init(&ends->round, begin_round, ends);
        timer_init(&ends->again, pause_over, ends);
        timer_init(&ends->absent_timer, absent_is_due, ends);
        timer_init(&ends->slow_timer, slow_is_due, ends);
        return ends;
}

void ends_stop(struct ends *ends)
{
        context_timer_stop(ends->reader->log->ctx, &ends->round);
        context_timer_stop(ends->reader->log->ctx, &ends->again);
        context_timer_stop(ends->reader->log->ctx, &ends->absent_timer);
        context_timer_stop(ends->reader->log->ctx, &ends->slow_timer);
}

void ends_free(struct ends *ends)
{
        if (!ends) return;
        ends_stop(ends);
        if (ends->list) rd_kafka_topic_partition_list_destroy(ends->list);
        inquiry_free(ends->inquiry);
        free(ends);
}
