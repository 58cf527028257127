/* How the answer to a read is packed (log.h, struct log_read): one rule for every log and for the tail, so that the same
 * records give the same answer wherever they come from. */
#ifndef STROP_STREAM_LOG_PACK_H
#define STROP_STREAM_LOG_PACK_H

#include "stream/log.h"

#include <stdbool.h>

enum log_pack_step {
        LOG_PACK_TAKE, /* the record goes into the answer */
        LOG_PACK_SKIP, /* larger than record_max: passed over like a hole */
        LOG_PACK_STOP, /* the answer is full; this record is the first of the next one */
};

struct log_pack {
        uint64_t records_left;
        size_t bytes_left, record_overhead, record_max;
        size_t taken;     /* records in the answer */
        size_t too_large; /* records passed over */
};

static inline struct log_pack log_pack_begin(const struct log_read *read)
{
        return (struct log_pack){
                .records_left = read->max_records, .bytes_left = read->max_bytes,
                .record_overhead = read->record_overhead, .record_max = read->record_max,
        };
}

/* What to do with the next record in order, of `n` bytes. */
static inline enum log_pack_step log_pack_next(struct log_pack *pack, size_t n)
{
        if (pack->records_left == 0) return LOG_PACK_STOP;
        if (n > pack->record_max) {
                pack->too_large++;
                return LOG_PACK_SKIP;
        }
        size_t cost = n <= SIZE_MAX - pack->record_overhead ? n + pack->record_overhead : SIZE_MAX;
        if (cost > pack->bytes_left) {
                if (pack->taken) return LOG_PACK_STOP;
                cost = pack->bytes_left; /* the first one is given whatever is left for it */
        }
        pack->bytes_left -= cost;
        pack->records_left--;
        pack->taken++;
        return LOG_PACK_TAKE;
}

#endif
