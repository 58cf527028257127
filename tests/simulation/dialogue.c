/* Alice and Bob; see the header. */
#include "tests/simulation/dialogue.h"

#include "client/endpoint.h"
#include "transport/base/logger.h"

#include <stdio.h>
#include <stdlib.h>

enum {
        MESSAGES_MIN = 200,
        MESSAGES_MORE = 300,
        TEXT_MAX = 32768,
        STILL_MAX_MS = 60000, /* in a healed world something must go on within this time ... */
        QUIET_MS = 20000,     /* ... until all is done; then nothing more may come in this */
        /* As long as a run. An initiator is up when it has sent message 3, and cannot know that the responder has forgotten message 1 by the time
         * it comes: that no answer comes then is for the application to see, and this one waits for ever. */
        HANDSHAKE_MS = 600000,
        STEPS_MAX = 4000000,       /* a run that goes round in circles without time passing ends here */
};

struct party {
        struct dialogue *dialogue;
        const char *name;
        struct identity *identity;
        struct trust trust;
        struct identifier trusted;
        struct endpoint *endpoint;
};

struct dialogue {
        struct world *world;
        uint64_t seed;
        bool verbose;
        struct party alice, bob;
        struct channel *channel;  /* Alice's; NULL: none, or not up yet */
        struct channel *attempt;
        uint64_t attempt_ms;      /* how long she tries */
        uint32_t total, sent;     /* messages to send; given to the endpoint */
        uint32_t received, echoed;/* the next number that Bob, and Alice, must see */
        uint32_t burst_max, pause_max_ms;
        struct timer connect, send;
        struct dialogue_figures figures;
        uint8_t payload[TEXT_MAX + UINT_SIZE_MAX];
};

static void set(struct dialogue *d, struct timer *timer, uint64_t in_ms)
{
        if (context_timer_set(world_context(d->world), timer, in_ms)) abort();
}

/* --- what is said --- */

static uint64_t mixed(uint64_t x)
{
        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
        x = (x ^ x >> 27) * 0x94d049bb133111ebu;
        return x ^ x >> 31;
}

/* The payload of message `number`, always the same: a BARE string, mostly short, now and then long. Lives until the next call. */
static struct bytes payload_of(struct dialogue *d, uint32_t number)
{
        static char text[TEXT_MAX];
        uint64_t bits = mixed(d->seed * 0x9e3779b97f4a7c15u + number + 1);
        size_t size = bits % 100 == 0 ? TEXT_MAX - 1 : bits % 100 < 10 ? 2000 : 80, n;
        struct writer w = writer_make(d->payload, sizeof d->payload);

        n = (size_t)snprintf(text, sizeof text, "message %u ", number);
        size = n + mixed(bits) % (size - n);
        for (; n < size; n++)
                text[n] = (char)('a' + mixed(bits + n) % 26);
        bare_put_string(&w, bytes_make(text, n));
        return writer_bytes(&w);
}

/* Which message it is, for a failure; -1: none. */
static long number_of(struct bytes payload)
{
        char text[64];
        struct bare_reader r = bare_reader_make(payload);
        struct bytes string = bare_string(&r);
        size_t n = string.n < sizeof text ? string.n : sizeof text - 1;

        memcpy(text, n ? string.p : (const uint8_t *)"", n);
        text[n] = 0;
        return strncmp(text, "message ", 8) == 0 ? strtol(text + 8, NULL, 10) : -1;
}

/* Checks that it is the next one, and from whom it should be; false: a failure. */
static bool is_next(struct party *party, const struct identity *peer, const struct delivery *delivery, uint32_t next)
{
        struct dialogue *d = party->dialogue;
        const struct identifier *peer_id = &identity_get_view(peer)->identifier;

        if (delivery->origin.kind != (party->trust.everyone ? ORIGIN_CHANNEL_UNTRUSTED : ORIGIN_CHANNEL))
                world_fail(d->world, "%s: a message of origin %d", party->name, (int)delivery->origin.kind);
        else if (!delivery->origin.peer || memcmp(delivery->origin.peer, peer_id->hash, IDENTIFIER_SIZE) != 0)
                world_fail(d->world, "%s: a message from someone else", party->name);
        else if (next >= d->total || !bytes_equal(delivery->msg.payload, payload_of(d, next)))
                world_fail(d->world, "%s: message %ld (%zu bytes) where %u of %u is next", party->name, number_of(delivery->msg.payload),
                           delivery->msg.payload.n, next, d->total);
        return !world_failure(d->world);
}

/* --- Alice --- */

static void connect_fire(void *arg)
{
        struct dialogue *d = arg;
        enum err err = endpoint_connect(d->alice.endpoint, BYTES_LITERAL("listener"), d->attempt_ms, &d->attempt);

        if (err == ERR_AGAIN) return; /* when ready */
        if (err) world_fail(d->world, "alice: connect: %s", err_text(err));
        d->figures.attempts++;
}

static void alice_ready(void *user)
{
        struct party *alice = user;
        struct dialogue *d = alice->dialogue;

        if (!d->channel && !d->attempt) set(d, &d->connect, 0);
}

static void send_fire(void *arg)
{
        struct dialogue *d = arg;
        uint32_t burst = 1 + (uint32_t)world_choose(d->world, d->burst_max);

        for (; d->channel && burst > 0 && d->sent < d->total; burst--) {
                enum err err = endpoint_send(d->alice.endpoint, d->channel, BYTES_LITERAL("echoer"), payload_of(d, d->sent));
                if (err == ERR_FULL) return; /* when drained */
                if (err) {
                        world_fail(d->world, "alice: send of %u: %s", d->sent, err_text(err));
                        return;
                }
                d->sent++;
        }
        if (d->sent < d->total) set(d, &d->send, world_choose(d->world, d->pause_max_ms + 1));
}

static void alice_drained(void *user)
{
        struct party *alice = user;
        struct dialogue *d = alice->dialogue;

        if (d->channel && d->sent < d->total && !timer_is_set(&d->send)) set(d, &d->send, 0);
}

static void alice_peer_up(void *user, struct channel *channel, bool named)
{
        struct party *alice = user;
        struct dialogue *d = alice->dialogue;

        if (channel != d->attempt || d->channel || !named) world_fail(d->world, "alice: a channel that she did not ask for");
        d->channel = channel;
        d->attempt = NULL;
        set(d, &d->send, 0);
}

static void alice_peer_down(void *user, struct channel *channel, enum err err, const char *why)
{
        struct party *alice = user;
        struct dialogue *d = alice->dialogue;

        if (channel != d->attempt || d->channel) {
                world_fail(d->world, "alice: the channel is lost: %s (%s)", why, err_name(err));
                return;
        }
        if (err != ERR_TIMEOUT) world_fail(d->world, "alice: no channel: %s (%s)", why, err_name(err));
        d->attempt = NULL;
        set(d, &d->connect, 0);
}

static void alice_message(void *user, const struct delivery *delivery)
{
        struct party *alice = user;
        struct dialogue *d = alice->dialogue;

        if (is_next(alice, d->bob.identity, delivery, d->echoed)) d->echoed++;
}

/* --- Bob --- */

static void bob_ready(void *user)
{
        (void)user;
}

static void bob_peer_up(void *user, struct channel *channel, bool named)
{
        struct party *bob = user;

        (void)channel;
        if (named == bob->trust.everyone) world_fail(bob->dialogue->world, "bob: the peer is %snamed", named ? "" : "not ");
}

/* Handshakes that Alice gave up; that nothing is lost shows in the messages. */
static void bob_peer_down(void *user, struct channel *channel, enum err err, const char *why)
{
        (void)user;
        (void)channel;
        (void)err;
        (void)why;
}

static void bob_message(void *user, const struct delivery *delivery)
{
        struct party *bob = user;
        struct dialogue *d = bob->dialogue;
        enum err err;

        if (!is_next(bob, d->alice.identity, delivery, d->received)) return;
        d->received++;
        err = endpoint_reply(bob->endpoint, delivery, delivery->msg.payload);
        if (err) world_fail(d->world, "bob: echo of %u: %s", d->received - 1, err_text(err));
}

static void bob_drained(void *user)
{
        (void)user;
}

/* --- both --- */

static void notice(void *user, enum err err, const char *text)
{
        struct party *party = user;

        (void)err;
        if (party->dialogue->verbose) printf("[%8llu] %s: %s\n", (unsigned long long)world_now_ms(party->dialogue->world), party->name, text);
}

static const struct endpoint_events alice_events = {alice_ready, alice_peer_up, alice_peer_down, alice_message, alice_drained, notice};
static const struct endpoint_events bob_events = {bob_ready, bob_peer_up, bob_peer_down, bob_message, bob_drained, notice};

static void party_init(struct dialogue *d, struct party *party, const char *name)
{
        struct context *ctx = world_context(d->world);
        uint8_t seed[KEY_SIZE];

        party->dialogue = d;
        party->name = name;
        context_random(ctx, seed, sizeof seed);
        if (identity_new(seed, context_utc_s(ctx) - 3600, &party->identity)) abort();
}

static void trusts(struct party *party, const struct party *other)
{
        party->trusted = identity_get_view(other->identity)->identifier;
        party->trust = (struct trust){.list = &party->trusted, .count = 1};
}

static void limits_choose(struct dialogue *d, struct stream_client_limits *limits)
{
        static const uint32_t in_flight[] = {1, 8, 64, 512}, pull_limit[] = {1, 8, 256};

        limits->in_flight = in_flight[world_choose(d->world, 4)];
        limits->pull_limit = pull_limit[world_choose(d->world, 3)];
        limits->pulls_ahead = 1 + world_choose(d->world, 4);
}

static void party_start(struct dialogue *d, struct party *party, const struct endpoint_events *events, struct endpoint_config *config)
{
        struct reason why = {{0}};

        config->net = world_net(d->world);
        config->node_count = world_nodes(d->world, &config->nodes);
        config->identity = party->identity;
        config->trust = &party->trust;
        config->transport = TRANSPORT_LIMITS_DEFAULT;
        config->channel = CHANNEL_LIMITS_DEFAULT;
        config->channel.handshake_ms = HANDSHAKE_MS;
        party->endpoint = endpoint_new(world_context(d->world), config, events, party, &why);
        if (!party->endpoint) world_fail(d->world, "%s: %s", party->name, why.text);
}

static void start(struct dialogue *d)
{
        struct endpoint_config alice = {.sender = "alice_to_bob", .receiver = "bob_to_alice", .client_id = "alice", .application = "app"};
        struct endpoint_config bob = {.sender = "bob_to_alice", .receiver = "alice_to_bob", .client_id = "bob", .application = "echoer",
                                      .listen = "listener"};

        alice.stream = bob.stream = STREAM_CLIENT_LIMITS_DEFAULT;
        limits_choose(d, &alice.stream);
        limits_choose(d, &bob.stream);
        if (world_choose(d->world, 2)) alice.stream.unconfirmed = 20; /* she has to wait for room */
        timer_init(&d->connect, connect_fire, d);
        timer_init(&d->send, send_fire, d);
        party_init(d, &d->alice, "alice");
        party_init(d, &d->bob, "bob");
        trusts(&d->alice, &d->bob);
        if (world_choose(d->world, 2)) trusts(&d->bob, &d->alice);
        else d->bob.trust = (struct trust){.everyone = true};
        d->total = MESSAGES_MIN + (uint32_t)world_choose(d->world, MESSAGES_MORE + 1);
        d->burst_max = 1u << world_choose(d->world, 6);
        d->pause_max_ms = 10u << world_choose(d->world, 8);
        d->attempt_ms = 5000 + world_choose(d->world, 40000);
        party_start(d, &d->bob, &bob_events, &bob);
        party_start(d, &d->alice, &alice_events, &alice);
}

static bool complete(const struct dialogue *d)
{
        return d->echoed == d->total && endpoint_unconfirmed(d->alice.endpoint) == 0 && endpoint_unconfirmed(d->bob.endpoint) == 0;
}

static void go_on(struct dialogue *d)
{
        uint64_t progress_ms = world_heals_at_ms(d->world), until_ms = 0, steps = 0, said = 0;

        while (!world_failure(d->world)) {
                uint64_t now_ms = world_now_ms(d->world);

                if (said != (uint64_t)d->sent + d->received + d->echoed) {
                        said = (uint64_t)d->sent + d->received + d->echoed;
                        if (now_ms > progress_ms) progress_ms = now_ms;
                }
                if (until_ms == 0 && complete(d)) until_ms = now_ms + QUIET_MS;
                if (until_ms && now_ms >= until_ms) return;
                if (!world_step(d->world)) world_fail(d->world, "nothing happens any more");
                else if (!until_ms && now_ms > progress_ms + STILL_MAX_MS) world_fail(d->world, "it does not go on");
                else if (++steps > STEPS_MAX) world_fail(d->world, "it goes round in circles");
        }
}

static void end(struct dialogue *d)
{
        endpoint_free(d->alice.endpoint);
        endpoint_free(d->bob.endpoint);
        context_timer_stop(world_context(d->world), &d->connect);
        context_timer_stop(world_context(d->world), &d->send);
        context_turn_end(world_context(d->world));
        identity_free(d->alice.identity);
        identity_free(d->bob.identity);
}

void dialogue_run(uint64_t seed, bool verbose, struct dialogue_result *out)
{
        struct dialogue *d = calloc(1, sizeof *d);
        const char *failure;

        if (!d) abort();
        *out = (struct dialogue_result){0};
        d->world = world_new(seed);
        d->seed = seed;
        d->verbose = verbose;
        if (verbose) world_print_plan(d->world);
        start(d);
        go_on(d);
        end(d);
        world_end(d->world);
        failure = world_failure(d->world);
        out->passed = !failure;
        if (failure)
                snprintf(out->failure, sizeof out->failure, "%s [%u of %u sent, %u received, %u echoed, at %llu ms]", failure, d->sent, d->total,
                         d->received, d->echoed, (unsigned long long)world_now_ms(d->world));
        d->figures.messages = d->echoed;
        memcpy(d->figures.stats, world_context(d->world)->stats.v, sizeof d->figures.stats);
        out->world = world_figures(d->world);
        out->dialogue = d->figures;
        out->digest = world_digest(d->world);
        world_free(d->world);
        free(d);
}
