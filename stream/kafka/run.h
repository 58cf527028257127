/* Records that a fetch brought: what the log holds in [from, upto), known without gaps. Copies, so that librdkafka's buffers go back
 * at once. */
#ifndef STROP_STREAM_KAFKA_RUN_H
#define STROP_STREAM_KAFKA_RUN_H

#include "stream/log.h"

#include <stdbool.h>

struct run_record {
        uint64_t index;
        size_t offset, n; /* in `bytes` */
};

struct run {
        uint64_t from, upto;
        struct run_record *records;
        size_t count, cap;
        uint8_t *bytes;
        size_t used, bytes_cap;
};

void run_init(struct run *run, uint64_t from);
void run_clear(struct run *run);
/* Bytes that it holds in memory. */
size_t run_size(const struct run *run);
/* Bytes of what it holds, records' places included: empty records weigh too. */
static inline size_t run_weight(const struct run *run) { return run->used + run->count * sizeof *run->records; }
/* A record at or behind `upto`, which moves behind it. ERR_NO_MEMORY: nothing has changed. */
MUST_USE enum err run_add(struct run *run, uint64_t index, struct bytes data);
/* Nothing lies before `upto`. */
void run_extend(struct run *run, uint64_t upto);
/* Forgets the older half. */
void run_forget(struct run *run);
/* Forgets what lies before `index`. */
void run_forget_before(struct run *run, uint64_t index);

/* Whether it says something of that index: it has what stands there, or shows that nothing does. */
static inline bool run_reaches(const struct run *run, uint64_t index)
{
        return run && run->from <= index && index < run->upto;
}

/* The same, or a fetch goes on there. */
static inline bool run_covers(const struct run *run, uint64_t index)
{
        return run && run->from <= index && index <= run->upto;
}

struct run_answer {
        size_t count;     /* records given */
        size_t too_large; /* records passed over */
        bool full;        /* more would not be taken, whatever lies behind */
};
/* Packs the answer to a read that the run covers: at most `cap` records, views into the run. */
struct run_answer run_read(const struct run *run, const struct log_read *read, struct log_record *records, size_t cap);

#endif
