/* The table of hosts, by address; those without connections in the order in which they were left, and forgotten when someone comes or goes.
 */
#include "transport/hosts.h"

#include "transport/bucket.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

enum { FORGET_AT_ONCE = 4 };

struct host_key {
        uint8_t bytes[16]; /* all of an IPv4 address behind a mark, the first half of an IPv6 one, or the beginning of what is neither */
};

struct host {
        struct host_key key;
        size_t connections;
        struct bucket frames, bytes;
        TAILQ_ENTRY(host) left; /* of those without connections */
        UT_hash_handle hh;
};

struct hosts {
        const struct transport_limits *limits;
        struct host *table;
        TAILQ_HEAD(host_queue, host) left;
};

struct hosts *hosts_new(const struct transport_limits *limits)
{
        struct hosts *hosts = calloc(1, sizeof *hosts);

        if (!hosts) return NULL;
        hosts->limits = limits;
        TAILQ_INIT(&hosts->left);
        return hosts;
}

void hosts_free(struct hosts *hosts)
{
        struct host *host, *next;

        if (!hosts) return;
        HASH_ITER(hh, hosts->table, host, next)
        {
                HASH_DEL(hosts->table, host);
                free(host);
        }
        free(hosts);
}

size_t hosts_count(const struct hosts *hosts) { return HASH_COUNT(hosts->table); }

static struct host_key key_of(const char *peer)
{
        const char *begin = peer[0] == '[' ? peer + 1 : peer, *end = peer[0] == '[' ? strpbrk(begin, "%]") : strrchr(begin, ':');
        size_t n = end ? (size_t)(end - begin) : strlen(begin);
        struct host_key key = {{0}};
        char text[INET6_ADDRSTRLEN];
        struct in6_addr v6;

        if (n >= sizeof text) n = sizeof text - 1;
        memcpy(text, begin, n);
        text[n] = '\0';
        if (inet_pton(AF_INET, text, key.bytes + 12) == 1)
                memset(key.bytes, 0xff, 12);
        else if (inet_pton(AF_INET6, text, &v6) == 1)
                memcpy(key.bytes, &v6, IN6_IS_ADDR_V4MAPPED(&v6) ? 16 : 8);
        else
                memcpy(key.bytes, text, n < sizeof key.bytes ? n : sizeof key.bytes);
        return key;
}

uint64_t hosts_charge(struct hosts *hosts, struct host *host, uint64_t now_ms, size_t size)
{
        uint64_t frames = bucket_take(&host->frames, hosts->limits->host_frames_per_s, now_ms, size > 0);
        uint64_t bytes = bucket_take(&host->bytes, hosts->limits->host_bytes_per_s, now_ms, size);

        return frames > bytes ? frames : bytes;
}

/* Looks at each that was left, once at most, and at few of them: the rest has its turn when the next one comes or goes. */
static void forget_left(struct hosts *hosts, uint64_t now_ms)
{
        struct host *host;

        for (int looked = 0; looked < FORGET_AT_ONCE && (host = TAILQ_FIRST(&hosts->left)); looked++) {
                TAILQ_REMOVE(&hosts->left, host, left);
                if (hosts_charge(hosts, host, now_ms, 0)) {
                        TAILQ_INSERT_TAIL(&hosts->left, host, left);
                        continue;
                }
                HASH_DEL(hosts->table, host);
                free(host);
        }
}

static struct host *host_new(struct hosts *hosts, const struct host_key *key)
{
        struct host *host = calloc(1, sizeof *host), *added;

        if (!host) return NULL;
        host->key = *key;
        HASH_ADD(hh, hosts->table, key, sizeof host->key, host);
        HASH_FIND(hh, hosts->table, key, sizeof *key, added);
        if (added) return host;
        free(host);
        return NULL;
}

enum err hosts_join(struct hosts *hosts, const char *peer, uint64_t now_ms, struct host **out)
{
        size_t most = hosts->limits->host_connections;
        struct host_key key = key_of(peer);
        struct host *host;

        HASH_FIND(hh, hosts->table, &key, sizeof key, host);
        if (host && most && host->connections >= most) return ERR_FULL;
        if (host && !host->connections) TAILQ_REMOVE(&hosts->left, host, left);
        if (!host && !(host = host_new(hosts, &key))) return ERR_NO_MEMORY;
        host->connections++;
        forget_left(hosts, now_ms);
        *out = host;
        return OK;
}

void hosts_leave(struct hosts *hosts, struct host *host, uint64_t now_ms)
{
        if (--host->connections == 0) TAILQ_INSERT_TAIL(&hosts->left, host, left);
        forget_left(hosts, now_ms);
}
