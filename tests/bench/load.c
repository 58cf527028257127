/* Load on a node, over real sockets: so many connections, each with a stream of its own, a held pull, and messages through it.
 *
 *     load --node HOST:PORT [--connections N] [--messages N] [--window N] [--size BYTES] [--hold]
 *
 * Each connection creates its stream and pulls; then `messages` messages in all go through, `window` of them on their way at once (with
 * several connections, one on each at a time). Every one must come back, once, by the pull that waits for it. Prints one JSON object:
 * seconds, messages a second, and percentiles of push to confirmed and push to pulled in microseconds. With --hold it then goes on waiting
 * for messages until the end of stdin, so that a script can look at the node meanwhile. Exit 1: something was lost, wrong, or nothing came
 * for a minute. */
#include "stream/protocol.h"
#include "transport/frame.h"
#include "transport/message.h"
#include "transport/wire.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PULL_LIMIT = 1000, STALLED_MS = 60000, BUFFER_SMALL = 8192, BUFFER = 1 << 18, HOPS_MAX = 16, CREATES_AT_ONCE = 256 };

struct peer {
        int fd;
        uint8_t address[64]; /* of its stream */
        size_t address_n;
        uint8_t *in;
        size_t in_n, in_cap;
        uint64_t pushed, pulled, next_index, next_number;
};

static struct {
        const char *node;
        uint64_t connections, messages, window, size;
        bool hold;
} options = {.connections = 1, .messages = 10000, .window = 64, .size = 100};

static struct peer *peers;
static int epoll_fd;
static uint64_t started, created, pushed, confirmed, pulled;
static uint64_t *sent_at, *confirm_us, *pull_us; /* by message; a message's number stands in its first bytes */

static uint64_t now_us(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void die(const char *what)
{
        fprintf(stderr, "load: %s (%s); created %llu, pushed %llu, confirmed %llu, pulled %llu\n", what, strerror(errno),
                (unsigned long long)created, (unsigned long long)pushed, (unsigned long long)confirmed, (unsigned long long)pulled);
        exit(1);
}

static void send_request(struct peer *peer, struct bytes to, const struct stream_request *request)
{
        static uint8_t payload[FRAME_MAX], frame[FRAME_MAX + FRAME_LENGTH_SIZE], onward[128], ret[16];
        struct writer p = writer_make(payload, sizeof payload), f = writer_make(frame, sizeof frame);
        struct writer o = writer_make(onward, sizeof onward), r = writer_make(ret, sizeof ret);

        stream_put_request(&p, request);
        address_put(&o, address_local(to));
        address_put(&r, address_local(BYTES_LITERAL("load")));
        struct message msg = {{1, writer_bytes(&o)}, {1, writer_bytes(&r)}, writer_bytes(&p)};
        frame_put_length(&f, message_size(&msg));
        message_put(&f, &msg);
        for (size_t sent = 0; sent < f.n;) {
                ssize_t n = send(peer->fd, f.p + sent, f.n - sent, MSG_NOSIGNAL);

                if (n > 0)
                        sent += (size_t)n;
                else if (errno != EINTR)
                        die("cannot send");
        }
}

static void send_pull(struct peer *peer)
{
        uint8_t memory[UINT_SIZE_MAX];
        struct stream_request request = {.protocol = STREAM_PULL,
                                         .pull = {request_id_of(peer->pulled, memory), peer->next_index, PULL_LIMIT}};

        send_request(peer, bytes_make(peer->address, peer->address_n), &request);
}

static void send_push(struct peer *peer)
{
        static uint8_t data[FRAME_MAX];
        uint8_t memory[UINT_SIZE_MAX];
        struct stream_request request = {.protocol = STREAM_PUSH, .push = {request_id_of(pushed, memory), bytes_make(data, options.size)}};

        memcpy(data, &pushed, sizeof pushed);
        sent_at[pushed] = now_us();
        pushed++;
        peer->pushed++;
        send_request(peer, bytes_make(peer->address, peer->address_n), &request);
}

static void push_more(void)
{
        static uint64_t turn;
        uint64_t each = options.connections > 1 ? 1 : options.window;

        if (created < options.connections) return; /* a pull was answered, for its time was over, before all streams were there */
        for (uint64_t looked = 0; looked < options.connections && pushed < options.messages && pushed - pulled < options.window;) {
                struct peer *peer = &peers[turn % options.connections];

                if (peer->pushed - peer->pulled < each)
                        send_push(peer);
                else
                        looked++;
                if (peer->pushed - peer->pulled >= each) turn++;
        }
}

static void take_pulled(struct peer *peer, const struct stream_response *response)
{
        struct bytes messages = response->pull.messages;
        struct stream_message message;
        uint64_t number;

        while (stream_message_next(&messages, &message)) {
                if (message.data.n != options.size || message.index < peer->next_index) die("a message came twice, or another one");
                memcpy(&number, message.data.p, sizeof number);
                if (number >= pushed || pull_us[number]) die("a message that was not sent, or twice");
                if (number < peer->next_number) die("a message overtook another");
                peer->next_number = number + 1;
                pull_us[number] = now_us() - sent_at[number] + 1;
                peer->next_index = message.index + 1;
                peer->pulled++;
                pulled++;
        }
        send_pull(peer);
        push_more();
}

static void take_created(struct peer *peer, const struct message *msg)
{
        struct address from;

        if (!route_front(msg->ret, &from) || from.value.n > sizeof peer->address) die("a stream without an address");
        memcpy(peer->address, from.value.p, from.value.n);
        peer->address_n = from.value.n;
        created++;
        send_pull(peer);
}

static void take(struct peer *peer, const struct message *msg)
{
        struct stream_response response;

        if (stream_response_read(msg->payload, &response)) die("an answer that does not decode");
        switch (response.protocol) {
        case STREAM_CREATE:
                take_created(peer, msg);
                break;
        case STREAM_PUSH:
                if (response.push.failed || response.push.id >= pushed) die("a push failed");
                confirm_us[response.push.id] = now_us() - sent_at[response.push.id];
                confirmed++;
                break;
        case STREAM_PULL:
                take_pulled(peer, &response);
                break;
        case STREAM_ERROR:
                fprintf(stderr, "load: the node says: %.*s\n", (int)response.error.reason.n, response.error.reason.p);
                exit(1);
        default:
                die("an answer that nobody asked for");
        }
}

static void grow(struct peer *peer)
{
        if (peer->in_cap - peer->in_n >= BUFFER_SMALL / 2) return;
        peer->in_cap = peer->in_cap ? BUFFER : BUFFER_SMALL;
        peer->in = realloc(peer->in, peer->in_cap);
        if (!peer->in) die("out of memory");
}

static void receive(struct peer *peer)
{
        struct bytes body;
        struct message msg;
        size_t used, at = 0;
        ssize_t n;

        grow(peer);
        n = recv(peer->fd, peer->in + peer->in_n, peer->in_cap - peer->in_n, MSG_DONTWAIT);
        if (n == 0) die("the node closed a connection");
        if (n < 0 && errno != EAGAIN && errno != EINTR) die("cannot receive");
        if (n < 0) return;
        peer->in_n += (size_t)n;
        for (; frame_next(bytes_make(peer->in + at, peer->in_n - at), &used, &body) == OK; at += used) {
                if (message_read(body, HOPS_MAX, &msg)) die("a frame that does not decode");
                take(peer, &msg);
        }
        memmove(peer->in, peer->in + at, peer->in_n - at);
        peer->in_n -= at;
}

/* Handles what has come; the end when nothing does for too long. */
static void wait_for_events(void)
{
        struct epoll_event events[256];
        int n = epoll_wait(epoll_fd, events, 256, STALLED_MS);

        if (n == 0) die("nothing came for a minute");
        for (int i = 0; i < n; i++) {
                if (events[i].data.ptr) receive(events[i].data.ptr);
                else options.hold = getchar() != EOF;
        }
}

/* Each connection goes on waiting for messages, until stdin is closed. */
static void hold(void)
{
        struct epoll_event event = {.events = EPOLLIN};

        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &event)) die("stdin is not a pipe");
        while (options.hold)
                wait_for_events();
}

static void connect_peer(struct peer *peer, const struct addrinfo *to, uint64_t number)
{
        char name[64];
        struct stream_request request = {.protocol = STREAM_CREATE};
        struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = peer}};

        peer->fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (peer->fd < 0 || connect(peer->fd, to->ai_addr, to->ai_addrlen)) die("cannot connect");
        setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, peer->fd, &event)) die("epoll");
        snprintf(name, sizeof name, "load_%d_%llx_%llu", getpid(), (unsigned long long)started, (unsigned long long)number);
        request.create = (struct stream_create_request){.named = true, .name = bytes_of_text(name), .partitions = 1};
        send_request(peer, BYTES_LITERAL("stream_kafka"), &request);
}

static void connect_all(void)
{
        char host[256];
        const char *colon = strrchr(options.node, ':');
        struct addrinfo *to, hints = {.ai_socktype = SOCK_STREAM};

        if (!colon || (size_t)(colon - options.node) >= sizeof host) die("--node is not HOST:PORT");
        memcpy(host, options.node, (size_t)(colon - options.node));
        host[colon - options.node] = '\0';
        if (getaddrinfo(host, colon + 1, &hints, &to)) die("cannot resolve the node's name");
        for (uint64_t i = 0; i < options.connections; i++) {
                connect_peer(&peers[i], to, i);
                while (i + 1 - created > CREATES_AT_ONCE)
                        wait_for_events();
        }
        while (created < options.connections)
                wait_for_events();
        freeaddrinfo(to);
}

static int compare(const void *a, const void *b)
{
        uint64_t x, y;

        memcpy(&x, a, sizeof x);
        memcpy(&y, b, sizeof y);
        return x < y ? -1 : x > y;
}

static void print_percentiles(const char *name, uint64_t *us, uint64_t n)
{
        qsort(us, n, sizeof *us, compare);
        printf(", \"%s_us\": {\"p50\": %llu, \"p90\": %llu, \"p99\": %llu, \"max\": %llu}", name, (unsigned long long)us[n / 2],
               (unsigned long long)us[n * 9 / 10], (unsigned long long)us[n * 99 / 100], (unsigned long long)us[n - 1]);
}

static void parse(int argc, char **argv)
{
        struct {
                const char *name;
                uint64_t *at;
        } numbers[] = {
                {"--connections", &options.connections},
                {"--messages", &options.messages},
                {"--window", &options.window},
                {"--size", &options.size},
        };

        for (int i = 1; i < argc; i++) {
                if (strcmp(argv[i], "--hold") == 0)
                        options.hold = true;
                else if (strcmp(argv[i], "--node") == 0 && i + 1 < argc)
                        options.node = argv[++i];
                for (size_t k = 0; k < 4; k++)
                        if (strcmp(argv[i], numbers[k].name) == 0 && i + 1 < argc) *numbers[k].at = strtoull(argv[++i], NULL, 10);
        }
        if (options.node && options.connections && options.messages && options.window && options.size >= 8 && options.size <= 65000) return;
        fputs("usage: load --node HOST:PORT [--connections N] [--messages N] [--window N] [--size BYTES, 8 to 65000] [--hold]\n", stderr);
        exit(2);
}

static void prepare(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
                limit.rlim_cur = limit.rlim_max;
                setrlimit(RLIMIT_NOFILE, &limit);
        }
        epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        peers = calloc(options.connections, sizeof *peers);
        sent_at = calloc(options.messages, sizeof *sent_at);
        confirm_us = calloc(options.messages, sizeof *confirm_us);
        pull_us = calloc(options.messages, sizeof *pull_us);
        if (epoll_fd < 0 || !peers || !sent_at || !confirm_us || !pull_us) die("out of memory");
}

int main(int argc, char **argv)
{
        uint64_t connected;
        double seconds;

        parse(argc, argv);
        prepare();
        started = now_us();
        connect_all();
        connected = now_us();
        push_more();
        while (pulled < options.messages || confirmed < options.messages)
                wait_for_events();
        seconds = (double)(now_us() - connected) / 1e6;
        printf("{\"connections\": %llu, \"messages\": %llu, \"window\": %llu, \"size\": %llu, \"connect_seconds\": %.3f, \"seconds\": "
               "%.3f, \"per_second\": %.0f",
               (unsigned long long)options.connections, (unsigned long long)options.messages, (unsigned long long)options.window,
               (unsigned long long)options.size, (double)(connected - started) / 1e6, seconds, (double)options.messages / seconds);
        print_percentiles("confirmed", confirm_us, options.messages);
        print_percentiles("pulled", pull_us, options.messages);
        printf("}\n");
        fflush(stdout);
        if (options.hold) hold();
        return 0;
}
