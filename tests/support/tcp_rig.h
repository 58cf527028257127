/* A loop in real time, a TCP listener on the loopback, and plain sockets that connect to it. */
#ifndef STROP_TESTS_TCP_RIG_H
#define STROP_TESTS_TCP_RIG_H

#include "tests/support/test.h"
#include "transport/tcp.h"

struct tcp_rig {
        struct context ctx;
        struct loop *loop;
        struct tcp_listener *listener; /* NULL: the test has freed it */
};

/* `accepted` gets each new link, as from tcp_listen. */
void tcp_rig_init(struct tcp_rig *rig, void (*accepted)(void *user, struct link *take_link), void *user);
void tcp_rig_clear(struct tcp_rig *rig);
/* A plain socket, connected to the listener. */
int tcp_rig_connect(const struct tcp_rig *rig);

/* Runs the loop until the condition holds; fails after 20 s. */
#define tcp_rig_until(rig, condition) \
        do { \
                uint64_t until_ms = context_now_ms(&(rig)->ctx) + 20000; \
                while (!(condition)) { \
                        if (context_now_ms(&(rig)->ctx) > until_ms) fail_msg("%s:%d: waited in vain for %s", __FILE__, __LINE__, #condition); \
                        loop_run_once((rig)->loop); \
                } \
        } while (0)

/* A blocking socket, connected to this port of the loopback ("127.0.0.1:4000"); for ends that a link would not make. */
int plain_socket(const char *address);
/* The socket of this process whose other side is this address; and the one at the other end of a socket. */
int socket_to(const char *peer);
int other_end(int fd);

#endif
