/* msgpack as our files and invitations use it: what the cursor takes msgpack-c takes as well and finds the same in it, and what is written
 * of it is read again. */
#include "tests/fuzz/fuzz.h"
#include "transport/base/pack.h"

/* msgpack-c's decoder allocates by what is announced, so it is given whole values and heads of arrays only. */
static void check_same(struct bytes in, msgpack_object_type type, uint64_t number, struct bytes raw)
{
        msgpack_unpacked result;
        size_t used = 0;

        msgpack_unpacked_init(&result);
        fuzz_require(msgpack_unpack_next(&result, (const char *)in.p, in.n, &used) == MSGPACK_UNPACK_SUCCESS && used == in.n);
        fuzz_require(result.data.type == type);
        if (type == MSGPACK_OBJECT_POSITIVE_INTEGER)
                fuzz_require(result.data.via.u64 == number);
        else if (type == MSGPACK_OBJECT_BIN)
                fuzz_require(bytes_equal(bytes_make(result.data.via.bin.ptr, result.data.via.bin.size), raw));
        else
                fuzz_require(bytes_equal(bytes_make(result.data.via.str.ptr, result.data.via.str.size), raw));
        msgpack_unpacked_destroy(&result);
}

/* One value of the kind that its first byte says, or of a wrong one. False: the end. */
static bool copy_value(struct pack_reader *r, msgpack_packer *pk, uint8_t shift)
{
        const uint8_t *begin = r->p;
        const uint8_t first = r->p < r->end ? (uint8_t)(*r->p + shift) : 0;
        struct bytes raw = BYTES_NONE;
        uint64_t number = 0;

        if (first <= 0x7f || (first >= 0xcc && first <= 0xcf)) {
                number = pack_uint(r);
                if (r->err) return false;
                msgpack_pack_uint64(pk, number);
                check_same(bytes_make(begin, (size_t)(r->p - begin)), MSGPACK_OBJECT_POSITIVE_INTEGER, number, raw);
        } else if (first >= 0xc4 && first <= 0xc6) {
                raw = pack_bin(r);
                if (r->err) return false;
                pack_put_bin(pk, raw);
                check_same(bytes_make(begin, (size_t)(r->p - begin)), MSGPACK_OBJECT_BIN, 0, raw);
        } else if ((first & 0xf0) == 0x90 || first == 0xdc || first == 0xdd) {
                size_t count = pack_array(r);

                if (r->err) return false;
                fuzz_require(count <= (size_t)(r->end - r->p));
                msgpack_pack_array(pk, count);
        } else {
                raw = pack_str(r);
                if (r->err) return false;
                fuzz_require(bytes_are_utf8(raw));
                pack_put_str(pk, raw);
                check_same(bytes_make(begin, (size_t)(r->p - begin)), MSGPACK_OBJECT_STR, 0, raw);
        }
        return true;
}

static enum err copy(struct bytes in, uint8_t shift, struct writer *w)
{
        struct pack_reader r = pack_reader_make(in);
        msgpack_packer pk = pack_into(w);

        while (r.p < r.end && copy_value(&r, &pk, shift)) {}
        return pack_end(&r);
}

/* The first byte moves the kinds: what is asked for is then not what is there. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        uint8_t *once, *twice;
        struct writer first, second;
        enum err err;

        if (size == 0) return 0;
        once = fuzz_memory(size);
        twice = fuzz_memory(size);
        first = writer_make(once, size);
        second = writer_make(twice, size);
        err = copy(bytes_make(data + 1, size - 1), data[0], &first);
        fuzz_require(!first.full && err != ERR_TRAILING); /* the shortest form is no longer than what was read */
        if (!err) {
                /* An array's items are not counted here, so it can announce more of them than the shortest forms have bytes. */
                err = copy(writer_bytes(&first), 0, &second);
                fuzz_require(err == OK || err == ERR_TRUNCATED);
                fuzz_require(second.n <= first.n && memcmp(once, twice, second.n) == 0 && (err || second.n == first.n));
        }
        free(once);
        free(twice);
        return 0;
}
