/* TCP frames: a byte stream that comes in pieces gives the frames that it gives at once. The first byte says how many bytes a
 * piece has; 0: of changing size. */
#include "tests/fuzz/fuzz.h"
#include "transport/frame.h"
#include "transport/message.h"

enum { HOPS = 256 };

/* Where the next frame ends, or in.n. */
static size_t frame_end(struct bytes in, size_t from)
{
        size_t used = 0;
        struct bytes body = BYTES_NONE;
        enum err err = frame_next(bytes_make(in.p + from, in.n - from), &used, &body);

        fuzz_require(err == OK || err == ERR_AGAIN);
        if (err) return in.n;
        fuzz_require(used == body.n + 2 && used <= in.n - from && body.p == in.p + from + 2);
        return from + used;
}

/* Takes off all frames that are whole in the first `have` bytes; `from` moves on. */
static void take_frames(struct bytes in, size_t have, size_t *from)
{
        for (;;) {
                size_t used = 0;
                struct bytes body = BYTES_NONE;
                struct message msg;
                uint8_t head[2];
                struct writer w = writer_make(head, sizeof head);
                enum err err = frame_next(bytes_make(in.p + *from, have - *from), &used, &body);

                if (err == ERR_AGAIN) return;
                fuzz_require(err == OK && frame_end(in, *from) == *from + used);
                frame_put_length(&w, body.n);
                fuzz_require(!w.full && memcmp(head, in.p + *from, 2) == 0);
                (void)!message_read(body, HOPS, &msg);
                *from += used;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct bytes in;
        size_t have = 0, from = 0, at_once = 0, piece;

        if (size == 0) return 0;
        piece = data[0];
        in = bytes_make(data + 1, size - 1);
        while (have < in.n) {
                size_t more = piece ? piece : have % 7 + 1;

                have = more < in.n - have ? have + more : in.n;
                take_frames(in, have, &from);
        }
        take_frames(in, in.n, &at_once);
        fuzz_require(from == at_once);
        return 0;
}
