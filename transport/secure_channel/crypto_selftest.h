/* One known answer for each primitive, checked before anything is encrypted (G44): a library that was built wrongly, or
 * replaced, is found at start and not by a peer. */
#ifndef STROP_SECURE_CHANNEL_CRYPTO_SELFTEST_H
#define STROP_SECURE_CHANNEL_CRYPTO_SELFTEST_H

#include "transport/base/err.h"

/* ERR_FAILED; `why` names the primitive. Called by crypto_init. */
MUST_USE enum err crypto_selftest(struct reason *why);

#endif
