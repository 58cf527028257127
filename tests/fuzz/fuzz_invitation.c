/* Invitations: what is taken prints, and what is printed is taken and the same. */
#include "client/invitation.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct invitation first, second;
        char text[INVITATION_TEXT_MAX + 1];
        struct reason why = {""};

        if (invitation_parse(bytes_make(data, size), &first, &why) != OK) {
                fuzz_require(why.text[0] != '\0');
                return 0;
        }
        fuzz_require(invitation_print(&first, text) == OK);
        fuzz_require(invitation_parse(bytes_of_text(text), &second, &why) == OK);
        fuzz_require(first.node_count == second.node_count && identifier_equal(&first.identifier, &second.identifier));
        for (size_t i = 0; i < first.node_count; i++) fuzz_require(strcmp(first.nodes[i], second.nodes[i]) == 0);
        fuzz_require(strcmp(first.alice_to_bob, second.alice_to_bob) == 0 && strcmp(first.bob_to_alice, second.bob_to_alice) == 0);
        return 0;
}
