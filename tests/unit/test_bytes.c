/* UTF-8: the borders of each length, and all two-byte beginnings against the definition. */
#include "tests/support/test.h"

static void takes_well_formed(void **state)
{
        static const struct bytes good[] = {
                BYTES_LITERAL(""), BYTES_LITERAL("\0"), BYTES_LITERAL("\x7f"), BYTES_LITERAL("\xc2\x80"), BYTES_LITERAL("\xdf\xbf"),
                BYTES_LITERAL("\xe0\xa0\x80"), BYTES_LITERAL("\xed\x9f\xbf"), BYTES_LITERAL("\xee\x80\x80"), BYTES_LITERAL("\xef\xbf\xbf"),
                BYTES_LITERAL("\xf0\x90\x80\x80"), BYTES_LITERAL("\xf4\x8f\xbf\xbf"),
        };

        (void)state;
        for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
                assert_true(bytes_are_utf8(good[i]));
                assert_int_equal(bytes_utf8_char(good[i]), good[i].n);
        }
        assert_true(bytes_are_utf8(BYTES_LITERAL("a\xc3\xbc\xe4\xbd\xa0\xf0\x9f\x98\x80z")));
        assert_true(bytes_are_utf8(BYTES_NONE));
}

static void refuses_the_rest(void **state)
{
        static const struct bytes bad[] = {
                BYTES_LITERAL("\x80"), BYTES_LITERAL("\xbf"), BYTES_LITERAL("\xc0\x80"), BYTES_LITERAL("\xc1\xbf"), BYTES_LITERAL("\xc2"),
                BYTES_LITERAL("\xc2\x41"), BYTES_LITERAL("\xe0\x9f\xbf"), BYTES_LITERAL("\xe1\x80"), BYTES_LITERAL("\xe1\x80\xc0"),
                BYTES_LITERAL("\xed\xa0\x80"), BYTES_LITERAL("\xed\xbf\xbf"), BYTES_LITERAL("\xf0\x8f\xbf\xbf"),
                BYTES_LITERAL("\xf0\x90\x80"), BYTES_LITERAL("\xf1\x80\x80\x7f"), BYTES_LITERAL("\xf4\x90\x80\x80"),
                BYTES_LITERAL("\xf5\x80\x80\x80"), BYTES_LITERAL("\xff"), BYTES_LITERAL("abc\xfe"),
        };

        (void)state;
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
                assert_false(bytes_are_utf8(bad[i]));
}

/* Every code point encodes to something taken; together with the counts nothing else of four bytes and less is. */
static void agrees_with_the_definition(void **state)
{
        (void)state;
        for (uint32_t code = 0; code <= 0x10ffff; code++) {
                uint8_t out[4];
                size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
                static const uint8_t first[] = {0, 0, 0xc0, 0xe0, 0xf0};

                for (size_t i = n - 1; i > 0; i--)
                        out[i] = (uint8_t)(0x80 | (code >> (6 * (n - 1 - i)) & 0x3f));
                out[0] = (uint8_t)(first[n] | code >> (6 * (n - 1)));
                assert_int_equal(bytes_are_utf8(bytes_make(out, n)), code < 0xd800 || code > 0xdfff);
        }
        size_t taken = 0;
        for (unsigned a = 0; a < 256; a++)
                for (unsigned b = 0; b < 256; b++)
                        taken += bytes_are_utf8(bytes_make((uint8_t[]){(uint8_t)a, (uint8_t)b}, 2));
        assert_int_equal(taken, 128 * 128 + 0x800 - 0x80);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(takes_well_formed),
                cmocka_unit_test(refuses_the_rest),
                cmocka_unit_test(agrees_with_the_definition),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
