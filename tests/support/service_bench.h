/* The node's core on a log in memory, with clients whose links the test holds: a request goes in as a frame, answers come out as
 * frames, and the clock is the test's. */
#ifndef STROP_TESTS_SERVICE_BENCH_H
#define STROP_TESTS_SERVICE_BENCH_H

#include "node/node.h"
#include "stream/log_memory.h"
#include "stream/protocol.h"
#include "tests/support/fake_link.h"
#include "tests/support/test_context.h"
#include "transport/frame.h"

enum { BENCH_CLIENTS = 64 };

struct bench_client {
        struct bench *bench;
        struct fake_link *link;
        size_t read;              /* of what the node wrote, what the test has looked at */
        struct bytes ret;         /* the address in its requests' return route */
        bool slow;                /* it takes nothing off its link by itself */
};

struct bench {
        struct test_context tc;
        struct node_config config;
        struct log_limits log_limits;
        struct log_memory_faults faults;
        struct node *node;
        struct log *log;
        struct bench_client clients[BENCH_CLIENTS];
        size_t client_count;
        bool stopped;
};

/* One answer, taken off a client's output. Views live until the client's next output. */
struct bench_answer {
        struct bytes frame;           /* without its length */
        struct message msg;
        struct bytes from;            /* the one address in its return route */
        struct stream_response response;
};

/* Limits are the defaults, to be changed before bench_start. */
struct bench *bench_new(uint64_t seed);
void bench_start(struct bench *bench);
void bench_free(struct bench *bench);
uint64_t bench_stat(const struct bench *bench, enum stat_id stat);
void bench_set_faults(struct bench *bench, struct log_memory_faults faults);
void bench_set_away(struct bench *bench, bool away);

/* Does all that is due now; the clock stands. */
void bench_settle(struct bench *bench);
void bench_advance(struct bench *bench, uint64_t ms);

struct bench_client *bench_connect(struct bench *bench);
/* From "192.0.2.7:1234". Where the node refuses it, its link is closed. */
struct bench_client *bench_connect_from(struct bench *bench, const char *peer);
/* A whole frame, or some bytes. */
void bench_feed(struct bench_client *client, struct bytes in);
/* A payload to the worker at `to`, with the client's return route; then all that is due now is done. */
void bench_send(struct bench_client *client, struct bytes to, struct bytes payload);
void bench_request(struct bench_client *client, struct bytes to, const struct stream_request *request);
/* The next answer; false when there is none. It must decode, and come from one address. */
bool bench_next(struct bench_client *client, struct bench_answer *answer);
/* The next answer, which must be there, of this protocol; then no other. */
struct bench_answer bench_only(struct bench_client *client, enum stream_protocol protocol);
void bench_nothing(struct bench_client *client);

/* The usual requests. */
void bench_create(struct bench_client *client, const char *name);
void bench_create_partitioned(struct bench_client *client, const char *name, uint64_t partitions);
void bench_push(struct bench_client *client, struct bytes to, uint64_t id, struct bytes data);
void bench_pull(struct bench_client *client, struct bytes to, uint64_t id, uint64_t index, uint64_t limit);
void bench_index_get(struct bench_client *client, const char *client_id, const char *name);
void bench_index_save(struct bench_client *client, const char *client_id, const char *name, uint64_t index);

/* Creates a stream and gives its address, in memory of the bench's. */
struct bytes bench_made(struct bench_client *client, const char *name);
/* Pushes, and checks that it stands at `index`. */
void bench_pushed(struct bench_client *client, struct bytes to, struct bytes data, uint64_t index);

#endif
