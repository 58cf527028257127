/* C11's threads, mutexes and conditions by the POSIX ones, in place of the C library's. Both have the same size and layout there. */
#include "tests/support/tsan_threads.h"

void tsan_threads_use(void)
{
}

#ifdef __SANITIZE_THREAD__ /* gcc */
#define SEEN_BY_TSAN
#elif defined(__has_feature) /* clang */
#if __has_feature(thread_sanitizer)
#define SEEN_BY_TSAN
#endif
#endif

#ifdef SEEN_BY_TSAN

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

#define EXPORTED __attribute__((visibility("default"), used))

_Static_assert(sizeof(mtx_t) >= sizeof(pthread_mutex_t) && sizeof(cnd_t) >= sizeof(pthread_cond_t), "not the C library's layout");
_Static_assert(sizeof(thrd_t) == sizeof(pthread_t), "not the C library's layout");

struct start {
        thrd_start_t function;
        void *arg;
};

static void *run(void *arg)
{
        struct start start = *(struct start *)arg;

        free(arg);
        return (void *)(intptr_t)start.function(start.arg);
}

static int result_of(int err)
{
        if (err == 0) return thrd_success;
        return err == ETIMEDOUT ? thrd_timedout : thrd_error;
}

EXPORTED int thrd_create(thrd_t *thread, thrd_start_t function, void *arg)
{
        struct start *start = malloc(sizeof *start);

        if (!start) return thrd_nomem;
        *start = (struct start){function, arg};
        return result_of(pthread_create(thread, NULL, run, start));
}

EXPORTED int thrd_join(thrd_t thread, int *result)
{
        void *value = NULL;
        int err = pthread_join(thread, &value);

        if (result) *result = (int)(intptr_t)value;
        return result_of(err);
}

EXPORTED int mtx_init(mtx_t *mutex, int type)
{
        pthread_mutexattr_t attributes;
        int err;

        pthread_mutexattr_init(&attributes);
        if (type & mtx_recursive) pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
        err = pthread_mutex_init((pthread_mutex_t *)mutex, &attributes);
        pthread_mutexattr_destroy(&attributes);
        return result_of(err);
}

EXPORTED int mtx_lock(mtx_t *mutex)
{
        return result_of(pthread_mutex_lock((pthread_mutex_t *)mutex));
}

EXPORTED int mtx_unlock(mtx_t *mutex)
{
        return result_of(pthread_mutex_unlock((pthread_mutex_t *)mutex));
}

EXPORTED void mtx_destroy(mtx_t *mutex)
{
        pthread_mutex_destroy((pthread_mutex_t *)mutex);
}

EXPORTED int cnd_init(cnd_t *condition)
{
        return result_of(pthread_cond_init((pthread_cond_t *)condition, NULL));
}

EXPORTED int cnd_signal(cnd_t *condition)
{
        return result_of(pthread_cond_signal((pthread_cond_t *)condition));
}

EXPORTED int cnd_broadcast(cnd_t *condition)
{
        return result_of(pthread_cond_broadcast((pthread_cond_t *)condition));
}

EXPORTED int cnd_wait(cnd_t *condition, mtx_t *mutex)
{
        return result_of(pthread_cond_wait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex));
}

EXPORTED int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex, const struct timespec *restrict until)
{
        return result_of(pthread_cond_timedwait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex, until));
}

EXPORTED void cnd_destroy(cnd_t *condition)
{
        pthread_cond_destroy((pthread_cond_t *)condition);
}

#endif
