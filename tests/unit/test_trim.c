/* Memory that is free inside the heap goes back to the system: much at the next look, less at every tenth. */
#include "tests/support/test.h"

#include "node/limits.h"
#include "node/trim.h"
#include "tests/support/test_context.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BLOCKS = 16384, BLOCK = 4000, MEGABYTE = 1 << 20 };

/* Bytes of this process that are in memory. */
static size_t resident(void)
{
        FILE *file = fopen("/proc/self/statm", "r");
        char line[128], *second;

        assert_non_null(file);
        assert_non_null(fgets(line, sizeof line, file));
        fclose(file);
        assert_non_null(second = strchr(line, ' '));
        return strtoul(second, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

/* Blocks of which every 64th stays, as after many connections at once: the heap does not end anywhere lower for it. They are given back at that look,
 * and not sooner. */
static void given_back_at(unsigned count, unsigned look)
{
        static void *blocks[BLOCKS];
        struct test_context tc;
        struct trim trim = {0};
        size_t high, size = (size_t)count * BLOCK;
        unsigned trims;

        if (test_is_slow()) skip(); /* another allocator than glibc's, which is the one that is asked */
        test_context_init(&tc, 1);
        assert_ok(trim_start(&trim, &tc.ctx));
        for (unsigned i = 0; i < count; i++) {
                assert_non_null(blocks[i] = malloc(BLOCK));
                memset(blocks[i], 1, BLOCK);
        }
        for (unsigned i = 0; i < count; i++) {
                if (i % 64 == 63) continue;
                free(blocks[i]);
                blocks[i] = NULL;
        }
        high = resident();
        test_context_advance(&tc, (uint64_t)look * TRIM_LOOK_MS - 1);
        assert_true(resident() + MEGABYTE > high);
        test_context_advance(&tc, 1);
        assert_true(resident() + size / 2 < high);
        trims = trim.trims;
        test_context_advance(&tc, (uint64_t)2 * TRIM_SELDOM * TRIM_LOOK_MS); /* and again, with nothing to give */
        assert_int_equal(trim.trims, trims);
        trim_stop(&trim);
        for (unsigned i = 0; i < count; i++) free(blocks[i]);
        test_context_clear(&tc);
}

static void what_many_had_is_given_back(void **state)
{
        (void)state;
        assert_true((size_t)BLOCKS * BLOCK / 64 * 63 > TRIM_MUCH_BYTES);
        given_back_at(BLOCKS, 1);
}

static void a_little_is_given_back_less_often(void **state)
{
        enum { FEW = BLOCKS / 4 };

        (void)state;
        assert_in_range((size_t)FEW * BLOCK / 64 * 63, TRIM_FREE_BYTES, TRIM_MUCH_BYTES - MEGABYTE);
        given_back_at(FEW, TRIM_SELDOM);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_many_had_is_given_back),
                cmocka_unit_test(a_little_is_given_back_less_often),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
