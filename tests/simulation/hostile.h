/* Clients that mean no good, beside the true ones: each reconnects again and again, each time as another kind of nuisance, until the
 * world heals. They know the names and the records of the true streams, and have no keys. */
#ifndef STROP_SIMULATION_HOSTILE_H
#define STROP_SIMULATION_HOSTILE_H

#include "tests/simulation/world.h"

#define HOSTILE_LIST(X)                                                                                                                    \
        X(HOSTILE_RANDOM, "random bytes")                                                                                                  \
        X(HOSTILE_WILD, "wild requests")                                                                                                   \
        X(HOSTILE_FLOOD, "floods")                                                                                                         \
        X(HOSTILE_READER, "pulls of true streams")                                                                                         \
        X(HOSTILE_JUNK, "junk pushes")                                                                                                     \
        X(HOSTILE_SAVER, "saves under true names")                                                                                         \
        X(HOSTILE_REPLAY, "replays")                                                                                                       \
        X(HOSTILE_HANDSHAKES, "handshake floods")                                                                                          \
        X(HOSTILE_DEAF, "never reads")
enum hostile_kind {
#define HOSTILE_ENUM(kind, name) kind,
        HOSTILE_LIST(HOSTILE_ENUM)
#undef HOSTILE_ENUM
                HOSTILE_COUNT
};

struct hostiles;

struct hostiles *hostiles_new(struct world *world, size_t count);
/* What each kind has sent, in requests. */
void hostiles_figures(const struct hostiles *hostiles, uint64_t out[static HOSTILE_COUNT]);
/* Closes what is open. */
void hostiles_free(struct hostiles *hostiles);

#endif
