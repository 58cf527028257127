/* The CBOR cursor: heads at each size, what is taken and refused, passing over; encodings compared with libcbor's. */
#include "transport/secure_channel/cbor.h"

#include "tests/support/test.h"
#include "tests/support/vectors.h"

#include <stdlib.h>

#include <cbor.h>

static const uint64_t edges[] = {0,          1,           22,           23,          24,         25,    254, 255, 256, 257, 65534, 65535, 65536,
                                 0xfffffffe, 0xffffffffu, 0x100000000u, INT64_MAX, UINT64_MAX - 1, UINT64_MAX};

static struct cbor_reader reader(const char *hex)
{
        return cbor_reader_make(hex_bytes(hex));
}

/* libcbor writes an integer in the width that it was built with; this takes the narrowest. */
static cbor_item_t *other_uint(uint64_t value)
{
        if (value <= UINT8_MAX) return cbor_build_uint8((uint8_t)value);
        if (value <= UINT16_MAX) return cbor_build_uint16((uint16_t)value);
        return value <= UINT32_MAX ? cbor_build_uint32((uint32_t)value) : cbor_build_uint64(value);
}

static void assert_other_writes(cbor_item_t *take_item, struct bytes ours)
{
        unsigned char *theirs = NULL;
        size_t cap = 0, n = cbor_serialize_alloc(take_item, &theirs, &cap);

        assert_bytes_equal("libcbor", ours, bytes_make(theirs, n));
        free(theirs);
        cbor_decref(&take_item);
}

static void integers_are_shortest_and_come_back(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
                uint8_t memory[16];
                struct writer w = writer_make(memory, sizeof memory);
                struct cbor_reader r;

                cbor_put_uint(&w, edges[i]);
                assert_int_equal(w.n, cbor_head_size(edges[i]));
                assert_other_writes(other_uint(edges[i]), writer_bytes(&w));
                r = cbor_reader_make(writer_bytes(&w));
                assert_true(cbor_uint(&r) == edges[i]);
                assert_ok(r.err);
                assert_int_equal(cbor_rest(&r).n, 0);
                for (size_t cut = 0; cut < w.n; cut++) {
                        r = cbor_reader_make(bytes_make(memory, cut));
                        assert_int_equal(cbor_uint(&r), 0);
                        assert_err(r.err, ERR_TRUNCATED);
                }
        }
}

static void small_integers_in_line_are_the_same(void **state)
{
        (void)state;
        for (unsigned value = 0; value <= UINT8_MAX; value++) {
                uint8_t a[4], b[4];
                struct writer wa = writer_make(a, sizeof a), wb = writer_make(b, sizeof b);
                struct cbor_reader r;

                cbor_put_u8(&wa, (uint8_t)value);
                cbor_put_uint(&wb, value);
                assert_bytes_equal("u8", writer_bytes(&wa), writer_bytes(&wb));
                writer_put_u8(&wa, 0);
                r = cbor_reader_make(writer_bytes(&wa));
                assert_int_equal(cbor_u8(&r), value);
                assert_int_equal(cbor_rest(&r).n, 1);
                r = cbor_reader_make(writer_bytes(&wb));
                assert_int_equal(cbor_u8(&r), value);
                assert_ok(r.err);
        }
}

struct uint_case {
        const char *hex;
        uint64_t value;
        enum err err;
};

static void integers_longer_than_needed_are_taken(void **state)
{
        (void)state;
        static const struct uint_case cases[] = {
                {"1800", 0, OK},
                {"190017", 23, OK},
                {"1a000000ff", 255, OK},
                {"1b0000000000000100", 256, OK},
                {"1c", 0, ERR_MALFORMED},
                {"1d", 0, ERR_MALFORMED},
                {"1e", 0, ERR_MALFORMED},
                {"1f", 0, ERR_MALFORMED},
                {"20", 0, ERR_MALFORMED},
                {"40", 0, ERR_MALFORMED},
                {"c001", 0, ERR_MALFORMED},
                {"f6", 0, ERR_MALFORMED},
                {"ff", 0, ERR_MALFORMED},
                {"", 0, ERR_TRUNCATED},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct cbor_reader r = reader(cases[i].hex);

                assert_int_equal(cbor_uint(&r), cases[i].value);
                assert_err(r.err, cases[i].err);
        }
}

static void small_integers_are_bounded(void **state)
{
        (void)state;
        struct cbor_reader r = reader("190100"), long_form = reader("1b00000000000000ff");

        assert_int_equal(cbor_u8(&r), 0);
        assert_err(r.err, ERR_MALFORMED);
        assert_int_equal(cbor_u8(&long_form), 255);
        assert_ok(long_form.err);
}

static void byte_strings(void **state)
{
        (void)state;
        static const size_t sizes[] = {0, 1, 23, 24, 255, 256, 65535, 65536};
        uint8_t *memory = malloc(70000), *content = calloc(1, 65536);

        assert_non_null(memory);
        assert_non_null(content);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                struct writer w = writer_make(memory, 70000);
                struct cbor_reader r;

                cbor_put_bytes(&w, bytes_make(content, sizes[i]));
                assert_other_writes(cbor_build_bytestring(content, sizes[i]), writer_bytes(&w));
                r = cbor_reader_make(writer_bytes(&w));
                assert_bytes_equal("content", cbor_bytes(&r), bytes_make(content, sizes[i]));
                assert_ok(r.err);
                if (!sizes[i]) continue;
                r = cbor_reader_make(bytes_make(memory, w.n - 1));
                assert_int_equal(cbor_bytes(&r).n, 0);
                assert_err(r.err, ERR_TRUNCATED);
        }
        free(memory);
        free(content);
}

static void byte_strings_that_are_refused(void **state)
{
        (void)state;
        static const struct uint_case cases[] = {
                {"5f4101ff", 0, ERR_MALFORMED}, /* chunks */
                {"6161", 0, ERR_MALFORMED},     {"8101", 0, ERR_MALFORMED},
                {"f6", 0, ERR_MALFORMED},       {"5bffffffffffffffff00", 0, ERR_TRUNCATED},
                {"5a8000000000", 0, ERR_TRUNCATED},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct cbor_reader r = reader(cases[i].hex);

                assert_int_equal(cbor_bytes(&r).n, 0);
                assert_err(r.err, cases[i].err);
        }
}

static void fixed_byte_strings_have_their_length(void **state)
{
        (void)state;
        uint8_t out[3] = {9, 9, 9};
        struct cbor_reader r = reader("43010203"), shorter = reader("420102"), longer = reader("4401020304");

        cbor_bytes_fixed(&shorter, out, 3);
        assert_err(shorter.err, ERR_MALFORMED);
        cbor_bytes_fixed(&longer, out, 3);
        assert_err(longer.err, ERR_MALFORMED);
        assert_int_equal(out[0], 9);
        cbor_bytes_fixed(&r, out, 3);
        assert_ok(r.err);
        assert_int_equal(out[2], 3);
}

static void truths_and_null(void **state)
{
        (void)state;
        struct cbor_reader r = reader("f4f5f6f601");

        assert_false(cbor_take_null(&r));
        assert_false(cbor_bool(&r));
        assert_true(cbor_bool(&r));
        assert_true(cbor_take_null(&r));
        assert_false(cbor_bool(&r)); /* null */
        assert_err(r.err, ERR_MALFORMED);
        r = reader("f7"); /* undefined is no null */
        assert_false(cbor_take_null(&r));
        assert_ok(r.err);
        r = reader("");
        assert_false(cbor_take_null(&r));
        assert_err(r.err, ERR_TRUNCATED);
}

static void arrays_and_maps_definite_and_not(void **state)
{
        (void)state;
        static const char *const three[] = {"83010203", "9803010203", "9f010203ff"};
        struct cbor_reader r;
        struct cbor_items items;
        uint64_t sum = 0;

        for (size_t i = 0; i < 3; i++) {
                r = reader(three[i]);
                items = cbor_array(&r);
                sum = 0;
                while (cbor_more(&r, &items)) sum += cbor_uint(&r);
                assert_int_equal(sum, 6);
                assert_ok(r.err);
                assert_int_equal(cbor_rest(&r).n, 0);
                assert_false(cbor_more(&r, &items)); /* the end stays the end */
                assert_ok(r.err);
        }
        r = reader("bf01020304ff00");
        items = cbor_map(&r);
        for (sum = 0; cbor_more(&r, &items);) sum += cbor_uint(&r) * cbor_uint(&r);
        assert_int_equal(sum, 14);
        assert_int_equal(cbor_rest(&r).n, 1);
}

static void arrays_that_are_refused(void **state)
{
        (void)state;
        static const struct uint_case cases[] = {
                {"a0", 0, ERR_MALFORMED},   {"40", 0, ERR_MALFORMED},   {"01", 0, ERR_MALFORMED},
                {"ff", 0, ERR_MALFORMED},   {"8201", 0, ERR_TRUNCATED}, {"9bffffffffffffffff01", 0, ERR_TRUNCATED},
                {"9c", 0, ERR_MALFORMED},   {"", 0, ERR_TRUNCATED},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct cbor_reader r = reader(cases[i].hex);
                struct cbor_items items = cbor_array(&r);

                assert_false(cbor_more(&r, &items));
                assert_err(r.err, cases[i].err);
        }
        struct cbor_reader r = reader("9f01");
        struct cbor_items items = cbor_array(&r);
        assert_true(cbor_more(&r, &items));
        assert_int_equal(cbor_uint(&r), 1);
        assert_false(cbor_more(&r, &items));
        assert_err(r.err, ERR_TRUNCATED);
}

static void a_needed_item_is_missed(void **state)
{
        (void)state;
        struct cbor_reader r = reader("8101");
        struct cbor_items items = cbor_array(&r);

        cbor_need(&r, &items);
        assert_int_equal(cbor_uint(&r), 1);
        cbor_need(&r, &items);
        assert_err(r.err, ERR_MALFORMED);
}

static void variants(void **state)
{
        (void)state;
        static const struct uint_case cases[] = {
                {"820180", 1, OK},
                {"98021803f6", 3, OK},
                {"9f0180ff", 0, ERR_MALFORMED},
                {"830180f6", 0, ERR_MALFORMED},
                {"8101", 0, ERR_MALFORMED},
                {"822080", 0, ERR_MALFORMED},
                {"a10180", 0, ERR_MALFORMED},
                {"82", 0, ERR_TRUNCATED},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct cbor_reader r = reader(cases[i].hex);

                assert_int_equal(cbor_variant(&r), cases[i].value);
                assert_err(r.err, cases[i].err);
        }
}

struct skip_case {
        const char *hex;
        enum err err;
        size_t rest;
};

static void items_are_passed_over_whole(void **state)
{
        (void)state;
        static const struct skip_case cases[] = {
                {"0005", OK, 1},
                {"1bffffffffffffffff05", OK, 1},
                {"3905dc05", OK, 1},
                {"42010205", OK, 1},
                {"5f41014102ff05", OK, 1},
                {"6361626305", OK, 1},
                {"7f61616162ff05", OK, 1},
                {"8005", OK, 1},
                {"83010203" "05", OK, 1},
                {"9f01820203ff05", OK, 1},
                {"8301" "9f0203ff" "a1010205", OK, 1},
                {"a2010203a0" "05", OK, 1},
                {"bf0102ff05", OK, 1},
                {"d9d9f78101" "05", OK, 1},
                {"f405", OK, 1},
                {"f605", OK, 1},
                {"f8ff05", OK, 1},
                {"f93c0005", OK, 1},
                {"fa47c3500005", OK, 1},
                {"fb3ff199999999999a05", OK, 1},
                {"", ERR_TRUNCATED, 0},
                {"81", ERR_TRUNCATED, 0},
                {"9f01", ERR_TRUNCATED, 0},
                {"a101", ERR_TRUNCATED, 0},
                {"5f4101", ERR_TRUNCATED, 0},
                {"fb3ff1", ERR_TRUNCATED, 0},
                {"bf01ff", ERR_MALFORMED, 0},   /* a key without its value */
                {"ff", ERR_MALFORMED, 0},       /* a break with nothing to end */
                {"81ff", ERR_MALFORMED, 0},
                {"5f6161ff", ERR_MALFORMED, 0}, /* chunks of the other kind */
                {"5f5f4101ffff", ERR_MALFORMED, 0},
                {"7f4101ff", ERR_MALFORMED, 0},
                {"61ff", ERR_MALFORMED, 0},     /* text that is not UTF-8 */
                {"7f61c361a9ff", ERR_MALFORMED, 0},
                {"fc", ERR_MALFORMED, 0},
                {"1f", ERR_MALFORMED, 0},
                {"3f", ERR_MALFORMED, 0},
                {"df01", ERR_MALFORMED, 0},
                {"9bffffffffffffffff", ERR_TRUNCATED, 0},
                {"bbffffffffffffffff", ERR_TRUNCATED, 0},
                {"bb800000000000000000", ERR_TRUNCATED, 0},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct cbor_reader r = reader(cases[i].hex);

                cbor_skip(&r);
                if (r.err != cases[i].err || cbor_rest(&r).n != cases[i].rest)
                        fail_msg("%s: %s, %zu left", cases[i].hex, err_name(r.err), cbor_rest(&r).n);
        }
}

static void nesting_is_bounded(void **state)
{
        (void)state;
        static const uint8_t openers[] = {0x81, 0x9f, 0xbf, 0xc1};
        uint8_t in[2 * CBOR_DEPTH_MAX + 8];

        for (size_t k = 0; k < sizeof openers; k++) {
                bool map = openers[k] == 0xbf, indefinite = (openers[k] & 31) == 31;

                for (size_t depth = CBOR_DEPTH_MAX - 1; depth <= CBOR_DEPTH_MAX + 1; depth++) {
                        struct writer w = writer_make(in, sizeof in);
                        struct cbor_reader r;

                        /* A map's value nests; its innermost is empty. */
                        for (size_t i = 0; i < depth; i++) {
                                if (map && i) writer_put_u8(&w, 0);
                                writer_put_u8(&w, openers[k]);
                        }
                        if (!map) writer_put_u8(&w, 0);
                        for (size_t i = 0; indefinite && i < depth && !w.full; i++) writer_put_u8(&w, 0xff);
                        if (w.full) continue;
                        r = cbor_reader_make(writer_bytes(&w));
                        cbor_skip(&r);
                        assert_err(r.err, depth <= CBOR_DEPTH_MAX ? OK : ERR_TOO_LARGE);
                }
        }
}

static void many_levels_cost_nothing(void **state)
{
        (void)state;
        enum { N = 1 << 20 };
        uint8_t *in = malloc(N);

        assert_non_null(in);
        memset(in, 0x9f, N);
        struct cbor_reader r = cbor_reader_make(bytes_make(in, N));
        cbor_skip(&r);
        assert_err(r.err, ERR_TOO_LARGE);
        free(in);
}

static void the_rest_is_passed_over(void **state)
{
        (void)state;
        struct cbor_reader r = reader("8401028103040a"), map = reader("bf01020304ff0a");
        struct cbor_items items = cbor_array(&r), pairs = cbor_map(&map);

        cbor_need(&r, &items);
        assert_int_equal(cbor_uint(&r), 1);
        cbor_skip_rest(&r, &items, 1);
        assert_int_equal(cbor_uint(&r), 10);
        cbor_skip_rest(&map, &pairs, 2);
        assert_int_equal(cbor_uint(&map), 10);
}

static void the_first_error_stays(void **state)
{
        (void)state;
        struct cbor_reader r = reader("4101");

        assert_int_equal(cbor_uint(&r), 0);
        assert_err(r.err, ERR_MALFORMED);
        cbor_fail(&r, ERR_TOO_LARGE);
        assert_int_equal(cbor_bytes(&r).n, 0);
        assert_err(r.err, ERR_MALFORMED);
}

static void arrays_and_maps_are_written_as_libcbor_does(void **state)
{
        (void)state;
        for (size_t count = 0; count < 300; count += count < 30 ? 1 : 17) {
                cbor_item_t *array = cbor_new_definite_array(count), *map = cbor_new_definite_map(count);
                uint8_t memory[2048];
                struct writer w = writer_make(memory, sizeof memory);

                cbor_put_array(&w, count);
                for (size_t i = 0; i < count; i++) {
                        cbor_put_bool(&w, i % 2);
                        assert_true(cbor_array_push(array, cbor_move(cbor_build_bool(i % 2))));
                }
                assert_other_writes(array, writer_bytes(&w));
                w = writer_make(memory, sizeof memory);
                cbor_put_map(&w, count);
                for (size_t i = 0; i < count; i++) {
                        cbor_put_uint(&w, i);
                        cbor_put_null(&w);
                        assert_true(cbor_map_add(map, (struct cbor_pair){cbor_move(other_uint(i)), cbor_move(cbor_new_null())}));
                }
                assert_ok(writer_err(&w));
                assert_other_writes(map, writer_bytes(&w));
        }
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
                cmocka_unit_test(integers_are_shortest_and_come_back),
                cmocka_unit_test(small_integers_in_line_are_the_same),
                cmocka_unit_test(integers_longer_than_needed_are_taken),
                cmocka_unit_test(small_integers_are_bounded),
                cmocka_unit_test(byte_strings),
                cmocka_unit_test(byte_strings_that_are_refused),
                cmocka_unit_test(fixed_byte_strings_have_their_length),
                cmocka_unit_test(truths_and_null),
                cmocka_unit_test(arrays_and_maps_definite_and_not),
                cmocka_unit_test(arrays_that_are_refused),
                cmocka_unit_test(a_needed_item_is_missed),
                cmocka_unit_test(variants),
                cmocka_unit_test(items_are_passed_over_whole),
                cmocka_unit_test(nesting_is_bounded),
                cmocka_unit_test(many_levels_cost_nothing),
                cmocka_unit_test(the_rest_is_passed_over),
                cmocka_unit_test(the_first_error_stays),
                cmocka_unit_test(arrays_and_maps_are_written_as_libcbor_does),
        };
        return cmocka_run_group_tests(tests, NULL, clear);
}
