/* A program with a loop of its own, as somebody would write it who has libstrop installed: waits with epoll for libstrop's descriptor,
 * sends Bob ten lines, each when the one before has come back, prints the echoes, and says at the end how many threads it had and whether
 * it span. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <strop.h>
#include <sys/epoll.h>
#include <unistd.h>

static struct strop *strop;
static struct strop_peer *bob;
static unsigned echoes, threads_max;
static int failed;

static void count_threads(void)
{
        DIR *tasks = opendir("/proc/self/task");
        unsigned count = 0;

        for (struct dirent *entry; tasks && (entry = readdir(tasks));)
                count += entry->d_name[0] != '.';
        if (tasks) closedir(tasks);
        if (count > threads_max) threads_max = count;
}

static void on_ready(void *user) { (void)user, (void)strop_connect(strop, "listener", 10000); }
static void on_up(void *user, struct strop_peer *peer, bool vouched) { (void)user, (void)vouched, bob = peer; }
static void on_down(void *user, struct strop_peer *peer, enum strop_status status, const char *why)
{
        (void)user, (void)peer;
        fprintf(stderr, "%s: %s\n", strop_status_text(status), why);
        failed = 1;
}
static void on_message(void *user, const struct strop_message *message)
{
        const char *text;
        size_t size;

        (void)user;
        if (strop_message_text(message, &text, &size)) printf("%.*s\n", (int)size, text);
        echoes++;
        count_threads();
}

int main(int argc, char **argv)
{
        const struct strop_callbacks callbacks = {STROP_CALLBACKS, .ready = on_ready, .peer_up = on_up, .peer_down = on_down,
                                                  .message = on_message};
        struct strop_config config = STROP_CONFIG;
        struct epoll_event event = {.events = EPOLLIN};
        int epoll = epoll_create1(0);
        unsigned lines = 0, wakes = 0;
        char why[256] = "usage", line[256];

        config.invitation = argc > 1 ? argv[1] : NULL;
        if (argc != 2 || strop_new(&config, &callbacks, NULL, &strop, why, sizeof why)) return fprintf(stderr, "%s\n", why), 1;
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, strop_fd(strop), &event)) return perror("epoll"), 1;
        while (!failed && (!bob || echoes < 10)) {
                if (bob && lines == echoes) {
                        snprintf(line, sizeof line, "line %u", lines++);
                        if (strop_send_text(strop, bob, "echoer", line, strlen(line))) return 1;
                }
                if (strop_fd(strop) < 0 || epoll_wait(epoll, &event, 1, 20000) != 1) return fprintf(stderr, "nothing happens\n"), 1;
                strop_dispatch(strop);
                wakes++;
        }
        strop_free(strop);
        close(epoll);
        fprintf(stderr, "threads: %u\n%s\n", threads_max, wakes < 1000 ? "woken when there was something to do" : "it spins");
        return failed;
}
