/* The event loop of a program: libevent below, the context's timers and turns above. One a process. */
#ifndef STROP_TRANSPORT_LOOP_H
#define STROP_TRANSPORT_LOOP_H

#include "transport/base/context.h"

#include <sys/queue.h>

struct loop;
struct loop_watch;
struct event_base;

/* For a program that may have thousands of descriptors, once and before anything else here. libevent keeps a few bytes for each number that was ever
 * waited for; on the heap they would lie between what connections need, and hold those pages when the connections are gone. It is the whole
 * process's libevent that is told, so libstrop does not. */
void loop_keep_small_apart(void);

/* Drives the timers of `ctx` and ends its turns. NULL when the system refuses. */
struct loop *loop_new(struct context *ctx);
void loop_free(struct loop *loop);

/* Runs until loop_stop. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
/* One round without blocking: for tests, and for a program that has a loop of its own. */
void loop_run_once(struct loop *loop);
/* A descriptor that is readable when loop_run_once has something to do, for a program that waits in a loop of its own. Made ready for the next
 * wait by this call, so it is to be asked for anew before each (a system call for each of our descriptors); the number stays the same. It is
 * the loop's. -1: the system has none (Linux alone has). */
int loop_fd(struct loop *loop);
/* Runs on until all links that were closed have sent what was queued on them, or max_ms have passed: for the end of a program. */
void loop_finish(struct loop *loop, uint64_t max_ms);

/* Something that is still at work after its owner has let go of it, and ends by itself: loop_finish waits for it, and loop_free
 * ends it by `end`, which must take it out. */
struct loop_ending {
        LIST_ENTRY(loop_ending) entry;
        void (*end)(void *arg);
        void *arg;
};
void loop_ending_add(struct loop *loop, struct loop_ending *ending, void (*end)(void *arg), void *arg);
void loop_ending_remove(struct loop_ending *ending);

/* Calls `ready` whenever fd can be read. The fd stays the caller's. */
MUST_USE enum err loop_watch_fd(struct loop *loop, int fd, void (*ready)(void *arg), void *arg, struct loop_watch **out);
/* Calls `caught` in the loop, not in a signal handler. */
MUST_USE enum err loop_watch_signal(struct loop *loop, int signal, void (*caught)(void *arg), void *arg, struct loop_watch **out);
void loop_unwatch(struct loop_watch *watch);

struct event_base *loop_base(struct loop *loop);
struct context *loop_context(struct loop *loop);

#endif
