/* The primitives: libsodium for X25519, Ed25519, SHA-256, HMAC and comparison, libcrypto for AES-256-GCM and ECDSA P-256.
 * The only file that includes either. Nothing is chosen at run time. */
#ifndef STROP_SECURE_CHANNEL_CRYPTO_H
#define STROP_SECURE_CHANNEL_CRYPTO_H

#include "transport/base/bytes.h"
#include "transport/base/err.h"
#include "transport/secure_channel/wire.h"

/* Makes the libraries ready and checks each primitive against one known answer (G44). Call once before anything else here. */
MUST_USE enum err crypto_init(struct reason *why);

/* Overwrites a secret; never optimised away. */
void crypto_wipe(void *p, size_t n);
/* In constant time. */
bool crypto_equal(const uint8_t *a, const uint8_t *b, size_t n);
/* Strong randomness from the system, for contexts of programs. */
void crypto_random(void *p, size_t n);

void crypto_sha256(struct bytes in, uint8_t out[static HASH_SIZE]);
/* SHA-256 over two parts, one behind the other. */
void crypto_sha256_2(struct bytes a, struct bytes b, uint8_t out[static HASH_SIZE]);
/* Noise's HKDF with two outputs (Noise specification, 4.3); `ck` may be the same memory as out1. */
void crypto_hkdf2(const uint8_t ck[static HASH_SIZE], struct bytes ikm, uint8_t out1[static HASH_SIZE], uint8_t out2[static HASH_SIZE]);
void crypto_hmac_sha256(struct bytes key, struct bytes in, uint8_t out[static HASH_SIZE]);
/* RFC 5869, one to 255 blocks; for test vectors and files at rest. */
MUST_USE enum err crypto_hkdf(struct bytes ikm, struct bytes salt, struct bytes info, uint8_t *out, size_t n);

void crypto_x25519_public(const uint8_t secret[static KEY_SIZE], uint8_t public[static KEY_SIZE]);
/* ERR_MALFORMED where the result is all zero (low-order points, C16). */
MUST_USE enum err crypto_x25519(const uint8_t secret[static KEY_SIZE], const uint8_t public[static KEY_SIZE],
                                uint8_t out[static KEY_SIZE]);

/* Ed25519 by its 32-byte seed. */
void crypto_ed25519_public(const uint8_t seed[static KEY_SIZE], uint8_t public[static KEY_SIZE]);
void crypto_ed25519_sign(const uint8_t seed[static KEY_SIZE], struct bytes in, uint8_t signature[static SIGNATURE_SIZE]);
/* ERR_SIGNATURE unless it holds. */
MUST_USE enum err crypto_ed25519_verify(const uint8_t public[static KEY_SIZE], struct bytes in,
                                        const uint8_t signature[static SIGNATURE_SIZE]);
/* ECDSA P-256 with SHA-256 over `in`; r and s, either half of s. ERR_SIGNATURE unless it holds or when the key is no point. */
MUST_USE enum err crypto_p256_verify(const uint8_t public[static P256_KEY_SIZE], struct bytes in,
                                     const uint8_t signature[static SIGNATURE_SIZE]);

/* An AES-256-GCM key inside libcrypto's context, wiped when freed. */
struct aead;
struct aead *aead_new(const uint8_t key[static KEY_SIZE]); /* NULL: out of memory */
void aead_free(struct aead *aead);
/* Nonce: 4 zero bytes, then 64 bits big-endian. `out` gets in.n + TAG_SIZE bytes. ERR_FAILED only when libcrypto fails. */
MUST_USE enum err aead_seal(struct aead *aead, uint64_t nonce, struct bytes ad, struct bytes in, uint8_t *out);
/* `in` ends with the tag; `out` gets in.n - TAG_SIZE bytes. ERR_DECRYPT: nothing of `out` may be looked at. */
MUST_USE enum err aead_open(struct aead *aead, uint64_t nonce, struct bytes ad, struct bytes in, uint8_t *out);
/* The same with all 12 bytes of the nonce; for test vectors. */
MUST_USE enum err aead_seal_iv(struct aead *aead, const uint8_t iv[static IV_SIZE], struct bytes ad, struct bytes in, uint8_t *out);
MUST_USE enum err aead_open_iv(struct aead *aead, const uint8_t iv[static IV_SIZE], struct bytes ad, struct bytes in, uint8_t *out);
/* The key that follows: the first 32 bytes of the encryption of 32 zero bytes under nonce 2^64 - 1. NULL: out of memory. */
struct aead *aead_rekeyed(struct aead *aead);

#endif
