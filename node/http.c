/* /metrics and /health by libevent's HTTP server. No client-chosen text goes into them (R12).
 *
 * That server has no bound on connections and would spin when descriptors run out, so both are seen to here: each connection's
 * bufferevent is made and held by us too, and while too many are open, or none can be accepted, the listener rests. */
#include "node/http.h"

#include "transport/base/logger.h"
#include "transport/tcp.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

/* A connection; free where bev is NULL. */
struct http_conn {
        struct bufferevent *bev; /* a reference of ours beside the server's */
        uint64_t since_ms;
};

struct http {
        struct evhttp *server;
        struct evconnlistener *listener; /* the server's; NULL: gone */
        struct context *ctx;
        const struct node *node;
        struct http_conn conns[HTTP_CONNECTIONS_MAX];
        size_t open;
        struct timer look, pause; /* pause is set: accepting rests */
        LIST_ENTRY(http) entry;
        char address[64];
};

/* All there are: of a failed accept libevent tells its own server alone, and ours has to be found by that. */
static LIST_HEAD(https, http) https = LIST_HEAD_INITIALIZER(https);

static void reply(struct evhttp_request *request, int code, const char *type, struct evbuffer *body)
{
        char length[24];

        evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", type);
        if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD) { /* the library would send the body all the same */
                snprintf(length, sizeof length, "%zu", evbuffer_get_length(body));
                evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Length", length);
                evbuffer_drain(body, evbuffer_get_length(body));
        }
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
        http->ctx->stats.v[STAT_LOG_LINES_DROPPED] = logger_dropped();
        for (int i = 0; i < STAT_COUNT; i++)
                evbuffer_add_printf(out, "# HELP strop_%s_total %s\n# TYPE strop_%s_total counter\nstrop_%s_total %llu\n", stat_name((enum stat_id)i),
                                    stat_help((enum stat_id)i), stat_name((enum stat_id)i), stat_name((enum stat_id)i),
                                    (unsigned long long)http->ctx->stats.v[i]);
        gauge(out, "connections", "connections open now", figures.connections);
        gauge(out, "streams", "streams known now", figures.service.streams);
        gauge(out, "open_requests", "requests without an answer", figures.service.open_requests);
        gauge(out, "held_pulls", "pulls that wait for a message", figures.service.held_pulls);
        gauge(out, "request_bytes", "bytes that requests without an answer and held pulls keep", figures.service.request_bytes);
        gauge(out, "output_bytes", "bytes that wait to be sent to clients", figures.output_bytes);
        gauge(out, "kafka_reachable", "1: Kafka answers; 0: it is away, or has not answered yet", figures.log_away ? 0 : 1);
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

static void http_watch_listener(struct http *http)
{
        if (!http->listener) return;
        if (http->open < HTTP_CONNECTIONS_MAX && !timer_is_set(&http->pause))
                evconnlistener_enable(http->listener);
        else
                evconnlistener_disable(http->listener);
}

static void http_resume(void *arg)
{
        http_watch_listener(arg);
}

static struct http *http_of(const void *server)
{
        struct http *http = LIST_FIRST(&https);

        while (http && http->server != server) http = LIST_NEXT(http, entry);
        return http;
}

static void http_accept_failed(struct evconnlistener *listener, void *arg)
{
        struct http *http = http_of(arg);

        (void)listener;
        if (!http) return;
        context_count(http->ctx, STAT_ACCEPTS_PAUSED);
        log_debug(NULL, "metrics: accepting pauses: %s", strerror(errno));
        if (!context_timer_set(http->ctx, &http->pause, HTTP_PAUSE_MS)) http_watch_listener(http);
}

static void http_conn_release(struct http *http, struct http_conn *conn)
{
        bufferevent_decref(conn->bev);
        conn->bev = NULL;
        http->open--;
}

/* Lets go of a connection that the server has let go of, which has taken its callbacks off then; ends one that is too old. */
static void http_conn_look(struct http *http, struct http_conn *conn)
{
        bufferevent_event_cb on_event;

        if (!conn->bev) return;
        bufferevent_getcb(conn->bev, NULL, NULL, &on_event, NULL);
        if (!on_event)
                http_conn_release(http, conn);
        else if (context_now_ms(http->ctx) - conn->since_ms >= HTTP_AGE_MAX_MS)
                bufferevent_trigger_event(conn->bev, BEV_EVENT_READING | BEV_EVENT_TIMEOUT, 0);
}

static void http_look(void *arg)
{
        struct http *http = arg;

        for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++) http_conn_look(http, &http->conns[i]);
        if (http->open && context_timer_set(http->ctx, &http->look, HTTP_LOOK_MS)) log_error(NULL, "metrics: no memory for a timer");
        http_watch_listener(http);
}

/* Makes the bufferevent of a new connection. NULL: the server makes one of its own, which is not counted; only without memory. */
static struct bufferevent *http_conn_new(struct event_base *base, void *arg)
{
        struct http *http = arg;
        struct bufferevent *bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
        struct http_conn *conn = http->conns;

        while (conn < http->conns + HTTP_CONNECTIONS_MAX && conn->bev) conn++;
        if (!bev || conn == http->conns + HTTP_CONNECTIONS_MAX) return bev;
        bufferevent_setwatermark(bev, EV_READ, 0, HTTP_INPUT_MAX);
        bufferevent_incref(bev);
        *conn = (struct http_conn){bev, context_now_ms(http->ctx)};
        if (!http->open++ && context_timer_set(http->ctx, &http->look, HTTP_LOOK_MS)) log_error(NULL, "metrics: no memory for a timer");
        http_watch_listener(http);
        return bev;
}

static enum err http_listen(struct http *http, struct event_base *base, const char *address, struct reason *why)
{
        unsigned flags = LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE;
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE}, *found;
        struct evconnlistener *listener;
        struct sockaddr_storage at;
        socklen_t at_size = sizeof at;
        char host[64], port_text[8];
        uint16_t port;

        if (!tcp_address_split(address, host, sizeof host, &port, why)) return ERR_USAGE;
        snprintf(port_text, sizeof port_text, "%u", port);
        if (getaddrinfo(host, port_text, &hints, &found))
                return fail(why, ERR_USAGE, "cannot serve HTTP on \"%s\": the host must be an IP address, such as 127.0.0.1", address);
        listener = evconnlistener_new_bind(base, NULL, NULL, flags, -1, found->ai_addr, (int)found->ai_addrlen);
        freeaddrinfo(found);
        if (!listener) return fail(why, ERR_SYSTEM, "cannot serve HTTP on %s: %s", address, strerror(errno));
        if (!evhttp_bind_listener(http->server, listener)) {
                evconnlistener_free(listener);
                return fail(why, ERR_NO_MEMORY, "%s", err_text(ERR_NO_MEMORY));
        }
        http->listener = listener;
        evconnlistener_set_error_cb(listener, http_accept_failed);
        if (getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&at, &at_size)) at.ss_family = AF_UNSPEC;
        tcp_address_text((struct sockaddr *)&at, at_size, http->address, sizeof http->address);
        return OK;
}

static enum err http_set_up(struct http *http, struct event_base *base, const char *address, struct reason *why)
{
        if (!(http->server = evhttp_new(base))) return fail(why, ERR_NO_MEMORY, "%s", err_text(ERR_NO_MEMORY));
        evhttp_set_allowed_methods(http->server, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD); /* balancers ask with HEAD */
        evhttp_set_max_body_size(http->server, HTTP_BODY_MAX);
        evhttp_set_max_headers_size(http->server, HTTP_HEADERS_MAX);
        evhttp_set_timeout(http->server, HTTP_TIMEOUT_S);
        evhttp_set_bevcb(http->server, http_conn_new, http);
        if (evhttp_set_cb(http->server, "/metrics", metrics, http) || evhttp_set_cb(http->server, "/health", health, http))
                return fail(why, ERR_NO_MEMORY, "%s", err_text(ERR_NO_MEMORY));
        return http_listen(http, base, address, why);
}

enum err http_new(struct loop *loop, const char *address, const struct node *node, struct http **out, struct reason *why)
{
        struct http *http = calloc(1, sizeof *http);
        enum err err;

        if (!http) return fail(why, ERR_NO_MEMORY, "%s", err_text(ERR_NO_MEMORY));
        http->ctx = loop_context(loop);
        http->node = node;
        timer_init(&http->pause, http_resume, http);
        timer_init(&http->look, http_look, http);
        LIST_INSERT_HEAD(&https, http, entry);
        if ((err = http_set_up(http, loop_base(loop), address, why))) {
                http_free(http);
                return err;
        }
        *out = http;
        return OK;
}

void http_free(struct http *http)
{
        if (!http) return;
        LIST_REMOVE(http, entry);
        http->listener = NULL;
        if (http->server) evhttp_free(http->server);
        for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++)
                if (http->conns[i].bev) http_conn_release(http, &http->conns[i]);
        context_timer_stop(http->ctx, &http->look);
        context_timer_stop(http->ctx, &http->pause);
        free(http);
}

const char *http_address(const struct http *http)
{
        return http->address;
}

const char *http_library_version(void)
{
        return event_get_version();
}
