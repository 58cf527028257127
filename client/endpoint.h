/* An endpoint: identity, connection to a node, bi-directional stream, secure channels on it, as one object without I/O of its own.
 * What bob, alice and the public interface (strop.h) are made of; the simulation runs the very same. */
#ifndef STROP_CLIENT_ENDPOINT_H
#define STROP_CLIENT_ENDPOINT_H

#include "stream/client/bidirectional.h"
#include "transport/connector.h"
#include "transport/secure_channel/channel.h"

struct endpoint;

struct endpoint_events {
        /* Both streams stand at the node; first time, and again after each reconnect. */
        void (*ready)(void *user);
        /* A secure channel is up. `named`: the trust policy named the peer, it was not merely let in. */
        void (*peer_up)(void *user, struct channel *channel, bool named);
        /* A channel ended, or an attempt came to nothing; `why` is a sentence. */
        void (*peer_down)(void *user, struct channel *channel, enum err err, const char *why);
        /* A message for the application at this end (the worker of struct endpoint_config.application). `reply` is the way back. */
        void (*message)(void *user, const struct delivery *delivery);
        void (*drained)(void *user);
        /* Connection trouble and recovery, one line for people. */
        void (*notice)(void *user, enum err err, const char *text);
};

struct endpoint_config {
        struct net *net;
        const char *const *nodes; /* "host:port"; none with streams is an error, none without means that links come by endpoint_accept */
        size_t node_count;
        const char *sender, *receiver, *client_id; /* NULL sender and receiver: no stream, peers are reached over the connection directly */
        const struct identity *identity;
        const struct trust *trust;
        const char *listen;       /* address of the secure channel listener ("listener"), or NULL */
        const char *application;  /* address of the application's worker ("echoer"), or NULL for a random one */
        struct transport_limits transport;
        struct channel_limits channel;
        struct stream_client_limits stream;
};

/* All borrowed but the strings, which are copied. NULL with `why`. */
struct endpoint *endpoint_new(struct context *ctx, const struct endpoint_config *config, const struct endpoint_events *events, void *user,
                              struct reason *why);
/* Closes channels, sends what can be sent at once, frees. No event comes any more. May be called from within one. */
void endpoint_free(struct endpoint *endpoint);

/* Without streams: takes over a link, up already, over which a peer reaches the listener directly. Closed when it is one too many. */
void endpoint_accept(struct endpoint *endpoint, struct link *take_link);

/* Starts a channel with the peer's listener over the stream, or over the connection. ERR_AGAIN before `ready`. */
MUST_USE enum err endpoint_connect(struct endpoint *endpoint, struct bytes listener, uint64_t timeout_ms, struct channel **out);
/* Sends `payload` through the channel to the worker `to` at the peer; answers come to the application's worker. ERR_FULL: wait for drained;
 * ERR_TOO_LARGE: more than endpoint_payload_max. */
MUST_USE enum err endpoint_send(struct endpoint *endpoint, struct channel *channel, struct bytes to, struct bytes payload);
/* Answers a message: payload back along its return route. ERR_TOO_LARGE. */
MUST_USE enum err endpoint_reply(struct endpoint *endpoint, const struct delivery *delivery, struct bytes payload);
/* Closes a channel; no event follows. */
void endpoint_disconnect(struct endpoint *endpoint, struct channel *channel);
/* The channel that a message came through; NULL: it is gone. */
struct channel *endpoint_channel(struct endpoint *endpoint, const struct delivery *delivery);
/* The most that endpoint_send takes for the worker `to`. */
size_t endpoint_payload_max(const struct endpoint *endpoint, const struct channel *channel, struct bytes to);

bool endpoint_full(const struct endpoint *endpoint);
size_t endpoint_unconfirmed(const struct endpoint *endpoint); /* messages that the node has not confirmed */
struct router *endpoint_router(struct endpoint *endpoint);

#endif
