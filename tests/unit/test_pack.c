/* The msgpack cursor: all that msgpack-c writes of the four kinds comes back, and nothing else is taken. */
#include "transport/base/pack.h"

#include "tests/support/test.h"
#include "tests/support/vectors.h"

#include <stdlib.h>

static void integers_come_back(void **state)
{
        (void)state;
        static const uint64_t edges[] = {0, 1, 127, 128, 255, 256, 65535, 65536, UINT32_MAX, (uint64_t)UINT32_MAX + 1, UINT64_MAX};

        for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
                uint8_t memory[16];
                struct writer w = writer_make(memory, sizeof memory);
                msgpack_packer pk = pack_into(&w);
                struct pack_reader r;

                msgpack_pack_uint64(&pk, edges[i]);
                r = pack_reader_make(writer_bytes(&w));
                assert_true(pack_uint(&r) == edges[i]);
                assert_ok(pack_end(&r));
                for (size_t n = 0; n < w.n; n++) {
                        r = pack_reader_make(bytes_make(memory, n));
                        assert_int_equal(pack_uint(&r), 0);
                        assert_err(pack_end(&r), ERR_TRUNCATED);
                }
        }
}

static void strings_come_back(void **state)
{
        (void)state;
        static const size_t sizes[] = {0, 1, 31, 32, 255, 256, 65535, 65536};
        uint8_t *content = malloc(70000), *memory = malloc(70000);

        assert_non_null(content);
        assert_non_null(memory);
        memset(content, 'x', 70000);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                for (int text = 0; text < 2; text++) {
                        struct writer w = writer_make(memory, 70000);
                        msgpack_packer pk = pack_into(&w);
                        struct pack_reader r, cut;

                        if (text) pack_put_str(&pk, bytes_make(content, sizes[i]));
                        else pack_put_bin(&pk, bytes_make(content, sizes[i]));
                        r = pack_reader_make(writer_bytes(&w));
                        assert_bytes_equal("content", text ? pack_str(&r) : pack_bin(&r), bytes_make(content, sizes[i]));
                        assert_ok(pack_end(&r));
                        cut = pack_reader_make(bytes_make(memory, w.n - 1));
                        assert_int_equal(text ? pack_str(&cut).n : pack_bin(&cut).n, 0);
                        assert_err(pack_end(&cut), ERR_TRUNCATED);
                        r = pack_reader_make(writer_bytes(&w));
                        assert_int_equal(text ? pack_bin(&r).n : pack_str(&r).n, 0);
                        assert_err(pack_end(&r), ERR_MALFORMED);
                }
        }
        free(content);
        free(memory);
}

static void arrays_come_back(void **state)
{
        (void)state;
        static const size_t counts[] = {0, 1, 15, 16, 65535, 65536};
        uint8_t *memory = calloc(1, 70000);

        assert_non_null(memory);
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
                struct writer w = writer_make(memory, 70000);
                msgpack_packer pk = pack_into(&w);
                struct pack_reader r;

                msgpack_pack_array(&pk, counts[i]);
                r = pack_reader_make(bytes_make(memory, w.n + counts[i]));
                assert_int_equal(pack_array(&r), counts[i]);
                assert_err(pack_end(&r), counts[i] ? ERR_TRAILING : OK);
                if (!counts[i]) continue;
                r = pack_reader_make(bytes_make(memory, w.n + counts[i] - 1)); /* cannot hold so many items */
                assert_int_equal(pack_array(&r), 0);
                assert_err(pack_end(&r), ERR_TRUNCATED);
        }
        free(memory);
}

static void other_kinds_are_refused(void **state)
{
        (void)state;
        /* nil, unused, false, true, ext 8, float 32, float 64, int 8 to 64, fixext 1, map 16, negative fixint, fixmap */
        static const uint8_t kinds[] = {0xc0, 0xc1, 0xc2, 0xc3, 0xc7, 0xca, 0xcb, 0xd0, 0xd3, 0xd4, 0xde, 0xff, 0x81};

        for (size_t i = 0; i < sizeof kinds; i++) {
                uint8_t in[16] = {kinds[i]};
                struct pack_reader a = pack_reader_make(bytes_make(in, sizeof in)), b = a, c = a, d = a;

                (void)pack_uint(&a);
                (void)pack_bin(&b);
                (void)pack_str(&c);
                (void)pack_array(&d);
                assert_err(a.err, ERR_MALFORMED);
                assert_err(b.err, ERR_MALFORMED);
                assert_err(c.err, ERR_MALFORMED);
                assert_err(d.err, ERR_MALFORMED);
        }
}

static void text_is_utf8_and_lengths_are_checked(void **state)
{
        (void)state;
        static const struct { const char *hex; enum err err; } cases[] = {
                {"a2c3a9", OK}, {"a1c3", ERR_MALFORMED}, {"dbffffffff61", ERR_TRUNCATED}, {"da000161", OK}, {"d9", ERR_TRUNCATED},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct pack_reader r = pack_reader_make(hex_bytes(cases[i].hex));

                (void)pack_str(&r);
                assert_err(pack_end(&r), cases[i].err);
        }
        struct pack_reader r = pack_reader_make(hex_bytes("ddffffffff00"));
        assert_int_equal(pack_array(&r), 0);
        assert_err(r.err, ERR_TRUNCATED);
        r = pack_reader_make(BYTES_NONE);
        assert_ok(pack_end(&r));
        assert_int_equal(pack_array(&r), 0);
        assert_err(r.err, ERR_TRUNCATED);
}

static void what_does_not_fit_is_told(void **state)
{
        (void)state;
        uint8_t memory[4];
        struct writer w = writer_make(memory, sizeof memory);
        msgpack_packer pk = pack_into(&w);

        pack_put_str(&pk, BYTES_LITERAL("abcd"));
        assert_err(writer_err(&w), ERR_TOO_LARGE);
}

static int clear(void **state)
{
        (void)state;
        vectors_clear();
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(integers_come_back),
                cmocka_unit_test(strings_come_back),
                cmocka_unit_test(arrays_come_back),
                cmocka_unit_test(other_kinds_are_refused),
                cmocka_unit_test(text_is_utf8_and_lengths_are_checked),
                cmocka_unit_test(what_does_not_fit_is_told),
        };
        return cmocka_run_group_tests(tests, NULL, clear);
}
