/* A listener and plain sockets: see the header. */
#include "tests/support/tcp_rig.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

void tcp_rig_init(struct tcp_rig *rig, void (*accepted)(void *user, struct link *take_link), void *user)
{
        struct transport_limits limits = TRANSPORT_LIMITS_DEFAULT;
        struct reason why;

        context_init(&rig->ctx);
        assert_non_null(rig->loop = loop_new(&rig->ctx));
        assert_ok(tcp_listen(rig->loop, &limits, "127.0.0.1:0", accepted, user, &rig->listener, &why));
}

void tcp_rig_clear(struct tcp_rig *rig)
{
        tcp_listener_free(rig->listener);
        loop_run_once(rig->loop);
        loop_free(rig->loop);
        context_clear(&rig->ctx);
}

int tcp_rig_connect(const struct tcp_rig *rig) { return plain_socket(tcp_listener_address(rig->listener)); }

int plain_socket(const char *address)
{
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        to.sin_port = htons((uint16_t)strtoul(strrchr(address, ':') + 1, NULL, 10));
        assert_true(fd >= 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
        return fd;
}

int socket_to(const char *peer)
{
        for (int fd = 3; fd < 256; fd++) {
                struct sockaddr_storage address;
                socklen_t size = sizeof address;
                char text[64];

                if (getpeername(fd, (struct sockaddr *)&address, &size)) continue;
                tcp_address_text((struct sockaddr *)&address, size, text, sizeof text);
                if (!strcmp(text, peer)) return fd;
        }
        fail_msg("no socket to %s", peer);
        return -1;
}

int other_end(int fd)
{
        struct sockaddr_storage address;
        socklen_t size = sizeof address;
        char text[64];

        assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
        tcp_address_text((struct sockaddr *)&address, size, text, sizeof text);
        return socket_to(text);
}
