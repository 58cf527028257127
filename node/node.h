/* The node's core: router, connections and services put together, without I/O of its own. main.c gives it TCP and Kafka, the
 * simulation its network and the log's twin. */
#ifndef STROP_NODE_NODE_H
#define STROP_NODE_NODE_H

#include "stream/service.h"

struct node;

struct node_config {
        struct transport_limits transport;
        struct service_limits service;
};

/* NULL: out of memory. */
struct node *node_new(struct context *ctx, const struct node_config *config);
/* Before the first connection. The log has been made with node_log_events and the node as user; taken over. ERR_NO_MEMORY. */
MUST_USE enum err node_set_log(struct node *node, struct log *take_log);
extern const struct log_events node_log_events;

/* A client's link, up already. Taken over, also when it is refused. */
void node_accept(struct node *node, struct link *take_link);

/* Takes no new requests, answers held pulls, waits for what was accepted (at most wait_ms), flushes saves; then `stopped`. */
void node_stop(struct node *node, uint32_t wait_ms, void (*stopped)(void *user), void *user);
void node_free(struct node *node);

struct node_figures {
        size_t connections, output_bytes;
        struct stream_service_figures service;
        const char *log_away; /* NULL: reachable */
};
struct node_figures node_figures(const struct node *node);

#endif
