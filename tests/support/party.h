/* Somebody with an identity and a purpose key, made from one number, so that the same party can be had again. */
#ifndef STROP_TESTS_PARTY_H
#define STROP_TESTS_PARTY_H

#include "transport/secure_channel/handshake.h"
#include "transport/secure_channel/purpose_key.h"

struct party {
        uint8_t number;
        uint8_t purpose_keys; /* made so far */
        struct identity *identity;
        struct purpose_key *purpose_key;
        struct handshake_self self;
        struct identifier id;
};

/* An identity of `changes` changes, made at now_s. Fails the test when something does. */
void party_init(struct party *party, uint8_t number, size_t changes, uint64_t now_s);
void party_clear(struct party *party);
/* Another purpose key in place of the one it has, as after a restart. */
void party_renew_purpose_key(struct party *party, uint64_t now_s);

/* IdentityPayload of these parts, no credentials; into memory of n bytes. */
struct bytes identity_payload(uint8_t *memory, size_t n, struct bytes history, struct bytes attestation);

/* A PurposeKeyAttestation whose every field the test chooses. */
struct attestation_fields {
        uint8_t data_type, key_variant; /* 2; 0 */
        const struct identifier *subject;
        const uint8_t *latest_hash;
        const uint8_t *x25519;
        uint64_t created_at, expires_at;
        const struct identity *signer;
};
struct bytes attestation_of(uint8_t *memory, size_t n, const struct attestation_fields *fields);

#endif
