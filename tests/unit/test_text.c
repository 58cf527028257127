/* Text of a peer: found in a body, and printed so that no terminal and no program takes it for something else. */
#include "tests/support/test.h"

#include "client/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char printed[4096];

static const char *print_with(bool (*print)(FILE *out, struct bytes text), struct bytes text)
{
        FILE *out = fmemopen(printed, sizeof printed, "w");

        assert_non_null(out);
        assert_true(print(out, text));
        assert_int_equal(fclose(out), 0);
        return printed;
}

#define PRINTS(literal, expected)      assert_string_equal(print_with(text_print, BYTES_LITERAL(literal)), expected)
#define PRINTS_JSON(literal, expected) assert_string_equal(print_with(text_print_json, BYTES_LITERAL(literal)), expected)

static void text_is_printed_as_it_is_but_for_controls(void **state)
{
        (void)state;
        PRINTS("", "");
        PRINTS("hello", "hello");
        PRINTS("tab\tstays", "tab\tstays");
        PRINTS("gr\xc3\xbc\xc3\x9f dich \xe2\x82\xac \xf0\x9f\x98\x80", "gr\xc3\xbc\xc3\x9f dich \xe2\x82\xac \xf0\x9f\x98\x80");
        PRINTS("\x1b[2J\x07", "\\x1b[2J\\x07");
        PRINTS("two\r\nlines", "two\\x0d\\x0alines");
        PRINTS("a\0b", "a\\x00b");
        PRINTS("\x7f", "\\x7f");
        PRINTS("\xc2\x80\xc2\x9f\xc2\xa0", "\\u0080\\u009f\xc2\xa0");                 /* C1 controls; the space behind them is none */
        PRINTS("\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa", "\\u2028\\u2029\xe2\x80\xaa"); /* line and paragraph separators */
        PRINTS("\\x1b", "\\x1b");                                                     /* which looks the same: --json tells them apart */
        PRINTS("cut \xc2", "cut \xc2");
        PRINTS("cut \xe2\x80", "cut \xe2\x80");
}

static void json_is_exact(void **state)
{
        (void)state;
        PRINTS_JSON("", "\"\"");
        PRINTS_JSON("say \"hi\" \\ /", "\"say \\\"hi\\\" \\\\ /\"");
        PRINTS_JSON("\x1b\n\t\0\x7f", "\"\\u001b\\u000a\\u0009\\u0000\\u007f\"");
        PRINTS_JSON("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80", "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80\"");
        PRINTS_JSON("\\x1b", "\"\\\\x1b\"");
        PRINTS_JSON("\xe2\x80\xa8", "\"\\u2028\""); /* a line to some readers of lines */
        PRINTS_JSON("\xc2\x85", "\"\\u0085\"");
}

static void what_cannot_be_written_is_told(void **state)
{
        (void)state;
        FILE *full = fopen("/dev/full", "w");

        assert_non_null(full);
        setvbuf(full, NULL, _IONBF, 0);
        assert_false(text_print(full, BYTES_LITERAL("x")));
        clearerr(full);
        assert_false(text_print_json(full, BYTES_LITERAL("x")));
        fclose(full);
}

static void expect_text(struct bytes body, const char *text)
{
        struct bytes found;

        assert_true(text_of_body(body, &found));
        assert_int_equal(found.n, strlen(text));
        if (found.n) assert_memory_equal(found.p, text, found.n);
}

static void a_body_is_a_bare_string_or_itself(void **state)
{
        (void)state;
        struct bytes found;

        expect_text(BYTES_LITERAL("\x05hello"), "hello");
        expect_text(BYTES_LITERAL("\x05hello, and more"), "hello");
        expect_text(BYTES_LITERAL("\x00"), "");
        expect_text(BYTES_LITERAL("plain text"), "plain text"); /* 'p' is longer than what follows */
        expect_text(BYTES_LITERAL(""), "");
        expect_text(BYTES_LITERAL("\x7f"), "\x7f");
        assert_false(text_of_body(BYTES_LITERAL("\xff\xfe"), &found));
        assert_false(text_of_body(BYTES_LITERAL("\x02\xff\xfe"), &found));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(text_is_printed_as_it_is_but_for_controls),
                cmocka_unit_test(json_is_exact),
                cmocka_unit_test(what_cannot_be_written_is_told),
                cmocka_unit_test(a_body_is_a_bare_string_or_itself),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
