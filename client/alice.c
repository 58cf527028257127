/* alice: reaches Bob through the node by an invitation or the names of his streams, and sends him lines; each comes back.
 * docs/man/alice.1
 *
 * Lines without an echo are kept, so that they can be sent again: when Bob is silent for a while a second channel is tried (a
 * Bob who was restarted knows nothing of the first). Streams keep their order: what was sent before its handshake and has not come back
 * when that is answered will not come back any more, and goes again through the second. Else the first one lives, and the second ends.
 *
 * An echo is known by its text. One that comes before that of an earlier line waits for it: whoever holds the streams may lose a line, or
 * swap two, and what is printed is still each line once, in order (C6). */
#include "client/cli.h"
#include "client/invitation.h"
#include "client/lines.h"
#include "client/strop.h"
#include "client/text.h"
#include "transport/base/standard.h"
#include "transport/secure_channel/secrets.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
        WINDOW_LINES = 1024,    /* lines without an echo; more are not read ... */
        WINDOW_BYTES = 4 << 20, /* ... nor beyond so many bytes of them */
        LINE_MAX_BYTES = 70000, /* longer than any channel takes; strop_max says the real limit */
        SILENCE_MS = 3000,      /* without an echo for so long: a second channel is tried */
};

struct line {
        STAILQ_ENTRY(line) entry;
        bool echoed; /* before an earlier one */
        size_t n;
        uint8_t text[];
};

static struct {
        struct cli_list nodes;
        const char *invitation, *sender, *receiver, *peer_identifier, *identity;
        bool direct, json;
        unsigned timeout;

        struct strop *strop;
        struct strop_peer *peer; /* the channel in use; NULL: none is up */
        bool connecting;         /* another one is tried */
        bool terminal;
        bool greeted;  /* who answered has been said */
        bool odd;      /* ... and that there was an answer that is no echo */
        bool all_read; /* nothing more is sent: the end of stdin, or a line that cannot be */
        bool refused;  /* ... the latter */
        bool ended;
        STAILQ_HEAD(line_list, line) lines; /* sent, and not printed yet, in order */
        size_t count, bytes;
        uint64_t sent, came;  /* lines sent, and those that came back and all before them: they are printed */
        uint64_t sent_before; /* `sent` when the channel that is tried was begun */
        struct lines in;
        struct strop_watch *input, *look_again, *deadline, *silence, *interrupt, *terminate;
        char trouble[512]; /* the latest with the node; empty: none */
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
        {"json", NULL, CLI_FLAG, &alice.json, "each echo as a JSON object on a line:\n{\"line\":1,\"echo\":\"TEXT\"}"},
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
        if (alice.ended) return;
        alice.ended = true;
        alice.code = code;
        strop_stop(alice.strop);
}

/* --- waiting, and giving up ------------------------------------------------------------------------------------------------ */

static int fail_amid(const char *why)
{
        return cli_fail(&cli, EXIT_FAILED, "%s; %" PRIu64 " of %" PRIu64 " lines have come back", why, alice.came, alice.sent);
}

/* Something has moved: what is awaited next gets its full time. */
static void progress(void)
{
        strop_watch_again(alice.deadline, alice.timeout * 1000);
        strop_watch_again(alice.silence, SILENCE_MS);
}

static void on_deadline(void *arg)
{
        char why[128];

        (void)arg;
        if (alice.ended || (alice.peer && alice.count == 0)) return; /* nothing is awaited */
        snprintf(why, sizeof why, "no echo within %u s: Bob may be gone%s", alice.timeout, alice.came ? "" : ", or not let this Alice in");
        if (alice.greeted)
                end(fail_amid(*alice.trouble ? alice.trouble : why));
        else if (*alice.trouble)
                end(cli_fail(&cli, EXIT_FAILED, "%s", alice.trouble));
        else if (!alice.connecting)
                end(cli_fail(&cli, EXIT_FAILED, "the node did not answer within %u s; its Kafka may be away", alice.timeout));
        else if (alice.direct)
                end(cli_fail(&cli, EXIT_FAILED, "nobody answered within %u s: is it Bob who listens there?", alice.timeout));
        else
                end(cli_fail(&cli, EXIT_FAILED, "nobody answered within %u s: is Bob running, and are the stream names right?",
                             alice.timeout));
}

static void finish_if_done(void)
{
        if (alice.all_read && alice.count == 0) end(alice.refused ? EXIT_FAILED : EXIT_SUCCESS);
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
        line->echoed = false;
        if (text.n) memcpy(line->text, text.p, text.n);
        if (alice.count == 0) progress();
        STAILQ_INSERT_TAIL(&alice.lines, line, entry);
        alice.count++;
        alice.bytes += text.n;
        alice.sent++;
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

/* A line that cannot be sent is the last: it ends with a failure once the others have come back. On a terminal it can be typed anew. */
static void refuse_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void refuse_line(const char *fmt, ...)
{
        char why[128];
        va_list args;

        va_start(args, fmt);
        vsnprintf(why, sizeof why, fmt, args);
        va_end(args);
        cli_say(&cli, "line %" PRIu64 " %s; %s", alice.in.number, why,
                alice.terminal ? "it was not sent" : "neither it nor what follows was sent");
        if (!alice.terminal) alice.refused = alice.all_read = true;
}

static void take_line(struct bytes text)
{
        size_t max = strop_max(alice.strop, alice.peer, "echoer");

        if (text.n > 0 && text.p[text.n - 1] == '\r') text.n--;
        if (!bytes_are_utf8(text))
                refuse_line("is not UTF-8 text");
        else if (text.n > max)
                refuse_line("is %zu bytes long, and the most that fits is %zu", text.n, max);
        else if (send_line(text))
                keep_line(text);
}

static bool has_room(void) { return alice.peer && alice.count < WINDOW_LINES && alice.bytes < WINDOW_BYTES && !strop_full(alice.strop); }

static void on_input(void *arg);

static void stop_reading(void)
{
        strop_unwatch(alice.input);
        strop_unwatch(alice.look_again);
        alice.input = alice.look_again = NULL;
}

/* Waits for stdin. A file, or /dev/null, cannot be waited for but can always be read: in the next turn. */
static void read_on(void)
{
        struct stat st;
        bool can_wait = isatty(STDIN_FILENO) || (fstat(STDIN_FILENO, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)));

        if (alice.input || alice.look_again) return;
        if (can_wait)
                alice.input = strop_watch_fd(alice.strop, STDIN_FILENO, on_input, NULL);
        else
                alice.look_again = strop_watch_time(alice.strop, 0, on_input, NULL);
        if (!alice.input && !alice.look_again) end(cli_fail(&cli, EXIT_FAILED, "cannot wait for standard input"));
}

/* Reads stdin only while there is room for what it brings. */
static void take_lines(void)
{
        struct bytes text;

        while (has_room() && !alice.ended && !alice.all_read) {
                switch (lines_next(&alice.in, &text)) {
                case LINES_LINE:
                        take_line(text);
                        break;
                case LINES_MORE:
                        read_on();
                        return;
                case LINES_END:
                        alice.all_read = true;
                        break;
                case LINES_TOO_LONG:
                        alice.terminal = false; /* what of it was read cannot be taken back */
                        refuse_line("is too long, and the most that fits is %zu bytes", strop_max(alice.strop, alice.peer, "echoer"));
                        break;
                }
        }
        stop_reading();
}

static void pump(void)
{
        if (!alice.peer || alice.ended) return;
        take_lines();
        finish_if_done();
}

static void on_input(void *arg)
{
        (void)arg;
        if (alice.look_again) stop_reading();
        if (!lines_read(&alice.in, STDIN_FILENO))
                end(cli_fail(&cli, EXIT_FAILED, "cannot read standard input: %s", strerror(errno)));
        else
                pump();
}

/* --- the channel ------------------------------------------------------------------------------------------------------------- */

static void connect_channel(void)
{
        enum strop_status status;

        if (alice.connecting || alice.ended) return;
        /* The deadline is what ends it, as a rule. */
        status = strop_connect(alice.strop, "listener", alice.timeout * 1000 + 1000);
        alice.connecting = status == STROP_OK;
        alice.sent_before = alice.sent;
        if (status && status != STROP_AGAIN)
                end(cli_fail(&cli, EXIT_FAILED, "cannot start a secure channel: %s", strop_status_text(status)));
}

static void on_silence(void *arg)
{
        (void)arg;
        if (alice.peer && alice.count == 0) return; /* nothing is awaited */
        connect_channel();
        if (!alice.connecting) strop_watch_again(alice.silence, SILENCE_MS);
}

static void on_ready(void *user)
{
        (void)user;
        if (!alice.peer) connect_channel();
}

/* What did not come back through the channel before goes through this one, in the same order. */
static void send_again(void)
{
        struct line *line;

        STAILQ_FOREACH (line, &alice.lines, entry)
                if (!line->echoed && !send_line(bytes_make(line->text, line->n))) return;
}

static void greet(bool vouched)
{
        const char *identifier = strop_peer_identifier(alice.strop, alice.peer);

        if (!vouched)
                cli_say(&cli, "talking to %s; nobody vouched for it (an invitation or --peer does)", identifier);
        else if (alice.terminal)
                cli_say(&cli, "talking to %s", identifier);
        if (alice.terminal) fputs("Type a message and press Enter; Ctrl-D ends.\n", stderr);
        alice.greeted = true;
}

static void on_peer_up(void *user, struct strop_peer *peer, bool vouched)
{
        struct strop_peer *before = alice.peer;

        (void)user;
        alice.connecting = false;
        if (before && alice.came >= alice.sent_before) {
                strop_disconnect(alice.strop, peer);
                strop_watch_again(alice.silence, SILENCE_MS);
                return;
        }
        if (before) strop_disconnect(alice.strop, before);
        alice.peer = peer;
        alice.trouble[0] = '\0';
        if (!alice.greeted)
                greet(vouched);
        else
                cli_say(&cli, "Bob was silent; going on through a new channel");
        if (alice.count == 0)
                progress();
        else
                strop_watch_again(alice.silence, SILENCE_MS);
        send_again();
        pump();
}

static void on_peer_down(void *user, struct strop_peer *peer, enum strop_status status, const char *why)
{
        (void)user;
        if (alice.ended) return;
        if (peer == alice.peer) {
                alice.peer = NULL;
                stop_reading();
                if (alice.count == 0) progress();
                connect_channel();
                return;
        }
        alice.connecting = false;
        strop_watch_again(alice.silence, SILENCE_MS);
        if (status == STROP_UNTRUSTED && !alice.greeted)
                end(cli_fail(&cli, EXIT_FAILED, "who answered is not taken for Bob: %s; nothing was sent", why));
        else if (status != STROP_TIMEOUT && !alice.peer)
                end(cli_fail(&cli, EXIT_FAILED, "no secure channel with Bob: %s", why));
}

/* --- echoes ------------------------------------------------------------------------------------------------------------------ */

/* The first line that waits for this text. They come in order, so it is the first of all, as a rule. */
static struct line *line_of(struct bytes text)
{
        struct line *line;

        STAILQ_FOREACH (line, &alice.lines, entry)
                if (!line->echoed && bytes_equal(bytes_make(line->text, line->n), text)) return line;
        return NULL;
}

static bool print_echo(struct bytes text)
{
        if (!alice.json) return text_print(stdout, text) && putchar('\n') != EOF;
        printf("{\"line\":%" PRIu64 ",\"echo\":", alice.came + 1);
        return text_print_json(stdout, text) && puts("}") != EOF;
}

/* The echoes that have come, up to the first that has not. */
static void print_echoes(void)
{
        struct line *line;

        while ((line = STAILQ_FIRST(&alice.lines)) && line->echoed && !alice.ended) {
                if (!print_echo(bytes_make(line->text, line->n))) break;
                drop_first_line();
                alice.came++;
        }
        if (fflush(stdout) || ferror(stdout)) end(cli_fail(&cli, EXIT_FAILED, "cannot write to standard output: %s", strerror(errno)));
}

static void on_message(void *user, const struct strop_message *message)
{
        struct line *line;
        const char *text;
        size_t size;

        (void)user;
        if (strop_message_peer(alice.strop, message) != alice.peer || alice.ended) return;
        line = strop_message_text(message, &text, &size) ? line_of(bytes_make(text, size)) : NULL;
        if (!line) {
                if (!alice.odd) cli_say(&cli, "left out an answer that is no echo of a line that waits for one");
                alice.odd = true;
                return;
        }
        line->echoed = true;
        print_echoes();
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
        if (alice.greeted)
                cli_say(&cli, "%s", text);
        else if (status == STROP_REFUSED)
                end(cli_fail(&cli, EXIT_FAILED, "%s", text));
}

static const struct strop_callbacks callbacks = {
        STROP_CALLBACKS,
        .ready = on_ready,
        .peer_up = on_peer_up,
        .peer_down = on_peer_down,
        .message = on_message,
        .drained = on_drained,
        .notice = on_notice,
};

/* --- start and end ----------------------------------------------------------------------------------------------------------- */

static void on_signal(void *arg)
{
        (void)arg;
        if (alice.ended) return; /* both signals came at once */
        end(fail_amid("interrupted"));
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

/* An invitation says it all but the way to the node; what else is given has to be the same. */
static int compare_with_invitation(void)
{
        struct invitation invitation;
        struct identifier peer;
        struct reason why;

        /* A bad one is refused when it is used. */
        if (!alice.invitation || invitation_parse(bytes_of_text(alice.invitation), &invitation, &why)) return -1;
        if (alice.sender && strcmp(alice.sender, invitation.alice_to_bob) != 0)
                return cli_fail(&cli, EXIT_USAGE, "--sender is not the stream of the invitation: give one of the two");
        if (alice.receiver && strcmp(alice.receiver, invitation.bob_to_alice) != 0)
                return cli_fail(&cli, EXIT_USAGE, "--receiver is not the stream of the invitation: give one of the two");
        if (!alice.peer_identifier) return -1;
        if (identifier_parse(bytes_of_text(alice.peer_identifier), &peer) || !identifier_equal(&peer, &invitation.identifier))
                return cli_fail(&cli, EXIT_USAGE, "--peer is not who made the invitation: give one of the two");
        return -1;
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
        if (status) return cli_fail(&cli, status == STROP_USAGE && !alice.invitation ? EXIT_USAGE : EXIT_FAILED, "%s", why);
        alice.interrupt = strop_watch_signal(alice.strop, SIGINT, on_signal, NULL);
        alice.terminate = strop_watch_signal(alice.strop, SIGTERM, on_signal, NULL);
        alice.deadline = strop_watch_time(alice.strop, alice.timeout * 1000, on_deadline, NULL);
        alice.silence = strop_watch_time(alice.strop, SILENCE_MS, on_silence, NULL);
        if (alice.interrupt && alice.terminate && alice.deadline && alice.silence) return -1;
        return cli_fail(&cli, EXIT_FAILED, "cannot wait for signals");
}

static void close_alice(void)
{
        stop_reading();
        strop_unwatch(alice.deadline);
        strop_unwatch(alice.silence);
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
        int code = standard_hold() ? cli_parse(&cli, argc, argv) : EXIT_FAILED;

        if (code != -1) return code;
        secrets_harden_process();
        signal(SIGPIPE, SIG_IGN);
        STAILQ_INIT(&alice.lines);
        alice.terminal = isatty(STDIN_FILENO);
        if (alice.terminal) setvbuf(stdin, NULL, _IONBF, 0);
        if ((code = take_names()) != -1 || (code = compare_with_invitation()) != -1) return code;
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
