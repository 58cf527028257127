/* Stream responses: decode, encode, decode; a pull's messages one by one. */
#include "stream/protocol.h"
#include "tests/fuzz/fuzz.h"
#include "transport/wire.h"

enum { AROUND = 64 };

static size_t messages_size(struct bytes messages, uint64_t count)
{
        struct stream_message message;
        size_t size = 0;

        for (; stream_message_next(&messages, &message); count--) size += stream_pulled_message_size(message.index, message.data.n);
        fuzz_require(count == 0);
        return size;
}

static void put_pulled(struct writer *w, struct request_id id, uint64_t count, struct bytes messages)
{
        size_t size = messages_size(messages, count);
        struct stream_message message;

        stream_put_pulled_head(w, id, count, size);
        while (stream_message_next(&messages, &message)) stream_put_pulled_message(w, message.index, message.data);
        fuzz_require(w->full || w->n == stream_pulled_size(id, count, size));
}

/* False: a text that no function of ours writes. */
static bool put(struct writer *w, const struct stream_response *response)
{
        uint8_t memory[UINT_SIZE_MAX];
        char reason[256];
        struct stream_index_request index;

        switch (response->protocol) {
        case STREAM_CREATE:
        case STREAM_CREATE_PARTITIONED:
                stream_put_created(w, response->create.name, response->create.partitioned, response->create.partition);
                return true;
        case STREAM_PUSH:
                stream_put_pushed(w, request_id_of(response->push.id, memory), response->push.failed, response->push.index);
                return true;
        case STREAM_PULL:
                put_pulled(w, request_id_of(response->pull.id, memory), response->pull.count, response->pull.messages);
                return true;
        case STREAM_INDEX:
        case STREAM_INDEX_PARTITIONED:
                index = (struct stream_index_request){.client_id = response->index.client_id, .stream_name = response->index.stream_name,
                                                      .partitioned = response->index.partitioned, .partition = response->index.partition};
                stream_put_index(w, &index, response->index.present, response->index.index);
                return true;
        case STREAM_ERROR:
                if (response->error.reason.n >= sizeof reason) return false;
                if (response->error.reason.n) memcpy(reason, response->error.reason.p, response->error.reason.n);
                reason[response->error.reason.n] = '\0';
                stream_put_error(w, reason);
                return strlen(reason) == response->error.reason.n;
        default: fuzz_failed("a response of no protocol", __FILE__, __LINE__);
        }
}

static void check_same_messages(struct bytes a, struct bytes b)
{
        struct stream_message of_a, of_b;

        while (stream_message_next(&a, &of_a)) {
                fuzz_require(stream_message_next(&b, &of_b));
                fuzz_require(of_a.index == of_b.index && bytes_equal(of_a.data, of_b.data));
        }
        fuzz_require(!stream_message_next(&b, &of_b));
}

static void check_same(const struct stream_response *a, const struct stream_response *b)
{
        fuzz_require(a->protocol == b->protocol);
        switch (a->protocol) {
        case STREAM_CREATE:
        case STREAM_CREATE_PARTITIONED:
                fuzz_require(bytes_equal(a->create.name, b->create.name) && a->create.partitioned == b->create.partitioned);
                fuzz_require(a->create.partition == b->create.partition);
                break;
        case STREAM_PUSH:
                fuzz_require(a->push.id == b->push.id && a->push.failed == b->push.failed && a->push.index == b->push.index);
                break;
        case STREAM_PULL:
                fuzz_require(a->pull.id == b->pull.id && a->pull.count == b->pull.count);
                check_same_messages(a->pull.messages, b->pull.messages);
                break;
        case STREAM_INDEX:
        case STREAM_INDEX_PARTITIONED:
                fuzz_require(bytes_equal(a->index.client_id, b->index.client_id) && bytes_equal(a->index.stream_name, b->index.stream_name));
                fuzz_require(a->index.partitioned == b->index.partitioned && a->index.partition == b->index.partition);
                fuzz_require(a->index.present == b->index.present && (!a->index.present || a->index.index == b->index.index));
                break;
        case STREAM_ERROR: fuzz_require(bytes_equal(a->error.reason, b->error.reason)); break;
        default: fuzz_failed("a response of no protocol", __FILE__, __LINE__);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct stream_response response, again;
        uint8_t *memory;
        struct writer w;

        if (stream_response_read(bytes_make(data, size), &response) != OK) return 0;
        memory = fuzz_memory(size + AROUND);
        w = writer_make(memory, size + AROUND);
        if (put(&w, &response)) {
                fuzz_require(!w.full && stream_response_read(writer_bytes(&w), &again) == OK);
                check_same(&again, &response);
        }
        free(memory);
        return 0;
}
