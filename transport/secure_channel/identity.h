/* Identities: a history of signed changes, each with a key (docs/protocol.md, "Identity").
 * Reading and verifying other people's, making and rotating one's own. */
#ifndef STROP_SECURE_CHANNEL_IDENTITY_H
#define STROP_SECURE_CHANNEL_IDENTITY_H

#include "transport/base/bytes.h"
#include "transport/base/err.h"
#include "transport/base/writer.h"
#include "transport/secure_channel/cbor.h"
#include "transport/secure_channel/wire.h"

struct identifier {
        uint8_t hash[IDENTIFIER_SIZE];
};

/* "I" and 64 hex digits, either case when read; out has room for IDENTIFIER_TEXT_SIZE + 1. */
char *identifier_text(const struct identifier *id, char out[static IDENTIFIER_TEXT_SIZE + 1]);
MUST_USE enum err identifier_parse(struct bytes text, struct identifier *out);
bool identifier_equal(const struct identifier *a, const struct identifier *b);

enum key_type { KEY_ED25519 = 0, KEY_P256 = 1 };

struct public_key {
        enum key_type type;
        uint8_t key[P256_KEY_SIZE]; /* 32 or 65 bytes of it */
};

struct signature {
        enum key_type type;
        uint8_t bytes[SIGNATURE_SIZE];
};

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

/* An identity of one's own: its history and the seed of its latest key. The object lives in a secret slot. */
struct identity;

/* A new identity with one Ed25519 change, valid for ten years from `now_s`. `seed` is random from the caller's context. */
MUST_USE enum err identity_new(const uint8_t seed[static KEY_SIZE], uint64_t now_s, struct identity **out);
/* Adds a change with a new key, signed by the old one too. */
MUST_USE enum err identity_rotate(struct identity *identity, const uint8_t seed[static KEY_SIZE], bool revoke_all_purpose_keys, uint64_t now_s);
/* From a history and the seed of its latest key (a file); verifies that they belong together. ERR_IDENTITY. */
MUST_USE enum err identity_restore(struct bytes history, const uint8_t seed[static KEY_SIZE], struct identity **out);
void identity_free(struct identity *identity);
struct bytes identity_history(const struct identity *identity); /* CBOR ChangeHistory; lives as long as the identity */
const struct identity_view *identity_get_view(const struct identity *identity);
/* For identity_file.c: the seed, in its slot. */
const uint8_t *identity_seed(const struct identity *identity);
/* Signs the SHA-256 digest of `data` (docs/protocol.md: a signature is over the digest). */
void identity_sign(const struct identity *identity, struct bytes data, struct signature *out);

/* Shared with purpose_key.c: CBOR of keys and signatures, and the check of one signature over data. */
void public_key_read(struct cbor_reader *r, struct public_key *out);
void public_key_put(struct writer *w, const struct public_key *key);
void signature_read(struct cbor_reader *r, struct signature *out);
void signature_put(struct writer *w, const struct signature *signature);
MUST_USE enum err signature_verify(const struct public_key *key, struct bytes data, const struct signature *signature);
/* VersionedData: version 1, the data type, the bytes inside. */
struct bytes versioned_read(struct cbor_reader *r, uint64_t data_type);

#endif
