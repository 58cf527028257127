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
