/* An endpoint: router, connection, bi-directional stream and secure channels as one object. The connection comes and goes; the stream
 * pushes and pulls on over the next one, and the channels on it do not notice. Without a stream a channel lives as long as its connection.
 *
 * Peers stand in a list, most recently heard first, so that a listener that never sees its peers leave has room for new ones: the one
 * longest silent gives way. */
#include "client/endpoint.h"

#include "transport/secure_channel/crypto.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <uthash.h>

enum { REFUSED_MS = 10000 }; /* between two notices of peers that were turned away */

struct peer {
        UT_hash_handle hh; /* by the channel's address */
        TAILQ_ENTRY(peer) entry;
        struct channel *channel;
        bool up;
        uint8_t address[ADDRESS_RANDOM_SIZE];
};
TAILQ_HEAD(peer_list, peer);

struct endpoint {
        struct context *ctx;
        struct router *router;
        struct connector *connector;  /* NULL: links are accepted only */
        struct conns *conns;          /* accepted */
        struct bidirectional *stream; /* NULL: peers are reached over the connection */
        struct channels *channels;
        struct purpose_key *purpose_key;
        struct worker *application;
        const struct trust *trust;
        struct stream_client_limits stream_limits;
        const struct endpoint_events *events;
        void *user;
        bool ready;
        bool lost;              /* there was a connection, and it is gone */
        size_t failures, nodes; /* failed attempts since then; each node's first is told */
        struct peer *by_address;
        struct peer_list peers;
        size_t peers_max;
        uint64_t refused, refused_ms; /* peers turned away since that was told, and when it was (0: never) */
        struct grave grave;
};

static void notice(struct endpoint *endpoint, enum err err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void notice(struct endpoint *endpoint, enum err err, const char *fmt, ...)
{
        char text[512];
        va_list args;

        va_start(args, fmt);
        vsnprintf(text, sizeof text, fmt, args);
        va_end(args);
        endpoint->events->notice(endpoint->user, err, text);
}

/* --- peers ---------------------------------------------------------------------------------------------------------------- */

/* By the address through which answers go; those that are up have one. */
static struct peer *peer_find(struct endpoint *endpoint, struct bytes address)
{
        struct peer *peer;

        HASH_FIND(hh, endpoint->by_address, address.p, address.n, peer);
        return peer;
}

static struct peer *peer_of(const struct channel *channel) { return channel_user(channel); }

static struct peer *peer_add(struct endpoint *endpoint, struct channel *channel)
{
        struct peer *peer = calloc(1, sizeof *peer);

        if (!peer) return NULL;
        peer->channel = channel;
        channel_set_user(channel, peer);
        TAILQ_INSERT_HEAD(&endpoint->peers, peer, entry);
        return peer;
}

static void peer_is_up(struct endpoint *endpoint, struct peer *peer)
{
        struct bytes address = channel_address(peer->channel);

        assert(address.n == sizeof peer->address);
        memcpy(peer->address, address.p, address.n);
        HASH_ADD(hh, endpoint->by_address, address, sizeof peer->address, peer);
        peer->up = true;
}

static void peer_remove(struct endpoint *endpoint, struct peer *peer)
{
        if (!peer) return;
        if (peer->up) HASH_DEL(endpoint->by_address, peer);
        channel_set_user(peer->channel, NULL);
        TAILQ_REMOVE(&endpoint->peers, peer, entry);
        free(peer);
}

/* Ends a channel of our own accord. */
static void peer_end(struct endpoint *endpoint, struct peer *peer, enum err err, const char *why)
{
        struct channel *channel = peer->channel;

        peer_remove(endpoint, peer);
        endpoint->events->peer_down(endpoint->user, channel, err, why);
        channel_close(channel);
}

static void channel_is_up(void *user, struct channel *channel)
{
        struct endpoint *endpoint = user;
        struct peer *peer = peer_of(channel);

        if (!peer) peer = peer_add(endpoint, channel);
        if (!peer) {
                notice(endpoint, ERR_NO_MEMORY, "a peer was turned away: out of memory");
                channel_close(channel);
                return;
        }
        peer_is_up(endpoint, peer);
        endpoint->events->peer_up(endpoint->user, channel, channel_peer_is_named(channel));
        if (HASH_COUNT(endpoint->by_address) > endpoint->peers_max)
                peer_end(endpoint, TAILQ_LAST(&endpoint->peers, peer_list), ERR_FULL, "it was silent longest, and a new peer needed room");
}

static void channel_is_closed(void *user, struct channel *channel, enum err err, const char *why)
{
        struct endpoint *endpoint = user;

        peer_remove(endpoint, peer_of(channel));
        endpoint->events->peer_down(endpoint->user, channel, err, why);
}

static void messages_are_missing(void *user, struct channel *channel, uint64_t count)
{
        char text[IDENTIFIER_TEXT_SIZE + 1];

        notice(user, ERR_NOT_FOUND, "%llu messages of %s were lost on the way", (unsigned long long)count,
               identifier_text(channel_peer(channel), text));
}

/* Whoever likes can come again and again: said once in a while, with how many there were. */
static void peer_is_refused(void *user, enum err err, const char *why)
{
        struct endpoint *endpoint = user;
        const uint64_t now_ms = context_now_ms(endpoint->ctx);

        endpoint->refused++;
        if (endpoint->refused_ms && now_ms < endpoint->refused_ms + REFUSED_MS) return;
        endpoint->refused_ms = now_ms;
        if (endpoint->refused == 1) notice(endpoint, err, "a peer was turned away: %s", why);
        else notice(endpoint, err, "%llu peers were turned away, the last because: %s", (unsigned long long)endpoint->refused, why);
        endpoint->refused = 0;
}

static const struct channels_events channels_events = {channel_is_up, channel_is_closed, messages_are_missing, peer_is_refused};

struct channel *endpoint_channel(struct endpoint *endpoint, const struct delivery *delivery)
{
        struct address front;
        struct peer *peer;

        if (!route_front(delivery->msg.ret, &front)) return NULL;
        peer = peer_find(endpoint, front.value);
        return peer ? peer->channel : NULL;
}

static void on_message(void *self, const struct delivery *delivery)
{
        struct endpoint *endpoint = self;
        struct address front;
        struct peer *peer = route_front(delivery->msg.ret, &front) ? peer_find(endpoint, front.value) : NULL;

        if (peer) {
                TAILQ_REMOVE(&endpoint->peers, peer, entry);
                TAILQ_INSERT_HEAD(&endpoint->peers, peer, entry);
        }
        endpoint->events->message(endpoint->user, delivery);
}

/* --- connection and stream ------------------------------------------------------------------------------------------------------ */

static void become_ready(struct endpoint *endpoint)
{
        endpoint->ready = true;
        endpoint->events->ready(endpoint->user);
}

static void conn_is_up(void *user, struct conn *conn)
{
        struct endpoint *endpoint = user;

        if (endpoint->lost || endpoint->failures) notice(endpoint, OK, "connected: %s", conn_peer(conn));
        endpoint->lost = false;
        endpoint->failures = 0;
        if (endpoint->stream)
                bidirectional_connected(endpoint->stream, conn_address(conn));
        else
                become_ready(endpoint);
}

/* Without a stream a channel's way is its connection. */
static void end_all_peers(struct endpoint *endpoint, enum err err, const char *why)
{
        struct peer *peer;

        while ((peer = TAILQ_FIRST(&endpoint->peers)))
                peer_end(endpoint, peer, err, why);
}

static void conn_is_lost(void *user, enum err err, const char *why)
{
        struct endpoint *endpoint = user;

        endpoint->ready = false;
        endpoint->lost = true;
        notice(endpoint, ERR_UNREACHABLE, "the connection is lost: %s. Connecting again", why);
        if (endpoint->stream)
                bidirectional_disconnected(endpoint->stream);
        else
                end_all_peers(endpoint, err ? err : ERR_CLOSED, "the connection to it is lost");
}

/* An outage can be long: each node's first failure is told, the others are not. */
static void dial_has_failed(void *user, const char *address, const char *why, uint64_t pause_ms)
{
        struct endpoint *endpoint = user;

        (void)pause_ms;
        if (endpoint->failures++ < endpoint->nodes) notice(endpoint, ERR_UNREACHABLE, "cannot reach the node at %s: %s", address, why);
}

static const struct connector_events connector_events = {.up = conn_is_up, .lost = conn_is_lost, .failed = dial_has_failed};
static const struct conns_events conns_events = {0};

static void stream_is_ready(void *user) { become_ready(user); }

static void stream_has_drained(void *user)
{
        struct endpoint *endpoint = user;

        endpoint->events->drained(endpoint->user);
}

static void stream_has_notice(void *user, enum err err, const char *text) { notice(user, err, "%s", text); }

static void stream_is_refused(void *user, const char *reason) { notice(user, ERR_NOT_ALLOWED, "the node refuses the stream: %s", reason); }

static const struct bidirectional_events stream_events = {stream_is_ready, stream_has_drained, stream_has_notice, stream_is_refused};

/* --- sending -------------------------------------------------------------------------------------------------------------------- */

/* What the way outside leaves for a channel's data: one record, or one frame, without version, routes of one hop each with the addresses
 * of both ends' channel workers, and the payload's length. */
static size_t room_outside(const struct endpoint *endpoint)
{
        const size_t hop = 1 + 2 + ADDRESS_RANDOM_SIZE;

        return (endpoint->stream ? endpoint->stream_limits.push_max : (size_t)FRAME_MAX) - 1 - 2 * hop - bare_uint_size(FRAME_MAX);
}

/* The encoding of a route of one local address. */
static struct route route_of_one(struct bytes address, uint8_t *memory, size_t cap)
{
        struct writer w = writer_make(memory, cap);

        address_put(&w, address_local(address));
        return (struct route){1, writer_bytes(&w)};
}

static size_t payload_max(const struct endpoint *endpoint, struct route onward)
{
        uint8_t memory[256];
        struct bytes application = worker_address(endpoint->application);

        return channel_payload_max(room_outside(endpoint), onward, route_of_one(application, memory, sizeof memory));
}

size_t endpoint_payload_max(const struct endpoint *endpoint, const struct channel *channel, struct bytes to)
{
        uint8_t memory[256];

        (void)channel;
        return payload_max(endpoint, route_of_one(to, memory, sizeof memory));
}

/* The payload is copied, since what the caller has of it may be gone before the router's queue is dry. */
static enum err send_payload(struct endpoint *endpoint, struct route onward, struct bytes payload)
{
        struct arena *arena = router_arena(endpoint->router);
        struct message msg = {.onward = onward, .payload = {.n = payload.n}};
        struct bytes application = worker_address(endpoint->application);
        uint8_t *copy;
        enum err err;

        if (payload.n > payload_max(endpoint, route_rest(onward))) return ERR_TOO_LARGE;
        if ((err = route_of_locals(arena, &application, 1, &msg.ret))) return err;
        copy = arena_alloc(arena, payload.n ? payload.n : 1);
        if (!copy) return ERR_FULL;
        if (payload.n) memcpy(copy, payload.p, payload.n);
        msg.payload.p = copy;
        return router_send(endpoint->router, ORIGIN_OWN, msg);
}

enum err endpoint_send(struct endpoint *endpoint, struct channel *channel, struct bytes to, struct bytes payload)
{
        const struct bytes hops[] = {channel_address(channel), to};
        struct peer *peer = peer_of(channel);
        struct route onward;
        enum err err;

        if (!peer || !peer->up) return ERR_AGAIN;
        if (endpoint_full(endpoint)) return ERR_FULL;
        if ((err = route_of_locals(router_arena(endpoint->router), hops, 2, &onward))) return err;
        return send_payload(endpoint, onward, payload);
}

enum err endpoint_reply(struct endpoint *endpoint, const struct delivery *delivery, struct bytes payload)
{
        return send_payload(endpoint, delivery->msg.ret, payload);
}

bool endpoint_full(const struct endpoint *endpoint)
{
        struct conn *conn;

        if (endpoint->stream) return bidirectional_full(endpoint->stream);
        conn = endpoint->connector ? connector_conn(endpoint->connector) : NULL;
        return conn && conn_queued(conn) >= router_limits(endpoint->router)->output_high;
}

size_t endpoint_unconfirmed(const struct endpoint *endpoint) { return endpoint->stream ? bidirectional_unconfirmed(endpoint->stream) : 0; }

struct router *endpoint_router(struct endpoint *endpoint) { return endpoint->router; }

/* --- channels ------------------------------------------------------------------------------------------------------------------- */

enum err endpoint_connect(struct endpoint *endpoint, struct bytes listener, uint64_t timeout_ms, struct channel **out)
{
        struct conn *conn = endpoint->connector ? connector_conn(endpoint->connector) : NULL;
        struct bytes hops[2] = {BYTES_NONE, listener};
        struct channel *channel;
        struct route route;
        enum err err;

        if (!endpoint->ready || !conn) return ERR_AGAIN;
        hops[0] = endpoint->stream ? bidirectional_address(endpoint->stream) : conn_address(conn);
        if ((err = route_of_locals(router_arena(endpoint->router), hops, 2, &route))) return err;
        if ((err = channels_connect(endpoint->channels, route, endpoint->trust, timeout_ms, &channel))) return err;
        if (!peer_add(endpoint, channel)) {
                channel_close(channel);
                return ERR_NO_MEMORY;
        }
        *out = channel;
        return OK;
}

void endpoint_disconnect(struct endpoint *endpoint, struct channel *channel)
{
        peer_remove(endpoint, peer_of(channel));
        channel_close(channel);
}

void endpoint_accept(struct endpoint *endpoint, struct link *take_link)
{
        struct conn *conn;
        enum err err = conns_open(endpoint->conns, take_link, true, &conn);

        if (err) notice(endpoint, err, "a connection was refused: %s", err_text(err));
}

/* --- life ------------------------------------------------------------------------------------------------------------------------ */

static void bury(void *object)
{
        struct endpoint *endpoint = object;

        router_free(endpoint->router);
        purpose_key_free(endpoint->purpose_key);
        free(endpoint);
}

/* What a freed endpoint tells whoever was its user: it may still be on the stack. */
static void tell_nobody(void *user) { (void)user; }
static void no_peer_up(void *user, struct channel *channel, bool named) { (void)user, (void)channel, (void)named; }
static void no_peer_down(void *user, struct channel *channel, enum err err, const char *why)
{
        (void)user, (void)channel, (void)err, (void)why;
}
static void no_message(void *user, const struct delivery *delivery) { (void)user, (void)delivery; }
static void no_notice(void *user, enum err err, const char *text) { (void)user, (void)err, (void)text; }
static const struct endpoint_events no_events = {tell_nobody, no_peer_up, no_peer_down, no_message, tell_nobody, no_notice};

void endpoint_free(struct endpoint *endpoint)
{
        struct peer *peer;

        if (!endpoint) return;
        endpoint->events = &no_events;
        channels_free(endpoint->channels);
        while ((peer = TAILQ_FIRST(&endpoint->peers)))
                peer_remove(endpoint, peer);
        bidirectional_free(endpoint->stream);
        connector_free(endpoint->connector);
        conns_free(endpoint->conns);
        if (endpoint->router) router_remove(endpoint->router, endpoint->application);
        context_bury(endpoint->ctx, &endpoint->grave, bury, endpoint);
}

static enum err make_purpose_key(struct endpoint *endpoint, const struct identity *identity, struct reason *why)
{
        uint8_t secret[KEY_SIZE];
        enum err err;

        context_random(endpoint->ctx, secret, sizeof secret);
        err = purpose_key_new(identity, secret, context_utc_s(endpoint->ctx), &endpoint->purpose_key);
        crypto_wipe(secret, sizeof secret);
        if (err == ERR_EXPIRED) return fail(why, err, "the identity has expired, or the clock is wrong");
        if (err) return fail(why, err, "cannot make a key for secure channels: %s", err_text(err));
        return OK;
}

static enum err make_channels(struct endpoint *endpoint, const struct endpoint_config *config, struct reason *why)
{
        const struct channels_config channels = {
                .identity = config->identity,
                .purpose_key = endpoint->purpose_key,
                .limits = config->channel,
                .events = &channels_events,
                .user = endpoint,
                .accepts = config->sender ? ORIGIN_STREAM : ORIGIN_TCP,
        };
        struct bytes name = config->application ? bytes_of_text(config->application) : BYTES_NONE;
        enum err err;

        endpoint->channels = channels_new(endpoint->router, &channels);
        if (!endpoint->channels) return fail(why, ERR_NO_MEMORY, "out of memory");
        if ((err = router_add(endpoint->router, name, ORIGINS_CHANNEL, on_message, endpoint, &endpoint->application)))
                return fail(why, err, "cannot register the application's worker: %s", err_text(err));
        if (config->listen && (err = channels_listen(endpoint->channels, bytes_of_text(config->listen), config->trust)))
                return fail(why, err, "cannot register the listener: %s", err_text(err));
        return OK;
}

static enum err make_connection(struct endpoint *endpoint, const struct endpoint_config *config, struct reason *why)
{
        if (config->sender) {
                const struct bidirectional_config stream = {
                        .sender = bytes_of_text(config->sender),
                        .receiver = bytes_of_text(config->receiver),
                        .client_id = bytes_of_text(config->client_id),
                };

                endpoint->stream = bidirectional_new(endpoint->router, &stream, &config->stream, &stream_events, endpoint);
                if (!endpoint->stream) return fail(why, ERR_NO_MEMORY, "out of memory");
        }
        endpoint->conns = conns_new(endpoint->router, &conns_events, endpoint);
        if (!endpoint->conns) return fail(why, ERR_NO_MEMORY, "out of memory");
        if (config->node_count == 0) return OK;
        endpoint->connector = connector_new(endpoint->router, config->net, config->nodes, config->node_count, &connector_events, endpoint);
        if (!endpoint->connector) return fail(why, ERR_NO_MEMORY, "out of memory");
        return OK;
}

struct endpoint *endpoint_new(struct context *ctx, const struct endpoint_config *config, const struct endpoint_events *events, void *user,
                              struct reason *why)
{
        size_t spare = config->channel.handshakes < config->channel.channels ? config->channel.handshakes : config->channel.channels - 1;
        struct endpoint *endpoint = calloc(1, sizeof *endpoint);
        enum err err;

        if (!endpoint) {
                (void)!fail(why, ERR_NO_MEMORY, "out of memory");
                return NULL;
        }
        endpoint->ctx = ctx;
        endpoint->events = events;
        endpoint->user = user;
        endpoint->trust = config->trust;
        endpoint->stream_limits = config->stream;
        endpoint->nodes = config->node_count;
        endpoint->peers_max = config->channel.channels - spare;
        TAILQ_INIT(&endpoint->peers);
        endpoint->router = router_new(ctx, &config->transport);
        err = endpoint->router ? OK : fail(why, ERR_NO_MEMORY, "out of memory");
        if (!err) err = make_purpose_key(endpoint, config->identity, why);
        if (!err) err = make_channels(endpoint, config, why);
        if (!err) err = make_connection(endpoint, config, why);
        if (!err) return endpoint;
        endpoint_free(endpoint);
        return NULL;
}
