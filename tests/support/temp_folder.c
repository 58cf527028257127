/* A temporary folder, made by mkdtemp and removed from the leaves up. */
#include "tests/support/temp_folder.h"

#include "tests/support/test.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void temp_folder_make(struct temp_folder *folder)
{
        const char *top = getenv("TMPDIR");
        int n = snprintf(folder->path, sizeof folder->path, "%s/strop-test-XXXXXX", top ? top : "/tmp");

        if (n < 0 || (size_t)n >= sizeof folder->path) snprintf(folder->path, sizeof folder->path, "/tmp/strop-test-XXXXXX");
        assert_non_null(mkdtemp(folder->path));
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
        (void)st;
        (void)kind;
        (void)where;
        return remove(path);
}

void temp_folder_remove(struct temp_folder *folder)
{
        assert_int_equal(chmod(folder->path, 0700), 0);
        assert_int_equal(nftw(folder->path, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

const char *temp_path(const struct temp_folder *folder, const char *name)
{
        static char texts[8][512];
        static unsigned next;
        char *text = texts[next++ % 8];

        snprintf(text, sizeof texts[0], "%s/%s", folder->path, name);
        return text;
}

size_t temp_folder_count(const struct temp_folder *folder)
{
        DIR *dir = opendir(folder->path);
        size_t count = 0;

        assert_non_null(dir);
        while (readdir(dir)) count++;
        closedir(dir);
        return count - 2; /* . and .. */
}
