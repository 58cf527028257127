/* The node's core on a log in memory: see the header. */
#include "tests/support/service_bench.h"

#include "tests/support/test.h"
#include "tests/support/vectors.h"

#include <stdio.h>
#include <stdlib.h>

static uint8_t out[2 * FRAME_MAX];

struct bench *bench_new(uint64_t seed)
{
        struct bench *bench = calloc(1, sizeof *bench);

        assert_non_null(bench);
        test_context_init(&bench->tc, seed);
        bench->config = (struct node_config){TRANSPORT_LIMITS_DEFAULT, SERVICE_LIMITS_DEFAULT};
        bench->log_limits = LOG_LIMITS_DEFAULT;
        return bench;
}

void bench_start(struct bench *bench)
{
        bench->node = node_new(&bench->tc.ctx, &bench->config);
        assert_non_null(bench->node);
        bench->log = log_memory_new(&bench->tc.ctx, &bench->log_limits, &node_log_events, bench->node);
        log_memory_set_faults(bench->log, &bench->faults);
        assert_ok(node_set_log(bench->node, bench->log));
}

void bench_free(struct bench *bench)
{
        node_free(bench->node);
        test_context_clear(&bench->tc);
        for (size_t i = 0; i < bench->client_count; i++)
                fake_link_free(bench->clients[i].link);
        free(bench);
        vectors_clear();
}

uint64_t bench_stat(const struct bench *bench, enum stat_id stat) { return bench->tc.ctx.stats.v[stat]; }

void bench_set_faults(struct bench *bench, struct log_memory_faults faults)
{
        bench->faults = faults;
        log_memory_set_faults(bench->log, &faults);
}

void bench_set_away(struct bench *bench, bool away)
{
        struct log_memory_faults faults = bench->faults;

        faults.away = away;
        bench_set_faults(bench, faults);
}

/* What a link does by itself: what was written goes out, and what was not taken is offered again once it is read again. */
static void move_bytes(struct bench *bench)
{
        for (size_t i = 0; i < bench->client_count; i++) {
                struct bench_client *client = &bench->clients[i];

                if (!client->slow && client->link->queued) fake_link_drain(client->link, SIZE_MAX);
                fake_link_offer(client->link);
        }
}

void bench_settle(struct bench *bench)
{
        uint64_t at;

        do {
                move_bytes(bench);
                while (timers_next(&bench->tc.ctx.timers, &at) && at <= bench->tc.now_ms) {
                        test_context_step(&bench->tc);
                        move_bytes(bench);
                }
                context_turn_end(&bench->tc.ctx);
        } while (timers_next(&bench->tc.ctx.timers, &at) && at <= bench->tc.now_ms);
}

void bench_advance(struct bench *bench, uint64_t ms)
{
        uint64_t until = bench->tc.now_ms + ms, at;

        bench_settle(bench);
        while (timers_next(&bench->tc.ctx.timers, &at) && at <= until) {
                test_context_step(&bench->tc);
                bench_settle(bench);
        }
        if (bench->tc.now_ms < until) test_context_advance(&bench->tc, until - bench->tc.now_ms);
        bench_settle(bench);
}

struct bench_client *bench_connect(struct bench *bench) { return bench_connect_from(bench, "192.0.2.1:4000"); }

struct bench_client *bench_connect_from(struct bench *bench, const char *peer)
{
        struct bench_client *client = &bench->clients[bench->client_count++];

        assert_true(bench->client_count <= BENCH_CLIENTS);
        *client = (struct bench_client){.bench = bench, .link = fake_link_new(), .ret = BYTES_LITERAL("me")};
        snprintf(client->link->link.peer, sizeof client->link->link.peer, "%s", peer);
        node_accept(bench->node, &client->link->link);
        return client;
}

void bench_feed(struct bench_client *client, struct bytes in)
{
        if (client->link->closed) return;
        if (client->read == client->link->written_n) { /* all looked at */
                fake_link_forget(client->link);
                client->read = 0;
        }
        fake_link_feed(client->link, in);
        bench_settle(client->bench);
}

void bench_send(struct bench_client *client, struct bytes to, struct bytes payload)
{
        uint8_t onward[512];
        static uint8_t ret[FRAME_MAX]; /* on the stack it would be cleared at each call */
        static uint8_t frame[FRAME_LENGTH_SIZE + FRAME_MAX];
        struct writer o = writer_make(onward, sizeof onward), r = writer_make(ret, sizeof ret), w = writer_make(frame, sizeof frame);

        address_put(&o, address_local(to));
        address_put(&r, address_local(client->ret));
        struct message msg = {{1, writer_bytes(&o)}, {1, writer_bytes(&r)}, payload};
        frame_put_length(&w, message_size(&msg));
        message_put(&w, &msg);
        assert_ok(writer_err(&w));
        bench_feed(client, writer_bytes(&w));
}

void bench_request(struct bench_client *client, struct bytes to, const struct stream_request *request)
{
        struct writer w = writer_make(out, sizeof out);

        stream_put_request(&w, request);
        assert_ok(writer_err(&w));
        bench_send(client, to, writer_bytes(&w));
}

bool bench_next(struct bench_client *client, struct bench_answer *answer)
{
        struct bytes rest = bytes_make(client->link->written + client->read, client->link->written_n - client->read);
        struct address from;
        size_t used;

        if (rest.n == 0) return false;
        assert_ok(frame_next(rest, &used, &answer->frame));
        client->read += used;
        assert_ok(message_read(answer->frame, 256, &answer->msg));
        assert_int_equal(answer->msg.ret.count, 1);
        assert_true(route_front(answer->msg.ret, &from));
        answer->from = from.value;
        assert_ok(stream_response_read(answer->msg.payload, &answer->response));
        return true;
}

void bench_nothing(struct bench_client *client) { assert_int_equal(client->link->written_n, client->read); }

struct bench_answer bench_only(struct bench_client *client, enum stream_protocol protocol)
{
        struct bench_answer answer;

        if (!bench_next(client, &answer)) fail_msg("no answer");
        assert_int_equal(answer.response.protocol, protocol);
        bench_nothing(client);
        return answer;
}

/* --- requests -------------------------------------------------------------------------------------------------------- */

static struct request_id id_of(uint64_t id)
{
        static uint8_t memory[UINT_SIZE_MAX];

        return request_id_of(id, memory);
}

void bench_create(struct bench_client *client, const char *name)
{
        struct stream_create_request create = {.named = name, .partitions = 1};

        if (name) create.name = bytes_of_text(name);
        bench_request(client, BYTES_LITERAL("stream_kafka"), &(struct stream_request){STREAM_CREATE, .create = create});
}

void bench_create_partitioned(struct bench_client *client, const char *name, uint64_t partitions)
{
        struct stream_create_request create = {true, bytes_of_text(name), true, partitions};

        bench_request(client, BYTES_LITERAL("stream_kafka"), &(struct stream_request){STREAM_CREATE_PARTITIONED, .create = create});
}

void bench_push(struct bench_client *client, struct bytes to, uint64_t id, struct bytes data)
{
        bench_request(client, to, &(struct stream_request){STREAM_PUSH, .push = {id_of(id), data}});
}

void bench_pull(struct bench_client *client, struct bytes to, uint64_t id, uint64_t index, uint64_t limit)
{
        bench_request(client, to, &(struct stream_request){STREAM_PULL, .pull = {id_of(id), index, limit}});
}

static void index_request(struct bench_client *client, enum stream_index_kind kind, const char *client_id, const char *name, uint64_t index)
{
        struct stream_index_request request = {
                .kind = kind, .client_id = bytes_of_text(client_id), .stream_name = bytes_of_text(name), .index = index};

        bench_request(client, BYTES_LITERAL("stream_kafka_index"), &(struct stream_request){STREAM_INDEX, .index = request});
}

void bench_index_get(struct bench_client *client, const char *client_id, const char *name)
{
        index_request(client, STREAM_INDEX_GET, client_id, name, 0);
}

void bench_index_save(struct bench_client *client, const char *client_id, const char *name, uint64_t index)
{
        index_request(client, STREAM_INDEX_SAVE, client_id, name, index);
}

struct bytes bench_made(struct bench_client *client, const char *name)
{
        static char hex[256];

        bench_create(client, name);
        struct bench_answer answer = bench_only(client, STREAM_CREATE);
        assert_int_equal(answer.from.n, ADDRESS_RANDOM_SIZE);
        assert_bytes_equal("name", answer.response.create.name, bytes_of_text(name));
        for (size_t i = 0; i < answer.from.n; i++)
                snprintf(hex + 2 * i, 3, "%02x", answer.from.p[i]);
        return hex_bytes(hex); /* kept until vectors_clear */
}

void bench_pushed(struct bench_client *client, struct bytes to, struct bytes data, uint64_t index)
{
        bench_push(client, to, 1, data);
        struct bench_answer answer = bench_only(client, STREAM_PUSH);
        assert_false(answer.response.push.failed);
        assert_int_equal(answer.response.push.index, index);
}
