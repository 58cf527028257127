/* Records that no true endpoint wrote into the true streams, or not there: undecodable, empty, oversized, plaintext for the application,
 * handshakes of nobody, true records once more, in the other stream, cut, or with bits and numbers changed. */
#ifndef STROP_SIMULATION_JUNK_H
#define STROP_SIMULATION_JUNK_H

#include "tests/simulation/world.h"

enum { JUNK_MAX = 100000, JUNK_PUSH_MAX = 65000 };

/* One of them, of the seed's choice, in `memory`; `any_size`: also larger than a push may be. */
struct bytes junk_make(struct world *world, const char *name, bool any_size, uint8_t memory[static JUNK_MAX]);
/* The kinds alone that are a handshake's first message, or a true record of either stream, as it is or changed. */
struct bytes junk_handshake(struct world *world, uint8_t memory[static JUNK_MAX]);
struct bytes junk_replay(struct world *world, uint8_t memory[static JUNK_MAX]);

#endif
