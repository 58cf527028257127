/* Views of bytes. A view owns nothing and never outlives what it looks into. */
#ifndef STROP_BASE_BYTES_H
#define STROP_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
        const uint8_t *p;
        size_t n;
};

#define BYTES_NONE ((struct bytes){NULL, 0})
/* A view of a string literal, without its NUL. */
#define BYTES_LITERAL(s) ((struct bytes){(const uint8_t *)("" s), sizeof(s) - 1})

static inline struct bytes bytes_make(const void *p, size_t n)
{
        return (struct bytes){p, n};
}

static inline struct bytes bytes_of_text(const char *text)
{
        return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
        return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Whether the bytes are valid UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool bytes_are_utf8(struct bytes in);
/* The length of the UTF-8 character that the bytes begin with, 1 to 4; 0 when they begin with none. */
size_t bytes_utf8_char(struct bytes in);

#endif
