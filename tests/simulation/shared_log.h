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

#endif
