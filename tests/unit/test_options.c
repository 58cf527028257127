/* strop-node's options: command line, file, ranges, and messages that say what is wrong. */
#include "node/options.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARGV(...) ((char *[]){(char *)(uintptr_t)"strop-node", __VA_ARGS__})
#define READ(options, why, ...) options_read((options), (int)(sizeof(ARGV(__VA_ARGS__)) / sizeof(char *)), ARGV(__VA_ARGS__), (why))
#define ARG(text) ((char *)(uintptr_t)(text))

static void test_defaults(void **state)
{
        struct options o;

        (void)state;
        options_default(&o);
        assert_string_equal(o.listen, "127.0.0.1:4000");
        assert_string_equal(o.kafka, "embedded");
        assert_int_equal(o.replication_factor, 1);
        assert_int_equal(o.service.hold_ms, 5000);
}

static void test_command_line(void **state)
{
        struct options o;
        struct reason why;

        (void)state;
        assert_ok(READ(&o, &why, ARG("--listen"), ARG("[::1]:0"), ARG("--kafka=a:1,b:2"), ARG("-X"), ARG("a.b=c=d"), ARG("-Xe=f"), ARG("--limit"),
                       ARG("hold_ms=100"), ARG("--log-level"), ARG("debug")));
        assert_string_equal(o.listen, "[::1]:0");
        assert_string_equal(o.kafka, "a:1,b:2");
        assert_int_equal(o.property_count, 2);
        assert_string_equal(o.properties[0].name, "a.b");
        assert_string_equal(o.properties[0].value, "c=d");
        assert_string_equal(o.properties[1].value, "f");
        assert_int_equal(o.service.hold_ms, 100);
        assert_int_equal(o.log_level, LOG_LEVEL_DEBUG);
        options_clear(&o);
}

static void check_refused(const char *expected, char *a, char *b)
{
        struct options o;
        struct reason why = {""};
        char *argv[] = {ARG("strop-node"), a, b};

        assert_err(options_read(&o, b ? 3 : 2, argv, &why), ERR_USAGE);
        if (!strstr(why.text, expected)) fail_msg("\"%s\" does not say \"%s\"", why.text, expected);
        options_clear(&o);
}

static void test_refused(void **state)
{
        (void)state;
        check_refused("there is no option \"--nonsense\"", ARG("--nonsense"), NULL);
        check_refused("what is \"nonsense\"", ARG("nonsense"), NULL);
        check_refused("needs ADDR:PORT", ARG("--listen"), NULL);
        check_refused("not a number from 1 to 32767", ARG("--replication-factor"), ARG("0"));
        check_refused("not a number", ARG("--replication-factor"), ARG("-1"));
        check_refused("not a number", ARG("--replication-factor"), ARG("99999999999999999999999"));
        check_refused("none of error", ARG("--log-level"), ARG("loud"));
        check_refused("not NAME=VALUE", ARG("-X"), ARG("plain"));
        check_refused("there is no limit \"x\"", ARG("--limit"), ARG("x=1"));
        check_refused("from 0 to 9000", ARG("--limit"), ARG("hold_ms=9001"));
        check_refused("takes no value", ARG("--version=1"), NULL);
        check_refused("cannot read the configuration file /nowhere/x", ARG("--config"), ARG("/nowhere/x"));
        check_refused("must go up", ARG("--limit"), ARG("output_low=1000000"));
}

static void check_file(const char *expected, const char *text)
{
        struct options o;
        struct reason why = {""};

        options_default(&o);
        assert_err(options_read_file(&o, "node.conf", text, &why), ERR_USAGE);
        if (!strstr(why.text, expected)) fail_msg("\"%s\" does not say \"%s\"", why.text, expected);
        options_clear(&o);
}

static void test_file(void **state)
{
        struct options o;
        struct reason why;

        (void)state;
        options_default(&o);
        assert_ok(options_read_file(&o, "node.conf", "[node]\nlisten = 1.2.3.4:5\n[kafka]\nsasl.password = x y\n[limits]\nstreams = 7\n", &why));
        assert_string_equal(o.listen, "1.2.3.4:5");
        assert_string_equal(o.properties[0].value, "x y");
        assert_int_equal(o.service.streams, 7);
        options_clear(&o);
        check_file("node.conf, line 2: there is no option \"lisen\"", "[node]\nlisen = x\n");
        check_file("node.conf, line 2: there is no section [nod]", "[nod]\nlisten = x\n");
        check_file("node.conf, line 3: neither", "[node]\n\nlisten\n");
        check_file("there is no option \"config\" for the file", "[node]\nconfig = x\n");
        check_file("not a number", "[limits]\nstreams = many\n");
}

/* What the sample says, uncommented, is what the program does anyway. */
static void test_sample_holds_the_defaults(void **state)
{
        struct options defaults, read;
        struct reason why;
        char *text = NULL;
        size_t n;
        FILE *out = open_memstream(&text, &n);

        (void)state;
        options_print_sample(out);
        fclose(out);
        for (char *p = text; (p = strstr(p, "\n; ")); p++)
                if (strncmp(p + 3, "s", 1) != 0 || strncmp(p + 3, "st", 2) == 0 || strncmp(p + 3, "sw", 2) == 0) memmove(p + 1, p + 3, strlen(p + 3) + 1);
        options_default(&defaults);
        options_default(&read);
        if (options_read_file(&read, "sample", text, &why)) fail_msg("%s", why.text);
        read.property_count = 0;
        memset(read.properties, 0, sizeof read.properties);
        assert_memory_equal(&read.transport, &defaults.transport, sizeof read.transport);
        assert_memory_equal(&read.service, &defaults.service, sizeof read.service);
        assert_memory_equal(&read.log, &defaults.log, sizeof read.log);
        assert_string_equal(read.listen, defaults.listen);
        free(text);
}

static char *text_of_file(const char *path)
{
        FILE *in = fopen(path, "re");
        char *text = calloc(1, 1 << 16);

        if (!in || !text) fail_msg("cannot read %s", path);
        assert_true(fread(text, 1, (1 << 16) - 1, in) > 0);
        fclose(in);
        return text;
}

/* The sample in deploy/ is what --sample-config prints; the man page names every option and limit that --help does. */
static void test_documents_match(void **state)
{
        char *printed = NULL, *help = NULL, *sample = text_of_file("deploy/strop-node.conf"), *man = text_of_file("docs/man/strop-node.8");
        char name[64], *save = NULL;
        size_t n, names = 0;
        FILE *out = open_memstream(&printed, &n);

        (void)state;
        options_print_sample(out);
        fclose(out);
        assert_string_equal(printed, sample);
        out = open_memstream(&help, &n);
        options_print_help(out);
        fclose(out);
        for (char *line = strtok_r(help, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                bool option = sscanf(line, "  --%63[a-z-]", name) == 1;

                if (!option && sscanf(line, "  %63[a-z_]", name) != 1) continue;
                if (strlen(name) < 4 || strcmp(name, "strop") == 0) continue;
                names++;
                if (!strstr(man, name)) fail_msg("docs/man/strop-node.8 does not name %s", name);
        }
        assert_true(names > 30);
        free(printed);
        free(help);
        free(sample);
        free(man);
}

/* The command line wins over the file. */
static void test_precedence(void **state)
{
        char path[] = "/tmp/strop-options-XXXXXX";
        int fd = mkstemp(path);
        struct options o;
        struct reason why;

        (void)state;
        assert_true(fd >= 0);
        assert_int_equal(write(fd, "[node]\nlisten = a:1\nhttp = b:2\n", 31), 31);
        close(fd);
        assert_ok(READ(&o, &why, ARG("--listen"), ARG("c:3"), ARG("--config"), path));
        assert_string_equal(o.listen, "c:3");
        assert_string_equal(o.http, "b:2");
        options_clear(&o);
        unlink(path);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults), cmocka_unit_test(test_command_line), cmocka_unit_test(test_refused),
                cmocka_unit_test(test_file),     cmocka_unit_test(test_precedence),   cmocka_unit_test(test_sample_holds_the_defaults),
                cmocka_unit_test(test_documents_match),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
