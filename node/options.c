/* The two tables, and what is made of them. An option's row says its name, its argument, where it goes, its range, its default and its
 * help; a limit's row likewise. In the configuration file options stand under [node], limits under [limits], and what stands under
 * [kafka] goes to librdkafka as it is. */
#include "node/options.h"

#include "stream/streams.h"
#include "transport/tcp.h"

#include <errno.h>
#include <ini.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum option_kind { KIND_TEXT, KIND_BROKERS, KIND_PREFIX, KIND_NUMBER, KIND_LEVEL, KIND_FLAG, KIND_PROPERTY, KIND_LIMIT };

struct option_row {
        const char *name, *argument;
        enum option_kind kind;
        size_t offset;
        uint64_t min, max;
        const char *fallback; /* the default */
        const char *help;
        bool file;            /* may stand in the configuration file */
        const char *sample;   /* what the sample file sets it to; NULL: it shows the default */
};

static const struct option_row rows[] = {
        {"listen", "ADDR:PORT", KIND_TEXT, offsetof(struct options, listen), 0, 0, "127.0.0.1:4000",
         "where clients connect; port 0 takes a free one", true, NULL},
        {"kafka", "BROKERS", KIND_BROKERS, offsetof(struct options, kafka), 0, 0, "embedded",
         "host:port,... of the Kafka to use, or \"embedded\": a small log in memory, to try things", true, NULL},
        {"X", "NAME=VALUE", KIND_PROPERTY, 0, 0, 0, NULL, "a property of librdkafka, as in kcat; may be repeated", false, NULL},
        {"stream-prefix", "TEXT", KIND_PREFIX, offsetof(struct options, stream_prefix), 0, 0, "",
         "topics are named TEXT_stream; set it when the Kafka serves others too", true, "strop"},
        {"group-prefix", "TEXT", KIND_PREFIX, offsetof(struct options, group_prefix), 0, 0, "",
         "put before the names of consumer groups, which keep the readers' indexes", true, "strop-"},
        {"replication-factor", "N", KIND_NUMBER, offsetof(struct options, replication_factor), 1, 32767, "1",
         "of topics that the node makes", true, NULL},
        {"http", "ADDR:PORT", KIND_TEXT, offsetof(struct options, http), 0, 0, "",
         "serve /metrics and /health there; off when empty", true, NULL},
        {"stop-ms", "N", KIND_NUMBER, offsetof(struct options, stop_ms), 0, 600000, "5000",
         "at a stop, wait so many milliseconds for what was accepted to be stored", true, NULL},
        {"log-level", "LEVEL", KIND_LEVEL, offsetof(struct options, log_level), 0, 0, "info", "error, warning, info or debug", true, NULL},
        {"limit", "NAME=VALUE", KIND_LIMIT, 0, 0, 0, NULL, "one of the limits below; may be repeated", false, NULL},
        {"config", "FILE", KIND_TEXT, offsetof(struct options, config), 0, 0, "",
         "read these settings from a file; the command line wins", false, NULL},
        {"sample-config", NULL, KIND_FLAG, offsetof(struct options, sample), 0, 0, NULL,
         "print a configuration file with all defaults and exit", false, NULL},
        {"version", NULL, KIND_FLAG, offsetof(struct options, version), 0, 0, NULL, "print versions and exit", false, NULL},
        {"help", NULL, KIND_FLAG, offsetof(struct options, help), 0, 0, NULL, "print this and exit", false, NULL},
};

/* What can come back alone in a frame (docs/protocol.md, "The stream service"). */
enum { SERVICE_RECORD_MAX = 65422 };

struct limit_row {
        const char *name, *unit;
        size_t offset, size;
        uint64_t min, max;
        const char *help;
};

#define LIMIT(group, field, unit, min, max, help) \
        {#field, unit, offsetof(struct options, group.field), sizeof(((struct options *)0)->group.field), min, max, help}

static const struct limit_row limits[] = {
        LIMIT(transport, connections, "connections", 1, 1000000, "open at once; one more is closed"),
        LIMIT(transport, host_connections, "connections", 0, 1000000, "open at once from one IP address; one more is closed; 0: no limit"),
        LIMIT(transport, frames_per_s, "frames", 0, 1u << 30, "a second from one connection, then reading waits; 0: no limit"),
        LIMIT(transport, bytes_per_s, "bytes", 0, 1u << 30, "a second from one connection, then reading waits; 0: no limit"),
        LIMIT(transport, host_frames_per_s, "frames", 0, 1u << 30, "a second from one IP address, then reading waits; 0: no limit"),
        LIMIT(transport, host_bytes_per_s, "bytes", 0, 1u << 30, "a second from one IP address, then reading waits; 0: no limit"),
        LIMIT(transport, frames_per_turn, "frames", 1, 65536, "worked off in a turn of all who have more than a few; the rest waits in line"),
        LIMIT(transport, queue_messages, "messages", 1024, 1u << 24, "under way between workers while one frame is worked off; more are dropped"),
        LIMIT(transport, arena_bytes, "bytes", 1u << 20, 1u << 30, "of scratch memory while one frame is worked off; what needs more is dropped"),
        LIMIT(transport, workers, "addresses", 16, 100000000, "of connections and streams; one more is refused"),
        LIMIT(transport, route_hops, "addresses", 2, 10000, "in a route; a longer one does not decode"),
        LIMIT(transport, output_high, "bytes", 1024, 1u << 30, "waiting to be sent on a connection: reading from it stops"),
        LIMIT(transport, output_low, "bytes", 512, 1u << 30, "waiting to be sent on a connection that is not read: reading goes on"),
        LIMIT(transport, output_max, "bytes", 65536, 1u << 30, "waiting to be sent on a connection: it is closed"),
        LIMIT(transport, output_all, "bytes", 65536, 1u << 30, "waiting to be sent on all connections: reading stops where any wait"),
        LIMIT(transport, frame_start_ms, "ms", 100, 3600000, "a begun frame must be complete after this"),
        LIMIT(transport, frame_bytes_per_s, "bytes", 0, 1u << 30, "of a begun frame that give it a second more"),
        LIMIT(transport, first_frame_ms, "ms", 0, 3600000, "from connecting to the first frame; 0: no limit"),
        LIMIT(transport, send_stalled_ms, "ms", 100, 3600000, "a connection whose output waits so long, and none goes out, is closed"),
        LIMIT(transport, keepalive_idle_s, "s", 1, 32767, "a connection silent for so long is asked by TCP whether its peer still stands"),
        LIMIT(transport, keepalive_interval_s, "s", 1, 32767, "a connection that did not answer is asked again after this"),
        LIMIT(transport, keepalive_count, "questions", 1, 127, "of TCP without an answer: the connection is closed"),
        LIMIT(transport, user_timeout_ms, "ms", 1000, 3600000,
              "a connection on which TCP sees no acknowledgement for so long of what was sent is closed"),
        LIMIT(service, streams, "streams", 1, 10000000, "known at once; a create of one more is an error"),
        LIMIT(service, streams_per_conn, "streams", 1, 10000000, "created on one connection; a create of one more is an error"),
        LIMIT(service, name_max, "bytes", 1, 249, "in a stream's name, its prefix included; a longer one is an error"),
        LIMIT(service, partitions, "partitions", 1, 10000, "of one stream"),
        LIMIT(service, pulls_per_conn, "pulls", 1, 100000, "held on one connection; one more is answered empty"),
        LIMIT(service, requests_per_conn, "requests", 1, 1000000, "without an answer on one connection; then reading waits"),
        LIMIT(service, request_bytes_per_conn, "bytes", 65536, 1u << 30, "kept for requests and pulls on one connection; then reading waits"),
        LIMIT(service, request_bytes, "bytes", 65536, 1u << 30,
              "kept for all requests and pulls; then reading waits where more than request_bytes_spared is kept"),
        LIMIT(service, request_bytes_spared, "bytes", 0, 1u << 30, "kept on a connection that does not wait for what others keep"),
        LIMIT(service, creates_per_s, "creates", 0, 1u << 20, "a second on one connection, then reading waits; 0: no limit"),
        LIMIT(service, hold_ms, "ms", 0, 9000, "a pull of an empty stream is answered empty after this"),
        LIMIT(service, create_ms, "ms", 1000, 3600000, "a create has no answer for so long: the connection is closed"),
        LIMIT(service, forget_ms, "ms", 1000, 86400000, "a stream that no connection uses is forgotten after this"),
        LIMIT(service, record_max, "bytes", 1, SERVICE_RECORD_MAX, "in one push; more is answered with an error"),
        LIMIT(log, append_bytes_high, "bytes", 1u << 16, 1u << 30, "accepted and not stored yet: pushes wait"),
        LIMIT(log, append_bytes_low, "bytes", 1u << 15, 1u << 30, "accepted and not stored yet: pushes that wait go on"),
        LIMIT(log, tail_bytes, "bytes", 0, 1ull << 40, "of the newest records, kept in memory for waiting readers"),
        LIMIT(log, fetched_bytes, "bytes", 0, 1ull << 40, "of fetched records, kept for readers of the past"),
        LIMIT(log, index_saves_in_flight, "saves", 1, 1000, "of readers' indexes under way at once"),
        LIMIT(log, index_save_ms, "ms", 0, 60000, "an index is saved no sooner than this after its last save"),
        LIMIT(log, index_entries, "indexes", 16, 10000000, "with something under way at once"),
        LIMIT(log, index_entries_per_conn, "indexes", 1, 1000000, "of one connection that are being saved; more saves are dropped"),
        LIMIT(log, sweep_ms, "ms", 10, 60000, "how often records written by others are looked for"),
        LIMIT(log, sweep_chunk, "streams", 2, 1000, "looked up at once"),
        LIMIT(log, topics_per_producer, "topics", 1, 100000, "one producer serves"),
        LIMIT(log, create_patience_ms, "ms", 0, 60000, "refused replicas are asked for again for so long, since brokers may be only just back"),
        LIMIT(log, index_answer_ms, "ms", 100, 3600000, "a request for an index that has no answer for so long is made again"),
        LIMIT(log, topics_per_consumer, "topics", 1, 1000000, "one consumer comes to know before a new one takes its place"),
};

#define COUNT(a) (sizeof(a) / sizeof *(a))

static enum err parse_number(const char *name, const char *text, uint64_t min, uint64_t max, uint64_t *out, struct reason *why)
{
        char *end;
        unsigned long long value;

        errno = 0;
        value = strtoull(text, &end, 10);
        if (text[0] < '0' || text[0] > '9' || *end || errno || value < min || value > max)
                return fail(why, ERR_USAGE, "%s: \"%s\" is not a number from %" PRIu64 " to %" PRIu64, name, text, min, max);
        *out = value;
        return OK;
}

static enum err set_limit(struct options *options, const char *name, const char *text, struct reason *why)
{
        for (size_t i = 0; i < COUNT(limits); i++) {
                uint64_t value;
                uint8_t *at = (uint8_t *)options + limits[i].offset;

                if (strcmp(limits[i].name, name) != 0) continue;
                if (parse_number(name, text, limits[i].min, limits[i].max, &value, why)) return ERR_USAGE;
                if (limits[i].size == sizeof(uint32_t)) memcpy(at, &(uint32_t){(uint32_t)value}, sizeof(uint32_t));
                else memcpy(at, &(size_t){(size_t)value}, sizeof(size_t));
                return OK;
        }
        return fail(why, ERR_USAGE, "there is no limit \"%s\"; --help lists them", name);
}

static enum err add_property(struct options *options, const char *name, const char *value, struct reason *why)
{
        struct kafka_property *property = &options->properties[options->property_count];

        if (options->property_count == OPTION_PROPERTIES_MAX) return fail(why, ERR_USAGE, "more than %d Kafka properties", OPTION_PROPERTIES_MAX);
        *property = (struct kafka_property){strdup(name), strdup(value)};
        options->property_count++;
        return property->name && property->value ? OK : fail(why, ERR_NO_MEMORY, "out of memory");
}

/* Splits NAME=VALUE and hands both to `set`. */
static enum err set_pair(struct options *options, const char *option, const char *text,
                         enum err (*set)(struct options *, const char *, const char *, struct reason *), struct reason *why)
{
        const char *equals = strchr(text, '=');
        char name[256];

        if (!equals || equals == text || (size_t)(equals - text) >= sizeof name)
                return fail(why, ERR_USAGE, "%s: \"%s\" is not NAME=VALUE", option, text);
        memcpy(name, text, (size_t)(equals - text));
        name[equals - text] = '\0';
        return set(options, name, equals + 1, why);
}

/* host:port,... or "embedded": with anything else librdkafka would look for its Kafka for ever. */
static enum err check_brokers(const char *text, struct reason *why)
{
        const char *at = text;

        if (strcmp(text, "embedded") == 0) return OK;
        for (;;) {
                size_t n = strcspn(at, ",");
                char one[OPTION_TEXT_MAX], host[OPTION_TEXT_MAX];
                struct reason inner = {""};
                uint16_t port;

                snprintf(one, sizeof one, "%.*s", (int)n, at);
                if (!tcp_address_split(one, host, sizeof host, &port, &inner))
                        return fail(why, ERR_USAGE, "kafka: %s; expected are brokers as host:port,... or embedded", inner.text);
                if (port == 0) return fail(why, ERR_USAGE, "kafka: no broker listens on port 0, as \"%.100s\" says", one);
                if (!at[n]) return OK;
                at += n + 1;
        }
}

/* A prefix becomes part of names in Kafka: it may have what a stream's name may have. */
static enum err check_prefix(const char *name, const char *text, struct reason *why)
{
        if (!*text || !stream_name_wrong(bytes_of_text(text), OPTION_TEXT_MAX)) return OK;
        return fail(why, ERR_USAGE, "%s: \"%.100s\" cannot begin a name: letters, digits, '.', '_' and '-' can, but not __ in front", name, text);
}

static enum err set_text(uint8_t *at, const struct option_row *row, const char *text, struct reason *why)
{
        if (strlen(text) >= OPTION_TEXT_MAX) return fail(why, ERR_USAGE, "%s: longer than %d characters", row->name, OPTION_TEXT_MAX - 1);
        if (row->kind == KIND_BROKERS && check_brokers(text, why)) return ERR_USAGE;
        if (row->kind == KIND_PREFIX && check_prefix(row->name, text, why)) return ERR_USAGE;
        memcpy(at, text, strlen(text) + 1);
        return OK;
}

static enum err set_option(struct options *options, const struct option_row *row, const char *text, struct reason *why)
{
        uint8_t *at = (uint8_t *)options + row->offset;
        uint64_t number;

        switch (row->kind) {
        case KIND_TEXT:
        case KIND_BROKERS:
        case KIND_PREFIX:
                return set_text(at, row, text, why);
        case KIND_NUMBER:
                if (parse_number(row->name, text, row->min, row->max, &number, why)) return ERR_USAGE;
                memcpy(at, &number, sizeof number);
                return OK;
        case KIND_LEVEL:
                if (logger_level_named(text, &options->log_level)) return OK;
                return fail(why, ERR_USAGE, "log-level: \"%s\" is none of error, warning, info, debug", text);
        case KIND_PROPERTY:
                return set_pair(options, "-X", text, add_property, why);
        case KIND_LIMIT:
                return set_pair(options, "--limit", text, set_limit, why);
        case KIND_FLAG:
                *(bool *)at = true;
                return OK;
        }
        return ERR_USAGE;
}

static const struct option_row *row_named(const char *name, size_t n)
{
        for (size_t i = 0; i < COUNT(rows); i++)
                if (strlen(rows[i].name) == n && memcmp(rows[i].name, name, n) == 0) return &rows[i];
        return NULL;
}

void options_default(struct options *options)
{
        struct reason why;

        *options = (struct options){
                .transport = TRANSPORT_LIMITS_DEFAULT, .service = SERVICE_LIMITS_DEFAULT, .log = LOG_LIMITS_DEFAULT,
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                enum err err = rows[i].fallback ? set_option(options, &rows[i], rows[i].fallback, &why) : OK;
                if (err) abort(); /* the table contradicts itself */
        }
}

struct file_parse {
        struct options *options;
        enum err err;
        struct reason *why;
};

/* Checked here already, where the line is known; those of the command line are when the log starts. */
static enum err file_property(struct options *options, const char *name, const char *value, struct reason *why)
{
        enum err err = kafka_properties_check(&(struct kafka_property){name, value}, 1, why);

        return err ? err : add_property(options, name, value, why);
}

/* Returns 0 for a line that is wrong; the parser then tells its number. */
static int file_line(void *user, const char *section, const char *name, const char *value)
{
        struct file_parse *parse = user;
        const struct option_row *row = row_named(name, strlen(name));

        if (parse->err) return 1;
        if (strcmp(section, "kafka") == 0) parse->err = file_property(parse->options, name, value, parse->why);
        else if (strcmp(section, "limits") == 0) parse->err = set_limit(parse->options, name, value, parse->why);
        else if (!*section) parse->err = fail(parse->why, ERR_USAGE, "a [section] without its name or its ]");
        else if (strcmp(section, "node") != 0)
                parse->err = fail(parse->why, ERR_USAGE, "there is no section [%s]; there are [node], [kafka], [limits]", section);
        else if (!row || !row->file) parse->err = fail(parse->why, ERR_USAGE, "there is no option \"%s\" for the file", name);
        else parse->err = set_option(parse->options, row, value, parse->why);
        return parse->err == OK;
}

_Static_assert(INI_MAX_LINE == 200, "the sentence below says how long a line may be");
#define BLANKS " \t\v\f\r"

/* What is wrong with a line of n bytes; NULL: nothing that can be seen from here. The parser cuts lines that are longer than it was built
 * for, and takes an indented line as another value of the one before: both would put a wrong value in place without a word. And it goes on
 * behind a line that is none, so that the next one would be blamed. */
static const char *line_wrong(const char *line, size_t n, bool *in_section)
{
        size_t blank = strspn(line, BLANKS);

        if (n > INI_MAX_LINE - 2) return "longer than 198 bytes";
        if (blank >= n || strchr(";#", line[blank])) return NULL;
        if (blank) return "begins with a blank";
        if (line[0] == '[') {
                *in_section = true;
                return memchr(line, ']', n) ? NULL : "a [section] without its ]";
        }
        if (!memchr(line, '=', n) && !memchr(line, ':', n)) return "neither [section] nor name = value";
        return *in_section ? NULL : "stands before any [section]; there are [node], [kafka], [limits]";
}

static enum err check_lines(const char *name, const char *text, struct reason *why)
{
        bool in_section = false;

        if (strncmp(text, "\xef\xbb\xbf", 3) == 0) text += 3; /* UTF-8's mark, as some editors put it; the parser skips it too */
        for (int line = 1; *text; line++) {
                size_t n = strcspn(text, "\n");
                const char *wrong = line_wrong(text, n, &in_section);

                if (wrong) return fail(why, ERR_USAGE, "%s, line %d: %s", name, line, wrong);
                text += n + (text[n] == '\n');
        }
        return OK;
}

enum err options_read_file(struct options *options, const char *name, const char *text, struct reason *why)
{
        struct reason inner = {""};
        struct file_parse parse = {options, OK, &inner};
        int line;

        if (check_lines(name, text, why)) return ERR_USAGE;
        line = ini_parse_string(text, file_line, &parse);
        if (parse.err) return fail(why, parse.err, "%s, line %d: %s", name, line, inner.text);
        return line ? fail(why, ERR_USAGE, "%s, line %d: neither [section] nor name = value", name, line) : OK;
}

/* Passwords may stand in the file, so others had better not read it. */
static void warn_if_readable(const char *path, const struct options *options)
{
        struct stat st;

        for (size_t i = 0; i < options->property_count; i++)
                if (strstr(options->properties[i].name, "password") && stat(path, &st) == 0 && (st.st_mode & 0044)) {
                        log_warning(NULL, "%s holds a password and others can read it: run chmod 600 on it", path);
                        return;
                }
}

/* The text would end there, and what comes behind would be left out without a word. */
static enum err check_no_nul(const char *path, const char *text, size_t n, struct reason *why)
{
        const char *nul = memchr(text, '\0', n);
        int line = 1;

        if (!nul) return OK;
        for (const char *at = text; (at = memchr(at, '\n', (size_t)(nul - at))); at++) line++;
        return fail(why, ERR_USAGE, "%s, line %d: a NUL byte; the configuration has to be text", path, line);
}

static enum err read_config(struct options *options, const char *path, struct reason *why)
{
        FILE *file = fopen(path, "re");
        char *text = malloc(OPTION_FILE_MAX + 1);
        enum err err = OK;
        size_t n = 0;

        if (!file) err = fail(why, ERR_USAGE, "cannot read the configuration file %s: %s", path, strerror(errno));
        else if (!text) err = fail(why, ERR_NO_MEMORY, "out of memory");
        else n = fread(text, 1, OPTION_FILE_MAX + 1, file);
        if (!err && ferror(file)) err = fail(why, ERR_USAGE, "cannot read the configuration file %s: %s", path, strerror(errno));
        if (!err && n > OPTION_FILE_MAX) err = fail(why, ERR_USAGE, "the configuration file %s is larger than %d bytes", path, OPTION_FILE_MAX);
        if (!err) err = check_no_nul(path, text, n, why);
        if (!err) {
                text[n] = '\0';
                err = options_read_file(options, path, text, why);
        }
        if (text) explicit_bzero(text, n);
        if (!err) warn_if_readable(path, options);
        if (file) fclose(file);
        free(text);
        return err;
}

/* One word of the command line; *next is the word after it, and *used whether that was its value. */
static enum err command_word(struct options *options, const char *word, const char *next, bool *used, bool only_config, struct reason *why)
{
        const struct option_row *row;
        const char *name = word, *value = NULL, *equals;

        *used = false;
        if (strncmp(word, "-X", 2) == 0) {
                name = "X";
                if (word[2]) value = word + 2;
                equals = NULL;
        } else if (strncmp(word, "--", 2) == 0) {
                name += 2;
                equals = strchr(name, '=');
                if (equals) value = equals + 1;
        } else if (strcmp(word, "-h") == 0) {
                name = "help";
                equals = NULL;
        } else if (word[0] == '-') return fail(why, ERR_USAGE, "there is no option \"%s\"; --help lists them", word);
        else return fail(why, ERR_USAGE, "what is \"%s\"? Only options are expected; --help lists them", word);
        row = row_named(name, equals ? (size_t)(equals - name) : strlen(name));
        if (!row) return fail(why, ERR_USAGE, "there is no option \"%s\"; --help lists them", word);
        if (row->kind == KIND_FLAG && value) return fail(why, ERR_USAGE, "--%s takes no value", row->name);
        if (row->kind != KIND_FLAG && !value) {
                if (!next) return fail(why, ERR_USAGE, "%s needs %s", word, row->argument);
                value = next;
                *used = true;
        }
        if (only_config && strcmp(row->name, "config") != 0) return OK;
        return set_option(options, row, value ? value : "", why); /* a flag has none */
}

static enum err command_line(struct options *options, int argc, char *const *argv, bool only_config, struct reason *why)
{
        for (int i = 1; i < argc; i++) {
                bool used;
                enum err err = command_word(options, argv[i], i + 1 < argc ? argv[i + 1] : NULL, &used, only_config, why);

                if (err) return err;
                if (used) i++;
        }
        return OK;
}

enum err options_read(struct options *options, int argc, char *const *argv, struct reason *why)
{
        enum err err;

        options_default(options);
        if ((err = command_line(options, argc, argv, true, why))) return err;
        if (options->config[0] && (err = read_config(options, options->config, why))) return err;
        if ((err = command_line(options, argc, argv, false, why))) return err;
        if (options->transport.output_low > options->transport.output_high || options->transport.output_high > options->transport.output_max)
                return fail(why, ERR_USAGE, "output_low, output_high and output_max must go up in this order");
        if (options->log.append_bytes_low > options->log.append_bytes_high)
                return fail(why, ERR_USAGE, "append_bytes_low is above append_bytes_high");
        return OK;
}

void options_clear(struct options *options)
{
        for (size_t i = 0; i < options->property_count; i++) {
                char *value = (char *)(uintptr_t)options->properties[i].value;

                if (value) explicit_bzero(value, strlen(value));
                free(value);
                free((char *)(uintptr_t)options->properties[i].name);
        }
        options->property_count = 0;
}

static uint64_t limit_default(const struct limit_row *row)
{
        struct options options;
        const uint8_t *at = (const uint8_t *)&options + row->offset;

        options_default(&options);
        if (row->size == sizeof(uint32_t)) {
                uint32_t value;
                memcpy(&value, at, sizeof value);
                return value;
        }
        size_t value;
        memcpy(&value, at, sizeof value);
        return value;
}

/* Other units are what the help is about, and its first word. */
static bool is_time(const struct limit_row *row)
{
        return strcmp(row->unit, "ms") == 0 || strcmp(row->unit, "s") == 0;
}

void options_print_help(FILE *out)
{
        fputs("strop-node: a relay between TCP clients and Kafka, for messages that are encrypted end to end.\n\n"
              "  strop-node --listen 0.0.0.0:4000 --kafka kafka1:9092,kafka2:9092 --stream-prefix strop\n\n"
              "It is ready when it prints \"listening on ADDR:PORT\". SIGTERM or SIGINT stops it in order.\n\nOptions:\n", out);
        for (size_t i = 0; i < COUNT(rows); i++) {
                char left[64];

                snprintf(left, sizeof left, "%s%s %s", strlen(rows[i].name) == 1 ? "-" : "--", rows[i].name,
                         rows[i].argument ? rows[i].argument : "");
                fprintf(out, "  %-28s %s", left, rows[i].help);
                if (rows[i].fallback && rows[i].fallback[0]) fprintf(out, " (%s)", rows[i].fallback);
                fputc('\n', out);
        }
        fputs("\nLimits (--limit NAME=VALUE, or under [limits] in the file):\n", out);
        for (size_t i = 0; i < COUNT(limits); i++)
                if (is_time(&limits[i]))
                        fprintf(out, "  %-22s %s (%" PRIu64 " %s)\n", limits[i].name, limits[i].help, limit_default(&limits[i]), limits[i].unit);
                else
                        fprintf(out, "  %-22s %s %s (%" PRIu64 ")\n", limits[i].name, limits[i].unit, limits[i].help, limit_default(&limits[i]));
}

void options_print_sample(FILE *out)
{
        fputs("# strop-node's configuration: strop-node --config FILE. What is commented out shows the default.\n"
              "# Keep it readable by the node's user alone (chmod 600) when it holds a password.\n"
              "# A blank and a semicolon begin a comment, in the middle of a line too.\n\n[node]\n", out);
        for (size_t i = 0; i < COUNT(rows); i++)
                if (rows[i].file)
                        fprintf(out, "# %s\n%s%s = %s\n", rows[i].help, rows[i].sample ? "" : "; ", rows[i].name,
                                rows[i].sample ? rows[i].sample : rows[i].fallback);
        fputs("\n# Properties of librdkafka, as they are.\n[kafka]\n; security.protocol = SASL_SSL\n; sasl.mechanism = SCRAM-SHA-512\n"
              "; sasl.username = strop\n; sasl.password = secret\n; ssl.ca.location = /etc/ssl/certs/ca-certificates.crt\n\n[limits]\n", out);
        for (size_t i = 0; i < COUNT(limits); i++)
                fprintf(out, is_time(&limits[i]) ? "# %2$s (%1$s)\n; %3$s = %4$" PRIu64 "\n" : "# %1$s %2$s\n; %3$s = %4$" PRIu64 "\n",
                        limits[i].unit, limits[i].help, limits[i].name, limit_default(&limits[i]));
}
