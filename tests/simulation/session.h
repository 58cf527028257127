/* One secure channel of a run, as both its ends and the truth see it: which line went under which number, each way, and what each end's
 * replay window must therefore be after every turn. So junk that moved a window, or a message taken twice, shows at once (I8). */
#ifndef STROP_SIMULATION_SESSION_H
#define STROP_SIMULATION_SESSION_H

#include "transport/secure_channel/channel.h"

#include <sys/queue.h>

struct world;

/* Lines that went one way. */
struct passage_way {
        uint32_t *lines; /* by number */
        bool *taken;     /* by number: it has arrived */
        uint64_t count, cap;
};

struct session {
        SLIST_ENTRY(session) link;
        uint8_t hash[HASH_SIZE];
        void *conversation;
        struct channel *alice, *bob; /* NULL: not up yet, or gone */
        struct passage_way there, back;
};
SLIST_HEAD(session_list, session);

struct session *session_new(struct session_list *list, struct channel *alice, void *conversation);
void sessions_free(struct session_list *list);
/* By handshake hash, which is the same at both ends; by the channel at either end. NULL: none. */
struct session *session_of_hash(struct session_list *list, const uint8_t hash[static HASH_SIZE]);
struct session *session_at_alice(struct session_list *list, const struct channel *channel);
struct session *session_at_bob(struct session_list *list, const struct channel *channel);

/* The line goes; it arrives. False: it never went this way, or has arrived already; `latest`: no later one has arrived. */
void way_goes(struct passage_way *way, uint32_t line);
bool way_arrives(struct passage_way *way, uint32_t line, bool *latest);

/* Compares the windows of both ends with what has arrived; a failure of the world where one differs. */
void session_check(struct session *session, struct world *world);

#endif
