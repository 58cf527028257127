/* Looks now and then how much is free within the heap; only glibc keeps it so, and can be asked. */
#include "node/trim.h"

#include "node/limits.h"
#include "transport/base/logger.h"

#ifdef __GLIBC__
#include <malloc.h>

static void give_back(size_t least)
{
        if (mallinfo2().fordblks >= least) malloc_trim(0);
}
#else
static void give_back(size_t least)
{
        (void)least;
}
#endif

static void trim_look(void *arg)
{
        struct trim *trim = arg;

        trim->looks++;
        give_back(trim->looks % TRIM_SELDOM ? TRIM_MUCH_BYTES : TRIM_FREE_BYTES);
        if (context_timer_set(trim->ctx, &trim->timer, TRIM_LOOK_MS)) log_error(NULL, "no memory for a timer: free memory is kept");
}

enum err trim_start(struct trim *trim, struct context *ctx)
{
        trim->ctx = ctx;
        trim->looks = 0;
        timer_init(&trim->timer, trim_look, trim);
        return context_timer_set(ctx, &trim->timer, TRIM_LOOK_MS);
}

void trim_stop(struct trim *trim)
{
        if (trim->ctx) context_timer_stop(trim->ctx, &trim->timer);
}
