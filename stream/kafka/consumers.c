/* Renewing consumers. What an instance knows is counted by the hashes of names: two that are the same count as one topic, no harm done. */
#include "stream/kafka/consumers.h"

#include "transport/base/logger.h"

#include <stdlib.h>
#include <string.h>

enum { LEAVE_MS = 5000 }; /* an instance that ends takes some 10 ms */

struct known_topic {
        UT_hash_handle hh;
        uint64_t hash;
};

/* FNV-1a. */
static uint64_t hash_of(const char *name)
{
        uint64_t hash = 14695981039346656037u;

        for (; *name; name++)
                hash = (hash ^ (uint8_t)*name) * 1099511628211u;
        return hash;
}

static bool knows(const struct consumer_instance *instance, uint64_t hash)
{
        struct known_topic *known;

        HASH_FIND(hh, instance->known, &hash, sizeof hash, known);
        return known;
}

/* Not noted where memory is out: renewed a little later. */
static void learn(struct consumer_instance *instance, uint64_t hash)
{
        struct known_topic *known = knows(instance, hash) ? NULL : malloc(sizeof *known);

        if (!known) return;
        known->hash = hash;
        HASH_ADD(hh, instance->known, hash, sizeof known->hash, known);
        if (!known->hh.tbl) free(known);
}

static void forget(struct consumer_instance *instance)
{
        struct known_topic *known, *next;

        HASH_ITER(hh, instance->known, known, next)
        {
                HASH_DEL(instance->known, known);
                free(known);
        }
}

/* Nothing but errors and log lines comes to the main queue. */
static void take_nothing(void *user, rd_kafka_event_t *event)
{
        (void)user;
        (void)event;
}

static enum err instance_new(struct consumers *consumers, struct consumer_instance **out, struct reason *why)
{
        struct kafka_log *log = consumers->log;
        struct consumer_instance *instance = calloc(1, sizeof *instance);
        rd_kafka_conf_t *conf;
        enum err err;

        if (!instance) return fail(why, ERR_NO_MEMORY, "out of memory");
        if ((err = kafka_log_conf(log, consumers->role, &conf, why)) ||
            (err = handle_open(&instance->handle, log->loop, log->health, consumers->role, conf, take_nothing, NULL, why))) {
                free(instance);
                return err;
        }
        *out = instance;
        return OK;
}

enum err consumers_open(struct consumers *consumers, struct kafka_log *log, enum kafka_role role, struct reason *why)
{
        *consumers = (struct consumers){.log = log, .role = role};
        return instance_new(consumers, &consumers->current, why);
}

/* --- those that end --- */

/* Whether it has ended, or is left since it was given its time; waits for either. */
static bool is_over(const struct consumer_ending *ending, uint64_t now_ms, uint64_t wait_ms)
{
        uint64_t waited = now_ms - ending->since_ms, left = waited < LEAVE_MS ? LEAVE_MS - waited : 0;

        if (handle_await(ending->handle, left < wait_ms ? left : wait_ms)) return true;
        if (left > wait_ms) return false;
        handle_leave(ending->handle);
        return true;
}

static void forget_ended(struct consumers *consumers, uint64_t wait_ms)
{
        size_t kept = 0;

        for (size_t i = 0; i < consumers->ending_count; i++)
                if (!is_over(&consumers->ending[i], context_now_ms(consumers->log->ctx), wait_ms)) consumers->ending[kept++] = consumers->ending[i];
        consumers->ending_count = kept;
}

static void remember_ending(struct consumers *consumers, int handle)
{
        forget_ended(consumers, 0);
        if (consumers->ending_count == CONSUMERS_ENDING_MAX) {
                handle_leave(consumers->ending[0].handle);
                memmove(&consumers->ending[0], &consumers->ending[1], --consumers->ending_count * sizeof consumers->ending[0]);
        }
        consumers->ending[consumers->ending_count++] = (struct consumer_ending){handle, context_now_ms(consumers->log->ctx)};
}

/* Begins to end it. */
static void end(struct consumers *consumers, struct consumer_instance *instance)
{
        int handle;

        handle_mute(&instance->handle);
        if ((handle = handle_end(&instance->handle)) >= 0) remember_ending(consumers, handle);
        forget(instance);
        free(instance);
}

/* --- renewing --- */

size_t consumer_knows(const struct consumer_instance *instance) { return HASH_COUNT(instance->known); }

static void renew(struct consumers *consumers)
{
        struct consumer_instance *old = consumers->current;
        struct reason why;

        if (instance_new(consumers, &consumers->current, &why)) {
                consumers->current = old;
                health_warn(consumers->log->health, "CONSUMER", "a consumer cannot be renewed: %s", why.text);
                return;
        }
        context_count(consumers->log->ctx, STAT_KAFKA_CONSUMERS_RENEWED);
        consumers->leaving = false;
        if (old->uses)
                consumers->before = old;
        else
                end(consumers, old);
}

struct consumer_instance *consumers_take(struct consumers *consumers, const char *topic)
{
        uint64_t hash = hash_of(topic);

        if (!consumers->before && consumer_knows(consumers->current) >= consumers->log->limits.topics_per_consumer &&
            !knows(consumers->current, hash))
                renew(consumers);
        learn(consumers->current, hash);
        consumers->current->uses++;
        return consumers->current;
}

/* Not sooner than when the current one is half full, so that what lasts does not move more often than it must; not later, so that there is
 * room for it there, and for what else begins until the last one has ended. */
struct consumer_instance *consumers_to_leave(struct consumers *consumers)
{
        size_t half = consumers->log->limits.topics_per_consumer / 2;

        if (!consumers->before || consumers->leaving || consumer_knows(consumers->current) < half) return NULL;
        consumers->leaving = true;
        return consumers->before;
}

void consumers_give_back(struct consumers *consumers, struct consumer_instance *instance)
{
        if (--instance->uses || instance != consumers->before) return;
        consumers->before = NULL;
        end(consumers, instance);
}

void consumers_close(struct consumers *consumers)
{
        if (consumers->current) end(consumers, consumers->current);
        consumers->current = NULL;
        forget_ended(consumers, LEAVE_MS);
}
