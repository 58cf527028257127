/* Secure channels with real keys, and a wire between their ends on which the input does what it likes. Alice, Bob and Eve listen and call;
 * every message on the wire is kept, and is delivered when a step says so: in any order, again, changed, cut, to somebody else, in any
 * state. Eve also has keys of her own by hand, and sends what she likes through a channel that she is let in by.
 *
 * What must hold: who comes up with whom does so with the same handshake hash on both sides; a text that Alice or Bob received is one that
 * was sent in that channel, by whom it says, and comes once; half-open handshakes are bounded. At the end a channel whose window was not
 * overrun still takes a true text (I8), and a new handshake between Alice and Bob comes to its end. */
#include "tests/fuzz/fuzz.h"
#include "tests/support/party.h"
#include "tests/support/test_context.h"
#include "transport/secure_channel/channel.h"
#include "transport/secure_channel/channel_message.h"
#include "transport/secure_channel/secrets.h"
#include "transport/secure_channel/session.h"

#include <stdio.h>

enum {
        SIDES = 3,
        STEPS_MAX = 64,
        SEEN_MAX = 96,
        PAYLOAD_MAX = 1024,
        ROUTE_MAX = 160,
        CHANNELS_MAX = 48,
        CHANNELS_UP_MAX = 4,
        HALF_OPEN_MAX = 2,
        STARTS_MAX = 12, /* of handshakes by a step: each takes as long as many other steps */
        TEXTS_MAX = 96,
        TEXT_SIZE = 8,
        NOW_S = 1717171717,
};

enum { ALICE, BOB, EVE };

struct seen {
        uint8_t onward_memory[ROUTE_MAX], ret_memory[ROUTE_MAX], payload[PAYLOAD_MAX];
        struct route onward, ret; /* behind the wire; with it */
        size_t payload_n;
};

/* A way back, behind the wire, that a step has put beside a message that came from elsewhere. */
struct way {
        uint8_t memory[ROUTE_MAX];
        struct route route;
};

/* A channel that is up, or was. */
struct known {
        struct channel *channel; /* NULL: it has ended */
        uint8_t hash[HASH_SIZE];
        struct identifier peer;
        bool initiator;
        size_t sent; /* texts into it */
};

struct text {
        uint8_t bytes[TEXT_SIZE], hash[HASH_SIZE];
        size_t from;
        bool received;
};

struct run;

struct side {
        struct run *run;
        size_t number;
        struct channels *channels;
        struct worker *app;
        struct trust trust;
        struct known known[CHANNELS_MAX];
        size_t count, received;
};

/* Eve without the workers of a channel. */
struct by_hand {
        struct worker *worker;
        struct noise *noise;
        struct encryptor enc;
        bool up;
        uint8_t to_memory[ROUTE_MAX];
        struct route to;
};

struct run {
        struct test_context tc;
        struct router *router;
        struct worker *wire;
        struct side sides[SIDES];
        struct by_hand hand;
        struct seen seen[SEEN_MAX];
        size_t seen_count;
        struct way ways[STEPS_MAX];
        size_t way_count;
        struct text texts[TEXTS_MAX];
        size_t text_count, starts;
        struct fuzz_input in;
        uint8_t ephemerals;
};

static const char *const listeners[SIDES] = {"listener0", "listener1", "listener2"};
static const char *const apps[SIDES] = {"app0", "app1", "app2"};
static struct party parties[SIDES];
static const struct origin from_tcp = {ORIGIN_TCP, 1, NULL};
static void (*test_random)(void *user, void *out, size_t n);
static struct run run;

/* --- the wire --------------------------------------------------------------------------------------------------------- */

static struct route keep_route(struct route route, uint8_t memory[static ROUTE_MAX])
{
        if (route.encoded.n) memcpy(memory, route.encoded.p, route.encoded.n);
        return (struct route){route.count, bytes_make(memory, route.encoded.n)};
}

static void on_wire(void *self, const struct delivery *delivery)
{
        struct seen *seen = &run.seen[run.seen_count];
        const struct route onward = route_rest(delivery->msg.onward);
        struct route ret;

        (void)self;
        fuzz_require(route_prepend(router_arena(run.router), address_local(worker_address(run.wire)), delivery->msg.ret, &ret) == OK);
        if (run.seen_count == SEEN_MAX || onward.encoded.n > ROUTE_MAX || ret.encoded.n > ROUTE_MAX) return;
        if (delivery->msg.payload.n > PAYLOAD_MAX) return;
        seen->onward = keep_route(onward, seen->onward_memory);
        seen->ret = keep_route(ret, seen->ret_memory);
        seen->payload_n = delivery->msg.payload.n;
        memcpy(seen->payload, delivery->msg.payload.p, seen->payload_n);
        run.seen_count++;
}

static void post(struct route onward, struct route ret, struct bytes payload)
{
        router_post(run.router, from_tcp, (struct message){onward, ret, payload});
        context_turn_end(&run.tc.ctx);
}

static void deliver(const struct seen *seen) { post(seen->onward, seen->ret, bytes_make(seen->payload, seen->payload_n)); }

static struct seen *some_seen(void) { return run.seen_count ? &run.seen[fuzz_below(&run.in, run.seen_count)] : NULL; }

/* --- what must hold --------------------------------------------------------------------------------------------------- */

static struct side *side_of(const struct identifier *id)
{
        for (size_t i = 0; i < SIDES; i++)
                if (identifier_equal(id, &parties[i].id)) return &run.sides[i];
        return NULL;
}

/* One end of a channel; somebody who calls himself has both. */
static struct known *known_of(struct side *side, const uint8_t *hash, bool initiator)
{
        for (size_t i = 0; i < side->count; i++)
                if (side->known[i].initiator == initiator && memcmp(side->known[i].hash, hash, HASH_SIZE) == 0) return &side->known[i];
        return NULL;
}

static void on_up(void *user, struct channel *channel)
{
        struct side *side = user, *peer = side_of(channel_peer(channel));
        struct known *known = &side->known[side->count], *other;

        fuzz_require(peer && side->count < CHANNELS_MAX && !known_of(side, channel_hash(channel), channel_is_initiator(channel)));
        *known = (struct known){.channel = channel, .peer = *channel_peer(channel), .initiator = channel_is_initiator(channel)};
        memcpy(known->hash, channel_hash(channel), HASH_SIZE);
        side->count++;
        fuzz_require(channel_peer_is_named(channel) == (side->number == ALICE && peer->number == BOB));
        if (side->number == ALICE && known->initiator) fuzz_require(peer->number == BOB); /* whom she trusts alone */
        /* The responder comes up last, so the other end knows of it already, unless it is Eve's by hand. */
        other = known_of(peer, known->hash, !known->initiator);
        if (peer->number != EVE) fuzz_require(known->initiator || other);
        if (other) fuzz_require(identifier_equal(&other->peer, &parties[side->number].id));
}

static void on_closed(void *user, struct channel *channel, enum err err, const char *why)
{
        struct side *side = user;

        fuzz_require(err != OK && why[0]);
        for (size_t i = 0; i < side->count; i++)
                if (side->known[i].channel == channel) side->known[i].channel = NULL;
}

static void on_missing(void *user, struct channel *channel, uint64_t count)
{
        struct side *side = user;

        fuzz_require(channel_address(channel).n > 0 && count > 0 && side->count > 0);
}

static void on_refused(void *user, enum err err, const char *why)
{
        (void)user;
        fuzz_require(err != OK && why[0]);
}

static const struct channels_events events = {on_up, on_closed, on_missing, on_refused};

static struct known *known_by_address(struct bytes address)
{
        for (size_t s = 0; s < SIDES; s++)
                for (size_t i = 0; i < run.sides[s].count; i++) {
                        struct known *known = &run.sides[s].known[i];

                        if (known->channel && bytes_equal(channel_address(known->channel), address)) return known;
                }
        return NULL;
}

static void on_text(void *self, const struct delivery *delivery)
{
        struct side *side = self;
        const struct bytes got = delivery->msg.payload;
        struct address back = {0};
        struct known *known;

        fuzz_require(delivery->origin.peer && route_front(delivery->msg.ret, &back));
        side->received++;
        known = known_by_address(back.value);
        fuzz_require(known && memcmp(known->peer.hash, delivery->origin.peer, IDENTIFIER_SIZE) == 0);
        /* She may say anything, and to anybody's application, her own too: all have one router here. */
        if (identifier_equal(&known->peer, &parties[EVE].id)) return;
        fuzz_require(known >= side->known && known < side->known + side->count);
        for (size_t i = 0; i < run.text_count; i++) {
                struct text *text = &run.texts[i];

                if (!bytes_equal(got, bytes_make(text->bytes, TEXT_SIZE))) continue;
                fuzz_require(!text->received && identifier_equal(&parties[text->from].id, &known->peer));
                fuzz_require(memcmp(text->hash, known->hash, HASH_SIZE) == 0);
                text->received = true;
                return;
        }
        fuzz_failed("a text that nobody sent", __FILE__, __LINE__);
}

/* --- what the sides do ------------------------------------------------------------------------------------------------ */

static struct channel *start(struct side *side, size_t other)
{
        const struct bytes addresses[] = {BYTES_LITERAL("wire"), bytes_of_text(listeners[other])};
        struct channel *channel = NULL;
        struct route route;

        fuzz_require(route_of_locals(router_arena(run.router), addresses, 2, &route) == OK);
        if (channels_connect(side->channels, route, &side->trust, 5000, &channel) != OK) return NULL;
        test_context_advance(&run.tc, 0);
        return channel;
}

static void send_to(const struct channel *channel, const char *worker, struct bytes payload)
{
        const struct bytes onward[] = {channel_address(channel), bytes_of_text(worker)};
        struct message msg = {.payload = payload};

        fuzz_require(route_of_locals(router_arena(run.router), onward, 2, &msg.onward) == OK);
        fuzz_require(route_of_locals(router_arena(run.router), &onward[1], 1, &msg.ret) == OK);
        router_post(run.router, ORIGIN_OWN, msg);
        context_turn_end(&run.tc.ctx);
}

/* False: the run has had its share of texts. */
static bool send_text(struct side *side, struct known *known)
{
        struct text *text = &run.texts[run.text_count];
        struct side *peer = side_of(&known->peer);

        if (run.text_count == TEXTS_MAX) return false;
        *text = (struct text){.from = side->number};
        memcpy(text->bytes, &(uint64_t){0x7e7e000000000000u + run.text_count}, TEXT_SIZE);
        memcpy(text->hash, known->hash, HASH_SIZE);
        run.text_count++;
        known->sent++;
        send_to(known->channel, apps[peer->number], bytes_make(text->bytes, TEXT_SIZE));
        return true;
}

static struct known *some_known(struct side *side)
{
        struct known *known = side->count ? &side->known[fuzz_below(&run.in, side->count)] : NULL;

        return known && known->channel ? known : NULL;
}

/* To any worker at the other end, the listener or the application or none. */
static void send_anything(struct known *known)
{
        const size_t which = fuzz_below(&run.in, 8);
        const char *to = which < 3 ? listeners[which] : which < 6 ? apps[which - 3] : "wire";

        if (!side_of(&known->peer) || side_of(&known->peer)->number == EVE) return;
        known->sent++;
        send_to(known->channel, to, fuzz_data(&run.in));
}

/* --- Eve by hand ------------------------------------------------------------------------------------------------------ */

static void hand_send(struct bytes message)
{
        static uint8_t memory[PAYLOAD_MAX + 512]; /* from within a handler it is delivered after this has returned */
        struct writer w = writer_make(memory, sizeof memory);
        struct bytes hops[] = {BYTES_LITERAL("wire"), BYTES_LITERAL("hand")};
        struct route ret;

        bare_put_data(&w, message);
        fuzz_require(!w.full && route_of_locals(router_arena(run.router), hops, 2, &ret) == OK);
        post(run.hand.to, ret, writer_bytes(&w));
}

static void hand_clear(void)
{
        noise_free(run.hand.noise);
        if (run.hand.up) encryptor_clear(&run.hand.enc);
        run.hand.noise = NULL;
        run.hand.up = false;
}

static void hand_start(size_t other)
{
        static uint8_t ephemeral[KEY_SIZE] = {0xee};
        struct bytes address = bytes_of_text(listeners[other]);
        struct writer w = writer_make(run.hand.to_memory, ROUTE_MAX);
        uint8_t message[KEY_SIZE + TAG_SIZE];
        struct writer m = writer_make(message, sizeof message);

        hand_clear();
        address_put(&w, address_local(address));
        run.hand.to = (struct route){1, writer_bytes(&w)};
        fuzz_require(handshake_new(NOISE_INITIATOR, &parties[EVE].self, ephemeral, &run.hand.noise) == OK);
        fuzz_require(noise_write(run.hand.noise, BYTES_NONE, &m) == OK);
        hand_send(writer_bytes(&m));
}

/* The input's bytes in place of an identity, or anybody's history with anybody's attestation; 0: both are hers. */
static struct bytes hand_identity(uint8_t memory[static PAYLOAD_MAX])
{
        static const uint8_t who[SIDES] = {EVE, ALICE, BOB};
        const uint8_t which = fuzz_u8(&run.in);
        const struct party *a = &parties[who[which % SIDES]], *b = &parties[who[which / SIDES % SIDES]];

        if (which == 0xff) return fuzz_data(&run.in);
        return identity_payload(memory, PAYLOAD_MAX, identity_history(a->identity), purpose_key_attestation(b->purpose_key));
}

/* Message 2 has come to her: she sends message 3. */
static void hand_finish(const struct delivery *delivery)
{
        struct bare_reader r = bare_reader_make(delivery->msg.payload);
        static uint8_t message[PAYLOAD_MAX + 256];
        uint8_t memory[PAYLOAD_MAX], send[KEY_SIZE], receive[KEY_SIZE];
        struct writer w = writer_make(message, sizeof message);
        struct bytes payload;

        if (!run.hand.noise || noise_messages(run.hand.noise) != 1 || delivery->msg.ret.encoded.n > ROUTE_MAX) return;
        if (handshake_read(run.hand.noise, bare_data(&r), router_arena(run.router), &payload) != OK) return;
        run.hand.to = keep_route(route_rest(delivery->msg.ret), run.hand.to_memory); /* without the wire */
        fuzz_require(noise_write(run.hand.noise, hand_identity(memory), &w) == OK);
        fuzz_require(handshake_keys(run.hand.noise, NOISE_INITIATOR, send, receive) == OK);
        fuzz_require(encryptor_init(&run.hand.enc, send, 0) == OK);
        run.hand.up = true;
        hand_send(writer_bytes(&w));
}

static void on_hand(void *self, const struct delivery *delivery)
{
        (void)self;
        if (!run.hand.up) hand_finish(delivery);
}

/* What stands inside of an encrypted message is what the input says. */
static void hand_say(void)
{
        uint8_t sealed[NONCE_SIZE + 256 + TAG_SIZE];
        const struct bytes clear = fuzz_data(&run.in);

        if (!run.hand.up) return;
        fuzz_require(encryptor_seal(&run.hand.enc, clear, sealed) == OK);
        hand_send(bytes_make(sealed, NONCE_SIZE + clear.n + TAG_SIZE));
}

static void hand_say_history(void)
{
        uint8_t clear[PAYLOAD_MAX], sealed[NONCE_SIZE + PAYLOAD_MAX + TAG_SIZE];
        struct writer w = writer_make(clear, sizeof clear - 64);
        const struct bytes history = identity_history(parties[fuzz_below(&run.in, SIDES)].identity);

        if (!run.hand.up) return;
        cbor_put_array(&w, 2);
        cbor_put_uint(&w, 1);
        cbor_put_array(&w, 1);
        cbor_put_array(&w, 2);
        writer_put(&w, history.p, history.n);
        cbor_put_array(&w, 0);
        fuzz_require(!w.full && encryptor_seal(&run.hand.enc, writer_bytes(&w), sealed) == OK);
        hand_send(bytes_make(sealed, NONCE_SIZE + w.n + TAG_SIZE));
}

/* --- steps ------------------------------------------------------------------------------------------------------------ */

static void deliver_changed(const struct seen *seen)
{
        uint8_t payload[PAYLOAD_MAX + 1];
        size_t n = seen->payload_n, at;

        memcpy(payload, seen->payload, n);
        switch (fuzz_below(&run.in, 4)) {
        case 0:
                at = fuzz_u16(&run.in) % (n + 1);
                payload[at < n ? at : 0] ^= fuzz_u8(&run.in);
                break;
        case 1:
                n = fuzz_u16(&run.in) % (n + 1);
                break;
        case 2:
                payload[n++] = fuzz_u8(&run.in);
                break;
        default: /* a nonce, where there is one */
                at = n > 200 ? 3 : 2;
                if (n > at + NONCE_SIZE) payload[at + NONCE_SIZE - 1] = fuzz_u8(&run.in);
        }
        post(seen->onward, seen->ret, bytes_make(payload, n));
}

static void learn_way(struct route ret)
{
        struct way *way = &run.ways[run.way_count++];

        way->route = keep_route(route_rest(ret), way->memory);
}

/* Who is told a wrong way back by the wire takes it: routes are not authenticated, and a channel that got such a one is cut off. */
static bool is_misled(struct route route)
{
        for (size_t i = 0; i < run.way_count; i++)
                if (bytes_equal(run.ways[i].route.encoded, route.encoded)) return true;
        return false;
}

static void wire_step(uint8_t what)
{
        const struct seen *seen = some_seen(), *other;

        if (!seen) return;
        switch (what % 8) {
        case 0:
        case 1:
                deliver(seen);
                break;
        case 2:
        case 3:
                deliver_changed(seen);
                break;
        case 4: /* to whom another message was, with that one's way back or its own */
                other = some_seen();
                if (what & 8) learn_way(other->ret);
                post(other->onward, what & 8 ? other->ret : seen->ret, bytes_make(seen->payload, seen->payload_n));
                break;
        case 5:
                post(seen->onward, seen->ret, fuzz_data(&run.in));
                break;
        default:
                deliver(&run.seen[run.seen_count - 1]); /* as it would be without an enemy */
        }
}

static void side_step(struct side *side, uint8_t what)
{
        struct known *known;

        switch (what % 8) {
        case 0:
        case 1:
                if (run.starts++ < STARTS_MAX) (void)start(side, fuzz_below(&run.in, SIDES));
                break;
        case 2:
        case 3:
        case 4:
                if ((known = some_known(side))) (void)send_text(side, known);
                break;
        case 5:
                if (side->number == EVE && (known = some_known(side))) send_anything(known);
                break;
        case 6:
                if ((known = some_known(side))) {
                        struct channel *channel = known->channel;

                        known->channel = NULL;
                        channel_close(channel);
                        context_turn_end(&run.tc.ctx);
                }
                break;
        default:
                test_context_advance(&run.tc, (uint64_t)fuzz_u8(&run.in) * 200);
        }
}

static void hand_step(uint8_t what)
{
        switch (what % 4) {
        case 0:
                if (run.starts++ < STARTS_MAX) hand_start(what / 4 % 2);
                break;
        case 1:
                hand_say();
                break;
        case 2:
                hand_say_history();
                break;
        default:
                if (run.hand.up) {
                        uint8_t close[NONCE_SIZE + 3 + TAG_SIZE];

                        fuzz_require(encryptor_seal(&run.hand.enc, BYTES_LITERAL("\x82\x02\x80"), close) == OK);
                        hand_send(bytes_make(close, sizeof close));
                }
        }
}

static void step(void)
{
        const uint8_t what = fuzz_u8(&run.in);

        if (what < 128)
                wire_step(what);
        else if (what < 224)
                side_step(&run.sides[what % SIDES], what / SIDES);
        else
                hand_step(what);
        fuzz_require(secrets_used() <= 2 * SIDES + SIDES * (HALF_OPEN_MAX + CHANNELS_MAX) + 1);
}

/* --- the end ---------------------------------------------------------------------------------------------------------- */

/* Of each channel that both ends still have: a text goes through, unless so many went before that the window may have moved past it, or its way is
 * one that the wire made up. */
static void check_channels(struct side *side, struct side *peer)
{
        for (size_t i = 0; i < side->count; i++) {
                struct known *known = &side->known[i], *other = known_of(peer, known->hash, !known->initiator);
                const size_t received = peer->received;

                if (!known->channel || !other || !other->channel || known->sent >= REPLAY_WINDOW || run.seen_count == SEEN_MAX) continue;
                if (!send_text(side, known)) return;
                if (is_misled(run.seen[run.seen_count - 1].onward)) continue;
                deliver(&run.seen[run.seen_count - 1]);
                fuzz_require(peer->received == received + 1);
        }
}

/* Whether one more channel is let in. */
static bool has_room(const struct side *side)
{
        size_t up = 0;

        for (size_t i = 0; i < side->count; i++)
                up += side->known[i].channel != NULL;
        return up < CHANNELS_UP_MAX && side->count < CHANNELS_MAX;
}

static void check_handshake(struct side *side, struct side *peer)
{
        const size_t ours = side->count, theirs = peer->count;

        test_context_advance(&run.tc, 31000); /* those that were not answered are given up */
        run.seen_count = 0;
        if (!has_room(side) || !has_room(peer) || !start(side, peer->number)) return;
        for (size_t i = 0; i < 3; i++) {
                fuzz_require(run.seen_count == i + 1);
                deliver(&run.seen[i]);
        }
        fuzz_require(side->count == ours + 1 && peer->count == theirs + 1);
        check_channels(side, peer);
        check_channels(peer, side);
}

/* --- a run ------------------------------------------------------------------------------------------------------------ */

/* Ephemeral keys are the same in each run, so that what was computed with them is remembered. */
static void give_random(void *user, void *out, size_t n)
{
        test_random(user, out, n);
        if (n == KEY_SIZE) memset(out, ++run.ephemerals, n);
}

static void side_init(struct side *side, size_t number)
{
        static const struct channel_limits limits = {
                .handshakes = HALF_OPEN_MAX,
                .channels = CHANNELS_UP_MAX,
                .handshake_ms = 30000,
                .history_changes = 8,
                .history_bytes = 4096,
                .known_peers = 2,
                .route_bytes = ROUTE_MAX,
        };
        struct channels_config config = {
                .identity = parties[number].identity,
                .purpose_key = parties[number].purpose_key,
                .limits = limits,
                .events = &events,
                .user = side,
                .accepts = ORIGINS_OUTSIDE,
        };
        static const struct trust everyone = {.everyone = true};

        *side = (struct side){.run = &run, .number = number, .trust = everyone};
        if (number == ALICE) side->trust = (struct trust){.list = &parties[BOB].id, .count = 1};
        side->channels = channels_new(run.router, &config);
        fuzz_require(side->channels);
        fuzz_require(router_add(run.router, bytes_of_text(apps[number]), ORIGINS_CHANNEL, on_text, side, &side->app) == OK);
        fuzz_require(channels_listen(side->channels, bytes_of_text(listeners[number]), &side->trust) == OK);
}

static void run_begin(const uint8_t *data, size_t size)
{
        static struct transport_limits limits;

        limits = TRANSPORT_LIMITS_DEFAULT;
        limits.arena_bytes = FUZZ_ARENA;
        test_context_init(&run.tc, 1);
        test_random = run.tc.ctx.random;
        run.tc.ctx.random = give_random;
        run.ephemerals = 0;
        run.seen_count = run.way_count = run.text_count = run.starts = 0;
        run.in = fuzz_input_make(data, size);
        run.router = router_new(&run.tc.ctx, &limits);
        run.hand = (struct by_hand){0};
        fuzz_require(run.router && router_add(run.router, BYTES_LITERAL("wire"), ORIGIN_LOCAL, on_wire, NULL, &run.wire) == OK);
        fuzz_require(router_add(run.router, BYTES_LITERAL("hand"), ORIGIN_TCP, on_hand, NULL, &run.hand.worker) == OK);
        for (size_t i = 0; i < SIDES; i++)
                side_init(&run.sides[i], i);
}

static void run_end(void)
{
        hand_clear();
        for (size_t i = 0; i < SIDES; i++) {
                channels_free(run.sides[i].channels);
                router_remove(run.router, run.sides[i].app);
        }
        router_remove(run.router, run.wire);
        router_remove(run.router, run.hand.worker);
        context_turn_end(&run.tc.ctx);
        router_free(run.router);
        test_context_clear(&run.tc);
        fuzz_require(secrets_used() == 2 * SIDES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        fuzz_need_secrets();
        fuzz_silence();
        if (!parties[0].identity)
                for (uint8_t i = 0; i < SIDES; i++)
                        party_init(&parties[i], (uint8_t)(i + 1), i == BOB ? 2 : 1, NOW_S - 1000);
        run_begin(data, size);
        for (int steps = 0; fuzz_more(&run.in) && steps < STEPS_MAX; steps++)
                step();
        check_channels(&run.sides[ALICE], &run.sides[BOB]);
        check_channels(&run.sides[BOB], &run.sides[ALICE]);
        if (size % 4 == 0) check_handshake(&run.sides[ALICE], &run.sides[BOB]); /* it takes longer than all the rest */
        run_end();
        return 0;
}
