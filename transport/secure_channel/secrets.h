/* Where secrets live: slots of one slab that is locked into memory, kept out of core dumps, and wiped when given back.
 * Identity, purpose and static keys and handshake states; session keys live in crypto.h's aead contexts alone.
 * One slab a process, for the loop's thread. */
#ifndef STROP_SECURE_CHANNEL_SECRETS_H
#define STROP_SECURE_CHANNEL_SECRETS_H

#include "transport/base/err.h"

enum { SECRET_SLOT_SIZE = 512 };

/* Makes the slab of `slots` slots. A failed mlock is one warning, not an error. ERR_NO_MEMORY; ERR_UNEXPECTED when made already. */
MUST_USE enum err secrets_init(size_t slots);
/* Wipes and unmaps it. */
void secrets_clear(void);
/* No core dumps, not dumpable (RLIMIT_CORE 0, PR_SET_DUMPABLE 0); for programs, at start. */
void secrets_harden_process(void);

/* A zeroed slot of SECRET_SLOT_SIZE bytes; NULL when all are taken. */
void *secret_new(void);
/* Wipes it and gives it back. NULL is fine. */
void secret_free(void *secret);
/* Slots in use; for tests. */
size_t secrets_used(void);

#endif
