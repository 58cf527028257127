/* What the known answers of crypto_selftest.c and of Wycheproof leave open: memory shared between arguments, failures, rekeys. */
#include "tests/support/test.h"
#include "transport/secure_channel/crypto.h"

static const uint8_t key[KEY_SIZE] = {7};

static void G44_the_self_test_passes_and_may_be_asked_again(void **state)
{
        struct reason why = {""};

        (void)state;
        assert_ok(crypto_init(&why));
        assert_string_equal(why.text, "");
}

static void hkdf2_may_write_its_result_over_ck(void **state)
{
        (void)state;
        uint8_t ck[HASH_SIZE] = {1}, out1[HASH_SIZE], out2[HASH_SIZE], k[HASH_SIZE];
        const struct bytes ikm = BYTES_LITERAL("ikm");

        crypto_hkdf2(ck, ikm, out1, out2);
        crypto_hkdf2(ck, ikm, ck, k);
        assert_memory_equal(ck, out1, HASH_SIZE);
        assert_memory_equal(k, out2, HASH_SIZE);
}

static void hkdf_stops_at_255_blocks(void **state)
{
        static uint8_t out[255 * HASH_SIZE + 1];

        (void)state;
        assert_ok(crypto_hkdf(BYTES_LITERAL("a"), BYTES_NONE, BYTES_NONE, out, sizeof out - 1));
        assert_err(crypto_hkdf(BYTES_LITERAL("a"), BYTES_NONE, BYTES_NONE, out, sizeof out), ERR_TOO_LARGE);
}

static void C16_low_order_points_leave_the_result_untouched(void **state)
{
        (void)state;
        static const uint8_t points[][KEY_SIZE] = {{0}, {1}};
        uint8_t out[KEY_SIZE] = {9};

        for (size_t i = 0; i < 2; i++) assert_err(crypto_x25519(key, points[i], out), ERR_MALFORMED);
        assert_int_equal(out[0], 9);
}

/* Under such a key a signature can hold for many messages, or for all: R the neutral element and S = 0 fit the key 01 00..., whatever is signed. */
static void C16_small_order_ed25519_keys_are_refused(void **state)
{
        (void)state;
        static const uint8_t order_8[2][KEY_SIZE] = {
                {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
                 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
                {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
                 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
        };
        uint8_t keys[8][KEY_SIZE] = {{1}, {0}, {0}}, signature[SIGNATURE_SIZE] = {1};

        keys[2][31] = 0x80;
        memset(keys[3], 0xff, KEY_SIZE); /* -1: order 2 */
        keys[3][0] = 0xec;
        keys[3][31] = 0x7f;
        for (size_t i = 0; i < 2; i++) {
                memcpy(keys[4 + 2 * i], order_8[i], KEY_SIZE);
                memcpy(keys[5 + 2 * i], order_8[i], KEY_SIZE);
                keys[5 + 2 * i][31] ^= 0x80;
        }
        for (size_t i = 0; i < 8; i++) {
                for (uint8_t message = 0; message < 64; message++) /* one in eight fits by chance where the order is 8 */
                        assert_err(crypto_ed25519_verify(keys[i], bytes_make(&message, 1), signature), ERR_SIGNATURE);
        }
}

static void a_p256_key_that_is_no_point_is_refused(void **state)
{
        (void)state;
        uint8_t public[P256_KEY_SIZE] = {4, 1}, signature[SIGNATURE_SIZE] = {1};

        assert_err(crypto_p256_verify(public, BYTES_LITERAL("x"), signature), ERR_SIGNATURE);
        public[0] = 0;
        assert_err(crypto_p256_verify(public, BYTES_LITERAL("x"), signature), ERR_SIGNATURE);
}

static void aead_binds_nonce_and_additional_data(void **state)
{
        (void)state;
        const struct bytes ad = BYTES_LITERAL("ad"), in = BYTES_LITERAL("text");
        uint8_t sealed[4 + TAG_SIZE], out[4];
        const struct bytes whole = bytes_make(sealed, sizeof sealed);
        struct aead *aead = aead_new(key);

        assert_ok(aead_seal(aead, 0x0102030405060708, ad, in, sealed));
        assert_err(aead_open(aead, 0x0102030405060709, ad, whole, out), ERR_DECRYPT);
        assert_err(aead_open(aead, 0x0102030405060708, BYTES_LITERAL("AD"), whole, out), ERR_DECRYPT);
        assert_err(aead_open(aead, 0x0102030405060708, ad, bytes_make(sealed, TAG_SIZE - 1), out), ERR_DECRYPT);
        assert_ok(aead_open(aead, 0x0102030405060708, ad, whole, out));
        assert_memory_equal(out, "text", 4);

        const uint8_t iv[IV_SIZE] = {0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8};
        uint8_t by_iv[4 + TAG_SIZE];
        assert_ok(aead_seal_iv(aead, iv, ad, in, by_iv));
        assert_memory_equal(by_iv, sealed, sizeof sealed);
        aead_free(aead);
}

static void aead_works_in_place_and_shows_nothing_that_is_damaged(void **state)
{
        (void)state;
        uint8_t buffer[100 + TAG_SIZE] = {0}, zeros[100] = {0};
        struct aead *aead = aead_new(key);

        assert_ok(aead_seal(aead, 1, BYTES_NONE, bytes_make(buffer, 100), buffer));
        buffer[100] ^= 1;
        uint8_t out[100];
        memset(out, 5, sizeof out);
        assert_err(aead_open(aead, 1, BYTES_NONE, bytes_make(buffer, sizeof buffer), out), ERR_DECRYPT);
        assert_memory_equal(out, zeros, sizeof out);
        buffer[100] ^= 1;
        assert_ok(aead_open(aead, 1, BYTES_NONE, bytes_make(buffer, sizeof buffer), buffer));
        assert_memory_equal(buffer, zeros, 100);
        aead_free(aead);
}

static void an_empty_message_has_a_tag(void **state)
{
        (void)state;
        uint8_t tag[TAG_SIZE], none[1];
        struct aead *aead = aead_new(key);

        assert_ok(aead_seal(aead, 1, BYTES_NONE, BYTES_NONE, tag));
        assert_ok(aead_open(aead, 1, BYTES_NONE, bytes_make(tag, TAG_SIZE), none));
        assert_err(aead_open(aead, 2, BYTES_NONE, bytes_make(tag, TAG_SIZE), none), ERR_DECRYPT);
        aead_free(aead);
}

/* The recorded channels have the rekeyed keys; here only that both ways of getting there agree. */
static void rekeying_is_an_encryption_of_zeros(void **state)
{
        (void)state;
        const uint8_t zeros[KEY_SIZE] = {0};
        uint8_t next_key[KEY_SIZE + TAG_SIZE], a[1 + TAG_SIZE], b[1 + TAG_SIZE];
        struct aead *aead = aead_new(key), *rekeyed = aead_rekeyed(aead);

        assert_ok(aead_seal(aead, UINT64_MAX, BYTES_NONE, bytes_make(zeros, KEY_SIZE), next_key));
        struct aead *next = aead_new(next_key);
        assert_ok(aead_seal(rekeyed, 32, BYTES_NONE, BYTES_LITERAL("x"), a));
        assert_ok(aead_seal(next, 32, BYTES_NONE, BYTES_LITERAL("x"), b));
        assert_memory_equal(a, b, sizeof a);
        aead_free(aead);
        aead_free(rekeyed);
        aead_free(next);
        aead_free(NULL);
}

static void comparing_and_wiping(void **state)
{
        (void)state;
        uint8_t a[32] = {1}, b[32] = {1}, zeros[32] = {0};

        assert_true(crypto_equal(a, b, 32));
        b[31] = 1;
        assert_false(crypto_equal(a, b, 32));
        crypto_wipe(a, sizeof a);
        assert_memory_equal(a, zeros, 32);
        crypto_random(a, sizeof a);
        assert_memory_not_equal(a, zeros, 32);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(G44_the_self_test_passes_and_may_be_asked_again),
                cmocka_unit_test(hkdf2_may_write_its_result_over_ck),
                cmocka_unit_test(hkdf_stops_at_255_blocks),
                cmocka_unit_test(C16_low_order_points_leave_the_result_untouched),
                cmocka_unit_test(C16_small_order_ed25519_keys_are_refused),
                cmocka_unit_test(a_p256_key_that_is_no_point_is_refused),
                cmocka_unit_test(aead_binds_nonce_and_additional_data),
                cmocka_unit_test(aead_works_in_place_and_shows_nothing_that_is_damaged),
                cmocka_unit_test(an_empty_message_has_a_tag),
                cmocka_unit_test(rekeying_is_an_encryption_of_zeros),
                cmocka_unit_test(comparing_and_wiping),
        };

        if (crypto_init(NULL)) return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
