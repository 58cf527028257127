/* The log on Kafka for tests: on librdkafka's mock cluster, or on a real Kafka, with what can be done behind its back. */
#ifndef STROP_TESTS_KAFKA_BACKEND_H
#define STROP_TESTS_KAFKA_BACKEND_H

#include "stream/kafka/kafka.h"
#include "tests/support/log_suite.h"

struct kafka_backend {
        struct log_backend backend; /* ready for the suite; its user is this */
        struct log_backend sibling; /* opens a second log on the cluster of the first, which must be open */
        struct log *first;
        struct rd_kafka_s *writer, *hole_maker; /* who write behind the log's back; NULL: not yet */
        struct context ctx;
        struct loop *loop;
        const char *brokers;        /* "embedded", or addresses */
        int embedded_count;         /* brokers of the embedded cluster; 0: one */
        const struct kafka_property *properties; /* for the logs that are opened; none unless a test sets them */
        size_t property_count;
        char prefix[40];
        bool (*done)(void *arg);
        void *arg;
        uint64_t until_ms;
        bool over;
        struct timer tick;
};

void kafka_backend_init(struct kafka_backend *kafka, const char *brokers);
void kafka_backend_clear(struct kafka_backend *kafka);

#endif
