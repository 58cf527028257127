/* Endpoints and their lives; see the header. */
#include "tests/simulation/ends.h"

#include <stdio.h>
#include <stdlib.h>

enum { DOWN_MAX_MS = 3000 };

static void limits_choose(struct world *world, struct stream_client_limits *limits)
{
        static const uint32_t in_flight[] = {1, 8, 64, 512}, pull_limit[] = {2, 8, 256};

        *limits = STREAM_CLIENT_LIMITS_DEFAULT;
        limits->in_flight = in_flight[world_choose(world, 4)];
        limits->pull_limit = pull_limit[world_choose(world, 3)];
        limits->pulls_ahead = 1 + world_choose(world, 4);
        if (world_choose(world, 4) == 0) limits->in_flight_bytes = 3000;
        if (world_choose(world, 4) == 0) limits->answer_ms = 7000;
        if (world_choose(world, 4) == 0) limits->save_ms = 0;
        if (world_choose(world, 4) == 0) limits->empty_ms = 20;
}

static void set_life(struct end *end)
{
        const struct plan *plan = world_plan(end->world);
        uint64_t mean = end->is_bob ? plan->bob_life_mean_ms : plan->alice_life_mean_ms;

        if (!mean || world_has_healed(end->world)) return;
        if (context_timer_set(world_context(end->world), &end->life, world_choose(end->world, 2 * mean))) abort();
}

void end_start(struct end *end)
{
        struct endpoint_config config = {
                .sender = end->is_bob ? WORLD_BOB_TO_ALICE : WORLD_ALICE_TO_BOB,
                .receiver = end->is_bob ? WORLD_ALICE_TO_BOB : WORLD_BOB_TO_ALICE,
                .client_id = end->name,
                .application = end->is_bob ? "echoer" : "app",
                .listen = end->is_bob ? "listener" : NULL,
                .identity = end->identity,
                .trust = &end->trust,
                .transport = TRANSPORT_LIMITS_DEFAULT,
                .channel = end->channel,
                .stream = end->limits,
        };
        struct reason why = {{0}};

        if (!end->who || world_broken(end->world) != BROKEN_I7) end->who = world_party(end->world);
        config.net = world_net(end->world, end->who);
        config.node_count = world_nodes(end->world, &config.nodes);
        world_reads(end->world, end->who, !end->is_bob, true);
        end->endpoint = endpoint_new(world_context(end->world), &config, end->events, end->user, &why);
        if (!end->endpoint) world_fail(end->world, "%s: %s", end->name, why.text);
        set_life(end);
}

static void life_fire(void *arg)
{
        struct end *end = arg;

        if (!end->endpoint) {
                end_start(end);
                return;
        }
        if (world_has_healed(end->world)) return;
        if (end->verbose) printf("[%8llu] %s dies\n", (unsigned long long)world_now_ms(end->world), end->name);
        if (world_choose(end->world, 3)) world_party_crashes(end->world, end->who);
        end->restarts++;
        end_stop(end);
        end->died(end->user);
        if (context_timer_set(world_context(end->world), &end->life, world_choose(end->world, DOWN_MAX_MS))) abort();
}

void end_init(struct end *end, struct world *world, const char *name, bool is_bob)
{
        struct context *ctx = world_context(world);
        uint8_t seed[KEY_SIZE];

        *end = (struct end){.world = world, .is_bob = is_bob, .channel = CHANNEL_LIMITS_DEFAULT};
        snprintf(end->name, sizeof end->name, "%s", name);
        limits_choose(world, &end->limits);
        timer_init(&end->life, life_fire, end);
        context_random(ctx, seed, sizeof seed);
        if (identity_new(seed, context_utc_s(ctx) - 3600, &end->identity)) abort();
}

void end_stop(struct end *end)
{
        if (!end->endpoint) return;
        endpoint_free(end->endpoint);
        end->endpoint = NULL;
        world_reads(end->world, end->who, 0, false);
}

void end_clear(struct end *end)
{
        context_timer_stop(world_context(end->world), &end->life);
        identity_free(end->identity);
}

const struct identifier *end_identifier(const struct end *end) { return &identity_get_view(end->identity)->identifier; }
