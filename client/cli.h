/* What alice and bob have in common as programs: a table of options that parsing and --help come from, default paths, one way to fail. */
#ifndef STROP_CLIENT_CLI_H
#define STROP_CLIENT_CLI_H

#include <stdbool.h>
#include <stddef.h>

enum { CLI_LIST_MAX = 64, CLI_OPTIONS_MAX = 24, CLI_PATH_MAX = 4096 };

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 }; /* beside EXIT_SUCCESS */

struct cli_list {
        const char *items[CLI_LIST_MAX];
        size_t count;
};

enum cli_kind {
        CLI_FLAG,    /* into a bool */
        CLI_TEXT,    /* into a const char * */
        CLI_LIST,    /* into a struct cli_list; may be given again */
        CLI_SECONDS, /* into an unsigned, 1 to 86,400 */
};

struct cli_option {
        const char *name, *argument; /* "node", "ADDR:PORT"; a flag has none */
        enum cli_kind kind;
        void *into;
        const char *help; /* lines; the first says what, the next what more there is to know */
};

struct cli {
        const char *program, *synopsis, *about, *closing;
        const struct cli_option *options;
        size_t count;
        const char **positional; /* the one argument that is no option; NULL: none is taken */
};

/* Takes the arguments. -1: go on; else the exit code: --help and --version have been served, or one line has said what is wrong. */
int cli_parse(const struct cli *cli, int argc, char **argv);

/* One line to stderr, "PROGRAM: ..." with control characters escaped; returns `code`. */
int cli_fail(const struct cli *cli, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The same for what is no failure. */
void cli_say(const struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* $XDG_STATE_HOME/strop/NAME, or ~/.local/state/strop/NAME; makes the folders, mode 0700. False: `why` says it. */
bool cli_state_path(const char *name, char out[static CLI_PATH_MAX], char *why, size_t why_size);

#endif
