/* The stream messages against what the crate and the hub of 2021 sent, and what they take and refuse. */
#include "stream/protocol.h"
#include "tests/support/vectors.h"
#include "transport/message.h"
#include "transport/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define CRATE "tests/vectors/crate-0.116/streams.json"
#define HUB   "tests/vectors/hub-2021.json"

static uint8_t id_memory[UINT_SIZE_MAX];
static uint8_t out_memory[2 * FRAME_MAX];

static enum stream_protocol protocol_named(const char *name)
{
        static const char *const names[] = {"stream_create", "stream_create_partitioned", "stream_push", "stream_pull",
                                            "stream_index",  "stream_index_partitioned",  "error"};

        for (int i = 0; i < STREAM_PROTOCOL_COUNT; i++)
                if (!strcmp(names[i], name)) return (enum stream_protocol)i;
        fail_msg("no protocol %s", name);
        return STREAM_ERROR;
}

/* --- the crate's messages, from fields ----------------------------------------------------------------------------- */

static struct request_id id_from(const json_t *fields) { return request_id_of(vector_uint(fields, "request_id"), id_memory); }

static struct stream_request request_from(enum stream_protocol protocol, const json_t *fields)
{
        struct stream_request request = {.protocol = protocol};

        if (protocol == STREAM_CREATE) {
                request.create = (struct stream_create_request){.partitions = 1};
                if ((request.create.named = vector_member(fields, "stream_name")))
                        request.create.name = bytes_of_text(vector_text(fields, "stream_name"));
        } else if (protocol == STREAM_PUSH) {
                request.push = (struct stream_push_request){id_from(fields), vector_hex(fields, "data")};
        } else if (protocol == STREAM_PULL) {
                request.pull = (struct stream_pull_request){id_from(fields), vector_uint(fields, "index"), vector_uint(fields, "limit")};
        } else {
                const json_t *save = vector_member(fields, "save");
                const json_t *inner = save ? save : vector_member(fields, "get");
                request.index = (struct stream_index_request){
                        .kind = save ? STREAM_INDEX_SAVE : STREAM_INDEX_GET,
                        .client_id = bytes_of_text(vector_text(inner, "client_id")),
                        .stream_name = bytes_of_text(vector_text(inner, "stream_name")),
                        .index = save ? vector_uint(inner, "index") : 0,
                };
        }
        return request;
}

static void put_pulled(struct writer *w, struct request_id id, uint64_t count, struct bytes messages)
{
        struct stream_message message;
        size_t start = w->n;

        stream_put_pulled_head(w, id, count, messages.n);
        for (struct bytes left = messages; stream_message_next(&left, &message);) {
                size_t before = w->n;
                stream_put_pulled_message(w, message.index, message.data);
                assert_int_equal(w->n - before, stream_pulled_message_size(message.index, message.data.n));
        }
        assert_int_equal(w->n - start, stream_pulled_size(id, count, messages.n));
}

/* Writes again what was read. */
static struct bytes response_again(const struct stream_response *response)
{
        struct writer w = writer_make(out_memory, sizeof out_memory);
        char reason[256] = {0};

        switch (response->protocol) {
        case STREAM_CREATE:
        case STREAM_CREATE_PARTITIONED:
                stream_put_created(&w, response->create.name, response->create.partitioned, response->create.partition);
                break;
        case STREAM_PUSH:
                stream_put_pushed(&w, request_id_of(response->push.id, id_memory), response->push.failed, response->push.index);
                break;
        case STREAM_PULL:
                put_pulled(&w, request_id_of(response->pull.id, id_memory), response->pull.count, response->pull.messages);
                break;
        case STREAM_INDEX:
        case STREAM_INDEX_PARTITIONED:
                stream_put_index(&w,
                                 &(struct stream_index_request){
                                         .client_id = response->index.client_id,
                                         .stream_name = response->index.stream_name,
                                         .partitioned = response->index.partitioned,
                                         .partition = response->index.partition,
                                 },
                                 response->index.present, response->index.index);
                break;
        default:
                memcpy(reason, response->error.reason.p, response->error.reason.n);
                stream_put_error(&w, reason);
        }
        assert_int_equal(writer_err(&w), OK);
        return writer_bytes(&w);
}

static struct bytes request_again(const struct stream_request *request)
{
        struct writer w = writer_make(out_memory, sizeof out_memory);

        stream_put_request(&w, request);
        assert_int_equal(writer_err(&w), OK);
        return writer_bytes(&w);
}

static void check_response_fields(const char *name, const struct stream_response *response, const json_t *fields)
{
        struct stream_message message;

        switch (response->protocol) {
        case STREAM_CREATE:
                assert_bytes_equal(name, response->create.name, bytes_of_text(vector_text(fields, "stream_name")));
                break;
        case STREAM_PUSH:
                assert_true(response->push.id == vector_uint(fields, "request_id"));
                assert_true(response->push.failed == (vector_uint(fields, "status") == 1));
                assert_true(response->push.index == vector_uint(fields, "index"));
                break;
        case STREAM_PULL: {
                const json_t *messages = vector_member(fields, "messages");
                struct bytes left = response->pull.messages;
                assert_true(response->pull.id == vector_uint(fields, "request_id"));
                assert_int_equal(response->pull.count, json_array_size(messages));
                for (size_t i = 0; i < json_array_size(messages); i++) {
                        assert_true(stream_message_next(&left, &message));
                        assert_true(message.index == vector_uint(json_array_get(messages, i), "index"));
                        assert_bytes_equal(name, message.data, vector_hex(json_array_get(messages, i), "data"));
                }
                assert_false(stream_message_next(&left, &message));
                break;
        }
        default:
                assert_int_equal(response->protocol, STREAM_INDEX);
                assert_bytes_equal(name, response->index.client_id, bytes_of_text(vector_text(fields, "client_id")));
                assert_bytes_equal(name, response->index.stream_name, bytes_of_text(vector_text(fields, "stream_name")));
                assert_true(response->index.present == (vector_member(fields, "index") != NULL));
                if (response->index.present) assert_true(response->index.index == vector_uint(fields, "index"));
        }
}

static void reads_and_writes_the_crates_messages(void **state)
{
        (void)state;
        const json_t *messages = vector_member(vectors_load(CRATE), "messages"), *v;
        size_t i;

        assert_int_equal(json_array_size(messages), 66);
        json_array_foreach(messages, i, v)
        {
                const char *name = vector_text(v, "name");
                enum stream_protocol protocol = protocol_named(vector_text(v, "protocol"));
                struct bytes payload = vector_hex(v, "payload");
                const json_t *fields = vector_member(v, "fields");

                if (!strcmp(vector_text(v, "kind"), "request")) {
                        struct stream_request request = request_from(protocol, fields), got;
                        assert_bytes_equal(name, request_again(&request), payload);
                        assert_int_equal(stream_request_read(payload, &got), OK);
                        assert_int_equal(got.protocol, protocol);
                        assert_bytes_equal(name, request_again(&got), payload);
                } else {
                        struct stream_response got;
                        assert_int_equal(stream_response_read(payload, &got), OK);
                        assert_int_equal(got.protocol, protocol);
                        check_response_fields(name, &got, fields);
                        assert_bytes_equal(name, response_again(&got), payload);
                }
        }
        vectors_clear();
}

/* --- what is taken and refused ------------------------------------------------------------------------------------- */

/* Where we differ from the crate: as the hub, we take nothing with bytes left over, and no wrapper of an unknown protocol. */
static bool refused_by_us_alone(const char *name) { return !strcmp(name, "trailing byte") || !strcmp(name, "protocol name unknown"); }

static struct bytes wrapped(const char *protocol, struct bytes body)
{
        static uint8_t memory[256];
        struct writer w = writer_make(memory, sizeof memory);

        bare_put_string(&w, bytes_of_text(protocol));
        bare_put_data(&w, body);
        assert_int_equal(writer_err(&w), OK);
        return writer_bytes(&w);
}

static void takes_what_the_crate_takes(void **state)
{
        (void)state;
        const json_t *all = vector_member(vectors_load(CRATE), "decode"), *v;
        size_t i, differ = 0;

        assert_int_equal(json_array_size(all), 25);
        json_array_foreach(all, i, v)
        {
                const char *name = vector_text(v, "name"), *kind = vector_text(v, "kind");
                bool wrapper = !strcmp(kind, "wrapper"), accepted = vector_bool(v, "accepted");
                struct bytes payload = wrapper ? vector_hex(v, "payload") : wrapped(vector_text(v, "protocol"), vector_hex(v, "data"));
                struct stream_request request;
                struct stream_response response;
                bool response_kind = !strcmp(kind, "response");
                enum err err = response_kind ? stream_response_read(payload, &response) : stream_request_read(payload, &request);

                if (refused_by_us_alone(name)) {
                        assert_true(accepted);
                        accepted = false;
                        differ++;
                }
                if ((err == OK) != accepted) fail_msg("%s %s: %s", kind, name, err_name(err));
                if (!err && response_kind) check_response_fields(name, &response, vector_member(v, "fields"));
        }
        assert_int_equal(differ, 4);
        vectors_clear();
}

/* --- the hub's frames ---------------------------------------------------------------------------------------------- */

static bool hub_payload(const char *frame, struct bytes *payload)
{
        struct message msg;

        if (frame[0] == '(') return false; /* too long to have been written down */
        struct bytes in = hex_bytes(frame);
        if (in.n < FRAME_LENGTH_SIZE) return false;
        if (message_read(bytes_make(in.p + FRAME_LENGTH_SIZE, in.n - FRAME_LENGTH_SIZE), 256, &msg)) return false;
        *payload = msg.payload;
        return true;
}

/* What the hub answered is read, is what the recording says, and is written again byte for byte. */
static void reads_and_writes_the_hubs_answers(void **state)
{
        (void)state;
        const json_t *all = vector_member(vectors_load(HUB), "vectors"), *v, *r;
        size_t i, k, seen[STREAM_PROTOCOL_COUNT] = {0};

        json_array_foreach(all, i, v)
        {
                const char *name = vector_text(v, "name");
                json_array_foreach(vector_member(v, "responses"), k, r)
                {
                        struct stream_response response;
                        struct bytes payload;
                        const json_t *decoded = json_array_get(vector_member(v, "decoded"), k);

                        if (!vector_member(decoded, "protocol") || !hub_payload(json_string_value(r), &payload)) continue;
                        /* An id over 64 bits is read by no client, which makes its own. */
                        if (!strcmp(name, "push request_id 2^70 (11 byte varint)")) {
                                assert_int_equal(stream_response_read(payload, &response), ERR_MALFORMED);
                                continue;
                        }
                        if (stream_response_read(payload, &response)) fail_msg("%s: not read", name);
                        assert_int_equal(response.protocol, protocol_named(vector_text(decoded, "protocol")));
                        assert_bytes_equal(name, response_again(&response), payload);
                        seen[response.protocol]++;
                }
        }
        for (int p = 0; p < STREAM_PROTOCOL_COUNT; p++)
                assert_true(seen[p] > 0);
        vectors_clear();
}

/* What was sent to the hub: it was refused as undecodable where it answered "Invalid request", but for two reasons that are not
 * about the form. */
static void refuses_what_the_hub_cannot_decode(void **state)
{
        (void)state;
        static const char *const form_is_right[] = {"create empty name", "create partitioned empty name",
                                                    "stream service: push sent to the service"};
        const json_t *all = vector_member(vectors_load(HUB), "vectors"), *v;
        size_t i, refused = 0, taken = 0;

        json_array_foreach(all, i, v)
        {
                const json_t *decoded = json_array_get(vector_member(v, "decoded"), 0);
                const char *name = vector_text(v, "name");
                const json_t *reason = vector_member(decoded, "reason");
                struct stream_request request;
                struct bytes payload;
                bool expected = !reason;

                if (!vector_member(v, "request") || !vector_member(decoded, "protocol") ||
                    !hub_payload(vector_text(v, "request"), &payload))
                        continue;
                if (reason) assert_string_equal(json_string_value(reason), "Invalid request");
                for (size_t k = 0; k < sizeof form_is_right / sizeof *form_is_right; k++)
                        if (!strcmp(name, form_is_right[k])) expected = true;
                if ((stream_request_read(payload, &request) == OK) != expected) fail_msg("%s", name);
                *(expected ? &taken : &refused) += 1;
        }
        assert_true(refused >= 8 && taken >= 50);
        vectors_clear();
}

/* --- by hand ------------------------------------------------------------------------------------------------------- */

struct id_case {
        const char *raw, *shortest; /* NULL: refused */
};

static void echoes_request_ids_in_their_shortest_form(void **state)
{
        (void)state;
        static const struct id_case cases[] = {
                {"00", "00"},
                {"05", "05"},
                {"8000", "00"},
                {"8100", "01"},
                {"81808000", "01"},
                {"ff7f", "ff7f"},
                {"ffff00", "ff7f"},
                {"80808080808080808001", "80808080808080808001"},
                {"8080808080808080808001", "8080808080808080808001"},
                {"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                 "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
                {"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", NULL},
                {"ff", NULL},
        };

        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                uint8_t body[64], memory[128], expected[128];
                struct writer b = writer_make(body, sizeof body), w = writer_make(memory, sizeof memory),
                              e = writer_make(expected, sizeof expected);
                struct bytes raw = hex_bytes(cases[i].raw);
                struct stream_request request;

                writer_put(&b, raw.p, raw.n);
                if (cases[i].shortest) bare_put_data(&b, BYTES_LITERAL("x"));
                enum err err = stream_request_read(wrapped("stream_push", writer_bytes(&b)), &request);
                if (!cases[i].shortest) {
                        assert_int_not_equal(err, OK);
                        continue;
                }
                assert_int_equal(err, OK);
                stream_put_pushed(&w, request.push.id, false, 7);

                struct bytes shortest = hex_bytes(cases[i].shortest);
                bare_put_string(&e, BYTES_LITERAL("stream_push"));
                bare_put_uint(&e, shortest.n + 2);
                writer_put(&e, shortest.p, shortest.n);
                writer_put(&e, "\x00\x07", 2);
                assert_bytes_equal(cases[i].raw, writer_bytes(&w), writer_bytes(&e));
        }
        vectors_clear();
}

/* Each message cut short anywhere is refused, and nothing behind the cut is looked at (the copy ends there). */
static void refuses_every_prefix(void **state)
{
        (void)state;
        const json_t *messages = vector_member(vectors_load(CRATE), "messages"), *v;
        size_t i;

        json_array_foreach(messages, i, v)
        {
                struct bytes payload = vector_hex(v, "payload");
                bool request_kind = !strcmp(vector_text(v, "kind"), "request");

                for (size_t n = 0; n < payload.n; n += n < 300 ? 1 : 997) {
                        uint8_t *cut = malloc(n ? n : 1);
                        struct stream_request request;
                        struct stream_response response;

                        assert_non_null(cut);
                        memcpy(cut, payload.p, n);
                        enum err err = request_kind ? stream_request_read(bytes_make(cut, n), &request)
                                                    : stream_response_read(bytes_make(cut, n), &response);
                        assert_int_equal(err_class(err), ERR_CLASS_PEER);
                        free(cut);
                }
        }
        vectors_clear();
}

static void partitioned_forms(void **state)
{
        (void)state;
        static const struct stream_request requests[] = {
                {STREAM_CREATE_PARTITIONED, .create = {true, {(const uint8_t *)"abc", 3}, true, 300}},
                {STREAM_CREATE_PARTITIONED, .create = {false, {NULL, 0}, true, 1}},
                {STREAM_INDEX_PARTITIONED, .index = {STREAM_INDEX_GET, {(const uint8_t *)"c", 1}, {(const uint8_t *)"s", 1}, true, 200, 0}},
                {STREAM_INDEX_PARTITIONED,
                 .index = {STREAM_INDEX_SAVE, {(const uint8_t *)"c", 1}, {(const uint8_t *)"s", 1}, true, 2, 1u << 20}},
        };
        static const char *const expected[] = {
                "1973747265616d5f6372656174655f706172746974696f6e6564"
                "07"
                "0103616263"
                "ac02",
                "1973747265616d5f6372656174655f706172746974696f6e6564"
                "02"
                "00"
                "01",
                "1873747265616d5f696e6465785f706172746974696f6e6564"
                "07"
                "00"
                "0163"
                "0173"
                "c801",
                "1873747265616d5f696e6465785f706172746974696f6e6564"
                "09"
                "01"
                "0163"
                "0173"
                "02"
                "808040",
        };

        for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
                struct stream_request got;
                struct bytes bytes = hex_bytes(expected[i]);

                assert_bytes_equal(expected[i], request_again(&requests[i]), bytes);
                assert_int_equal(stream_request_read(bytes, &got), OK);
                assert_bytes_equal(expected[i], request_again(&got), bytes);
        }
        vectors_clear();
}

/* An answer is no request: services must be able to tell (R6). */
static void tells_answers_from_requests(void **state)
{
        (void)state;
        struct writer w = writer_make(out_memory, sizeof out_memory);
        struct stream_request request;
        struct stream_response response;

        stream_put_error(&w, "no");
        assert_int_equal(stream_request_read(writer_bytes(&w), &request), ERR_MALFORMED);
        assert_int_equal(stream_response_read(writer_bytes(&w), &response), OK);
        assert_bytes_equal("reason", response.error.reason, BYTES_LITERAL("no"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(reads_and_writes_the_crates_messages),
                cmocka_unit_test(takes_what_the_crate_takes),
                cmocka_unit_test(reads_and_writes_the_hubs_answers),
                cmocka_unit_test(refuses_what_the_hub_cannot_decode),
                cmocka_unit_test(echoes_request_ids_in_their_shortest_form),
                cmocka_unit_test(refuses_every_prefix),
                cmocka_unit_test(partitioned_forms),
                cmocka_unit_test(tells_answers_from_requests),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
