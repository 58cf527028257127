/* What this layer bounds. Handed down at init, so that a test can make each small. */
#ifndef STROP_TRANSPORT_LIMITS_H
#define STROP_TRANSPORT_LIMITS_H

#include <stddef.h>
#include <stdint.h>

struct transport_limits {
        size_t connections;        /* open at once; one more is closed at once and counted */
        size_t host_connections;   /* ... from one host (IP address); 0: no limit of its own */
        size_t queue_messages;     /* in the router's queue while one frame is worked off; more are dropped and counted */
        size_t frames_per_turn;    /* worked off in one turn of those who have more than a few, whether one or many; the rest waits in line */
        uint32_t frames_per_s;     /* of one connection, after as many at once: beyond, reading from it waits (R4); 0: no limit */
        uint32_t bytes_per_s;      /* ... bytes of frames likewise */
        uint32_t host_frames_per_s;/* ... frames of all connections of one host */
        uint32_t host_bytes_per_s; /* ... and their bytes */
        size_t arena_bytes;        /* scratch memory while one frame is worked off; beyond: as above */
        size_t workers;            /* addresses registered; one more: ERR_FULL */
        size_t route_hops;         /* addresses in a route; more: the message does not decode */
        size_t output_high;        /* bytes waiting to be sent on a connection: reading from it stops */
        size_t output_low;         /* ... and goes on */
        size_t output_max;         /* bytes waiting: nothing more is taken for this connection, it is closed */
        size_t output_all;         /* bytes waiting on all connections: until it is less, reading stops where any wait, as if output_high were 0 */
        uint32_t frame_start_ms;   /* a begun frame must be complete after this ... */
        uint32_t frame_bytes_per_s;/* ... plus a second for each so many bytes received of it (R1) */
        uint32_t first_frame_ms;   /* from connecting to the first whole frame (R2); 0: no limit */
        uint32_t send_stalled_ms;  /* output waits and nothing of it goes out (R3): closed */
        uint32_t keepalive_idle_s; /* a silent peer is asked by TCP itself whether it is still there (R14): after this, ... */
        uint32_t keepalive_interval_s; /* ... again this much later, ... */
        uint32_t keepalive_count;  /* ... and given up after so many questions */
        uint32_t user_timeout_ms;  /* bytes sent, or questions, that TCP saw no acknowledgement of for this: closed */
        uint32_t connect_ms;       /* a connection attempt takes longer: given up */
        uint32_t reconnect_min_ms; /* first pause before connecting again; doubled each time, with jitter */
        uint32_t reconnect_max_ms; /* longest pause */
};

#define TRANSPORT_LIMITS_DEFAULT \
        ((struct transport_limits){ \
                .connections = 10000, .host_connections = 0, .queue_messages = 16384, .frames_per_turn = 256, .frames_per_s = 0, .bytes_per_s = 0, \
                .host_frames_per_s = 0, .host_bytes_per_s = 0, .arena_bytes = 8u << 20, .workers = 200000, .route_hops = 256, \
                .output_high = 256u << 10, .output_low = 64u << 10, .output_max = 8u << 20, .output_all = 32u << 20, .frame_start_ms = 10000, \
                .frame_bytes_per_s = 2048, .first_frame_ms = 30000, .send_stalled_ms = 60000, .keepalive_idle_s = 30, \
                .keepalive_interval_s = 10, .keepalive_count = 3, .user_timeout_ms = 30000, .connect_ms = 5000, .reconnect_min_ms = 100, \
                .reconnect_max_ms = 2000, \
        })

/* What nobody needs to set. */
enum {
        INPUT_READ = 64 << 10,       /* most bytes read of one link in one round; the rest waits for the next */
        FRAMES_BEFORE_LINE = 8,      /* worked off at once of a connection that has not waited in the line; more: it goes there */
        LINE_PER_TURN = 8,           /* connections that leave the line in one turn, and share its frames */
        CLOSE_MS = 3000,             /* for a closed link to send what is queued, and for the other side to close; then it is cut off */
        HELD_CHECK_MS = 5000,        /* how often a link that does not read is asked whether it still stands */
        ACCEPTS_PER_ROUND = 64,      /* connections accepted before others have their turn; the rest waits in the kernel */
        ACCEPT_PAUSE_MS = 200,       /* without a descriptor or memory accepting rests so long, and is counted */
        ACCEPT_LOG_MS = 10000,       /* ... and is said no more often than this */
        CONN_FAULTS_SAID = 20,       /* connections closed for a fault of the peer that are logged at level info in ... */
        CONN_FAULTS_SAID_MS = 10000, /* ... this time; more of them at level debug alone, so that nobody can fill the log (R12) */
};

#endif
