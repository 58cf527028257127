/* Noise XX: the recorded handshakes token by token, the published vectors, and what is refused. */
#include "tests/support/test.h"
#include "tests/support/vectors.h"

/* The module is compiled into this test, so that it can watch the state after each token. */
struct state;
static void after_token(const struct state *st, const char *token);
#define NOISE_AFTER_TOKEN(st, token) after_token((st), (token))
#include "transport/secure_channel/noise.c"

static const json_t *expected_trace; /* what the message at hand must leave after each token; NULL: nobody looks */
static size_t trace_at;

static void after_token(const struct state *st, const char *token)
{
        if (!expected_trace) return;
        const json_t *step = json_array_get(expected_trace, trace_at++);

        assert_non_null(step);
        assert_string_equal(token, vector_text(step, "after"));
        assert_bytes_equal("h", bytes_make(st->h, HASH_SIZE), vector_hex(step, "h"));
        assert_bytes_equal("ck", bytes_make(st->ck, HASH_SIZE), vector_hex(step, "ck"));
        assert_int_equal(st->has_key, vector_member(step, "k") != NULL);
        if (st->has_key) assert_bytes_equal("k", bytes_make(st->k, KEY_SIZE), vector_hex(step, "k"));
        assert_int_equal(st->n, vector_uint(step, "n"));
}

static void watch(const json_t *trace)
{
        expected_trace = trace;
        trace_at = 0;
}

static void all_watched(void)
{
        assert_int_equal(trace_at, json_array_size(expected_trace));
        expected_trace = NULL;
}

/* --- recorded handshakes ------------------------------------------------------------------------------------------------ */

static void check_state(const struct noise *noise, const json_t *wanted)
{
        const struct noise_trace t = noise_trace(noise);

        assert_bytes_equal("h", bytes_make(t.h, HASH_SIZE), vector_hex(wanted, "h"));
        assert_bytes_equal("ck", bytes_make(t.ck, HASH_SIZE), vector_hex(wanted, "ck"));
        assert_int_equal(t.k != NULL, vector_member(wanted, "k") != NULL);
        if (t.k) assert_bytes_equal("k", bytes_make(t.k, KEY_SIZE), vector_hex(wanted, "k"));
}

static struct noise *recorded_side(const json_t *file, const json_t *handshake, enum noise_role role)
{
        const json_t *side = vector_member(handshake, role == NOISE_INITIATOR ? "initiator" : "responder");
        const struct bytes s = vector_hex(vector_member(side, "purpose_key"), "secret"),
                           e = vector_hex(vector_member(side, "ephemeral"), "secret");
        struct noise *noise;

        assert_ok(noise_new(role, bytes_of_text(vector_text(file, "protocol_name")), vector_hex(file, "prologue"), s.p, e.p, &noise));
        return noise;
}

/* One message from `from` to `to`, both watched. */
static void recorded_message(struct noise *from, struct noise *to, const json_t *message)
{
        uint8_t out[4096], payload[4096];
        size_t payload_n;
        struct writer w = writer_make(out, sizeof out);
        const struct bytes clear = vector_hex(message, "clear_payload");

        watch(vector_member(message, "trace"));
        assert_ok(noise_write(from, clear, &w));
        all_watched();
        assert_bytes_equal("message", writer_bytes(&w), vector_hex(message, "noise_message"));

        watch(vector_member(message, "trace"));
        assert_ok(noise_read(to, writer_bytes(&w), payload, &payload_n));
        all_watched();
        assert_bytes_equal("payload", bytes_make(payload, payload_n), clear);
        check_state(from, message);
        check_state(to, message);
}

static void check_static(const struct noise *noise, const json_t *side)
{
        assert_bytes_equal("rs", bytes_make(noise_remote_static(noise), KEY_SIZE),
                           vector_hex(vector_member(side, "purpose_key"), "public"));
}

static void check_split(const struct noise *noise, const json_t *handshake)
{
        uint8_t k1[KEY_SIZE], k2[KEY_SIZE];

        assert_ok(noise_split(noise, k1, k2));
        assert_bytes_equal("k1", bytes_make(k1, KEY_SIZE), vector_hex(handshake, "k1"));
        assert_bytes_equal("k2", bytes_make(k2, KEY_SIZE), vector_hex(handshake, "k2"));
}

static void the_crates_handshakes_byte_for_byte(void **state)
{
        (void)state;
        const json_t *file = vectors_load("tests/vectors/crate-0.116/secure-channel.json"), *handshake;
        size_t i;

        assert_int_equal(json_array_size(vector_member(file, "handshakes")), 4);
        json_array_foreach(vector_member(file, "handshakes"), i, handshake)
        {
                const json_t *messages_made = vector_member(handshake, "messages");
                struct noise *initiator = recorded_side(file, handshake, NOISE_INITIATOR),
                             *responder = recorded_side(file, handshake, NOISE_RESPONDER);

                check_state(initiator, vector_member(handshake, "start"));
                check_state(responder, vector_member(handshake, "start"));
                assert_int_equal(json_array_size(messages_made), 3);
                recorded_message(initiator, responder, json_array_get(messages_made, 0));
                assert_null(noise_remote_static(initiator));
                recorded_message(responder, initiator, json_array_get(messages_made, 1));
                check_static(initiator, vector_member(handshake, "responder"));
                assert_null(noise_remote_static(responder));
                recorded_message(initiator, responder, json_array_get(messages_made, 2));
                check_static(responder, vector_member(handshake, "initiator"));
                check_split(initiator, handshake);
                check_split(responder, handshake);
                noise_free(initiator);
                noise_free(responder);
        }
}

/* --- published vectors -------------------------------------------------------------------------------------------------- */

static struct noise *published_side(const json_t *vector, enum noise_role role)
{
        const bool initiator = role == NOISE_INITIATOR;
        struct noise *noise;

        assert_ok(noise_new(role, bytes_of_text(vector_text(vector, "protocol_name")),
                            vector_hex(vector, initiator ? "init_prologue" : "resp_prologue"),
                            vector_hex(vector, initiator ? "init_static" : "resp_static").p,
                            vector_hex(vector, initiator ? "init_ephemeral" : "resp_ephemeral").p, &noise));
        return noise;
}

/* After the handshake both sides send in turn, the messages of even number under one key and the others under another. */
static void check_transport(const json_t *all, const uint8_t even[KEY_SIZE], const uint8_t odd[KEY_SIZE])
{
        struct aead *keys[2] = {aead_new(even), aead_new(odd)};
        uint8_t out[256];

        for (size_t i = MESSAGES; i < json_array_size(all); i++) {
                const struct bytes payload = vector_hex(json_array_get(all, i), "payload");
                assert_ok(aead_seal(keys[i % 2], (i - MESSAGES) / 2, BYTES_NONE, payload, out));
                assert_bytes_equal("transport", bytes_make(out, payload.n + TAG_SIZE), vector_hex(json_array_get(all, i), "ciphertext"));
        }
        aead_free(keys[0]);
        aead_free(keys[1]);
}

static void check_published(const json_t *vector, bool initiator_goes_on)
{
        const json_t *all = vector_member(vector, "messages"), *hash = vector_member(vector, "handshake_hash");
        struct noise *sides[2] = {published_side(vector, NOISE_INITIATOR), published_side(vector, NOISE_RESPONDER)};
        uint8_t out[512], payload[512], k1[KEY_SIZE], k2[KEY_SIZE];
        size_t payload_n;

        assert_true(json_array_size(all) > MESSAGES);
        for (size_t i = 0; i < MESSAGES; i++) {
                struct writer w = writer_make(out, sizeof out);
                const json_t *message = json_array_get(all, i);

                assert_ok(noise_write(sides[i % 2], vector_hex(message, "payload"), &w));
                assert_bytes_equal("message", writer_bytes(&w), vector_hex(message, "ciphertext"));
                assert_ok(noise_read(sides[(i + 1) % 2], writer_bytes(&w), payload, &payload_n));
                assert_bytes_equal("payload", bytes_make(payload, payload_n), vector_hex(message, "payload"));
        }
        if (hash) assert_bytes_equal("h", bytes_make(noise_hash(sides[0]), HASH_SIZE), vector_hex(vector, "handshake_hash"));
        assert_memory_equal(noise_hash(sides[0]), noise_hash(sides[1]), HASH_SIZE);
        assert_ok(noise_split(sides[1], k1, k2)); /* the initiator sends under k1, as the Noise specification has it */
        check_transport(all, initiator_goes_on ? k2 : k1, initiator_goes_on ? k1 : k2);
        noise_free(sides[0]);
        noise_free(sides[1]);
}

static void G24_published_vectors(void **state)
{
        (void)state;
        static const struct {
                const char *path;
                size_t count, hashes;
                bool initiator_goes_on; /* the first message after the handshake is the initiator's; else the responder's, whose turn it is */
        } files[] = {
                {"tests/vectors/noise/cacophony.json", 1, 1, false},
                {"tests/vectors/noise/snow.json", 1, 0, false},
                {"tests/vectors/noise/noise-c.json", 1, 1, false},
                {"tests/vectors/noise/flynn.json", 4, 0, true},
        };
        for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
                const json_t *vectors = vector_member(vectors_load(files[i].path), "vectors"), *vector;
                size_t j, hashes = 0;

                assert_int_equal(json_array_size(vectors), files[i].count);
                json_array_foreach(vectors, j, vector)
                {
                        check_published(vector, files[i].initiator_goes_on);
                        hashes += vector_member(vector, "handshake_hash") != NULL;
                }
                assert_int_equal(hashes, files[i].hashes);
        }
}

/* --- what is refused ---------------------------------------------------------------------------------------------------- */

/* Two sides, and the three messages of their handshake as they would be. */
struct pair {
        struct noise *sides[2];
        uint8_t bytes[MESSAGES][128];
        struct bytes msgs[MESSAGES];
};

static const struct bytes payloads[MESSAGES] = {{NULL, 0}, {(const uint8_t *)"responder", 9}, {(const uint8_t *)"initiator", 9}};

static struct noise *side_of(enum noise_role role, const char *name, const char *prologue)
{
        const uint8_t s[2][KEY_SIZE] = {{1}, {2}}, e[2][KEY_SIZE] = {{3}, {4}};
        struct noise *noise;

        assert_ok(noise_new(role, bytes_of_text(name), bytes_of_text(prologue), s[role], e[role], &noise));
        return noise;
}

static void renew(struct pair *pair)
{
        for (int i = 0; i < 2; i++) {
                noise_free(pair->sides[i]);
                pair->sides[i] = side_of(i ? NOISE_RESPONDER : NOISE_INITIATOR, NOISE_PROTOCOL_NAME, "");
        }
}

static void read_ok(struct noise *noise, struct bytes msg, struct bytes wanted)
{
        uint8_t payload[128];
        size_t n;

        assert_ok(noise_read(noise, msg, payload, &n));
        assert_bytes_equal("payload", bytes_make(payload, n), wanted);
}

static enum err try_read(struct noise *noise, struct bytes msg)
{
        uint8_t payload[NOISE_MESSAGE_MAX + 1];
        size_t n;

        return noise_read(noise, msg, payload, &n);
}

/* Brings both sides to where message `next` (0 to 3) is due. The sender has written it already; its receiver has not read it. */
static void advance(struct pair *pair, unsigned next)
{
        renew(pair);
        for (unsigned i = 0; i <= next && i < MESSAGES; i++) {
                struct writer w = writer_make(pair->bytes[i], sizeof pair->bytes[i]);

                assert_ok(noise_write(pair->sides[i % 2], payloads[i], &w));
                pair->msgs[i] = writer_bytes(&w);
                if (i < next) read_ok(pair->sides[(i + 1) % 2], pair->msgs[i], payloads[i]);
        }
}

static void clear(struct pair *pair)
{
        noise_free(pair->sides[0]);
        noise_free(pair->sides[1]);
}

static struct bytes flipped(struct bytes msg, size_t bit, uint8_t *out)
{
        memcpy(out, msg.p, msg.n);
        out[bit / 8] ^= (uint8_t)(1 << bit % 8);
        return bytes_make(out, msg.n);
}

/* Message 1 proves nothing by itself: a changed one is answered, and the answer is what the initiator refuses. */
static void C1_a_changed_message_1_gets_no_channel(void **state)
{
        (void)state;
        struct pair pair = {0};
        uint8_t changed[128], answer[128];

        advance(&pair, 1);
        for (size_t bit = 0; bit < pair.msgs[0].n * 8; bit++) {
                struct noise *responder = side_of(NOISE_RESPONDER, NOISE_PROTOCOL_NAME, "");
                struct writer w = writer_make(answer, sizeof answer);

                assert_ok(try_read(responder, flipped(pair.msgs[0], bit, changed)));
                assert_ok(noise_write(responder, payloads[1], &w));
                assert_err(try_read(pair.sides[0], writer_bytes(&w)), ERR_DECRYPT);
                noise_free(responder);
        }
        read_ok(pair.sides[0], pair.msgs[1], payloads[1]);
        clear(&pair);
}

/* Each bit of message 2 or 3, one after the other, on one and the same receiver, which then takes the true message. */
static void flip_all(unsigned i)
{
        struct pair pair = {0};
        uint8_t changed[128], hash[HASH_SIZE];

        advance(&pair, i);
        struct noise *receiver = pair.sides[(i + 1) % 2];
        memcpy(hash, noise_hash(receiver), HASH_SIZE);
        for (size_t bit = 0; bit < pair.msgs[i].n * 8; bit++) {
                assert_err(try_read(receiver, flipped(pair.msgs[i], bit, changed)), ERR_DECRYPT);
                assert_memory_equal(noise_hash(receiver), hash, HASH_SIZE);
        }
        read_ok(receiver, pair.msgs[i], payloads[i]);
        clear(&pair);
}

static void C1_every_bit_of_message_2(void **state)
{
        (void)state;
        flip_all(1);
}

static void C1_every_bit_of_message_3(void **state)
{
        (void)state;
        flip_all(2);
}

static void messages_cut_short_are_refused_and_forgotten(void **state)
{
        (void)state;
        struct pair pair = {0};

        for (unsigned i = 0; i < MESSAGES; i++) {
                advance(&pair, i);
                struct noise *receiver = pair.sides[(i + 1) % 2];
                const size_t keys = i == 0 ? KEY_SIZE : i == 1 ? 2 * KEY_SIZE + TAG_SIZE : KEY_SIZE + TAG_SIZE;

                for (size_t n = 0; n < pair.msgs[i].n; n++) {
                        const enum err err = try_read(receiver, bytes_make(pair.msgs[i].p, n));
                        /* Of message 2, the tag of s is checked before what follows is missed. */
                        assert_err(err, n < keys ? ERR_TRUNCATED : ERR_DECRYPT);
                }
                read_ok(receiver, pair.msgs[i], payloads[i]);
        }
        clear(&pair);
}

static bool is_taken(struct pair *pair, unsigned next, unsigned side, struct bytes msg, unsigned i)
{
        const unsigned state = next < MESSAGES && side == next % 2 ? next + 1 : next; /* how many it has seen or sent */
        uint8_t out[128];
        struct writer w = writer_make(out, sizeof out);

        advance(pair, next);
        assert_err(noise_write(pair->sides[side], BYTES_NONE, &w), ERR_UNEXPECTED); /* both have written what they could */
        const enum err err = try_read(pair->sides[side], msg);
        if (state == MESSAGES)
                assert_err(err, ERR_UNEXPECTED);
        else if (state == 0 || state == i)
                assert_ok(err); /* anything of 32 bytes may be a message 1 */
        else
                assert_int_not_equal(err, OK);
        return !err;
}

static void C15_each_message_in_each_state(void **state)
{
        (void)state;
        struct pair pair = {0}, made = {0};
        unsigned taken = 0;

        advance(&made, MESSAGES);
        for (unsigned next = 0; next <= MESSAGES; next++) {
                for (unsigned side = 0; side < 2; side++) {
                        for (unsigned i = 0; i < MESSAGES; i++)
                                taken += is_taken(&pair, next, side, made.msgs[i], i);
                }
        }
        /* The responder's first: any of three. The initiator's wait for 2 (twice) and the responder's for 3 (twice): one each. */
        assert_int_equal(taken, 3 + 2 + 2);
        clear(&pair);
        clear(&made);
}

static void C15_who_starts_and_when_it_ends(void **state)
{
        (void)state;
        struct pair pair = {0};
        uint8_t out[128], k1[KEY_SIZE], k2[KEY_SIZE];
        struct writer w = writer_make(out, sizeof out);

        renew(&pair);
        assert_err(noise_write(pair.sides[1], BYTES_NONE, &w), ERR_UNEXPECTED);
        assert_err(try_read(pair.sides[0], bytes_make(out, 32)), ERR_UNEXPECTED);
        for (unsigned next = 0; next < MESSAGES; next++) {
                advance(&pair, next);
                assert_err(noise_split(pair.sides[(next + 1) % 2], k1, k2), ERR_UNEXPECTED);
        }
        advance(&pair, MESSAGES);
        assert_ok(noise_split(pair.sides[0], k1, k2));
        clear(&pair);
}

/* A responder of another name or prologue never gets to a channel with ours. */
static void C15_another_name_or_prologue(void **state)
{
        (void)state;
        static const struct {
                const char *name, *prologue;
        } others[] = {
                {"Noise_XX_25519_AESGCM_SHA256", ""},
                {"OCKAM_XX_25519_AES128_GCM_SHA256", ""},
                {"OCKAM_XX_25519_AES256_GCM_SHA256_and_more", ""},
                {NOISE_PROTOCOL_NAME, "prologue"},
        };
        struct pair pair = {0};
        uint8_t answer[128];

        for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
                struct noise *other = side_of(NOISE_RESPONDER, others[i].name, others[i].prologue);
                struct writer w = writer_make(answer, sizeof answer);

                advance(&pair, 0);
                read_ok(other, pair.msgs[0], payloads[0]);
                assert_ok(noise_write(other, payloads[1], &w));
                assert_err(try_read(pair.sides[0], writer_bytes(&w)), ERR_DECRYPT);
                noise_free(other);
        }
        clear(&pair);
}

static void C16_low_order_ephemeral_keys(void **state)
{
        (void)state;
        struct pair pair = {0};
        uint8_t zero_key[128] = {0}, out[128];
        struct writer w = writer_make(out, sizeof out);

        renew(&pair);
        assert_ok(try_read(pair.sides[1], bytes_make(zero_key, KEY_SIZE)));
        assert_err(noise_write(pair.sides[1], payloads[1], &w), ERR_MALFORMED); /* nothing is sent */
        assert_int_equal(w.n, 0);

        advance(&pair, 1);
        assert_err(try_read(pair.sides[0], bytes_make(zero_key, sizeof zero_key)), ERR_MALFORMED);
        read_ok(pair.sides[0], pair.msgs[1], payloads[1]);
        clear(&pair);
}

/* The crate hashes a payload of message 1 and looks no further at it. */
static void a_payload_in_message_1_is_hashed(void **state)
{
        (void)state;
        struct pair pair = {0};
        uint8_t out[128];
        struct writer w = writer_make(out, sizeof out);

        renew(&pair);
        assert_ok(noise_write(pair.sides[0], BYTES_LITERAL("seen by all"), &w));
        read_ok(pair.sides[1], writer_bytes(&w), BYTES_LITERAL("seen by all"));
        assert_memory_equal(noise_hash(pair.sides[0]), noise_hash(pair.sides[1]), HASH_SIZE);
        clear(&pair);
}

static void what_does_not_fit_is_not_written(void **state)
{
        (void)state;
        static uint8_t out[NOISE_MESSAGE_MAX + 100], payload[NOISE_MESSAGE_MAX];
        struct pair pair = {0};

        advance(&pair, 0);
        read_ok(pair.sides[1], pair.msgs[0], payloads[0]);
        for (size_t cap = 0; cap < 105; cap++) {
                struct writer w = writer_make(out, cap);
                assert_err(noise_write(pair.sides[1], payloads[1], &w), ERR_TOO_LARGE);
                assert_int_equal(w.n, 0);
        }
        struct writer large = writer_make(out, sizeof out);
        assert_err(noise_write(pair.sides[1], bytes_make(payload, NOISE_MESSAGE_MAX - 95), &large), ERR_TOO_LARGE);
        assert_err(try_read(pair.sides[0], bytes_make(out, NOISE_MESSAGE_MAX + 1)), ERR_TOO_LARGE);

        /* The true one still goes through, and so does the largest there is. */
        struct writer w = writer_make(out, sizeof out);
        assert_ok(noise_write(pair.sides[1], bytes_make(payload, NOISE_MESSAGE_MAX - 96), &w));
        assert_int_equal(w.n, NOISE_MESSAGE_MAX);
        assert_ok(try_read(pair.sides[0], writer_bytes(&w)));
        clear(&pair);
}

static void G45_states_live_in_secret_slots(void **state)
{
        (void)state;
        const uint8_t secret[KEY_SIZE] = {1};
        struct noise *held[8], *one_more = NULL;

        assert_int_equal(secrets_used(), 0); /* every test above has given back what it took */
        for (size_t i = 0; i < 8; i++)
                assert_ok(noise_new(NOISE_INITIATOR, BYTES_LITERAL("n"), BYTES_NONE, secret, secret, &held[i]));
        assert_err(noise_new(NOISE_INITIATOR, BYTES_LITERAL("n"), BYTES_NONE, secret, secret, &one_more), ERR_FULL);
        assert_null(one_more);
        for (size_t i = 0; i < 8; i++)
                noise_free(held[i]);
        assert_int_equal(secrets_used(), 0);
}

static int drop_vectors(void **state)
{
        (void)state;
        vectors_clear();
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(the_crates_handshakes_byte_for_byte, drop_vectors),
                cmocka_unit_test_teardown(G24_published_vectors, drop_vectors),
                cmocka_unit_test(C1_a_changed_message_1_gets_no_channel),
                cmocka_unit_test(C1_every_bit_of_message_2),
                cmocka_unit_test(C1_every_bit_of_message_3),
                cmocka_unit_test(messages_cut_short_are_refused_and_forgotten),
                cmocka_unit_test(C15_each_message_in_each_state),
                cmocka_unit_test(C15_who_starts_and_when_it_ends),
                cmocka_unit_test(C15_another_name_or_prologue),
                cmocka_unit_test(C16_low_order_ephemeral_keys),
                cmocka_unit_test(a_payload_in_message_1_is_hashed),
                cmocka_unit_test(what_does_not_fit_is_not_written),
                cmocka_unit_test(G45_states_live_in_secret_slots),
        };

        if (crypto_init(NULL) || secrets_init(8)) return 1;
        const int failed = cmocka_run_group_tests(tests, NULL, NULL);
        secrets_clear();
        return failed;
}
