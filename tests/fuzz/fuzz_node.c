/* The whole node on a log in memory: a few clients, and what they send, when they come and go, how time passes, how the log fails and who
 * else writes to it are steps of the input. Requests are made of short names and of addresses that the node gave out, so that they get
 * deep; others are bytes as they come, whole or in pieces.
 *
 * After each step limits hold and every frame that the node wrote is one that a client understands. At the end of each fourth length of
 * input a client that behaves is served as if nothing had been. */
#include "tests/fuzz/fuzz.h"
#include "tests/support/service_bench.h"

enum { STEPS_MAX = 96, CLIENTS_MAX = 12, ADDRESSES_MAX = 8, PATIENCE_S = 60 };

struct run {
        struct bench *bench;
        struct fuzz_input in;
        uint8_t addresses[ADDRESSES_MAX][ADDRESS_RANDOM_SIZE]; /* of streams, as answers told them */
        size_t address_count;
        size_t piece; /* how many bytes come at once; 0: all */
        bool stopping;
};

/* --- what must hold --------------------------------------------------------------------------------------------------- */

static void learn_address(struct run *run, struct bytes address)
{
        if (address.n != ADDRESS_RANDOM_SIZE) return;
        for (size_t i = 0; i < run->address_count; i++)
                if (memcmp(run->addresses[i], address.p, address.n) == 0) return;
        memcpy(run->addresses[run->address_count % ADDRESSES_MAX], address.p, address.n);
        if (run->address_count < ADDRESSES_MAX) run->address_count++;
}

/* An answer of a service, or the answer to a ping. */
static void check_frame(struct run *run, struct bytes body)
{
        static const uint8_t pong = 1;
        struct stream_response response;
        struct message msg;
        struct address from;

        fuzz_require(message_read(body, 256, &msg) == OK);
        if (!route_front(msg.ret, &from)) {
                fuzz_require(bytes_equal(msg.payload, bytes_make(&pong, 1)));
                return;
        }
        fuzz_require(msg.ret.count == 1 && from.type == ADDRESS_LOCAL);
        fuzz_require(stream_response_read(msg.payload, &response) == OK);
        learn_address(run, from.value);
}

static void check_client(struct run *run, struct bench_client *client)
{
        struct bytes rest = fake_link_written(client->link), body;
        size_t used;

        for (; rest.n; rest = bytes_make(rest.p + used, rest.n - used)) {
                fuzz_require(frame_next(rest, &used, &body) == OK);
                check_frame(run, body);
        }
        fake_link_forget(client->link);
        fuzz_require(client->link->queued <= run->bench->config.transport.output_max);
}

static void check(struct run *run)
{
        const struct bench *bench = run->bench;
        const struct service_limits *limits = &bench->config.service;
        const struct node_figures figures = node_figures(bench->node);
        size_t open = 0;

        for (size_t i = 0; i < bench->client_count; i++) {
                check_client(run, &run->bench->clients[i]);
                open += !bench->clients[i].link->closed;
        }
        fuzz_require(figures.connections == open && open <= bench->config.transport.connections);
        fuzz_require(figures.service.streams <= limits->streams);
        fuzz_require(figures.service.held_pulls <= open * limits->pulls_per_conn);
        fuzz_require(figures.service.open_requests <= open * (limits->requests_per_conn + 1));
}

/* --- what clients do -------------------------------------------------------------------------------------------------- */

static struct bench_client *some_client(struct run *run, uint8_t which)
{
        return run->bench->client_count ? &run->bench->clients[which % run->bench->client_count] : NULL;
}

static void feed(struct run *run, struct bench_client *client, struct bytes in)
{
        const size_t piece = run->piece ? run->piece : in.n;

        for (size_t at = 0; at < in.n && !client->link->closed; at += piece)
                bench_feed(client, bytes_make(in.p + at, piece < in.n - at ? piece : in.n - at));
}

/* A frame of these parts; the way back is one of a few. */
static void send(struct run *run, struct bench_client *client, struct bytes to, struct bytes payload)
{
        static const struct bytes back[] = {{(const uint8_t *)"me", 2},
                                            {(const uint8_t *)"", 0},
                                            {(const uint8_t *)"stream_kafka", 12},
                                            {(const uint8_t *)"stream_kafka_index", 18}};
        const size_t way = fuzz_below(&run->in, 8);
        uint8_t onward[64], ret[64], frame[1024];
        struct writer o = writer_make(onward, sizeof onward), r = writer_make(ret, sizeof ret), w = writer_make(frame, sizeof frame);

        address_put(&o, address_local(to));
        address_put(&r, address_local(way < 4 ? back[way] : back[0]));
        const struct message msg = {{!o.full, writer_bytes(&o)}, {!r.full, writer_bytes(&r)}, payload};
        frame_put_length(&w, message_size(&msg));
        message_put(&w, &msg);
        if (!w.full) feed(run, client, writer_bytes(&w));
}

/* A service, a stream that there is or was, or whatever the input says. */
static struct bytes some_address(struct run *run)
{
        const uint8_t which = fuzz_u8(&run->in);

        if (which < 128 && run->address_count) return bytes_make(run->addresses[which % run->address_count], ADDRESS_RANDOM_SIZE);
        if (which < 192) return BYTES_LITERAL("stream_kafka");
        if (which < 240) return BYTES_LITERAL("stream_kafka_index");
        return fuzz_take(&run->in, which % 16);
}

static struct bytes some_name(struct run *run)
{
        static const char *const names[] = {"a", "b", "a_to_b", "b_to_a", "c", "d", "..", "__x"};
        const uint8_t which = fuzz_u8(&run->in);

        return which < 224 ? bytes_of_text(names[which % 8]) : fuzz_take(&run->in, which - 223);
}

static uint64_t some_number(struct run *run)
{
        const uint8_t which = fuzz_u8(&run->in);

        if (which < 240) return which % 16;
        return which < 248 ? UINT64_MAX >> (which - 240) * 9 : (uint64_t)fuzz_u16(&run->in) << (which - 248) * 6;
}

static struct bytes put_request(struct run *run, const struct stream_request *request)
{
        static uint8_t memory[1024];
        struct writer w = writer_make(memory, sizeof memory);

        (void)run;
        stream_put_request(&w, request);
        return w.full ? BYTES_NONE : writer_bytes(&w);
}

static void send_create(struct run *run, struct bench_client *client, uint8_t how)
{
        struct stream_create_request create = {.named = how & 1, .partitioned = how & 2, .partitions = 1};

        if (create.named) create.name = some_name(run);
        if (create.partitioned) create.partitions = some_number(run);
        const struct stream_request request = {create.partitioned ? STREAM_CREATE_PARTITIONED : STREAM_CREATE, .create = create};
        send(run, client, BYTES_LITERAL("stream_kafka"), put_request(run, &request));
}

static void send_push(struct run *run, struct bench_client *client)
{
        uint8_t memory[UINT_SIZE_MAX];
        const struct bytes to = some_address(run);
        const struct request_id id = request_id_of(some_number(run), memory);
        const struct stream_request request = {STREAM_PUSH, .push = {id, fuzz_take(&run->in, fuzz_below(&run->in, 64))}};

        send(run, client, to, put_request(run, &request));
}

static void send_pull(struct run *run, struct bench_client *client)
{
        uint8_t memory[UINT_SIZE_MAX];
        const struct bytes to = some_address(run);
        const struct request_id id = request_id_of(some_number(run), memory);
        const uint64_t index = some_number(run);
        const struct stream_request request = {STREAM_PULL, .pull = {id, index, some_number(run)}};

        send(run, client, to, put_request(run, &request));
}

static void send_index(struct run *run, struct bench_client *client, uint8_t how)
{
        struct stream_index_request index = {.kind = how & 1 ? STREAM_INDEX_SAVE : STREAM_INDEX_GET, .partitioned = how & 2};

        index.client_id = some_name(run);
        index.stream_name = some_name(run);
        if (index.partitioned) index.partition = some_number(run);
        index.index = some_number(run);
        const struct stream_request request = {index.partitioned ? STREAM_INDEX_PARTITIONED : STREAM_INDEX, .index = index};
        send(run, client, BYTES_LITERAL("stream_kafka_index"), put_request(run, &request));
}

static void send_frame(struct run *run, struct bench_client *client)
{
        uint8_t frame[FRAME_LENGTH_SIZE + 256];
        struct bytes body = fuzz_data(&run->in);
        struct writer w = writer_make(frame, sizeof frame);

        frame_put_length(&w, body.n);
        writer_put(&w, body.p, body.n);
        feed(run, client, writer_bytes(&w));
}

/* One that is as large as they get: it fills outputs and budgets. */
static void send_large(struct run *run, struct bench_client *client)
{
        static uint8_t data[1 << 15];
        uint8_t memory[UINT_SIZE_MAX];
        const struct bytes to = some_address(run);
        const struct stream_request request = {STREAM_PUSH, .push = {request_id_of(1, memory), bytes_make(data, sizeof data)}};

        if (!client->link->closed) bench_request(client, to, &request);
}

static void client_step(struct run *run, uint8_t what, struct bench_client *client)
{
        switch (what % 10) {
        case 0:
        case 1:
                send_create(run, client, what / 10);
                break;
        case 2:
        case 3:
                send_push(run, client);
                break;
        case 4:
                send_pull(run, client);
                break;
        case 5:
                send_index(run, client, what / 10);
                break;
        case 6:
                send(run, client, some_address(run), fuzz_data(&run->in));
                break;
        case 7:
                send_frame(run, client);
                break;
        case 8:
                feed(run, client, fuzz_take(&run->in, what / 10));
                break;
        default:
                send_large(run, client);
        }
}

/* --- what else happens ------------------------------------------------------------------------------------------------- */

static void log_step(struct run *run, uint8_t what)
{
        struct bench *bench = run->bench;
        char *name = fuzz_text(some_name(run));
        enum err err = OK;

        switch (what % 4) {
        case 0:
                err = log_memory_write(bench->log, name, what / 4 % 2, fuzz_take(&run->in, what / 8), what / 4 % 3);
                break;
        case 1:
                err = log_memory_truncate(bench->log, name, 0, what / 4);
                break;
        case 2:
                log_memory_delete(bench->log, name);
                break;
        default:
                bench_set_faults(bench, (struct log_memory_faults){.delay_max_ms = what & 16 ? 50 : 0,
                                                                   .append_fail_percent = what & 32 ? 50 : 0,
                                                                   .away = what & 64});
        }
        (void)err;
        free(name);
        bench_settle(bench);
}

static void link_step(struct run *run, uint8_t what, struct bench_client *client)
{
        if (client->link->closed) return;
        switch (what % 4) {
        case 0:
                fake_link_down(client->link, ERR_CLOSED, "closed by the other side");
                break;
        case 1:
                client->slow = !client->slow;
                break;
        case 2:
                fake_link_drain(client->link, (size_t)what * 16);
                break;
        default:
                client->link->fail_write = what & 4 ? ERR_NO_MEMORY : OK;
        }
        bench_settle(run->bench);
}

static void has_stopped(void *user) { (void)user; }

static void step(struct run *run)
{
        static const uint32_t pauses_ms[] = {0, 1, 60, 300, 1000, 5000, 10000, 31000, 61000, 601000};
        static const char *const hosts[] = {"192.0.2.1:4000", "192.0.2.2:1", "[2001:db8::1]:4000", "[2001:db8::2]:4001"};
        const uint8_t what = fuzz_u8(&run->in), how = fuzz_u8(&run->in);
        struct bench_client *client = some_client(run, what >> 4);

        switch (what & 15) {
        case 0:
                if (run->bench->client_count < CLIENTS_MAX) bench_connect_from(run->bench, hosts[how % 4]);
                break;
        case 1:
                bench_advance(run->bench, pauses_ms[how % 10]);
                break;
        case 2:
                log_step(run, how);
                break;
        case 3:
                if (client) link_step(run, how, client);
                break;
        case 4:
                run->piece = how % 32;
                break;
        case 5:
                if (how == 255 && !run->stopping) {
                        node_stop(run->bench->node, 100, has_stopped, NULL);
                        run->stopping = true;
                }
                break;
        default:
                if (client) client_step(run, how, client);
        }
}

/* --- a client that behaves ------------------------------------------------------------------------------------------- */

static bool answer(struct run *run, struct bench_client *client, enum stream_protocol protocol, struct bench_answer *out)
{
        bool answered = false;

        for (int seconds = 0; seconds < PATIENCE_S && !answered; seconds++) {
                bench_advance(run->bench, 1000);
                answered = bench_next(client, out);
        }
        fuzz_require(answered);
        if (out->response.protocol == STREAM_ERROR) return false; /* a limit on streams */
        fuzz_require(out->response.protocol == protocol);
        bench_nothing(client);
        return true;
}

static void behave(struct run *run)
{
        const struct bytes data = BYTES_LITERAL("what is true");
        struct bench *bench = run->bench;
        struct bench_client *client;
        struct bench_answer got;
        struct stream_message message;
        uint8_t address[ADDRESS_RANDOM_SIZE];
        uint64_t index;

        bench_set_faults(bench, (struct log_memory_faults){0});
        bench_advance(bench, 1000);
        client = bench_connect_from(bench, "198.51.100.1:4000"); /* a host of its own: it does not wait for what others of theirs sent */
        if (client->link->closed) return;                        /* too many */
        bench_create(client, "behaves");
        if (!answer(run, client, STREAM_CREATE, &got)) return;
        fuzz_require(got.from.n == sizeof address);
        memcpy(address, got.from.p, sizeof address);
        bench_push(client, bytes_make(address, sizeof address), 7, data);
        fuzz_require(answer(run, client, STREAM_PUSH, &got) && got.response.push.id == 7 && !got.response.push.failed);
        index = got.response.push.index;
        bench_pull(client, bytes_make(address, sizeof address), 8, index, 1);
        fuzz_require(answer(run, client, STREAM_PULL, &got) && got.response.pull.id == 8 && got.response.pull.count == 1);
        fuzz_require(stream_message_next(&got.response.pull.messages, &message) && message.index == index &&
                     bytes_equal(message.data, data));
}

/* Limits that a short input can reach. */
static void make_small(struct bench *bench)
{
        bench->config.transport.connections = 4;
        bench->config.transport.workers = 16;
        bench->config.transport.queue_messages = 16;
        bench->config.transport.route_hops = 8;
        bench->config.transport.frames_per_turn = 3;
        bench->config.transport.output_low = 64;
        bench->config.transport.output_high = 256;
        bench->config.transport.output_max = 1024;
        bench->config.service.streams = 6;
        bench->config.service.streams_per_conn = 3;
        bench->config.service.partitions = 4;
        bench->config.service.pulls_per_conn = 2;
        bench->config.service.requests_per_conn = 2;
        bench->config.service.request_bytes_per_conn = 1024;
        bench->log_limits.append_bytes_high = 256;
        bench->log_limits.append_bytes_low = 64;
        bench->log_limits.index_entries = 4;
}

/* Rates, and sums over all connections, likewise. */
static void make_slow(struct bench *bench)
{
        bench->config.transport.host_connections = 3;
        bench->config.transport.frames_per_s = 4;
        bench->config.transport.bytes_per_s = 512;
        bench->config.transport.host_frames_per_s = 8;
        bench->config.transport.host_bytes_per_s = 1024;
        bench->config.transport.output_all = 512;
        bench->config.service.creates_per_s = 1;
        bench->config.service.request_bytes = 512;
        bench->config.service.request_bytes_spared = 256;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct run run = {.bench = bench_new(1), .in = fuzz_input_make(data, size)};

        fuzz_silence();
        const uint8_t limits = fuzz_u8(&run.in);

        run.bench->config.transport.arena_bytes = FUZZ_ARENA;
        if (limits & 1) make_small(run.bench);
        if (limits & 2) make_slow(run.bench);
        bench_start(run.bench);
        bench_connect(run.bench);
        for (int steps = 0; fuzz_more(&run.in) && steps < STEPS_MAX; steps++) {
                step(&run);
                check(&run);
        }
        if (!run.stopping && size % 4 == 0) behave(&run); /* it takes as long as all the rest */
        check(&run);
        bench_free(run.bench);
        return 0;
}
