/* The truth about streams, kept as hashes; see the header. */
#include "tests/support/stream_truth.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Records of the same bytes in one stream. */
struct byte_count {
        UT_hash_handle hh;
        uint64_t hash;
        size_t asked, refused, stored;
};

static void *must(void *p)
{
        if (!p) abort();
        return p;
}

void stream_truth_violated(struct stream_truth *truth, const char *fmt, ...)
{
        va_list args;

        if (truth->violation[0]) return;
        va_start(args, fmt);
        vsnprintf(truth->violation, sizeof truth->violation, fmt, args);
        va_end(args);
}

/* FNV-1a over words, going on from `hash`; nobody attacks a test. */
uint64_t truth_hash_more(uint64_t hash, struct bytes in)
{
        size_t i = 0;

        for (uint64_t word; i + sizeof word <= in.n; i += sizeof word) {
                memcpy(&word, in.p + i, sizeof word);
                hash = (hash ^ word ^ hash >> 29) * 0x100000001b3u;
        }
        for (; i < in.n; i++)
                hash = (hash ^ in.p[i]) * 0x100000001b3u;
        return (hash ^ in.n ^ hash >> 31) * 0x100000001b3u;
}

uint64_t truth_hash(struct bytes in) { return truth_hash_more(0xcbf29ce484222325u, in); }

/* --- streams and their generations ------------------------------------------------------------------------------------------ */

static void generation_begin(struct truth_stream *stream)
{
        struct generation *generation = must(calloc(1, sizeof *generation));

        generation->older = stream->now;
        stream->now = generation;
}

struct truth_stream *truth_stream_named(struct stream_truth *truth, struct bytes name, uint64_t partition)
{
        struct truth_stream *stream;
        char *key;

        if (asprintf(&key, "%u/%.*s", (unsigned)partition, (int)name.n, (const char *)name.p) < 0) abort();
        HASH_FIND_STR(truth->streams, key, stream);
        if (stream) {
                free(key);
                return stream;
        }
        stream = must(calloc(1, sizeof *stream));
        stream->key = key;
        stream->name = strchr(key, '/') + 1;
        stream->partition = (uint32_t)partition;
        generation_begin(stream);
        HASH_ADD_KEYPTR(hh, truth->streams, stream->key, strlen(stream->key), stream);
        return stream;
}

static void stream_free(struct stream_truth *truth, struct truth_stream *stream)
{
        struct byte_count *count, *next;
        struct generation *generation;

        HASH_DEL(truth->streams, stream);
        HASH_ITER(hh, stream->counts, count, next)
        {
                HASH_DEL(stream->counts, count);
                free(count);
        }
        while ((generation = stream->now)) {
                stream->now = generation->older;
                free(generation->seen);
                free(generation);
        }
        free(stream->key);
        free(stream);
}

size_t generation_find(const struct generation *generation, uint64_t index)
{
        size_t low = 0, high = generation->count;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (generation->seen[middle].index < index)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

/* --- I2 ------------------------------------------------------------------------------------------------------------------------ */

static struct byte_count *count_of(struct truth_stream *stream, uint64_t hash)
{
        struct byte_count *count;

        HASH_FIND(hh, stream->counts, &hash, sizeof hash, count);
        if (count) return count;
        count = must(calloc(1, sizeof *count));
        count->hash = hash;
        HASH_ADD(hh, stream->counts, hash, sizeof count->hash, count);
        return count;
}

static void count_check(struct stream_truth *truth, const struct truth_stream *stream, const struct byte_count *count)
{
        if (count->stored + count->refused <= count->asked) return;
        stream_truth_violated(truth, "I2: %s holds %zu records of the same bytes, of %zu asked for and %zu that definitely failed",
                              stream->name, count->stored, count->asked, count->refused);
}

void truth_asked(struct stream_truth *truth, struct truth_stream *stream, uint64_t hash)
{
        (void)truth;
        count_of(stream, hash)->asked++;
}

void truth_refused(struct stream_truth *truth, struct truth_stream *stream, uint64_t hash)
{
        struct byte_count *count = count_of(stream, hash);

        count->refused++;
        count_check(truth, stream, count);
}

/* --- I3: what stands where --------------------------------------------------------------------------------------------------- */

static void record_seen(struct stream_truth *truth, struct truth_stream *stream, const struct log_record *record, uint64_t hash)
{
        struct generation *generation = stream->now;
        struct byte_count *count = count_of(stream, hash);

        if (generation->count > 0 && record->index <= generation->seen[generation->count - 1].index)
                stream_truth_violated(truth, "I3: %s has record %llu behind %llu", stream->name, (unsigned long long)record->index,
                                      (unsigned long long)generation->seen[generation->count - 1].index);
        if (generation->count == generation->cap) {
                generation->cap = generation->cap ? 2 * generation->cap : 64;
                generation->seen = must(realloc(generation->seen, generation->cap * sizeof *generation->seen));
        }
        generation->seen[generation->count++] = (struct seen){record->index, hash, record->data.n};
        count->stored++;
        count_check(truth, stream, count);
}

/* Compares the record with what was seen at its place before, or notes it as the next one. */
static void record_check(struct stream_truth *truth, struct truth_stream *stream, size_t at, const struct log_record *record)
{
        const struct generation *generation = stream->now;
        uint64_t hash = truth_hash(record->data);

        if (at >= generation->count)
                record_seen(truth, stream, record, hash);
        else if (generation->seen[at].index != record->index || generation->seen[at].hash != hash)
                stream_truth_violated(truth, "I3: the record at %llu of %s is another one than before (now at %llu)",
                                      (unsigned long long)generation->seen[at].index, stream->name, (unsigned long long)record->index);
}

void truth_refresh(struct stream_truth *truth, struct truth_stream *stream, bool all)
{
        const struct generation *generation = stream->now;
        size_t gone = generation_find(generation, generation->start), kept = generation->count - gone, count = 0;
        const struct log_record *records = NULL;

        if (truth->dump(truth->user, stream->name, stream->partition, &records, &count)) count = 0;
        if (count < kept) stream_truth_violated(truth, "I3: %s had %zu records and has %zu", stream->name, kept, count);
        for (size_t i = all || kept == 0 ? 0 : kept - 1; i < count; i++)
                record_check(truth, stream, gone + i, &records[i]);
}

void truth_refresh_all(struct stream_truth *truth)
{
        struct truth_stream *stream, *next;

        HASH_ITER(hh, truth->streams, stream, next) truth_refresh(truth, stream, true);
}

void truth_truncates(struct stream_truth *truth, const char *name, uint32_t partition, uint64_t index)
{
        struct truth_stream *stream = truth_stream_named(truth, bytes_of_text(name), partition);

        truth_refresh(truth, stream, true);
        if (index > stream->now->start) stream->now->start = index;
}

void truth_deletes(struct stream_truth *truth, const char *name)
{
        struct truth_stream *stream, *next;

        HASH_ITER(hh, truth->streams, stream, next)
        {
                if (strcmp(stream->name, name) != 0) continue;
                truth_refresh(truth, stream, true);
                generation_begin(stream);
        }
}

/* --- life ------------------------------------------------------------------------------------------------------------------------ */

void stream_truth_init(struct stream_truth *truth, stream_truth_dump *dump, void *user)
{
        *truth = (struct stream_truth){.dump = dump, .user = user};
}

void stream_truth_clear(struct stream_truth *truth)
{
        struct truth_stream *stream, *next;

        HASH_ITER(hh, truth->streams, stream, next) stream_free(truth, stream);
}
