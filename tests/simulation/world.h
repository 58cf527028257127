/* The world of one run: a network, a log, one or two nodes on it that crash and come back, and a checker that watches. All of it,
 * the faults too, comes out of the seed. After a while the world heals, so that what has not come to an end by itself must. */
#ifndef STROP_SIMULATION_WORLD_H
#define STROP_SIMULATION_WORLD_H

#include "tests/support/sim_net.h"
#include "tests/support/stream_checker.h"
#include "tests/support/test_context.h"

#include <stdbool.h>

struct world;

enum { WORLD_NODES_MAX = 2 };

/* What happened, to be summed up over all runs. */
struct world_figures {
        uint64_t steps, simulated_ms;
        uint64_t crashes, stops, outages, resets;
        struct stream_checker_figures checker;
};

struct world *world_new(uint64_t seed);
/* All endpoints must be gone. Takes the nodes and the log down; what the checker finds in the end, or what is left over, is a failure. */
void world_end(struct world *world);
void world_free(struct world *world);

struct context *world_context(struct world *world);
/* A choice of the run's: 0 to below - 1. */
uint64_t world_choose(struct world *world, uint64_t below);
struct net *world_net(struct world *world);
/* Where the nodes listen. */
size_t world_nodes(const struct world *world, const char *const **addresses);
uint64_t world_now_ms(const struct world *world);
/* When it heals, or has healed. */
uint64_t world_heals_at_ms(const struct world *world);

/* Goes on to the next thing that happens. False: nothing will ever happen again. */
bool world_step(struct world *world);

/* The first failure is kept. NULL: none, and the checker found none. */
void world_fail(struct world *world, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *world_failure(const struct world *world);

struct world_figures world_figures(const struct world *world);
/* The same for two runs of one seed, if they went alike. */
uint64_t world_digest(struct world *world);
/* What the run is like, in a line. */
void world_print_plan(const struct world *world);

#endif
