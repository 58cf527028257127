/* For every unit test: cmocka with what it needs before it, and a comparison of errors that says them by name. */
#ifndef STROP_TESTS_TEST_H
#define STROP_TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* cmocka has a macro of a name that base/err.h uses for a function; fail_msg is the one that tests use, and does without it. */
#undef fail
#undef fail_msg
#define fail_msg(...) do { print_error(__VA_ARGS__); print_error("\n"); _fail(__FILE__, __LINE__); } while (0)

#include "transport/base/bytes.h"
#include "transport/base/err.h"

/* Fails the running test unless the errors are the same; says both by name. */
#define assert_err(got, expected) test_assert_err((got), (expected), #got, __FILE__, __LINE__)
#define assert_ok(got) test_assert_err((got), OK, #got, __FILE__, __LINE__)
void test_assert_err(enum err got, enum err expected, const char *what, const char *file, int line);

/* Whether the program runs under valgrind, as STROP_UNDER_VALGRIND says (tests/run-unit sets it). */
bool test_under_valgrind(void);
/* Whether everything takes ten times as long and more: there, and under sanitizers. */
bool test_is_slow(void);

/* How often to repeat something: as often as the threat table says, and less where that takes too long. What is asserted is the same. */
#define FULL_OR_SLOW(full, slow) (test_is_slow() ? (slow) : (full))

#endif
