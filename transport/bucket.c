/* Counts in thousandths of a token, since that is what comes in a millisecond at one token a second. */
#include "transport/bucket.h"

enum { TAKE_MAX = 1 << 30 }; /* far more than any frame has; keeps all sums small */

uint64_t bucket_take(struct bucket *bucket, uint32_t per_s, uint64_t now_ms, uint64_t n)
{
        uint64_t passed = now_ms - bucket->at_ms, full = (uint64_t)per_s * 1000;

        if (!per_s) return 0;
        bucket->at_ms = now_ms;
        /* Compared before it is multiplied, since a long time may have passed. */
        bucket->missing = passed > bucket->missing / per_s ? 0 : bucket->missing - passed * per_s;
        bucket->missing += (n < TAKE_MAX ? n : TAKE_MAX) * 1000;
        return bucket->missing > full ? (bucket->missing - full + per_s - 1) / per_s : 0;
}
