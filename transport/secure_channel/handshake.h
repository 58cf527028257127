/* Who is on the other side: identities in the payloads of handshake messages 2 and 3, and the checks that they have to pass
 * (docs/protocol.md, "Handshake"). Noise is in noise.h, the workers and their timeouts in channel.h. */
#ifndef STROP_SECURE_CHANNEL_HANDSHAKE_H
#define STROP_SECURE_CHANNEL_HANDSHAKE_H

#include "transport/base/arena.h"
#include "transport/secure_channel/known_peers.h"
#include "transport/secure_channel/limits.h"
#include "transport/secure_channel/noise.h"
#include "transport/secure_channel/purpose_key.h"
#include "transport/secure_channel/trust.h"

/* Who we are; borrowed. */
struct handshake_self {
        const struct identity *identity;
        const struct purpose_key *purpose_key;
};

/* What the other side must be; borrowed. */
struct handshake_rules {
        const struct trust *trust;
        const struct known_peers *known;
        const struct channel_limits *limits;
        uint64_t now_s;
};

/* Who the other side proved to be. */
struct handshake_peer {
        struct identifier identifier;
        bool named;           /* by the trust policy */
        struct bytes history; /* points into the payload */
};

/* A handshake under Ockam's name with our static key. ERR_FULL: no secret slot is free. */
MUST_USE enum err handshake_new(enum noise_role role, const struct handshake_self *self, const uint8_t ephemeral_secret[static KEY_SIZE],
                                struct noise **out);

/* Makes the message whose turn it is, in the arena: message 1 empty, the others with our IdentityPayload. ERR_FULL: the arena;
 * ERR_TOO_LARGE; ERR_MALFORMED: the other side's key makes no shared secret; as noise_write. */
MUST_USE enum err handshake_write(struct noise *noise, const struct handshake_self *self, struct arena *arena, struct bytes *out);
/* Reads the message whose turn it is; the payload is in the arena. After an error the true message is still taken.
 * ERR_FULL: the arena; as noise_read. */
MUST_USE enum err handshake_read(struct noise *noise, struct bytes msg, struct arena *arena, struct bytes *payload);

/* Checks the payload of message 2 or 3, in this order: identity (and that it is not older than what is known of it), attestation, its key being
 * the one of the handshake, trust. ERR_MALFORMED or ERR_TRUNCATED: no IdentityPayload; ERR_TOO_LARGE: history; ERR_SIGNATURE,
 * ERR_IDENTITY, ERR_EXPIRED; ERR_UNTRUSTED. `why` is a sentence. Changes nothing. */
MUST_USE enum err handshake_check(const struct noise *noise, struct bytes payload, const struct handshake_rules *rules,
                                  struct handshake_peer *out, struct reason *why);

/* After message 3: the keys of what we send and of what we receive, the other way round than in the Noise text. */
MUST_USE enum err handshake_keys(const struct noise *noise, enum noise_role role, uint8_t send[static KEY_SIZE], uint8_t receive[static KEY_SIZE]);

#endif
