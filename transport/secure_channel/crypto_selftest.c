/* The answers are from the standards: FIPS 180-4, RFC 4231, RFC 5869, RFC 7748, RFC 8032, RFC 6979 and the AES-GCM
 * specification of McGrew and Viega. */
#include "transport/secure_channel/crypto_selftest.h"
#include "transport/secure_channel/crypto.h"

enum { ANSWER_MAX = 96 };

static uint8_t digit(char c)
{
        return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* Reads lower-case hex; returns a view of `out`. */
static struct bytes unhex(const char *hex, uint8_t out[static ANSWER_MAX])
{
        size_t n = 0;

        for (; n < ANSWER_MAX && hex[0] && hex[1]; hex += 2) out[n++] = (uint8_t)(digit(hex[0]) << 4 | digit(hex[1]));
        return bytes_make(out, n);
}

static bool same(const uint8_t *got, const char *wanted_hex)
{
        uint8_t wanted[ANSWER_MAX];
        const struct bytes w = unhex(wanted_hex, wanted);

        return crypto_equal(got, w.p, w.n);
}

static bool sha256_holds(void)
{
        static const char answer[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        uint8_t whole[HASH_SIZE], parts[HASH_SIZE];

        crypto_sha256(BYTES_LITERAL("abc"), whole);
        crypto_sha256_2(BYTES_LITERAL("a"), BYTES_LITERAL("bc"), parts);
        return same(whole, answer) && same(parts, answer);
}

static bool hmac_holds(void)
{
        uint8_t out[HASH_SIZE];

        crypto_hmac_sha256(BYTES_LITERAL("Jefe"), BYTES_LITERAL("what do ya want for nothing?"), out);
        return same(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static bool hkdf_holds(void)
{
        uint8_t ikm[ANSWER_MAX], salt[ANSWER_MAX], info[ANSWER_MAX], out[42];
        const enum err err = crypto_hkdf(unhex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", ikm), unhex("000102030405060708090a0b0c", salt),
                                         unhex("f0f1f2f3f4f5f6f7f8f9", info), out, sizeof out);

        return !err && same(out, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
}

/* Noise's form is RFC 5869 with ck for salt and no info, so the general one is its answer. */
static bool hkdf2_holds(void)
{
        static const uint8_t ck[HASH_SIZE] = {1, 2, 3};
        const struct bytes ikm = BYTES_LITERAL("input");
        uint8_t out1[HASH_SIZE], out2[HASH_SIZE], both[2 * HASH_SIZE];

        crypto_hkdf2(ck, ikm, out1, out2);
        return !crypto_hkdf(ikm, bytes_make(ck, HASH_SIZE), BYTES_NONE, both, sizeof both) && crypto_equal(out1, both, HASH_SIZE) &&
               crypto_equal(out2, both + HASH_SIZE, HASH_SIZE);
}

static bool x25519_holds(void)
{
        static const uint8_t zero_point[KEY_SIZE];
        uint8_t secret[ANSWER_MAX], other[ANSWER_MAX], public[KEY_SIZE], shared[KEY_SIZE], none[KEY_SIZE];

        unhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", secret);
        unhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a", other);
        crypto_x25519_public(secret, public);
        return same(public, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f") && !crypto_x25519(secret, other, shared) &&
               same(shared, "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742") &&
               crypto_x25519(secret, zero_point, none) == ERR_MALFORMED;
}

static bool ed25519_holds(void)
{
        const struct bytes in = BYTES_LITERAL("\x72"), other = BYTES_LITERAL("\x73");
        uint8_t seed[ANSWER_MAX], public[KEY_SIZE], signature[SIGNATURE_SIZE];

        unhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", seed);
        crypto_ed25519_public(seed, public);
        crypto_ed25519_sign(seed, in, signature);
        return same(public, "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c") &&
               same(signature, "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                               "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00") &&
               !crypto_ed25519_verify(public, in, signature) && crypto_ed25519_verify(public, other, signature) == ERR_SIGNATURE;
}

static bool p256_holds(void)
{
        uint8_t key[ANSWER_MAX], signature[ANSWER_MAX];

        unhex("0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
              "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299", key);
        unhex("efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
              "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8", signature);
        return !crypto_p256_verify(key, BYTES_LITERAL("sample"), signature) &&
               crypto_p256_verify(key, BYTES_LITERAL("simple"), signature) == ERR_SIGNATURE;
}

/* One context both ways, as a session uses it. */
static bool aes_gcm_holds(void)
{
        static const uint8_t zeros[KEY_SIZE];
        const struct bytes clear = bytes_make(zeros, 16);
        uint8_t sealed[16 + TAG_SIZE] = {0}, opened[16];
        struct aead *aead = aead_new(zeros);
        bool holds = aead && !aead_seal(aead, 0, BYTES_NONE, clear, sealed) &&
                     same(sealed, "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919") &&
                     !aead_open(aead, 0, BYTES_NONE, bytes_make(sealed, sizeof sealed), opened) && crypto_equal(opened, zeros, sizeof opened);

        sealed[0] ^= 1;
        holds = holds && aead_open(aead, 0, BYTES_NONE, bytes_make(sealed, sizeof sealed), opened) == ERR_DECRYPT;
        aead_free(aead);
        return holds;
}

enum err crypto_selftest(struct reason *why)
{
        static const struct {
                const char *name;
                bool (*holds)(void);
        } checks[] = {
                {"SHA-256", sha256_holds}, {"HMAC-SHA-256", hmac_holds}, {"HKDF-SHA-256", hkdf_holds}, {"Noise's HKDF", hkdf2_holds},
                {"X25519", x25519_holds},  {"Ed25519", ed25519_holds},   {"ECDSA P-256", p256_holds},  {"AES-256-GCM", aes_gcm_holds},
        };

        for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
                if (!checks[i].holds())
                        return fail(why, ERR_FAILED, "%s of the installed libraries gives a wrong answer; nothing can be encrypted safely",
                                    checks[i].name);
        }
        return OK;
}
