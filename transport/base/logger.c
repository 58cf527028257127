/* Lines to stderr, each at most LINE_MAX_BYTES with its newline, whatever is in it (reliability R12). */
#include "transport/base/logger.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 512 };

static const char *const level_names[] = {
        [LOG_LEVEL_ERROR] = "error",
        [LOG_LEVEL_WARNING] = "warning",
        [LOG_LEVEL_INFO] = "info",
        [LOG_LEVEL_DEBUG] = "debug",
};

static _Atomic enum log_level threshold = LOG_LEVEL_INFO;
static void (*sink)(void *user, enum log_level level, const char *line);
static void *sink_user;
static atomic_uint_fast64_t dropped, dropped_said; /* lines; how many of them have been told of */

void logger_set_level(enum log_level level)
{
        threshold = level;
}

enum log_level logger_level(void)
{
        return threshold;
}

bool logger_level_named(const char *name, enum log_level *level)
{
        for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++) {
                if (strcmp(name, level_names[i]) == 0) {
                        *level = (enum log_level)i;
                        return true;
                }
        }
        return false;
}

void logger_set_sink(void (*new_sink)(void *user, enum log_level level, const char *line), void *user)
{
        sink = new_sink;
        sink_user = user;
}

/* Whether a terminal, or whoever reads a log line by line, would take the character (two or three bytes) for more than a letter:
 * C1 controls, line and paragraph separators, marks that turn the direction of text around. */
static bool is_unseen(const uint8_t *p, size_t n)
{
        if (n == 2) return p[0] == 0xc2 && p[1] < 0xa0;
        if (n != 3 || p[0] != 0xe2) return false;
        return (p[1] == 0x80 && (p[2] == 0x8e || p[2] == 0x8f || (p[2] >= 0xa8 && p[2] <= 0xae))) ||
               (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9);
}

/* One character of `in`, as it is or as \xNN for each byte; `text` has room for 13 bytes. Returns how many bytes of `in` it was. */
static size_t escape_one(struct bytes in, bool backslash, char text[static 13])
{
        size_t n = bytes_utf8_char(in);
        bool plain = n > 1 ? !is_unseen(in.p, n) : n == 1 && in.p[0] >= 0x20 && in.p[0] != 0x7f && !(backslash && in.p[0] == '\\');

        if (n == 0) n = 1;
        if (plain) {
                memcpy(text, in.p, n);
                text[n] = 0;
                return n;
        }
        for (size_t i = 0; i < n; i++)
                snprintf(text + 4 * i, 5, "\\x%02x", in.p[i]);
        return n;
}

static char *escape(char *out, size_t cap, struct bytes in, bool backslash)
{
        static const char dots[] = "...";
        size_t used = 0, fits = 0; /* bytes written; those of them behind which the dots have room */
        char text[13];

        if (cap == 0) return out;
        for (size_t i = 0; i < in.n;) {
                size_t n;
                i += escape_one(bytes_make(in.p + i, in.n - i), backslash, text);
                n = strlen(text);
                if (n >= cap - used) {
                        size_t room = cap - 1 - fits < sizeof dots - 1 ? cap - 1 - fits : sizeof dots - 1;
                        memcpy(out + fits, dots, room);
                        used = fits + room;
                        break;
                }
                memcpy(out + used, text, n);
                used += n;
                if (used + sizeof dots <= cap) fits = used;
        }
        out[used] = 0;
        return out;
}

char *printable(char *out, size_t cap, struct bytes in)
{
        return escape(out, cap, in, true);
}

uint64_t logger_dropped(void)
{
        return dropped;
}

/* Writes a whole line, or none of it. A pipe that can be written to has room for a page, and a line is less; threads that ask it at once share
 * that page. The flag against blocking is not for us to set: whoever has the other copies of the descriptor would have it too. */
static bool put_line(const char *line, size_t n)
{
        struct pollfd pfd = {.fd = STDERR_FILENO, .events = POLLOUT};
        ssize_t written;

        do written = send(STDERR_FILENO, line, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        while (written < 0 && errno == EINTR);
        if (written >= 0 || errno != ENOTSOCK) return written >= 0;
        if (poll(&pfd, 1, 0) != 1 || pfd.revents != POLLOUT) return false;
        return write(STDERR_FILENO, line, n) >= 0;
}

/* Says how many lines are missing, before the next one; false: it could not be said either. */
static bool tell_dropped(void)
{
        uint64_t count = dropped, said = dropped_said;
        char text[100];
        int n;

        if (count == said) return true;
        if (!atomic_compare_exchange_strong(&dropped_said, &said, count)) return true; /* another thread says it */
        n = snprintf(text, sizeof text, "warning: %llu lines are missing here: nobody read them\n", (unsigned long long)(count - said));
        if (put_line(text, (size_t)n)) return true;
        dropped_said -= count - said;
        return false;
}

void logger_write(enum log_level level, const char *who, const char *fmt, ...)
{
        char raw[LINE_MAX_BYTES + 64], line[LINE_MAX_BYTES];
        const char *what = level == LOG_LEVEL_ERROR ? "error: " : level == LOG_LEVEL_WARNING ? "warning: " : "";
        va_list args;
        int n = snprintf(raw, sizeof raw, "%.128s%s%s", who ? who : "", who ? ": " : "", what);

        va_start(args, fmt);
        if (n >= 0 && (size_t)n < sizeof raw) vsnprintf(raw + n, sizeof raw - (size_t)n, fmt, args);
        va_end(args);
        /* Foreign text has been made printable by now, so a backslash stays one; all else is made sure of for the whole line. */
        escape(line, sizeof line - 1, bytes_of_text(raw), false);
        if (sink) {
                sink(sink_user, level, line);
                return;
        }
        size_t len = strlen(line);
        line[len] = '\n';
        if (!tell_dropped() || !put_line(line, len + 1)) dropped++;
}
