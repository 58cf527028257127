/* The log's twin in memory, for units and the simulation: real answers, and on request it fails, delays and is away. */
#ifndef STROP_STREAM_LOG_MEMORY_H
#define STROP_STREAM_LOG_MEMORY_H

#include "stream/limits.h"
#include "stream/log.h"
#include "transport/base/context.h"

/* What it does beside being right. All zero: every answer comes in the next turn. Randomness from the context. */
struct log_memory_faults {
        uint32_t delay_max_ms;        /* what is asked is done up to so much later, in any order between streams, in order within one ... */
        bool reads_overtake;          /* ... but for reads */
        uint32_t answer_max_ms;       /* an append is answered up to so much later than it is stored, in any order */
        uint32_t append_fail_percent; /* appends that definitely fail */
        uint32_t create_fail_percent; /* creations that fail, and make nothing */
        uint32_t read_fail_percent;   /* reads that fail */
        uint32_t index_fail_percent;  /* look-ups of an index that fail */
        bool away;                    /* as if Kafka could not be reached */
};

/* Never NULL: it gives up where memory is out. log_stop is not needed before log_free. */
struct log *log_memory_new(struct context *ctx, const struct log_limits *limits, const struct log_events *events, void *user);
/* May be changed at any time; leaving `away` lets go what waited. */
void log_memory_set_faults(struct log *log, const struct log_memory_faults *faults);
/* Another Kafka producer writes a record; `hole` leaves that many offsets unused before it. */
MUST_USE enum err log_memory_write(struct log *log, const char *name, uint32_t partition, struct bytes data, uint64_t hole);
/* Retention removes what lies below `index`. */
MUST_USE enum err log_memory_truncate(struct log *log, const char *name, uint32_t partition, uint64_t index);
/* An append is taken back that is not stored yet, as one that never got out of a process that died; false: it is stored, or unknown. */
bool log_memory_take_back(struct log *log, uint64_t token);
/* Someone deletes the topic. */
void log_memory_delete(struct log *log, const char *name);
/* For checkers: the records as they stand. The result lives until the log changes. */
MUST_USE enum err log_memory_dump(struct log *log, const char *name, uint32_t partition, const struct log_record **records, size_t *count);

#endif
