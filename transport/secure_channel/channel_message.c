/* The CBOR inside an encrypted message: docs/protocol.md, "Messages".
 *
 * A route here is an array of maps whose values are arrays of small integers. It is turned into the encoding that all of
 * transport/ passes on (BARE) while it is read, and back while it is written, so a message costs one pass either way. */
#include "transport/secure_channel/channel_message.h"

#include "transport/secure_channel/cbor.h"

enum {
        ADDRESS_KEY_TYPE = 1,
        ADDRESS_KEY_VALUE = 2,
        PAYLOAD_HEADS = 4, /* 82 00 81 83: enum, variant, its fields, the struct */
};

static uint64_t count_left(struct cbor_reader r, struct cbor_items items)
{
        uint64_t count = 0;

        while (cbor_more(&r, &items)) {
                cbor_skip(&r);
                count++;
        }
        return count;
}

/* An address's value, written as BARE data. Its length comes first there, so an indefinite array is counted beforehand. */
static void read_value(struct cbor_reader *r, struct writer *w)
{
        struct cbor_items items = cbor_array(r);
        uint64_t n = items.indefinite ? count_left(*r, items) : items.left;

        if (r->err) return;
        bare_put_uint(w, n);
        while (cbor_more(r, &items)) writer_put_u8(w, cbor_u8(r));
}

/* An address, its keys in any order, unknown ones passed over; of a key that comes twice the last counts. */
static void read_address(struct cbor_reader *r, struct writer *w)
{
        struct cbor_items pairs = cbor_map(r);
        size_t start = w->n;
        bool have_type = false, have_value = false;
        uint8_t type = 0;

        writer_put_u8(w, 0);
        while (cbor_more(r, &pairs)) {
                switch (cbor_uint_max(r, UINT32_MAX)) { /* as the crate has keys */
                case ADDRESS_KEY_TYPE:
                        type = cbor_u8(r);
                        have_type = true;
                        break;
                case ADDRESS_KEY_VALUE:
                        if (have_value) w->n = start + 1;
                        read_value(r, w);
                        have_value = true;
                        break;
                default: cbor_skip(r); break;
                }
        }
        if (!(have_type && have_value)) cbor_fail(r, ERR_MALFORMED);
        if (!r->err && !w->full) w->p[start] = type;
}

static struct route read_route(struct cbor_reader *r, struct writer *w, size_t max_hops)
{
        struct cbor_items items = cbor_array(r);
        struct route route = {0, {w->p + w->n, 0}};
        size_t start = w->n;

        while (cbor_more(r, &items)) {
                if (route.count == max_hops) {
                        cbor_fail(r, ERR_TOO_LARGE);
                        break;
                }
                read_address(r, w);
                route.count++;
        }
        route.encoded.n = w->n - start;
        return route;
}

/* The routes' BARE is never longer than their CBOR was, so as much memory as there is input is enough; what is left goes back. */
static void read_payload(struct cbor_reader *r, struct arena *arena, size_t max_hops, struct message *msg)
{
        struct cbor_items fields = cbor_array(r), items;
        size_t cap = cbor_rest(r).n;
        uint8_t *memory = arena_alloc(arena, cap);
        struct writer w = writer_make(memory, cap);

        if (!memory) {
                cbor_fail(r, ERR_FULL);
                return;
        }
        cbor_need(r, &fields);
        items = cbor_array(r);
        cbor_need(r, &items);
        msg->onward = read_route(r, &w, max_hops);
        cbor_need(r, &items);
        msg->ret = read_route(r, &w, max_hops);
        cbor_need(r, &items);
        msg->payload = cbor_bytes(r);
        cbor_skip_rest(r, &items, 1);
        cbor_skip_rest(r, &fields, 1);
        if (w.full) cbor_fail(r, ERR_TOO_LARGE);
        arena_shrink(arena, memory, r->err ? 0 : w.n);
}

/* A whole array, nested as deep as anything that is passed over may be. */
static struct bytes array_span(struct cbor_reader *r)
{
        struct bytes rest = cbor_rest(r);
        struct cbor_reader ahead = *r;

        (void)cbor_array(&ahead);
        if (ahead.err) cbor_fail(r, ahead.err);
        cbor_skip(r);
        return bytes_make(rest.p, rest.n - cbor_rest(r).n);
}

/* [[ChangeHistory, credentials]]. What is inside of both is not for this file; they have to be arrays. */
static void read_credentials(struct cbor_reader *r, struct bytes *history)
{
        struct cbor_items fields = cbor_array(r), items;

        cbor_need(r, &fields);
        items = cbor_array(r);
        cbor_need(r, &items);
        *history = array_span(r);
        cbor_need(r, &items);
        (void)array_span(r);
        cbor_skip_rest(r, &items, 1);
        cbor_skip_rest(r, &fields, 1);
}

enum err channel_message_read(struct bytes in, struct arena *arena, size_t max_hops, struct channel_message *out)
{
        struct cbor_reader r = cbor_reader_make(in);
        uint64_t variant = cbor_variant(&r);
        struct channel_message message = {.kind = CHANNEL_MESSAGE_CLOSE};

        if (r.err) return r.err;
        switch (variant) {
        case CHANNEL_MESSAGE_PAYLOAD:
                message.kind = CHANNEL_MESSAGE_PAYLOAD;
                read_payload(&r, arena, max_hops, &message.msg);
                break;
        case CHANNEL_MESSAGE_CREDENTIALS:
                message.kind = CHANNEL_MESSAGE_CREDENTIALS;
                read_credentials(&r, &message.history);
                break;
        case CHANNEL_MESSAGE_CLOSE: cbor_skip(&r); break; /* its fields, whatever they are */
        default: return ERR_MALFORMED;
        }
        if (!r.err) *out = message;
        return r.err;
}

static size_t address_cbor_size(struct address address)
{
        size_t size = 1 + 1 + cbor_head_size(address.type) + 1 + cbor_head_size(address.value.n);

        for (size_t i = 0; i < address.value.n; i++) size += cbor_head_size(address.value.p[i]);
        return size;
}

static size_t route_cbor_size(struct route route)
{
        size_t size = cbor_head_size(route.count);
        struct address address;

        for (; route_front(route, &address); route = route_rest(route)) size += address_cbor_size(address);
        return size;
}

size_t channel_payload_size(const struct message *msg)
{
        return PAYLOAD_HEADS + route_cbor_size(msg->onward) + route_cbor_size(msg->ret) + cbor_head_size(msg->payload.n) + msg->payload.n;
}

static void put_address(struct writer *w, struct address address)
{
        cbor_put_map(w, 2);
        cbor_put_uint(w, ADDRESS_KEY_TYPE);
        cbor_put_u8(w, address.type);
        cbor_put_uint(w, ADDRESS_KEY_VALUE);
        cbor_put_array(w, address.value.n);
        for (size_t i = 0; i < address.value.n; i++) cbor_put_u8(w, address.value.p[i]);
}

static void put_route(struct writer *w, struct route route)
{
        struct address address;

        cbor_put_array(w, route.count);
        for (; route_front(route, &address); route = route_rest(route)) put_address(w, address);
}

void channel_payload_put(struct writer *w, const struct message *msg)
{
        cbor_put_array(w, 2);
        cbor_put_uint(w, CHANNEL_MESSAGE_PAYLOAD);
        cbor_put_array(w, 1);
        cbor_put_array(w, 3);
        put_route(w, msg->onward);
        put_route(w, msg->ret);
        cbor_put_bytes(w, msg->payload);
}

void channel_close_put(struct writer *w)
{
        cbor_put_array(w, 2);
        cbor_put_uint(w, CHANNEL_MESSAGE_CLOSE);
        cbor_put_array(w, 0);
}
