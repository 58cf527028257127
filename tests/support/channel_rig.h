/* Parties with secure channels on one router, and a wire between them on which a test sees, holds, changes and repeats
 * what they send. Everything on the wire is delivered as if it had come over TCP. */
#ifndef STROP_TESTS_CHANNEL_RIG_H
#define STROP_TESTS_CHANNEL_RIG_H

#include "tests/support/party.h"
#include "tests/support/test_context.h"
#include "transport/secure_channel/channel.h"

enum { WIRE_MAX = 4096, SIDE_TRUST_MAX = 4, TEXT_MAX = 65536 };

/* One message that went over the wire. */
struct wire_message {
        struct route_copy onward, ret; /* onward without the wire, ret with it */
        uint8_t *payload;
        size_t payload_n;
};

struct rig {
        struct test_context tc;
        struct transport_limits limits;
        struct router *router;
        struct worker *wire;
        struct wire_message seen[WIRE_MAX];
        size_t seen_count;
        bool hold; /* what comes onto the wire is only recorded */
        bool sink; /* ... not even that: it is counted */
        size_t sunk;
};

/* One party, its channels, and one worker behind them. */
struct side {
        struct rig *rig;
        struct party party;
        struct trust trust;
        struct identifier trusted[SIDE_TRUST_MAX];
        struct channels *channels;
        unsigned ups, closes; /* events */
        struct channel *up_last;
        struct channel *closed_last;
        unsigned refusals;
        enum err refused_err;
        char refused_why[512];
        unsigned gaps;
        uint64_t gap_last;
        enum err closed_err;
        char closed_why[512];
        void (*on_up)(struct side *side, struct channel *channel);
        void (*on_closed)(struct side *side, struct channel *channel);
        const char *app; /* address of the worker */
        struct worker *app_worker;
        bool echo; /* the worker sends everything back */
        unsigned received;
        struct origin origin; /* of the last received; peer is copied below */
        struct identifier origin_peer;
        uint8_t text[TEXT_MAX];
        size_t text_n;
        size_t ret_count;
};

/* `workers`: a limit of the router's. */
void rig_init(struct rig *rig, uint64_t seed);
void rig_clear(struct rig *rig);
/* Ends the turn; with nothing of the router's on the stack. */
void rig_turn(struct rig *rig);
/* Delivers message `i` of those seen, as it was or with another payload. */
void rig_deliver(struct rig *rig, size_t i);
void rig_deliver_payload(struct rig *rig, size_t i, struct bytes payload);
/* The same to another address, BYTES_NONE payload: the message's own. */
void rig_deliver_to(struct rig *rig, size_t i, struct bytes address);
struct bytes rig_seen(const struct rig *rig, size_t i);
uint64_t rig_stat(const struct rig *rig, enum stat_id stat);

/* Listens at `listener` unless NULL; trusts everyone at first, without vouching for any. */
void side_init(struct side *side, struct rig *rig, uint8_t number, size_t changes, const char *listener, const char *app,
               const struct channel_limits *limits);
void side_clear(struct side *side);
/* The process ends and starts again: its channels are gone without a word, the identity stays, the purpose key is a new one. */
void side_restart(struct side *side, const char *listener);
void side_trust(struct side *side, const struct identifier *only);
/* Starts a handshake over the wire; nothing has happened yet. */
struct channel *side_start(struct side *side, const char *listener, uint64_t timeout_ms);
/* ... and does it. Fails the test unless both are up. */
struct channel *side_connect(struct side *side, struct side *other, const char *listener);
/* Sends a text through a channel to the worker `app` behind it, with this side's worker as the way back. */
void side_send(struct side *side, const struct channel *channel, const char *app, struct bytes text);
/* Sends and expects that the other side's worker gets exactly this next. */
void side_say(struct side *side, const struct channel *channel, struct side *other, const char *text);

#endif
