/* What only a peer that is authenticated can send, and the end of the numbers: the module is compiled into this test, so that it
 * can seal any clear text and set the counter. */
#include "tests/support/channel_rig.h"
#include "tests/support/test.h"
#include "tests/support/vectors.h"

#include "transport/secure_channel/channel.c"

#include "transport/secure_channel/secrets.h"

#include <time.h>

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
        uint8_t memory[40000];
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

/* --- the worst that fits into a message --------------------------------------------------------------------------------- */

enum { WORST_MAX = 65000, WORST_MS = 50 };

static double cpu_ms(void)
{
        struct timespec now;

        assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now), 0);
        return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* CPU time, not that of a clock on the wall: how busy the machine is does not matter, and most are a hundred times below. */
static void assert_not_long(const char *what, double start_ms)
{
        const double took_ms = cpu_ms() - start_ms;

        if (took_ms > FULL_OR_SLOW(WORST_MS, 20 * WORST_MS)) fail_msg("%s takes %.1f ms", what, took_ms);
}

/* `head`, then `unit` over and over until WORST_MAX bytes are full. */
static void send_worst(const char *what, struct bytes head, struct bytes unit)
{
        static uint8_t memory[WORST_MAX];
        struct writer w = writer_make(memory, sizeof memory);
        const double start_ms = cpu_ms();

        writer_put(&w, head.p, head.n);
        while (w.n + unit.n <= sizeof memory)
                writer_put(&w, unit.p, unit.n);
        send_clear(writer_bytes(&w));
        assert_not_long(what, start_ms);
}

static void C24_the_worst_messages_are_soon_done_with(void **state)
{
        (void)state;
        static const struct {
                const char *what;
                struct bytes head, unit;
        } worst[] = {
                {"a history of one endless change", BYTES_LITERAL("\x82\x01\x81\x82\x81\x59\xfd\xd0"), BYTES_LITERAL("x")},
                {"a history of very many changes", BYTES_LITERAL("\x82\x01\x81\x82\x99\xfd\xd0"), BYTES_LITERAL("\x40")},
                {"arrays in arrays", BYTES_LITERAL("\x82\x01\x81\x82"), BYTES_LITERAL("\x81")},
                {"endless arrays in endless arrays", BYTES_LITERAL("\x82\x01\x81\x82"), BYTES_LITERAL("\x9f")},
                {"endless maps in endless maps", BYTES_LITERAL("\x82\x01\x81\x82"), BYTES_LITERAL("\xbf\x01")},
                {"strings in pieces in pieces", BYTES_LITERAL("\x82\x01\x81\x82"), BYTES_LITERAL("\x5f\x7f")},
                {"tags on tags", BYTES_LITERAL("\x82\x01\x81\x82"), BYTES_LITERAL("\xc1")},
                {"an array with many items behind those known", BYTES_LITERAL("\x82\x00\x81\x9f\x80\x80\x40"), BYTES_LITERAL("\x00")},
                {"a route of many hops", BYTES_LITERAL("\x82\x00\x81\x83\x9f"), BYTES_LITERAL("\xa2\x01\x00\x02\x81\x01")},
                {"an address of many bytes", BYTES_LITERAL("\x82\x00\x81\x83\x81\xa2\x01\x00\x02\x9f"), BYTES_LITERAL("\x01")},
                {"an address with its value again and again", BYTES_LITERAL("\x82\x00\x81\x83\x81\xbf\x01\x00"),
                 BYTES_LITERAL("\x02\x9f\x01\x01\xff")},
                {"an address with many unknown keys", BYTES_LITERAL("\x82\x00\x81\x83\x81\xbf\x01\x00"), BYTES_LITERAL("\x18\x63\x81\x80")},
                {"arrays in arrays in an address", BYTES_LITERAL("\x82\x00\x81\x83\x81\xa2\x01\x00\x02"), BYTES_LITERAL("\x9f")},
                {"close with much behind it", BYTES_LITERAL("\x82\x03"), BYTES_LITERAL("\x81")},
        };
        const size_t many = sizeof worst / sizeof *worst;

        for (size_t i = 0; i < many; i++)
                send_worst(worst[i].what, worst[i].head, worst[i].unit);
        assert_int_equal(rig_stat(&rig, STAT_DROP_UNDECODED), many);
        both_go_on();
}

/* Another channel of Alice's, whose message 3 is held back: gives its number, and makes the channel `ours`. */
static size_t hold_message_3(void)
{
        const size_t m1 = rig.seen_count;

        rig.hold = true;
        side_start(&alice, "listener", 5000);
        test_context_advance(&rig.tc, 0);
        rig_deliver(&rig, m1);
        rig_deliver(&rig, m1 + 1);
        ours = alice.up_last;
        assert_int_equal(rig.seen_count, m1 + 3);
        return m1 + 2;
}

/* Of the very channel, before its responder has message 3: early, lost, and nothing else. */
static void C15_refreshed_credentials_and_a_close_before_message_3(void **state)
{
        (void)state;
        const unsigned ups = bob.ups;
        struct party longer;
        size_t m3 = hold_message_3();

        channel_close(ours);
        rig_turn(&rig);
        rig_deliver(&rig, m3 + 1);
        assert_int_equal(bob.ups, ups);
        rig_deliver(&rig, m3);
        assert_int_equal(bob.ups, ups + 1);
        assert_int_equal(bob.closes, 0);
        rig_deliver(&rig, m3 + 1); /* it may well come again */
        assert_int_equal(bob.closes, 1);

        m3 = hold_message_3();
        party_init(&longer, 1, 3, rig.tc.utc_s - 1000);
        send_history_of(&longer);
        rig_turn(&rig);
        rig_deliver(&rig, m3 + 1);
        assert_int_equal(bob.ups, ups + 1);
        assert_false(bob_knows(&longer));
        rig_deliver(&rig, m3);
        assert_int_equal(bob.ups, ups + 2);
        assert_false(bob_knows(&longer));
        rig_deliver(&rig, m3 + 1);
        assert_true(bob_knows(&longer));
        party_clear(&longer);
}

/* As many changes as are taken, each with two signatures to be checked, in refreshed credentials and in a handshake; and 300. */
static void C24_the_longest_histories_are_soon_done_with(void **state)
{
        (void)state;
        const size_t most = alice.channels->config.limits.history_changes;
        struct side carol;
        const struct bytes one = identity_history(bob.party.identity);
        static uint8_t memory[WORST_MAX];
        struct writer w = writer_make(memory, sizeof memory);
        struct identity_view view;
        struct party longest;
        double start_ms;

        party_init(&longest, 1, most, rig.tc.utc_s - 1000);
        cbor_put_array(&w, 300);
        for (int i = 0; i < 300; i++)
                writer_put(&w, one.p + 1, one.n - 1);
        assert_ok(writer_err(&w));
        start_ms = cpu_ms();
        send_history_of(&longest);
        assert_not_long("the longest history", start_ms);
        assert_true(bob_knows(&longest));
        start_ms = cpu_ms();
        assert_err(take_history(theirs, writer_bytes(&w)), ERR_TOO_LARGE);
        assert_err(identity_verify(identity_history(longest.identity), most - 1, &view), ERR_TOO_LARGE); /* not by its size alone */
        assert_not_long("a longer one", start_ms);
        assert_true(bob_knows(&longest));

        side_init(&carol, &rig, 9, most, NULL, "carol-app", NULL);
        rig.hold = true;
        side_start(&carol, "listener", 5000);
        test_context_advance(&rig.tc, 0);
        rig_deliver(&rig, rig.seen_count - 1);
        rig_deliver(&rig, rig.seen_count - 1);
        start_ms = cpu_ms();
        rig_deliver(&rig, rig.seen_count - 1); /* message 3 */
        assert_not_long("the longest history in a handshake", start_ms);
        assert_int_equal(bob.ups, 2);
        rig.hold = false;
        both_go_on();
        side_clear(&carol);
        party_clear(&longest);
}

static void C24_close_ends_exactly_this_channel(void **state)
{
        (void)state;
        struct channel *other = side_connect(&alice, &bob, "listener"), *other_at_bob = bob.up_last;

        send_clear(BYTES_LITERAL("\x82\x02\x80"));
        assert_int_equal(bob.closes, 1);
        assert_ptr_equal(bob.closed_last, theirs);
        side_say(&alice, other, &bob, "this one stays");
        side_say(&bob, other_at_bob, &alice, "indeed");
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

/* --- states that no wire shows ------------------------------------------------------------------------------------------- */

/* Everything of a session, and things that are nothing, to this worker's address. */
static void deliver_all_to(struct bytes address, size_t from, size_t to)
{
        static const struct bytes junk[] = {BYTES_LITERAL(""), BYTES_LITERAL("\x00"), BYTES_LITERAL("\x05hello"),
                                            BYTES_LITERAL("\x20" "01234567890123456789012345678901")};

        for (size_t i = from; i < to; i++)
                rig_deliver_to(&rig, i, address);
        for (size_t i = 0; i < sizeof junk / sizeof *junk; i++) {
                struct message msg = {.ret = rig.seen[from].ret.route, .payload = junk[i]};
                assert_ok(route_of_locals(router_arena(rig.router), &address, 1, &msg.onward));
                router_post(rig.router, (struct origin){ORIGIN_TCP, 1, NULL}, msg);
        }
}

/* An initiator that has not spoken yet, and a channel that has ended and is not freed yet: its worker is gone. */
static void C15_each_message_before_the_first_and_after_the_last(void **state)
{
        (void)state;
        struct channel *early = side_start(&alice, "listener", 5000);
        const size_t seen = rig.seen_count;
        uint64_t dropped = rig_stat(&rig, STAT_DROP_UNDECODED);

        assert_int_equal(early->state, CHANNEL_STARTING);
        deliver_all_to(worker_address(early->decryptor), 0, seen);
        assert_int_equal(early->state, CHANNEL_STARTING);
        assert_int_equal(rig.seen_count, seen);
        assert_int_equal(rig_stat(&rig, STAT_DROP_UNDECODED), dropped + seen + 4);
        test_context_advance(&rig.tc, 0);
        assert_int_equal(early->state, CHANNEL_UP);
        side_say(&alice, early, &bob, "begun as if nothing had been");

        const struct bytes address = worker_address(early->decryptor);
        const size_t end = rig.seen_count;
        channel_close(early);
        assert_int_equal(early->state, CHANNEL_ENDED);
        dropped = rig_stat(&rig, STAT_DROP_NO_WORKER);
        deliver_all_to(address, seen, end);
        assert_int_equal(rig_stat(&rig, STAT_DROP_NO_WORKER), dropped + (end - seen) + 4);
        assert_int_equal(alice.closes, 0);
        rig_turn(&rig);
        side_say(&alice, ours, &bob, "the other one lives");
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
                with_rig(C15_refreshed_credentials_and_a_close_before_message_3),
                with_rig(credentials_themselves_are_passed_over),
                with_rig(C24_histories_that_are_damaged_or_large),
                with_rig(C24_the_worst_messages_are_soon_done_with),
                with_rig(C24_the_longest_histories_are_soon_done_with),
                with_rig(C24_close_ends_exactly_this_channel),
                with_rig(C15_each_message_before_the_first_and_after_the_last),
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
