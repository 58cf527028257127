/* Identities in the handshake: the recorded ones, and a table of what a cheat may show (C11, C12, C13, C14). */
#include "tests/support/party.h"
#include "tests/support/test.h"
#include "tests/support/vectors.h"
#include "transport/secure_channel/secrets.h"

#include <stdlib.h>

enum { NOW = 1700000000, PAYLOAD_MAX = 8192 };

static struct party alice, bob, eve;
static struct arena arena;
static struct known_peers *known;
static const struct trust everyone = {.everyone = true};
static const struct channel_limits limits = CHANNEL_LIMITS_DEFAULT;

static int set_up(void **state)
{
        (void)state;
        party_init(&alice, 1, 2, NOW);
        party_init(&bob, 2, 1, NOW);
        party_init(&eve, 3, 1, NOW);
        arena_init(&arena, 1 << 20);
        known = known_peers_new(10);
        return known ? 0 : -1;
}

static int tear_down(void **state)
{
        (void)state;
        known_peers_free(known);
        arena_clear(&arena);
        party_clear(&alice);
        party_clear(&bob);
        party_clear(&eve);
        vectors_clear();
        return secrets_used() == 0 ? 0 : -1;
}

static struct handshake_rules rules_at(uint64_t now_s) { return (struct handshake_rules){&everyone, known, &limits, now_s}; }

static struct noise *noise_of(enum noise_role role, const uint8_t *static_secret, uint8_t ephemeral)
{
        const uint8_t e[KEY_SIZE] = {ephemeral};
        struct noise *noise;

        assert_ok(noise_new(role, BYTES_LITERAL(NOISE_PROTOCOL_NAME), BYTES_NONE, static_secret, e, &noise));
        return noise;
}

/* One message from one to the other, with this payload; gives what the receiver read of it. */
static struct bytes pass(struct noise *from, struct noise *to, struct bytes payload)
{
        uint8_t out[PAYLOAD_MAX + 200];
        struct writer w = writer_make(out, sizeof out);
        struct bytes got;

        assert_ok(noise_write(from, payload, &w));
        assert_ok(handshake_read(to, writer_bytes(&w), &arena, &got));
        assert_bytes_equal("payload", got, payload);
        return got;
}

/* What Bob says to one who comes with this static key and payload, as initiator or as responder. */
static enum err judge_as(enum noise_role cheat_role, const uint8_t *static_secret, struct bytes payload,
                         const struct handshake_rules *rules, struct handshake_peer *peer, struct reason *why)
{
        struct noise *cheat = noise_of(cheat_role, static_secret, 9);
        struct noise *honest =
                noise_of(cheat_role == NOISE_INITIATOR ? NOISE_RESPONDER : NOISE_INITIATOR, purpose_key_secret(bob.purpose_key), 8);
        struct bytes got;

        if (cheat_role == NOISE_INITIATOR) {
                pass(cheat, honest, BYTES_NONE);
                pass(honest, cheat, BYTES_LITERAL("whoever answers"));
        } else {
                pass(honest, cheat, BYTES_NONE);
        }
        got = pass(cheat, honest, payload);
        const enum err err = handshake_check(honest, got, rules, peer, why);
        noise_free(cheat);
        noise_free(honest);
        return err;
}

/* Both roles have to agree. The peer's history must have been kept by then: it points into the arena. */
static enum err judge(const uint8_t *static_secret, struct bytes payload, const struct handshake_rules *rules, struct reason *why)
{
        struct handshake_peer peer;
        const enum err as_initiator = judge_as(NOISE_INITIATOR, static_secret, payload, rules, &peer, why);
        const enum err as_responder = judge_as(NOISE_RESPONDER, static_secret, payload, rules, &peer, why);

        assert_err(as_initiator, as_responder);
        arena_reset(&arena);
        return as_initiator;
}

static const uint8_t *secret_of(const struct party *party) { return purpose_key_secret(party->purpose_key); }

static struct bytes history_of(const struct party *party) { return identity_history(party->identity); }

static struct bytes attestation(const struct party *party) { return purpose_key_attestation(party->purpose_key); }

/* --- the honest --------------------------------------------------------------------------------------------------------- */

static void both_sides_know_each_other_and_the_keys_fit(void **state)
{
        (void)state;
        const uint8_t e[2][KEY_SIZE] = {{1}, {2}};
        struct noise *initiator, *responder;
        struct bytes msg, payload;
        struct handshake_peer peer;
        struct reason why;
        const struct handshake_rules rules = rules_at(NOW);
        uint8_t keys[4][KEY_SIZE];

        assert_ok(handshake_new(NOISE_INITIATOR, &alice.self, e[0], &initiator));
        assert_ok(handshake_new(NOISE_RESPONDER, &bob.self, e[1], &responder));
        assert_ok(handshake_write(initiator, &alice.self, &arena, &msg));
        assert_int_equal(msg.n, 32);
        assert_ok(handshake_read(responder, msg, &arena, &payload));
        assert_err(handshake_check(responder, payload, &rules, &peer, &why), ERR_UNEXPECTED);
        assert_ok(handshake_write(responder, &bob.self, &arena, &msg));
        assert_int_equal(msg.n, 419);
        assert_ok(handshake_read(initiator, msg, &arena, &payload));
        assert_ok(handshake_check(initiator, payload, &rules, &peer, &why));
        assert_true(identifier_equal(&peer.identifier, &bob.id));
        assert_ok(handshake_write(initiator, &alice.self, &arena, &msg));
        assert_int_equal(msg.n, 387 + 357 - 128); /* Alice has a second change */
        assert_ok(handshake_read(responder, msg, &arena, &payload));
        assert_ok(handshake_check(responder, payload, &rules, &peer, &why));
        assert_true(identifier_equal(&peer.identifier, &alice.id));
        assert_false(peer.named);
        assert_bytes_equal("history", peer.history, history_of(&alice));

        assert_ok(handshake_keys(initiator, NOISE_INITIATOR, keys[0], keys[1]));
        assert_ok(handshake_keys(responder, NOISE_RESPONDER, keys[2], keys[3]));
        assert_memory_equal(keys[0], keys[3], KEY_SIZE);
        assert_memory_equal(keys[1], keys[2], KEY_SIZE);
        assert_memory_not_equal(keys[0], keys[1], KEY_SIZE);
        noise_free(initiator);
        noise_free(responder);
}

/* One side of a recorded handshake judges what the other really sent. */
static void check_recorded(const json_t *handshake, enum noise_role role)
{
        const json_t *messages = vector_member(handshake, "messages"),
                     *side = vector_member(handshake, role == NOISE_INITIATOR ? "initiator" : "responder"),
                     *other = vector_member(handshake, role == NOISE_INITIATOR ? "responder" : "initiator");
        const struct bytes s = vector_hex(vector_member(side, "purpose_key"), "secret"),
                           e = vector_hex(vector_member(side, "ephemeral"), "secret");
        const struct handshake_rules rules = rules_at(1710000000);
        struct handshake_peer peer;
        struct identifier id;
        struct noise *noise;
        struct bytes payload = BYTES_NONE;
        uint8_t out[4096], send[KEY_SIZE], receive[KEY_SIZE];
        struct reason why;

        assert_ok(noise_new(role, BYTES_LITERAL(NOISE_PROTOCOL_NAME), BYTES_NONE, s.p, e.p, &noise));
        for (size_t i = 0; i < 3; i++) {
                const json_t *message = json_array_get(messages, i);
                struct writer w = writer_make(out, sizeof out);

                if ((i % 2 == 0) == (role == NOISE_INITIATOR)) {
                        assert_ok(noise_write(noise, vector_hex(message, "clear_payload"), &w));
                        continue;
                }
                assert_ok(handshake_read(noise, vector_hex(message, "noise_message"), &arena, &payload));
        }
        assert_ok(handshake_check(noise, payload, &rules, &peer, &why));
        assert_ok(identifier_parse(bytes_of_text(vector_text(other, "identifier")), &id));
        assert_true(identifier_equal(&peer.identifier, &id));
        assert_bytes_equal("history", peer.history, vector_hex(other, "change_history"));
        assert_ok(handshake_keys(noise, role, send, receive));
        const char *ours = vector_text(handshake, role == NOISE_INITIATOR ? "initiator_encrypts_with" : "responder_encrypts_with");
        assert_bytes_equal("send", bytes_make(send, KEY_SIZE), vector_hex(handshake, ours));
        assert_bytes_equal("receive", bytes_make(receive, KEY_SIZE), vector_hex(handshake, strcmp(ours, "k1") ? "k1" : "k2"));
        noise_free(noise);
}

static void the_crates_payloads_are_taken_credentials_too(void **state)
{
        (void)state;
        const json_t *all = vector_member(vectors_load("tests/vectors/crate-0.116/secure-channel.json"), "handshakes"), *handshake;
        size_t i;

        json_array_foreach(all, i, handshake)
        {
                check_recorded(handshake, NOISE_INITIATOR);
                check_recorded(handshake, NOISE_RESPONDER);
        }
        assert_int_equal(i, 4);
}

/* Our payload is the recorded one where the recorded side is one that we can be. */
static void our_payload_is_the_crates(void **state)
{
        (void)state;
        const json_t *all = vector_member(vectors_load("tests/vectors/crate-0.116/secure-channel.json"), "handshakes");

        for (size_t i = 0; i < 2; i++) { /* plain, rotated-responder: Ed25519 at both ends, no credentials */
                const json_t *handshake = json_array_get(all, i), *side = vector_member(handshake, "responder"),
                             *changes = vector_member(side, "changes"), *key = vector_member(side, "purpose_key");
                const struct bytes seed = vector_hex(vector_member(json_array_get(changes, json_array_size(changes) - 1), "key"), "secret"),
                                   ephemeral = vector_hex(vector_member(side, "ephemeral"), "secret");
                const json_t *messages = vector_member(handshake, "messages");
                struct party party = {0};
                struct noise *noise;
                struct bytes payload, msg;

                assert_ok(identity_restore(vector_hex(side, "change_history"), seed.p, &party.identity));
                assert_ok(purpose_key_restore(vector_hex(key, "secret").p, vector_hex(key, "attestation"), &party.purpose_key));
                party.self = (struct handshake_self){party.identity, party.purpose_key};
                assert_ok(handshake_new(NOISE_RESPONDER, &party.self, ephemeral.p, &noise));
                assert_ok(handshake_read(noise, vector_hex(json_array_get(messages, 0), "noise_message"), &arena, &payload));
                assert_ok(handshake_write(noise, &party.self, &arena, &msg));
                assert_bytes_equal("message 2", msg, vector_hex(json_array_get(messages, 1), "noise_message"));
                noise_free(noise);
                party_clear(&party);
        }
}

/* --- cheats ------------------------------------------------------------------------------------------------------------- */

/* What Eve may put together: whose static key she uses, whose history she shows, and an attestation. */
static void C11_misbinding(void **state)
{
        (void)state;
        const struct identity_view *alices = identity_get_view(alice.identity), *eves = identity_get_view(eve.identity);
        const uint8_t *alice_key = purpose_key_public(alice.purpose_key), *eve_key = purpose_key_public(eve.purpose_key);
        const struct attestation_fields good = {2, 0, &alice.id, alices->latest_hash, alice_key, NOW, NOW + 1000, alice.identity},
                                        eve_over_alices_key = {2, 0, &eve.id, eves->latest_hash, alice_key, NOW, NOW + 1000, eve.identity},
                                        eve_for_alice = {2, 0, &alice.id, alices->latest_hash, eve_key, NOW, NOW + 1000, eve.identity},
                                        other_subject = {2, 0, &eve.id, alices->latest_hash, alice_key, NOW, NOW + 1000, alice.identity},
                                        first_change = {2, 0, &alice.id, alice.id.hash, alice_key, NOW, NOW + 1000, alice.identity},
                                        as_change = {1, 0, &alice.id, alices->latest_hash, alice_key, NOW, NOW + 1000, alice.identity},
                                        as_credential = {3, 0, &alice.id, alices->latest_hash, alice_key, NOW, NOW + 1000, alice.identity},
                                        credential_key = {2, 1, &alice.id, alices->latest_hash, alice_key, NOW, NOW + 1000, alice.identity};
        uint8_t made[8][512];
        const struct {
                const char *what;
                const struct party *static_key, *history;
                struct bytes attestation;
                enum err err;
        } cases[] = {
                {"Alice herself", &alice, &alice, attestation(&alice), OK},
                {"Alice, attestation made by hand", &alice, &alice, attestation_of(made[0], 512, &good), OK},
                {"Eve as Eve", &eve, &eve, attestation(&eve), OK},
                {"Eve's attestation over Alice's key", &eve, &eve, attestation_of(made[1], 512, &eve_over_alices_key), ERR_IDENTITY},
                {"Alice's payload, Eve's static key", &eve, &alice, attestation(&alice), ERR_IDENTITY},
                {"Eve's history, Alice's attestation", &eve, &eve, attestation(&alice), ERR_IDENTITY},
                {"Eve's history, Alice's attestation and key", &alice, &eve, attestation(&alice), ERR_IDENTITY},
                {"Alice's history, Eve's attestation", &eve, &alice, attestation(&eve), ERR_IDENTITY},
                {"Alice's history, Eve signs in her name", &eve, &alice, attestation_of(made[2], 512, &eve_for_alice), ERR_SIGNATURE},
                {"another subject", &alice, &alice, attestation_of(made[3], 512, &other_subject), ERR_IDENTITY},
                {"not the latest change", &alice, &alice, attestation_of(made[4], 512, &first_change), ERR_IDENTITY},
                {"data type of a change", &alice, &alice, attestation_of(made[5], 512, &as_change), ERR_IDENTITY},
                {"data type of a credential", &alice, &alice, attestation_of(made[6], 512, &as_credential), ERR_IDENTITY},
                {"a credential key", &alice, &alice, attestation_of(made[7], 512, &credential_key), ERR_IDENTITY},
        };
        const struct handshake_rules rules = rules_at(NOW);

        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                uint8_t memory[PAYLOAD_MAX];
                const struct bytes payload = identity_payload(memory, sizeof memory, history_of(cases[i].history), cases[i].attestation);
                struct reason why = {""};
                const enum err err = judge(secret_of(cases[i].static_key), payload, &rules, &why);

                if (err != cases[i].err) fail_msg("%s: %s (%s)", cases[i].what, err_name(err), why.text);
                assert_int_equal(err != OK, why.text[0] != 0); /* a refusal says why */
        }
}

/* Every byte of an honest payload matters. */
static void C11_no_byte_of_the_payload_may_differ(void **state)
{
        (void)state;
        const struct handshake_rules rules = rules_at(NOW);
        uint8_t memory[PAYLOAD_MAX];
        struct bytes payload = identity_payload(memory, sizeof memory, history_of(&alice), attestation(&alice));
        struct handshake_peer peer;
        struct reason why;

        for (size_t i = 0; i + 1 < payload.n; i++) { /* the last is the array of credentials */
                memory[i] ^= 1;
                const enum err err = judge_as(NOISE_RESPONDER, secret_of(&alice), payload, &rules, &peer, &why);
                if (err == OK) fail_msg("byte %zu", i);
                memory[i] ^= 1;
                arena_reset(&arena);
        }
        assert_ok(judge_as(NOISE_RESPONDER, secret_of(&alice), payload, &rules, &peer, &why));
}

static void what_is_no_identity_payload(void **state)
{
        (void)state;
        const struct handshake_rules rules = rules_at(NOW);
        uint8_t memory[PAYLOAD_MAX];
        const struct bytes payload = identity_payload(memory, sizeof memory, history_of(&alice), attestation(&alice));
        struct handshake_peer peer;
        struct reason why;

        for (size_t n = 0; n < payload.n; n++) {
                const enum err err = judge_as(NOISE_INITIATOR, secret_of(&alice), bytes_make(payload.p, n), &rules, &peer, &why);
                if (err != ERR_TRUNCATED && err != ERR_MALFORMED) fail_msg("cut to %zu: %s", n, err_name(err));
                arena_reset(&arena);
        }
        memory[0] = 0x82; /* no credentials */
        assert_err(judge(secret_of(&alice), bytes_make(memory, payload.n - 1), &rules, &why), ERR_MALFORMED);
        memory[0] = 0xa3; /* a map */
        assert_err(judge(secret_of(&alice), payload, &rules, &why), ERR_MALFORMED);
        memory[0] = 0x83;
        memory[payload.n - 1] = 0xf6; /* credentials: null */
        assert_err(judge(secret_of(&alice), payload, &rules, &why), ERR_MALFORMED);
}

/* What the crate takes as well: unknown credentials, items after the last, an array without a length, bytes behind. */
static void more_than_we_send_is_taken(void **state)
{
        (void)state;
        static const struct {
                uint8_t first;
                const char *tail;
                size_t tail_n;
        } forms[] = {
                {0x83,
                 "\x82\x01\x82\x02\x43"
                 "abc",
                 8},
                {0x85, "\x80\x01\x02", 3},
                {0x9f, "\x80\xff", 2},
                {0x9f, "\x9f\x01\xff\x02\xff", 5},
                {0x83, "\x80junk", 5},
        };
        const struct handshake_rules rules = rules_at(NOW);
        struct reason why;

        for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
                uint8_t memory[PAYLOAD_MAX];
                const struct bytes payload = identity_payload(memory, sizeof memory, history_of(&alice), attestation(&alice));

                memory[0] = forms[i].first;
                memcpy(memory + payload.n - 1, forms[i].tail, forms[i].tail_n);
                assert_ok(judge(secret_of(&alice), bytes_make(memory, payload.n - 1 + forms[i].tail_n), &rules, &why));
        }
}

/* --- trust, histories, time --------------------------------------------------------------------------------------------- */

static enum err judge_honest(const struct party *party, const struct handshake_rules *rules, struct reason *why)
{
        uint8_t memory[PAYLOAD_MAX];

        return judge(secret_of(party), identity_payload(memory, sizeof memory, history_of(party), attestation(party)), rules, why);
}

static void C12_trust_is_asked_last_and_by_the_whole_identifier(void **state)
{
        (void)state;
        struct handshake_rules rules = rules_at(NOW);
        struct identifier list[2] = {alice.id, bob.id};
        struct trust trust = {.list = list, .count = 2};
        struct reason why;

        rules.trust = &trust;
        assert_ok(judge_honest(&alice, &rules, &why));
        assert_err(judge_honest(&eve, &rules, &why), ERR_UNTRUSTED);
        list[0].hash[31] ^= 1;
        assert_err(judge_honest(&alice, &rules, &why), ERR_UNTRUSTED);

        /* An untrusted one with a bad attestation is told apart: identity and key come before trust. */
        uint8_t memory[PAYLOAD_MAX];
        assert_err(judge(secret_of(&eve), identity_payload(memory, sizeof memory, history_of(&eve), attestation(&alice)), &rules, &why),
                   ERR_IDENTITY);
        trust = (struct trust){0};
        assert_err(judge_honest(&bob, &rules, &why), ERR_UNTRUSTED);
}

static void C13_older_and_conflicting_histories(void **state)
{
        (void)state;
        const struct handshake_rules rules = rules_at(NOW);
        struct party versions[4], fork;
        uint8_t seed[KEY_SIZE] = {77};
        struct reason why;

        for (size_t i = 0; i < 4; i++)
                party_init(&versions[i], 9, i + 1, NOW);
        party_init(&fork, 9, 3, NOW);
        assert_ok(identity_rotate(fork.identity, seed, false, NOW));
        purpose_key_free(fork.purpose_key);
        assert_ok(purpose_key_new(fork.identity, seed, NOW, &fork.purpose_key));

        for (size_t i = 0; i < 4; i++)
                assert_ok(judge_honest(&versions[i], &rules, &why)); /* known to nobody: each would do */
        for (size_t seen = 0; seen < 4; seen++) {
                assert_ok(known_peers_remember(known, &versions[seen].id, history_of(&versions[seen]), true));
                for (size_t i = 0; i < 4; i++)
                        assert_err(judge_honest(&versions[i], &rules, &why), i < seen ? ERR_IDENTITY : OK);
        }
        assert_err(judge_honest(&fork, &rules, &why), ERR_IDENTITY);
        for (size_t i = 0; i < 4; i++)
                party_clear(&versions[i]);
        party_clear(&fork);
}

static void C14_the_clock(void **state)
{
        (void)state;
        const struct identity_view *view = identity_get_view(alice.identity);
        const struct attestation_fields fields = {
                2, 0, &alice.id, view->latest_hash, purpose_key_public(alice.purpose_key), NOW + 100, NOW + 200, alice.identity};
        uint8_t made[512], memory[PAYLOAD_MAX];
        const struct bytes payload =
                identity_payload(memory, sizeof memory, history_of(&alice), attestation_of(made, sizeof made, &fields));
        static const struct {
                uint64_t now_s;
                enum err err;
        } cases[] = {
                {NOW + 94, ERR_EXPIRED}, {NOW + 95, OK},  {NOW + 96, OK},  {NOW + 104, OK},          {NOW + 105, OK},
                {NOW + 106, OK},         {NOW + 199, OK}, {NOW + 200, OK}, {NOW + 201, ERR_EXPIRED},
        };

        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                const struct handshake_rules rules = rules_at(cases[i].now_s);
                struct reason why = {""};

                assert_err(judge(secret_of(&alice), payload, &rules, &why), cases[i].err);
                if (cases[i].err) assert_non_null(strstr(why.text, "clock"));
        }
}

static void C24_histories_are_bounded(void **state)
{
        (void)state;
        struct handshake_rules rules = rules_at(NOW);
        struct channel_limits small = CHANNEL_LIMITS_DEFAULT;
        struct reason why;

        rules.limits = &small;
        small.history_changes = 1;
        assert_err(judge_honest(&alice, &rules, &why), ERR_TOO_LARGE);
        assert_ok(judge_honest(&eve, &rules, &why));
        small = CHANNEL_LIMITS_DEFAULT;
        small.history_bytes = history_of(&alice).n - 1;
        assert_err(judge_honest(&alice, &rules, &why), ERR_TOO_LARGE);
        small.history_bytes++;
        assert_ok(judge_honest(&alice, &rules, &why));
}

static void an_arena_that_is_full(void **state)
{
        (void)state;
        const uint8_t e[2][KEY_SIZE] = {{1}, {2}};
        struct arena none;
        struct noise *initiator, *responder;
        struct bytes msg, payload;

        arena_init(&none, 0);
        assert_ok(handshake_new(NOISE_INITIATOR, &alice.self, e[0], &initiator));
        assert_ok(handshake_new(NOISE_RESPONDER, &bob.self, e[1], &responder));
        assert_err(handshake_write(initiator, &alice.self, &none, &msg), ERR_FULL);
        assert_ok(handshake_write(initiator, &alice.self, &arena, &msg));
        assert_err(handshake_read(responder, msg, &none, &payload), ERR_FULL);
        assert_ok(handshake_read(responder, msg, &arena, &payload));
        assert_err(handshake_write(responder, &bob.self, &none, &msg), ERR_FULL);
        assert_ok(handshake_write(responder, &bob.self, &arena, &msg));
        noise_free(initiator);
        noise_free(responder);
        arena_clear(&none);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(both_sides_know_each_other_and_the_keys_fit, set_up, tear_down),
                cmocka_unit_test_setup_teardown(the_crates_payloads_are_taken_credentials_too, set_up, tear_down),
                cmocka_unit_test_setup_teardown(our_payload_is_the_crates, set_up, tear_down),
                cmocka_unit_test_setup_teardown(C11_misbinding, set_up, tear_down),
                cmocka_unit_test_setup_teardown(C11_no_byte_of_the_payload_may_differ, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_is_no_identity_payload, set_up, tear_down),
                cmocka_unit_test_setup_teardown(more_than_we_send_is_taken, set_up, tear_down),
                cmocka_unit_test_setup_teardown(C12_trust_is_asked_last_and_by_the_whole_identifier, set_up, tear_down),
                cmocka_unit_test_setup_teardown(C13_older_and_conflicting_histories, set_up, tear_down),
                cmocka_unit_test_setup_teardown(C14_the_clock, set_up, tear_down),
                cmocka_unit_test_setup_teardown(C24_histories_are_bounded, set_up, tear_down),
                cmocka_unit_test_setup_teardown(an_arena_that_is_full, set_up, tear_down),
        };

        if (crypto_init(NULL) || secrets_init(64)) return 1;
        const int failed = cmocka_run_group_tests(tests, NULL, NULL);
        secrets_clear();
        return failed;
}
