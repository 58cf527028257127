/* One epoll set within another, with a timer in it. */
#include "transport/wait_set.h"

#ifdef __linux__

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct wanted {
        int fd;
        uint32_t events; /* 0: not any more */
};

struct wait_set {
        int epoll, timer;
        struct wanted *all;
        size_t count, cap;
};

struct wait_set *wait_set_new(void)
{
        struct wait_set *set = calloc(1, sizeof *set);
        struct epoll_event event = {.events = EPOLLIN};

        if (!set) return NULL;
        set->epoll = epoll_create1(EPOLL_CLOEXEC);
        set->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
        if (set->epoll >= 0 && set->timer >= 0 && epoll_ctl(set->epoll, EPOLL_CTL_ADD, set->timer, &event) == 0) return set;
        wait_set_free(set);
        return NULL;
}

void wait_set_free(struct wait_set *set)
{
        if (!set) return;
        if (set->epoll >= 0) close(set->epoll);
        if (set->timer >= 0) close(set->timer);
        free(set->all);
        free(set);
}

void wait_set_begin(struct wait_set *set)
{
        for (size_t i = 0; i < set->count; i++)
                set->all[i].events = 0;
}

enum err wait_set_want(struct wait_set *set, int fd, bool to_read, bool to_write)
{
        size_t i = 0;

        while (i < set->count && set->all[i].fd != fd)
                i++;
        if (i == set->cap) {
                size_t cap = set->cap ? 2 * set->cap : 16;
                struct wanted *grown = realloc(set->all, cap * sizeof *grown);

                if (!grown) return ERR_NO_MEMORY;
                set->all = grown;
                set->cap = cap;
        }
        if (i == set->count) set->all[set->count++] = (struct wanted){.fd = fd};
        set->all[i].events |= (to_read ? (uint32_t)EPOLLIN : 0) | (to_write ? (uint32_t)EPOLLOUT : 0);
        return OK;
}

static bool put(struct wait_set *set, const struct wanted *wanted)
{
        struct epoll_event event = {.events = wanted->events};

        if (epoll_ctl(set->epoll, EPOLL_CTL_MOD, wanted->fd, &event) == 0) return true;
        return errno == ENOENT && epoll_ctl(set->epoll, EPOLL_CTL_ADD, wanted->fd, &event) == 0;
}

enum err wait_set_end(struct wait_set *set, int64_t in_us)
{
        struct itimerspec when = {.it_interval = {0, 0}, .it_value = {0, 0}};
        size_t kept = 0;
        bool ok = true;

        for (size_t i = 0; i < set->count; i++) {
                if (set->all[i].events == 0) {
                        (void)epoll_ctl(set->epoll, EPOLL_CTL_DEL, set->all[i].fd, NULL); /* closed long ago, as a rule */
                        continue;
                }
                if (!put(set, &set->all[i])) ok = false;
                set->all[kept++] = set->all[i];
        }
        set->count = kept;
        if (in_us < 0) in_us = 0;
        /* A time of zero would be never. */
        if (in_us != INT64_MAX) when.it_value = (struct timespec){in_us / 1000000, in_us % 1000000 * 1000 + 1};
        return ok && timerfd_settime(set->timer, 0, &when, NULL) == 0 ? OK : ERR_SYSTEM;
}

int wait_set_fd(const struct wait_set *set) { return set->epoll; }

#else

struct wait_set *wait_set_new(void) { return NULL; }
void wait_set_free(struct wait_set *set) { (void)set; }
void wait_set_begin(struct wait_set *set) { (void)set; }
enum err wait_set_want(struct wait_set *set, int fd, bool to_read, bool to_write)
{
        (void)set, (void)fd, (void)to_read, (void)to_write;
        return ERR_SYSTEM;
}
enum err wait_set_end(struct wait_set *set, int64_t in_us)
{
        (void)set, (void)in_us;
        return ERR_SYSTEM;
}
int wait_set_fd(const struct wait_set *set)
{
        (void)set;
        return -1;
}

#endif
