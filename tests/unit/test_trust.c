/* Who is let in, and as what (C12: all 32 bytes count). */
#include "transport/secure_channel/trust.h"

#include "tests/support/test.h"

static void C12_the_whole_identifier_is_compared(void **state)
{
        (void)state;
        struct identifier list[] = {{{1}}, {{2}}};
        const struct trust trust = {.list = list, .count = 2};

        assert_int_equal(trust_judge(&trust, &list[0]), TRUST_NAMED);
        assert_int_equal(trust_judge(&trust, &list[1]), TRUST_NAMED);
        for (size_t bit = 0; bit < 8 * IDENTIFIER_SIZE; bit++) {
                struct identifier other = {{8}};

                other.hash[bit / 8] ^= (uint8_t)(1 << bit % 8);
                assert_int_equal(trust_judge(&trust, &other), TRUST_REFUSED);
                other = list[0];
                other.hash[bit / 8] ^= (uint8_t)(1 << bit % 8);
                assert_int_equal(trust_judge(&trust, &other), TRUST_REFUSED);
        }
}

static void nobody_and_everyone(void **state)
{
        (void)state;
        struct identifier named = {{1}}, other = {{2}};
        const struct trust nobody = {0}, everyone = {.list = &named, .count = 1, .everyone = true};

        assert_int_equal(trust_judge(&nobody, &named), TRUST_REFUSED);
        assert_int_equal(trust_judge(&everyone, &other), TRUST_UNVOUCHED);
        assert_int_equal(trust_judge(&everyone, &named), TRUST_NAMED);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(C12_the_whole_identifier_is_compared),
                cmocka_unit_test(nobody_and_everyone),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
