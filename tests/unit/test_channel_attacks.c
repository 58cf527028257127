/* What somebody on the way may try with a secure channel: change, repeat, mix up, flood, and put things past it. The ids are
 * those of the threat table. */
#include "tests/support/channel_rig.h"
#include "tests/support/test.h"
#include "tests/support/vectors.h"
#include "transport/base/logger.h"
#include "transport/secure_channel/secrets.h"

#include <malloc.h>
#include <stdlib.h>

static struct rig rig;
static struct side alice, bob, carol;

enum { KEYS_HELD = 6 }; /* secret slots of three sides at rest */

static int set_up(void **state)
{
        (void)state;
        rig_init(&rig, 2);
        side_init(&alice, &rig, 1, 1, NULL, "app", NULL);
        side_init(&bob, &rig, 2, 1, "listener", "echoer", NULL);
        side_init(&carol, &rig, 3, 1, "carol", "carol-app", NULL);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        side_clear(&alice);
        side_clear(&bob);
        side_clear(&carol);
        rig_clear(&rig);
        return secrets_used() == 0 ? 0 : -1;
}

/* Begins a handshake and leaves message 1 on the wire; gives its number there. */
static size_t hold_message_1(void)
{
        const size_t at = rig.seen_count;

        rig.hold = true;
        side_start(&alice, "listener", 5000);
        test_context_advance(&rig.tc, 0);
        assert_int_equal(rig.seen_count, at + 1);
        return at;
}

/* Delivers message `i` and gives the number of the one that follows from it. */
static size_t step(size_t i)
{
        const size_t at = rig.seen_count;

        rig_deliver(&rig, i);
        assert_int_equal(rig.seen_count, at + 1);
        return at;
}

/* Where answers to message `i` go, behind the wire: an address of whoever sent it. */
static struct bytes sender_of(size_t i)
{
        struct address front = {0};

        assert_true(route_front(route_rest(rig.seen[i].ret.route), &front));
        return front.value;
}

/* A channel over the wire with its messages 1, 2, 3 recorded; gives the number of message 1. */
static size_t make_channel(struct channel **ours, struct channel **theirs)
{
        const size_t at = rig.seen_count;

        rig.hold = false;
        *ours = side_connect(&alice, &bob, "listener");
        *theirs = bob.up_last;
        return at;
}

static unsigned flips;

/* Delivers message `i` once for each of its bits, with that one flipped. */
static void deliver_flipped(size_t i, void (*after_each)(void))
{
        const struct bytes whole = rig_seen(&rig, i);
        uint8_t *changed = malloc(whole.n);

        assert_non_null(changed);
        for (size_t bit = 0; bit < 8 * whole.n; bit++) {
                memcpy(changed, whole.p, whole.n);
                changed[bit / 8] ^= (uint8_t)(1 << bit % 8);
                rig_deliver_payload(&rig, i, bytes_make(changed, whole.n));
                after_each();
                flips++;
        }
        free(changed);
}

static void nobody_is_up(void) { assert_int_equal(alice.ups + alice.closes + bob.ups + bob.closes, 0); }

static void bob_is_not_up(void) { assert_int_equal(bob.ups + bob.closes, 0); }

static void nobody_received(void)
{
        assert_int_equal(alice.received + bob.received, 0);
        assert_int_equal(alice.closes + bob.closes, 0);
}

/* --- C1: changes -------------------------------------------------------------------------------------------------------- */

static void C1_every_bit_of_the_three_handshake_messages(void **state)
{
        (void)state;
        const size_t m1 = hold_message_1();
        const size_t answers = rig.seen_count;

        flips = 0;
        deliver_flipped(m1, nobody_is_up);
        assert_true(rig.seen_count > answers + 200); /* most are first messages of somebody */
        for (size_t i = answers, end = rig.seen_count; i < end; i++) {
                rig_deliver(&rig, i); /* answers to what Alice never said */
                nobody_is_up();
        }
        const size_t m2 = step(m1);
        deliver_flipped(m2, nobody_is_up);
        const size_t m3 = step(m2);
        assert_int_equal(alice.ups, 1);
        deliver_flipped(m3, bob_is_not_up);
        rig_deliver(&rig, m3);
        assert_int_equal(bob.ups, 1);
        assert_true(flips > 6500);
        rig.hold = false;
        side_say(&alice, alice.up_last, &bob, "none of it did harm");
        side_say(&bob, bob.up_last, &alice, "nor here");
}

/* The messages with nonces 31, 32 and 33, so that one is the first under a new key; each changed one comes before the true one. */
static void C1_every_bit_of_three_data_messages_each_way(void **state)
{
        (void)state;
        struct channel *ours, *theirs;

        make_channel(&ours, &theirs);
        for (int i = 0; i < 31; i++) {
                side_say(&alice, ours, &bob, "before");
                side_say(&bob, theirs, &alice, "before");
        }
        rig.hold = true;
        flips = 0;
        for (unsigned i = 1; i <= 3; i++) {
                alice.received = bob.received = 0;
                side_send(&alice, ours, "echoer", BYTES_LITERAL("0"));
                side_send(&bob, theirs, "app", BYTES_LITERAL("1"));
                const size_t to_bob = rig.seen_count - 2, to_alice = rig.seen_count - 1;
                deliver_flipped(to_bob, nobody_received);
                deliver_flipped(to_alice, nobody_received);
                rig_deliver(&rig, to_bob);
                rig_deliver(&rig, to_alice);
                assert_int_equal(bob.received, 1);
                assert_int_equal(alice.received, 1);
        }
        assert_true(flips > 2500);
}

/* --- C2, C3, C8: repeats, orders, copies -------------------------------------------------------------------------------- */

static void C2_repeats_are_delivered_once(void **state)
{
        (void)state;
        struct channel *ours, *theirs;

        make_channel(&ours, &theirs);
        const size_t first = rig.seen_count;
        for (unsigned i = 0; i < 100; i++) {
                side_say(&alice, ours, &bob, "once");
                for (size_t k = first; k < rig.seen_count; k++)
                        rig_deliver(&rig, k);
                assert_int_equal(bob.received, i + 1);
        }
        assert_int_equal(rig_stat(&rig, STAT_REPLAYED), 100 * 101 / 2);
}

static void C3_other_orders_arrive(void **state)
{
        (void)state;
        struct channel *ours, *theirs;

        make_channel(&ours, &theirs);
        rig.hold = true;
        const size_t first = rig.seen_count;
        for (int i = 0; i < 96; i++)
                side_send(&alice, ours, "echoer", BYTES_LITERAL("x"));
        for (size_t block = 0; block < 96; block += 32) { /* each block of 32 backwards */
                for (size_t i = 32; i > 0; i--)
                        rig_deliver(&rig, first + block + i - 1);
        }
        assert_int_equal(bob.received, 96);
        side_send(&alice, ours, "echoer", BYTES_LITERAL("y"));
        for (int i = 0; i < 33; i++)
                side_send(&alice, ours, "echoer", BYTES_LITERAL("z"));
        rig_deliver(&rig, rig.seen_count - 1); /* 34 ahead of the last taken */
        assert_int_equal(bob.received, 96);
        rig_deliver(&rig, first + 96);
        rig_deliver(&rig, first + 97 + 31);
        assert_int_equal(bob.received, 98);
}

/* A whole session, played again to everyone it was not meant for. */
static void C8_copies_go_nowhere(void **state)
{
        (void)state;
        struct channel *ours, *theirs, *ours_2, *theirs_2;
        const size_t first = make_channel(&ours, &theirs);

        for (int i = 0; i < 10; i++) {
                side_say(&alice, ours, &bob, "to Bob");
                side_say(&bob, theirs, &alice, "to Alice");
        }
        const size_t end = rig.seen_count, second = make_channel(&ours_2, &theirs_2);
        const struct bytes decryptors[] = {sender_of(first), sender_of(first + 1), sender_of(second), sender_of(second + 1)};
        const unsigned ups = alice.ups + bob.ups, received = alice.received + bob.received;

        rig.hold = true;
        for (size_t d = 0; d < 4; d++) {
                for (size_t i = first; i < end; i++)
                        rig_deliver_to(&rig, i, decryptors[d]);
        }
        for (size_t i = first; i < end; i++) {
                rig_deliver_to(&rig, i, BYTES_LITERAL("listener"));
                rig_deliver_to(&rig, i, BYTES_LITERAL("carol"));
        }
        assert_int_equal(alice.ups + bob.ups + carol.ups, ups);
        assert_int_equal(alice.received + bob.received + carol.received, received);
        assert_int_equal(alice.closes + bob.closes + carol.closes, 0);
        rig.hold = false;
        side_say(&alice, ours, &bob, "the channel is as it was");
        side_say(&bob, theirs_2, &alice, "so is the other");
}

/* ... to a Bob who was restarted, and to an Alice who was. */
static void C8_a_session_is_nothing_to_restarted_ends(void **state)
{
        (void)state;
        struct channel *ours, *theirs;
        const size_t first = make_channel(&ours, &theirs);

        for (int i = 0; i < 10; i++) {
                side_say(&alice, ours, &bob, "to Bob");
                side_say(&bob, theirs, &alice, "to Alice");
        }
        const size_t end = rig.seen_count;
        side_restart(&bob, "listener");
        side_restart(&alice, NULL);
        alice.ups = bob.ups = alice.received = bob.received = 0;

        const size_t m1 = hold_message_1(); /* an Alice who waits for message 2, so that there is somebody to take one */
        const struct bytes waiting = sender_of(m1);
        for (size_t i = first; i < end; i++) {
                const size_t before = rig.seen_count;
                rig_deliver(&rig, i);
                rig_deliver_to(&rig, i, BYTES_LITERAL("listener"));
                rig_deliver_to(&rig, i, waiting);
                if (rig.seen_count == before) continue;
                for (size_t k = first; k < end; k++) /* Bob answered: all of it goes to that responder, too */
                        rig_deliver_to(&rig, k, sender_of(rig.seen_count - 1));
        }
        nobody_is_up();
        nobody_received();
        rig_deliver(&rig, step(step(m1)));
        assert_int_equal(bob.ups, 1);
        rig.hold = false;
        side_say(&alice, alice.up_last, &bob, "the true one is taken");
}

/* The copy overtakes the original: one of them is delivered. */
static void C8_a_copy_that_is_faster_is_delivered_once(void **state)
{
        (void)state;
        struct channel *ours, *theirs;
        const size_t m1 = make_channel(&ours, &theirs);

        rig.hold = true;
        for (unsigned i = 0; i < 50; i++) {
                side_send(&alice, ours, "echoer", BYTES_LITERAL("x"));
                rig_deliver_to(&rig, rig.seen_count - 1, sender_of(m1 + 1));
                assert_int_equal(bob.received, i + 1);
                rig_deliver(&rig, rig.seen_count - 1);
                assert_int_equal(bob.received, i + 1);
        }
}

/* The responder that answers a repeated message 1 has a key of its own: the recorded message 3 is nothing to it. */
static void C8_a_replayed_handshake_never_comes_up(void **state)
{
        (void)state;
        struct channel *ours, *theirs;
        const size_t m1 = make_channel(&ours, &theirs);

        rig.hold = true;
        for (int i = 0; i < 5; i++) {
                const size_t answer = step(m1);
                rig_deliver_to(&rig, m1 + 2, sender_of(answer));
                rig_deliver(&rig, answer); /* to Alice's decryptor, which is up */
        }
        assert_int_equal(bob.ups, 1);
        assert_int_equal(alice.ups, 1);
        rig.hold = false;
        side_say(&alice, ours, &bob, "still");
}

/* --- C6: drops ---------------------------------------------------------------------------------------------------------- */

/* `count` messages are lost on the way. Up to 31 the channel goes on, and says how many did not come; beyond, what follows is further ahead than
 * the window goes: it is refused, and only a new channel helps (as with the crate, whose window it is). */
static void drop_and_go_on(size_t lost)
{
        struct channel *ours, *theirs;
        const bool survives = lost <= REPLAY_WINDOW - 1;

        make_channel(&ours, &theirs);
        side_say(&alice, ours, &bob, "before");
        rig.sink = true;
        for (size_t i = 0; i < lost; i++)
                side_send(&alice, ours, "echoer", BYTES_LITERAL("lost"));
        rig.sink = false;
        const unsigned received = bob.received;
        const uint64_t refused = rig_stat(&rig, STAT_REPLAYED), missing = rig_stat(&rig, STAT_MISSING);
        for (unsigned i = 1; i <= 100; i++) {
                side_send(&alice, ours, "echoer", BYTES_LITERAL("after"));
                assert_int_equal(bob.received, survives ? received + i : received);
        }
        assert_int_equal(rig_stat(&rig, STAT_REPLAYED) - refused, survives ? 0 : 100);
        assert_int_equal(rig_stat(&rig, STAT_MISSING) - missing, survives ? lost : 0);
        assert_int_equal(bob.gaps, survives); /* one event for all of the gap */
        if (survives) assert_int_equal(bob.gap_last, lost);
        bob.gaps = 0;
        side_say(&bob, theirs, &alice, "the other direction is as it was");
        make_channel(&ours, &theirs);
        side_say(&alice, ours, &bob, "a new channel is there at once");
        rig_turn(&rig);
}

static void C6_drops_in_the_middle(void **state)
{
        (void)state;
        static const size_t drops[] = {1, 31, 32, 33, 1000};

        for (size_t i = 0; i < sizeof drops / sizeof *drops; i++)
                drop_and_go_on(drops[i]);
        assert_int_equal(alice.closes + bob.closes, 0);
}

/* What only came late is not said to be missing. */
static void C6_what_comes_late_is_not_missing(void **state)
{
        (void)state;
        struct channel *ours, *theirs;

        make_channel(&ours, &theirs);
        rig.hold = true;
        const size_t first = rig.seen_count;
        for (int i = 0; i < 200; i++)
                side_send(&alice, ours, "echoer", BYTES_LITERAL("x"));
        for (size_t block = 0; block < 200; block += 25) {
                for (size_t i = 25; i > 0; i--)
                        if (block + i - 1 != 70) rig_deliver(&rig, first + block + i - 1);
        }
        assert_int_equal(bob.received, 199);
        assert_int_equal(rig_stat(&rig, STAT_MISSING), 1);
}

/* --- C4: junk ----------------------------------------------------------------------------------------------------------- */

static void C4_junk_costs_nothing_but_its_counters(void **state)
{
        (void)state;
        struct channel *ours, *theirs;
        uint8_t junk[200];
        const size_t m1 = make_channel(&ours, &theirs);

        for (int i = 0; i < 3000; i++) {
                const size_t n = (size_t)context_random_below(&rig.tc.ctx, sizeof junk);
                struct writer w = writer_make(junk, sizeof junk);

                context_random(&rig.tc.ctx, junk, sizeof junk);
                if (i % 2) bare_put_uint(&w, n > 2 ? n - 2 : 0);                        /* half of it well-formed BARE */
                if (i % 4 == 1 && n > 10) memset(junk + w.n, i % 8 == 1 ? 0 : 0xff, 8); /* nonces that matter */
                rig_deliver_payload(&rig, m1 + 1, bytes_make(junk, n));
                rig_deliver_payload(&rig, m1 + 2, bytes_make(junk, n));
        }
        nobody_received();
        assert_int_equal(rig_stat(&rig, STAT_DECRYPT_FAILED) + rig_stat(&rig, STAT_REPLAYED) + rig_stat(&rig, STAT_DROP_UNDECODED), 6000);
        side_say(&alice, ours, &bob, "undisturbed");
        side_say(&bob, theirs, &alice, "undisturbed");
}

/* --- C10: floods -------------------------------------------------------------------------------------------------------- */

/* 10^5 first messages, half of them the same one again and again, a message of the live channel between any hundred of them. */
static void C10_a_flood_of_first_messages_is_bounded(void **state)
{
        (void)state;
        const size_t count = FULL_OR_SLOW(100000, 2000);
        struct channel *ours, *theirs;
        const size_t m1 = make_channel(&ours, &theirs);
        uint8_t message[1 + KEY_SIZE] = {KEY_SIZE};
        size_t held = 0;

        for (size_t i = 0; i < count; i++) {
                rig.sink = true;
                context_random(&rig.tc.ctx, message + 1, KEY_SIZE);
                if (i % 2) rig_deliver(&rig, m1);
                else rig_deliver_payload(&rig, m1, bytes_make(message, sizeof message));
                rig_turn(&rig);
                rig.sink = false;
                if (i == 1000) held = mallinfo2().uordblks;
                if (secrets_used() > KEYS_HELD + 64) fail_msg("%zu half-open ones", secrets_used() - KEYS_HELD);
                if (i % 1000 == 0) side_say(&alice, ours, &bob, "the live channel feels nothing");
        }
        assert_int_equal(secrets_used(), KEYS_HELD + 64);
        assert_int_equal(rig.sunk, count); /* one answer each, no more */
        assert_int_equal(rig_stat(&rig, STAT_HANDSHAKES_FULL), count - 64);
        assert_true(mallinfo2().uordblks <= held + (4 << 20)); /* of which the test's own wire takes most */
        side_say(&alice, ours, &bob, "nothing at all");

        test_context_advance(&rig.tc, 29999);
        assert_int_equal(secrets_used(), KEYS_HELD + 64);
        test_context_advance(&rig.tc, 1);
        assert_int_equal(secrets_used(), KEYS_HELD);
        assert_int_equal(bob.ups, 1);
        assert_int_equal(bob.closes, 0); /* nobody hears of handshakes that never were anything */
        side_say(&bob, theirs, &alice, "and goes on");
}

static void C10_the_oldest_gives_way(void **state)
{
        (void)state;
        const size_t m1 = hold_message_1();
        size_t answers[65];

        for (int i = 0; i < 65; i++)
                answers[i] = step(m1);
        rig_deliver(&rig, answers[64]); /* Alice takes the last answer, and with it the newest responder */
        assert_int_equal(alice.ups, 1);
        const uint64_t dropped = rig_stat(&rig, STAT_DROP_NO_WORKER);
        rig_deliver_to(&rig, rig.seen_count - 1, sender_of(answers[0]));
        assert_int_equal(rig_stat(&rig, STAT_DROP_NO_WORKER), dropped + 1); /* the first is gone */
        rig_deliver_to(&rig, rig.seen_count - 1, sender_of(answers[1]));
        assert_int_equal(rig_stat(&rig, STAT_DROP_NO_WORKER), dropped + 1); /* the second waits still */
        rig_deliver(&rig, rig.seen_count - 1);
        assert_int_equal(bob.ups, 1);
}

static void C10_what_is_no_message_1_pushes_out_nobody(void **state)
{
        (void)state;
        const size_t m1 = hold_message_1(), m2 = step(m1);
        uint8_t message[1 + KEY_SIZE] = {KEY_SIZE - 1};
        struct message msg = {.payload = rig_seen(&rig, m1)};
        const struct bytes to = BYTES_LITERAL("listener");

        for (size_t i = 0; i < 200; i++) {
                rig_deliver_payload(&rig, m1, bytes_make(message, i % (KEY_SIZE + 1))); /* short ones */
                assert_ok(route_of_locals(router_arena(rig.router), &to, 1, &msg.onward));
                router_post(rig.router, (struct origin){ORIGIN_TCP, 1, NULL}, msg); /* no way back */
        }
        assert_int_equal(rig.seen_count, m2 + 1);
        rig_deliver(&rig, m2);
        rig_deliver(&rig, rig.seen_count - 1);
        assert_int_equal(bob.ups, 1);
}

/* --- C12, C13 ----------------------------------------------------------------------------------------------------------- */

/* Carol sits between: Alice reaches her instead of Bob, she opens a channel of her own to Bob. Bob sees Carol, never Alice;
 * and Alice, who wants Bob, does not take Carol. */
static void C12_unknown_key_share(void **state)
{
        (void)state;
        struct channel *alice_to_carol = side_connect(&alice, &carol, "carol"), *carol_to_bob = side_connect(&carol, &bob, "listener");

        assert_true(identifier_equal(channel_peer(alice_to_carol), &carol.party.id));
        assert_true(identifier_equal(channel_peer(bob.up_last), &carol.party.id));
        assert_memory_not_equal(channel_hash(alice_to_carol), channel_hash(bob.up_last), HASH_SIZE);
        side_say(&carol, carol_to_bob, &bob, "as Alice?");
        assert_true(identifier_equal(&bob.origin_peer, &carol.party.id));

        side_trust(&alice, &bob.party.id);
        side_start(&alice, "carol", 5000);
        test_context_advance(&rig.tc, 0);
        assert_int_equal(alice.closed_err, ERR_UNTRUSTED);

        side_trust(&bob, &alice.party.id);
        const unsigned ups = bob.ups;
        side_start(&carol, "listener", 5000);
        test_context_advance(&rig.tc, 0);
        assert_int_equal(bob.ups, ups);
}

/* Alice's handshake messages relayed as they are: the channel is between Alice and Bob, whoever carries it. */
static void C12_a_relay_that_only_carries_gains_nothing(void **state)
{
        (void)state;
        struct channel *ours, *theirs;
        const size_t m1 = make_channel(&ours, &theirs);

        rig.hold = true;
        rig_deliver_to(&rig, m1 + 1, sender_of(m1)); /* message 2 to Alice again */
        rig_deliver_to(&rig, m1 + 2, BYTES_LITERAL("carol"));
        assert_int_equal(carol.ups, 0);
        assert_true(identifier_equal(channel_peer(theirs), &alice.party.id));
        assert_memory_equal(channel_hash(ours), channel_hash(theirs), HASH_SIZE);
}

/* Somebody with Alice's first key, after she rotated it away. */
static void C13_an_older_history_after_a_longer_one(void **state)
{
        (void)state;
        struct side versions[4];
        static const char *const apps[] = {"v0", "v1", "v2", "v3"};

        for (uint8_t i = 0; i < 4; i++)
                side_init(&versions[i], &rig, 7, i + 1u, NULL, apps[i], NULL);
        for (size_t seen = 0; seen < 4; seen++) {
                side_connect(&versions[seen], &bob, "listener");
                for (size_t i = 0; i <= seen; i++) {
                        const unsigned ups = bob.ups;
                        side_start(&versions[i], "listener", 5000);
                        test_context_advance(&rig.tc, 0);
                        assert_int_equal(bob.ups, i < seen ? ups : ups + 1);
                }
        }
        side_connect(&versions[0], &carol, "carol"); /* whoever never saw the longer one cannot know */
        for (size_t i = 0; i < 4; i++)
                side_clear(&versions[i]);
}

static void C13_a_refused_peer_is_not_remembered(void **state)
{
        (void)state;
        struct side old, new;

        side_init(&old, &rig, 7, 1, NULL, "old", NULL);
        side_init(&new, &rig, 7, 2, NULL, "new", NULL);
        side_trust(&bob, &alice.party.id);
        side_start(&new, "listener", 5000);
        test_context_advance(&rig.tc, 0);
        assert_int_equal(bob.ups, 0);
        bob.trust = (struct trust){.everyone = true};
        side_connect(&old, &bob, "listener");
        side_clear(&old);
        side_clear(&new);
}

/* --- C15: every message in every state ---------------------------------------------------------------------------------- */

/* Everything that could be sent: a recorded session's handshake and data, both ways, and what other protocols would send. */
enum { KINDS = 11 };
static struct bytes kinds[KINDS];

static void record_kinds(void)
{
        struct channel *ours, *theirs;
        static const uint8_t plain[] = {19,   0x82, 0,    0x81, 0x83, 0x81, 0xa2, 1,    0,    2,
                                        0x86, 0x18, 0x65, 0x18, 0x63, 0x18, 0x68, 0x18, 0x6f, 0x80};
        static const uint8_t old_nonce[] = {20, 0,  0,  1,  2,  3,  4,  5,  6,  7, 8,
                                            9,  10, 11, 12, 13, 14, 15, 16, 17, 18}; /* 16 bits of nonce, as in 2021 */
        static const uint8_t nothing[] = {0}, zeros[1 + 200] = {199, 1};
        const size_t m1 = make_channel(&ours, &theirs);

        side_say(&alice, ours, &bob, "0");
        side_say(&bob, theirs, &alice, "0");
        channel_close(ours);
        for (size_t i = 0; i < 6; i++)
                kinds[i] = rig_seen(&rig, m1 + i);
        kinds[6] = bytes_make(plain, sizeof plain);
        kinds[7] = bytes_make(old_nonce, sizeof old_nonce);
        kinds[8] = bytes_make(nothing, sizeof nothing);
        kinds[9] = bytes_make(zeros, sizeof zeros);
        kinds[10] = BYTES_NONE;
        rig_turn(&rig);
        alice.ups = alice.closes = alice.received = bob.ups = bob.closes = bob.received = 0;
}

static void deliver_kinds(size_t i)
{
        for (size_t k = 0; k < KINDS; k++)
                rig_deliver_payload(&rig, i, kinds[k]);
}

static void C15_each_kind_in_each_state(void **state)
{
        (void)state;
        record_kinds();
        const size_t m1 = hold_message_1();
        const uint64_t started = rig_stat(&rig, STAT_HANDSHAKES_STARTED);

        deliver_kinds(m1); /* to the listener: whatever is 32 bytes long may be a first message, the rest is not */
        assert_int_equal(rig_stat(&rig, STAT_HANDSHAKES_STARTED) - started, 5 + 1); /* all recorded but close, and the 199 bytes */
        nobody_is_up();
        const size_t m2 = step(m1);
        deliver_kinds(m2); /* to Alice, who waits for message 2 */
        nobody_is_up();
        const size_t m3 = step(m2);
        deliver_kinds(m2); /* to Alice, who is up */
        deliver_kinds(m3); /* to Bob, who waits for message 3 */
        bob_is_not_up();
        rig_deliver(&rig, m3);
        deliver_kinds(m3); /* to Bob, who is up */
        rig_deliver(&rig, m2);
        rig_deliver(&rig, m3);
        rig_deliver(&rig, m1);
        assert_int_equal(alice.ups, 1);
        assert_int_equal(bob.ups, 1);
        nobody_received();
        rig.hold = false;
        side_say(&alice, alice.up_last, &bob, "as if nothing had been");
        side_say(&bob, bob.up_last, &alice, "indeed");
}

/* Data of the very channel before its responder has message 3: early, lost, and nothing else. */
static void C15_data_before_message_3(void **state)
{
        (void)state;
        const size_t m1 = hold_message_1(), m2 = step(m1), m3 = step(m2);

        side_send(&alice, alice.up_last, "echoer", BYTES_LITERAL("early"));
        rig_deliver(&rig, m3 + 1);
        bob_is_not_up();
        rig_deliver(&rig, m3);
        assert_int_equal(bob.ups, 1);
        assert_int_equal(bob.received, 0);
        rig_deliver(&rig, m3 + 1); /* it may well come again */
        assert_int_equal(bob.received, 1);
}

static void C16_a_low_order_first_message(void **state)
{
        (void)state;
        const size_t m1 = hold_message_1();
        uint8_t zeros[1 + KEY_SIZE] = {KEY_SIZE};

        rig_deliver_payload(&rig, m1, bytes_make(zeros, sizeof zeros));
        assert_int_equal(rig.seen_count, m1 + 1); /* no answer, nothing kept */
        assert_int_equal(secrets_used(), KEYS_HELD + 1);
        rig_deliver(&rig, step(step(m1)));
        assert_int_equal(bob.ups, 1);
}

/* --- routes ------------------------------------------------------------------------------------------------------------- */

/* Delivers message `i` with another way back than it had. */
static void deliver_from(size_t i, const struct bytes *back, size_t count)
{
        struct message msg = {.onward = rig.seen[i].onward.route, .payload = rig_seen(&rig, i)};

        assert_ok(route_of_locals(router_arena(rig.router), back, count, &msg.ret));
        router_post(rig.router, (struct origin){ORIGIN_TCP, 1, NULL}, msg);
}

static void the_responders_route_is_that_of_message_1_for_good(void **state)
{
        (void)state;
        const struct bytes elsewhere[] = {BYTES_LITERAL("wire"), BYTES_LITERAL("elsewhere")};
        const size_t m1 = hold_message_1(), m2 = step(m1), m3 = step(m2);

        deliver_from(m3, elsewhere, 2);
        assert_int_equal(bob.ups, 1);
        side_send(&alice, alice.up_last, "echoer", BYTES_LITERAL("x"));
        deliver_from(rig.seen_count - 1, elsewhere, 2);
        assert_int_equal(bob.received, 1);
        rig.hold = false;
        side_say(&bob, bob.up_last, &alice, "this way as before");
}

static void ways_back_that_do_not_fit_are_refused(void **state)
{
        (void)state;
        static uint8_t long_name[5000];
        const struct bytes too_long[] = {BYTES_LITERAL("wire"), {long_name, sizeof long_name}};
        const size_t m1 = hold_message_1();

        deliver_from(m1, too_long, 2);
        deliver_from(m1, NULL, 0);
        assert_int_equal(rig.seen_count, m1 + 1);
        const size_t m2 = step(m1);
        deliver_from(m2, too_long, 2);
        deliver_from(m2, NULL, 0);
        nobody_is_up();
        rig_deliver(&rig, step(m2)); /* the true one is still taken */
        assert_int_equal(bob.ups, 1);
        assert_int_equal(rig_stat(&rig, STAT_DROP_UNDECODED), 4);
}

/* --- C23: who may reach what -------------------------------------------------------------------------------------------- */

static void C23_each_address_from_each_origin(void **state)
{
        (void)state;
        struct channel *ours, *theirs;
        const size_t m1 = make_channel(&ours, &theirs);
        const struct {
                struct bytes address;
                unsigned accepts;
        } addresses[] = {
                {BYTES_LITERAL("listener"), ORIGINS_OUTSIDE}, {sender_of(m1), ORIGINS_OUTSIDE}, /* Alice's decryptor */
                {sender_of(m1 + 1), ORIGINS_OUTSIDE},                                           /* Bob's */
                {channel_address(ours), ORIGIN_LOCAL},                                          /* the encryptors */
                {channel_address(theirs), ORIGIN_LOCAL},      {BYTES_LITERAL("echoer"), ORIGINS_CHANNEL},
        };
        const uint8_t peer[IDENTIFIER_SIZE] = {0};
        unsigned delivered = 0;

        rig.hold = true;
        for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
                for (unsigned kind = ORIGIN_LOCAL; kind <= ORIGIN_CHANNEL_UNTRUSTED; kind <<= 1) {
                        const uint64_t refused = rig_stat(&rig, STAT_DROP_NOT_ALLOWED);
                        struct message msg = {.payload = BYTES_LITERAL("\x01x")};

                        assert_ok(route_of_locals(router_arena(rig.router), &addresses[i].address, 1, &msg.onward));
                        router_post(rig.router, (struct origin){(enum origin_kind)kind, 0, peer}, msg);
                        const bool taken = rig_stat(&rig, STAT_DROP_NOT_ALLOWED) == refused;
                        assert_int_equal(taken, (addresses[i].accepts & kind) != 0);
                        delivered += taken;
                }
        }
        assert_int_equal(delivered, 3 * 2 + 2 + 2);
        assert_int_equal(rig_stat(&rig, STAT_DROP_NO_WORKER), 0);
}

/* The authenticated peer names Bob's inner addresses: only what is meant for channels is reached. */
static void C23_the_peer_reaches_only_what_is_meant_for_it(void **state)
{
        (void)state;
        struct channel *ours, *theirs, *ours_2, *theirs_2;
        const size_t m1 = make_channel(&ours, &theirs);
        const size_t n1 = make_channel(&ours_2, &theirs_2);
        const uint64_t refused = rig_stat(&rig, STAT_DROP_NOT_ALLOWED);
        const struct bytes inner[] = {BYTES_LITERAL("listener"), BYTES_LITERAL("wire"),   sender_of(m1 + 1),
                                      sender_of(n1 + 1),         channel_address(theirs), channel_address(theirs_2)};
        const size_t seen = rig.seen_count;

        for (size_t i = 0; i < 6; i++) {
                char name[40] = {0};
                memcpy(name, inner[i].p, inner[i].n);
                side_send(&alice, ours, name, BYTES_LITERAL("in"));
        }
        assert_int_equal(rig_stat(&rig, STAT_DROP_NOT_ALLOWED), refused + 6);
        assert_int_equal(rig.seen_count, seen + 6); /* Alice's own six messages and nothing that follows from them */
        side_say(&alice, ours, &bob, "the echoer is");
}

#define with_rig(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                with_rig(C1_every_bit_of_the_three_handshake_messages),
                with_rig(C1_every_bit_of_three_data_messages_each_way),
                with_rig(C2_repeats_are_delivered_once),
                with_rig(C3_other_orders_arrive),
                with_rig(C8_copies_go_nowhere),
                with_rig(C8_a_session_is_nothing_to_restarted_ends),
                with_rig(C8_a_copy_that_is_faster_is_delivered_once),
                with_rig(C8_a_replayed_handshake_never_comes_up),
                with_rig(C6_drops_in_the_middle),
                with_rig(C6_what_comes_late_is_not_missing),
                with_rig(C4_junk_costs_nothing_but_its_counters),
                with_rig(C10_a_flood_of_first_messages_is_bounded),
                with_rig(C10_the_oldest_gives_way),
                with_rig(C10_what_is_no_message_1_pushes_out_nobody),
                with_rig(C12_unknown_key_share),
                with_rig(C12_a_relay_that_only_carries_gains_nothing),
                with_rig(C13_an_older_history_after_a_longer_one),
                with_rig(C13_a_refused_peer_is_not_remembered),
                with_rig(C15_each_kind_in_each_state),
                with_rig(C15_data_before_message_3),
                with_rig(C16_a_low_order_first_message),
                with_rig(the_responders_route_is_that_of_message_1_for_good),
                with_rig(ways_back_that_do_not_fit_are_refused),
                with_rig(C23_each_address_from_each_origin),
                with_rig(C23_the_peer_reaches_only_what_is_meant_for_it),
        };

        logger_set_level(LOG_LEVEL_ERROR);
        if (crypto_init(NULL) || secrets_init(128)) return 1;
        const int failed = cmocka_run_group_tests(tests, NULL, NULL);
        secrets_clear();
        return failed;
}
