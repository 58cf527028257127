/* Small pieces of memory in pages of their own: what is small lies apart and together, what is larger comes from malloc, and each keeps its bytes. */
#include "tests/support/test.h"
#include "transport/base/small.h"

#include <malloc.h>
#include <stdlib.h>

enum { PIECES = 5000 };

static void *pieces[PIECES];

static void small_pieces_take_nothing_of_the_heap(void **state)
{
        size_t before;
        uintptr_t low = UINTPTR_MAX, high = 0;

        (void)state;
        before = mallinfo2().uordblks;
        for (size_t i = 0; i < PIECES; i++) {
                assert_non_null(pieces[i] = small_malloc(i % SMALL_SIZE + 1));
                assert_int_equal((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
                memset(pieces[i], (int)i, i % SMALL_SIZE + 1);
                if ((uintptr_t)pieces[i] < low) low = (uintptr_t)pieces[i];
                if ((uintptr_t)pieces[i] > high) high = (uintptr_t)pieces[i];
        }
#if !defined(__SANITIZE_ADDRESS__)
        assert_int_equal(mallinfo2().uordblks, before);
        assert_int_equal(high - low, (PIECES - 1) * SMALL_SIZE);
#endif
        for (size_t i = 0; i < PIECES; i++)
                for (size_t j = 0; j <= i % SMALL_SIZE; j++) assert_int_equal(((uint8_t *)pieces[i])[j], (uint8_t)i);
        for (size_t i = 0; i < PIECES; i++) small_free(pieces[i]);
        (void)before, (void)low, (void)high;
}

static int by_address(const void *a, const void *b)
{
        const uintptr_t x = (uintptr_t) * (void *const *)a, y = (uintptr_t) * (void *const *)b;

        return x < y ? -1 : x > y;
}

static void what_was_given_back_is_used_again_and_once(void **state)
{
        void *again[PIECES];

        (void)state;
        for (size_t i = 0; i < PIECES; i++) assert_non_null(pieces[i] = small_malloc(SMALL_SIZE));
        for (size_t i = 0; i < PIECES; i++) small_free(pieces[(i * 7) % PIECES]);
        for (size_t i = 0; i < PIECES; i++) assert_non_null(again[i] = small_malloc(1));
        qsort(pieces, PIECES, sizeof *pieces, by_address);
        qsort(again, PIECES, sizeof *again, by_address);
#if !defined(__SANITIZE_ADDRESS__)
        assert_memory_equal(pieces, again, sizeof pieces);
#endif
        for (size_t i = 0; i < PIECES; i++) {
                if (i) assert_true(again[i] != again[i - 1]);
                small_free(again[i]);
        }
}

static void larger_ones_come_from_malloc_and_keep_their_bytes(void **state)
{
        uint8_t *p = small_malloc(SMALL_SIZE), *larger, *largest;
        uintptr_t place = (uintptr_t)p;

        (void)state;
        assert_non_null(p);
        memcpy(p, "0123456789abcdef", SMALL_SIZE);
        assert_non_null(p = small_realloc(p, SMALL_SIZE / 2));
#if !defined(__SANITIZE_ADDRESS__)
        assert_int_equal((uintptr_t)p, place); /* the sanitizer's malloc moves whatever it is given */
#endif
        assert_non_null(larger = small_realloc(p, 1000));
        assert_memory_equal(larger, "01234567", SMALL_SIZE / 2);
        assert_true(malloc_usable_size(larger) >= 1000);
        assert_non_null(largest = small_realloc(larger, 100000));
        assert_memory_equal(largest, "01234567", SMALL_SIZE / 2);
        (void)place;
        small_free(largest);
        assert_non_null(p = small_realloc(NULL, SMALL_SIZE + 1));
        assert_true(malloc_usable_size(p) >= SMALL_SIZE + 1);
        small_free(p);
        small_free(NULL);
}

static void when_no_more_fit_malloc_gives_them(void **state)
{
        void **all = malloc((SMALL_COUNT + 1) * sizeof *all);

        (void)state;
        assert_non_null(all);
        for (size_t i = 0; i <= SMALL_COUNT; i++) assert_non_null(all[i] = small_malloc(SMALL_SIZE));
        assert_true(malloc_usable_size(all[SMALL_COUNT]) >= SMALL_SIZE);
        for (size_t i = 0; i <= SMALL_COUNT; i++) small_free(all[i]);
        free(all);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(small_pieces_take_nothing_of_the_heap),
                cmocka_unit_test(what_was_given_back_is_used_again_and_once),
                cmocka_unit_test(larger_ones_come_from_malloc_and_keep_their_bytes),
                cmocka_unit_test(when_no_more_fit_malloc_gives_them),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
