/* Small files that are nobody else's business: read only when no one else can read or change them, written whole or not at all.
 *
 * The file: a regular one of ours, of mode 0600 or less, never reached through a symbolic link. Its folder: ours or root's, and not
 * writable by others; except where it is sticky, as /tmp is, since there others can neither remove nor replace the file. Folders
 * further up are not looked at. Access lists (ACLs) are not either: they show in the group's bits of the mode, which have to be 0.
 *
 * `what` is what to call the file in sentences ("identity file"); `why` says what is wrong and what to do about it. */
#ifndef STROP_BASE_PRIVATE_FILE_H
#define STROP_BASE_PRIVATE_FILE_H

#include "transport/base/err.h"
#include "transport/base/writer.h"

/* Reads all of it behind what is in `out`. ERR_NOT_FOUND: there is no file, but one could be made (the folder is as it has to be);
 * ERR_NOT_ALLOWED: not private; ERR_TOO_LARGE: does not fit into `out`; ERR_USAGE: the path names no file; ERR_SYSTEM. */
MUST_USE enum err private_file_read(const char *path, const char *what, struct writer *out, struct reason *why);

/* Writes a temporary file beside it with mode 0600 whatever the umask is, syncs it, puts it in its place and syncs the folder.
 * After a failure what was there before is still there (but where the folder's sync alone failed: then it may be either).
 * `only_new`: ERR_UNEXPECTED when there is one already. Else as private_file_read. */
MUST_USE enum err private_file_write(const char *path, const char *what, struct bytes content, bool only_new, struct reason *why);

#endif
