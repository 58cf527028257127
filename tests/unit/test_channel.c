/* Secure channels between workers: how they begin, carry messages, and end. What attackers try is in test_channel_attacks.c. */
#include "tests/support/channel_rig.h"
#include "tests/support/test.h"
#include "tests/support/vectors.h"
#include "transport/base/logger.h"
#include "transport/secure_channel/secrets.h"

#include <stdio.h>

static struct rig rig;
static struct side alice, bob;

static int set_up(void **state)
{
        (void)state;
        rig_init(&rig, 1);
        side_init(&alice, &rig, 1, 1, NULL, "app", NULL);
        side_init(&bob, &rig, 2, 1, "listener", "echoer", NULL);
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

static void a_handshake_and_an_echo(void **state)
{
        (void)state;
        struct channel *channel = side_connect(&alice, &bob, "listener"), *other = bob.up_last;

        assert_int_equal(rig.seen_count, 3);
        assert_true(channel_is_initiator(channel));
        assert_false(channel_is_initiator(other));
        bob.echo = true;
        side_say(&alice, channel, &bob, "hello");
        assert_int_equal(alice.received, 1);
        assert_memory_equal(alice.text, "hello", 5);
        assert_int_equal(rig.seen_count, 5);
        assert_int_equal(rig_stat(&rig, STAT_HANDSHAKES_STARTED), 2);
        assert_int_equal(rig_stat(&rig, STAT_HANDSHAKES_DONE), 2);
        assert_int_equal(rig_stat(&rig, STAT_HANDSHAKES_FAILED), 0);
}

static void the_origin_says_who_it_was(void **state)
{
        (void)state;
        side_trust(&bob, &alice.party.id);
        struct channel *channel = side_connect(&alice, &bob, "listener"); /* Alice lets in everyone, Bob only her */

        side_say(&alice, channel, &bob, "a");
        side_say(&bob, bob.up_last, &alice, "b");
        assert_int_equal(bob.origin.kind, ORIGIN_CHANNEL);
        assert_true(identifier_equal(&bob.origin_peer, &alice.party.id));
        assert_true(channel_peer_is_named(bob.up_last));
        assert_int_equal(alice.origin.kind, ORIGIN_CHANNEL_UNTRUSTED);
        assert_true(identifier_equal(&alice.origin_peer, &bob.party.id));
        assert_false(channel_peer_is_named(channel));
        assert_int_equal(bob.ret_count, 2); /* the encryptor, then Alice's worker */
}

static void C12_both_ends_have_one_hash_and_name_each_other(void **state)
{
        (void)state;
        struct channel *first = side_connect(&alice, &bob, "listener"), *first_at_bob = bob.up_last;
        struct channel *second = side_connect(&alice, &bob, "listener"), *second_at_bob = bob.up_last;

        assert_memory_equal(channel_hash(first), channel_hash(first_at_bob), HASH_SIZE);
        assert_memory_equal(channel_hash(second), channel_hash(second_at_bob), HASH_SIZE);
        assert_memory_not_equal(channel_hash(first), channel_hash(second), HASH_SIZE);
        assert_true(identifier_equal(channel_peer(first), &bob.party.id));
        assert_true(identifier_equal(channel_peer(first_at_bob), &alice.party.id));
}

static void nothing_happens_before_connect_returns(void **state)
{
        (void)state;
        side_start(&alice, "listener", 5000);
        assert_int_equal(rig.seen_count, 0);
        assert_int_equal(alice.ups + alice.closes, 0);
        test_context_advance(&rig.tc, 0);
        assert_int_equal(alice.ups, 1);
}

/* Addresses: two random ones a side; handshake messages come from the decryptor, encrypted ones from the encryptor. */
static bool first_of(struct route route, struct bytes *out)
{
        struct address front;
        const bool is = route_front(route, &front);

        if (is) *out = front.value;
        return is;
}

static void each_side_has_two_addresses(void **state)
{
        (void)state;
        struct channel *channel = side_connect(&alice, &bob, "listener");
        struct bytes from[5], to[5];

        side_say(&alice, channel, &bob, "a");
        side_say(&bob, bob.up_last, &alice, "b");
        for (size_t i = 0; i < 5; i++) {
                assert_int_equal(rig.seen[i].ret.route.count, 2);
                assert_true(first_of(route_rest(rig.seen[i].ret.route), &from[i]) && first_of(rig.seen[i].onward.route, &to[i]));
                assert_int_equal(from[i].n, 32);
        }
        assert_bytes_equal("message 2 goes to Alice's decryptor", to[1], from[0]);
        assert_bytes_equal("message 3 comes from it", from[2], from[0]);
        assert_bytes_equal("and goes to Bob's", to[2], from[1]);
        assert_bytes_equal("Alice's messages go there too", to[3], from[1]);
        assert_bytes_equal("and come from her encryptor", from[3], channel_address(channel));
        assert_bytes_equal("Bob's come from his", from[4], channel_address(bob.up_last));
        assert_bytes_equal("and go to Alice's decryptor", to[4], from[0]);
        assert_memory_not_equal(from[3].p, from[0].p, 32);
        assert_memory_not_equal(from[4].p, from[1].p, 32);
}

static void a_dialogue_across_many_rekeys(void **state)
{
        (void)state;
        struct channel *channel = side_connect(&alice, &bob, "listener");
        char text[64];

        for (int i = 0; i < 300; i++) {
                snprintf(text, sizeof text, "message %d", i);
                side_say(&alice, channel, &bob, text);
                if (i % 3 == 0) side_say(&bob, bob.up_last, &alice, text);
        }
        assert_int_equal(alice.received, 100);
        assert_int_equal(bob.received, 300);
        assert_int_equal(rig_stat(&rig, STAT_DECRYPT_FAILED) + rig_stat(&rig, STAT_REPLAYED), 0);
}

static void many_channels_at_once_do_not_mix(void **state)
{
        (void)state;
        enum { MANY = 20 };
        struct channel *ours[MANY], *theirs[MANY];

        rig.hold = true; /* all handshakes side by side */
        for (int i = 0; i < MANY; i++)
                ours[i] = side_start(&alice, "listener", 5000);
        test_context_advance(&rig.tc, 0);
        assert_int_equal(rig.seen_count, MANY);
        for (size_t i = 0; i < rig.seen_count; i++) {
                rig_deliver(&rig, i);
                if (i >= 2 * MANY) theirs[i - 2 * MANY] = bob.up_last;
        }
        rig.hold = false;
        assert_int_equal(alice.ups, MANY);
        assert_int_equal(bob.ups, MANY);
        for (int i = 0; i < MANY; i++) {
                assert_memory_equal(channel_hash(ours[i]), channel_hash(theirs[i]), HASH_SIZE);
                side_say(&alice, ours[i], &bob, "there");
                side_say(&bob, theirs[i], &alice, "and back");
        }
}

/* --- ends --------------------------------------------------------------------------------------------------------------- */

static void close_ends_exactly_this_channel(void **state)
{
        (void)state;
        struct channel *first = side_connect(&alice, &bob, "listener"), *first_at_bob = bob.up_last;
        struct channel *second = side_connect(&alice, &bob, "listener"), *second_at_bob = bob.up_last;
        const size_t seen = rig.seen_count;

        channel_close(first);
        assert_int_equal(rig.seen_count, seen + 1); /* one close, none back */
        assert_int_equal(bob.closes, 1);
        assert_int_equal(bob.closed_err, ERR_CLOSED);
        assert_ptr_equal(bob.closed_last, first_at_bob);
        assert_int_equal(alice.closes, 0); /* who closes is not told */
        side_say(&alice, second, &bob, "still here");

        channel_close(second_at_bob);
        assert_int_equal(alice.closes, 1);
        assert_ptr_equal(alice.closed_last, second);
        channel_close(second); /* it has ended: nothing */
        assert_int_equal(rig.seen_count, seen + 3);
        rig_turn(&rig);
}

/* The crate's responder that still waits for message 3 ends its process on anything shorter than the encrypted key in it. */
static void a_close_to_the_unheard_is_no_shorter_than_an_encrypted_key(void **state)
{
        (void)state;
        struct channel *channel = side_connect(&alice, &bob, "listener"), *second = side_connect(&alice, &bob, "listener");
        const size_t seen = rig.seen_count;

        channel_close(channel);
        assert_int_equal(rig.seen_count, seen + 1);
        assert_int_equal(rig_seen(&rig, seen).n, 1 + KEY_SIZE + TAG_SIZE); /* with its length before it */
        assert_int_equal(bob.closed_err, ERR_CLOSED);
        side_say(&bob, bob.up_last, &alice, "heard");
        channel_close(second);
        assert_int_equal(rig_seen(&rig, seen + 2).n, 1 + NONCE_SIZE + 3 + TAG_SIZE);
}

static void what_is_sent_to_an_ended_channel_is_dropped(void **state)
{
        (void)state;
        struct channel *channel = side_connect(&alice, &bob, "listener");
        const uint64_t dropped = rig_stat(&rig, STAT_DROP_NO_WORKER);

        channel_close(channel);
        side_send(&alice, channel, "echoer", BYTES_LITERAL("late")); /* the turn has not ended yet: the address is still readable */
        assert_int_equal(bob.received, 0);
        assert_int_equal(rig_stat(&rig, STAT_DROP_NO_WORKER), dropped + 1);
}

static void freeing_the_channels_closes_all_of_them(void **state)
{
        (void)state;
        for (int i = 0; i < 3; i++)
                side_connect(&alice, &bob, "listener");
        rig.hold = true;
        side_start(&alice, "listener", 5000);
        test_context_advance(&rig.tc, 0);
        rig_deliver(&rig, rig.seen_count - 1); /* Bob has a half-open one now */
        rig.hold = false;
        assert_int_equal(secrets_used(), 4 + 2); /* two keys each, two handshakes */
        channels_free(bob.channels);
        bob.channels = NULL;
        assert_int_equal(alice.closes, 3);
        assert_int_equal(secrets_used(), 4 + 1);
        channels_free(alice.channels);
        alice.channels = NULL;
        rig_turn(&rig);
        assert_int_equal(secrets_used(), 4);
}

static void close_at_once(struct side *side, struct channel *channel)
{
        (void)side;
        channel_close(channel);
        channel_close(channel);
}

static void free_at_once(struct side *side, struct channel *channel)
{
        (void)channel;
        channels_free(side->channels);
        side->channels = NULL;
}

static void the_user_may_close_or_free_inside_of_events(void **state)
{
        (void)state;
        bob.on_up = close_at_once;
        side_start(&alice, "listener", 5000);
        test_context_advance(&rig.tc, 0);
        assert_int_equal(bob.ups, 1);
        assert_int_equal(alice.closed_err, ERR_CLOSED);

        alice.on_up = close_at_once;
        bob.on_up = NULL;
        side_start(&alice, "listener", 5000);
        test_context_advance(&rig.tc, 0);
        assert_int_equal(bob.closes, 1);

        alice.on_up = NULL;
        alice.on_closed = free_at_once;
        side_connect(&alice, &bob, "listener");
        side_connect(&alice, &bob, "listener");
        channel_close(bob.up_last);
        assert_null(alice.channels);
        assert_int_equal(bob.closes, 2); /* the other one, since Alice freed all */
        rig_turn(&rig);
}

static void the_user_may_free_when_a_channel_comes_up(void **state)
{
        (void)state;
        bob.on_up = free_at_once;
        side_start(&alice, "listener", 5000);
        test_context_advance(&rig.tc, 0);
        assert_int_equal(alice.closed_err, ERR_CLOSED);
        assert_null(bob.channels);
}

static void send_at_once(struct side *side, struct channel *channel) { side_send(side, channel, "echoer", BYTES_LITERAL("first words")); }

static void the_initiator_may_send_as_soon_as_it_is_up(void **state)
{
        (void)state;
        alice.on_up = send_at_once;
        side_start(&alice, "listener", 5000);
        test_context_advance(&rig.tc, 0);
        assert_int_equal(bob.received, 1);
        assert_memory_equal(bob.text, "first words", 11);
}

/* --- refusals and timeouts ---------------------------------------------------------------------------------------------- */

static void a_refusal_by_the_responder_is_silent(void **state)
{
        (void)state;
        struct party stranger;

        party_init(&stranger, 9, 1, rig.tc.utc_s);
        side_trust(&bob, &stranger.id);
        struct channel *channel = side_start(&alice, "listener", 5000);
        test_context_advance(&rig.tc, 0);
        assert_int_equal(alice.ups, 1); /* nothing proves yet that Bob took her */
        assert_int_equal(bob.ups + bob.closes, 0);
        assert_int_equal(bob.refusals, 1); /* he knows */
        assert_int_equal(bob.refused_err, ERR_UNTRUSTED);
        assert_int_equal(rig.seen_count, 3);
        side_send(&alice, channel, "echoer", BYTES_LITERAL("anyone?"));
        test_context_advance(&rig.tc, 60000);
        assert_int_equal(rig.seen_count, 4);
        assert_int_equal(bob.received, 0);
        assert_int_equal(alice.closes, 0);
        assert_int_equal(rig_stat(&rig, STAT_HANDSHAKES_FAILED), 1);
        party_clear(&stranger);
}

static void a_refusal_by_the_initiator_shows_nothing_of_it(void **state)
{
        (void)state;
        side_trust(&alice, &alice.party.id);
        struct channel *channel = side_start(&alice, "listener", 5000);

        test_context_advance(&rig.tc, 0);
        assert_int_equal(rig.seen_count, 2); /* message 3, with her identity, is never sent */
        assert_int_equal(alice.ups, 0);
        assert_int_equal(alice.closes, 1);
        assert_ptr_equal(alice.closed_last, channel);
        assert_int_equal(alice.closed_err, ERR_UNTRUSTED);
        assert_non_null(strstr(alice.closed_why, "not a trusted identity"));
        test_context_advance(&rig.tc, 29999);
        assert_int_equal(secrets_used(), 4 + 1);
        test_context_advance(&rig.tc, 1); /* Bob forgets her */
        assert_int_equal(secrets_used(), 4);
        assert_int_equal(bob.ups + bob.closes, 0);
}

static void an_unanswered_handshake_ends_in_time(void **state)
{
        (void)state;
        side_start(&alice, "nobody here", 1500);
        test_context_advance(&rig.tc, 1499);
        assert_int_equal(alice.closes, 0);
        test_context_advance(&rig.tc, 1);
        assert_int_equal(alice.closes, 1);
        assert_int_equal(alice.closed_err, ERR_TIMEOUT);
        test_context_advance(&rig.tc, 100000);
        assert_int_equal(alice.closes, 1);
}

static void C14_an_expired_key_names_the_clock(void **state)
{
        (void)state;
        rig.tc.utc_s += 6ull * 365 * 24 * 3600; /* purpose keys live for five years */
        side_start(&alice, "listener", 5000);
        test_context_advance(&rig.tc, 0);
        assert_int_equal(alice.closed_err, ERR_EXPIRED);
        assert_non_null(strstr(alice.closed_why, "clock"));
}

/* The same seen from Bob: his own clock, or that of whoever comes. */
static void C14_a_responder_names_the_clock_too(void **state)
{
        (void)state;
        struct side early;

        rig.tc.utc_s += 86400;
        side_init(&early, &rig, 7, 1, NULL, "early", NULL); /* made tomorrow ... */
        rig.tc.utc_s -= 86400;
        side_start(&early, "listener", 5000);
        test_context_advance(&rig.tc, 0);
        assert_int_equal(early.ups, 1);
        assert_int_equal(bob.ups, 0);
        assert_int_equal(bob.refused_err, ERR_EXPIRED);
        assert_non_null(strstr(bob.refused_why, "clock"));
        side_clear(&early);
}

static void a_handshake_given_up_says_nothing(void **state)
{
        (void)state;
        struct channel *channel = side_start(&alice, "listener", 5000);

        channel_close(channel);
        test_context_advance(&rig.tc, 10000);
        assert_int_equal(rig.seen_count, 0);
        assert_int_equal(alice.ups + alice.closes, 0);
        assert_int_equal(rig_stat(&rig, STAT_HANDSHAKES_FAILED), 1);

        rig.hold = true;
        channel = side_start(&alice, "listener", 5000);
        test_context_advance(&rig.tc, 0);
        channel_close(channel);
        rig.hold = false;
        rig_deliver(&rig, 0); /* the answer finds nobody */
        assert_int_equal(alice.ups + alice.closes + bob.ups, 0);
}

/* --- limits ------------------------------------------------------------------------------------------------------------- */

static void channels_are_bounded(void **state)
{
        (void)state;
        struct channel_limits limits = CHANNEL_LIMITS_DEFAULT;
        struct side carol, dave;
        const struct bytes to = BYTES_LITERAL("wire");
        struct route route;
        struct channel *channel;

        limits.channels = 2;
        side_init(&carol, &rig, 3, 1, "carol", "carol-app", &limits);
        side_init(&dave, &rig, 4, 1, "dave", "dave-app", NULL);
        side_connect(&carol, &dave, "dave");
        side_connect(&dave, &carol, "carol");
        assert_ok(route_of_locals(router_arena(rig.router), &to, 1, &route));
        assert_err(channels_connect(carol.channels, route, &carol.trust, 1, &channel), ERR_FULL);
        const uint64_t full = rig_stat(&rig, STAT_HANDSHAKES_FULL);
        side_start(&dave, "carol", 5000);
        test_context_advance(&rig.tc, 5000);
        assert_int_equal(dave.closed_err, ERR_TIMEOUT);
        assert_int_equal(rig_stat(&rig, STAT_HANDSHAKES_FULL), full + 1);
        assert_int_equal(carol.ups, 2);
        side_clear(&carol);
        side_clear(&dave);
}

/* Filled up between a responder's messages 2 and 3. */
static void channels_are_bounded_to_the_last(void **state)
{
        (void)state;
        struct channel_limits limits = CHANNEL_LIMITS_DEFAULT;
        struct side carol;

        limits.channels = 1;
        side_init(&carol, &rig, 3, 1, "carol", "carol-app", &limits);
        rig.hold = true;
        side_start(&alice, "carol", 5000);
        side_start(&alice, "carol", 5000);
        test_context_advance(&rig.tc, 0);
        for (size_t i = 0; i < rig.seen_count; i++)
                rig_deliver(&rig, i);
        rig.hold = false;
        assert_int_equal(rig.seen_count, 6);
        assert_int_equal(carol.ups, 1);
        assert_int_equal(rig_stat(&rig, STAT_HANDSHAKES_FULL), 1);
        side_clear(&carol);
}

static void no_secret_slot_is_an_error_not_a_crash(void **state)
{
        (void)state;
        void *taken[256];
        size_t n = 0;
        const struct bytes to = BYTES_LITERAL("wire");
        struct route route;
        struct channel *channel = NULL;

        while ((taken[n] = secret_new()))
                n++;
        assert_ok(route_of_locals(router_arena(rig.router), &to, 1, &route));
        assert_err(channels_connect(alice.channels, route, &alice.trust, 1, &channel), ERR_FULL);
        assert_null(channel);
        secret_free(taken[--n]);
        side_start(&alice, "listener", 5000); /* she has one, Bob finds none */
        test_context_advance(&rig.tc, 5000);
        assert_int_equal(alice.closed_err, ERR_TIMEOUT);
        while (n > 0)
                secret_free(taken[--n]);
}

static void a_taken_listener_address_is_an_error(void **state)
{
        (void)state;
        assert_err(channels_listen(alice.channels, BYTES_LITERAL("listener"), &alice.trust), ERR_UNEXPECTED);
}

/* --- sizes -------------------------------------------------------------------------------------------------------------- */

static void a_message_too_large_for_any_frame_uses_no_nonce(void **state)
{
        (void)state;
        static uint8_t large[70000];
        struct channel *channel = side_connect(&alice, &bob, "listener");

        for (int i = 0; i < 50; i++)
                side_send(&alice, channel, "echoer", bytes_make(large, sizeof large));
        assert_int_equal(bob.received, 0);
        assert_int_equal(rig_stat(&rig, STAT_FRAMES_TOO_LARGE), 50);
        side_say(&alice, channel, &bob, "the peer's window has not moved away");
}

/* What a frame leaves for the channel's data over TCP alone, beside the version, two routes of one random address each and the payload's
 * length. The crate was seen to bring back 65,335 bytes of text this way. */
static void the_largest_echo_fits_into_a_frame(void **state)
{
        (void)state;
        static const struct bytes echoer = BYTES_LITERAL("echoer"), reply = BYTES_LITERAL("0123456789abcdef0123456789abcdef");
        struct arena *arena = router_arena(rig.router);
        const size_t room = 65535 - 1 - 2 * (1 + 1 + 1 + 32) - 3, text_length_size = 3;
        struct route onward, ret;

        assert_ok(route_of_locals(arena, &reply, 1, &onward));
        assert_ok(route_of_locals(arena, &echoer, 1, &ret));
        assert_int_equal(channel_payload_max(room, onward, ret), 65335 + text_length_size);
}

static size_t sent_size(struct channel *channel, size_t n)
{
        static uint8_t text[TEXT_MAX];
        const size_t at = rig.seen_count;

        side_send(&alice, channel, "echoer", bytes_make(text, n));
        return rig_seen(&rig, at).n;
}

static void payload_max_is_exact(void **state)
{
        (void)state;
        static const size_t rooms[] = {150, 151, 160,  290,   400,   401,   402,   403,   404,   405,
                                       406, 420, 1000, 16500, 16550, 16551, 16552, 16553, 16554, 65464};
        const struct bytes echoer = BYTES_LITERAL("echoer"), app = BYTES_LITERAL("app");
        struct channel *channel = side_connect(&alice, &bob, "listener");
        struct route_copy onward, ret;
        struct route route;

        assert_ok(route_of_locals(router_arena(rig.router), &echoer, 1, &route));
        assert_ok(route_copy(route, &onward));
        assert_ok(route_of_locals(router_arena(rig.router), &app, 1, &route));
        assert_ok(route_copy(route, &ret));
        for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
                const size_t n = channel_payload_max(rooms[i], onward.route, ret.route);

                assert_true(n > 0 && sent_size(channel, n) <= rooms[i] && sent_size(channel, n + 1) > rooms[i]);
        }
        assert_int_equal(channel_payload_max(0, onward.route, ret.route), 0);
        assert_int_equal(channel_payload_max(50, onward.route, ret.route), 0);
        route_copy_clear(&onward);
        route_copy_clear(&ret);
}

#define with_rig(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                with_rig(a_handshake_and_an_echo),
                with_rig(the_origin_says_who_it_was),
                with_rig(C12_both_ends_have_one_hash_and_name_each_other),
                with_rig(nothing_happens_before_connect_returns),
                with_rig(each_side_has_two_addresses),
                with_rig(a_dialogue_across_many_rekeys),
                with_rig(many_channels_at_once_do_not_mix),
                with_rig(close_ends_exactly_this_channel),
                with_rig(a_close_to_the_unheard_is_no_shorter_than_an_encrypted_key),
                with_rig(what_is_sent_to_an_ended_channel_is_dropped),
                with_rig(freeing_the_channels_closes_all_of_them),
                with_rig(the_user_may_close_or_free_inside_of_events),
                with_rig(the_user_may_free_when_a_channel_comes_up),
                with_rig(the_initiator_may_send_as_soon_as_it_is_up),
                with_rig(a_refusal_by_the_responder_is_silent),
                with_rig(a_refusal_by_the_initiator_shows_nothing_of_it),
                with_rig(an_unanswered_handshake_ends_in_time),
                with_rig(C14_an_expired_key_names_the_clock),
                with_rig(C14_a_responder_names_the_clock_too),
                with_rig(a_handshake_given_up_says_nothing),
                with_rig(channels_are_bounded),
                with_rig(channels_are_bounded_to_the_last),
                with_rig(no_secret_slot_is_an_error_not_a_crash),
                with_rig(a_taken_listener_address_is_an_error),
                with_rig(a_message_too_large_for_any_frame_uses_no_nonce),
                with_rig(the_largest_echo_fits_into_a_frame),
                with_rig(payload_max_is_exact),
        };

        logger_set_level(LOG_LEVEL_ERROR);
        if (crypto_init(NULL) || secrets_init(128)) return 1;
        const int failed = cmocka_run_group_tests(tests, NULL, NULL);
        secrets_clear();
        return failed;
}
