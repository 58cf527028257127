/* Change histories of peers, by identifier, so that nobody gets in with an older or a conflicting one (C13): whoever finds a
 * key that was rotated away could otherwise show the history up to it. In memory only; a fresh process knows nobody. */
#ifndef STROP_SECURE_CHANNEL_KNOWN_PEERS_H
#define STROP_SECURE_CHANNEL_KNOWN_PEERS_H

#include "transport/secure_channel/identity.h"

struct known_peers;

/* Remembers `limit` at most; beyond it the one least recently seen goes first, of those that no trust policy named before
 * those that one did. NULL: out of memory. */
struct known_peers *known_peers_new(size_t limit);
void known_peers_free(struct known_peers *known);

/* How a verified history stands to what is known: OK when the peer is not known, or the history is the same or a longer one;
 * ERR_IDENTITY when it is older or conflicts. */
MUST_USE enum err known_peers_check(const struct known_peers *known, const struct identifier *peer, struct bytes history);
/* Whether exactly these bytes are what is known of the peer. */
bool known_peers_has(const struct known_peers *known, const struct identifier *peer, struct bytes history);

/* Remembers a checked history in place of what was known, and the peer as seen just now. ERR_NO_MEMORY: nothing changed. */
MUST_USE enum err known_peers_remember(struct known_peers *known, const struct identifier *peer, struct bytes history, bool named);

#endif
