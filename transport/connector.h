/* A connection that comes back by itself: dials one of several addresses, and after a loss the next one, with pauses that
 * grow and jitter (limits: reconnect_min_ms to reconnect_max_ms). */
#ifndef STROP_TRANSPORT_CONNECTOR_H
#define STROP_TRANSPORT_CONNECTOR_H

#include "transport/conn.h"

struct connector;

struct connector_events {
        /* A connection stands; its address is the first hop of every route through it. */
        void (*up)(void *user, struct conn *conn);
        /* It is lost; another attempt follows by itself. */
        void (*lost)(void *user, enum err err, const char *why);
        /* An attempt failed; another follows after `pause_ms`. `address` is what was dialled. */
        void (*failed)(void *user, const char *address, const char *why, uint64_t pause_ms);
};

/* `addresses` is copied; at least one. Starts dialling at the next turn. */
struct connector *connector_new(struct router *router, struct net *net, const char *const *addresses, size_t count,
                                const struct connector_events *events, void *user);
void connector_free(struct connector *connector); /* closes its connection, sending what is queued */
struct conn *connector_conn(struct connector *connector); /* NULL while there is none */

#endif
