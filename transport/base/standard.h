/* The descriptors 0, 1 and 2. A program may be started with them closed; what it opens next would then get their numbers, and its log
 * lines would go into a socket or a pipe of its own. */
#ifndef STROP_BASE_STANDARD_H
#define STROP_BASE_STANDARD_H

#include <stdbool.h>

/* To be called before anything is opened: puts /dev/null where one of them is closed, the wrong way round, so that reading and writing
 * fail as they would have. False: it cannot be opened (errno). */
bool standard_hold(void);

#endif
