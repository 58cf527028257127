/* Lines from a descriptor: however they come in pieces, each whole, bounded, and numbered. */
#include "tests/support/test.h"

#include "client/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int ends[2];
static struct lines lines;

static int set_up(void **state)
{
        (void)state;
        assert_int_equal(pipe(ends), 0);
        assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
        return lines_init(&lines, 10) ? 0 : -1;
}

static int tear_down(void **state)
{
        (void)state;
        lines_clear(&lines);
        close(ends[0]);
        if (ends[1] >= 0) close(ends[1]);
        return 0;
}

static void put(const char *text)
{
        assert_int_equal(write(ends[1], text, strlen(text)), strlen(text));
        assert_true(lines_read(&lines, ends[0]));
}

static void end_input(void)
{
        close(ends[1]);
        ends[1] = -1;
        assert_true(lines_read(&lines, ends[0]));
}

static void expect_line(const char *text, uint64_t number)
{
        struct bytes line;

        assert_int_equal(lines_next(&lines, &line), LINES_LINE);
        assert_int_equal(line.n, strlen(text));
        if (line.n) assert_memory_equal(line.p, text, line.n);
        assert_int_equal(lines.number, number);
}

static void expect(enum lines_result result)
{
        struct bytes line;

        assert_int_equal(lines_next(&lines, &line), result);
}

static void lines_in_pieces(void **state)
{
        (void)state;
        expect(LINES_MORE);
        put("on");
        expect(LINES_MORE);
        put("e\n\ntw");
        expect_line("one", 1);
        expect_line("", 2);
        expect(LINES_MORE);
        put("o\n");
        expect_line("two", 3);
        expect(LINES_MORE);
        end_input();
        expect(LINES_END);
        expect(LINES_END);
}

static void a_last_line_needs_no_newline(void **state)
{
        (void)state;
        put("a\nb");
        expect_line("a", 1);
        end_input();
        expect_line("b", 2);
        expect(LINES_END);
}

static void nothing_at_all(void **state)
{
        (void)state;
        end_input();
        expect(LINES_END);
        assert_int_equal(lines.number, 0);
        assert_true(lines_read(&lines, ends[0])); /* the end stays the end */
}

static void nul_bytes_are_bytes(void **state)
{
        (void)state;
        struct bytes line;

        assert_int_equal(write(ends[1], "a\0b\n", 4), 4);
        assert_true(lines_read(&lines, ends[0]));
        assert_int_equal(lines_next(&lines, &line), LINES_LINE);
        assert_int_equal(line.n, 3);
}

static void the_longest_line_and_one_byte_more(void **state)
{
        (void)state;
        put("0123456789\n");
        expect_line("0123456789", 1);
        put("0123456789");
        expect(LINES_MORE);
        put("x");
        expect(LINES_TOO_LONG);
        assert_int_equal(lines.number, 2);
        expect(LINES_TOO_LONG); /* it stays so */
}

static void a_line_that_never_ends_is_bounded(void **state)
{
        (void)state;
        for (int i = 0; i < 100; i++)
                put("0123456789");
        expect(LINES_TOO_LONG);
        assert_true(lines.end - lines.start <= lines.cap);
        assert_int_equal(lines.cap, 22);
}

static void many_lines_through_a_small_buffer(void **state)
{
        (void)state;
        for (uint64_t i = 1; i <= 1000; i++) {
                put("12345678\nx");
                expect_line(i == 1 ? "12345678" : "x12345678", i);
                expect(LINES_MORE);
        }
}

static void reading_fails(void **state)
{
        (void)state;
        assert_true(lines_read(&lines, ends[0])); /* nothing there yet is no failure */
        assert_false(lines_read(&lines, -1));
        assert_int_equal(errno, EBADF);
        expect(LINES_MORE);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                T(lines_in_pieces),
                T(a_last_line_needs_no_newline),
                T(nothing_at_all),
                T(nul_bytes_are_bytes),
                T(the_longest_line_and_one_byte_more),
                T(a_line_that_never_ends_is_bounded),
                T(many_lines_through_a_small_buffer),
                T(reading_fails),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
