/* Routes: putting them together in an arena, copies, and their text for logs. */
#include "tests/support/test.h"
#include "tests/support/vectors.h"
#include "transport/route.h"

static struct arena arena;

static int setup(void **state)
{
        (void)state;
        arena_init(&arena, 4096);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        arena_clear(&arena);
        return 0;
}

static struct route locals(const char *a, const char *b, const char *c)
{
        struct bytes values[3];
        struct route route = ROUTE_EMPTY;
        size_t count = 0;

        for (size_t i = 0; i < 3; i++) {
                const char *text = i == 0 ? a : i == 1 ? b : c;
                if (text) values[count++] = bytes_of_text(text);
        }
        assert_ok(route_of_locals(&arena, values, count, &route));
        return route;
}

static void text_is(struct route route, const char *expected)
{
        char text[128];

        assert_string_equal(route_text(route, text, sizeof text), expected);
}

static void puts_together(void **state)
{
        struct route ab = locals("a", "b", NULL), none = locals(NULL, NULL, NULL), route;

        (void)state;
        assert_bytes_equal("a b", ab.encoded, BYTES_LITERAL("\0\1a\0\1b"));
        assert_int_equal(none.count, 0);
        text_is(none, "");
        assert_ok(route_concat(&arena, ab, none, &route));
        text_is(route, "a -> b");
        assert_ok(route_concat(&arena, ab, locals("c", NULL, NULL), &route));
        text_is(route, "a -> b -> c");
        text_is(route_rest(route), "b -> c");
        assert_ok(route_prepend(&arena, (struct address){ADDRESS_TCP, BYTES_LITERAL("10.0.0.1:80")}, route, &route));
        text_is(route, "1#10.0.0.1:80 -> a -> b -> c");
        assert_int_equal(route_size(route), 1 + 13 + 3 * 3);
        assert_ok(route_prepend(&arena, address_local(BYTES_NONE), ROUTE_EMPTY, &route));
        assert_bytes_equal("empty address", route.encoded, BYTES_LITERAL("\0\0"));
}

static void full_arena(void **state)
{
        struct route ab = locals("a", "b", NULL), out = ab;

        (void)state;
        while (arena_alloc(&arena, 1))
                ;
        assert_err(route_prepend(&arena, address_local(BYTES_NONE), ab, &out), ERR_FULL);
        assert_err(route_concat(&arena, ab, ab, &out), ERR_FULL);
        assert_err(route_of_locals(&arena, (struct bytes[]){BYTES_LITERAL("x")}, 1, &out), ERR_FULL);
        text_is(out, "a -> b");
}

static void copies(void **state)
{
        struct route_copy copy, empty;

        (void)state;
        assert_ok(route_copy(locals("one", "two", "three"), &copy));
        assert_ok(route_copy(ROUTE_EMPTY, &empty));
        arena_reset(&arena);
        text_is(copy.route, "one -> two -> three");
        text_is(empty.route, "");
        route_copy_clear(&copy);
        route_copy_clear(&empty);
        route_copy_clear(&copy);
        assert_int_equal(copy.route.count, 0);
}

static void text_is_escaped_and_cut(void **state)
{
        struct route route = locals("a\nb", "c", "d");
        char text[64];

        (void)state;
        text_is(route, "a\\x0ab -> c -> d");
        assert_string_equal(route_text(route, text, 17), "a\\x0ab -> c -> d");
        assert_string_equal(route_text(route, text, 16), "a\\x0ab -> c...");
        assert_string_equal(route_text(route, text, 14), "a\\x0ab...");
        assert_string_equal(route_text(route, text, 4), "...");
        assert_string_equal(route_text(route, text, 3), "");
        assert_string_equal(route_text(route, text, 1), "");
        text[0] = 'k';
        route_text(route, text, 0);
        assert_int_equal(text[0], 'k');
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(puts_together, setup, teardown),
                cmocka_unit_test_setup_teardown(full_arena, setup, teardown),
                cmocka_unit_test_setup_teardown(copies, setup, teardown),
                cmocka_unit_test_setup_teardown(text_is_escaped_and_cut, setup, teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
