/* Attestations of purpose keys. The first byte says how the rest is taken: 0: as a change history and an attestation by it, one
 * behind the other; else: as the bytes inside the VersionedData of an attestation, which is then signed as it should be. */
#include "tests/fuzz/fuzz.h"
#include "transport/secure_channel/crypto.h"
#include "transport/secure_channel/purpose_key.h"

enum { NOW = 1795548892, CHANGES = 8, AROUND = 128 };

/* The vectors' first identity, which the corpus names. */
static const uint8_t seed[KEY_SIZE] = {0x4b, 0xf5, 0x12, 0x2f, 0x34, 0x45, 0x54, 0xc5, 0x3b, 0xde, 0x2e, 0xbb, 0x8c, 0xd2, 0xb7, 0xe3,
                                       0xd1, 0x60, 0x0a, 0xd6, 0x31, 0xc3, 0x85, 0xa5, 0xd7, 0xcc, 0xe2, 0x3c, 0x77, 0x85, 0x45, 0x9a};
static const struct change_terms terms = {.created_at = 1700000000, .expires_at = 4102444800};

static void check(struct bytes attestation, const struct identity_view *identity)
{
        struct attestation_view view;

        if (attestation_verify(attestation, identity, NOW, &view) != OK) return;
        fuzz_require(view.kind == PURPOSE_SECURE_CHANNEL || view.kind == PURPOSE_CREDENTIALS);
        fuzz_require(view.created_at >= identity->latest_created_at && view.expires_at <= identity->latest_expires_at);
        fuzz_require(view.expires_at >= NOW && view.created_at <= NOW + CLOCK_SKEW_S);
}

static void check_both(struct bytes in)
{
        struct cbor_reader r = cbor_reader_make(in);
        struct identity_view identity;

        cbor_skip(&r);
        if (!r.err && identity_verify(in, CHANGES, &identity) == OK) check(cbor_rest(&r), &identity);
}

/* What we attest ourselves with the times that were read: the same key comes back. */
static void check_own(const struct identity *identity, const struct attestation_view *view)
{
        uint8_t memory[256];
        struct writer w = writer_make(memory, sizeof memory);
        struct attestation_view again;

        attestation_put(&w, identity, view->x25519, view->created_at, view->expires_at);
        fuzz_require(!w.full && attestation_verify(writer_bytes(&w), identity_get_view(identity), NOW, &again) == OK);
        fuzz_require(again.kind == PURPOSE_SECURE_CHANNEL && memcmp(again.x25519, view->x25519, KEY_SIZE) == 0);
        fuzz_require(again.created_at == view->created_at && again.expires_at == view->expires_at);
}

static void check_signed(const struct identity *identity, struct bytes attestation_data)
{
        size_t cap = attestation_data.n + AROUND;
        uint8_t *data_memory = fuzz_memory(cap), *memory = fuzz_memory(cap + AROUND);
        struct writer data = writer_make(data_memory, cap), w = writer_make(memory, cap + AROUND);
        struct signature signature;
        struct attestation_view view;

        versioned_put_head(&data, DATA_TYPE_PURPOSE_KEY, attestation_data.n);
        writer_put(&data, attestation_data.p, attestation_data.n);
        identity_sign(identity, writer_bytes(&data), &signature);
        cbor_put_array(&w, 2);
        cbor_put_bytes(&w, writer_bytes(&data));
        signature_put(&w, &signature);
        fuzz_require(!data.full && !w.full);
        check(writer_bytes(&w), identity_get_view(identity));
        if (attestation_verify(writer_bytes(&w), identity_get_view(identity), NOW, &view) == OK && view.kind == PURPOSE_SECURE_CHANNEL)
                check_own(identity, &view);
        free(data_memory);
        free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct identity *identity;

        if (size == 0) return 0;
        fuzz_need_secrets();
        if (!identity) fuzz_require(identity_new_with(seed, &terms, &identity) == OK);
        if (data[0] == 0) check_both(bytes_make(data + 1, size - 1));
        else check_signed(identity, bytes_make(data + 1, size - 1));
        return 0;
}
