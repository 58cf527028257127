/* The public interface: an endpoint with an event loop, TCP and an identity below it. Turns what a C program gives into what the endpoint
 * wants, and the endpoint's events into callbacks. A peer is a channel, and a message a delivery, under their public names. */
#include "client/strop.h"

#include "client/endpoint.h"
#include "client/invitation.h"
#include "client/text.h"
#include "transport/base/logger.h"
#include "transport/secure_channel/crypto.h"
#include "transport/secure_channel/identity_file.h"
#include "transport/secure_channel/secrets.h"
#include "transport/tcp.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

enum {
        NODES_MAX = 16,
        TRUSTED_MAX = 4096,
        FINISH_MS = 1000,   /* at the end: to send what is queued */
        SECRETS_SPARE = 16, /* slots beside those of handshakes: identity, purpose key */
        WORKER_MAX = 200,   /* bytes of a worker's name */
};

LIST_HEAD(watch_list, strop_watch);

struct strop {
        bool running; /* a callback may be on the stack */
        bool freed;   /* ... which has freed it: done when it returns */
        struct context ctx;
        struct loop *loop;
        struct net *net;
        struct tcp_listener *listener;
        struct identity *identity;
        struct trust trust;
        struct invitation invitation; /* what was given */
        struct endpoint *endpoint;
        const char *nodes[NODES_MAX]; /* only while it is made */
        char nodes_of_own[INVITATION_NODES_MAX][INVITATION_NODE_MAX + 1]; /* for invitations to this end */
        size_t node_count_of_own;
        char sender[INVITATION_NAME_MAX + 1], receiver[INVITATION_NAME_MAX + 1], client_id[INVITATION_NAME_MAX + 1];
        char identifier[IDENTIFIER_TEXT_SIZE + 1], peer_identifier[IDENTIFIER_TEXT_SIZE + 1];
        struct strop_callbacks callbacks;
        void *user;
        struct watch_list watches;
};

struct strop_watch {
        LIST_ENTRY(strop_watch) entry;
        struct strop *strop;
        struct loop_watch *watch; /* NULL: a time */
        struct timer timer;
};

/* --- names of errors -------------------------------------------------------------------------------------------------- */

static enum strop_status status_of(enum err err)
{
        switch (err) {
        case OK:
                return STROP_OK;
        case ERR_AGAIN:
                return STROP_AGAIN;
        case ERR_FULL:
                return STROP_FULL;
        case ERR_TOO_LARGE:
                return STROP_TOO_LARGE;
        case ERR_UNREACHABLE:
                return STROP_UNREACHABLE;
        case ERR_TIMEOUT:
                return STROP_TIMEOUT;
        case ERR_CLOSED:
        case ERR_CANCELLED:
                return STROP_CLOSED;
        case ERR_UNTRUSTED:
        case ERR_EXPIRED:
        case ERR_SIGNATURE:
        case ERR_IDENTITY:
                return STROP_UNTRUSTED;
        case ERR_NOT_ALLOWED:
                return STROP_REFUSED;
        case ERR_BAD_NAME:
        case ERR_USAGE:
                return STROP_USAGE;
        default:
                return STROP_FAILED;
        }
}

const char *strop_status_text(enum strop_status status)
{
        static const char *const texts[] = {
                [STROP_OK] = "no error",
                [STROP_AGAIN] = "not now",
                [STROP_FULL] = "too much waits to be confirmed",
                [STROP_TOO_LARGE] = "too large",
                [STROP_UNREACHABLE] = "not reachable",
                [STROP_TIMEOUT] = "nobody answered",
                [STROP_CLOSED] = "closed by the other side",
                [STROP_UNTRUSTED] = "not a trusted identity",
                [STROP_REFUSED] = "refused by the node",
                [STROP_USAGE] = "wrong usage",
                [STROP_FAILED] = "failed",
        };

        return (size_t)status < sizeof texts / sizeof *texts ? texts[status] : "unknown";
}

const char *strop_version(void) { return STROP_VERSION; }

/* --- the endpoint's events ------------------------------------------------------------------------------------------------ */

static void on_ready(void *user)
{
        struct strop *strop = user;

        if (strop->callbacks.ready) strop->callbacks.ready(strop->user);
}

static void on_peer_up(void *user, struct channel *channel, bool named)
{
        struct strop *strop = user;

        if (strop->callbacks.peer_up) strop->callbacks.peer_up(strop->user, (struct strop_peer *)channel, named);
}

static void on_peer_down(void *user, struct channel *channel, enum err err, const char *why)
{
        struct strop *strop = user;

        if (strop->callbacks.peer_down) strop->callbacks.peer_down(strop->user, (struct strop_peer *)channel, status_of(err), why);
}

static void on_message(void *user, const struct delivery *delivery)
{
        struct strop *strop = user;

        if (strop->callbacks.message) strop->callbacks.message(strop->user, (const struct strop_message *)delivery);
}

static void on_drained(void *user)
{
        struct strop *strop = user;

        if (strop->callbacks.drained) strop->callbacks.drained(strop->user);
}

static void on_notice(void *user, enum err err, const char *text)
{
        struct strop *strop = user;

        if (strop->callbacks.notice) strop->callbacks.notice(strop->user, status_of(err), text);
}

static const struct endpoint_events endpoint_events = {on_ready, on_peer_up, on_peer_down, on_message, on_drained, on_notice};

/* --- making one ---------------------------------------------------------------------------------------------------------- */

static enum err take_invitation(struct strop *strop, struct strop_config *config, struct reason *why)
{
        if (!config->invitation) return OK;
        if (invitation_parse(bytes_of_text(config->invitation), &strop->invitation, why)) return ERR_USAGE;
        if (!config->sender) config->sender = strop->invitation.alice_to_bob;
        if (!config->receiver) config->receiver = strop->invitation.bob_to_alice;
        if (config->node_count) return OK;
        for (size_t i = 0; i < strop->invitation.node_count; i++)
                strop->nodes[i] = strop->invitation.nodes[i];
        config->nodes = strop->nodes;
        config->node_count = strop->invitation.node_count;
        return OK;
}

static enum err take_name(const char *name, const char *what, char out[static INVITATION_NAME_MAX + 1], struct reason *why)
{
        if (!name) return OK;
        if (*name == '\0' || strlen(name) > INVITATION_NAME_MAX)
                return fail(why, ERR_USAGE, "the %s has to have 1 to %d characters", what, INVITATION_NAME_MAX);
        memcpy(out, name, strlen(name) + 1);
        return OK;
}

static bool is_worker(const char *name) { return name && *name && strnlen(name, WORKER_MAX + 1) <= WORKER_MAX; }

static bool is_worker_or_none(const char *name) { return !name || is_worker(name); }

static enum err take_places(struct strop *strop, const struct strop_config *config, struct reason *why)
{
        char host[INVITATION_NODE_MAX + 1];
        uint16_t port;
        enum err err;

        if (!is_worker_or_none(config->listener) || !is_worker_or_none(config->worker))
                return fail(why, ERR_USAGE, "the name of a worker has to have 1 to %d bytes", WORKER_MAX);
        if (!config->sender != !config->receiver)
                return fail(why, ERR_USAGE, "a stream to write and one to read belong together: only one of them was given");
        if (config->node_count == 0 && (!config->direct || config->sender)) return fail(why, ERR_USAGE, "no node was given");
        if (config->node_count > NODES_MAX) return fail(why, ERR_USAGE, "more than %d nodes were given", NODES_MAX);
        if (config->node_count && !config->nodes) return fail(why, ERR_USAGE, "there are no nodes where they should be");
        for (size_t i = 0; i < config->node_count; i++) {
                if (!config->nodes[i]) return fail(why, ERR_USAGE, "no address was given for a node");
                if (!tcp_address_split(config->nodes[i], host, sizeof host, &port, why)) return ERR_USAGE;
                if (strlen(config->nodes[i]) > INVITATION_NODE_MAX) return fail(why, ERR_USAGE, "the address of a node is too long");
                if (i >= INVITATION_NODES_MAX) continue;
                memcpy(strop->nodes_of_own[i], config->nodes[i], strlen(config->nodes[i]) + 1);
                strop->node_count_of_own = i + 1;
        }
        if ((err = take_name(config->sender, "name of the stream to write", strop->sender, why))) return err;
        if ((err = take_name(config->receiver, "name of the stream to read", strop->receiver, why))) return err;
        if (*strop->sender && strcmp(strop->sender, strop->receiver) == 0) return fail(why, ERR_USAGE, "sender and receiver are the same stream");
        return take_name(config->client_id, "client id", strop->client_id, why);
}

static enum err take_identity(struct strop *strop, const struct strop_config *config, struct reason *why)
{
        uint8_t seed[KEY_SIZE];
        enum err err;

        if (config->identity) {
                err = identity_file_open(config->identity, &strop->ctx, &strop->identity, NULL, why);
        } else {
                context_random(&strop->ctx, seed, sizeof seed);
                err = identity_new(seed, context_utc_s(&strop->ctx), &strop->identity);
                crypto_wipe(seed, sizeof seed);
                if (err) err = fail(why, err, "cannot make an identity: %s", err_text(err));
        }
        if (!err) identifier_text(&identity_get_view(strop->identity)->identifier, strop->identifier);
        return err;
}

static enum err take_trust(struct strop *strop, const struct strop_config *config, struct reason *why)
{
        size_t count = config->trusted_count;

        if (count > TRUSTED_MAX) return fail(why, ERR_USAGE, "more than %d trusted identifiers were given", TRUSTED_MAX);
        strop->trust.list = calloc(count + 1, sizeof *strop->trust.list);
        if (!strop->trust.list) return fail(why, ERR_NO_MEMORY, "out of memory");
        for (size_t i = 0; i < count; i++) {
                if (!config->trusted || !config->trusted[i]) return fail(why, ERR_USAGE, "no identifier was given where one is trusted");
                if (identifier_parse(bytes_of_text(config->trusted[i]), &strop->trust.list[i]))
                        return fail(why, ERR_USAGE, "an identifier has to be \"I\" and 64 hex digits; this one is not: %.80s",
                                    config->trusted[i]);
        }
        strop->trust.count = count;
        if (count == 0 && config->invitation) strop->trust.list[strop->trust.count++] = strop->invitation.identifier;
        strop->trust.everyone = strop->trust.count == 0;
        return OK;
}

/* Stable for an identity and a stream, so that a reader that starts again goes on where it was. */
static void make_client_id(struct strop *strop)
{
        static const char digits[] = "0123456789abcdef";
        char text[sizeof strop->identifier + sizeof strop->receiver + 32];
        uint8_t hash[HASH_SIZE];
        char *out = strop->client_id;
        int n;

        if (*out) return;
        n = snprintf(text, sizeof text, "strop client id %s %s", strop->identifier, strop->receiver);
        crypto_sha256(bytes_make(text, (size_t)n), hash);
        memcpy(out, "strop_", 6);
        for (size_t i = 0; i < 16; i++) {
                out[6 + 2 * i] = digits[hash[i] >> 4];
                out[7 + 2 * i] = digits[hash[i] & 15];
        }
        out[38] = '\0';
}

static void accept_link(void *user, struct link *take_link)
{
        struct strop *strop = user;

        endpoint_accept(strop->endpoint, take_link);
}

static enum err open_endpoint(struct strop *strop, const struct strop_config *config, struct reason *why)
{
        struct endpoint_config endpoint = {
                .net = strop->net,
                .nodes = config->nodes,
                .node_count = config->node_count,
                .identity = strop->identity,
                .trust = &strop->trust,
                .listen = config->listener,
                .application = config->worker,
                .transport = TRANSPORT_LIMITS_DEFAULT,
                .channel = CHANNEL_LIMITS_DEFAULT,
                .stream = STREAM_CLIENT_LIMITS_DEFAULT,
        };

        if (*strop->sender) {
                endpoint.sender = strop->sender;
                endpoint.receiver = strop->receiver;
                endpoint.client_id = strop->client_id;
        }
        strop->endpoint = endpoint_new(&strop->ctx, &endpoint, &endpoint_events, strop, why);
        if (!strop->endpoint) return ERR_FAILED;
        if (!config->direct) return OK;
        return tcp_listen(strop->loop, &endpoint.transport, config->direct, accept_link, strop, &strop->listener, why);
}

static enum err open_loop(struct strop *strop, struct reason *why)
{
        const struct channel_limits channel = CHANNEL_LIMITS_DEFAULT;
        const struct transport_limits transport = TRANSPORT_LIMITS_DEFAULT;
        enum err err;

        if ((err = crypto_init(why))) return err;
        err = secrets_init(2 * channel.handshakes + SECRETS_SPARE);
        if (err && err != ERR_UNEXPECTED) return fail(why, err, "cannot keep secrets in memory: %s", err_text(err));
        strop->loop = loop_new(&strop->ctx);
        strop->net = strop->loop ? tcp_net_new(strop->loop, &transport) : NULL;
        return strop->net ? OK : fail(why, ERR_SYSTEM, "cannot make an event loop");
}

static enum err open_all(struct strop *strop, struct strop_config *config, struct reason *why)
{
        enum err err;

        if ((err = take_invitation(strop, config, why)) || (err = take_places(strop, config, why))) return err;
        if ((err = open_loop(strop, why)) || (err = take_identity(strop, config, why))) return err;
        if ((err = take_trust(strop, config, why))) return err;
        make_client_id(strop);
        return open_endpoint(strop, config, why);
}

/* A program and the library may have been built with different ideas of a struct: what the program's has not is zero, what ours has not is
 * left out. */
static bool take_struct(void *out, size_t out_size, const void *given, size_t given_size)
{
        if (given_size < sizeof(size_t)) return false;
        memcpy(out, given, given_size < out_size ? given_size : out_size);
        return true;
}

static enum err open_strop(struct strop *strop, const struct strop_config *given, const struct strop_callbacks *callbacks,
                           struct reason *why)
{
        struct strop_config config = {0};

        if (!given || !take_struct(&config, sizeof config, given, given->size))
                return fail(why, ERR_USAGE, "the configuration has to begin as STROP_CONFIG");
        if (!callbacks || !take_struct(&strop->callbacks, sizeof strop->callbacks, callbacks, callbacks->size))
                return fail(why, ERR_USAGE, "the callbacks have to begin as STROP_CALLBACKS");
        return open_all(strop, &config, why);
}

enum strop_status strop_new(const struct strop_config *config, const struct strop_callbacks *callbacks, void *user, struct strop **out,
                            char *why, size_t why_size)
{
        struct strop *strop = out ? calloc(1, sizeof *strop) : NULL;
        struct reason reason = {"out of memory"};
        enum err err = ERR_NO_MEMORY;

        if (!out) err = fail(&reason, ERR_USAGE, "there is no place for the result");
        if (logger_level() == LOG_LEVEL_INFO) logger_set_level(LOG_LEVEL_WARNING);
        if (strop) {
                context_init(&strop->ctx);
                LIST_INIT(&strop->watches);
                strop->user = user;
                err = open_strop(strop, config, callbacks, &reason);
        }
        if (!err) {
                *out = strop;
                return STROP_OK;
        }
        strop_free(strop);
        if (why && why_size) snprintf(why, why_size, "%s", reason.text);
        return status_of(err);
}

void strop_free(struct strop *strop)
{
        if (!strop) return;
        strop->callbacks = (struct strop_callbacks){0};
        if (strop->running) {
                strop->freed = true;
                strop_stop(strop);
                return;
        }
        while (!LIST_EMPTY(&strop->watches))
                strop_unwatch(LIST_FIRST(&strop->watches));
        tcp_listener_free(strop->listener);
        endpoint_free(strop->endpoint);
        context_turn_end(&strop->ctx);
        if (strop->loop) loop_finish(strop->loop, FINISH_MS);
        tcp_net_free(strop->net);
        loop_free(strop->loop);
        context_clear(&strop->ctx);
        identity_free(strop->identity);
        free(strop->trust.list);
        if (secrets_used() == 0) secrets_clear();
        free(strop);
}

/* --- the loop -------------------------------------------------------------------------------------------------------------- */

/* Not from within a callback: libevent has one round at a time. */
static void run(struct strop *strop, void (*how)(struct loop *loop))
{
        if (strop->running) return;
        strop->running = true;
        how(strop->loop);
        strop->running = false;
        if (strop->freed) strop_free(strop);
}

void strop_run(struct strop *strop) { run(strop, loop_run); }

void strop_stop(struct strop *strop) { loop_stop(strop->loop); }

void strop_dispatch(struct strop *strop) { run(strop, loop_run_once); }

int strop_fd(struct strop *strop) { return loop_fd(strop->loop); }

/* Takes over a watch that was made, or gives it up. */
static struct strop_watch *watch_keep(struct strop *strop, struct strop_watch *watch, enum err err)
{
        if (err) {
                free(watch);
                return NULL;
        }
        watch->strop = strop;
        LIST_INSERT_HEAD(&strop->watches, watch, entry);
        return watch;
}

struct strop_watch *strop_watch_fd(struct strop *strop, int fd, void (*ready)(void *arg), void *arg)
{
        struct strop_watch *watch = ready && fd >= 0 ? calloc(1, sizeof *watch) : NULL;

        return watch ? watch_keep(strop, watch, loop_watch_fd(strop->loop, fd, ready, arg, &watch->watch)) : NULL;
}

struct strop_watch *strop_watch_signal(struct strop *strop, int signal, void (*caught)(void *arg), void *arg)
{
        struct strop_watch *watch = caught && signal > 0 ? calloc(1, sizeof *watch) : NULL;

        return watch ? watch_keep(strop, watch, loop_watch_signal(strop->loop, signal, caught, arg, &watch->watch)) : NULL;
}

struct strop_watch *strop_watch_time(struct strop *strop, uint32_t in_ms, void (*over)(void *arg), void *arg)
{
        struct strop_watch *watch = over ? calloc(1, sizeof *watch) : NULL;

        if (!watch) return NULL;
        timer_init(&watch->timer, over, arg);
        return watch_keep(strop, watch, context_timer_set(&strop->ctx, &watch->timer, in_ms));
}

void strop_watch_again(struct strop_watch *watch, uint32_t in_ms)
{
        if (watch->watch) return;
        if (context_timer_set(&watch->strop->ctx, &watch->timer, in_ms)) log_error(NULL, "cannot set a timer: out of memory");
}

void strop_unwatch(struct strop_watch *watch)
{
        if (!watch) return;
        LIST_REMOVE(watch, entry);
        if (watch->watch)
                loop_unwatch(watch->watch);
        else
                context_timer_stop(&watch->strop->ctx, &watch->timer);
        free(watch);
}

/* --- peers ------------------------------------------------------------------------------------------------------------------ */

enum strop_status strop_connect(struct strop *strop, const char *listener, uint32_t timeout_ms)
{
        struct channel *channel;

        if (!is_worker(listener)) return STROP_USAGE;
        return status_of(endpoint_connect(strop->endpoint, bytes_of_text(listener), timeout_ms, &channel));
}

void strop_disconnect(struct strop *strop, struct strop_peer *peer) { endpoint_disconnect(strop->endpoint, (struct channel *)peer); }

const char *strop_peer_identifier(struct strop *strop, const struct strop_peer *peer)
{
        return identifier_text(channel_peer((const struct channel *)peer), strop->peer_identifier);
}

const char *strop_identifier(const struct strop *strop) { return strop->identifier; }

const char *strop_listening(const struct strop *strop) { return strop->listener ? tcp_listener_address(strop->listener) : NULL; }

enum strop_status strop_invitation(const struct strop *strop, const char *const *nodes, size_t node_count, char *out, size_t size)
{
        struct invitation invitation = {.identifier = identity_get_view(strop->identity)->identifier};
        size_t count = node_count ? node_count : strop->node_count_of_own;
        char text[INVITATION_TEXT_MAX + 1];

        if (!*strop->sender || !out || (node_count && !nodes)) return STROP_USAGE;
        if (count > INVITATION_NODES_MAX) return STROP_USAGE;
        for (; invitation.node_count < count; invitation.node_count++) {
                const char *node = node_count ? nodes[invitation.node_count] : strop->nodes_of_own[invitation.node_count];

                if (!node || strlen(node) > INVITATION_NODE_MAX) return STROP_USAGE;
                memcpy(invitation.nodes[invitation.node_count], node, strlen(node) + 1);
        }
        memcpy(invitation.alice_to_bob, strop->receiver, sizeof strop->receiver);
        memcpy(invitation.bob_to_alice, strop->sender, sizeof strop->sender);
        if (invitation_print(&invitation, text)) return STROP_USAGE;
        return (size_t)snprintf(out, size, "%s", text) < size ? STROP_OK : STROP_TOO_LARGE;
}

/* --- messages ------------------------------------------------------------------------------------------------------------------ */

/* What a text takes beyond its bytes. */
static const size_t text_overhead = 3;

size_t strop_max(struct strop *strop, struct strop_peer *peer, const char *worker)
{
        if (!is_worker(worker)) return 0;
        size_t max = endpoint_payload_max(strop->endpoint, (struct channel *)peer, bytes_of_text(worker));

        return max > text_overhead ? max - text_overhead : 0;
}

bool strop_full(const struct strop *strop) { return endpoint_full(strop->endpoint); }

size_t strop_unconfirmed(const struct strop *strop) { return endpoint_unconfirmed(strop->endpoint); }

enum strop_status strop_send(struct strop *strop, struct strop_peer *peer, const char *worker, const void *data, size_t size)
{
        if (!peer || !is_worker(worker) || (!data && size)) return STROP_USAGE;
        return status_of(endpoint_send(strop->endpoint, (struct channel *)peer, bytes_of_text(worker), bytes_make(data, size)));
}

enum strop_status strop_reply(struct strop *strop, const struct strop_message *message, const void *data, size_t size)
{
        if (!message || (!data && size)) return STROP_USAGE;
        return status_of(endpoint_reply(strop->endpoint, (const struct delivery *)message, bytes_make(data, size)));
}

enum strop_status strop_send_text(struct strop *strop, struct strop_peer *peer, const char *worker, const void *text, size_t size)
{
        uint8_t memory[FRAME_MAX];
        struct writer w = writer_make(memory, sizeof memory);

        if ((!text && size) || !bytes_are_utf8(bytes_make(text, size))) return STROP_USAGE;
        bare_put_string(&w, bytes_make(text, size));
        if (writer_err(&w)) return STROP_TOO_LARGE;
        return strop_send(strop, peer, worker, w.p, w.n);
}

enum strop_status strop_reply_text(struct strop *strop, const struct strop_message *message, const void *text, size_t size)
{
        uint8_t memory[FRAME_MAX];
        struct writer w = writer_make(memory, sizeof memory);

        if ((!text && size) || !bytes_are_utf8(bytes_make(text, size))) return STROP_USAGE;
        bare_put_string(&w, bytes_make(text, size));
        if (writer_err(&w)) return STROP_TOO_LARGE;
        return strop_reply(strop, message, w.p, w.n);
}

struct strop_peer *strop_message_peer(struct strop *strop, const struct strop_message *message)
{
        return (struct strop_peer *)endpoint_channel(strop->endpoint, (const struct delivery *)message);
}

const void *strop_message_data(const struct strop_message *message, size_t *size)
{
        const struct delivery *delivery = (const struct delivery *)message;

        *size = delivery->msg.payload.n;
        return delivery->msg.payload.p;
}

bool strop_message_text(const struct strop_message *message, const char **text, size_t *size)
{
        const struct delivery *delivery = (const struct delivery *)message;
        struct bytes found;

        if (!text_of_body(delivery->msg.payload, &found)) return false;
        *text = (const char *)found.p;
        *size = found.n;
        return true;
}
