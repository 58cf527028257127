/* What this layer bounds. Handed down at init, so that a test can make each small. */
#ifndef STROP_SECURE_CHANNEL_LIMITS_H
#define STROP_SECURE_CHANNEL_LIMITS_H

#include <stddef.h>
#include <stdint.h>

struct channel_limits {
        size_t handshakes;      /* open as responder at once; the oldest gives way to a new one beyond (C10) */
        size_t channels;        /* established at once; a further handshake is refused and counted */
        uint32_t handshake_ms;  /* a responder without its message 3 is forgotten after this */
        size_t history_changes; /* changes in a peer's history; more: refused (C24) */
        size_t history_bytes;   /* bytes of a peer's history; more: refused */
        size_t known_peers;     /* histories remembered, to refuse older ones of the same identity; least recently seen goes first (C13) */
        size_t route_bytes;     /* of the way back to a peer, encoded; a handshake message with a longer one is dropped */
};

#define CHANNEL_LIMITS_DEFAULT \
        ((struct channel_limits){ \
                .handshakes = 64, .channels = 10000, .handshake_ms = 30000, .history_changes = 64, .history_bytes = 32u << 10, \
                .known_peers = 1024, .route_bytes = 4096, \
        })

#endif
