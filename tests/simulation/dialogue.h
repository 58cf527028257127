/* Dialogues in a world: Alices open secure channels to Bob over one bi-directional stream and send numbered lines, Bob echoes. Each line
 * must reach Bob and each echo must come back, once on each channel, whatever the world does; and in order, on the first channel, where
 * nothing in the world's plan takes state away from an end. */
#ifndef STROP_SIMULATION_DIALOGUE_H
#define STROP_SIMULATION_DIALOGUE_H

#include "tests/simulation/hostile.h"

struct dialogue_figures {
        uint64_t messages; /* lines whose echo came back */
        uint64_t attempts; /* handshakes that Alices began */
        uint64_t channels; /* ... and that came up */
        uint64_t renewals; /* channels given up, since Bob was silent */
        uint64_t restarts; /* endpoints that died and came back */
        uint64_t hostile[HOSTILE_COUNT];
        uint64_t stats[STAT_COUNT];
};

struct dialogue_result {
        bool passed, strict;
        char failure[512];
        uint64_t digest;
        struct world_figures world;
        struct dialogue_figures dialogue;
};
/* Runs all from start to end, in a world of this seed. */
void dialogue_run(uint64_t seed, bool verbose, enum broken broken, struct dialogue_result *out);

#endif
