/* The arena: limit, alignment, shrinking, growing and being reset. */
#include "tests/support/test.h"
#include "transport/base/arena.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

static void keeps_its_limit(void **state)
{
        struct arena arena;

        (void)state;
        arena_init(&arena, 1024);
        assert_null(arena_alloc(&arena, 1025));
        assert_null(arena_alloc(&arena, SIZE_MAX));
        assert_non_null(arena_alloc(&arena, 1000));
        assert_non_null(arena_alloc(&arena, 1));
        assert_null(arena_alloc(&arena, 1));
        arena_reset(&arena);
        assert_non_null(arena_alloc(&arena, 1024));
        assert_null(arena_alloc(&arena, 0));
        arena_clear(&arena);
}

static void gives_aligned_memory_of_its_own(void **state)
{
        struct arena arena;
        uint8_t *p[64];

        (void)state;
        arena_init(&arena, 64u << 20);
        for (size_t i = 0; i < 64; i++) {
                p[i] = arena_alloc(&arena, i * 977);
                assert_non_null(p[i]);
                assert_int_equal((uintptr_t)p[i] % _Alignof(max_align_t), 0);
                memset(p[i], (int)i, i * 977);
        }
        for (size_t i = 0; i < 64; i++)
                for (size_t j = 0; j < i * 977; j++)
                        assert_int_equal(p[i][j], i);
        arena_clear(&arena);
}

static void shrinks_the_newest(void **state)
{
        struct arena arena;
        uint8_t *p, *q;

        (void)state;
        arena_init(&arena, 65536);
        p = arena_alloc(&arena, 65536);
        assert_non_null(p);
        memset(p, 1, 100);
        arena_shrink(&arena, p, 100);
        assert_int_equal(arena.used, 112);
        q = arena_alloc(&arena, 65536 - 112);
        assert_ptr_equal(q, p + 112);
        memset(q, 2, 65536 - 112);
        assert_int_equal(p[99], 1);
        arena_shrink(&arena, q, 65536 - 112);
        assert_null(arena_alloc(&arena, 1));
        arena_clear(&arena);
}

static void keeps_its_first_chunk_when_reset(void **state)
{
        struct arena arena;
        void *p;

        (void)state;
        arena_init(&arena, 16u << 20);
        p = arena_alloc(&arena, 10);
        for (size_t i = 0; i < 3; i++) {
                assert_non_null(arena_alloc(&arena, 1u << 20));
                assert_non_null(arena_alloc(&arena, 1u << 20));
                arena_reset(&arena);
                assert_int_equal(arena.used, 0);
                assert_ptr_equal(arena_alloc(&arena, 20), p);
        }
        arena_clear(&arena);
        arena_reset(&arena);
        arena_clear(&arena);
}

#ifdef __SANITIZE_ADDRESS__
static void poisons_what_is_not_given_out(void **state)
{
        enum { LIMIT = 1024 };
        struct arena arena;
        uint8_t *p;

        (void)state;
        arena_init(&arena, LIMIT);
        for (size_t i = 0; i < 3; i++) {
                p = arena_alloc(&arena, 100);
                assert_non_null(p);
                assert_true(__asan_address_is_poisoned(p + 100) && !__asan_address_is_poisoned(p + 99));
                arena_shrink(&arena, p, 50);
                assert_true(__asan_address_is_poisoned(p + 50) && !__asan_address_is_poisoned(p + 49));
                assert_non_null(arena_alloc(&arena, LIMIT - 64 - 16 * i));
                arena_reset(&arena);
                for (size_t at = 0; at < LIMIT; at++)
                        assert_true(__asan_address_is_poisoned(p + at));
        }
        arena_clear(&arena);
}
#endif

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(keeps_its_limit),
                cmocka_unit_test(gives_aligned_memory_of_its_own),
                cmocka_unit_test(shrinks_the_newest),
                cmocka_unit_test(keeps_its_first_chunk_when_reset),
#ifdef __SANITIZE_ADDRESS__
                cmocka_unit_test(poisons_what_is_not_given_out),
#endif
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
