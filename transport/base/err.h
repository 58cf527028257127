/* The one list of errors, and what each asks of whoever handles it.
 *
 * Functions that can fail return `enum err`, are marked MUST_USE, and leave their out-parameters untouched on failure.
 * Whoever handles an error switches on its class: close that connection or drop that message (the peer's fault), answer
 * an error or stop (ours), wait and try again (later). A sentence for people goes into a `struct reason` beside it. */
#ifndef STROP_BASE_ERR_H
#define STROP_BASE_ERR_H

#include <stddef.h>

#define MUST_USE __attribute__((warn_unused_result))

enum err_class { ERR_CLASS_NONE, ERR_CLASS_PEER, ERR_CLASS_OURS, ERR_CLASS_LATER };

/*        name            class  text */
#define ERR_LIST(X) \
        X(OK,               NONE,  "no error") \
        X(ERR_AGAIN,        LATER, "not complete yet") \
        X(ERR_FULL,         LATER, "a limit is reached") \
        X(ERR_UNREACHABLE,  LATER, "not reachable") \
        X(ERR_TIMEOUT,      LATER, "no answer in time") \
        X(ERR_CANCELLED,    LATER, "cancelled") \
        X(ERR_CLOSED,       PEER,  "closed by the other side") \
        X(ERR_TRUNCATED,    PEER,  "the input ends before the value does") \
        X(ERR_MALFORMED,    PEER,  "the input is not well-formed") \
        X(ERR_TRAILING,     PEER,  "bytes are left over behind the value") \
        X(ERR_TOO_LARGE,    PEER,  "too large") \
        X(ERR_UNEXPECTED,   PEER,  "not expected in this state") \
        X(ERR_NO_WORKER,    PEER,  "no worker at this address") \
        X(ERR_NOT_ALLOWED,  PEER,  "not allowed") \
        X(ERR_NOT_FOUND,    PEER,  "does not exist") \
        X(ERR_BAD_NAME,     PEER,  "not a valid name") \
        X(ERR_DECRYPT,      PEER,  "does not decrypt") \
        X(ERR_REPLAYED,     PEER,  "seen before, or outside the replay window") \
        X(ERR_SIGNATURE,    PEER,  "a signature does not hold") \
        X(ERR_IDENTITY,     PEER,  "not a valid identity") \
        X(ERR_EXPIRED,      PEER,  "expired, or not valid yet") \
        X(ERR_UNTRUSTED,    PEER,  "not a trusted identity") \
        X(ERR_NONCES,       OURS,  "all nonces are used up") \
        X(ERR_FAILED,       OURS,  "failed") \
        X(ERR_NO_MEMORY,    OURS,  "out of memory") \
        X(ERR_SYSTEM,       OURS,  "the operating system refused") \
        X(ERR_USAGE,        OURS,  "wrong usage")

enum err {
#define ERR_ENUM(name, class_, text) name,
        ERR_LIST(ERR_ENUM)
#undef ERR_ENUM
        ERR_COUNT
};

/* The name ("ERR_FULL"), the text ("a limit is reached"), the class. Any thread; never NULL. */
const char *err_name(enum err err);
const char *err_text(enum err err);
enum err_class err_class(enum err err);

/* A sentence for people about why something failed: what was wrong and what to do. Filled by functions that take one;
 * cut at its end when too long. NULL may be passed where nobody reads it. */
struct reason {
        char text[512];
};

/* Writes the sentence and returns `err`, so that a caller can `return fail(why, ERR_..., "...")`. */
MUST_USE enum err fail(struct reason *why, enum err err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
