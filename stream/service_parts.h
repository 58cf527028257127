/* What the stream service and the index service share; for stream/service.c and stream/index_service.c alone. */
#ifndef STROP_STREAM_SERVICE_PARTS_H
#define STROP_STREAM_SERVICE_PARTS_H

#include "stream/clients.h"
#include "stream/service.h"

struct stream_service {
        struct router *router;
        struct context *ctx;
        struct conns *conns;
        struct log *log;
        struct service_limits limits;
        struct clients clients;
        struct streams streams;
        struct worker *create_worker, *index_worker;
};

/* Room in the router's arena for an answer's payload; false when there is none, which is counted. */
bool answer_begin(struct stream_service *service, size_t size, struct writer *w);
/* A payload that is no request: true when it is an answer, which nobody answers (R6); counted either way. */
bool is_an_answer(struct stream_service *service, struct bytes payload);

/* The worker `stream_kafka_index`. */
void index_service_recv(void *self, const struct delivery *delivery);
void index_service_done(struct stream_service *service, struct request *request, const struct log_result *result);

#endif
