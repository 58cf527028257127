/* An identity at rest: a msgpack file of mode 0600 (docs/man/strop-identity.5). Written whole or not at all: temporary file,
 * fsync, rename, fsync of the folder. Refused when others may read it or write its folder (C25, G46). */
#ifndef STROP_SECURE_CHANNEL_IDENTITY_FILE_H
#define STROP_SECURE_CHANNEL_IDENTITY_FILE_H

#include "transport/base/context.h"
#include "transport/secure_channel/identity.h"

/* Loads the identity, or makes a new one and saves it where there is no file. *made tells which. `why` says what is wrong and what to do. */
MUST_USE enum err identity_file_open(const char *path, struct context *ctx, struct identity **out, bool *made, struct reason *why);
MUST_USE enum err identity_file_save(const char *path, const struct identity *identity, struct reason *why);
/* The decoder alone, for fuzzing; the seed is in the input, so wipe it afterwards. */
MUST_USE enum err identity_file_read(struct bytes in, struct identity **out);

#endif
