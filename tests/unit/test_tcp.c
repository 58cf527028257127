/* Links over real sockets on the loopback: the bytes, back pressure both ways, every kind of end, and what happens when the other side
 * does not answer or descriptors run out. The clock can be moved on, so that nothing waits for a time limit. */
#include "tests/support/tcp_rig.h"

#include "transport/base/logger.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* One end that the test watches. */
struct end {
        struct link *link;  /* NULL: none yet, or down */
        size_t ups, downs, drains, offers;
        enum err err;
        char why[128];
        uint8_t *got;       /* what was used up */
        size_t got_n, got_cap;
        size_t seen_n;      /* how much the last offer held */
        size_t use_at_most; /* of one offer; the rest is left over */
        bool close_when_offered, pause_when_offered;
};

struct fixture {
        struct tcp_rig rig;
        uint64_t (*real_now_ms)(void *user);
        uint64_t skipped_ms;
        struct net *net;
        struct end client, server;
        size_t accepted;
};

static struct fixture f;

static uint64_t now_ms(void *user)
{
        return f.real_now_ms(user) + f.skipped_ms;
}

/* --- ends --------------------------------------------------------------------------------------------------------------- */

static void on_up(void *user)
{
        ((struct end *)user)->ups++;
}

static size_t on_received(void *user, struct bytes in)
{
        struct end *end = user;
        size_t n = in.n < end->use_at_most ? in.n : end->use_at_most;

        end->offers++;
        end->seen_n = in.n;
        if (end->got_n + n > end->got_cap) {
                end->got_cap = (end->got_n + n) * 2;
                assert_non_null(end->got = realloc(end->got, end->got_cap));
        }
        if (end->close_when_offered) {
                end->link->ops->close(end->link, false);
                end->link = NULL;
        } else if (end->pause_when_offered) {
                end->link->ops->set_reading(end->link, false);
        }
        if (n) memcpy(end->got + end->got_n, in.p, n); /* still there, whatever became of the link */
        end->got_n += n;
        return n;
}

static void on_drained(void *user, size_t queued)
{
        struct end *end = user;

        assert_int_equal(queued, end->link->ops->queued(end->link));
        end->drains++;
}

static void on_down(void *user, enum err err, const char *why)
{
        struct end *end = user;

        end->downs++;
        end->err = err;
        snprintf(end->why, sizeof end->why, "%s", why);
        end->link = NULL;
}

static const struct link_events end_events = {.up = on_up, .received = on_received, .drained = on_drained, .down = on_down};

static void on_accepted(void *user, struct link *take_link)
{
        assert_ptr_equal(user, &f);
        if (f.accepted++) {
                take_link->ops->close(take_link, false);
                return;
        }
        f.server.link = take_link;
        take_link->events = &end_events;
        take_link->user = &f.server;
}

static void end_write(struct end *end, struct bytes data)
{
        assert_ok(end->link->ops->write(end->link, &data, 1));
}

static void end_close(struct end *end, bool flush)
{
        end->link->ops->close(end->link, flush);
        end->link = NULL;
}

/* --- the fixture -------------------------------------------------------------------------------------------------------- */

static int setup(void **state)
{
        struct transport_limits limits = TRANSPORT_LIMITS_DEFAULT;

        (void)state;
        memset(&f, 0, sizeof f);
        tcp_rig_init(&f.rig, on_accepted, &f);
        f.real_now_ms = f.rig.ctx.now_ms;
        f.rig.ctx.now_ms = now_ms;
        f.client.use_at_most = f.server.use_at_most = SIZE_MAX;
        assert_non_null(f.net = tcp_net_new(f.rig.loop, &limits));
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        if (f.client.link) end_close(&f.client, false);
        if (f.server.link) end_close(&f.server, false);
        tcp_net_free(f.net);
        tcp_rig_clear(&f.rig);
        free(f.client.got);
        free(f.server.got);
        return 0;
}

#define until(condition) tcp_rig_until(&f.rig, condition)

/* Runs the loop for a while in which nothing must happen. */
static void a_while(void)
{
        for (int i = 0; i < 200; i++) loop_run_once(f.rig.loop);
}

/* The clock moves on at once. */
static void skip_ms(uint64_t ms)
{
        f.skipped_ms += ms;
        loop_run_once(f.rig.loop);
        loop_run_once(f.rig.loop);
}

static void dial(const char *address)
{
        struct reason why = {""};

        if (f.net->dial(f.net, address, &end_events, &f.client, &f.client.link, &why)) fail_msg("dialling %s: %s", address, why.text);
        assert_int_equal(f.client.ups, 0);
}

static void connect_both(void)
{
        dial(tcp_listener_address(f.rig.listener));
        until(f.client.ups && f.server.link);
}

static void close_with_reset(int fd)
{
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger)), 0);
        close(fd);
}

/* Bytes that are different everywhere. */
static uint8_t *pattern(size_t n)
{
        uint8_t *p = malloc(n);
        uint32_t x = 1;

        assert_non_null(p);
        for (size_t i = 0; i < n; i++) p[i] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
        return p;
}

/* --- addresses ---------------------------------------------------------------------------------------------------------- */

static void splits_addresses(void **state)
{
        static const struct {
                const char *text, *host; /* NULL: refused */
                uint16_t port;
        } cases[] = {
                {"127.0.0.1:4000", "127.0.0.1", 4000}, {"node.example:1", "node.example", 1}, {"[::1]:65535", "::1", 65535},
                {"h:0", "h", 0}, {"h:00080", "h", 80}, {"", NULL, 0}, {":", NULL, 0}, {":80", NULL, 0}, {"h", NULL, 0}, {"h:", NULL, 0},
                {"h:65536", NULL, 0}, {"h:000080", NULL, 0}, {"h:-1", NULL, 0}, {"h:8x", NULL, 0}, {"h: 80", NULL, 0}, {"::1:80", NULL, 0},
                {"[::1]", NULL, 0}, {"[::1]80", NULL, 0}, {"[::1]:", NULL, 0}, {"[::1:80", NULL, 0}, {"[]:80", NULL, 0}, {"[", NULL, 0},
                {"a.very.long.name.example:80", NULL, 0},
        };
        char host[16];

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct reason why = {""};
                uint16_t port = 1;
                bool ok = tcp_address_split(cases[i].text, host, sizeof host, &port, &why);

                if (ok != (cases[i].host != NULL)) fail_msg("case %zu: \"%s\"", i, cases[i].text);
                if (ok) assert_string_equal(host, cases[i].host);
                if (ok) assert_int_equal(port, cases[i].port);
                if (!ok) assert_true(why.text[0]);
        }
}

static void refuses_to_listen_where_it_cannot(void **state)
{
        static const char *const wrong[] = {"localhost:0", "127.0.0.1", "127.0.0.1:99999", "192.0.2.1:0"};
        struct transport_limits limits = TRANSPORT_LIMITS_DEFAULT;
        struct tcp_listener *listener = NULL;
        struct reason why;

        (void)state;
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
                why.text[0] = 0;
                assert_int_not_equal(tcp_listen(f.rig.loop, &limits, wrong[i], on_accepted, &f, &listener, &why), OK);
                assert_non_null(strstr(why.text, wrong[i]));
        }
        assert_err(tcp_listen(f.rig.loop, &limits, tcp_listener_address(f.rig.listener), on_accepted, &f, &listener, &why), ERR_SYSTEM);
        assert_non_null(strstr(why.text, "in use"));
        assert_null(listener);
}

/* --- bytes -------------------------------------------------------------------------------------------------------------- */

static void carries_bytes_both_ways(void **state)
{
        (void)state;
        connect_both();
        assert_string_equal(f.client.link->peer, tcp_listener_address(f.rig.listener));
        assert_memory_equal(f.server.link->peer, "127.0.0.1:", 10);
        end_write(&f.client, BYTES_LITERAL("ping"));
        assert_int_equal(f.client.link->ops->queued(f.client.link), 4);
        until(f.server.got_n == 4);
        assert_memory_equal(f.server.got, "ping", 4);
        assert_int_equal(f.client.drains, 1);
        end_write(&f.server, BYTES_LITERAL("pong!"));
        until(f.client.got_n == 5);
        assert_memory_equal(f.client.got, "pong!", 5);
}

static void carries_bytes_over_ipv6(void **state)
{
        struct transport_limits limits = TRANSPORT_LIMITS_DEFAULT;
        struct tcp_listener *v6 = NULL;
        struct reason why;

        (void)state;
        if (tcp_listen(f.rig.loop, &limits, "[::1]:0", on_accepted, &f, &v6, &why)) {
                print_message("no IPv6 here: %s\n", why.text);
                return;
        }
        assert_memory_equal(tcp_listener_address(v6), "[::1]:", 6);
        dial(tcp_listener_address(v6));
        until(f.client.ups && f.server.link);
        assert_string_equal(f.client.link->peer, tcp_listener_address(v6));
        tcp_listener_free(v6); /* what it accepted lives on */
        end_write(&f.client, BYTES_LITERAL("six"));
        until(f.server.got_n == 3);
}

static void sends_in_one_piece_what_one_round_has_written(void **state)
{
        struct bytes parts[3] = {BYTES_LITERAL("one "), BYTES_NONE, BYTES_LITERAL("two ")};

        (void)state;
        connect_both();
        assert_ok(f.client.link->ops->write(f.client.link, parts, 3));
        end_write(&f.client, BYTES_LITERAL("three"));
        until(f.server.got_n == 13);
        assert_memory_equal(f.server.got, "one two three", 13);
        assert_int_equal(f.server.offers, 1);
        assert_int_equal(f.client.drains, 1);
}

/* Whatever the user leaves over comes again, in front of what is new; whether that is little or much. */
static void offers_again_what_was_left_over(void **state)
{
        size_t n = 300000, sent = 0, piece = 1;
        uint8_t *data = pattern(n);

        (void)state;
        connect_both();
        f.server.use_at_most = 0;
        while (sent < 60000) { /* small pieces, nothing used */
                end_write(&f.client, bytes_make(data + sent, piece));
                sent += piece;
                until(f.server.seen_n == sent);
                piece = piece * 3 % 5003 + 1;
        }
        f.server.use_at_most = 7001;
        while (sent < n) {
                piece = n - sent < 30000 ? n - sent : 30000;
                end_write(&f.client, bytes_make(data + sent, piece));
                sent += piece;
                until(f.server.got_n + f.server.seen_n >= sent);
        }
        f.server.use_at_most = SIZE_MAX;
        f.server.link->ops->set_reading(f.server.link, false);
        f.server.link->ops->set_reading(f.server.link, true);
        until(f.server.got_n == n);
        assert_memory_equal(f.server.got, data, n);
        free(data);
}

static void offers_again_when_reading_goes_on_without_new_bytes(void **state)
{
        (void)state;
        connect_both();
        f.server.use_at_most = 2;
        f.server.pause_when_offered = true;
        end_write(&f.client, BYTES_LITERAL("abcd"));
        until(f.server.offers == 1);
        end_write(&f.client, BYTES_LITERAL("ef"));
        a_while();
        assert_int_equal(f.server.offers, 1);
        f.server.link->ops->set_reading(f.server.link, true);
        f.server.link->ops->set_reading(f.server.link, false); /* in the same round: nothing comes of it */
        a_while();
        assert_int_equal(f.server.offers, 1);
        f.server.link->ops->set_reading(f.server.link, true);
        assert_int_equal(f.server.offers, 1); /* not from within the call */
        until(f.server.offers == 2);
        assert_memory_equal(f.server.got, "abcd", 4);
        f.server.link->ops->set_reading(f.server.link, true);
        until(f.server.got_n == 6);
}

static void back_pressure_reaches_the_sender(void **state)
{
        size_t n = 20u << 20;
        uint8_t *data = pattern(n);

        (void)state;
        connect_both();
        f.server.link->ops->set_reading(f.server.link, false);
        for (size_t at = 0; at < n; at += n / 20) end_write(&f.client, bytes_make(data + at, n / 20));
        until(f.client.drains);
        a_while();
        assert_int_equal(f.server.got_n, 0);
        assert_true(f.client.link->ops->queued(f.client.link) > n / 4);
        f.server.link->ops->set_reading(f.server.link, true);
        until(f.server.got_n == n);
        assert_memory_equal(f.server.got, data, n);
        assert_int_equal(f.client.link->ops->queued(f.client.link), 0);
        free(data);
}

/* --- ends of links ------------------------------------------------------------------------------------------------------ */

static void sends_what_is_queued_before_it_closes(void **state)
{
        size_t n = 8u << 20;
        uint8_t *data = pattern(n);

        (void)state;
        connect_both();
        end_write(&f.client, bytes_make(data, n));
        end_close(&f.client, true);
        end_write(&f.server, BYTES_LITERAL("too late, and no reset comes of it"));
        until(f.server.downs);
        assert_int_equal(f.server.err, ERR_CLOSED);
        assert_int_equal(f.server.got_n, n);
        assert_memory_equal(f.server.got, data, n);
        assert_int_equal(f.client.offers + f.client.drains + f.client.downs, 0);
        free(data);
}

static void finishing_waits_until_a_closed_link_has_sent(void **state)
{
        uint8_t *data = pattern(1000);

        (void)state;
        connect_both();
        end_write(&f.client, bytes_make(data, 1000));
        end_close(&f.client, true);
        loop_finish(f.rig.loop, 20000);
        assert_int_equal(f.server.got_n, 1000);
        assert_int_equal(f.server.downs, 1);
        free(data);
}

static void gives_up_on_a_closed_link_that_cannot_send(void **state)
{
        size_t n = 20u << 20;
        uint8_t *data = pattern(n);

        (void)state;
        connect_both();
        f.server.link->ops->set_reading(f.server.link, false);
        end_write(&f.client, bytes_make(data, n));
        end_close(&f.client, true);
        a_while();
        skip_ms(3000);
        f.server.link->ops->set_reading(f.server.link, true);
        until(f.server.downs);
        assert_true(f.server.got_n < n); /* what the system had taken of it, no more */
        free(data);
}

static void the_end_of_the_loop_ends_closed_links(void **state)
{
        int fd;

        (void)state;
        fd = tcp_rig_connect(&f.rig);
        until(f.server.link);
        end_close(&f.server, true); /* waits for the other side, which does not close */
        a_while();
        tcp_listener_free(f.rig.listener);
        f.rig.listener = NULL;
        close(fd);
}

static void says_that_the_other_side_has_closed(void **state)
{
        (void)state;
        connect_both();
        end_close(&f.client, false);
        until(f.server.downs);
        assert_int_equal(f.server.err, ERR_CLOSED);
        assert_string_equal(f.server.why, "closed by the other side");
}

static void says_that_the_connection_was_reset(void **state)
{
        int fd;

        (void)state;
        fd = tcp_rig_connect(&f.rig);
        until(f.server.link);
        close_with_reset(fd);
        until(f.server.downs);
        assert_int_equal(f.server.err, ERR_CLOSED);
        assert_string_equal(f.server.why, strerror(ECONNRESET));
}

static void sends_what_is_queued_to_one_who_has_closed_his_half(void **state)
{
        size_t n = 8u << 20, got = 0;
        uint8_t *data = pattern(n);
        static uint8_t buffer[65536];
        ssize_t r = 1;
        int fd;

        (void)state;
        fd = tcp_rig_connect(&f.rig);
        until(f.server.link);
        end_write(&f.server, bytes_make(data, n));
        shutdown(fd, SHUT_WR);
        until(f.server.downs);
        assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
        until((r = read(fd, buffer, sizeof buffer)) == 0 || (r < 0 && errno != EAGAIN) || (r > 0 && memcmp(buffer, data + got, (size_t)r)) ||
              (got += r > 0 ? (size_t)r : 0, false));
        assert_int_equal(r, 0);
        assert_int_equal(got, n);
        close(fd);
        free(data);
}

static void R9_a_frame_in_work_outlives_its_link(void **state)
{
        (void)state;
        connect_both();
        f.server.use_at_most = 0;
        end_write(&f.client, BYTES_LITERAL("half"));
        until(f.server.offers == 1);
        f.server.use_at_most = SIZE_MAX;
        f.server.close_when_offered = true;
        end_write(&f.client, BYTES_LITERAL("."));
        until(f.server.got_n == 5);
        assert_memory_equal(f.server.got, "half.", 5);
        until(f.client.downs);
}

static void R14_notices_a_reset_while_it_does_not_read(void **state)
{
        int fd;

        (void)state;
        fd = tcp_rig_connect(&f.rig);
        until(f.server.link);
        f.server.link->ops->set_reading(f.server.link, false);
        skip_ms(5000);
        assert_int_equal(f.server.downs, 0);
        close_with_reset(fd);
        a_while();
        skip_ms(2000); /* the clock moves by itself too, so nothing is asked about its last milliseconds */
        assert_int_equal(f.server.downs, 0);
        skip_ms(3000);
        assert_int_equal(f.server.downs, 1);
        assert_int_equal(f.server.err, ERR_CLOSED);
}

static int option(int fd, int level, int name)
{
        int value = -1;
        socklen_t size = sizeof value;

        assert_int_equal(getsockopt(fd, level, name, &value, &size), 0);
        return value;
}

static void R14_sets_its_sockets_up(void **state)
{
        int fds[2];

        (void)state;
        connect_both();
        fds[0] = socket_to(f.client.link->peer);
        fds[1] = socket_to(f.server.link->peer);
        for (int i = 0; i < 2; i++) {
                assert_true(option(fds[i], IPPROTO_TCP, TCP_NODELAY));
                assert_true(option(fds[i], SOL_SOCKET, SO_KEEPALIVE));
                assert_int_equal(option(fds[i], IPPROTO_TCP, TCP_KEEPIDLE), 30);
                assert_int_equal(option(fds[i], IPPROTO_TCP, TCP_KEEPINTVL), 10);
                assert_int_equal(option(fds[i], IPPROTO_TCP, TCP_KEEPCNT), 3);
                assert_int_equal(option(fds[i], IPPROTO_TCP, TCP_USER_TIMEOUT), 30000);
                assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
        }
}

/* --- dialling ----------------------------------------------------------------------------------------------------------- */

static void dials_by_name(void **state)
{
        char address[64];

        (void)state;
        snprintf(address, sizeof address, "localhost%s", strrchr(tcp_listener_address(f.rig.listener), ':'));
        dial(address); /* goes on to 127.0.0.1 when [::1] refuses */
        until(f.client.ups && f.server.link);
        assert_string_equal(f.client.link->peer, tcp_listener_address(f.rig.listener));
}

static void says_that_nobody_listens(void **state)
{
        char address[64];

        (void)state;
        snprintf(address, sizeof address, "%s", tcp_listener_address(f.rig.listener));
        tcp_listener_free(f.rig.listener);
        f.rig.listener = NULL;
        dial(address);
        until(f.client.downs);
        assert_int_equal(f.client.ups, 0);
        assert_int_equal(f.client.err, ERR_UNREACHABLE);
        assert_string_equal(f.client.why, strerror(ECONNREFUSED));
}

static void refuses_what_is_no_address(void **state)
{
        struct link *link = NULL;
        struct reason why;

        (void)state;
        assert_err(f.net->dial(f.net, "nowhere", &end_events, &f.client, &link, &why), ERR_USAGE);
        assert_non_null(strstr(why.text, "nowhere"));
        assert_null(link);
}

static void gives_up_connecting_in_time(void **state)
{
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof at;
        int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), filler[4];
        char address[64];

        (void)state;
        assert_int_equal(bind(listening, (struct sockaddr *)&at, size), 0);
        assert_int_equal(listen(listening, 0), 0); /* and nobody accepts: the next one's SYN is not answered */
        assert_int_equal(getsockname(listening, (struct sockaddr *)&at, &size), 0);
        for (int i = 0; i < 4; i++) {
                filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
                (void)!connect(filler[i], (struct sockaddr *)&at, size);
        }
        tcp_address_text((struct sockaddr *)&at, size, address, sizeof address);
        dial(address);
        a_while();
        skip_ms(4000);
        assert_int_equal(f.client.downs, 0);
        skip_ms(1001);
        assert_int_equal(f.client.downs, 1);
        assert_int_equal(f.client.ups, 0);
        assert_int_equal(f.client.err, ERR_TIMEOUT);
        for (int i = 0; i < 4; i++) close(filler[i]);
        close(listening);
}

static void closed_while_it_connects_says_nothing(void **state)
{
        (void)state;
        dial(tcp_listener_address(f.rig.listener));
        end_close(&f.client, false);
        a_while();
        assert_int_equal(f.client.ups + f.client.downs, 0);
}

static void closed_while_its_name_is_looked_up_says_nothing(void **state)
{
        (void)state;
        dial("no-such-host.invalid:80");
        end_close(&f.client, true);
        a_while();
        assert_int_equal(f.client.ups + f.client.downs, 0);
}

static void gives_up_on_a_name_in_time(void **state)
{
        (void)state;
        dial("no-such-host.invalid:80");
        skip_ms(5000);
        until(f.client.downs); /* or the name server has said no before */
        assert_true(f.client.err == ERR_TIMEOUT || f.client.err == ERR_UNREACHABLE);
}

/* --- accepting ---------------------------------------------------------------------------------------------------------- */

static size_t pauses_said;

static void count_pause(void *user, enum log_level level, const char *line)
{
        (void)user;
        assert_int_equal(level, LOG_LEVEL_WARNING);
        assert_non_null(strstr(line, "accepting pauses: "));
        pauses_said++;
}

static void G31_accepting_pauses_when_descriptors_run_out(void **state)
{
        struct rlimit before, now;
        size_t rounds = 0;
        int fd, spare;

        (void)state;
        if (test_under_valgrind()) skip(); /* it accepts what is beyond the limit, and closes it */
        fd = tcp_rig_connect(&f.rig);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        spare = dup(fd);
        close(spare);
        now = before;
        now.rlim_cur = (rlim_t)spare; /* the next descriptor would be this one */
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
        pauses_said = 0;
        logger_set_sink(count_pause, NULL);
        for (; rounds < 1000; rounds++) loop_run_once(f.rig.loop);
        assert_int_equal(f.accepted, 0);
        assert_in_range(f.rig.ctx.stats.v[STAT_ACCEPTS_PAUSED], 1, 5); /* not once a round */
        for (int i = 0; i < 10; i++) skip_ms(200);
        assert_true(f.rig.ctx.stats.v[STAT_ACCEPTS_PAUSED] >= 10);
        assert_int_equal(pauses_said, 1);
        skip_ms(10000);
        assert_int_equal(pauses_said, 2);
        logger_set_sink(NULL, NULL);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        skip_ms(200);
        until(f.accepted == 1);
        close(fd);
}

static void frees_a_listener_that_pauses(void **state)
{
        struct rlimit before, now;
        int fd, spare;

        (void)state;
        if (test_under_valgrind()) skip(); /* as above */
        fd = tcp_rig_connect(&f.rig);
        spare = dup(fd);
        close(spare);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        now = before;
        now.rlim_cur = (rlim_t)spare;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
        loop_run_once(f.rig.loop);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(f.rig.ctx.stats.v[STAT_ACCEPTS_PAUSED], 1);
        tcp_listener_free(f.rig.listener);
        f.rig.listener = NULL;
        skip_ms(1000);
        close(fd);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                T(splits_addresses),
                T(refuses_to_listen_where_it_cannot),
                T(carries_bytes_both_ways),
                T(carries_bytes_over_ipv6),
                T(sends_in_one_piece_what_one_round_has_written),
                T(offers_again_what_was_left_over),
                T(offers_again_when_reading_goes_on_without_new_bytes),
                T(back_pressure_reaches_the_sender),
                T(sends_what_is_queued_before_it_closes),
                T(finishing_waits_until_a_closed_link_has_sent),
                T(gives_up_on_a_closed_link_that_cannot_send),
                T(the_end_of_the_loop_ends_closed_links),
                T(says_that_the_other_side_has_closed),
                T(says_that_the_connection_was_reset),
                T(sends_what_is_queued_to_one_who_has_closed_his_half),
                T(R9_a_frame_in_work_outlives_its_link),
                T(R14_notices_a_reset_while_it_does_not_read),
                T(R14_sets_its_sockets_up),
                T(dials_by_name),
                T(says_that_nobody_listens),
                T(refuses_what_is_no_address),
                T(gives_up_connecting_in_time),
                T(closed_while_it_connects_says_nothing),
                T(closed_while_its_name_is_looked_up_says_nothing),
                T(gives_up_on_a_name_in_time),
                T(G31_accepting_pauses_when_descriptors_run_out),
                T(frees_a_listener_that_pauses),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
