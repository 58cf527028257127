/* Sessions; see the header. */
#include "tests/simulation/session.h"

#include "tests/simulation/world.h"

#include <stdlib.h>

enum { WINDOW_BITS = 33 };

static void *must(void *p)
{
        if (!p) abort();
        return p;
}

struct session *session_new(struct session_list *list, struct channel *alice, void *conversation)
{
        struct session *session = must(calloc(1, sizeof *session));

        memcpy(session->hash, channel_hash(alice), HASH_SIZE);
        session->alice = alice;
        session->conversation = conversation;
        SLIST_INSERT_HEAD(list, session, link);
        return session;
}

static void way_clear(struct passage_way *way)
{
        free(way->lines);
        free(way->taken);
}

void sessions_free(struct session_list *list)
{
        struct session *session;

        while ((session = SLIST_FIRST(list))) {
                SLIST_REMOVE_HEAD(list, link);
                way_clear(&session->there);
                way_clear(&session->back);
                free(session);
        }
}

struct session *session_of_hash(struct session_list *list, const uint8_t hash[static HASH_SIZE])
{
        struct session *session;

        SLIST_FOREACH (session, list, link)
                if (memcmp(session->hash, hash, HASH_SIZE) == 0) return session;
        return NULL;
}

struct session *session_at_alice(struct session_list *list, const struct channel *channel)
{
        struct session *session;

        SLIST_FOREACH (session, list, link)
                if (channel && session->alice == channel) return session;
        return NULL;
}

struct session *session_at_bob(struct session_list *list, const struct channel *channel)
{
        struct session *session;

        SLIST_FOREACH (session, list, link)
                if (channel && session->bob == channel) return session;
        return NULL;
}

void way_goes(struct passage_way *way, uint32_t line)
{
        if (way->count == way->cap) {
                way->cap = way->cap ? 2 * way->cap : 64;
                way->lines = must(realloc(way->lines, way->cap * sizeof *way->lines));
                way->taken = must(realloc(way->taken, way->cap * sizeof *way->taken));
        }
        way->lines[way->count] = line;
        way->taken[way->count++] = false;
}

bool way_arrives(struct passage_way *way, uint32_t line, bool *latest)
{
        uint64_t number = 0;

        while (number < way->count && way->lines[number] != line)
                number++;
        if (number == way->count || way->taken[number]) return false;
        way->taken[number] = true;
        *latest = true;
        for (uint64_t later = number + 1; later < way->count; later++)
                *latest &= !way->taken[later];
        return true;
}

/* From what has arrived alone. */
static void window_of(const struct passage_way *way, uint64_t *highest, uint64_t *taken)
{
        *highest = *taken = 0;
        for (uint64_t number = way->count; number-- > 0;) {
                if (!way->taken[number]) continue;
                *highest = number;
                break;
        }
        for (uint64_t i = 0; i < WINDOW_BITS && i <= *highest && way->count; i++)
                if (way->taken[*highest - i]) *taken |= (uint64_t)1 << i;
}

static void end_check(const struct channel *channel, const struct passage_way *way, const char *who, struct world *world)
{
        uint64_t highest, taken, is_highest, is_taken;

        if (!channel || !channel_window(channel, &is_highest, &is_taken)) return;
        window_of(way, &highest, &taken);
        if (is_highest == highest && is_taken == taken) return;
        world_fail(world, "I8: %s has a window of %llu/%09llx where what has arrived makes it %llu/%09llx", who,
                   (unsigned long long)is_highest, (unsigned long long)is_taken, (unsigned long long)highest, (unsigned long long)taken);
}

void session_check(struct session *session, struct world *world)
{
        end_check(session->bob, &session->there, "bob", world);
        end_check(session->alice, &session->back, "alice", world);
}
