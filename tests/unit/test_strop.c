/* The public interface: wrong arguments, wrong order, calls from callbacks, freeing in each of them, and a program's own loop around it; on
 * two endpoints that reach each other straight over TCP. */
#include "tests/support/test.h"

#include "client/invitation.h"
#include "client/strop.h"
#include "transport/base/logger.h"
#include "transport/secure_channel/secrets.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000 }; /* far beyond what any of it takes */

/* One end, what it was told, and what it does then. */
struct end {
        struct strop *strop;
        struct strop_peer *peer;
        unsigned ready, ups, downs, messages, notices;
        enum strop_status down_status;
        bool vouched;
        char text[64];
        void (*on)(struct end *end, const char *event);
        const struct strop_message *message;
};

static struct end alice, bob;
static const char *connects_to; /* Alice's listener, when she is ready; NULL: none */

static void happen(struct end *end, const char *event)
{
        if (end->on) end->on(end, event);
}

static void on_ready(void *user)
{
        struct end *end = user;

        end->ready++;
        if (end == &alice && connects_to) assert_int_equal(strop_connect(end->strop, connects_to, 5000), STROP_OK);
        happen(end, "ready");
}

static void on_peer_up(void *user, struct strop_peer *peer, bool vouched)
{
        struct end *end = user;

        end->ups++;
        end->peer = peer;
        end->vouched = vouched;
        happen(end, "up");
}

static void on_peer_down(void *user, struct strop_peer *peer, enum strop_status status, const char *why)
{
        struct end *end = user;

        assert_true(why && *why);
        end->downs++;
        end->down_status = status;
        if (end->peer == peer) end->peer = NULL;
        happen(end, "down");
}

static void on_message(void *user, const struct strop_message *message)
{
        struct end *end = user;
        const char *text;
        size_t size;

        end->messages++;
        if (strop_message_text(message, &text, &size)) snprintf(end->text, sizeof end->text, "%.*s", (int)size, text);
        if (end == &bob) (void)strop_reply_text(end->strop, message, text, size);
        end->message = message;
        happen(end, "message");
        end->message = NULL;
}

static void on_notice(void *user, enum strop_status status, const char *text)
{
        struct end *end = user;

        (void)status;
        assert_true(text && *text);
        end->notices++;
        happen(end, "notice");
}

static const struct strop_callbacks callbacks = {
        STROP_CALLBACKS, .ready = on_ready, .peer_up = on_peer_up, .peer_down = on_peer_down, .message = on_message, .notice = on_notice,
};

static void open_bob(void)
{
        struct strop_config config = STROP_CONFIG;
        char why[256] = "";

        config.direct = "127.0.0.1:0";
        config.listener = "listener";
        config.worker = "echoer";
        if (strop_new(&config, &callbacks, &bob, &bob.strop, why, sizeof why)) fail_msg("%s", why);
}

static void open_alice(void)
{
        struct strop_config config = STROP_CONFIG;
        const char *node = strop_listening(bob.strop);
        char why[256] = "";

        config.nodes = &node;
        config.node_count = 1;
        if (strop_new(&config, &callbacks, &alice, &alice.strop, why, sizeof why)) fail_msg("%s", why);
}

static int set_up(void **state)
{
        (void)state;
        memset(&alice, 0, sizeof alice);
        memset(&bob, 0, sizeof bob);
        connects_to = "listener";
        open_bob();
        open_alice();
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        strop_free(alice.strop);
        strop_free(bob.strop);
        return 0;
}

/* Both ends go on, waiting as a program with a loop of its own does, until it is so. */
static void run_until(bool (*so)(void))
{
        struct end *ends[] = {&alice, &bob};

        while (!so()) {
                struct pollfd fds[2];
                nfds_t count = 0;

                for (size_t i = 0; i < 2; i++) {
                        if (!ends[i]->strop) continue;
                        fds[count] = (struct pollfd){.fd = strop_fd(ends[i]->strop), .events = POLLIN};
                        assert_true(fds[count++].fd >= 0);
                }
                if (poll(fds, count, PATIENCE_MS) <= 0) fail_msg("nothing happens");
                for (size_t i = 0; i < 2; i++)
                        if (ends[i]->strop) strop_dispatch(ends[i]->strop);
        }
}

static bool both_are_up(void) { return alice.ups == 1 && bob.ups == 1; }
static bool an_echo_is_there(void) { return alice.messages > 0; }
static bool alice_is_ready(void) { return alice.ready > 0; }
static bool alice_heard_of_an_end(void) { return alice.downs > 0; }
static bool bob_heard_of_an_end(void) { return bob.downs > 0; }
static bool alice_is_gone(void) { return !alice.strop; }

/* --- as it should be ---------------------------------------------------------------------------------------------------------- */

static void an_echo_by_a_programs_own_loop(void **state)
{
        (void)state;
        run_until(both_are_up);
        assert_false(alice.vouched || bob.vouched);
        assert_string_equal(strop_peer_identifier(alice.strop, alice.peer), strop_identifier(bob.strop));
        assert_string_equal(strop_peer_identifier(bob.strop, bob.peer), strop_identifier(alice.strop));
        assert_int_equal(strop_send_text(alice.strop, alice.peer, "echoer", "hello", 5), STROP_OK);
        run_until(an_echo_is_there);
        assert_string_equal(alice.text, "hello");
        assert_string_equal(bob.text, "hello");
        strop_disconnect(alice.strop, alice.peer);
        run_until(bob_heard_of_an_end);
        assert_int_equal(bob.down_status, STROP_CLOSED);
        assert_int_equal(alice.downs, 0);
}

/* Waiting costs nothing: between what happens the descriptor is quiet. */
static void the_descriptor_is_quiet_while_nothing_happens(void **state)
{
        (void)state;
        run_until(both_are_up);
        for (int quiet = 0, rounds = 0; quiet < 3; rounds++) {
                struct pollfd fds[2] = {{strop_fd(alice.strop), POLLIN, 0}, {strop_fd(bob.strop), POLLIN, 0}};

                assert_int_equal(fds[0].fd, strop_fd(alice.strop)); /* the same for good */
                assert_true(rounds < 1000);                         /* it comes to rest */
                quiet = poll(fds, 2, 20) == 0 ? quiet + 1 : 0;
                if (quiet) continue;
                strop_dispatch(alice.strop);
                strop_dispatch(bob.strop);
        }
}

static unsigned over;
static void on_over(void *arg)
{
        (void)arg;
        over++;
}
static bool is_over(void) { return over > 0; }

static void a_time_makes_the_descriptor_readable(void **state)
{
        (void)state;
        struct strop_watch *watch;

        run_until(both_are_up);
        over = 0;
        watch = strop_watch_time(alice.strop, 30, on_over, NULL);
        assert_non_null(watch);
        run_until(is_over);
        assert_int_equal(over, 1);
        over = 0;
        strop_watch_again(watch, 0);
        run_until(is_over);
        strop_unwatch(watch);
}

/* --- wrong arguments ----------------------------------------------------------------------------------------------------------- */

struct wrong {
        const char *words;
        struct strop_config config;
};

static void a_wrong_configuration_is_told_in_a_sentence(void **state)
{
        (void)state;
        static const char *const node[] = {"127.0.0.1:1"}, *const bad[] = {"127.0.0.1"}, *const no_name[] = {NULL},
                                 *const nobody[] = {"I12"};
        static char long_name[300];
        memset(long_name, 'x', sizeof long_name - 1);
#define WITH(...)                                                                                                                          \
        {                                                                                                                                  \
                .size = sizeof(struct strop_config), __VA_ARGS__                                                                           \
        }
        const struct wrong wrongs[] = {
                {"no node", WITH(.client_id = "x")},
                {"no node", WITH(.sender = "a", .receiver = "b", .direct = "127.0.0.1:0")},
                {"port", WITH(.nodes = bad, .node_count = 1)},
                {"no address", WITH(.nodes = no_name, .node_count = 1)},
                {"no nodes", WITH(.node_count = 1)},
                {"more than 16", WITH(.nodes = node, .node_count = 17)},
                {"only one of them", WITH(.nodes = node, .node_count = 1, .sender = "a")},
                {"1 to 249", WITH(.nodes = node, .node_count = 1, .sender = "", .receiver = "b")},
                {"1 to 249", WITH(.nodes = node, .node_count = 1, .sender = "a", .receiver = long_name)},
                {"client id", WITH(.nodes = node, .node_count = 1, .sender = "a", .receiver = "b", .client_id = long_name)},
                {"invitation", WITH(.invitation = "strop:!")},
                {"identifier", WITH(.nodes = node, .node_count = 1, .trusted = nobody, .trusted_count = 1)},
                {"no identifier", WITH(.nodes = node, .node_count = 1, .trusted_count = 1)},
                {"more than 4096", WITH(.nodes = node, .node_count = 1, .trusted = nobody, .trusted_count = 5000)},
                {"worker", WITH(.nodes = node, .node_count = 1, .listener = "")},
                {"worker", WITH(.nodes = node, .node_count = 1, .worker = long_name)},
                {"STROP_CONFIG", {.size = 0}},
        };

        for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
                struct strop *strop = NULL;
                char why[256] = "";
                const enum strop_status status = strop_new(&wrongs[i].config, &callbacks, NULL, &strop, why, sizeof why);

                if (status != STROP_USAGE || strop || !strstr(why, wrongs[i].words))
                        fail_msg("%zu: %s: %s", i, strop_status_text(status), why);
                assert_int_equal(strop_new(&wrongs[i].config, &callbacks, NULL, &strop, NULL, 0), STROP_USAGE);
        }
}

static void what_is_missing_altogether(void **state)
{
        (void)state;
        const char *node = "127.0.0.1:1";
        struct strop_config config = STROP_CONFIG;
        const struct strop_callbacks none = {STROP_CALLBACKS, NULL, NULL, NULL, NULL, NULL, NULL}, sizeless = {0};
        struct strop *strop = NULL;
        char why[8] = "";

        config.nodes = &node;
        config.node_count = 1;
        assert_int_equal(strop_new(NULL, &none, NULL, &strop, why, sizeof why), STROP_USAGE);
        assert_int_equal(strlen(why), sizeof why - 1); /* cut to the room there is */
        assert_int_equal(strop_new(&config, NULL, NULL, &strop, why, sizeof why), STROP_USAGE);
        assert_int_equal(strop_new(&config, &sizeless, NULL, &strop, why, sizeof why), STROP_USAGE);
        assert_int_equal(strop_new(&config, &none, NULL, NULL, why, sizeof why), STROP_USAGE);
        assert_null(strop);
        assert_int_equal(strop_new(&config, &none, NULL, &strop, why, sizeof why), STROP_OK);
        strop_dispatch(strop); /* without a callback nothing is told, and nothing breaks */
        strop_free(strop);
        strop_free(NULL);
        strop_unwatch(NULL);
}

static void a_config_of_an_older_program_is_taken(void **state)
{
        (void)state;
        const char *node = "127.0.0.1:1";
        struct strop_config config = STROP_CONFIG;
        struct strop_callbacks older = callbacks;
        struct strop *strop = NULL;

        config.nodes = &node;
        config.node_count = 1;
        config.size = offsetof(struct strop_config, sender); /* that knew no more */
        config.sender = "what lies behind it is not looked at";
        older.size = offsetof(struct strop_callbacks, peer_up);
        assert_int_equal(strop_new(&config, &older, NULL, &strop, NULL, 0), STROP_OK);
        strop_free(strop);
}

static void wrong_arguments_after_that(void **state)
{
        (void)state;
        static char long_name[202];
        char out[64];
        memset(long_name, 'x', sizeof long_name - 1);

        run_until(both_are_up);
        struct strop *strop = alice.strop;
        struct strop_peer *peer = alice.peer;
        assert_int_equal(strop_connect(strop, NULL, 1), STROP_USAGE);
        assert_int_equal(strop_connect(strop, "", 1), STROP_USAGE);
        assert_int_equal(strop_connect(strop, long_name, 1), STROP_USAGE);
        assert_int_equal(strop_send(strop, NULL, "echoer", "x", 1), STROP_USAGE);
        assert_int_equal(strop_send(strop, peer, NULL, "x", 1), STROP_USAGE);
        assert_int_equal(strop_send(strop, peer, long_name, "x", 1), STROP_USAGE);
        assert_int_equal(strop_send(strop, peer, "echoer", NULL, 1), STROP_USAGE);
        assert_int_equal(strop_send(strop, peer, "echoer", NULL, 0), STROP_OK);
        assert_int_equal(strop_send_text(strop, peer, "echoer", NULL, 1), STROP_USAGE);
        assert_int_equal(strop_send_text(strop, peer, "echoer", "\xff", 1), STROP_USAGE);
        assert_int_equal(strop_reply(strop, NULL, "x", 1), STROP_USAGE);
        assert_int_equal(strop_reply_text(strop, NULL, "x", 1), STROP_USAGE);
        assert_int_equal(strop_max(strop, peer, NULL), 0);
        assert_int_equal(strop_invitation(strop, NULL, 0, out, sizeof out), STROP_USAGE); /* it has no stream */
        assert_null(strop_listening(strop));
        assert_null(strop_watch_fd(strop, -1, on_over, NULL));
        assert_null(strop_watch_fd(strop, 0, NULL, NULL));
        assert_null(strop_watch_signal(strop, 0, on_over, NULL));
        assert_null(strop_watch_signal(strop, SIGUSR1, NULL, NULL));
        assert_null(strop_watch_time(strop, 1, NULL, NULL));
        assert_string_equal(strop_status_text((enum strop_status)99), "unknown");
        assert_string_equal(strop_version(), STROP_VERSION);

        const size_t max = strop_max(strop, peer, "echoer");
        char *large = calloc(1, 70000);
        assert_non_null(large);
        assert_int_equal(strop_send_text(strop, peer, "echoer", large, max + 1), STROP_TOO_LARGE);
        assert_int_equal(strop_send_text(strop, peer, "echoer", large, 70000), STROP_TOO_LARGE);
        assert_int_equal(strop_send_text(strop, peer, "echoer", large, max), STROP_OK);
        free(large);
        run_until(an_echo_is_there);
}

static void an_invitation_and_its_room(void **state)
{
        (void)state;
        const char *node = "127.0.0.1:1", *nodes[9], *none = NULL, *odd = "nowhere";
        struct strop_config config = STROP_CONFIG;
        struct strop *strop = NULL;
        char out[4097], small[20];

        for (size_t i = 0; i < 9; i++)
                nodes[i] = node;
        config.nodes = &node;
        config.node_count = 1;
        config.sender = "b_to_a";
        config.receiver = "a_to_b";
        assert_int_equal(strop_new(&config, &callbacks, NULL, &strop, NULL, 0), STROP_OK);
        assert_int_equal(strop_invitation(strop, NULL, 0, out, sizeof out), STROP_OK);
        assert_memory_equal(out, "strop:", 6);
        assert_int_equal(strop_invitation(strop, nodes, 8, out, sizeof out), STROP_OK);
        assert_int_equal(strop_invitation(strop, nodes, 9, out, sizeof out), STROP_USAGE);
        assert_int_equal(strop_invitation(strop, &none, 1, out, sizeof out), STROP_USAGE);
        assert_int_equal(strop_invitation(strop, &odd, 1, out, sizeof out), STROP_USAGE);
        assert_int_equal(strop_invitation(strop, NULL, 1, out, sizeof out), STROP_USAGE);
        assert_int_equal(strop_invitation(strop, NULL, 0, NULL, 0), STROP_USAGE);
        assert_int_equal(strop_invitation(strop, NULL, 0, small, sizeof small), STROP_TOO_LARGE);
        strop_free(strop);
}

/* Those of its own nodes that an invitation has room for are in it; nodes that are named take their place. */
static void an_invitation_has_all_nodes(void **state)
{
        (void)state;
        const char *nodes[9] = {"127.0.0.1:1", "127.0.0.1:2", "c:3", "d:4", "e:5", "f:6", "g:7", "h:8", "i:9"}, *other = "other:1";
        struct strop_config config = STROP_CONFIG;
        struct strop *strop = NULL;
        struct invitation invitation;
        struct reason why;
        char out[4097];

        config.nodes = nodes;
        config.sender = "b_to_a";
        config.receiver = "a_to_b";
        for (config.node_count = 1; config.node_count <= 9; config.node_count++) {
                const size_t count = config.node_count < 8 ? config.node_count : 8;

                assert_int_equal(strop_new(&config, &callbacks, NULL, &strop, NULL, 0), STROP_OK);
                assert_int_equal(strop_invitation(strop, NULL, 0, out, sizeof out), STROP_OK);
                assert_ok(invitation_parse(bytes_of_text(out), &invitation, &why));
                assert_int_equal(invitation.node_count, count);
                for (size_t i = 0; i < count; i++)
                        assert_string_equal(invitation.nodes[i], nodes[i]);
                assert_int_equal(strop_invitation(strop, &other, 1, out, sizeof out), STROP_OK);
                assert_ok(invitation_parse(bytes_of_text(out), &invitation, &why));
                assert_int_equal(invitation.node_count, 1);
                assert_string_equal(invitation.nodes[0], other);
                strop_free(strop);
        }
}

/* --- wrong order ---------------------------------------------------------------------------------------------------------------- */

static void nothing_is_sent_before_it_can_be(void **state)
{
        (void)state;
        connects_to = NULL;
        assert_int_equal(strop_connect(alice.strop, "listener", 1000), STROP_AGAIN);
        run_until(alice_is_ready);
        assert_int_equal(strop_connect(alice.strop, "nobody", 100), STROP_OK);
        run_until(alice_heard_of_an_end);
        assert_int_equal(alice.down_status, STROP_TIMEOUT);
}

static void stopping_before_it_runs(void **state)
{
        (void)state;
        strop_stop(alice.strop);
        strop_run(alice.strop); /* returns at once, or this test does not end */
}

static void a_peer_that_is_gone(void **state)
{
        (void)state;
        run_until(both_are_up);
        strop_free(bob.strop);
        bob.strop = NULL;
        run_until(alice_heard_of_an_end);
        assert_int_equal(alice.down_status, STROP_CLOSED);
        assert_null(alice.peer);
}

/* --- calls from callbacks --------------------------------------------------------------------------------------------------------- */

static void call_what_does_nothing_here(struct end *end, const char *event)
{
        (void)event;
        strop_run(end->strop); /* would never return */
        strop_dispatch(end->strop);
        assert_true(strop_fd(end->strop) >= 0);
}

static void running_within_a_callback_does_nothing(void **state)
{
        (void)state;
        alice.on = bob.on = call_what_does_nothing_here;
        run_until(both_are_up);
        assert_int_equal(strop_send_text(alice.strop, alice.peer, "echoer", "x", 1), STROP_OK);
        run_until(an_echo_is_there);
}

static const char *dies_at;

static void free_alice(struct end *end, const char *event)
{
        if (strcmp(event, dies_at) != 0 || !end->strop) return;
        struct strop *strop = end->strop;

        end->strop = NULL;
        strop_free(strop);
        /* What is called with it until the callback has returned does no harm. */
        assert_true(*strop_identifier(strop));
        if (end->message) assert_int_equal(strop_reply(strop, end->message, "x", 1), STROP_OK);
        if (end->peer) assert_true(strop_max(strop, end->peer, "echoer") < 70000);
        strop_stop(strop);
        strop_dispatch(strop);
}

static void send_at_once(struct end *end, const char *event)
{
        if (strcmp(event, "up") == 0) assert_int_equal(strop_send_text(end->strop, end->peer, "echoer", "x", 1), STROP_OK);
        if (strcmp(event, "message") == 0 && strcmp(dies_at, "message") != 0) strop_free(bob.strop), bob.strop = NULL;
        if (end->strop) free_alice(end, event);
}

static void freeing_within_each_callback(void **state)
{
        (void)state;
        static const char *const events[] = {"ready", "up", "message", "down", "notice"};

        for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
                dies_at = events[i];
                alice.on = send_at_once;
                run_until(alice_is_gone);
                strop_free(bob.strop);
                bob.strop = NULL;
                memset(&alice, 0, sizeof alice);
                memset(&bob, 0, sizeof bob);
                open_bob();
                open_alice();
        }
}

static void free_on_time(void *arg)
{
        struct end *end = arg;
        struct strop *strop = end->strop;

        end->strop = NULL;
        strop_free(strop);
}

static void freeing_within_strop_run_and_a_watch(void **state)
{
        (void)state;
        struct strop *strop = alice.strop;

        assert_non_null(strop_watch_time(strop, 1, free_on_time, &alice)); /* and never unwatched: it goes with the rest */
        strop_run(strop);
        assert_null(alice.strop);
}

static struct strop_watch *own;
static void unwatch_own(void *arg)
{
        char c;

        if (arg) assert_int_equal(read(*(int *)arg, &c, 1), 1);
        strop_unwatch(own);
        over++;
}

static void watches_may_end_themselves(void **state)
{
        (void)state;
        int ends[2];

        connects_to = NULL;
        assert_int_equal(pipe(ends), 0);
        over = 0;
        own = strop_watch_fd(alice.strop, ends[0], unwatch_own, &ends[0]);
        assert_non_null(own);
        strop_watch_again(own, 1); /* it is no time: nothing */
        assert_int_equal(write(ends[1], "xy", 2), 2);
        run_until(is_over);
        over = 0;
        own = strop_watch_time(alice.strop, 0, unwatch_own, NULL);
        run_until(is_over);
        over = 0;
        own = strop_watch_signal(alice.strop, SIGUSR1, unwatch_own, NULL);
        assert_int_equal(raise(SIGUSR1), 0);
        run_until(is_over);
        assert_int_equal(over, 1);
        close(ends[0]);
        close(ends[1]);
}

#define with_both(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                with_both(an_echo_by_a_programs_own_loop),
                with_both(the_descriptor_is_quiet_while_nothing_happens),
                with_both(a_time_makes_the_descriptor_readable),
                cmocka_unit_test(a_wrong_configuration_is_told_in_a_sentence),
                cmocka_unit_test(what_is_missing_altogether),
                cmocka_unit_test(a_config_of_an_older_program_is_taken),
                with_both(wrong_arguments_after_that),
                cmocka_unit_test(an_invitation_and_its_room),
                cmocka_unit_test(an_invitation_has_all_nodes),
                with_both(nothing_is_sent_before_it_can_be),
                with_both(stopping_before_it_runs),
                with_both(a_peer_that_is_gone),
                with_both(running_within_a_callback_does_nothing),
                with_both(freeing_within_each_callback),
                with_both(freeing_within_strop_run_and_a_watch),
                with_both(watches_may_end_themselves),
        };

        logger_set_level(LOG_LEVEL_ERROR);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
