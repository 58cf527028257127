/* The true endpoints of a run, Alices and Bob: each a process that starts, is killed or ends, and starts again under the same name and
 * identity; what it is used for is the dialogue's matter. */
#ifndef STROP_SIMULATION_ENDS_H
#define STROP_SIMULATION_ENDS_H

#include "client/endpoint.h"
#include "tests/simulation/world.h"

enum { ALICES_MAX = 3 };

struct end {
        struct world *world;
        char name[16];
        bool is_bob, verbose;
        struct identity *identity;
        struct identifier trusted[ALICES_MAX];
        struct trust trust;
        struct stream_client_limits limits;
        struct channel_limits channel;
        struct endpoint *endpoint; /* NULL: dead for now */
        uint64_t who, restarts;
        struct timer life;
        const struct endpoint_events *events;
        void (*died)(void *user); /* the endpoint is gone: so are its channels */
        void *user;               /* of events and died */
};

/* A name, an identity, limits of the seed's choice; trust is to be set before it starts. */
void end_init(struct end *end, struct world *world, const char *name, bool is_bob);
void end_start(struct end *end);
/* For good; the endpoint first, what belongs to it when its turn is over. */
void end_stop(struct end *end);
void end_clear(struct end *end);
const struct identifier *end_identifier(const struct end *end);

#endif
