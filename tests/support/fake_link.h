/* A link without anything behind it: the test feeds it bytes and looks at what was written. And a net that hands such links out.
 * As a real link does, it never calls its user from within a call of the user's. */
#ifndef STROP_TESTS_FAKE_LINK_H
#define STROP_TESTS_FAKE_LINK_H

#include "transport/link.h"

struct fake_link {
        struct link link;
        uint8_t *written;      /* all that the user wrote; fake_link_forget starts over */
        size_t written_n, written_room;
        size_t queued;         /* of it, what has not gone out */
        uint8_t *left;         /* fed, and not used up yet */
        size_t left_n, left_room;
        bool reading, closed, flushed;
        size_t offers;         /* how often bytes were offered */
        enum err fail_write;   /* what write returns instead of taking the bytes */
};

struct fake_link *fake_link_new(void);
void fake_link_free(struct fake_link *fake); /* NULL is fine */

/* Bytes come in: offered at once when the user reads, else kept. */
void fake_link_feed(struct fake_link *fake, struct bytes in);
/* Offers what was left over, as a link does when reading goes on. */
void fake_link_offer(struct fake_link *fake);
/* Up to n bytes of what is queued go out. */
void fake_link_drain(struct fake_link *fake, size_t n);
void fake_link_down(struct fake_link *fake, enum err err, const char *why);
struct bytes fake_link_written(const struct fake_link *fake);
void fake_link_forget(struct fake_link *fake);

enum { FAKE_NET_LINKS = 32 };

struct fake_net {
        struct net net;
        bool refuse;                             /* dial fails at once */
        size_t dialled;                          /* how often */
        char address[64];                        /* what was dialled last */
        struct fake_link *links[FAKE_NET_LINKS]; /* one for each dial that was not refused */
        size_t count;
};

void fake_net_init(struct fake_net *net);
void fake_net_clear(struct fake_net *net);
/* The newest link, which is up from now on. */
struct fake_link *fake_net_up(struct fake_net *net);

#endif
