/* Purpose keys: the crate's attestations good and bad, own ones to the byte, and the clock (C11, C14). */
#include "transport/secure_channel/purpose_key.h"

#include "tests/support/test.h"
#include "tests/support/vectors.h"
#include "transport/secure_channel/crypto.h"
#include "transport/secure_channel/secrets.h"

#include <stdlib.h>

#define VECTORS "tests/vectors/crate-0.116/identity.json"

enum { SLOTS = 4, NOW = 1700000000, VECTORS_MADE_AT = 1795548892, ROOM = 256 };

static const uint8_t seeds[2][KEY_SIZE] = {{1}, {2}};
static const uint8_t secret[KEY_SIZE] = {9};

static const json_t *vectors(const char *key, size_t count)
{
        const json_t *list = vector_member(vectors_load(VECTORS), key);

        assert_int_equal(json_array_size(list), count);
        return list;
}

static struct identity_view view_of(const json_t *v)
{
        struct identity_view view;

        assert_ok(identity_verify(vector_hex(v, "change_history"), 64, &view));
        return view;
}

static void attestations_are_judged_as_the_crate_judges_them(void **state)
{
        (void)state;
        const json_t *list = vectors("attestations", 21);

        for (size_t i = 0; i < json_array_size(list); i++) {
                const json_t *v = json_array_get(list, i);
                struct identity_view identity = view_of(v);
                struct attestation_view view;
                enum err err = attestation_verify(vector_hex(v, "attestation"), &identity, VECTORS_MADE_AT, &view);

                if ((err == OK) != vector_bool(v, "accepted")) fail_msg("%s: %s", vector_text(v, "name"), err_name(err));
                if (err) assert_int_equal(err_class(err), ERR_CLASS_PEER);
        }
}

static void errors_tell_what_kind_of_bad(void **state)
{
        (void)state;
        static const struct { const char *name; enum err err; } cases[] = {
                {"last bit of the signature flipped", ERR_SIGNATURE},
                {"signed by another identity's key", ERR_SIGNATURE},
                {"another identity's attestation", ERR_IDENTITY},
                {"subject another identity, signed by the own key", ERR_IDENTITY},
                {"expired in 2023", ERR_EXPIRED},
                {"created in 2090", ERR_EXPIRED},
                {"created 1 s before the identity key", ERR_IDENTITY},
                {"expires 1 s after the identity key", ERR_IDENTITY},
                {"data_type 3", ERR_IDENTITY},
                {"unknown subject_latest_change_hash", ERR_IDENTITY},
                {"names the first change of two, signed by the first key", ERR_IDENTITY},
        };
        const json_t *list = vectors("attestations", 21);
        size_t found = 0;

        for (size_t i = 0; i < json_array_size(list); i++) {
                const json_t *v = json_array_get(list, i);

                for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
                        struct identity_view identity = view_of(v);
                        struct attestation_view view;

                        if (strcmp(cases[k].name, vector_text(v, "name")) != 0) continue;
                        assert_err(attestation_verify(vector_hex(v, "attestation"), &identity, VECTORS_MADE_AT, &view), cases[k].err);
                        found++;
                }
        }
        assert_int_equal(found, sizeof cases / sizeof *cases);
}

static void channel_keys_say_what_the_crate_says(void **state)
{
        (void)state;
        const json_t *list = vectors("identities", 8);

        for (size_t i = 0; i < json_array_size(list); i++) {
                const json_t *v = json_array_get(list, i), *key = vector_member(v, "secure_channel_purpose_key");
                struct identity_view identity = view_of(v);
                struct attestation_view view;
                uint8_t public[KEY_SIZE];

                assert_ok(attestation_verify(vector_hex(key, "attestation"), &identity, VECTORS_MADE_AT, &view));
                crypto_x25519_public(vector_hex(key, "secret").p, public);
                assert_int_equal(view.kind, PURPOSE_SECURE_CHANNEL);
                assert_memory_equal(view.x25519, public, KEY_SIZE);
                assert_int_equal(view.created_at, vector_uint(key, "created_at"));
                assert_int_equal(view.expires_at, vector_uint(key, "expires_at"));
        }
}

static void credential_keys_are_told_apart(void **state)
{
        (void)state;
        const json_t *list = vectors("identities", 8);

        for (size_t i = 0; i < json_array_size(list); i++) {
                const json_t *v = json_array_get(list, i), *key = vector_member(v, "credential_purpose_key");
                struct bytes public = vector_hex(vector_member(key, "key"), "public");
                struct identity_view identity = view_of(v);
                struct attestation_view view;

                assert_ok(attestation_verify(vector_hex(key, "attestation"), &identity, VECTORS_MADE_AT, &view));
                assert_int_equal(view.kind, PURPOSE_CREDENTIALS);
                assert_bytes_equal("signing key", bytes_make(view.signing.key, public.n), public);
        }
}

/* Of the identities whose latest key is Ed25519 the attestation is determined by the keys and the times. */
static void own_attestations_are_the_crates_to_the_byte(void **state)
{
        (void)state;
        const json_t *list = vectors("identities", 8);
        size_t made = 0;

        for (size_t i = 0; i < json_array_size(list); i++) {
                const json_t *v = json_array_get(list, i), *key = vector_member(v, "secure_channel_purpose_key");
                const json_t *changes = vector_member(v, "changes"), *last = json_array_get(changes, json_array_size(changes) - 1);
                struct identity *identity;
                uint8_t memory[ROOM], public[KEY_SIZE];
                struct writer w = writer_make(memory, sizeof memory);

                if (strcmp(vector_text(vector_member(last, "key"), "type"), "ed25519") != 0) continue;
                assert_ok(identity_restore(vector_hex(v, "change_history"), vector_hex(vector_member(last, "key"), "secret").p, &identity));
                crypto_x25519_public(vector_hex(key, "secret").p, public);
                attestation_put(&w, identity, public, vector_uint(key, "created_at"), vector_uint(key, "expires_at"));
                assert_bytes_equal(vector_text(v, "name"), writer_bytes(&w), vector_hex(key, "attestation"));
                identity_free(identity);
                made++;
        }
        assert_int_equal(made, 6);
        assert_int_equal(secrets_used(), 0);
}

static void every_flipped_bit_and_every_prefix_is_refused(void **state)
{
        (void)state;
        const json_t *list = vectors("identities", 8);

        for (size_t i = 0; i < json_array_size(list); i += 5) {
                const json_t *v = json_array_get(list, i);
                struct bytes in = vector_hex(vector_member(v, "secure_channel_purpose_key"), "attestation");
                struct identity_view identity = view_of(v);
                struct attestation_view view;
                uint8_t copy[ROOM];

                assert_true(in.n <= sizeof copy);
                memcpy(copy, in.p, in.n);
                for (size_t bit = 0; bit < 8 * in.n; bit++) {
                        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
                        if (attestation_verify(bytes_make(copy, in.n), &identity, VECTORS_MADE_AT, &view) == OK)
                                fail_msg("%s, bit %zu: taken", vector_text(v, "name"), bit);
                        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
                }
                for (size_t n = 0; n < in.n; n++)
                        assert_err(attestation_verify(bytes_make(in.p, n), &identity, VECTORS_MADE_AT, &view), ERR_TRUNCATED);
                assert_ok(attestation_verify(bytes_make(copy, in.n), &identity, VECTORS_MADE_AT, &view));
        }
}

static void C11_another_identitys_attestation_is_refused(void **state)
{
        (void)state;
        struct identity *alice, *eve;
        struct purpose_key *of_alice, *of_eve;
        struct attestation_view view;

        assert_ok(identity_new(seeds[0], NOW, &alice));
        assert_ok(identity_new(seeds[1], NOW, &eve));
        assert_ok(purpose_key_new(alice, secret, NOW, &of_alice));
        assert_ok(purpose_key_new(eve, secret, NOW, &of_eve)); /* Eve over Alice's public key */
        assert_ok(attestation_verify(purpose_key_attestation(of_alice), identity_get_view(alice), NOW, &view));
        assert_err(attestation_verify(purpose_key_attestation(of_alice), identity_get_view(eve), NOW, &view), ERR_IDENTITY);
        assert_err(attestation_verify(purpose_key_attestation(of_eve), identity_get_view(alice), NOW, &view), ERR_IDENTITY);
        purpose_key_free(of_eve);
        purpose_key_free(of_alice);
        identity_free(eve);
        identity_free(alice);
}

static void C13_C14_a_rotated_identity_drops_its_old_purpose_keys(void **state)
{
        (void)state;
        struct identity *identity;
        struct purpose_key *before, *after;
        struct attestation_view view;

        assert_ok(identity_new(seeds[0], NOW, &identity));
        assert_ok(purpose_key_new(identity, secret, NOW, &before));
        assert_ok(identity_rotate(identity, seeds[1], true, NOW + 1));
        assert_ok(purpose_key_new(identity, secret, NOW + 1, &after));
        assert_err(attestation_verify(purpose_key_attestation(before), identity_get_view(identity), NOW + 2, &view), ERR_IDENTITY);
        assert_ok(attestation_verify(purpose_key_attestation(after), identity_get_view(identity), NOW + 2, &view));
        purpose_key_free(before);
        purpose_key_free(after);
        identity_free(identity);
        assert_int_equal(secrets_used(), 0);
}

/* --- the clock ---------------------------------------------------------------------------------------------------------- */

static void C14_the_verifiers_clock(void **state)
{
        (void)state;
        enum { LIFE = 1000, MADE = NOW + 100 };
        static const struct { int64_t clock; enum err err; } cases[] = {
                {MADE - 3600, ERR_EXPIRED},     {MADE - 6, ERR_EXPIRED},    {MADE - 5, OK},          {MADE - 4, OK},
                {MADE - 1, OK},                 {MADE, OK},                 {MADE + 1, OK},          {MADE + 4, OK},
                {MADE + 5, OK},                 {MADE + 6, OK},             {MADE + LIFE - 1, OK},   {MADE + LIFE, OK},
                {MADE + LIFE + 1, ERR_EXPIRED}, {MADE + LIFE + 6, ERR_EXPIRED}, {0, ERR_EXPIRED},    {INT64_MAX, ERR_EXPIRED},
        };
        struct identity *identity;
        uint8_t memory[ROOM], public[KEY_SIZE] = {1};
        struct writer w = writer_make(memory, sizeof memory);

        assert_ok(identity_new(seeds[0], NOW, &identity));
        attestation_put(&w, identity, public, MADE, MADE + LIFE);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct attestation_view view;
                enum err err = attestation_verify(writer_bytes(&w), identity_get_view(identity), (uint64_t)cases[i].clock, &view);

                if (err != cases[i].err) fail_msg("case %zu: %s", i, err_name(err));
        }
        identity_free(identity);
}

/* The other way round: the clock of who attests, the verifier's being right. */
static void C14_the_attesters_clock(void **state)
{
        (void)state;
        static const struct { int64_t ahead; enum err err; } cases[] = {
                {-6, OK}, {-5, OK}, {0, OK}, {4, OK}, {5, OK}, {6, ERR_EXPIRED}, {3600, ERR_EXPIRED},
        };
        struct identity *identity;

        assert_ok(identity_new(seeds[0], NOW - 1000, &identity));
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct purpose_key *key;
                struct attestation_view view;

                assert_ok(purpose_key_new(identity, secret, (uint64_t)(NOW + cases[i].ahead), &key));
                assert_err(attestation_verify(purpose_key_attestation(key), identity_get_view(identity), NOW, &view), cases[i].err);
                purpose_key_free(key);
        }
        identity_free(identity);
}

static void the_largest_times_do_not_wrap(void **state)
{
        (void)state;
        struct identity *identity;
        const struct change_terms terms = {.created_at = 0, .expires_at = UINT64_MAX};
        uint8_t memory[ROOM], public[KEY_SIZE] = {1};
        struct writer w = writer_make(memory, sizeof memory);
        struct attestation_view view;

        assert_ok(identity_new_with(seeds[0], &terms, &identity));
        attestation_put(&w, identity, public, UINT64_MAX, UINT64_MAX);
        assert_err(attestation_verify(writer_bytes(&w), identity_get_view(identity), 0, &view), ERR_EXPIRED);
        assert_err(attestation_verify(writer_bytes(&w), identity_get_view(identity), UINT64_MAX - 6, &view), ERR_EXPIRED);
        assert_ok(attestation_verify(writer_bytes(&w), identity_get_view(identity), UINT64_MAX - 5, &view));
        identity_free(identity);
}

/* --- own purpose keys ---------------------------------------------------------------------------------------------------- */

static void a_purpose_key_lives_five_years_inside_its_identitys_life(void **state)
{
        (void)state;
        const struct change_terms terms = {.created_at = NOW, .expires_at = NOW + 1000};
        struct identity *long_lived, *short_lived;
        struct purpose_key *key = NULL;
        struct attestation_view view;

        assert_ok(identity_new(seeds[0], NOW, &long_lived));
        assert_ok(purpose_key_new(long_lived, secret, NOW + 5, &key));
        assert_ok(attestation_verify(purpose_key_attestation(key), identity_get_view(long_lived), NOW + 5, &view));
        assert_int_equal(view.created_at, NOW + 5);
        assert_int_equal(view.expires_at, NOW + 5 + 157680000);
        assert_memory_equal(view.x25519, purpose_key_public(key), KEY_SIZE);
        assert_memory_equal(purpose_key_secret(key), secret, KEY_SIZE);
        purpose_key_free(key);
        identity_free(long_lived);

        assert_ok(identity_new_with(seeds[0], &terms, &short_lived));
        assert_ok(purpose_key_new(short_lived, secret, NOW - 50, &key)); /* a clock behind the identity's */
        assert_ok(attestation_verify(purpose_key_attestation(key), identity_get_view(short_lived), NOW, &view));
        assert_int_equal(view.created_at, NOW);
        assert_int_equal(view.expires_at, NOW + 1000);
        purpose_key_free(key);
        key = NULL;
        assert_ok(purpose_key_new(short_lived, secret, NOW + 1000, &key));
        purpose_key_free(key);
        key = NULL;
        assert_err(purpose_key_new(short_lived, secret, NOW + 1001, &key), ERR_EXPIRED);
        assert_null(key);
        identity_free(short_lived);
        purpose_key_free(NULL);
        assert_int_equal(secrets_used(), 0);
}

static void restored_keys_hold_what_they_were_given(void **state)
{
        (void)state;
        struct purpose_key *key;
        uint8_t public[KEY_SIZE];
        struct bytes attestation = BYTES_LITERAL("anything");

        assert_ok(purpose_key_restore(secret, attestation, &key));
        attestation = purpose_key_attestation(key);
        crypto_x25519_public(secret, public);
        assert_memory_equal(purpose_key_public(key), public, KEY_SIZE);
        assert_bytes_equal("attestation", attestation, BYTES_LITERAL("anything"));
        purpose_key_free(key);
}

static void no_slot_is_no_key(void **state)
{
        (void)state;
        struct purpose_key *keys[SLOTS], *one_more = NULL;

        for (size_t i = 0; i < SLOTS; i++) assert_ok(purpose_key_restore(secret, BYTES_NONE, &keys[i]));
        assert_err(purpose_key_restore(secret, BYTES_NONE, &one_more), ERR_FULL);
        assert_null(one_more);
        for (size_t i = 0; i < SLOTS; i++) purpose_key_free(keys[i]);
}

static int begin(void **state)
{
        (void)state;
        assert_ok(crypto_init(NULL));
        assert_ok(secrets_init(SLOTS));
        return 0;
}

static int end(void **state)
{
        (void)state;
        secrets_clear();
        vectors_clear();
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(attestations_are_judged_as_the_crate_judges_them),
                cmocka_unit_test(errors_tell_what_kind_of_bad),
                cmocka_unit_test(channel_keys_say_what_the_crate_says),
                cmocka_unit_test(credential_keys_are_told_apart),
                cmocka_unit_test(own_attestations_are_the_crates_to_the_byte),
                cmocka_unit_test(every_flipped_bit_and_every_prefix_is_refused),
                cmocka_unit_test(C11_another_identitys_attestation_is_refused),
                cmocka_unit_test(C13_C14_a_rotated_identity_drops_its_old_purpose_keys),
                cmocka_unit_test(C14_the_verifiers_clock),
                cmocka_unit_test(C14_the_attesters_clock),
                cmocka_unit_test(the_largest_times_do_not_wrap),
                cmocka_unit_test(a_purpose_key_lives_five_years_inside_its_identitys_life),
                cmocka_unit_test(restored_keys_hold_what_they_were_given),
                cmocka_unit_test(no_slot_is_no_key),
        };
        return cmocka_run_group_tests(tests, begin, end);
}
