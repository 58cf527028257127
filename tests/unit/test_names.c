/* Bob's stream names at rest: made once, found again, made anew on request; damaged, open to others, in a folder that is not there. */
#include "tests/support/temp_folder.h"
#include "tests/support/test.h"
#include "tests/support/test_context.h"

#include "client/names.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct temp_folder folder;
static struct test_context tc;
static const char *path;

static int set_up(void **state)
{
        (void)state;
        temp_folder_make(&folder);
        test_context_init(&tc, 1);
        path = temp_path(&folder, "bob.streams");
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        test_context_clear(&tc);
        temp_folder_remove(&folder);
        return 0;
}

static void expect_form(const char *name, const char *prefix)
{
        const size_t n = strlen(prefix);

        assert_int_equal(strlen(name), n + 32);
        assert_memory_equal(name, prefix, n);
        assert_int_equal(strspn(name + n, "0123456789abcdef"), 32);
}

static void made_once_and_found_again(void **state)
{
        (void)state;
        struct names first, again, fresh;
        struct reason why = {""};
        struct stat st;

        assert_ok(names_open(&first, path, &tc.ctx, false, &why));
        expect_form(first.bob_to_alice, "bob_to_alice_");
        expect_form(first.alice_to_bob, "alice_to_bob_");
        assert_string_not_equal(first.bob_to_alice + strlen("bob_to_alice_"), first.alice_to_bob + strlen("alice_to_bob_"));
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_ok(names_open(&again, path, &tc.ctx, false, &why));
        assert_memory_equal(&again, &first, sizeof first);
        assert_ok(names_open(&fresh, path, &tc.ctx, true, &why));
        assert_string_not_equal(fresh.bob_to_alice, first.bob_to_alice);
        assert_ok(names_open(&again, path, &tc.ctx, false, &why));
        assert_string_equal(again.bob_to_alice, fresh.bob_to_alice);
        assert_int_equal(temp_folder_count(&folder), 1); /* no half-written file is left */
}

static size_t read_file(uint8_t *memory, size_t n)
{
        FILE *file = fopen(path, "rb");
        size_t got;

        assert_non_null(file);
        got = fread(memory, 1, n, file);
        fclose(file);
        return got;
}

static void write_file(const uint8_t *memory, size_t n)
{
        FILE *file = fopen(path, "wb");

        assert_non_null(file);
        assert_int_equal(fwrite(memory, 1, n, file), n);
        fclose(file);
        assert_int_equal(chmod(path, 0600), 0);
}

static void a_file_cut_short_is_refused_and_says_what_helps(void **state)
{
        (void)state;
        struct names names = {.bob_to_alice = "untouched"};
        struct reason why;
        uint8_t whole[1024];
        size_t n;

        assert_ok(names_open(&(struct names){0}, path, &tc.ctx, false, &why));
        n = read_file(whole, sizeof whole);
        for (size_t cut = 0; cut < n; cut++) {
                write_file(whole, cut);
                if (names_open(&names, path, &tc.ctx, false, &why) == OK) fail_msg("cut to %zu", cut);
                assert_string_equal(names.bob_to_alice, "untouched");
                assert_non_null(strstr(why.text, path));
                assert_non_null(strstr(why.text, "--new"));
        }
        whole[n] = 0; /* one byte too many */
        write_file(whole, n + 1);
        assert_err(names_open(&names, path, &tc.ctx, false, &why), ERR_TRAILING);
        assert_ok(names_open(&names, path, &tc.ctx, true, &why)); /* and it does help */
}

static void what_is_no_file_of_names(void **state)
{
        (void)state;
        static uint8_t long_name[3 + 3 + 250 + 2] = {0x93, 1, 0xd9, 250};
        memset(long_name + 4, 'x', 250);
        memcpy(long_name + 254,
               "\xa1"
               "b",
               2);
        const struct bytes wrong[] = {
                BYTES_LITERAL("\x92\x01\xa1"
                              "a"), /* one name */
                BYTES_LITERAL("\x93\x02\xa1"
                              "a\xa1"
                              "b"), /* a later version */
                BYTES_LITERAL("\x93\x01\xa0\xa1"
                              "b"), /* no name */
                BYTES_LITERAL("\x93\x01\xa2"
                              "a\0\xa1"
                              "b"), /* a NUL in it */
                BYTES_LITERAL("\x93\x01\xc4\x01"
                              "a\xa1"
                              "b"), /* bytes, no text */
                BYTES_LITERAL("\x81\x01\x02"),
                {long_name, 256},
        };
        struct names names = {.bob_to_alice = "untouched"};

        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
                if (names_read(wrong[i], &names) == OK) fail_msg("case %zu", i);
                assert_string_equal(names.bob_to_alice, "untouched");
        }
        assert_ok(names_read(BYTES_LITERAL("\x93\x01\xa1"
                                           "a\xa1"
                                           "b"),
                             &names));
        assert_string_equal(names.bob_to_alice, "a");
        assert_string_equal(names.alice_to_bob, "b");
}

static void a_file_that_others_can_read_is_refused(void **state)
{
        (void)state;
        struct names names;
        struct reason why;

        assert_ok(names_open(&names, path, &tc.ctx, false, &why));
        assert_int_equal(chmod(path, 0644), 0);
        assert_int_not_equal(names_open(&names, path, &tc.ctx, false, &why), OK);
        assert_non_null(strstr(why.text, "chmod 600"));
}

static void a_folder_that_is_not_there(void **state)
{
        (void)state;
        struct names names;
        struct reason why = {""};

        assert_int_not_equal(names_open(&names, temp_path(&folder, "no/such"), &tc.ctx, false, &why), OK);
        assert_non_null(strstr(why.text, "/no of the file of stream names does not exist"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                T(made_once_and_found_again),  T(a_file_cut_short_is_refused_and_says_what_helps),
                T(what_is_no_file_of_names),   T(a_file_that_others_can_read_is_refused),
                T(a_folder_that_is_not_there),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
