/* The event loop: libevent waits for sockets, pipes and signals; the context's timers are run and its turn is ended between
 * two rounds of it, when nothing of ours is on the stack. */
#include "transport/loop.h"

#include "transport/base/logger.h"
#include "transport/base/small.h"
#include "transport/wait_set.h"

#include <event2/event.h>
#include <stdlib.h>

struct loop {
        struct context *ctx;
        struct event_base *base;
        struct event *alarm; /* wakes libevent for the context's next timer */
        bool stop, broken;
        LIST_HEAD(loop_endings, loop_ending) endings;
        struct wait_set *outer; /* for loop_fd; NULL: not asked for yet */
};

struct loop_watch {
        struct event *event;
        void (*ready)(void *arg);
        void *arg;
};

static void libevent_log(int severity, const char *text)
{
        if (severity == EVENT_LOG_ERR || severity == EVENT_LOG_WARN)
                log_warning(NULL, "libevent: %s", text);
        else
                log_debug(NULL, "libevent: %s", text);
}

static void loop_alarm(evutil_socket_t fd, short what, void *arg)
{
        (void)fd, (void)what, (void)arg; /* that the round has ended is all it is for */
}

void loop_keep_small_apart(void)
{
        event_set_mem_functions(small_malloc, small_realloc, small_free);
}

struct loop *loop_new(struct context *ctx)
{
        struct loop *loop = calloc(1, sizeof *loop);

        if (!loop) return NULL;
        event_set_log_callback(libevent_log);
        loop->ctx = ctx;
        LIST_INIT(&loop->endings);
        if ((loop->base = event_base_new()) && (loop->alarm = evtimer_new(loop->base, loop_alarm, NULL))) return loop;
        loop_free(loop);
        return NULL;
}

void loop_free(struct loop *loop)
{
        struct loop_ending *ending;

        if (!loop) return;
        while ((ending = LIST_FIRST(&loop->endings))) ending->end(ending->arg);
        context_turn_end(loop->ctx);
        if (loop->alarm) event_free(loop->alarm);
        if (loop->base) event_base_free(loop->base);
        wait_set_free(loop->outer);
        free(loop);
}

/* Sets the alarm to the next timer's deadline; false when that has come already. */
static bool loop_set_alarm(struct loop *loop)
{
        uint64_t at, now;
        struct timeval in;

        if (!timers_next(&loop->ctx->timers, &at)) {
                event_del(loop->alarm);
                return true;
        }
        now = context_now_ms(loop->ctx);
        if (at <= now) return false;
        in = (struct timeval){(time_t)((at - now) / 1000), (suseconds_t)((at - now) % 1000 * 1000)};
        return event_add(loop->alarm, &in) == 0;
}

static void loop_turn(struct loop *loop, bool block)
{
        int flags = EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY;

        if (!loop_set_alarm(loop) || !block) flags = EVLOOP_NONBLOCK | EVLOOP_NO_EXIT_ON_EMPTY;
        if (event_base_loop(loop->base, flags) < 0) {
                log_error(NULL, "the event loop failed");
                loop->broken = true;
        }
        timers_run(&loop->ctx->timers, context_now_ms(loop->ctx));
        context_turn_end(loop->ctx);
}

void loop_run(struct loop *loop)
{
        while (!loop->stop && !loop->broken) loop_turn(loop, true);
        loop->stop = false;
}

void loop_stop(struct loop *loop)
{
        loop->stop = true;
}

void loop_run_once(struct loop *loop)
{
        loop_turn(loop, false);
}

/* --- for a loop around ours: libevent gives its own set of descriptors to nobody, so one like it is kept ------------------ */

struct gathering {
        struct loop *loop;
        enum err err;
        int64_t in_us; /* until the nearest of libevent's own times */
};

static int loop_gather(const struct event_base *base, const struct event *event, void *arg)
{
        struct gathering *g = arg;
        const short what = event_get_events(event);
        const evutil_socket_t fd = event_get_fd(event);
        struct timeval at, now;

        (void)base;
        if (!(what & EV_SIGNAL) && what & (EV_READ | EV_WRITE) && fd >= 0) {
                g->err = wait_set_want(g->loop->outer, fd, what & EV_READ, what & EV_WRITE);
                if (g->err) return -1;
        }
        if (event == g->loop->alarm || !event_pending(event, EV_TIMEOUT, &at) || evutil_gettimeofday(&now, NULL)) return 0;
        const int64_t in_us = (int64_t)(at.tv_sec - now.tv_sec) * 1000000 + (at.tv_usec - now.tv_usec);
        if (in_us < g->in_us) g->in_us = in_us;
        return 0;
}

/* The same for the context's timers, and for what libevent has found already and not told yet. */
static int64_t loop_wait_us(struct loop *loop, int64_t in_us)
{
        const uint64_t now_ms = context_now_ms(loop->ctx);
        uint64_t at_ms;

        if (event_base_get_num_events(loop->base, EVENT_BASE_COUNT_ACTIVE) > 0) return 0;
        if (!timers_next(&loop->ctx->timers, &at_ms)) return in_us;
        const int64_t timer_us = at_ms > now_ms ? (int64_t)(at_ms - now_ms) * 1000 : 0;
        return timer_us < in_us ? timer_us : in_us;
}

int loop_fd(struct loop *loop)
{
        struct gathering g = {loop, OK, INT64_MAX};

        if (!loop->outer && !(loop->outer = wait_set_new())) return -1;
        wait_set_begin(loop->outer);
        if (event_base_foreach_event(loop->base, loop_gather, &g) || g.err) return -1;
        return wait_set_end(loop->outer, loop_wait_us(loop, g.in_us)) ? -1 : wait_set_fd(loop->outer);
}

static void loop_nothing(void *arg)
{
        (void)arg;
}

void loop_finish(struct loop *loop, uint64_t max_ms)
{
        uint64_t end = context_now_ms(loop->ctx) + max_ms;
        struct timer timer;

        timer_init(&timer, loop_nothing, NULL);
        if (context_timer_set(loop->ctx, &timer, max_ms)) return; /* what is not sent by now is ended by loop_free */
        while (!LIST_EMPTY(&loop->endings) && !loop->broken && context_now_ms(loop->ctx) < end) loop_turn(loop, true);
        context_timer_stop(loop->ctx, &timer);
}

void loop_ending_add(struct loop *loop, struct loop_ending *ending, void (*end)(void *arg), void *arg)
{
        ending->end = end;
        ending->arg = arg;
        LIST_INSERT_HEAD(&loop->endings, ending, entry);
}

void loop_ending_remove(struct loop_ending *ending)
{
        LIST_REMOVE(ending, entry);
}

static void loop_watch_ready(evutil_socket_t fd, short what, void *arg)
{
        struct loop_watch *watch = arg;

        (void)fd, (void)what;
        watch->ready(watch->arg);
}

static enum err loop_watch_new(struct loop *loop, int fd, short what, void (*ready)(void *arg), void *arg, struct loop_watch **out)
{
        struct loop_watch *watch = calloc(1, sizeof *watch);

        if (!watch) return ERR_NO_MEMORY;
        watch->ready = ready;
        watch->arg = arg;
        watch->event = event_new(loop->base, fd, (short)(what | EV_PERSIST), loop_watch_ready, watch);
        if (!watch->event || event_add(watch->event, NULL)) {
                loop_unwatch(watch);
                return ERR_SYSTEM;
        }
        *out = watch;
        return OK;
}

enum err loop_watch_fd(struct loop *loop, int fd, void (*ready)(void *arg), void *arg, struct loop_watch **out)
{
        return loop_watch_new(loop, fd, EV_READ, ready, arg, out);
}

enum err loop_watch_signal(struct loop *loop, int signal, void (*caught)(void *arg), void *arg, struct loop_watch **out)
{
        return loop_watch_new(loop, signal, EV_SIGNAL, caught, arg, out);
}

void loop_unwatch(struct loop_watch *watch)
{
        if (!watch) return;
        if (watch->event) event_free(watch->event);
        free(watch);
}

struct event_base *loop_base(struct loop *loop)
{
        return loop->base;
}

struct context *loop_context(struct loop *loop)
{
        return loop->ctx;
}
