/* Stream requests: decode, encode, decode. */
#include "stream/protocol.h"
#include "tests/fuzz/fuzz.h"

enum { AROUND = 64 };

/* Ids are echoed as numbers: what was longer than needed comes back in the shortest form. */
static bool same_id(struct request_id a, struct request_id b)
{
        size_t n = a.raw.n > b.raw.n ? a.raw.n : b.raw.n;

        for (size_t i = 0; i < n; i++) {
                uint8_t of_a = i < a.raw.n ? a.raw.p[i] & 0x7f : 0, of_b = i < b.raw.n ? b.raw.p[i] & 0x7f : 0;

                if (of_a != of_b) return false;
        }
        return true;
}

static void check_index(const struct stream_index_request *a, const struct stream_index_request *b)
{
        fuzz_require(a->kind == b->kind && bytes_equal(a->client_id, b->client_id) && bytes_equal(a->stream_name, b->stream_name));
        fuzz_require(a->partitioned == b->partitioned && a->partition == b->partition);
        fuzz_require(a->kind != STREAM_INDEX_SAVE || a->index == b->index);
}

static void check_same(const struct stream_request *a, const struct stream_request *b)
{
        fuzz_require(a->protocol == b->protocol);
        switch (a->protocol) {
        case STREAM_CREATE:
        case STREAM_CREATE_PARTITIONED:
                fuzz_require(a->create.named == b->create.named && bytes_equal(a->create.name, b->create.name));
                fuzz_require(a->create.partitioned == b->create.partitioned && a->create.partitions == b->create.partitions);
                break;
        case STREAM_PUSH:
                fuzz_require(same_id(a->push.id, b->push.id) && bytes_equal(a->push.data, b->push.data));
                break;
        case STREAM_PULL:
                fuzz_require(same_id(a->pull.id, b->pull.id));
                fuzz_require(a->pull.index == b->pull.index && a->pull.limit == b->pull.limit);
                break;
        case STREAM_INDEX:
        case STREAM_INDEX_PARTITIONED: check_index(&a->index, &b->index); break;
        default: fuzz_failed("a request of a protocol that has none", __FILE__, __LINE__);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct stream_request request, again;
        uint8_t *memory;
        struct writer w;

        if (stream_request_read(bytes_make(data, size), &request) != OK) return 0;
        memory = fuzz_memory(size + AROUND);
        w = writer_make(memory, size + AROUND);
        stream_put_request(&w, &request);
        fuzz_require(!w.full && stream_request_read(writer_bytes(&w), &again) == OK);
        check_same(&again, &request);
        free(memory);
        return 0;
}
