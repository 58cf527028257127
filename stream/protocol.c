/* The stream messages: one row for each protocol, with its name and its readers; writers that know their sizes beforehand,
 * since each message lies in a wrapper that begins with its length. docs/protocol.md, "Streams". */
#include "stream/protocol.h"

#include "transport/wire.h"

#include <assert.h>

static const struct protocol {
        const char *name;
        void (*read_request)(struct bare_reader *r, struct stream_request *out); /* NULL: there is none */
        void (*put_request)(struct writer *w, const struct stream_request *request);
        void (*read_response)(struct bare_reader *r, struct stream_response *out);
} protocols[STREAM_PROTOCOL_COUNT];

static void read_create(struct bare_reader *r, struct stream_request *out)
{
        struct stream_create_request *create = &out->create;

        create->named = bare_present(r);
        /* A name that is not UTF-8 is a bad name, not a bad message: whoever asked is told what is wrong. */
        create->name = create->named ? bare_data(r) : BYTES_NONE;
        create->partitioned = out->protocol == STREAM_CREATE_PARTITIONED;
        create->partitions = create->partitioned ? bare_uint(r) : 1;
}

static void read_push(struct bare_reader *r, struct stream_request *out)
{
        out->push.id.raw = bare_uint_raw(r, REQUEST_ID_MAX);
        out->push.data = bare_data(r);
}

static void read_pull(struct bare_reader *r, struct stream_request *out)
{
        out->pull.id.raw = bare_uint_raw(r, REQUEST_ID_MAX);
        out->pull.index = bare_uint(r);
        out->pull.limit = bare_uint(r);
}

static void read_index(struct bare_reader *r, struct stream_request *out)
{
        struct stream_index_request *index = &out->index;
        uint64_t tag = bare_uint(r);

        if (!r->err && tag > STREAM_INDEX_SAVE) r->err = ERR_MALFORMED;
        index->kind = tag == STREAM_INDEX_SAVE ? STREAM_INDEX_SAVE : STREAM_INDEX_GET;
        index->client_id = bare_string(r);
        index->stream_name = bare_string(r);
        index->partitioned = out->protocol == STREAM_INDEX_PARTITIONED;
        index->partition = index->partitioned ? bare_uint(r) : 0;
        index->index = index->kind == STREAM_INDEX_SAVE ? bare_uint(r) : 0;
}

static void read_created(struct bare_reader *r, struct stream_response *out)
{
        out->create.name = bare_string(r);
        out->create.partitioned = out->protocol == STREAM_CREATE_PARTITIONED;
        out->create.partition = out->create.partitioned ? bare_uint(r) : 0;
}

static void read_pushed(struct bare_reader *r, struct stream_response *out)
{
        out->push.id = bare_uint(r);
        uint64_t status = bare_uint(r);
        if (!r->err && status > 1) r->err = ERR_MALFORMED;
        out->push.failed = status != 0;
        out->push.index = bare_uint(r);
}

static void read_message(struct bare_reader *r, struct stream_message *out)
{
        out->index = bare_uint(r);
        out->data = bare_data(r);
}

static void read_pulled(struct bare_reader *r, struct stream_response *out)
{
        out->pull.id = bare_uint(r);
        out->pull.count = bare_uint(r);
        out->pull.messages = bare_rest(r);
        for (uint64_t i = 0; i < out->pull.count && !r->err; i++) {
                struct stream_message message;
                read_message(r, &message);
        }
        out->pull.messages.n -= bare_rest(r).n;
}

static void read_indexed(struct bare_reader *r, struct stream_response *out)
{
        out->index.client_id = bare_string(r);
        out->index.stream_name = bare_string(r);
        out->index.partitioned = out->protocol == STREAM_INDEX_PARTITIONED;
        out->index.partition = out->index.partitioned ? bare_uint(r) : 0;
        out->index.present = bare_present(r);
        out->index.index = out->index.present ? bare_uint(r) : 0;
}

static void read_error(struct bare_reader *r, struct stream_response *out)
{
        out->error.reason = bare_string(r);
}

/* Takes the wrapper off: which protocol, and the message in it. */
static enum err wrapper_read(struct bytes payload, enum stream_protocol *protocol, struct bytes *body)
{
        struct bare_reader r = bare_reader_make(payload);
        struct bytes name = bare_string(&r);
        struct bytes data = bare_data(&r);
        enum err err = bare_end(&r);

        if (err) return err;
        for (int i = 0; i < STREAM_PROTOCOL_COUNT; i++) {
                if (!bytes_equal(name, bytes_of_text(protocols[i].name))) continue;
                *protocol = (enum stream_protocol)i;
                *body = data;
                return OK;
        }
        return ERR_MALFORMED;
}

enum err stream_request_read(struct bytes payload, struct stream_request *out)
{
        struct stream_request request = {0};
        struct bytes body;
        enum err err = wrapper_read(payload, &request.protocol, &body);

        if (err) return err;
        if (!protocols[request.protocol].read_request) return ERR_MALFORMED;
        struct bare_reader r = bare_reader_make(body);
        protocols[request.protocol].read_request(&r, &request);
        if ((err = bare_end(&r))) return err;
        *out = request;
        return OK;
}

enum err stream_response_read(struct bytes payload, struct stream_response *out)
{
        struct stream_response response = {0};
        struct bytes body;
        enum err err = wrapper_read(payload, &response.protocol, &body);

        if (err) return err;
        struct bare_reader r = bare_reader_make(body);
        protocols[response.protocol].read_response(&r, &response);
        if ((err = bare_end(&r))) return err;
        *out = response;
        return OK;
}

bool stream_message_next(struct bytes *messages, struct stream_message *out)
{
        struct stream_message message;
        struct bare_reader r = bare_reader_make(*messages);

        if (messages->n == 0) return false;
        read_message(&r, &message);
        assert(!r.err);
        *messages = bare_rest(&r);
        *out = message;
        return true;
}

/* --- writing ------------------------------------------------------------------------------------------------------- */

/* The bytes of an id that count: groups of zero at its end say nothing and are not sent. */
static size_t id_size(struct request_id id)
{
        size_t n = id.raw.n;

        while (n > 1 && (id.raw.p[n - 1] & 0x7f) == 0) n--;
        return n;
}

static void put_id(struct writer *w, struct request_id id)
{
        size_t n = id_size(id);

        assert(n > 0);
        writer_put(w, id.raw.p, n - 1);
        writer_put_u8(w, id.raw.p[n - 1] & 0x7f);
}

static size_t wrapper_size(enum stream_protocol protocol, size_t body)
{
        return bare_data_size(strlen(protocols[protocol].name)) + bare_data_size(body);
}

static void put_wrapper(struct writer *w, enum stream_protocol protocol, size_t body)
{
        bare_put_string(w, bytes_of_text(protocols[protocol].name));
        bare_put_uint(w, body);
}

static void put_create(struct writer *w, const struct stream_request *request)
{
        const struct stream_create_request *create = &request->create;
        bool partitioned = request->protocol == STREAM_CREATE_PARTITIONED;
        size_t body = 1 + (create->named ? bare_data_size(create->name.n) : 0) + (partitioned ? bare_uint_size(create->partitions) : 0);

        put_wrapper(w, request->protocol, body);
        writer_put_u8(w, create->named);
        if (create->named) bare_put_string(w, create->name);
        if (partitioned) bare_put_uint(w, create->partitions);
}

static void put_push(struct writer *w, const struct stream_request *request)
{
        put_wrapper(w, STREAM_PUSH, id_size(request->push.id) + bare_data_size(request->push.data.n));
        put_id(w, request->push.id);
        bare_put_data(w, request->push.data);
}

static void put_pull(struct writer *w, const struct stream_request *request)
{
        const struct stream_pull_request *pull = &request->pull;

        put_wrapper(w, STREAM_PULL, id_size(pull->id) + bare_uint_size(pull->index) + bare_uint_size(pull->limit));
        put_id(w, pull->id);
        bare_put_uint(w, pull->index);
        bare_put_uint(w, pull->limit);
}

/* Client, stream and, in the partitioned form, the partition: what request and answer have in common. */
static size_t index_key_size(const struct stream_index_request *index)
{
        return bare_data_size(index->client_id.n) + bare_data_size(index->stream_name.n) +
               (index->partitioned ? bare_uint_size(index->partition) : 0);
}

static void put_index_key(struct writer *w, const struct stream_index_request *index)
{
        bare_put_string(w, index->client_id);
        bare_put_string(w, index->stream_name);
        if (index->partitioned) bare_put_uint(w, index->partition);
}

static enum stream_protocol index_protocol(const struct stream_index_request *index)
{
        return index->partitioned ? STREAM_INDEX_PARTITIONED : STREAM_INDEX;
}

static void put_index_request(struct writer *w, const struct stream_request *request)
{
        const struct stream_index_request *index = &request->index;
        bool save = index->kind == STREAM_INDEX_SAVE;

        put_wrapper(w, index_protocol(index), 1 + index_key_size(index) + (save ? bare_uint_size(index->index) : 0));
        writer_put_u8(w, (uint8_t)index->kind);
        put_index_key(w, index);
        if (save) bare_put_uint(w, index->index);
}

static const struct protocol protocols[STREAM_PROTOCOL_COUNT] = {
        [STREAM_CREATE]             = { "stream_create",             read_create, put_create,        read_created },
        [STREAM_CREATE_PARTITIONED] = { "stream_create_partitioned", read_create, put_create,        read_created },
        [STREAM_PUSH]               = { "stream_push",               read_push,   put_push,          read_pushed },
        [STREAM_PULL]               = { "stream_pull",               read_pull,   put_pull,          read_pulled },
        [STREAM_INDEX]              = { "stream_index",              read_index,  put_index_request, read_indexed },
        [STREAM_INDEX_PARTITIONED]  = { "stream_index_partitioned",  read_index,  put_index_request, read_indexed },
        [STREAM_ERROR]              = { "error",                     NULL,        NULL,              read_error },
};

void stream_put_request(struct writer *w, const struct stream_request *request)
{
        assert(protocols[request->protocol].put_request);
        protocols[request->protocol].put_request(w, request);
}

void stream_put_created(struct writer *w, struct bytes name, bool partitioned, uint64_t partition)
{
        put_wrapper(w, partitioned ? STREAM_CREATE_PARTITIONED : STREAM_CREATE,
                    bare_data_size(name.n) + (partitioned ? bare_uint_size(partition) : 0));
        bare_put_string(w, name);
        if (partitioned) bare_put_uint(w, partition);
}

void stream_put_pushed(struct writer *w, struct request_id id, bool failed, uint64_t index)
{
        put_wrapper(w, STREAM_PUSH, id_size(id) + 1 + bare_uint_size(index));
        put_id(w, id);
        writer_put_u8(w, failed);
        bare_put_uint(w, index);
}

void stream_put_index(struct writer *w, const struct stream_index_request *request, bool present, uint64_t index)
{
        put_wrapper(w, index_protocol(request), index_key_size(request) + 1 + (present ? bare_uint_size(index) : 0));
        put_index_key(w, request);
        writer_put_u8(w, present);
        if (present) bare_put_uint(w, index);
}

void stream_put_error(struct writer *w, const char *reason)
{
        struct bytes text = bytes_of_text(reason);

        put_wrapper(w, STREAM_ERROR, bare_data_size(text.n));
        bare_put_string(w, text);
}

static size_t pulled_body_size(struct request_id id, uint64_t count, size_t messages_size)
{
        return id_size(id) + bare_uint_size(count) + messages_size;
}

void stream_put_pulled_head(struct writer *w, struct request_id id, uint64_t count, size_t messages_size)
{
        put_wrapper(w, STREAM_PULL, pulled_body_size(id, count, messages_size));
        put_id(w, id);
        bare_put_uint(w, count);
}

void stream_put_pulled_message(struct writer *w, uint64_t index, struct bytes data)
{
        bare_put_uint(w, index);
        bare_put_data(w, data);
}

size_t stream_pulled_message_size(uint64_t index, size_t data_n)
{
        return bare_uint_size(index) + bare_data_size(data_n);
}

size_t stream_pulled_size(struct request_id id, uint64_t count, size_t messages_size)
{
        return wrapper_size(STREAM_PULL, pulled_body_size(id, count, messages_size));
}

struct request_id request_id_of(uint64_t id, uint8_t *memory)
{
        struct writer w = writer_make(memory, UINT_SIZE_MAX);

        bare_put_uint(&w, id);
        return (struct request_id){writer_bytes(&w)};
}
