/* Choices of a run; see the header. */
#include "tests/simulation/plan.h"

#include <stdio.h>

#define ONE_OF(ctx, ...) one_of((ctx), (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))
static uint32_t one_of(struct context *ctx, const uint32_t *values, size_t count) { return values[context_random_below(ctx, count)]; }

static void net_make(struct context *ctx, struct sim_net_faults *net)
{
        net->delay_max_ms = ONE_OF(ctx, 0, 1, 20, 100, 400);
        net->piece_max = ONE_OF(ctx, 0, 0, 30, 500, 4000);
        net->stall_percent = ONE_OF(ctx, 0, 0, 2);
        net->stall_max_ms = ONE_OF(ctx, 500, 5000);
        net->reset_mean_ms = ONE_OF(ctx, 0, 300, 1500, 5000, 20000);
        net->late_percent = ONE_OF(ctx, 0, 50, 100);
        net->late_max_ms = ONE_OF(ctx, 100, 3000, 20000, 60000);
        net->refuse_percent = ONE_OF(ctx, 0, 0, 20, 60);
        net->buffer = ONE_OF(ctx, 0, 70000);
        net->slow_percent = ONE_OF(ctx, 0, 0, 30, 100);
        net->slow_bytes_per_s = ONE_OF(ctx, 8000, 64000);
        net->block_mean_ms = ONE_OF(ctx, 0, 0, 5000, 20000);
        net->block_max_ms = ONE_OF(ctx, 1000, 20000);
}

static void log_make(struct context *ctx, struct plan *plan)
{
        plan->log.delay_max_ms = ONE_OF(ctx, 0, 0, 5, 100, 1000);
        plan->log.reads_overtake = ONE_OF(ctx, 0, 1);
        plan->log.answer_max_ms = ONE_OF(ctx, 0, 0, 5, 500);
        plan->log.append_fail_percent = ONE_OF(ctx, 0, 0, 0, 3, 30);
        plan->log.create_fail_percent = ONE_OF(ctx, 0, 0, 30);
        plan->log.read_fail_percent = ONE_OF(ctx, 0, 0, 5);
        plan->log.index_fail_percent = ONE_OF(ctx, 0, 0, 30);
        plan->save_max_ms = ONE_OF(ctx, 0, 100, 1000);
        plan->calm_mean_ms = ONE_OF(ctx, 0, 0, 5000, 20000);
        plan->away_max_ms = ONE_OF(ctx, 500, 15000);
        plan->junk_mean_ms = ONE_OF(ctx, 0, 0, 500, 3000);
        plan->retention_mean_ms = ONE_OF(ctx, 0, 0, 3000);
        plan->remake_mean_ms = ONE_OF(ctx, 0, 0, 0, 0, 0, 0, 20000);
}

/* Otherwise so many can take state away that few runs would be without all of them. */
static void make_strict(struct plan *plan)
{
        plan->log.append_fail_percent = 0;
        plan->remake_mean_ms = plan->alice_life_mean_ms = plan->bob_life_mean_ms = 0;
        plan->handshake_floods = false;
}

void plan_make(struct context *ctx, struct plan *plan)
{
        net_make(ctx, &plan->net);
        log_make(ctx, plan);
        plan->nodes = ONE_OF(ctx, 1, 2, 3);
        plan->life_mean_ms = ONE_OF(ctx, 0, 0, 1000, 5000, 20000);
        plan->down_max_ms = ONE_OF(ctx, 0, 500, 10000);
        plan->heals_at_ms = context_now_ms(ctx) + 20000 + context_random_below(ctx, 40000);
        plan->hostiles = ONE_OF(ctx, 0, 0, 1, 3);
        plan->alice_life_mean_ms = ONE_OF(ctx, 0, 0, 10000);
        plan->bob_life_mean_ms = ONE_OF(ctx, 0, 0, 0, 20000);
        plan->alices = ONE_OF(ctx, 1, 1, 2, 3);
        plan->channels = ONE_OF(ctx, 1, 1, 2);
        plan->handshake_floods = plan->hostiles;
        if (context_random_below(ctx, 3) == 0) make_strict(plan);
}

bool plan_is_strict(const struct plan *plan)
{
        return plan_keeps_order(plan) && !plan->handshake_floods && !plan->bob_life_mean_ms && !plan->alice_life_mean_ms;
}

bool plan_keeps_order(const struct plan *plan) { return !plan->log.append_fail_percent && !plan->remake_mean_ms; }

#define U(x) (unsigned long long)(x)
void plan_print(const struct plan *plan)
{
        const struct sim_net_faults *net = &plan->net;
        const struct log_memory_faults *log = &plan->log;

        printf("  %zu nodes, life %llu, down %llu; %zu Alices with %zu channels, life %llu, Bob's %llu; heals at %llu\n"
               "  net: delay %u, piece %u, stall %u%% %u, reset %u, late %u%% %u, refuse %u%%, buffer %zu, slow %u%% %u, block %u %u\n"
               "  log: delay %u%s, answer %u, append fails %u%%, create %u%%, read %u%%, index %u%%, saves held %u, calm %llu, away %llu\n"
               "  hostile clients %zu, junk %llu, retention %llu, made anew %llu\n",
               plan->nodes, U(plan->life_mean_ms), U(plan->down_max_ms), plan->alices, plan->channels, U(plan->alice_life_mean_ms),
               U(plan->bob_life_mean_ms), U(plan->heals_at_ms), net->delay_max_ms, net->piece_max, net->stall_percent, net->stall_max_ms,
               net->reset_mean_ms, net->late_percent, net->late_max_ms, net->refuse_percent, net->buffer, net->slow_percent,
               net->slow_bytes_per_s, net->block_mean_ms, net->block_max_ms, log->delay_max_ms,
               log->reads_overtake ? " (reads overtake)" : "", log->answer_max_ms, log->append_fail_percent, log->create_fail_percent,
               log->read_fail_percent, log->index_fail_percent, plan->save_max_ms, U(plan->calm_mean_ms), U(plan->away_max_ms),
               plan->hostiles, U(plan->junk_mean_ms), U(plan->retention_mean_ms), U(plan->remake_mean_ms));
}
