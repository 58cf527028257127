/* Scratch memory that is given back all at once: where messages are put together while one frame is worked off.
 * It grows in chunks up to a limit and keeps its first chunk when reset, so that the usual frame allocates nothing. */
#ifndef STROP_BASE_ARENA_H
#define STROP_BASE_ARENA_H

#include "transport/base/bytes.h"
#include "transport/base/err.h"

struct arena_chunk;

struct arena {
        struct arena_chunk *first, *current;
        size_t used;  /* bytes handed out since the last reset */
        size_t limit; /* most bytes between two resets */
};

void arena_init(struct arena *arena, size_t limit);
void arena_clear(struct arena *arena);

/* Memory for n bytes, aligned for any type, not initialised; NULL beyond the limit or when memory is out.
 * Lives until the next reset. */
void *arena_alloc(struct arena *arena, size_t n);

/* Gives back the last part of the newest allocation: `p` keeps `used` of its bytes. */
void arena_shrink(struct arena *arena, void *p, size_t used);

/* Takes all memory back. Under the address sanitizer a use of it afterwards is an error. */
void arena_reset(struct arena *arena);

#endif
