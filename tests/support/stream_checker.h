/* Looks over the shoulders of clients and node: reads every frame that either writes, and compares what the node says with what the
 * log holds (reliability I1, I2, I3, I4), that each request has one answer at most, and that true readers trust their own index (I7).
 * Knows nothing of how node and clients work inside. What does not hold is kept as a sentence; a test asks for it whenever it likes. */
#ifndef STROP_TESTS_STREAM_CHECKER_H
#define STROP_TESTS_STREAM_CHECKER_H

#include "stream/log.h"

struct stream_checker;

/* The records of a stream as they stand, in order; ERR_NOT_FOUND. They are looked at before anything else happens. */
typedef enum err stream_checker_dump(void *user, const char *name, uint32_t partition, const struct log_record **records, size_t *count);

struct stream_checker *stream_checker_new(stream_checker_dump *dump, void *user);
void stream_checker_free(struct stream_checker *checker);

/* To be told as a struct sim_net_tap is: a connection begins; one side writes; it is over. `who` is a number for each life of a true
 * endpoint, which must write what is right; 0: somebody who may write anything. */
void stream_checker_opened(struct stream_checker *checker, uint64_t conn, uint64_t who);
void stream_checker_written(struct stream_checker *checker, uint64_t conn, bool by_client, struct bytes bytes);
void stream_checker_closed(struct stream_checker *checker, uint64_t conn);

/* Something is about to happen to the log that no client has asked for: a record is written, retention removes what lies below `index`, the
 * topic is deleted. */
void stream_checker_foreign(struct stream_checker *checker, const char *name, uint32_t partition, struct bytes data);
void stream_checker_truncates(struct stream_checker *checker, const char *name, uint32_t partition, uint64_t index);
void stream_checker_deletes(struct stream_checker *checker, const char *name);

/* How far the reader of a true endpoint's life has certainly come. */
uint64_t stream_checker_read_upto(struct stream_checker *checker, uint64_t who);

/* Once more over all that was acknowledged or answered: it still stands where it stood. For the end of a run. */
void stream_checker_finish(struct stream_checker *checker);

/* The first thing that did not hold ("I1: ..."); NULL: all held. */
const char *stream_checker_violation(const struct stream_checker *checker);

/* What was seen, so that a test can tell that there was something to check. */
struct stream_checker_figures {
        size_t connections, pushes, acknowledged, failed, pulls, records, errors, saves;
};
struct stream_checker_figures stream_checker_figures(const struct stream_checker *checker);

#endif
