/* A dialogue in a world: Alice opens a secure channel to Bob over a bi-directional stream and sends numbered messages, Bob echoes.
 * Each message must reach Bob once and in order, and each echo must come back once and in order, whatever the world does. */
#ifndef STROP_SIMULATION_DIALOGUE_H
#define STROP_SIMULATION_DIALOGUE_H

#include "tests/simulation/world.h"

struct dialogue_figures {
        uint64_t messages; /* echoes that came back */
        uint64_t attempts; /* handshakes that Alice began */
        uint64_t stats[STAT_COUNT];
};

/* Runs it from start to end, in a world of this seed; false: it failed. */
struct dialogue_result {
        bool passed;
        char failure[512];
        uint64_t digest;
        struct world_figures world;
        struct dialogue_figures dialogue;
};
void dialogue_run(uint64_t seed, bool verbose, struct dialogue_result *out);

#endif
