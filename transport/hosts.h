/* What the connections of one host have in common: how many there are, and how much they have sent lately (R4). A host is an IPv4 address,
 * or the first 64 bits of an IPv6 one, which is what one machine is given. */
#ifndef STROP_TRANSPORT_HOSTS_H
#define STROP_TRANSPORT_HOSTS_H

#include "transport/base/err.h"
#include "transport/limits.h"

struct hosts;
struct host;

/* `limits` are borrowed. NULL: out of memory. */
struct hosts *hosts_new(const struct transport_limits *limits);
void hosts_free(struct hosts *hosts);
size_t hosts_count(const struct hosts *hosts);

/* One more connection of the host of "192.0.2.1:4000" or "[2001:db8::1]:4000"; the host lives as long as it has any. ERR_FULL: it has as
 * many as it may have; ERR_NO_MEMORY. */
MUST_USE enum err hosts_join(struct hosts *hosts, const char *peer, uint64_t now_ms, struct host **out);
/* One less. A host that has none is remembered until its debt is paid, so that leaving and coming back does not pay it. */
void hosts_leave(struct hosts *hosts, struct host *host, uint64_t now_ms);
/* A frame of so many bytes has come from it: for how many milliseconds it has to wait until the next one. */
uint64_t hosts_charge(struct hosts *hosts, struct host *host, uint64_t now_ms, size_t size);

#endif
