/* Sends one line to Bob, by the invitation that he printed, and prints what comes back:
 *     cc example.c $(pkg-config --cflags --libs strop) -o example && ./example strop:... */
#include <stdio.h>
#include <string.h>
#include <strop.h>

static struct strop *strop;

static void ready(void *user) { (void)user; (void)strop_connect(strop, "listener", 10000); }

static void peer_up(void *user, struct strop_peer *peer, bool vouched)
{
        (void)user, (void)vouched;
        (void)strop_send_text(strop, peer, "echoer", "hello from C", strlen("hello from C"));
}

static void peer_down(void *user, struct strop_peer *peer, enum strop_status status, const char *why)
{
        (void)user, (void)peer, (void)status;
        fprintf(stderr, "%s\n", why);
        strop_stop(strop);
}

static void message(void *user, const struct strop_message *msg)
{
        const char *text;
        size_t size;

        (void)user;
        if (strop_message_text(msg, &text, &size)) printf("%.*s\n", (int)size, text);
        strop_stop(strop);
}

int main(int argc, char **argv)
{
        struct strop_callbacks callbacks = {STROP_CALLBACKS, .ready = ready, .peer_up = peer_up, .peer_down = peer_down, .message = message};
        struct strop_config config = STROP_CONFIG;
        char why[512] = "usage: example INVITATION";

        config.invitation = argc > 1 ? argv[1] : NULL;
        if (argc < 2 || strop_new(&config, &callbacks, NULL, &strop, why, sizeof why)) return fprintf(stderr, "%s\n", why), 1;
        strop_run(strop);
        strop_free(strop);
        return 0;
}
