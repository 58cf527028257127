/* Invitations: `strop:` and base64url of msgpack [1, [node addresses], alice_to_bob, bob_to_alice, identifier], of which the
 * identifier is a binary of 32 bytes and the others are texts. */
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

/* White space around it is passed over. `why` says what is wrong with the text. ERR_MALFORMED, ERR_TRUNCATED, ERR_TRAILING: no invitation, or
 * damaged; ERR_TOO_LARGE; ERR_UNEXPECTED: of a later version; ERR_BAD_NAME: a stream's name that none can have, or the same twice. */
MUST_USE enum err invitation_parse(struct bytes text, struct invitation *out, struct reason *why);
/* Puts the text and a NUL into `out`. ERR_USAGE: no node, too many, or one that is no HOST:PORT; ERR_BAD_NAME: as above. What this writes
 * invitation_parse takes. */
MUST_USE enum err invitation_print(const struct invitation *invitation, char out[static INVITATION_TEXT_MAX + 1]);

#endif
