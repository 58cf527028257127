/* Options from a table, help from the same, and where a user's files are (XDG Base Directory Specification). */
#include "client/cli.h"

#include "client/strop.h"
#include "client/text.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { HELP_COLUMN = 28, SECONDS_MAX = 86400 };

static void say(const struct cli *cli, const char *fmt, va_list args) __attribute__((format(printf, 2, 0)));
static void say(const struct cli *cli, const char *fmt, va_list args)
{
        char text[1024];

        vsnprintf(text, sizeof text, fmt, args);
        fprintf(stderr, "%s: ", cli->program);
        text_print(stderr, bytes_of_text(text));
        fputc('\n', stderr);
}

int cli_fail(const struct cli *cli, int code, const char *fmt, ...)
{
        va_list args;

        va_start(args, fmt);
        say(cli, fmt, args);
        va_end(args);
        return code;
}

void cli_say(const struct cli *cli, const char *fmt, ...)
{
        va_list args;

        va_start(args, fmt);
        say(cli, fmt, args);
        va_end(args);
}

/* The help's lines, each in its column. */
static void print_help_text(const char *help)
{
        const char *end;

        while ((end = strchr(help, '\n'))) {
                printf("%.*s\n%*s", (int)(end - help), help, HELP_COLUMN, "");
                help = end + 1;
        }
        puts(help);
}

static void print_help(const struct cli *cli)
{
        printf("usage: %s\n\n%s\n\n", cli->synopsis, cli->about);
        for (size_t i = 0; i < cli->count; i++) {
                const struct cli_option *option = &cli->options[i];
                int n = printf("  --%s%s%s", option->name, option->argument ? " " : "", option->argument ? option->argument : "");

                if (n >= HELP_COLUMN)
                        printf("\n%*s", HELP_COLUMN, "");
                else
                        printf("%*s", HELP_COLUMN - n, "");
                print_help_text(option->help);
        }
        printf("  --help%*s%s\n  --version\n\n%s\n", HELP_COLUMN - 8, "", "this text", cli->closing);
}

static bool take_seconds(const char *text, unsigned *out)
{
        char *end;
        unsigned long value;

        errno = 0;
        value = strtoul(text, &end, 10);
        if (errno || end == text || *end || *text == '-' || value == 0 || value > SECONDS_MAX) return false;
        *out = (unsigned)value;
        return true;
}

static int take_option(const struct cli *cli, const struct cli_option *option, const char *argument)
{
        struct cli_list *list;

        switch (option->kind) {
        case CLI_FLAG:
                *(bool *)option->into = true;
                break;
        case CLI_TEXT:
                *(const char **)option->into = argument;
                break;
        case CLI_LIST:
                list = option->into;
                if (list->count == CLI_LIST_MAX)
                        return cli_fail(cli, EXIT_USAGE, "--%s is given more than %d times", option->name, CLI_LIST_MAX);
                list->items[list->count++] = argument;
                break;
        case CLI_SECONDS:
                if (!take_seconds(argument, option->into))
                        return cli_fail(cli, EXIT_USAGE, "--%s takes a number of seconds from 1 to %d, not \"%s\"", option->name,
                                        SECONDS_MAX, argument);
        }
        return -1;
}

static int take_rest(const struct cli *cli, int argc, char **argv)
{
        if (optind < argc && cli->positional) *cli->positional = argv[optind++];
        if (optind < argc) return cli_fail(cli, EXIT_USAGE, "\"%s\" is one argument too many; see %s --help", argv[optind], cli->program);
        return -1;
}

int cli_parse(const struct cli *cli, int argc, char **argv)
{
        struct option options[CLI_OPTIONS_MAX + 3] = {{0}};
        int help = (int)cli->count, version = help + 1, code, choice, which;

        for (size_t i = 0; i < cli->count; i++)
                options[i] = (struct option){cli->options[i].name, cli->options[i].argument ? required_argument : no_argument, NULL, 0};
        options[help] = (struct option){"help", no_argument, NULL, 0};
        options[version] = (struct option){"version", no_argument, NULL, 0};
        opterr = 0;
        optind = 0; /* as if never asked before */
        while ((choice = getopt_long(argc, argv, ":h", options, &which)) != -1) {
                if (choice == 'h') which = help;
                if (choice == ':') return cli_fail(cli, EXIT_USAGE, "%s wants a value; see %s --help", argv[optind - 1], cli->program);
                if (choice == '?') return cli_fail(cli, EXIT_USAGE, "there is no option %s; see %s --help", argv[optind - 1], cli->program);
                if (which == help) return print_help(cli), fflush(stdout) ? EXIT_FAILED : EXIT_SUCCESS;
                if (which == version) return printf("%s %s\n", cli->program, strop_version()) < 0 ? EXIT_FAILED : EXIT_SUCCESS;
                if ((code = take_option(cli, &cli->options[which], optarg)) != -1) return code;
        }
        return take_rest(cli, argc, argv);
}

/* Makes each folder of the path that is not there. */
static bool make_folders(char *path)
{
        for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                int failed;

                *slash = '\0';
                failed = mkdir(path, 0700) && errno != EEXIST;
                *slash = '/';
                if (failed) return false;
        }
        return true;
}

bool cli_state_path(const char *name, char out[static CLI_PATH_MAX], char *why, size_t why_size)
{
        const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
        int n;

        if (state && *state == '/')
                n = snprintf(out, CLI_PATH_MAX, "%s/strop/%s", state, name);
        else if (home && *home == '/')
                n = snprintf(out, CLI_PATH_MAX, "%s/.local/state/strop/%s", home, name);
        else
                return snprintf(why, why_size, "neither HOME nor XDG_STATE_HOME says where files go: give --identity FILE"), false;
        if (n < 0 || n >= CLI_PATH_MAX)
                return snprintf(why, why_size, "the path of the home folder is too long: give --identity FILE"), false;
        if (make_folders(out)) return true;
        snprintf(why, why_size, "cannot make the folder for %s: %s", out, strerror(errno));
        return false;
}
