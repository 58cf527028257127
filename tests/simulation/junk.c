/* Junk; see the header. */
#include "tests/simulation/junk.h"

#include "transport/message.h"

#include <stdlib.h>

static struct bytes random_bytes(struct world *world, uint8_t *memory, size_t n)
{
        context_random(world_context(world), memory, n);
        return bytes_make(memory, n);
}

/* A message along addresses, the last of `hops` being the way back. */
static struct bytes message(const struct bytes *onward, size_t count, struct bytes back, struct bytes payload, uint8_t *memory, size_t cap)
{
        uint8_t to[1024], from[128];
        struct writer onward_w = writer_make(to, sizeof to), back_w = writer_make(from, sizeof from), w = writer_make(memory, cap);
        struct message msg = {.payload = payload};

        for (size_t i = 0; i < count; i++)
                address_put(&onward_w, address_local(onward[i]));
        address_put(&back_w, address_local(back));
        msg.onward = (struct route){count, writer_bytes(&onward_w)};
        msg.ret = (struct route){1, writer_bytes(&back_w)};
        message_put(&w, &msg);
        if (onward_w.full || back_w.full || w.full) abort();
        return writer_bytes(&w);
}

struct bytes junk_handshake(struct world *world, uint8_t memory[static JUNK_MAX])
{
        uint8_t text[64], data[40], address[16];
        struct writer w = writer_make(data, sizeof data);
        const struct bytes listener = BYTES_LITERAL("listener");

        bare_put_data(&w, random_bytes(world, text, 32));
        return message(&listener, 1, random_bytes(world, address, sizeof address), writer_bytes(&w), memory, JUNK_MAX);
}

/* What an eavesdropper without keys sends to the application, straight or past a channel, or to a listener. */
static struct bytes plaintext(struct world *world, uint8_t *memory)
{
        static const struct bytes workers[] = {BYTES_LITERAL("echoer"), BYTES_LITERAL("app"), BYTES_LITERAL("listener"),
                                               BYTES_LITERAL("stream_kafka"), BYTES_LITERAL("nobody")};
        struct bytes hops[8], to = workers[world_choose(world, 5)], from = workers[world_choose(world, 5)];
        const size_t count = 1 + world_choose(world, 8);
        uint8_t payload[64];

        for (size_t i = 0; i < count; i++)
                hops[i] = world_choose(world, 4) ? to : workers[world_choose(world, 5)];
        return message(hops, count, from, random_bytes(world, payload, world_choose(world, sizeof payload)), memory, JUNK_MAX);
}

/* Another number before the ciphertext, or another hop behind the channel's address. */
static struct bytes change_message(struct world *world, struct bytes copy, uint8_t *memory)
{
        struct message msg;
        struct bare_reader r;
        struct bytes sealed;
        uint8_t *nonce;

        if (message_read(copy, 16, &msg)) return copy;
        r = bare_reader_make(msg.payload);
        sealed = bare_data(&r);
        if (r.err || sealed.n < 8) return copy;
        nonce = memory + (sealed.p - copy.p);
        switch (world_choose(world, 3)) {
        case 0:
                memset(nonce, 0xff, 8);
                break;
        case 1:
                context_random(world_context(world), nonce, 8);
                break;
        case 2:
                nonce[7] = (uint8_t)(nonce[7] + 1 + world_choose(world, 64));
                break;
        }
        return copy;
}

struct bytes junk_replay(struct world *world, uint8_t memory[static JUNK_MAX])
{
        const char *name = world_choose(world, 2) ? WORLD_ALICE_TO_BOB : WORLD_BOB_TO_ALICE;
        const struct log_record *records;
        struct bytes copy;
        size_t count, n, recent;

        if (world_records(world, name, &records, &count) || count == 0) return junk_handshake(world, memory);
        recent = world_choose(world, 2) && count > 40 ? 40 : count;
        copy = records[count - 1 - world_choose(world, recent)].data;
        if (copy.n == 0 || copy.n > JUNK_PUSH_MAX) return junk_handshake(world, memory);
        memcpy(memory, copy.p, n = copy.n);
        copy = bytes_make(memory, n);
        switch (world_choose(world, 6)) {
        case 0:
                memory[world_choose(world, n)] ^= (uint8_t)(1u << world_choose(world, 8));
                break;
        case 1:
                copy.n = 1 + world_choose(world, n);
                break;
        case 2:
                return change_message(world, copy, memory);
        default:
                break; /* as it was */
        }
        return copy;
}

struct bytes junk_make(struct world *world, const char *name, bool any_size, uint8_t memory[static JUNK_MAX])
{
        (void)name;
        switch (world_choose(world, 16)) {
        case 0:
                return BYTES_NONE;
        case 1:
                return random_bytes(world, memory, any_size ? 65423 + world_choose(world, JUNK_MAX - 65423) : JUNK_PUSH_MAX);
        case 2:
        case 3:
        case 4:
                return random_bytes(world, memory, 1 + world_choose(world, 200));
        case 5:
        case 6:
                return junk_handshake(world, memory);
        case 7:
        case 8:
        case 9:
                return plaintext(world, memory);
        default:
                return junk_replay(world, memory);
        }
}
