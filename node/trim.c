/* Looks now and then how much is free within the heap; only glibc keeps it so, and can be asked. */
#include "node/trim.h"

#include "node/limits.h"
#include "transport/base/logger.h"

#ifdef __GLIBC__
#include <malloc.h>

/* What is free counts as free when its pages have been given back as well, and to go through all of it costs milliseconds: only what has become
 * free since then is a reason to do it again. */
static void give_back(struct trim *trim, size_t least)
{
        size_t free_bytes = mallinfo2().fordblks;

        if (free_bytes < trim->given) trim->given = free_bytes;
        if (free_bytes - trim->given < least) return;
        malloc_trim(0);
        trim->trims++;
        trim->given = mallinfo2().fordblks;
}
#else
static void give_back(struct trim *trim, size_t least)
{
        (void)trim;
        (void)least;
}
#endif

static void trim_look(void *arg)
{
        struct trim *trim = arg;

        trim->looks++;
        give_back(trim, trim->looks % TRIM_SELDOM ? TRIM_MUCH_BYTES : TRIM_FREE_BYTES);
        if (context_timer_set(trim->ctx, &trim->timer, TRIM_LOOK_MS)) log_error(NULL, "no memory for a timer: free memory is kept");
}

enum err trim_start(struct trim *trim, struct context *ctx)
{
        *trim = (struct trim){.ctx = ctx};
        timer_init(&trim->timer, trim_look, trim);
        return context_timer_set(ctx, &trim->timer, TRIM_LOOK_MS);
}

void trim_stop(struct trim *trim)
{
        if (trim->ctx) context_timer_stop(trim->ctx, &trim->timer);
}
