/* Runs of fetched records: against a plain table, with everything that moves their edges. */
#include "stream/kafka/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct log_read wide(uint64_t index)
{
        return (struct log_read){index, 1000, SIZE_MAX, 0, SIZE_MAX - 1, 0};
}

static void check_answer(const struct run *run, struct log_read read, const uint64_t *expected, size_t count, bool full)
{
        struct log_record records[64];
        struct run_answer got = run_read(run, &read, records, 64);
        char text[32];

        assert_int_equal(got.count, count);
        assert_int_equal(got.full, full);
        for (size_t i = 0; i < count; i++) {
                assert_int_equal(records[i].index, expected[i]);
                snprintf(text, sizeof text, "%llu", (unsigned long long)expected[i]);
                assert_true(bytes_equal(records[i].data, bytes_of_text(text)));
        }
}

static void add(struct run *run, uint64_t index)
{
        char text[32];

        snprintf(text, sizeof text, "%llu", (unsigned long long)index);
        assert_int_equal(run_add(run, index, bytes_of_text(text)), OK);
}

static void holes_and_edges(void **state)
{
        const uint64_t all[] = {5, 6, 9, 20};
        struct run run;

        (void)state;
        run_init(&run, 3);
        assert_true(run_covers(&run, 3) && !run_covers(&run, 2) && !run_covers(&run, 4));
        for (int i = 0; i < 4; i++) add(&run, all[i]);
        assert_int_equal(run.upto, 21);
        run_extend(&run, 25);
        run_extend(&run, 22);
        assert_true(run_covers(&run, 25) && !run_covers(&run, 26));
        check_answer(&run, wide(3), all, 4, false);
        check_answer(&run, wide(6), all + 1, 3, false);
        check_answer(&run, wide(7), all + 2, 2, false);
        check_answer(&run, wide(20), all + 3, 1, false);
        check_answer(&run, wide(21), NULL, 0, false);
        struct log_read read = wide(3);
        read.max_records = 4;
        check_answer(&run, read, all, 4, true);
        read.max_records = 2;
        check_answer(&run, read, all, 2, true);
        read.max_bytes = 2; /* "5" and "6" */
        read.max_records = 100;
        check_answer(&run, read, all, 2, true);
        read.record_max = 1;
        read.max_bytes = 3;
        check_answer(&run, read, all, 3, false);
        run_clear(&run);
}

static void what_is_too_large_is_counted(void **state)
{
        struct log_record records[8];
        struct log_read read = {0, 8, 1000, 0, 3, 0};
        struct run_answer got;
        struct run run;

        (void)state;
        run_init(&run, 0);
        assert_int_equal(run_add(&run, 0, bytes_of_text("four")), OK);
        assert_int_equal(run_add(&run, 1, bytes_of_text("abc")), OK);
        assert_int_equal(run_add(&run, 2, BYTES_NONE), OK);
        assert_int_equal(run_add(&run, 3, bytes_of_text("four")), OK);
        got = run_read(&run, &read, records, 8);
        assert_int_equal(got.count, 2);
        assert_int_equal(got.too_large, 2);
        assert_int_equal(records[0].index, 1);
        assert_int_equal(records[1].index, 2);
        assert_int_equal(records[1].data.n, 0);
        assert_int_equal(run_read(&run, &read, records, 1).count, 1);
        run_clear(&run);
}

static void forgetting_keeps_the_newer(void **state)
{
        struct log_record records[64];
        struct run run;
        uint64_t next = 0;

        (void)state;
        run_init(&run, 0);
        for (int round = 0; round < 200; round++) {
                for (int i = 0; i < round % 7; i++, next += 1 + (uint64_t)(round % 3)) add(&run, next);
                if (run.count > 20) run_forget(&run);
                assert_true(run.count <= 27);
                struct log_read read = wide(run.from);
                struct run_answer got = run_read(&run, &read, records, 64);
                assert_int_equal(got.count, run.count);
                for (size_t i = 0; i < got.count; i++) {
                        char text[32];
                        snprintf(text, sizeof text, "%llu", (unsigned long long)records[i].index);
                        assert_true(bytes_equal(records[i].data, bytes_of_text(text)));
                        assert_true(records[i].index >= run.from && records[i].index < run.upto);
                        if (i) assert_true(records[i].index > records[i - 1].index);
                }
        }
        while (run.count) run_forget(&run);
        assert_true(run.from <= run.upto);
        run_forget(&run);
        run_clear(&run);
}

static void what_lies_before_is_forgotten(void **state)
{
        static const uint64_t behind[] = {7, 9};
        struct run run;

        (void)state;
        run_init(&run, 2);
        add(&run, 3);
        add(&run, 5);
        add(&run, 7);
        add(&run, 9);
        run_forget_before(&run, 1);
        assert_true(run.from == 2 && run.count == 4);
        run_forget_before(&run, 6);
        assert_true(run.from == 6 && run.upto == 10 && run.count == 2);
        check_answer(&run, wide(6), behind, 2, false);
        run_forget_before(&run, 10);
        assert_true(run.from == 10 && run.upto == 10 && run.count == 0);
        run_forget_before(&run, 12);
        assert_true(run.from == 12 && run.upto == 12);
        run_clear(&run);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(holes_and_edges),
                cmocka_unit_test(what_is_too_large_is_counted),
                cmocka_unit_test(forgetting_keeps_the_newer),
                cmocka_unit_test(what_lies_before_is_forgotten),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
