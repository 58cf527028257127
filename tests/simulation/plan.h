/* How bad a run is, chosen at its start: most runs have some faults and not others, so that each meets each alone and together. */
#ifndef STROP_SIMULATION_PLAN_H
#define STROP_SIMULATION_PLAN_H

#include "node/node.h"
#include "stream/log_memory.h"
#include "tests/support/sim_net.h"

#include <stdbool.h>

struct plan {
        struct sim_net_faults net;
        struct log_memory_faults log;
        uint32_t save_max_ms; /* a node holds saves of an index so long */
        size_t nodes;
        struct node_config node; /* its limits: each as it is by default, or within the reach of a few clients */
        struct log_limits log_limits;
        uint64_t life_mean_ms, down_max_ms; /* of a node; life 0: they live for ever */
        uint64_t calm_mean_ms, away_max_ms; /* of the log; calm 0: it is never away */
        uint64_t heals_at_ms;
        /* What is worse than the network and the log: one that reads and writes as it likes, and records that nobody's client wrote. */
        size_t hostiles;
        bool handshake_floods;                         /* ... also by first messages, which push out the handshakes of others */
        uint64_t junk_mean_ms;                         /* between records that some other producer writes; 0: none */
        uint64_t retention_mean_ms;                    /* between removals of what all have read; 0: none */
        bool retention_deep;                           /* ... retention also removes what has not been read */
        uint64_t remake_mean_ms;                       /* between deletions of a topic, which is made anew; 0: none */
        uint64_t alice_life_mean_ms, bob_life_mean_ms; /* of an endpoint's process; 0: it lives for ever */
        size_t alices, channels;                       /* channels: of each Alice */
};

struct context;

void plan_make(struct context *ctx, struct plan *plan);
/* Nothing in it makes an endpoint or its channel lose its state, or a message of one channel arrive behind a later one. */
bool plan_is_strict(const struct plan *plan);
/* Nothing in it does the latter. */
bool plan_keeps_order(const struct plan *plan);
/* In a few lines. */
void plan_print(const struct plan *plan);

#endif
