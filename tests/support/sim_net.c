/* The network in memory. A connection has two ends, each with the bytes that its user has written (out) and those that have
 * come for it (in). One timer at each end carries pieces from its `out` to the other's `in`, another one offers what has come. */
#include "tests/support/sim_net.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

struct buffer {
        uint8_t *p;
        size_t n, cap;
};

struct sim_end {
        struct link link;
        struct sim_conn *conn;
        struct buffer out, in;
        struct timer carry, offer;
        bool live;     /* its user has it: neither closed nor told that it is down */
        bool reading;
        bool finished; /* its user has closed it in order: when `out` is empty, the other side is told */
};

struct sim_conn {
        LIST_ENTRY(sim_conn) link;
        struct sim_net *net;
        struct sim_host *host; /* NULL: gone, or not found */
        uint64_t id;
        struct sim_end end[2]; /* dialler, host */
        struct timer connect, reset, late, linger;
        unsigned late_side;    /* who is told by `late` */
        bool up;               /* it has stood */
        bool cut;              /* nothing travels any more */
        bool crashed;          /* the host's side is as good as gone, and only waits to be closed */
        struct grave grave;
        bool buried;
};

struct sim_host {
        LIST_ENTRY(sim_host) link;
        struct sim_net *net;
        void (*accepted)(void *user, struct link *take_link);
        void *user;
        char address[64];
};

struct sim_net {
        struct net net;
        struct context *ctx;
        struct sim_net_faults faults;
        const struct sim_net_tap *tap;
        void *tap_user;
        LIST_HEAD(, sim_conn) conns;
        LIST_HEAD(, sim_host) hosts;
        uint64_t last_id;
        size_t resets;
};

static void *must(void *p)
{
        if (!p) abort();
        return p;
}

static void buffer_add(struct buffer *b, struct bytes in)
{
        if (in.n > b->cap - b->n) {
                b->cap = 2 * b->cap + in.n;
                b->p = must(realloc(b->p, b->cap));
        }
        if (in.n) memcpy(b->p + b->n, in.p, in.n);
        b->n += in.n;
}

static void buffer_drop(struct buffer *b, size_t n)
{
        assert(n <= b->n);
        b->n -= n;
        if (b->n && n) memmove(b->p, b->p + n, b->n);
}

static void set(struct sim_net *net, struct timer *timer, uint64_t in_ms)
{
        if (context_timer_set(net->ctx, timer, in_ms)) abort();
}

static bool chance(struct sim_net *net, uint32_t percent)
{
        return percent && context_random_below(net->ctx, 100) < percent;
}

/* 0 to max. */
static uint64_t up_to(struct sim_net *net, uint64_t max)
{
        return context_random_below(net->ctx, max + 1);
}

static uint64_t travel_ms(struct sim_net *net)
{
        uint64_t ms = up_to(net, net->faults.delay_max_ms);

        return chance(net, net->faults.stall_percent) ? ms + up_to(net, net->faults.stall_max_ms) : ms;
}

static struct sim_end *other_end(struct sim_end *end)
{
        return &end->conn->end[end == &end->conn->end[0]];
}

/* --- the end of a connection --- */

static void conn_free(void *object)
{
        struct sim_conn *conn = object;

        for (size_t i = 0; i < 2; i++) {
                free(conn->end[i].out.p);
                free(conn->end[i].in.p);
        }
        free(conn);
}

static void conn_stop_timers(struct sim_conn *conn)
{
        struct timer *timers[] = {&conn->connect, &conn->reset, &conn->late, &conn->linger, &conn->end[0].carry, &conn->end[0].offer,
                                  &conn->end[1].carry, &conn->end[1].offer};

        for (size_t i = 0; i < sizeof timers / sizeof *timers; i++)
                context_timer_stop(conn->net->ctx, timers[i]);
}

/* Once neither user has it, it is out of the lists; its memory goes at the end of the turn. */
static void conn_bury_when_over(struct sim_conn *conn)
{
        struct sim_net *net = conn->net;

        if (conn->buried || conn->end[0].live || conn->end[1].live) return;
        if (conn->end[0].finished || conn->end[1].finished) return;
        conn->buried = true;
        conn_stop_timers(conn);
        LIST_REMOVE(conn, link);
        if (conn->up && net->tap) net->tap->closed(net->tap_user, conn->id);
        context_bury(net->ctx, &conn->grave, conn_free, conn);
}

static void end_down(struct sim_end *end, enum err err, const char *why)
{
        if (!end->live) return;
        end->live = false;
        end->link.events->down(end->link.user, err, why);
        conn_bury_when_over(end->conn);
}

/* Nothing travels from here on; who is still there is told, by one timer each so that no event comes from within a call. */
static void conn_cut(struct sim_conn *conn)
{
        struct sim_net *net = conn->net;

        if (conn->cut) return;
        conn->cut = true;
        net->resets += conn->up;
        conn_stop_timers(conn);
        conn->end[0].finished = conn->end[1].finished = false;
        conn->late_side = (unsigned)up_to(net, 1);
        set(net, &conn->reset, 0);
        set(net, &conn->late, chance(net, net->faults.late_percent) ? up_to(net, net->faults.late_max_ms) : 0);
        conn_bury_when_over(conn);
}

static void reset_fire(void *arg)
{
        struct sim_conn *conn = arg;

        if (conn->cut) end_down(&conn->end[!conn->late_side], ERR_CLOSED, "connection reset");
        else conn_cut(conn);
}

static void late_fire(void *arg)
{
        struct sim_conn *conn = arg;

        end_down(&conn->end[conn->late_side], ERR_CLOSED, "connection reset");
}

/* --- bytes on their way --- */

static void carry_when_needed(struct sim_end *from)
{
        struct sim_net *net = from->conn->net;
        size_t room = net->faults.buffer ? net->faults.buffer : SIM_NET_BUFFER;

        if (!from->conn->up || from->conn->cut || timer_is_set(&from->carry)) return;
        if (from->out.n ? other_end(from)->in.n < room : from->finished) set(net, &from->carry, travel_ms(net));
}

/* Offers what has come, in memory of exactly its size, so that a user that looks further or later is found out. */
static void offer_fire(void *arg)
{
        struct sim_end *end = arg;
        size_t n = end->in.n, used;
        uint8_t *offered;

        if (!end->live || !end->reading || n == 0) return;
        offered = must(malloc(n));
        memcpy(offered, end->in.p, n);
        used = end->link.events->received(end->link.user, bytes_make(offered, n));
        assert(used <= n);
        free(offered);
        if (!end->live) return;
        buffer_drop(&end->in, used);
        carry_when_needed(other_end(end));
}

/* The other side has closed in order, and all that it has sent is here. */
static void finish(struct sim_end *from)
{
        struct sim_conn *conn = from->conn;
        struct sim_end *to = other_end(from);

        if (to->live && to->in.n && !to->reading) { /* the user has not read it all, and will see the end behind it */
                set(conn->net, &from->carry, 10);
                return;
        }
        from->finished = to->finished = false;
        conn->cut = true;
        end_down(to, ERR_CLOSED, "closed by the other side");
        conn_bury_when_over(conn);
}

static void carry_fire(void *arg)
{
        struct sim_end *from = arg, *to = other_end(from);
        struct sim_net *net = from->conn->net;
        uint32_t piece_max = net->faults.piece_max;
        size_t n = from->out.n;

        if (n == 0) {
                if (from->finished) finish(from);
                return;
        }
        if (piece_max && n > piece_max) n = 1 + (size_t)up_to(net, piece_max - 1);
        if (to->live) buffer_add(&to->in, bytes_make(from->out.p, n));
        buffer_drop(&from->out, n);
        carry_when_needed(from);
        if (from->live) from->link.events->drained(from->link.user, from->out.n);
        offer_fire(to);
}

/* --- what users call --- */

static enum err link_write(struct link *link, const struct bytes *parts, size_t count)
{
        struct sim_end *end = (struct sim_end *)link;
        struct sim_net *net = end->conn->net;

        assert(end->live);
        if (!end->conn->up || end->conn->crashed) return ERR_CLOSED;
        for (size_t i = 0; i < count; i++) {
                buffer_add(&end->out, parts[i]);
                if (net->tap && parts[i].n) net->tap->written(net->tap_user, end->conn->id, end == &end->conn->end[0], parts[i]);
        }
        carry_when_needed(end);
        return OK;
}

static size_t link_queued(const struct link *link)
{
        const struct sim_end *end = (const struct sim_end *)link;

        assert(end->live);
        return end->out.n;
}

static void link_set_reading(struct link *link, bool reading)
{
        struct sim_end *end = (struct sim_end *)link;

        assert(end->live);
        if (reading && !end->reading && end->in.n) set(end->conn->net, &end->offer, 0);
        end->reading = reading;
}

static void link_close(struct link *link, bool flush)
{
        struct sim_end *end = (struct sim_end *)link;
        struct sim_conn *conn = end->conn;

        assert(end->live);
        end->live = false;
        end->in.n = 0;
        if (!conn->up) {
                conn_stop_timers(conn);
        } else if (!flush) {
                conn_cut(conn);
        } else if (!conn->cut) {
                end->finished = true;
                carry_when_needed(end);
                set(conn->net, &conn->linger, SIM_NET_LINGER_MS);
        }
        conn_bury_when_over(conn);
}

static const struct link_ops link_ops = {link_write, link_queued, link_set_reading, link_close};

/* --- connecting --- */

static struct sim_host *host_find(struct sim_net *net, const char *address)
{
        struct sim_host *host;

        LIST_FOREACH(host, &net->hosts, link)
                if (strcmp(host->address, address) == 0) return host;
        return NULL;
}

static void connect_fire(void *arg)
{
        struct sim_conn *conn = arg;
        struct sim_net *net = conn->net;
        struct sim_end *dialler = &conn->end[0], *accepted = &conn->end[1];

        conn->host = host_find(net, dialler->link.peer);
        if (!conn->host || chance(net, net->faults.refuse_percent)) {
                end_down(dialler, ERR_UNREACHABLE, "connection refused");
                return;
        }
        conn->up = accepted->live = true;
        if (net->faults.reset_mean_ms) set(net, &conn->reset, up_to(net, 2 * (uint64_t)net->faults.reset_mean_ms));
        if (net->tap) net->tap->opened(net->tap_user, conn->id);
        conn->host->accepted(conn->host->user, &accepted->link);
        if (dialler->live) dialler->link.events->up(dialler->link.user);
}

static void linger_fire(void *arg)
{
        struct sim_conn *conn = arg;

        conn_cut(conn);
}

static enum err net_dial(struct net *net, const char *address, const struct link_events *events, void *user, struct link **out,
                         struct reason *why)
{
        struct sim_net *sim = (struct sim_net *)net;
        struct sim_conn *conn;

        if (!strchr(address, ':')) return fail(why, ERR_USAGE, "\"%s\" has no port", address);
        conn = must(calloc(1, sizeof *conn));
        conn->net = sim;
        conn->id = ++sim->last_id;
        timer_init(&conn->connect, connect_fire, conn);
        timer_init(&conn->reset, reset_fire, conn);
        timer_init(&conn->late, late_fire, conn);
        timer_init(&conn->linger, linger_fire, conn);
        for (size_t i = 0; i < 2; i++) {
                struct sim_end *end = &conn->end[i];
                end->link.ops = &link_ops;
                end->conn = conn;
                end->reading = true;
                timer_init(&end->carry, carry_fire, end);
                timer_init(&end->offer, offer_fire, end);
        }
        conn->end[0].link.events = events;
        conn->end[0].link.user = user;
        conn->end[0].live = true;
        snprintf(conn->end[0].link.peer, sizeof conn->end[0].link.peer, "%s", address);
        snprintf(conn->end[1].link.peer, sizeof conn->end[1].link.peer, "dialler:%u", (unsigned)conn->id);
        LIST_INSERT_HEAD(&sim->conns, conn, link);
        set(sim, &conn->connect, travel_ms(sim));
        *out = &conn->end[0].link;
        return OK;
}

/* --- the network and its hosts --- */

struct sim_net *sim_net_new(struct context *ctx)
{
        struct sim_net *net = must(calloc(1, sizeof *net));

        net->net.dial = net_dial;
        net->ctx = ctx;
        LIST_INIT(&net->conns);
        LIST_INIT(&net->hosts);
        return net;
}

void sim_net_free(struct sim_net *net)
{
        if (!net) return;
        while (!LIST_EMPTY(&net->conns)) {
                struct sim_conn *conn = LIST_FIRST(&net->conns);
                LIST_REMOVE(conn, link);
                conn_stop_timers(conn);
                conn_free(conn);
        }
        while (!LIST_EMPTY(&net->hosts))
                sim_host_close(LIST_FIRST(&net->hosts));
        free(net);
}

void sim_net_set_faults(struct sim_net *net, const struct sim_net_faults *faults)
{
        net->faults = *faults;
}

void sim_net_set_tap(struct sim_net *net, const struct sim_net_tap *tap, void *user)
{
        net->tap = tap;
        net->tap_user = user;
}

struct net *sim_net_dialler(struct sim_net *net)
{
        return &net->net;
}

struct sim_host *sim_net_listen(struct sim_net *net, const char *address, void (*accepted)(void *user, struct link *take_link), void *user)
{
        struct sim_host *host = must(calloc(1, sizeof *host));

        assert(!host_find(net, address));
        host->net = net;
        host->accepted = accepted;
        host->user = user;
        snprintf(host->address, sizeof host->address, "%s", address);
        LIST_INSERT_HEAD(&net->hosts, host, link);
        return host;
}

void sim_host_close(struct sim_host *host)
{
        struct sim_conn *conn;

        LIST_FOREACH(conn, &host->net->conns, link)
                if (conn->host == host) conn->host = NULL;
        LIST_REMOVE(host, link);
        free(host);
}

/* The host's own side stays live, since its user has to close it, but nothing tells it so. */
static void conn_crash(struct sim_conn *conn)
{
        struct context *ctx = conn->net->ctx;

        conn_cut(conn);
        conn->crashed = true;
        conn->late_side = 1;
        context_timer_stop(ctx, &conn->late);
        if (conn->end[0].live) set(conn->net, &conn->reset, 0);
}

void sim_host_crash(struct sim_host *host)
{
        struct sim_conn *conn, *next;

        for (conn = LIST_FIRST(&host->net->conns); conn; conn = next) {
                next = LIST_NEXT(conn, link);
                if (conn->host == host && !conn->buried) conn_crash(conn);
        }
        sim_host_close(host);
}

size_t sim_net_connections(const struct sim_net *net)
{
        const struct sim_conn *conn;
        size_t count = 0;

        LIST_FOREACH(conn, &net->conns, link)
                count += conn->up && !conn->cut;
        return count;
}

size_t sim_net_resets(const struct sim_net *net)
{
        return net->resets;
}

void sim_net_reset_all(struct sim_net *net)
{
        struct sim_conn *conn, *next;

        for (conn = LIST_FIRST(&net->conns); conn; conn = next) {
                next = LIST_NEXT(conn, link);
                if (conn->up) conn_cut(conn);
        }
}
