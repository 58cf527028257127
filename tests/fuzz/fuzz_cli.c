/* The command lines of alice and bob: words, one a line, against a table with each kind of option. What is taken is in its range; what is
 * not is told in one line that does nothing to a terminal. */
#include "client/cli.h"
#include "tests/fuzz/fuzz.h"

#include <getopt.h>
#include <stdio.h>

enum { WORDS_MAX = 96, SAID_MAX = 1 << 14 };

struct taken {
        bool flag;
        const char *text, *positional;
        struct cli_list list;
        unsigned seconds;
};

static char said[SAID_MAX];

/* Standard output and error are ours from now on. */
static void listen_in(void)
{
        static FILE *out, *nowhere;

        if (!out) {
                out = fmemopen(said, sizeof said, "w");
                nowhere = fopen("/dev/null", "w");
                fuzz_require(out && nowhere);
                stdout = nowhere;
        }
        rewind(out);
        stderr = out;
}

/* How much was said. */
static size_t stop_listening(void)
{
        long n = ftell(stderr);

        fuzz_require(n >= 0 && fflush(stderr) == 0);
        return (size_t)n;
}

static void check_said(size_t n, int code)
{
        if (code != EXIT_USAGE) {
                fuzz_require(n == 0 && (code == -1 || code == EXIT_SUCCESS));
                return;
        }
        fuzz_require(n > 9 && memcmp(said, "program: ", 9) == 0 && said[n - 1] == '\n');
        for (size_t i = 0; i < n - 1; i++)
                fuzz_require((uint8_t)said[i] >= 0x20 || said[i] == '\t');
}

static void parse(int count, char **words)
{
        static struct taken taken;
        static const struct cli_option options[] = {
                {"flag", NULL, CLI_FLAG, &taken.flag, "a flag"},
                {"text", "TEXT", CLI_TEXT, &taken.text, "a text\nand more of it"},
                {"node", "ADDR:PORT", CLI_LIST, &taken.list, "may be given again"},
                {"a-name-that-is-long", "SECONDS", CLI_SECONDS, &taken.seconds, "a time"},
        };
        const struct cli cli = {
                "program", "program [options]", "what it does", "the end", options, 4, count % 2 ? &taken.positional : NULL};
        char *nothing[] = {words[0], NULL};
        FILE *real_out = stdout, *real_err = stderr;
        int code;

        taken = (struct taken){0};
        optind = 0; /* getopt forgets the words of the run before, where it may stand in the middle of one */
        (void)getopt(1, nothing, "");
        listen_in();
        code = cli_parse(&cli, count, words);
        const size_t n = stop_listening();
        stdout = real_out;
        stderr = real_err;
        check_said(n, code);
        fuzz_require(taken.seconds <= 86400 && taken.list.count <= CLI_LIST_MAX);
        for (size_t i = 0; i < taken.list.count; i++)
                fuzz_require(taken.list.items[i]);
        if (!cli.positional) fuzz_require(!taken.positional);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *text = fuzz_text(bytes_make(data, size)), *words[WORDS_MAX + 1] = {(char[]){"program"}};
        int count = 1;

        for (char *word = text; word && count < WORDS_MAX; count++) {
                char *end = strchr(word, '\n');

                if (end) *end = '\0';
                words[count] = word;
                word = end ? end + 1 : NULL;
        }
        parse(count, words);
        free(text);
        return 0;
}
