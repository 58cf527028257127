/* Bob's file of stream names: decode, encode, decode. */
#include "client/names.h"
#include "tests/fuzz/fuzz.h"
#include "transport/base/pack.h"

static struct bytes put(const struct names *names, uint8_t *memory, size_t cap)
{
        struct writer w = writer_make(memory, cap);
        msgpack_packer pk = pack_into(&w);

        msgpack_pack_array(&pk, 3);
        msgpack_pack_uint64(&pk, 1);
        pack_put_str(&pk, bytes_of_text(names->bob_to_alice));
        pack_put_str(&pk, bytes_of_text(names->alice_to_bob));
        fuzz_require(!w.full);
        return writer_bytes(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        uint8_t memory[2 * INVITATION_NAME_MAX + 16];
        struct names names, again;

        memset(&names, 0xff, sizeof names);
        if (names_read(bytes_make(data, size), &names) != OK) {
                for (size_t i = 0; i < sizeof names; i++)
                        fuzz_require(((const uint8_t *)&names)[i] == 0xff);
                return 0;
        }
        fuzz_require(names.bob_to_alice[0] && names.alice_to_bob[0]);
        fuzz_require(strlen(names.bob_to_alice) <= INVITATION_NAME_MAX && strlen(names.alice_to_bob) <= INVITATION_NAME_MAX);
        fuzz_require(names_read(put(&names, memory, sizeof memory), &again) == OK);
        fuzz_require(strcmp(again.bob_to_alice, names.bob_to_alice) == 0 && strcmp(again.alice_to_bob, names.alice_to_bob) == 0);
        return 0;
}
