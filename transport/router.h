/* The router: a table from local address to worker, and a queue of messages on their way between them.
 *
 * Delivery is flat: a worker's handler never runs inside another's. router_send puts a message into the queue; the outermost
 * router_send works the queue off until it is dry, then the scratch arena is reset. So the stack is bounded
 * however long a route is, and a message costs no allocation of its own.
 *
 * All that follows from one message is done before the next one that waits has its turn: what came first is answered first, however many hops its
 * answer takes.
 *
 * What a message given to router_send may point into: the delivery that is being handled, the router's arena, or memory that
 * lives until the queue has run dry. A handler that keeps bytes longer copies them.
 *
 * Where a message came from travels with it, and each worker says from where it may be reached (reliability C23): from
 * outside only listeners, channels and services are, so nobody can put a message past a secure channel. */
#ifndef STROP_TRANSPORT_ROUTER_H
#define STROP_TRANSPORT_ROUTER_H

#include "transport/base/context.h"
#include "transport/limits.h"
#include "transport/message.h"

/* Bits, so that a worker accepts a set of them. */
enum origin_kind {
        ORIGIN_LOCAL = 1,               /* made by a worker of this process of its own accord */
        ORIGIN_TCP = 2,                 /* came in over a connection */
        ORIGIN_STREAM = 4,              /* was pulled from a stream */
        ORIGIN_CHANNEL = 8,             /* came out of a secure channel with a peer that the trust policy named */
        ORIGIN_CHANNEL_UNTRUSTED = 16,  /* ... with a peer that was let in because everyone is */
};

#define ORIGINS_OUTSIDE (ORIGIN_TCP | ORIGIN_STREAM)
#define ORIGINS_CHANNEL (ORIGIN_CHANNEL | ORIGIN_CHANNEL_UNTRUSTED)

struct origin {
        enum origin_kind kind;
        uint64_t conn;       /* TCP: number of the connection, never used again; else 0 */
        const uint8_t *peer; /* channel: the peer's identifier, 32 bytes, living as long as the delivery; else NULL */
};

#define ORIGIN_OWN ((struct origin){ORIGIN_LOCAL, 0, NULL})

struct delivery {
        struct message msg;  /* onward still begins with the worker's own address */
        struct origin origin;
};

struct router;
struct worker;

/* Handles one message. Views in `delivery` live until it returns. */
typedef void worker_handler(void *self, const struct delivery *delivery);

struct router *router_new(struct context *ctx, const struct transport_limits *limits);
/* All workers must have been removed. */
void router_free(struct router *router);

/* Registers a worker under `address` (copied; type ADDRESS_LOCAL), or under a fresh random address where address.n is 0.
 * accepts  set of enum origin_kind; other messages are dropped and counted
 * ERR_FULL: too many workers; ERR_UNEXPECTED: the address is taken; ERR_NO_MEMORY. */
MUST_USE enum err router_add(struct router *router, struct bytes address, unsigned accepts, worker_handler *handler, void *self,
                             struct worker **out);
/* Takes the worker out of the table; messages in the queue for it are dropped and counted. May be called from its own
 * handler. Its memory, the address with it, goes at the end of the turn. NULL is fine. */
void router_remove(struct router *router, struct worker *worker);
/* The address under which it is registered; lives to the end of the turn in which the worker is removed. */
struct bytes worker_address(const struct worker *worker);

/* Puts a message into the queue and, when no handler is running, works the queue off before it returns.
 * ERR_FULL: the queue's limit; the message is dropped and counted. Failures on the way are counted, not returned. */
MUST_USE enum err router_send(struct router *router, struct origin origin, struct message msg);
/* router_send for those who can do nothing about a failure, which has been counted. */
void router_post(struct router *router, struct origin origin, struct message msg);

/* Sends `payload` along `to`, with return route [from]. For answers: `to` is the request's return route. */
void router_answer(struct router *router, struct route to, struct bytes from, struct bytes payload);

/* Scratch memory for messages; see the head of this file. At the outermost level (no handler running) it is reset by the
 * next router_send that runs dry, or by router_settle. */
struct arena *router_arena(struct router *router);
/* What lies in the arena is not needed any more, unless a handler runs. For those at the outermost level who may have taken of it and sent
 * nothing: a connection after each frame, since what frames without a message to route leave there would add up. */
void router_settle(struct router *router);
struct context *router_context(struct router *router);
const struct transport_limits *router_limits(const struct router *router);

#endif
