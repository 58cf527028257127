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
        uint64_t id, who;
        struct sim_end end[2]; /* dialler, host */
        struct timer connect, reset, late, linger;
        unsigned late_side;    /* who is told by `late` */
        bool up;               /* it has stood */
        bool cut;              /* nothing travels any more */
        uint64_t slow_until_ms[2]; /* a narrow connection: when the last piece of each side is through */
        bool narrow;
        bool crashed[2];       /* this side is as good as gone, and only waits to be closed */
        struct grave grave;
        bool buried;
};

struct sim_host {
        LIST_ENTRY(sim_host) link;
        struct sim_net *net;
        void (*accepted)(void *user, struct link *take_link);
        void *user;
        void (*piece)(void *user, size_t pending);
        void *piece_user;
        uint64_t blocked_until_ms[2]; /* what the dialler's side, and the host's own, sends */
        char address[64];
};

/* A net for one that dials. */
struct dialler {
        struct net net;
        SLIST_ENTRY(dialler) link;
        struct sim_net *sim;
        uint64_t who;
};

struct sim_net {
        struct context *ctx;
        SLIST_HEAD(, dialler) diallers;
        struct timer block;
        struct sim_net_faults faults;
        const struct sim_net_tap *tap;
        void *tap_user;
        LIST_HEAD(, sim_conn) conns;
        LIST_HEAD(, sim_host) hosts;
        uint64_t last_id;
        struct sim_net_figures figures;
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
        net->figures.resets += conn->up;
        conn_stop_timers(conn);
        conn->end[0].finished = conn->end[1].finished = false;
        conn->late_side = (unsigned)up_to(net, 1);
        set(net, &conn->reset, 0);
        if (chance(net, net->faults.late_percent)) {
                net->figures.half_open += conn->up;
                set(net, &conn->late, up_to(net, net->faults.late_max_ms));
        } else {
                set(net, &conn->late, 0);
        }
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

static unsigned side_of(const struct sim_end *end) { return end == &end->conn->end[1]; }

/* How long what this end sends is blocked yet, or is behind what it has sent before over a narrow connection. */
static uint64_t waits_ms(const struct sim_end *from)
{
        const struct sim_conn *conn = from->conn;
        uint64_t now = context_now_ms(conn->net->ctx), until = conn->slow_until_ms[side_of(from)];

        if (conn->host && conn->host->blocked_until_ms[side_of(from)] > until) until = conn->host->blocked_until_ms[side_of(from)];
        return until > now ? until - now : 0;
}

static void carry_when_needed(struct sim_end *from)
{
        struct sim_net *net = from->conn->net;
        size_t room = net->faults.buffer ? net->faults.buffer : SIM_NET_BUFFER;

        if (!from->conn->up || from->conn->cut || timer_is_set(&from->carry)) return;
        if (from->out.n ? other_end(from)->in.n < room : from->finished) set(net, &from->carry, waits_ms(from) + travel_ms(net));
}

static void narrow(struct sim_end *from, size_t n)
{
        struct sim_net *net = from->conn->net;

        if (from->conn->narrow && net->faults.slow_bytes_per_s)
                from->conn->slow_until_ms[side_of(from)] = context_now_ms(net->ctx) + n * 1000 / net->faults.slow_bytes_per_s;
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
        struct sim_host *host = from->conn->host;
        uint32_t piece_max = net->faults.piece_max;
        size_t n = from->out.n;

        if (waits_ms(from)) { /* blocked since it was set */
                carry_when_needed(from);
                return;
        }
        if (n == 0) {
                if (from->finished) finish(from);
                return;
        }
        if (piece_max && n > piece_max) n = 1 + (size_t)up_to(net, piece_max - 1);
        if (to->live) buffer_add(&to->in, bytes_make(from->out.p, n));
        buffer_drop(&from->out, n);
        narrow(from, n);
        carry_when_needed(from);
        if (host && host->piece && side_of(from) == 1 && from->out.n) host->piece(host->piece_user, from->out.n);
        if (from->live) from->link.events->drained(from->link.user, from->out.n);
        offer_fire(to);
}

/* --- what users call --- */

static enum err link_write(struct link *link, const struct bytes *parts, size_t count)
{
        struct sim_end *end = (struct sim_end *)link;
        struct sim_net *net = end->conn->net;

        assert(end->live);
        if (!end->conn->up || end->conn->crashed[side_of(end)]) return ERR_CLOSED;
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

        uint64_t now = context_now_ms(net->ctx);
        struct sim_host *host = host_find(net, dialler->link.peer);

        if (host && host->blocked_until_ms[0] > now) { /* nobody answers yet */
                set(net, &conn->connect, host->blocked_until_ms[0] - now);
                return;
        }
        conn->host = host;
        if (!host || chance(net, net->faults.refuse_percent)) {
                net->figures.refused += host != NULL;
                end_down(dialler, ERR_UNREACHABLE, "connection refused");
                return;
        }
        conn->up = accepted->live = true;
        if (net->faults.reset_mean_ms) set(net, &conn->reset, up_to(net, 2 * (uint64_t)net->faults.reset_mean_ms));
        conn->narrow = chance(net, net->faults.slow_percent);
        net->figures.slow += conn->narrow;
        if (net->tap) net->tap->opened(net->tap_user, conn->id, conn->who);
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
        struct dialler *dialler = (struct dialler *)net;
        struct sim_net *sim = dialler->sim;
        struct sim_conn *conn;

        if (!strchr(address, ':')) return fail(why, ERR_USAGE, "\"%s\" has no port", address);
        conn = must(calloc(1, sizeof *conn));
        conn->net = sim;
        conn->id = ++sim->last_id;
        conn->who = dialler->who;
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

/* --- blocks --- */

static void set_block(struct sim_net *net)
{
        if (net->faults.block_mean_ms)
                set(net, &net->block, up_to(net, 2 * (uint64_t)net->faults.block_mean_ms));
        else
                context_timer_stop(net->ctx, &net->block);
}

/* One of the hosts, both ways or one. */
static void block_fire(void *arg)
{
        struct sim_net *net = arg;
        uint64_t until = context_now_ms(net->ctx) + up_to(net, net->faults.block_max_ms), which = up_to(net, 2), skip = up_to(net, 3);
        struct sim_host *host = LIST_FIRST(&net->hosts);

        while (host && skip-- > 0 && LIST_NEXT(host, link)) host = LIST_NEXT(host, link);
        if (host) {
                net->figures.blocks++;
                if (which != 1) host->blocked_until_ms[0] = until;
                if (which != 0) host->blocked_until_ms[1] = until;
        }
        set_block(net);
}

struct sim_net *sim_net_new(struct context *ctx)
{
        struct sim_net *net = must(calloc(1, sizeof *net));

        net->ctx = ctx;
        LIST_INIT(&net->conns);
        LIST_INIT(&net->hosts);
        SLIST_INIT(&net->diallers);
        timer_init(&net->block, block_fire, net);
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
        while (!SLIST_EMPTY(&net->diallers)) {
                struct dialler *dialler = SLIST_FIRST(&net->diallers);
                SLIST_REMOVE_HEAD(&net->diallers, link);
                free(dialler);
        }
        context_timer_stop(net->ctx, &net->block);
        free(net);
}

void sim_net_set_faults(struct sim_net *net, const struct sim_net_faults *faults)
{
        net->faults = *faults;
        set_block(net);
}

void sim_net_set_tap(struct sim_net *net, const struct sim_net_tap *tap, void *user)
{
        net->tap = tap;
        net->tap_user = user;
}

struct net *sim_net_dialler(struct sim_net *net, uint64_t who)
{
        struct dialler *dialler;

        SLIST_FOREACH(dialler, &net->diallers, link)
                if (dialler->who == who) return &dialler->net;
        dialler = must(calloc(1, sizeof *dialler));
        *dialler = (struct dialler){.net = {net_dial}, .sim = net, .who = who};
        SLIST_INSERT_HEAD(&net->diallers, dialler, link);
        return &dialler->net;
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

/* The side that crashes stays live, since its user has to close it, but nothing tells it so. */
static void conn_crash(struct sim_conn *conn, unsigned side)
{
        struct context *ctx = conn->net->ctx;

        if (conn->buried) return;
        if (!conn->up) { /* it only dials yet */
                conn_stop_timers(conn);
                return;
        }
        conn_cut(conn);
        conn->crashed[side] = true;
        conn->late_side = side;
        context_timer_stop(ctx, &conn->late);
        context_timer_stop(ctx, &conn->reset);
        if (conn->end[!side].live && !conn->crashed[!side]) set(conn->net, &conn->reset, 0);
}

void sim_net_crash_dialler(struct sim_net *net, uint64_t who)
{
        struct sim_conn *conn, *next;

        for (conn = LIST_FIRST(&net->conns); conn; conn = next) {
                next = LIST_NEXT(conn, link);
                if (conn->who == who && conn->end[0].live) conn_crash(conn, 0);
        }
}

void sim_host_crash(struct sim_host *host)
{
        struct sim_conn *conn, *next;

        for (conn = LIST_FIRST(&host->net->conns); conn; conn = next) {
                next = LIST_NEXT(conn, link);
                if (conn->host == host) conn_crash(conn, 1);
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

struct sim_net_figures sim_net_figures(const struct sim_net *net) { return net->figures; }

void sim_host_on_piece(struct sim_host *host, void (*piece)(void *user, size_t pending), void *user)
{
        host->piece = piece;
        host->piece_user = user;
}

void sim_net_reset_all(struct sim_net *net)
{
        struct sim_conn *conn, *next;
        struct sim_host *host;

        for (conn = LIST_FIRST(&net->conns); conn; conn = next) {
                next = LIST_NEXT(conn, link);
                if (!conn->up) continue;
                if (timer_is_set(&conn->late)) set(net, &conn->late, 0);
                conn_cut(conn);
        }
        LIST_FOREACH(host, &net->hosts, link)
                host->blocked_until_ms[0] = host->blocked_until_ms[1] = 0;
}
