/* CBOR: whatever is passed over has an end; what is of the kinds that we write comes back in the shortest form, for good. */
#include "tests/fuzz/fuzz.h"
#include "transport/secure_channel/cbor.h"

/* Copies one item in the shortest form. False: of a kind that is never written, or nested too deep. Nested as deep as cbor_skip
 * goes, which has passed over the item before. */
static bool copy_item(struct cbor_reader *r, struct writer *w, unsigned depth);

static bool copy_items(struct cbor_reader *r, struct writer *w, unsigned depth, bool map)
{
        struct cbor_items items = map ? cbor_map(r) : cbor_array(r), counting = items;
        struct cbor_reader ahead = *r;
        uint64_t count = 0;

        for (; cbor_more(&ahead, &counting); count++) {
                cbor_skip(&ahead);
                if (map) cbor_skip(&ahead);
        }
        if (map) cbor_put_map(w, count);
        else cbor_put_array(w, count);
        while (cbor_more(r, &items))
                if (!copy_item(r, w, depth + 1) || (map && !copy_item(r, w, depth + 1))) return false;
        return true;
}

static bool copy_item(struct cbor_reader *r, struct writer *w, unsigned depth)
{
        uint8_t first = r->p < r->end ? *r->p : 0;

        if (depth > CBOR_DEPTH_MAX) return false;
        switch (first >> 5) {
        case 0: cbor_put_uint(w, cbor_uint(r)); break;
        case 2:
                if (first == 0x5f) return false;
                cbor_put_bytes(w, cbor_bytes(r));
                break;
        case 4:
        case 5: return copy_items(r, w, depth, first >> 5 == 5) && !r->err;
        case 7:
                if (first == 0xf6) cbor_put_null(w), (void)cbor_take_null(r);
                else if (first == 0xf4 || first == 0xf5) cbor_put_bool(w, cbor_bool(r));
                else return false;
                break;
        default: return false;
        }
        return !r->err;
}

static bool copy(struct bytes in, struct writer *w)
{
        struct cbor_reader r = cbor_reader_make(in);

        return copy_item(&r, w, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct cbor_reader r = cbor_reader_make(bytes_make(data, size)), again;
        /* An indefinite array of many items becomes a few bytes longer. */
        size_t cap = 2 * size + 8;
        uint8_t *once = fuzz_memory(cap), *twice = fuzz_memory(cap);
        struct writer first = writer_make(once, cap), second = writer_make(twice, cap);
        size_t used;

        cbor_skip(&r);
        used = size - cbor_rest(&r).n;
        fuzz_require(used <= size && (r.err || used > 0));
        if (!r.err && copy(bytes_make(data, used), &first)) {
                fuzz_require(!first.full);
                again = cbor_reader_make(writer_bytes(&first));
                cbor_skip(&again);
                fuzz_require(!again.err && cbor_rest(&again).n == 0);
                fuzz_require(copy(writer_bytes(&first), &second));
                fuzz_require(bytes_equal(writer_bytes(&first), writer_bytes(&second)));
        }
        if (!r.err && used > 1) { /* one byte less is one item less */
                again = cbor_reader_make(bytes_make(data, used - 1));
                cbor_skip(&again);
                fuzz_require(again.err == ERR_TRUNCATED);
        }
        free(once);
        free(twice);
        return 0;
}
