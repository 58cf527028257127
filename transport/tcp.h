/* TCP: links over sockets, a net that dials them and a listener. libevent does the sockets, evdns the names.
 * TCP_NODELAY always; TCP_QUICKACK after reads that left nothing to write (Rust clients leave Nagle on: docs/protocol.md);
 * keepalive 30 s + 3 x 10 s and TCP_USER_TIMEOUT 30 s (R14). */
#ifndef STROP_TRANSPORT_TCP_H
#define STROP_TRANSPORT_TCP_H

#include "transport/link.h"
#include "transport/limits.h"
#include "transport/loop.h"

struct tcp_listener;
struct sockaddr;

/* A net whose links live in this loop. */
struct net *tcp_net_new(struct loop *loop, const struct transport_limits *limits);
void tcp_net_free(struct net *net);

/* Listens on "host:port" (a numeric host, or [v6]:port; port 0: a free one). `accepted` gets each new link, up already, and
 * sets its events and user, or closes it. When descriptors run out, accepting pauses and goes on by itself. */
MUST_USE enum err tcp_listen(struct loop *loop, const struct transport_limits *limits, const char *address,
                             void (*accepted)(void *user, struct link *take_link), void *user, struct tcp_listener **out,
                             struct reason *why);
/* "127.0.0.1:4000", the port as it came to be. */
const char *tcp_listener_address(const struct tcp_listener *listener);
/* Links that it accepted live on. */
void tcp_listener_free(struct tcp_listener *listener);

/* A socket's address as "127.0.0.1:4000" or "[::1]:4000". */
void tcp_address_text(const struct sockaddr *address, size_t size, char *out, size_t cap);

/* Splits "host:port" or "[v6]:port"; false with `why` when it is neither. */
bool tcp_address_split(const char *address, char *host, size_t host_cap, uint16_t *port, struct reason *why);

#endif
