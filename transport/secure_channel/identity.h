/* Identities: a history of signed changes, each with a key (docs/protocol.md, "Identity").
 * Reading and verifying other people's, making and rotating one's own. */
#ifndef STROP_SECURE_CHANNEL_IDENTITY_H
#define STROP_SECURE_CHANNEL_IDENTITY_H

#include "transport/secure_channel/key.h"

struct identifier {
        uint8_t hash[IDENTIFIER_SIZE];
};

/* "I" and 64 hex digits, either case when read; out has room for IDENTIFIER_TEXT_SIZE + 1. */
char *identifier_text(const struct identifier *id, char out[static IDENTIFIER_TEXT_SIZE + 1]);
MUST_USE enum err identifier_parse(struct bytes text, struct identifier *out);
bool identifier_equal(const struct identifier *a, const struct identifier *b);

/* What a verified history says. */
struct identity_view {
        struct identifier identifier;
        uint8_t latest_hash[HASH_SIZE]; /* hash of the latest change */
        struct public_key latest_key;
        uint64_t latest_created_at, latest_expires_at; /* seconds UTC */
        size_t changes;
};

/* Reads and verifies a change history (bytes behind it are ignored). ERR_MALFORMED or ERR_TRUNCATED: not one; ERR_SIGNATURE, ERR_IDENTITY: does not
 * hold; ERR_TOO_LARGE: more than max_changes. Pure; any thread. Vectors: identity.json "imports". */
MUST_USE enum err identity_verify(struct bytes history, size_t max_changes, struct identity_view *out);

/* How a history stands to one seen before of the same identity. */
enum history_order { HISTORY_SAME, HISTORY_NEWER, HISTORY_OLDER, HISTORY_CONFLICT };
/* Both verified. Compares change by change. */
enum history_order identity_compare(struct bytes known, struct bytes shown);

enum {
        IDENTITY_CHANGES_MAX = 64,                    /* of an own identity; a peer that is as strict as we are takes no more */
        IDENTITY_LIFE_S = 10 * 365 * 24 * 60 * 60,    /* of an identity's key, as the crate has it */
};

/* An identity of one's own: its history and the seed of its latest key. The object lives in a secret slot. */
struct identity;

/* What a change says beside its key, times in seconds UTC. */
struct change_terms {
        uint64_t created_at, expires_at;
        bool revoke_all_purpose_keys;
};

/* A new identity with one Ed25519 change, valid for ten years from `now_s`. `seed` is random from the caller's context, who wipes
 * his copy. ERR_FULL: no secret slot is free; ERR_NO_MEMORY. */
MUST_USE enum err identity_new(const uint8_t seed[static KEY_SIZE], uint64_t now_s, struct identity **out);
/* With given terms; for vectors. */
MUST_USE enum err identity_new_with(const uint8_t seed[static KEY_SIZE], const struct change_terms *terms, struct identity **out);
/* Adds a change with a new key, signed by the old one too. Where the clock is behind the latest change, that one's time is taken: times
 * never go down. ERR_FULL: IDENTITY_CHANGES_MAX are there. A failure leaves the identity as it was. */
MUST_USE enum err identity_rotate(struct identity *identity, const uint8_t seed[static KEY_SIZE], bool revoke_all_purpose_keys, uint64_t now_s);
/* With given terms, of which created_at must not be below the latest change's (ERR_IDENTITY); for vectors. */
MUST_USE enum err identity_rotate_with(struct identity *identity, const uint8_t seed[static KEY_SIZE], const struct change_terms *terms);
/* From a history and the seed of its latest key (a file); verifies that they belong together. Bytes behind the
 * history are dropped. ERR_IDENTITY: another key, or one that is not Ed25519; and as identity_verify and identity_new. */
MUST_USE enum err identity_restore(struct bytes history, const uint8_t seed[static KEY_SIZE], struct identity **out);
void identity_free(struct identity *identity);
struct bytes identity_history(const struct identity *identity); /* CBOR ChangeHistory; lives as long as the identity */
const struct identity_view *identity_get_view(const struct identity *identity);
/* For identity_file.c: the seed, in its slot. */
const uint8_t *identity_seed(const struct identity *identity);
/* Signs the SHA-256 digest of `data` (docs/protocol.md: a signature is over the digest). */
void identity_sign(const struct identity *identity, struct bytes data, struct signature *out);

#endif
