/* Sends one line to Bob, by the invitation that he printed, and prints what comes back:
 *     cc example.c $(pkg-config --cflags --libs strop) -o example && ./example strop:... */
#include <stdio.h>
#include <string.h>
#include <strop.h>

static struct strop *strop;
static int code = 1; /* until the answer is there */

static void fail(const char *why)
{
        fprintf(stderr, "%s\n", why);
        strop_stop(strop);
}

static void check(enum strop_status status)
{
        if (status) fail(strop_status_text(status));
}

static void ready(void *user) { (void)user, check(strop_connect(strop, "listener", 5000)); }

static void late(void *user) { (void)user, fail("no answer within 10 s"); }

static void peer_up(void *user, struct strop_peer *peer, bool vouched)
{
        (void)user, (void)vouched;
        check(strop_send_text(strop, peer, "echoer", "hello from C", strlen("hello from C")));
}

static void peer_down(void *user, struct strop_peer *peer, enum strop_status status, const char *why)
{
        (void)user, (void)peer, (void)status, fail(why);
}

/* A refusal is final; a node that is away may come back, and there may be others. */
static void notice(void *user, enum strop_status status, const char *text)
{
        (void)user;
        fprintf(stderr, "%s\n", text);
        if (status == STROP_REFUSED) strop_stop(strop);
}

static void message(void *user, const struct strop_message *msg)
{
        const char *text;
        size_t size;

        (void)user;
        if (strop_message_text(msg, &text, &size)) code = printf("%.*s\n", (int)size, text) < 0 || fflush(stdout);
        strop_stop(strop);
}

int main(int argc, char **argv)
{
        struct strop_callbacks callbacks = {STROP_CALLBACKS, .ready = ready, .peer_up = peer_up,
                                            .peer_down = peer_down, .message = message, .notice = notice};
        struct strop_config config = STROP_CONFIG;
        char why[512] = "usage: example INVITATION";

        config.invitation = argc > 1 ? argv[1] : NULL;
        if (argc < 2 || strop_new(&config, &callbacks, NULL, &strop, why, sizeof why)) return fprintf(stderr, "%s\n", why), 1;
        if (strop_watch_time(strop, 10000, late, NULL)) strop_run(strop);
        strop_free(strop);
        return code;
}
