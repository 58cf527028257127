/* Items on stdin as the Rust programs beside write them: a length (4 bytes, little-endian) and as many bytes. */
#ifndef STROP_TESTS_INTEROP_ITEMS_H
#define STROP_TESTS_INTEROP_ITEMS_H

#include "transport/base/bytes.h"

#include <stdio.h>
#include <stdlib.h>

/* Ends the program: what it compares does not agree, or cannot be compared. */
#define DIE(...) (fprintf(stderr, __VA_ARGS__), fputc('\n', stderr), exit(1))

/* The next item, in `memory`; false at the end of the input, between two. */
static inline bool item_read(uint8_t *memory, size_t cap, struct bytes *item)
{
        uint8_t head[4];
        size_t n = fread(head, 1, sizeof head, stdin);

        if (n == 0 && feof(stdin)) return false;
        if (n < sizeof head) DIE("the input ends within an item's length");
        n = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
        if (n > cap) DIE("an item of %zu bytes", n);
        if (fread(memory, 1, n, stdin) < n) DIE("the input ends within an item");
        *item = bytes_make(memory, n);
        return true;
}

static inline struct bytes item_must(uint8_t *memory, size_t cap)
{
        struct bytes item;

        if (!item_read(memory, cap, &item)) DIE("an item is missing");
        return item;
}

#endif
