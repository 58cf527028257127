/* Shares of one log; see the header. */
#include "tests/simulation/shared_log.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <uthash.h>

struct share {
        struct log log;
        LIST_ENTRY(share) link;
        struct shared_log *shared;
        uint64_t number;
        size_t appends; /* open ones: what log_stop waits for */
        bool stopping;
        struct timer stop;
        struct grave grave;
};

/* A request without its completion, under the number that the log below has been given. */
struct asked {
        UT_hash_handle hh;
        uint64_t below_token, token;
        enum log_op op;
        struct share *share;
};

struct shared_log {
        struct context *ctx;
        struct log *below;
        LIST_HEAD(, share) shares;
        struct asked *asked;
        uint64_t last_token, last_share;
};

static void *must(void *p)
{
        if (!p) abort();
        return p;
}

static struct share *share_of(struct log *log)
{
        return (struct share *)log;
}

static void set_stop(struct share *share, uint64_t in_ms)
{
        if (context_timer_set(share->shared->ctx, &share->stop, in_ms)) abort();
}

/* Takes it out of the table; it is the caller's. */
static void asked_take(struct asked *asked)
{
        struct share *share = asked->share;

        HASH_DEL(share->shared->asked, asked);
        if (asked->op != LOG_APPEND) return;
        share->appends--;
        if (share->stopping && share->appends == 0) set_stop(share, 0);
}

/* Any request of the share, or the one with this token. */
static struct asked *asked_find(struct share *share, bool any, uint64_t token)
{
        struct asked *asked, *next;

        HASH_ITER(hh, share->shared->asked, asked, next)
                if (asked->share == share && (any || asked->token == token)) return asked;
        return NULL;
}

static void forget(struct asked *asked)
{
        log_cancel(asked->share->shared->below, asked->below_token);
        asked_take(asked);
        free(asked);
}

/* --- from the log below --- */

static void below_done(void *user, const struct log_result *result)
{
        struct shared_log *shared = user;
        struct log_result translated = *result;
        struct asked *asked;
        struct share *share;

        HASH_FIND(hh, shared->asked, &result->token, sizeof result->token, asked);
        if (!asked) return;
        share = asked->share;
        translated.token = asked->token;
        asked_take(asked);
        free(asked);
        share->log.events->done(share->log.user, &translated);
}

static void below_pressure(void *user, bool high)
{
        struct shared_log *shared = user;
        struct share *share;

        LIST_FOREACH(share, &shared->shares, link)
                share->log.events->pressure(share->log.user, high);
}

static void below_stopped(void *user)
{
        (void)user;
}

const struct log_events shared_log_events = {below_done, below_pressure, below_stopped};

/* --- from a node --- */

static uint64_t ask(struct share *share, enum log_op op, uint64_t token)
{
        struct shared_log *shared = share->shared;
        struct asked *asked = must(calloc(1, sizeof *asked));

        *asked = (struct asked){.below_token = ++shared->last_token, .token = token, .op = op, .share = share};
        HASH_ADD(hh, shared->asked, below_token, sizeof asked->below_token, asked);
        if (op == LOG_APPEND) share->appends++;
        return asked->below_token;
}

static void share_create(struct log *log, const char *name, uint32_t partitions, uint64_t token)
{
        log_create(share_of(log)->shared->below, name, partitions, ask(share_of(log), LOG_CREATE, token));
}

static struct log_stream *share_get(struct log *log, const char *name, uint32_t partition)
{
        return log_stream_get(share_of(log)->shared->below, name, partition);
}

static void share_put(struct log *log, struct log_stream *stream)
{
        log_stream_put(share_of(log)->shared->below, stream);
}

static void share_append(struct log *log, struct log_stream *stream, struct bytes data, uint64_t token)
{
        log_append(share_of(log)->shared->below, stream, data, ask(share_of(log), LOG_APPEND, token));
}

static void share_read(struct log *log, struct log_stream *stream, const struct log_read *read, uint64_t token)
{
        log_read(share_of(log)->shared->below, stream, read, ask(share_of(log), LOG_READ, token));
}

static void share_index_load(struct log *log, const char *client, const char *name, uint32_t partition, uint64_t token)
{
        log_index_load(share_of(log)->shared->below, client, name, partition, ask(share_of(log), LOG_INDEX_LOAD, token));
}

/* Owners are numbers of connections, which each node counts for itself. */
static uint64_t owner_below(const struct share *share, uint64_t owner)
{
        return share->number << 40 | owner;
}

static void share_index_save(struct log *log, const char *client, const char *name, uint32_t partition, uint64_t index, uint64_t owner)
{
        log_index_save(share_of(log)->shared->below, client, name, partition, index, owner_below(share_of(log), owner));
}

static void share_flush_saves(struct log *log, uint64_t owner)
{
        log_flush_saves(share_of(log)->shared->below, owner_below(share_of(log), owner));
}

static void share_cancel(struct log *log, uint64_t token)
{
        struct asked *asked = asked_find(share_of(log), false, token);

        if (asked) forget(asked);
}

/* The time to stop is over, or all appends are in: the rest is told that the log stops. */
static void stop_fire(void *arg)
{
        struct share *share = arg;
        struct asked *asked;

        while ((asked = asked_find(share, true, 0))) {
                struct log_result result = {.op = asked->op, .token = asked->token, .err = ERR_CANCELLED, .why = "the node stops"};
                forget(asked);
                share->log.events->done(share->log.user, &result);
        }
        context_timer_stop(share->shared->ctx, &share->stop);
        share->log.events->stopped(share->log.user);
}

static void share_stop(struct log *log, uint32_t wait_ms)
{
        struct share *share = share_of(log);

        share->stopping = true;
        set_stop(share, share->appends ? wait_ms : 0);
}

static void share_free(struct log *log)
{
        struct share *share = share_of(log);
        struct asked *asked;

        while ((asked = asked_find(share, true, 0)))
                forget(asked);
        context_timer_stop(share->shared->ctx, &share->stop);
        LIST_REMOVE(share, link);
        context_bury(share->shared->ctx, &share->grave, free, share);
}

static const char *share_away(struct log *log)
{
        return log_away(share_of(log)->shared->below);
}

static const struct log_ops share_ops = {
        .create = share_create, .get = share_get, .put = share_put, .append = share_append, .read = share_read,
        .index_load = share_index_load, .index_save = share_index_save, .flush_saves = share_flush_saves,
        .cancel = share_cancel, .stop = share_stop, .free = share_free, .away = share_away,
};

/* --- making them --- */

struct shared_log *shared_log_new(struct context *ctx)
{
        struct shared_log *shared = must(calloc(1, sizeof *shared));

        shared->ctx = ctx;
        LIST_INIT(&shared->shares);
        return shared;
}

void shared_log_set(struct shared_log *shared, struct log *take_below)
{
        shared->below = take_below;
}

void shared_log_free(struct shared_log *shared)
{
        if (!shared) return;
        assert(LIST_EMPTY(&shared->shares) && !shared->asked);
        log_free(shared->below);
        free(shared);
}

struct log *shared_log_share(struct shared_log *shared, const struct log_events *events, void *user)
{
        struct share *share = must(calloc(1, sizeof *share));

        *share = (struct share){.log = {&share_ops, events, user}, .shared = shared, .number = ++shared->last_share};
        timer_init(&share->stop, stop_fire, share);
        LIST_INSERT_HEAD(&shared->shares, share, link);
        return &share->log;
}
