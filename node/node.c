/* Router, connections, services and log, put together; and the orderly end of them: no new requests, held pulls answered, what
 * was accepted stored and answered, then everything closed. */
#include "node/node.h"

#include "transport/base/logger.h"

#include <stdlib.h>

enum node_state {
        NODE_RUNNING,
        NODE_STOPPING, /* waits for the log's `stopped` */
        NODE_STOPPED,
};

struct node {
        struct context *ctx;
        struct node_config config;
        struct router *router;
        struct conns *conns;
        struct stream_service *service;
        struct log *log;
        enum node_state state;
        void (*stopped)(void *user);
        void *stopped_user;
};

static void conn_closed(void *user, uint64_t id, enum err err, const char *why)
{
        struct node *node = user;

        (void)err;
        (void)why;
        if (node->service) stream_service_conn_closed(node->service, id);
}

static void conn_drained(void *user, uint64_t id)
{
        struct node *node = user;

        if (node->service) stream_service_conn_drained(node->service, id);
}

static void log_done(void *user, const struct log_result *result)
{
        struct node *node = user;

        stream_service_log_done(node->service, result);
}

static void log_pressure(void *user, bool high)
{
        struct node *node = user;

        stream_service_log_pressure(node->service, high);
}

static void log_stopped(void *user)
{
        struct node *node = user;

        node->state = NODE_STOPPED;
        node->stopped(node->stopped_user);
}

const struct log_events node_log_events = {.done = log_done, .pressure = log_pressure, .stopped = log_stopped};

struct node *node_new(struct context *ctx, const struct node_config *config)
{
        static const struct conns_events events = {.closed = conn_closed, .drained = conn_drained};
        struct node *node = calloc(1, sizeof *node);

        if (!node) return NULL;
        node->ctx = ctx;
        node->config = *config;
        node->router = router_new(ctx, &config->transport);
        node->conns = node->router ? conns_new(node->router, &events, node) : NULL;
        if (!node->conns) {
                node_free(node);
                return NULL;
        }
        return node;
}

enum err node_set_log(struct node *node, struct log *take_log)
{
        node->log = take_log;
        node->service = stream_service_new(node->router, node->conns, take_log, &node->config.service);
        return node->service ? OK : ERR_NO_MEMORY;
}

void node_accept(struct node *node, struct link *take_link)
{
        struct conn *conn;
        enum err err;

        if (node->state != NODE_RUNNING) {
                take_link->ops->close(take_link, false);
                return;
        }
        err = conns_open(node->conns, take_link, true, &conn);
        if (err) log_debug(NULL, "a connection was refused: %s", err_text(err));
}

void node_stop(struct node *node, uint32_t wait_ms, void (*stopped)(void *user), void *user)
{
        if (node->state != NODE_RUNNING) return;
        node->state = NODE_STOPPING;
        node->stopped = stopped;
        node->stopped_user = user;
        conns_hold_all(node->conns, CONN_HOLD_STOP);
        stream_service_release_pulls(node->service);
        log_stop(node->log, wait_ms);
}

void node_free(struct node *node)
{
        if (!node) return;
        conns_free(node->conns);
        stream_service_free(node->service);
        log_free(node->log);
        router_free(node->router);
        free(node);
}

struct node_figures node_figures(const struct node *node)
{
        return (struct node_figures){
                .connections = conns_count(node->conns),
                .output_bytes = conns_queued(node->conns),
                .service = stream_service_figures(node->service),
                .log_away = log_away(node->log),
        };
}
