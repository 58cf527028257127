/* Addresses and routes as views of their encoding: docs/protocol.md, "Address and route". */
#include "transport/route.h"

#include "transport/base/logger.h"

#include <stdio.h>
#include <stdlib.h>

static struct address address_read(struct bare_reader *r)
{
        uint8_t type = bare_u8(r);

        return (struct address){type, bare_data(r)};
}

struct route route_read(struct bare_reader *r, size_t max_hops)
{
        uint64_t count = bare_uint(r);
        const uint8_t *start = r->p;

        if (r->err) return ROUTE_EMPTY;
        for (uint64_t i = 0; i < count; i++) {
                if (i == max_hops) {
                        r->err = ERR_TOO_LARGE;
                        return ROUTE_EMPTY;
                }
                (void)address_read(r);
                if (r->err) return ROUTE_EMPTY;
        }
        return (struct route){(size_t)count, bytes_make(start, (size_t)(r->p - start))};
}

void route_put(struct writer *w, struct route route)
{
        bare_put_uint(w, route.count);
        writer_put(w, route.encoded.p, route.encoded.n);
}

size_t route_size(struct route route)
{
        return bare_uint_size(route.count) + route.encoded.n;
}

bool route_front(struct route route, struct address *front)
{
        struct bare_reader r = bare_reader_make(route.encoded);

        if (route.count == 0) return false;
        *front = address_read(&r);
        return true;
}

struct route route_rest(struct route route)
{
        struct bare_reader r = bare_reader_make(route.encoded);

        if (route.count == 0) return route;
        (void)address_read(&r);
        return (struct route){route.count - 1, bare_rest(&r)};
}

void address_put(struct writer *w, struct address address)
{
        writer_put_u8(w, address.type);
        bare_put_data(w, address.value);
}

size_t address_size(struct address address)
{
        return 1 + bare_data_size(address.value.n);
}

/* A writer over `n` bytes of the arena. */
static bool arena_writer(struct arena *arena, size_t n, struct writer *w)
{
        uint8_t *p = arena_alloc(arena, n);

        if (p) *w = writer_make(p, n);
        return p != NULL;
}

enum err route_prepend(struct arena *arena, struct address front, struct route rest, struct route *out)
{
        struct writer w;

        if (!arena_writer(arena, address_size(front) + rest.encoded.n, &w)) return ERR_FULL;
        address_put(&w, front);
        writer_put(&w, rest.encoded.p, rest.encoded.n);
        *out = (struct route){rest.count + 1, writer_bytes(&w)};
        return OK;
}

enum err route_of_locals(struct arena *arena, const struct bytes *values, size_t count, struct route *out)
{
        struct writer w;
        size_t n = 0;

        for (size_t i = 0; i < count; i++) n += address_size(address_local(values[i]));
        if (!arena_writer(arena, n, &w)) return ERR_FULL;
        for (size_t i = 0; i < count; i++) address_put(&w, address_local(values[i]));
        *out = (struct route){count, writer_bytes(&w)};
        return OK;
}

enum err route_concat(struct arena *arena, struct route head, struct route tail, struct route *out)
{
        struct writer w;

        if (!arena_writer(arena, head.encoded.n + tail.encoded.n, &w)) return ERR_FULL;
        writer_put(&w, head.encoded.p, head.encoded.n);
        writer_put(&w, tail.encoded.p, tail.encoded.n);
        *out = (struct route){head.count + tail.count, writer_bytes(&w)};
        return OK;
}

enum err route_copy(struct route route, struct route_copy *out)
{
        uint8_t *memory = malloc(route.encoded.n ? route.encoded.n : 1);

        if (!memory) return ERR_NO_MEMORY;
        if (route.encoded.n) memcpy(memory, route.encoded.p, route.encoded.n);
        *out = (struct route_copy){{route.count, bytes_make(memory, route.encoded.n)}, memory};
        return OK;
}

void route_copy_clear(struct route_copy *copy)
{
        free(copy->memory);
        *copy = (struct route_copy){ROUTE_EMPTY, NULL};
}

/* One address with what stands between it and the one before; escaped, but not cut, where `cap` allows. */
static void address_text(struct address address, bool first, char *out, size_t cap)
{
        int n = snprintf(out, cap, "%s", first ? "" : " -> ");

        if (address.type != ADDRESS_LOCAL) n += snprintf(out + n, cap - (size_t)n, "%u#", address.type);
        printable(out + n, cap - (size_t)n, address.value);
}

char *route_text(struct route route, char *out, size_t cap)
{
        static const char dots[] = "...";
        char text[256];
        size_t used = 0, fits = 0; /* as written, and as far as the dots would still fit behind */
        struct address front;

        if (cap == 0) return out;
        for (bool first = true; route_front(route, &front); route = route_rest(route), first = false) {
                address_text(front, first, text, sizeof text);
                if (strlen(text) >= cap - used) {
                        used = fits;
                        if (cap - used > strlen(dots)) used += (size_t)snprintf(out + used, cap - used, "%s", dots);
                        break;
                }
                memcpy(out + used, text, strlen(text));
                used += strlen(text);
                if (used + sizeof dots <= cap) fits = used;
        }
        out[used] = 0;
        return out;
}
