/* Opening, waking and ending an instance of librdkafka. */
#include "stream/kafka/handle.h"

#include "transport/base/logger.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum {
        EVENTS_A_ROUND = 64, /* an event can carry many delivery reports; the rest is for the loop's next round */
};

static void wake_again(struct handle *handle)
{
        ssize_t n = write(handle->wake[1], "", 1);

        (void)n; /* a full pipe wakes as well */
}

static void drain(int fd)
{
        char bytes[256];

        while (read(fd, bytes, sizeof bytes) == (ssize_t)sizeof bytes) continue;
}

static void take_events(void *arg)
{
        struct handle *handle = arg;
        rd_kafka_event_t *event;

        drain(handle->wake[0]);
        for (int i = 0; i < EVENTS_A_ROUND; i++) {
                if (!(event = rd_kafka_queue_poll(handle->queue, 0))) return;
                if (!health_event(handle->health, event)) handle->event(handle->user, event);
                rd_kafka_event_destroy(event);
                if (!handle->watch) return; /* muted by what it was told */
        }
        wake_again(handle);
}

/* Its events go to `owner`, where it will be. */
static enum err open_pipe(struct handle *handle, struct handle *owner, struct reason *why)
{
        if (pipe2(handle->wake, O_CLOEXEC | O_NONBLOCK) < 0) return fail(why, ERR_SYSTEM, "no pipe: %s", strerror(errno));
        if (loop_watch_fd(handle->loop, handle->wake[0], take_events, owner, &handle->watch) == OK) return OK;
        close(handle->wake[0]);
        close(handle->wake[1]);
        return fail(why, ERR_SYSTEM, "the event loop takes no more");
}

static enum err open_for(struct handle *handle, struct handle *owner, enum kafka_role role, rd_kafka_conf_t *take_conf, struct reason *why)
{
        rd_kafka_type_t type = role == KAFKA_PRODUCER || role == KAFKA_CAREFUL_PRODUCER ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER;
        char text[256];
        enum err err;

        rd_kafka_conf_set_events(take_conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG);
        if (!(handle->rk = rd_kafka_new(type, take_conf, text, sizeof text))) {
                rd_kafka_conf_destroy(take_conf);
                return fail(why, ERR_USAGE, "%s", text);
        }
        if ((err = open_pipe(handle, owner, why))) {
                rd_kafka_destroy(handle->rk);
                handle->rk = NULL;
                return err;
        }
        handle->queue = rd_kafka_queue_get_main(handle->rk);
        rd_kafka_queue_io_event_enable(handle->queue, handle->wake[1], "", 1);
        rd_kafka_set_log_queue(handle->rk, NULL); /* NULL: to the main queue */
        wake_again(handle); /* for what came before the pipe was set */
        return OK;
}

enum err handle_open(struct handle *handle, struct loop *loop, struct health *health, enum kafka_role role, rd_kafka_conf_t *take_conf,
                     void (*event)(void *user, rd_kafka_event_t *event), void *user, struct reason *why)
{
        *handle = (struct handle){.loop = loop, .health = health, .event = event, .user = user};
        return open_for(handle, handle, role, take_conf, why);
}

enum err handle_renew(struct handle *handle, enum kafka_role role, rd_kafka_conf_t *take_conf, struct handle *old, struct reason *why)
{
        struct handle fresh = {.loop = handle->loop, .health = handle->health, .event = handle->event, .user = handle->user};
        enum err err = open_for(&fresh, handle, role, take_conf, why);

        if (err) return err;
        handle_mute(handle);
        *old = *handle;
        *handle = fresh;
        return OK;
}

void handle_mute(struct handle *handle)
{
        if (!handle->rk || !handle->watch) return;
        rd_kafka_queue_io_event_enable(handle->queue, -1, NULL, 0);
        loop_unwatch(handle->watch);
        handle->watch = NULL;
        close(handle->wake[0]);
        close(handle->wake[1]);
}

void handle_destroy(struct handle *handle)
{
        if (!handle->rk) return;
        rd_kafka_queue_destroy(handle->queue);
        rd_kafka_destroy_flags(handle->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE); /* no group was ever joined */
        handle->rk = NULL;
}

struct ending {
        rd_kafka_t *rk;
        int over; /* closed when it has ended */
};

static void *ending_main(void *arg)
{
        struct ending *ending = arg;

        rd_kafka_destroy_flags(ending->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
        close(ending->over);
        free(ending);
        return NULL;
}

/* The end of a pipe that is closed when the instance has ended; -1: no thread or pipe was to be had, and nothing has been done. */
static int end_in_thread(rd_kafka_t *rk)
{
        struct ending *ending = malloc(sizeof *ending);
        sigset_t all, before;
        pthread_t thread;
        int fds[2], err;

        if (!ending || pipe2(fds, O_CLOEXEC) < 0) {
                free(ending);
                return -1;
        }
        *ending = (struct ending){rk, fds[1]};
        sigfillset(&all); /* signals are the loop's */
        pthread_sigmask(SIG_SETMASK, &all, &before);
        err = pthread_create(&thread, NULL, ending_main, ending);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (!err) {
                pthread_detach(thread);
                return fds[0];
        }
        close(fds[0]);
        close(fds[1]);
        free(ending);
        return -1;
}

int handle_end(struct handle *handle)
{
        rd_kafka_t *rk = handle->rk;
        int ending;

        rd_kafka_queue_destroy(handle->queue);
        handle->rk = NULL;
        ending = end_in_thread(rk);
        if (ending < 0) rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
        return ending;
}

bool handle_await(int ending, uint64_t ms)
{
        struct pollfd over = {.fd = ending, .events = POLLIN};
        int n;

        do n = poll(&over, 1, (int)ms);
        while (n < 0 && errno == EINTR);
        if (n == 0) return false;
        close(ending);
        return true;
}

void handle_leave(int ending)
{
        log_warning("kafka", "a consumer of librdkafka's does not end, and is left to itself");
        close(ending);
}
