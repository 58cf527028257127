/* TCP: links over sockets, dialled or accepted. libevent tells when a socket can be read or written; no bufferevents.
 *
 * Input is read into one buffer that all links of a net or listener share, and handed on where it lies. Only what the user leaves over
 * is copied into memory of the link's own, which goes again when it is empty: an idle link holds no buffer, and one with half a
 * frame holds as much as has come of it. Output is collected in an evbuffer and sent at the end of the round, in one call. */
#include "transport/tcp_links.h"

#include "transport/base/logger.h"
#include "transport/wire.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
        INPUT_FRONT = FRAME_LENGTH_SIZE + FRAME_MAX, /* room before what is read, for what was left over of the last time */
        FLUSH_PARTS = 64,                            /* pieces of output in one call */
};

/* What the links of one net or listener share. */
struct tcp {
        struct loop *loop;
        struct context *ctx;
        struct transport_limits limits;
        size_t users;   /* the net or listener, and each link */
        uint8_t *input; /* INPUT_FRONT + INPUT_READ bytes */
};

enum link_state {
        LINK_DIALLING, /* waits for a name, or for a connection; `dial` is there */
        LINK_UP,
        LINK_CLOSING,  /* its user is gone; it still sends what is queued, and waits for the other side to close */
        LINK_ENDED,    /* waits for the end of the turn */
};

/* A name that is being resolved. It outlives its link when that is closed meanwhile, since evdns calls back in any case. */
struct lookup {
        struct tcp_link *link; /* NULL: nobody waits for it any more */
        struct evdns_getaddrinfo_request *request;
};

/* What a link needs only until it is up. */
struct dial {
        bool starting; /* within `dial` still: a failure is returned, not told */
        enum err err;  /* ... and this is it */
        const char *why;
        struct lookup *lookup;
        struct evutil_addrinfo *found, *next; /* addresses, and which is next to be tried */
};

struct tcp_link {
        struct link link;
        struct tcp *tcp;
        enum link_state state;
        int fd;            /* -1: none, and the events are not in use */
        bool reading, eof;
        struct event read, write;
        struct evbuffer *out;
        uint8_t *in;       /* memory for what the user left over: `in_n` bytes from `in_at` on */
        size_t in_at, in_n, in_cap;
        struct timer timer; /* DIALLING: gives up. UP: looks after a link that does not read. CLOSING: ends it */
        struct dial *dial;
        struct loop_ending ending;
        struct grave grave;
};

struct tcp_net {
        struct net net;
        struct tcp *tcp;
        struct evdns_base *dns; /* made when the first name comes */
};

static const struct link_ops tcp_link_ops;

/* --- what is shared ----------------------------------------------------------------------------------------------------- */

struct tcp *tcp_new(struct loop *loop, const struct transport_limits *limits)
{
        struct tcp *tcp = calloc(1, sizeof *tcp);

        if (!tcp) return NULL;
        tcp->loop = loop;
        tcp->ctx = loop_context(loop);
        tcp->limits = *limits;
        tcp->users = 1;
        tcp->input = malloc(INPUT_FRONT + INPUT_READ);
        if (tcp->input) return tcp;
        free(tcp);
        return NULL;
}

void tcp_unref(struct tcp *tcp)
{
        if (--tcp->users) return;
        free(tcp->input);
        free(tcp);
}

static void option_set(int fd, int level, int option, int value)
{
        if (setsockopt(fd, level, option, &value, sizeof value)) log_debug(NULL, "socket option %d: %s", option, strerror(errno));
}

/* A peer that vanished without a word is noticed in about 40 s by the defaults, whether we wait for it or send to it (R14). */
static void socket_set_up(int fd, const struct transport_limits *limits)
{
        option_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
        option_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
        option_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, (int)limits->keepalive_idle_s);
        option_set(fd, IPPROTO_TCP, TCP_KEEPINTVL, (int)limits->keepalive_interval_s);
        option_set(fd, IPPROTO_TCP, TCP_KEEPCNT, (int)limits->keepalive_count);
        option_set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)limits->user_timeout_ms);
}

/* --- the end of a link -------------------------------------------------------------------------------------------------- */

static struct tcp_link *link_of(struct link *link)
{
        return (struct tcp_link *)link; /* its first member */
}

static size_t link_queued(const struct link *link)
{
        return evbuffer_get_length(((const struct tcp_link *)link)->out);
}

static void link_socket_close(struct tcp_link *l)
{
        if (l->fd < 0) return;
        event_del(&l->read);
        event_del(&l->write);
        close(l->fd);
        l->fd = -1;
}

static void dial_free(struct dial *dial)
{
        if (!dial) return;
        if (dial->lookup) {
                dial->lookup->link = NULL;
                evdns_getaddrinfo_cancel(dial->lookup->request);
        }
        if (dial->found) evutil_freeaddrinfo(dial->found);
        free(dial);
}

static void link_bury(void *object)
{
        struct tcp_link *l = object;

        evbuffer_free(l->out);
        free(l->in); /* not before: a frame in it may be in work still */
        tcp_unref(l->tcp);
        free(l);
}

static void link_end(void *arg)
{
        struct tcp_link *l = arg;

        if (l->state == LINK_ENDED) return;
        if (l->state == LINK_CLOSING) loop_ending_remove(&l->ending);
        l->state = LINK_ENDED;
        link_socket_close(l);
        context_timer_stop(l->tcp->ctx, &l->timer);
        dial_free(l->dial);
        context_bury(l->tcp->ctx, &l->grave, link_bury, l);
}

/* What was queued has gone out: no more will come from us. */
static void link_close_sending(struct tcp_link *l)
{
        if (l->eof || shutdown(l->fd, SHUT_WR)) link_end(l);
}

static void link_flush(struct tcp_link *l);

/* Lets go of the user; what is queued is still sent. */
static void link_start_closing(struct tcp_link *l)
{
        l->state = LINK_CLOSING;
        loop_ending_add(l->tcp->loop, &l->ending, link_end, l);
        if (l->eof)
                event_del(&l->read);
        else
                event_add(&l->read, NULL); /* what still comes is thrown away, so that closing does not reset the connection */
        if (context_timer_set(l->tcp->ctx, &l->timer, CLOSE_MS))
                link_end(l);
        else if (link_queued(&l->link))
                link_flush(l);
        else
                link_close_sending(l);
}

/* Tells the user that the link is gone by itself. */
static void link_down(struct tcp_link *l, enum err err, const char *why)
{
        const struct link_events *events = l->link.events;
        void *user = l->link.user;

        if (l->eof && link_queued(&l->link)) /* the other side may have closed one half alone */
                link_start_closing(l);
        else
                link_end(l);
        events->down(user, err, why);
}

static void link_failed(struct tcp_link *l, int error)
{
        if (l->state == LINK_CLOSING)
                link_end(l);
        else
                link_down(l, ERR_CLOSED, strerror(error));
}

static void link_close(struct link *link, bool flush)
{
        struct tcp_link *l = link_of(link);

        if (flush && l->state == LINK_UP)
                link_start_closing(l);
        else
                link_end(l);
}

/* --- sending ------------------------------------------------------------------------------------------------------------ */

/* After some output has gone out. */
static void link_sent(struct tcp_link *l, size_t n)
{
        size_t left;

        evbuffer_drain(l->out, n);
        if ((left = link_queued(&l->link)))
                event_add(&l->write, NULL);
        else
                event_del(&l->write);
        if (l->state == LINK_UP)
                l->link.events->drained(l->link.user, left);
        else if (!left)
                link_close_sending(l);
}

static void link_flush(struct tcp_link *l)
{
        struct evbuffer_iovec parts[FLUSH_PARTS];
        int count = evbuffer_peek(l->out, -1, NULL, parts, FLUSH_PARTS);
        struct msghdr msg = {.msg_iov = parts, .msg_iovlen = (size_t)(count < FLUSH_PARTS ? count : FLUSH_PARTS)};
        ssize_t n = sendmsg(l->fd, &msg, MSG_NOSIGNAL);

        if (n >= 0)
                link_sent(l, (size_t)n);
        else if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS)
                event_add(&l->write, NULL);
        else
                link_failed(l, errno);
}

/* Copies the parts, one behind the other, into the reserved space, and cuts that to what was used. Returns how many of it were needed. */
static int space_fill(struct evbuffer_iovec *space, const struct bytes *parts, size_t count)
{
        size_t filled = 0, i, done, n;
        int used = 0;

        for (i = 0; i < count; i++) {
                for (done = 0; done < parts[i].n; done += n) {
                        if (filled == space[used].iov_len) used++, filled = 0;
                        n = parts[i].n - done;
                        if (n > space[used].iov_len - filled) n = space[used].iov_len - filled;
                        memcpy((uint8_t *)space[used].iov_base + filled, parts[i].p + done, n);
                        filled += n;
                }
        }
        space[used].iov_len = filled;
        return used + 1;
}

static enum err link_write(struct link *link, const struct bytes *parts, size_t count)
{
        struct tcp_link *l = link_of(link);
        struct evbuffer_iovec space[2];
        size_t size = 0, i;
        bool idle = !link_queued(link);

        if (l->state != LINK_UP) return ERR_CLOSED;
        for (i = 0; i < count; i++) size += parts[i].n;
        if (!size) return OK;
        if (evbuffer_reserve_space(l->out, (ev_ssize_t)size, space, 2) < 1) return ERR_NO_MEMORY;
        if (evbuffer_commit_space(l->out, space, space_fill(space, parts, count))) return ERR_NO_MEMORY;
        if (idle) event_active(&l->write, EV_WRITE, 0); /* sent when all that this round has for it is here */
        return OK;
}

/* --- receiving ---------------------------------------------------------------------------------------------------------- */

static void left_drop(struct tcp_link *l)
{
        free(l->in);
        l->in = NULL;
        l->in_at = l->in_n = l->in_cap = 0;
}

/* Brings what is left to the front of its memory, and that to `cap` bytes where it has fewer. */
static bool left_reserve(struct tcp_link *l, size_t cap)
{
        uint8_t *in;

        if (l->in && l->in_at && l->in_n) memmove(l->in, l->in + l->in_at, l->in_n);
        l->in_at = 0;
        if (l->in && cap <= l->in_cap) return true;
        if (!(in = realloc(l->in, cap))) return false;
        l->in = in;
        l->in_cap = cap;
        return true;
}

/* Keeps what the user left over. What lies in our own memory already stays there: much may be taken of it little by little. */
static void left_keep(struct tcp_link *l, const uint8_t *p, size_t n)
{
        const bool ours = l->in && p >= l->in && p < l->in + l->in_cap;

        if (!n) {
                left_drop(l);
                return;
        }
        if (ours) {
                l->in_at = (size_t)(p - l->in);
                l->in_n = n;
                return;
        }
        l->in_at = l->in_n = 0;
        if (!left_reserve(l, n)) {
                link_down(l, ERR_NO_MEMORY, "no memory for its input");
                return;
        }
        memcpy(l->in, p, n);
        l->in_n = n;
}

static void link_offer(struct tcp_link *l, const uint8_t *p, size_t n)
{
        size_t used = l->link.events->received(l->link.user, bytes_make(p, n));

        if (l->state == LINK_UP) left_keep(l, p + used, n - used);
}

/* `n` bytes have been read. What was left over before is put in front of them where they lie, or, where there is less that is new,
 * they are put behind it where that lies: either way no more is copied than has come, so that small pieces of a large frame stay cheap. */
static void link_read(struct tcp_link *l, size_t n)
{
        uint8_t *p = l->tcp->input + INPUT_FRONT;
        size_t cap = l->in_n + n > l->in_cap * 2 ? l->in_n + n : l->in_cap * 2;

        if (l->in_n <= n && l->in_n <= INPUT_FRONT) {
                if (l->in && l->in_n) memcpy(p - l->in_n, l->in + l->in_at, l->in_n);
                link_offer(l, p - l->in_n, l->in_n + n);
        } else if ((l->in && l->in_at + l->in_n + n <= l->in_cap) || left_reserve(l, l->in_n + n <= l->in_cap ? l->in_cap : cap)) {
                memcpy(l->in + l->in_at + l->in_n, p, n);
                link_offer(l, l->in + l->in_at, l->in_n + n);
        } else {
                link_down(l, ERR_NO_MEMORY, "no memory for its input");
        }
}

/* The other side has nothing more to say. */
static void link_eof(struct tcp_link *l)
{
        l->eof = true;
        if (l->state == LINK_UP)
                link_down(l, ERR_CLOSED, err_text(ERR_CLOSED));
        else if (link_queued(&l->link))
                event_del(&l->read);
        else
                link_end(l);
}

static void link_receive(struct tcp_link *l)
{
        ssize_t n = recv(l->fd, l->tcp->input + INPUT_FRONT, INPUT_READ, 0);

        if (n == 0) {
                link_eof(l);
        } else if (n < 0) {
                if (errno != EAGAIN && errno != EINTR) link_failed(l, errno);
        } else if (l->state == LINK_UP) {
                link_read(l, (size_t)n);
                /* Nothing goes back that would carry the acknowledgement, and a peer with Nagle's algorithm waits for it. */
                if (l->state == LINK_UP && !link_queued(&l->link)) option_set(l->fd, IPPROTO_TCP, TCP_QUICKACK, 1);
        }
}

/* EV_TIMEOUT is what link_set_reading gives, for bytes that are here already. */
static void link_readable(evutil_socket_t fd, short what, void *arg)
{
        struct tcp_link *l = arg;

        (void)fd;
        if ((what & EV_TIMEOUT) && l->state == LINK_UP && l->in && l->in_n) link_offer(l, l->in + l->in_at, l->in_n);
        if ((what & EV_READ) && (l->state == LINK_CLOSING || (l->state == LINK_UP && l->reading))) link_receive(l);
}

static void link_set_reading(struct link *link, bool reading)
{
        struct tcp_link *l = link_of(link);

        if (l->state != LINK_UP || l->reading == reading) return;
        l->reading = reading;
        if (reading) {
                event_add(&l->read, NULL);
                if (l->in_n) event_active(&l->read, EV_TIMEOUT, 0);
                return;
        }
        event_del(&l->read);
        if (timer_is_set(&l->timer)) return;
        if (context_timer_set(l->tcp->ctx, &l->timer, HELD_CHECK_MS))
                log_debug(link->peer, "no memory to look after it while it is held");
}

/* A link that does not read is not told by libevent that the connection has broken. */
static void link_check_held(struct tcp_link *l)
{
        struct pollfd pfd = {.fd = l->fd};

        if (l->reading) return;
        if (poll(&pfd, 1, 0) == 1 && (pfd.revents & (POLLERR | POLLHUP)))
                link_down(l, ERR_CLOSED, err_text(ERR_CLOSED));
        else if (context_timer_set(l->tcp->ctx, &l->timer, HELD_CHECK_MS))
                log_debug(l->link.peer, "no memory to look after it while it is held");
}

/* --- the beginning of a link -------------------------------------------------------------------------------------------- */

static void link_timer(void *arg);
static void link_writable(evutil_socket_t fd, short what, void *arg);

static struct tcp_link *link_new(struct tcp *tcp)
{
        struct tcp_link *l = calloc(1, sizeof *l);

        if (!l || !(l->out = evbuffer_new())) {
                free(l);
                return NULL;
        }
        l->link.ops = &tcp_link_ops;
        l->tcp = tcp;
        tcp->users++;
        l->fd = -1;
        timer_init(&l->timer, link_timer, l);
        return l;
}

/* From here on the socket is the link's. */
static void link_set_socket(struct tcp_link *l, int fd, const struct sockaddr *address, size_t size)
{
        struct event_base *base = loop_base(l->tcp->loop);

        l->fd = fd;
        event_assign(&l->read, base, fd, EV_READ | EV_PERSIST, link_readable, l);
        event_assign(&l->write, base, fd, EV_WRITE | EV_PERSIST, link_writable, l);
        tcp_address_text(address, size, l->link.peer, sizeof l->link.peer);
        socket_set_up(fd, &l->tcp->limits);
}

static bool link_start(struct tcp_link *l)
{
        l->state = LINK_UP;
        l->reading = true;
        return event_add(&l->read, NULL) == 0;
}

enum err tcp_link_accepted(struct tcp *tcp, int fd, const struct sockaddr *address, size_t size, struct link **out)
{
        struct tcp_link *l = link_new(tcp);

        if (!l) {
                close(fd);
                return ERR_NO_MEMORY;
        }
        link_set_socket(l, fd, address, size);
        if (!link_start(l)) {
                link_end(l);
                return ERR_SYSTEM;
        }
        *out = &l->link;
        return OK;
}

/* --- dialling ----------------------------------------------------------------------------------------------------------- */

static void dial_failed(struct tcp_link *l, enum err err, const char *why)
{
        if (!l->dial->starting) {
                link_down(l, err, why);
                return;
        }
        l->dial->err = err;
        l->dial->why = why;
}

/* Starts to connect to one address; 0, or why not. */
static int dial_connect(struct tcp_link *l, const struct evutil_addrinfo *to)
{
        int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error;

        if (fd < 0) return errno;
        link_set_socket(l, fd, to->ai_addr, to->ai_addrlen);
        if ((!connect(fd, to->ai_addr, to->ai_addrlen) || errno == EINPROGRESS) && !event_add(&l->write, NULL)) return 0;
        error = errno;
        link_socket_close(l);
        return error;
}

/* Tries the addresses that are left, until connecting to one has begun; `error` is what became of the one before. */
static void dial_next(struct tcp_link *l, int error)
{
        struct dial *dial = l->dial;

        while (dial->next) {
                const struct evutil_addrinfo *to = dial->next;

                dial->next = to->ai_next;
                if ((error = dial_connect(l, to))) continue;
                if (context_timer_set(l->tcp->ctx, &l->timer, l->tcp->limits.connect_ms)) dial_failed(l, ERR_NO_MEMORY, err_text(ERR_NO_MEMORY));
                return;
        }
        dial_failed(l, error == ETIMEDOUT ? ERR_TIMEOUT : ERR_UNREACHABLE, strerror(error));
}

static void dial_timed_out(struct tcp_link *l)
{
        link_socket_close(l);
        if (l->dial->found)
                dial_next(l, ETIMEDOUT);
        else
                dial_failed(l, ERR_TIMEOUT, "its name was not resolved in time");
}

static void dial_connected(struct tcp_link *l)
{
        int error = 0;
        socklen_t size = sizeof error;

        if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &size)) error = errno;
        if (error) {
                link_socket_close(l);
                dial_next(l, error);
                return;
        }
        event_del(&l->write);
        context_timer_stop(l->tcp->ctx, &l->timer);
        dial_free(l->dial);
        l->dial = NULL;
        if (link_start(l))
                l->link.events->up(l->link.user);
        else
                link_down(l, ERR_SYSTEM, err_text(ERR_SYSTEM));
}

static void dial_resolved(int result, struct evutil_addrinfo *found, void *arg)
{
        struct lookup *lookup = arg;
        struct tcp_link *l = lookup->link;

        free(lookup);
        if (!l) {
                if (found) evutil_freeaddrinfo(found);
                return;
        }
        l->dial->lookup = NULL;
        l->dial->found = l->dial->next = found;
        if (result)
                dial_failed(l, ERR_UNREACHABLE, evutil_gai_strerror(result));
        else
                dial_next(l, EADDRNOTAVAIL);
}

static struct evdns_base *net_dns(struct tcp_net *net)
{
        if (net->dns || !(net->dns = evdns_base_new(loop_base(net->tcp->loop), EVDNS_BASE_DISABLE_WHEN_INACTIVE))) return net->dns;
        /* Without this file there are still the hosts file and "localhost". */
        if (evdns_base_resolv_conf_parse(net->dns, DNS_OPTIONS_ALL, "/etc/resolv.conf")) log_debug(NULL, "no name server in /etc/resolv.conf");
        return net->dns;
}

static void dial_resolve(struct tcp_net *net, struct tcp_link *l, const char *host, const char *port)
{
        struct evutil_addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = EVUTIL_AI_NUMERICHOST | EVUTIL_AI_NUMERICSERV};
        struct evdns_getaddrinfo_request *request;
        struct lookup *lookup = calloc(1, sizeof *lookup);

        if (!lookup) {
                dial_failed(l, ERR_NO_MEMORY, err_text(ERR_NO_MEMORY));
                return;
        }
        lookup->link = l;
        l->dial->lookup = lookup;
        if (!evutil_getaddrinfo(host, port, &hints, &l->dial->found)) {
                dial_resolved(0, l->dial->found, lookup);
        } else if (!net_dns(net) || context_timer_set(l->tcp->ctx, &l->timer, l->tcp->limits.connect_ms)) {
                dial_resolved(EVUTIL_EAI_MEMORY, NULL, lookup);
        } else {
                hints.ai_flags = EVUTIL_AI_NUMERICSERV;
                request = evdns_getaddrinfo(net->dns, host, port, &hints, dial_resolved, lookup);
                if (request) lookup->request = request; /* else it has called back, and `lookup` is gone */
        }
}

static enum err tcp_dial(struct net *net, const char *address, const struct link_events *events, void *user, struct link **out,
                         struct reason *why)
{
        struct tcp_net *tcp_net = (struct tcp_net *)net;
        char host[256], port_text[8];
        struct tcp_link *l;
        uint16_t port;

        if (!tcp_address_split(address, host, sizeof host, &port, why)) return ERR_USAGE;
        if (!(l = link_new(tcp_net->tcp))) return fail(why, ERR_NO_MEMORY, "%s", err_text(ERR_NO_MEMORY));
        if (!(l->dial = calloc(1, sizeof *l->dial))) {
                link_end(l);
                return fail(why, ERR_NO_MEMORY, "%s", err_text(ERR_NO_MEMORY));
        }
        l->link.events = events;
        l->link.user = user;
        evutil_snprintf(port_text, sizeof port_text, "%u", port);
        l->dial->starting = true;
        dial_resolve(tcp_net, l, host, port_text);
        l->dial->starting = false;
        if (l->dial->err) {
                enum err err = fail(why, l->dial->err, "%s", l->dial->why);

                link_end(l);
                return err;
        }
        *out = &l->link;
        return OK;
}

static void link_writable(evutil_socket_t fd, short what, void *arg)
{
        struct tcp_link *l = arg;

        (void)fd, (void)what;
        if (l->state == LINK_DIALLING)
                dial_connected(l);
        else if (link_queued(&l->link))
                link_flush(l);
}

static void link_timer(void *arg)
{
        struct tcp_link *l = arg;

        if (l->state == LINK_DIALLING)
                dial_timed_out(l);
        else if (l->state == LINK_UP)
                link_check_held(l);
        else
                link_end(l);
}

static const struct link_ops tcp_link_ops = {
        .write = link_write,
        .queued = link_queued,
        .set_reading = link_set_reading,
        .close = link_close,
};

struct net *tcp_net_new(struct loop *loop, const struct transport_limits *limits)
{
        struct tcp_net *net = calloc(1, sizeof *net);

        if (!net || !(net->tcp = tcp_new(loop, limits))) {
                free(net);
                return NULL;
        }
        net->net.dial = tcp_dial;
        return &net->net;
}

void tcp_net_free(struct net *net)
{
        struct tcp_net *tcp_net = (struct tcp_net *)net;

        if (!net) return;
        if (tcp_net->dns) evdns_base_free(tcp_net->dns, 1);
        tcp_unref(tcp_net->tcp);
        free(tcp_net);
}
