/* Network, log, nodes and their faults; see the header. */
#include "tests/simulation/world.h"

#include "node/node.h"
#include "stream/log_memory.h"
#include "tests/simulation/shared_log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { STOP_WAIT_MS = 2000 };

/* How bad it is, chosen at the start: most runs have some faults and not others, so that each meets each alone and together. */
struct plan {
        struct sim_net_faults net;
        struct log_memory_faults log;
        size_t nodes;
        uint64_t life_mean_ms, down_max_ms; /* of a node; life 0: they live for ever */
        uint64_t calm_mean_ms, away_max_ms; /* of the log; calm 0: it is never away */
        uint64_t heals_at_ms;
};

enum node_life { NODE_DOWN, NODE_UP, NODE_STOPS, NODE_HAS_STOPPED };

struct world_node {
        struct world *world;
        const char *address;
        struct node *node;
        struct sim_host *host;
        enum node_life life;
        struct timer timer;
};

struct world {
        struct test_context tc;
        struct plan plan;
        struct sim_net *net;
        struct shared_log *shared;
        struct log *memory; /* the shared log's, for what only the twin in memory can */
        struct stream_checker *checker;
        struct world_node nodes[WORLD_NODES_MAX];
        struct timer heal, away;
        bool healed, is_away;
        struct world_figures figures;
        char failure[512];
};

static const char *const addresses[WORLD_NODES_MAX] = {"node-a:4000", "node-b:4000"};

struct context *world_context(struct world *world)
{
        return &world->tc.ctx;
}

uint64_t world_choose(struct world *world, uint64_t below)
{
        return context_random_below(&world->tc.ctx, below);
}

struct net *world_net(struct world *world)
{
        return sim_net_dialler(world->net);
}

size_t world_nodes(const struct world *world, const char *const **out)
{
        *out = addresses;
        return world->plan.nodes;
}

uint64_t world_now_ms(const struct world *world)
{
        return world->tc.now_ms;
}

uint64_t world_heals_at_ms(const struct world *world)
{
        return world->plan.heals_at_ms;
}

void world_fail(struct world *world, const char *fmt, ...)
{
        va_list args;

        if (world->failure[0]) return;
        va_start(args, fmt);
        vsnprintf(world->failure, sizeof world->failure, fmt, args);
        va_end(args);
}

const char *world_failure(const struct world *world)
{
        return world->failure[0] ? world->failure : stream_checker_violation(world->checker);
}

/* --- what will go wrong --- */

#define ONE_OF(world, ...) one_of((world), (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))
static uint32_t one_of(struct world *world, const uint32_t *values, size_t count)
{
        return values[world_choose(world, count)];
}

static void plan_make(struct world *world)
{
        struct plan *plan = &world->plan;

        plan->net.delay_max_ms = ONE_OF(world, 0, 1, 20, 100, 400);
        plan->net.piece_max = ONE_OF(world, 0, 0, 30, 500, 4000);
        plan->net.stall_percent = ONE_OF(world, 0, 0, 2);
        plan->net.stall_max_ms = ONE_OF(world, 500, 5000);
        plan->net.reset_mean_ms = ONE_OF(world, 0, 300, 1500, 5000, 20000);
        plan->net.late_percent = ONE_OF(world, 0, 50, 100);
        plan->net.late_max_ms = ONE_OF(world, 100, 3000, 20000);
        plan->net.refuse_percent = ONE_OF(world, 0, 0, 20, 60);
        plan->net.buffer = ONE_OF(world, 0, 70000);
        plan->log.delay_max_ms = ONE_OF(world, 0, 0, 5, 100, 1000);
        plan->nodes = ONE_OF(world, 1, 2);
        plan->life_mean_ms = ONE_OF(world, 0, 0, 1000, 5000, 20000);
        plan->down_max_ms = ONE_OF(world, 0, 500, 10000);
        plan->calm_mean_ms = ONE_OF(world, 0, 0, 5000, 20000);
        plan->away_max_ms = ONE_OF(world, 500, 15000);
        plan->heals_at_ms = world->tc.now_ms + 30000 + world_choose(world, 60000);
}

void world_print_plan(const struct world *world)
{
        const struct plan *plan = &world->plan;

        printf("  %zu nodes, life %llu, down %llu; net: delay %u, piece %u, stall %u%% %u, reset %u, late %u%% %u, refuse %u%%, buffer %zu; "
               "log: delay %u, calm %llu, away %llu; heals at %llu\n",
               plan->nodes, (unsigned long long)plan->life_mean_ms, (unsigned long long)plan->down_max_ms, plan->net.delay_max_ms,
               plan->net.piece_max, plan->net.stall_percent, plan->net.stall_max_ms, plan->net.reset_mean_ms, plan->net.late_percent,
               plan->net.late_max_ms, plan->net.refuse_percent, plan->net.buffer, plan->log.delay_max_ms,
               (unsigned long long)plan->calm_mean_ms, (unsigned long long)plan->away_max_ms, (unsigned long long)plan->heals_at_ms);
}

static void set(struct world *world, struct timer *timer, uint64_t in_ms)
{
        if (context_timer_set(&world->tc.ctx, timer, in_ms)) abort();
}

/* A time of `mean` on average; not set when there is no such thing, or no more. */
static void set_fault(struct world *world, struct timer *timer, uint64_t mean_ms)
{
        if (mean_ms && !world->healed) set(world, timer, world_choose(world, 2 * mean_ms));
}

/* --- nodes --- */

static void node_accepts(void *user, struct link *take_link)
{
        struct world_node *wn = user;

        node_accept(wn->node, take_link);
}

static void node_start(struct world_node *wn)
{
        struct world *world = wn->world;
        struct node_config config = {TRANSPORT_LIMITS_DEFAULT, SERVICE_LIMITS_DEFAULT};

        wn->node = node_new(&world->tc.ctx, &config);
        if (!wn->node || node_set_log(wn->node, shared_log_share(world->shared, &node_log_events, wn->node))) abort();
        wn->host = sim_net_listen(world->net, wn->address, node_accepts, wn);
        wn->life = NODE_UP;
        set_fault(world, &wn->timer, world->plan.life_mean_ms);
}

static void node_goes_down(struct world_node *wn)
{
        struct world *world = wn->world;

        node_free(wn->node);
        wn->node = NULL;
        wn->life = NODE_DOWN;
        set(world, &wn->timer, world->healed ? 0 : world_choose(world, world->plan.down_max_ms + 1));
}

static void node_stopped(void *user)
{
        struct world_node *wn = user;

        wn->life = NODE_HAS_STOPPED; /* it is on the stack, and is freed by the timer */
        set(wn->world, &wn->timer, 0);
}

static void node_ends(struct world_node *wn)
{
        struct world *world = wn->world;

        if (world_choose(world, 3)) {
                world->figures.crashes++;
                sim_host_crash(wn->host);
                node_goes_down(wn);
        } else {
                world->figures.stops++;
                sim_host_close(wn->host);
                wn->life = NODE_STOPS;
                node_stop(wn->node, STOP_WAIT_MS, node_stopped, wn);
        }
}

static void node_fire(void *arg)
{
        struct world_node *wn = arg;

        switch (wn->life) {
        case NODE_DOWN: node_start(wn); break;
        case NODE_UP: node_ends(wn); break;
        case NODE_STOPS: break;
        case NODE_HAS_STOPPED: node_goes_down(wn); break;
        }
}

/* --- the log, and the end of all faults --- */

static void log_faults(struct world *world)
{
        struct log_memory_faults faults = world->healed ? (struct log_memory_faults){0} : world->plan.log;

        faults.away = world->is_away;
        log_memory_set_faults(world->memory, &faults);
}

static void away_fire(void *arg)
{
        struct world *world = arg;

        world->is_away = !world->is_away;
        log_faults(world);
        if (world->is_away) {
                world->figures.outages++;
                set(world, &world->away, world_choose(world, world->plan.away_max_ms));
        } else {
                set_fault(world, &world->away, world->plan.calm_mean_ms);
        }
}

static void heal_fire(void *arg)
{
        struct world *world = arg;

        world->healed = true;
        world->is_away = false;
        context_timer_stop(&world->tc.ctx, &world->away);
        log_faults(world);
        sim_net_set_faults(world->net, &(struct sim_net_faults){.delay_max_ms = 5});
        sim_net_reset_all(world->net); /* so that no connection made before is reset later, or found dead too late */
        for (size_t i = 0; i < world->plan.nodes; i++) {
                struct world_node *wn = &world->nodes[i];
                if (wn->life == NODE_DOWN) set(world, &wn->timer, 0);
                if (wn->life == NODE_UP) context_timer_stop(&world->tc.ctx, &wn->timer);
        }
}

/* --- the whole --- */

static enum err dump(void *user, const char *name, uint32_t partition, const struct log_record **records, size_t *count)
{
        return log_memory_dump(((struct world *)user)->memory, name, partition, records, count);
}

static void tap_opened(void *user, uint64_t conn)
{
        stream_checker_opened(user, conn);
}

static void tap_written(void *user, uint64_t conn, bool by_dialler, struct bytes bytes)
{
        stream_checker_written(user, conn, by_dialler, bytes);
}

static void tap_closed(void *user, uint64_t conn)
{
        stream_checker_closed(user, conn);
}

static const struct sim_net_tap tap = {tap_opened, tap_written, tap_closed};

struct world *world_new(uint64_t seed)
{
        struct log_limits limits = LOG_LIMITS_DEFAULT;
        struct world *world = calloc(1, sizeof *world);

        if (!world) abort();
        test_context_init(&world->tc, seed);
        plan_make(world);
        world->net = sim_net_new(&world->tc.ctx);
        world->checker = stream_checker_new(dump, world);
        world->shared = shared_log_new(&world->tc.ctx);
        world->memory = log_memory_new(&world->tc.ctx, &limits, &shared_log_events, world->shared);
        shared_log_set(world->shared, world->memory);
        sim_net_set_faults(world->net, &world->plan.net);
        sim_net_set_tap(world->net, &tap, world->checker);
        timer_init(&world->heal, heal_fire, world);
        timer_init(&world->away, away_fire, world);
        set(world, &world->heal, world->plan.heals_at_ms - world->tc.now_ms);
        set_fault(world, &world->away, world->plan.calm_mean_ms);
        log_faults(world);
        for (size_t i = 0; i < world->plan.nodes; i++) {
                world->nodes[i] = (struct world_node){.world = world, .address = addresses[i]};
                timer_init(&world->nodes[i].timer, node_fire, &world->nodes[i]);
                node_start(&world->nodes[i]);
        }
        return world;
}

bool world_step(struct world *world)
{
        world->figures.steps++;
        return test_context_step(&world->tc);
}

void world_end(struct world *world)
{
        struct context *ctx = &world->tc.ctx;

        stream_checker_finish(world->checker);
        for (size_t i = 0; i < world->plan.nodes; i++) {
                if (world->nodes[i].life == NODE_UP) sim_host_crash(world->nodes[i].host);
                node_free(world->nodes[i].node);
                world->nodes[i].node = NULL;
                context_timer_stop(ctx, &world->nodes[i].timer);
        }
        context_timer_stop(ctx, &world->heal);
        context_timer_stop(ctx, &world->away);
        shared_log_free(world->shared);
        world->shared = NULL;
        test_context_advance(&world->tc, 2 * SIM_NET_LINGER_MS);
        if (ctx->timers.count) world_fail(world, "%zu timers are left when all is gone", ctx->timers.count);
        if (sim_net_connections(world->net)) world_fail(world, "%zu connections are left", sim_net_connections(world->net));
        world->figures.resets = sim_net_resets(world->net);
        world->figures.simulated_ms = world->tc.now_ms;
        world->figures.checker = stream_checker_figures(world->checker);
}

void world_free(struct world *world)
{
        if (!world) return;
        stream_checker_free(world->checker);
        sim_net_free(world->net);
        test_context_clear(&world->tc);
        free(world);
}

struct world_figures world_figures(const struct world *world)
{
        return world->figures;
}

uint64_t world_digest(struct world *world)
{
        return world->figures.steps ^ world->tc.now_ms << 32 ^ test_context_next(&world->tc);
}
