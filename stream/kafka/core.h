/* What the parts of the log on Kafka share: the log itself, its table of what waits by token, and completions. */
#ifndef STROP_STREAM_KAFKA_CORE_H
#define STROP_STREAM_KAFKA_CORE_H

#include "stream/kafka/handle.h"

/* Out of memory in a table is an error of what was to be added (its hh.tbl is NULL then), not the end of the process. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct cluster;
struct topics;
struct creations;
struct producers;
struct reader;
struct index;

/* Something that can be cancelled by its token; embedded in a create, a read, a look-up. */
struct waiting {
        uint64_t token;
        enum log_op op;
        UT_hash_handle hh;
};

/* A completion that comes in the next turn. */
struct later {
        STAILQ_ENTRY(later) entry;
        struct log_result result;
        bool cancelled;
        char why[160];
};

STAILQ_HEAD(later_list, later);

struct kafka_log {
        struct log base; /* first */
        struct loop *loop;
        struct context *ctx;
        char *prefix, *group_prefix; /* never NULL */
        int replication_factor, embedded_count;
        struct log_limits limits;
        struct kafka_property *properties; /* own, into property_text */
        size_t property_count;
        char *property_text;

        struct helper *helper;
        struct health *health;
        struct cluster *cluster;
        struct handle control, watch;
        struct topics *topics;
        struct creations *creations;
        struct producers *producers;
        struct reader *reader;
        struct index *index;

        struct waiting *waiting;
        struct later_list later;
        const struct log_result *telling; /* what somebody is being told; NULL: nobody is told anything now */
        struct timer later_timer, stop_timer;
        uint64_t stop_at_ms;
        bool stopping, stopped;
        bool silent; /* being freed: nobody is told anything */
};

/* Tokens. The token is not known yet. */
void kafka_wait_add(struct kafka_log *log, struct waiting *waiting, enum log_op op, uint64_t token);
void kafka_wait_remove(struct kafka_log *log, struct waiting *waiting);

/* Tells the asker; must not be called from within the call that asked. */
void kafka_done(struct kafka_log *log, const struct log_result *result);
/* Tells it in the next turn; `why` is copied. */
void kafka_done_later(struct kafka_log *log, const struct log_result *result);
void kafka_answer_later(struct kafka_log *log, enum log_op op, uint64_t token, enum err err, const char *why);
/* An append was answered, or something else that log_stop waits for. */
void kafka_progress(struct kafka_log *log);

/* A new control instance in place of the one there is; the requests that this one had are asked again. ERR_*: nothing has changed. */
MUST_USE enum err kafka_renew_control(struct kafka_log *log, struct reason *why);
/* The same with the instance that watches; no question is out but the probe. */
MUST_USE enum err kafka_renew_watch(struct kafka_log *log, struct reason *why);
/* A configuration for one more instance. */
MUST_USE enum err kafka_log_conf(struct kafka_log *log, enum kafka_role role, rd_kafka_conf_t **out, struct reason *why);

/* What an error of Kafka's means for a request. */
enum kafka_verdict {
        KAFKA_FINE,
        KAFKA_LATER,   /* not now: try again */
        KAFKA_ABSENT,  /* no such topic or partition */
        KAFKA_DENIED,  /* not authorised */
        KAFKA_REFUSED, /* for good */
};
enum kafka_verdict kafka_verdict(rd_kafka_resp_err_t err);

#endif
