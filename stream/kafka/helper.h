/* The helper thread: makes the calls into librdkafka that block (metadata, offsets, purge, stop, destroy), so that the loop
 * never waits. Jobs and results cross by two pipes that carry pointers; a job belongs to the helper between the two, and there
 * is no lock. Jobs run one after the other, in the order in which they were asked for. */
#ifndef STROP_STREAM_KAFKA_HELPER_H
#define STROP_STREAM_KAFKA_HELPER_H

#include "transport/loop.h"

#include <sys/queue.h>

struct helper;

/* Embedded in what the job is about; nothing of that is touched by the loop until `done`. */
struct helper_job {
        void (*run)(struct helper_job *job);  /* helper's thread; may block */
        void (*done)(struct helper_job *job); /* loop's thread; may free the job */
        STAILQ_ENTRY(helper_job) entry;
};

/* The object of this type that embeds the job as `member`. */
#define HELPER_JOB_OWNER(job, type, member) ((type *)(void *)((char *)(job) - offsetof(type, member)))

/* NULL: the system refuses. */
struct helper *helper_new(struct loop *loop);
/* Loop's thread. The job must stay until its `done`. */
void helper_ask(struct helper *helper, struct helper_job *job);
/* Waits until everything that was asked for has run, `done` included, and ends the thread. NULL is fine. */
void helper_free(struct helper *helper);

#endif
