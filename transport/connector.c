/* A connection that comes back by itself: one of several addresses is dialled, and after a loss or a failure the next one.
 *
 * The pause before an attempt doubles each time up to a limit, and is jittered so that the clients of a node that restarts do not
 * come back all at once. It starts over only after a connection that lasted: a node that drops us at once is not hammered. */
#include "transport/connector.h"

#include "transport/base/logger.h"

#include <stdlib.h>

enum connector_state {
        CONNECTOR_PAUSED,   /* waits for its timer */
        CONNECTOR_DIALLING, /* waits for its link */
        CONNECTOR_UP,       /* has a connection */
        CONNECTOR_FREED,    /* waits for the end of the turn */
};

struct connector {
        enum connector_state state;
        struct context *ctx;
        const struct transport_limits *limits;
        struct net *net;
        struct conns *conns;
        struct link *link; /* DIALLING */
        struct conn *conn; /* UP */
        char **addresses;
        size_t count, current;
        uint64_t pause_ms; /* the next pause, before jitter */
        uint64_t up_ms;    /* since when the connection stands */
        bool was_up;
        struct timer timer;
        const struct connector_events *events;
        void *user;
        struct grave grave;
};

/* Waits before the next attempt, which goes to the next address. Returns the pause. */
static uint64_t connector_pause(struct connector *connector)
{
        uint64_t whole = connector->pause_ms, pause = whole / 2 + context_random_below(connector->ctx, whole / 2 + 1);

        connector->state = CONNECTOR_PAUSED;
        connector->current = (connector->current + 1) % connector->count;
        connector->pause_ms = whole * 2 < connector->limits->reconnect_max_ms ? whole * 2 : connector->limits->reconnect_max_ms;
        if (context_timer_set(connector->ctx, &connector->timer, pause)) log_error(NULL, "no memory to connect again");
        return pause;
}

static void connector_failed(struct connector *connector, const char *why)
{
        const char *address = connector->addresses[connector->current];
        uint64_t pause = connector_pause(connector);

        connector->events->failed(connector->user, address, why, pause);
}

static void connector_link_up(void *user)
{
        struct connector *connector = user;
        struct link *link = connector->link;
        enum err err;

        connector->link = NULL;
        if ((err = conns_open(connector->conns, link, false, &connector->conn))) {
                connector_failed(connector, err_text(err));
                return;
        }
        connector->state = CONNECTOR_UP;
        connector->up_ms = context_now_ms(connector->ctx);
        if (connector->was_up) context_count(connector->ctx, STAT_RECONNECTS);
        connector->was_up = true;
        connector->events->up(connector->user, connector->conn);
}

static void connector_link_down(void *user, enum err err, const char *why)
{
        struct connector *connector = user;

        (void)err;
        connector->link = NULL;
        connector_failed(connector, why);
}

static const struct link_events connector_link_events = {.up = connector_link_up, .down = connector_link_down};

static void connector_dial(void *arg)
{
        struct connector *connector = arg;
        const char *address = connector->addresses[connector->current];
        struct reason why;

        connector->state = CONNECTOR_DIALLING;
        if (connector->net->dial(connector->net, address, &connector_link_events, connector, &connector->link, &why))
                connector_failed(connector, why.text);
}

static void connector_conn_closed(void *user, uint64_t id, enum err err, const char *why)
{
        struct connector *connector = user;

        (void)id;
        connector->conn = NULL;
        if (connector->state != CONNECTOR_UP) return;
        if (context_now_ms(connector->ctx) - connector->up_ms >= connector->limits->reconnect_max_ms)
                connector->pause_ms = connector->limits->reconnect_min_ms;
        connector_pause(connector);
        connector->events->lost(connector->user, err, why);
}

static const struct conns_events connector_conns_events = {.closed = connector_conn_closed};

static void connector_bury(void *object)
{
        struct connector *connector = object;
        size_t i;

        for (i = 0; i < connector->count; i++) free(connector->addresses[i]);
        free(connector->addresses);
        free(connector);
}

static bool connector_copy_addresses(struct connector *connector, const char *const *addresses, size_t count)
{
        if (!(connector->addresses = calloc(count, sizeof *connector->addresses))) return false;
        for (; connector->count < count; connector->count++)
                if (!(connector->addresses[connector->count] = strdup(addresses[connector->count]))) return false;
        return true;
}

struct connector *connector_new(struct router *router, struct net *net, const char *const *addresses, size_t count,
                                const struct connector_events *events, void *user)
{
        struct connector *connector = calloc(1, sizeof *connector);

        if (!connector) return NULL;
        connector->ctx = router_context(router);
        connector->limits = router_limits(router);
        connector->net = net;
        connector->events = events;
        connector->user = user;
        connector->pause_ms = connector->limits->reconnect_min_ms;
        timer_init(&connector->timer, connector_dial, connector);
        if (!connector_copy_addresses(connector, addresses, count) ||
            !(connector->conns = conns_new(router, &connector_conns_events, connector)) ||
            context_timer_set(connector->ctx, &connector->timer, 0)) {
                conns_free(connector->conns);
                connector_bury(connector);
                return NULL;
        }
        return connector;
}

void connector_free(struct connector *connector)
{
        if (!connector) return;
        connector->state = CONNECTOR_FREED;
        context_timer_stop(connector->ctx, &connector->timer);
        if (connector->link) connector->link->ops->close(connector->link, false);
        connector->link = NULL;
        conns_free(connector->conns);
        context_bury(connector->ctx, &connector->grave, connector_bury, connector);
}

struct conn *connector_conn(struct connector *connector)
{
        return connector->conn;
}
