/* Choices of a run; see the header. */
#include "tests/simulation/plan.h"

#include <stdio.h>

/* Bytes waiting to be stored at which the nodes stop to read: with what comes then of each connection it is less than twice as much, where
 * pushes are refused. */
enum { APPENDS_HELD = 400 << 10 };

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
        plan->retention_deep = ONE_OF(ctx, 0, 0, 1);
        plan->remake_mean_ms = ONE_OF(ctx, 0, 0, 0, 0, 0, 0, 20000);
}

/* Otherwise so many can take state away that few runs would be without all of them. */
static void make_strict(struct plan *plan)
{
        plan->log.append_fail_percent = 0;
        plan->remake_mean_ms = plan->alice_life_mean_ms = plan->bob_life_mean_ms = 0;
        plan->handshake_floods = plan->retention_deep = false;
        if (plan->log_limits.append_bytes_high < APPENDS_HELD) plan->log_limits.append_bytes_high = APPENDS_HELD;
}

static void limits_make(struct context *ctx, struct plan *plan)
{
        struct transport_limits *transport = &plan->node.transport;
        struct service_limits *service = &plan->node.service;

        *transport = TRANSPORT_LIMITS_DEFAULT;
        transport->connections = ONE_OF(ctx, 10000, 10000, 8);
        transport->frames_per_turn = ONE_OF(ctx, 256, 1);
        transport->frames_per_s = ONE_OF(ctx, 0, 0, 0, 20);
        transport->bytes_per_s = ONE_OF(ctx, 0, 0, 0, 10000);
        transport->output_high = ONE_OF(ctx, 256 << 10, 256 << 10, 20 << 10);
        transport->output_low = transport->output_high / 4;
        transport->output_all = ONE_OF(ctx, 32 << 20, 32 << 20, 100 << 10);
        *service = SERVICE_LIMITS_DEFAULT;
        service->streams = ONE_OF(ctx, 100000, 1024);
        service->streams_per_conn = ONE_OF(ctx, 10000, 64);
        service->creates_per_s = ONE_OF(ctx, 0, 0, 0, 5);
        service->pulls_per_conn = ONE_OF(ctx, 64, 64, 4);
        service->requests_per_conn = ONE_OF(ctx, 1024, 64, 4);
        service->request_bytes_per_conn = ONE_OF(ctx, 4 << 20, 128 << 10, 4 << 10);
        service->request_bytes = ONE_OF(ctx, 48 << 20, 48 << 20, 64 << 10);
        service->hold_ms = ONE_OF(ctx, 5000, 5000, 500);
        service->create_ms = ONE_OF(ctx, 60000, 5000);
        service->forget_ms = ONE_OF(ctx, 600000, 2000);
        plan->log_limits = LOG_LIMITS_DEFAULT;
        plan->log_limits.append_bytes_high = ONE_OF(ctx, 64 << 20, APPENDS_HELD, 32 << 10, 8 << 10);
        plan->log_limits.append_bytes_low = plan->log_limits.append_bytes_high / 2;
}

void plan_make(struct context *ctx, struct plan *plan)
{
        net_make(ctx, &plan->net);
        log_make(ctx, plan);
        limits_make(ctx, plan);
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
        if (!plan->retention_mean_ms) plan->retention_deep = false;
        if (context_random_below(ctx, 3) == 0) make_strict(plan);
}

bool plan_is_strict(const struct plan *plan)
{
        return plan_keeps_order(plan) && !plan->handshake_floods && !plan->bob_life_mean_ms && !plan->alice_life_mean_ms;
}

bool plan_keeps_order(const struct plan *plan)
{
        return !plan->log.append_fail_percent && !plan->remake_mean_ms && !plan->retention_deep &&
               plan->log_limits.append_bytes_high >= APPENDS_HELD;
}

#define U(x) (unsigned long long)(x)
void plan_print(const struct plan *plan)
{
        const struct sim_net_faults *net = &plan->net;
        const struct log_memory_faults *log = &plan->log;
        const struct transport_limits *transport = &plan->node.transport;
        const struct service_limits *service = &plan->node.service;

        printf("  %zu nodes, life %llu, down %llu; %zu Alices with %zu channels, life %llu, Bob's %llu; heals at %llu\n"
               "  net: delay %u, piece %u, stall %u%% %u, reset %u, late %u%% %u, refuse %u%%, buffer %zu, slow %u%% %u, block %u %u\n"
               "  log: delay %u%s, answer %u, append fails %u%%, create %u%%, read %u%%, index %u%%, saves held %u, calm %llu, away %llu\n"
               "  limits: connections %zu, frames a turn %zu, a second %u, bytes a second %u, output %zu, all %zu; streams %zu, of one "
               "%zu, creates %u, "
               "pulls %zu,\n  requests %zu, bytes %zu, all %zu, hold %u, create %u, forget %u; appends %zu\n"
               "  hostile clients %zu, junk %llu, retention %llu%s, made anew %llu\n",
               plan->nodes, U(plan->life_mean_ms), U(plan->down_max_ms), plan->alices, plan->channels, U(plan->alice_life_mean_ms),
               U(plan->bob_life_mean_ms), U(plan->heals_at_ms), net->delay_max_ms, net->piece_max, net->stall_percent, net->stall_max_ms,
               net->reset_mean_ms, net->late_percent, net->late_max_ms, net->refuse_percent, net->buffer, net->slow_percent,
               net->slow_bytes_per_s, net->block_mean_ms, net->block_max_ms, log->delay_max_ms,
               log->reads_overtake ? " (reads overtake)" : "", log->answer_max_ms, log->append_fail_percent, log->create_fail_percent,
               log->read_fail_percent, log->index_fail_percent, plan->save_max_ms, U(plan->calm_mean_ms), U(plan->away_max_ms),
               transport->connections, transport->frames_per_turn, transport->frames_per_s, transport->bytes_per_s, transport->output_high,
               transport->output_all, service->streams, service->streams_per_conn, service->creates_per_s, service->pulls_per_conn,
               service->requests_per_conn, service->request_bytes_per_conn, service->request_bytes, service->hold_ms, service->create_ms,
               service->forget_ms, plan->log_limits.append_bytes_high, plan->hostiles, U(plan->junk_mean_ms), U(plan->retention_mean_ms),
               plan->retention_deep ? " (deep)" : "", U(plan->remake_mean_ms));
}
