/* Parties and the wire between them (channel_rig.h). */
#include "tests/support/channel_rig.h"

#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>

static const struct origin from_tcp = {ORIGIN_TCP, 1, NULL};

/* --- the wire ----------------------------------------------------------------------------------------------------------- */

static void post(struct rig *rig, const struct wire_message *seen, struct bytes payload)
{
        const struct message msg = {seen->onward.route, seen->ret.route, payload};

        router_post(rig->router, from_tcp, msg);
}

static void wire_handle(void *self, const struct delivery *delivery)
{
        struct rig *rig = self;
        struct wire_message *seen = &rig->seen[rig->seen_count];
        struct route ret;

        if (rig->sink) {
                rig->sunk++;
                return;
        }
        assert_true(rig->seen_count < WIRE_MAX);
        assert_ok(route_prepend(router_arena(rig->router), address_local(worker_address(rig->wire)), delivery->msg.ret, &ret));
        assert_ok(route_copy(route_rest(delivery->msg.onward), &seen->onward));
        assert_ok(route_copy(ret, &seen->ret));
        seen->payload_n = delivery->msg.payload.n;
        seen->payload = malloc(seen->payload_n + 1);
        assert_non_null(seen->payload);
        memcpy(seen->payload, delivery->msg.payload.p, seen->payload_n);
        rig->seen_count++;
        if (!rig->hold) post(rig, seen, bytes_make(seen->payload, seen->payload_n));
}

void rig_init(struct rig *rig, uint64_t seed)
{
        memset(rig, 0, sizeof *rig);
        test_context_init(&rig->tc, seed);
        rig->limits = TRANSPORT_LIMITS_DEFAULT;
        rig->router = router_new(&rig->tc.ctx, &rig->limits);
        assert_non_null(rig->router);
        assert_ok(router_add(rig->router, BYTES_LITERAL("wire"), ORIGIN_LOCAL, wire_handle, rig, &rig->wire));
}

void rig_clear(struct rig *rig)
{
        router_remove(rig->router, rig->wire);
        for (size_t i = 0; i < rig->seen_count; i++) {
                route_copy_clear(&rig->seen[i].onward);
                route_copy_clear(&rig->seen[i].ret);
                free(rig->seen[i].payload);
        }
        rig_turn(rig);
        router_free(rig->router);
        test_context_clear(&rig->tc);
}

void rig_turn(struct rig *rig) { context_turn_end(&rig->tc.ctx); }

struct bytes rig_seen(const struct rig *rig, size_t i)
{
        assert_true(i < rig->seen_count);
        return bytes_make(rig->seen[i].payload, rig->seen[i].payload_n);
}

void rig_deliver(struct rig *rig, size_t i) { post(rig, &rig->seen[i], rig_seen(rig, i)); }

void rig_deliver_payload(struct rig *rig, size_t i, struct bytes payload) { post(rig, &rig->seen[i], payload); }

void rig_deliver_to(struct rig *rig, size_t i, struct bytes address)
{
        struct message msg = {.ret = rig->seen[i].ret.route, .payload = rig_seen(rig, i)};

        assert_ok(route_of_locals(router_arena(rig->router), &address, 1, &msg.onward));
        router_post(rig->router, from_tcp, msg);
}

uint64_t rig_stat(const struct rig *rig, enum stat_id stat) { return rig->tc.ctx.stats.v[stat]; }

/* --- sides -------------------------------------------------------------------------------------------------------------- */

static void up(void *user, struct channel *channel)
{
        struct side *side = user;

        side->ups++;
        side->up_last = channel;
        if (side->on_up) side->on_up(side, channel);
}

static void closed(void *user, struct channel *channel, enum err err, const char *why)
{
        struct side *side = user;

        side->closes++;
        side->closed_last = channel;
        side->closed_err = err;
        snprintf(side->closed_why, sizeof side->closed_why, "%s", why);
        if (side->on_closed) side->on_closed(side, channel);
}

static void missing(void *user, struct channel *channel, uint64_t count)
{
        struct side *side = user;

        (void)channel;
        side->gaps++;
        side->gap_last = count;
}

static void refused(void *user, enum err err, const char *why)
{
        struct side *side = user;

        side->refusals++;
        side->refused_err = err;
        snprintf(side->refused_why, sizeof side->refused_why, "%s", why);
}

static void app_handle(void *self, const struct delivery *delivery)
{
        struct side *side = self;

        side->received++;
        side->origin = delivery->origin;
        if (delivery->origin.peer) memcpy(side->origin_peer.hash, delivery->origin.peer, IDENTIFIER_SIZE);
        assert_true(delivery->msg.payload.n <= TEXT_MAX);
        memcpy(side->text, delivery->msg.payload.p, delivery->msg.payload.n);
        side->text_n = delivery->msg.payload.n;
        side->ret_count = delivery->msg.ret.count;
        if (side->echo) router_answer(side->rig->router, delivery->msg.ret, bytes_of_text(side->app), delivery->msg.payload);
}

static void open_channels(struct side *side, const char *listener, const struct channel_limits *limits)
{
        static const struct channels_events events = {up, closed, missing, refused};
        const struct channels_config config = {
                .identity = side->party.identity,
                .purpose_key = side->party.purpose_key,
                .limits = limits ? *limits : CHANNEL_LIMITS_DEFAULT,
                .events = &events,
                .user = side,
                .accepts = ORIGINS_OUTSIDE,
        };

        side->channels = channels_new(side->rig->router, &config);
        assert_non_null(side->channels);
        if (listener) assert_ok(channels_listen(side->channels, bytes_of_text(listener), &side->trust));
}

void side_init(struct side *side, struct rig *rig, uint8_t number, size_t changes, const char *listener, const char *app,
               const struct channel_limits *limits)
{
        memset(side, 0, sizeof *side);
        side->rig = rig;
        side->app = app;
        side->trust = (struct trust){.everyone = true};
        party_init(&side->party, number, changes, rig->tc.utc_s - 1000);
        assert_ok(router_add(rig->router, bytes_of_text(app), ORIGINS_CHANNEL, app_handle, side, &side->app_worker));
        open_channels(side, listener, limits);
}

void side_restart(struct side *side, const char *listener)
{
        const bool sink = side->rig->sink;

        side->rig->sink = true; /* nobody hears how it ends */
        channels_free(side->channels);
        rig_turn(side->rig);
        side->rig->sink = sink;
        party_renew_purpose_key(&side->party, side->rig->tc.utc_s);
        open_channels(side, listener, NULL);
}

void side_clear(struct side *side)
{
        channels_free(side->channels);
        rig_turn(side->rig);
        router_remove(side->rig->router, side->app_worker);
        party_clear(&side->party);
}

void side_trust(struct side *side, const struct identifier *only)
{
        side->trusted[0] = *only;
        side->trust = (struct trust){.list = side->trusted, .count = 1};
}

struct channel *side_start(struct side *side, const char *listener, uint64_t timeout_ms)
{
        const struct bytes addresses[] = {BYTES_LITERAL("wire"), bytes_of_text(listener)};
        struct channel *channel = NULL;
        struct route route;

        assert_ok(route_of_locals(router_arena(side->rig->router), addresses, 2, &route));
        assert_ok(channels_connect(side->channels, route, &side->trust, timeout_ms, &channel));
        return channel;
}

struct channel *side_connect(struct side *side, struct side *other, const char *listener)
{
        const unsigned ups = side->ups, others = other->ups;
        struct channel *channel = side_start(side, listener, 5000);

        test_context_advance(&side->rig->tc, 0);
        assert_int_equal(side->ups, ups + 1);
        assert_int_equal(other->ups, others + 1);
        assert_ptr_equal(side->up_last, channel);
        return channel;
}

void side_send(struct side *side, const struct channel *channel, const char *app, struct bytes text)
{
        const struct bytes onward[] = {channel_address(channel), bytes_of_text(app)}, back = bytes_of_text(side->app);
        struct arena *arena = router_arena(side->rig->router);
        struct message msg = {.payload = text};

        assert_ok(route_of_locals(arena, onward, 2, &msg.onward));
        assert_ok(route_of_locals(arena, &back, 1, &msg.ret));
        assert_ok(router_send(side->rig->router, ORIGIN_OWN, msg));
}

void side_say(struct side *side, const struct channel *channel, struct side *other, const char *text)
{
        const unsigned received = other->received;

        side_send(side, channel, other->app, bytes_of_text(text));
        assert_int_equal(other->received, received + 1);
        assert_int_equal(other->text_n, strlen(text));
        assert_memory_equal(other->text, text, other->text_n);
}
