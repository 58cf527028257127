/* The transport message: docs/protocol.md, "Transport message". */
#include "transport/message.h"

enum err message_read(struct bytes in, size_t max_hops, struct message *out)
{
        struct bare_reader r = bare_reader_make(in);
        struct message msg;

        (void)bare_u8(&r); /* the version */
        msg.onward = route_read(&r, max_hops);
        msg.ret = route_read(&r, max_hops);
        msg.payload = bare_data(&r);
        if (r.err) return r.err;
        *out = msg;
        return OK;
}

enum { WIDE_TYPE_MAX = 127 };

static struct route wide_route_read(struct bare_reader *r, size_t max_hops, struct arena *arena)
{
        uint64_t count = bare_uint(r);
        size_t cap = bare_rest(r).n; /* an address is never longer in its usual form */
        uint8_t *memory = r->err ? NULL : arena_alloc(arena, cap);
        struct writer w = writer_make(memory, cap);

        if (!r->err && !memory) r->err = ERR_FULL;
        if (!r->err && count > max_hops) r->err = ERR_TOO_LARGE;
        for (uint64_t i = 0; i < count && !r->err; i++) {
                uint64_t type = bare_uint(r);
                struct bytes value = bare_data(r);

                if (!r->err && type > WIDE_TYPE_MAX) r->err = ERR_MALFORMED;
                else if (!r->err) address_put(&w, (struct address){(uint8_t)type, value});
        }
        if (memory) arena_shrink(arena, memory, w.n);
        return r->err ? ROUTE_EMPTY : (struct route){(size_t)count, writer_bytes(&w)};
}

enum err message_read_wide(struct bytes in, size_t max_hops, struct arena *arena, struct message *out)
{
        struct bare_reader r = bare_reader_make(in);
        struct message msg;

        (void)bare_u8(&r); /* the version */
        msg.onward = wide_route_read(&r, max_hops, arena);
        msg.ret = wide_route_read(&r, max_hops, arena);
        msg.payload = bare_data(&r);
        if (r.err) return r.err;
        *out = msg;
        return OK;
}

size_t message_head_size(const struct message *msg)
{
        return 1 + route_size(msg->onward) + route_size(msg->ret) + bare_uint_size(msg->payload.n);
}

size_t message_size(const struct message *msg)
{
        return message_head_size(msg) + msg->payload.n;
}

void message_put_head(struct writer *w, const struct message *msg)
{
        writer_put_u8(w, MESSAGE_VERSION);
        route_put(w, msg->onward);
        route_put(w, msg->ret);
        bare_put_uint(w, msg->payload.n);
}

void message_put(struct writer *w, const struct message *msg)
{
        message_put_head(w, msg);
        writer_put(w, msg->payload.p, msg->payload.n);
}
