/* Messages inside a secure channel: decode, encode, decode. */
#include "tests/fuzz/fuzz.h"
#include "transport/secure_channel/cbor.h"
#include "transport/secure_channel/channel_message.h"

enum { HOPS = 256, ARENA = 1 << 20 };

static void check_route(struct route a, struct route b)
{
        fuzz_require(a.count <= HOPS && a.count == b.count && bytes_equal(a.encoded, b.encoded));
}

static void check_payload(const struct message *msg, struct arena *arena)
{
        size_t size = channel_payload_size(msg);
        uint8_t *memory = fuzz_memory(size);
        struct writer w = writer_make(memory, size);
        struct channel_message again;

        channel_payload_put(&w, msg);
        fuzz_require(!w.full && w.n == size);
        fuzz_require(channel_message_read(writer_bytes(&w), arena, HOPS, &again) == OK);
        fuzz_require(again.kind == CHANNEL_MESSAGE_PAYLOAD);
        check_route(again.msg.onward, msg->onward);
        check_route(again.msg.ret, msg->ret);
        fuzz_require(bytes_equal(again.msg.payload, msg->payload));
        free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct arena arena = {.limit = ARENA};
        struct channel_message got;
        struct cbor_reader r;

        if (channel_message_read(bytes_make(data, size), &arena, HOPS, &got) == OK) {
                switch (got.kind) {
                case CHANNEL_MESSAGE_PAYLOAD: check_payload(&got.msg, &arena); break;
                case CHANNEL_MESSAGE_CREDENTIALS:
                        fuzz_require(got.history.p >= data && got.history.n <= size && got.history.p + got.history.n <= data + size);
                        r = cbor_reader_make(got.history);
                        cbor_skip(&r);
                        fuzz_require(!r.err && cbor_rest(&r).n == 0);
                        break;
                case CHANNEL_MESSAGE_CLOSE: break;
                default: fuzz_failed("a message of no kind", __FILE__, __LINE__);
                }
        }
        arena_reset(&arena);
        return 0;
}
