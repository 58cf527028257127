/* What only a peer that is authenticated can send, and the end of the numbers: the module is compiled into this test, so that it
 * can seal any clear text and set the counter. */
#include "tests/support/channel_rig.h"
#include "tests/support/test.h"
#include "tests/support/vectors.h"

#include "transport/secure_channel/channel.c"

#include "transport/secure_channel/secrets.h"

static struct rig rig;
static struct side alice, bob;
static struct channel *ours, *theirs;

static int set_up(void **state)
{
        (void)state;
        rig_init(&rig, 3);
        side_init(&alice, &rig, 1, 2, NULL, "app", NULL);
        side_init(&bob, &rig, 2, 1, "listener", "echoer", NULL);
        ours = side_connect(&alice, &bob, "listener");
        theirs = bob.up_last;
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        side_clear(&alice);
        side_clear(&bob);
        rig_clear(&rig);
        return secrets_used() == 0 ? 0 : -1;
}

/* Alice sends this clear text through her channel, whatever it is. */
static void send_clear(struct bytes clear)
{
        struct sealing sealing;
        struct bytes payload;

        assert_ok(sealing_make(ours, clear.n, &sealing));
        writer_put(&sealing.clear, clear.p, clear.n);
        assert_ok(sealing_finish(ours, &sealing, &payload));
        assert_ok(send_payload(ours, ours->encryptor, payload));
}

static void both_go_on(void)
{
        assert_int_equal(alice.closes + bob.closes, 0);
        side_say(&alice, ours, &bob, "going on");
        side_say(&bob, theirs, &alice, "going on");
}

/* --- refreshed credentials ---------------------------------------------------------------------------------------------- */

/* [1, [[ChangeHistory, credentials]]] */
static void send_history(struct bytes history, const char *credentials, size_t credentials_n)
{
        uint8_t memory[8192];
        struct writer w = writer_make(memory, sizeof memory);

        cbor_put_array(&w, 2);
        cbor_put_uint(&w, CHANNEL_MESSAGE_CREDENTIALS);
        cbor_put_array(&w, 1);
        cbor_put_array(&w, 2);
        writer_put(&w, history.p, history.n);
        writer_put(&w, credentials, credentials_n);
        assert_ok(writer_err(&w));
        send_clear(writer_bytes(&w));
}

static void send_history_of(const struct party *party)
{
        send_history(identity_history(party->identity), "\x80", 1);
}

static bool bob_knows(const struct party *party)
{
        return known_peers_has(bob.channels->known, &party->id, identity_history(party->identity));
}

static void C13_refreshed_credentials_bring_longer_histories_only(void **state)
{
        (void)state;
        struct party older, longer, fork, other;
        uint8_t seed[KEY_SIZE] = {99};
        const uint64_t made_s = rig.tc.utc_s - 1000;

        party_init(&older, 1, 1, made_s);
        party_init(&longer, 1, 3, made_s);
        party_init(&fork, 1, 1, made_s);
        assert_ok(identity_rotate(fork.identity, seed, false, made_s));
        assert_ok(identity_rotate(fork.identity, seed, false, made_s));
        assert_ok(identity_rotate(fork.identity, seed, false, made_s));
        party_init(&other, 8, 3, made_s);

        assert_true(bob_knows(&alice.party));
        send_history_of(&alice.party); /* the same: fine, no news */
        assert_int_equal(rig_stat(&rig, STAT_DROP_UNDECODED), 0);
        send_history_of(&older);
        send_history_of(&fork);
        send_history_of(&other);
        assert_int_equal(rig_stat(&rig, STAT_DROP_UNDECODED), 3);
        assert_true(bob_knows(&alice.party));
        send_history_of(&longer);
        assert_int_equal(rig_stat(&rig, STAT_DROP_UNDECODED), 3);
        assert_true(bob_knows(&longer));
        send_history_of(&alice.party);
        assert_int_equal(rig_stat(&rig, STAT_DROP_UNDECODED), 4); /* that is the older one now */
        both_go_on();

        const unsigned ups = bob.ups;
        side_start(&alice, "listener", 5000); /* and with it nobody gets in any more */
        test_context_advance(&rig.tc, 0);
        assert_int_equal(bob.ups, ups);
        party_clear(&older);
        party_clear(&longer);
        party_clear(&fork);
        party_clear(&other);
}

static void credentials_themselves_are_passed_over(void **state)
{
        (void)state;
        send_history(identity_history(alice.party.identity), "\x82\x01\x82\x02\x43" "abc", 8);
        assert_int_equal(rig_stat(&rig, STAT_DROP_UNDECODED), 0);
        both_go_on();
}

static void C24_histories_that_are_damaged_or_large(void **state)
{
        (void)state;
        static uint8_t large[40000] = {0x81, 0x59, 0x90, 0x00}; /* a byte string of 36,864 for a change */
        uint8_t history[1024];
        const struct bytes good = identity_history(alice.party.identity);

        send_history(BYTES_LITERAL("\x80"), "\x80", 1);
        send_history(BYTES_LITERAL("\x81\x80"), "\x80", 1);
        memcpy(history, good.p, good.n);
        history[good.n - 1] ^= 1;
        send_history(bytes_make(history, good.n), "\x80", 1);
        assert_int_equal(rig_stat(&rig, STAT_DROP_UNDECODED), 3);
        assert_err(take_history(theirs, bytes_make(large, 36868)), ERR_TOO_LARGE);
        assert_true(bob_knows(&alice.party));
        both_go_on();
}

/* --- clear texts that are nothing --------------------------------------------------------------------------------------- */

static void what_decrypts_and_does_not_decode_is_dropped(void **state)
{
        (void)state;
        static const struct bytes junk[] = {
                BYTES_LITERAL(""), BYTES_LITERAL("\x82"), BYTES_LITERAL("\x82\x03\x80"), BYTES_LITERAL("\x82\x00\x80"), BYTES_LITERAL("\xff\xff\xff"),
                BYTES_LITERAL("\x82\x00\x81\x83\x80\x80"), BYTES_LITERAL("\x9b\xff\xff\xff\xff\xff\xff\xff\xff"), BYTES_LITERAL("plain text"),
        };
        const size_t count_junk = sizeof junk / sizeof *junk;

        for (size_t i = 0; i < count_junk; i++) send_clear(junk[i]);
        assert_int_equal(rig_stat(&rig, STAT_DROP_UNDECODED), count_junk);
        send_clear(BYTES_LITERAL("\x82\x00\x81\x83\x80\x80\x40")); /* a payload to nowhere */
        assert_int_equal(rig_stat(&rig, STAT_DROP_NO_WORKER), 1);
        both_go_on();
}

static void a_route_with_too_many_hops_is_dropped(void **state)
{
        (void)state;
        uint8_t memory[4096];
        struct writer w = writer_make(memory, sizeof memory);

        writer_put(&w, "\x82\x00\x81\x83", 4);
        cbor_put_array(&w, 257);
        for (int i = 0; i < 257; i++) writer_put(&w, "\xa2\x01\x00\x02\x81\x01", 6);
        writer_put(&w, "\x80\x40", 2);
        assert_ok(writer_err(&w));
        send_clear(writer_bytes(&w));
        assert_int_equal(rig_stat(&rig, STAT_DROP_UNDECODED), 1);
        both_go_on();
}

static void close_may_carry_more_than_nothing(void **state)
{
        (void)state;
        send_clear(BYTES_LITERAL("\x82\x02\x81\x01"));
        assert_int_equal(bob.closes, 1);
        assert_int_equal(bob.closed_err, ERR_CLOSED);
}

/* --- the end of the numbers --------------------------------------------------------------------------------------------- */

static void C20_a_channel_ends_before_its_last_number(void **state)
{
        (void)state;
        ours->enc.nonce = UINT64_MAX - 1;
        theirs->dec.highest = UINT64_MAX - 2;
        const size_t seen = rig.seen_count;

        side_send(&alice, ours, "echoer", BYTES_LITERAL("the last"));
        assert_int_equal(rig.seen_count, seen + 1);
        assert_int_equal(alice.closes, 0);
        side_send(&alice, ours, "echoer", BYTES_LITERAL("one too many"));
        assert_int_equal(rig.seen_count, seen + 1);
        assert_int_equal(alice.closes, 1);
        assert_int_equal(alice.closed_err, ERR_NONCES);
}

static void C20_closing_without_a_number_left_is_silent(void **state)
{
        (void)state;
        ours->enc.nonce = UINT64_MAX;
        const size_t seen = rig.seen_count;

        channel_close(ours);
        assert_int_equal(rig.seen_count, seen);
        assert_int_equal(alice.closes, 0);
}

#define with_rig(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                with_rig(C13_refreshed_credentials_bring_longer_histories_only),
                with_rig(credentials_themselves_are_passed_over),
                with_rig(C24_histories_that_are_damaged_or_large),
                with_rig(what_decrypts_and_does_not_decode_is_dropped),
                with_rig(a_route_with_too_many_hops_is_dropped),
                with_rig(close_may_carry_more_than_nothing),
                with_rig(C20_a_channel_ends_before_its_last_number),
                with_rig(C20_closing_without_a_number_left_is_silent),
        };

        logger_set_level(LOG_LEVEL_ERROR);
        if (crypto_init(NULL) || secrets_init(128)) return 1;
        const int failed = cmocka_run_group_tests(tests, NULL, NULL);
        secrets_clear();
        return failed;
}
