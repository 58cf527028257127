/* The node's metrics and health, over real sockets; and how much its HTTP server may be made to hold. */
#include "tests/support/tcp_rig.h"

#include "node/http.h"
#include "stream/log_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct fixture {
        struct context ctx;
        uint64_t (*real_now_ms)(void *user);
        uint64_t skipped_ms;
        struct loop *loop;
        struct node *node;
        struct log *log;
        struct http *http;
        char answer[1 << 16];
        size_t answer_n;
};

static struct fixture f;

/* The system's clocks, as libevent reads them too, can be moved on, so that its own time limits need not be waited for, and stood still, so that
 * none of them is over while much is done. */
static time_t skipped_s;
static bool stands_still;

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *now)
{
        static struct timespec stood[16];
        long status = syscall(SYS_clock_gettime, clock, now);

        if (status || clock < 0 || clock >= 16) return (int)status;
        now->tv_sec += skipped_s;
        if (stands_still && stood[clock].tv_sec) *now = stood[clock];
        stood[clock] = *now;
        return 0;
}

static uint64_t true_ms(void)
{
        struct timespec now;

        assert_int_equal(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now), 0);
        return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t now_ms(void *user)
{
        return f.real_now_ms(user) + f.skipped_ms;
}

static int setup(void **state)
{
        struct node_config config = {TRANSPORT_LIMITS_DEFAULT, SERVICE_LIMITS_DEFAULT};
        struct log_limits limits = LOG_LIMITS_DEFAULT;
        struct reason why = {""};

        (void)state;
        memset(&f, 0, sizeof f);
        skipped_s = 0;
        stands_still = false;
        context_init(&f.ctx);
        f.real_now_ms = f.ctx.now_ms;
        f.ctx.now_ms = now_ms;
        assert_non_null(f.loop = loop_new(&f.ctx));
        assert_non_null(f.node = node_new(&f.ctx, &config));
        assert_non_null(f.log = log_memory_new(&f.ctx, &limits, &node_log_events, f.node));
        assert_ok(node_set_log(f.node, f.log));
        if (http_new(f.loop, "127.0.0.1:0", f.node, &f.http, &why)) fail_msg("%s", why.text);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        http_free(f.http);
        node_free(f.node);
        loop_run_once(f.loop);
        loop_free(f.loop);
        context_clear(&f.ctx);
        return 0;
}

static int connected(void)
{
        int fd = plain_socket(http_address(f.http));

        assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
        return fd;
}

static void a_while(void)
{
        for (int i = 0; i < 200; i++) loop_run_once(f.loop);
}

static void say(int fd, const char *text)
{
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* Reads until the other side closes, or the answer holds `wanted` (NULL: only the end will do). */
static void read_answer(int fd, const char *wanted)
{
        uint64_t until_ms = true_ms() + 20000;

        f.answer_n = 0;
        f.answer[0] = '\0';
        for (;;) {
                ssize_t n = read(fd, f.answer + f.answer_n, sizeof f.answer - 1 - f.answer_n);

                if (n == 0 || (n < 0 && errno == ECONNRESET)) return;
                if (n > 0) f.answer[f.answer_n += (size_t)n] = '\0';
                if (wanted && strstr(f.answer, wanted)) return;
                if (true_ms() > until_ms) fail_msg("no end of the answer; so far: %s", f.answer);
                loop_run_once(f.loop);
        }
}

static void get(const char *request)
{
        int fd = connected();

        say(fd, request);
        read_answer(fd, NULL);
        close(fd);
}

static void answer_has(const char *text)
{
        if (!strstr(f.answer, text)) fail_msg("\"%s\" is not in: %s", text, f.answer);
}

static void prints_all_counters_and_figures(void **state)
{
        (void)state;
        f.ctx.stats.v[STAT_PUSHES] = 42;
        get("GET /metrics HTTP/1.0\r\n\r\n");
        assert_memory_equal(f.answer, "HTTP/1.0 200 OK", 15);
        answer_has("Content-Type: text/plain; version=0.0.4");
        answer_has("\n# TYPE strop_pushes_total counter\nstrop_pushes_total 42\n");
        answer_has("\n# TYPE strop_connections gauge\nstrop_connections 0\n");
        answer_has("\nstrop_kafka_reachable 1\n");
        for (int i = 0; i < STAT_COUNT; i++) {
                char line[128];

                snprintf(line, sizeof line, "\nstrop_%s_total ", stat_name((enum stat_id)i));
                answer_has(line);
        }
}

static void says_how_it_is(void **state)
{
        (void)state;
        get("GET /health HTTP/1.0\r\n\r\n");
        assert_memory_equal(f.answer, "HTTP/1.0 200 OK", 15);
        answer_has("\r\n\r\nok\n");
        log_memory_set_faults(f.log, &(struct log_memory_faults){.away = true});
        get("GET /health HTTP/1.0\r\n\r\n");
        assert_memory_equal(f.answer, "HTTP/1.0 503 ", 13);
        assert_true(strlen(strstr(f.answer, "\r\n\r\n")) > 8);
        get("GET /metrics HTTP/1.0\r\n\r\n");
        answer_has("\nstrop_kafka_reachable 0\n");
}

static void answers_a_balancer_that_asks_for_the_head(void **state)
{
        (void)state;
        get("HEAD /health HTTP/1.0\r\n\r\n");
        assert_memory_equal(f.answer, "HTTP/1.0 200 OK", 15);
        assert_string_equal(strstr(f.answer, "\r\n\r\n"), "\r\n\r\n");
        answer_has("\r\nContent-Length: 3\r\n");
        log_memory_set_faults(f.log, &(struct log_memory_faults){.away = true});
        get("HEAD /health HTTP/1.0\r\n\r\n");
        assert_memory_equal(f.answer, "HTTP/1.0 503 ", 13);
}

static void refuses_all_else(void **state)
{
        static const struct {
                const char *request, *answer;
        } cases[] = {
                {"GET / HTTP/1.0\r\n\r\n", " 404 "},
                {"GET /metrics/x HTTP/1.0\r\n\r\n", " 404 "},
                {"POST /metrics HTTP/1.0\r\nContent-Length: 1\r\n\r\nx", " 413 "},
                {"DELETE /health HTTP/1.0\r\n\r\n", " 501 "},
                {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", ""},
                {"POST /health HTTP/1.0\r\nContent-Length: 99999999999999\r\n\r\n", " 413 "},
                {"POST /health HTTP/1.0\r\n\r\n", " 501 "},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                get(cases[i].request);
                answer_has(cases[i].answer);
        }
        get("GET /health HTTP/1.0\r\n\r\n");
        answer_has("\r\n\r\nok\n");
}

static void takes_no_more_headers_than_it_should(void **state)
{
        static char request[20000] = "GET /health HTTP/1.0\r\nX: ";
        size_t n = strlen(request);

        (void)state;
        memset(request + n, 'x', 9000);
        memcpy(request + n + 9000, "\r\n\r\n", 5);
        get(request);
        assert_null(strstr(f.answer, " 200 "));
}

static void serves_again_on_one_connection(void **state)
{
        int fd = connected();

        (void)state;
        for (int i = 0; i < 3; i++) {
                say(fd, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
                read_answer(fd, "\r\n\r\nok\n");
                answer_has("HTTP/1.1 200 OK");
        }
        close(fd);
}

static void holds_so_many_connections_and_no_more(void **state)
{
        int fds[HTTP_CONNECTIONS_MAX], waiting;

        (void)state;
        for (int i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
                fds[i] = connected();
                say(fds[i], "GET /hea");
        }
        a_while();
        waiting = connected();
        say(waiting, "GET /health HTTP/1.0\r\n\r\n");
        a_while();
        assert_int_equal(read(waiting, f.answer, 1), -1);
        close(fds[7]);
        read_answer(waiting, NULL);
        answer_has("\r\n\r\nok\n");
        for (int i = 0; i < HTTP_CONNECTIONS_MAX; i++)
                if (i != 7) close(fds[i]);
        close(waiting);
        a_while();
        get("GET /health HTTP/1.0\r\n\r\n");
        answer_has("\r\n\r\nok\n");
}

static void R2_ends_a_connection_that_goes_on_for_too_long(void **state)
{
        int fd = connected();

        (void)state;
        say(fd, "GET /hea");
        a_while();
        f.skipped_ms += 59000;
        a_while();
        assert_int_equal(read(fd, f.answer, 1), -1);
        assert_int_equal(errno, EAGAIN);
        f.skipped_ms += 1001;
        read_answer(fd, NULL);
        assert_int_equal(f.answer_n, 0);
        close(fd);
}

static void R2_ends_a_connection_that_says_nothing(void **state)
{
        int fd = connected(), busy;

        (void)state;
        a_while();
        skipped_s = HTTP_TIMEOUT_S / 2;
        busy = connected();
        say(busy, "GET /hea");
        a_while();
        skipped_s = HTTP_TIMEOUT_S - 1;
        a_while();
        assert_int_equal(read(fd, f.answer, 1), -1);
        assert_int_equal(errno, EAGAIN);
        skipped_s = HTTP_TIMEOUT_S + 1;
        read_answer(fd, NULL);
        assert_int_equal(f.answer_n, 0);
        say(busy, "lth HTTP/1.0\r\n\r\n");
        read_answer(busy, NULL);
        answer_has("\r\n\r\nok\n");
        close(fd);
        close(busy);
}

/* One who asks and asks and takes no answer: no more is read of it than the limit, all else waits in the system. */
static void R3_reads_so_much_ahead_and_no_more(void **state)
{
        static const char request[] = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
        static char many[100 * (sizeof request - 1)];
        size_t asked = 0, held, quiet = 0;
        int fd = connected(), small = 1 << 16;

        (void)state;
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0); /* what the system takes is not the matter */
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
        for (size_t at = 0; at < sizeof many; at += sizeof request - 1) memcpy(many + at, request, sizeof request - 1);
        say(fd, request);
        read_answer(fd, "\r\n\r\nok\n");
        held = mallinfo2().uordblks;
        stands_still = true;
        while (quiet < 200) {
                ssize_t n = write(fd, many + asked % sizeof many, sizeof many - asked % sizeof many);

                quiet = n > 0 ? 0 : quiet + 1;
                asked += n > 0 ? (size_t)n : 0;
                loop_run_once(f.loop);
        }
        assert_true(asked > 10 * HTTP_INPUT_MAX);
        assert_in_range(mallinfo2().uordblks, 0, held + 3 * HTTP_INPUT_MAX); /* with what the answer that waits takes */
        get("GET /health HTTP/1.0\r\n\r\n");
        answer_has("\r\n\r\nok\n");
        close(fd);
}

static void G31_accepting_pauses_when_descriptors_run_out(void **state)
{
        struct rlimit before, now;
        int fd, spare;

        (void)state;
        if (test_under_valgrind()) skip(); /* it accepts what is beyond the limit, and closes it */
        fd = connected();
        spare = dup(fd);
        close(spare);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        now = before;
        now.rlim_cur = (rlim_t)spare;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
        say(fd, "GET /health HTTP/1.0\r\n\r\n");
        for (int i = 0; i < 1000; i++) loop_run_once(f.loop);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_in_range(f.ctx.stats.v[STAT_ACCEPTS_PAUSED], 1, 5);
        f.skipped_ms += 200;
        read_answer(fd, NULL);
        answer_has("\r\n\r\nok\n");
        close(fd);
}

static void may_be_freed_while_connections_are_open(void **state)
{
        int fd = connected();

        (void)state;
        say(fd, "GET /hea");
        a_while();
        http_free(f.http);
        f.http = NULL;
        f.skipped_ms += 100000;
        read_answer(fd, NULL);
        close(fd);
}

static void refuses_to_serve_where_it_cannot(void **state)
{
        static const char *const wrong[] = {"localhost:0", "127.0.0.1", "192.0.2.1:0"};
        struct http *http = NULL;
        struct reason why;

        (void)state;
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
                why.text[0] = '\0';
                assert_int_not_equal(http_new(f.loop, wrong[i], f.node, &http, &why), OK);
                assert_non_null(strstr(why.text, wrong[i]));
        }
        assert_err(http_new(f.loop, http_address(f.http), f.node, &http, &why), ERR_SYSTEM);
        assert_non_null(strstr(why.text, "in use"));
        assert_null(http);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                T(prints_all_counters_and_figures),
                T(says_how_it_is),
                T(answers_a_balancer_that_asks_for_the_head),
                T(refuses_all_else),
                T(takes_no_more_headers_than_it_should),
                T(serves_again_on_one_connection),
                T(holds_so_many_connections_and_no_more),
                T(R2_ends_a_connection_that_goes_on_for_too_long),
                T(R2_ends_a_connection_that_says_nothing),
                T(R3_reads_so_much_ahead_and_no_more),
                T(G31_accepting_pauses_when_descriptors_run_out),
                T(may_be_freed_while_connections_are_open),
                T(refuses_to_serve_where_it_cannot),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
