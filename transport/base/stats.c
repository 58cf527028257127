/* Names of the counters. */
#include "transport/base/stats.h"

static const struct {
        const char *name, *help;
} stats[STAT_COUNT] = {
#define STAT_ROW(id, name, help) [id] = {name, help},
        STAT_LIST(STAT_ROW)
#undef STAT_ROW
};

const char *stat_name(enum stat_id stat)
{
        return stats[stat].name;
}

const char *stat_help(enum stat_id stat)
{
        return stats[stat].help;
}
