/* libstrop: end-to-end encrypted messages through a relay that neither side trusts. See libstrop(3).
 *
 * Threads: one thread of a process uses this library, as many struct strop as it likes. The library starts none.
 *
 * Callbacks come from strop_run or strop_dispatch, never from within another call. What they are given lives until they return, peers until
 * peer_down has returned. Any function may be called from within a callback; strop_run and strop_dispatch do nothing there.
 *
 * Ownership: all that is handed in is copied. Texts that are handed out are the library's.
 *
 * Pointers may not be NULL, nor point to what is gone, except where it says so. What can be told from an argument is: STROP_USAGE. */
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
        STROP_FULL,        /* too much waits to be confirmed by the node: wait for `drained`. Or there are too many channels */
        STROP_TOO_LARGE,   /* more than strop_max; strop_invitation: than there is room for */
        STROP_UNREACHABLE, /* the node, or its address */
        STROP_TIMEOUT,     /* nobody answered */
        STROP_CLOSED,      /* the other side closed, or the connection that carried it is gone */
        STROP_UNTRUSTED,   /* the other side is not who it should be, or its keys are not valid now: one of the clocks may be wrong */
        STROP_REFUSED,     /* the node does not allow it */
        STROP_USAGE,       /* a wrong argument */
        STROP_FAILED       /* out of memory, a file, the system */
};

struct strop;         /* an endpoint */
struct strop_peer;    /* who is at the other end of a secure channel; the channel */
struct strop_message; /* a message that has come; lives as long as its callback */
struct strop_watch;   /* a descriptor, signal or time that is waited for */

/* Each may be NULL. `user` is strop_new's. */
struct strop_callbacks {
        size_t size; /* STROP_CALLBACKS sets it: so a program and a later library understand each other */
        /* The node is reached and the streams stand there; again after each reconnect. */
        void (*ready)(void *user);
        /* A secure channel is up. `vouched`: the identifier is one of those that were given; else nobody vouches for it. For whoever connects nothing
         * proves yet that the other side took us: only an answer does. */
        void (*peer_up)(void *user, struct strop_peer *peer, bool vouched);
        /* A channel has ended, or an attempt has failed: STROP_TIMEOUT, STROP_CLOSED, STROP_UNTRUSTED, STROP_FULL (it was silent longest, and another
         * needed the room) or STROP_FAILED. `why` is a sentence. */
        void (*peer_down)(void *user, struct strop_peer *peer, enum strop_status status, const char *why);
        void (*message)(void *user, const struct strop_message *message);
        /* Room again after STROP_FULL, or all is confirmed. */
        void (*drained)(void *user);
        /* Trouble with the node and its end, or messages that a peer sent and that never came: a line for people. STROP_OK: good news. */
        void (*notice)(void *user, enum strop_status status, const char *text);
};

#define STROP_CALLBACKS .size = sizeof(struct strop_callbacks)

struct strop_config {
        size_t size; /* STROP_CONFIG sets it */
        /* Who to be: a file with the identity, made on first use. NULL: one for this run alone. */
        const char *identity;
        /* Where: an invitation, which holds all of this and the identifier; or "host:port" of one or more nodes (16 at most) and the names of both
         * streams, which are not the same. Without names the node's place is taken by the peer itself: the connection goes straight there. */
        const char *invitation;
        const char *const *nodes;
        size_t node_count;
        const char *sender;    /* the stream that this end writes */
        const char *receiver;  /* the stream that it reads */
        const char *client_id; /* under which the node keeps how far it has read; NULL: made of identity and stream */
        const char *direct;    /* "host:port" to listen on for peers that come straight here; port 0: any */
        /* Who may be at the other end: these identifiers ("I" and 64 hex digits; 4,096 at most). None: everyone. */
        const char *const *trusted;
        size_t trusted_count;
        /* The worker that answers handshakes; NULL: nobody may connect to this end. */
        const char *listener;
        /* The worker at which messages arrive; NULL: a random one, which peers learn as the way back. */
        const char *worker;
};

#define STROP_CONFIG {.size = sizeof(struct strop_config)}

/* Makes an endpoint, which begins to connect when it is run. `user` is given to each callback and not looked at. Not STROP_OK: *out is
 * untouched and `why` (NULL, or room for why_size bytes) says the reason in a sentence. STROP_USAGE: the configuration, the invitation;
 * STROP_FAILED: the identity's file, memory, a port that is taken. */
STROP_API enum strop_status strop_new(const struct strop_config *config, const struct strop_callbacks *callbacks, void *user,
                                      struct strop **out, char *why, size_t why_size);
/* Closes the channels, ends the watches, sends what can be sent within a second, frees. No callback comes any more. From within a callback: it
 * is done when that has returned to strop_run or strop_dispatch, which return then, too. NULL is fine. */
STROP_API void strop_free(struct strop *strop);

/* Works until strop_stop. */
STROP_API void strop_run(struct strop *strop);
/* Ends strop_run when the callback it is called from has returned; called before, the next strop_run returns at once. */
STROP_API void strop_stop(struct strop *strop);

/* For a program with a loop of its own: a descriptor that becomes readable when strop_dispatch has something to do, for poll, epoll, or
 * whatever the loop waits with. Ask for it before each wait, since that brings it up to date; the number stays the same, and it is the
 * library's: it is neither to be read nor closed. -1: there is none on this system (Linux alone has one); then call strop_dispatch every few
 * milliseconds. */
STROP_API int strop_fd(struct strop *strop);
/* One round without waiting: does what there is to do now. */
STROP_API void strop_dispatch(struct strop *strop);

/* What else is waited for in strop_run and strop_dispatch: that a descriptor can be read (it stays the caller's, and has to be open until
 * strop_unwatch; a file of a disk cannot be waited for), that a signal has come (told in the loop, not in a handler), that a time is over
 * (once). NULL: it cannot be. A watch lives until strop_unwatch or strop_free; `arg` is given back and not looked at. */
STROP_API struct strop_watch *strop_watch_fd(struct strop *strop, int fd, void (*ready)(void *arg), void *arg);
STROP_API struct strop_watch *strop_watch_signal(struct strop *strop, int signal, void (*caught)(void *arg), void *arg);
STROP_API struct strop_watch *strop_watch_time(struct strop *strop, uint32_t in_ms, void (*over)(void *arg), void *arg);
/* Sets a time anew, over or not. Nothing for other watches. */
STROP_API void strop_watch_again(struct strop_watch *watch, uint32_t in_ms);
/* Ends a watch, from within its own callback, too. NULL is fine. */
STROP_API void strop_unwatch(struct strop_watch *watch);

/* Starts a secure channel with the other side's listener; peer_up or peer_down follows, after timeout_ms at the latest. After `ready`.
 * STROP_AGAIN: there is no connection; STROP_FULL: too many channels; STROP_USAGE: no name, or one of more than 200 bytes; STROP_FAILED. */
STROP_API enum strop_status strop_connect(struct strop *strop, const char *listener, uint32_t timeout_ms);
/* Closes a channel and tells the other side; no peer_down follows, and the peer is gone when this returns. */
STROP_API void strop_disconnect(struct strop *strop, struct strop_peer *peer);
/* "I" and 64 hex digits, of the peer (once it is up; the text lives until this is called again) and of this end. */
STROP_API const char *strop_peer_identifier(struct strop *strop, const struct strop_peer *peer);
STROP_API const char *strop_identifier(const struct strop *strop);
/* "127.0.0.1:4000", where it listens for peers that come straight here; NULL: it does not. */
STROP_API const char *strop_listening(const struct strop *strop);
/* Writes an invitation to this end, for those who reach its node as `nodes` (8 at most; none: as it does itself, by the first 8 of the
 * config's). STROP_USAGE: it has no stream, or nodes that are too many or no HOST:PORT, or names that no stream has; STROP_TOO_LARGE: `size`
 * is too small (4,097 is always enough). */
STROP_API enum strop_status strop_invitation(const struct strop *strop, const char *const *nodes, size_t node_count, char *out, size_t size);

/* Sends text to a worker of the peer, as Ockam's workers take a String; or bytes as they are. It is on its way then, in order, over
 * reconnects, too; that it has come only an answer tells. STROP_AGAIN: the channel is not up; STROP_FULL: wait for `drained`; STROP_TOO_LARGE:
 * more than strop_max; STROP_USAGE: the text is no UTF-8, no peer, no name of a worker, or one of more than 200 bytes. */
STROP_API enum strop_status strop_send_text(struct strop *strop, struct strop_peer *peer, const char *worker, const void *text, size_t size);
STROP_API enum strop_status strop_send(struct strop *strop, struct strop_peer *peer, const char *worker, const void *data, size_t size);
/* The most bytes of text for this worker. Of data, three more. */
STROP_API size_t strop_max(struct strop *strop, struct strop_peer *peer, const char *worker);
/* Whether strop_send would say STROP_FULL. */
STROP_API bool strop_full(const struct strop *strop);
/* Messages that the node has not confirmed yet. */
STROP_API size_t strop_unconfirmed(const struct strop *strop);

/* A message: from whom (NULL: the channel is gone), its bytes, and its text where it is one (false: not UTF-8, nothing is set). Bytes and text
 * live as long as the message, and have no NUL behind them. */
STROP_API struct strop_peer *strop_message_peer(struct strop *strop, const struct strop_message *message);
STROP_API const void *strop_message_data(const struct strop_message *message, size_t *size);
STROP_API bool strop_message_text(const struct strop_message *message, const char **text, size_t *size);
/* Answers it, to whatever worker of the peer it came from. As strop_send; an answer to a channel that is gone is dropped without a word. */
STROP_API enum strop_status strop_reply_text(struct strop *strop, const struct strop_message *message, const void *text, size_t size);
STROP_API enum strop_status strop_reply(struct strop *strop, const struct strop_message *message, const void *data, size_t size);

/* "0.1.0" */
STROP_API const char *strop_version(void);
/* "nobody answered", for people; "unknown" for what is no status. */
STROP_API const char *strop_status_text(enum strop_status status);

#ifdef __cplusplus
}
#endif

#endif
