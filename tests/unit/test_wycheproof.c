/* Wycheproof (reliability G23): exactly the 1,257 vectors that apply, each with the answer that it asks for. */
#include "tests/support/test.h"
#include "tests/support/vectors.h"
#include "transport/secure_channel/crypto.h"

#include <stdio.h>

enum { APPLICABLE = 1257 };

static size_t ran;

typedef bool vector_check(const json_t *group, const json_t *test);

/* Runs every test of every group that `applies`, and counts them. */
static size_t run_file(const char *name, bool (*applies)(const json_t *group), vector_check *check)
{
        char path[128];
        size_t group_index, test_index, count = 0;
        const json_t *group, *test;

        snprintf(path, sizeof path, "tests/vectors/wycheproof/%s_test.json", name);
        json_array_foreach(json_object_get(vectors_load(path), "testGroups"), group_index, group) {
                if (applies && !applies(group)) continue;
                json_array_foreach(json_object_get(group, "tests"), test_index, test) {
                        if (!check(group, test)) fail_msg("%s, tcId %llu", name, (unsigned long long)vector_uint(test, "tcId"));
                        count++;
                }
        }
        ran += count;
        vectors_clear();
        return count;
}

static bool is(const json_t *test, const char *result)
{
        return strcmp(vector_text(test, "result"), result) == 0;
}

static bool has_flag(const json_t *test, const char *flag)
{
        size_t i;
        const json_t *value;

        json_array_foreach(vector_member(test, "flags"), i, value) {
                if (strcmp(json_string_value(value), flag) == 0) return true;
        }
        return false;
}

static size_t zero_secrets;

/* "acceptable" ones are odd keys: computed like the others, unless the result is all zero (C16). */
static bool x25519_check(const json_t *group, const json_t *test)
{
        (void)group;
        uint8_t shared[KEY_SIZE];
        const enum err err = crypto_x25519(vector_hex(test, "private").p, vector_hex(test, "public").p, shared);

        if (has_flag(test, "ZeroSharedSecret")) {
                zero_secrets++;
                return err == ERR_MALFORMED;
        }
        return err == OK && bytes_equal(bytes_make(shared, KEY_SIZE), vector_hex(test, "shared"));
}

static void C16_x25519(void **state)
{
        (void)state;
        assert_int_equal(run_file("x25519", NULL, x25519_check), 518);
        assert_int_equal(zero_secrets, 31);
}

static bool ed25519_check(const json_t *group, const json_t *test)
{
        const struct bytes key = vector_hex(vector_member(group, "publicKey"), "pk"), sig = vector_hex(test, "sig");
        const bool holds = key.n == KEY_SIZE && sig.n == SIGNATURE_SIZE && !crypto_ed25519_verify(key.p, vector_hex(test, "msg"), sig.p);

        return holds == is(test, "valid");
}

static void ed25519(void **state)
{
        (void)state;
        assert_int_equal(run_file("ed25519", NULL, ed25519_check), 151);
}

static bool aes_gcm_applies(const json_t *group)
{
        return vector_uint(group, "keySize") == 256 && vector_uint(group, "ivSize") == 96 && vector_uint(group, "tagSize") == 128;
}

static bool aes_gcm_check(const json_t *group, const json_t *test)
{
        (void)group;
        const struct bytes iv = vector_hex(test, "iv"), aad = vector_hex(test, "aad"), msg = vector_hex(test, "msg"), ct = vector_hex(test, "ct"),
                           tag = vector_hex(test, "tag");
        uint8_t wanted[1024], sealed[1024], opened[1024];
        struct aead *aead = aead_new(vector_hex(test, "key").p);

        assert_non_null(aead);
        assert_true(ct.n + tag.n <= sizeof wanted);
        memcpy(wanted, ct.p, ct.n);
        memcpy(wanted + ct.n, tag.p, tag.n);
        const struct bytes whole = bytes_make(wanted, ct.n + tag.n);
        const enum err seal = aead_seal_iv(aead, iv.p, aad, msg, sealed), open = aead_open_iv(aead, iv.p, aad, whole, opened);
        aead_free(aead);

        if (!is(test, "valid")) return seal == OK && open == ERR_DECRYPT;
        return seal == OK && open == OK && bytes_equal(bytes_make(sealed, whole.n), whole) && bytes_equal(bytes_make(opened, msg.n), msg);
}

static void aes_gcm(void **state)
{
        (void)state;
        assert_int_equal(run_file("aes_gcm", aes_gcm_applies, aes_gcm_check), 66);
}

static bool hkdf_check(const json_t *group, const json_t *test)
{
        (void)group;
        static uint8_t out[1 << 14];
        const size_t size = vector_uint(test, "size");

        assert_true(size <= sizeof out);
        const enum err err = crypto_hkdf(vector_hex(test, "ikm"), vector_hex(test, "salt"), vector_hex(test, "info"), out, size);
        return is(test, "valid") ? !err && bytes_equal(bytes_make(out, size), vector_hex(test, "okm")) : err == ERR_TOO_LARGE;
}

static void hkdf_sha256(void **state)
{
        (void)state;
        assert_int_equal(run_file("hkdf_sha256", NULL, hkdf_check), 86);
}

static bool hmac_check(const json_t *group, const json_t *test)
{
        uint8_t out[HASH_SIZE];
        const size_t size = vector_uint(group, "tagSize") / 8;

        crypto_hmac_sha256(vector_hex(test, "key"), vector_hex(test, "msg"), out);
        return bytes_equal(bytes_make(out, size), vector_hex(test, "tag")) == is(test, "valid");
}

static void hmac_sha256(void **state)
{
        (void)state;
        assert_int_equal(run_file("hmac_sha256", NULL, hmac_check), 174);
}

static bool p256_check(const json_t *group, const json_t *test)
{
        const struct bytes key = vector_hex(vector_member(group, "publicKey"), "uncompressed"), sig = vector_hex(test, "sig");
        const bool holds = key.n == P256_KEY_SIZE && sig.n == SIGNATURE_SIZE && !crypto_p256_verify(key.p, vector_hex(test, "msg"), sig.p);

        return holds == is(test, "valid");
}

static void ecdsa_p256(void **state)
{
        (void)state;
        assert_int_equal(run_file("ecdsa_secp256r1_sha256_p1363", NULL, p256_check), 262);
}

static void G23_no_vector_was_left_out(void **state)
{
        (void)state;
        assert_int_equal(ran, APPLICABLE);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(C16_x25519),  cmocka_unit_test(ed25519),    cmocka_unit_test(aes_gcm), cmocka_unit_test(hkdf_sha256),
                cmocka_unit_test(hmac_sha256), cmocka_unit_test(ecdsa_p256), cmocka_unit_test(G23_no_vector_was_left_out),
        };

        if (crypto_init(NULL)) return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
