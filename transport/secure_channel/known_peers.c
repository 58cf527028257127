/* A hash table by identifier and a list by when a peer was last seen. The bound makes the search for whom to forget short. */
#include "transport/secure_channel/known_peers.h"

#include <stdlib.h>
#include <sys/queue.h>

/* Out of memory in the table is an error of the caller's, not the end of the process. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct known {
        UT_hash_handle hh;
        TAILQ_ENTRY(known) link;
        struct identifier peer;
        uint8_t *history;
        size_t history_n;
        bool named;
};

struct known_peers {
        struct known *table;
        TAILQ_HEAD(seen_list, known) seen; /* most recently seen first */
        size_t limit;
};

struct known_peers *known_peers_new(size_t limit)
{
        struct known_peers *known = calloc(1, sizeof *known);

        if (!known) return NULL;
        TAILQ_INIT(&known->seen);
        known->limit = limit;
        return known;
}

static void forget(struct known_peers *known, struct known *entry)
{
        HASH_DEL(known->table, entry);
        TAILQ_REMOVE(&known->seen, entry, link);
        free(entry->history);
        free(entry);
}

void known_peers_free(struct known_peers *known)
{
        struct known *entry;

        if (!known) return;
        while ((entry = TAILQ_FIRST(&known->seen))) forget(known, entry);
        free(known);
}

static struct known *find(const struct known_peers *known, const struct identifier *peer)
{
        struct known *entry;

        HASH_FIND(hh, known->table, peer->hash, sizeof peer->hash, entry);
        return entry;
}

static struct bytes history_of(const struct known *entry)
{
        return bytes_make(entry->history, entry->history_n);
}

enum err known_peers_check(const struct known_peers *known, const struct identifier *peer, struct bytes history)
{
        const struct known *entry = find(known, peer);

        if (!entry) return OK;
        switch (identity_compare(history_of(entry), history)) {
        case HISTORY_SAME:
        case HISTORY_NEWER: return OK;
        case HISTORY_OLDER:
        case HISTORY_CONFLICT: break;
        }
        return ERR_IDENTITY;
}

bool known_peers_has(const struct known_peers *known, const struct identifier *peer, struct bytes history)
{
        const struct known *entry = find(known, peer);

        return entry && bytes_equal(history_of(entry), history);
}

/* The least recently seen, one that nobody vouches for if there is any: strangers who are let in must not push out those
 * whose rotation we have to remember. */
static struct known *least(const struct known_peers *known)
{
        struct known *entry;

        TAILQ_FOREACH_REVERSE(entry, &known->seen, seen_list, link) {
                /* cppcheck-suppress uninitvar; it does not see through the list's macro */
                if (!entry->named) return entry;
        }
        return TAILQ_LAST(&known->seen, seen_list);
}

static struct known *entry_new(struct known_peers *known, const struct identifier *peer)
{
        struct known *entry = calloc(1, sizeof *entry);

        if (!entry) return NULL;
        entry->peer = *peer;
        HASH_ADD(hh, known->table, peer.hash, sizeof entry->peer.hash, entry);
        if (!entry->hh.tbl) {
                free(entry);
                return NULL;
        }
        TAILQ_INSERT_HEAD(&known->seen, entry, link);
        return entry;
}

enum err known_peers_remember(struct known_peers *known, const struct identifier *peer, struct bytes history, bool named)
{
        struct known *entry = find(known, peer);
        uint8_t *copy;

        if (known->limit == 0) return OK;
        if (!(copy = malloc(history.n ? history.n : 1))) return ERR_NO_MEMORY;
        if (history.n) memcpy(copy, history.p, history.n);
        if (!entry) {
                while (HASH_COUNT(known->table) >= known->limit) forget(known, least(known));
                entry = entry_new(known, peer);
        }
        if (!entry) {
                free(copy);
                return ERR_NO_MEMORY;
        }
        free(entry->history);
        entry->history = copy;
        entry->history_n = history.n;
        entry->named = entry->named || named;
        TAILQ_REMOVE(&known->seen, entry, link);
        TAILQ_INSERT_HEAD(&known->seen, entry, link);
        return OK;
}
