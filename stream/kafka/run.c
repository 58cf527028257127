/* Records side by side in one piece of memory, and a table of where they are. */
#include "stream/kafka/run.h"

#include "stream/log_pack.h"

#include <stdlib.h>
#include <string.h>

void run_init(struct run *run, uint64_t from)
{
        *run = (struct run){.from = from, .upto = from};
}

void run_clear(struct run *run)
{
        free(run->records);
        free(run->bytes);
        run_init(run, 0);
}

size_t run_size(const struct run *run)
{
        return run->cap * sizeof *run->records + run->bytes_cap;
}

static bool grow(void **p, size_t *cap, size_t need, size_t size)
{
        size_t n = *cap ? *cap : 64;
        void *grown;

        while (n < need) n *= 2;
        if (n == *cap) return true;
        if (!(grown = realloc(*p, n * size))) return false;
        *p = grown;
        *cap = n;
        return true;
}

enum err run_add(struct run *run, uint64_t index, struct bytes data)
{
        void *records = run->records, *bytes = run->bytes;
        bool grown;

        grown = grow(&records, &run->cap, run->count + 1, sizeof *run->records);
        run->records = records;
        grown = grown && grow(&bytes, &run->bytes_cap, run->used + data.n, 1);
        run->bytes = bytes;
        if (!grown) return ERR_NO_MEMORY;
        run->records[run->count++] = (struct run_record){index, run->used, data.n};
        if (data.n) memcpy(run->bytes + run->used, data.p, data.n);
        run->used += data.n;
        run->upto = index + 1;
        return OK;
}

void run_extend(struct run *run, uint64_t upto)
{
        if (upto > run->upto) run->upto = upto;
}

/* The place of the first record at or behind `index`. */
static size_t find(const struct run *run, uint64_t index)
{
        size_t low = 0, high = run->count;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (run->records[middle].index < index) low = middle + 1;
                else high = middle;
        }
        return low;
}

static void forget_first(struct run *run, size_t gone)
{
        size_t kept = run->count - gone, start = kept ? run->records[gone].offset : run->used;

        if (!gone) return;
        run->from = run->records[gone - 1].index + 1;
        memmove(run->bytes, run->bytes + start, run->used - start);
        memmove(run->records, run->records + gone, kept * sizeof *run->records);
        for (size_t i = 0; i < kept; i++) run->records[i].offset -= start;
        run->used -= start;
        run->count = kept;
}

void run_forget(struct run *run) { forget_first(run, (run->count + 1) / 2); }

void run_forget_before(struct run *run, uint64_t index)
{
        forget_first(run, find(run, index));
        if (run->from < index) run->from = index;
        run_extend(run, index);
}

struct run_answer run_read(const struct run *run, const struct log_read *read, struct log_record *records, size_t cap)
{
        struct log_pack pack = log_pack_begin(read);
        bool full = false;

        for (size_t i = find(run, read->index); i < run->count && !full; i++) {
                const struct run_record *record = &run->records[i];
                enum log_pack_step step = log_pack_next(&pack, record->n);

                if (step == LOG_PACK_TAKE)
                        records[pack.taken - 1] = (struct log_record){record->index, bytes_make(run->bytes + record->offset, record->n)};
                full = step == LOG_PACK_STOP || pack.taken == cap;
        }
        return (struct run_answer){pack.taken, pack.too_large, full || pack.records_left == 0};
}
