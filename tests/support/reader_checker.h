/* One reader's index, as far as it shows on the wire (reliability I7, I3 at the receiving end): it trusts its own index and asks for the
 * node's only where it has none; it never says that it has come further than what the node gave it without a gap; it never goes
 * back unless the node has shown it that the log ends before. One for each life of a consumer. */
#ifndef STROP_TESTS_READER_CHECKER_H
#define STROP_TESTS_READER_CHECKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { READER_TOLD_MAX = 32, READER_AHEAD_MAX = 64 };

struct reader_span {
        uint64_t from, end;
};

struct reader_checker {
        uint64_t told[READER_TOLD_MAX]; /* indexes that the node has answered, before the first pull */
        size_t told_count;
        bool pulls;                                 /* it has begun to */
        bool ended;                                 /* the node has once shown it that there is nothing where it was */
        uint64_t low, reach;                        /* its index lies between: what it saved, and what it was given without a gap */
        struct reader_span ahead[READER_AHEAD_MAX]; /* given behind a gap */
        size_t ahead_count;
};

/* Each returns what is wrong, as a format with at most two numbers, the one that it was given and the one that it should be; NULL: nothing.
 */
const char *reader_asks_index(const struct reader_checker *reader);
void reader_is_told(struct reader_checker *reader, uint64_t index);
const char *reader_pulls(struct reader_checker *reader, uint64_t from, uint64_t limit);
/* `count` messages, the last of them at `last`. */
void reader_is_given(struct reader_checker *reader, uint64_t from, uint64_t limit, uint64_t count, uint64_t last);
const char *reader_saves(struct reader_checker *reader, uint64_t index);

#endif
