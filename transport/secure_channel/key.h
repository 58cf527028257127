/* Public keys and signatures as identities and purpose keys carry them, and the envelope around what is signed
 * (docs/protocol.md, "Identity": Signature, PublicKey, VersionedData). */
#ifndef STROP_SECURE_CHANNEL_KEY_H
#define STROP_SECURE_CHANNEL_KEY_H

#include "transport/base/bytes.h"
#include "transport/base/err.h"
#include "transport/base/writer.h"
#include "transport/secure_channel/cbor.h"
#include "transport/secure_channel/wire.h"

enum key_type { KEY_ED25519 = 0, KEY_P256 = 1 };

struct public_key {
        enum key_type type;
        uint8_t key[P256_KEY_SIZE]; /* 32 or 65 bytes of it; the rest is zero */
};

struct signature {
        enum key_type type;
        uint8_t bytes[SIGNATURE_SIZE];
};

/* An Ed25519 key from its 32 bytes. */
struct public_key public_key_ed25519(const uint8_t key[static KEY_SIZE]);
bool public_key_equal(const struct public_key *a, const struct public_key *b);

/* Each reads one value; the reader's error tells, and what is read then means nothing. */
void public_key_read(struct cbor_reader *r, struct public_key *out);
void signature_read(struct cbor_reader *r, struct signature *out);
/* A field that may be null or of a variant that we don't know (passed over): false then. */
bool signature_read_optional(struct cbor_reader *r, struct signature *out);

void public_key_put(struct writer *w, const struct public_key *key);
void signature_put(struct writer *w, const struct signature *signature);

/* Whether `signature` by `key` holds over the SHA-256 digest of `data`. ERR_SIGNATURE. */
MUST_USE enum err signature_verify(const struct public_key *key, struct bytes data, const struct signature *signature);

/* VersionedData: gives the bytes inside. ERR_IDENTITY unless version 1 and this data type; bytes behind it are ignored. */
struct bytes versioned_read(struct cbor_reader *r, uint8_t data_type);
/* The envelope up to the bytes inside, of which there are n; they are written next. */
void versioned_put_head(struct writer *w, uint8_t data_type, size_t n);

#endif
