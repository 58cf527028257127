/* The tail: a ring of the newest records for each stream, a list of streams by use, one budget of bytes for all. */
#include "stream/tail.h"

#include "stream/log_pack.h"

#include <assert.h>
#include <stdlib.h>

TAILQ_HEAD(streams_by_use, tail_stream);

struct tail {
        size_t budget, bytes;
        struct streams_by_use streams; /* those with records, the least recently used first */
};

enum {
        RING_FIRST_CAP = 8,
        RECORD_COST = sizeof(struct tail_record) + sizeof(struct tail_record *) + 32, /* beside the bytes: header, slot, allocator */
};

struct tail_record *tail_record_new(struct bytes data)
{
        struct tail_record *record = malloc(sizeof *record + data.n);

        if (!record) return NULL;
        record->n = data.n;
        if (data.n) memcpy(record->data, data.p, data.n);
        return record;
}

void tail_record_free(struct tail_record *record)
{
        free(record);
}

struct tail *tail_new(size_t budget)
{
        struct tail *tail = calloc(1, sizeof *tail);

        if (!tail) return NULL;
        tail->budget = budget;
        TAILQ_INIT(&tail->streams);
        return tail;
}

void tail_free(struct tail *tail)
{
        assert(!tail || TAILQ_EMPTY(&tail->streams));
        free(tail);
}

size_t tail_bytes(const struct tail *tail)
{
        return tail->bytes;
}

void tail_stream_init(struct tail_stream *stream)
{
        *stream = (struct tail_stream){0};
}

static size_t cost(const struct tail_record *record)
{
        return record->n + RECORD_COST;
}

static uint64_t first_index(const struct tail_stream *stream)
{
        return stream->next - stream->count;
}

static struct tail_record **slot(struct tail_stream *stream, size_t i)
{
        return &stream->ring[(stream->head + i) & (stream->cap - 1)];
}

static void used(struct tail *tail, struct tail_stream *stream)
{
        if (!stream->listed) return;
        TAILQ_REMOVE(&tail->streams, stream, by_use);
        TAILQ_INSERT_TAIL(&tail->streams, stream, by_use);
}

static void drop_oldest(struct tail *tail, struct tail_stream *stream)
{
        struct tail_record *record = *slot(stream, 0);

        tail->bytes -= cost(record);
        tail_record_free(record);
        stream->head = (stream->head + 1) & (stream->cap - 1);
        stream->count--;
        stream->clear_from = first_index(stream);
        if (stream->count == 0) {
                TAILQ_REMOVE(&tail->streams, stream, by_use);
                stream->listed = false;
        }
}

static void drop_all(struct tail *tail, struct tail_stream *stream)
{
        while (stream->count > 0) drop_oldest(tail, stream);
}

void tail_stream_clear(struct tail *tail, struct tail_stream *stream)
{
        drop_all(tail, stream);
        free(stream->ring);
        tail_stream_init(stream);
}

void tail_reset(struct tail *tail, struct tail_stream *stream)
{
        drop_all(tail, stream);
        stream->known = stream->foreign = false;
        stream->next = stream->clear_from = 0;
        stream->generation++;
}

static bool ring_grow(struct tail_stream *stream)
{
        size_t cap = stream->cap ? 2 * stream->cap : RING_FIRST_CAP;
        struct tail_record **ring = malloc(cap * sizeof *ring);

        if (!ring) return false;
        for (size_t i = 0; i < stream->count; i++) ring[i] = *slot(stream, i);
        free(stream->ring);
        stream->ring = ring;
        stream->cap = cap;
        stream->head = 0;
        return true;
}

/* The record behind the run, `next` being its index; when it cannot be kept the run is over and begins behind it. */
static void append(struct tail *tail, struct tail_stream *stream, struct tail_record *record)
{
        if (cost(record) > tail->budget || (stream->count == stream->cap && !ring_grow(stream))) {
                tail_record_free(record);
                drop_all(tail, stream);
                stream->next++;
                stream->clear_from = stream->next;
                return;
        }
        *slot(stream, stream->count) = record;
        stream->count++;
        stream->next++;
        tail->bytes += cost(record);
        if (!stream->listed) TAILQ_INSERT_TAIL(&tail->streams, stream, by_use);
        stream->listed = true;
        used(tail, stream);
        while (tail->bytes > tail->budget) drop_oldest(tail, TAILQ_FIRST(&tail->streams));
}

enum tail_acked tail_acked(struct tail *tail, struct tail_stream *stream, uint64_t index, struct tail_record *take_record)
{
        enum tail_acked what = TAIL_EXTENDED;

        if (stream->known && index < stream->next) {
                tail_reset(tail, stream);
                what = TAIL_REMADE;
        } else if (!stream->known) {
                what = TAIL_STARTED;
        } else if (index > stream->next) {
                drop_all(tail, stream);
                stream->foreign = true;
                what = TAIL_RESTARTED;
        }
        if (what != TAIL_EXTENDED) stream->next = stream->clear_from = index;
        stream->known = true;
        append(tail, stream, take_record);
        return what;
}

void tail_nothing_between(struct tail_stream *stream, uint64_t generation, uint64_t from, uint64_t to)
{
        if (!stream->known || generation != stream->generation) return;
        if (to >= stream->clear_from && to <= stream->next && from < stream->clear_from) stream->clear_from = from;
}

bool tail_is_all_from(const struct tail_stream *stream, uint64_t from, uint64_t end)
{
        return stream->known && stream->next == end && first_index(stream) <= from;
}

void tail_starts_at(struct tail *tail, struct tail_stream *stream, uint64_t start)
{
        while (stream->count > 0 && first_index(stream) < start) drop_oldest(tail, stream);
}

void tail_forget(struct tail *tail, struct tail_stream *stream)
{
        drop_all(tail, stream);
        stream->clear_from = stream->next;
}

void tail_doubt(struct tail *tail, struct tail_stream *stream)
{
        tail_forget(tail, stream);
        stream->generation++;
}

/* The run's records from `index` on, as many as the read takes. */
static size_t take(struct tail_stream *stream, const struct log_read *read, uint64_t index, struct log_record *records, size_t cap,
                   struct tail_found *found)
{
        struct log_pack pack = log_pack_begin(read);

        for (size_t i = (size_t)(index - first_index(stream)); i < stream->count && pack.taken < cap; i++) {
                const struct tail_record *record = *slot(stream, i);
                enum log_pack_step step = log_pack_next(&pack, record->n);

                if (step == LOG_PACK_STOP) break;
                if (step == LOG_PACK_TAKE) records[pack.taken - 1] = (struct log_record){first_index(stream) + i, tail_record_bytes(record)};
        }
        *found = (struct tail_found){pack.taken, pack.too_large};
        return pack.taken;
}

enum tail_answer tail_read(struct tail *tail, struct tail_stream *stream, const struct log_read *read, struct log_record *records, size_t cap,
                           struct tail_found *found)
{
        uint64_t first = first_index(stream);

        *found = (struct tail_found){0, 0};
        if (!stream->known || read->index < stream->clear_from) return TAIL_ASK;
        if (read->index > stream->next) return TAIL_BEYOND;
        if (read->index == stream->next || stream->count == 0) return TAIL_AT_END;
        used(tail, stream);
        return take(stream, read, read->index > first ? read->index : first, records, cap, found) ? TAIL_FOUND : TAIL_AT_END;
}
