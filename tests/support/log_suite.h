/* One test suite for every log (stream/log.h): what any back end must do, whatever it stands on. Each back end's test program
 * gives a way to open a log and to run its loop, and what it can do from behind the log's back. */
#ifndef STROP_TESTS_LOG_SUITE_H
#define STROP_TESTS_LOG_SUITE_H

#include "stream/limits.h"
#include "stream/log.h"

struct log_backend {
        const char *name;
        /* Put before every topic and client, so that runs against one Kafka do not meet. At most 40 characters. */
        const char *prefix;
        void *user;
        /* A log that can be reached, and its end (log_free and what belongs to it); one at a time. */
        struct log *(*open)(void *user, const struct log_limits *limits, const struct log_events *events, void *events_user);
        void (*close)(void *user, struct log *log);
        /* Runs the loop until done(arg), for at most `ms` of the back end's own time. */
        void (*run)(void *user, bool (*done)(void *arg), void *arg, uint64_t ms);
        uint64_t (*now_ms)(void *user);
        /* What is given up as lost: longer than the back end's slowest answer. */
        uint64_t patience_ms;
        /* Behind the log's back; each NULL where it cannot be done, and the tests that need it are left out.
         * Another producer writes, after a hole of so many offsets (not 1; nobody else may be writing then); retention removes what lies
         * below index. */
        enum err (*write)(void *user, struct log *log, const char *topic, uint32_t partition, struct bytes data, uint64_t hole);
        enum err (*truncate)(void *user, struct log *log, const char *topic, uint32_t partition, uint64_t index);
        /* The topic is deleted. */
        enum err (*remove)(void *user, struct log *log, const char *topic);
        /* What stands in the partition, in order, seen by other eyes than the log's. `each` may not call the log. */
        enum err (*dump)(void *user, struct log *log, const char *topic, uint32_t partition,
                         void (*each)(void *arg, uint64_t index, struct bytes data), void *arg);
        /* What was stored outlives log and process: a second log sees it. */
        bool lasting;
        /* write can leave holes. */
        bool holes;
};

/* Runs all tests; the number that failed. */
int log_suite_run(struct log_backend *backend);

#endif
