/* One mapping of pieces of one size, filled from its front; those given back are a list through themselves, and go first. */
#include "transport/base/small.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
/* What it can't see in between, the sanitizer would call leaked. */
static const bool apart = false;
#else
static const bool apart = true;
#endif

union piece {
        union piece *next; /* while it is free */
        uint8_t bytes[SMALL_SIZE];
};

static struct {
        union piece *pieces; /* SMALL_COUNT of them; NULL: none yet, or the system gave none */
        size_t used;         /* of them, ever */
        union piece *free;   /* given back */
} small;

static bool is_small(const void *p)
{
        return small.pieces && (uintptr_t)p >= (uintptr_t)small.pieces && (uintptr_t)p < (uintptr_t)(small.pieces + SMALL_COUNT);
}

static union piece *pieces_map(void)
{
        void *map = mmap(NULL, SMALL_COUNT * sizeof(union piece), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        return map == MAP_FAILED ? NULL : map;
}

void *small_malloc(size_t n)
{
        union piece *piece = small.free;

        if (!apart || n > SMALL_SIZE) return malloc(n);
        if (piece) {
                small.free = piece->next;
                return piece;
        }
        if (!small.pieces) small.pieces = pieces_map();
        return small.pieces && small.used < SMALL_COUNT ? &small.pieces[small.used++] : malloc(n);
}

void small_free(void *p)
{
        union piece *piece = p;

        if (!is_small(p)) {
                free(p);
                return;
        }
        piece->next = small.free;
        small.free = piece;
}

void *small_realloc(void *p, size_t n)
{
        void *larger;

        if (!p) return small_malloc(n);
        if (!is_small(p)) return realloc(p, n);
        if (n <= SMALL_SIZE) return p;
        if (!(larger = malloc(n))) return NULL;
        memcpy(larger, p, SMALL_SIZE);
        small_free(p);
        return larger;
}
