/* Text that comes from a peer: found in a message's body, and printed so that it cannot do anything to a terminal. */
#ifndef STROP_CLIENT_TEXT_H
#define STROP_CLIENT_TEXT_H

#include "transport/base/bytes.h"

#include <stdio.h>

/* The text in a body, as a worker of the crate that takes a String finds it: a BARE string (bytes behind it are ignored), or else the body as it
 * is. False: not UTF-8 either way. Points into the body. */
bool text_of_body(struct bytes body, struct bytes *text);

/* Writes UTF-8 with control characters, tabs apart, as \xNN (\uNNNN for those above U+007F). False: writing failed. */
bool text_print(FILE *out, struct bytes text);

/* The same as a JSON string (RFC 8259), quotes and all: what a program reads is exactly what was sent. */
bool text_print_json(FILE *out, struct bytes text);

#endif
