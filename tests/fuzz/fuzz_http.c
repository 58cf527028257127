/* The node's HTTP server: what a client sends, in pieces, and when it closes. Answers are HTTP's, and the server goes on to tell how it is.
 * The parser itself is libevent's, which no fuzzer of ours looks into; sanitizers do not either.
 *
 * The server listens on a true port at which nobody knocks. A connection is one end of a pair of sockets, which costs a tenth of one of
 * TCP: libevent is told that the listener is ready, and accept4, which is ours in this program, gives it the other end. */
#include "node/http.h"
#include "stream/log_memory.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIECES_MAX = 8, ANSWER_MAX = 1 << 15, TURNS = 3, HEALTH_TURNS = 100 };

static struct context ctx;
static struct loop *loop;
static struct http *http;
static uint64_t now;
static const struct event *listener;
static int coming = -1; /* the server's end of a pair, until it is accepted */

static uint64_t now_ms(void *user)
{
        (void)user;
        return now;
}

/* In place of the system's, for libevent too. */
__attribute__((visibility("default"))) int accept4(int fd, __SOCKADDR_ARG from, socklen_t *restrict from_size, int flags)
{
        static const struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = 1, .sin_addr.s_addr = 1};
        const int accepted = coming;

        (void)fd;
        fuzz_require(*from_size >= sizeof peer && flags == (SOCK_NONBLOCK | SOCK_CLOEXEC));
        coming = -1;
        if (accepted < 0) {
                errno = EAGAIN;
                return -1;
        }
        memcpy(from.__sockaddr__, &peer, sizeof peer);
        *from_size = sizeof peer;
        return accepted;
}

static int find_listener(const struct event_base *base, const struct event *event, void *found)
{
        int listens = 0;
        socklen_t size = sizeof listens;

        (void)base;
        if (event_get_fd(event) >= 0 && !getsockopt(event_get_fd(event), SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) && listens)
                *(const struct event **)found = event;
        return 0;
}

static void make_server(void)
{
        static const struct node_config config = {TRANSPORT_LIMITS_DEFAULT, SERVICE_LIMITS_DEFAULT};
        static const struct log_limits limits = LOG_LIMITS_DEFAULT;
        static struct node *node;
        struct reason why;

        if (http) return;
        signal(SIGPIPE, SIG_IGN); /* as the node does */
        context_init(&ctx);
        ctx.now_ms = now_ms;
        loop = loop_new(&ctx);
        node = node_new(&ctx, &config);
        fuzz_require(loop && node);
        fuzz_require(node_set_log(node, log_memory_new(&ctx, &limits, &node_log_events, node)) == OK);
        fuzz_require(http_new(loop, "127.0.0.1:0", node, &http, &why) == OK);
        fuzz_require(event_base_foreach_event(loop_base(loop), find_listener, &listener) == 0 && listener);
}

/* Connections that have ended are let go of by time, so that passes too. */
static void turns(void)
{
        now += 100;
        for (int i = 0; i < TURNS; i++)
                loop_run_once(loop);
}

/* The client's end of a new connection. */
static int connected(void)
{
        int ends[2];

        fuzz_require(coming < 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
        coming = ends[1];
        event_active((struct event *)(uintptr_t)listener, EV_READ, 0);
        loop_run_once(loop);
        fuzz_require(coming < 0);
        return ends[0];
}

/* Until the server has let go of it, so that no run sees what another left. */
static void ended(int fd)
{
        close(fd);
        turns();
        now += HTTP_LOOK_MS;
        turns();
}

static size_t received(int fd, char *answer)
{
        ssize_t n = read(fd, answer, ANSWER_MAX);

        return n > 0 ? (size_t)n : 0;
}

static void check_health(void)
{
        static const char request[] = "GET /health HTTP/1.0\r\n\r\n";
        static char answer[ANSWER_MAX + 1];
        int fd = connected(), left = HEALTH_TURNS;
        size_t n = 0;

        fuzz_require(write(fd, request, sizeof request - 1) == sizeof request - 1);
        while (n == 0 && left-- > 0) {
                turns();
                n = received(fd, answer);
        }
        answer[n] = '\0';
        fuzz_require(strncmp(answer, "HTTP/1.0 200 OK", 15) == 0);
        ended(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static char answer[ANSWER_MAX];
        struct fuzz_input in = fuzz_input_make(data, size);
        size_t n;
        int fd;

        fuzz_silence();
        make_server();
        fd = connected();
        for (int i = 0; i < PIECES_MAX && fuzz_more(&in); i++) {
                struct bytes piece = i < PIECES_MAX - 1 ? fuzz_data(&in) : in.rest;

                if (piece.n && send(fd, piece.p, piece.n, MSG_NOSIGNAL) < 0) break; /* it has been closed */
                turns();
        }
        n = received(fd, answer);
        fuzz_require(n == 0 || (n > 9 && memcmp(answer, "HTTP/", 5) == 0));
        ended(fd);
        if (size % 8 == 0) check_health();
        return 0;
}
