/* libstrop: end-to-end encrypted messages through a relay that neither side trusts. See libstrop(3).
 *
 * One thread uses a struct strop. Callbacks are called from strop_run or strop_dispatch, never from within another call; what they are
 * given lives until they return, peers until peer_down has returned. Any function may be called from within a callback. */
#ifndef STROP_H
#define STROP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define STROP_API __attribute__((visibility("default")))

enum strop_status {
        STROP_OK = 0,
        STROP_AGAIN,       /* not now: not connected yet, or the peer is not up */
        STROP_FULL,        /* too much waits to be confirmed by the node: wait for `drained` */
        STROP_TOO_LARGE,   /* more than strop_max */
        STROP_UNREACHABLE, /* the node, or its address */
        STROP_TIMEOUT,     /* nobody answered */
        STROP_CLOSED,      /* the other side closed, or the connection that carried it is gone */
        STROP_UNTRUSTED,   /* the other side is not who it should be */
        STROP_REFUSED,     /* the node does not allow it */
        STROP_USAGE,       /* a wrong argument */
        STROP_FAILED       /* out of memory, a file, the system */
};

struct strop;         /* an endpoint */
struct strop_peer;    /* who is at the other end of a secure channel */
struct strop_message; /* a message that has come */
struct strop_watch;   /* a descriptor, signal or time that is waited for */

/* Each may be NULL. */
struct strop_callbacks {
        /* The node is reached and the streams stand there; again after each reconnect. */
        void (*ready)(void *user);
        /* A secure channel is up. `vouched`: the identifier is one of those that were given; else nobody vouches for it. For whoever connects nothing
         * proves yet that the other side took us: only an answer does. */
        void (*peer_up)(void *user, struct strop_peer *peer, bool vouched);
        /* A channel has ended, or an attempt has failed. */
        void (*peer_down)(void *user, struct strop_peer *peer, enum strop_status status, const char *why);
        void (*message)(void *user, const struct strop_message *message);
        /* Room again after STROP_FULL, or all is confirmed. */
        void (*drained)(void *user);
        /* Trouble with the node and its end, a line for people. STROP_OK: good news. */
        void (*notice)(void *user, enum strop_status status, const char *text);
};

struct strop_config {
        size_t size; /* STROP_CONFIG sets it: so a program and a later library understand each other */
        /* Who to be: a file with the identity, made on first use. NULL: one for this run alone. */
        const char *identity;
        /* Where: an invitation, which holds all of this and the identifier; or "host:port" of one or more nodes and the names of both streams.
         * Without names the node's place is taken by the peer itself: the connection goes straight there. */
        const char *invitation;
        const char *const *nodes;
        size_t node_count;
        const char *sender;    /* the stream that this end writes */
        const char *receiver;  /* the stream that it reads */
        const char *client_id; /* under which the node keeps how far it has read; NULL: made of identity and stream */
        const char *direct;    /* "host:port" to listen on for peers that come straight here */
        /* Who may be at the other end: these identifiers ("I" and 64 hex digits). None: everyone. */
        const char *const *trusted;
        size_t trusted_count;
        /* The worker that answers handshakes; NULL: nobody may connect to this end. */
        const char *listener;
        /* The worker at which messages arrive; NULL: a random one, which peers learn as the way back. */
        const char *worker;
};

#define STROP_CONFIG {.size = sizeof(struct strop_config)}

/* All is copied. Not STROP_OK: `why` (NULL, or room for why_size bytes) says the reason in a sentence, *out is untouched. */
STROP_API enum strop_status strop_new(const struct strop_config *config, const struct strop_callbacks *callbacks, void *user,
                                      struct strop **out, char *why, size_t why_size);
/* Closes the channels, sends what can be sent within a second, frees. Not from within a callback. */
STROP_API void strop_free(struct strop *strop);

/* Works until strop_stop. */
STROP_API void strop_run(struct strop *strop);
STROP_API void strop_stop(struct strop *strop);
/* One round without waiting, for a program that runs a loop of its own and comes by every few milliseconds; strop_watch_fd is the other way round. */
STROP_API void strop_dispatch(struct strop *strop);

/* What else is waited for in strop_run. NULL: it cannot be. A watch lives until strop_unwatch; a time comes once. */
STROP_API struct strop_watch *strop_watch_fd(struct strop *strop, int fd, void (*ready)(void *arg), void *arg);
STROP_API struct strop_watch *strop_watch_signal(struct strop *strop, int signal, void (*caught)(void *arg), void *arg);
STROP_API struct strop_watch *strop_watch_time(struct strop *strop, uint32_t in_ms, void (*over)(void *arg), void *arg);
/* Sets a time anew. */
STROP_API void strop_watch_again(struct strop_watch *watch, uint32_t in_ms);
STROP_API void strop_unwatch(struct strop_watch *watch);

/* Starts a secure channel with the other side's listener; peer_up or peer_down follows. After `ready`. */
STROP_API enum strop_status strop_connect(struct strop *strop, const char *listener, uint32_t timeout_ms);
STROP_API void strop_disconnect(struct strop *strop, struct strop_peer *peer);
/* "I" and 64 hex digits, of the peer and of this end. */
STROP_API const char *strop_peer_identifier(struct strop *strop, const struct strop_peer *peer);
STROP_API const char *strop_identifier(const struct strop *strop);
/* "127.0.0.1:4000", where it listens for peers that come straight here; NULL: it does not. */
STROP_API const char *strop_listening(const struct strop *strop);
/* An invitation to this end, for those who reach its node as `nodes` (none: as it does itself). */
STROP_API enum strop_status strop_invitation(const struct strop *strop, const char *const *nodes, size_t node_count, char *out, size_t size);

/* Sends text to a worker of the peer, as Ockam's workers take a String. The most bytes: strop_max. */
STROP_API enum strop_status strop_send_text(struct strop *strop, struct strop_peer *peer, const char *worker, const void *text, size_t size);
/* Sends bytes as they are. */
STROP_API enum strop_status strop_send(struct strop *strop, struct strop_peer *peer, const char *worker, const void *data, size_t size);
STROP_API size_t strop_max(struct strop *strop, struct strop_peer *peer, const char *worker);
STROP_API bool strop_full(const struct strop *strop);
/* Messages that the node has not confirmed yet. */
STROP_API size_t strop_unconfirmed(const struct strop *strop);

/* A message: from whom (NULL: the channel is gone), its bytes, and its text where it is one (false: not UTF-8). */
STROP_API struct strop_peer *strop_message_peer(struct strop *strop, const struct strop_message *message);
STROP_API const void *strop_message_data(const struct strop_message *message, size_t *size);
STROP_API bool strop_message_text(const struct strop_message *message, const char **text, size_t *size);
/* Answers it. */
STROP_API enum strop_status strop_reply_text(struct strop *strop, const struct strop_message *message, const void *text, size_t size);
STROP_API enum strop_status strop_reply(struct strop *strop, const struct strop_message *message, const void *data, size_t size);

/* "0.1.0" */
STROP_API const char *strop_version(void);
/* "nobody answered", for people. */
STROP_API const char *strop_status_text(enum strop_status status);

#ifdef __cplusplus
}
#endif

#endif
