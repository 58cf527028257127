/* What strop-node can be told: one table of options and one of limits, from which come the command line, the configuration
 * file, --help and the sample file. */
#ifndef STROP_NODE_OPTIONS_H
#define STROP_NODE_OPTIONS_H

#include "node/limits.h"
#include "node/node.h"
#include "stream/kafka/kafka.h"
#include "transport/base/logger.h"

#include <stdio.h>

struct options {
        char listen[OPTION_TEXT_MAX], kafka[OPTION_TEXT_MAX], stream_prefix[OPTION_TEXT_MAX], group_prefix[OPTION_TEXT_MAX];
        char http[OPTION_TEXT_MAX], config[OPTION_TEXT_MAX];
        uint64_t replication_factor, stop_ms;
        enum log_level log_level;
        bool help, version, sample;
        struct kafka_property properties[OPTION_PROPERTIES_MAX]; /* heap copies */
        size_t property_count;
        struct transport_limits transport;
        struct service_limits service;
        struct log_limits log;
};

/* Defaults, then the configuration file if one is named, then the command line, which wins. ERR_USAGE with a sentence in `why`. */
MUST_USE enum err options_read(struct options *options, int argc, char *const *argv, struct reason *why);
/* Frees the properties; their values may be passwords and are wiped. */
void options_clear(struct options *options);

/* Applies one configuration file's text; for options_read, and for fuzzing. `name` is for messages. */
MUST_USE enum err options_read_file(struct options *options, const char *name, const char *text, struct reason *why);
void options_default(struct options *options);

void options_print_help(FILE *out);
/* The sample configuration file: every option and limit with its default, commented out. */
void options_print_sample(FILE *out);

#endif
