/* The log's twin in memory as a back end for the suite and the model: no time passes but what a test lets pass. */
#ifndef STROP_TESTS_TWIN_BACKEND_H
#define STROP_TESTS_TWIN_BACKEND_H

#include "stream/log_memory.h"
#include "tests/support/log_suite.h"
#include "tests/support/test_context.h"

struct twin_backend {
        struct log_backend backend; /* its user is this */
        struct test_context tc;
        struct log_memory_faults faults; /* of each log that is opened */
};

/* `name` is borrowed for good. */
void twin_backend_init(struct twin_backend *twin, const char *name, uint64_t seed, struct log_memory_faults faults);
void twin_backend_clear(struct twin_backend *twin);

#endif
