/* Private files: what is refused and what is said of it, whatever the umask; whole or not at all (C25, G46). */
#include "transport/base/private_file.h"

#include "tests/support/temp_folder.h"
#include "tests/support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct temp_folder folder;
static const struct bytes content = {(const uint8_t *)"something of ours", 17};

static void put(const char *path, mode_t mode)
{
        int fd;

        unlink(path); /* one of mode 0400 could not be opened */
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, content.p, content.n), content.n);
        assert_int_equal(fchmod(fd, mode), 0);
        assert_int_equal(close(fd), 0);
}

/* What private_file.c asks of the system, in order; the calls go through. */
static char calls[512];

static void note(const char *call, int fd)
{
        struct stat st;
        const size_t n = strlen(calls);

        assert_int_equal(fstat(fd, &st), 0);
        snprintf(calls + n, sizeof calls - n, "%s%s %s", n ? ", " : "", call, S_ISDIR(st.st_mode) ? "folder" : "file");
}

int fsync(int fd)
{
        note("sync", fd);
        return (int)syscall(SYS_fsync, fd);
}

int renameat(int from, const char *old_name, int to, const char *new_name)
{
        note("rename in", to);
        return (int)syscall(SYS_renameat2, from, old_name, to, new_name, 0);
}

int linkat(int from, const char *old_name, int to, const char *new_name, int flags)
{
        note("link in", to);
        return (int)syscall(SYS_linkat, from, old_name, to, new_name, flags);
}

static int flags_seen;
static mode_t mode_seen;

int openat(int at, const char *name, int flags, ...)
{
        va_list args;

        va_start(args, flags);
        flags_seen |= flags;
        mode_seen = flags & O_CREAT ? va_arg(args, mode_t) : 0;
        va_end(args);
        return (int)syscall(SYS_openat, at, name, flags, mode_seen);
}

static mode_t mode_of(const char *path)
{
        struct stat st;

        assert_int_equal(lstat(path, &st), 0);
        return st.st_mode & 07777;
}

static enum err read_it(const char *path, struct reason *why)
{
        uint8_t memory[64];
        struct writer w = writer_make(memory, sizeof memory);
        enum err err = private_file_read(path, "test file", &w, why);

        if (!err) assert_true(bytes_equal(writer_bytes(&w), content));
        return err;
}

static enum err write_it(const char *path, bool only_new, struct reason *why)
{
        return private_file_write(path, "test file", content, only_new, why);
}

static void assert_says(const struct reason *why, const char *part)
{
        if (!strstr(why->text, part)) fail_msg("\"%s\" does not say \"%s\"", why->text, part);
}

static void G46_what_is_written_is_ours_alone_whatever_the_umask(void **state)
{
        (void)state;
        static const mode_t umasks[] = {0, 022, 077, 0277, 0777};

        for (size_t i = 0; i < sizeof umasks / sizeof *umasks; i++) {
                struct reason why = {""};
                mode_t before = umask(umasks[i]);
                enum err err = write_it(temp_path(&folder, "file"), false, &why);

                umask(before);
                assert_ok(err);
                assert_string_equal(why.text, "");
                assert_int_equal(mode_of(temp_path(&folder, "file")), 0600);
                assert_ok(read_it(temp_path(&folder, "file"), &why));
                assert_int_equal(temp_folder_count(&folder), 1);
        }
}

static void G46_a_new_file_never_replaces_one(void **state)
{
        (void)state;
        struct reason why;
        uint8_t memory[64];
        struct writer w = writer_make(memory, sizeof memory);

        assert_ok(write_it(temp_path(&folder, "file"), true, &why));
        assert_err(private_file_write(temp_path(&folder, "file"), "test file", BYTES_LITERAL("else"), true, &why), ERR_UNEXPECTED);
        assert_says(&why, "exists already");
        assert_ok(read_it(temp_path(&folder, "file"), &why));
        assert_ok(private_file_write(temp_path(&folder, "file"), "test file", BYTES_LITERAL("else"), false, &why));
        assert_ok(private_file_read(temp_path(&folder, "file"), "test file", &w, &why));
        assert_true(bytes_equal(writer_bytes(&w), BYTES_LITERAL("else")));
        assert_int_equal(temp_folder_count(&folder), 1);
}

static void G46_a_file_that_others_reach_is_refused(void **state)
{
        (void)state;
        static const struct { mode_t mode; enum err err; const char *says; } cases[] = {
                {0600, OK, ""},
                {0400, OK, ""},
                {0700, OK, ""},
                {0644, ERR_NOT_ALLOWED, "is readable by others (mode 0644): run chmod 600 "},
                {0640, ERR_NOT_ALLOWED, "is readable by others (mode 0640)"},
                {0604, ERR_NOT_ALLOWED, "is readable by others (mode 0604)"},
                {0620, ERR_NOT_ALLOWED, "is accessible by others (mode 0620)"},
                {0602, ERR_NOT_ALLOWED, "is accessible by others (mode 0602)"},
                {0610, ERR_NOT_ALLOWED, "is accessible by others (mode 0610)"},
                {0601, ERR_NOT_ALLOWED, "is accessible by others (mode 0601)"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct reason why = {""};
                const char *path = temp_path(&folder, "file");

                put(path, cases[i].mode);
                assert_err(read_it(path, &why), cases[i].err);
                assert_says(&why, cases[i].says);
                if (cases[i].err) assert_says(&why, path);
        }
}

static void G46_a_folder_that_others_write_is_refused(void **state)
{
        (void)state;
        static const struct { mode_t mode; enum err err; } cases[] = {
                {0700, OK},  {0755, OK},  {0770, ERR_NOT_ALLOWED}, {0777, ERR_NOT_ALLOWED}, {0702, ERR_NOT_ALLOWED},
                {01777, OK}, {01770, OK},
        };
        put(temp_path(&folder, "file"), 0600);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct reason why = {""};

                assert_int_equal(chmod(folder.path, cases[i].mode), 0);
                assert_err(read_it(temp_path(&folder, "file"), &why), cases[i].err);
                assert_err(write_it(temp_path(&folder, "file"), false, &why), cases[i].err);
                assert_int_equal(temp_folder_count(&folder), 1);
                if (!cases[i].err) continue;
                assert_says(&why, "can be written by others (mode ");
                assert_says(&why, "run chmod go-w ");
        }
}

static void G46_another_users_file_or_folder_is_refused(void **state)
{
        (void)state;
        struct reason why;

        if (geteuid() != 0) skip(); /* nobody else may give files away */
        put(temp_path(&folder, "file"), 0600);
        assert_int_equal(chown(temp_path(&folder, "file"), 12345, 12345), 0);
        assert_err(read_it(temp_path(&folder, "file"), &why), ERR_NOT_ALLOWED);
        assert_says(&why, "belongs to another user (uid 12345, we are 0)");
        assert_int_equal(chown(temp_path(&folder, "file"), 0, 0), 0);
        assert_int_equal(chown(folder.path, 12345, 12345), 0);
        assert_err(read_it(temp_path(&folder, "file"), &why), ERR_NOT_ALLOWED);
        assert_says(&why, "belongs to another user (uid 12345), who could replace it");
        assert_err(write_it(temp_path(&folder, "file"), false, &why), ERR_NOT_ALLOWED);
        assert_int_equal(chmod(folder.path, 01777), 0); /* a sticky folder's owner can replace files all the same */
        assert_err(read_it(temp_path(&folder, "file"), &why), ERR_NOT_ALLOWED);
        assert_int_equal(chown(folder.path, 0, 0), 0);
        assert_ok(read_it(temp_path(&folder, "file"), &why));
}

static void G46_what_is_no_regular_file_is_refused(void **state)
{
        (void)state;
        struct reason why;

        put(temp_path(&folder, "file"), 0600);
        assert_int_equal(symlink("file", temp_path(&folder, "link")), 0);
        assert_err(read_it(temp_path(&folder, "link"), &why), ERR_NOT_ALLOWED);
        assert_says(&why, "is a symbolic link: give the path of the file itself");
        assert_int_equal(mkfifo(temp_path(&folder, "fifo"), 0600), 0);
        assert_err(read_it(temp_path(&folder, "fifo"), &why), ERR_NOT_ALLOWED);
        assert_says(&why, "is not a regular file");
        assert_int_equal(mkdir(temp_path(&folder, "sub"), 0700), 0);
        assert_err(read_it(temp_path(&folder, "sub"), &why), ERR_NOT_ALLOWED);
        assert_says(&why, "is not a regular file");
        assert_err(write_it(temp_path(&folder, "sub"), false, &why), ERR_SYSTEM);
        assert_int_equal(temp_folder_count(&folder), 4);
}

/* A link in the file's place is itself replaced; what it points to is left alone. */
static void G46_writing_never_goes_through_a_link(void **state)
{
        (void)state;
        struct reason why;
        struct stat st;

        put(temp_path(&folder, "elsewhere"), 0600);
        assert_int_equal(symlink("elsewhere", temp_path(&folder, "link")), 0);
        assert_err(write_it(temp_path(&folder, "link"), true, &why), ERR_UNEXPECTED);
        assert_ok(private_file_write(temp_path(&folder, "link"), "test file", BYTES_LITERAL("else"), false, &why));
        assert_int_equal(lstat(temp_path(&folder, "link"), &st), 0);
        assert_true(S_ISREG(st.st_mode));
        assert_ok(read_it(temp_path(&folder, "elsewhere"), &why));
}

static void paths_that_name_no_file(void **state)
{
        (void)state;
        char deep[PATH_MAX + 16], long_name[NAME_MAX];
        struct reason why;

        assert_err(read_it("", &why), ERR_USAGE);
        assert_err(read_it("/", &why), ERR_USAGE);
        assert_err(read_it(temp_path(&folder, "sub/"), &why), ERR_USAGE);
        assert_err(read_it(temp_path(&folder, ".."), &why), ERR_USAGE);
        assert_says(&why, "the path names a folder, not a file");
        memset(deep, 'a', sizeof deep);
        deep[sizeof deep - 1] = '\0';
        deep[sizeof deep - 3] = '/';
        assert_err(read_it(deep, &why), ERR_USAGE);
        memset(long_name, 'a', sizeof long_name);
        long_name[sizeof long_name - 1] = '\0';
        assert_err(write_it(temp_path(&folder, long_name), true, &why), ERR_USAGE);
        assert_says(&why, "the path is too long");
}

static void what_is_not_there(void **state)
{
        (void)state;
        struct reason why;

        assert_err(read_it(temp_path(&folder, "file"), &why), ERR_NOT_FOUND);
        assert_err(read_it(temp_path(&folder, "no/file"), &why), ERR_SYSTEM);
        assert_says(&why, "does not exist: run mkdir -m 700 ");
        assert_err(write_it(temp_path(&folder, "no/file"), true, &why), ERR_SYSTEM);
        put(temp_path(&folder, "file"), 0600);
        assert_err(read_it(temp_path(&folder, "file/file"), &why), ERR_SYSTEM);
}

static void a_path_without_a_folder_is_here(void **state)
{
        (void)state;
        char before[PATH_MAX];
        struct reason why;

        assert_non_null(getcwd(before, sizeof before));
        assert_int_equal(chdir(folder.path), 0);
        assert_ok(write_it("file", true, &why));
        assert_ok(read_it("file", &why));
        assert_int_equal(chdir(before), 0);
        assert_ok(read_it(temp_path(&folder, "file"), &why));
}

static void a_file_larger_than_the_room_is_refused(void **state)
{
        (void)state;
        uint8_t memory[17];
        struct writer fits = writer_make(memory, 17), small = writer_make(memory, 16);
        struct reason why;

        put(temp_path(&folder, "file"), 0600);
        assert_ok(private_file_read(temp_path(&folder, "file"), "test file", &fits, &why));
        assert_err(private_file_read(temp_path(&folder, "file"), "test file", &small, &why), ERR_TOO_LARGE);
        assert_says(&why, "is too large");
}

static void G46_a_write_that_fails_leaves_all_as_it_was(void **state)
{
        (void)state;
        struct rlimit before, none;
        struct reason why;
        enum err err;
        void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);

        put(temp_path(&folder, "file"), 0600);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
        none = (struct rlimit){8, before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
        err = private_file_write(temp_path(&folder, "file"), "test file", BYTES_LITERAL("something longer than that"), false, &why);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        signal(SIGXFSZ, handler);
        assert_err(err, ERR_SYSTEM);
        assert_says(&why, "cannot write test file ");
        assert_ok(read_it(temp_path(&folder, "file"), &why));
        assert_int_equal(temp_folder_count(&folder), 1);
}

/* What a power cut leaves: the old content or the new, never half of it, and never a name without content. */
static void G46_content_is_on_disk_before_its_name_and_the_name_before_success(void **state)
{
        (void)state;
        struct reason why;

        calls[0] = '\0';
        assert_ok(write_it(temp_path(&folder, "file"), true, &why));
        assert_string_equal(calls, "sync file, link in folder, sync folder");
        calls[0] = '\0';
        assert_ok(write_it(temp_path(&folder, "file"), false, &why));
        assert_string_equal(calls, "sync file, rename in folder, sync folder");
}

/* The name of the temporary file cannot be guessed, and one that is there already is not written into. */
static void G46_the_temporary_file_is_new_and_ours(void **state)
{
        (void)state;
        struct reason why;

        flags_seen = 0;
        assert_ok(write_it(temp_path(&folder, "file"), false, &why));
        assert_int_equal(flags_seen & (O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC), O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC);
        assert_int_equal(mode_seen, 0600);
        flags_seen = 0;
        assert_ok(read_it(temp_path(&folder, "file"), &why));
        assert_int_equal(flags_seen & (O_NOFOLLOW | O_CLOEXEC), O_NOFOLLOW | O_CLOEXEC);
}

static int make(void **state)
{
        (void)state;
        temp_folder_make(&folder);
        return 0;
}

static int remove_it(void **state)
{
        (void)state;
        temp_folder_remove(&folder);
        return 0;
}

#define in_a_folder(test) cmocka_unit_test_setup_teardown(test, make, remove_it)

int main(void)
{
        const struct CMUnitTest tests[] = {
                in_a_folder(G46_what_is_written_is_ours_alone_whatever_the_umask),
                in_a_folder(G46_a_new_file_never_replaces_one),
                in_a_folder(G46_a_file_that_others_reach_is_refused),
                in_a_folder(G46_a_folder_that_others_write_is_refused),
                in_a_folder(G46_another_users_file_or_folder_is_refused),
                in_a_folder(G46_what_is_no_regular_file_is_refused),
                in_a_folder(G46_writing_never_goes_through_a_link),
                in_a_folder(paths_that_name_no_file),
                in_a_folder(what_is_not_there),
                in_a_folder(a_path_without_a_folder_is_here),
                in_a_folder(a_file_larger_than_the_room_is_refused),
                in_a_folder(G46_a_write_that_fails_leaves_all_as_it_was),
                in_a_folder(G46_content_is_on_disk_before_its_name_and_the_name_before_success),
                in_a_folder(G46_the_temporary_file_is_new_and_ours),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
