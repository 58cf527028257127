/* A network that exists in memory: links and a net (transport/link.h) whose bytes travel when the context's timers say so.
 *
 * It carries what is written in pieces of its own choice, later than it was written, stops for a while, resets connections and
 * refuses dials; all of that is drawn from the context's randomness, so a seed gives the same run again. What it never does is
 * change, lose or swap bytes within a connection that lives: it is TCP that is played here. */
#ifndef STROP_TESTS_SIM_NET_H
#define STROP_TESTS_SIM_NET_H

#include "transport/base/context.h"
#include "transport/link.h"

/* All zero: bytes come whole and in the next turn, and nothing breaks. */
struct sim_net_faults {
        uint32_t delay_max_ms;    /* each piece travels up to so long */
        uint32_t piece_max;       /* bytes in one piece; 0: all that waits */
        uint32_t stall_percent;   /* pieces that wait up to stall_max_ms before they travel */
        uint32_t stall_max_ms;
        uint32_t reset_mean_ms;   /* a connection is reset after so long on average; 0: never */
        uint32_t late_percent;    /* resets that one side learns of up to late_max_ms after the other */
        uint32_t late_max_ms;
        uint32_t refuse_percent;  /* dials refused */
        uint32_t slow_percent;    /* connections that carry slow_bytes_per_s at most */
        uint32_t slow_bytes_per_s;
        uint32_t block_mean_ms;   /* after so long on average nothing passes to or from a host, or only one way; 0: never */
        uint32_t block_max_ms;    /* ... for up to so long; what was under way comes then */
        size_t buffer;            /* bytes that a side holds for a user that does not take them; 0: SIM_NET_BUFFER */
};

enum { SIM_NET_BUFFER = 256 << 10, SIM_NET_LINGER_MS = 5000 };

/* Sees everything that is written, at the moment at which it is written. */
struct sim_net_tap {
        /* `who` dialled: see sim_net_dialler. */
        void (*opened)(void *user, uint64_t conn, uint64_t who);
        /* `by_dialler`: written by the side that dialled. */
        void (*written)(void *user, uint64_t conn, bool by_dialler, struct bytes bytes);
        /* Neither side has the connection any more. */
        void (*closed)(void *user, uint64_t conn);
};

struct sim_net;
struct sim_host;

struct sim_net *sim_net_new(struct context *ctx);
/* Its users must have closed their links, or must not be called any more: what is left is forgotten. */
void sim_net_free(struct sim_net *net);
/* For pieces, dials and connections from now on. */
void sim_net_set_faults(struct sim_net *net, const struct sim_net_faults *faults);
void sim_net_set_tap(struct sim_net *net, const struct sim_net_tap *tap, void *user);

/* What endpoints dial with; `who` is a number that the tap is given with each connection. Lives as long as the network. */
struct net *sim_net_dialler(struct sim_net *net, uint64_t who);

/* From now on `address` answers; `accepted` gets each link, up already, and sets its events and user or closes it. */
struct sim_host *sim_net_listen(struct sim_net *net, const char *address, void (*accepted)(void *user, struct link *take_link), void *user);
/* The host is gone at once: its own side hears of nothing any more and must only close its links; the others are reset.
 * Not from within an event of one of its links. */
void sim_host_crash(struct sim_host *host);
/* The same for all that `who` has dialled. */
void sim_net_crash_dialler(struct sim_net *net, uint64_t who);
/* No new connections; those that stand go on. */
void sim_host_close(struct sim_host *host);

/* Bytes of a frame that has gone out in part: the host has `pending` more to send. For tests that end it just then. */
void sim_host_on_piece(struct sim_host *host, void (*piece)(void *user, size_t pending), void *user);

/* Connections that stand, and what was done to them, so that tests can see that something happened. */
size_t sim_net_connections(const struct sim_net *net);
struct sim_net_figures {
        size_t resets, half_open, refused, blocks, slow;
};
struct sim_net_figures sim_net_figures(const struct sim_net *net);
/* Resets all that stand, lets both sides know of those that are cut, and ends all blocks. */
void sim_net_reset_all(struct sim_net *net);

#endif
