/* Bob's stream names at rest: a small msgpack file beside his identity, so that a Bob who starts again is found under the names that he
 * gave out. [1, bob_to_alice, alice_to_bob]. Whoever knows the names can write to the streams, so the file is private. */
#ifndef STROP_CLIENT_NAMES_H
#define STROP_CLIENT_NAMES_H

#include "client/invitation.h"
#include "transport/base/context.h"

struct names {
        char bob_to_alice[INVITATION_NAME_MAX + 1], alice_to_bob[INVITATION_NAME_MAX + 1];
};

/* bob_to_alice_ and alice_to_bob_ with 32 hex digits of randomness each. */
void names_make(struct names *names, struct context *ctx);
/* Reads the file, or makes names and writes it where there is none, or where `fresh` ones are wanted. */
MUST_USE enum err names_open(struct names *names, const char *path, struct context *ctx, bool fresh, struct reason *why);
/* The decoder alone, for fuzzing. ERR_MALFORMED, ERR_TRUNCATED, ERR_TRAILING. */
MUST_USE enum err names_read(struct bytes in, struct names *names);

#endif
