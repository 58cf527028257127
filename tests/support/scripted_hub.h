/* A hub that does what the test says: a worker that stands for a connection takes the requests, the test looks at each and answers it,
 * or not, or wrongly. For tests of the stream clients, in one router. */
#ifndef STROP_TESTS_SCRIPTED_HUB_H
#define STROP_TESTS_SCRIPTED_HUB_H

#include "stream/protocol.h"
#include "transport/router.h"

#include <sys/queue.h>

struct hub_request {
        STAILQ_ENTRY(hub_request) entry;
        char to[64];                   /* the service, or the stream's address */
        struct stream_request request; /* views into `payload` */
        struct route_copy ret;
        size_t payload_n;
        uint8_t payload[];
};
STAILQ_HEAD(hub_requests, hub_request);

struct hub {
        struct router *router;
        struct worker *conn;
        const char *stream_address; /* under which it answers `create`; "stream_worker" at first */
        struct hub_requests requests;
        struct hub_request *taken; /* the latest; freed with the next */
};

void hub_init(struct hub *hub, struct router *router);
/* Requests that nobody took are forgotten. */
void hub_clear(struct hub *hub);
struct bytes hub_conn(const struct hub *hub);
/* A new connection: the old one's address is gone, its requests too. */
void hub_reconnect(struct hub *hub);

/* The next request, which must be of this protocol; lives until the next is taken. */
struct hub_request *hub_take(struct hub *hub, enum stream_protocol protocol);
/* Fails the test if a request waits. */
void hub_quiet(struct hub *hub);
uint64_t hub_request_number(const struct hub_request *request); /* the id of a push or a pull */

void hub_answer_created(struct hub *hub, const struct hub_request *request);
void hub_answer_created_as(struct hub *hub, const struct hub_request *request, const char *name);
void hub_answer_pushed(struct hub *hub, const struct hub_request *request, bool failed, uint64_t index);
void hub_answer_index(struct hub *hub, const struct hub_request *request, bool present, uint64_t index);
void hub_answer_pulled(struct hub *hub, const struct hub_request *request, const struct stream_message *messages, size_t count);
void hub_answer_error(struct hub *hub, const struct hub_request *request, const char *reason);
/* Answers with these bytes. */
void hub_answer(struct hub *hub, const struct hub_request *request, struct bytes payload);

#endif
