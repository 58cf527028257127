/* The scripted hub: keeps copies of requests in a list, and writes answers as the test says. */
#include "tests/support/scripted_hub.h"

#include "tests/support/test.h"

#include <stdlib.h>

static void on_request(void *self, const struct delivery *delivery)
{
        struct hub *hub = self;
        struct hub_request *request = calloc(1, sizeof *request + delivery->msg.payload.n);
        struct address to;

        assert_non_null(request);
        assert_true(route_front(route_rest(delivery->msg.onward), &to));
        assert_true(to.value.n < sizeof request->to);
        memcpy(request->to, to.value.p, to.value.n);
        request->payload_n = delivery->msg.payload.n;
        memcpy(request->payload, delivery->msg.payload.p, request->payload_n);
        assert_ok(stream_request_read(bytes_make(request->payload, request->payload_n), &request->request));
        assert_ok(route_copy(delivery->msg.ret, &request->ret));
        STAILQ_INSERT_TAIL(&hub->requests, request, entry);
}

static void request_free(struct hub_request *request)
{
        if (!request) return;
        route_copy_clear(&request->ret);
        free(request);
}

void hub_init(struct hub *hub, struct router *router)
{
        *hub = (struct hub){.router = router, .stream_address = "stream_worker"};
        STAILQ_INIT(&hub->requests);
        assert_ok(router_add(router, BYTES_NONE, ORIGIN_LOCAL, on_request, hub, &hub->conn));
}

static void forget_requests(struct hub *hub)
{
        struct hub_request *request;

        while ((request = STAILQ_FIRST(&hub->requests))) {
                STAILQ_REMOVE_HEAD(&hub->requests, entry);
                request_free(request);
        }
}

void hub_clear(struct hub *hub)
{
        router_remove(hub->router, hub->conn);
        forget_requests(hub);
        request_free(hub->taken);
}

struct bytes hub_conn(const struct hub *hub)
{
        return worker_address(hub->conn);
}

void hub_reconnect(struct hub *hub)
{
        router_remove(hub->router, hub->conn);
        forget_requests(hub);
        assert_ok(router_add(hub->router, BYTES_NONE, ORIGIN_LOCAL, on_request, hub, &hub->conn));
}

struct hub_request *hub_take(struct hub *hub, enum stream_protocol protocol)
{
        struct hub_request *request = STAILQ_FIRST(&hub->requests);

        if (!request) fail_msg("no request came; expected one of protocol %d", (int)protocol);
        STAILQ_REMOVE_HEAD(&hub->requests, entry);
        request_free(hub->taken);
        hub->taken = request;
        assert_int_equal(request->request.protocol, protocol);
        return request;
}

void hub_quiet(struct hub *hub)
{
        const struct hub_request *request = STAILQ_FIRST(&hub->requests);

        if (request) fail_msg("a request of protocol %d came; expected none", (int)request->request.protocol);
}

uint64_t hub_request_number(const struct hub_request *request)
{
        struct bytes raw = request->request.protocol == STREAM_PUSH ? request->request.push.id.raw : request->request.pull.id.raw;
        struct bare_reader r = bare_reader_make(raw);
        uint64_t id = bare_uint(&r);

        assert_ok(bare_end(&r));
        return id;
}

void hub_answer(struct hub *hub, const struct hub_request *request, struct bytes payload)
{
        struct origin origin = {.kind = ORIGIN_TCP, .conn = 1};
        struct message msg = {.onward = request->ret.route, .payload = payload};
        const struct bytes way[] = {worker_address(hub->conn), bytes_of_text(hub->stream_address)};

        assert_ok(route_of_locals(router_arena(hub->router), way, 2, &msg.ret));
        router_post(hub->router, origin, msg);
}

static void answer_written(struct hub *hub, const struct hub_request *request, const struct writer *w)
{
        assert_ok(writer_err(w));
        hub_answer(hub, request, writer_bytes(w));
}

void hub_answer_created_as(struct hub *hub, const struct hub_request *request, const char *name)
{
        uint8_t memory[512];
        struct writer w = writer_make(memory, sizeof memory);

        stream_put_created(&w, bytes_of_text(name), false, 0);
        answer_written(hub, request, &w);
}

void hub_answer_created(struct hub *hub, const struct hub_request *request)
{
        uint8_t memory[512];
        struct writer w = writer_make(memory, sizeof memory);

        stream_put_created(&w, request->request.create.name, false, 0);
        answer_written(hub, request, &w);
}

void hub_answer_pushed(struct hub *hub, const struct hub_request *request, bool failed, uint64_t index)
{
        uint8_t memory[64];
        struct writer w = writer_make(memory, sizeof memory);

        stream_put_pushed(&w, request->request.push.id, failed, index);
        answer_written(hub, request, &w);
}

void hub_answer_index(struct hub *hub, const struct hub_request *request, bool present, uint64_t index)
{
        uint8_t memory[512];
        struct writer w = writer_make(memory, sizeof memory);

        stream_put_index(&w, &request->request.index, present, index);
        answer_written(hub, request, &w);
}

void hub_answer_pulled(struct hub *hub, const struct hub_request *request, const struct stream_message *messages, size_t count)
{
        static uint8_t memory[1 << 16];
        struct writer w = writer_make(memory, sizeof memory);
        size_t size = 0;

        for (size_t i = 0; i < count; i++) size += stream_pulled_message_size(messages[i].index, messages[i].data.n);
        stream_put_pulled_head(&w, request->request.pull.id, count, size);
        for (size_t i = 0; i < count; i++) stream_put_pulled_message(&w, messages[i].index, messages[i].data);
        answer_written(hub, request, &w);
}

void hub_answer_error(struct hub *hub, const struct hub_request *request, const char *reason)
{
        uint8_t memory[512];
        struct writer w = writer_make(memory, sizeof memory);

        stream_put_error(&w, reason);
        answer_written(hub, request, &w);
}
