/* What the fuzz targets share. */
#include "tests/fuzz/fuzz.h"

#include "transport/secure_channel/crypto.h"
#include "transport/secure_channel/secrets.h"

#include <stdio.h>

enum { SLOTS = 8 };

_Noreturn void fuzz_failed(const char *condition, const char *file, int line)
{
        fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
        abort();
}

void fuzz_need_secrets(void)
{
        static bool ready;

        if (ready) return;
        fuzz_require(crypto_init(NULL) == OK);
        fuzz_require(secrets_init(SLOTS) == OK);
        ready = true;
}

void *fuzz_memory(size_t n)
{
        void *memory = malloc(n ? n : 1);

        fuzz_require(memory);
        return memory;
}
