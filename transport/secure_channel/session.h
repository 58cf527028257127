/* What follows the handshake: numbered, encrypted messages in each direction (docs/protocol.md, "Messages").
 * Nonces from 0, a new key each 32, a replay window of 32. A failure changes nothing (I8). Keys live in memory only (C17). */
#ifndef STROP_SECURE_CHANNEL_SESSION_H
#define STROP_SECURE_CHANNEL_SESSION_H

#include "transport/secure_channel/crypto.h"

struct encryptor {
        struct aead *aead;
        uint64_t nonce; /* the next one; 2^64 - 1 is never used */
};

/* `key` is the one of the nonce before first_nonce: where a rekey is due at first_nonce, it is done there. ERR_NO_MEMORY. */
MUST_USE enum err encryptor_init(struct encryptor *enc, const uint8_t key[static KEY_SIZE], uint64_t first_nonce);
void encryptor_clear(struct encryptor *enc);
/* Writes nonce, ciphertext and tag: in.n + NONCE_SIZE + TAG_SIZE bytes. `in` may lie where the ciphertext goes. ERR_NONCES: none is left,
 * the channel must end; ERR_NO_MEMORY. */
MUST_USE enum err encryptor_seal(struct encryptor *enc, struct bytes in, uint8_t *out);

struct decryptor {
        struct aead *current, *previous; /* keys of the interval of the highest nonce, and of the one before (NULL at first) */
        uint64_t highest;                /* highest nonce taken; 0 before the first */
        uint64_t window;                 /* bit i: highest - i was taken; bits 0 to 32 count */
        uint64_t run;                    /* of nonces next to each other that have left the window and never came, up to the last that left */
        uint64_t missing;                /* runs before that, not asked for yet */
};

MUST_USE enum err decryptor_init(struct decryptor *dec, const uint8_t key[static KEY_SIZE]);
void decryptor_clear(struct decryptor *dec);
/* `in` is nonce, ciphertext, tag; `out` gets in.n - NONCE_SIZE - TAG_SIZE bytes. ERR_TRUNCATED; ERR_REPLAYED; ERR_DECRYPT;
 * ERR_NO_MEMORY.
 * Vectors: secure-channel.json, replay-window.json. */
MUST_USE enum err decryptor_open(struct decryptor *dec, struct bytes in, uint8_t *out, uint64_t *nonce);
/* How many messages have been lost since this was asked last: they can come no more, and one behind them has come. Told 33 messages after a gap, and
 * once for all of it (C6). */
uint64_t decryptor_missing(struct decryptor *dec);

#endif
