/* What an operator can see: /metrics in Prometheus' text format, /health for a balancer. */
#ifndef STROP_NODE_HTTP_H
#define STROP_NODE_HTTP_H

#include "node/limits.h"
#include "node/node.h"
#include "transport/loop.h"

struct http;

/* Serves on "host:port" (a numeric host); the address as it came to be is http_address. ERR_USAGE, ERR_SYSTEM with a sentence. */
MUST_USE enum err http_new(struct loop *loop, const char *address, const struct node *node, struct http **out, struct reason *why);
void http_free(struct http *http);
const char *http_address(const struct http *http);

/* libevent's version at run time, for --version. */
const char *http_library_version(void);

#endif
