/* The rule by which answers to reads are packed: stream/log_pack.h. */
#include "stream/log_pack.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct pack_case {
        const char *name;
        struct log_read read;
        size_t sizes[6];
        const char *steps; /* for each size: take, skip, stop */
};

static const struct pack_case cases[] = {
        {"all fit", {0, 10, 100, 2, 50, 0}, {10, 0, 20}, "ttt"},
        {"record limit", {0, 2, 100, 2, 50, 0}, {10, 10, 10}, "tt."},
        {"record limit 0", {0, 0, 100, 2, 50, 0}, {10}, "."},
        {"exactly full", {0, 10, 24, 2, 50, 0}, {10, 10, 0}, "tt."},
        {"one byte too many", {0, 10, 23, 2, 50, 0}, {10, 10}, "t."},
        {"overhead alone does not fit", {0, 10, 25, 2, 50, 0}, {10, 10, 0}, "tt."},
        {"first larger than max_bytes", {0, 10, 5, 2, 50, 0}, {50, 0}, "t."},
        {"larger than record_max are holes", {0, 2, 100, 2, 50, 0}, {51, 50, 51, 1, 51}, "stst."},
        {"a hole behind the last is not looked at", {0, 1, 100, 2, 50, 0}, {1, 51}, "t."},
        {"no bytes at all", {0, 10, 0, 0, 50, 0}, {0, 0, 1}, "tt."},
        {"sizes near the largest", {0, 10, SIZE_MAX, 2, SIZE_MAX, 0}, {SIZE_MAX, 1}, "t."},
};

static void packs_as_the_rule_says(void **state)
{
        (void)state;
        static const char letters[] = {[LOG_PACK_TAKE] = 't', [LOG_PACK_SKIP] = 's', [LOG_PACK_STOP] = '.'};

        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                const struct pack_case *c = &cases[i];
                struct log_pack pack = log_pack_begin(&c->read);
                char steps[8] = {0};
                size_t taken = 0, skipped = 0;

                for (size_t k = 0; c->steps[k]; k++) {
                        steps[k] = letters[log_pack_next(&pack, c->sizes[k])];
                        taken += steps[k] == 't';
                        skipped += steps[k] == 's';
                }
                if (strcmp(steps, c->steps)) fail_msg("%s: got %s, expected %s", c->name, steps, c->steps);
                assert_int_equal(pack.taken, taken);
                assert_int_equal(pack.too_large, skipped);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(packs_as_the_rule_says)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
