/* Invitations: `strop:` and base64url of msgpack [1, [node addresses], alice_to_bob, bob_to_alice, identifier]. */
#ifndef STROP_CLIENT_INVITATION_H
#define STROP_CLIENT_INVITATION_H

#include "transport/secure_channel/identity.h"

enum { INVITATION_NODES_MAX = 8, INVITATION_NAME_MAX = 249, INVITATION_NODE_MAX = 255, INVITATION_TEXT_MAX = 4096 };

struct invitation {
        char nodes[INVITATION_NODES_MAX][INVITATION_NODE_MAX + 1]; /* "host:port" */
        size_t node_count;
        char alice_to_bob[INVITATION_NAME_MAX + 1], bob_to_alice[INVITATION_NAME_MAX + 1];
        struct identifier identifier; /* Bob's */
};

/* `why` says what is wrong with the text. */
MUST_USE enum err invitation_parse(struct bytes text, struct invitation *out, struct reason *why);
/* `out` has room for INVITATION_TEXT_MAX + 1. */
MUST_USE enum err invitation_print(const struct invitation *invitation, char out[static INVITATION_TEXT_MAX + 1]);

#endif
