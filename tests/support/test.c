/* Comparisons that print what they got beside what was expected. */
#include "tests/support/test.h"

#include <stdlib.h>

void test_assert_err(enum err got, enum err expected, const char *what, const char *file, int line)
{
        if (got == expected) return;
        print_error("%s: %s, expected %s\n", what, err_name(got), err_name(expected));
        _fail(file, line);
}

bool test_under_valgrind(void)
{
        return getenv("STROP_UNDER_VALGRIND") != NULL;
}

bool test_is_slow(void)
{
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
        return true;
#else
        return test_under_valgrind();
#endif
}
