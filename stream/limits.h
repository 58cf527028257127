/* What this layer bounds. Handed down at init, so that a test can make each small. */
#ifndef STROP_STREAM_LIMITS_H
#define STROP_STREAM_LIMITS_H

#include <stddef.h>
#include <stdint.h>

/* The node's services. */
struct service_limits {
        size_t streams;               /* streams (partitions) known at once; a create of one more: an error */
        size_t streams_per_conn;      /* created on one connection; a create of one more: an error */
        size_t name_max;              /* bytes of a stream's name; longer: an error. Kafka's 249, less a prefix that the log puts before it */
        uint32_t partitions;          /* partitions of one stream; more: an error (R11) */
        uint32_t creates_per_s;       /* on one connection, after as many at once; beyond, reading waits (R4, R11); 0: no limit */
        size_t pulls_per_conn;        /* held at once on one connection; one more is answered empty at once (R4) */
        size_t requests_per_conn;     /* creates, pushes, index look-ups without an answer; then reading waits (R4) */
        size_t request_bytes_per_conn;/* bytes that requests without an answer keep, ways back and pulls included; then reading waits (R4) */
        size_t request_bytes;         /* ... those of all connections; then reading waits where more than a little is kept, until it is half. */
                                      /* Less than append_bytes_high, so that those who flood wait before the log makes everybody wait */
        size_t request_bytes_spared;  /* ... a connection that keeps less than this does not wait for the others */
        uint32_t hold_ms;             /* a pull of an empty stream is answered empty after this */
        uint32_t create_ms;           /* a create without an answer: the connection is closed */
        uint32_t forget_ms;           /* a stream that no connection uses is forgotten after this */
        size_t record_max;            /* bytes of one push; more: status 1. What can come back alone in a frame */
};

#define SERVICE_LIMITS_DEFAULT \
        ((struct service_limits){ \
                .streams = 100000, .streams_per_conn = 10000, .name_max = 249, .partitions = 64, .creates_per_s = 0, \
                .pulls_per_conn = 64, .requests_per_conn = 1024, .request_bytes_per_conn = 4u << 20, .request_bytes = 48u << 20, \
                .request_bytes_spared = 8u << 10, .hold_ms = 5000, .create_ms = 60000, .forget_ms = 600000, \
                .record_max = 65422, \
        })

/* What is no matter of choice. */
enum {
        STREAM_NAME_MAX = 249, /* bytes: Kafka's, of topics */
        CLIENT_ID_MAX = 255,   /* bytes of a reader's name, a consumer group to Kafka; longer: a get is answered as never saved, a save ignored */
        REQUEST_ID_MAX = 32,   /* bytes of a request's id, which is echoed as it came; longer: the request does not decode */
};

/* The log behind them. */
struct log_limits {
        size_t append_bytes_high;     /* bytes accepted and not yet in the log: `pressure` is told, pushes wait. Twice as many, which those
                                       * can reach who push and leave: a push is refused */
        size_t append_bytes_low;      /* ... and go on */
        size_t tail_bytes;            /* newest records of all streams kept for waiting readers; least recently used go first */
        size_t index_saves_in_flight; /* requests to Kafka at once */
        uint32_t index_save_ms;       /* one (client, stream) is saved no sooner than this after its last save */
        size_t index_entries;         /* (client, stream) pairs with something under way; beyond: a look-up fails, a save is counted and lost */
        size_t index_entries_per_conn; /* saves of one connection without an answer; further ones are dropped, or it took all places */
        size_t fetched_bytes;         /* fetched records kept for readers of the past; least recently used go first, and are fetched again */
        uint32_t sweep_ms;            /* how often the ends of streams with a waiting reader are looked up */
        size_t sweep_chunk;           /* streams in one look-up */
        size_t topics_per_producer;
        uint32_t create_patience_ms;  /* brokers that are just back refuse replicas for a moment: so long it is asked again, then an error */
        uint32_t index_answer_ms;     /* no answer to a request for an index for so long: asked again, by a new instance of librdkafka */
        size_t topics_per_consumer;   /* topics that one consumer comes to know; librdkafka forgets none, so then a new one takes its place */
};

#define LOG_LIMITS_DEFAULT \
        ((struct log_limits){ \
                .append_bytes_high = 64u << 20, .append_bytes_low = 32u << 20, .tail_bytes = 64u << 20, \
                .fetched_bytes = 32u << 20, \
                .index_saves_in_flight = 64, .index_save_ms = 100, .index_entries = 100000, .index_entries_per_conn = 1000, .sweep_ms = 250, \
                .sweep_chunk = 100, .topics_per_producer = 250, .topics_per_consumer = 1000, .create_patience_ms = 5000, .index_answer_ms = 10000, \
        })

/* The client side. */
struct stream_client_limits {
        size_t unconfirmed;           /* messages pushed and not confirmed, or waiting to be; more: ERR_FULL, no pulls either. What is */
        size_t unconfirmed_bytes;     /* ... under way then is still taken, up to twice these; beyond: dropped and counted */
        size_t in_flight;             /* pushes without an answer */
        size_t in_flight_bytes;       /* their bytes; well below a connection's output_max and the arena */
        size_t push_max;              /* bytes of one push; what the node takes at most (record_max above) */
        uint32_t pull_limit;          /* messages asked for in one pull */
        size_t pulls_ahead;           /* pulls out at once while answers come back full; at most CONSUMER_PULLS_MAX */
        uint32_t answer_ms;           /* no answer for so long: said once, asked anew */
        uint32_t retry_min_ms;        /* first pause before something refused is tried again; doubled each time, with jitter */
        uint32_t retry_max_ms;        /* longest pause */
        uint32_t empty_ms;            /* an empty answer that came sooner than this (a hub that holds no pulls): so long until the next pull */
        uint32_t save_ms;             /* the reader's index is saved at the node no sooner than this after its last save */
        uint32_t check_ms;            /* a reader that had nothing for so long looks whether what it read last still stands (C9) */
};

#define STREAM_CLIENT_LIMITS_DEFAULT \
        ((struct stream_client_limits){ \
                .unconfirmed = 16384, .unconfirmed_bytes = 8u << 20, .in_flight = 512, .in_flight_bytes = 1u << 20, .push_max = 65422, \
                .pull_limit = 256, .pulls_ahead = 4, .answer_ms = 10000, .retry_min_ms = 100, .retry_max_ms = 5000, .empty_ms = 250, .save_ms = 100, \
                .check_ms = 60000, \
        })

#endif
