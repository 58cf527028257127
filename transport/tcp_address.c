/* "host:port" as people write it, taken apart, and sockets' addresses put into that form. */
#include "transport/tcp.h"

#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>

/* A port: digits alone, at most 65535. */
static bool port_read(const char *text, uint16_t *port)
{
        uint32_t value = 0;
        size_t n;

        for (n = 0; text[n]; n++) {
                if (text[n] < '0' || text[n] > '9' || n == 5) return false;
                value = value * 10 + (uint32_t)(text[n] - '0');
        }
        if (!n || value > UINT16_MAX) return false;
        *port = (uint16_t)value;
        return true;
}

/* Where host and port stand in the text. */
struct parts {
        const char *host, *port;
        size_t host_n;
};

static bool address_parts(const char *address, struct parts *out)
{
        const char *end = address[0] == '[' ? strchr(address, ']') : strrchr(address, ':');

        if (!end) return false;
        if (address[0] == '[') {
                *out = (struct parts){address + 1, end + 2, (size_t)(end - address) - 1};
                return end[1] == ':';
        }
        *out = (struct parts){address, end + 1, (size_t)(end - address)};
        return !memchr(address, ':', out->host_n); /* an IPv6 address needs its brackets */
}

bool tcp_address_split(const char *address, char *host, size_t host_cap, uint16_t *port, struct reason *why)
{
        enum err err = OK;
        struct parts parts = {0};

        if (!address_parts(address, &parts) || !parts.host_n)
                err = fail(why, ERR_USAGE, "\"%.100s\" is not host:port (or [IPv6 address]:port)", address);
        else if (parts.host_n >= host_cap)
                err = fail(why, ERR_USAGE, "the host in \"%.100s\" is too long", address);
        else if (!port_read(parts.port, port))
                err = fail(why, ERR_USAGE, "the port in \"%.100s\" is not a number from 0 to 65535", address);
        if (err) return false;
        memcpy(host, parts.host, parts.host_n);
        host[parts.host_n] = 0;
        return true;
}

void tcp_address_text(const struct sockaddr *address, size_t size, char *out, size_t cap)
{
        char host[NI_MAXHOST], port[NI_MAXSERV];

        if (getnameinfo(address, (socklen_t)size, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV)) {
                snprintf(out, cap, "?");
                return;
        }
        snprintf(out, cap, address->sa_family == AF_INET6 ? "[%.45s]:%.5s" : "%.45s:%.5s", host, port);
}
