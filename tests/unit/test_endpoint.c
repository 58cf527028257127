/* An endpoint: what it says when, what it refuses, how it ends; and what whoever runs node and Kafka may try with its streams. */
#include "tests/support/endpoint_rig.h"
#include "tests/support/test.h"
#include "transport/base/logger.h"
#include "transport/secure_channel/secrets.h"

static struct endpoint_rig rig;
static struct resident alice, bob;

static int set_up(void **state)
{
        (void)state;
        return endpoint_rig_open_pair(&rig, 6, &alice, &bob);
}

static int tear_down(void **state)
{
        (void)state;
        return endpoint_rig_close_pair(&rig, &alice, &bob);
}

static size_t records_in(const char *stream)
{
        const struct log_record *records;

        return endpoint_rig_records(&rig, stream, &records);
}

/* --- life ------------------------------------------------------------------------------------------------------------------- */

static void an_echo_through_the_node(void **state)
{
        (void)state;
        struct channel *channel = resident_connect(&alice);

        assert_int_equal(bob.ups, 1);
        resident_expect_echo(&alice, channel, "hello");
        assert_int_equal(bob.origin, ORIGIN_CHANNEL_UNTRUSTED);
        assert_int_equal(endpoint_unconfirmed(alice.endpoint), 0);
        assert_int_equal(alice.notices + bob.notices, 0);
}

static void nothing_is_taken_before_it_stands(void **state)
{
        (void)state;
        struct channel *channel = resident_connect(&alice), *other;

        sim_net_reset_all(rig.net);
        endpoint_rig_run(&rig, 1);
        assert_err(endpoint_connect(alice.endpoint, BYTES_LITERAL("listener"), 1000, &other), ERR_AGAIN);
        assert_int_equal(alice.notices, 1);
        assert_non_null(strstr(alice.notice, "the connection is lost"));
        assert_ok(endpoint_send(alice.endpoint, channel, BYTES_LITERAL("echoer"), BYTES_LITERAL("kept until it stands again")));
        endpoint_rig_run(&rig, 5000);
        assert_int_equal(alice.ready, 2);
        assert_int_equal(alice.notices, 2);
        assert_memory_equal(alice.notice, "connected: ", 11);
        assert_null(strstr(alice.notice, "conn ")); /* the address, not what logs call it */
        assert_non_null(strchr(alice.notice, ':'));
        assert_int_equal(alice.received, 1); /* and the channel did not notice */
}

static void a_channel_that_is_not_up_takes_nothing(void **state)
{
        (void)state;
        struct channel *channel;

        assert_ok(endpoint_connect(alice.endpoint, BYTES_LITERAL("nobody"), 500, &channel));
        assert_err(endpoint_send(alice.endpoint, channel, BYTES_LITERAL("echoer"), BYTES_LITERAL("x")), ERR_AGAIN);
        endpoint_rig_run(&rig, 600);
        assert_int_equal(alice.downs, 1);
        assert_int_equal(alice.down_err, ERR_TIMEOUT);
}

static void the_largest_payload_and_one_byte_more(void **state)
{
        (void)state;
        static uint8_t payload[70000];
        struct channel *channel = resident_connect(&alice);
        const size_t max = endpoint_payload_max(alice.endpoint, channel, BYTES_LITERAL("echoer"));
        const unsigned dropped = (unsigned)endpoint_rig_stat(&rig, STAT_FRAMES_TOO_LARGE);

        assert_int_equal(max, 65225); /* which comes back, too: Bob's way is not longer */
        assert_err(endpoint_send(alice.endpoint, channel, BYTES_LITERAL("echoer"), bytes_make(payload, max + 1)), ERR_TOO_LARGE);
        assert_ok(endpoint_send(alice.endpoint, channel, BYTES_LITERAL("echoer"), bytes_make(payload, max)));
        endpoint_rig_run(&rig, 1000);
        assert_int_equal(alice.received, 1);
        assert_int_equal(alice.text_n, max);
        assert_int_equal(endpoint_rig_stat(&rig, STAT_FRAMES_TOO_LARGE), dropped);
        assert_ok(endpoint_send(alice.endpoint, channel, BYTES_LITERAL("echoer"), BYTES_NONE));
        endpoint_rig_run(&rig, 1000);
        assert_int_equal(alice.received, 2);
        assert_int_equal(alice.text_n, 0);
}

static void it_says_when_it_is_full_and_when_there_is_room(void **state)
{
        (void)state;
        struct channel *channel;
        enum err err = OK;
        size_t taken = 0;

        resident_clear(&alice);
        const struct endpoint_config config = {.sender = "alice_to_bob", .receiver = "bob_to_alice", .client_id = "alice"};
        resident_init(&alice, &rig, 1, &config);
        alice.config.stream.unconfirmed = 10;
        resident_restart(&alice);
        channel = resident_connect(&alice);
        while (err == OK && taken < 100)
                if (!(err = endpoint_send(alice.endpoint, channel, BYTES_LITERAL("echoer"), BYTES_LITERAL("x")))) taken++;
        assert_err(err, ERR_FULL);
        assert_int_equal(taken, 10);
        assert_true(endpoint_full(alice.endpoint));
        assert_int_equal(endpoint_unconfirmed(alice.endpoint), 10);
        endpoint_rig_run(&rig, 1000);
        assert_false(endpoint_full(alice.endpoint));
        assert_int_equal(alice.received, 10);
}

/* Listeners never see their peers leave: whoever was silent longest gives way. */
static void the_peer_that_was_silent_longest_gives_way(void **state)
{
        (void)state;
        struct channel *channels[3];

        bob.config.channel.channels = 3;
        bob.config.channel.handshakes = 1;
        resident_restart(&bob);
        for (size_t i = 0; i < 2; i++)
                channels[i] = resident_connect(&alice);
        resident_expect_echo(&alice, channels[0], "still here"); /* so the other one is silent longer */
        channels[2] = resident_connect(&alice);
        assert_int_equal(bob.downs, 1);
        assert_int_equal(bob.down_err, ERR_FULL);
        assert_int_equal(alice.downs, 1); /* and is told */
        assert_int_equal(alice.down_err, ERR_CLOSED);
        resident_expect_echo(&alice, channels[0], "not me");
        resident_expect_echo(&alice, channels[2], "nor me");
}

static void peers_that_are_turned_away_are_told_of_now_and_then(void **state)
{
        (void)state;
        struct channel *channel;

        resident_trust(&bob, &bob);
        for (int i = 0; i < 5; i++) {
                assert_ok(endpoint_connect(alice.endpoint, BYTES_LITERAL("listener"), 1000, &channel));
                endpoint_rig_run(&rig, 100);
        }
        assert_int_equal(bob.ups, 0);
        assert_int_equal(bob.notices, 1);
        assert_non_null(strstr(bob.notice, "a peer was turned away: I"));
        endpoint_rig_run(&rig, 10000);
        assert_ok(endpoint_connect(alice.endpoint, BYTES_LITERAL("listener"), 1000, &channel));
        endpoint_rig_run(&rig, 100);
        assert_int_equal(bob.notices, 2);
        assert_non_null(strstr(bob.notice, "5 peers were turned away"));
}

static void disconnecting_ends_one_channel_without_an_event(void **state)
{
        (void)state;
        struct channel *first = resident_connect(&alice), *second = resident_connect(&alice);

        endpoint_disconnect(alice.endpoint, first);
        assert_err(endpoint_send(alice.endpoint, first, BYTES_LITERAL("echoer"), BYTES_LITERAL("x")), ERR_AGAIN);
        endpoint_rig_run(&rig, 100);
        assert_int_equal(alice.downs, 0);
        assert_int_equal(bob.downs, 1);
        assert_int_equal(bob.down_err, ERR_CLOSED);
        resident_expect_echo(&alice, second, "this one stays");
}

static void an_endpoint_that_cannot_be_made_says_why(void **state)
{
        (void)state;
        static const struct endpoint_events none;
        struct endpoint_config config = alice.config;
        struct reason why = {""};

        config.listen = config.application = "same";
        assert_null(endpoint_new(&rig.tc.ctx, &config, &none, NULL, &why));
        assert_non_null(strstr(why.text, "listener"));
        context_turn_end(&rig.tc.ctx);
        config.listen = NULL;
        config.transport.workers = 0;
        assert_null(endpoint_new(&rig.tc.ctx, &config, &none, NULL, &why));
        assert_non_null(strstr(why.text, "worker"));
        context_turn_end(&rig.tc.ctx);
        config.transport = TRANSPORT_LIMITS_DEFAULT;
        rig.tc.utc_s += 20ull * 365 * 24 * 3600; /* longer than an identity lives */
        assert_null(endpoint_new(&rig.tc.ctx, &config, &none, NULL, &why));
        assert_non_null(strstr(why.text, "clock"));
        context_turn_end(&rig.tc.ctx);
}

/* --- freed from within each of its events ------------------------------------------------------------------------------------ */

static struct endpoint *mortal;
static const char *dies_at;
static unsigned deaths;

static void die(const char *event)
{
        if (!dies_at || strcmp(event, dies_at) != 0) return;
        endpoint_free(mortal);
        mortal = NULL;
        dies_at = NULL;
        deaths++;
}

static void mortal_ready(void *user)
{
        struct channel *channel;
        const enum err err = endpoint_connect(mortal, BYTES_LITERAL("listener"), 1000, &channel);

        (void)user;
        assert_ok(err);
        die("ready");
}
static void mortal_up(void *user, struct channel *channel, bool named)
{
        (void)user, (void)named;
        assert_ok(endpoint_send(mortal, channel, BYTES_LITERAL("echoer"), BYTES_LITERAL("x")));
        die("up");
}
static void mortal_down(void *user, struct channel *channel, enum err err, const char *why)
{
        (void)user, (void)channel, (void)err, (void)why;
        die("down");
}
static void mortal_message(void *user, const struct delivery *delivery)
{
        (void)user, (void)delivery;
        die("message");
}
static void mortal_drained(void *user)
{
        (void)user;
        die("drained");
}
static void mortal_notice(void *user, enum err err, const char *text)
{
        (void)user, (void)err, (void)text;
        die("notice");
}

static void it_may_be_freed_from_within_each_event(void **state)
{
        (void)state;
        static const char *const points[] = {"ready", "up", "down", "message", "drained", "notice"};
        static const struct endpoint_events mortal_events = {mortal_ready,   mortal_up,      mortal_down,
                                                             mortal_message, mortal_drained, mortal_notice};
        struct reason why;

        deaths = 0;
        for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
                dies_at = points[i];
                mortal = endpoint_new(&rig.tc.ctx, &alice.config, &mortal_events, NULL, &why);
                assert_non_null(mortal);
                endpoint_rig_run(&rig, 500);
                if (strcmp(points[i], "down") == 0) endpoint_disconnect(bob.endpoint, bob.channel);
                if (strcmp(points[i], "notice") == 0) sim_net_reset_all(rig.net);
                endpoint_rig_run(&rig, 500);
                if (mortal) fail_msg("it was not freed at %s", points[i]);
                assert_int_equal(deaths, i + 1);
        }
}

/* --- C8: copies between streams ---------------------------------------------------------------------------------------------- */

static void copy_all(const char *from, size_t first, size_t end, const char *to)
{
        for (size_t i = first; i < end; i++)
                endpoint_rig_copy(&rig, from, i, to);
        endpoint_rig_run(&rig, 1000);
}

/* A session, handshake and all, played again: into the streams it came from and the other way, to a Carol on streams of her own, while Bob
 * and Alice live and after both have started anew. Nobody takes any of it for a channel or a message. */
static void C8_a_session_is_played_to_everybody(void **state)
{
        (void)state;
        const struct endpoint_config carols = {
                .sender = "carol_out", .receiver = "carol_in", .client_id = "carol", .listen = "listener", .application = "echoer"};
        struct channel *channel = resident_connect(&alice);
        struct resident carol;

        resident_init(&carol, &rig, 3, &carols);
        for (int i = 0; i < 40; i++)
                resident_expect_echo(&alice, channel, "what was said");
        const size_t ours = records_in("alice_to_bob"), theirs = records_in("bob_to_alice");
        for (unsigned round = 0; round < 2; round++) {
                const unsigned ups = alice.ups + bob.ups, received = alice.received + bob.received, downs = alice.downs + bob.downs;

                copy_all("alice_to_bob", 0, ours, "alice_to_bob");
                copy_all("bob_to_alice", 0, theirs, "bob_to_alice");
                copy_all("alice_to_bob", 0, ours, "bob_to_alice");
                copy_all("bob_to_alice", 0, theirs, "alice_to_bob");
                copy_all("alice_to_bob", 0, ours, "carol_in");
                copy_all("bob_to_alice", 0, theirs, "carol_in");
                assert_int_equal(alice.ups + bob.ups + carol.ups, ups);
                assert_int_equal(alice.received + bob.received + carol.received, received);
                assert_int_equal(alice.downs + bob.downs + carol.downs, downs);
                resident_expect_echo(&alice, channel, "as it was");
                resident_restart(&bob);
                resident_restart(&alice);
                channel = resident_connect(&alice);
        }
        resident_clear(&carol);
}

/* Bob starts again as another reader, so that all that was ever said comes to him once more. */
static void C8_a_fresh_bob_takes_nothing_of_an_old_session(void **state)
{
        (void)state;
        struct channel *channel = resident_connect(&alice);

        for (int i = 0; i < 40; i++)
                resident_expect_echo(&alice, channel, "what was said");
        bob.ups = bob.received = 0;
        bob.config.client_id = "fresh bob";
        resident_restart(&bob);
        endpoint_rig_run(&rig, 31000);
        assert_int_equal(bob.ups + bob.received, 0);
        assert_int_equal(bob.downs, 0); /* what was half-open is forgotten without a word */
        resident_expect_echo(&alice, resident_connect(&alice), "a new one");
}

/* --- C9: the reader's index, and the log's end -------------------------------------------------------------------------------- */

static void set_index(const char *client, const char *stream, uint64_t index)
{
        log_index_save(rig.log, client, stream, 0, index, 0);
        endpoint_rig_run(&rig, 200);
}

/* While it runs its own index counts, whatever the node says when it comes back. */
static void C9_a_false_index_is_not_asked_for_while_bob_is_up(void **state)
{
        (void)state;
        static const uint64_t indexes[] = {0, 1, 1000000, UINT64_MAX - 1};
        struct channel *channel = resident_connect(&alice);

        for (size_t i = 0; i < sizeof indexes / sizeof *indexes; i++) {
                const unsigned received = bob.received;

                resident_expect_echo(&alice, channel, "before");
                set_index("bob", "alice_to_bob", indexes[i]);
                set_index("alice", "bob_to_alice", indexes[i]);
                sim_net_reset_all(rig.net);
                endpoint_rig_run(&rig, 10000);
                assert_int_equal(bob.received, received + 1);
                resident_expect_echo(&alice, channel, "and after");
                assert_int_equal(bob.received, received + 2);
        }
        assert_int_equal(endpoint_rig_stat(&rig, STAT_STREAM_TRUNCATED), 0);
}

/* Bob starts anew and knows nothing but what the node says. Rewound: all of it comes again and is nothing to him. Beyond the end: he says
 * so and reads from the start. Pushed forward within the log: what lies between is lost to him, as it would be with a node that keeps it
 * back; whoever comes after that is heard. */
static void C9_a_false_index_while_bob_was_away(void **state)
{
        (void)state;
        struct channel *channel = resident_connect(&alice);

        for (int i = 0; i < 10; i++)
                resident_expect_echo(&alice, channel, "said");
        const uint64_t end = records_in("alice_to_bob"), indexes[] = {0, 3, end, end + 1, end + 1000000, UINT64_MAX - 1};
        for (size_t i = 0; i < sizeof indexes / sizeof *indexes; i++) {
                const uint64_t truncated = endpoint_rig_stat(&rig, STAT_STREAM_TRUNCATED);
                const bool beyond = indexes[i] > records_in("alice_to_bob");

                set_index("bob", "alice_to_bob", indexes[i]);
                bob.received = bob.notices = 0;
                resident_restart(&bob);
                endpoint_rig_run(&rig, 20000);
                assert_int_equal(bob.received, 0);
                assert_int_equal(endpoint_rig_stat(&rig, STAT_STREAM_TRUNCATED) - truncated, beyond);
                if (beyond) assert_non_null(strstr(bob.notice, "alice_to_bob ends before message"));
                resident_expect_echo(&alice, resident_connect(&alice), "a new channel");
        }
}

/* Both topics are deleted while both ends live: they are made anew, both ends say that what they had read is gone, and the dialogue goes on
 * through the same channel. Before, a reader waited for ever at an index beyond the new log's end. */
static void C9_topics_deleted_under_both_ends(void **state)
{
        (void)state;
        struct channel *channel = resident_connect(&alice);

        for (int i = 0; i < 10; i++)
                resident_expect_echo(&alice, channel, "said");
        log_memory_delete(rig.log, "alice_to_bob");
        log_memory_delete(rig.log, "bob_to_alice");
        resident_send(&alice, channel, "echoer", "into nothing?");
        endpoint_rig_run(&rig, 120000);
        assert_int_equal(alice.received, 11);
        assert_int_equal(endpoint_rig_stat(&rig, STAT_STREAM_TRUNCATED), 2);
        assert_non_null(strstr(alice.notice, "bob_to_alice ends before message"));
        resident_expect_echo(&alice, channel, "and on");
        assert_int_equal(alice.downs + bob.downs, 0);
}

#define with_rig(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                with_rig(an_echo_through_the_node),
                with_rig(nothing_is_taken_before_it_stands),
                with_rig(a_channel_that_is_not_up_takes_nothing),
                with_rig(the_largest_payload_and_one_byte_more),
                with_rig(it_says_when_it_is_full_and_when_there_is_room),
                with_rig(the_peer_that_was_silent_longest_gives_way),
                with_rig(peers_that_are_turned_away_are_told_of_now_and_then),
                with_rig(disconnecting_ends_one_channel_without_an_event),
                with_rig(an_endpoint_that_cannot_be_made_says_why),
                with_rig(it_may_be_freed_from_within_each_event),
                with_rig(C8_a_session_is_played_to_everybody),
                with_rig(C8_a_fresh_bob_takes_nothing_of_an_old_session),
                with_rig(C9_a_false_index_is_not_asked_for_while_bob_is_up),
                with_rig(C9_a_false_index_while_bob_was_away),
                with_rig(C9_topics_deleted_under_both_ends),
        };

        logger_set_level(LOG_LEVEL_ERROR);
        if (crypto_init(NULL) || secrets_init(128)) return 1;
        const int failed = cmocka_run_group_tests(tests, NULL, NULL);
        secrets_clear();
        return failed;
}
