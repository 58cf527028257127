/* The one logger: lines to stderr that begin with who (connection, channel, stream), then what, then why.
 *
 * Nobody waits for whoever reads them: a line that stderr does not take at once is left out and counted, and how many they were
 * is said once it takes lines again.
 *
 * Levels: error = someone must act; warning = we degraded; info = lifecycle; debug = each message. Never logged: keys,
 * plaintext, payload bytes. What comes from outside is escaped, one line is at most 512 bytes (reliability R12). */
#ifndef STROP_BASE_LOGGER_H
#define STROP_BASE_LOGGER_H

#include "transport/base/bytes.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* The level up to which lines are written; info at start. Any thread may log; the level is set before threads start. */
void logger_set_level(enum log_level level);
enum log_level logger_level(void);
/* "error", "warning", "info", "debug"; false for another name. */
bool logger_level_named(const char *name, enum log_level *level);
/* Where lines go instead of stderr (tests); NULL: stderr again. The line has no newline. */
void logger_set_sink(void (*sink)(void *user, enum log_level level, const char *line), void *user);

/* Lines that stderr did not take, so far. Any thread. */
uint64_t logger_dropped(void);

void logger_write(enum log_level level, const char *who, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* `who` is a short text such as "conn 12" or "stream a_to_b"; NULL for the process itself. */
#define log_at(level, who, ...) \
        do { if ((level) <= logger_level()) logger_write((level), (who), __VA_ARGS__); } while (0)
#define log_error(who, ...) log_at(LOG_LEVEL_ERROR, who, __VA_ARGS__)
#define log_warning(who, ...) log_at(LOG_LEVEL_WARNING, who, __VA_ARGS__)
#define log_info(who, ...) log_at(LOG_LEVEL_INFO, who, __VA_ARGS__)
#define log_debug(who, ...) log_at(LOG_LEVEL_DEBUG, who, __VA_ARGS__)

/* Foreign bytes as printable text: backslashes, control characters (those that change the direction of text or end a line in
 * Unicode too) and bytes that are not UTF-8 as \xNN, cut with "..." when it does not fit. Writes at most `cap` bytes with the
 * NUL and returns `out`. */
char *printable(char *out, size_t cap, struct bytes in);

#endif
