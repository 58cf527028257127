/* The slab of secrets: slots are zeroed, wiped and bounded, locked, and fenced in (G45). */
#include "tests/support/test.h"
#include "transport/secure_channel/crypto.h"
#include "transport/secure_channel/secrets.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#elif defined __SANITIZE_ADDRESS__
#define WITH_ASAN 1
#endif

enum { SLOTS = 20 };

static int make_slab(void **state)
{
        (void)state;
        return secrets_init(SLOTS) == OK ? 0 : -1;
}

static int drop_slab(void **state)
{
        (void)state;
        secrets_clear();
        return 0;
}

static bool is_zero(const uint8_t *p)
{
        for (size_t i = 0; i < SECRET_SLOT_SIZE; i++) {
                if (p[i]) return false;
        }
        return true;
}

static void slots_are_zeroed_bounded_and_used_again(void **state)
{
        (void)state;
        uint8_t *slots[SLOTS];

        for (size_t round = 0; round < 3; round++) {
                for (size_t i = 0; i < SLOTS; i++) {
                        slots[i] = secret_new();
                        assert_non_null(slots[i]);
                        assert_true(is_zero(slots[i]));
                        memset(slots[i], 0xaa, SECRET_SLOT_SIZE);
                }
                assert_int_equal(secrets_used(), SLOTS);
                assert_null(secret_new());
                for (size_t i = 0; i < SLOTS; i++) {
                        secret_free(slots[i]);
                        assert_true(is_zero(slots[i]));
                }
                assert_int_equal(secrets_used(), 0);
        }
        secret_free(NULL);
}

static void there_is_one_slab(void **state)
{
        (void)state;
        assert_err(secrets_init(1), ERR_UNEXPECTED);
        secrets_clear();
        assert_null(secret_new());
        assert_err(secrets_init(0), ERR_NO_MEMORY);
        assert_err(secrets_init(SIZE_MAX / 600), ERR_NO_MEMORY);
        assert_ok(secrets_init(SLOTS));
}

static long locked_kilobytes(void)
{
        char line[256];
        long locked = -1;
        FILE *file = fopen("/proc/self/status", "r");

        assert_non_null(file);
        while (fgets(line, sizeof line, file)) {
                if (strncmp(line, "VmLck:", 6) == 0) locked = strtol(line + 6, NULL, 10);
        }
        fclose(file);
        return locked;
}

static void G45_slots_are_locked_into_memory(void **state)
{
        (void)state;
#ifdef WITH_ASAN
        skip(); /* it makes mlock do nothing */
#endif
        assert_true(locked_kilobytes() >= SLOTS * SECRET_SLOT_SIZE / 1024);
}

/* Runs `act` in a child; gives whether a signal ended it. */
static bool dies(void (*act)(void))
{
        int status;
        const pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                const struct rlimit none = {0, 0};
                setrlimit(RLIMIT_CORE, &none);
                for (size_t i = 0; i < 3; i++) signal((const int[]){SIGSEGV, SIGBUS, SIGABRT}[i], SIG_DFL); /* else cmocka goes on */
                act();
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static void read_before(void)
{
        const volatile uint8_t *slot = secret_new();
        (void)slot[-1];
}

static void write_behind(void)
{
        volatile uint8_t *slot = NULL;

        /* The last slot; the page may have room behind it, the next page is the guard. */
        for (size_t i = 0; i < SLOTS; i++) slot = secret_new();
        for (long i = 0; i < sysconf(_SC_PAGESIZE); i++) slot[SECRET_SLOT_SIZE + i] = 1;
}

static void free_twice(void)
{
        void *slot = secret_new();
        secret_free(slot);
        secret_free(slot);
}

static void free_the_middle(void)
{
        uint8_t *slot = secret_new();
        secret_free(slot + 16);
}

static void nothing(void)
{
        secret_free(secret_new());
}

static void misuse_ends_the_process(void **state)
{
        (void)state;
        assert_false(dies(nothing));
        assert_true(dies(read_before));
        assert_true(dies(write_behind));
        assert_true(dies(free_twice));
        assert_true(dies(free_the_middle));
}

static void harden_and_check(void)
{
        struct rlimit limit = {1, 1};

        secrets_harden_process();
        if (getrlimit(RLIMIT_CORE, &limit) || limit.rlim_cur || limit.rlim_max || prctl(PR_GET_DUMPABLE)) abort();
}

static void G45_a_hardened_process_leaves_no_core(void **state)
{
        (void)state;
        assert_false(dies(harden_and_check));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(slots_are_zeroed_bounded_and_used_again, make_slab, drop_slab),
                cmocka_unit_test_setup_teardown(there_is_one_slab, make_slab, drop_slab),
                cmocka_unit_test_setup_teardown(G45_slots_are_locked_into_memory, make_slab, drop_slab),
                cmocka_unit_test_setup_teardown(misuse_ends_the_process, make_slab, drop_slab),
                cmocka_unit_test_setup_teardown(G45_a_hardened_process_leaves_no_core, make_slab, drop_slab),
        };

        if (crypto_init(NULL)) return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
