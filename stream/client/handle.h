/* A stream at the node, as a client holds it: the worker that takes the node's answers, how the stream is created, where it is,
 * and how it is asked. What producer and consumer have in common; used by these two alone.
 *
 * Each connection has an answer worker of its own, so that what comes late from an older one finds nobody. */
#ifndef STROP_STREAM_HANDLE_H
#define STROP_STREAM_HANDLE_H

#include "stream/limits.h"
#include "stream/protocol.h"
#include "transport/router.h"

/* Encoded bytes of the way to a stream that are taken from a node. Its own addresses have 32 characters, the hub's of 2021 have 16. */
enum { STREAM_WAY_MAX = 1 + 2 * (2 + ADDRESS_RANDOM_SIZE) };

/* For people, once for each trouble and its end. */
#define HANDLE_SILENT       "the node did not answer in time; its Kafka may be away. Trying on"
#define HANDLE_WRONG_STREAM "the node answered for a stream that was not asked for"
#define HANDLE_ANSWERS      "the node answers again"

/* What keeps the stream from being used, so that each trouble is told once. */
enum stream_trouble { TROUBLE_NONE, TROUBLE_SILENCE, TROUBLE_REFUSED, TROUBLE_FAILED };

struct stream_handle {
        struct router *router;
        struct context *ctx;
        const struct stream_client_limits *limits; /* the owner's */
        struct bytes service, name;                /* in `memory` */
        uint8_t *memory;
        worker_handler *handler; /* gets what the node answers */
        void *owner;
        struct worker *worker;             /* NULL while there is no connection */
        uint8_t conn[ADDRESS_RANDOM_SIZE]; /* the connection's local address; conn_n 0: none */
        size_t conn_n;
        struct timer timer;    /* the owner's, for whatever it waits for */
        struct route_copy way; /* to the stream's worker at the node; known from create's answer on */
        uint32_t pause_ms;     /* the last pause before something was tried again */
        enum stream_trouble trouble;
};

MUST_USE enum err handle_init(struct stream_handle *handle, struct router *router, struct bytes service, struct bytes name,
                              const struct stream_client_limits *limits, worker_handler *handler, void (*fire)(void *owner), void *owner);
void handle_clear(struct stream_handle *handle);

/* A connection stands, or is lost. ERR_TOO_LARGE: an address that is none of this process. */
MUST_USE enum err handle_connect(struct stream_handle *handle, struct bytes conn);
void handle_disconnect(struct stream_handle *handle);

/* Asks the service to create the stream. */
MUST_USE enum err handle_create(struct stream_handle *handle);
/* Takes the way to the stream from create's answer. ERR_MALFORMED: another stream, or no way that can be used. */
MUST_USE enum err handle_created(struct stream_handle *handle, const struct delivery *delivery, const struct stream_response *response);
/* Asks the stream itself, or another service at the node. ERR_FULL: the router takes no more for now; nothing went out. */
MUST_USE enum err handle_ask(struct stream_handle *handle, const struct stream_request *request);
MUST_USE enum err handle_ask_service(struct stream_handle *handle, struct bytes service, const struct stream_request *request);

/* Whether this trouble is a new one, to be told; remembers it. */
bool handle_troubled(struct stream_handle *handle, enum stream_trouble trouble);
/* The next pause before something is tried again: twice the last one, with jitter. */
uint32_t handle_pause(struct stream_handle *handle);
/* All is well: no trouble, and pauses start small. Whether there was trouble. */
bool handle_well(struct stream_handle *handle);
/* What a freed user of a handle tells whoever was its own user, who may still be on the stack: nothing. */
void tell_nobody(void *user);
void notice_nobody(void *user, enum err err, const char *text);
void refuse_nobody(void *user, const char *reason);
/* Sets the timer. */
void handle_wake_in(struct stream_handle *handle, uint64_t in_ms);

#endif
