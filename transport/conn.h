/* A connection: frames over a link, and the worker that stands for it in the router.
 *
 * What comes in: frame by frame, the connection's own address is put before the return route, and the message is routed with
 * origin ORIGIN_TCP. What is sent to the worker goes out as a frame, its address taken off the onward route. The worker
 * accepts ORIGIN_LOCAL alone: nobody outside reaches another's connection (R7, R8).
 *
 * Reading stops while the output is above its high-water mark, while the connection or its host is beyond its rate, and while anyone
 * holds it with conn_hold. */
#ifndef STROP_TRANSPORT_CONN_H
#define STROP_TRANSPORT_CONN_H

#include "transport/link.h"
#include "transport/router.h"

struct conn;
struct conns; /* those of one router: looked up by number, counted against a limit */

/* Why reading from a connection is held; each of the kinds is held and let go by its owner alone. */
enum conn_hold {
        CONN_HOLD_OUTPUT = 1,  /* the connection itself: too much waits to be sent */
        CONN_HOLD_REQUESTS = 2,/* a service: too many requests of this connection are open */
        CONN_HOLD_LOG = 4,     /* a service: the log takes no more for now */
        CONN_HOLD_SHARE = 8,   /* the connection itself: it has had its share of this turn, or more than it may have in a while */
        CONN_HOLD_STOP = 16,   /* the program stops and takes no new requests */
        CONN_HOLD_CREATES = 32,/* a service: it has created more than it may in a while */
};

struct conns_events {
        /* A connection is gone; it cannot be found any more. `why` in a few words. */
        void (*closed)(void *user, uint64_t id, enum err err, const char *why);
        /* Its output has fallen below the low-water mark again. */
        void (*drained)(void *user, uint64_t id);
};

/* NULL: out of memory. Either event may be NULL. */
struct conns *conns_new(struct router *router, const struct conns_events *events, void *user);
void conns_free(struct conns *conns); /* closes all, sending what is queued; `closed` is told of each */
size_t conns_count(const struct conns *conns);
/* Bytes that wait to be sent on all of them. */
size_t conns_queued(const struct conns *conns);
/* conn_hold for each that is open. */
void conns_hold_all(struct conns *conns, enum conn_hold hold);

/* Makes a connection of a link that is up; the link's events go to it from then on. Takes the link, also on failure (closed).
 * accepted  the other side dialled. Then, as the hub of 2021 does it (docs/protocol.md, "Transport"): a frame that does not decode closes the
 *           connection; a message without onward route and with payload 00 is a ping, answered with payload 01; and the first whole frame is due
 *           in first_frame_ms. On a connection that we dialled a frame that does not decode is skipped, as the crate does.
 * Frames of length 0 and other messages without onward route are heartbeats on both: counted and ignored.
 * ERR_FULL: too many, of all hosts or of this one; ERR_NO_MEMORY. */
MUST_USE enum err conns_open(struct conns *conns, struct link *take_link, bool accepted, struct conn **out);

/* By number; NULL when gone. */
struct conn *conns_find(struct conns *conns, uint64_t id);

uint64_t conn_id(const struct conn *conn);
/* The local address of the connection's worker. */
struct bytes conn_address(const struct conn *conn);
const char *conn_name(const struct conn *conn); /* "conn 12 (127.0.0.1:4000)", for logs */
const char *conn_peer(const struct conn *conn); /* "127.0.0.1:4000", for people; "" once it is closed */
size_t conn_queued(const struct conn *conn);
/* More waits to be sent on it than should: whoever has more for it waits for `drained`. */
bool conn_output_full(const struct conn *conn);

void conn_hold(struct conn *conn, enum conn_hold hold);
void conn_release(struct conn *conn, enum conn_hold hold);

/* Ends it; `closed` follows before this returns. `flush`: what is queued is still sent. */
void conn_close(struct conn *conn, enum err err, const char *why, bool flush);

#endif
