/* The workers of secure channels: listeners, and for each channel a decryptor (which does the handshake first) and an
 * encryptor. Routing follows docs/protocol.md, "Handshake": handshake messages carry the decryptor's address in their return
 * route, encrypted ones the encryptor's, and everything from the peer arrives at the decryptor.
 *
 * A channel that ends is taken out of everything at once and freed at the end of the turn, so each function here may call
 * the user, who may close any channel, and must not go on with one afterwards. */
#include "transport/secure_channel/channel.h"

#include "transport/base/logger.h"
#include "transport/secure_channel/channel_message.h"
#include "transport/secure_channel/handshake.h"
#include "transport/secure_channel/session.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

enum channel_state {
        CHANNEL_STARTING, /* initiator, about to send message 1 in a turn of its own; in `channels` */
        CHANNEL_AWAIT_2,  /* initiator, waits for message 2; in `channels` */
        CHANNEL_AWAIT_3,  /* responder, waits for message 3; in `half_open` */
        CHANNEL_UP,       /* keys are there; in `channels` */
        CHANNEL_ENDED,    /* waits to be freed; in no list */
};

static const char *const state_names[] = {"starting", "await 2", "await 3", "up", "ended"};

TAILQ_HEAD(channel_list, channel);

struct listener {
        SLIST_ENTRY(listener) link;
        struct channels *all;
        struct worker *worker;
        const struct trust *trust;
};

struct channel {
        TAILQ_ENTRY(channel) link;
        struct channels *all;
        enum channel_state state;
        enum noise_role role;
        char who[32];                         /* for logs */
        struct noise *noise;                  /* until it is up */
        const struct trust *trust;
        struct worker *decryptor, *encryptor; /* encryptor: from up on */
        struct route_copy route;              /* to the peer */
        struct timer timer;                   /* handshakes: when it is given up */
        uint64_t timeout_ms;
        struct encryptor enc;
        struct decryptor dec;
        struct handshake_peer peer;           /* history: not kept here */
        uint8_t hash[HASH_SIZE];
        void *user;
        struct grave grave;
};

struct channels {
        struct router *router;
        struct channels_config config;
        struct handshake_self self;
        struct known_peers *known;
        SLIST_HEAD(listener_list, listener) listeners;
        struct channel_list channels, half_open; /* half_open: oldest first */
        size_t channel_count, half_open_count;
        uint64_t made; /* numbers the channels in logs */
        struct grave grave;
};

static struct context *context_of(const struct channels *all)
{
        return router_context(all->router);
}

static void count(const struct channels *all, enum stat_id stat)
{
        context_count(context_of(all), stat);
}

/* --- states ------------------------------------------------------------------------------------------------------------- */

static void leave_list(struct channel *channel)
{
        if (channel->state == CHANNEL_AWAIT_3) {
                TAILQ_REMOVE(&channel->all->half_open, channel, link);
                channel->all->half_open_count--;
        } else {
                TAILQ_REMOVE(&channel->all->channels, channel, link);
                channel->all->channel_count--;
        }
}

static void enter_list(struct channel *channel)
{
        if (channel->state == CHANNEL_AWAIT_3) {
                TAILQ_INSERT_TAIL(&channel->all->half_open, channel, link);
                channel->all->half_open_count++;
        } else if (channel->state != CHANNEL_ENDED) {
                TAILQ_INSERT_TAIL(&channel->all->channels, channel, link);
                channel->all->channel_count++;
        }
}

static void set_state(struct channel *channel, enum channel_state state)
{
        static const unsigned from[] = {
                [CHANNEL_STARTING] = 0,
                [CHANNEL_AWAIT_2] = 1u << CHANNEL_STARTING,
                [CHANNEL_AWAIT_3] = 0,
                [CHANNEL_UP] = 1u << CHANNEL_AWAIT_2 | 1u << CHANNEL_AWAIT_3,
                [CHANNEL_ENDED] = 1u << CHANNEL_STARTING | 1u << CHANNEL_AWAIT_2 | 1u << CHANNEL_AWAIT_3 | 1u << CHANNEL_UP,
        };

        assert(from[state] >> channel->state & 1);
        log_debug(channel->who, "%s -> %s", state_names[channel->state], state_names[state]);
        leave_list(channel);
        channel->state = state;
        enter_list(channel);
}

static void channel_bury(void *object)
{
        struct channel *channel = object;

        route_copy_clear(&channel->route);
        free(channel);
}

/* Takes it out of everything. Keys go now, memory at the end of the turn. */
static void channel_stop(struct channel *channel)
{
        struct context *ctx = context_of(channel->all);

        if (channel->state != CHANNEL_UP) count(channel->all, STAT_HANDSHAKES_FAILED);
        set_state(channel, CHANNEL_ENDED);
        context_timer_stop(ctx, &channel->timer);
        router_remove(channel->all->router, channel->decryptor);
        router_remove(channel->all->router, channel->encryptor);
        noise_free(channel->noise);
        channel->noise = NULL;
        encryptor_clear(&channel->enc);
        decryptor_clear(&channel->dec);
        context_bury(ctx, &channel->grave, channel_bury, channel);
}

/* It ends by itself. The user hears of channels that he has heard of before: his own, and those that were up. */
static void channel_end(struct channel *channel, enum err err, const char *why)
{
        struct channels *all = channel->all;
        const bool users = channel->state != CHANNEL_AWAIT_3;
        const bool showed_itself = !channel->noise || noise_remote_static(channel->noise);

        log_at(users || showed_itself ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, channel->who, "ended: %s", why);
        channel_stop(channel);
        if (users)
                all->config.events->closed(all->config.user, channel, err, why);
        else if (showed_itself)
                all->config.events->refused(all->config.user, err, why);
}

/* --- sending ------------------------------------------------------------------------------------------------------------ */

/* Sends a payload along the channel's route, `from` as the way back. */
static enum err send_payload(struct channel *channel, const struct worker *from, struct bytes payload)
{
        struct message msg = {.onward = channel->route.route, .payload = payload};
        const struct bytes address = worker_address(from);
        const enum err err = route_of_locals(router_arena(channel->all->router), &address, 1, &msg.ret);

        return err ? err : router_send(channel->all->router, ORIGIN_OWN, msg);
}

/* A handshake message as BARE data. */
static enum err send_handshake(struct channel *channel, struct bytes message)
{
        const size_t n = bare_data_size(message.n);
        uint8_t *memory = arena_alloc(router_arena(channel->all->router), n);
        struct writer w = writer_make(memory, n);

        if (!memory) return ERR_FULL;
        bare_put_data(&w, message);
        return send_payload(channel, channel->decryptor, writer_bytes(&w));
}

/* Room for a message of `n` clear bytes; `clear` is where they are written, for sealing in place. */
struct sealing {
        struct writer whole, clear;
};

static enum err sealing_make(struct channel *channel, size_t n, struct sealing *out)
{
        const size_t sealed_n = NONCE_SIZE + n + TAG_SIZE, whole_n = bare_data_size(sealed_n);
        uint8_t *memory = arena_alloc(router_arena(channel->all->router), whole_n);

        if (!memory) return ERR_FULL;
        out->whole = writer_make(memory, whole_n);
        bare_put_uint(&out->whole, sealed_n);
        out->clear = writer_make(memory + out->whole.n + NONCE_SIZE, n);
        return OK;
}

static enum err sealing_finish(struct channel *channel, struct sealing *sealing, struct bytes *payload)
{
        const enum err err = encryptor_seal(&channel->enc, writer_bytes(&sealing->clear), sealing->whole.p + sealing->whole.n);

        if (!err) *payload = bytes_make(sealing->whole.p, sealing->whole.cap);
        return err;
}

/* A message for the other side: what is left of its routes goes through the channel. */
static void encryptor_handle(void *self, const struct delivery *delivery)
{
        struct channel *channel = self;
        const struct message msg = {route_rest(delivery->msg.onward), delivery->msg.ret, delivery->msg.payload};
        const size_t n = channel_payload_size(&msg);
        struct sealing sealing;
        struct bytes payload;
        enum err err;

        /* It fits into no frame. Each nonce that is used up for nothing brings the peer nearer to the end of its window. */
        if (n > NOISE_MESSAGE_MAX - NONCE_SIZE - TAG_SIZE) {
                count(channel->all, STAT_FRAMES_TOO_LARGE);
                log_warning(channel->who, "a message of %zu bytes is too large for a frame and was dropped", msg.payload.n);
                return;
        }
        if (sealing_make(channel, n, &sealing)) {
                count(channel->all, STAT_DROP_QUEUE_FULL);
                return;
        }
        channel_payload_put(&sealing.clear, &msg);
        if ((err = sealing_finish(channel, &sealing, &payload))) {
                channel_end(channel, err, err == ERR_NONCES ? "its numbers are used up; a new channel is needed" : "it cannot encrypt");
                return;
        }
        if (send_payload(channel, channel->encryptor, payload)) log_debug(channel->who, "an encrypted message was dropped: too many at once");
}

/* --- receiving ---------------------------------------------------------------------------------------------------------- */

/* The BARE data that a message from the peer is. */
static bool data_of(const struct delivery *delivery, struct bytes *out)
{
        struct bare_reader r = bare_reader_make(delivery->msg.payload);

        *out = bare_data(&r);
        return !r.err;
}

static void drop_received(struct channel *channel, enum stat_id stat, enum err err)
{
        count(channel->all, stat);
        log_debug(channel->who, "a message from the peer was dropped: %s", err_text(err));
}

static enum stat_id stat_of_failure(enum err err)
{
        switch (err) {
        case ERR_DECRYPT: return STAT_DECRYPT_FAILED;
        case ERR_REPLAYED: return STAT_REPLAYED;
        case ERR_FULL: return STAT_DROP_QUEUE_FULL;
        default: return STAT_DROP_UNDECODED;
        }
}

static void route_on(struct channel *channel, struct message *msg)
{
        const struct origin origin = {channel->peer.named ? ORIGIN_CHANNEL : ORIGIN_CHANNEL_UNTRUSTED, 0, channel->peer.identifier.hash};
        const struct address back = address_local(worker_address(channel->encryptor));

        if (route_prepend(router_arena(channel->all->router), back, msg->ret, &msg->ret)) {
                drop_received(channel, STAT_DROP_QUEUE_FULL, ERR_FULL);
                return;
        }
        router_post(channel->all->router, origin, *msg);
}

/* Refreshed credentials bring the peer's history along; only a longer one of the same identity is news. */
static enum err take_history(struct channel *channel, struct bytes history)
{
        struct channels *all = channel->all;
        struct identity_view view;
        enum err err;

        if (known_peers_has(all->known, &channel->peer.identifier, history)) return OK;
        if (history.n > all->config.limits.history_bytes) return ERR_TOO_LARGE;
        if ((err = identity_verify(history, all->config.limits.history_changes, &view))) return err;
        if (!identifier_equal(&view.identifier, &channel->peer.identifier)) return ERR_IDENTITY;
        if ((err = known_peers_check(all->known, &view.identifier, history))) return err;
        return known_peers_remember(all->known, &view.identifier, history, channel->peer.named);
}

static void handle_clear(struct channel *channel, struct channel_message *message)
{
        enum err err;

        switch (message->kind) {
        case CHANNEL_MESSAGE_PAYLOAD: route_on(channel, &message->msg); return;
        case CHANNEL_MESSAGE_CREDENTIALS:
                if ((err = take_history(channel, message->history))) drop_received(channel, STAT_DROP_UNDECODED, err);
                return;
        case CHANNEL_MESSAGE_CLOSE: channel_end(channel, ERR_CLOSED, "the peer closed the channel"); return;
        }
}

/* False: the user has closed the channel. */
static bool tell_missing(struct channel *channel)
{
        struct channels *all = channel->all;
        const uint64_t missing = decryptor_missing(&channel->dec);

        if (missing == 0) return true;
        context_of(all)->stats.v[STAT_MISSING] += missing;
        all->config.events->missing(all->config.user, channel, missing);
        return channel->state == CHANNEL_UP;
}

static void handle_encrypted(struct channel *channel, struct bytes in)
{
        struct arena *arena = router_arena(channel->all->router);
        uint8_t *clear = arena_alloc(arena, in.n ? in.n : 1);
        struct channel_message message;
        uint64_t nonce;
        enum err err = clear ? decryptor_open(&channel->dec, in, clear, &nonce) : ERR_FULL;

        if (!err)
                err = channel_message_read(bytes_make(clear, in.n - NONCE_SIZE - TAG_SIZE), arena, router_limits(channel->all->router)->route_hops,
                                           &message);
        if (err)
                drop_received(channel, stat_of_failure(err), err);
        else if (tell_missing(channel))
                handle_clear(channel, &message);
}

/* --- handshake ---------------------------------------------------------------------------------------------------------- */

/* Whether answers may go along this route. */
static bool route_is_fit(const struct channels *all, struct route route)
{
        return route.count > 0 && route.encoded.n <= all->config.limits.route_bytes;
}

static enum err set_route(struct channel *channel, struct route route)
{
        struct route_copy copy;
        const enum err err = route_copy(route, &copy);

        if (err) return err;
        route_copy_clear(&channel->route);
        channel->route = copy;
        return OK;
}

static enum err make_keys(struct channel *channel)
{
        uint8_t send[KEY_SIZE], receive[KEY_SIZE];
        enum err err = handshake_keys(channel->noise, channel->role, send, receive);

        if (!err) err = encryptor_init(&channel->enc, send, 0);
        if (!err) err = decryptor_init(&channel->dec, receive);
        crypto_wipe(send, sizeof send);
        crypto_wipe(receive, sizeof receive);
        return err;
}

/* All that is left to do once the third message is there. */
static enum err establish(struct channel *channel, const struct handshake_peer *peer)
{
        struct channels *all = channel->all;
        enum err err;

        if ((err = make_keys(channel))) return err;
        if ((err = router_add(all->router, BYTES_NONE, ORIGIN_LOCAL, encryptor_handle, channel, &channel->encryptor))) return err;
        if ((err = known_peers_remember(all->known, &peer->identifier, peer->history, peer->named))) return err;
        memcpy(channel->hash, noise_hash(channel->noise), HASH_SIZE);
        channel->peer = *peer;
        channel->peer.history = BYTES_NONE;
        return OK;
}

static void come_up(struct channel *channel)
{
        char text[IDENTIFIER_TEXT_SIZE + 1];
        struct channels *all = channel->all;

        context_timer_stop(context_of(all), &channel->timer);
        noise_free(channel->noise);
        channel->noise = NULL;
        set_state(channel, CHANNEL_UP);
        count(all, STAT_HANDSHAKES_DONE);
        log_info(channel->who, "up, we are the %s, the peer is %s%s", channel->role == NOISE_INITIATOR ? "initiator" : "responder",
                 identifier_text(&channel->peer.identifier, text), channel->peer.named ? "" : ", whom nobody vouches for");
        all->config.events->up(all->config.user, channel);
}

static enum err check_peer(struct channel *channel, struct bytes payload, struct handshake_peer *peer, struct reason *why)
{
        const struct channels *all = channel->all;
        const struct handshake_rules rules = {channel->trust, all->known, &all->config.limits, context_utc_s(context_of(all))};

        return handshake_check(channel->noise, payload, &rules, peer, why);
}

/* Initiator: everything about the peer is checked before it learns who we are. */
static enum err finish_as_initiator(struct channel *channel, struct route route, struct bytes payload, struct reason *why)
{
        struct handshake_peer peer;
        struct bytes message;
        enum err err;

        if ((err = check_peer(channel, payload, &peer, why))) return err;
        if ((err = set_route(channel, route))) return fail(why, err, "out of memory");
        if ((err = handshake_write(channel->noise, &channel->all->self, router_arena(channel->all->router), &message)) ||
            (err = establish(channel, &peer)) || (err = send_handshake(channel, message)))
                return fail(why, err, "the handshake could not be finished: %s", err_text(err));
        return OK;
}

static enum err finish_as_responder(struct channel *channel, struct bytes payload, struct reason *why)
{
        struct handshake_peer peer;
        enum err err;

        if ((err = check_peer(channel, payload, &peer, why))) return err;
        if (channel->all->channel_count >= channel->all->config.limits.channels) {
                count(channel->all, STAT_HANDSHAKES_FULL);
                return fail(why, ERR_FULL, "there are too many channels");
        }
        if ((err = establish(channel, &peer))) return fail(why, err, "the handshake could not be finished: %s", err_text(err));
        return OK;
}

/* Message 2 or 3. What is not that leaves the handshake waiting; what is, and does not convince, ends it without a word. */
static void handle_handshake(struct channel *channel, const struct delivery *delivery, struct bytes in)
{
        struct reason why = {""};
        struct bytes payload;
        enum err err;

        if (channel->role == NOISE_INITIATOR && !route_is_fit(channel->all, delivery->msg.ret)) {
                drop_received(channel, STAT_DROP_UNDECODED, ERR_MALFORMED);
                return;
        }
        if ((err = handshake_read(channel->noise, in, router_arena(channel->all->router), &payload))) {
                drop_received(channel, stat_of_failure(err), err);
                return;
        }
        if (channel->role == NOISE_INITIATOR)
                err = finish_as_initiator(channel, delivery->msg.ret, payload, &why);
        else
                err = finish_as_responder(channel, payload, &why);
        if (err)
                channel_end(channel, err, why.text);
        else
                come_up(channel);
}

static void decryptor_handle(void *self, const struct delivery *delivery)
{
        struct channel *channel = self;
        struct bytes in;

        if (!data_of(delivery, &in)) {
                drop_received(channel, STAT_DROP_UNDECODED, ERR_MALFORMED);
                return;
        }
        switch (channel->state) {
        case CHANNEL_STARTING: drop_received(channel, STAT_DROP_UNDECODED, ERR_UNEXPECTED); return;
        case CHANNEL_AWAIT_2:
        case CHANNEL_AWAIT_3: handle_handshake(channel, delivery, in); return;
        case CHANNEL_UP: handle_encrypted(channel, in); return;
        case CHANNEL_ENDED: return;
        }
}

/* --- beginnings --------------------------------------------------------------------------------------------------------- */

static void timer_fired(void *arg);

/* Gives back what a channel that never came into a list has. */
static void channel_discard(struct channel *channel)
{
        router_remove(channel->all->router, channel->decryptor);
        noise_free(channel->noise);
        route_copy_clear(&channel->route);
        free(channel);
}

static enum err start_noise(struct channel *channel)
{
        uint8_t ephemeral[KEY_SIZE];

        context_random(context_of(channel->all), ephemeral, sizeof ephemeral);
        const enum err err = handshake_new(channel->role, &channel->all->self, ephemeral, &channel->noise);
        crypto_wipe(ephemeral, sizeof ephemeral);
        return err;
}

/* A channel in its first state, with a timer that fires in `in_ms`. */
static enum err channel_new(struct channels *all, enum noise_role role, struct route route, const struct trust *trust, uint64_t in_ms,
                            struct channel **out)
{
        struct channel *channel = calloc(1, sizeof *channel);
        enum err err;

        if (!channel) return ERR_NO_MEMORY;
        channel->all = all;
        channel->role = role;
        channel->state = role == NOISE_INITIATOR ? CHANNEL_STARTING : CHANNEL_AWAIT_3;
        channel->trust = trust;
        snprintf(channel->who, sizeof channel->who, "channel %llu", (unsigned long long)++all->made);
        timer_init(&channel->timer, timer_fired, channel);
        if ((err = start_noise(channel)) || (err = route_copy(route, &channel->route)) ||
            (err = router_add(all->router, BYTES_NONE, all->config.accepts, decryptor_handle, channel, &channel->decryptor)) ||
            (err = context_timer_set(context_of(all), &channel->timer, in_ms))) {
                channel_discard(channel);
                return err;
        }
        enter_list(channel);
        count(all, STAT_HANDSHAKES_STARTED);
        *out = channel;
        return OK;
}

/* Writes the message whose turn it is and sends it. */
static enum err next_message(struct channel *channel)
{
        struct bytes message;
        const enum err err = handshake_write(channel->noise, &channel->all->self, router_arena(channel->all->router), &message);

        return err ? err : send_handshake(channel, message);
}

/* The initiator's first message, and the end of anybody's patience. */
static void timer_fired(void *arg)
{
        struct channel *channel = arg;
        enum err err;

        if (channel->state != CHANNEL_STARTING) {
                channel_end(channel, ERR_TIMEOUT, "the handshake was not answered in time");
                return;
        }
        set_state(channel, CHANNEL_AWAIT_2);
        if (!(err = context_timer_set(context_of(channel->all), &channel->timer, channel->timeout_ms))) err = next_message(channel);
        if (err && channel->state == CHANNEL_AWAIT_2) channel_end(channel, err, "the first handshake message could not be sent");
}

/* Makes room for one more half-open handshake: the oldest gives way, so that a flood of first messages shuts out nobody for
 * longer than it lasts (C10). */
static bool make_room(struct channels *all)
{
        if (all->config.limits.handshakes == 0 || all->channel_count >= all->config.limits.channels) return false;
        while (all->half_open_count >= all->config.limits.handshakes) {
                count(all, STAT_HANDSHAKES_FULL);
                channel_end(TAILQ_FIRST(&all->half_open), ERR_FULL, "it gave way to a newer handshake");
        }
        return true;
}

static void listener_handle(void *self, const struct delivery *delivery)
{
        const struct listener *listener = self;
        struct channels *all = listener->all;
        struct channel *channel = NULL;
        struct bytes in, payload;
        enum err err;

        if (!data_of(delivery, &in) || in.n < KEY_SIZE || !route_is_fit(all, delivery->msg.ret)) {
                count(all, STAT_DROP_UNDECODED);
                return;
        }
        if (!make_room(all) ||
            channel_new(all, NOISE_RESPONDER, delivery->msg.ret, listener->trust, all->config.limits.handshake_ms, &channel)) {
                count(all, STAT_HANDSHAKES_FULL);
                return;
        }
        if ((err = handshake_read(channel->noise, in, router_arena(all->router), &payload)) || (err = next_message(channel)))
                channel_end(channel, err, "the first handshake message cannot be answered");
}

/* --- public ------------------------------------------------------------------------------------------------------------- */

struct channels *channels_new(struct router *router, const struct channels_config *config)
{
        struct channels *all = calloc(1, sizeof *all);

        if (!all) return NULL;
        all->known = known_peers_new(config->limits.known_peers);
        if (!all->known) {
                free(all);
                return NULL;
        }
        all->router = router;
        all->config = *config;
        all->self = (struct handshake_self){config->identity, config->purpose_key};
        SLIST_INIT(&all->listeners);
        TAILQ_INIT(&all->channels);
        TAILQ_INIT(&all->half_open);
        return all;
}

static void channels_bury(void *object)
{
        struct channels *all = object;

        known_peers_free(all->known);
        free(all);
}

void channels_free(struct channels *channels)
{
        struct listener *listener;

        if (!channels) return;
        while ((listener = SLIST_FIRST(&channels->listeners))) {
                SLIST_REMOVE_HEAD(&channels->listeners, link);
                router_remove(channels->router, listener->worker);
                free(listener);
        }
        while (!TAILQ_EMPTY(&channels->channels)) channel_close(TAILQ_FIRST(&channels->channels));
        while (!TAILQ_EMPTY(&channels->half_open)) channel_close(TAILQ_FIRST(&channels->half_open));
        context_bury(context_of(channels), &channels->grave, channels_bury, channels);
}

enum err channels_listen(struct channels *channels, struct bytes address, const struct trust *trust)
{
        struct listener *listener = calloc(1, sizeof *listener);
        enum err err;

        if (!listener) return ERR_NO_MEMORY;
        listener->all = channels;
        listener->trust = trust;
        if ((err = router_add(channels->router, address, channels->config.accepts, listener_handle, listener, &listener->worker))) {
                free(listener);
                return err;
        }
        SLIST_INSERT_HEAD(&channels->listeners, listener, link);
        return OK;
}

enum err channels_connect(struct channels *channels, struct route route, const struct trust *trust, uint64_t timeout_ms, struct channel **out)
{
        struct channel *channel;
        enum err err;

        if (channels->channel_count >= channels->config.limits.channels) {
                count(channels, STAT_HANDSHAKES_FULL);
                return ERR_FULL;
        }
        if ((err = channel_new(channels, NOISE_INITIATOR, route, trust, 0, &channel))) return err;
        channel->timeout_ms = timeout_ms;
        *out = channel;
        return OK;
}

/* The close message, sealed; empty when that is not possible. A responder that was never heard may not have got our message 3, or not have
 * managed it, and take this for one: the crate's ends its process on one that is shorter than an encrypted key. So there are zeros behind it
 * then, which nobody looks at. */
static struct bytes seal_close(struct channel *channel)
{
        enum { CLOSE_SIZE = 3, CLOSE_UNHEARD_SIZE = KEY_SIZE - NONCE_SIZE };
        const size_t size = channel->role == NOISE_INITIATOR && !channel->dec.window ? CLOSE_UNHEARD_SIZE : CLOSE_SIZE;
        struct bytes payload = BYTES_NONE;
        struct sealing sealing;

        if (sealing_make(channel, size, &sealing)) return BYTES_NONE;
        channel_close_put(&sealing.clear);
        while (sealing.clear.n < size)
                writer_put_u8(&sealing.clear, 0);
        return sealing_finish(channel, &sealing, &payload) ? BYTES_NONE : payload;
}

void channel_close(struct channel *channel)
{
        if (channel->state == CHANNEL_ENDED) return;

        const struct bytes payload = channel->state == CHANNEL_UP ? seal_close(channel) : BYTES_NONE;
        channel_stop(channel);
        /* The channel waits to be freed: its route and the encryptor's address are still there. */
        if (payload.n && send_payload(channel, channel->encryptor, payload)) log_debug(channel->who, "the close message was dropped");
        log_info(channel->who, "closed by us");
}

struct bytes channel_address(const struct channel *channel)
{
        return channel->encryptor ? worker_address(channel->encryptor) : BYTES_NONE;
}

const struct identifier *channel_peer(const struct channel *channel)
{
        return &channel->peer.identifier;
}

bool channel_peer_is_named(const struct channel *channel)
{
        return channel->peer.named;
}

bool channel_is_initiator(const struct channel *channel)
{
        return channel->role == NOISE_INITIATOR;
}

void *channel_user(const struct channel *channel)
{
        return channel->user;
}

void channel_set_user(struct channel *channel, void *user)
{
        channel->user = user;
}

bool channel_window(const struct channel *channel, uint64_t *highest, uint64_t *taken)
{
        if (channel->state != CHANNEL_UP) return false;
        *highest = channel->dec.highest;
        *taken = channel->dec.window & (((uint64_t)2 << REPLAY_WINDOW) - 1);
        return true;
}

const uint8_t *channel_hash(const struct channel *channel)
{
        return channel->hash;
}

static size_t whole_size(struct message *msg, size_t payload_n)
{
        msg->payload.n = payload_n;
        return bare_data_size(NONCE_SIZE + channel_payload_size(msg) + TAG_SIZE);
}

size_t channel_payload_max(size_t room, struct route onward, struct route ret)
{
        struct message msg = {.onward = onward, .ret = ret};
        const size_t overhead = whole_size(&msg, 0);
        size_t n = room > overhead ? room - overhead : 0;

        /* The heads before larger payloads are a few bytes longer. */
        while (n > 0 && whole_size(&msg, n) > room) n--;
        return n;
}
