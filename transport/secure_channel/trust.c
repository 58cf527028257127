/* The trust policy: a list of identifiers, compared in full (C12), and what becomes of those who are not in it. */
#include "transport/secure_channel/trust.h"

enum trust_verdict trust_judge(const struct trust *trust, const struct identifier *peer)
{
        for (size_t i = 0; i < trust->count; i++)
                if (identifier_equal(&trust->list[i], peer)) return TRUST_NAMED;
        return trust->everyone ? TRUST_UNVOUCHED : TRUST_REFUSED;
}
