/* The stream messages (docs/protocol.md, "Streams"): encoding and decoding of each, both ways. Views into the input.
 * One table holds protocol names. Vectors: crate-0.116/streams.json, hub-2021.json. */
#ifndef STROP_STREAM_PROTOCOL_H
#define STROP_STREAM_PROTOCOL_H

#include "stream/limits.h"
#include "transport/bare.h"

enum stream_protocol {
        STREAM_CREATE,
        STREAM_CREATE_PARTITIONED,
        STREAM_PUSH,
        STREAM_PULL,
        STREAM_INDEX,
        STREAM_INDEX_PARTITIONED,
        STREAM_ERROR,
        STREAM_PROTOCOL_COUNT
};

/* A request id is only echoed: its bytes (at most REQUEST_ID_MAX), so that one over 64 bits comes back as it was (the hub does so), in its
 * shortest form. */
struct request_id {
        struct bytes raw;
};

struct stream_create_request {
        bool named;
        struct bytes name;   /* not checked for anything, not even for UTF-8 */
        bool partitioned;
        uint64_t partitions; /* 1 unless partitioned */
};

struct stream_push_request {
        struct request_id id;
        struct bytes data;
};

struct stream_pull_request {
        struct request_id id;
        uint64_t index, limit;
};

enum stream_index_kind { STREAM_INDEX_GET = 0, STREAM_INDEX_SAVE = 1 };

struct stream_index_request {
        enum stream_index_kind kind;
        struct bytes client_id, stream_name;
        bool partitioned;
        uint64_t partition; /* 0 unless partitioned */
        uint64_t index;     /* save */
};

struct stream_request {
        enum stream_protocol protocol;
        union {
                struct stream_create_request create;
                struct stream_push_request push;
                struct stream_pull_request pull;
                struct stream_index_request index;
        };
};

struct stream_response {
        enum stream_protocol protocol;
        union {
                struct { struct bytes name; bool partitioned; uint64_t partition; } create;
                struct { uint64_t id; bool failed; uint64_t index; } push;
                struct { uint64_t id; uint64_t count; struct bytes messages; } pull; /* messages: for stream_message_next */
                struct { struct bytes client_id, stream_name; bool partitioned; uint64_t partition; bool present; uint64_t index; } index;
                struct { struct bytes reason; } error;
        };
};

struct stream_message {
        uint64_t index;
        struct bytes data;
};

/* Reads a payload as a request, or as a response. Bytes left over in wrapper or message: ERR_TRAILING; unknown protocol, status or tag:
 * ERR_MALFORMED. A response has been read to its end, so stream_message_next on it cannot fail. */
MUST_USE enum err stream_request_read(struct bytes payload, struct stream_request *out);
MUST_USE enum err stream_response_read(struct bytes payload, struct stream_response *out);
/* Takes the next message off `messages`; false at its end. */
bool stream_message_next(struct bytes *messages, struct stream_message *out);

/* Each writes the whole payload, wrapper included. */
void stream_put_request(struct writer *w, const struct stream_request *request);
void stream_put_created(struct writer *w, struct bytes name, bool partitioned, uint64_t partition);
void stream_put_pushed(struct writer *w, struct request_id id, bool failed, uint64_t index);
void stream_put_index(struct writer *w, const struct stream_index_request *request, bool present, uint64_t index);
void stream_put_error(struct writer *w, const char *reason);
/* A pull's answer in two steps: its head says how many messages and how many bytes they take, then each is put. */
void stream_put_pulled_head(struct writer *w, struct request_id id, uint64_t count, size_t messages_size);
void stream_put_pulled_message(struct writer *w, uint64_t index, struct bytes data);
size_t stream_pulled_message_size(uint64_t index, size_t data_n);
size_t stream_pulled_size(struct request_id id, uint64_t count, size_t messages_size); /* the whole payload */

/* A request id of our own making: `memory` has room for UINT_SIZE_MAX bytes. */
struct request_id request_id_of(uint64_t id, uint8_t *memory);

#endif
