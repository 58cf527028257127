/* Links and a net for tests of what stands on them. Each offer hands out memory of its own that is gone afterwards, so that a view
 * that is kept too long is found by the sanitizers. */
#include "tests/support/fake_link.h"

#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>

static struct fake_link *fake_of(struct link *link)
{
        return (struct fake_link *)link; /* its first member */
}

static void append(uint8_t **p, size_t *n, size_t *room, struct bytes more)
{
        if (*n + more.n > *room || !*p) {
                *room = 2 * (*n + more.n) + 64; /* now and then: many small pieces come */
                *p = realloc(*p, *room);
                assert_non_null(*p);
        }
        if (more.n) memcpy(*p + *n, more.p, more.n);
        *n += more.n;
}

static enum err fake_write(struct link *link, const struct bytes *parts, size_t count)
{
        struct fake_link *fake = fake_of(link);
        size_t i;

        assert_false(fake->closed);
        if (fake->fail_write) return fake->fail_write;
        for (i = 0; i < count; i++) {
                append(&fake->written, &fake->written_n, &fake->written_room, parts[i]);
                fake->queued += parts[i].n;
        }
        return OK;
}

static size_t fake_queued(const struct link *link)
{
        return ((const struct fake_link *)link)->queued;
}

static void fake_set_reading(struct link *link, bool reading)
{
        assert_false(fake_of(link)->closed);
        fake_of(link)->reading = reading;
}

static void fake_close(struct link *link, bool flush)
{
        assert_false(fake_of(link)->closed);
        fake_of(link)->closed = true;
        fake_of(link)->flushed = flush;
}

static const struct link_ops fake_ops = {
        .write = fake_write, .queued = fake_queued, .set_reading = fake_set_reading, .close = fake_close};

struct fake_link *fake_link_new(void)
{
        struct fake_link *fake = calloc(1, sizeof *fake);

        assert_non_null(fake);
        fake->link.ops = &fake_ops;
        fake->reading = true;
        snprintf(fake->link.peer, sizeof fake->link.peer, "192.0.2.1:4000");
        return fake;
}

void fake_link_free(struct fake_link *fake)
{
        if (!fake) return;
        free(fake->written);
        free(fake->left);
        free(fake);
}

void fake_link_offer(struct fake_link *fake)
{
        size_t n = fake->left_n, used;
        uint8_t *offered;

        if (!fake->reading || fake->closed || !n) return;
        offered = malloc(n);
        assert_non_null(offered);
        memcpy(offered, fake->left, n);
        fake->offers++;
        used = fake->link.events->received(fake->link.user, bytes_make(offered, n));
        assert_in_range(used, 0, n);
        fake->left_n = n - used;
        if (used) memcpy(fake->left, offered + used, n - used); /* memmove, in place, goes byte by byte under the address sanitizer */
        free(offered);
}

void fake_link_feed(struct fake_link *fake, struct bytes in)
{
        append(&fake->left, &fake->left_n, &fake->left_room, in);
        fake_link_offer(fake);
}

void fake_link_drain(struct fake_link *fake, size_t n)
{
        if (fake->closed) return;
        fake->queued -= n < fake->queued ? n : fake->queued;
        fake->link.events->drained(fake->link.user, fake->queued);
}

void fake_link_down(struct fake_link *fake, enum err err, const char *why)
{
        assert_false(fake->closed);
        fake->closed = true;
        fake->link.events->down(fake->link.user, err, why);
}

struct bytes fake_link_written(const struct fake_link *fake)
{
        return bytes_make(fake->written, fake->written_n);
}

void fake_link_forget(struct fake_link *fake)
{
        fake->written_n = 0;
}

static enum err fake_dial(struct net *net, const char *address, const struct link_events *events, void *user, struct link **out,
                          struct reason *why)
{
        struct fake_net *fake = (struct fake_net *)net;
        struct fake_link *link;

        fake->dialled++;
        snprintf(fake->address, sizeof fake->address, "%s", address);
        if (fake->refuse) return fail(why, ERR_UNREACHABLE, "refused by the test");
        assert_in_range(fake->count, 0, FAKE_NET_LINKS - 1);
        link = fake->links[fake->count++] = fake_link_new();
        link->link.events = events;
        link->link.user = user;
        *out = &link->link;
        return OK;
}

void fake_net_init(struct fake_net *net)
{
        *net = (struct fake_net){.net = {.dial = fake_dial}};
}

void fake_net_clear(struct fake_net *net)
{
        size_t i;

        for (i = 0; i < net->count; i++) fake_link_free(net->links[i]);
}

struct fake_link *fake_net_up(struct fake_net *net)
{
        struct fake_link *link;

        assert_int_not_equal(net->count, 0);
        link = net->links[net->count - 1];
        link->link.events->up(link->link.user);
        return link;
}
