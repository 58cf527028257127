/* Who may be on the other side of a secure channel: a list of identifiers, or everyone. */
#ifndef STROP_SECURE_CHANNEL_TRUST_H
#define STROP_SECURE_CHANNEL_TRUST_H

#include "transport/secure_channel/identity.h"

struct trust {
        struct identifier *list; /* the owner's memory */
        size_t count;            /* 0 with everyone false: nobody */
        bool everyone;           /* let in whoever comes; who is in the list still counts as vouched for */
};

enum trust_verdict { TRUST_NAMED, TRUST_UNVOUCHED, TRUST_REFUSED };

/* Compares the full 32 bytes (C12). */
enum trust_verdict trust_judge(const struct trust *trust, const struct identifier *peer);

#endif
