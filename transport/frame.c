/* The TCP frame: docs/protocol.md, "TCP frame". */
#include "transport/frame.h"

#include "transport/wire.h"

enum err frame_next(struct bytes in, size_t *used, struct bytes *body)
{
        size_t size;

        if (in.n < FRAME_LENGTH_SIZE) return ERR_AGAIN;
        size = (size_t)in.p[0] << 8 | in.p[1];
        if (in.n - FRAME_LENGTH_SIZE < size) return ERR_AGAIN;
        *body = bytes_make(in.p + FRAME_LENGTH_SIZE, size);
        *used = FRAME_LENGTH_SIZE + size;
        return OK;
}

void frame_put_length(struct writer *w, size_t size)
{
        uint8_t length[FRAME_LENGTH_SIZE] = {(uint8_t)(size >> 8), (uint8_t)size};

        writer_put(w, length, sizeof length);
}
