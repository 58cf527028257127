/* What the streams of a log hold, as a checker has seen it, and what may be in them: each record stands where it stood (I3), and there are
 * no more of the same bytes than were asked for and did not definitely fail (I2).
 *
 * A stream has generations: a new one begins where its topic is deleted. What retention removes is told, so that it is not missed. */
#ifndef STROP_TESTS_STREAM_TRUTH_H
#define STROP_TESTS_STREAM_TRUTH_H

#include "stream/log.h"

#include <uthash.h>

/* A record that was seen to stand at an index. */
struct seen {
        uint64_t index, hash;
        size_t size;
};

struct generation {
        struct generation *older;
        struct seen *seen; /* all records that any dump has shown, by index */
        size_t count, cap;
        uint64_t start; /* below it retention has removed all */
};

struct byte_count;

struct truth_stream {
        UT_hash_handle hh; /* by name and partition */
        char *key;
        const char *name; /* in `key` */
        uint32_t partition;
        struct generation *now;
        struct byte_count *counts; /* by hash */
};

/* The records of a stream as they stand, in order; ERR_NOT_FOUND. They are looked at before anything else happens. */
typedef enum err stream_truth_dump(void *user, const char *name, uint32_t partition, const struct log_record **records, size_t *count);

struct stream_truth {
        stream_truth_dump *dump;
        void *user;
        struct truth_stream *streams;
        char violation[512]; /* the first one; empty: none */
};

void stream_truth_init(struct stream_truth *truth, stream_truth_dump *dump, void *user);
void stream_truth_clear(struct stream_truth *truth);
__attribute__((format(printf, 2, 3))) void stream_truth_violated(struct stream_truth *truth, const char *fmt, ...);

uint64_t truth_hash(struct bytes in);
uint64_t truth_hash_more(uint64_t hash, struct bytes in);

/* Found or made. */
struct truth_stream *truth_stream_named(struct stream_truth *truth, struct bytes name, uint64_t partition);
/* Takes over what the log holds now; what was seen before is compared only with `all`, and else its last record alone. */
void truth_refresh(struct stream_truth *truth, struct truth_stream *stream, bool all);
void truth_refresh_all(struct stream_truth *truth);

/* Somebody asks for these bytes to be stored, or was told that they definitely are not. */
void truth_asked(struct stream_truth *truth, struct truth_stream *stream, uint64_t hash);
void truth_refused(struct stream_truth *truth, struct truth_stream *stream, uint64_t hash);

/* Retention is about to remove what lies below `index`; the topic is about to be deleted, with all its partitions. */
void truth_truncates(struct stream_truth *truth, const char *name, uint32_t partition, uint64_t index);
void truth_deletes(struct stream_truth *truth, const char *name);

/* Place of the first record at or behind `index`; the count: none. */
size_t generation_find(const struct generation *generation, uint64_t index);

#endif
