/* Memory in pieces of a few bytes, kept in pages of its own, away from malloc's heap. For what is small, made while much else is, and lives for ever:
 * on the heap each such piece would hold the page that it lies in when all around it has been freed. What is larger comes from malloc as usual.
 * A replacement for malloc, realloc and free, to be handed to a library. For one thread alone. */
#ifndef STROP_BASE_SMALL_H
#define STROP_BASE_SMALL_H

#include <stddef.h>

enum {
        SMALL_SIZE = 16,        /* bytes of a piece; more come from malloc */
        SMALL_COUNT = 1 << 20,  /* pieces; one more comes from malloc. Pages that none has been in take no memory */
};

void *small_malloc(size_t n);
void *small_realloc(void *p, size_t n);
void small_free(void *p);

#endif
