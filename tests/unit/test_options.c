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
        check_refused("there is no option \"-V\"", ARG("-V"), NULL);
        check_refused("cannot read the configuration file /tmp: Is a directory", ARG("--config"), ARG("/tmp"));
}

static void test_brokers_that_are_none(void **state)
{
        static const char *const wrong[] = {"", ",", "a:1,", ",a:1", "a", "embeded", "a:", "a:b",
                                            "127.0.0.1:notaport", "a:1,b:65536", ":1", "\"a:1\""};
        static const char *const right[] = {"embedded", "a:1", "a:1,b:65535", "[::1]:9092,kafka.example:1"};
        struct options o;
        struct reason why;

        (void)state;
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
                check_refused("expected are brokers as host:port,...", ARG("--kafka"), ARG(wrong[i]));
        check_refused("no broker listens on port 0", ARG("--kafka"), ARG("a:1,b:0"));
        for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
                assert_ok(READ(&o, &why, ARG("--kafka"), ARG(right[i])));
                assert_string_equal(o.kafka, right[i]);
        }
}

/* What no topic's name can have would be refused by Kafka at each create. */
static void test_prefixes_that_can_begin_no_name(void **state)
{
        static const char *const wrong[] = {"a b/c", "\"strop\"", "__x", ".", "\xc3\xa4"};
        struct options o;
        struct reason why;

        (void)state;
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
                check_refused("stream-prefix: ", ARG("--stream-prefix"), ARG(wrong[i]));
                check_refused("cannot begin a name", ARG("--group-prefix"), ARG(wrong[i]));
        }
        assert_ok(READ(&o, &why, ARG("--stream-prefix="), ARG("--group-prefix=A.b_c-9")));
        assert_string_equal(o.group_prefix, "A.b_c-9");
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
        check_file("node.conf, line 2: stands before any [section]", "; first\nlisten = a:1\n[node]\n");
        check_file("node.conf, line 1: a [section] without its ]", "[node\nlisten = a:1\n");
        check_file("node.conf, line 1: neither [section] nor name = value", "nonsense\n[node]\nlisten = a:1\n");
        check_file("node.conf, line 3: acks cannot be set", "[kafka]\n\nacks = 0\n");
        check_file("node.conf, line 2: no.such: ", "[kafka]\nno.such = 1\n");
        check_file("node.conf, line 2: stream-prefix: ", "[node]\nstream-prefix = \"strop\"\n");
        check_file("node.conf, line 2: kafka: ", "[node]\nkafka =\n");
        options_default(&o);
        assert_ok(options_read_file(&o, "node.conf", "\xef\xbb\xbf[node]\nlisten: a:1\n", &why));
        assert_string_equal(o.listen, "a:1");
}

/* Longer lines and indented ones would be read as something else. */
static void test_file_lines(void **state)
{
        struct options o;
        struct reason why;
        char text[512];

        (void)state;
        snprintf(text, sizeof text, "[kafka]\nclient.id = %0186d\n\t \n[node]\r\nlisten = a:1\n", 7);
        options_default(&o);
        assert_ok(options_read_file(&o, "node.conf", text, &why));
        assert_int_equal(strlen(o.properties[0].value), 186);
        assert_string_equal(o.listen, "a:1");
        options_clear(&o);
        snprintf(text, sizeof text, "[kafka]\nclient.id = %0187d\n", 7);
        check_file("node.conf, line 2: longer than 198 bytes", text);
        check_file("node.conf, line 3: begins with a blank", "[node]\nlisten = a:1\n b:2\n");
        check_file("node.conf, line 3: begins with a blank", "[node]\nlisten = a:1\n\thttp = b:2\n");
        check_file("node.conf, line 3: begins with a blank", "[node]\nlisten = a:1\n\vhttp = b:2\n");
}

/* The sample as it is printed. */
static char *printed_sample(void)
{
        char *text = NULL;
        size_t n;
        FILE *out = open_memstream(&text, &n);

        assert_non_null(out);
        options_print_sample(out);
        fclose(out);
        return text;
}

/* What the sample says, uncommented, is what the program does anyway; but it names prefixes. */
static void test_sample_holds_the_defaults(void **state)
{
        struct options defaults, read;
        struct reason why;
        char *text = printed_sample();

        (void)state;
        options_default(&defaults);
        options_default(&read);
        if (options_read_file(&read, "sample", text, &why)) fail_msg("%s", why.text);
        assert_string_equal(read.stream_prefix, "strop");
        assert_string_equal(read.group_prefix, "strop-");
        assert_int_equal(read.property_count, 0);
        for (char *p = text; (p = strstr(p, "\n; ")); p++) memmove(p + 1, p + 3, strlen(p + 3) + 1);
        options_default(&read);
        memset(&read.transport, 0xff, sizeof read.transport);
        if (options_read_file(&read, "sample", text, &why)) fail_msg("%s", why.text);
        assert_int_equal(read.property_count, 5);
        assert_int_equal(read.transport.connections, defaults.transport.connections);
        assert_int_equal(read.transport.send_stalled_ms, defaults.transport.send_stalled_ms);
        assert_memory_equal(&read.service, &defaults.service, sizeof read.service);
        assert_memory_equal(&read.log, &defaults.log, sizeof read.log);
        assert_string_equal(read.listen, defaults.listen);
        options_clear(&read);
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

static char *printed_help(void)
{
        char *text = NULL;
        size_t n;
        FILE *out = open_memstream(&text, &n);

        assert_non_null(out);
        options_print_help(out);
        fclose(out);
        return text;
}

/* The name of a limit, what the help says of it, and its default; false when the line is about none. The line is cut. */
static bool help_limit(char *line, const char **name, const char **text, const char **value)
{
        char *end = line + strlen(line), *open = strrchr(line, '(');
        size_t n = strspn(line + 2, "abcdefghijklmnopqrstuvwxyz_");

        if (strncmp(line, "  ", 2) || !n || line[2 + n] != ' ' || !open || end[-1] != ')') return false;
        *name = line + 2;
        line[2 + n] = open[-1] = end[-1] = '\0';
        *text = line + 3 + n + strspn(line + 3 + n, " ");
        *value = open + 1;
        return true;
}

/* The option or limit that a line of the help is about: two blanks, perhaps dashes, its name. False when there is none. */
static bool help_name(const char *line, char *name, size_t cap)
{
        size_t dashes, n;

        if (strncmp(line, "  ", 2)) return false;
        dashes = strspn(line + 2, "-");
        n = strspn(line + 2 + dashes, "abcdefghijklmnopqrstuvwxyzX_-");
        if (!n || n >= cap || strncmp(line + 2, "strop-node", 10) == 0) return false;
        snprintf(name, cap, "%.*s%.*s", dashes ? 6 : 0, dashes == 1 ? "Fl " : "Fl Fl ", (int)n, line + 2 + dashes);
        return true;
}

/* The sample in deploy/ is what --sample-config prints; the man page has an item for every option and limit that --help has, and no other. */
static void test_documents_match(void **state)
{
        char *printed = printed_sample(), *help = printed_help(), *sample = text_of_file("deploy/strop-node.conf");
        char *man = text_of_file("docs/man/strop-node.8"), *save = NULL, name[64], item[80];
        size_t names = 0, items = 0;

        (void)state;
        assert_string_equal(printed, sample);
        for (char *line = strtok_r(help, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                if (!help_name(line, name, sizeof name)) continue;
                names++;
                snprintf(item, sizeof item, ".It %s%s", strncmp(name, "Fl", 2) ? "Li " : "", name);
                if (!strstr(man, item)) fail_msg("docs/man/strop-node.8 has no \"%s\"", item);
        }
        for (const char *p = man; (p = strstr(p, "\n.It ")); p++) items += strncmp(p + 5, "Fl", 2) == 0 || strncmp(p + 5, "Li", 2) == 0;
        assert_int_equal(items, names);
        assert_true(names > 30);
        free(printed);
        free(help);
        free(sample);
        free(man);
}

/* docs/operations.md has a row for every limit that --help has, with its default and text, and no other, and so has the
 * man page; each counter that a row names is there. */
static void test_operations_table_matches(void **state)
{
        char *help = printed_help(), *text = text_of_file("docs/operations.md"), *man = text_of_file("docs/man/strop-node.8");
        char *save = NULL;
        size_t limits = 0, rows = 0;

        (void)state;
        for (char *line = strtok_r(help, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                const char *name, *says, *value;
                char row[256];

                if (!help_limit(line, &name, &says, &value)) continue;
                limits++;
                snprintf(row, sizeof row, "\n| `%s` | %s | %s |", name, value, says);
                if (!strstr(text, row)) fail_msg("docs/operations.md has no \"%s\"", row + 1);
                snprintf(row, sizeof row, "\n.It Li %s\n%c%s.\nDefault %s.\n", name, says[0] & ~0x20, says + 1, value);
                if (!strstr(man, row)) fail_msg("docs/man/strop-node.8 has no \"%s\"", row + 1);
        }
        for (const char *p = text; (p = strstr(p, "\n| `")); p++) {
                const char *end = strchr(p + 1, '\n'), *at = strstr(p + 5, "` |");

                rows++;
                for (at = at ? at + 3 : end; (at = memchr(at, '`', (size_t)(end - at))); at = strchr(at + 1, '`') + 1) {
                        bool known = false;

                        for (int i = 0; i < STAT_COUNT; i++) {
                                const char *stat = stat_name((enum stat_id)i);
                                known = known || (strncmp(at + 1, stat, strlen(stat)) == 0 && at[1 + strlen(stat)] == '`');
                        }
                        if (!known) fail_msg("there is no counter %.40s", at);
                }
        }
        assert_int_equal(rows, limits);
        assert_true(limits > 30);
        free(help);
        free(man);
        free(text);
}

/* Whether the program that dials is the only one to use a limit: the node has no option for it. */
static bool is_of_dialling(const char *name)
{
        return strcmp(name, "connect_ms") == 0 || strcmp(name, "reconnect_min_ms") == 0 || strcmp(name, "reconnect_max_ms") == 0;
}

/* Every field of these structs in the header is a limit that --help names. Returns how many there are. */
static size_t check_limits_of(const char *path, const char *structure, const char *help)
{
        char *text = text_of_file(path), *end, *save = NULL, *body = strstr(text, structure);
        size_t fields = 0;

        assert_non_null(body);
        assert_non_null(end = strstr(body, "\n};"));
        *end = '\0';
        for (char *line = strtok_r(body, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                char *field = strstr(line, "size_t "), expected[64];

                if (!field) field = strstr(line, "uint32_t ");
                if (!field || strspn(line, " ") != (size_t)(field - line)) continue;
                field = strchr(field, ' ') + 1;
                field[strcspn(field, ";")] = '\0';
                fields++;
                snprintf(expected, sizeof expected, "\n  %s ", field);
                if (!is_of_dialling(field) && !strstr(help, expected)) fail_msg("%s: %s has no option", structure, field);
        }
        free(text);
        return fields;
}

static void test_every_limit_can_be_set(void **state)
{
        char *help = printed_help();

        (void)state;
        assert_true(check_limits_of("transport/limits.h", "struct transport_limits {", help) >= 16);
        assert_true(check_limits_of("stream/limits.h", "struct service_limits {", help) >= 9);
        assert_true(check_limits_of("stream/limits.h", "struct log_limits {", help) >= 9);
        free(help);
}

static void check_read(int argc, char **argv, const char *expected)
{
        struct reason why = {""};
        struct options o;

        if (expected) {
                assert_err(options_read(&o, argc, argv, &why), ERR_USAGE);
                if (!strstr(why.text, expected)) fail_msg("\"%s\" is not in \"%s\"", expected, why.text);
        } else {
                assert_ok(options_read(&o, argc, argv, &why));
        }
        options_clear(&o);
}

/* The most that options may be is taken, one more is refused with a sentence. */
static void test_its_own_limits(void **state)
{
        static char text[OPTION_TEXT_MAX + 1], *many[2 * OPTION_PROPERTIES_MAX + 4], path[] = "/tmp/strop-options-XXXXXX";
        char *one[] = {ARG("strop-node"), ARG("--stream-prefix"), text, NULL}, *file[] = {ARG("strop-node"), ARG("--config"), path, NULL};
        int count = 1, fd = mkstemp(path);

        (void)state;
        /* (this prefix is refused later: it leaves no room for names) */
        memset(text, 'x', OPTION_TEXT_MAX - 1);
        check_read(3, one, NULL);
        text[OPTION_TEXT_MAX - 1] = 'x';
        check_read(3, one, "longer than 1023");
        many[0] = ARG("strop-node");
        for (int i = 0; i < OPTION_PROPERTIES_MAX; i++) {
                many[count++] = ARG("-X");
                many[count++] = ARG("a=b");
        }
        check_read(count, many, NULL);
        many[count++] = ARG("-Xc=d");
        check_read(count, many, "more than 128");
        assert_true(fd >= 0);
        for (int i = 0; i < OPTION_FILE_MAX; i += 16) assert_int_equal(write(fd, "; filled so far\n", 16), 16);
        check_read(3, file, NULL);
        assert_int_equal(write(fd, ";", 1), 1);
        check_read(3, file, "larger than 1048576");
        close(fd);
        unlink(path);
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

/* A file with a NUL byte would be cut there. */
static void test_a_file_with_a_nul_byte(void **state)
{
        static const char text[] = "[node]\nlisten = a:1\n\0[limits]\nstreams = 7\n";
        char path[] = "/tmp/strop-options-XXXXXX", *argv[] = {ARG("strop-node"), ARG("--config"), path, NULL};
        int fd = mkstemp(path);

        (void)state;
        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
        close(fd);
        check_read(3, argv, ", line 3: a NUL byte");
        unlink(path);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults), cmocka_unit_test(test_command_line), cmocka_unit_test(test_refused),
                cmocka_unit_test(test_file), cmocka_unit_test(test_file_lines), cmocka_unit_test(test_precedence),
                cmocka_unit_test(test_sample_holds_the_defaults), cmocka_unit_test(test_documents_match),
                cmocka_unit_test(test_every_limit_can_be_set), cmocka_unit_test(test_operations_table_matches),
                cmocka_unit_test(test_its_own_limits), cmocka_unit_test(test_brokers_that_are_none),
                cmocka_unit_test(test_prefixes_that_can_begin_no_name), cmocka_unit_test(test_a_file_with_a_nul_byte),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
