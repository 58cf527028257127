/* The helper thread and the two pipes between it and the loop. At most HELPER_SENT_MAX jobs are in the pipes at once, so that
 * neither side ever blocks on a full pipe; further ones wait in a list on the loop's side. */
#include "stream/kafka/helper.h"

#include "transport/base/logger.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HELPER_SENT_MAX = 64 }; /* pointers; a pipe takes 4 KiB at the very least */

struct helper {
        pthread_t thread;
        int jobs[2], results[2];
        struct loop_watch *watch;
        STAILQ_HEAD(helper_job_list, helper_job) waiting;
        size_t sent; /* in the hands of the thread, or on the way to or from it */
};

static void write_pointer(int fd, struct helper_job *job)
{
        ssize_t n;

        do n = write(fd, &job, sizeof job);
        while (n < 0 && errno == EINTR);
        assert(n == (ssize_t)sizeof job); /* pipes take so few bytes whole or not at all, and there is room */
        (void)n;
}

/* False at the pipe's end, or when nothing is there and it does not block. */
static bool read_pointer(int fd, struct helper_job **job)
{
        ssize_t n;

        do n = read(fd, job, sizeof *job);
        while (n < 0 && errno == EINTR);
        return n == (ssize_t)sizeof *job;
}

static void *helper_main(void *arg)
{
        struct helper *helper = arg;
        struct helper_job *job;

        while (read_pointer(helper->jobs[0], &job)) {
                job->run(job);
                write_pointer(helper->results[1], job);
        }
        return NULL;
}

static void send_waiting(struct helper *helper)
{
        struct helper_job *job;

        while (helper->sent < HELPER_SENT_MAX && (job = STAILQ_FIRST(&helper->waiting))) {
                STAILQ_REMOVE_HEAD(&helper->waiting, entry);
                helper->sent++;
                write_pointer(helper->jobs[1], job);
        }
}

static void take_results(void *arg)
{
        struct helper *helper = arg;
        struct helper_job *job;

        /* Bounded: what `done` asks for anew is seen in the next round. */
        for (size_t n = helper->sent; n > 0 && read_pointer(helper->results[0], &job); n--) {
                helper->sent--;
                job->done(job);
        }
        send_waiting(helper);
}

static bool start_thread(struct helper *helper)
{
        sigset_t all, before;
        int err;

        sigfillset(&all); /* signals are the loop's */
        pthread_sigmask(SIG_SETMASK, &all, &before);
        err = pthread_create(&helper->thread, NULL, helper_main, helper);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return err == 0;
}

static void close_pipe(int fds[2])
{
        for (int i = 0; i < 2; i++)
                if (fds[i] >= 0) close(fds[i]);
}

struct helper *helper_new(struct loop *loop)
{
        struct helper *helper = calloc(1, sizeof *helper);

        if (!helper) return NULL;
        helper->jobs[0] = helper->jobs[1] = helper->results[0] = helper->results[1] = -1;
        STAILQ_INIT(&helper->waiting);
        if (pipe2(helper->jobs, O_CLOEXEC) < 0 || pipe2(helper->results, O_CLOEXEC) < 0) goto fail;
        if (fcntl(helper->results[0], F_SETFL, O_NONBLOCK) < 0) goto fail;
        if (loop_watch_fd(loop, helper->results[0], take_results, helper, &helper->watch) != OK) goto fail;
        if (!start_thread(helper)) goto fail;
        return helper;
fail:
        if (helper->watch) loop_unwatch(helper->watch);
        close_pipe(helper->jobs);
        close_pipe(helper->results);
        free(helper);
        return NULL;
}

void helper_ask(struct helper *helper, struct helper_job *job)
{
        STAILQ_INSERT_TAIL(&helper->waiting, job, entry);
        send_waiting(helper);
}

void helper_free(struct helper *helper)
{
        struct helper_job *job;

        if (!helper) return;
        loop_unwatch(helper->watch);
        fcntl(helper->results[0], F_SETFL, 0); /* from here on wait for each result */
        while (helper->sent > 0 && read_pointer(helper->results[0], &job)) {
                helper->sent--;
                job->done(job);
                send_waiting(helper);
        }
        close(helper->jobs[1]);
        helper->jobs[1] = -1;
        pthread_join(helper->thread, NULL);
        close_pipe(helper->jobs);
        close_pipe(helper->results);
        free(helper);
}
