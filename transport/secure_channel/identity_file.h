/* An identity at rest: a msgpack file of mode 0600 (docs/man/strop-identity.5). Written whole or not at all: temporary file,
 * fsync, rename, fsync of the folder. Refused when others may read it or write its folder (C25, G46). */
#ifndef STROP_SECURE_CHANNEL_IDENTITY_FILE_H
#define STROP_SECURE_CHANNEL_IDENTITY_FILE_H

#include "transport/base/context.h"
#include "transport/secure_channel/identity.h"

/* Loads the identity, or makes a new one and saves it where there is no file. *made tells which (NULL: nobody asks). `why` says what is
 * wrong and what to do. Two programs that make it at the same moment end with the same one.
 * ERR_NOT_ALLOWED: the file or its folder is not private; ERR_SYSTEM, ERR_USAGE: transport/base/private_file.h; else as identity_file_read. */
MUST_USE enum err identity_file_open(const char *path, struct context *ctx, struct identity **out, bool *made, struct reason *why);
/* Replaces the file, whole or not at all. */
MUST_USE enum err identity_file_save(const char *path, const struct identity *identity, struct reason *why);
/* The decoder alone, for fuzzing; the seed is in the input, so wipe it afterwards. ERR_MALFORMED, ERR_TRUNCATED, ERR_TRAILING: damaged;
 * ERR_UNEXPECTED: a later version of the format; else as identity_restore. */
MUST_USE enum err identity_file_read(struct bytes in, struct identity **out);
/* The encoder alone; what it writes holds the seed. */
void identity_file_put(struct writer *w, const struct identity *identity);

#endif
