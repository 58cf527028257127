/* The model: see the header. Records have texts that occur once in a run, so that each can be told from all others. An answer is compared
 * when its topic has been looked at since: before retention or a deletion takes anything away, and at the end. */
#include "tests/support/log_model.h"

#include "tests/support/log_probe.h"
#include "tests/support/test_context.h"

enum {
        STREAMS = 3,
        LOGS = 2,
        OPEN_MAX = 24,      /* reads without an answer, in all */
        APPENDS_MAX = 64,   /* appends without an answer, in all */
        RECORDS_MAX = 4096, /* in one life of one topic */
        LIVES_MAX = 64,
        TEXT_MAX = 60,
        READABLE = 50, /* a larger record is none for this run's readers */
};

/* What stood in a topic from its making to its end. */
struct life {
        struct {
                char text[TEXT_MAX + 1];
                size_t n; /* 0: nothing stood there */
        } records[RECORDS_MAX];
        uint64_t start; /* where it begins, or began when it ended */
        uint64_t made_ms;
};

struct topic {
        char name[160];
        struct life *lives[LIVES_MAX];
        unsigned life;
        uint64_t end;          /* about, for choosing where to read */
        uint64_t follow[LOGS]; /* where the follower at this log goes on */
        struct log_stream *streams[LOGS];
};

struct reading {
        enum { READ_OPEN, READ_ANSWERED, READ_OVER } state;
        unsigned topic, log, life, last_life;  /* the topic's life when it was asked for, and when it was answered */
        uint64_t from, token, asked_ms, start; /* start: where the log began when it was answered */
        bool follows;
};

struct appending {
        bool open;
        unsigned topic, log;
        uint64_t token;
};

struct model {
        const struct log_model_plan *plan;
        struct log_backend *backend;
        struct probe *probes[LOGS];
        unsigned logs, texts;
        struct test_context tc; /* for choices alone */
        struct topic topics[STREAMS];
        struct reading readings[LOGS * TOKENS_MAX];
        size_t readings_n, first_open, open_n;
        struct appending appends[APPENDS_MAX];
        struct log_model_counts counts;
};

static uint64_t below(struct model *m, uint64_t n) { return test_context_next(&m->tc) % n; }

static unsigned any_log(struct model *m) { return (unsigned)below(m, m->logs); }

static uint64_t now_ms(struct model *m) { return m->backend->now_ms(m->backend->user); }

static struct life *life_of(struct topic *topic) { return topic->lives[topic->life]; }

static bool has_tokens(struct model *m, unsigned log) { return m->probes[log]->next + 64 < TOKENS_MAX; }

/* --- comparing --------------------------------------------------------------------------------------------------------------- */

static const char *wrong_in(const struct life *life, uint64_t start, uint64_t from, const struct seen *seen)
{
        uint64_t at = from;

        for (size_t i = 0; i < seen->count; i++, at++) {
                const struct seen_record *record = &seen->records[i];

                if (record->index < at) return "one is out of order";
                if (record->index >= RECORDS_MAX || life->records[record->index].n == 0) return "one is not there";
                for (; at < record->index; at++)
                        if (at >= start && life->records[at].n && life->records[at].n <= READABLE) return "one was skipped";
                if (!bytes_equal(bytes_make(record->data, record->n),
                                 bytes_make((const uint8_t *)life->records[at].text, life->records[at].n)))
                        return "one has other bytes";
        }
        return NULL;
}

static void compare(struct model *m, struct reading *reading)
{
        const struct topic *topic = &m->topics[reading->topic];
        const struct seen *seen = seen_of(m->probes[reading->log], reading->token);
        const char *wrong = NULL;
        unsigned life = reading->life;

        /* That somebody else made it anew a moment before may not have been noticed. */
        while (life > 0 && reading->asked_ms - topic->lives[life]->made_ms < m->plan->stale_ms)
                life--;
        for (; life <= reading->last_life; life++) {
                uint64_t start = life == reading->last_life ? reading->start : topic->lives[life]->start;

                if (!(wrong = wrong_in(topic->lives[life], start, reading->from, seen))) break;
        }
        if (wrong)
                fail_msg("seed %llu, log %u, %s, lives %u to %u, read from %llu, %llu ms after the making: of %zu records, the first at "
                         "%llu, %s; "
                         "the log begins at %llu",
                         (unsigned long long)m->plan->seed, reading->log, topic->name, reading->life, reading->last_life,
                         (unsigned long long)reading->from, (unsigned long long)(reading->asked_ms - topic->lives[reading->life]->made_ms),
                         seen->count, (unsigned long long)(seen->count ? seen->records[0].index : 0), wrong,
                         (unsigned long long)reading->start);
        reading->state = READ_OVER;
}

/* Notes what was answered; before the topic's start or life changes. */
static void take_answers(struct model *m)
{
        while (m->first_open < m->readings_n && m->readings[m->first_open].state != READ_OPEN)
                m->first_open++;
        for (size_t i = m->first_open; i < m->readings_n; i++) {
                struct reading *reading = &m->readings[i];
                struct topic *topic = &m->topics[reading->topic];
                const struct seen *seen = seen_of(m->probes[reading->log], reading->token);

                if (reading->state != READ_OPEN || !seen->done) continue;
                assert_ok(seen->err);
                reading->state = READ_ANSWERED;
                reading->start = life_of(topic)->start;
                reading->last_life = topic->life;
                m->open_n--;
                m->counts.answers++;
                m->counts.records += seen->count;
                m->counts.empty += seen->count == 0;
                if (reading->follows && seen->count && reading->life == topic->life)
                        topic->follow[reading->log] = seen->records[seen->count - 1].index + 1;
        }
}

static void take_appended(struct model *m)
{
        for (size_t i = 0; i < APPENDS_MAX; i++) {
                struct appending *append = &m->appends[i];
                const struct seen *seen = append->open ? seen_of(m->probes[append->log], append->token) : NULL;

                if (!seen || !seen->done) continue;
                assert_ok(seen->err);
                append->open = false;
        }
}

/* --- what stands there ------------------------------------------------------------------------------------------------------- */

static void learn_one(void *arg, uint64_t index, struct bytes data)
{
        struct life *life = arg;

        assert_true(index < RECORDS_MAX && data.n > 0 && data.n <= TEXT_MAX);
        if (life->records[index].n) assert_memory_equal(life->records[index].text, data.p, data.n);
        memcpy(life->records[index].text, data.p, data.n);
        life->records[index].n = data.n;
}

/* No append of the topic is under way. */
static void settle(struct model *m, const struct topic *topic)
{
        for (size_t i = 0; i < APPENDS_MAX; i++)
                if (m->appends[i].open && &m->topics[m->appends[i].topic] == topic)
                        await(m->probes[m->appends[i].log], m->appends[i].token);
        take_appended(m);
}

/* Looks at the topic, and compares what was answered of it. */
static void learn(struct model *m, struct topic *topic)
{
        settle(m, topic);
        take_answers(m);
        assert_ok(m->backend->dump(m->backend->user, m->probes[0]->log, topic->name, 0, learn_one, life_of(topic)));
        for (size_t i = 0; i < m->readings_n; i++)
                if (m->readings[i].state == READ_ANSWERED && &m->topics[m->readings[i].topic] == topic) compare(m, &m->readings[i]);
}

/* --- what is done ------------------------------------------------------------------------------------------------------------ */

static struct bytes new_text(struct model *m, char *memory, char who)
{
        int n = snprintf(memory, TEXT_MAX, "%c%u.", who, m->texts++);
        size_t more = below(m, 4) ? 0 : below(m, 25) ? (size_t)below(m, 30) : TEXT_MAX - (size_t)n;

        memset(memory + n, '#', more);
        return bytes_make((const uint8_t *)memory, (size_t)n + more);
}

static void append(struct model *m, struct topic *topic)
{
        unsigned log = any_log(m);
        char memory[TEXT_MAX + 1];

        for (size_t i = 0; i < APPENDS_MAX && topic->end + 64 < RECORDS_MAX && has_tokens(m, log); i++) {
                if (m->appends[i].open) continue;
                m->appends[i] = (struct appending){.open = true, .topic = (unsigned)(topic - m->topics), .log = log};
                m->appends[i].token = ask_append(m->probes[log], topic->streams[log], new_text(m, memory, log ? 'b' : 'a'));
                topic->end++;
                m->counts.appends++;
                return;
        }
}

static void write_as_another(struct model *m, struct topic *topic)
{
        uint64_t hole = m->backend->holes && below(m, 8) == 0 ? 2 + below(m, 3) : 0;
        char memory[TEXT_MAX + 1];

        if (!m->backend->write || topic->end + 64 >= RECORDS_MAX) return;
        if (hole) settle(m, topic);
        assert_ok(m->backend->write(m->backend->user, m->probes[0]->log, topic->name, 0, new_text(m, memory, 'x'), hole));
        topic->end += 1 + hole;
        m->counts.others++;
        m->counts.holes += hole > 0;
}

static void truncate_topic(struct model *m, struct topic *topic)
{
        struct life *life = life_of(topic);
        uint64_t last = topic->end, to;

        if (!m->backend->truncate) return;
        learn(m, topic);
        while (last > life->start && !life->records[last - 1].n)
                last--; /* a hole's own end is not known for sure */
        to = life->start + below(m, last - life->start + 1);
        assert_ok(m->backend->truncate(m->backend->user, m->probes[0]->log, topic->name, 0, to));
        life->start = to;
        m->counts.truncations++;
}

static void new_life(struct model *m, struct topic *topic)
{
        assert_non_null(topic->lives[topic->life] = calloc(1, sizeof(struct life)));
        topic->lives[topic->life]->made_ms = now_ms(m);
        topic->end = 0;
        for (unsigned log = 0; log < LOGS; log++)
                topic->follow[log] = 0;
}

/* Whichever log makes it anew knows; the other one comes to know it. */
static void remake(struct model *m, struct topic *topic)
{
        unsigned first = any_log(m);

        if (!m->backend->remove || topic->life + 1 == LIVES_MAX || !has_tokens(m, 0)) return;
        learn(m, topic);
        assert_ok(m->backend->remove(m->backend->user, m->probes[0]->log, topic->name));
        topic->life++;
        new_life(m, topic);
        for (unsigned i = 0; i < m->logs; i++)
                made(m->probes[(first + i) % m->logs], topic->name, 1);
        take_answers(m);
        life_of(topic)->made_ms = now_ms(m);
        /* Who refills it beyond its old end in this time cannot be told from one who went on. */
        probe_run(m->probes[0], m->plan->stale_ms);
        take_answers(m);
        m->counts.remakes++;
}

static void ask(struct model *m, struct topic *topic, unsigned log, uint64_t from, bool follows)
{
        static const uint32_t holds[] = {0, 0, 10, 50, 500};
        struct log_read read = {from, 1 + below(m, 12), (size_t)below(m, 400), 3, READABLE, holds[below(m, 5)]};
        struct reading *reading = &m->readings[m->readings_n];

        if (m->open_n == OPEN_MAX || !has_tokens(m, log)) return;
        *reading = (struct reading){.topic = (unsigned)(topic - m->topics),
                                    .log = log,
                                    .life = topic->life,
                                    .from = from,
                                    .asked_ms = now_ms(m),
                                    .follows = follows};
        reading->token = ask_read(m->probes[log], topic->streams[log], read);
        m->readings_n++;
        m->open_n++;
        m->counts.reads++;
        m->counts.beyond += from > topic->end;
        m->counts.below += from < life_of(topic)->start;
}

static bool is_followed(const struct model *m, unsigned t, unsigned log)
{
        for (size_t i = m->first_open; i < m->readings_n; i++) {
                const struct reading *reading = &m->readings[i];

                if (reading->state == READ_OPEN && reading->follows && reading->topic == t && reading->log == log) return true;
        }
        return false;
}

static void read_on(struct model *m, unsigned t)
{
        unsigned log = any_log(m);

        if (!is_followed(m, t, log)) ask(m, &m->topics[t], log, m->topics[t].follow[log], true);
}

static void cancel_one(struct model *m)
{
        if (m->first_open == m->readings_n) return;
        struct reading *reading = &m->readings[m->first_open + below(m, m->readings_n - m->first_open)];

        if (reading->state != READ_OPEN || seen_of(m->probes[reading->log], reading->token)->done) return;
        probe_cancel(m->probes[reading->log], reading->token);
        reading->state = READ_OVER;
        m->open_n--;
        m->counts.cancelled++;
}

static void step(struct model *m)
{
        unsigned t = (unsigned)below(m, STREAMS);
        struct topic *topic = &m->topics[t];
        uint64_t what = below(m, 1000);

        if (what < 3)
                remake(m, topic);
        else if (what < 15)
                truncate_topic(m, topic);
        else if (what < 90)
                write_as_another(m, topic);
        else if (what < 110)
                cancel_one(m);
        else if (what < 400)
                append(m, topic);
        else if (what < 600)
                ask(m, topic, any_log(m), below(m, topic->end + 4), false);
        else if (what < 800)
                read_on(m, t);
        else
                probe_run(m->probes[0], below(m, 4));
        take_answers(m);
        take_appended(m);
}

/* --- begin and end ----------------------------------------------------------------------------------------------------------- */

static void begin(struct model *m)
{
        struct log_limits limits = LOG_LIMITS_DEFAULT;

        limits.tail_bytes = m->plan->tail_bytes;
        limits.sweep_ms = m->plan->sweep_ms;
        m->probes[0] = probe_open_with(m->backend, &limits);
        m->logs = m->plan->other ? 2 : 1;
        if (m->plan->other) m->probes[1] = probe_open_with(m->plan->other, &limits);
        for (unsigned t = 0; t < STREAMS; t++) {
                struct topic *topic = &m->topics[t];

                snprintf(topic->name, sizeof topic->name, "%s-%u", m->probes[0]->topic, t);
                new_life(m, topic);
                for (unsigned log = 0; log < m->logs; log++) {
                        if (log == 0) made(m->probes[0], topic->name, 1);
                        topic->streams[log] = stream_of(m->probes[log], topic->name, 0);
                }
        }
}

/* Every follower reads on until it has all there is. */
static void follow_to_the_end(struct model *m, struct topic *topic, unsigned log)
{
        const struct life *life = life_of(topic);
        uint64_t end = RECORDS_MAX, at = topic->follow[log];

        while (end > life->start && (life->records[end - 1].n == 0 || life->records[end - 1].n > READABLE))
                end--;
        while (at < end && end > life->start) {
                struct seen *seen = await(m->probes[log],
                                          ask_read(m->probes[log], topic->streams[log],
                                                   (struct log_read){at, 100, 4000, 3, READABLE, (uint32_t)m->backend->patience_ms / 2}));

                if (seen->count == 0 || wrong_in(life, life->start, at, seen))
                        fail_msg("seed %llu, log %u, %s: the follower at %llu of %llu gets %zu records: %s",
                                 (unsigned long long)m->plan->seed, log, topic->name, (unsigned long long)at, (unsigned long long)end,
                                 seen->count, seen->count ? wrong_in(life, life->start, at, seen) : "it waits in vain");
                at = seen->records[seen->count - 1].index + 1;
        }
}

static void end(struct model *m)
{
        for (size_t i = m->first_open; i < m->readings_n; i++)
                if (m->readings[i].state == READ_OPEN) await(m->probes[m->readings[i].log], m->readings[i].token);
        for (unsigned t = 0; t < STREAMS; t++) {
                struct topic *topic = &m->topics[t];

                learn(m, topic);
                for (unsigned log = 0; log < m->logs; log++) {
                        if (has_tokens(m, log)) follow_to_the_end(m, topic, log);
                        log_stream_put(m->probes[log]->log, topic->streams[log]);
                }
                for (unsigned life = 0; life <= topic->life; life++)
                        free(topic->lives[life]);
        }
        for (unsigned log = m->logs; log-- > 0;)
                probe_close(m->probes[log]);
}

struct log_model_counts log_model_run(struct log_backend *backend, const struct log_model_plan *plan)
{
        struct model *m = calloc(1, sizeof *m);
        struct log_model_counts counts;

        assert_non_null(m);
        m->plan = plan;
        m->backend = backend;
        test_context_init(&m->tc, plan->seed);
        begin(m);
        for (unsigned i = 0; i < plan->steps && has_tokens(m, 0); i++)
                step(m);
        end(m);
        counts = m->counts;
        test_context_clear(&m->tc);
        free(m);
        return counts;
}
