/* A main for fuzz targets without a fuzzer: gives the target each file of the folders named on the command line. A target that
 * does not like one ends the process; its name has been printed before. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>

enum { INPUT_MAX = 1 << 20 };

static void try_file(const char *folder, const char *name)
{
        static uint8_t buffer[INPUT_MAX];
        char path[1024];
        FILE *file;
        size_t n;
        uint8_t *exact;

        snprintf(path, sizeof path, "%s/%s", folder, name);
        printf("%s\n", path);
        fflush(stdout);
        file = fopen(path, "rb");
        fuzz_require(file);
        n = fread(buffer, 1, sizeof buffer, file);
        fuzz_require(!ferror(file) && n < sizeof buffer);
        fclose(file);
        exact = fuzz_memory(n);
        memcpy(exact, buffer, n);
        fuzz_require(LLVMFuzzerTestOneInput(exact, n) == 0);
        free(exact);
}

static int try_folder(const char *folder)
{
        struct dirent **entries;
        int count = scandir(folder, &entries, NULL, alphasort), tried = 0;

        fuzz_require(count >= 0);
        for (int i = 0; i < count; i++) {
                if (entries[i]->d_name[0] != '.') {
                        try_file(folder, entries[i]->d_name);
                        tried++;
                }
                free(entries[i]);
        }
        free(entries);
        return tried;
}

int main(int argc, char **argv)
{
        int tried = 0;

        for (int i = 1; i < argc; i++) tried += try_folder(argv[i]);
        printf("%d inputs\n", tried);
        return tried > 0 ? 0 : 1;
}
