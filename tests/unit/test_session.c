/* Encrypted messages: the recorded channels and replay windows, damage, repeats, junk, the end of the nonces, and 10^6
 * random permutations beside a simple model of the window. */
#include "tests/support/test.h"
#include "tests/support/test_context.h"
#include "tests/support/vectors.h"
#include "transport/bare.h"
#include "transport/secure_channel/session.h"

#include <malloc.h>
#include <time.h>

enum { OVERHEAD = NONCE_SIZE + TAG_SIZE, TEXT_MAX = 20000 };

/* --- recorded channels -------------------------------------------------------------------------------------------------- */

static struct aead *aead_of(const json_t *object, const char *member)
{
        struct aead *aead = aead_new(vector_hex(object, member).p);

        assert_non_null(aead);
        return aead;
}

/* That the recorded key of this interval is the one in use: it makes the same bytes. */
static void check_key(const json_t *key, uint64_t nonce, struct bytes plaintext, struct bytes message)
{
        static uint8_t sealed[TEXT_MAX];
        struct aead *aead = aead_of(key, "key");

        assert_int_equal(vector_uint(key, "from_nonce"), nonce / REKEY_INTERVAL * REKEY_INTERVAL);
        assert_ok(aead_seal(aead, nonce, BYTES_NONE, plaintext, sealed));
        assert_bytes_equal("by recorded key", bytes_make(sealed, plaintext.n + TAG_SIZE),
                           bytes_make(message.p + NONCE_SIZE, message.n - NONCE_SIZE));
        aead_free(aead);
}

static void check_direction(const json_t *direction, struct bytes first_key)
{
        static uint8_t sealed[TEXT_MAX], opened[TEXT_MAX];
        const json_t *keys = vector_member(direction, "keys"), *message;
        struct encryptor enc;
        struct decryptor dec;
        uint64_t nonce;
        size_t i;

        assert_ok(encryptor_init(&enc, first_key.p, 0));
        assert_ok(decryptor_init(&dec, first_key.p));
        json_array_foreach(vector_member(direction, "messages"), i, message)
        {
                struct bare_reader r = bare_reader_make(vector_hex(message, "payload"));
                const struct bytes recorded = bare_data(&r), plaintext = vector_hex(message, "plaintext");

                assert_ok(bare_end(&r));
                assert_ok(encryptor_seal(&enc, plaintext, sealed));
                assert_bytes_equal("message", bytes_make(sealed, plaintext.n + OVERHEAD), recorded);
                assert_ok(decryptor_open(&dec, recorded, opened, &nonce));
                assert_int_equal(nonce, vector_uint(message, "nonce"));
                assert_bytes_equal("plaintext", bytes_make(opened, recorded.n - OVERHEAD), plaintext);
                check_key(json_array_get(keys, i / REKEY_INTERVAL), nonce, plaintext, recorded);
        }
        assert_int_equal(json_array_size(keys), (i - 1) / REKEY_INTERVAL + 1);
        encryptor_clear(&enc);
        decryptor_clear(&dec);
}

static void the_crates_messages_byte_for_byte(void **state)
{
        (void)state;
        const json_t *handshakes = vector_member(vectors_load("tests/vectors/crate-0.116/secure-channel.json"), "handshakes"), *handshake;
        size_t i, messages = 0;

        json_array_foreach(handshakes, i, handshake)
        {
                const json_t *out = vector_member(handshake, "initiator_to_responder"),
                             *back = vector_member(handshake, "responder_to_initiator");

                check_direction(out, vector_hex(handshake, vector_text(handshake, "initiator_encrypts_with")));
                check_direction(back, vector_hex(handshake, vector_text(handshake, "responder_encrypts_with")));
                messages += json_array_size(vector_member(out, "messages")) + json_array_size(vector_member(back, "messages"));
        }
        assert_int_equal(messages, 478);
}

static void the_crates_replay_window_step_by_step(void **state)
{
        (void)state;
        const json_t *scripts = vector_member(vectors_load("tests/vectors/crate-0.116/replay-window.json"), "scripts"), *script, *step;
        size_t i, k, steps = 0;

        json_array_foreach(scripts, i, script)
        {
                struct decryptor dec;
                uint8_t out[64];
                uint64_t nonce;

                assert_ok(decryptor_init(&dec, vector_hex(script, "key").p));
                json_array_foreach(vector_member(script, "steps"), k, step)
                {
                        const struct bytes in = vector_hex(step, "encrypted"), plaintext = vector_hex(step, "plaintext");
                        const enum err err = decryptor_open(&dec, in, out, &nonce);

                        if (!err != vector_bool(step, "accepted"))
                                fail_msg("%s, step %zu: %s", vector_text(script, "name"), k, err_name(err));
                        if (!err) assert_bytes_equal("plaintext", bytes_make(out, in.n - OVERHEAD), plaintext);
                        steps++;
                }
                decryptor_clear(&dec);
        }
        assert_int_equal(steps, 79);
}

/* --- a sender and a receiver -------------------------------------------------------------------------------------------- */

static const uint8_t key[KEY_SIZE] = {42};

struct pair {
        struct encryptor enc;
        struct decryptor dec;
};

enum { MESSAGE_SIZE = 8 + OVERHEAD };

static void make_pair(struct pair *pair)
{
        assert_ok(encryptor_init(&pair->enc, key, 0));
        assert_ok(decryptor_init(&pair->dec, key));
}

static void clear_pair(struct pair *pair)
{
        encryptor_clear(&pair->enc);
        decryptor_clear(&pair->dec);
}

/* The next message; its text is its nonce. */
static void seal_next(struct encryptor *enc, uint8_t out[MESSAGE_SIZE])
{
        const uint64_t text = enc->nonce;

        assert_ok(encryptor_seal(enc, bytes_make(&text, sizeof text), out));
}

static enum err open_one(struct decryptor *dec, const uint8_t in[MESSAGE_SIZE])
{
        uint64_t text = 0, nonce = 0;
        const enum err err = decryptor_open(dec, bytes_make(in, MESSAGE_SIZE), (uint8_t *)&text, &nonce);

        if (!err) assert_int_equal(text, nonce);
        return err;
}

static void set_nonce(uint8_t *message, uint64_t nonce)
{
        for (int i = NONCE_SIZE - 1; i >= 0; i--, nonce >>= 8)
                message[i] = (uint8_t)nonce;
}

static bool same_state(const struct decryptor *a, const struct decryptor *b)
{
        return a->current == b->current && a->previous == b->previous && a->highest == b->highest && a->window == b->window &&
               a->run == b->run && a->missing == b->missing;
}

static void C1_every_bit_of_a_message(void **state)
{
        (void)state;
        struct pair pair;
        uint8_t message[MESSAGE_SIZE];

        make_pair(&pair);
        for (int i = 0; i < 34; i++) { /* the last three: before, at and after a rekey */
                seal_next(&pair.enc, message);
                for (size_t bit = 0; i > 30 && bit < 8 * sizeof message; bit++) {
                        const struct decryptor before = pair.dec;
                        message[bit / 8] ^= (uint8_t)(1 << bit % 8);
                        assert_int_not_equal(open_one(&pair.dec, message), OK);
                        assert_true(same_state(&pair.dec, &before));
                        message[bit / 8] ^= (uint8_t)(1 << bit % 8);
                }
                assert_ok(open_one(&pair.dec, message));
        }
        clear_pair(&pair);
}

static void a_message_cut_short(void **state)
{
        (void)state;
        struct pair pair;
        uint8_t message[MESSAGE_SIZE], out[MESSAGE_SIZE];
        uint64_t nonce = 77;

        make_pair(&pair);
        seal_next(&pair.enc, message);
        for (size_t n = 0; n < MESSAGE_SIZE; n++)
                assert_err(decryptor_open(&pair.dec, bytes_make(message, n), out, &nonce), n < OVERHEAD ? ERR_TRUNCATED : ERR_DECRYPT);
        assert_int_equal(nonce, 77);
        assert_ok(open_one(&pair.dec, message));
        clear_pair(&pair);
}

/* A message comes again after `later` others, for places before, at and after rekeys. */
static void C2_repeats_are_refused(void **state)
{
        (void)state;
        enum { ALL = 110 };
        static uint8_t all[ALL][MESSAGE_SIZE];
        static const size_t firsts[] = {0, 1, 31, 32, 63, 64}, laters[] = {0, 1, 31, 32, 33, 40};

        for (size_t f = 0; f < 6; f++) {
                for (size_t l = 0; l < 6; l++) {
                        struct pair pair;
                        make_pair(&pair);
                        for (size_t i = 0; i < ALL; i++)
                                seal_next(&pair.enc, all[i]);
                        for (size_t i = 0; i <= firsts[f] + laters[l]; i++)
                                assert_ok(open_one(&pair.dec, all[i]));
                        for (size_t i = 0; i < 33; i++)
                                assert_err(open_one(&pair.dec, all[firsts[f]]), ERR_REPLAYED);
                        assert_ok(open_one(&pair.dec, all[firsts[f] + laters[l] + 1]));
                        clear_pair(&pair);
                }
        }
}

/* The crate's own test of the same name in plain words: beside each of 100 messages one with a bit of its tag changed, its nonce the true one,
 * and one whose nonce is far ahead. */
static void C4_attack_nonce_as_the_crate_tests_it(void **state)
{
        (void)state;
        struct pair pair;
        uint8_t message[MESSAGE_SIZE], trash[MESSAGE_SIZE], ahead[MESSAGE_SIZE];

        make_pair(&pair);
        for (int i = 0; i < 100; i++) {
                seal_next(&pair.enc, message);
                memcpy(trash, message, sizeof trash);
                trash[MESSAGE_SIZE - 1] ^= 0x80;
                memcpy(ahead, message, sizeof ahead);
                set_nonce(ahead, 1000000);
                assert_err(open_one(&pair.dec, trash), ERR_DECRYPT);
                assert_err(open_one(&pair.dec, ahead), ERR_REPLAYED);
                assert_ok(open_one(&pair.dec, message));
                assert_err(open_one(&pair.dec, trash), ERR_REPLAYED);
        }
        clear_pair(&pair);
}

static double cpu_s(void)
{
        struct timespec now;

        assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now), 0);
        return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* 10^6 junk records between two true ones: of nonces guessed, at the edges, far ahead and all ones. The second true one is delivered, nothing has
 * moved, no memory is kept, and each took at most 20 us of CPU (some 1 us here: the bound is no matter of a busy machine). */
static void C4_a_million_junk_records_between_two_true_ones(void **state)
{
        (void)state;
        const size_t count = FULL_OR_SLOW(1000000, 50000);
        const uint64_t nonces[] = {0, 39, 40, 63, 64, 71, 72, 1 << 20, UINT64_MAX - 1, UINT64_MAX};
        struct pair pair;
        struct test_context tc;
        uint8_t message[MESSAGE_SIZE], junk[MESSAGE_SIZE];

        make_pair(&pair);
        test_context_init(&tc, 4);
        for (int i = 0; i < 40; i++) {
                seal_next(&pair.enc, message);
                assert_ok(open_one(&pair.dec, message));
        }
        const struct decryptor before = pair.dec;
        const size_t held = mallinfo2().uordblks;
        const double start_s = cpu_s();
        for (size_t i = 0; i < count; i++) {
                context_random(&tc.ctx, junk, sizeof junk);
                if (i % 2) set_nonce(junk, nonces[i / 2 % 10]);
                if (open_one(&pair.dec, junk) == OK || !same_state(&pair.dec, &before)) fail_msg("junk %zu was taken", i);
        }
        const double each_us = (cpu_s() - start_s) / (double)count * 1e6;
        if (each_us > FULL_OR_SLOW(20, 400)) fail_msg("a junk record takes %.1f us", each_us);
        assert_int_equal(mallinfo2().uordblks, held);
        seal_next(&pair.enc, message);
        assert_ok(open_one(&pair.dec, message));
        test_context_clear(&tc);
        clear_pair(&pair);
}

/* --- the window beside a model ------------------------------------------------------------------------------------------ */

/* What the receiver must do, in the plainest form: the highest that it took, and a mark for each that it took, by nonce modulo; a mark is taken
 * back when its place comes to stand for a nonce ahead of the highest. */
enum { MARKS = 512, SEALED = 512 };

struct model {
        uint64_t highest;
        bool taken[MARKS];
};

static bool model_takes(const struct model *m, uint64_t nonce)
{
        if (nonce == UINT64_MAX) return false;
        if (nonce > m->highest) return nonce - m->highest <= 32;
        return m->highest - nonce <= 32 && !m->taken[nonce % MARKS];
}

static void model_take(struct model *m, uint64_t nonce)
{
        while (m->highest < nonce)
                m->taken[++m->highest % MARKS] = false;
        m->taken[nonce % MARKS] = true;
}

/* A sender, its newest messages by nonce modulo, a receiver and the model beside it. */
struct race {
        struct pair pair;
        struct model model;
        uint8_t sealed[SEALED][MESSAGE_SIZE];
        struct test_context tc;
        uint64_t first, taken, refused;
};

static void race_init(struct race *race, uint64_t seed, uint64_t first)
{
        memset(race, 0, sizeof *race);
        assert_ok(encryptor_init(&race->pair.enc, key, first));
        assert_ok(decryptor_init(&race->pair.dec, key));
        race->pair.dec.highest = race->model.highest = race->first = first;
        test_context_init(&race->tc, seed);
}

static void race_clear(struct race *race)
{
        test_context_clear(&race->tc);
        clear_pair(&race->pair);
}

/* This nonce's message comes to the receiver, whole or not, and both judge it. */
static void race_step(struct race *race, uint64_t nonce, bool damage)
{
        uint8_t message[MESSAGE_SIZE];

        while (race->pair.enc.nonce <= nonce && race->pair.enc.nonce != UINT64_MAX)
                seal_next(&race->pair.enc, race->sealed[race->pair.enc.nonce % SEALED]);
        memcpy(message, race->sealed[nonce % SEALED], MESSAGE_SIZE);
        if (nonce == UINT64_MAX) set_nonce(message, nonce);
        if (damage) message[NONCE_SIZE + context_random_below(&race->tc.ctx, MESSAGE_SIZE - NONCE_SIZE)] ^= 0x10;

        const bool expected = model_takes(&race->model, nonce) && !damage;
        const uint64_t highest = race->model.highest;
        const enum err err = open_one(&race->pair.dec, message);
        if (!err != expected) fail_msg("nonce %llu, highest %llu: %s", (unsigned long long)nonce, (unsigned long long)highest, err_name(err));
        if (expected) model_take(&race->model, nonce);
        expected ? race->taken++ : race->refused++;
}

/* The next few messages in a random order, some lost, some twice, some changed. */
static void race_permute(struct race *race, uint64_t from, size_t count)
{
        uint64_t order[2 * 70];
        size_t n = 0;

        for (size_t i = 0; i < count; i++) {
                const uint64_t how = context_random_below(&race->tc.ctx, 32);
                if (how != 0) order[n++] = from + i;
                if (how == 1) order[n++] = from + i;
        }
        for (size_t i = n; i > 1; i--) {
                const size_t other = (size_t)context_random_below(&race->tc.ctx, i);
                const uint64_t swapped = order[i - 1];
                order[i - 1] = order[other];
                order[other] = swapped;
        }
        for (size_t i = 0; i < n; i++)
                race_step(race, order[i], context_random_below(&race->tc.ctx, 64) == 0);
}

/* Mostly a few, at times as many as the window and more. */
static size_t how_many(struct race *race)
{
        const uint64_t how = context_random_below(&race->tc.ctx, 64);

        return 1 + (size_t)context_random_below(&race->tc.ctx, how < 60 ? 4 : how < 63 ? 34 : 70);
}

static void C3_a_million_permutations_beside_a_model(void **state)
{
        (void)state;
        static struct race race;

        race_init(&race, 3, 0);
        for (size_t i = 0; i < FULL_OR_SLOW(1000000, 30000); i++)
                race_permute(&race, race.model.highest + 1, how_many(&race));
        assert_int_equal(race.pair.dec.highest, race.model.highest);
        assert_true(race.refused > race.taken / 16 && race.taken > race.refused);
        race_clear(&race);
}

/* A nonce near the highest: mostly just around it, at times at the very edges. */
static uint64_t pick(struct race *race)
{
        struct context *ctx = &race->tc.ctx;
        const uint64_t edges[] = {31, 32, 33, 34, 64, 65}, how = context_random_below(ctx, 16), highest = race->model.highest;
        const uint64_t distance = how < 12   ? context_random_below(ctx, 5)
                                  : how < 14 ? context_random_below(ctx, 40)
                                             : edges[context_random_below(ctx, 6)];

        if (context_random_below(ctx, 2)) return distance > UINT64_MAX - highest ? UINT64_MAX : highest + distance;
        return distance > highest - race->first ? race->first : highest - distance;
}

static void C3_single_steps_around_the_window(void **state)
{
        (void)state;
        const size_t steps = FULL_OR_SLOW(100000, 20000);
        static struct race race;

        race_init(&race, 3, 0);
        for (size_t i = 0; i < steps; i++)
                race_step(&race, pick(&race), context_random_below(&race.tc.ctx, 8) == 0);
        assert_true(race.taken > steps / 4 && race.refused > steps / 4 && race.model.highest > steps / 4);
        race_clear(&race);
}

/* The last nonces that there are, 2^64 - 2 among them, and 2^64 - 1, which is none. */
static void C3_orders_at_the_end_of_the_numbers(void **state)
{
        (void)state;
        static struct race race;

        for (uint64_t seed = 0; seed < FULL_OR_SLOW(100, 10); seed++) {
                race_init(&race, seed, UINT64_MAX - 300);
                for (size_t i = 0; i < 2000; i++)
                        race_step(&race, pick(&race), context_random_below(&race.tc.ctx, 8) == 0);
                race_step(&race, UINT64_MAX - 1, false);
                race_step(&race, UINT64_MAX, false);
                assert_int_equal(race.model.highest, UINT64_MAX - 1);
                assert_int_equal(race.pair.dec.highest, UINT64_MAX - 1);
                race_clear(&race);
        }
}

/* Numbered cases, as they are easy to get wrong by one. */
static void C3_edges_of_the_window(void **state)
{
        (void)state;
        static const struct {
                uint64_t highest, nonce;
                enum err err;
        } cases[] = {
                {0, 32, OK},  {0, 33, ERR_REPLAYED},  {40, 8, OK},  {40, 7, ERR_REPLAYED},  {40, 40, ERR_REPLAYED},
                {40, 72, OK}, {40, 73, ERR_REPLAYED}, {63, 31, OK}, {63, 95, OK},           {63, 96, ERR_REPLAYED},
                {64, 32, OK}, {64, 31, ERR_REPLAYED}, {64, 96, OK}, {64, 97, ERR_REPLAYED},
        };
        static uint8_t all[128][MESSAGE_SIZE];

        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct pair pair;
                make_pair(&pair);
                for (size_t k = 0; k < 128; k++)
                        seal_next(&pair.enc, all[k]);
                for (uint64_t at = 0; at < cases[i].highest; at += 20)
                        assert_ok(open_one(&pair.dec, all[at + 1 == cases[i].nonce ? at + 2 : at + 1]));
                if (cases[i].highest) assert_ok(open_one(&pair.dec, all[cases[i].highest]));
                const enum err err = open_one(&pair.dec, all[cases[i].nonce]);
                if (err != cases[i].err) fail_msg("case %zu: %s", i, err_name(err));
                clear_pair(&pair);
        }
}

/* --- the end of the nonces ---------------------------------------------------------------------------------------------- */

static void C20_the_last_nonce_is_never_used(void **state)
{
        (void)state;
        const uint64_t first = UINT64_MAX - 33; /* 2^64 - 34 */
        struct pair pair;
        uint8_t message[MESSAGE_SIZE], last[MESSAGE_SIZE], text[8] = {0};

        assert_ok(encryptor_init(&pair.enc, key, first));
        assert_ok(decryptor_init(&pair.dec, key));
        pair.dec.highest = first;
        for (int i = 0; i < 33; i++) {
                seal_next(&pair.enc, message);
                assert_ok(open_one(&pair.dec, message));
        }
        assert_int_equal(pair.enc.nonce, UINT64_MAX);
        assert_int_equal(pair.dec.highest, UINT64_MAX - 1);
        memcpy(last, message, sizeof last);
        assert_err(encryptor_seal(&pair.enc, bytes_make(text, sizeof text), message), ERR_NONCES);
        assert_err(encryptor_seal(&pair.enc, bytes_make(text, sizeof text), message), ERR_NONCES);
        assert_memory_equal(message, last, sizeof last);

        set_nonce(message, UINT64_MAX);
        assert_err(open_one(&pair.dec, message), ERR_REPLAYED);
        set_nonce(message, 0);
        assert_err(open_one(&pair.dec, message), ERR_REPLAYED);
        clear_pair(&pair);
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
                cmocka_unit_test_teardown(the_crates_messages_byte_for_byte, drop_vectors),
                cmocka_unit_test_teardown(the_crates_replay_window_step_by_step, drop_vectors),
                cmocka_unit_test(C1_every_bit_of_a_message),
                cmocka_unit_test(a_message_cut_short),
                cmocka_unit_test(C2_repeats_are_refused),
                cmocka_unit_test(C4_attack_nonce_as_the_crate_tests_it),
                cmocka_unit_test(C4_a_million_junk_records_between_two_true_ones),
                cmocka_unit_test(C3_a_million_permutations_beside_a_model),
                cmocka_unit_test(C3_single_steps_around_the_window),
                cmocka_unit_test(C3_orders_at_the_end_of_the_numbers),
                cmocka_unit_test(C3_edges_of_the_window),
                cmocka_unit_test(C20_the_last_nonce_is_never_used),
        };

        if (crypto_init(NULL)) return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
