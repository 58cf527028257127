/* bob: connects out to a node, registers a bi-directional stream there, answers secure channels and echoes what comes through them.
 * docs/man/bob.1 */
#include "client/cli.h"
#include "client/names.h"
#include "client/strop.h"
#include "client/text.h"
#include "transport/base/standard.h"
#include "transport/secure_channel/secrets.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

enum { START_MS = 10000 }; /* to reach the node for the first time */

static struct {
        struct cli_list nodes, advertised, trusted;
        const char *identity, *sender, *receiver, *client_id, *listen;
        bool fresh_names, json;

        struct strop *strop;
        struct strop_watch *start, *interrupt, *terminate;
        struct names names;
        char invitation[INVITATION_TEXT_MAX + 1];
        bool stands;       /* it has been up and its lines are printed */
        bool mute;         /* nobody reads them any more, which has been said */
        char trouble[512]; /* the latest, until then */
        int code;
} bob;

static const struct cli_option options[] = {
        {"node", "ADDR:PORT", CLI_LIST, &bob.nodes,
         "the node to connect to (default 127.0.0.1:4000);\nagain for others to try when it is away"},
        {"advertise", "ADDR:PORT", CLI_LIST, &bob.advertised, "where Alice finds the node, for the invitation,\nwhere that is not --node"},
        {"identity", "FILE", CLI_TEXT, &bob.identity, "who to be; made on first use\n(default ~/.local/state/strop/bob.identity)"},
        {"trust", "IDENTIFIER", CLI_LIST, &bob.trusted, "let in this Alice; again for others.\nWithout it: everyone, and stderr says whom"},
        {"sender", "NAME", CLI_TEXT, &bob.sender, "the stream to write (default: made once, kept\nbeside the identity)"},
        {"receiver", "NAME", CLI_TEXT, &bob.receiver, "the stream to read (likewise)"},
        {"client-id", "ID", CLI_TEXT, &bob.client_id,
         "under which the node keeps how far Bob has read\n(default: made of identity and stream)"},
        {"new", NULL, CLI_FLAG, &bob.fresh_names, "make new stream names; those given out before\nlead to nobody then"},
        {"json", NULL, CLI_FLAG, &bob.json,
         "stdout as JSON, an object on a line: the names, then\n{\"received\":\"TEXT\",\"from\":\"IDENTIFIER\"} for each message"},
        {"listen", "ADDR:PORT", CLI_TEXT, &bob.listen, "no node: let Alice connect straight to this port"},
};

static const struct cli cli = {
        .program = "bob",
        .synopsis = "bob [--node ADDR:PORT]... [--trust IDENTIFIER]... [option...]",
        .about = "Waits behind a relay that nobody has to trust, and echoes what Alice sends through a secure channel.\n"
                 "Prints the names of his two streams, his identifier, and an invitation that holds all of it: give that\n"
                 "to Alice. Then a line for each message: \"received: TEXT\". Runs until SIGTERM or SIGINT.",
        .closing = "Exit code 0 after a signal, 1 when it failed, 2 for wrong usage. One line on stderr says why.\n"
                   "Example: bob --node relay.example:4000, then elsewhere: alice strop:...",
        .options = options,
        .count = sizeof options / sizeof *options,
};

static void end(int code)
{
        bob.code = code;
        strop_stop(bob.strop);
}

/* False: it cannot be written to. */
static bool flush(void) { return fflush(stdout) == 0 && !ferror(stdout); }

/* "name: value" lines, or one object. */
static void print_fields(const char *const fields[][2], size_t count)
{
        for (size_t i = 0; i < count; i++) {
                if (!bob.json) {
                        printf("%s: %s\n", fields[i][0], fields[i][1]);
                        continue;
                }
                printf("%s\"%s\":", i ? "," : "{", fields[i][0]);
                text_print_json(stdout, bytes_of_text(fields[i][1]));
        }
        if (bob.json) puts("}");
        if (!flush()) end(cli_fail(&cli, EXIT_FAILED, "cannot write to standard output: %s", strerror(errno)));
}

static void print_names(void)
{
        const char *const fields[][2] = {{"bob_to_alice", bob.sender},
                                         {"alice_to_bob", bob.receiver},
                                         {"identifier", strop_identifier(bob.strop)},
                                         {"invitation", bob.invitation}};

        print_fields(fields, 4);
}

/* Whoever wanted the names alone has closed the pipe, perhaps: the echoes go on. */
static void print_received(const struct strop_message *message, struct bytes text)
{
        const struct strop_peer *peer = strop_message_peer(bob.strop, message);

        fputs(bob.json ? "{\"received\":" : "received: ", stdout);
        if (bob.json)
                text_print_json(stdout, text);
        else
                text_print(stdout, text);
        if (bob.json) printf(",\"from\":\"%s\"}", peer ? strop_peer_identifier(bob.strop, peer) : "");
        putchar('\n');
        if (flush() || bob.mute) return;
        bob.mute = true;
        cli_say(&cli, "cannot write to standard output: %s. Going on without", strerror(errno));
}

/* The first time it stands: says where Alice finds it. */
static void on_ready(void *user)
{
        (void)user;
        if (bob.stands) return;
        bob.stands = true;
        strop_unwatch(bob.start);
        bob.start = NULL;
        print_names();
}

static void on_start_over(void *arg)
{
        (void)arg;
        end(cli_fail(&cli, EXIT_FAILED, "%s", *bob.trouble ? bob.trouble : "the node did not answer within 10 s; its Kafka may be away"));
}

static void on_peer_up(void *user, struct strop_peer *peer, bool vouched)
{
        (void)user;
        cli_say(&cli, vouched ? "%s is here" : "%s is here; nobody vouched for it (--trust names who may come)",
                strop_peer_identifier(bob.strop, peer));
}

static void on_peer_down(void *user, struct strop_peer *peer, enum strop_status status, const char *why)
{
        (void)user, (void)status;
        cli_say(&cli, "%s is gone: %s", strop_peer_identifier(bob.strop, peer), why);
}

static void on_message(void *user, const struct strop_message *message)
{
        enum strop_status status;
        const char *text;
        size_t size;

        (void)user;
        if (!strop_message_text(message, &text, &size)) {
                cli_say(&cli, "left out a message that is no UTF-8 text");
                return;
        }
        print_received(message, bytes_make(text, size));
        if ((status = strop_reply_text(bob.strop, message, text, size))) cli_say(&cli, "cannot answer: %s", strop_status_text(status));
}

static void on_notice(void *user, enum strop_status status, const char *text)
{
        (void)user;
        snprintf(bob.trouble, sizeof bob.trouble, "%s", status == STROP_OK ? "" : text);
        if (bob.stands)
                cli_say(&cli, "%s", text);
        else if (status == STROP_REFUSED)
                end(cli_fail(&cli, EXIT_FAILED, "%s", text));
}

static const struct strop_callbacks callbacks = {
        STROP_CALLBACKS,
        .ready = on_ready, .peer_up = on_peer_up, .peer_down = on_peer_down, .message = on_message, .notice = on_notice};

static void on_signal(void *arg)
{
        (void)arg;
        end(EXIT_SUCCESS);
}

/* The names that were given, else those of the file beside the identity. */
static int take_names(void)
{
        char path[CLI_PATH_MAX + 16];
        struct context ctx;
        struct reason why;
        enum err err;

        if (bob.listen && (bob.sender || bob.receiver || bob.client_id || bob.fresh_names || bob.nodes.count || bob.advertised.count))
                return cli_fail(&cli, EXIT_USAGE,
                                "--listen is for Bobs without a node: it goes with none of --node, --advertise, --sender, --receiver, "
                                "--client-id and --new");
        if (bob.listen || (bob.sender && bob.receiver)) return -1;
        context_init(&ctx);
        snprintf(path, sizeof path, "%s.streams", bob.identity);
        err = names_open(&bob.names, path, &ctx, bob.fresh_names, &why);
        context_clear(&ctx);
        if (err) return cli_fail(&cli, EXIT_FAILED, "%s", why.text);
        if (!bob.sender) bob.sender = bob.names.bob_to_alice;
        if (!bob.receiver) bob.receiver = bob.names.alice_to_bob;
        return -1;
}

static int print_listening(void)
{
        const char *const fields[][2] = {{"listening", strop_listening(bob.strop)}, {"identifier", strop_identifier(bob.strop)}};

        bob.stands = true;
        print_fields(fields, 2);
        return -1;
}

/* Made before the node is reached, so that what is wrong with it is told at once. */
static int make_invitation(void)
{
        const char *const *nodes = bob.advertised.items;
        const size_t count = bob.advertised.count, room = sizeof bob.invitation;

        if (strop_invitation(bob.strop, NULL, 0, bob.invitation, room))
                return cli_fail(&cli, EXIT_USAGE, "cannot make an invitation: no stream can have such a name, or a node such an address");
        if (count > INVITATION_NODES_MAX)
                return cli_fail(&cli, EXIT_USAGE, "--advertise is given more than %d times", INVITATION_NODES_MAX);
        for (size_t i = 0; i < count; i++)
                if (strop_invitation(bob.strop, &nodes[i], 1, bob.invitation, room))
                        return cli_fail(&cli, EXIT_USAGE, "--advertise %.300s is not HOST:PORT", nodes[i]);
        if (count && strop_invitation(bob.strop, nodes, count, bob.invitation, room))
                return cli_fail(&cli, EXIT_USAGE, "cannot make an invitation: --advertise is too long");
        return -1;
}

static int open_bob(void)
{
        struct strop_config config = STROP_CONFIG;
        enum strop_status status;
        char why[512];

        config.identity = bob.identity;
        config.nodes = bob.nodes.items;
        config.node_count = bob.nodes.count;
        config.sender = bob.sender;
        config.receiver = bob.receiver;
        config.client_id = bob.client_id;
        config.direct = bob.listen;
        config.trusted = bob.trusted.items;
        config.trusted_count = bob.trusted.count;
        config.listener = "listener";
        config.worker = "echoer";
        status = strop_new(&config, &callbacks, NULL, &bob.strop, why, sizeof why);
        if (status) return cli_fail(&cli, status == STROP_USAGE ? EXIT_USAGE : EXIT_FAILED, "%s", why);
        bob.interrupt = strop_watch_signal(bob.strop, SIGINT, on_signal, NULL);
        bob.terminate = strop_watch_signal(bob.strop, SIGTERM, on_signal, NULL);
        if (!bob.listen) bob.start = strop_watch_time(bob.strop, START_MS, on_start_over, NULL);
        if (!bob.interrupt || !bob.terminate || (!bob.listen && !bob.start)) return cli_fail(&cli, EXIT_FAILED, "cannot wait for signals");
        return bob.listen ? print_listening() : make_invitation();
}

static void close_bob(void)
{
        strop_unwatch(bob.start);
        strop_unwatch(bob.interrupt);
        strop_unwatch(bob.terminate);
        strop_free(bob.strop);
}

int main(int argc, char **argv)
{
        char path[CLI_PATH_MAX], why[512];
        int code = standard_hold() ? cli_parse(&cli, argc, argv) : EXIT_FAILED;

        if (code != -1) return code;
        secrets_harden_process();
        signal(SIGPIPE, SIG_IGN);
        if (!bob.identity && !cli_state_path("bob.identity", path, why, sizeof why)) return cli_fail(&cli, EXIT_FAILED, "%s", why);
        if (!bob.identity) bob.identity = path;
        if ((code = take_names()) != -1) return code;
        if (!bob.listen && bob.nodes.count == 0) bob.nodes.items[bob.nodes.count++] = "127.0.0.1:4000";
        if ((code = open_bob()) == -1) {
                strop_run(bob.strop);
                code = bob.code;
        }
        close_bob();
        return code;
}
