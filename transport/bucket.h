/* A token bucket that may go into debt: who has taken what was not there waits until it is paid. Nothing is ever refused by it. */
#ifndef STROP_TRANSPORT_BUCKET_H
#define STROP_TRANSPORT_BUCKET_H

#include <stdint.h>

/* All zero: full. */
struct bucket {
        uint64_t missing; /* thousandths of a token; more than a full bucket holds: debt */
        uint64_t at_ms;   /* when that was so */
};

/* Takes n tokens at `now_ms` out of a bucket that fills with `per_s` a second, up to as many as come in one second. Returns for how many
 * milliseconds there is debt from now on; 0: none, or per_s is 0, which means no limit. n 0: asks only. */
uint64_t bucket_take(struct bucket *bucket, uint32_t per_s, uint64_t now_ms, uint64_t n);

#endif
