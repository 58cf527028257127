/* A folder of the test's own, mode 0700, that goes away with all that is in it. */
#ifndef STROP_TESTS_TEMP_FOLDER_H
#define STROP_TESTS_TEMP_FOLDER_H

#include <stddef.h>

struct temp_folder {
        char path[64];
};

/* Under $TMPDIR where that is short enough, else under /tmp. */
void temp_folder_make(struct temp_folder *folder);
void temp_folder_remove(struct temp_folder *folder);

/* "FOLDER/name"; the texts of the last eight calls stay. */
const char *temp_path(const struct temp_folder *folder, const char *name);
/* How many entries there are in it, hidden ones too. */
size_t temp_folder_count(const struct temp_folder *folder);

#endif
