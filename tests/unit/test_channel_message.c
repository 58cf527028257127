/* The messages inside a secure channel: the crate's encodings both ways, its decoder's yes and no; libcbor as another opinion. */
#include "transport/secure_channel/channel_message.h"

#include "tests/support/test.h"
#include "tests/support/vectors.h"
#include "transport/secure_channel/cbor.h"

#include <stdlib.h>

#include <cbor.h>

#define VECTORS "tests/vectors/crate-0.116/channel-messages.json"

enum { HOPS = 256, ROOM = 200000 };

static struct arena arena;

/* --- messages as the vectors tell them -------------------------------------------------------------------------------- */

static struct route route_of_json(const json_t *list)
{
        struct route route = {json_array_size(list), BYTES_NONE};
        uint8_t *memory = arena_alloc(&arena, ROOM);
        struct writer w = writer_make(memory, ROOM);
        size_t i;
        json_t *item;

        assert_non_null(memory);
        json_array_foreach((json_t *)(uintptr_t)list, i, item) {
                address_put(&w, (struct address){(uint8_t)vector_uint(item, "type"), vector_hex(item, "value")});
        }
        assert_ok(writer_err(&w));
        route.encoded = writer_bytes(&w);
        return route;
}

static struct message message_of_json(const json_t *payload)
{
        return (struct message){
                .onward = route_of_json(vector_member(payload, "onward_route")),
                .ret = route_of_json(vector_member(payload, "return_route")),
                .payload = vector_hex(payload, "payload"),
        };
}

static void assert_same_message(const char *name, const struct message *got, const struct message *expected)
{
        assert_int_equal(got->onward.count, expected->onward.count);
        assert_int_equal(got->ret.count, expected->ret.count);
        assert_bytes_equal(name, got->onward.encoded, expected->onward.encoded);
        assert_bytes_equal(name, got->ret.encoded, expected->ret.encoded);
        assert_bytes_equal(name, got->payload, expected->payload);
}

/* What a vector's "message" says: "close", {payload}, or {refresh_credentials}. */
static void assert_means(const char *name, const struct channel_message *got, const json_t *message)
{
        const json_t *payload = vector_member(message, "payload"), *refresh = vector_member(message, "refresh_credentials");

        if (json_is_string(message)) {
                assert_string_equal(json_string_value(message), "close");
                assert_int_equal(got->kind, CHANNEL_MESSAGE_CLOSE);
        } else if (payload) {
                struct message expected = message_of_json(payload);

                assert_int_equal(got->kind, CHANNEL_MESSAGE_PAYLOAD);
                assert_same_message(name, &got->msg, &expected);
        } else {
                assert_non_null(refresh);
                assert_int_equal(got->kind, CHANNEL_MESSAGE_CREDENTIALS);
                assert_bytes_equal(name, got->history, vector_hex(refresh, "change_history"));
        }
}

/* --- the other opinion: libcbor ----------------------------------------------------------------------------------------- */

static cbor_item_t *other_uint8(uint8_t value)
{
        return cbor_move(cbor_build_uint8(value));
}

static cbor_item_t *other_route(struct route route)
{
        cbor_item_t *array = cbor_new_definite_array(route.count);
        struct address address;

        for (; route_front(route, &address); route = route_rest(route)) {
                cbor_item_t *map = cbor_new_definite_map(2), *value = cbor_new_definite_array(address.value.n);

                for (size_t i = 0; i < address.value.n; i++) assert_true(cbor_array_push(value, other_uint8(address.value.p[i])));
                assert_true(cbor_map_add(map, (struct cbor_pair){other_uint8(1), other_uint8(address.type)}));
                assert_true(cbor_map_add(map, (struct cbor_pair){other_uint8(2), cbor_move(value)}));
                assert_true(cbor_array_push(array, cbor_move(map)));
        }
        return array;
}

static cbor_item_t *other_payload(const struct message *msg)
{
        cbor_item_t *outer = cbor_new_definite_array(2), *fields = cbor_new_definite_array(1), *item = cbor_new_definite_array(3);

        assert_true(cbor_array_push(item, cbor_move(other_route(msg->onward))));
        assert_true(cbor_array_push(item, cbor_move(other_route(msg->ret))));
        assert_true(cbor_array_push(item, cbor_move(cbor_build_bytestring(msg->payload.p, msg->payload.n))));
        assert_true(cbor_array_push(fields, cbor_move(item)));
        assert_true(cbor_array_push(outer, other_uint8(0)));
        assert_true(cbor_array_push(outer, cbor_move(fields)));
        return outer;
}

static void assert_other_writes(const char *name, cbor_item_t *take_item, struct bytes ours)
{
        unsigned char *theirs = NULL;
        size_t cap = 0, n = cbor_serialize_alloc(take_item, &theirs, &cap);

        assert_bytes_equal(name, ours, bytes_make(theirs, n));
        free(theirs);
        cbor_decref(&take_item);
}

/* --- vectors ------------------------------------------------------------------------------------------------------------ */

static void assert_payload_is_written(const char *name, const struct message *msg, struct bytes expected)
{
        uint8_t *memory = malloc(ROOM);
        struct writer w = writer_make(memory, ROOM);

        assert_non_null(memory);
        channel_payload_put(&w, msg);
        assert_ok(writer_err(&w));
        assert_bytes_equal(name, writer_bytes(&w), expected);
        assert_int_equal(channel_payload_size(msg), expected.n);
        assert_other_writes(name, other_payload(msg), writer_bytes(&w));
        free(memory);
}

/* We never send credentials; that their message is made of nothing but what was read is shown by putting it together again. */
static void assert_credentials_are_whole(const char *name, const json_t *refresh, struct bytes history, struct bytes expected)
{
        const json_t *credentials = vector_member(refresh, "credentials");
        uint8_t *memory = malloc(ROOM);
        struct writer w = writer_make(memory, ROOM);

        assert_non_null(memory);
        cbor_put_array(&w, 2);
        cbor_put_uint(&w, CHANNEL_MESSAGE_CREDENTIALS);
        cbor_put_array(&w, 1);
        cbor_put_array(&w, 2);
        writer_put(&w, history.p, history.n);
        cbor_put_array(&w, json_array_size(credentials));
        for (size_t i = 0; i < json_array_size(credentials); i++) {
                struct bytes credential = hex_bytes(json_string_value(json_array_get(credentials, i)));

                writer_put(&w, credential.p, credential.n);
        }
        assert_bytes_equal(name, writer_bytes(&w), expected);
        free(memory);
}

static void encodings_are_the_crates(void **state)
{
        (void)state;
        const json_t *list = vector_member(vectors_load(VECTORS), "encoded");

        assert_int_equal(json_array_size(list), 15);
        for (size_t i = 0; i < json_array_size(list); i++) {
                const json_t *v = json_array_get(list, i), *message = vector_member(v, "message");
                const char *name = vector_text(v, "name");
                struct bytes encoded = vector_hex(v, "encoded");
                struct channel_message got;
                uint8_t close[8];
                struct writer w = writer_make(close, sizeof close);

                assert_ok(channel_message_read(encoded, &arena, HOPS, &got));
                assert_means(name, &got, message);
                switch (got.kind) {
                case CHANNEL_MESSAGE_PAYLOAD: assert_payload_is_written(name, &got.msg, encoded); break;
                case CHANNEL_MESSAGE_CREDENTIALS:
                        assert_credentials_are_whole(name, vector_member(message, "refresh_credentials"), got.history, encoded);
                        break;
                case CHANNEL_MESSAGE_CLOSE:
                        channel_close_put(&w);
                        assert_bytes_equal(name, writer_bytes(&w), encoded);
                        break;
                }
                arena_reset(&arena);
        }
}

static void the_decoder_says_what_the_crates_says(void **state)
{
        (void)state;
        const json_t *list = vector_member(vectors_load(VECTORS), "decode");

        assert_int_equal(json_array_size(list), 43);
        for (size_t i = 0; i < json_array_size(list); i++) {
                const json_t *v = json_array_get(list, i);
                const char *name = vector_text(v, "name");
                struct channel_message got = {.kind = CHANNEL_MESSAGE_CLOSE};
                enum err err = channel_message_read(vector_hex(v, "input"), &arena, HOPS, &got);

                if ((err == OK) != vector_bool(v, "accepted")) fail_msg("%s: %s", name, err_name(err));
                if (!err) assert_means(name, &got, vector_member(v, "message"));
                else assert_int_equal(err_class(err), ERR_CLASS_PEER);
                arena_reset(&arena);
        }
}

/* --- beyond the vectors --------------------------------------------------------------------------------------------------- */

static const char usual[] = "8200818381a201000286186518631868186f1865187281a201000281186143010203";

static void every_prefix_is_refused(void **state)
{
        (void)state;
        struct bytes in = hex_bytes(usual);
        struct channel_message got = {.kind = CHANNEL_MESSAGE_CREDENTIALS};

        for (size_t n = 0; n < in.n; n++) {
                assert_err(channel_message_read(bytes_make(in.p, n), &arena, HOPS, &got), ERR_TRUNCATED);
                assert_int_equal(got.kind, CHANNEL_MESSAGE_CREDENTIALS);
        }
        assert_ok(channel_message_read(in, &arena, HOPS, &got));
        arena_reset(&arena);
}

struct odd_case {
        const char *name, *hex;
        enum err err;
        const char *onward; /* BARE of its only hop */
};

static void odd_addresses(void **state)
{
        (void)state;
        static const struct odd_case cases[] = {
                {"the last type counts", "8200818381a3010001070281186180" "40", OK, "070161"},
                {"the last value counts", "8200818381a301000282186118620281186380" "40", OK, "000163"},
                {"a longer value after a shorter one", "8200818381a3028118610283186218631864010080" "40", OK, "0003626364"},
                {"the largest unknown key", "8200818381a3010002811861" "1affffffff" "80" "80" "40", OK, "000161"},
                {"an unknown key over 32 bits", "8200818381a3010002811861" "1b0000000100000000" "80" "80" "40", ERR_MALFORMED, NULL},
                {"an unknown key with nested items", "8200818381a301000281186107" "82a1010203" "80" "40", OK, "000161"},
                {"indefinite in indefinite", "820081839fbf029f1861ff0101ffff80" "40", OK, "010161"},
                {"a key that is no integer", "8200818381a3616100010002811861" "8040", ERR_MALFORMED, NULL},
                {"an indefinite value that does not end", "8200818381a20100029f1861", ERR_TRUNCATED, NULL},
                {"a value longer than the input", "8200818381a20100029affffffff1861", ERR_TRUNCATED, NULL},
                {"a value that is a map", "8200818381a2010002a18040", ERR_MALFORMED, NULL},
                {"negative in a value", "8200818381a201000281208040", ERR_MALFORMED, NULL},
                {"variant 2^32", "821b000000010000000080", ERR_MALFORMED, NULL},
                {"history that is no array", "82018182f680", ERR_MALFORMED, NULL},
                {"credentials that are no array", "8201818280f6", ERR_MALFORMED, NULL},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct channel_message got;
                enum err err = channel_message_read(hex_bytes(cases[i].hex), &arena, HOPS, &got);

                if (err != cases[i].err) fail_msg("%s: %s", cases[i].name, err_name(err));
                if (err) continue;
                assert_int_equal(got.msg.onward.count, 1);
                assert_bytes_equal(cases[i].name, got.msg.onward.encoded, hex_bytes(cases[i].onward));
                assert_int_equal(got.msg.payload.n, 0);
        }
        arena_reset(&arena);
}

/* The history that is handed on can itself be passed over: its own array counts as a level too. */
static void nesting_in_a_history_is_bounded(void **state)
{
        (void)state;
        for (size_t depth = CBOR_DEPTH_MAX - 1; depth <= CBOR_DEPTH_MAX + 1; depth++) {
                static const uint8_t before[] = {0x82, 0x01, 0x81, 0x82};
                uint8_t memory[64];
                struct writer w = writer_make(memory, sizeof memory);
                struct channel_message got;

                writer_put(&w, before, sizeof before);
                for (size_t i = 1; i < depth; i++) cbor_put_array(&w, 1);
                cbor_put_array(&w, 0);
                cbor_put_array(&w, 0);
                assert_err(channel_message_read(writer_bytes(&w), &arena, HOPS, &got), depth <= CBOR_DEPTH_MAX ? OK : ERR_TOO_LARGE);
                if (depth <= CBOR_DEPTH_MAX) assert_int_equal(got.history.n, depth);
        }
}

static void hops_are_bounded(void **state)
{
        (void)state;
        struct channel_message got;

        assert_ok(channel_message_read(hex_bytes(usual), &arena, 1, &got));
        assert_err(channel_message_read(hex_bytes(usual), &arena, 0, &got), ERR_TOO_LARGE);
        arena_reset(&arena);
}

static void a_full_arena_is_told(void **state)
{
        (void)state;
        struct arena small;
        struct channel_message got;

        arena_init(&small, 16);
        assert_err(channel_message_read(hex_bytes(usual), &small, HOPS, &got), ERR_FULL);
        assert_ok(channel_message_read(hex_bytes("820280"), &small, HOPS, &got));
        arena_clear(&small);
}

static void the_arena_keeps_only_the_routes(void **state)
{
        (void)state;
        struct channel_message got;
        uint8_t *in = malloc(ROOM), *zeros = calloc(1, 60000);
        struct writer w = writer_make(in, ROOM);
        struct message msg = {.onward = {1, hex_bytes("000165")}, .payload = bytes_make(zeros, 60000)};

        assert_non_null(in);
        assert_non_null(zeros);
        channel_payload_put(&w, &msg);
        arena_reset(&arena);
        assert_ok(channel_message_read(writer_bytes(&w), &arena, HOPS, &got));
        assert_true(arena.used < 64);
        assert_true(got.msg.payload.p >= in && got.msg.payload.p < in + w.n);
        arena_reset(&arena);
        free(in);
        free(zeros);
}

/* --- random messages ------------------------------------------------------------------------------------------------------ */

static uint32_t lottery = 12345;

static uint32_t draw(uint32_t below)
{
        lottery = lottery * 1664525u + 1013904223u;
        return (lottery >> 8) % below;
}

static struct route random_route(struct writer *w)
{
        static const size_t sizes[] = {0, 1, 6, 16, 23, 24, 32, 127, 128, 255, 256, 300};
        struct route route = {draw(5), {w->p + w->n, 0}};
        uint8_t value[300];
        size_t start = w->n;

        for (size_t i = 0; i < route.count; i++) {
                size_t n = sizes[draw(sizeof sizes / sizeof *sizes)];

                for (size_t k = 0; k < n; k++) value[k] = (uint8_t)draw(256);
                address_put(w, (struct address){(uint8_t)draw(256), bytes_make(value, n)});
        }
        route.encoded.n = w->n - start;
        return route;
}

static void random_messages_come_back(void **state)
{
        (void)state;
        static uint8_t memory[8192], out[16384], payload[300];

        for (int turn = 0; turn < 3000; turn++) {
                struct writer routes = writer_make(memory, sizeof memory), w = writer_make(out, sizeof out);
                struct message msg = {.onward = random_route(&routes), .ret = random_route(&routes), .payload = {payload, draw(300)}};
                struct channel_message got;

                assert_ok(writer_err(&routes));
                for (size_t i = 0; i < msg.payload.n; i++) payload[i] = (uint8_t)draw(256);
                channel_payload_put(&w, &msg);
                assert_ok(writer_err(&w));
                assert_int_equal(w.n, channel_payload_size(&msg));
                assert_ok(channel_message_read(writer_bytes(&w), &arena, HOPS, &got));
                assert_int_equal(got.kind, CHANNEL_MESSAGE_PAYLOAD);
                assert_same_message("random", &got.msg, &msg);
                arena_reset(&arena);
        }
}

static int begin(void **state)
{
        (void)state;
        arena_init(&arena, 8u << 20);
        return 0;
}

static int end(void **state)
{
        (void)state;
        arena_clear(&arena);
        vectors_clear();
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(encodings_are_the_crates),
                cmocka_unit_test(the_decoder_says_what_the_crates_says),
                cmocka_unit_test(every_prefix_is_refused),
                cmocka_unit_test(odd_addresses),
                cmocka_unit_test(nesting_in_a_history_is_bounded),
                cmocka_unit_test(hops_are_bounded),
                cmocka_unit_test(a_full_arena_is_told),
                cmocka_unit_test(the_arena_keeps_only_the_routes),
                cmocka_unit_test(random_messages_come_back),
        };
        return cmocka_run_group_tests(tests, begin, end);
}
