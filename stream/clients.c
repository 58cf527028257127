/* Requests by token, connections by number, and the holds on connections that their limits ask for. */
#include "stream/clients.h"

#include <stdlib.h>

void clients_init(struct clients *clients, struct router *router, struct conns *conns, struct log *log, const struct service_limits *limits)
{
        *clients = (struct clients){.router = router, .conns = conns, .log = log, .limits = limits};
}

void clients_clear(struct clients *clients)
{
        struct client *client, *next;

        HASH_ITER(hh, clients->table, client, next) clients_conn_closed(clients, client->conn);
}

struct client *clients_of(struct clients *clients, uint64_t conn)
{
        struct client *client;

        HASH_FIND(hh, clients->table, &conn, sizeof conn, client);
        return client;
}

static void set_hold(struct clients *clients, struct client *client, bool *held, enum conn_hold kind, bool want)
{
        struct conn *conn = conns_find(clients->conns, client->conn);

        if (*held == want || !conn) return;
        *held = want;
        if (want)
                conn_hold(conn, kind);
        else
                conn_release(conn, kind);
}

static void creates_fired(void *arg)
{
        struct client *client = arg;

        set_hold(client->clients, client, &client->held_creates, CONN_HOLD_CREATES, false);
}

static struct client *client_get(struct clients *clients, uint64_t conn)
{
        struct client *client = clients_of(clients, conn);

        if (client || !conns_find(clients->conns, conn)) return client;
        client = calloc(1, sizeof *client);
        if (!client) return NULL;
        client->conn = conn;
        client->clients = clients;
        timer_init(&client->creates_timer, creates_fired, client);
        TAILQ_INIT(&client->requests);
        HASH_ADD(hh, clients->table, conn, sizeof client->conn, client);
        if (clients_of(clients, conn)) return client;
        free(client);
        return NULL;
}

/* --- holds ------------------------------------------------------------------------------------------------------------- */

static bool is_over_its_share(const struct clients *clients, const struct client *client)
{
        const struct service_limits *limits = clients->limits;

        return client->open >= limits->requests_per_conn || client->bytes >= limits->request_bytes_per_conn;
}

static bool is_in_the_crowd(const struct clients *clients, const struct client *client)
{
        return clients->crowded && client->bytes > clients->limits->request_bytes_spared;
}

/* Reading stops at a limit and goes on at half of it. */
static void review_hold(struct clients *clients, struct client *client)
{
        const struct service_limits *limits = clients->limits;
        bool over = is_over_its_share(clients, client), crowd = is_in_the_crowd(clients, client);

        if (over || crowd) {
                if (!client->held_requests)
                        context_count(router_context(clients->router), over ? STAT_LIMIT_REQUESTS : STAT_LIMIT_REQUESTS_ALL);
                set_hold(clients, client, &client->held_requests, CONN_HOLD_REQUESTS, true);
        } else if (client->open <= limits->requests_per_conn / 2 && client->bytes <= limits->request_bytes_per_conn / 2) {
                set_hold(clients, client, &client->held_requests, CONN_HOLD_REQUESTS, false);
        }
}

static void review_all(struct clients *clients)
{
        struct client *client, *next;

        HASH_ITER(hh, clients->table, client, next) review_hold(clients, client);
}

/* What all requests keep has grown or shrunk. */
static void review_crowd(struct clients *clients)
{
        size_t most = clients->limits->request_bytes;

        if (clients->bytes >= most) {
                clients->crowded = true; /* whoever asks next is held */
        } else if (clients->crowded && clients->bytes <= most / 2) {
                clients->crowded = false;
                review_all(clients);
        }
}

void clients_pressure(struct clients *clients, bool high)
{
        struct client *client, *next;

        clients->pressure = high;
        if (high) return; /* whoever pushes next is held */
        HASH_ITER(hh, clients->table, client, next) set_hold(clients, client, &client->held_log, CONN_HOLD_LOG, false);
}

static void hold_for_log(struct clients *clients, struct client *client)
{
        if (!client->held_log) context_count(router_context(clients->router), STAT_LIMIT_LOG);
        set_hold(clients, client, &client->held_log, CONN_HOLD_LOG, true);
}

/* A create has been taken; the next one may have to wait. Without memory for the timer it does not. */
static void charge_create(struct clients *clients, struct client *client)
{
        struct context *ctx = router_context(clients->router);
        uint64_t wait = bucket_take(&client->creates, clients->limits->creates_per_s, context_now_ms(ctx), 1);

        if (!wait || context_timer_set(ctx, &client->creates_timer, wait)) return;
        context_count(ctx, STAT_LIMIT_CREATES);
        set_hold(clients, client, &client->held_creates, CONN_HOLD_CREATES, true);
}

/* --- requests ---------------------------------------------------------------------------------------------------------- */

static void account(struct clients *clients, struct request *request, bool begins)
{
        struct client *client = request->client;
        size_t one = begins ? 1 : (size_t)-1, bytes = begins ? request->bytes : (size_t)0 - request->bytes;

        if (request->kind == REQUEST_PULL) {
                client->pulls += one;
                clients->pulls += one;
        } else {
                client->open += one;
                clients->open += one;
        }
        client->bytes += bytes;
        clients->bytes += bytes;
}

struct request *clients_find(struct clients *clients, uint64_t token)
{
        struct request *request;

        HASH_FIND(hh, clients->requests, &token, sizeof token, request);
        return request;
}

enum err client_keep(struct clients *clients, struct client *client, struct stream *stream)
{
        struct stream_holding *holding;

        HASH_FIND(hh, client->holdings, &stream, sizeof stream, holding);
        if (holding) return OK;
        if (HASH_COUNT(client->holdings) >= clients->limits->streams_per_conn) return ERR_FULL;
        holding = calloc(1, sizeof *holding);
        if (!holding) return ERR_NO_MEMORY;
        holding->stream = stream;
        HASH_ADD(hh, client->holdings, stream, sizeof holding->stream, holding);
        stream_hold(stream);
        return OK;
}

struct request *request_new(struct clients *clients, enum request_kind kind, uint64_t conn, struct route ret, struct stream *stream,
                            size_t bytes)
{
        struct client *client = client_get(clients, conn);
        struct request *request = client ? calloc(1, sizeof *request) : NULL;

        if (!request) return NULL;
        request->token = ++clients->last_token;
        request->kind = kind;
        request->client = client;
        request->bytes = sizeof *request + ret.encoded.n + bytes;
        if (route_copy(ret, &request->ret)) {
                free(request);
                return NULL;
        }
        HASH_ADD(hh, clients->requests, token, sizeof request->token, request);
        if (!clients_find(clients, request->token)) {
                route_copy_clear(&request->ret);
                free(request);
                return NULL;
        }
        TAILQ_INSERT_TAIL(&client->requests, request, of_client);
        request->stream = stream;
        if (stream) {
                enum err err = client_keep(clients, client, stream);

                (void)err; /* over its limit the connection holds the stream only as long as it asks something of it */
                stream_hold(stream);
        }
        account(clients, request, true);
        review_crowd(clients);
        review_hold(clients, client);
        if (kind == REQUEST_CREATE) charge_create(clients, client);
        if (kind == REQUEST_PUSH && clients->pressure) hold_for_log(clients, client);
        return request;
}

void request_free(struct clients *clients, struct request *request)
{
        struct client *client = request->client;

        context_timer_stop(router_context(clients->router), &request->timer);
        HASH_DEL(clients->requests, request);
        TAILQ_REMOVE(&client->requests, request, of_client);
        account(clients, request, false);
        if (request->stream) stream_release(request->stream);
        route_copy_clear(&request->ret);
        free(request->name);
        free(request->client_id);
        free(request);
        review_hold(clients, client);
        review_crowd(clients); /* last: whoever may read again may end, this client too */
}

/* --- connections --------------------------------------------------------------------------------------------------------- */

void clients_conn_closed(struct clients *clients, uint64_t conn)
{
        struct client *client = clients_of(clients, conn);
        struct request *request;
        struct stream_holding *holding, *next;

        log_flush_saves(clients->log, conn);
        if (!client) return;
        while ((request = TAILQ_FIRST(&client->requests))) {
                if (!request->parked) log_cancel(clients->log, request->token);
                request_free(clients, request);
        }
        HASH_ITER(hh, client->holdings, holding, next)
        {
                HASH_DEL(client->holdings, holding);
                stream_release(holding->stream);
                free(holding);
        }
        context_timer_stop(router_context(clients->router), &client->creates_timer);
        HASH_DEL(clients->table, client);
        free(client);
}
