/* The Noise XX handshake under Ockam's name, as pure functions: bytes in, bytes out (Noise specification, revision 34).
 * X25519, AES-256-GCM, SHA-256, empty prologue. No identities here: handshake.h puts them into the payloads. */
#ifndef STROP_SECURE_CHANNEL_NOISE_H
#define STROP_SECURE_CHANNEL_NOISE_H

#include "transport/base/writer.h"
#include "transport/secure_channel/crypto.h"

enum noise_role { NOISE_INITIATOR, NOISE_RESPONDER };

struct noise; /* in a secret slot */

/* The name is a parameter so that published vectors apply; one of exactly 32 bytes is h itself, a shorter one is padded with zeros.
 * `static_secret` and `ephemeral_secret` are copied. ERR_FULL: no secret slot is free. */
MUST_USE enum err noise_new(enum noise_role role, struct bytes protocol_name, struct bytes prologue,
                            const uint8_t static_secret[static KEY_SIZE], const uint8_t ephemeral_secret[static KEY_SIZE],
                            struct noise **out);
void noise_free(struct noise *noise);

/* The three messages in turn; each function asserts nothing and answers ERR_UNEXPECTED out of turn. A failed read leaves the
 * state as it was (C1: the true message is still taken afterwards).
 * write   puts the message with `payload` into `out`
 * read    `payload` has room for msg.n bytes; *payload_n is what came */
MUST_USE enum err noise_write(struct noise *noise, struct bytes payload, struct writer *out);
MUST_USE enum err noise_read(struct noise *noise, struct bytes msg, uint8_t *payload, size_t *payload_n);

/* How many of the three messages are behind us, written or read. */
unsigned noise_messages(const struct noise *noise);
/* The other side's static key; known to the initiator after message 2, to the responder after message 3. NULL before. */
const uint8_t *noise_remote_static(const struct noise *noise);
/* The handshake hash h as it stands. */
const uint8_t *noise_hash(const struct noise *noise);
/* After message 3: k1 and k2. In Ockam the initiator encrypts with k2 and decrypts with k1, the other way round than in Noise. */
MUST_USE enum err noise_split(const struct noise *noise, uint8_t k1[static KEY_SIZE], uint8_t k2[static KEY_SIZE]);

/* The state for vectors: ck, k (NULL before the first key), n. */
struct noise_trace {
        const uint8_t *h, *ck, *k;
        uint64_t n;
};
struct noise_trace noise_trace(const struct noise *noise);

#endif
