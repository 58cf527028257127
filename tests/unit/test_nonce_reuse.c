/* No number is used twice under one key (C17): two endpoints are killed and started again, 200 times in all, connections are lost between, and every
 * pair of key and number that anything was encrypted with is kept and compared. The module that encrypts is compiled into this test. */
#include "tests/support/endpoint_rig.h"
#include "tests/support/test.h"
#include "transport/base/logger.h"
#include "transport/secure_channel/secrets.h"
#include "transport/secure_channel/session.h"

#include <stdio.h>
#include <stdlib.h>

static enum err recorded_seal(struct aead *aead, uint64_t nonce, struct bytes ad, struct bytes in, uint8_t *out);
#define aead_seal recorded_seal
#include "transport/secure_channel/session.c"
#undef aead_seal

enum { PRINT_SIZE = 16, PAIRS_MAX = 100000 };

/* What the key makes of zeros under the number that no message has: as good as its name, and all a test can see of it. */
struct pair {
        uint8_t key_print[PRINT_SIZE];
        uint64_t nonce;
};

static struct pair pairs[PAIRS_MAX];
static size_t pair_count;

static enum err recorded_seal(struct aead *aead, uint64_t nonce, struct bytes ad, struct bytes in, uint8_t *out)
{
        static const uint8_t zeros[PRINT_SIZE];
        uint8_t print[PRINT_SIZE + TAG_SIZE];
        struct pair *pair = &pairs[pair_count++];

        assert_true(pair_count < PAIRS_MAX);
        assert_ok(aead_seal(aead, UINT64_MAX, BYTES_NONE, bytes_make(zeros, sizeof zeros), print));
        memcpy(pair->key_print, print, PRINT_SIZE);
        pair->nonce = nonce;
        return aead_seal(aead, nonce, ad, in, out);
}

static int compare(const void *a, const void *b)
{
        const struct pair *x = a, *y = b;
        const int keys = memcmp(x->key_print, y->key_print, PRINT_SIZE);

        return keys ? keys : (x->nonce > y->nonce) - (x->nonce < y->nonce);
}

static size_t keys_used(void)
{
        size_t keys = 0;

        qsort(pairs, pair_count, sizeof *pairs, compare);
        for (size_t i = 0; i < pair_count; i++) {
                const bool same_key = i > 0 && memcmp(pairs[i].key_print, pairs[i - 1].key_print, PRINT_SIZE) == 0;
                if (same_key && pairs[i].nonce == pairs[i - 1].nonce) fail_msg("number %llu was used twice", (unsigned long long)pairs[i].nonce);
                keys += !same_key;
        }
        return keys;
}

static void C17_no_number_is_used_twice_over_200_restarts(void **state)
{
        (void)state;
        struct endpoint_rig rig;
        struct resident alice, bob;
        struct channel *channel;
        unsigned texts = 0;
        char text[32];

        endpoint_rig_init(&rig, 17);
        resident_init_bob(&bob, &rig, 2);
        resident_init_alice(&alice, &rig, 1);
        channel = resident_connect(&alice);
        for (unsigned restart = 0; restart < 200; restart++) {
                const uint64_t messages = context_random_below(&rig.tc.ctx, 80);

                for (uint64_t i = 0; i < messages; i++) {
                        snprintf(text, sizeof text, "text %u", texts++);
                        assert_ok(endpoint_send(alice.endpoint, channel, BYTES_LITERAL("echoer"), bytes_of_text(text)));
                        if (context_random_below(&rig.tc.ctx, 20) == 0) sim_net_reset_all(rig.net); /* what is not confirmed is sent again */
                        if (context_random_below(&rig.tc.ctx, 4) == 0) endpoint_rig_run(&rig, 1);
                }
                resident_restart(context_random_below(&rig.tc.ctx, 2) ? &alice : &bob); /* in the midst of it */
                endpoint_rig_run(&rig, 3000);
                channel = resident_connect(&alice);
                resident_expect_echo(&alice, channel, "a new handshake, a new key");
        }
        assert_true(keys_used() > 400); /* two directions for each channel, and rekeys */
        assert_true(pair_count > 10000);
        resident_clear(&alice);
        resident_clear(&bob);
        endpoint_rig_clear(&rig);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(C17_no_number_is_used_twice_over_200_restarts)};

        logger_set_level(LOG_LEVEL_ERROR);
        if (crypto_init(NULL) || secrets_init(128)) return 1;
        const int failed = cmocka_run_group_tests(tests, NULL, NULL);
        secrets_clear();
        return failed;
}
