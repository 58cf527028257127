/* Numbers that the secure channel's wire fixes (docs/protocol.md, "Identity" and "Secure channel"). */
#ifndef STROP_SECURE_CHANNEL_WIRE_H
#define STROP_SECURE_CHANNEL_WIRE_H

enum {
        KEY_SIZE = 32,              /* X25519, Ed25519 and AES-256 keys, Ed25519 seeds */
        HASH_SIZE = 32,             /* SHA-256 */
        TAG_SIZE = 16,              /* AES-256-GCM */
        IV_SIZE = 12,               /* AES-256-GCM: its whole nonce, 4 zero bytes and the number, big-endian */
        NONCE_SIZE = 8,             /* in front of each encrypted message, big-endian */
        SIGNATURE_SIZE = 64,        /* Ed25519; ECDSA P-256 as r then s */
        P256_KEY_SIZE = 65,         /* uncompressed, first byte 04 */
        IDENTIFIER_SIZE = 32,       /* SHA-256 of the first change */
        IDENTIFIER_TEXT_SIZE = 65,  /* "I" and 64 hex digits, without NUL */
        NOISE_MESSAGE_MAX = 65535,
        REKEY_INTERVAL = 32,        /* messages under one key */
        REPLAY_WINDOW = 32,         /* nonces behind the highest, and ahead of it, that are taken */
        CLOCK_SKEW_S = 5,           /* an attestation may be made so far in the future */
        DATA_TYPE_CHANGE = 1,
        DATA_TYPE_PURPOSE_KEY = 2,
        DATA_TYPE_CREDENTIAL = 3,
};

#define NOISE_PROTOCOL_NAME "OCKAM_XX_25519_AES256_GCM_SHA256"

#endif
