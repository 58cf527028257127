/* Secure channels between workers: a listener that answers handshakes, an initiator, and the two workers of each channel,
 * encryptor and decryptor (docs/protocol.md, "Handshake" and "Messages"). Carries routed messages as TCP does.
 *
 * A message sent to the encryptor's address goes through the channel and on along what is left of its onward route at the
 * other side. What comes out is routed with origin ORIGIN_CHANNEL (or _UNTRUSTED), the encryptor's address before its
 * return route, so that answers go back through the channel. */
#ifndef STROP_SECURE_CHANNEL_CHANNEL_H
#define STROP_SECURE_CHANNEL_CHANNEL_H

#include "transport/router.h"
#include "transport/secure_channel/limits.h"
#include "transport/secure_channel/purpose_key.h"
#include "transport/secure_channel/trust.h"

struct channel;
struct channels; /* those of one endpoint, with its keys */

struct channels_events {
        /* The handshake is done and the peer is who the policy wants. As initiator: nothing proves yet that the peer took us. */
        void (*up)(void *user, struct channel *channel);
        /* It ended: closed by the peer (ERR_CLOSED), refused (ERR_UNTRUSTED, ...), no answer (ERR_TIMEOUT). Gone after this. Also
         * for an initiator that never came up. `why` is a sentence. */
        void (*closed)(void *user, struct channel *channel, enum err err, const char *why);
        /* So many messages of the peer, one after the other, were lost on the way; later ones have come (decryptor_missing). What came with this
         * one is routed on after it. */
        void (*missing)(void *user, struct channel *channel, uint64_t count);
        /* As responder: somebody has shown an identity in a whole handshake and is not let in. `why` is a sentence; the other side is told
         * nothing. */
        void (*refused)(void *user, enum err err, const char *why);
};

struct channels_config {
        const struct identity *identity;        /* borrowed, as is all here; must outlive the channels */
        const struct purpose_key *purpose_key;
        struct channel_limits limits;
        const struct channels_events *events;
        void *user;
        unsigned accepts;                       /* from where handshakes and ciphertext may come: ORIGINS_OUTSIDE, usually */
};

struct channels *channels_new(struct router *router, const struct channels_config *config);
/* Sends close to each peer, and ends all. */
void channels_free(struct channels *channels);

/* Answers handshakes at `address` ("listener"). Half-open ones are bounded (C10). */
MUST_USE enum err channels_listen(struct channels *channels, struct bytes address, const struct trust *trust);

/* Starts a handshake as initiator with the listener at the end of `route`; up or closed follows (timeout_ms at the latest), never before this
 * returns. ERR_FULL. */
MUST_USE enum err channels_connect(struct channels *channels, struct route route, const struct trust *trust, uint64_t timeout_ms,
                                   struct channel **out);

/* Sends close and ends it; no event follows. */
void channel_close(struct channel *channel);

/* The address through which to send; empty before it is up, readable to the end of the turn in which the channel ends. Messages there may
 * come from this process's workers alone (ORIGIN_LOCAL). */
struct bytes channel_address(const struct channel *channel);
const struct identifier *channel_peer(const struct channel *channel);
bool channel_peer_is_named(const struct channel *channel); /* by the trust policy, not merely let in */
bool channel_is_initiator(const struct channel *channel);
void *channel_user(const struct channel *channel);
void channel_set_user(struct channel *channel, void *user);
/* Handshake hash h, HASH_SIZE bytes: the same on both sides of one channel only. */
const uint8_t *channel_hash(const struct channel *channel);

/* What was taken from the peer: the highest number, and a bit for it and each of the 32 before it (bit i: highest - i). For tests that what
 * does not authenticate changes nothing (I8); false before it is up. */
bool channel_window(const struct channel *channel, uint64_t *highest, uint64_t *taken);

/* The largest payload that a message through this channel may carry, so that it still fits into a frame over the hops known here:
 * `room` is what the way outside leaves for the channel's BARE data; `onward` and `ret` are the routes inside, ret without the encryptor's. */
size_t channel_payload_max(size_t room, struct route onward, struct route ret);

#endif
