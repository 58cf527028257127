/* Identities: the crate's histories good and bad, own ones made and rotated, and how histories stand to each other (C13). */
#include "transport/secure_channel/identity.h"

#include "tests/support/test.h"
#include "tests/support/vectors.h"
#include "transport/secure_channel/crypto.h"
#include "transport/secure_channel/secrets.h"

#include <stdlib.h>

#define VECTORS "tests/vectors/crate-0.116/identity.json"

enum { SLOTS = 4, NOW = 1700000000 };

static const uint8_t seeds[4][KEY_SIZE] = {{1}, {2}, {3}, {4}};

/* --- vectors ------------------------------------------------------------------------------------------------------------ */

static const json_t *vectors(const char *key, size_t count)
{
        const json_t *list = vector_member(vectors_load(VECTORS), key);

        assert_int_equal(json_array_size(list), count);
        return list;
}

static struct identifier identifier_of(const char *text)
{
        struct identifier id;

        assert_ok(identifier_parse(bytes_of_text(text), &id));
        return id;
}

static const json_t *change_at(const json_t *identity, size_t i)
{
        return json_array_get(vector_member(identity, "changes"), i);
}

static size_t change_count(const json_t *identity)
{
        return json_array_size(vector_member(identity, "changes"));
}

static bool is_ed25519(const json_t *change)
{
        return strcmp(vector_text(vector_member(change, "key"), "type"), "ed25519") == 0;
}

static struct bytes seed_of(const json_t *change)
{
        struct bytes seed = vector_hex(vector_member(change, "key"), "secret");

        assert_int_equal(seed.n, KEY_SIZE);
        return seed;
}

static void histories_say_what_the_crate_says(void **state)
{
        (void)state;
        const json_t *list = vectors("identities", 8);

        for (size_t i = 0; i < json_array_size(list); i++) {
                const json_t *v = json_array_get(list, i), *last = change_at(v, change_count(v) - 1);
                struct identifier id = identifier_of(vector_text(v, "identifier"));
                struct bytes key = vector_hex(vector_member(last, "key"), "public");
                struct identity_view view;

                assert_ok(identity_verify(vector_hex(v, "change_history"), 3, &view));
                assert_true(identifier_equal(&view.identifier, &id));
                assert_int_equal(view.changes, change_count(v));
                assert_bytes_equal("hash", bytes_make(view.latest_hash, HASH_SIZE), vector_hex(last, "hash"));
                assert_int_equal(view.latest_key.type, is_ed25519(last) ? KEY_ED25519 : KEY_P256);
                assert_bytes_equal("key", bytes_make(view.latest_key.key, key.n), key);
                assert_int_equal(view.latest_created_at, vector_uint(last, "created_at"));
                assert_int_equal(view.latest_expires_at, vector_uint(last, "expires_at"));
        }
}

static void imports_are_judged_as_the_crate_judges_them(void **state)
{
        (void)state;
        const json_t *list = vectors("imports", 51);

        for (size_t i = 0; i < json_array_size(list); i++) {
                const json_t *v = json_array_get(list, i);
                const char *name = vector_text(v, "name");
                struct identity_view view = {.changes = 99};
                enum err err = identity_verify(vector_hex(v, "change_history"), 64, &view);

                if ((err == OK) != vector_bool(v, "accepted")) fail_msg("%s: %s", name, err_name(err));
                if (err) {
                        assert_int_equal(err_class(err), ERR_CLASS_PEER);
                        assert_int_equal(view.changes, 99);
                } else {
                        struct identifier id = identifier_of(vector_text(v, "identifier"));

                        if (!identifier_equal(&view.identifier, &id)) fail_msg("%s: another identifier", name);
                }
        }
}

static void errors_tell_what_kind_of_bad(void **state)
{
        (void)state;
        static const struct { const char *name; enum err err; } cases[] = {
                {"last byte cut", ERR_TRUNCATED},
                {"no changes", ERR_IDENTITY},
                {"changes in the wrong order", ERR_IDENTITY},
                {"last bit of the signature flipped", ERR_SIGNATURE},
                {"last bit of a P-256 signature flipped", ERR_SIGNATURE},
                {"change without a signature", ERR_MALFORMED},
                {"draft: created_at goes down by 1 s", ERR_IDENTITY},
                {"draft: version 2", ERR_IDENTITY},
                {"draft: previous_signature by a third key", ERR_SIGNATURE},
        };
        const json_t *list = vectors("imports", 51);
        size_t found = 0;

        for (size_t i = 0; i < json_array_size(list); i++) {
                const json_t *v = json_array_get(list, i);

                for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
                        struct identity_view view;

                        if (strcmp(cases[k].name, vector_text(v, "name")) != 0) continue;
                        assert_err(identity_verify(vector_hex(v, "change_history"), 64, &view), cases[k].err);
                        found++;
                }
        }
        assert_int_equal(found, sizeof cases / sizeof *cases);
}

static struct change_terms terms_of(const json_t *change)
{
        return (struct change_terms){
                .created_at = vector_uint(change, "created_at"),
                .expires_at = vector_uint(change, "expires_at"),
                .revoke_all_purpose_keys = vector_bool(change, "revoke_all_purpose_keys"),
        };
}

/* Ed25519 signatures are determined by key and data, so histories made of the same keys and terms are the same bytes. */
static void own_identities_are_the_crates_to_the_byte(void **state)
{
        (void)state;
        const json_t *list = vectors("identities", 8);
        size_t made = 0;

        for (size_t i = 0; i < json_array_size(list); i++) {
                const json_t *v = json_array_get(list, i);
                struct identity *identity = NULL;

                for (size_t k = 0; k < change_count(v); k++) {
                        const json_t *change = change_at(v, k);
                        struct change_terms terms = terms_of(change);

                        if (!is_ed25519(change)) break;
                        if (k) assert_ok(identity_rotate_with(identity, seed_of(change).p, &terms));
                        else assert_ok(identity_new_with(seed_of(change).p, &terms, &identity));
                        if (k + 1 < change_count(v)) continue;
                        assert_bytes_equal(vector_text(v, "name"), identity_history(identity), vector_hex(v, "change_history"));
                        made++;
                }
                identity_free(identity);
        }
        assert_int_equal(made, 5);
        assert_int_equal(secrets_used(), 0);
}

static void restored_identities_sign_as_the_crate(void **state)
{
        (void)state;
        const json_t *list = vectors("identities", 8);
        size_t signed_ = 0, refused = 0;

        for (size_t i = 0; i < json_array_size(list); i++) {
                const json_t *v = json_array_get(list, i), *last = change_at(v, change_count(v) - 1);
                struct identity *identity = NULL;
                struct signature signature;
                uint8_t memory[128];
                struct writer w = writer_make(memory, sizeof memory);
                enum err err = identity_restore(vector_hex(v, "change_history"), seed_of(last).p, &identity);

                if (!is_ed25519(last)) {
                        assert_err(err, ERR_IDENTITY);
                        refused++;
                        continue;
                }
                assert_ok(err);
                identity_sign(identity, vector_hex(last, "data"), &signature);
                signature_put(&w, &signature);
                assert_bytes_equal(vector_text(v, "name"), writer_bytes(&w), vector_hex(last, "signature"));
                assert_ok(signature_verify(&identity_get_view(identity)->latest_key, vector_hex(last, "data"), &signature));
                identity_free(identity);
                signed_++;
        }
        assert_int_equal(signed_, 6);
        assert_int_equal(refused, 2);
        assert_int_equal(secrets_used(), 0);
}

static void keys_and_signatures_come_back(void **state)
{
        (void)state;
        const json_t *list = vectors("identities", 8);

        for (size_t i = 0; i < json_array_size(list); i++) {
                for (size_t k = 0; k < change_count(json_array_get(list, i)); k++) {
                        const json_t *change = change_at(json_array_get(list, i), k);
                        struct bytes key = vector_hex(change, "primary_public_key"), sig = vector_hex(change, "signature");
                        struct cbor_reader key_reader = cbor_reader_make(key), sig_reader = cbor_reader_make(sig);
                        uint8_t memory[256];
                        struct writer w = writer_make(memory, sizeof memory);
                        struct public_key read_key;
                        struct signature read_sig;

                        public_key_read(&key_reader, &read_key);
                        signature_read(&sig_reader, &read_sig);
                        assert_ok(key_reader.err);
                        assert_ok(sig_reader.err);
                        public_key_put(&w, &read_key);
                        assert_bytes_equal("key", writer_bytes(&w), key);
                        w = writer_make(memory, sizeof memory);
                        signature_put(&w, &read_sig);
                        assert_bytes_equal("signature", writer_bytes(&w), sig);
                        assert_ok(signature_verify(&read_key, vector_hex(change, "data"), &read_sig));
                }
        }
}

/* --- damage --------------------------------------------------------------------------------------------------------------- */

static void every_flipped_bit_is_refused(void **state)
{
        (void)state;
        static const size_t which[] = {0, 2, 5, 6}; /* one change, two, P-256, Ed25519 then P-256 */
        const json_t *list = vectors("identities", 8);

        for (size_t i = 0; i < sizeof which / sizeof *which; i++) {
                struct bytes history = vector_hex(json_array_get(list, which[i]), "change_history");
                uint8_t *copy = malloc(history.n);
                struct identity_view view;

                assert_non_null(copy);
                memcpy(copy, history.p, history.n);
                for (size_t bit = 0; bit < 8 * history.n; bit++) {
                        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
                        if (identity_verify(bytes_make(copy, history.n), 64, &view) == OK) fail_msg("history %zu, bit %zu: taken", i, bit);
                        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
                }
                assert_ok(identity_verify(bytes_make(copy, history.n), 64, &view));
                free(copy);
        }
}

static void every_prefix_is_refused(void **state)
{
        (void)state;
        struct bytes history = vector_hex(json_array_get(vectors("identities", 8), 4), "change_history");
        struct identity_view view;

        for (size_t n = 0; n < history.n; n++) assert_err(identity_verify(bytes_make(history.p, n), 64, &view), ERR_TRUNCATED);
}

static void changes_are_bounded(void **state)
{
        (void)state;
        struct bytes history = vector_hex(json_array_get(vectors("identities", 8), 4), "change_history");
        struct identity_view view;

        assert_ok(identity_verify(history, 3, &view));
        assert_err(identity_verify(history, 2, &view), ERR_TOO_LARGE);
        assert_err(identity_verify(history, 0, &view), ERR_TOO_LARGE);
}

/* The first change's previous signature is not looked at, so it may be of a kind that we don't know; the second's may not. */
static void an_unknown_kind_of_previous_signature(void **state)
{
        (void)state;
        struct bytes one = vector_hex(json_array_get(vectors("identities", 8), 0), "change_history");
        uint8_t memory[512];
        struct writer w = writer_make(memory, sizeof memory);
        struct identity_view view;
        static const uint8_t unknown[] = {0x82, 0x05, 0x81, 0x01};

        writer_put(&w, one.p, one.n);
        memory[1] = 0x83;
        writer_put(&w, unknown, sizeof unknown);
        assert_ok(identity_verify(writer_bytes(&w), 64, &view));
        memory[1] = 0x84; /* and a fourth field, which is not there */
        assert_err(identity_verify(writer_bytes(&w), 64, &view), ERR_TRUNCATED);
}

static void assert_same_view(const struct identity_view *a, const struct identity_view *b)
{
        assert_true(identifier_equal(&a->identifier, &b->identifier));
        assert_memory_equal(a->latest_hash, b->latest_hash, HASH_SIZE);
        assert_true(public_key_equal(&a->latest_key, &b->latest_key));
        assert_int_equal(a->latest_created_at, b->latest_created_at);
        assert_int_equal(a->latest_expires_at, b->latest_expires_at);
        assert_int_equal(a->changes, b->changes);
}

/* --- own identities ------------------------------------------------------------------------------------------------------- */

static void a_new_identity_lives_ten_years(void **state)
{
        (void)state;
        struct identity *identity;
        struct identity_view view;

        assert_ok(identity_new(seeds[0], NOW, &identity));
        assert_int_equal(secrets_used(), 1);
        assert_int_equal(identity_history(identity).n, 128);
        assert_ok(identity_verify(identity_history(identity), 1, &view));
        assert_same_view(&view, identity_get_view(identity));
        assert_int_equal(view.latest_created_at, NOW);
        assert_int_equal(view.latest_expires_at, NOW + 315360000);
        assert_memory_equal(identity_seed(identity), seeds[0], KEY_SIZE);
        identity_free(identity);
        identity_free(NULL);
        assert_int_equal(secrets_used(), 0);
}

static void rotated_identities_verify(void **state)
{
        (void)state;
        struct identity *identity;
        struct identifier id;
        struct identity_view view;

        assert_ok(identity_new(seeds[0], NOW, &identity));
        id = identity_get_view(identity)->identifier;
        assert_ok(identity_rotate(identity, seeds[1], true, NOW + 1));
        assert_int_equal(identity_history(identity).n, 357);
        assert_ok(identity_rotate(identity, seeds[2], false, NOW - 1000)); /* a clock that went back */
        assert_ok(identity_verify(identity_history(identity), 3, &view));
        assert_true(identifier_equal(&view.identifier, &id));
        assert_int_equal(view.latest_created_at, NOW + 1);
        assert_memory_equal(identity_seed(identity), seeds[2], KEY_SIZE);
        identity_free(identity);
}

static void a_rotation_that_fails_changes_nothing(void **state)
{
        (void)state;
        struct identity *identity;
        struct identity_view before;
        const struct change_terms earlier = {.created_at = NOW - 1, .expires_at = NOW + 100};

        assert_ok(identity_new(seeds[0], NOW, &identity));
        before = *identity_get_view(identity);
        assert_err(identity_rotate_with(identity, seeds[1], &earlier), ERR_IDENTITY);
        assert_same_view(&before, identity_get_view(identity));
        assert_memory_equal(identity_seed(identity), seeds[0], KEY_SIZE);
        assert_int_equal(identity_history(identity).n, 128);
        identity_free(identity);
}

static void an_identity_has_at_most_64_changes(void **state)
{
        (void)state;
        struct identity *identity, *again;
        uint8_t seed[KEY_SIZE] = {0};

        assert_ok(identity_new(seeds[0], NOW, &identity));
        for (uint8_t i = 2; i <= IDENTITY_CHANGES_MAX; i++) {
                seed[0] = i;
                assert_ok(identity_rotate(identity, seed, false, NOW + i));
                assert_int_equal(identity_get_view(identity)->changes, i);
        }
        assert_err(identity_rotate(identity, seed, false, NOW + 100), ERR_FULL);
        assert_ok(identity_restore(identity_history(identity), seed, &again));
        assert_int_equal(identity_get_view(again)->changes, IDENTITY_CHANGES_MAX);
        identity_free(again);
        identity_free(identity);
}

static void the_largest_times_fit(void **state)
{
        (void)state;
        struct identity *identity;

        assert_ok(identity_new(seeds[0], UINT64_MAX - 1, &identity));
        assert_true(identity_get_view(identity)->latest_expires_at == UINT64_MAX);
        assert_ok(identity_rotate(identity, seeds[1], true, UINT64_MAX));
        identity_free(identity);
}

static void restore_wants_the_right_seed(void **state)
{
        (void)state;
        struct identity *identity, *other = NULL;
        uint8_t memory[1024];
        struct writer w = writer_make(memory, sizeof memory);

        assert_ok(identity_new(seeds[0], NOW, &identity));
        assert_ok(identity_rotate(identity, seeds[1], false, NOW));
        assert_err(identity_restore(identity_history(identity), seeds[0], &other), ERR_IDENTITY);
        assert_err(identity_restore(BYTES_NONE, seeds[0], &other), ERR_TRUNCATED);
        assert_null(other);
        writer_put(&w, identity_history(identity).p, identity_history(identity).n);
        writer_put_u8(&w, 0);
        assert_ok(identity_restore(writer_bytes(&w), seeds[1], &other));
        assert_bytes_equal("without what was behind it", identity_history(other), identity_history(identity));
        identity_free(other);
        identity_free(identity);
        assert_int_equal(secrets_used(), 0);
}

/* A history written in another way than ours goes on from there, and all of it still holds. */
static void an_indefinite_history_is_rotated(void **state)
{
        (void)state;
        struct identity *identity;
        struct identity_view view;
        uint8_t memory[256];
        struct writer w = writer_make(memory, sizeof memory);

        assert_ok(identity_new(seeds[0], NOW, &identity));
        writer_put(&w, identity_history(identity).p, identity_history(identity).n);
        identity_free(identity);
        memory[0] = 0x9f;
        writer_put_u8(&w, 0xff);
        assert_ok(identity_restore(writer_bytes(&w), seeds[0], &identity));
        assert_int_equal(identity_history(identity).n, 129);
        assert_ok(identity_rotate(identity, seeds[1], false, NOW));
        assert_int_equal(identity_history(identity).n, 357);
        assert_ok(identity_verify(identity_history(identity), 2, &view));
        identity_free(identity);
}

static void no_slot_is_no_identity(void **state)
{
        (void)state;
        struct identity *held[SLOTS], *one_more = NULL;

        for (size_t i = 0; i < SLOTS; i++) assert_ok(identity_new(seeds[i], NOW, &held[i]));
        assert_err(identity_new(seeds[0], NOW, &one_more), ERR_FULL);
        assert_null(one_more);
        for (size_t i = 0; i < SLOTS; i++) identity_free(held[i]);
}

/* --- histories beside each other (C13) ------------------------------------------------------------------------------------- */

static struct bytes copy_of(struct bytes in)
{
        uint8_t *p = malloc(in.n);

        assert_non_null(p);
        memcpy(p, in.p, in.n);
        return bytes_make(p, in.n);
}

/* A history and what it becomes by one rotation after another; from the change `forks_at` on it goes another way than without. */
static void histories_of(struct bytes out[4], size_t forks_at)
{
        struct identity *identity;

        assert_ok(identity_new(seeds[0], NOW, &identity));
        out[0] = copy_of(identity_history(identity));
        for (size_t i = 1; i < 4; i++) {
                assert_ok(identity_rotate(identity, seeds[i], i >= forks_at, NOW + i));
                out[i] = copy_of(identity_history(identity));
        }
        identity_free(identity);
}

static void free_histories(struct bytes list[4])
{
        for (size_t i = 0; i < 4; i++) free((void *)(uintptr_t)list[i].p);
}

static enum history_order expected_order(size_t known, size_t shown, size_t forks_at)
{
        if (known >= forks_at && shown >= forks_at) return HISTORY_CONFLICT;
        if (known == shown) return HISTORY_SAME;
        return known < shown ? HISTORY_NEWER : HISTORY_OLDER;
}

static void C13_every_prefix_and_every_fork_is_told(void **state)
{
        (void)state;
        struct bytes trunk[4], fork[4];

        histories_of(trunk, 4);
        for (size_t forks_at = 1; forks_at <= 3; forks_at++) {
                histories_of(fork, forks_at);
                for (size_t known = 0; known < 4; known++) {
                        for (size_t shown = 0; shown < 4; shown++) {
                                assert_int_equal(identity_compare(trunk[known], trunk[shown]), expected_order(known, shown, 4));
                                assert_int_equal(identity_compare(trunk[known], fork[shown]), expected_order(known, shown, forks_at));
                                assert_int_equal(identity_compare(fork[known], trunk[shown]), expected_order(known, shown, forks_at));
                        }
                }
                free_histories(fork);
        }
        free_histories(trunk);
}

static void C13_another_encoding_of_the_same_is_the_same(void **state)
{
        (void)state;
        const json_t *list = vectors("imports", 51);
        struct bytes usual = vector_hex(json_array_get(list, 0), "change_history");
        size_t compared = 0;

        for (size_t i = 0; i < json_array_size(list); i++) {
                const json_t *v = json_array_get(list, i);

                if (!vector_bool(v, "accepted")) continue;
                if (strcmp(vector_text(v, "identifier"), vector_text(json_array_get(list, 0), "identifier")) != 0) continue;
                assert_int_equal(identity_compare(usual, vector_hex(v, "change_history")), HISTORY_SAME);
                compared++;
        }
        assert_true(compared >= 8);
}

/* --- identifiers ------------------------------------------------------------------------------------------------------------ */

static void identifiers_as_text(void **state)
{
        (void)state;
        static const char text[] = "I1a5fce9e8c625c0de85d92a0c7ad00c10d12f9ba697bcba98583f3e92b2aa96b";
        static const char upper[] = "I1A5FCE9E8C625C0DE85D92A0C7AD00C10D12F9BA697BCBA98583F3E92B2AA96B";
        char out[IDENTIFIER_TEXT_SIZE + 1];
        struct identifier id = identifier_of(text), same = identifier_of(upper);

        assert_string_equal(identifier_text(&id, out), text);
        assert_true(identifier_equal(&id, &same));
        same.hash[31] ^= 1;
        assert_false(identifier_equal(&id, &same));
}

static void texts_that_are_no_identifiers(void **state)
{
        (void)state;
        static const char *const texts[] = {
                "",
                "I",
                "1a5fce9e8c625c0de85d92a0c7ad00c10d12f9ba697bcba98583f3e92b2aa96b",
                "P1a5fce9e8c625c0de85d92a0c7ad00c10d12f9ba697bcba98583f3e92b2aa96b",
                "i1a5fce9e8c625c0de85d92a0c7ad00c10d12f9ba697bcba98583f3e92b2aa96b",
                "I1a5fce9e8c625c0de85d92a0c7ad00c10d12f9ba697bcba98583f3e92b2aa96",
                "I1a5fce9e8c625c0de85d92a0c7ad00c10d12f9ba697bcba98583f3e92b2aa96bb",
                "I1a5fce9e8c625c0de85d92a0c7ad00c10d12f9ba697bcba98583f3e92b2aa96g",
                "I 1a5fce9e8c625c0de85d92a0c7ad00c10d12f9ba697bcba98583f3e92b2aa96",
                "I1a5fce9e8c625c0de85d92a0c7ad00c10d12f9ba697bcba98583f3e92b2aa9/`",
        };
        struct identifier id = {{7}};

        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
                assert_err(identifier_parse(bytes_of_text(texts[i]), &id), ERR_MALFORMED);
        assert_int_equal(id.hash[0], 7);
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
                cmocka_unit_test(histories_say_what_the_crate_says),
                cmocka_unit_test(imports_are_judged_as_the_crate_judges_them),
                cmocka_unit_test(errors_tell_what_kind_of_bad),
                cmocka_unit_test(own_identities_are_the_crates_to_the_byte),
                cmocka_unit_test(restored_identities_sign_as_the_crate),
                cmocka_unit_test(keys_and_signatures_come_back),
                cmocka_unit_test(every_flipped_bit_is_refused),
                cmocka_unit_test(every_prefix_is_refused),
                cmocka_unit_test(changes_are_bounded),
                cmocka_unit_test(an_unknown_kind_of_previous_signature),
                cmocka_unit_test(a_new_identity_lives_ten_years),
                cmocka_unit_test(rotated_identities_verify),
                cmocka_unit_test(a_rotation_that_fails_changes_nothing),
                cmocka_unit_test(an_identity_has_at_most_64_changes),
                cmocka_unit_test(the_largest_times_fit),
                cmocka_unit_test(restore_wants_the_right_seed),
                cmocka_unit_test(an_indefinite_history_is_rotated),
                cmocka_unit_test(no_slot_is_no_identity),
                cmocka_unit_test(C13_every_prefix_and_every_fork_is_told),
                cmocka_unit_test(C13_another_encoding_of_the_same_is_the_same),
                cmocka_unit_test(identifiers_as_text),
                cmocka_unit_test(texts_that_are_no_identifiers),
        };
        return cmocka_run_group_tests(tests, begin, end);
}
