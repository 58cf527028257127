/* What the fuzz targets share. */
#include "tests/fuzz/fuzz.h"

#include "transport/base/logger.h"
#include "transport/secure_channel/crypto.h"
#include "transport/secure_channel/secrets.h"

#include <stdio.h>

#if defined(__SANITIZE_ADDRESS__)
#define LEAKS_ARE_SEEN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LEAKS_ARE_SEEN 1
#endif
#endif
#ifdef LEAKS_ARE_SEEN
#include <sanitizer/lsan_interface.h>
#else
#define __lsan_register_root_region(p, n) ((void)(p), (void)(n))
#endif

enum { SLOTS = 1024 };

_Noreturn void fuzz_failed(const char *condition, const char *file, int line)
{
        fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
        abort();
}

void fuzz_need_secrets(void)
{
        static bool ready;
        void *first;

        if (ready) return;
        fuzz_require(crypto_init(NULL) == OK);
        fuzz_require(secrets_init(SLOTS) == OK);
        first = secret_new();
        fuzz_require(first);
        __lsan_register_root_region(first, (size_t)SLOTS * SECRET_SLOT_SIZE); /* what is held from there is no leak */
        secret_free(first);
        ready = true;
}

void *fuzz_memory(size_t n)
{
        void *memory = malloc(n ? n : 1);

        fuzz_require(memory);
        return memory;
}

char *fuzz_text(struct bytes in)
{
        char *text = fuzz_memory(in.n + 1);

        if (in.n) memcpy(text, in.p, in.n);
        text[in.n] = '\0';
        return text;
}

static void say_nothing(void *user, enum log_level level, const char *line)
{
        (void)user;
        (void)level;
        (void)line;
}

void fuzz_silence(void)
{
        logger_set_sink(say_nothing, NULL);
        logger_set_level(LOG_LEVEL_ERROR);
}

uint8_t fuzz_u8(struct fuzz_input *in)
{
        struct bytes byte = fuzz_take(in, 1);

        return byte.n ? *byte.p : 0;
}

uint16_t fuzz_u16(struct fuzz_input *in)
{
        uint16_t high = fuzz_u8(in);

        return (uint16_t)(high << 8 | fuzz_u8(in));
}

size_t fuzz_below(struct fuzz_input *in, size_t below) { return fuzz_u8(in) % below; }

struct bytes fuzz_take(struct fuzz_input *in, size_t n)
{
        struct bytes taken = bytes_make(in->rest.p, n < in->rest.n ? n : in->rest.n);

        if (taken.n) in->rest = bytes_make(in->rest.p + taken.n, in->rest.n - taken.n);
        return taken;
}

struct bytes fuzz_data(struct fuzz_input *in) { return fuzz_take(in, fuzz_u8(in)); }
