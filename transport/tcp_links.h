/* What the TCP listener needs of the TCP links; private to these two. */
#ifndef STROP_TRANSPORT_TCP_LINKS_H
#define STROP_TRANSPORT_TCP_LINKS_H

#include "transport/tcp.h"

/* What the links of one net or listener share; it lives as long as the last of them. */
struct tcp;

/* NULL: out of memory. The maker has one reference. */
struct tcp *tcp_new(struct loop *loop, const struct transport_limits *limits);
void tcp_unref(struct tcp *tcp);

/* A link of an accepted socket, which is taken, also on failure (closed). ERR_NO_MEMORY, ERR_SYSTEM. */
MUST_USE enum err tcp_link_accepted(struct tcp *tcp, int take_fd, const struct sockaddr *address, size_t size, struct link **out);

#endif
