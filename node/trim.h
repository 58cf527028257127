/* Gives memory back to the system that many clients have used and that is free again: the allocator of itself keeps what does not lie at
 * the end of its heap, so a node would look for ever as large as it once was (reliability G17). */
#ifndef STROP_NODE_TRIM_H
#define STROP_NODE_TRIM_H

#include "transport/base/context.h"

struct trim {
        struct context *ctx;
        struct timer timer;
        unsigned looks, trims;
        size_t given; /* bytes that were free when memory was given back last, or fewer: their pages are gone already */
};

/* Looks every TRIM_LOOK_MS from now on: much is given back at once, less after a while. ERR_NO_MEMORY. */
MUST_USE enum err trim_start(struct trim *trim, struct context *ctx);
void trim_stop(struct trim *trim);

#endif
