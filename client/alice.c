/* alice: reaches Bob through the node by an invitation or the names of his streams, and sends him lines; each comes back.
 * docs/man/alice.1
 *
 * Lines without an echo are kept, so that they can be sent again: when Bob is silent for a while a second channel is tried, and once it is
 * up it takes the place of the first (a Bob who was restarted knows nothing of the first). */
#include "client/cli.h"
#include "client/invitation.h"
#include "client/lines.h"
#include "client/strop.h"
#include "client/text.h"
#include "transport/secure_channel/secrets.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

enum {
        WINDOW_LINES = 1024,    /* lines without an echo; more are not read ... */
        WINDOW_BYTES = 4 << 20, /* ... nor beyond so many bytes of them */
        LINE_MAX_BYTES = 70000, /* longer than any channel takes; strop_max says the real limit */
        SILENCE_MS = 3000,      /* without an echo for so long: a second channel is tried */
};

struct line {
        STAILQ_ENTRY(line) entry;
        size_t n;
        uint8_t text[];
};

static struct {
        struct cli_list nodes;
        const char *invitation, *sender, *receiver, *peer_identifier, *identity;
        bool direct;
        unsigned timeout;

        struct strop *strop;
        struct strop_peer *peer; /* the channel in use; NULL until one is up */
        bool connecting, reading, terminal, all_read;
        STAILQ_HEAD(line_list, line) lines; /* sent, and no echo yet, in order */
        size_t count, bytes;
        struct lines in;
        struct strop_watch *input, *deadline, *silence, *interrupt, *terminate;
        char trouble[512]; /* the latest, until the channel is up */
        int code;
} alice = {.timeout = 10};

static const struct cli_option options[] = {
        {"node", "ADDR:PORT", CLI_LIST, &alice.nodes,
         "the node (default: the invitation's, else\n127.0.0.1:4000); again for others to try"},
        {"sender", "NAME", CLI_TEXT, &alice.sender, "the stream to write: Bob's alice_to_bob"},
        {"receiver", "NAME", CLI_TEXT, &alice.receiver, "the stream to read: Bob's bob_to_alice"},
        {"peer", "IDENTIFIER", CLI_TEXT, &alice.peer_identifier,
         "who Bob must be. Without it, and without an\ninvitation: anyone, and stderr says who it is"},
        {"identity", "FILE", CLI_TEXT, &alice.identity, "who to be; made on first use\n(default ~/.local/state/strop/alice.identity)"},
        {"timeout", "SECONDS", CLI_SECONDS, &alice.timeout, "give up after so long without progress (default 10)"},
        {"direct", NULL, CLI_FLAG, &alice.direct, "no node: --node is Bob himself, who runs --listen"},
};

static const struct cli cli = {
        .program = "alice",
        .synopsis = "alice [INVITATION] [option...]",
        .about = "Talks to Bob through a relay that nobody has to trust. Each line of stdin is a message; stdout has the echoes\n"
                 "alone, in order. On a terminal it asks for what it was not given, and then for messages.",
        .closing = "Exit code 0 when all echoes have come, 1 when it failed, 2 for wrong usage. One line on stderr says why.\n"
                   "Example: echo hello | alice strop:...",
        .options = options,
        .count = sizeof options / sizeof *options,
        .positional = &alice.invitation,
};

static void end(int code)
{
        alice.code = code;
        strop_stop(alice.strop);
}

/* --- waiting, and giving up ------------------------------------------------------------------------------------------------ */

static void on_deadline(void *arg)
{
        (void)arg;
        if (alice.peer)
                end(cli_fail(&cli, EXIT_FAILED, "no echo within %u s; Bob may be gone", alice.timeout));
        else if (*alice.trouble)
                end(cli_fail(&cli, EXIT_FAILED, "%s", alice.trouble));
        else
                end(cli_fail(&cli, EXIT_FAILED, "nobody answered within %u s: is Bob running, and are the stream names right?",
                             alice.timeout));
}

/* Something has moved: what is awaited next gets its full time. */
static void progress(void)
{
        strop_unwatch(alice.deadline);
        strop_unwatch(alice.silence);
        alice.deadline = alice.silence = NULL;
}

static void connect_again(void *arg);

static void await_progress(void)
{
        if (!alice.deadline) alice.deadline = strop_watch_time(alice.strop, alice.timeout * 1000, on_deadline, NULL);
        if (alice.peer && !alice.silence) alice.silence = strop_watch_time(alice.strop, SILENCE_MS, connect_again, NULL);
}

static void finish_if_done(void)
{
        if (alice.all_read && alice.count == 0) end(EXIT_SUCCESS);
}

/* --- sending --------------------------------------------------------------------------------------------------------------- */

static void keep_line(struct bytes text)
{
        struct line *line = malloc(sizeof *line + text.n);

        if (!line) {
                end(cli_fail(&cli, EXIT_FAILED, "out of memory"));
                return;
        }
        line->n = text.n;
        if (text.n) memcpy(line->text, text.p, text.n);
        STAILQ_INSERT_TAIL(&alice.lines, line, entry);
        alice.count++;
        alice.bytes += text.n;
}

static void drop_first_line(void)
{
        struct line *line = STAILQ_FIRST(&alice.lines);

        STAILQ_REMOVE_HEAD(&alice.lines, entry);
        alice.count--;
        alice.bytes -= line->n;
        free(line);
}

static bool send_line(struct bytes text)
{
        enum strop_status status = strop_send_text(alice.strop, alice.peer, "echoer", text.p, text.n);

        if (status) end(cli_fail(&cli, EXIT_FAILED, "cannot send: %s", strop_status_text(status)));
        return status == STROP_OK;
}

static void take_line(struct bytes text)
{
        size_t max = strop_max(alice.strop, alice.peer, "echoer");

        if (text.n > 0 && text.p[text.n - 1] == '\r') text.n--;
        if (!bytes_are_utf8(text)) {
                end(cli_fail(&cli, EXIT_FAILED, "line %llu is not UTF-8 text", (unsigned long long)alice.in.number));
                return;
        }
        if (text.n > max) {
                end(cli_fail(&cli, EXIT_FAILED, "line %llu is %zu bytes long; the most that fits is %zu",
                             (unsigned long long)alice.in.number, text.n, max));
                return;
        }
        if (send_line(text)) keep_line(text);
}

static bool has_room(void) { return alice.peer && alice.count < WINDOW_LINES && alice.bytes < WINDOW_BYTES && !strop_full(alice.strop); }

static void on_input(void *arg);

/* Reads stdin only while there is room for what it brings. */
static void set_reading(bool reading)
{
        if (reading == alice.reading) return;
        alice.reading = reading;
        if (reading)
                alice.input = strop_watch_fd(alice.strop, STDIN_FILENO, on_input, NULL);
        else
                strop_unwatch(alice.input);
        if (!reading)
                alice.input = NULL;
        else if (!alice.input)
                end(cli_fail(&cli, EXIT_FAILED, "cannot wait for standard input"));
}

static void take_lines(void)
{
        struct bytes text;

        while (has_room() && !alice.code && !alice.all_read) {
                switch (lines_next(&alice.in, &text)) {
                case LINES_LINE:
                        take_line(text);
                        break;
                case LINES_MORE:
                        set_reading(true);
                        return;
                case LINES_END:
                        alice.all_read = true;
                        break;
                case LINES_TOO_LONG:
                        end(cli_fail(&cli, EXIT_FAILED, "line %llu is too long; the most that fits is %zu bytes",
                                     (unsigned long long)alice.in.number, strop_max(alice.strop, alice.peer, "echoer")));
                        return;
                }
        }
        set_reading(false);
}

static void pump(void)
{
        if (!alice.peer) return;
        take_lines();
        if (alice.count) await_progress();
        finish_if_done();
}

/* A regular file or /dev/null cannot be waited for: it can always be read. */
static void on_input(void *arg)
{
        (void)arg;
        if (!lines_read(&alice.in, STDIN_FILENO))
                end(cli_fail(&cli, EXIT_FAILED, "cannot read standard input"));
        else
                pump();
}

/* --- the channel ------------------------------------------------------------------------------------------------------------- */

static void connect_channel(void)
{
        enum strop_status status;

        if (alice.connecting) return;
        status = strop_connect(alice.strop, "listener", alice.timeout * 1000);
        alice.connecting = status == STROP_OK;
        if (status && status != STROP_AGAIN)
                end(cli_fail(&cli, EXIT_FAILED, "cannot start a secure channel: %s", strop_status_text(status)));
}

static void connect_again(void *arg)
{
        (void)arg;
        strop_unwatch(alice.silence);
        alice.silence = NULL;
        connect_channel();
}

static void on_ready(void *user)
{
        (void)user;
        if (!alice.peer) connect_channel();
}

/* What the first channel did not bring back goes through this one, in the same order. */
static void send_again(void)
{
        struct line *line;

        STAILQ_FOREACH (line, &alice.lines, entry)
                if (!send_line(bytes_make(line->text, line->n))) return;
}

static void on_peer_up(void *user, struct strop_peer *peer, bool vouched)
{
        struct strop_peer *before = alice.peer;

        (void)user;
        alice.connecting = false;
        if (before && !alice.silence && alice.count == 0) {
                strop_disconnect(alice.strop, peer); /* the first one has come to life again */
                return;
        }
        if (!vouched && !before)
                cli_say(&cli, "talking to %s; nobody vouched for it (an invitation or --peer does)",
                        strop_peer_identifier(alice.strop, peer));
        alice.peer = peer;
        alice.trouble[0] = '\0';
        if (before) {
                cli_say(&cli, "Bob was silent; going on through a new channel");
                strop_disconnect(alice.strop, before);
                send_again();
        } else {
                progress();
                if (alice.terminal) fputs("Type a message and press Enter; Ctrl-D ends.\n", stderr);
        }
        pump();
}

static void on_peer_down(void *user, struct strop_peer *peer, enum strop_status status, const char *why)
{
        (void)user;
        if (peer != alice.peer) {
                alice.connecting = false;
                if (alice.peer) {
                        if (alice.count) await_progress();
                        return;
                }
        }
        if (status == STROP_TIMEOUT && !alice.peer)
                on_deadline(NULL);
        else
                end(cli_fail(&cli, EXIT_FAILED, "%s", why));
}

static void on_message(void *user, const struct strop_message *message)
{
        const char *text;
        size_t size;

        (void)user;
        if (strop_message_peer(alice.strop, message) != alice.peer || alice.count == 0) return;
        if (!strop_message_text(message, &text, &size)) {
                end(cli_fail(&cli, EXIT_FAILED, "an answer is no UTF-8 text"));
                return;
        }
        if (!text_print(stdout, bytes_make(text, size)) || putchar('\n') == EOF || fflush(stdout)) {
                end(cli_fail(&cli, EXIT_FAILED, "cannot write to standard output"));
                return;
        }
        drop_first_line();
        progress();
        pump();
}

static void on_drained(void *user)
{
        (void)user;
        pump();
}

static void on_notice(void *user, enum strop_status status, const char *text)
{
        (void)user;
        snprintf(alice.trouble, sizeof alice.trouble, "%s", status == STROP_OK ? "" : text);
        if (alice.peer)
                cli_say(&cli, "%s", text);
        else if (status == STROP_REFUSED)
                end(cli_fail(&cli, EXIT_FAILED, "%s", text));
}

static const struct strop_callbacks callbacks = {.ready = on_ready,
                                                 .peer_up = on_peer_up,
                                                 .peer_down = on_peer_down,
                                                 .message = on_message,
                                                 .drained = on_drained,
                                                 .notice = on_notice};

/* --- start and end ----------------------------------------------------------------------------------------------------------- */

static void on_signal(void *arg)
{
        (void)arg;
        end(cli_fail(&cli, EXIT_FAILED, "interrupted; %zu lines have no echo yet", alice.count));
}

/* Asks on the terminal for one thing; an empty answer is none. */
static const char *ask(const char *question, char *answer, size_t size)
{
        fprintf(stderr, "%s ", question);
        if (!fgets(answer, (int)size, stdin)) return NULL;
        answer[strcspn(answer, "\r\n")] = '\0';
        return *answer ? answer : NULL;
}

/* The invitation, or both names; asked for where someone is there to answer. */
static int take_names(void)
{
        static char invitation[INVITATION_TEXT_MAX + 1], sender[INVITATION_NAME_MAX + 2], receiver[INVITATION_NAME_MAX + 2];

        if (alice.direct) {
                if (alice.invitation || alice.sender || alice.receiver)
                        return cli_fail(&cli, EXIT_USAGE, "--direct goes with neither invitation nor stream names");
                return -1;
        }
        if (alice.invitation || (alice.sender && alice.receiver)) return -1;
        if (!alice.terminal) return cli_fail(&cli, EXIT_USAGE, "give Bob's invitation, or --sender and --receiver; see alice --help");
        if (!alice.sender && !alice.receiver)
                alice.invitation = ask("Bob's invitation (Enter: you have the stream names):", invitation, sizeof invitation);
        if (alice.invitation) return -1;
        if (!alice.receiver) alice.receiver = ask("Name of the bob_to_alice stream:", receiver, sizeof receiver);
        if (!alice.sender) alice.sender = ask("Name of the alice_to_bob stream:", sender, sizeof sender);
        return alice.sender && alice.receiver ? -1 : cli_fail(&cli, EXIT_USAGE, "both stream names are needed");
}

static int open_alice(void)
{
        struct strop_config config = STROP_CONFIG;
        enum strop_status status;
        char why[512];

        config.identity = alice.identity;
        config.invitation = alice.invitation;
        config.nodes = alice.nodes.items;
        config.node_count = alice.nodes.count;
        config.sender = alice.sender;
        config.receiver = alice.receiver;
        config.trusted = &alice.peer_identifier;
        config.trusted_count = alice.peer_identifier ? 1 : 0;
        status = strop_new(&config, &callbacks, NULL, &alice.strop, why, sizeof why);
        if (status) return cli_fail(&cli, EXIT_FAILED, "%s", why);
        alice.interrupt = strop_watch_signal(alice.strop, SIGINT, on_signal, NULL);
        alice.terminate = strop_watch_signal(alice.strop, SIGTERM, on_signal, NULL);
        await_progress();
        return alice.interrupt && alice.terminate && alice.deadline ? -1 : cli_fail(&cli, EXIT_FAILED, "cannot wait for signals");
}

static void close_alice(void)
{
        set_reading(false);
        progress();
        strop_unwatch(alice.interrupt);
        strop_unwatch(alice.terminate);
        strop_free(alice.strop);
        while (!STAILQ_EMPTY(&alice.lines))
                drop_first_line();
        lines_clear(&alice.in);
}

int main(int argc, char **argv)
{
        char path[CLI_PATH_MAX], why[512];
        int code = cli_parse(&cli, argc, argv);

        if (code != -1) return code;
        secrets_harden_process();
        signal(SIGPIPE, SIG_IGN);
        STAILQ_INIT(&alice.lines);
        alice.terminal = isatty(STDIN_FILENO);
        if (alice.terminal) setvbuf(stdin, NULL, _IONBF, 0);
        if ((code = take_names()) != -1) return code;
        if (!alice.identity && !cli_state_path("alice.identity", path, why, sizeof why)) return cli_fail(&cli, EXIT_FAILED, "%s", why);
        if (!alice.identity) alice.identity = path;
        if (!alice.invitation && alice.nodes.count == 0) alice.nodes.items[alice.nodes.count++] = "127.0.0.1:4000";
        if (!lines_init(&alice.in, LINE_MAX_BYTES)) return cli_fail(&cli, EXIT_FAILED, "out of memory");
        if ((code = open_alice()) == -1) {
                strop_run(alice.strop);
                code = alice.code;
        }
        close_alice();
        return code;
}
