/* Addresses and routes (docs/protocol.md, "Address and route").
 *
 * A route is a view of its encoded addresses and their count, so taking the first address off moves a pointer, and passing
 * a route on copies bytes. Every view that route_read returned is known to be well-formed. */
#ifndef STROP_TRANSPORT_ROUTE_H
#define STROP_TRANSPORT_ROUTE_H

#include "transport/bare.h"
#include "transport/base/arena.h"
#include "transport/wire.h"

struct address {
        uint8_t type;       /* ADDRESS_LOCAL, ADDRESS_TCP, or one that we pass on unseen */
        struct bytes value;
};

struct route {
        size_t count;
        struct bytes encoded; /* the addresses, one behind the other, without the count before them */
};

#define ROUTE_EMPTY ((struct route){0, {NULL, 0}})

/* Reads count and addresses; the reader's error tells. More than `max_hops` is ERR_TOO_LARGE. */
struct route route_read(struct bare_reader *r, size_t max_hops);
void route_put(struct writer *w, struct route route);
size_t route_size(struct route route); /* with the count */

/* The first address; false for an empty route. */
bool route_front(struct route route, struct address *front);
/* The route without its first address; an empty route stays empty. */
struct route route_rest(struct route route);

void address_put(struct writer *w, struct address address);
size_t address_size(struct address address);
static inline struct address address_local(struct bytes value) { return (struct address){ADDRESS_LOCAL, value}; }

/* New routes in the arena (a NULL arena memory gives ERR_FULL): `front` then `rest`; or the local addresses in `values`. */
MUST_USE enum err route_prepend(struct arena *arena, struct address front, struct route rest, struct route *out);
MUST_USE enum err route_of_locals(struct arena *arena, const struct bytes *values, size_t count, struct route *out);
/* `head` followed by `tail`. */
MUST_USE enum err route_concat(struct arena *arena, struct route head, struct route tail, struct route *out);

/* A route of one's own that outlives the frame it came in: a heap copy. */
struct route_copy {
        struct route route;
        uint8_t *memory;
};
MUST_USE enum err route_copy(struct route route, struct route_copy *out);
void route_copy_clear(struct route_copy *copy);

/* "a -> b -> 1#host:port", escaped and cut to fit; for logs. Returns out. */
char *route_text(struct route route, char *out, size_t cap);

#endif
