/* One log that several nodes use, and that outlives them: each node has a share of its own, a struct log, over the same log
 * below. Nodes number their requests each from 1, so a share gives them other numbers; what was asked by a node that is gone
 * is still stored, and its completion goes to nobody. */
#ifndef STROP_SIMULATION_SHARED_LOG_H
#define STROP_SIMULATION_SHARED_LOG_H

#include "stream/log.h"
#include "transport/base/context.h"

struct shared_log;

/* The log below is made with shared_log_events and the shared log as user, then set; taken over. */
struct shared_log *shared_log_new(struct context *ctx);
void shared_log_set(struct shared_log *shared, struct log *take_below);
extern const struct log_events shared_log_events;
/* All shares must have been freed. */
void shared_log_free(struct shared_log *shared);

/* The log of one node; log_free ends it, the log below goes on. */
struct log *shared_log_share(struct shared_log *shared, const struct log_events *events, void *user);

/* Saves of an index are held up to so long, as Kafka's are, and lost with a node that dies. */
void shared_log_hold_saves(struct shared_log *shared, uint32_t max_ms);
/* The node of this share dies: of each stream's appends that are not stored yet, the first ones still will be, as many as chance wants, and
 * the rest never got out; nobody is answered. Saves that wait are lost. To be freed then. */
void shared_log_crash(struct log *share);

/* The moments at which a node can be killed on purpose. */
#define KILL_LIST(X)                                                                                                                       \
        X(KILL_APPEND_ASKED, "an append is asked for, not stored")                                                                         \
        X(KILL_APPEND_STORED, "an append is stored, not answered")                                                                         \
        X(KILL_APPEND_TOLD, "a push is answered, nothing sent")                                                                            \
        X(KILL_ANSWER_HALF, "an answer is sent in part")                                                                                   \
        X(KILL_CREATE_ASKED, "a create is asked for")                                                                                      \
        X(KILL_CREATED, "a stream is made, not answered")                                                                                  \
        X(KILL_READ_ASKED, "a read is asked for")                                                                                          \
        X(KILL_READ, "records are read, not answered")                                                                                     \
        X(KILL_INDEX_LOADED, "an index is loaded, not answered")                                                                           \
        X(KILL_INDEX_SAVED, "an index is given to be saved")
enum kill_point {
#define KILL_ENUM(point, name) point,
        KILL_LIST(KILL_ENUM)
#undef KILL_ENUM
                KILL_COUNT
};

/* `point` is told each moment, and with which node's events' user. True: that node is gone (freed) now; only possible where `inside` is
 * false, since else the node is on the stack. */
void shared_log_on_point(struct shared_log *shared, bool (*point)(void *user, enum kill_point point, const void *node, bool inside),
                         void *user);

/* A promise that is broken on purpose, to see that the checkers notice: an append answered with another index (I1), or as failed though it
 * is stored (I2), a record left out of a read (I3), two appends swapped (I4), a reader that starts again counted as one that goes on (I7),
 * a message that moves a window unseen (I8). */
enum broken { BROKEN_NOTHING, BROKEN_I1, BROKEN_I2, BROKEN_I3, BROKEN_I4, BROKEN_I7, BROKEN_I8, BROKEN_COUNT };
void shared_log_break(struct shared_log *shared, enum broken broken);

/* What was lost so far with nodes that died, and how often the log was under pressure. */
struct shared_log_figures {
        uint64_t appends_lost, saves_lost, pressures;
};
struct shared_log_figures shared_log_figures(const struct shared_log *shared);

#endif
