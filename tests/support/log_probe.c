/* The log suite's probe: see the header. */
#include "tests/support/log_probe.h"

static uint64_t tokens_used; /* tokens are never used again, not by the next test either */

/* --- the probe ----------------------------------------------------------------------------------------------------- */

static void on_done(void *user, const struct log_result *result)
{
        struct probe *probe = user;
        uint64_t i = result->token - probe->first_token;

        assert_int_equal(probe->calls, 0);
        assert_true(i < probe->next);
        struct seen *seen = &probe->seen[i];
        assert_true(seen->asked);
        assert_false(seen->done);
        assert_false(seen->cancelled);
        assert_int_equal(seen->op, result->op);
        assert_true((result->err == OK) == (result->why == NULL));
        seen->done = true;
        seen->err = result->err;
        seen->index = result->index;
        seen->present = result->present;
        seen->order = probe->completions++;
        seen->at_ms = probe->backend->now_ms(probe->backend->user);
        seen->count = result->op == LOG_READ ? result->count : 0;
        seen->records = calloc(seen->count + 1, sizeof *seen->records);
        assert_non_null(seen->records);
        for (size_t k = 0; k < seen->count; k++) {
                struct seen_record *record = &seen->records[k];
                record->index = result->records[k].index;
                record->n = result->records[k].data.n;
                record->data = malloc(record->n + 1);
                assert_non_null(record->data);
                if (record->n) memcpy(record->data, result->records[k].data.p, record->n);
        }
}

static void on_pressure(void *user, bool high)
{
        struct probe *probe = user;

        assert_true(high != probe->pressure);
        probe->pressure = high;
        *(high ? &probe->pressure_on : &probe->pressure_off) += 1;
}

static void on_stopped(void *user)
{
        struct probe *probe = user;

        assert_false(probe->stopped);
        probe->stopped = true;
}

static const struct log_events probe_events = {on_done, on_pressure, on_stopped};

/* Several probes may be open at once. */
static void probe_new_tokens(struct probe *probe)
{
        probe->first_token = tokens_used;
        tokens_used += TOKENS_MAX;
}

struct probe *probe_open_with(struct log_backend *backend, const struct log_limits *limits)
{
        static unsigned topics;
        struct probe *probe = calloc(1, sizeof *probe);

        assert_non_null(probe);
        probe->backend = backend;
        probe->log_events = &probe_events;
        probe_new_tokens(probe);
        snprintf(probe->topic, sizeof probe->topic, "%st%u", backend->prefix, ++topics);
        probe->log = backend->open(backend->user, limits, &probe_events, probe);
        assert_non_null(probe->log);
        return probe;
}

struct probe *probe_open(void **state)
{
        return probe_open_with(*state, &LOG_LIMITS_DEFAULT);
}

static void probe_forget(struct probe *probe)
{
        for (uint64_t i = 0; i < probe->next; i++) {
                for (size_t k = 0; k < probe->seen[i].count; k++) free(probe->seen[i].records[k].data);
                free(probe->seen[i].records);
        }
        memset(probe->seen, 0, sizeof probe->seen);
        probe->next = 0;
        probe_new_tokens(probe);
}

void probe_reopen(struct probe *probe)
{
        probe->backend->close(probe->backend->user, probe->log);
        probe_forget(probe);
        probe->log = probe->backend->open(probe->backend->user, &LOG_LIMITS_DEFAULT, &probe_events, probe);
        assert_non_null(probe->log);
}

static bool never(void *arg)
{
        (void)arg;
        return false;
}

void probe_run(struct probe *probe, uint64_t ms)
{
        probe->backend->run(probe->backend->user, never, NULL, ms);
}

void probe_close(struct probe *probe)
{
        probe_run(probe, 20); /* what is wrong and late still shows */
        probe->backend->close(probe->backend->user, probe->log);
        probe_forget(probe);
        free(probe);
}

static uint64_t token_new(struct probe *probe, enum log_op op)
{
        assert_true(probe->next < TOKENS_MAX);
        probe->seen[probe->next].asked = true;
        probe->seen[probe->next].op = op;
        return probe->first_token + probe->next++;
}

struct seen *seen_of(struct probe *probe, uint64_t token)
{
        return &probe->seen[token - probe->first_token];
}

static bool seen_done(void *arg)
{
        return ((struct seen *)arg)->done;
}

struct seen *await(struct probe *probe, uint64_t token)
{
        struct seen *seen = seen_of(probe, token);

        probe->backend->run(probe->backend->user, seen_done, seen, probe->backend->patience_ms);
        if (!seen->done) fail_msg("no completion of operation %d in %llu ms", (int)seen->op, (unsigned long long)probe->backend->patience_ms);
        return seen;
}

void must_not_come(struct probe *probe, uint64_t token, uint64_t ms)
{
        probe->backend->run(probe->backend->user, seen_done, seen_of(probe, token), ms);
        assert_false(seen_of(probe, token)->done);
}

/* --- asking -------------------------------------------------------------------------------------------------------- */

uint64_t ask_create(struct probe *probe, const char *topic, uint32_t partitions)
{
        uint64_t token = token_new(probe, LOG_CREATE);

        probe->calls++;
        log_create(probe->log, topic, partitions, token);
        probe->calls--;
        return token;
}

uint64_t ask_append(struct probe *probe, struct log_stream *stream, struct bytes data)
{
        uint64_t token = token_new(probe, LOG_APPEND);

        probe->calls++;
        log_append(probe->log, stream, data, token);
        probe->calls--;
        return token;
}

uint64_t ask_read(struct probe *probe, struct log_stream *stream, struct log_read read)
{
        uint64_t token = token_new(probe, LOG_READ);

        probe->calls++;
        log_read(probe->log, stream, &read, token);
        probe->calls--;
        return token;
}

uint64_t ask_load(struct probe *probe, const char *client, const char *topic, uint32_t partition)
{
        uint64_t token = token_new(probe, LOG_INDEX_LOAD);

        probe->calls++;
        log_index_load(probe->log, client, topic, partition, token);
        probe->calls--;
        return token;
}

void probe_save(struct probe *probe, const char *client, const char *topic, uint32_t partition, uint64_t index)
{
        probe->calls++;
        log_index_save(probe->log, client, topic, partition, index, 1);
        probe->calls--;
}

void probe_cancel(struct probe *probe, uint64_t token)
{
        probe->calls++;
        log_cancel(probe->log, token);
        probe->calls--;
        if (!seen_of(probe, token)->done) seen_of(probe, token)->cancelled = true;
}

struct log_read usual(uint64_t index, uint32_t hold_ms)
{
        return (struct log_read){index, 1000, FRAME_ROOM, OVERHEAD, RECORD_MAX, hold_ms};
}

struct log_stream *stream_of(struct probe *probe, const char *topic, uint32_t partition)
{
        struct log_stream *stream = log_stream_get(probe->log, topic, partition);

        assert_non_null(stream);
        return stream;
}

void made(struct probe *probe, const char *topic, uint32_t partitions)
{
        assert_int_equal(await(probe, ask_create(probe, topic, partitions))->err, OK);
}

/* The test's topic with one partition, made. */
struct log_stream *made_stream(struct probe *probe)
{
        made(probe, probe->topic, 1);
        return stream_of(probe, probe->topic, 0);
}

uint64_t appended(struct probe *probe, struct log_stream *stream, struct bytes data)
{
        struct seen *seen = await(probe, ask_append(probe, stream, data));

        assert_int_equal(seen->err, OK);
        return seen->index;
}

void check_record(const struct seen *seen, size_t i, uint64_t index, struct bytes data)
{
        assert_true(i < seen->count);
        assert_int_equal(seen->records[i].index, index);
        assert_int_equal(seen->records[i].n, data.n);
        assert_memory_equal(seen->records[i].data, data.n ? data.p : (const uint8_t *)"", data.n);
}

void check_empty(const struct seen *seen)
{
        assert_int_equal(seen->err, OK);
        assert_int_equal(seen->count, 0);
}

/* A record of n bytes that can be told from others. */
struct bytes made_up(uint8_t *memory, size_t n, unsigned seed)
{
        for (size_t i = 0; i < n; i++) memory[i] = (uint8_t)(seed + i * 31);
        return bytes_make(memory, n);
}

static bool probe_stopped(void *arg)
{
        return ((struct probe *)arg)->stopped;
}

void probe_stop(struct probe *probe, uint32_t wait_ms)
{
        struct log_backend *backend = probe->backend;

        probe->calls++;
        log_stop(probe->log, wait_ms);
        probe->calls--;
        backend->run(backend->user, probe_stopped, probe, backend->patience_ms + wait_ms);
        assert_true(probe->stopped);
}
