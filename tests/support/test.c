/* Comparisons that print what they got beside what was expected. */
#include "tests/support/test.h"

#include <stdio.h>

enum { SHOWN_BEFORE = 8, SHOWN = 32 };

static void hex_around(char *out, size_t cap, struct bytes in, size_t at)
{
        size_t from = at > SHOWN_BEFORE ? at - SHOWN_BEFORE : 0;
        size_t to = in.n - from > SHOWN ? from + SHOWN : in.n;
        size_t n = 0;

        out[0] = 0;
        for (size_t i = from; i < to && n + 4 < cap; i++)
                n += (size_t)snprintf(out + n, cap - n, "%s%02x", i == at ? "|" : "", in.p[i]);
}

void test_assert_bytes(const char *what, struct bytes got, struct bytes expected, const char *file, int line)
{
        size_t least = got.n < expected.n ? got.n : expected.n, at = 0;
        char left[128], right[128];

        if (bytes_equal(got, expected)) return;
        while (at < least && got.p[at] == expected.p[at])
                at++;
        hex_around(left, sizeof left, got, at < got.n ? at : got.n);
        hex_around(right, sizeof right, expected, at < expected.n ? at : expected.n);
        print_error("%s: %zu bytes, expected %zu, different from byte %zu on (at the bar)\n  got      %s\n  expected %s\n", what, got.n,
                    expected.n, at, left, right);
        _fail(file, line);
}

void test_assert_err(enum err got, enum err expected, const char *what, const char *file, int line)
{
        if (got == expected) return;
        print_error("%s: %s, expected %s\n", what, err_name(got), err_name(expected));
        _fail(file, line);
}
