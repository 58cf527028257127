/* Remembers what the slow primitives gave. They are pure functions, and a fuzz target with keys of its own calls them with the same
 * arguments again and again: results are the true ones, and a handshake costs microseconds. The linker puts these in the way (--wrap in
 * tests/tests.mk).
 *
 * A table of so many places, each for what was asked last of all that falls on it. */
#include "tests/fuzz/fuzz.h"
#include "transport/secure_channel/crypto.h"

enum { PLACES = 1 << 14, ASKED_MAX = 176, GIVEN_MAX = SIGNATURE_SIZE, WORD = sizeof(uint64_t) };
_Static_assert(ASKED_MAX % WORD == 0 && 2 * HASH_SIZE <= GIVEN_MAX, "whole words, and both keys");

enum primitive { X25519_PUBLIC = 1, X25519, ED25519_PUBLIC, ED25519_SIGN, ED25519_VERIFY, HKDF2 };

struct call {
        uint8_t asked[ASKED_MAX]; /* which, and its arguments; the rest is zero */
        size_t asked_n;
        enum err err;
        uint8_t given[GIVEN_MAX];
};

static struct call calls[PLACES];

void __real_crypto_x25519_public(const uint8_t secret[static KEY_SIZE], uint8_t public[static KEY_SIZE]);
enum err __real_crypto_x25519(const uint8_t secret[static KEY_SIZE], const uint8_t public[static KEY_SIZE], uint8_t out[static KEY_SIZE]);
void __real_crypto_ed25519_public(const uint8_t seed[static KEY_SIZE], uint8_t public[static KEY_SIZE]);
void __real_crypto_ed25519_sign(const uint8_t seed[static KEY_SIZE], struct bytes in, uint8_t signature[static SIGNATURE_SIZE]);
enum err __real_crypto_ed25519_verify(const uint8_t public[static KEY_SIZE], struct bytes in,
                                      const uint8_t signature[static SIGNATURE_SIZE]);
void __real_crypto_hkdf2(const uint8_t ck[static HASH_SIZE], struct bytes ikm, uint8_t out1[static HASH_SIZE],
                         uint8_t out2[static HASH_SIZE]);

void __wrap_crypto_x25519_public(const uint8_t secret[static KEY_SIZE], uint8_t public[static KEY_SIZE]);
enum err __wrap_crypto_x25519(const uint8_t secret[static KEY_SIZE], const uint8_t public[static KEY_SIZE], uint8_t out[static KEY_SIZE]);
void __wrap_crypto_ed25519_public(const uint8_t seed[static KEY_SIZE], uint8_t public[static KEY_SIZE]);
void __wrap_crypto_ed25519_sign(const uint8_t seed[static KEY_SIZE], struct bytes in, uint8_t signature[static SIGNATURE_SIZE]);
enum err __wrap_crypto_ed25519_verify(const uint8_t public[static KEY_SIZE], struct bytes in,
                                      const uint8_t signature[static SIGNATURE_SIZE]);
void __wrap_crypto_hkdf2(const uint8_t ck[static HASH_SIZE], struct bytes ikm, uint8_t out1[static HASH_SIZE],
                         uint8_t out2[static HASH_SIZE]);

/* The place of a call with these arguments; *known: it holds the result. NULL: they are too long to be kept. */
static struct call *call_of(enum primitive which, struct bytes a, struct bytes b, struct bytes c, bool *known)
{
        uint8_t asked[ASKED_MAX] = {(uint8_t)which};
        struct writer w = writer_make(asked, sizeof asked);
        uint64_t hash = 0xcbf29ce484222325u, word; /* as FNV-1a, but by words */
        struct call *call;

        w.n = 1;
        writer_put(&w, a.p, a.n);
        writer_put(&w, b.p, b.n);
        writer_put(&w, c.p, c.n);
        if (w.full) return NULL;
        for (size_t i = 0; i < w.n; i += WORD) {
                memcpy(&word, asked + i, WORD);
                hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
                hash ^= hash >> 29;
        }
        call = &calls[(hash ^ hash >> 32) % PLACES];
        *known = call->asked_n == w.n && memcmp(call->asked, asked, w.n) == 0;
        if (!*known) {
                memcpy(call->asked, asked, sizeof asked);
                call->asked_n = w.n;
        }
        return call;
}

static struct bytes key(const uint8_t *p) { return bytes_make(p, KEY_SIZE); }

void __wrap_crypto_x25519_public(const uint8_t secret[static KEY_SIZE], uint8_t public[static KEY_SIZE])
{
        bool known;
        struct call *call = call_of(X25519_PUBLIC, key(secret), BYTES_NONE, BYTES_NONE, &known);

        if (!known) __real_crypto_x25519_public(secret, call->given);
        memcpy(public, call->given, KEY_SIZE);
}

enum err __wrap_crypto_x25519(const uint8_t secret[static KEY_SIZE], const uint8_t public[static KEY_SIZE], uint8_t out[static KEY_SIZE])
{
        bool known;
        struct call *call = call_of(X25519, key(secret), key(public), BYTES_NONE, &known);

        if (!known) call->err = __real_crypto_x25519(secret, public, call->given);
        if (!call->err) memcpy(out, call->given, KEY_SIZE);
        return call->err;
}

void __wrap_crypto_ed25519_public(const uint8_t seed[static KEY_SIZE], uint8_t public[static KEY_SIZE])
{
        bool known;
        struct call *call = call_of(ED25519_PUBLIC, key(seed), BYTES_NONE, BYTES_NONE, &known);

        if (!known) __real_crypto_ed25519_public(seed, call->given);
        memcpy(public, call->given, KEY_SIZE);
}

void __wrap_crypto_ed25519_sign(const uint8_t seed[static KEY_SIZE], struct bytes in, uint8_t signature[static SIGNATURE_SIZE])
{
        bool known;
        struct call *call = call_of(ED25519_SIGN, key(seed), in, BYTES_NONE, &known);

        if (!call) {
                __real_crypto_ed25519_sign(seed, in, signature);
                return;
        }
        if (!known) __real_crypto_ed25519_sign(seed, in, call->given);
        memcpy(signature, call->given, SIGNATURE_SIZE);
}

enum err __wrap_crypto_ed25519_verify(const uint8_t public[static KEY_SIZE], struct bytes in,
                                      const uint8_t signature[static SIGNATURE_SIZE])
{
        bool known;
        struct call *call = call_of(ED25519_VERIFY, key(public), bytes_make(signature, SIGNATURE_SIZE), in, &known);

        if (!call) return __real_crypto_ed25519_verify(public, in, signature);
        if (!known) call->err = __real_crypto_ed25519_verify(public, in, signature);
        return call->err;
}

void __wrap_crypto_hkdf2(const uint8_t ck[static HASH_SIZE], struct bytes ikm, uint8_t out1[static HASH_SIZE],
                         uint8_t out2[static HASH_SIZE])
{
        bool known;
        struct call *call = call_of(HKDF2, bytes_make(ck, HASH_SIZE), ikm, BYTES_NONE, &known);

        if (!call) {
                __real_crypto_hkdf2(ck, ikm, out1, out2);
                return;
        }
        if (!known) __real_crypto_hkdf2(ck, ikm, call->given, call->given + HASH_SIZE);
        memcpy(out1, call->given, HASH_SIZE);
        memcpy(out2, call->given + HASH_SIZE, HASH_SIZE);
}
