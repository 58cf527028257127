/* What the services know of each connection: its open requests, the streams that it uses, and why it is held.
 *
 * A request is found by its token, which is never used again, and belongs to a connection by number; when the connection ends, all that it
 * waits for goes with it (R9). Limits here hold a connection's reading, never drop what was accepted (R4). */
#ifndef STROP_STREAM_CLIENTS_H
#define STROP_STREAM_CLIENTS_H

#include "stream/protocol.h"
#include "stream/streams.h"
#include "transport/bucket.h"
#include "transport/conn.h"

struct client;
struct stream_service;

enum request_kind { REQUEST_CREATE, REQUEST_PUSH, REQUEST_PULL, REQUEST_INDEX_GET };

struct request {
        uint64_t token;
        enum request_kind kind;
        struct client *client;
        struct route_copy ret;      /* where the answer goes */
        uint8_t id[REQUEST_ID_MAX]; /* push, pull: to be echoed */
        size_t id_n;
        struct stream *stream; /* push, pull: held */
        size_t bytes;           /* that it keeps */
        uint64_t index, limit;  /* pull */
        bool parked;            /* pull: waits for the connection's output to drain, the log has not been asked */
        bool partitioned;       /* create, index get: which protocol it came by */
        uint32_t partitions;    /* create; index get: the partition */
        char *name, *client_id; /* create, index get: heap */
        struct timer timer;     /* create: it has taken too long */
        struct stream_service *stream_service;
        UT_hash_handle hh;
        TAILQ_ENTRY(request) of_client;
};

TAILQ_HEAD(request_queue, request);

/* A stream that a connection created or used. */
struct stream_holding {
        struct stream *stream;
        UT_hash_handle hh;
};

struct client {
        uint64_t conn; /* number of the connection */
        struct request_queue requests;
        size_t open, pulls, bytes; /* requests without pulls; pulls; bytes that all of them keep */
        bool held_requests, held_log, held_creates;
        struct bucket creates;
        struct timer creates_timer; /* ends held_creates */
        struct clients *clients;
        struct stream_holding *holdings;
        UT_hash_handle hh;
};

struct clients {
        struct router *router;
        struct conns *conns;
        struct log *log;
        const struct service_limits *limits;
        struct client *table;     /* by connection */
        struct request *requests; /* by token */
        uint64_t last_token;
        size_t open, pulls, bytes;
        bool crowded;  /* all requests together keep too much */
        bool pressure; /* the log takes no more for now */
};

void clients_init(struct clients *clients, struct router *router, struct conns *conns, struct log *log,
                  const struct service_limits *limits);
void clients_clear(struct clients *clients);

/* A new request of the connection, with its own copy of the way back. NULL: memory is out, or the connection is gone. Holds the
 * connection's reading where a limit is reached. A stream that is given is the connection's from then on (client_keep).
 * bytes  what is kept for it beside itself and its way back: data, names */
struct request *request_new(struct clients *clients, enum request_kind kind, uint64_t conn, struct route ret, struct stream *stream,
                            size_t bytes);
/* Ends it: what it held is let go, the connection goes on reading where it may. */
void request_free(struct clients *clients, struct request *request);
/* By token; NULL when it is gone. */
struct request *clients_find(struct clients *clients, uint64_t token);

/* NULL when nothing is known of the connection. */
struct client *clients_of(struct clients *clients, uint64_t conn);
/* The connection holds the stream from now on. ERR_FULL: it holds too many; ERR_NO_MEMORY. */
MUST_USE enum err client_keep(struct clients *clients, struct client *client, struct stream *stream);
/* The connection is gone: cancels and forgets all that is its. */
void clients_conn_closed(struct clients *clients, uint64_t conn);
void clients_pressure(struct clients *clients, bool high);

#endif
