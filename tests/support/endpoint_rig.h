/* Endpoints as bob and alice are, a node and a log between them, in one process under a clock that the test sets. The test plays everything
 * that stands between the endpoints: it reads and writes the log as whoever runs Kafka could. */
#ifndef STROP_TESTS_ENDPOINT_RIG_H
#define STROP_TESTS_ENDPOINT_RIG_H

#include "client/endpoint.h"
#include "node/node.h"
#include "stream/log_memory.h"
#include "tests/support/party.h"
#include "tests/support/sim_net.h"
#include "tests/support/test_context.h"

enum { RIG_TEXT_MAX = 512 };

struct endpoint_rig {
        struct test_context tc;
        struct sim_net *net;
        struct sim_host *host;
        struct node *node;
        struct log *log; /* the node's */
};

/* One endpoint and what it was told. */
struct resident {
        struct endpoint_rig *rig;
        struct party party;
        struct trust trust;
        struct identifier trusted;
        struct endpoint_config config;
        struct endpoint *endpoint;
        bool echo; /* answers what it gets, as bob does */
        unsigned ready, ups, downs, received, notices;
        struct channel *channel; /* the latest that came up */
        enum err down_err;
        char why[RIG_TEXT_MAX], notice[RIG_TEXT_MAX];
        enum origin_kind origin; /* of the latest message */
        size_t text_n;
        char text[RIG_TEXT_MAX];
};

void endpoint_rig_init(struct endpoint_rig *rig, uint64_t seed);
void endpoint_rig_clear(struct endpoint_rig *rig);
/* Time passes. */
void endpoint_rig_run(struct endpoint_rig *rig, uint64_t ms);
uint64_t endpoint_rig_stat(const struct endpoint_rig *rig, enum stat_id stat);

/* The records of a stream, as they stand; they live until the log changes. */
size_t endpoint_rig_records(struct endpoint_rig *rig, const char *stream, const struct log_record **records);
/* Somebody writes a record into a stream. */
void endpoint_rig_write(struct endpoint_rig *rig, const char *stream, struct bytes data);
/* Copies a record from a stream to one. */
void endpoint_rig_copy(struct endpoint_rig *rig, const char *from, size_t i, const char *to);

/* Bob: sends on bob_to_alice, reads alice_to_bob, listens, echoes. Alice the other way round; neither trusts by name. Started at once: the
 * streams stand when this returns. */
void resident_init_bob(struct resident *bob, struct endpoint_rig *rig, uint8_t number);
void resident_init_alice(struct resident *alice, struct endpoint_rig *rig, uint8_t number);
/* Both, and the rig that they live in: for cmocka's set_up and tear_down. Ends with no secret kept, else not 0. */
int endpoint_rig_open_pair(struct endpoint_rig *rig, uint64_t seed, struct resident *alice, struct resident *bob);
int endpoint_rig_close_pair(struct endpoint_rig *rig, struct resident *alice, struct resident *bob);
/* Any: with config set but for what is the rig's. */
void resident_init(struct resident *resident, struct endpoint_rig *rig, uint8_t number, const struct endpoint_config *config);
/* The process is killed, or ends in good order, and starts again with its identity. */
void resident_restart(struct resident *resident);
void resident_clear(struct resident *resident);
void resident_trust(struct resident *resident, const struct resident *other);

/* A channel to whoever listens at the other end; fails the test unless it comes up. */
struct channel *resident_connect(struct resident *resident);
void resident_send(struct resident *resident, struct channel *channel, const char *worker, const char *text);
/* Sends a text to the echoer and expects it back. */
void resident_expect_echo(struct resident *resident, struct channel *channel, const char *text);

#endif
