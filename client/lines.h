/* Lines from a descriptor, one at a time, each bounded. */
#ifndef STROP_CLIENT_LINES_H
#define STROP_CLIENT_LINES_H

#include "transport/base/bytes.h"

struct lines {
        uint8_t *memory;
        size_t cap, start, end; /* what has been read and not handed out: memory[start..end) */
        size_t max;             /* bytes of the longest line, without its newline */
        uint64_t number;        /* of the latest line handed out, or found too long; from 1 */
        bool eof;
};

enum lines_result {
        LINES_LINE,
        LINES_MORE,     /* none whole is here: read */
        LINES_END,      /* there are no more */
        LINES_TOO_LONG, /* the next one is longer than allowed; it stays so */
};

/* False: out of memory. */
bool lines_init(struct lines *lines, size_t max);
void lines_clear(struct lines *lines);
/* Reads what there is, once. False: errno says why not; EAGAIN and EINTR are no failures. */
bool lines_read(struct lines *lines, int fd);
/* `line` points into the buffer and lives until the next call. A last line needs no newline. */
enum lines_result lines_next(struct lines *lines, struct bytes *line);

#endif
