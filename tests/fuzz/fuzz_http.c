/* The node's HTTP server, over real sockets: what a client sends, in pieces, and when it closes. Answers are HTTP's, and the server goes on
 * to tell how it is. The parser itself is libevent's, which no fuzzer of ours looks into; sanitizers do not either. */
#include "node/http.h"
#include "stream/log_memory.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIECES_MAX = 8, ANSWER_MAX = 1 << 15, TURNS = 4, HEALTH_TURNS = 100 };

static struct context ctx;
static struct loop *loop;
static struct http *http;
static uint64_t now;

static uint64_t now_ms(void *user)
{
        (void)user;
        return now;
}

static void make_server(void)
{
        static const struct node_config config = {TRANSPORT_LIMITS_DEFAULT, SERVICE_LIMITS_DEFAULT};
        static const struct log_limits limits = LOG_LIMITS_DEFAULT;
        static struct node *node;
        struct reason why;

        if (http) return;
        context_init(&ctx);
        ctx.now_ms = now_ms;
        loop = loop_new(&ctx);
        node = node_new(&ctx, &config);
        fuzz_require(loop && node);
        fuzz_require(node_set_log(node, log_memory_new(&ctx, &limits, &node_log_events, node)) == OK);
        fuzz_require(http_new(loop, "127.0.0.1:0", node, &http, &why) == OK);
}

/* Connections that have ended are let go of by time, so that passes too. */
static void turns(void)
{
        now += 100;
        for (int i = 0; i < TURNS; i++)
                loop_run_once(loop);
}

/* From a new address each time: one alone runs out of ports, as those of the connections that the server ends first are not free for a
 * while. */
static int connected(void)
{
        static uint32_t count;
        static const struct linger at_once = {.l_onoff = 1}; /* nothing of it stays, or ports would run out */
        struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + count++ % 60000)};
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        to.sin_port = htons((uint16_t)strtoul(strrchr(http_address(http), ':') + 1, NULL, 10));
        fuzz_require(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
        fuzz_require(bind(fd, (struct sockaddr *)&from, sizeof from) == 0);
        /* It does not wait: the fuzzer's alarm would interrupt it. Within this machine it stands at once all the same. */
        fuzz_require(connect(fd, (struct sockaddr *)&to, sizeof to) == 0 || errno == EINPROGRESS);
        return fd;
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
        close(fd);
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
        close(fd);
        turns();
        if (size % 8 == 0) check_health();
        return 0;
}
