/* Scratch memory in chunks. The first chunk stays through resets; the others come and go with a frame that is larger than usual. */
#include "transport/base/arena.h"

#include <assert.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISONS 1
#endif
#endif
#ifdef ARENA_POISONS
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n)   ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

enum {
        ALIGN = 16,
        CHUNK_USUAL = 128 << 10, /* two of the largest frames: what a message and its answer take */
};

struct arena_chunk {
        struct arena_chunk *next;
        size_t cap, used;
        _Alignas(ALIGN) uint8_t memory[];
};

static size_t rounded(size_t n)
{
        return (n + ALIGN - 1) / ALIGN * ALIGN;
}

void arena_init(struct arena *arena, size_t limit)
{
        *arena = (struct arena){.limit = limit};
}

static void chunk_free(struct arena_chunk *chunk)
{
        ASAN_UNPOISON_MEMORY_REGION(chunk->memory, chunk->cap);
        free(chunk);
}

static void chunks_free_after(struct arena_chunk *chunk)
{
        while (chunk->next) {
                struct arena_chunk *next = chunk->next;
                chunk->next = next->next;
                chunk_free(next);
        }
}

void arena_clear(struct arena *arena)
{
        if (arena->first) {
                chunks_free_after(arena->first);
                chunk_free(arena->first);
        }
        arena_init(arena, arena->limit);
}

static bool chunk_add(struct arena *arena, size_t n)
{
        const size_t usual = arena->limit < CHUNK_USUAL ? arena->limit : CHUNK_USUAL, cap = n > usual ? n : usual;
        struct arena_chunk *chunk = malloc(sizeof *chunk + cap);

        if (!chunk) return false;
        *chunk = (struct arena_chunk){.cap = cap};
        ASAN_POISON_MEMORY_REGION(chunk->memory, cap);
        if (arena->current) arena->current->next = chunk;
        else arena->first = chunk;
        arena->current = chunk;
        return true;
}

void *arena_alloc(struct arena *arena, size_t n)
{
        size_t size;
        uint8_t *p;

        if (n > arena->limit) return NULL;
        size = rounded(n ? n : 1);
        if (size > arena->limit - arena->used) return NULL;
        if ((!arena->current || size > arena->current->cap - arena->current->used) && !chunk_add(arena, size)) return NULL;
        p = arena->current->memory + arena->current->used;
        arena->current->used += size;
        arena->used += size;
        ASAN_UNPOISON_MEMORY_REGION(p, n);
        return p;
}

void arena_shrink(struct arena *arena, void *p, size_t used)
{
        struct arena_chunk *chunk = arena->current;
        size_t before = (size_t)((uint8_t *)p - chunk->memory), after = before + rounded(used ? used : 1);

        assert((uint8_t *)p >= chunk->memory && after <= chunk->used);
        ASAN_POISON_MEMORY_REGION((uint8_t *)p + used, chunk->used - before - used);
        arena->used -= chunk->used - after;
        chunk->used = after;
}

void arena_reset(struct arena *arena)
{
        if (!arena->first) return;
        chunks_free_after(arena->first);
        ASAN_POISON_MEMORY_REGION(arena->first->memory, arena->first->used); /* the rest still is */
        arena->first->used = 0;
        arena->current = arena->first;
        arena->used = 0;
}
