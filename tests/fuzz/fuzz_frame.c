/* TCP frames: a byte stream that comes in pieces gives the frames that it gives at once, and each is what it was when it was written. The
 * first byte is how many bytes follow that say how the stream is cut, over and over; the stream is the rest. */
#include "tests/fuzz/fuzz.h"
#include "transport/frame.h"

enum { FRAMES_MAX = 2048 };

struct frames {
        struct bytes bodies[FRAMES_MAX];
        size_t count;
};

/* Takes off all frames that are whole in the first `have` bytes; `from` moves on. The bytes stand alone, so that nothing beyond is looked
 * at. */
static void take_frames(struct bytes in, size_t have, size_t *from, struct frames *frames)
{
        size_t n = have - *from, at = 0;
        uint8_t *piece = fuzz_memory(n);

        if (n) memcpy(piece, in.p + *from, n);
        for (;;) {
                size_t used = 0;
                struct bytes body = BYTES_NONE;
                uint8_t head[2];
                struct writer w = writer_make(head, sizeof head);
                enum err err = frame_next(bytes_make(piece + at, n - at), &used, &body);

                if (err == ERR_AGAIN) break;
                fuzz_require(err == OK && used == body.n + 2 && used <= n - at && body.p == piece + at + 2);
                frame_put_length(&w, body.n);
                fuzz_require(!w.full && memcmp(head, piece + at, 2) == 0);
                if (frames->count < FRAMES_MAX) frames->bodies[frames->count] = bytes_make(in.p + *from + at + 2, body.n);
                frames->count++;
                at += used;
        }
        *from += at;
        free(piece);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct frames in_pieces, at_once;
        struct fuzz_input input = fuzz_input_make(data, size);
        struct bytes cuts = fuzz_data(&input), in = input.rest;
        size_t have = 0, from = 0, whole = 0;

        in_pieces.count = at_once.count = 0;
        for (size_t i = 0; have < in.n; i++) {
                size_t more = cuts.n ? cuts.p[i % cuts.n] + (size_t)(i >= cuts.n) : in.n;

                have = more < in.n - have ? have + more : in.n;
                take_frames(in, have, &from, &in_pieces);
        }
        take_frames(in, in.n, &whole, &at_once);
        fuzz_require(from == whole && in_pieces.count == at_once.count);
        for (size_t i = 0; i < at_once.count && i < FRAMES_MAX; i++)
                fuzz_require(in_pieces.bodies[i].p == at_once.bodies[i].p && in_pieces.bodies[i].n == at_once.bodies[i].n);
        return 0;
}
