/* Any log (stream/log.h) against a model of its topics: one log or two on one cluster append and read, others write between, leave
 * holes, remove what is old, delete topics and make them anew. What stands in a topic is learned from the back end, by other eyes; every
 * answer that a reader had is compared with it: never a record skipped, never one out of order, never one of a topic that is gone. */
#ifndef STROP_TESTS_LOG_MODEL_H
#define STROP_TESTS_LOG_MODEL_H

#include "tests/support/log_suite.h"

struct log_model_plan {
        uint64_t seed;
        unsigned steps;
        size_t tail_bytes; /* of each log */
        uint32_t sweep_ms;
        uint32_t stale_ms;         /* for so long a log may answer of a topic that is gone, after somebody else made it anew */
        struct log_backend *other; /* opens a second log on the cluster of the first; NULL: there is one log */
};

/* What came to pass, so that a test can tell whether its plan reached what it is for. */
struct log_model_counts {
        size_t appends, others, holes, truncations, remakes, reads, answers, records, empty, cancelled, beyond, below;
};

/* Fails the running test, with the seed, at the first answer that is wrong. */
struct log_model_counts log_model_run(struct log_backend *backend, const struct log_model_plan *plan);

#endif
