/* Network, log, nodes and their faults; see the header. */
#include "tests/simulation/world.h"

#include "node/node.h"
#include "stream/log_memory.h"
#include "tests/simulation/junk.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { STOP_WAIT_MS = 2000, READERS_MAX = 8 };

enum node_life { NODE_DOWN, NODE_UP, NODE_STOPS, NODE_HAS_STOPPED };

struct world_node {
        struct world *world;
        const char *address;
        struct node *node;
        struct sim_host *host;
        enum node_life life;
        struct timer timer;
        struct log *share;
        int armed;   /* the moment at which it dies; KILL_COUNT: none */
        bool doomed; /* that has come, and it was on the stack */
};

struct world {
        struct test_context tc;
        struct plan plan;
        struct sim_net *net;
        struct shared_log *shared;
        struct log *memory; /* the shared log's, for what only the twin in memory can */
        struct stream_checker *checker;
        struct world_node nodes[WORLD_NODES_MAX];
        struct timer heal, away, junk, retention, remake;
        uint64_t parties, digest;
        enum broken broken;
        bool healed, is_away;
        struct reader {
                uint64_t who;
                size_t stream;
        } readers[READERS_MAX];
        struct world_figures figures;
        char failure[512];
};

static const char *const addresses[WORLD_NODES_MAX] = {"node-a:4000", "node-b:4000", "node-c:4000"};

struct context *world_context(struct world *world) { return &world->tc.ctx; }

uint64_t world_choose(struct world *world, uint64_t below) { return context_random_below(&world->tc.ctx, below); }

uint64_t world_party(struct world *world) { return ++world->parties; }

struct net *world_net(struct world *world, uint64_t who) { return sim_net_dialler(world->net, who); }

void world_party_crashes(struct world *world, uint64_t who) { sim_net_crash_dialler(world->net, who); }

bool world_has_healed(const struct world *world) { return world->healed; }

size_t world_nodes(const struct world *world, const char *const **out)
{
        *out = addresses;
        return world->plan.nodes;
}

uint64_t world_now_ms(const struct world *world) { return world->tc.now_ms; }

uint64_t world_heals_at_ms(const struct world *world) { return world->plan.heals_at_ms; }

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

enum broken world_broken(const struct world *world) { return world->broken; }

const struct plan *world_plan(const struct world *world) { return &world->plan; }

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

static void node_sends_piece(void *user, size_t pending);

static void node_start(struct world_node *wn)
{
        struct world *world = wn->world;

        wn->node = node_new(&world->tc.ctx, &world->plan.node);
        if (!wn->node) abort();
        wn->share = shared_log_share(world->shared, &node_log_events, wn->node);
        if (node_set_log(wn->node, wn->share)) abort();
        wn->host = sim_net_listen(world->net, wn->address, node_accepts, wn);
        sim_host_on_piece(wn->host, node_sends_piece, wn);
        wn->life = NODE_UP;
        wn->armed = KILL_COUNT;
        wn->doomed = false;
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

static void node_crashes(struct world_node *wn)
{
        wn->world->figures.crashes++;
        if (wn->life == NODE_UP) sim_host_crash(wn->host);
        shared_log_crash(wn->share);
        node_goes_down(wn);
}

/* A node's life ends by a stop, a crash now, or a crash at a moment that has a name and is still to come. */
static void node_ends(struct world_node *wn)
{
        struct world *world = wn->world;

        switch (wn->doomed || wn->armed != KILL_COUNT ? 0 : world_choose(world, 4)) {
        case 0:
                node_crashes(wn);
                return;
        case 1:
                world->figures.stops++;
                sim_host_close(wn->host);
                wn->life = NODE_STOPS;
                node_stop(wn->node, STOP_WAIT_MS, node_stopped, wn);
                return;
        default:
                wn->armed = (int)world_choose(world, KILL_COUNT);
                set_fault(world, &wn->timer, world->plan.life_mean_ms);
        }
}

/* The moment has come for which it was armed. Where it is on the stack it dies by the timer, before anything else happens to it. */
static bool node_meets(struct world_node *wn, enum kill_point point, bool inside)
{
        if (wn->life != NODE_UP || wn->doomed || wn->armed != (int)point || wn->world->healed) return false;
        wn->world->figures.kills[point]++;
        wn->doomed = true;
        if (inside)
                set(wn->world, &wn->timer, 0);
        else
                node_crashes(wn);
        return !inside;
}

static bool at_point(void *user, enum kill_point point, const void *node, bool inside)
{
        struct world *world = user;

        for (size_t i = 0; i < world->plan.nodes; i++)
                if (world->nodes[i].node == node) return node_meets(&world->nodes[i], point, inside);
        return false;
}

static void node_sends_piece(void *user, size_t pending)
{
        (void)pending;
        node_meets(user, KILL_ANSWER_HALF, true);
}

static void node_fire(void *arg)
{
        struct world_node *wn = arg;

        switch (wn->life) {
        case NODE_DOWN:
                node_start(wn);
                break;
        case NODE_UP:
                node_ends(wn);
                break;
        case NODE_STOPS:
                break;
        case NODE_HAS_STOPPED:
                node_goes_down(wn);
                break;
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

/* --- records that no client wrote, and records that go --- */

static const char *const streams[2] = {WORLD_ALICE_TO_BOB, WORLD_BOB_TO_ALICE};

static void junk_fire(void *arg)
{
        struct world *world = arg;
        static uint8_t memory[JUNK_MAX];
        const char *name = streams[world_choose(world, 2)];
        struct bytes junk = junk_make(world, name, true, memory);
        const struct log_record *records;
        size_t count;

        if (log_memory_dump(world->memory, name, 0, &records, &count) == OK) {
                stream_checker_foreign(world->checker, name, 0, junk);
                if (log_memory_write(world->memory, name, 0, junk, world_choose(world, 4) ? 0 : world_choose(world, 5))) abort();
                world->figures.junk++;
        }
        set_fault(world, &world->junk, world->plan.junk_mean_ms);
}

static uint64_t read_upto(struct world *world, size_t stream)
{
        uint64_t least = UINT64_MAX;

        for (size_t i = 0; i < READERS_MAX; i++) {
                uint64_t upto;

                if (!world->readers[i].who || world->readers[i].stream != stream) continue;
                upto = stream_checker_read_upto(world->checker, world->readers[i].who);
                if (upto < least) least = upto;
        }
        return least == UINT64_MAX ? 0 : least;
}

/* Removes some of what all true readers have come past, as their saves say. */
static void retention_fire(void *arg)
{
        struct world *world = arg;
        size_t which = world_choose(world, 2);
        uint64_t upto = read_upto(world, which);
        const struct log_record *records;
        size_t count;

        if (world_records(world, streams[which], &records, &count)) count = 0;
        if (world->plan.retention_deep && count) upto = records[count - 1].index;
        upto = world_choose(world, upto + 1);
        if (upto && count && records[count - 1].index >= upto) {
                stream_checker_truncates(world->checker, streams[which], 0, upto);
                if (log_memory_truncate(world->memory, streams[which], 0, upto) == OK) world->figures.truncations++;
        }
        set_fault(world, &world->retention, world->plan.retention_mean_ms);
}

static void remake_fire(void *arg)
{
        struct world *world = arg;
        const char *name = streams[world_choose(world, 2)];

        stream_checker_deletes(world->checker, name);
        log_memory_delete(world->memory, name);
        world->figures.deletions++;
        set_fault(world, &world->remake, world->plan.remake_mean_ms);
}

void world_reads(struct world *world, uint64_t who, size_t stream, bool reads)
{
        for (size_t i = 0; i < READERS_MAX; i++) {
                if (world->readers[i].who != (reads ? 0 : who)) continue;
                world->readers[i] = (struct reader){reads ? who : 0, stream};
                return;
        }
        abort();
}

enum err world_records(struct world *world, const char *name, const struct log_record **records, size_t *count)
{
        return log_memory_dump(world->memory, name, 0, records, count);
}

static void heal_fire(void *arg)
{
        struct world *world = arg;

        world->healed = true;
        world->is_away = false;
        context_timer_stop(&world->tc.ctx, &world->away);
        context_timer_stop(&world->tc.ctx, &world->junk);
        context_timer_stop(&world->tc.ctx, &world->retention);
        context_timer_stop(&world->tc.ctx, &world->remake);
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

/* Everything that is written goes into the digest, with its time. */
static void digest_add(struct world *world, uint64_t number)
{
        world->digest = (world->digest ^ number) * 0x9e3779b97f4a7c15u + world->tc.now_ms;
}

static void tap_opened(void *user, uint64_t conn, uint64_t who)
{
        struct world *world = user;

        digest_add(world, conn << 1);
        stream_checker_opened(world->checker, conn, who);
}

static void tap_written(void *user, uint64_t conn, bool by_dialler, struct bytes bytes)
{
        struct world *world = user;
        uint64_t word = 0;

        memcpy(&word, bytes.n > sizeof word ? bytes.p + bytes.n - sizeof word : bytes.p, bytes.n > sizeof word ? sizeof word : bytes.n);
        digest_add(world, word ^ conn << 1 ^ by_dialler ^ (uint64_t)bytes.n << 40);
        stream_checker_written(world->checker, conn, by_dialler, bytes);
}

static void tap_closed(void *user, uint64_t conn)
{
        struct world *world = user;

        digest_add(world, conn);
        stream_checker_closed(world->checker, conn);
}

static const struct sim_net_tap tap = {tap_opened, tap_written, tap_closed};

struct world *world_new(uint64_t seed, enum broken broken)
{
        struct world *world = calloc(1, sizeof *world);

        if (!world) abort();
        test_context_init(&world->tc, seed);
        world->broken = broken;
        plan_make(&world->tc.ctx, &world->plan);
        world->net = sim_net_new(&world->tc.ctx);
        world->checker = stream_checker_new(dump, world);
        world->shared = shared_log_new(&world->tc.ctx);
        world->memory = log_memory_new(&world->tc.ctx, &world->plan.log_limits, &shared_log_events, world->shared);
        shared_log_set(world->shared, world->memory);
        sim_net_set_faults(world->net, &world->plan.net);
        sim_net_set_tap(world->net, &tap, world);
        timer_init(&world->heal, heal_fire, world);
        timer_init(&world->away, away_fire, world);
        timer_init(&world->junk, junk_fire, world);
        timer_init(&world->retention, retention_fire, world);
        timer_init(&world->remake, remake_fire, world);
        shared_log_hold_saves(world->shared, world->plan.save_max_ms);
        shared_log_break(world->shared, broken);
        shared_log_on_point(world->shared, at_point, world);
        set(world, &world->heal, world->plan.heals_at_ms - world->tc.now_ms);
        set_fault(world, &world->away, world->plan.calm_mean_ms);
        set_fault(world, &world->junk, world->plan.junk_mean_ms);
        set_fault(world, &world->retention, world->plan.retention_mean_ms);
        set_fault(world, &world->remake, world->plan.remake_mean_ms);
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
        world->figures.net = sim_net_figures(world->net);
        for (size_t i = 0; i < world->plan.nodes; i++) {
                if (world->nodes[i].life == NODE_UP) sim_host_crash(world->nodes[i].host);
                node_free(world->nodes[i].node);
                world->nodes[i].node = NULL;
                context_timer_stop(ctx, &world->nodes[i].timer);
        }
        context_timer_stop(ctx, &world->heal);
        context_timer_stop(ctx, &world->away);
        context_timer_stop(ctx, &world->junk);
        context_timer_stop(ctx, &world->retention);
        context_timer_stop(ctx, &world->remake);
        world->figures.log = shared_log_figures(world->shared);
        shared_log_free(world->shared);
        world->shared = NULL;
        sim_net_set_faults(world->net, &(struct sim_net_faults){0});
        sim_net_reset_all(world->net);
        test_context_advance(&world->tc, 2 * SIM_NET_LINGER_MS);
        if (ctx->timers.count) world_fail(world, "%zu timers are left when all is gone", ctx->timers.count);
        if (sim_net_connections(world->net)) world_fail(world, "%zu connections are left", sim_net_connections(world->net));
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

struct world_figures world_figures(const struct world *world) { return world->figures; }

uint64_t world_digest(struct world *world)
{
        digest_add(world, world->figures.steps);
        return world->digest ^ test_context_next(&world->tc);
}
