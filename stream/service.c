/* The worker `stream_kafka`, which makes streams, and the worker of each stream, which pushes and pulls
 * (docs/protocol.md, "The stream service"). */
#include "stream/service.h"

#include "stream/service_parts.h"
#include "transport/base/logger.h"

#include <stdio.h>
#include <stdlib.h>

enum {
        ERROR_TEXT_MAX = 256,
        ANSWER_SMALL = 128,                      /* a push's answer; a created answer beside its name */
        RECORD_OVERHEAD_MAX = UINT_SIZE_MAX + 3, /* the longest index, and a length of three bytes */
};

static const char invalid_request[] = "Invalid request";

bool answer_begin(struct stream_service *service, size_t size, struct writer *w)
{
        uint8_t *p = arena_alloc(router_arena(service->router), size);

        if (!p)
                context_count(service->ctx, STAT_DROP_QUEUE_FULL);
        else
                *w = writer_make(p, size);
        return p != NULL;
}

bool is_an_answer(struct stream_service *service, struct bytes payload)
{
        struct stream_request request;
        struct stream_response response;
        /* Some bytes are both; the hub takes them as a request. */
        bool answer = stream_request_read(payload, &request) && !stream_response_read(payload, &response);

        context_count(service->ctx, answer ? STAT_DROP_REPLY : STAT_REQUESTS_INVALID);
        return answer;
}

static void answer_error(struct stream_service *service, struct route ret, struct bytes from, const char *reason)
{
        char text[ERROR_TEXT_MAX];
        struct writer w;

        if (!answer_begin(service, sizeof text + ANSWER_SMALL, &w)) return;
        snprintf(text, sizeof text, "%s", reason);
        stream_put_error(&w, text);
        router_answer(service->router, ret, from, writer_bytes(&w));
}

/* --- create -------------------------------------------------------------------------------------------------------------- */

static void create_timed_out(void *arg)
{
        struct request *request = arg;
        struct stream_service *service = request->stream_service;
        struct conn *conn = conns_find(service->conns, request->client->conn);

        context_count(service->ctx, STAT_CONNS_TIMED_OUT);
        if (conn) conn_close(conn, ERR_TIMEOUT, "a stream could not be created in time: Kafka is away", true); /* frees the request */
}

static char *generated_name(struct stream_service *service)
{
        uint8_t random[16];
        char *name = malloc(STREAM_NAME_MAX + 1);
        size_t n = 0;

        if (!name) return NULL;
        context_random(service->ctx, random, sizeof random);
        n += (size_t)snprintf(name, STREAM_NAME_MAX, "generated_");
        for (size_t i = 0; i < sizeof random; i++)
                n += (size_t)snprintf(name + n, STREAM_NAME_MAX - n, "%02x", random[i]);
        return name;
}

/* What is wrong with a create, as a sentence; NULL: nothing. */
static const char *create_wrong(struct stream_service *service, const struct stream_create_request *create)
{
        const char *wrong = create->named ? stream_name_wrong(create->name, service->limits.name_max) : NULL;

        if (wrong) return wrong;
        if (create->partitions == 0) return "A stream needs at least one partition";
        if (create->partitions > service->limits.partitions) return "Too many partitions";
        if (streams_count(&service->streams) + create->partitions > service->limits.streams) {
                char name[STREAM_NAME_MAX + 1] = "";

                if (create->named) memcpy(name, create->name.p, create->name.n);
                if (create->named && streams_known(&service->streams, name, (uint32_t)create->partitions - 1)) return NULL;
                context_count(service->ctx, STAT_LIMIT_STREAMS);
                return "Too many streams";
        }
        return NULL;
}

static void create(struct stream_service *service, const struct delivery *delivery, const struct stream_create_request *create)
{
        const char *wrong = create_wrong(service, create);
        struct request *request;

        context_count(service->ctx, STAT_CREATES);
        if (wrong) {
                context_count(service->ctx, STAT_REQUESTS_INVALID);
                answer_error(service, delivery->msg.ret, worker_address(service->create_worker), wrong);
                return;
        }
        request = request_new(&service->clients, REQUEST_CREATE, delivery->origin.conn, delivery->msg.ret, NULL, create->name.n);
        if (!request) {
                answer_error(service, delivery->msg.ret, worker_address(service->create_worker), "Out of memory");
                return;
        }
        request->partitioned = create->partitioned;
        request->partitions = (uint32_t)create->partitions;
        request->stream_service = service;
        request->name = create->named ? strndup((const char *)create->name.p, create->name.n) : generated_name(service);
        timer_init(&request->timer, create_timed_out, request);
        if (!request->name || context_timer_set(service->ctx, &request->timer, service->limits.create_ms)) {
                request_free(&service->clients, request);
                answer_error(service, delivery->msg.ret, worker_address(service->create_worker), "Out of memory");
                return;
        }
        log_create(service->log, request->name, request->partitions, request->token);
}

static const char *answer_created(struct stream_service *service, struct request *request, uint32_t partition)
{
        struct stream *stream = NULL;
        struct writer w;

        /* Asked again: other creates may have been done since this one was let in. */
        if (streams_count(&service->streams) >= service->limits.streams && !streams_known(&service->streams, request->name, partition)) {
                context_count(service->ctx, STAT_LIMIT_STREAMS);
                return "Too many streams";
        }
        stream = streams_get(&service->streams, request->name, partition);
        if (!stream) return "Out of memory";
        if (client_keep(&service->clients, request->client, stream)) {
                context_count(service->ctx, STAT_LIMIT_STREAMS);
                return "Too many streams on one connection";
        }
        if (!answer_begin(service, strlen(request->name) + ANSWER_SMALL, &w)) return "Out of memory";
        stream_put_created(&w, bytes_of_text(request->name), request->partitioned, partition);
        router_answer(service->router, request->ret.route, worker_address(stream->worker), writer_bytes(&w));
        return NULL;
}

/* A connection may end while it is answered (its output is full), and the request with it: found again each time. */
static void create_done(struct stream_service *service, struct request *request, const struct log_result *result)
{
        uint64_t token = request->token;
        uint32_t partitions = request->partitions;
        const char *wrong = result->err ? result->why : NULL;

        for (uint32_t p = 0; p < partitions && !wrong && request; p++) {
                wrong = answer_created(service, request, p);
                request = clients_find(&service->clients, token);
        }
        if (wrong && request) answer_error(service, request->ret.route, worker_address(service->create_worker), wrong);
}

static void service_recv(void *self, const struct delivery *delivery)
{
        struct stream_service *service = self;
        struct stream_request request;
        enum err err = stream_request_read(delivery->msg.payload, &request);

        if (!err && (request.protocol == STREAM_CREATE || request.protocol == STREAM_CREATE_PARTITIONED))
                create(service, delivery, &request.create);
        else if (!is_an_answer(service, delivery->msg.payload))
                answer_error(service, delivery->msg.ret, worker_address(service->create_worker), invalid_request);
}

/* --- push ---------------------------------------------------------------------------------------------------------------- */

static void answer_pushed(struct stream_service *service, struct route ret, struct stream *stream, struct request_id id, bool failed,
                          uint64_t index)
{
        struct writer w;

        if (failed) context_count(service->ctx, STAT_PUSHES_FAILED);
        if (!answer_begin(service, ANSWER_SMALL, &w)) return;
        stream_put_pushed(&w, id, failed, failed ? 0 : index);
        router_answer(service->router, ret, worker_address(stream->worker), writer_bytes(&w));
}

static void keep_id(struct request *request, struct request_id id)
{
        request->id_n = id.raw.n; /* at most REQUEST_ID_MAX, by the reader */
        memcpy(request->id, id.raw.p, request->id_n);
}

static struct request_id kept_id(const struct request *request) { return (struct request_id){bytes_make(request->id, request->id_n)}; }

static void push(struct stream_service *service, struct stream *stream, const struct delivery *delivery,
                 const struct stream_push_request *push)
{
        struct request *request;

        context_count(service->ctx, STAT_PUSHES);
        if (push->data.n > service->limits.record_max) {
                answer_pushed(service, delivery->msg.ret, stream, push->id, true, 0);
                return;
        }
        request = request_new(&service->clients, REQUEST_PUSH, delivery->origin.conn, delivery->msg.ret, stream, push->data.n);
        if (!request) {
                answer_pushed(service, delivery->msg.ret, stream, push->id, true, 0);
                return;
        }
        keep_id(request, push->id);
        log_append(service->log, stream->log_stream, push->data, request->token);
}

/* --- pull ---------------------------------------------------------------------------------------------------------------- */

static void answer_pulled(struct stream_service *service, struct route ret, struct stream *stream, struct request_id id,
                          const struct log_record *records, size_t count)
{
        size_t size = 0;
        struct writer w;

        for (size_t i = 0; i < count; i++)
                size += stream_pulled_message_size(records[i].index, records[i].data.n);
        if (!answer_begin(service, stream_pulled_size(id, count, size), &w)) return;
        stream_put_pulled_head(&w, id, count, size);
        for (size_t i = 0; i < count; i++)
                stream_put_pulled_message(&w, records[i].index, records[i].data);
        service->ctx->stats.v[STAT_RECORDS_OUT] += count;
        if (!count) context_count(service->ctx, STAT_PULLS_EMPTY);
        router_answer(service->router, ret, worker_address(stream->worker), writer_bytes(&w));
}

/* How many bytes of messages fit into one frame beside everything else that the answer to this request has in it. */
static size_t room_for_messages(const struct request *request)
{
        struct request_id id = kept_id(request);
        struct address from = address_local(worker_address(request->stream->worker));
        struct message head = {
                .onward = route_rest(request->ret.route), .ret = {1, bytes_make(NULL, address_size(from))}, .payload = {NULL, FRAME_MAX}};
        size_t around = message_head_size(&head) + stream_pulled_size(id, 0, FRAME_MAX) - FRAME_MAX - bare_uint_size(0);

        return around < FRAME_MAX ? FRAME_MAX - around : 0;
}

/* The log is asked for what may fit, each record costing the least it can; what is too much of that is cut off when it comes. A record
 * that would not fit alone with the longest index is none for this reader. */
static void ask_log(struct stream_service *service, struct request *request)
{
        size_t room = room_for_messages(request);
        struct log_read read = {
                .index = request->index,
                .max_records = request->limit,
                .max_bytes = room,
                .record_overhead = stream_pulled_message_size(request->index, 0),
                .record_max = room > 1 + RECORD_OVERHEAD_MAX ? room - 1 - RECORD_OVERHEAD_MAX : 0,
                .hold_ms = service->limits.hold_ms,
        };

        request->parked = false;
        log_read(service->log, request->stream->log_stream, &read, request->token);
}

/* How many of the records fit into the answer's frame; at least the first, by record_max. */
static size_t count_that_fits(const struct request *request, const struct log_record *records, size_t count)
{
        size_t room = room_for_messages(request), used = 0, n = 0;

        while (n < count) {
                used += stream_pulled_message_size(records[n].index, records[n].data.n);
                if (n > 0 && used + bare_uint_size(n + 1) > room) break;
                n++;
        }
        return n;
}

static bool output_is_full(struct stream_service *service, uint64_t id)
{
        struct conn *conn = conns_find(service->conns, id);

        return conn && conn_output_full(conn);
}

static void pull(struct stream_service *service, struct stream *stream, const struct delivery *delivery,
                 const struct stream_pull_request *pull)
{
        struct client *client = clients_of(&service->clients, delivery->origin.conn);
        struct request *request = NULL;

        context_count(service->ctx, STAT_PULLS);
        if (client && client->pulls >= service->limits.pulls_per_conn)
                context_count(service->ctx, STAT_LIMIT_PULLS);
        else if (pull->limit > 0)
                request = request_new(&service->clients, REQUEST_PULL, delivery->origin.conn, delivery->msg.ret, stream, 0);
        if (!request) {
                answer_pulled(service, delivery->msg.ret, stream, pull->id, NULL, 0);
                return;
        }
        keep_id(request, pull->id);
        request->index = pull->index;
        request->limit = pull->limit;
        request->parked = output_is_full(service, delivery->origin.conn);
        if (!request->parked) ask_log(service, request);
}

/* Records have come for a reader that does not take what it has been sent: the pull waits, as a new one in its place, and asks again
 * when the output has drained. False where memory is out. */
static bool park_again(struct stream_service *service, const struct request *request)
{
        struct request *later = request_new(&service->clients, REQUEST_PULL, request->client->conn, request->ret.route, request->stream, 0);

        if (!later) return false;
        keep_id(later, kept_id(request));
        later->index = request->index;
        later->limit = request->limit;
        later->parked = true;
        return true;
}

static void pull_done(struct stream_service *service, struct request *request, const struct log_result *result)
{
        size_t count = result->err ? 0 : count_that_fits(request, result->records, result->count);

        if (count && output_is_full(service, request->client->conn) && park_again(service, request)) return;
        answer_pulled(service, request->ret.route, request->stream, kept_id(request), result->records, count);
}

void stream_service_conn_drained(struct stream_service *service, uint64_t conn)
{
        struct client *client = clients_of(&service->clients, conn);
        struct request *request;

        if (!client) return;
        TAILQ_FOREACH (request, &client->requests, of_client)
                if (request->parked) ask_log(service, request);
}

static void release_pull(struct stream_service *service, struct request *request)
{
        uint64_t token = request->token;

        if (!request->parked) log_cancel(service->log, token);
        answer_pulled(service, request->ret.route, request->stream, kept_id(request), NULL, 0);
        request = clients_find(&service->clients, token);
        if (request) request_free(&service->clients, request);
}

/* Each answer may end the connection and with it other requests, so what is left is found by its token. */
void stream_service_release_pulls(struct stream_service *service)
{
        size_t count = 0, most = HASH_COUNT(service->clients.requests);
        uint64_t *tokens = calloc(most + 1, sizeof(*tokens));
        struct request *request, *next;

        if (!tokens) return; /* they end with their connections */
        HASH_ITER(hh, service->clients.requests, request, next)
                /* cppcheck-suppress uninitvar; it does not see through the table's macro */
                if (request->kind == REQUEST_PULL) tokens[count++] = request->token;
        for (size_t i = 0; i < count; i++)
                if ((request = clients_find(&service->clients, tokens[i]))) release_pull(service, request);
        free(tokens);
}

/* --- a stream's worker --------------------------------------------------------------------------------------------------- */

static void stream_recv(void *self, const struct delivery *delivery)
{
        struct stream *stream = self;
        struct stream_service *service = stream->streams->owner;
        struct stream_request request;
        enum err err = stream_request_read(delivery->msg.payload, &request);

        stream_touch(stream);
        if (!err && request.protocol == STREAM_PUSH)
                push(service, stream, delivery, &request.push);
        else if (!err && request.protocol == STREAM_PULL)
                pull(service, stream, delivery, &request.pull);
        else if (!is_an_answer(service, delivery->msg.payload))
                answer_error(service, delivery->msg.ret, worker_address(stream->worker), invalid_request);
}

/* --- the log's completions ----------------------------------------------------------------------------------------------- */

void stream_service_log_done(struct stream_service *service, const struct log_result *result)
{
        struct request *request = clients_find(&service->clients, result->token);

        if (!request) return; /* its connection is gone */
        if (result->err != ERR_CANCELLED) {
                switch (request->kind) {
                case REQUEST_CREATE:
                        create_done(service, request, result);
                        break;
                case REQUEST_PUSH:
                        if (result->err) log_debug(request->stream->name, "a push failed: %s", result->why);
                        answer_pushed(service, request->ret.route, request->stream, kept_id(request), result->err != OK, result->index);
                        break;
                case REQUEST_PULL:
                        pull_done(service, request, result);
                        break;
                case REQUEST_INDEX_GET:
                        index_service_done(service, request, result);
                        break;
                }
        }
        request = clients_find(&service->clients, result->token);
        if (request) request_free(&service->clients, request);
}

void stream_service_log_pressure(struct stream_service *service, bool high) { clients_pressure(&service->clients, high); }

void stream_service_conn_closed(struct stream_service *service, uint64_t conn) { clients_conn_closed(&service->clients, conn); }

/* --- life ------------------------------------------------------------------------------------------------------------------ */

struct stream_service *stream_service_new(struct router *router, struct conns *conns, struct log *log, const struct service_limits *limits)
{
        struct stream_service *service = calloc(1, sizeof *service);

        if (!service) return NULL;
        service->router = router;
        service->ctx = router_context(router);
        service->conns = conns;
        service->log = log;
        service->limits = *limits;
        clients_init(&service->clients, router, conns, log, &service->limits);
        streams_init(&service->streams, router, log, &service->limits, stream_recv, service);
        if (router_add(router, BYTES_LITERAL("stream_kafka"), ORIGIN_TCP, service_recv, service, &service->create_worker) ||
            router_add(router, BYTES_LITERAL("stream_kafka_index"), ORIGIN_TCP, index_service_recv, service, &service->index_worker)) {
                stream_service_free(service);
                return NULL;
        }
        return service;
}

void stream_service_free(struct stream_service *service)
{
        if (!service) return;
        clients_clear(&service->clients);
        streams_clear(&service->streams);
        router_remove(service->router, service->create_worker);
        router_remove(service->router, service->index_worker);
        free(service);
}

struct stream_service_figures stream_service_figures(const struct stream_service *service)
{
        return (struct stream_service_figures){
                .open_requests = service->clients.open,
                .held_pulls = service->clients.pulls,
                .request_bytes = service->clients.bytes,
                .streams = streams_count(&service->streams),
        };
}
