/* What producer and consumer have in common: asking a node for a stream over whatever connection there is
 * (docs/protocol.md, "The stream client"). Requests are put together in the router's arena. */
#include "stream/client/handle.h"

#include "transport/base/logger.h"

#include <stdlib.h>

enum { REQUEST_OVERHEAD = 128 }; /* protocol name, lengths and numbers of the longest request, without its names and data */

enum err handle_init(struct stream_handle *handle, struct router *router, struct bytes service, struct bytes name,
                     const struct stream_client_limits *limits, worker_handler *handler, void (*fire)(void *owner), void *owner)
{
        uint8_t *memory = malloc(service.n + name.n + 1);

        if (!memory) return ERR_NO_MEMORY;
        memcpy(memory, service.p, service.n);
        if (name.n) memcpy(memory + service.n, name.p, name.n);
        *handle = (struct stream_handle){
                .router = router,
                .ctx = router_context(router),
                .limits = limits,
                .service = bytes_make(memory, service.n),
                .name = bytes_make(memory + service.n, name.n),
                .memory = memory,
                .handler = handler,
                .owner = owner,
        };
        timer_init(&handle->timer, fire, owner);
        return OK;
}

void handle_clear(struct stream_handle *handle)
{
        handle_disconnect(handle);
        context_timer_stop(handle->ctx, &handle->timer);
        free(handle->memory);
        handle->memory = NULL;
}

enum err handle_connect(struct stream_handle *handle, struct bytes conn)
{
        handle_disconnect(handle);
        if (conn.n == 0 || conn.n > sizeof handle->conn) return ERR_TOO_LARGE;
        memcpy(handle->conn, conn.p, conn.n);
        handle->conn_n = conn.n;
        return OK;
}

void handle_disconnect(struct stream_handle *handle)
{
        router_remove(handle->router, handle->worker);
        handle->worker = NULL;
        handle->conn_n = 0;
        route_copy_clear(&handle->way);
        handle->way = (struct route_copy){0};
}

/* How many bytes of names and data a request carries. */
static size_t request_weight(const struct stream_request *request)
{
        switch (request->protocol) {
        case STREAM_CREATE:
        case STREAM_CREATE_PARTITIONED:
                return request->create.name.n;
        case STREAM_PUSH:
                return request->push.data.n;
        case STREAM_INDEX:
        case STREAM_INDEX_PARTITIONED:
                return request->index.client_id.n + request->index.stream_name.n;
        default:
                return 0;
        }
}

static enum err encode_request(struct arena *arena, const struct stream_request *request, struct bytes *out)
{
        size_t cap = request_weight(request) + REQUEST_OVERHEAD;
        uint8_t *memory = arena_alloc(arena, cap);
        struct writer w;

        if (!memory) return ERR_FULL;
        w = writer_make(memory, cap);
        stream_put_request(&w, request);
        if (writer_err(&w)) return ERR_TOO_LARGE;
        arena_shrink(arena, memory, w.n);
        *out = writer_bytes(&w);
        return OK;
}

static enum err send_request(struct stream_handle *handle, struct route onward, const struct stream_request *request)
{
        struct arena *arena = router_arena(handle->router);
        struct message msg = {.onward = onward};
        enum err err;

        if (!handle->worker && (err = router_add(handle->router, BYTES_NONE, ORIGIN_TCP, handle->handler, handle->owner, &handle->worker)))
                return err;
        if ((err = route_prepend(arena, address_local(worker_address(handle->worker)), ROUTE_EMPTY, &msg.ret))) return err;
        if ((err = encode_request(arena, request, &msg.payload))) return err;
        return router_send(handle->router, ORIGIN_OWN, msg);
}

enum err handle_ask_service(struct stream_handle *handle, struct bytes service, const struct stream_request *request)
{
        const struct bytes hops[] = {bytes_make(handle->conn, handle->conn_n), service};
        struct route onward;
        enum err err;

        if (handle->conn_n == 0) return ERR_AGAIN;
        if ((err = route_of_locals(router_arena(handle->router), hops, 2, &onward))) return err;
        return send_request(handle, onward, request);
}

/* The way is copied: the connection may be lost while the message is still in the router's queue. */
enum err handle_ask(struct stream_handle *handle, const struct stream_request *request)
{
        struct route way = handle->way.route;
        uint8_t *memory;

        if (way.count == 0) return ERR_AGAIN;
        memory = arena_alloc(router_arena(handle->router), way.encoded.n);
        if (!memory) return ERR_FULL;
        memcpy(memory, way.encoded.p, way.encoded.n);
        way.encoded.p = memory;
        return send_request(handle, way, request);
}

enum err handle_create(struct stream_handle *handle)
{
        struct stream_request request = {
                .protocol = STREAM_CREATE,
                .create = {.named = true, .name = handle->name, .partitions = 1},
        };

        return handle_ask_service(handle, handle->service, &request);
}

enum err handle_created(struct stream_handle *handle, const struct delivery *delivery, const struct stream_response *response)
{
        struct route_copy way;
        enum err err;

        if (!bytes_equal(response->create.name, handle->name)) return ERR_MALFORMED;
        if (delivery->msg.ret.count < 2 || route_size(delivery->msg.ret) > STREAM_WAY_MAX) return ERR_MALFORMED;
        if ((err = route_copy(delivery->msg.ret, &way))) return err;
        route_copy_clear(&handle->way);
        handle->way = way;
        return OK;
}

bool handle_troubled(struct stream_handle *handle, enum stream_trouble trouble)
{
        bool new = handle->trouble != trouble;

        handle->trouble = trouble;
        return new;
}

uint32_t handle_pause(struct stream_handle *handle)
{
        uint32_t pause = handle->pause_ms ? handle->pause_ms * 2 : handle->limits->retry_min_ms;

        if (pause > handle->limits->retry_max_ms) pause = handle->limits->retry_max_ms;
        handle->pause_ms = pause;
        return pause / 2 + (uint32_t)context_random_below(handle->ctx, pause / 2 + 1);
}

bool handle_well(struct stream_handle *handle)
{
        bool was_troubled = handle->trouble != TROUBLE_NONE;

        handle->trouble = TROUBLE_NONE;
        handle->pause_ms = 0;
        return was_troubled;
}

void handle_wake_in(struct stream_handle *handle, uint64_t in_ms)
{
        char name[64];

        if (context_timer_set(handle->ctx, &handle->timer, in_ms))
                log_error(printable(name, sizeof name, handle->name), "cannot set a timer: out of memory; waiting for the next event");
}

void tell_nobody(void *user) { (void)user; }

void notice_nobody(void *user, enum err err, const char *text) { (void)user, (void)err, (void)text; }

void refuse_nobody(void *user, const char *reason) { (void)user, (void)reason; }
