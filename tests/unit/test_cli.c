/* Arguments: each kind of option, help that comes from the same table, wrong use in one line on stderr; and where a user's files are. */
#include "tests/support/temp_folder.h"
#include "tests/support/test.h"

#include "client/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
        bool flag;
        const char *text, *rest;
        struct cli_list list;
        unsigned seconds;
} got;

static const struct cli_option options[] = {
        {"flag", NULL, CLI_FLAG, &got.flag, "what it does"},
        {"text", "TEXT", CLI_TEXT, &got.text, "first line\nsecond line"},
        {"item", "ITEM", CLI_LIST, &got.list, "again for more"},
        {"a-name-that-is-rather-long", "SECONDS", CLI_SECONDS, &got.seconds, "on a line of its own"},
};
static struct cli cli = {.program = "prog",
                         .synopsis = "prog [REST] [option...]",
                         .about = "About.",
                         .closing = "Closing.",
                         .options = options,
                         .count = 4,
                         .positional = &got.rest};

static struct temp_folder folder;
static char out[8192], err[8192];

static int set_up(void **state)
{
        (void)state;
        memset(&got, 0, sizeof got);
        cli.positional = &got.rest;
        temp_folder_make(&folder);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        temp_folder_remove(&folder);
        return 0;
}

/* Puts a file in place of a stream, and gives what stood there. */
static int divert(FILE *stream, const char *path)
{
        int kept;

        fflush(stream);
        kept = dup(fileno(stream));
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        assert_true(kept >= 0 && dup2(fileno(file), fileno(stream)) >= 0);
        fclose(file);
        return kept;
}

static void bring_back(FILE *stream, int kept, const char *path, char *text, size_t size)
{
        fflush(stream);
        assert_true(dup2(kept, fileno(stream)) >= 0);
        close(kept);
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        text[fread(text, 1, size - 1, file)] = '\0';
        fclose(file);
}

/* Parses; what was printed is in `out` and `err`. */
static int parse(const char *const *arguments, size_t count)
{
        const char *out_path = temp_path(&folder, "out"), *err_path = temp_path(&folder, "err");
        char *argv[100] = {strdup("prog")};
        int kept_out, kept_err, code;

        for (size_t i = 0; i < count; i++)
                argv[i + 1] = strdup(arguments[i]);
        kept_out = divert(stdout, out_path);
        kept_err = divert(stderr, err_path);
        code = cli_parse(&cli, (int)count + 1, argv);
        bring_back(stderr, kept_err, err_path, err, sizeof err);
        bring_back(stdout, kept_out, out_path, out, sizeof out);
        for (size_t i = 0; i <= count; i++) {
                if (got.text == argv[i] || got.rest == argv[i]) continue; /* a test looks at it; a few bytes */
                bool listed = false;
                for (size_t k = 0; k < got.list.count; k++)
                        listed |= got.list.items[k] == argv[i];
                if (!listed) free(argv[i]);
        }
        return code;
}
#define PARSE(...) parse((const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static void release(void)
{
        free((char *)(uintptr_t)got.text);
        free((char *)(uintptr_t)got.rest);
        for (size_t i = 0; i < got.list.count; i++)
                free((char *)(uintptr_t)got.list.items[i]);
}

static void each_kind_of_option(void **state)
{
        (void)state;
        assert_int_equal(PARSE("--flag", "--text", "a text", "--item", "1", "rest", "--item", "2", "--a-name-that-is-rather-long", "86400"),
                         -1);
        assert_true(got.flag);
        assert_string_equal(got.text, "a text");
        assert_int_equal(got.list.count, 2);
        assert_string_equal(got.list.items[1], "2");
        assert_int_equal(got.seconds, 86400);
        assert_string_equal(got.rest, "rest");
        assert_string_equal(out, "");
        assert_string_equal(err, "");
        release();
}

static void help_comes_from_the_table(void **state)
{
        (void)state;
        static const char *const expected = "usage: prog [REST] [option...]\n\nAbout.\n\n"
                                            "  --flag                    what it does\n"
                                            "  --text TEXT               first line\n"
                                            "                            second line\n"
                                            "  --item ITEM               again for more\n"
                                            "  --a-name-that-is-rather-long SECONDS\n"
                                            "                            on a line of its own\n"
                                            "  --help                    this text\n"
                                            "  --version\n\nClosing.\n";

        assert_int_equal(PARSE("--help"), EXIT_SUCCESS);
        assert_string_equal(out, expected);
        assert_string_equal(err, "");
        assert_int_equal(PARSE("-h"), EXIT_SUCCESS);
        assert_string_equal(out, expected);
        assert_int_equal(PARSE("--version"), EXIT_SUCCESS);
        assert_string_equal(out, "prog " STROP_VERSION "\n");
}

static void expect_usage(int code, const char *words)
{
        assert_int_equal(code, EXIT_USAGE);
        assert_string_equal(out, "");
        assert_memory_equal(err, "prog: ", 6);
        assert_ptr_equal(strchr(err, '\n'), err + strlen(err) - 1); /* one line */
        if (!strstr(err, words)) fail_msg("\"%s\" is not in: %s", words, err);
}

static void wrong_use_is_one_line(void **state)
{
        (void)state;
        expect_usage(PARSE("--nonsense"), "--nonsense");
        expect_usage(PARSE("-x"), "-x");
        expect_usage(PARSE("--text"), "--text wants a value");
        expect_usage(PARSE("--flag=yes"), "--flag");
        expect_usage(PARSE("a", "b"), "\"b\" is one argument too many");
        free((char *)(uintptr_t)got.rest);
        got.rest = NULL;
        expect_usage(PARSE("--a\x1b[2J"), "\\x1b[2J"); /* and nothing to a terminal */
        cli.positional = NULL;
        expect_usage(PARSE("a"), "one argument too many");
        static const char *const no_seconds[] = {"0", "-1", "86401", "1s", "", "99999999999999999999", "ten"};
        for (size_t i = 0; i < sizeof no_seconds / sizeof *no_seconds; i++)
                expect_usage(PARSE("--a-name-that-is-rather-long", no_seconds[i]), "a number of seconds from 1 to 86400");
}

static void a_list_is_bounded(void **state)
{
        (void)state;
        const char *many[90];

        for (size_t i = 0; i < 90; i++)
                many[i] = i % 2 ? "x" : "--item";
        assert_int_equal(parse(many, 90), -1);
        expect_usage(parse(many, 90), "--item is given more than 64 times");
        assert_int_equal(got.list.count, CLI_LIST_MAX);
        release();
}

static void a_users_files(void **state)
{
        (void)state;
        char path[CLI_PATH_MAX], why[256] = "", expected[CLI_PATH_MAX];
        struct stat st;

        assert_int_equal(setenv("XDG_STATE_HOME", temp_path(&folder, "state/deep"), 1), 0);
        assert_true(cli_state_path("x.identity", path, why, sizeof why));
        snprintf(expected, sizeof expected, "%s/strop/x.identity", temp_path(&folder, "state/deep"));
        assert_string_equal(path, expected);
        assert_int_equal(stat(temp_path(&folder, "state/deep/strop"), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0700);
        assert_int_equal(setenv("XDG_STATE_HOME", "not/absolute", 1), 0); /* to be ignored, the specification says */
        assert_int_equal(setenv("HOME", temp_path(&folder, "own"), 1), 0);
        assert_true(cli_state_path("x.identity", path, why, sizeof why));
        assert_non_null(strstr(path, "/own/.local/state/strop/x.identity"));
        assert_int_equal(unsetenv("XDG_STATE_HOME"), 0);
        assert_int_equal(unsetenv("HOME"), 0);
        assert_false(cli_state_path("x.identity", path, why, sizeof why));
        assert_non_null(strstr(why, "--identity"));
        assert_int_equal(setenv("HOME", "/dev/null", 1), 0);
        assert_false(cli_state_path("x.identity", path, why, sizeof why));
        assert_non_null(strstr(why, "/dev/null/.local"));
        char *long_home = malloc(2 * CLI_PATH_MAX);
        assert_non_null(long_home);
        memset(long_home, '/', 2 * CLI_PATH_MAX - 1);
        long_home[2 * CLI_PATH_MAX - 1] = '\0';
        assert_int_equal(setenv("HOME", long_home, 1), 0);
        assert_false(cli_state_path("x.identity", path, why, sizeof why));
        assert_non_null(strstr(why, "too long"));
        free(long_home);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                T(each_kind_of_option), T(help_comes_from_the_table), T(wrong_use_is_one_line), T(a_list_is_bounded), T(a_users_files),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
