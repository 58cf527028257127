/* BARE, routes, transport messages and frames against every vector of the crate, both ways. */
#include "tests/support/test.h"
#include "tests/support/vectors.h"
#include "transport/frame.h"
#include "transport/message.h"

enum { HOPS_MAX = 256 };

static const json_t *vectors;

static struct bytes written(struct writer *w)
{
        assert_false(w->full);
        return writer_bytes(w);
}

static void test_uint(void **state)
{
        size_t i;
        json_t *v;

        (void)state;
        json_array_foreach(vector_member(vectors, "uint"), i, v)
        {
                uint64_t value = vector_uint(v, "value");
                struct bytes encoded = vector_hex(v, "encoded");
                uint8_t memory[UINT_SIZE_MAX];
                struct writer w = writer_make(memory, sizeof memory);
                struct bare_reader r = bare_reader_make(encoded);

                bare_put_uint(&w, value);
                assert_bytes_equal(vector_text(v, "value"), written(&w), encoded);
                assert_int_equal(bare_uint_size(value), encoded.n);
                assert_true(bare_uint(&r) == value);
                assert_ok(bare_end(&r));
        }
        json_array_foreach(vector_member(vectors, "uint_decode"), i, v)
        {
                struct bare_reader r = bare_reader_make(vector_hex(v, "input"));
                uint64_t value = bare_uint(&r);

                if (vector_bool(v, "accepted") != (r.err == OK)) fail_msg("uint_decode: %s", vector_text(v, "name"));
                if (r.err == OK) assert_true(value == vector_uint(v, "value"));
        }
}

static void test_string_and_data(void **state)
{
        size_t i;
        json_t *v;
        static uint8_t memory[70000];

        (void)state;
        json_array_foreach(vector_member(vectors, "string"), i, v)
        {
                struct bytes text = bytes_of_text(vector_text(v, "text"));
                struct writer w = writer_make(memory, sizeof memory);
                struct bare_reader r = bare_reader_make(vector_hex(v, "encoded"));

                bare_put_string(&w, text);
                assert_bytes_equal("string", written(&w), vector_hex(v, "encoded"));
                assert_bytes_equal("string back", bare_string(&r), text);
                assert_ok(bare_end(&r));
        }
        json_array_foreach(vector_member(vectors, "data"), i, v)
        {
                struct writer w = writer_make(memory, sizeof memory);
                struct bare_reader r = bare_reader_make(vector_hex(v, "encoded"));

                bare_put_data(&w, vector_hex(v, "data"));
                assert_bytes_equal("data", written(&w), vector_hex(v, "encoded"));
                assert_bytes_equal("data back", bare_data(&r), vector_hex(v, "data"));
                assert_ok(bare_end(&r));
        }
}

static void check_route(const char *name, struct route route, const json_t *expected)
{
        size_t i;
        json_t *v;

        assert_int_equal(route.count, json_array_size(expected));
        json_array_foreach(expected, i, v)
        {
                struct address front;

                assert_true(route_front(route, &front));
                assert_int_equal(front.type, vector_uint(v, "type"));
                assert_bytes_equal(name, front.value, vector_hex(v, "value"));
                route = route_rest(route);
        }
        assert_int_equal(route.encoded.n, 0);
}

static void check_message(const json_t *v, const struct message *msg)
{
        const char *name = "message";

        check_route(name, msg->onward, vector_member(v, "onward_route"));
        check_route(name, msg->ret, vector_member(v, "return_route"));
        assert_bytes_equal(name, msg->payload, vector_hex(v, "payload"));
}

static void test_messages(void **state)
{
        static uint8_t memory[FRAME_LENGTH_SIZE + FRAME_MAX];
        size_t i, used;
        json_t *v;

        (void)state;
        json_array_foreach(vector_member(vectors, "messages"), i, v)
        {
                struct bytes encoded = vector_hex(v, "encoded"), body;
                struct writer w = writer_make(memory, sizeof memory);
                struct message msg;

                assert_ok(message_read(encoded, HOPS_MAX, &msg));
                check_message(v, &msg);
                assert_int_equal(message_size(&msg), encoded.n);
                frame_put_length(&w, message_size(&msg));
                assert_bytes_equal("frame length", written(&w), vector_hex(v, "frame_length"));
                message_put(&w, &msg);
                assert_ok(frame_next(written(&w), &used, &body));
                assert_int_equal(used, w.n);
                assert_bytes_equal(vector_text(v, "name"), body, encoded);
                for (size_t cut = 0; cut < w.n; cut = cut < 40 || cut + 40 >= w.n ? cut + 1 : cut + 997)
                        assert_err(frame_next(bytes_make(memory, cut), &used, &body), ERR_AGAIN);
        }
}

static void test_decode(void **state)
{
        const json_t *truncated = vector_member(vectors, "truncated");
        struct bytes whole = vector_hex(truncated, "whole");
        struct message msg;
        size_t i;
        json_t *v;

        (void)state;
        json_array_foreach(vector_member(vectors, "decode"), i, v)
        {
                enum err err = message_read(vector_hex(v, "input"), HOPS_MAX, &msg);

                if (vector_bool(v, "accepted") != (err == OK)) fail_msg("decode: %s: %s", vector_text(v, "name"), err_name(err));
                if (err == OK) check_message(vector_member(v, "message"), &msg);
        }
        json_array_foreach(vector_member(truncated, "prefixes"), i, v)
        {
                size_t n = (size_t)vector_uint(v, "length");

                assert_int_equal(message_read(bytes_make(whole.p, n), HOPS_MAX, &msg) == OK, vector_bool(v, "accepted"));
        }
}

/* The hub's vector "address type written as two-byte uint 80 00", and what stays refused. */
static void test_wide_types(void **state)
{
        struct bytes hub = hex_bytes("010180000c6563686f5f736572766963650100026d65026869"),
                     plain = hex_bytes("0101000c6563686f5f736572766963650100026d65026869");
        uint8_t memory[64];
        struct writer w = writer_make(memory, sizeof memory);
        struct arena arena;
        struct message msg;

        (void)state;
        arena_init(&arena, 1000);
        assert_true(message_read(hub, HOPS_MAX, &msg) != OK);
        assert_ok(message_read_wide(hub, HOPS_MAX, &arena, &msg));
        message_put(&w, &msg);
        assert_bytes_equal("in its usual form", written(&w), plain);
        assert_err(message_read_wide(hex_bytes("0101800101780000"), HOPS_MAX, &arena, &msg), ERR_MALFORMED);
        assert_err(message_read_wide(hub, 0, &arena, &msg), ERR_TOO_LARGE);
        for (size_t n = 0; n < hub.n; n++)
                assert_true(message_read_wide(bytes_make(hub.p, n), HOPS_MAX, &arena, &msg) != OK);
        arena_reset(&arena);
        arena_clear(&arena);
        arena_init(&arena, 0);
        assert_err(message_read_wide(hub, HOPS_MAX, &arena, &msg), ERR_FULL);
        arena_clear(&arena);
}

static void test_route_limit(void **state)
{
        uint8_t memory[1000];
        struct writer w = writer_make(memory, sizeof memory);

        (void)state;
        bare_put_uint(&w, 5);
        for (unsigned i = 0; i < 5; i++)
                address_put(&w, address_local(BYTES_LITERAL("x")));
        struct bare_reader fits = bare_reader_make(writer_bytes(&w)), too_long = fits;
        assert_int_equal(route_read(&fits, 5).count, 5);
        assert_ok(fits.err);
        assert_int_equal(route_read(&too_long, 4).count, 0);
        assert_err(too_long.err, ERR_TOO_LARGE);
}

static void test_routes(void **state)
{
        struct bytes names[] = {BYTES_LITERAL("a"), BYTES_LITERAL("bc")};
        struct address front;
        struct route route, longer, both;
        struct route_copy copy;
        struct arena arena;
        char text[64];

        (void)state;
        arena_init(&arena, 1000);
        assert_ok(route_of_locals(&arena, names, 2, &route));
        assert_ok(route_prepend(&arena, (struct address){ADDRESS_TCP, BYTES_LITERAL("h:1")}, route, &longer));
        assert_ok(route_concat(&arena, longer, route, &both));
        assert_string_equal(route_text(both, text, sizeof text), "1#h:1 -> a -> bc -> a -> bc");
        assert_ok(route_copy(both, &copy));
        arena_reset(&arena);
        assert_int_equal(copy.route.count, 5);
        assert_true(route_front(route_rest(copy.route), &front));
        assert_bytes_equal("front", front.value, names[0]);
        route_copy_clear(&copy);
        assert_false(route_front(ROUTE_EMPTY, &front));
        assert_int_equal(route_rest(ROUTE_EMPTY).count, 0);
        arena_clear(&arena);
        arena_init(&arena, 0);
        assert_err(route_of_locals(&arena, names, 2, &route), ERR_FULL);
        arena_clear(&arena);
}

static void test_raw_uint(void **state)
{
        struct bytes eleven = hex_bytes("8080808080808080808001ff");
        struct bare_reader r = bare_reader_make(eleven), short_max = r;

        (void)state;
        assert_int_equal(bare_uint_raw(&r, 16).n, 11);
        assert_int_equal(bare_rest(&r).n, 1);
        assert_int_equal(bare_uint_raw(&short_max, 10).n, 0);
        assert_err(short_max.err, ERR_MALFORMED);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_uint),     cmocka_unit_test(test_string_and_data), cmocka_unit_test(test_messages),
                cmocka_unit_test(test_decode),   cmocka_unit_test(test_route_limit),     cmocka_unit_test(test_routes),
                cmocka_unit_test(test_raw_uint), cmocka_unit_test(test_wide_types),
        };

        vectors = vectors_load("tests/vectors/crate-0.116/transport.json");
        int failed = cmocka_run_group_tests(tests, NULL, NULL);
        vectors_clear();
        return failed;
}
