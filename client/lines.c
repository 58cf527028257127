/* Lines from a descriptor: a buffer that holds one line of the longest kind and some more. */
#include "client/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

bool lines_init(struct lines *lines, size_t max)
{
        *lines = (struct lines){.max = max, .cap = 2 * (max + 1)};
        lines->memory = malloc(lines->cap);
        return lines->memory != NULL;
}

void lines_clear(struct lines *lines)
{
        free(lines->memory);
        lines->memory = NULL;
}

bool lines_read(struct lines *lines, int fd)
{
        ssize_t n;

        if (lines->eof) return true;
        if (lines->start > 0) {
                memmove(lines->memory, lines->memory + lines->start, lines->end - lines->start);
                lines->end -= lines->start;
                lines->start = 0;
        }
        if (lines->end == lines->cap) return true;
        n = read(fd, lines->memory + lines->end, lines->cap - lines->end);
        if (n < 0) return errno == EAGAIN || errno == EINTR;
        lines->eof = n == 0;
        lines->end += (size_t)n;
        return true;
}

enum lines_result lines_next(struct lines *lines, struct bytes *line)
{
        const uint8_t *start = lines->memory + lines->start;
        size_t n = lines->end - lines->start;
        const uint8_t *newline = n ? memchr(start, '\n', n) : NULL;
        size_t length = newline ? (size_t)(newline - start) : n;

        if (length > lines->max) {
                lines->number++;
                return LINES_TOO_LONG;
        }
        if (!newline && !lines->eof) return LINES_MORE;
        if (!newline && n == 0) return LINES_END;
        *line = bytes_make(start, length);
        lines->start += length + (newline ? 1 : 0);
        lines->number++;
        return LINES_LINE;
}
