/* What this layer bounds. Handed down at init, so that a test can make each small. */
#ifndef STROP_TRANSPORT_LIMITS_H
#define STROP_TRANSPORT_LIMITS_H

#include <stddef.h>
#include <stdint.h>

struct transport_limits {
        size_t connections;        /* open at once; one more is closed at once and counted */
        size_t queue_messages;     /* in the router's queue while one frame is worked off; more are dropped and counted */
        size_t frames_per_turn;    /* worked off of one connection before others have their turn; the rest waits for the next */
        size_t arena_bytes;        /* scratch memory while one frame is worked off; beyond: as above */
        size_t workers;            /* addresses registered; one more: ERR_FULL */
        size_t route_hops;         /* addresses in a route; more: the message does not decode */
        size_t output_high;        /* bytes waiting to be sent on a connection: reading from it stops */
        size_t output_low;         /* ... and goes on */
        size_t output_max;         /* bytes waiting: nothing more is taken for this connection, it is closed */
        uint32_t frame_start_ms;   /* a begun frame must be complete after this ... */
        uint32_t frame_bytes_per_s;/* ... plus a second for each so many bytes received of it (R1) */
        uint32_t first_frame_ms;   /* from connecting to the first whole frame (R2); 0: no limit */
        uint32_t send_stalled_ms;  /* output waits and nothing of it goes out (R3): closed */
        uint32_t connect_ms;       /* a connection attempt takes longer: given up */
        uint32_t reconnect_min_ms; /* first pause before connecting again; doubled each time, with jitter */
        uint32_t reconnect_max_ms; /* longest pause */
};

#define TRANSPORT_LIMITS_DEFAULT \
        ((struct transport_limits){ \
                .connections = 10000, .queue_messages = 16384, .frames_per_turn = 256, \
                .arena_bytes = 8u << 20, .workers = 200000, .route_hops = 256, \
                .output_high = 256u << 10, .output_low = 64u << 10, .output_max = 8u << 20, .frame_start_ms = 10000, \
                .frame_bytes_per_s = 2048, .first_frame_ms = 30000, .send_stalled_ms = 60000, .connect_ms = 5000, \
                .reconnect_min_ms = 100, .reconnect_max_ms = 2000, \
        })

#endif
