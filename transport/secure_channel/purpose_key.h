/* Purpose keys: the X25519 static key of the handshake, and the identity's attestation of it
 * (docs/protocol.md, "Purpose key"). */
#ifndef STROP_SECURE_CHANNEL_PURPOSE_KEY_H
#define STROP_SECURE_CHANNEL_PURPOSE_KEY_H

#include "transport/secure_channel/identity.h"

enum purpose_key_kind { PURPOSE_SECURE_CHANNEL = 0, PURPOSE_CREDENTIALS = 1 };

struct attestation_view {
        enum purpose_key_kind kind;
        uint8_t x25519[KEY_SIZE];         /* PURPOSE_SECURE_CHANNEL */
        struct public_key signing;        /* PURPOSE_CREDENTIALS */
        uint64_t created_at, expires_at;  /* seconds UTC */
};

/* Reads a PurposeKeyAttestation and checks it against the verified identity and the time. ERR_MALFORMED, ERR_SIGNATURE, ERR_IDENTITY
 * (another subject, not its latest change, outside its life), ERR_EXPIRED (also: made more than 5 s in the future).
 * That the key is the one a handshake showed is the handshake's to check. Pure; any thread. Vectors: identity.json "attestations". */
MUST_USE enum err attestation_verify(struct bytes attestation, const struct identity_view *identity, uint64_t now_s,
                                     struct attestation_view *out);

enum { PURPOSE_KEY_LIFE_S = 5 * 365 * 24 * 60 * 60 }; /* as the crate has it */

/* Writes a PurposeKeyAttestation of an X25519 key. */
void attestation_put(struct writer *w, const struct identity *identity, const uint8_t public[static KEY_SIZE], uint64_t created_at,
                     uint64_t expires_at);

/* A purpose key of one's own, in a secret slot: made at start, attested for five years (not beyond the identity's own life). The caller wipes
 * his copy of `secret`. ERR_EXPIRED: the identity's own life is over; ERR_FULL: no secret slot is free; ERR_NO_MEMORY. */
struct purpose_key;
MUST_USE enum err purpose_key_new(const struct identity *identity, const uint8_t secret[static KEY_SIZE], uint64_t now_s,
                                  struct purpose_key **out);
/* With a given attestation; for vectors. */
MUST_USE enum err purpose_key_restore(const uint8_t secret[static KEY_SIZE], struct bytes attestation, struct purpose_key **out);
void purpose_key_free(struct purpose_key *key);
const uint8_t *purpose_key_secret(const struct purpose_key *key);
const uint8_t *purpose_key_public(const struct purpose_key *key);
struct bytes purpose_key_attestation(const struct purpose_key *key); /* CBOR; lives as long as the key */

#endif
