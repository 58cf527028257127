/* A cursor that writes into memory of fixed size. Running out of room is remembered, not fatal: encoders write on and the
 * caller asks once at the end. All multi-byte integers are written by the formats above this (BARE, CBOR), not here. */
#ifndef STROP_BASE_WRITER_H
#define STROP_BASE_WRITER_H

#include "transport/base/bytes.h"
#include "transport/base/err.h"

struct writer {
        uint8_t *p;
        size_t n;   /* bytes written */
        size_t cap; /* bytes there are */
        bool full;  /* something did not fit; nothing of it was written */
};

static inline struct writer writer_make(void *p, size_t cap)
{
        return (struct writer){p, 0, cap, false};
}

static inline void writer_put(struct writer *w, const void *p, size_t n)
{
        if (n > w->cap - w->n) {
                w->full = true;
                return;
        }
        if (n) memcpy(w->p + w->n, p, n);
        w->n += n;
}

static inline void writer_put_u8(struct writer *w, uint8_t byte)
{
        writer_put(w, &byte, 1);
}

/* What has been written. */
static inline struct bytes writer_bytes(const struct writer *w)
{
        return bytes_make(w->p, w->n);
}

/* ERR_TOO_LARGE when something did not fit. */
MUST_USE static inline enum err writer_err(const struct writer *w)
{
        return w->full ? ERR_TOO_LARGE : OK;
}

#endif
