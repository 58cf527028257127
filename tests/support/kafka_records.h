/* What stands in topics, read by a consumer of its own: another opinion than that of the log under test. */
#ifndef STROP_TESTS_KAFKA_RECORDS_H
#define STROP_TESTS_KAFKA_RECORDS_H

#include "stream/log.h"

struct kafka_records {
        struct log_record *records; /* in order; own memory */
        size_t count, cap;
};

/* Partition 0 of each topic, from its start to its end. Fails the test when Kafka does not answer. */
void kafka_records_read(const char *brokers, const char *const topics[], size_t count, struct kafka_records records[]);
void kafka_records_clear(struct kafka_records *records);
/* The record at this index, or NULL. */
const struct log_record *kafka_records_at(const struct kafka_records *records, uint64_t index);

#endif
