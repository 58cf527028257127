/* The node's services `stream_kafka` and `stream_kafka_index`, and a worker for each stream (docs/protocol.md, "The stream service").
 *
 * Each request has exactly one answer while its connection lives, none after. Services never answer an answer (R6). What is
 * pending is found by its token and belongs to a connection by number (R9). */
#ifndef STROP_STREAM_SERVICE_H
#define STROP_STREAM_SERVICE_H

#include "stream/limits.h"
#include "stream/log.h"
#include "transport/conn.h"

struct stream_service;

/* `conns` are held and let go as limits ask. The log's events must be handed on with the functions below; conns' events too. */
struct stream_service *stream_service_new(struct router *router, struct conns *conns, struct log *log, const struct service_limits *limits);
void stream_service_free(struct stream_service *service);

/* struct log_events' done and pressure, struct conns_events' closed and drained; `service` is the user. */
void stream_service_log_done(struct stream_service *service, const struct log_result *result);
void stream_service_log_pressure(struct stream_service *service, bool high);
void stream_service_conn_closed(struct stream_service *service, uint64_t conn);
void stream_service_conn_drained(struct stream_service *service, uint64_t conn);

/* For metrics and for `stop`: requests without an answer (held pulls apart), held pulls, bytes that both keep, streams known. */
struct stream_service_figures {
        size_t open_requests, held_pulls, request_bytes, streams;
};
struct stream_service_figures stream_service_figures(const struct stream_service *service);
/* Answers every held pull with an empty list, for an orderly stop. */
void stream_service_release_pulls(struct stream_service *service);

#endif
