/* Connections: bytes of a link become frames, frames become messages in the router, and what is sent to a connection's worker
 * becomes a frame again (docs/protocol.md, "Transport").
 *
 * No I/O of its own. What a peer may cost is bounded here: how long a frame takes to come (R1, R2), how much waits to be sent and
 * for how long (R3), how many frames are worked off in one turn, and how many may come in a while (R4). */
#include "transport/conn.h"

#include "transport/base/logger.h"
#include "transport/bucket.h"
#include "transport/frame.h"
#include "transport/hosts.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct conns {
        struct router *router;
        struct context *ctx;
        const struct transport_limits *limits;
        const struct conns_events *events;
        void *user;
        struct conn *table; /* by id */
        uint64_t last_id;
        struct hosts *hosts;    /* NULL: nothing is limited by host */
        size_t queued;          /* bytes that wait to be sent on all of them */
        TAILQ_HEAD(line, conn) line; /* who had more than a turn has for it; the longest waiting first */
        size_t in_line;
        struct timer turn;      /* the next turn, for those in the line */
        uint64_t said_since_ms; /* connections that were closed for a fault are told of ... */
        size_t said;            /* ... so many since then */
        struct grave grave;
};

struct conn {
        struct conns *conns;
        struct link *link;       /* NULL: closed, and waits for the end of the turn */
        struct worker *worker;
        uint64_t id;
        UT_hash_handle hh;
        bool accepted, got_frame, waits; /* waits: in the line */
        TAILQ_ENTRY(conn) line;
        size_t granted;          /* frames that it may have worked off since it was first in the line; 0: it was not */
        unsigned holds;          /* enum conn_hold; reading goes on at 0 */
        size_t partial;          /* bytes here of a frame that is not whole yet */
        uint64_t waiting_ms;     /* since when we wait for the first frame, or for the rest of the one that has begun */
        uint64_t sent_ms;        /* when output last moved, or began to wait */
        struct timer deadline;   /* fires at the earliest of the deadlines, or before it */
        struct timer share;      /* ends CONN_HOLD_SHARE, when it is beyond a rate */
        size_t queued;           /* what of conns->queued is its */
        struct host *host;       /* NULL: not limited by it */
        struct bucket frames, bytes;
        char name[88];
        struct grave grave;
};

enum {
        HEAD_USUAL = 512, /* a message's head up to this is put together on the stack */
};

/* --- the table ---------------------------------------------------------------------------------------------------------- */

static bool limits_by_host(const struct transport_limits *limits)
{
        return limits->host_connections || limits->host_frames_per_s || limits->host_bytes_per_s;
}

static void conns_bury(void *object)
{
        struct conns *conns = object;

        hosts_free(conns->hosts);
        free(conns);
}

static void line_turn(void *arg);

struct conns *conns_new(struct router *router, const struct conns_events *events, void *user)
{
        struct conns *conns = calloc(1, sizeof *conns);

        if (!conns) return NULL;
        conns->router = router;
        conns->ctx = router_context(router);
        conns->limits = router_limits(router);
        conns->events = events;
        conns->user = user;
        TAILQ_INIT(&conns->line);
        timer_init(&conns->turn, line_turn, conns);
        if (!limits_by_host(conns->limits) || (conns->hosts = hosts_new(conns->limits))) return conns;
        free(conns);
        return NULL;
}

void conns_free(struct conns *conns)
{
        if (!conns) return;
        while (conns->table) conn_close(conns->table, ERR_CANCELLED, "stopping", true);
        context_timer_stop(conns->ctx, &conns->turn);
        context_bury(conns->ctx, &conns->grave, conns_bury, conns);
}

size_t conns_count(const struct conns *conns)
{
        return HASH_COUNT(conns->table);
}

size_t conns_queued(const struct conns *conns)
{
        return conns->queued;
}

struct conn *conns_find(struct conns *conns, uint64_t id)
{
        struct conn *conn;

        HASH_FIND(hh, conns->table, &id, sizeof id, conn);
        return conn;
}

void conns_hold_all(struct conns *conns, enum conn_hold hold)
{
        struct conn *conn, *next;

        HASH_ITER(hh, conns->table, conn, next) conn_hold(conn, hold);
}

uint64_t conn_id(const struct conn *conn)
{
        return conn->id;
}

struct bytes conn_address(const struct conn *conn)
{
        return worker_address(conn->worker);
}

const char *conn_name(const struct conn *conn)
{
        return conn->name;
}

const char *conn_peer(const struct conn *conn)
{
        return conn->link ? conn->link->peer : "";
}

size_t conn_queued(const struct conn *conn)
{
        return conn->link ? conn->link->ops->queued(conn->link) : 0;
}

bool conn_output_full(const struct conn *conn)
{
        return conn->holds & CONN_HOLD_OUTPUT;
}

/* Keeps the sum of what waits on all connections. */
static void conn_note_queued(struct conn *conn, size_t queued)
{
        conn->conns->queued += queued - conn->queued;
        conn->queued = queued;
}

static void line_leave(struct conn *conn)
{
        if (!conn->waits) return;
        TAILQ_REMOVE(&conn->conns->line, conn, line);
        conn->conns->in_line--;
        conn->waits = false;
}

/* --- the end ------------------------------------------------------------------------------------------------------------ */

/* Takes the connection out of everything and tells its owner. The link has been dealt with. */
static void conn_gone(struct conn *conn, enum err err, const char *why)
{
        struct conns *conns = conn->conns;

        conn->link = NULL;
        HASH_DEL(conns->table, conn);
        conn_note_queued(conn, 0);
        line_leave(conn);
        if (conn->host) hosts_leave(conns->hosts, conn->host, context_now_ms(conns->ctx));
        context_timer_stop(conns->ctx, &conn->deadline);
        context_timer_stop(conns->ctx, &conn->share);
        router_remove(conns->router, conn->worker);
        context_count(conns->ctx, STAT_CONNS_CLOSED);
        context_bury(conns->ctx, &conn->grave, free, conn);
        if (conns->events->closed) conns->events->closed(conns->user, conn->id, err, why);
}

void conn_close(struct conn *conn, enum err err, const char *why, bool flush)
{
        if (!conn->link) return;
        log_debug(conn->name, "closed: %s", why);
        conn->link->ops->close(conn->link, flush);
        conn_gone(conn, err, why);
}

static void conn_say(struct conn *conn, const char *why)
{
        struct conns *conns = conn->conns;
        uint64_t now = context_now_ms(conns->ctx);

        if (!conns->said || now - conns->said_since_ms >= CONN_FAULTS_SAID_MS) {
                conns->said_since_ms = now;
                conns->said = 0;
        }
        log_at(conns->said < CONN_FAULTS_SAID ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, conn->name, "closing it: %s%s", why,
               conns->said + 1 == CONN_FAULTS_SAID ? " (more such are not told of for a while)" : "");
        conns->said++;
}

/* Closes it for something that the other side did, or failed to do. */
static void conn_fail(struct conn *conn, enum err err, const char *why)
{
        conn_say(conn, why);
        conn->link->ops->close(conn->link, false);
        conn_gone(conn, err, why);
}

/* --- deadlines ---------------------------------------------------------------------------------------------------------- */

struct deadline {
        uint64_t at_ms;
        const char *why; /* NULL: none */
};

static void deadline_add(struct deadline *deadline, uint64_t at_ms, const char *why)
{
        if (!deadline->why || at_ms < deadline->at_ms) *deadline = (struct deadline){at_ms, why};
}

static uint64_t frame_due_ms(const struct conn *conn)
{
        const struct transport_limits *limits = conn->conns->limits;
        uint64_t rate = limits->frame_bytes_per_s, extra = rate ? conn->partial * 1000 / rate : 0;

        return conn->waiting_ms + limits->frame_start_ms + extra;
}

/* The earliest of what is awaited. While we hold reading, nothing is asked of the other side. */
static struct deadline conn_deadline(const struct conn *conn)
{
        const struct transport_limits *limits = conn->conns->limits;
        struct deadline deadline = {0};

        if (!conn->holds && conn->accepted && !conn->got_frame && limits->first_frame_ms)
                deadline_add(&deadline, conn->waiting_ms + limits->first_frame_ms, "no whole frame in time");
        if (!conn->holds && conn->partial) deadline_add(&deadline, frame_due_ms(conn), "a frame took too long");
        if (conn_queued(conn)) deadline_add(&deadline, conn->sent_ms + limits->send_stalled_ms, "takes nothing of what is sent");
        return deadline;
}

/* Sees to it that the timer fires at the next deadline at the latest. One that is set for earlier stays: it looks again when it
 * fires, so a busy connection does not move its timer with each frame. */
static void conn_watch_deadline(struct conn *conn)
{
        struct context *ctx = conn->conns->ctx;
        struct deadline deadline = conn_deadline(conn);
        uint64_t now = context_now_ms(ctx);

        if (!deadline.why || (timer_is_set(&conn->deadline) && conn->deadline.at_ms <= deadline.at_ms)) return;
        if (context_timer_set(ctx, &conn->deadline, deadline.at_ms > now ? deadline.at_ms - now : 0))
                conn_fail(conn, ERR_NO_MEMORY, "no memory for its timer");
}

static void conn_deadline_fired(void *arg)
{
        struct conn *conn = arg;
        struct deadline deadline = conn_deadline(conn);

        if (deadline.why && deadline.at_ms <= context_now_ms(conn->conns->ctx)) {
                context_count(conn->conns->ctx, STAT_CONNS_TIMED_OUT);
                conn_fail(conn, ERR_TIMEOUT, deadline.why);
                return;
        }
        conn_watch_deadline(conn);
}

/* --- holding ------------------------------------------------------------------------------------------------------------ */

void conn_hold(struct conn *conn, enum conn_hold hold)
{
        if (!conn->link) return;
        if (!conn->holds) conn->link->ops->set_reading(conn->link, false);
        conn->holds |= hold;
}

void conn_release(struct conn *conn, enum conn_hold hold)
{
        if (!conn->link || !(conn->holds & hold)) return;
        conn->holds &= ~(unsigned)hold;
        if (conn->holds) return;
        /* What did not come while we did not read is not late. */
        conn->waiting_ms = context_now_ms(conn->conns->ctx);
        conn->link->ops->set_reading(conn->link, true);
        conn_watch_deadline(conn);
}

static void conn_share_fired(void *arg)
{
        conn_release(arg, CONN_HOLD_SHARE);
}

/* The connection is beyond a rate and waits for `ms`. Without memory for the timer it simply goes on. */
static bool conn_rest(struct conn *conn, uint64_t ms)
{
        if (context_timer_set(conn->conns->ctx, &conn->share, ms)) return false;
        conn_hold(conn, CONN_HOLD_SHARE);
        return true;
}

/* --- turns --------------------------------------------------------------------------------------------------------------- */

/* How many frames are worked off of a connection now. Who has few is never in the line, and so waits for one turn's work at most, however many
 * flood: of all of them a turn works off little more than of one who floods alone (G18). */
static size_t conn_share(struct conn *conn)
{
        const struct conns *conns = conn->conns;
        const size_t most = conns->limits->frames_per_turn, granted = conn->granted;

        conn->granted = 0;
        if (granted) return granted;
        return conns->in_line && most > FRAMES_BEFORE_LINE ? FRAMES_BEFORE_LINE : most;
}

/* The connection has more than its share: it goes to the end of the line, and is not read meanwhile. Without memory for the timer it goes on. */
static bool line_join(struct conn *conn)
{
        struct conns *conns = conn->conns;

        if (!timer_is_set(&conns->turn) && context_timer_set(conns->ctx, &conns->turn, 0)) return false;
        TAILQ_INSERT_TAIL(&conns->line, conn, line);
        conns->in_line++;
        conn->waits = true;
        conn_hold(conn, CONN_HOLD_SHARE);
        return true;
}

/* The first ones in the line go on, `most` at most, and share what a turn has. */
static void line_let_go(struct conns *conns, size_t most)
{
        size_t count = conns->in_line < most ? conns->in_line : most, share = count ? conns->limits->frames_per_turn / count : 0;

        for (; count && conns->in_line; count--) {
                struct conn *conn = TAILQ_FIRST(&conns->line);

                line_leave(conn);
                conn->granted = share ? share : 1;
                conn_release(conn, CONN_HOLD_SHARE);
        }
}

static void line_turn(void *arg)
{
        struct conns *conns = arg;

        line_let_go(conns, LINE_PER_TURN);
        if (conns->in_line && context_timer_set(conns->ctx, &conns->turn, 0)) line_let_go(conns, SIZE_MAX);
}

static uint64_t longest(uint64_t a, uint64_t b)
{
        return a > b ? a : b;
}

/* Counts a frame of so many bytes against what the connection and its host may send. One that is beyond has been read already and is worked
 * off; the next one waits, so that back pressure reaches whoever sends. */
static void conn_charge(struct conn *conn, size_t size)
{
        struct conns *conns = conn->conns;
        const struct transport_limits *limits = conns->limits;
        uint64_t now;

        if (!limits->frames_per_s && !limits->bytes_per_s && !conn->host) return; /* as a rule: not even the time is asked for */
        now = context_now_ms(conns->ctx);
        uint64_t frames = bucket_take(&conn->frames, limits->frames_per_s, now, 1), bytes = bucket_take(&conn->bytes, limits->bytes_per_s, now, size);
        uint64_t wait = longest(longest(frames, bytes), conn->host ? hosts_charge(conns->hosts, conn->host, now, size) : 0);

        if (wait && conn_rest(conn, wait)) context_count(conns->ctx, STAT_LIMIT_RATE);
}

/* --- sending ------------------------------------------------------------------------------------------------------------ */

/* A mark of one connection's output; none is left to it while too much waits on all of them together. */
static size_t output_mark(const struct conns *conns, size_t mark)
{
        return conns->queued > conns->limits->output_all ? 0 : mark;
}

static void conn_hold_output(struct conn *conn)
{
        struct conns *conns = conn->conns;

        if (conn_output_full(conn)) return;
        context_count(conns->ctx, conn->queued > conns->limits->output_high ? STAT_LIMIT_OUTPUT : STAT_LIMIT_OUTPUT_ALL);
        conn_hold(conn, CONN_HOLD_OUTPUT);
}

static void conn_wrote(struct conn *conn, size_t size, size_t queued_before)
{
        struct conns *conns = conn->conns;

        context_count(conns->ctx, STAT_FRAMES_OUT);
        conns->ctx->stats.v[STAT_BYTES_OUT] += size;
        if (!queued_before) conn->sent_ms = context_now_ms(conns->ctx);
        conn_note_queued(conn, conn_queued(conn));
        if (conn->queued > output_mark(conns, conns->limits->output_high)) conn_hold_output(conn);
        conn_watch_deadline(conn);
}

/* Sends a message as a frame. The head is put together here, the payload goes from where it lies into the link's output. */
static void conn_send(struct conn *conn, const struct message *msg)
{
        struct conns *conns = conn->conns;
        size_t size = message_size(msg), head_size = FRAME_LENGTH_SIZE + message_head_size(msg), queued = conn_queued(conn);
        uint8_t usual[HEAD_USUAL], *head = head_size <= sizeof usual ? usual : NULL;
        struct writer w;
        enum err err;

        if (size > FRAME_MAX) {
                context_count(conns->ctx, STAT_FRAMES_TOO_LARGE);
                log_debug(conn->name, "not sent: a message of %zu bytes does not fit into a frame", size);
                return;
        }
        if (queued + FRAME_LENGTH_SIZE + size > conns->limits->output_max) {
                context_count(conns->ctx, STAT_CONNS_OUTPUT_FULL);
                conn_fail(conn, ERR_FULL, "too much waits to be sent to it");
                return;
        }
        if (!head) head = arena_alloc(router_arena(conns->router), head_size);
        if (!head) { /* an answer left out would never be missed by us; a lost connection is seen by the other side */
                conn_fail(conn, ERR_FULL, "no scratch memory to send a message");
                return;
        }
        w = writer_make(head, head_size);
        frame_put_length(&w, size);
        message_put_head(&w, msg);
        err = conn->link->ops->write(conn->link, (const struct bytes[]){writer_bytes(&w), msg->payload}, 2);
        if (err)
                conn_fail(conn, err, err_text(err));
        else
                conn_wrote(conn, FRAME_LENGTH_SIZE + size, queued);
}

/* The connection's worker: the message goes on at the other side, without our own address. */
static void conn_handle(void *self, const struct delivery *delivery)
{
        struct conn *conn = self;
        struct message msg = delivery->msg;

        msg.onward = route_rest(msg.onward);
        conn_send(conn, &msg);
}

static void conn_drained(void *user, size_t queued)
{
        struct conn *conn = user;
        struct conns *conns = conn->conns;

        conn->sent_ms = context_now_ms(conns->ctx);
        conn_note_queued(conn, queued);
        if (!conn_output_full(conn) || queued > output_mark(conns, conns->limits->output_low)) return;
        conn_release(conn, CONN_HOLD_OUTPUT);
        if (conn->link && conns->events->drained) conns->events->drained(conns->user, conn->id);
}

/* --- receiving ---------------------------------------------------------------------------------------------------------- */

/* A message without onward route is for whoever holds the other end: nothing, or a ping. */
static void conn_control(struct conn *conn, const struct message *msg)
{
        static const uint8_t ping = 0, pong = 1;

        context_count(conn->conns->ctx, STAT_HEARTBEATS);
        if (!conn->accepted || !bytes_equal(msg->payload, bytes_make(&ping, 1))) return;
        conn_send(conn, &(struct message){msg->ret, ROUTE_EMPTY, bytes_make(&pong, 1)});
}

static void conn_undecodable(struct conn *conn, enum err err)
{
        context_count(conn->conns->ctx, STAT_FRAMES_MALFORMED);
        if (conn->accepted)
                conn_fail(conn, err, "a frame does not decode");
        else
                log_debug(conn->name, "skipped a frame that does not decode: %s", err_text(err));
}

/* Hands one frame to the router, which works off all that comes of it before it returns. */
static void conn_frame(struct conn *conn, struct bytes body)
{
        struct conns *conns = conn->conns;
        struct message msg;
        enum err err;

        context_count(conns->ctx, STAT_FRAMES_IN);
        conn->got_frame = true;
        if (!body.n) {
                context_count(conns->ctx, STAT_HEARTBEATS);
                return;
        }
        err = message_read(body, conns->limits->route_hops, &msg);
        if (err && conn->accepted && !message_read_wide(body, conns->limits->route_hops, router_arena(conns->router), &msg)) err = OK;
        if (err) {
                conn_undecodable(conn, err);
                return;
        }
        if (!msg.onward.count) {
                conn_control(conn, &msg);
                return;
        }
        if (route_prepend(router_arena(conns->router), address_local(conn_address(conn)), msg.ret, &msg.ret)) {
                context_count(conns->ctx, STAT_DROP_QUEUE_FULL);
                return;
        }
        router_post(conns->router, (struct origin){ORIGIN_TCP, conn->id, NULL}, msg);
}

/* Notes what is left over of a frame, and since when it is being waited for. */
static void conn_note_partial(struct conn *conn, size_t left, bool got_frames)
{
        if (left && (got_frames || !conn->partial)) conn->waiting_ms = context_now_ms(conn->conns->ctx);
        conn->partial = left;
        conn_watch_deadline(conn);
}

static size_t conn_received(void *user, struct bytes in)
{
        struct conn *conn = user;
        struct bytes rest = in, body;
        size_t frames = 0, share = conn_share(conn), used;

        while (conn->link && !conn->holds && frame_next(rest, &used, &body) == OK) {
                if (frames == share && line_join(conn)) break;
                rest = bytes_make(rest.p + used, rest.n - used);
                frames++;
                conn_frame(conn, body);
                router_settle(conn->conns->router);
                if (conn->link) conn_charge(conn, used);
        }
        conn->conns->ctx->stats.v[STAT_BYTES_IN] += in.n - rest.n;
        /* While held, whole frames may be among what is left: they are looked at when reading goes on. */
        if (conn->link) conn_note_partial(conn, conn->holds ? 0 : rest.n, frames > 0);
        return in.n - rest.n;
}

static void conn_down(void *user, enum err err, const char *why)
{
        struct conn *conn = user;

        log_debug(conn->name, "lost: %s", why);
        conn_gone(conn, err, why);
}

/* --- the beginning ------------------------------------------------------------------------------------------------------ */

static const struct link_events conn_link_events = {
        .received = conn_received,
        .drained = conn_drained,
        .down = conn_down,
};

static struct conn *conn_new(struct conns *conns, struct link *link, bool accepted)
{
        struct conn *conn = calloc(1, sizeof *conn);

        if (!conn) return NULL;
        conn->conns = conns;
        conn->link = link;
        conn->id = ++conns->last_id;
        conn->accepted = accepted;
        conn->waiting_ms = context_now_ms(conns->ctx);
        timer_init(&conn->deadline, conn_deadline_fired, conn);
        timer_init(&conn->share, conn_share_fired, conn);
        snprintf(conn->name, sizeof conn->name, "conn %llu (%s)", (unsigned long long)conn->id, link->peer);
        return conn;
}

/* Enters it into router and table, and starts to wait for its first frame. */
static enum err conn_register(struct conn *conn)
{
        struct conns *conns = conn->conns;
        uint32_t first_frame_ms = conn->accepted ? conns->limits->first_frame_ms : 0;
        enum err err = router_add(conns->router, BYTES_NONE, ORIGIN_LOCAL, conn_handle, conn, &conn->worker);

        if (err) return err;
        HASH_ADD(hh, conns->table, id, sizeof conn->id, conn);
        if (!conns_find(conns, conn->id)) goto no_table;
        if (first_frame_ms && context_timer_set(conns->ctx, &conn->deadline, first_frame_ms)) goto no_timer;
        return OK;

no_timer:
        HASH_DEL(conns->table, conn);
no_table:
        router_remove(conns->router, conn->worker);
        return ERR_NO_MEMORY;
}

/* Connections that we dialled are not limited by host. */
static enum err conn_join_host(struct conn *conn)
{
        struct conns *conns = conn->conns;
        enum err err;

        if (!conns->hosts || !conn->accepted) return OK;
        err = hosts_join(conns->hosts, conn->link->peer, context_now_ms(conns->ctx), &conn->host);
        if (err == ERR_FULL) context_count(conns->ctx, STAT_LIMIT_HOST);
        return err;
}

static enum err conn_make(struct conns *conns, struct link *link, bool accepted, struct conn **out)
{
        struct conn *conn;
        enum err err;

        if (conns_count(conns) >= conns->limits->connections) return ERR_FULL;
        if (!(conn = conn_new(conns, link, accepted))) return ERR_NO_MEMORY;
        if (!(err = conn_join_host(conn))) err = conn_register(conn);
        if (!err) {
                *out = conn;
                return OK;
        }
        if (conn->host) hosts_leave(conns->hosts, conn->host, context_now_ms(conns->ctx));
        free(conn);
        return err;
}

enum err conns_open(struct conns *conns, struct link *take_link, bool accepted, struct conn **out)
{
        struct conn *conn;
        enum err err = conn_make(conns, take_link, accepted, &conn);

        if (err) {
                context_count(conns->ctx, STAT_CONNS_REFUSED);
                log_debug(take_link->peer, "refused: %s", err_text(err));
                take_link->ops->close(take_link, false);
                return err;
        }
        take_link->events = &conn_link_events;
        take_link->user = conn;
        context_count(conns->ctx, STAT_CONNS_OPENED);
        log_debug(conn->name, "%s", accepted ? "accepted" : "connected");
        *out = conn;
        return OK;
}
