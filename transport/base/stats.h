/* Counters: each dropped message, each refusal and each limit that was reached has one with a name.
 * One table for the process's context; the node's metrics print it. */
#ifndef STROP_BASE_STATS_H
#define STROP_BASE_STATS_H

#include <stdint.h>

/*       enum                        name                            help */
#define STAT_LIST(X) \
        X(STAT_FRAMES_IN,            "frames_in",                    "frames received") \
        X(STAT_FRAMES_OUT,           "frames_out",                   "frames sent") \
        X(STAT_BYTES_IN,             "bytes_in",                     "bytes received") \
        X(STAT_BYTES_OUT,            "bytes_out",                    "bytes sent") \
        X(STAT_CONNS_OPENED,         "connections_opened",           "connections accepted or made") \
        X(STAT_CONNS_CLOSED,         "connections_closed",           "connections ended") \
        X(STAT_CONNS_REFUSED,        "connections_refused",          "connections refused: too many") \
        X(STAT_CONNS_TIMED_OUT,      "connections_timed_out",        "connections closed: a frame took too long to come or to go") \
        X(STAT_CONNS_OUTPUT_FULL,    "connections_output_full",      "connections closed: too much waited to be sent") \
        X(STAT_LIMIT_HOST,           "limit_host",                   "connections refused: too many of one host") \
        X(STAT_LIMIT_RATE,           "limit_rate",                   "times that reading waited: a connection or its host was beyond its rate") \
        X(STAT_LIMIT_OUTPUT,         "limit_output",                 "times that reading waited: much had to be sent to the connection") \
        X(STAT_LIMIT_OUTPUT_ALL,     "limit_output_all",             "times that reading waited: much had to be sent to all connections") \
        X(STAT_ACCEPTS_PAUSED,       "accepts_paused",               "times that accepting paused: no descriptor, or no memory") \
        X(STAT_FRAMES_MALFORMED,     "frames_malformed",             "frames that did not decode") \
        X(STAT_FRAMES_TOO_LARGE,     "frames_too_large",             "messages that did not fit into a frame and were not sent") \
        X(STAT_HEARTBEATS,           "heartbeats",                   "empty frames and messages without onward route") \
        X(STAT_DROP_NO_WORKER,       "drop_no_worker",               "messages dropped: no worker at the address") \
        X(STAT_DROP_NOT_ALLOWED,     "drop_not_allowed",             "messages dropped: their origin may not reach the worker") \
        X(STAT_DROP_QUEUE_FULL,      "drop_queue_full",              "messages dropped: too many from one frame") \
        X(STAT_DROP_REPLY,           "drop_reply",                   "messages dropped: an answer sent to a service") \
        X(STAT_DROP_UNDECODED,       "drop_undecoded",               "messages dropped: a worker could not decode them") \
        X(STAT_CREATES,              "creates",                      "stream creations asked for") \
        X(STAT_PUSHES,               "pushes",                       "pushes asked for") \
        X(STAT_PUSHES_FAILED,        "pushes_failed",                "pushes answered with status 1") \
        X(STAT_PULLS,                "pulls",                        "pulls asked for") \
        X(STAT_PULLS_EMPTY,          "pulls_empty",                  "pulls answered empty: nothing came in time, or too many were open") \
        X(STAT_RECORDS_OUT,          "records_out",                  "records answered to pulls") \
        X(STAT_RECORDS_TOO_LARGE,    "records_too_large",            "records left out: too large for a frame") \
        X(STAT_INDEX_GETS,           "index_gets",                   "index look-ups asked for") \
        X(STAT_INDEX_SAVES,          "index_saves",                  "index saves asked for") \
        X(STAT_INDEX_SAVES_DROPPED,  "index_saves_dropped",          "index saves lost: too many at once") \
        X(STAT_REQUESTS_INVALID,     "requests_invalid",             "requests that did not decode or are not allowed") \
        X(STAT_LIMIT_STREAMS,        "limit_streams",                "creations refused: too many streams") \
        X(STAT_LIMIT_PULLS,          "limit_pulls",                  "pulls answered empty at once: too many open on one connection") \
        X(STAT_LIMIT_REQUESTS,       "limit_requests",               "times that reading waited: a connection had too many open requests") \
        X(STAT_LIMIT_REQUESTS_ALL,   "limit_requests_all",           "times that reading waited: all connections had too many open requests") \
        X(STAT_LIMIT_CREATES,        "limit_creates",                "times that reading waited: a connection created beyond its rate") \
        X(STAT_LIMIT_APPENDS,        "limit_appends",                "pushes refused: twice append_bytes_high were accepted and not stored") \
        X(STAT_LIMIT_LOG,            "limit_log",                    "times that reading waited: the log took no more") \
        X(STAT_KAFKA_FATAL,          "kafka_producer_restarts",      "producers replaced after a fatal error") \
        X(STAT_KAFKA_CONTROL,        "kafka_control_restarts",       "times that a request for an index had no answer and was asked again") \
        X(STAT_KAFKA_CONSUMERS_RENEWED, "kafka_consumer_renewals",   "consumers replaced since they knew too many topics") \
        X(STAT_KAFKA_ERRORS,         "kafka_errors",                 "errors reported by librdkafka") \
        X(STAT_TAIL_HITS,            "tail_hits",                    "pulls answered from the tail") \
        X(STAT_TAIL_MISSES,          "tail_misses",                  "pulls that needed a fetch") \
        X(STAT_FETCHES,              "fetches",                      "fetches of streams begun") \
        X(STAT_TOPIC_REMADE,         "topics_remade",                "topics found to have been made anew") \
        X(STAT_SWEEPS,               "sweeps",                       "sweeps of end offsets") \
        X(STAT_HANDSHAKES_STARTED,   "handshakes_started",           "secure channel handshakes begun") \
        X(STAT_HANDSHAKES_DONE,      "handshakes_done",              "secure channel handshakes completed") \
        X(STAT_HANDSHAKES_FAILED,    "handshakes_failed",            "secure channel handshakes refused or given up") \
        X(STAT_HANDSHAKES_FULL,      "handshakes_full",              "handshakes refused: too many open") \
        X(STAT_DECRYPT_FAILED,       "decrypt_failed",               "channel messages that did not decrypt") \
        X(STAT_REPLAYED,             "replayed",                     "channel messages seen before or outside the window") \
        X(STAT_MISSING,              "missing",                      "channel messages that did not come, while later ones did") \
        X(STAT_DROP_UNCONFIRMED_FULL, "drop_unconfirmed_full",       "messages dropped: too many wait to be confirmed by the node") \
        X(STAT_ANSWERS_LATE,         "answers_late",                 "answers of the node that nothing waited for") \
        X(STAT_REPUSHED,             "repushed",                     "messages pushed again after a reconnect") \
        X(STAT_RECONNECTS,           "reconnects",                   "connections made again") \
        X(STAT_LOG_LINES_DROPPED,    "log_lines_dropped",            "lines of the log that nobody read and that were left out") \
        X(STAT_STREAM_TRUNCATED,     "stream_truncated",             "streams found shorter than what was read of them")

enum stat_id {
#define STAT_ENUM(id, name, help) id,
        STAT_LIST(STAT_ENUM)
#undef STAT_ENUM
        STAT_COUNT
};

struct stats {
        uint64_t v[STAT_COUNT];
};

const char *stat_name(enum stat_id stat);
const char *stat_help(enum stat_id stat);

#endif
