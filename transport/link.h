/* A link: a reliable ordered byte stream to somewhere, without what carries it. TCP is one kind (tcp.c), the simulation's
 * network another. And a net: that which opens links. Connections (conn.h) are built on links and do no I/O themselves. */
#ifndef STROP_TRANSPORT_LINK_H
#define STROP_TRANSPORT_LINK_H

#include "transport/base/bytes.h"
#include "transport/base/err.h"

#include <stdbool.h>

struct link;

/* What a link tells its user. None of these is called from within a call that the user makes on the link. */
struct link_events {
        /* The connection that was asked for stands. */
        void (*up)(void *user);
        /* Bytes have come; returns how many were used up, the rest is offered again with what comes after it. A user that stops
         * reading may leave whole frames unused; else only an incomplete one is left. The bytes may be written over. */
        size_t (*received)(void *user, struct bytes in);
        /* Bytes have gone out; `queued` still wait. */
        void (*drained)(void *user, size_t queued);
        /* The link is gone, by itself; the last event. `why` says in a few words what happened ("connection refused"). */
        void (*down)(void *user, enum err err, const char *why);
};

struct link_ops {
        /* Queues the parts, one behind the other, whole or not at all: ERR_NO_MEMORY, ERR_CLOSED. Parts are copied. */
        enum err (*write)(struct link *link, const struct bytes *parts, size_t count);
        /* Bytes that wait to be sent. */
        size_t (*queued)(const struct link *link);
        /* Stops or goes on reading; back pressure reaches the peer by itself. A new link reads. When reading goes on, bytes that were
         * offered and not used are offered again by themselves, in a later event. */
        void (*set_reading)(struct link *link, bool reading);
        /* Ends it: what is queued is still sent if `flush`, within a few seconds. No event comes any more, and the link frees itself.
         * May be called from within the link's events. */
        void (*close)(struct link *link, bool flush);
};

struct link {
        const struct link_ops *ops;
        const struct link_events *events;
        void *user;
        char peer[64]; /* "127.0.0.1:4000", for logs */
};

/* Opens links. */
struct net {
        /* Starts connecting to "host:port"; `up` or `down` follows later. On failure nothing follows, and `why` says it. */
        enum err (*dial)(struct net *net, const char *address, const struct link_events *events, void *user, struct link **out,
                         struct reason *why);
};

#endif
