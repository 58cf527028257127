/* The logger: one line of at most 512 bytes whatever comes (R12), levels, printable(), and that it never waits for who reads it. */
#include "tests/support/test.h"
#include "transport/base/logger.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct caught {
        size_t count;
        enum log_level level;
        char line[2048];
};

static void catch_line(void *user, enum log_level level, const char *line)
{
        struct caught *caught = user;

        caught->count++;
        caught->level = level;
        assert_true(strlen(line) < sizeof caught->line);
        strncpy(caught->line, line, sizeof caught->line - 1);
}

static int catch_setup(void **state)
{
        *state = calloc(1, sizeof(struct caught));
        if (*state) logger_set_sink(catch_line, *state);
        return *state ? 0 : -1;
}

static int catch_teardown(void **state)
{
        logger_set_sink(NULL, NULL);
        logger_set_level(LOG_LEVEL_INFO);
        free(*state);
        return 0;
}

static void writes_who_then_what(void **state)
{
        struct caught *caught = *state;

        log_info("conn 12", "closed: %s", "reset");
        assert_string_equal(caught->line, "conn 12: closed: reset");
        assert_int_equal(caught->level, LOG_LEVEL_INFO);
        log_info(NULL, "listening on 127.0.0.1:%d", 4000);
        assert_string_equal(caught->line, "listening on 127.0.0.1:4000");
        log_warning("stream a", "slow");
        assert_string_equal(caught->line, "stream a: warning: slow");
        log_error(NULL, "gone");
        assert_string_equal(caught->line, "error: gone");
        assert_int_equal(caught->count, 4);
}

static void writes_up_to_its_level(void **state)
{
        struct caught *caught = *state;
        enum log_level level;

        log_debug(NULL, "not seen");
        assert_int_equal(caught->count, 0);
        assert_true(logger_level_named("debug", &level));
        logger_set_level(level);
        log_debug(NULL, "seen");
        assert_int_equal(caught->count, 1);
        assert_true(logger_level_named("error", &level));
        logger_set_level(level);
        log_warning(NULL, "not seen");
        assert_int_equal(caught->count, 1);
        assert_false(logger_level_named("Error", &level));
        assert_false(logger_level_named("", &level));
        assert_int_equal(level, LOG_LEVEL_ERROR);
}

static void one_line_of_512_bytes_r12(void **state)
{
        struct caught *caught = *state;
        char *name = malloc(65537);

        assert_non_null(name);
        memset(name, 'x', 65536);
        name[65536] = 0;
        log_info(name, "%s", name);
        assert_true(strlen(caught->line) == 510);
        assert_string_equal(caught->line + 507, "...");
        log_info("a", "%s", name);
        assert_true(strlen(caught->line) == 510);
        memset(name, '\n', 65536);
        log_info("a", "%s", name);
        assert_true(strlen(caught->line) <= 511);
        assert_null(strchr(caught->line, '\n'));
        log_info("conn 1\r\nforged", "%s", "a\033[2Jb\xff");
        assert_string_equal(caught->line, "conn 1\\x0d\\x0aforged: a\\x1b[2Jb\\xff");
        assert_int_equal(caught->count, 4);
        free(name);
}

static void escaped_text_is_not_escaped_again(void **state)
{
        struct caught *caught = *state;
        char name[64];

        log_info(NULL, "stream %s", printable(name, sizeof name, BYTES_LITERAL("a\nb\\%n")));
        assert_string_equal(caught->line, "stream a\\x0ab\\x5c%n");
}

static void printable_escapes(void **state)
{
        static const struct {
                struct bytes in;
                const char *out;
        } cases[] = {
                {BYTES_LITERAL(""), ""},
                {BYTES_LITERAL("plain \"text\" 1#a:1"), "plain \"text\" 1#a:1"},
                {BYTES_LITERAL("\0\x01\x1f\x7f"), "\\x00\\x01\\x1f\\x7f"},
                {BYTES_LITERAL("a\\x00"), "a\\x5cx00"},
                {BYTES_LITERAL("gr\xc3\xbc\xc3\x9f \xe4\xbd\xa0 \xf0\x9f\x98\x80"), "gr\xc3\xbc\xc3\x9f \xe4\xbd\xa0 \xf0\x9f\x98\x80"},
                {BYTES_LITERAL("\xc3"), "\\xc3"},
                {BYTES_LITERAL("\xed\xa0\x80z"), "\\xed\\xa0\\x80z"},
                {BYTES_LITERAL("\xc2\x9b" "2J"), "\\xc2\\x9b" "2J"},
                {BYTES_LITERAL("a\xe2\x80\xa8" "b\xe2\x80\xae" "c\xe2\x81\xa6"), "a\\xe2\\x80\\xa8" "b\\xe2\\x80\\xae" "c\\xe2\\x81\\xa6"},
                {BYTES_LITERAL("\xe2\x80\x93\xc2\xa0"), "\xe2\x80\x93\xc2\xa0"},
        };
        char out[128];

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                assert_string_equal(printable(out, sizeof out, cases[i].in), cases[i].out);
}

static void printable_cuts_between_characters(void **state)
{
        char out[64];

        (void)state;
        assert_string_equal(printable(out, 6, BYTES_LITERAL("12345")), "12345");
        assert_string_equal(printable(out, 6, BYTES_LITERAL("123456")), "12...");
        assert_string_equal(printable(out, 8, BYTES_LITERAL("12\n456")), "12...");
        assert_string_equal(printable(out, 10, BYTES_LITERAL("12\n456")), "12\\x0a456");
        assert_string_equal(printable(out, 9, BYTES_LITERAL("12\n456")), "12...");
        assert_string_equal(printable(out, 7, BYTES_LITERAL("12\xc3\xbc" "3456")), "12...");
        assert_string_equal(printable(out, 3, BYTES_LITERAL("1234")), "..");
        assert_string_equal(printable(out, 1, BYTES_LITERAL("1234")), "");
        out[0] = 'k';
        printable(out, 0, BYTES_LITERAL("1"));
        assert_int_equal(out[0], 'k');
}

/* --- nobody reads ---------------------------------------------------------------------------------------------------------- */

struct unread {
        int read_fd, stderr_copy;
        char text[1 << 20];
};

/* stderr is a pipe or a socket from here on; a write that blocks would end the test by the alarm. */
static struct unread *unread_begin(bool socket)
{
        struct unread *unread = calloc(1, sizeof *unread);
        int fds[2];

        assert_non_null(unread);
        assert_int_equal(socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, fds) : pipe(fds), 0);
        fflush(stderr);
        unread->stderr_copy = dup(STDERR_FILENO);
        unread->read_fd = fds[0];
        assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
        close(fds[1]);
        assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
        alarm(60);
        return unread;
}

/* All that has been written since the last time. */
static const char *unread_take(struct unread *unread)
{
        size_t n = 0;
        ssize_t got;

        while ((got = read(unread->read_fd, unread->text + n, sizeof unread->text - 1 - n)) > 0) n += (size_t)got;
        unread->text[n] = '\0';
        return unread->text;
}

static void unread_end(struct unread *unread)
{
        alarm(0);
        dup2(unread->stderr_copy, STDERR_FILENO);
        close(unread->stderr_copy);
        close(unread->read_fd);
        free(unread);
}

static size_t count_lines(const char *text)
{
        size_t count = 0;

        for (; (text = strchr(text, '\n')); text++) count++;
        return count;
}

static void leaves_lines_out_that_nobody_reads_and_says_how_many(bool socket)
{
        struct unread *unread = unread_begin(socket);
        uint64_t before = logger_dropped(), missing;
        char expected[100];
        size_t written;
        int flags = fcntl(STDERR_FILENO, F_GETFL);

        for (int i = 0; i < 3000; i++) log_info("conn 1", "line %d: %0200d", i, 0);
        missing = logger_dropped() - before;
        assert_in_range(missing, 1, 2999);
        written = count_lines(unread_take(unread));
        assert_int_equal(written + missing, 3000); /* whole lines, each there or counted */
        log_info(NULL, "after");
        snprintf(expected, sizeof expected, "warning: %llu lines are missing here: nobody read them\nafter\n", (unsigned long long)missing);
        assert_string_equal(unread_take(unread), expected);
        log_info(NULL, "again");
        assert_string_equal(unread_take(unread), "again\n"); /* it is said once */
        assert_int_equal(fcntl(STDERR_FILENO, F_GETFL), flags);  /* others have that descriptor too */
        unread_end(unread);
}

static void does_not_wait_for_who_reads_a_pipe(void **state)
{
        (void)state;
        leaves_lines_out_that_nobody_reads_and_says_how_many(false);
}

static void does_not_wait_for_who_reads_a_socket(void **state)
{
        (void)state;
        leaves_lines_out_that_nobody_reads_and_says_how_many(true);
}

static void outlives_who_reads(void **state)
{
        struct unread *unread = unread_begin(false);
        uint64_t before = logger_dropped();

        (void)state;
        close(unread->read_fd);
        log_info(NULL, "nobody is there");
        assert_int_equal(logger_dropped() - before, 1);
        unread->read_fd = -1;
        unread_end(unread);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(writes_who_then_what, catch_setup, catch_teardown),
                cmocka_unit_test_setup_teardown(writes_up_to_its_level, catch_setup, catch_teardown),
                cmocka_unit_test_setup_teardown(one_line_of_512_bytes_r12, catch_setup, catch_teardown),
                cmocka_unit_test_setup_teardown(escaped_text_is_not_escaped_again, catch_setup, catch_teardown),
                cmocka_unit_test(printable_escapes),
                cmocka_unit_test(does_not_wait_for_who_reads_a_pipe),
                cmocka_unit_test(does_not_wait_for_who_reads_a_socket),
                cmocka_unit_test(outlives_who_reads),
                cmocka_unit_test(printable_cuts_between_characters),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
