/* Descriptors and a time that are waited for as one descriptor, so that a loop of somebody else's can wait for ours. Linux alone has what
 * it takes; elsewhere there is none. */
#ifndef STROP_TRANSPORT_WAIT_SET_H
#define STROP_TRANSPORT_WAIT_SET_H

#include "transport/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wait_set;

/* NULL: the system has none, or gives none. */
struct wait_set *wait_set_new(void);
void wait_set_free(struct wait_set *set);

/* Says anew what is waited for: begin, then each descriptor (more than once is fine), then the time until it is readable in any case,
 * INT64_MAX for never. Descriptors that are not named any more are left out; a number may stand for another file than it did.
 * ERR_NO_MEMORY; ERR_SYSTEM. */
void wait_set_begin(struct wait_set *set);
MUST_USE enum err wait_set_want(struct wait_set *set, int fd, bool to_read, bool to_write);
MUST_USE enum err wait_set_end(struct wait_set *set, int64_t in_us);

/* Readable when one of them is ready or the time has come. */
int wait_set_fd(const struct wait_set *set);

#endif
