/* The world of one run: a network, a log, one or two nodes on it that crash and come back, and a checker that watches. All of it,
 * the faults too, comes out of the seed. After a while the world heals, so that what has not come to an end by itself must. */
#ifndef STROP_SIMULATION_WORLD_H
#define STROP_SIMULATION_WORLD_H

#include "tests/simulation/plan.h"
#include "tests/simulation/shared_log.h"
#include "tests/support/sim_net.h"
#include "tests/support/stream_checker.h"
#include "tests/support/test_context.h"

#include <stdbool.h>

struct world;

enum { WORLD_NODES_MAX = 3 };

/* The streams that the true endpoints use. */
#define WORLD_ALICE_TO_BOB "alice_to_bob"
#define WORLD_BOB_TO_ALICE "bob_to_alice"

/* What happened, to be summed up over all runs. */
struct world_figures {
        uint64_t steps, simulated_ms;
        uint64_t crashes, stops, outages, junk, truncations, deletions;
        uint64_t kills[KILL_COUNT];
        struct sim_net_figures net;
        struct shared_log_figures log;
        struct stream_checker_figures checker;
};

struct world *world_new(uint64_t seed, enum broken broken);
/* All endpoints must be gone. Takes the nodes and the log down; what the checker finds in the end, or what is left over, is a failure. */
void world_end(struct world *world);
void world_free(struct world *world);

struct context *world_context(struct world *world);
enum broken world_broken(const struct world *world);
const struct plan *world_plan(const struct world *world);
/* A choice of the run's: 0 to below - 1. */
uint64_t world_choose(struct world *world, uint64_t below);
/* A number for the life of a true endpoint; what it dials with (0: anybody); its end without a word to it or from it. */
uint64_t world_party(struct world *world);
struct net *world_net(struct world *world, uint64_t who);
void world_party_crashes(struct world *world, uint64_t who);
/* Where the nodes listen. */
size_t world_nodes(const struct world *world, const char *const **addresses);
uint64_t world_now_ms(const struct world *world);
/* When it heals; whether it has. */
uint64_t world_heals_at_ms(const struct world *world);
bool world_has_healed(const struct world *world);
/* `who` reads stream 0, Alice's to Bob, or 1, Bob's; or does no more. Retention removes only what all have read. */
void world_reads(struct world *world, uint64_t who, size_t stream, bool reads);
/* What a stream holds, for those who look into the log. */
MUST_USE enum err world_records(struct world *world, const char *name, const struct log_record **records, size_t *count);

/* Goes on to the next thing that happens. False: nothing will ever happen again. */
bool world_step(struct world *world);

/* The first failure is kept. NULL: none, and the checker found none. */
void world_fail(struct world *world, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *world_failure(const struct world *world);

struct world_figures world_figures(const struct world *world);
/* The same for two runs of one seed, if they went alike. */
uint64_t world_digest(struct world *world);
#endif
