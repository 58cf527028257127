/* What strop-node can be told. The first byte says how the rest is taken: even: as the text of a configuration file; odd: as words of a
 * command line, one a line. What is taken is taken again with the same result; what is not has a sentence. */
#include "node/options.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { WORDS_MAX = 64 };

static void check_text(const char *text) { fuzz_require(memchr(text, 0, OPTION_TEXT_MAX)); }

static void check_taken(const struct options *options)
{
        check_text(options->listen);
        check_text(options->kafka);
        check_text(options->stream_prefix);
        check_text(options->group_prefix);
        check_text(options->http);
        check_text(options->config);
        fuzz_require(options->property_count <= OPTION_PROPERTIES_MAX);
        for (size_t i = 0; i < options->property_count; i++)
                fuzz_require(options->properties[i].name && options->properties[i].value);
        fuzz_require(options->replication_factor >= 1 && options->replication_factor <= 32767 && options->stop_ms <= 600000);
        fuzz_require(options->transport.connections >= 1 && options->transport.route_hops >= 2 && options->transport.output_max >= 65536);
        fuzz_require(options->service.partitions >= 1 && options->service.record_max >= 1 && options->service.record_max <= 65422);
        fuzz_require(options->log.sweep_chunk >= 2 && options->log.sweep_ms >= 10);
}

static void check_same(const struct options *a, const struct options *b)
{
        fuzz_require(strcmp(a->listen, b->listen) == 0 && strcmp(a->kafka, b->kafka) == 0 && strcmp(a->http, b->http) == 0);
        fuzz_require(strcmp(a->stream_prefix, b->stream_prefix) == 0 && strcmp(a->group_prefix, b->group_prefix) == 0);
        fuzz_require(a->replication_factor == b->replication_factor && a->stop_ms == b->stop_ms && a->log_level == b->log_level);
        fuzz_require(memcmp(&a->transport, &b->transport, sizeof a->transport) == 0);
        fuzz_require(memcmp(&a->service, &b->service, sizeof a->service) == 0 && memcmp(&a->log, &b->log, sizeof a->log) == 0);
        fuzz_require(a->property_count == b->property_count);
        for (size_t i = 0; i < a->property_count; i++) {
                fuzz_require(strcmp(a->properties[i].name, b->properties[i].name) == 0);
                fuzz_require(strcmp(a->properties[i].value, b->properties[i].value) == 0);
        }
}

static void read_file(const char *text)
{
        static struct options options, again;
        struct reason why = {""};

        options_default(&options);
        if (options_read_file(&options, "file", text, &why) == OK) {
                check_taken(&options);
                options_default(&again);
                fuzz_require(options_read_file(&again, "file", text, &why) == OK);
                check_same(&again, &options);
                options_clear(&again);
        } else {
                fuzz_require(strncmp(why.text, "file, line ", 11) == 0);
        }
        options_clear(&options);
}

/* A file that is named would be read: what lies about here is none of this target's business. */
static bool names_a_file(const char *word) { return strncmp(word, "--config", 8) == 0; }

static void read_words(char *text)
{
        static struct options options;
        char *words[WORDS_MAX + 1] = {(char[]){"strop-node"}};
        struct reason why = {""};
        int count = 1;

        for (char *word = text; word && count < WORDS_MAX; count++) {
                char *end = strchr(word, '\n');

                if (end) *end = '\0';
                if (names_a_file(word)) return;
                words[count] = word;
                word = end ? end + 1 : NULL;
        }
        if (options_read(&options, count, words, &why) == OK) {
                check_taken(&options);
                fuzz_require(options.transport.output_low <= options.transport.output_high);
                fuzz_require(options.transport.output_high <= options.transport.output_max);
                fuzz_require(options.log.append_bytes_low <= options.log.append_bytes_high);
        } else {
                fuzz_require(why.text[0] != '\0');
        }
        options_clear(&options);
}

static void read_named_file(const char *text, size_t size)
{
        static struct options options;
        char path[32];
        char *words[] = {(char[]){"strop-node"}, (char[]){"--config"}, path, NULL};
        struct reason why = {""};
        int fd = memfd_create("config", MFD_CLOEXEC);

        fuzz_require(fd >= 0 && write(fd, text, size) == (ssize_t)size);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (options_read(&options, 3, words, &why) == OK)
                check_taken(&options);
        else
                fuzz_require(why.text[0] != '\0');
        options_clear(&options);
        close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *text;

        if (size == 0) return 0;
        fuzz_silence();
        text = fuzz_text(bytes_make(data + 1, size - 1));
        if (data[0] % 4 == 1)
                read_words(text);
        else if (data[0] % 4 == 2)
                read_named_file(text, size - 1);
        else
                read_file(text);
        free(text);
        return 0;
}
