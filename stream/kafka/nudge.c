/* A thread that connects and closes until a pipe is closed. */
#include "stream/kafka/nudge.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVERY_MS = 5 };

struct nudge {
        pthread_t thread;
        uint16_t port;
        int end[2];
};

static void knock(uint16_t port)
{
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0) return;
        (void)!connect(fd, (const struct sockaddr *)&address, sizeof address); /* refused: it is on its way out */
        close(fd);
}

static void *nudge_main(void *arg)
{
        struct nudge *nudge = arg;
        struct pollfd end = {.fd = nudge->end[0], .events = POLLIN};

        while (poll(&end, 1, EVERY_MS) == 0) knock(nudge->port);
        return NULL;
}

struct nudge *nudge_start(uint16_t port)
{
        struct nudge *nudge = calloc(1, sizeof *nudge);
        sigset_t all, before;
        int err;

        if (!nudge) return NULL;
        nudge->port = port;
        if (pipe2(nudge->end, O_CLOEXEC) < 0) {
                free(nudge);
                return NULL;
        }
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        err = pthread_create(&nudge->thread, NULL, nudge_main, nudge);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (!err) return nudge;
        close(nudge->end[0]);
        close(nudge->end[1]);
        free(nudge);
        return NULL;
}

void nudge_stop(struct nudge *nudge)
{
        if (!nudge) return;
        close(nudge->end[1]); /* the other end can be read: it is at its end */
        pthread_join(nudge->thread, NULL);
        close(nudge->end[0]);
        free(nudge);
}
