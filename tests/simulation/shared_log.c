/* Shares of one log; see the header. */
#include "tests/simulation/shared_log.h"

#include "stream/log_memory.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <uthash.h>

struct save {
        TAILQ_ENTRY(save) link;
        char *client, *name;
        uint32_t partition;
        uint64_t index, owner;
};

struct share {
        struct log log;
        LIST_ENTRY(share) link;
        struct shared_log *shared;
        uint64_t number;
        size_t appends;      /* open ones: what log_stop waits for */
        bool stopping, high; /* high: it has been told that the log is under pressure */
        struct timer stop, save;
        TAILQ_HEAD(, save) saves;
        struct grave grave;
};

/* A request without its completion, under the number that the log below has been given. */
struct asked {
        UT_hash_handle hh;
        uint64_t below_token, token;
        enum log_op op;
        struct share *share;
        struct log_stream *stream; /* append */
};

struct shared_log {
        struct context *ctx;
        struct log *below;
        LIST_HEAD(, share) shares;
        struct asked *asked;
        uint64_t last_token, last_share;
        uint32_t save_max_ms;
        bool (*point)(void *user, enum kill_point point, const void *node, bool inside);
        void *point_user;
        struct shared_log_figures figures;
        bool high;
        enum broken broken;
        struct {
                uint64_t share, token;
                struct log_stream *stream;
                size_t n; /* 0: nothing is kept back */
                uint8_t data[4096];
        } kept;
};

static void *must(void *p)
{
        if (!p) abort();
        return p;
}

static struct share *share_of(struct log *log) { return (struct share *)log; }

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

/* --- moments --- */

static const enum kill_point points_done[] = {
        [LOG_CREATE] = KILL_CREATED,
        [LOG_APPEND] = KILL_APPEND_STORED,
        [LOG_READ] = KILL_READ,
        [LOG_INDEX_LOAD] = KILL_INDEX_LOADED,
};

/* True: the share's node, and the share, are gone. */
static bool at_point(struct share *share, enum kill_point point, bool inside)
{
        struct shared_log *shared = share->shared;

        return shared->point && shared->point(shared->point_user, point, share->log.user, inside);
}

/* --- promises broken on purpose --- */

static uint64_t ask(struct share *share, enum log_op op, uint64_t token, struct log_stream *stream);

enum { BREAK_ONE_OF = 16 };

static bool breaks(struct shared_log *shared, enum broken what)
{
        return shared->broken == what && context_random_below(shared->ctx, BREAK_ONE_OF) == 0;
}

static void falsify(struct shared_log *shared, struct log_result *result)
{
        if (result->err) return;
        if (result->op == LOG_APPEND && breaks(shared, BROKEN_I1)) result->index++;
        if (result->op == LOG_APPEND && breaks(shared, BROKEN_I2))
                *result = (struct log_result){LOG_APPEND, result->token, .err = ERR_FAILED, .why = "a lie"};
        if (result->op == LOG_READ && result->count > 1 && breaks(shared, BROKEN_I3)) {
                result->records++;
                result->count--;
        }
}

/* Keeps back an append until the next one has gone. */
static bool keeps_back(struct share *share, struct log_stream *stream, struct bytes data, uint64_t token)
{
        struct shared_log *shared = share->shared;

        if (shared->kept.n || data.n == 0 || !breaks(shared, BROKEN_I4) || data.n > sizeof shared->kept.data) return false;
        memcpy(shared->kept.data, data.p, data.n);
        shared->kept.n = data.n;
        shared->kept.share = share->number;
        shared->kept.stream = stream;
        shared->kept.token = ask(share, LOG_APPEND, token, stream);
        return true;
}

static void lets_go(struct share *share)
{
        struct shared_log *shared = share->shared;

        if (!shared->kept.n || shared->kept.share != share->number) return;
        log_append(shared->below, shared->kept.stream, bytes_make(shared->kept.data, shared->kept.n), shared->kept.token);
        shared->kept.n = 0;
}

void shared_log_break(struct shared_log *shared, enum broken broken) { shared->broken = broken; }

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
        if (at_point(share, points_done[result->op], false)) return;
        translated.token = asked->token;
        falsify(shared, &translated);
        asked_take(asked);
        free(asked);
        share->log.events->done(share->log.user, &translated);
        if (result->op == LOG_APPEND) at_point(share, KILL_APPEND_TOLD, false);
}

static void tell_pressure(struct share *share)
{
        if (share->high == share->shared->high) return;
        share->high = share->shared->high;
        share->log.events->pressure(share->log.user, share->high);
}

static void below_pressure(void *user, bool high)
{
        struct shared_log *shared = user;
        struct share *share;

        shared->figures.pressures += high;
        shared->high = high;
        LIST_FOREACH (share, &shared->shares, link)
                tell_pressure(share);
}

static void below_stopped(void *user) { (void)user; }

const struct log_events shared_log_events = {below_done, below_pressure, below_stopped};

/* --- from a node --- */

static uint64_t ask(struct share *share, enum log_op op, uint64_t token, struct log_stream *stream)
{
        struct shared_log *shared = share->shared;
        struct asked *asked = must(calloc(1, sizeof *asked));

        if (op == LOG_CREATE) at_point(share, KILL_CREATE_ASKED, true);
        if (op == LOG_APPEND) at_point(share, KILL_APPEND_ASKED, true);
        if (op == LOG_READ) at_point(share, KILL_READ_ASKED, true);
        *asked = (struct asked){.below_token = ++shared->last_token, .token = token, .op = op, .share = share, .stream = stream};
        HASH_ADD(hh, shared->asked, below_token, sizeof asked->below_token, asked);
        if (op == LOG_APPEND) share->appends++;
        return asked->below_token;
}

static void share_create(struct log *log, const char *name, uint32_t partitions, uint64_t token)
{
        log_create(share_of(log)->shared->below, name, partitions, ask(share_of(log), LOG_CREATE, token, NULL));
}

static struct log_stream *share_get(struct log *log, const char *name, uint32_t partition)
{
        return log_stream_get(share_of(log)->shared->below, name, partition);
}

static void share_put(struct log *log, struct log_stream *stream) { log_stream_put(share_of(log)->shared->below, stream); }

static void share_append(struct log *log, struct log_stream *stream, struct bytes data, uint64_t token)
{
        tell_pressure(share_of(log)); /* of what there was before this node */
        if (keeps_back(share_of(log), stream, data, token)) return;
        log_append(share_of(log)->shared->below, stream, data, ask(share_of(log), LOG_APPEND, token, stream));
        lets_go(share_of(log));
}

static void share_read(struct log *log, struct log_stream *stream, const struct log_read *read, uint64_t token)
{
        log_read(share_of(log)->shared->below, stream, read, ask(share_of(log), LOG_READ, token, NULL));
}

/* Owners are numbers of connections, which each node counts for itself. */
static uint64_t owner_below(const struct share *share, uint64_t owner) { return share->number << 40 | owner; }

static void save_free(struct share *share, struct save *save)
{
        TAILQ_REMOVE(&share->saves, save, link);
        free(save->client);
        free(save->name);
        free(save);
}

/* Those of one owner, or all (NULL). */
static void saves_send(struct share *share, const uint64_t *owner)
{
        struct save *save, *next;

        for (save = TAILQ_FIRST(&share->saves); save; save = next) {
                next = TAILQ_NEXT(save, link);
                if (owner && save->owner != *owner) continue;
                log_index_save(share->shared->below, save->client, save->name, save->partition, save->index,
                               owner_below(share, save->owner));
                save_free(share, save);
        }
}

static void save_fire(void *arg) { saves_send(arg, NULL); }

/* What waits is sent before, so that a node sees what it was given itself. */
static void share_index_load(struct log *log, const char *client, const char *name, uint32_t partition, uint64_t token)
{
        saves_send(share_of(log), NULL);
        log_index_load(share_of(log)->shared->below, client, name, partition, ask(share_of(log), LOG_INDEX_LOAD, token, NULL));
}

static void share_index_save(struct log *log, const char *client, const char *name, uint32_t partition, uint64_t index, uint64_t owner)
{
        struct share *share = share_of(log);
        struct shared_log *shared = share->shared;
        struct save *save = must(calloc(1, sizeof *save));

        at_point(share, KILL_INDEX_SAVED, true);
        *save = (struct save){
                .client = must(strdup(client)), .name = must(strdup(name)), .partition = partition, .index = index, .owner = owner};
        TAILQ_INSERT_TAIL(&share->saves, save, link);
        if (!shared->save_max_ms)
                saves_send(share, NULL);
        else if (!timer_is_set(&share->save) &&
                 context_timer_set(shared->ctx, &share->save, context_random_below(shared->ctx, shared->save_max_ms)))
                abort();
}

static void share_flush_saves(struct log *log, uint64_t owner) { saves_send(share_of(log), &owner); }

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
        saves_send(share, NULL);
        set_stop(share, share->appends ? wait_ms : 0);
}

static void share_free(struct log *log)
{
        struct share *share = share_of(log);
        struct asked *asked;

        while ((asked = asked_find(share, true, 0)))
                forget(asked);
        saves_send(share, NULL);
        context_timer_stop(share->shared->ctx, &share->stop);
        context_timer_stop(share->shared->ctx, &share->save);
        LIST_REMOVE(share, link);
        context_bury(share->shared->ctx, &share->grave, free, share);
}

static const char *share_away(struct log *log) { return log_away(share_of(log)->shared->below); }

static const struct log_ops share_ops = {
        .create = share_create,
        .get = share_get,
        .put = share_put,
        .append = share_append,
        .read = share_read,
        .index_load = share_index_load,
        .index_save = share_index_save,
        .flush_saves = share_flush_saves,
        .cancel = share_cancel,
        .stop = share_stop,
        .free = share_free,
        .away = share_away,
};

/* --- a node that dies --- */

enum { STREAMS_MAX = 64 };

/* How many more of a stream's appends get through. */
struct passage {
        const struct log_stream *stream;
        uint64_t left;
};

static uint64_t appends_to(const struct share *share, const struct log_stream *stream)
{
        uint64_t count = 0;

        for (const struct asked *asked = share->shared->asked; asked; asked = asked->hh.next)
                count += asked->share == share && asked->op == LOG_APPEND && asked->stream == stream;
        return count;
}

static struct passage *passage_of(struct share *share, struct passage passages[static STREAMS_MAX], const struct log_stream *stream)
{
        size_t i = 0;

        while (i < STREAMS_MAX - 1 && passages[i].stream && passages[i].stream != stream)
                i++;
        if (!passages[i].stream)
                passages[i] = (struct passage){stream, context_random_below(share->shared->ctx, appends_to(share, stream) + 1)};
        return &passages[i];
}

void shared_log_crash(struct log *log)
{
        struct share *share = share_of(log);
        struct shared_log *shared = share->shared;
        struct passage passages[STREAMS_MAX] = {{0}}, *passage;
        struct asked *asked, *next;
        struct save *save;

        HASH_ITER(hh, shared->asked, asked, next)
        {
                if (asked->share != share || asked->op != LOG_APPEND) continue;
                passage = passage_of(share, passages, asked->stream);
                if (passage->left) {
                        passage->left--;
                } else if (log_memory_take_back(shared->below, asked->below_token)) {
                        shared->figures.appends_lost++;
                        asked_take(asked);
                        free(asked);
                }
        }
        while ((save = TAILQ_FIRST(&share->saves))) {
                shared->figures.saves_lost++;
                save_free(share, save);
        }
}

void shared_log_hold_saves(struct shared_log *shared, uint32_t max_ms) { shared->save_max_ms = max_ms; }

void shared_log_on_point(struct shared_log *shared, bool (*point)(void *user, enum kill_point point, const void *node, bool inside),
                         void *user)
{
        shared->point = point;
        shared->point_user = user;
}

struct shared_log_figures shared_log_figures(const struct shared_log *shared) { return shared->figures; }

/* --- making them --- */

struct shared_log *shared_log_new(struct context *ctx)
{
        struct shared_log *shared = must(calloc(1, sizeof *shared));

        shared->ctx = ctx;
        LIST_INIT(&shared->shares);
        return shared;
}

void shared_log_set(struct shared_log *shared, struct log *take_below) { shared->below = take_below; }

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
        timer_init(&share->save, save_fire, share);
        TAILQ_INIT(&share->saves);
        LIST_INSERT_HEAD(&shared->shares, share, link);
        return &share->log;
}
