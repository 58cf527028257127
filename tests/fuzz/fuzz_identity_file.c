/* Identity files. The first byte says how the rest is taken: 0: as it is; else: with its last 32 bytes made the hash of what stands
 * before, so that the fuzzer gets past the hash. */
#include "tests/fuzz/fuzz.h"
#include "transport/secure_channel/crypto.h"
#include "transport/secure_channel/identity_file.h"

enum { FILE_MAX = 32 << 10, HASH_HEAD = 2 };

static void check(struct bytes file)
{
        static uint8_t memory[FILE_MAX];
        struct writer w = writer_make(memory, sizeof memory);
        struct identity *identity, *again;

        if (identity_file_read(file, &identity) != OK) return;
        identity_file_put(&w, identity);
        fuzz_require(!w.full && identity_file_read(writer_bytes(&w), &again) == OK);
        fuzz_require(bytes_equal(identity_history(again), identity_history(identity)));
        fuzz_require(memcmp(identity_seed(again), identity_seed(identity), KEY_SIZE) == 0);
        identity_free(again);
        identity_free(identity);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        uint8_t *copy;

        if (size == 0) return 0;
        fuzz_need_secrets();
        copy = fuzz_memory(size - 1);
        memcpy(copy, data + 1, size - 1);
        if (data[0] && size - 1 >= HASH_HEAD + HASH_SIZE)
                crypto_sha256(bytes_make(copy, size - 1 - HASH_HEAD - HASH_SIZE), copy + size - 1 - HASH_SIZE);
        check(bytes_make(copy, size - 1));
        free(copy);
        return 0;
}
