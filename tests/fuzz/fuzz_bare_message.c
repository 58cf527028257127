/* Transport messages: decode, encode, decode; and what a router does to their routes. */
#include "tests/fuzz/fuzz.h"
#include "transport/message.h"

enum { HOPS = 256, ARENA = 1 << 20 };

static void check_same(const struct message *a, const struct message *b)
{
        fuzz_require(a->onward.count == b->onward.count && bytes_equal(a->onward.encoded, b->onward.encoded));
        fuzz_require(a->ret.count == b->ret.count && bytes_equal(a->ret.encoded, b->ret.encoded));
        fuzz_require(bytes_equal(a->payload, b->payload));
}

/* Taken apart address by address, and put together again. */
static void check_route(struct route route, struct arena *arena)
{
        size_t count = 0, size = 0;
        struct address address;
        struct route rest = route, again;

        for (; route_front(rest, &address); rest = route_rest(rest)) {
                size += address_size(address);
                fuzz_require(++count <= HOPS);
        }
        /* The encoding may be longer than needed: lengths are taken as they come. */
        fuzz_require(count == route.count && size <= route.encoded.n);
        if (!route_front(route, &address)) return;
        fuzz_require(route_prepend(arena, address, route_rest(route), &again) == OK);
        fuzz_require(again.count == route.count);
        fuzz_require(bytes_equal(route_rest(again).encoded, route_rest(route).encoded));
}

/* Routes that a message goes on with: another one behind, a copy that outlives it. */
static void check_other_routes(const struct message *msg, struct arena *arena)
{
        struct route both;
        struct route_copy copy;
        char text[64];

        fuzz_require(route_concat(arena, msg->onward, msg->ret, &both) == OK && both.count == msg->onward.count + msg->ret.count);
        fuzz_require(both.encoded.n == msg->onward.encoded.n + msg->ret.encoded.n);
        fuzz_require(route_copy(msg->ret, &copy) == OK && bytes_equal(copy.route.encoded, msg->ret.encoded));
        route_copy_clear(&copy);
        for (size_t cap = 1; cap <= sizeof text; cap += 21) fuzz_require(strlen(route_text(both, text, cap)) < cap);
}

/* Encoded and decoded it is the same again. */
static void check_again(const struct message *msg, size_t size)
{
        size_t cap = message_size(msg);
        uint8_t *memory = fuzz_memory(cap);
        struct writer w = writer_make(memory, cap);
        struct message again;

        message_put(&w, msg);
        fuzz_require(!w.full && w.n == cap && cap <= size);
        fuzz_require(message_read(writer_bytes(&w), HOPS, &again) == OK);
        check_same(&again, msg);
        free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct arena arena = {.limit = ARENA};
        struct message msg, wide;

        if (message_read(bytes_make(data, size), HOPS, &msg) == OK) {
                check_route(msg.onward, &arena);
                check_route(msg.ret, &arena);
                check_other_routes(&msg, &arena);
                check_again(&msg, size);
        }
        if (message_read_wide(bytes_make(data, size), HOPS, &arena, &wide) == OK) check_again(&wide, size);
        arena_reset(&arena);
        return 0;
}
