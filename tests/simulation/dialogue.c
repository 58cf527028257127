/* Alices and Bob; see the header. */
#include "tests/simulation/dialogue.h"

#include "tests/simulation/ends.h"
#include "tests/simulation/lines.h"
#include "tests/simulation/session.h"

#include <stdio.h>
#include <stdlib.h>

enum {
        LINES_MIN = 120,
        LINES_MORE = 280, /* of all conversations together */
        CONVERSATIONS_MAX = 6,
        STILL_MAX_MS = 60000,        /* in a healed world something must go on within this time ... */
        STILL_MAX_LOSSY_MS = 150000, /* ... or this, where an Alice first has to notice that Bob is silent ... */
        QUIET_MS = 20000,            /* ... until all is done; then nothing more may come in this */
        /* As long as a run. An initiator is up when it has sent message 3, and cannot know that the responder has forgotten message 1 by
         * the time it comes: that no answer comes then is for the application to see, and a strict one waits for ever. */
        HANDSHAKE_MS = 600000,
        HANDSHAKES = 256,    /* ... and none is pushed out by what replays bring */
        STEPS_MAX = 4000000, /* a run that goes round in circles without time passing ends here */
};

struct dialogue;

struct side {
        struct end end;
        struct dialogue *dialogue;
};

/* Lines of one Alice, through one channel after the other. */
struct conversation {
        struct dialogue *dialogue;
        struct end *alice;
        unsigned which;
        struct session *session; /* NULL: no channel is up */
        struct channel *attempt;
        uint64_t attempt_ms, silence_ms, progress_ms;
        uint32_t total, next;    /* lines; the next one to go through this session */
        uint32_t received, done; /* strict: the next one that Bob must see; lines that came back */
        bool *echoed;
        uint32_t burst_max, pause_max_ms;
        struct timer connect, send, silence;
};

struct dialogue {
        struct world *world;
        uint64_t seed;
        bool verbose, strict, ordered;
        struct side bob, alices[ALICES_MAX];
        struct conversation conversations[CONVERSATIONS_MAX];
        size_t count;
        struct session_list sessions;
        struct hostiles *hostiles;
        uint64_t said; /* grows with everything that goes on */
        struct dialogue_figures figures;
};

static void set(struct dialogue *d, struct timer *timer, uint64_t in_ms)
{
        if (context_timer_set(world_context(d->world), timer, in_ms)) abort();
}

/* Checks that a line is what it says it is, and from whom it should be; NULL: a failure. */
static struct conversation *line_of(struct dialogue *d, const char *name, const struct identifier *peer, bool named,
                                    const struct delivery *delivery, uint32_t *number)
{
        struct conversation *conversation = NULL;
        unsigned which = 0;

        *number = 0;
        if (delivery->origin.kind != (named ? ORIGIN_CHANNEL : ORIGIN_CHANNEL_UNTRUSTED))
                world_fail(d->world, "%s: a message of origin %d", name, (int)delivery->origin.kind);
        else if (!line_read(delivery->msg.payload, &which, number) || which >= d->count || *number >= d->conversations[which].total ||
                 !bytes_equal(delivery->msg.payload, line_payload(d->seed, which, *number)))
                world_fail(d->world, "%s: a message of %zu bytes that is no line", name, delivery->msg.payload.n);
        else
                conversation = &d->conversations[which];
        if (!peer && conversation) peer = end_identifier(conversation->alice);
        if (conversation && (!delivery->origin.peer || memcmp(delivery->origin.peer, peer->hash, IDENTIFIER_SIZE) != 0))
                world_fail(d->world, "%s: a message from someone else", name);
        return world_failure(d->world) ? NULL : conversation;
}

/* --- Alice's channels ------------------------------------------------------------------------------------------------------- */

static void connect_fire(void *arg)
{
        struct conversation *c = arg;
        struct dialogue *d = c->dialogue;
        enum err err;

        if (!c->alice->endpoint || c->attempt || c->session || c->done == c->total) return;
        err = endpoint_connect(c->alice->endpoint, BYTES_LITERAL("listener"), c->attempt_ms, &c->attempt);
        if (err == ERR_AGAIN) return; /* when ready */
        if (err) world_fail(d->world, "%s: connect: %s", c->alice->name, err_text(err));
        d->figures.attempts++;
}

/* Those of one Alice. */
#define EACH_CONVERSATION_OF(d, whose, c)                                                                                                  \
        for (struct conversation *c = (d)->conversations; c < (d)->conversations + (d)->count; c++)                                        \
                if (c->alice == (whose))

static void alice_ready(void *user)
{
        struct side *side = user;

        EACH_CONVERSATION_OF(side->dialogue, &side->end, c)
        if (!c->session && !c->attempt) set(side->dialogue, &c->connect, 0);
}

static void send_fire(void *arg)
{
        struct conversation *c = arg;
        struct dialogue *d = c->dialogue;
        uint32_t burst = 1 + (uint32_t)world_choose(d->world, c->burst_max);

        while (c->session && burst > 0 && c->next < c->total) {
                enum err err;

                if (c->echoed[c->next]) {
                        c->next++;
                        continue;
                }
                err = endpoint_send(c->alice->endpoint, c->session->alice, BYTES_LITERAL("echoer"),
                                    line_payload(d->seed, c->which, c->next));
                if (!err && world_broken(d->world) == BROKEN_I8)
                        err = endpoint_send(c->alice->endpoint, c->session->alice, BYTES_LITERAL("nobody"), BYTES_NONE);
                if (err == ERR_FULL) return; /* when drained */
                if (err) world_fail(d->world, "%s: send of %u: %s", c->alice->name, c->next, err_text(err));
                if (err) return;
                way_goes(&c->session->there, c->next++);
                d->said++;
                burst--;
        }
        if (c->session && c->next < c->total) set(d, &c->send, world_choose(d->world, c->pause_max_ms + 1));
}

static void alice_drained(void *user)
{
        struct side *side = user;

        EACH_CONVERSATION_OF(side->dialogue, &side->end, c)
        if (c->session && c->next < c->total && !timer_is_set(&c->send)) set(side->dialogue, &c->send, 0);
}

static void alice_peer_up(void *user, struct channel *channel, bool named)
{
        struct side *side = user;
        struct dialogue *d = side->dialogue;

        EACH_CONVERSATION_OF(d, &side->end, c)
        {
                if (channel != c->attempt) continue;
                c->session = session_new(&d->sessions, channel, c);
                c->attempt = NULL;
                c->next = 0;
                c->progress_ms = world_now_ms(d->world);
                d->figures.channels++;
                set(d, &c->send, 0);
                if (!named) world_fail(d->world, "%s: somebody else answered", side->end.name);
                return;
        }
        world_fail(d->world, "%s: a channel that she did not ask for", side->end.name);
}

static void alice_peer_down(void *user, struct channel *channel, enum err err, const char *why)
{
        struct side *side = user;
        struct dialogue *d = side->dialogue;

        EACH_CONVERSATION_OF(d, &side->end, c)
        {
                /* A Bob who ends in order says so. */
                if (c->session && channel == c->session->alice && err == ERR_CLOSED && d->bob.end.restarts) {
                        c->session->alice = NULL;
                        c->session = NULL;
                        set(d, &c->connect, 0);
                        return;
                }
                if (channel != c->attempt) continue;
                if (err != ERR_TIMEOUT) world_fail(d->world, "%s: no channel: %s (%s)", side->end.name, why, err_name(err));
                c->attempt = NULL;
                set(d, &c->connect, 0);
                return;
        }
        world_fail(d->world, "%s: the channel is lost: %s (%s)", side->end.name, why, err_name(err));
}

/* Bob has been silent for long although he owes echoes: another channel, where one can be needed at all. */
static void silence_fire(void *arg)
{
        struct conversation *c = arg;
        struct dialogue *d = c->dialogue;
        uint64_t now = world_now_ms(d->world);

        if (c->session && c->done < c->total && now >= c->progress_ms + c->silence_ms) {
                struct channel *channel = c->session->alice;

                d->figures.renewals++;
                c->session->alice = NULL;
                c->session = NULL;
                endpoint_disconnect(c->alice->endpoint, channel);
                set(d, &c->connect, 0);
        }
        set(d, &c->silence, c->silence_ms);
}

static void alice_message(void *user, const struct delivery *delivery)
{
        struct side *side = user;
        struct dialogue *d = side->dialogue;
        struct session *session = session_at_alice(&d->sessions, endpoint_channel(side->end.endpoint, delivery));
        uint32_t number;
        struct conversation *c = line_of(d, side->end.name, end_identifier(&d->bob.end), true, delivery, &number);
        bool latest = false;

        if (!c) return;
        if (!session || session->conversation != c || !way_arrives(&session->back, number, &latest))
                world_fail(d->world, "%s: an echo of line %u that was not sent, or twice", side->end.name, number);
        else if (d->ordered && !latest)
                world_fail(d->world, "%s: an echo of line %u behind later ones", side->end.name, number);
        else if (d->strict && number != c->done)
                world_fail(d->world, "%s: an echo of line %u where %u is next", side->end.name, number, c->done);
        if (!c->echoed[number]) c->done++;
        c->echoed[number] = true;
        c->progress_ms = world_now_ms(d->world);
        d->said++;
}

static void alice_died(void *user)
{
        struct side *side = user;

        EACH_CONVERSATION_OF(side->dialogue, &side->end, c)
        {
                if (c->session) c->session->alice = NULL;
                c->session = NULL;
                c->attempt = NULL;
        }
}

/* --- Bob ----------------------------------------------------------------------------------------------------------------------- */

static void bob_ready(void *user) { (void)user; }

static void bob_peer_up(void *user, struct channel *channel, bool named)
{
        struct side *bob = user;
        struct dialogue *d = bob->dialogue;
        struct session *session = session_of_hash(&d->sessions, channel_hash(channel));

        if (named == bob->end.trust.everyone) world_fail(d->world, "bob: the peer is %snamed", named ? "" : "not ");
        if (!session || session->bob)
                world_fail(d->world, "I8: bob: a channel that no Alice made, or one of hers twice");
        else
                session->bob = channel;
}

static void bob_peer_down(void *user, struct channel *channel, enum err err, const char *why)
{
        struct side *bob = user;
        struct dialogue *d = bob->dialogue;
        struct session *session = session_at_bob(&d->sessions, channel);

        if (!session)
                world_fail(d->world, "bob: a channel ended that was not up: %s", why);
        else if (session->alice || err != ERR_CLOSED)
                world_fail(d->world, "bob: a channel ended that no Alice closed: %s (%s)", why, err_name(err));
        else
                session->bob = NULL;
}

static void bob_message(void *user, const struct delivery *delivery)
{
        struct side *bob = user;
        struct dialogue *d = bob->dialogue;
        struct session *session = session_at_bob(&d->sessions, endpoint_channel(bob->end.endpoint, delivery));
        uint32_t number;
        struct conversation *c = line_of(d, "bob", NULL, !bob->end.trust.everyone, delivery, &number);
        bool latest = false;
        enum err err;

        if (!c) return;
        if (!session || session->conversation != c || !way_arrives(&session->there, number, &latest))
                world_fail(d->world, "bob: line %u, which was not sent on this channel, or twice", number);
        else if (d->ordered && !latest)
                world_fail(d->world, "bob: line %u behind later ones", number);
        else if (d->strict && number != c->received)
                world_fail(d->world, "bob: line %u where %u is next", number, c->received);
        if (world_failure(d->world)) return;
        c->received++;
        d->said++;
        way_goes(&session->back, number);
        err = endpoint_reply(bob->end.endpoint, delivery, delivery->msg.payload);
        if (err) world_fail(d->world, "bob: echo of %u: %s", number, err_text(err));
}

static void bob_drained(void *user) { (void)user; }

static void bob_died(void *user)
{
        struct side *bob = user;
        struct session *session;

        SLIST_FOREACH (session, &bob->dialogue->sessions, link)
                session->bob = NULL;
}

/* --- all ----------------------------------------------------------------------------------------------------------------------- */

static void notice(void *user, enum err err, const char *text)
{
        struct side *side = user;

        (void)err;
        if (side->dialogue->verbose)
                printf("[%8llu] %s: %s\n", (unsigned long long)world_now_ms(side->dialogue->world), side->end.name, text);
}

static const struct endpoint_events alice_events = {alice_ready, alice_peer_up, alice_peer_down, alice_message, alice_drained, notice};
static const struct endpoint_events bob_events = {bob_ready, bob_peer_up, bob_peer_down, bob_message, bob_drained, notice};

static void side_init(struct dialogue *d, struct side *side, const char *name, bool is_bob)
{
        side->dialogue = d;
        end_init(&side->end, d->world, name, is_bob);
        side->end.events = is_bob ? &bob_events : &alice_events;
        side->end.died = is_bob ? bob_died : alice_died;
        side->end.user = side;
        side->end.verbose = d->verbose;
        if (!d->strict) return;
        side->end.channel.handshake_ms = HANDSHAKE_MS;
        side->end.channel.handshakes = HANDSHAKES;
}

static void conversation_init(struct dialogue *d, struct end *alice, uint32_t lines)
{
        struct conversation *c = &d->conversations[d->count];

        *c = (struct conversation){.dialogue = d, .alice = alice, .which = (unsigned)d->count++, .total = lines};
        c->echoed = calloc(lines, sizeof *c->echoed);
        if (!c->echoed) abort();
        timer_init(&c->connect, connect_fire, c);
        timer_init(&c->send, send_fire, c);
        timer_init(&c->silence, silence_fire, c);
        c->burst_max = 1u << world_choose(d->world, 6);
        c->pause_max_ms = 10u << world_choose(d->world, 8);
        c->attempt_ms = 5000 + world_choose(d->world, d->strict ? 40000 : 15000);
        c->silence_ms = 8000 + world_choose(d->world, 10000);
        if (!d->strict) set(d, &c->silence, c->silence_ms);
}

static void start(struct dialogue *d)
{
        const struct plan *plan = world_plan(d->world);
        uint32_t lines = LINES_MIN + (uint32_t)world_choose(d->world, LINES_MORE + 1);
        struct trust *trust = &d->bob.end.trust;
        char name[16];

        d->strict = plan_is_strict(plan);
        d->ordered = plan_keeps_order(plan);
        side_init(d, &d->bob, "bob", true);
        for (size_t i = 0; i < plan->alices; i++) {
                struct side *alice = &d->alices[i];

                snprintf(name, sizeof name, "alice-%u", (unsigned)i);
                side_init(d, alice, name, false);
                if (world_choose(d->world, 2)) alice->end.limits.unconfirmed = 20; /* she has to wait for room */
                alice->end.trusted[0] = *end_identifier(&d->bob.end);
                alice->end.trust = (struct trust){.list = alice->end.trusted, .count = 1};
                d->bob.end.trusted[i] = *end_identifier(&alice->end);
                for (size_t k = 0; k < plan->channels; k++)
                        conversation_init(d, &alice->end, lines / (uint32_t)(plan->alices * plan->channels));
        }
        if (world_choose(d->world, 2))
                *trust = (struct trust){.list = d->bob.end.trusted, .count = plan->alices};
        else
                *trust = (struct trust){.everyone = true};
        end_start(&d->bob.end);
        for (size_t i = 0; i < plan->alices; i++)
                end_start(&d->alices[i].end);
        d->hostiles = hostiles_new(d->world, plan->hostiles);
}

static bool complete(const struct dialogue *d)
{
        for (size_t i = 0; i < d->count; i++)
                if (d->conversations[i].done < d->conversations[i].total) return false;
        for (size_t i = 0; i < world_plan(d->world)->alices; i++)
                if (!d->alices[i].end.endpoint || endpoint_unconfirmed(d->alices[i].end.endpoint)) return false;
        return d->bob.end.endpoint && endpoint_unconfirmed(d->bob.end.endpoint) == 0;
}

static void check_sessions(struct dialogue *d)
{
        struct session *session;

        SLIST_FOREACH (session, &d->sessions, link)
                if (session->alice || session->bob) session_check(session, d->world);
}

static void go_on(struct dialogue *d)
{
        uint64_t progress_ms = world_heals_at_ms(d->world), until_ms = 0, steps = 0, said = 0;

        while (!world_failure(d->world)) {
                uint64_t now_ms = world_now_ms(d->world);

                if (said != d->said) {
                        said = d->said;
                        if (now_ms > progress_ms) progress_ms = now_ms;
                }
                if (until_ms == 0 && complete(d)) until_ms = now_ms + QUIET_MS;
                if (until_ms && now_ms >= until_ms) return;
                if (!world_step(d->world))
                        world_fail(d->world, "nothing happens any more");
                else if (!until_ms && now_ms > progress_ms + (d->strict ? STILL_MAX_MS : STILL_MAX_LOSSY_MS))
                        world_fail(d->world, "it does not go on");
                else if (++steps > STEPS_MAX)
                        world_fail(d->world, "it goes round in circles");
                check_sessions(d);
        }
}

static void finish(struct dialogue *d)
{
        struct context *ctx = world_context(d->world);

        hostiles_figures(d->hostiles, d->figures.hostile);
        hostiles_free(d->hostiles);
        for (size_t i = 0; i < world_plan(d->world)->alices; i++)
                end_stop(&d->alices[i].end);
        end_stop(&d->bob.end);
        for (size_t i = 0; i < d->count; i++) {
                struct conversation *c = &d->conversations[i];

                context_timer_stop(ctx, &c->connect);
                context_timer_stop(ctx, &c->send);
                context_timer_stop(ctx, &c->silence);
                d->figures.messages += c->done;
                free(c->echoed);
        }
        context_turn_end(ctx);
        for (size_t i = 0; i < world_plan(d->world)->alices; i++) {
                d->figures.restarts += d->alices[i].end.restarts;
                end_clear(&d->alices[i].end);
        }
        d->figures.restarts += d->bob.end.restarts;
        end_clear(&d->bob.end);
        sessions_free(&d->sessions);
}

void dialogue_run(uint64_t seed, bool verbose, enum broken broken, struct dialogue_result *out)
{
        struct dialogue *d = calloc(1, sizeof *d);
        uint32_t done = 0, total = 0;
        const char *failure;

        if (!d) abort();
        *out = (struct dialogue_result){0};
        d->world = world_new(seed, broken);
        d->seed = seed;
        d->verbose = verbose;
        if (verbose) plan_print(world_plan(d->world));
        start(d);
        go_on(d);
        for (size_t i = 0; i < d->count; i++) {
                done += d->conversations[i].done;
                total += d->conversations[i].total;
        }
        finish(d);
        world_end(d->world);
        failure = world_failure(d->world);
        out->passed = !failure;
        out->strict = d->strict;
        if (failure)
                snprintf(out->failure, sizeof out->failure, "%s [%u of %u lines came back, at %llu ms]", failure, done, total,
                         (unsigned long long)world_now_ms(d->world));
        memcpy(d->figures.stats, world_context(d->world)->stats.v, sizeof d->figures.stats);
        out->world = world_figures(d->world);
        out->dialogue = d->figures;
        out->digest = world_digest(d->world);
        world_free(d->world);
        free(d);
}
