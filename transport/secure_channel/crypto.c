/* The primitives, each a thin wrap around libsodium or libcrypto (crypto.h).
 *
 * libcrypto gets a library context of its own, so that no openssl.cnf of the machine and no provider that something else
 * in the process loads changes what runs here. The cipher is fetched from it once. */
#include "transport/secure_channel/crypto.h"
#include "transport/secure_channel/crypto_selftest.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <sodium.h>

#include <limits.h>
#include <stdlib.h>

enum { HKDF_BLOCKS_MAX = 255, DER_SIGNATURE_MAX = 80 };

static OSSL_LIB_CTX *library;
static EVP_CIPHER *aes_gcm;

enum err crypto_init(struct reason *why)
{
        if (aes_gcm) return OK;
        if (sodium_init() < 0) return fail(why, ERR_FAILED, "libsodium does not start; is its installation complete?");
        if (!library) library = OSSL_LIB_CTX_new();
        if (library) aes_gcm = EVP_CIPHER_fetch(library, "AES-256-GCM", NULL);
        if (!aes_gcm) return fail(why, ERR_FAILED, "libcrypto has no AES-256-GCM; is its installation complete?");

        enum err err = crypto_selftest(why);
        if (err) {
                EVP_CIPHER_free(aes_gcm);
                aes_gcm = NULL;
        }
        return err;
}

void crypto_wipe(void *p, size_t n)
{
        sodium_memzero(p, n);
}

bool crypto_equal(const uint8_t *a, const uint8_t *b, size_t n)
{
        return sodium_memcmp(a, b, n) == 0;
}

void crypto_random(void *p, size_t n)
{
        randombytes_buf(p, n);
}

/* --- hashes ----------------------------------------------------------------------------------------------------------- */

void crypto_sha256(struct bytes in, uint8_t out[static HASH_SIZE])
{
        crypto_hash_sha256(out, in.p, in.n);
}

void crypto_sha256_2(struct bytes a, struct bytes b, uint8_t out[static HASH_SIZE])
{
        crypto_hash_sha256_state state;

        crypto_hash_sha256_init(&state);
        crypto_hash_sha256_update(&state, a.p, a.n);
        crypto_hash_sha256_update(&state, b.p, b.n);
        crypto_hash_sha256_final(&state, out);
        sodium_memzero(&state, sizeof state);
}

/* HMAC over three parts, which is what both forms of HKDF need. */
static void hmac(struct bytes key, struct bytes a, struct bytes b, struct bytes c, uint8_t out[static HASH_SIZE])
{
        crypto_auth_hmacsha256_state state;

        crypto_auth_hmacsha256_init(&state, key.n ? key.p : (const uint8_t *)"", key.n); /* libsodium takes no NULL there */
        crypto_auth_hmacsha256_update(&state, a.p, a.n);
        crypto_auth_hmacsha256_update(&state, b.p, b.n);
        crypto_auth_hmacsha256_update(&state, c.p, c.n);
        crypto_auth_hmacsha256_final(&state, out);
        sodium_memzero(&state, sizeof state);
}

void crypto_hmac_sha256(struct bytes key, struct bytes in, uint8_t out[static HASH_SIZE])
{
        hmac(key, in, BYTES_NONE, BYTES_NONE, out);
}

void crypto_hkdf2(const uint8_t ck[static HASH_SIZE], struct bytes ikm, uint8_t out1[static HASH_SIZE], uint8_t out2[static HASH_SIZE])
{
        uint8_t temp_key[HASH_SIZE];
        const struct bytes temp = bytes_make(temp_key, HASH_SIZE);
        const uint8_t one = 1, two = 2;

        hmac(bytes_make(ck, HASH_SIZE), ikm, BYTES_NONE, BYTES_NONE, temp_key);
        hmac(temp, bytes_make(&one, 1), BYTES_NONE, BYTES_NONE, out1);
        hmac(temp, bytes_make(out1, HASH_SIZE), bytes_make(&two, 1), BYTES_NONE, out2);
        sodium_memzero(temp_key, sizeof temp_key);
}

enum err crypto_hkdf(struct bytes ikm, struct bytes salt, struct bytes info, uint8_t *out, size_t n)
{
        uint8_t prk[HASH_SIZE], block[HASH_SIZE];
        size_t done = 0;

        if (n > (size_t)HKDF_BLOCKS_MAX * HASH_SIZE) return ERR_TOO_LARGE;
        hmac(salt, ikm, BYTES_NONE, BYTES_NONE, prk);
        for (unsigned i = 1; done < n; i++) {
                const uint8_t number = (uint8_t)i;
                const size_t part = n - done < HASH_SIZE ? n - done : HASH_SIZE;

                hmac(bytes_make(prk, HASH_SIZE), bytes_make(block, i == 1 ? 0 : HASH_SIZE), info, bytes_make(&number, 1), block);
                memcpy(out + done, block, part);
                done += part;
        }
        sodium_memzero(prk, sizeof prk);
        sodium_memzero(block, sizeof block);
        return OK;
}

/* --- curves ------------------------------------------------------------------------------------------------------------- */

void crypto_x25519_public(const uint8_t secret[static KEY_SIZE], uint8_t public[static KEY_SIZE])
{
        crypto_scalarmult_base(public, secret);
}

enum err crypto_x25519(const uint8_t secret[static KEY_SIZE], const uint8_t public[static KEY_SIZE], uint8_t out[static KEY_SIZE])
{
        uint8_t shared[KEY_SIZE];

        if (crypto_scalarmult(shared, secret, public)) return ERR_MALFORMED;
        memcpy(out, shared, KEY_SIZE);
        sodium_memzero(shared, sizeof shared);
        return OK;
}

void crypto_ed25519_public(const uint8_t seed[static KEY_SIZE], uint8_t public[static KEY_SIZE])
{
        uint8_t secret[crypto_sign_SECRETKEYBYTES];

        crypto_sign_seed_keypair(public, secret, seed);
        sodium_memzero(secret, sizeof secret);
}

void crypto_ed25519_sign(const uint8_t seed[static KEY_SIZE], struct bytes in, uint8_t signature[static SIGNATURE_SIZE])
{
        uint8_t public[KEY_SIZE], secret[crypto_sign_SECRETKEYBYTES];

        crypto_sign_seed_keypair(public, secret, seed);
        crypto_sign_detached(signature, NULL, in.p, in.n, secret);
        sodium_memzero(secret, sizeof secret);
}

enum err crypto_ed25519_verify(const uint8_t public[static KEY_SIZE], struct bytes in, const uint8_t signature[static SIGNATURE_SIZE])
{
        return crypto_sign_verify_detached(signature, in.p, in.n, public) ? ERR_SIGNATURE : OK;
}

/* NULL when the bytes are no point of the curve. */
static EVP_PKEY *p256_key(const uint8_t public[static P256_KEY_SIZE])
{
        char group[] = "P-256";
        uint8_t point[P256_KEY_SIZE];
        EVP_PKEY *key = NULL;
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(library, "EC", NULL);

        memcpy(point, public, P256_KEY_SIZE);
        OSSL_PARAM params[] = {
                OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
                OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, P256_KEY_SIZE),
                OSSL_PARAM_construct_end(),
        };
        if (ctx && EVP_PKEY_fromdata_init(ctx) == 1 && EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1) key = NULL;
        EVP_PKEY_CTX_free(ctx);
        return key;
}

/* libcrypto wants r and s as DER. Returns the length, 0 when memory is out. */
static size_t p256_signature_der(const uint8_t signature[static SIGNATURE_SIZE], uint8_t der[static DER_SIGNATURE_MAX])
{
        ECDSA_SIG *sig = ECDSA_SIG_new();
        BIGNUM *r = BN_bin2bn(signature, SIGNATURE_SIZE / 2, NULL);
        BIGNUM *s = BN_bin2bn(signature + SIGNATURE_SIZE / 2, SIGNATURE_SIZE / 2, NULL);
        int n = 0;

        if (!sig || !r || !s || ECDSA_SIG_set0(sig, r, s) != 1) {
                BN_free(r);
                BN_free(s);
        } else if (i2d_ECDSA_SIG(sig, NULL) <= DER_SIGNATURE_MAX) {
                n = i2d_ECDSA_SIG(sig, &der);
        }
        ECDSA_SIG_free(sig);
        return n > 0 ? (size_t)n : 0;
}

enum err crypto_p256_verify(const uint8_t public[static P256_KEY_SIZE], struct bytes in, const uint8_t signature[static SIGNATURE_SIZE])
{
        uint8_t der[DER_SIGNATURE_MAX];
        const size_t der_n = p256_signature_der(signature, der);
        enum err err = ERR_SIGNATURE;
        EVP_PKEY *key = public[0] == 4 ? p256_key(public) : NULL; /* 04: uncompressed, the only form in use */
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();

        if (key && ctx && der_n && EVP_DigestVerifyInit_ex(ctx, NULL, "SHA256", library, NULL, key, NULL) == 1 &&
            EVP_DigestVerify(ctx, der, der_n, in.p, in.n) == 1)
                err = OK;
        EVP_MD_CTX_free(ctx);
        EVP_PKEY_free(key);
        return err;
}

/* --- AES-256-GCM -------------------------------------------------------------------------------------------------------- */

struct aead {
        EVP_CIPHER_CTX *ctx; /* has the key; libcrypto wipes it when it frees the context */
};

struct aead *aead_new(const uint8_t key[static KEY_SIZE])
{
        struct aead *aead = malloc(sizeof *aead);

        if (!aead) return NULL;
        aead->ctx = EVP_CIPHER_CTX_new();
        if (!aead->ctx || EVP_EncryptInit_ex2(aead->ctx, aes_gcm, key, NULL, NULL) != 1) {
                aead_free(aead);
                return NULL;
        }
        return aead;
}

void aead_free(struct aead *aead)
{
        if (!aead) return;
        EVP_CIPHER_CTX_free(aead->ctx);
        free(aead);
}

/* Sets direction and nonce for one message and feeds the additional data. */
static bool aead_start(struct aead *aead, bool encrypt, const uint8_t iv[static IV_SIZE], struct bytes ad)
{
        int n;

        if (EVP_CipherInit_ex2(aead->ctx, NULL, NULL, iv, encrypt, NULL) != 1) return false;
        return ad.n == 0 || EVP_CipherUpdate(aead->ctx, NULL, &n, ad.p, (int)ad.n) == 1;
}

static bool aead_update(struct aead *aead, struct bytes in, uint8_t *out)
{
        int n;

        return in.n == 0 || (EVP_CipherUpdate(aead->ctx, out, &n, in.p, (int)in.n) == 1 && (size_t)n == in.n);
}

/* GCM writes nothing when it ends, but the call wants a place. */
static bool aead_final(struct aead *aead)
{
        uint8_t none[TAG_SIZE];
        int n;

        return EVP_CipherFinal_ex(aead->ctx, none, &n) == 1;
}

enum err aead_seal_iv(struct aead *aead, const uint8_t iv[static IV_SIZE], struct bytes ad, struct bytes in, uint8_t *out)
{
        if (in.n > INT_MAX || ad.n > INT_MAX) return ERR_FAILED;
        if (!aead_start(aead, true, iv, ad) || !aead_update(aead, in, out) || !aead_final(aead)) return ERR_FAILED;
        return EVP_CIPHER_CTX_ctrl(aead->ctx, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, out + in.n) == 1 ? OK : ERR_FAILED;
}

enum err aead_open_iv(struct aead *aead, const uint8_t iv[static IV_SIZE], struct bytes ad, struct bytes in, uint8_t *out)
{
        uint8_t tag[TAG_SIZE];

        if (in.n < TAG_SIZE || in.n > INT_MAX || ad.n > INT_MAX) return ERR_DECRYPT;
        in.n -= TAG_SIZE;
        memcpy(tag, in.p + in.n, TAG_SIZE);
        if (aead_start(aead, false, iv, ad) && aead_update(aead, in, out) &&
            EVP_CIPHER_CTX_ctrl(aead->ctx, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, tag) == 1 && aead_final(aead))
                return OK;
        if (in.n) sodium_memzero(out, in.n); /* what did not authenticate is not for anybody's eyes */
        return ERR_DECRYPT;
}

static void iv_of_nonce(uint8_t iv[static IV_SIZE], uint64_t nonce)
{
        for (int i = IV_SIZE - 1; i >= 0; i--, nonce >>= 8) iv[i] = (uint8_t)nonce;
}

enum err aead_seal(struct aead *aead, uint64_t nonce, struct bytes ad, struct bytes in, uint8_t *out)
{
        uint8_t iv[IV_SIZE];

        iv_of_nonce(iv, nonce);
        return aead_seal_iv(aead, iv, ad, in, out);
}

enum err aead_open(struct aead *aead, uint64_t nonce, struct bytes ad, struct bytes in, uint8_t *out)
{
        uint8_t iv[IV_SIZE];

        iv_of_nonce(iv, nonce);
        return aead_open_iv(aead, iv, ad, in, out);
}

struct aead *aead_rekeyed(struct aead *aead)
{
        static const uint8_t zeros[KEY_SIZE];
        uint8_t key[KEY_SIZE + TAG_SIZE];
        struct aead *next = NULL;

        if (aead_seal(aead, UINT64_MAX, BYTES_NONE, bytes_make(zeros, KEY_SIZE), key) == OK) next = aead_new(key);
        sodium_memzero(key, sizeof key);
        return next;
}
