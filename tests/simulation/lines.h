/* The lines of a run: what line `number` of conversation `which` says, always the same; mostly short, now and then long. */
#ifndef STROP_SIMULATION_LINES_H
#define STROP_SIMULATION_LINES_H

#include "transport/base/bytes.h"

#include <stdbool.h>

enum { LINE_TEXT_MAX = 32768 };

/* A BARE string; lives until the next call. */
struct bytes line_payload(uint64_t seed, unsigned which, uint32_t number);
/* Which line it claims to be; false: none. */
bool line_read(struct bytes payload, unsigned *which, uint32_t *number);

#endif
