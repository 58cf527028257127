/* BARE: refusals, the sticky error, and what lies around values (the values themselves are in test_codec.c). */
#include "tests/support/test.h"
#include "tests/support/vectors.h"
#include "transport/bare.h"

static void string_is_utf8(void **state)
{
        struct bytes in = BYTES_LITERAL("\x02\xc3\x28");
        struct bare_reader r = bare_reader_make(in);

        (void)state;
        assert_int_equal(bare_string(&r).n, 0);
        assert_err(bare_end(&r), ERR_MALFORMED);
        r = bare_reader_make(in);
        assert_int_equal(bare_data(&r).n, 2);
}

static void length_beyond_the_input(void **state)
{
        static const struct bytes cases[] = {
                BYTES_LITERAL("\x01"), BYTES_LITERAL("\x02x"), BYTES_LITERAL("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x"),
                BYTES_LITERAL("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01x"),
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct bare_reader r = bare_reader_make(cases[i]);
                assert_int_equal(bare_data(&r).n, 0);
                assert_err(r.err, ERR_TRUNCATED);
        }
}

static void first_error_stays(void **state)
{
        struct bare_reader r = bare_reader_make(BYTES_LITERAL("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\x01z"));

        (void)state;
        assert_int_equal(bare_uint(&r), 0);
        assert_int_equal(bare_u8(&r), 0);
        assert_int_equal(bare_uint(&r), 0);
        assert_int_equal(bare_string(&r).n, 0);
        assert_false(bare_present(&r));
        assert_int_equal(bare_uint_raw(&r, 4).n, 0);
        assert_int_equal(bare_rest(&r).n, 0);
        assert_err(bare_end(&r), ERR_MALFORMED);
}

static void nothing_at_all(void **state)
{
        struct bare_reader r = bare_reader_make(BYTES_NONE);

        (void)state;
        assert_ok(bare_end(&r));
        assert_int_equal(bare_u8(&r), 0);
        assert_err(bare_end(&r), ERR_TRUNCATED);
}

static void left_over_and_rest(void **state)
{
        struct bare_reader r = bare_reader_make(BYTES_LITERAL("\x02zz"));

        (void)state;
        assert_true(bare_present(&r));
        assert_err(bare_end(&r), ERR_TRAILING);
        assert_bytes_equal("rest", bare_rest(&r), BYTES_LITERAL("zz"));
        r = bare_reader_make(BYTES_LITERAL("\x00"));
        assert_false(bare_present(&r));
        assert_ok(bare_end(&r));
}

static void raw_uint_of_any_size(void **state)
{
        struct bytes long_one = BYTES_LITERAL("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
        struct bare_reader r = bare_reader_make(long_one);

        (void)state;
        assert_bytes_equal("raw", bare_uint_raw(&r, 16), long_one);
        assert_ok(bare_end(&r));
        r = bare_reader_make(long_one);
        assert_bytes_equal("raw, exactly", bare_uint_raw(&r, 12), long_one);
        r = bare_reader_make(long_one);
        assert_int_equal(bare_uint_raw(&r, 11).n, 0);
        assert_err(r.err, ERR_MALFORMED);
        r = bare_reader_make(bytes_make(long_one.p, 11));
        assert_int_equal(bare_uint_raw(&r, 16).n, 0);
        assert_err(r.err, ERR_TRUNCATED);
}

static void writer_remembers_that_it_was_full(void **state)
{
        uint8_t out[4];
        struct writer w = writer_make(out, sizeof out);

        (void)state;
        bare_put_data(&w, BYTES_LITERAL("abcd"));
        bare_put_uint(&w, 1);
        assert_err(writer_err(&w), ERR_TOO_LARGE);
        assert_true(w.n <= sizeof out);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(string_is_utf8),
                cmocka_unit_test(length_beyond_the_input),
                cmocka_unit_test(first_error_stays),
                cmocka_unit_test(nothing_at_all),
                cmocka_unit_test(left_over_and_rest),
                cmocka_unit_test(raw_uint_of_any_size),
                cmocka_unit_test(writer_remembers_that_it_was_full),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
