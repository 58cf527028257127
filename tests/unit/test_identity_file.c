/* Identity files: round trip, each kind of damage, and who may touch them (C25, G37, G46). */
#include "transport/secure_channel/identity_file.h"

#include "tests/support/temp_folder.h"
#include "tests/support/test.h"
#include "tests/support/test_context.h"
#include "tests/support/vectors.h"
#include "transport/base/pack.h"
#include "transport/secure_channel/crypto.h"
#include "transport/secure_channel/secrets.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct temp_folder folder;
static struct test_context tc;

static void assert_says(const struct reason *why, const char *part)
{
        if (!strstr(why->text, part)) fail_msg("\"%s\" does not say \"%s\"", why->text, part);
}

/* --- files as bytes ------------------------------------------------------------------------------------------------------- */

static struct writer content_of(const char *path, uint8_t *memory, size_t cap)
{
        struct writer w = writer_make(memory, cap);
        int fd = open(path, O_RDONLY);
        ssize_t n = read(fd, memory, cap);

        assert_true(fd >= 0 && n > 0);
        close(fd);
        w.n = (size_t)n;
        return w;
}

static void put(const char *path, struct bytes content)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, content.p, content.n), content.n);
        close(fd);
}

/* A file put together item by item, with the right hash at its end; `breaks` says which item is not as it should be. */
enum breaks { NOTHING, ITEMS, NAME, VERSION, SEED_SIZE, OTHER_SEED, HISTORY, HASH_LENGTH, KIND, EXTRA };

static struct bytes file_of(const struct identity *identity, enum breaks breaks, struct writer *w)
{
        msgpack_packer pk = pack_into(w);
        struct bytes history = identity_history(identity);
        uint8_t hash[HASH_SIZE + 1] = {0}, other[KEY_SIZE] = {77};

        msgpack_pack_array(&pk, breaks == ITEMS ? 4 : 5);
        pack_put_str(&pk, breaks == NAME ? BYTES_LITERAL("strop-identitx") : BYTES_LITERAL("strop-identity"));
        msgpack_pack_uint64(&pk, breaks == VERSION ? 2 : 1);
        if (breaks == KIND) pack_put_str(&pk, BYTES_LITERAL("text"));
        else pack_put_bin(&pk, breaks == HISTORY ? bytes_make(history.p, history.n - 1) : history);
        pack_put_bin(&pk, bytes_make(breaks == OTHER_SEED ? other : identity_seed(identity), breaks == SEED_SIZE ? KEY_SIZE - 1 : KEY_SIZE));
        crypto_sha256(writer_bytes(w), hash);
        pack_put_bin(&pk, bytes_make(hash, breaks == HASH_LENGTH ? HASH_SIZE + 1 : HASH_SIZE));
        if (breaks == EXTRA) writer_put_u8(w, 0);
        assert_ok(writer_err(w));
        return writer_bytes(w);
}

/* --- round trip ------------------------------------------------------------------------------------------------------------- */

static void an_identity_is_made_once_and_loaded_from_then_on(void **state)
{
        (void)state;
        const char *path = temp_path(&folder, "identity");
        struct identity *first, *second;
        struct reason why = {""};
        struct stat st;
        bool made = false;

        assert_ok(identity_file_open(path, &tc.ctx, &first, &made, &why));
        assert_true(made);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_int_equal(identity_get_view(first)->latest_created_at, tc.utc_s);
        assert_ok(identity_file_open(path, &tc.ctx, &second, &made, &why));
        assert_false(made);
        assert_string_equal(why.text, "");
        assert_bytes_equal("history", identity_history(second), identity_history(first));
        assert_memory_equal(identity_seed(second), identity_seed(first), KEY_SIZE);
        assert_int_equal(temp_folder_count(&folder), 1);
        identity_free(first);
        identity_free(second);
        assert_int_equal(secrets_used(), 0);
}

static void a_rotated_identity_replaces_the_file(void **state)
{
        (void)state;
        const char *path = temp_path(&folder, "identity");
        struct identity *identity, *again;
        uint8_t seed[KEY_SIZE] = {1};
        struct reason why;

        assert_ok(identity_file_open(path, &tc.ctx, &identity, NULL, &why));
        for (size_t i = 1; i < IDENTITY_CHANGES_MAX; i++) {
                seed[1] = (uint8_t)i;
                assert_ok(identity_rotate(identity, seed, false, tc.utc_s + i));
        }
        assert_ok(identity_file_save(path, identity, &why));
        assert_ok(identity_file_open(path, &tc.ctx, &again, NULL, &why));
        assert_int_equal(identity_get_view(again)->changes, IDENTITY_CHANGES_MAX);
        assert_memory_equal(identity_seed(again), seed, KEY_SIZE);
        identity_free(identity);
        identity_free(again);
}

/* The format is part of the interface: a file of this version must be read for ever. */
static void the_format_is_as_described(void **state)
{
        (void)state;
        uint8_t written[1024], expected[1024];
        struct writer w = writer_make(expected, sizeof expected);
        struct identity *identity, *again;
        struct reason why;

        assert_ok(identity_file_open(temp_path(&folder, "identity"), &tc.ctx, &identity, NULL, &why));
        file_of(identity, NOTHING, &w);
        struct writer found = content_of(temp_path(&folder, "identity"), written, sizeof written);
        assert_bytes_equal("file", writer_bytes(&found), writer_bytes(&w));
        assert_ok(identity_file_read(writer_bytes(&w), &again));
        identity_free(again);
        identity_free(identity);
}

/* --- damage ----------------------------------------------------------------------------------------------------------------- */

static void G37_every_flipped_bit_and_every_prefix_is_refused(void **state)
{
        (void)state;
        uint8_t memory[1024];
        struct identity *identity, *never = NULL;
        struct reason why;

        assert_ok(identity_file_open(temp_path(&folder, "identity"), &tc.ctx, &identity, NULL, &why));
        struct writer file = content_of(temp_path(&folder, "identity"), memory, sizeof memory);
        for (size_t bit = 0; bit < 8 * file.n; bit++) {
                memory[bit / 8] ^= (uint8_t)(1 << bit % 8);
                if (identity_file_read(writer_bytes(&file), &never) == OK) fail_msg("bit %zu: taken", bit);
                memory[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        for (size_t n = 0; n < file.n; n++) {
                enum err err = identity_file_read(bytes_make(memory, n), &never);

                if (err == OK) fail_msg("%zu bytes: taken", n);
        }
        assert_null(never);
        assert_int_equal(secrets_used(), 1);
        identity_free(identity);
}

static void G37_damage_is_told_and_never_a_new_identity(void **state)
{
        (void)state;
        static const struct { enum breaks breaks; enum err err; const char *says; } cases[] = {
                {ITEMS, ERR_MALFORMED, "is damaged"},      {NAME, ERR_MALFORMED, "is damaged"},
                {VERSION, ERR_UNEXPECTED, "newer version"}, {SEED_SIZE, ERR_MALFORMED, "is damaged"},
                {OTHER_SEED, ERR_IDENTITY, "is damaged"},  {HISTORY, ERR_TRUNCATED, "is damaged"},
                {HASH_LENGTH, ERR_MALFORMED, "is damaged"}, {KIND, ERR_MALFORMED, "is damaged"},
                {EXTRA, ERR_TRAILING, "is damaged"},
        };
        const char *path = temp_path(&folder, "broken");
        struct identity *identity;
        struct reason why;

        assert_ok(identity_file_open(temp_path(&folder, "identity"), &tc.ctx, &identity, NULL, &why));
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                uint8_t memory[1024], after[1024];
                struct writer w = writer_make(memory, sizeof memory);
                struct bytes file = file_of(identity, cases[i].breaks, &w);
                struct identity *never = NULL;
                bool made = true;

                put(path, file);
                assert_err(identity_file_open(path, &tc.ctx, &never, &made, &why), cases[i].err);
                assert_says(&why, cases[i].says);
                assert_says(&why, path);
                assert_null(never);
                assert_true(made);
                struct writer found = content_of(path, after, sizeof after);
                assert_bytes_equal("the file is as it was", writer_bytes(&found), file);
        }
        identity_free(identity);
        assert_int_equal(secrets_used(), 0);
}

static void empty_and_endless_files(void **state)
{
        (void)state;
        const char *path = temp_path(&folder, "identity");
        uint8_t *large = calloc(1, 1 << 20);
        struct identity *never = NULL;
        struct reason why;

        assert_non_null(large);
        put(path, BYTES_NONE);
        assert_err(identity_file_open(path, &tc.ctx, &never, NULL, &why), ERR_TRUNCATED);
        put(path, bytes_make(large, 1 << 20));
        assert_err(identity_file_open(path, &tc.ctx, &never, NULL, &why), ERR_TOO_LARGE);
        assert_null(never);
        free(large);
}

/* --- who may touch it --------------------------------------------------------------------------------------------------------- */

static void C25_a_file_or_folder_open_to_others_is_refused(void **state)
{
        (void)state;
        const char *path = temp_path(&folder, "identity");
        struct identity *identity, *never = NULL;
        struct reason why;

        assert_ok(identity_file_open(path, &tc.ctx, &identity, NULL, &why));
        assert_int_equal(chmod(path, 0644), 0);
        assert_err(identity_file_open(path, &tc.ctx, &never, NULL, &why), ERR_NOT_ALLOWED);
        assert_says(&why, "identity file ");
        assert_says(&why, "is readable by others (mode 0644): run chmod 600 ");
        assert_int_equal(chmod(path, 0600), 0);
        assert_int_equal(chmod(folder.path, 0777), 0);
        assert_err(identity_file_open(path, &tc.ctx, &never, NULL, &why), ERR_NOT_ALLOWED);
        assert_err(identity_file_open(temp_path(&folder, "new"), &tc.ctx, &never, NULL, &why), ERR_NOT_ALLOWED);
        assert_err(identity_file_save(path, identity, &why), ERR_NOT_ALLOWED);
        assert_null(never);
        assert_int_equal(temp_folder_count(&folder), 1);
        identity_free(identity);
        assert_int_equal(secrets_used(), 0);
}

static void no_slot_is_told_and_nothing_is_written(void **state)
{
        (void)state;
        struct identity *never = NULL;
        struct reason why;
        void *held[8];

        for (size_t i = 0; i < 8; i++) held[i] = secret_new();
        assert_err(identity_file_open(temp_path(&folder, "identity"), &tc.ctx, &never, NULL, &why), ERR_FULL);
        assert_says(&why, "cannot make an identity");
        assert_int_equal(temp_folder_count(&folder), 0);
        for (size_t i = 0; i < 8; i++) secret_free(held[i]);
}

/* Child: opens the file as soon as the pipe is closed, and leaves with the first byte of the identifier. */
static int open_when_told(const char *path, int gate, uint64_t seed)
{
        struct test_context own;
        struct identity *identity;
        uint8_t byte;

        if (read(gate, &byte, 1) != 0) return 255;
        test_context_init(&own, seed);
        if (identity_file_open(path, &own.ctx, &identity, NULL, NULL)) return 254;
        return identity_get_view(identity)->identifier.hash[0] % 250;
}

static void who_makes_it_at_once_gets_the_same(void **state)
{
        (void)state;
        enum { ROUNDS = 20, CHILDREN = 4 };

        for (uint64_t round = 0; round < ROUNDS; round++) {
                const char *path = temp_path(&folder, "identity");
                pid_t pids[CHILDREN];
                int gate[2], first = -1;

                assert_int_equal(pipe(gate), 0);
                for (uint64_t i = 0; i < CHILDREN; i++) {
                        pids[i] = fork();
                        if (pids[i] == 0) {
                                close(gate[1]);
                                _exit(open_when_told(path, gate[0], round * CHILDREN + i));
                        }
                }
                close(gate[0]);
                close(gate[1]);
                for (size_t i = 0; i < CHILDREN; i++) {
                        int status;

                        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
                        assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 250);
                        if (first < 0) first = WEXITSTATUS(status);
                        assert_int_equal(WEXITSTATUS(status), first);
                }
                assert_int_equal(temp_folder_count(&folder), 1);
                assert_int_equal(unlink(path), 0);
        }
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

static int begin(void **state)
{
        (void)state;
        assert_ok(crypto_init(NULL));
        assert_ok(secrets_init(8));
        test_context_init(&tc, 1);
        return 0;
}

static int end(void **state)
{
        (void)state;
        test_context_clear(&tc);
        secrets_clear();
        return 0;
}

#define in_a_folder(test) cmocka_unit_test_setup_teardown(test, make, remove_it)

int main(void)
{
        const struct CMUnitTest tests[] = {
                in_a_folder(an_identity_is_made_once_and_loaded_from_then_on),
                in_a_folder(a_rotated_identity_replaces_the_file),
                in_a_folder(the_format_is_as_described),
                in_a_folder(G37_every_flipped_bit_and_every_prefix_is_refused),
                in_a_folder(G37_damage_is_told_and_never_a_new_identity),
                in_a_folder(empty_and_endless_files),
                in_a_folder(C25_a_file_or_folder_open_to_others_is_refused),
                in_a_folder(no_slot_is_told_and_nothing_is_written),
                in_a_folder(who_makes_it_at_once_gets_the_same),
        };
        return cmocka_run_group_tests(tests, begin, end);
}
