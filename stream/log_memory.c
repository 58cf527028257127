/* The log's twin in memory. Topics with partitions of records, saved indices, and operations that wait for their time: each
 * stream's appends in one queue, so that no delay can change their order; everything else with a timer of its own.
 * It stands in for Kafka in tests, so where memory is out it gives up: that a log cannot remember what it was asked is not what they are about. */
#include "stream/log_memory.h"

#include "stream/log_pack.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include <uthash.h>

struct partition {
        struct log_record *records; /* by index, holes between them possible */
        size_t count, cap;
        uint64_t end;               /* the index of the next record */
};

struct topic {
        UT_hash_handle hh;
        char *name;
        uint32_t count;
        struct partition *partitions;
};

enum op_state {
        OP_TIMED,  /* a delay runs */
        OP_QUEUED, /* an append in its stream's queue */
        OP_STORED, /* an append that is stored and not answered yet */
        OP_HELD,   /* a read with nothing to read, or anything while away; waits for a change or the end of its time */
};

struct op {
        UT_hash_handle hh;     /* by token, unless cancelled */
        TAILQ_ENTRY(op) link;  /* of all operations, in the order asked */
        TAILQ_ENTRY(op) next;  /* append: in its stream's queue; read: in its stream's list */
        struct memory_log *log;
        enum log_op kind;
        enum op_state state;
        uint64_t token;
        struct timer timer;
        struct log_stream *stream; /* append, read: counted */
        bool known;                /* somebody waits for the completion */
        bool late;                 /* the log stops: the answer is that */
        bool full;                 /* append: the log takes no more, and the answer is that */
        bool gone;                 /* read: its topic was deleted while it was held */
        char *name, *client;       /* create, index load */
        uint32_t partition;        /* index load: which; create: how many */
        uint8_t *data;             /* append; counted in append_bytes */
        size_t data_n;
        uint64_t due_ms;           /* append: not before */
        uint64_t index;            /* append, stored: where */
        struct log_read read;
        uint64_t hold_until_ms;
};

struct log_stream {
        UT_hash_handle hh;
        struct memory_log *log;
        char *key;             /* partition and name */
        char *name;
        uint32_t partition;
        size_t refs;
        TAILQ_HEAD(op_list, op) appends, reads;
        struct timer timer;    /* for the first of them */
        uint64_t last_due_ms;  /* nothing asked later comes earlier */
};

struct saved_index {
        UT_hash_handle hh;
        char *key;             /* partition, name, client */
        char *name;
        uint32_t partition;
        uint64_t index;
};

struct memory_log {
        struct log log;
        struct context *ctx;
        struct log_limits limits;
        struct log_memory_faults faults;
        struct topic *topics;
        struct log_stream *streams;
        struct saved_index *indices;
        struct op *by_token;
        TAILQ_HEAD(op_queue, op) ops;
        size_t append_bytes;
        bool pressure;
        bool stopping, stopped;
        struct timer stop_timer, stopped_timer;
};

static struct memory_log *of_log(struct log *log)
{
        return (struct memory_log *)(void *)log;
}

/* --- memory -------------------------------------------------------------------------------------------------------- */

static void *must(void *p)
{
        if (!p) {
                fputs("log_memory: out of memory\n", stderr);
                abort();
        }
        return p;
}

static char *text_copy(const char *text)
{
        return must(strdup(text));
}

/* The key of a stream; a client's saved index has the client's name behind it. Names of streams have no slash. */
static char *key_make(uint32_t partition, const char *name, const char *client)
{
        char *key;

        if (asprintf(&key, "%u/%s/%s", (unsigned)partition, name, client) < 0) must(NULL);
        return key;
}

static void timer_must(struct memory_log *m, struct timer *timer, uint64_t in_ms)
{
        if (context_timer_set(m->ctx, timer, in_ms)) must(NULL);
}

/* --- topics -------------------------------------------------------------------------------------------------------- */

static struct topic *topic_find(struct memory_log *m, const char *name)
{
        struct topic *topic;

        HASH_FIND_STR(m->topics, name, topic);
        return topic;
}

static struct partition *partition_find(struct memory_log *m, const char *name, uint32_t partition)
{
        struct topic *topic = topic_find(m, name);

        return topic && partition < topic->count ? &topic->partitions[partition] : NULL;
}

static void topic_make(struct memory_log *m, const char *name, uint32_t partitions)
{
        if (topic_find(m, name)) return;
        struct topic *topic = must(calloc(1, sizeof *topic));
        topic->name = text_copy(name);
        topic->count = partitions;
        topic->partitions = must(calloc(partitions ? partitions : 1, sizeof *topic->partitions));
        HASH_ADD_KEYPTR(hh, m->topics, topic->name, strlen(topic->name), topic);
}

static void record_free(const struct log_record *record)
{
        free((void *)(uintptr_t)record->data.p);
}

static void topic_free(struct memory_log *m, struct topic *topic)
{
        HASH_DEL(m->topics, topic);
        for (uint32_t i = 0; i < topic->count; i++) {
                for (size_t k = 0; k < topic->partitions[i].count; k++) record_free(&topic->partitions[i].records[k]);
                free(topic->partitions[i].records);
        }
        free(topic->partitions);
        free(topic->name);
        free(topic);
}

static uint64_t partition_append(struct partition *part, struct bytes data, uint64_t hole)
{
        if (part->count == part->cap) {
                part->cap = part->cap ? 2 * part->cap : 16;
                part->records = must(realloc(part->records, part->cap * sizeof *part->records));
        }
        uint8_t *copy = must(malloc(data.n + 1));
        if (data.n) memcpy(copy, data.p, data.n);
        part->end += hole;
        part->records[part->count++] = (struct log_record){part->end, bytes_make(copy, data.n)};
        return part->end++;
}

/* The place of the first record at or behind `index`. */
static size_t partition_seek(const struct partition *part, uint64_t index)
{
        size_t low = 0, high = part->count;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (part->records[middle].index < index) low = middle + 1;
                else high = middle;
        }
        return low;
}

/* --- operations ---------------------------------------------------------------------------------------------------- */

static uint64_t delay(struct memory_log *m)
{
        return m->faults.delay_max_ms ? context_random_below(m->ctx, (uint64_t)m->faults.delay_max_ms + 1) : 0;
}

static void op_fire(void *arg);
static void appends_fire(void *arg);

static struct op *op_new(struct memory_log *m, enum log_op kind, uint64_t token)
{
        struct op *op = must(calloc(1, sizeof *op));

        op->log = m;
        op->kind = kind;
        op->token = token;
        op->known = true;
        op->late = m->stopping;
        timer_init(&op->timer, op_fire, op);
        HASH_ADD(hh, m->by_token, token, sizeof op->token, op);
        TAILQ_INSERT_TAIL(&m->ops, op, link);
        return op;
}

static bool fails(struct memory_log *m, uint32_t percent) { return percent && context_random_below(m->ctx, 100) < percent; }

/* Comes after a delay, and not before what the same stream was asked earlier, where that counts. */
static uint64_t op_due(struct op *op)
{
        uint64_t due = context_now_ms(op->log->ctx) + delay(op->log);

        if (op->stream && !(op->kind == LOG_READ && op->log->faults.reads_overtake)) {
                if (due < op->stream->last_due_ms) due = op->stream->last_due_ms;
                op->stream->last_due_ms = due;
        }
        return due;
}

static void op_schedule(struct op *op)
{
        op->state = OP_TIMED;
        timer_must(op->log, &op->timer, op_due(op) - context_now_ms(op->log->ctx));
}

static void stream_take(struct op *op, struct log_stream *stream)
{
        op->stream = stream;
        stream->refs++;
}

static void op_forget(struct op *op)
{
        if (op->known) HASH_DELETE(hh, op->log->by_token, op);
        op->known = false;
}

static void op_free(struct op *op)
{
        struct memory_log *m = op->log;

        op_forget(op);
        m->append_bytes -= op->data_n;
        context_timer_stop(m->ctx, &op->timer);
        TAILQ_REMOVE(&m->ops, op, link);
        if (op->kind == LOG_READ) TAILQ_REMOVE(&op->stream->reads, op, next);
        if (op->state == OP_QUEUED) TAILQ_REMOVE(&op->stream->appends, op, next);
        if (op->stream) log_stream_put(&m->log, op->stream);
        free(op->name);
        free(op->client);
        free(op->data);
        free(op);
}

static void stop_check(struct memory_log *m)
{
        if (m->stopping && !m->stopped && TAILQ_EMPTY(&m->ops)) {
                m->stopped = true;
                timer_must(m, &m->stopped_timer, 0);
        }
}

/* Ends the operation; whoever is told may ask for anything but the log's end. */
static void op_complete(struct op *op, struct log_result result)
{
        struct memory_log *m = op->log;
        bool known = op->known;

        result.op = op->kind;
        result.token = op->token;
        result.why = result.err ? (result.why ? result.why : err_text(result.err)) : NULL;
        op_free(op);
        if (known) m->log.events->done(m->log.user, &result);
        stop_check(m);
}

static void op_fail(struct op *op, enum err err, const char *why)
{
        op_complete(op, (struct log_result){.err = err, .why = why});
}

static void op_fail_as_asked(struct op *op) { op_fail(op, ERR_FAILED, "a fault of the test"); }

static void op_hold(struct op *op)
{
        op->state = OP_HELD;
}

static void create_try(struct op *op)
{
        if (op->log->faults.away) {
                op_hold(op);
                return;
        }
        if (fails(op->log, op->log->faults.create_fail_percent)) {
                op_fail_as_asked(op);
                return;
        }
        topic_make(op->log, op->name, op->partition);
        op_complete(op, (struct log_result){.err = OK});
}

static struct saved_index *saved_find(struct memory_log *m, const char *client, const char *name, uint32_t partition)
{
        char *key = key_make(partition, name, client);
        struct saved_index *saved;

        HASH_FIND_STR(m->indices, key, saved);
        free(key);
        return saved;
}

static void index_load_try(struct op *op)
{
        struct memory_log *m = op->log;

        if (m->faults.away) {
                op_hold(op);
                return;
        }
        if (fails(m, m->faults.index_fail_percent)) {
                op_fail_as_asked(op);
                return;
        }
        struct saved_index *saved = saved_find(m, op->client, op->name, op->partition);
        op_complete(op, (struct log_result){.err = OK, .present = saved, .index = saved ? saved->index : 0});
}

/* The records that answer the read, in an array of their own. */
static size_t read_collect(const struct partition *part, const struct log_read *read, struct log_record **out, size_t *too_large)
{
        struct log_pack pack = log_pack_begin(read);
        size_t first = partition_seek(part, read->index);
        struct log_record *records = must(malloc((part->count - first + 1) * sizeof *records));

        for (size_t i = first; i < part->count; i++) {
                size_t place = pack.taken;
                enum log_pack_step step = log_pack_next(&pack, part->records[i].data.n);
                if (step == LOG_PACK_STOP) break;
                if (step == LOG_PACK_TAKE) records[place] = part->records[i];
        }
        *out = records;
        *too_large = pack.too_large;
        return pack.taken;
}

static void read_try(struct op *op)
{
        struct memory_log *m = op->log;

        if (fails(m, m->faults.read_fail_percent)) {
                op_fail_as_asked(op);
                return;
        }
        struct partition *part = m->faults.away ? NULL : partition_find(m, op->stream->name, op->stream->partition);
        uint64_t now = context_now_ms(m->ctx);
        struct log_record *records = NULL;
        size_t too_large = 0, count = part ? read_collect(part, &op->read, &records, &too_large) : 0;
        bool wait = !count && !op->gone && op->read.max_records && (part || m->faults.away);

        if (wait && now < op->hold_until_ms) {
                op_hold(op);
                timer_must(m, &op->timer, op->hold_until_ms - now);
        } else {
                m->ctx->stats.v[STAT_RECORDS_TOO_LARGE] += too_large;
                op_complete(op, (struct log_result){.err = OK, .records = records, .count = count});
        }
        free(records);
}

static void pressure_update(struct memory_log *m)
{
        bool high = m->pressure ? m->append_bytes > m->limits.append_bytes_low : m->append_bytes > m->limits.append_bytes_high;

        if (high == m->pressure) return;
        m->pressure = high;
        m->log.events->pressure(m->log.user, high);
}

/* Stored a while ago. */
static void append_answer(struct op *op)
{
        struct memory_log *m = op->log;

        op_complete(op, (struct log_result){.err = OK, .index = op->index});
        pressure_update(m);
}

static void op_fire(void *arg)
{
        struct op *op = arg;
        static void (*const tries[])(struct op *) = {
                [LOG_CREATE] = create_try, [LOG_APPEND] = append_answer, [LOG_READ] = read_try, [LOG_INDEX_LOAD] = index_load_try,
        };

        if (op->late) op_fail(op, ERR_CANCELLED, "the log has stopped");
        else if (op->full) op_fail(op, ERR_FULL, "too much waits to be stored");
        else tries[op->kind](op);
}

static void readers_wake(struct log_stream *stream)
{
        struct op *op;

        TAILQ_FOREACH(op, &stream->reads, next)
                if (op->state == OP_HELD) op_schedule(op);
}

/* --- appends ------------------------------------------------------------------------------------------------------- */

static void append_do(struct op *op)
{
        struct memory_log *m = op->log;
        struct partition *part = partition_find(m, op->stream->name, op->stream->partition);
        struct log_result result = {.err = OK};

        if (!part) {
                result.err = ERR_NOT_FOUND;
        } else if (fails(m, m->faults.append_fail_percent)) {
                result = (struct log_result){.err = ERR_FAILED, .why = "a fault of the test"};
        } else {
                result.index = partition_append(part, bytes_make(op->data, op->data_n), 0);
                readers_wake(op->stream);
        }
        if (result.err == OK && m->faults.answer_max_ms) {
                TAILQ_REMOVE(&op->stream->appends, op, next);
                op->state = OP_STORED;
                op->index = result.index;
                timer_must(m, &op->timer, context_random_below(m->ctx, (uint64_t)m->faults.answer_max_ms + 1));
                return;
        }
        op_complete(op, result);
        pressure_update(m);
}

/* Sets the queue's timer for its first append. */
static void appends_arm(struct log_stream *stream)
{
        struct op *first = TAILQ_FIRST(&stream->appends);
        uint64_t now = context_now_ms(stream->log->ctx);

        if (!first || stream->log->faults.away) return;
        timer_must(stream->log, &stream->timer, first->due_ms > now ? first->due_ms - now : 0);
}

static void appends_fire(void *arg)
{
        struct log_stream *stream = arg;
        struct memory_log *m = stream->log;
        struct op *op;

        stream->refs++; /* completions may give back all others */
        while (!m->faults.away && (op = TAILQ_FIRST(&stream->appends)) && op->due_ms <= context_now_ms(m->ctx)) append_do(op);
        appends_arm(stream);
        log_stream_put(&m->log, stream);
}

/* --- the interface ------------------------------------------------------------------------------------------------- */

static void memory_create(struct log *log, const char *name, uint32_t partitions, uint64_t token)
{
        struct op *op = op_new(of_log(log), LOG_CREATE, token);

        op->name = text_copy(name);
        op->partition = partitions;
        op_schedule(op);
}

static struct log_stream *memory_get(struct log *log, const char *name, uint32_t partition)
{
        struct memory_log *m = of_log(log);
        char *key = key_make(partition, name, "");
        struct log_stream *stream;

        HASH_FIND_STR(m->streams, key, stream);
        if (stream) {
                free(key);
        } else {
                stream = must(calloc(1, sizeof *stream));
                stream->log = m;
                stream->key = key;
                stream->name = text_copy(name);
                stream->partition = partition;
                TAILQ_INIT(&stream->appends);
                TAILQ_INIT(&stream->reads);
                timer_init(&stream->timer, appends_fire, stream);
                HASH_ADD_KEYPTR(hh, m->streams, stream->key, strlen(stream->key), stream);
        }
        stream->refs++;
        return stream;
}

static void memory_put(struct log *log, struct log_stream *stream)
{
        struct memory_log *m = of_log(log);

        assert(stream->refs > 0);
        if (--stream->refs) return;
        context_timer_stop(m->ctx, &stream->timer);
        HASH_DEL(m->streams, stream);
        free(stream->name);
        free(stream->key);
        free(stream);
}

static void memory_append(struct log *log, struct log_stream *stream, struct bytes data, uint64_t token)
{
        struct memory_log *m = of_log(log);
        struct op *op = op_new(m, LOG_APPEND, token);

        stream_take(op, stream);
        op->full = m->append_bytes > 2 * m->limits.append_bytes_high;
        if (op->full) context_count(m->ctx, STAT_LIMIT_APPENDS);
        if (op->late || op->full) {
                op_schedule(op);
                return;
        }
        op->data = must(malloc(data.n + 1));
        op->data_n = data.n;
        if (data.n) memcpy(op->data, data.p, data.n);
        m->append_bytes += data.n;
        op->due_ms = op_due(op);
        op->state = OP_QUEUED;
        TAILQ_INSERT_TAIL(&stream->appends, op, next);
        if (TAILQ_FIRST(&stream->appends) == op) appends_arm(stream);
        pressure_update(m);
}

static void memory_read(struct log *log, struct log_stream *stream, const struct log_read *read, uint64_t token)
{
        struct memory_log *m = of_log(log);
        struct op *op = op_new(m, LOG_READ, token);

        stream_take(op, stream);
        TAILQ_INSERT_TAIL(&stream->reads, op, next);
        op->read = *read;
        op->hold_until_ms = context_now_ms(m->ctx) + read->hold_ms;
        op_schedule(op);
}

static void memory_index_load(struct log *log, const char *client, const char *name, uint32_t partition, uint64_t token)
{
        struct op *op = op_new(of_log(log), LOG_INDEX_LOAD, token);

        op->client = text_copy(client);
        op->name = text_copy(name);
        op->partition = partition;
        op_schedule(op);
}

static void saved_free(struct memory_log *m, struct saved_index *saved)
{
        HASH_DEL(m->indices, saved);
        free(saved->key);
        free(saved->name);
        free(saved);
}

static void memory_index_save(struct log *log, const char *client, const char *name, uint32_t partition, uint64_t index, uint64_t owner)
{
        struct memory_log *m = of_log(log);
        struct saved_index *saved = saved_find(m, client, name, partition);

        (void)owner; /* nothing waits here, so there is nothing to flush */
        if (!m->faults.away && !partition_find(m, name, partition)) return;
        if (!saved) {
                saved = must(calloc(1, sizeof *saved));
                saved->key = key_make(partition, name, client);
                saved->name = text_copy(name);
                saved->partition = partition;
                HASH_ADD_KEYPTR(hh, m->indices, saved->key, strlen(saved->key), saved);
        }
        saved->index = index;
}

static void memory_flush_saves(struct log *log, uint64_t owner)
{
        (void)log;
        (void)owner;
}

static void memory_cancel(struct log *log, uint64_t token)
{
        struct memory_log *m = of_log(log);
        struct op *op;

        HASH_FIND(hh, m->by_token, &token, sizeof token, op);
        if (!op) return;
        if (op->kind == LOG_APPEND) op_forget(op);
        else op_free(op);
        stop_check(m);
}

static void stop_fire(void *arg)
{
        struct memory_log *m = arg;
        struct op *op;

        while ((op = TAILQ_FIRST(&m->ops))) op_fail(op, ERR_CANCELLED, "the log stops before this was done");
        stop_check(m);
}

static void stopped_fire(void *arg)
{
        struct memory_log *m = arg;

        m->log.events->stopped(m->log.user);
}

static void memory_stop(struct log *log, uint32_t wait_ms)
{
        struct memory_log *m = of_log(log);
        struct op *op;

        if (m->stopping) return;
        m->stopping = true;
        TAILQ_FOREACH(op, &m->ops, link) {
                if (op->kind != LOG_READ) continue;
                op->late = true;
                op_schedule(op);
        }
        timer_must(m, &m->stop_timer, wait_ms);
        stop_check(m);
}

static void memory_free(struct log *log)
{
        struct memory_log *m = of_log(log);
        struct log_stream *stream, *next_stream;
        struct topic *topic, *next_topic;
        struct saved_index *saved, *next_saved;
        struct op *op;

        while ((op = TAILQ_FIRST(&m->ops))) op_free(op);
        HASH_ITER(hh, m->streams, stream, next_stream) {
                stream->refs = 1; /* whoever holds one still will not use it any more */
                memory_put(log, stream);
        }
        HASH_ITER(hh, m->topics, topic, next_topic) topic_free(m, topic);
        HASH_ITER(hh, m->indices, saved, next_saved) saved_free(m, saved);
        context_timer_stop(m->ctx, &m->stop_timer);
        context_timer_stop(m->ctx, &m->stopped_timer);
        free(m);
}

static const char *memory_away(struct log *log)
{
        return of_log(log)->faults.away ? "away, as the test wants it" : NULL;
}

static const struct log_ops memory_ops = {
        .create = memory_create, .get = memory_get, .put = memory_put, .append = memory_append, .read = memory_read,
        .index_load = memory_index_load, .index_save = memory_index_save, .flush_saves = memory_flush_saves,
        .cancel = memory_cancel, .stop = memory_stop, .free = memory_free, .away = memory_away,
};

struct log *log_memory_new(struct context *ctx, const struct log_limits *limits, const struct log_events *events, void *user)
{
        struct memory_log *m = must(calloc(1, sizeof *m));

        m->log = (struct log){&memory_ops, events, user};
        m->ctx = ctx;
        m->limits = *limits;
        TAILQ_INIT(&m->ops);
        timer_init(&m->stop_timer, stop_fire, m);
        timer_init(&m->stopped_timer, stopped_fire, m);
        return &m->log;
}

/* --- what tests do to it -------------------------------------------------------------------------------------------- */

/* Saves that came while it was away, to streams that are not there, are lost. */
static void saves_settle(struct memory_log *m)
{
        struct saved_index *saved, *next;

        HASH_ITER(hh, m->indices, saved, next)
                if (!partition_find(m, saved->name, saved->partition)) saved_free(m, saved);
}

void log_memory_set_faults(struct log *log, const struct log_memory_faults *faults)
{
        struct memory_log *m = of_log(log);
        bool back = m->faults.away && !faults->away;
        struct log_stream *stream, *next;
        struct op *op;

        m->faults = *faults;
        if (!back) return;
        saves_settle(m);
        HASH_ITER(hh, m->streams, stream, next) appends_arm(stream);
        TAILQ_FOREACH(op, &m->ops, link)
                if (op->state == OP_HELD) op_schedule(op);
}

/* Lets those look again who wait at this stream. */
static void stream_changed(struct memory_log *m, const char *name, uint32_t partition, bool gone)
{
        char *key = key_make(partition, name, "");
        struct log_stream *stream;
        struct op *op;

        HASH_FIND_STR(m->streams, key, stream);
        free(key);
        if (!stream) return;
        TAILQ_FOREACH(op, &stream->reads, next)
                if (op->state == OP_HELD) op->gone = gone;
        readers_wake(stream);
}

enum err log_memory_write(struct log *log, const char *name, uint32_t partition, struct bytes data, uint64_t hole)
{
        struct memory_log *m = of_log(log);
        struct partition *part = partition_find(m, name, partition);

        if (!part) return ERR_NOT_FOUND;
        partition_append(part, data, hole);
        stream_changed(m, name, partition, false);
        return OK;
}

enum err log_memory_truncate(struct log *log, const char *name, uint32_t partition, uint64_t index)
{
        struct partition *part = partition_find(of_log(log), name, partition);

        if (!part) return ERR_NOT_FOUND;
        if (index > part->end) return ERR_USAGE;
        size_t gone = partition_seek(part, index);
        for (size_t i = 0; i < gone; i++) record_free(&part->records[i]);
        part->count -= gone;
        if (gone) memmove(part->records, part->records + gone, part->count * sizeof *part->records);
        return OK;
}

bool log_memory_take_back(struct log *log, uint64_t token)
{
        struct memory_log *m = of_log(log);
        struct op *op;

        HASH_FIND(hh, m->by_token, &token, sizeof token, op);
        if (!op || op->state != OP_QUEUED) return false;
        op_free(op);
        pressure_update(m);
        stop_check(m);
        return true;
}

void log_memory_delete(struct log *log, const char *name)
{
        struct memory_log *m = of_log(log);
        struct topic *topic = topic_find(m, name);

        if (!topic) return;
        uint32_t count = topic->count;
        topic_free(m, topic);
        saves_settle(m); /* Kafka forgets the groups' offsets of a topic with the topic */
        for (uint32_t i = 0; i < count; i++) stream_changed(m, name, i, true);
}

enum err log_memory_dump(struct log *log, const char *name, uint32_t partition, const struct log_record **records, size_t *count)
{
        struct partition *part = partition_find(of_log(log), name, partition);

        if (!part) return ERR_NOT_FOUND;
        *records = part->records;
        *count = part->count;
        return OK;
}
