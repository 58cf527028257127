/* The TCP listener: accepts connections and hands each on as a link. When descriptors or memory run out it pauses, so that a
 * connection which cannot be accepted does not keep the loop busy, and goes on by itself. */
#include "transport/tcp_links.h"

#include "transport/base/logger.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct tcp_listener {
        struct loop *loop;
        struct tcp *tcp;
        int fd;
        struct loop_watch *watch; /* NULL: pausing */
        struct timer pause;
        uint64_t said_ms;         /* when the last pause was logged; 0: never */
        void (*accepted)(void *user, struct link *take_link);
        void *user;
        char address[64];
};

/* A socket that cannot be accepted now would make the listener ready for ever: wait a little instead. */
static void listener_pause(struct tcp_listener *listener, int error)
{
        struct context *ctx = loop_context(listener->loop);
        uint64_t now = context_now_ms(ctx);

        context_count(ctx, STAT_ACCEPTS_PAUSED);
        if (!listener->said_ms || now - listener->said_ms >= ACCEPT_LOG_MS) {
                listener->said_ms = now;
                log_warning(listener->address, "accepting pauses: %s", strerror(error));
        }
        if (context_timer_set(ctx, &listener->pause, ACCEPT_PAUSE_MS)) return; /* no memory at all: rather spin than be deaf */
        loop_unwatch(listener->watch);
        listener->watch = NULL;
}

static void listener_ready(void *arg);

static void listener_resume(void *arg)
{
        struct tcp_listener *listener = arg;

        if (loop_watch_fd(listener->loop, listener->fd, listener_ready, listener, &listener->watch)) listener_pause(listener, ENOMEM);
}

static void listener_take(struct tcp_listener *listener, int fd, const struct sockaddr *address, size_t size)
{
        struct link *link;

        if (tcp_link_accepted(listener->tcp, fd, address, size, &link))
                context_count(loop_context(listener->loop), STAT_CONNS_REFUSED);
        else
                listener->accepted(listener->user, link);
}

/* Accepts one; false when there is none, or none can be had. */
static bool listener_accept_one(struct tcp_listener *listener)
{
        struct sockaddr_storage address;
        socklen_t size = sizeof address;
        int fd = accept4(listener->fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
                listener_take(listener, fd, (struct sockaddr *)&address, size);
                return true;
        }
        switch (errno) {
        case EAGAIN:
                return false;
        case EINTR:
        case ECONNABORTED:
        case EPROTO:
        case ENETDOWN:
        case ENETUNREACH:
        case EHOSTDOWN:
        case EHOSTUNREACH: /* that one connection ended before it was accepted */
                return true;
        default: /* descriptors or memory */
                listener_pause(listener, errno);
                return false;
        }
}

static void listener_ready(void *arg)
{
        struct tcp_listener *listener = arg;
        int i;

        for (i = 0; i < ACCEPTS_PER_ROUND && listener_accept_one(listener); i++) {}
}

/* A listening socket; -1 with errno. */
static int listener_socket(const struct sockaddr *address, size_t size)
{
        int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1, error;

        if (fd < 0) return -1;
        if (!setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) && !bind(fd, address, (socklen_t)size) && !listen(fd, SOMAXCONN)) return fd;
        error = errno;
        close(fd);
        errno = error;
        return -1;
}

static bool listener_note_address(struct tcp_listener *listener)
{
        struct sockaddr_storage address;
        socklen_t size = sizeof address;

        if (getsockname(listener->fd, (struct sockaddr *)&address, &size)) return false;
        tcp_address_text((struct sockaddr *)&address, size, listener->address, sizeof listener->address);
        return true;
}

static enum err listener_open(struct tcp_listener *listener, const char *address, struct reason *why)
{
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE}, *found;
        char host[64], port_text[8];
        uint16_t port;

        if (!tcp_address_split(address, host, sizeof host, &port, why)) return ERR_USAGE;
        snprintf(port_text, sizeof port_text, "%u", port);
        if (getaddrinfo(host, port_text, &hints, &found))
                return fail(why, ERR_USAGE, "cannot listen on \"%s\": the host must be an IP address, such as 127.0.0.1", address);
        listener->fd = listener_socket(found->ai_addr, found->ai_addrlen);
        freeaddrinfo(found);
        if (listener->fd < 0 || !listener_note_address(listener))
                return fail(why, ERR_SYSTEM, "cannot listen on %s: %s", address, strerror(errno));
        if (loop_watch_fd(listener->loop, listener->fd, listener_ready, listener, &listener->watch))
                return fail(why, ERR_SYSTEM, "cannot listen on %s: no memory", address);
        return OK;
}

enum err tcp_listen(struct loop *loop, const struct transport_limits *limits, const char *address,
                    void (*accepted)(void *user, struct link *take_link), void *user, struct tcp_listener **out, struct reason *why)
{
        struct tcp_listener *listener = calloc(1, sizeof *listener);
        enum err err;

        if (!listener || !(listener->tcp = tcp_new(loop, limits))) {
                free(listener);
                return fail(why, ERR_NO_MEMORY, "%s", err_text(ERR_NO_MEMORY));
        }
        listener->loop = loop;
        listener->accepted = accepted;
        listener->user = user;
        listener->fd = -1;
        timer_init(&listener->pause, listener_resume, listener);
        if ((err = listener_open(listener, address, why))) {
                if (listener->fd >= 0) close(listener->fd);
                tcp_unref(listener->tcp);
                free(listener);
                return err;
        }
        *out = listener;
        return OK;
}

const char *tcp_listener_address(const struct tcp_listener *listener)
{
        return listener->address;
}

void tcp_listener_free(struct tcp_listener *listener)
{
        if (!listener) return;
        context_timer_stop(loop_context(listener->loop), &listener->pause);
        loop_unwatch(listener->watch);
        close(listener->fd);
        tcp_unref(listener->tcp);
        free(listener);
}
