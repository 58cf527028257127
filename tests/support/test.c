/* Comparisons that print what they got beside what was expected. */
#include "tests/support/test.h"

void test_assert_err(enum err got, enum err expected, const char *what, const char *file, int line)
{
        if (got == expected) return;
        print_error("%s: %s, expected %s\n", what, err_name(got), err_name(expected));
        _fail(file, line);
}
