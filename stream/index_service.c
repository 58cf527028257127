/* The worker `stream_kafka_index`: get and save of readers' indexes (docs/protocol.md, "The index service"). What does not decode gets no answer. */
#include "stream/service_parts.h"

#include "transport/base/logger.h"

#include <inttypes.h>
#include <stdlib.h>

enum { ANSWER_EXTRA = 128 }; /* names of protocols, lengths and numbers around the names in an answer */

static void answer(struct stream_service *service, struct route ret, const struct stream_index_request *index, bool present, uint64_t at)
{
        struct writer w;

        if (!answer_begin(service, index->client_id.n + index->stream_name.n + ANSWER_EXTRA, &w)) return;
        stream_put_index(&w, index, present, at);
        router_answer(service->router, ret, worker_address(service->index_worker), writer_bytes(&w));
}

/* Names that no log has: nothing was saved there, and nothing can be. */
static bool can_exist(const struct stream_index_request *index)
{
        return index->client_id.n > 0 && index->client_id.n <= CLIENT_ID_MAX && !memchr(index->client_id.p, 0, index->client_id.n) &&
               !stream_name_wrong(index->stream_name, STREAM_NAME_MAX) && index->partition <= INT32_MAX;
}

static char *text_of(struct bytes in)
{
        char *text = malloc(in.n + 1);

        if (!text) return NULL;
        memcpy(text, in.p, in.n);
        text[in.n] = '\0';
        return text;
}

static void get(struct stream_service *service, const struct delivery *delivery, const struct stream_index_request *index)
{
        struct request *request;

        if (!can_exist(index)) {
                context_count(service->ctx, STAT_REQUESTS_INVALID);
                answer(service, delivery->msg.ret, index, false, 0);
                return;
        }
        request = request_new(&service->clients, REQUEST_INDEX_GET, delivery->origin.conn, delivery->msg.ret, NULL,
                              index->stream_name.n + index->client_id.n);
        if (!request) return;
        request->partitioned = index->partitioned;
        request->partitions = (uint32_t)index->partition;
        request->name = text_of(index->stream_name);
        request->client_id = text_of(index->client_id);
        if (!request->name || !request->client_id) {
                request_free(&service->clients, request);
                return;
        }
        log_index_load(service->log, request->client_id, request->name, request->partitions, request->token);
}

static void save(struct stream_service *service, const struct delivery *delivery, const struct stream_index_request *index)
{
        char name[STREAM_NAME_MAX + 1], client_id[CLIENT_ID_MAX + 1];

        if (!can_exist(index) || index->index > INT64_MAX) {
                context_count(service->ctx, STAT_REQUESTS_INVALID);
                return;
        }
        memcpy(name, index->stream_name.p, index->stream_name.n);
        name[index->stream_name.n] = '\0';
        memcpy(client_id, index->client_id.p, index->client_id.n);
        client_id[index->client_id.n] = '\0';
        log_index_save(service->log, client_id, name, (uint32_t)index->partition, index->index, delivery->origin.conn);
}

void index_service_recv(void *self, const struct delivery *delivery)
{
        struct stream_service *service = self;
        struct stream_request request;
        enum err err = stream_request_read(delivery->msg.payload, &request);
        bool index = !err && (request.protocol == STREAM_INDEX || request.protocol == STREAM_INDEX_PARTITIONED);

        if (!index) {
                if (!is_an_answer(service, delivery->msg.payload)) log_debug("stream_kafka_index", "a request was dropped: it does not decode");
                return;
        }
        if (request.index.kind == STREAM_INDEX_GET) {
                context_count(service->ctx, STAT_INDEX_GETS);
                get(service, delivery, &request.index);
        } else {
                context_count(service->ctx, STAT_INDEX_SAVES);
                save(service, delivery, &request.index);
        }
}

void index_service_done(struct stream_service *service, struct request *request, const struct log_result *result)
{
        struct stream_index_request index = {
                .kind = STREAM_INDEX_GET, .client_id = bytes_of_text(request->client_id), .stream_name = bytes_of_text(request->name),
                .partitioned = request->partitioned, .partition = request->partitions,
        };

        if (result->err) log_warning("stream_kafka_index", "the index of a reader of %s cannot be told: %s", request->name, result->why);
        else answer(service, request->ret.route, &index, result->present, result->index);
}
