/* Private files. All is done relative to a descriptor of the folder, so that what was checked is what is used. */
#include "transport/base/private_file.h"

#include "transport/base/logger.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
        SHOWN_MAX = 160,                   /* of a path in a sentence, so that there is room for the rest of it */
        TEMPORARY_EXTRA = 1 + 1 + 16 + 4,  /* ".NAME.0123456789abcdef.tmp" */
        OTHERS_ANY = S_IRWXG | S_IRWXO,
        OTHERS_WRITE = S_IWGRP | S_IWOTH,
};

/* Where a file is: its folder, opened, and its name there. */
struct place {
        int folder;
        const char *what, *name;
        char shown[SHOWN_MAX], folder_shown[SHOWN_MAX]; /* printable */
        struct reason *why;
};

MUST_USE static enum err cannot(const struct place *place, const char *verb)
{
        return fail(place->why, ERR_SYSTEM, "cannot %s %s %s: %s", verb, place->what, place->shown, strerror(errno));
}

MUST_USE static enum err folder_check(const struct place *place)
{
        struct stat st;

        if (fstat(place->folder, &st)) return cannot(place, "look at the folder of");
        if (st.st_uid != geteuid() && st.st_uid != 0)
                return fail(place->why, ERR_NOT_ALLOWED,
                            "folder %s of the %s belongs to another user (uid %lu), who could replace it: use a folder of your own",
                            place->folder_shown, place->what, (unsigned long)st.st_uid);
        if ((st.st_mode & OTHERS_WRITE) && !(st.st_mode & S_ISVTX))
                return fail(place->why, ERR_NOT_ALLOWED,
                            "folder %s of the %s can be written by others (mode %04o): run chmod go-w %s", place->folder_shown,
                            place->what, (unsigned)(st.st_mode & 07777), place->folder_shown);
        return OK;
}

MUST_USE static enum err folder_open(struct place *place, const char *path, size_t folder_n)
{
        char folder[PATH_MAX];
        enum err err;

        if (folder_n >= sizeof folder || strlen(place->name) > NAME_MAX - TEMPORARY_EXTRA)
                return fail(place->why, ERR_USAGE, "%s %s: the path is too long", place->what, place->shown);
        memcpy(folder, path, folder_n);
        folder[folder_n] = '\0';
        printable(place->folder_shown, sizeof place->folder_shown, bytes_of_text(folder));
        place->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (place->folder < 0 && errno == ENOENT)
                return fail(place->why, ERR_SYSTEM, "folder %s of the %s does not exist: run mkdir -m 700 %s", place->folder_shown,
                            place->what, place->folder_shown);
        if (place->folder < 0) return cannot(place, "open the folder of");
        if ((err = folder_check(place))) close(place->folder);
        return err;
}

/* The folder is open when this returns OK, and checked. */
MUST_USE static enum err place_open(struct place *place, const char *path, const char *what, struct reason *why)
{
        const char *slash = strrchr(path, '/');

        *place = (struct place){.folder = -1, .what = what, .name = slash ? slash + 1 : path, .why = why};
        printable(place->shown, sizeof place->shown, bytes_of_text(path));
        if (!*place->name || strcmp(place->name, ".") == 0 || strcmp(place->name, "..") == 0)
                return fail(why, ERR_USAGE, "%s \"%s\": the path names a folder, not a file", what, place->shown);
        if (!slash) return folder_open(place, ".", 1);
        return folder_open(place, path, slash == path ? 1 : (size_t)(slash - path));
}

MUST_USE static enum err file_check(const struct place *place, int fd)
{
        struct stat st;

        if (fstat(fd, &st)) return cannot(place, "look at");
        if (!S_ISREG(st.st_mode)) return fail(place->why, ERR_NOT_ALLOWED, "%s %s is not a regular file", place->what, place->shown);
        if (st.st_uid != geteuid())
                return fail(place->why, ERR_NOT_ALLOWED, "%s %s belongs to another user (uid %lu, we are %lu): run chown on it",
                            place->what, place->shown, (unsigned long)st.st_uid, (unsigned long)geteuid());
        if (st.st_mode & OTHERS_ANY)
                return fail(place->why, ERR_NOT_ALLOWED, "%s %s is %s by others (mode %04o): run chmod 600 %s", place->what, place->shown,
                            st.st_mode & (S_IRGRP | S_IROTH) ? "readable" : "accessible", (unsigned)(st.st_mode & 07777), place->shown);
        return OK;
}

/* Reads to the end of the file, or one byte beyond what there is room for. */
MUST_USE static enum err read_all(const struct place *place, int fd, struct writer *out)
{
        for (;;) {
                uint8_t beyond;
                bool room = out->n < out->cap;
                ssize_t n = read(fd, room ? out->p + out->n : &beyond, room ? out->cap - out->n : 1);

                if (n < 0 && errno == EINTR) continue;
                if (n < 0) return cannot(place, "read");
                if (n == 0) return OK;
                if (!room) return fail(place->why, ERR_TOO_LARGE, "%s %s is too large to be one", place->what, place->shown);
                out->n += (size_t)n;
        }
}

MUST_USE static enum err file_read(const struct place *place, struct writer *out)
{
        /* Not blocking: a FIFO in the file's place must not hold us up before it is seen to be one. */
        int fd = openat(place->folder, place->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        enum err err;

        if (fd < 0 && errno == ENOENT) return fail(place->why, ERR_NOT_FOUND, "%s %s does not exist", place->what, place->shown);
        if (fd < 0 && errno == ELOOP)
                return fail(place->why, ERR_NOT_ALLOWED, "%s %s is a symbolic link: give the path of the file itself", place->what,
                            place->shown);
        if (fd < 0) return cannot(place, "open");
        if (!(err = file_check(place, fd))) err = read_all(place, fd, out);
        close(fd);
        return err;
}

enum err private_file_read(const char *path, const char *what, struct writer *out, struct reason *why)
{
        struct place place;
        enum err err;

        if ((err = place_open(&place, path, what, why))) return err;
        err = file_read(&place, out);
        close(place.folder);
        return err;
}

MUST_USE static enum err write_all(const struct place *place, int fd, struct bytes content)
{
        while (content.n) {
                ssize_t n = write(fd, content.p, content.n);

                if (n < 0 && errno == EINTR) continue;
                if (n < 0) return cannot(place, "write");
                content.p += n;
                content.n -= (size_t)n;
        }
        return OK;
}

/* Fills the temporary file. fchmod, since the umask may have taken more away than it should. */
MUST_USE static enum err file_fill(const struct place *place, int fd, struct bytes content)
{
        enum err err;

        if (fchmod(fd, S_IRUSR | S_IWUSR)) return cannot(place, "set the mode of");
        if ((err = write_all(place, fd, content))) return err;
        return fsync(fd) ? cannot(place, "sync") : OK;
}

MUST_USE static enum err put_over(const struct place *place, const char *temporary)
{
        return renameat(place->folder, temporary, place->folder, place->name) ? cannot(place, "put in place") : OK;
}

/* A link fails where there is a file already. Where the file system has no links, a look before has to do. */
MUST_USE static enum err put_new(const struct place *place, const char *temporary)
{
        if (linkat(place->folder, temporary, place->folder, place->name, 0) == 0)
                return unlinkat(place->folder, temporary, 0) ? cannot(place, "remove the temporary file of") : OK;
        if (errno != EEXIST && faccessat(place->folder, place->name, F_OK, AT_SYMLINK_NOFOLLOW) && errno == ENOENT)
                return put_over(place, temporary);
        return fail(place->why, ERR_UNEXPECTED, "%s %s exists already", place->what, place->shown);
}

MUST_USE static enum err file_write(const struct place *place, struct bytes content, bool only_new)
{
        char temporary[NAME_MAX + 1];
        uint64_t number;
        int fd;
        enum err err;

        if (getentropy(&number, sizeof number)) return cannot(place, "find a temporary name for");
        snprintf(temporary, sizeof temporary, ".%s.%016llx.tmp", place->name, (unsigned long long)number);
        fd = openat(place->folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
        if (fd < 0) return cannot(place, "make a temporary file for");
        err = file_fill(place, fd, content);
        if (close(fd) && !err) err = cannot(place, "close");
        if (!err) err = only_new ? put_new(place, temporary) : put_over(place, temporary);
        if (err) unlinkat(place->folder, temporary, 0);
        else if (fsync(place->folder)) err = cannot(place, "sync the folder of");
        return err;
}

enum err private_file_write(const char *path, const char *what, struct bytes content, bool only_new, struct reason *why)
{
        struct place place;
        enum err err;

        if ((err = place_open(&place, path, what, why))) return err;
        err = file_write(&place, content, only_new);
        close(place.folder);
        return err;
}
