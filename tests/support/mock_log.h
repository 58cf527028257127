/* A log on librdkafka's mock cluster with a probe that asks it: the fixture of the tests of the log on Kafka. A test changes limits,
 * properties or the number of brokers where it needs others than the usual ones, and opens the log; it is closed after the test. */
#ifndef STROP_TESTS_MOCK_LOG_H
#define STROP_TESTS_MOCK_LOG_H

#include "stream/kafka/embedded.h"
#include "tests/support/kafka_backend.h"
#include "tests/support/log_probe.h"

/* How long is waited for anything. */
enum { MOCK_LOG_MS = 30000 };

struct mock_log {
        struct kafka_backend kafka;
        struct log_limits limits; /* of the log that is opened */
        struct probe *probe;      /* NULL: no log is open */
};

/* For a fixture that has more than this; not to be moved afterwards. */
void mock_log_init(struct mock_log *f);
void mock_log_clear(struct mock_log *f);
/* For cmocka: the state is a struct mock_log. */
int mock_log_setup(void **state);
int mock_log_teardown(void **state);

void mock_log_open(struct mock_log *f);
/* For tests that open another one; otherwise mock_log_clear does it. */
void mock_log_close(struct mock_log *f);
/* What only tests look into. */
const struct kafka_log *mock_log_inside(const struct mock_log *f);

uint64_t counted(const struct mock_log *f, enum stat_id stat);
/* Runs until the counter is beyond `count`. */
void until_counted(struct mock_log *f, enum stat_id stat, uint64_t count);
/* Runs until the log knows that Kafka can be reached, or cannot. */
void until_away(struct mock_log *f, bool away);

/* Makes number n of the test's own topics, with one partition. */
struct log_stream *new_stream(struct mock_log *f, unsigned n);
/* Makes topic number 0, which somebody else writes; at FOLLOWED_OURS stands the one record of it that is in memory, this log's own "ours". It is
 * followed, by a reader that waits behind that record. */
enum { FOLLOWED_OURS = 1 };
struct log_stream *new_followed_stream(struct mock_log *f, uint64_t *waits);
/* Its name, as long as the stream is held. */
const char *topic_of(const struct log_stream *stream);
/* A record that does not come from this log. */
void write_as_another(struct mock_log *f, const struct log_stream *stream, const char *text);

#endif
