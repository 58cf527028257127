/* /metrics and /health by libevent's HTTP server. No client-chosen text goes into them (R12). */
#include "node/http.h"

#include "transport/tcp.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>

struct http {
        struct evhttp *server;
        struct context *ctx;
        const struct node *node;
        char address[128];
};

enum { HTTP_BODY_MAX = 0, HTTP_HEADERS_MAX = 8192, HTTP_TIMEOUT_S = 10 };

static void reply(struct evhttp_request *request, int code, const char *type, struct evbuffer *body)
{
        evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", type);
        evhttp_send_reply(request, code, code == 200 ? "OK" : "Service Unavailable", body);
        evbuffer_free(body);
}

static void gauge(struct evbuffer *out, const char *name, const char *help, size_t value)
{
        evbuffer_add_printf(out, "# HELP strop_%s %s\n# TYPE strop_%s gauge\nstrop_%s %zu\n", name, help, name, name, value);
}

static void metrics(struct evhttp_request *request, void *user)
{
        struct http *http = user;
        struct node_figures figures = node_figures(http->node);
        struct evbuffer *out = evbuffer_new();

        if (!out) {
                evhttp_send_error(request, 500, NULL);
                return;
        }
        for (int i = 0; i < STAT_COUNT; i++)
                evbuffer_add_printf(out, "# HELP strop_%s_total %s\n# TYPE strop_%s_total counter\nstrop_%s_total %llu\n", stat_name((enum stat_id)i),
                                    stat_help((enum stat_id)i), stat_name((enum stat_id)i), stat_name((enum stat_id)i),
                                    (unsigned long long)http->ctx->stats.v[i]);
        gauge(out, "connections", "connections open now", figures.connections);
        gauge(out, "streams", "streams known now", figures.service.streams);
        gauge(out, "open_requests", "requests without an answer", figures.service.open_requests);
        gauge(out, "held_pulls", "pulls that wait for a message", figures.service.held_pulls);
        gauge(out, "kafka_reachable", "1: Kafka answers; 0: it is away", figures.log_away ? 0 : 1);
        reply(request, 200, "text/plain; version=0.0.4", out);
}

static void health(struct evhttp_request *request, void *user)
{
        struct http *http = user;
        const char *away = node_figures(http->node).log_away;
        struct evbuffer *out = evbuffer_new();

        if (!out) {
                evhttp_send_error(request, 500, NULL);
                return;
        }
        evbuffer_add_printf(out, "%s\n", away ? away : "ok");
        reply(request, away ? 503 : 200, "text/plain; charset=utf-8", out);
}

static void remember_address(struct http *http, const char *host, struct evhttp_bound_socket *bound)
{
        struct sockaddr_storage at;
        socklen_t n = sizeof at;
        unsigned port = 0;

        if (getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&at, &n) == 0)
                port = at.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&at)->sin6_port) : ntohs(((struct sockaddr_in *)&at)->sin_port);
        snprintf(http->address, sizeof http->address, strchr(host, ':') ? "[%.100s]:%u" : "%.100s:%u", host, port);
}

enum err http_new(struct loop *loop, const char *address, const struct node *node, struct http **out, struct reason *why)
{
        struct http *http = calloc(1, sizeof *http);
        struct evhttp_bound_socket *bound;
        char host[256];
        uint16_t port;

        if (!http) return fail(why, ERR_NO_MEMORY, "out of memory");
        http->ctx = loop_context(loop);
        http->node = node;
        http->server = evhttp_new(loop_base(loop));
        if (!http->server || !tcp_address_split(address, host, sizeof host, &port, why)) {
                http_free(http);
                return ERR_USAGE;
        }
        evhttp_set_allowed_methods(http->server, EVHTTP_REQ_GET);
        evhttp_set_max_body_size(http->server, HTTP_BODY_MAX);
        evhttp_set_max_headers_size(http->server, HTTP_HEADERS_MAX);
        evhttp_set_timeout(http->server, HTTP_TIMEOUT_S);
        bound = evhttp_bind_socket_with_handle(http->server, host, port);
        if (!bound) {
                http_free(http);
                return fail(why, ERR_SYSTEM, "cannot serve HTTP on %s: the address is in use, or not one of this machine", address);
        }
        remember_address(http, host, bound);
        if (evhttp_set_cb(http->server, "/metrics", metrics, http) || evhttp_set_cb(http->server, "/health", health, http)) {
                http_free(http);
                return fail(why, ERR_NO_MEMORY, "out of memory");
        }
        *out = http;
        return OK;
}

void http_free(struct http *http)
{
        if (!http) return;
        if (http->server) evhttp_free(http->server);
        free(http);
}

const char *http_address(const struct http *http)
{
        return http->address;
}
