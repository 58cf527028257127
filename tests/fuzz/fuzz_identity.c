/* Change histories. The first byte says how the rest is taken: 0: as a history; else: as the bytes inside the VersionedData of a
 * first change, which is then signed as it should be, so that the fuzzer gets past the signature. */
#include "tests/fuzz/fuzz.h"
#include "transport/secure_channel/crypto.h"
#include "transport/secure_channel/identity.h"

enum { CHANGES = 8, AROUND = 128 };

/* SHA-256 of the byte 01: the vectors' first key, which the corpus names. */
static const uint8_t seed[KEY_SIZE] = {0x4b, 0xf5, 0x12, 0x2f, 0x34, 0x45, 0x54, 0xc5, 0x3b, 0xde, 0x2e, 0xbb, 0x8c, 0xd2, 0xb7, 0xe3,
                                       0xd1, 0x60, 0x0a, 0xd6, 0x31, 0xc3, 0x85, 0xa5, 0xd7, 0xcc, 0xe2, 0x3c, 0x77, 0x85, 0x45, 0x9a};

/* What an identity of ours goes through with such a history: restore, rotate, restore again. */
static void check_own(struct bytes history, const struct identity_view *view)
{
        static const uint8_t next[KEY_SIZE] = {7};
        struct identity *identity, *again;

        if (identity_restore(history, seed, &identity) != OK) return;
        fuzz_require(identifier_equal(&identity_get_view(identity)->identifier, &view->identifier));
        fuzz_require(identity_rotate(identity, next, true, 0) == OK);
        fuzz_require(identity_compare(history, identity_history(identity)) == HISTORY_NEWER);
        fuzz_require(identity_compare(identity_history(identity), history) == HISTORY_OLDER);
        fuzz_require(identity_restore(identity_history(identity), next, &again) == OK);
        fuzz_require(bytes_equal(identity_history(again), identity_history(identity)));
        identity_free(again);
        identity_free(identity);
}

static void check_history(struct bytes history)
{
        struct identity_view view;

        if (identity_verify(history, CHANGES, &view) != OK) return;
        fuzz_require(view.changes >= 1 && view.changes <= CHANGES);
        fuzz_require(identity_compare(history, history) == HISTORY_SAME);
        check_own(history, &view);
}

static void check_signed(struct bytes change_data)
{
        size_t cap = change_data.n + AROUND;
        uint8_t *data_memory = fuzz_memory(cap), *memory = fuzz_memory(cap + AROUND), digest[HASH_SIZE];
        struct writer data = writer_make(data_memory, cap), w = writer_make(memory, cap + AROUND);
        struct signature signature = {.type = KEY_ED25519};

        versioned_put_head(&data, DATA_TYPE_CHANGE, change_data.n);
        writer_put(&data, change_data.p, change_data.n);
        crypto_sha256(writer_bytes(&data), digest);
        crypto_ed25519_sign(seed, bytes_make(digest, sizeof digest), signature.bytes);
        cbor_put_array(&w, 1);
        cbor_put_array(&w, 2);
        cbor_put_bytes(&w, writer_bytes(&data));
        signature_put(&w, &signature);
        fuzz_require(!data.full && !w.full);
        check_history(writer_bytes(&w));
        free(data_memory);
        free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size == 0) return 0;
        fuzz_need_secrets();
        if (data[0] == 0) check_history(bytes_make(data + 1, size - 1));
        else check_signed(bytes_make(data + 1, size - 1));
        return 0;
}
