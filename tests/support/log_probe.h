/* The log suite's probe: it asks a log with tokens of its own, keeps a copy of each completion, and fails the test at once when one
 * comes twice, for nobody, or from within a call. */
#ifndef STROP_TESTS_LOG_PROBE_H
#define STROP_TESTS_LOG_PROBE_H

#include "tests/support/log_suite.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>

enum { TOKENS_MAX = 8192, RECORD_MAX = 65422, OVERHEAD = 3, FRAME_ROOM = 65000 };

struct seen_record {
        uint64_t index;
        uint8_t *data;
        size_t n;
};

struct seen {
        bool asked, done, cancelled;
        enum log_op op;
        enum err err;
        uint64_t index, order, at_ms;
        bool present;
        struct seen_record *records;
        size_t count;
};

struct probe {
        struct log_backend *backend;
        struct log *log;
        const struct log_events *log_events;
        struct seen seen[TOKENS_MAX];
        uint64_t first_token, next, completions;
        int calls;            /* into the log, on the stack */
        unsigned pressure_on, pressure_off;
        bool pressure, stopped;
        char topic[128];
};

struct probe *probe_open_with(struct log_backend *backend, const struct log_limits *limits);
struct probe *probe_open(void **state);
void probe_close(struct probe *probe);
/* Closes the log and opens another one; what was seen is forgotten. */
void probe_reopen(struct probe *probe);

void probe_run(struct probe *probe, uint64_t ms);
struct seen *seen_of(struct probe *probe, uint64_t token);
/* Fails when the completion does not come. */
struct seen *await(struct probe *probe, uint64_t token);
/* Fails when it comes within so long. */
void must_not_come(struct probe *probe, uint64_t token, uint64_t ms);

/* Each asks for one operation and gives its token. */
uint64_t ask_create(struct probe *probe, const char *topic, uint32_t partitions);
uint64_t ask_append(struct probe *probe, struct log_stream *stream, struct bytes data);
uint64_t ask_read(struct probe *probe, struct log_stream *stream, struct log_read read);
uint64_t ask_load(struct probe *probe, const char *client, const char *topic, uint32_t partition);
void probe_save(struct probe *probe, const char *client, const char *topic, uint32_t partition, uint64_t index);
void probe_cancel(struct probe *probe, uint64_t token);
/* Stops the log and waits until it has stopped. */
void probe_stop(struct probe *probe, uint32_t wait_ms);

/* A read of what fits a frame. */
struct log_read usual(uint64_t index, uint32_t hold_ms);
struct log_stream *stream_of(struct probe *probe, const char *topic, uint32_t partition);
/* Makes the topic; the latter the test's own one, with one partition. */
void made(struct probe *probe, const char *topic, uint32_t partitions);
struct log_stream *made_stream(struct probe *probe);
/* Appends, waits, and gives the index. */
uint64_t appended(struct probe *probe, struct log_stream *stream, struct bytes data);

void check_record(const struct seen *seen, size_t i, uint64_t index, struct bytes data);
void check_empty(const struct seen *seen);
/* A record of n bytes that can be told from others. */
struct bytes made_up(uint8_t *memory, size_t n, unsigned seed);

#endif
