/* Runs dialogues, one for each seed, and says which failed and how to see one again. Nothing here knows what time it is: a seed
 * gives the same run on every machine. */
#include "tests/simulation/dialogue.h"
#include "transport/base/logger.h"
#include "transport/secure_channel/crypto.h"
#include "transport/secure_channel/secrets.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 1024, ENOUGH_SEEDS = 100 };

struct options {
        uint64_t seed, count;
        bool verbose;
};

static const char usage[] = "usage: simulation [--seed N] [--count N] [--verbose]\n"
                            "  --seed N   the first seed (1)\n"
                            "  --count N  how many, one after the other (1)\n"
                            "  --verbose  say what happens\n";

static bool number_read(const char *text, uint64_t *out)
{
        char *end;
        unsigned long long number = strtoull(text, &end, 10);

        if (*end || text[0] < '0' || text[0] > '9') return false;
        *out = number;
        return true;
}

static bool options_read(int argc, char **argv, struct options *options)
{
        static const struct option known[] = {
                {"seed", required_argument, NULL, 's'}, {"count", required_argument, NULL, 'c'}, {"verbose", no_argument, NULL, 'v'}, {0}};
        int option;

        while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
                if (option == 's' && number_read(optarg, &options->seed)) continue;
                if (option == 'c' && number_read(optarg, &options->count)) continue;
                if (option != 'v') return false;
                options->verbose = true;
        }
        return optind == argc;
}

static void log_line(void *user, enum log_level level, const char *line)
{
        const struct options *options = user;

        if (options->verbose) printf("  %s%s\n", level == LOG_LEVEL_DEBUG ? "  " : "", line);
}

/* Sums of all runs, to be seen that the faults which the runs are there for took place. */
struct sums {
        uint64_t messages, attempts, connections, resets, crashes, stops, outages, acknowledged, repushed, replayed;
};

static void sums_add(struct sums *sums, const struct dialogue_result *result)
{
        sums->messages += result->dialogue.messages;
        sums->attempts += result->dialogue.attempts;
        sums->connections += result->world.checker.connections;
        sums->resets += result->world.resets;
        sums->crashes += result->world.crashes;
        sums->stops += result->world.stops;
        sums->outages += result->world.outages;
        sums->acknowledged += result->world.checker.acknowledged;
        sums->repushed += result->dialogue.stats[STAT_REPUSHED];
        sums->replayed += result->dialogue.stats[STAT_REPLAYED];
}

static bool sums_print(const struct sums *sums)
{
        const struct {
                const char *name;
                uint64_t n;
        } rows[] = {
                {"messages echoed", sums->messages}, {"handshakes begun", sums->attempts}, {"connections", sums->connections},
                {"resets", sums->resets},            {"node crashes", sums->crashes},      {"node stops", sums->stops},
                {"log outages", sums->outages},      {"pushes acknowledged", sums->acknowledged},
                {"pushed again", sums->repushed},    {"duplicates refused", sums->replayed},
        };
        bool all = true;

        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                printf("%s%llu %s", i ? ", " : "", (unsigned long long)rows[i].n, rows[i].name);
                all &= rows[i].n > 0;
        }
        printf("\n");
        return all;
}

static bool run_seed(const char *program, uint64_t seed, const struct options *options, struct sums *sums)
{
        struct dialogue_result result;

        if (options->verbose) printf("seed %llu\n", (unsigned long long)seed);
        dialogue_run(seed, options->verbose, &result);
        sums_add(sums, &result);
        if (!result.passed)
                printf("FAILED: seed %llu: %s\n  replay: %s --seed %llu --verbose\n", (unsigned long long)seed, result.failure, program,
                       (unsigned long long)seed);
        else if (options->verbose)
                printf("passed: %llu messages, %llu steps, %llu ms\n", (unsigned long long)result.dialogue.messages,
                       (unsigned long long)result.world.steps, (unsigned long long)result.world.simulated_ms);
        fflush(stdout);
        return result.passed;
}

/* A seed that does not give the same run twice cannot be looked into. */
static bool run_twice(uint64_t seed)
{
        struct dialogue_result first, second;

        dialogue_run(seed, false, &first);
        dialogue_run(seed, false, &second);
        if (first.digest == second.digest) return true;
        printf("FAILED: seed %llu goes another way the second time\n", (unsigned long long)seed);
        return false;
}

int main(int argc, char **argv)
{
        struct options options = {.seed = 1, .count = 1};
        struct sums sums = {0};
        uint64_t passed = 0, failed = 0;
        struct reason why;

        if (!options_read(argc, argv, &options)) {
                fputs(usage, stderr);
                return 2;
        }
        if (crypto_init(&why) || secrets_init(SLOTS)) {
                fputs("the primitives do not work here\n", stderr);
                return 1;
        }
        logger_set_sink(log_line, &options);
        if (options.verbose) logger_set_level(LOG_LEVEL_DEBUG);
        for (uint64_t i = 0; i < options.count; i++)
                ++*(run_seed(argv[0], options.seed + i, &options, &sums) ? &passed : &failed);
        if (options.count > 1) ++*(run_twice(options.seed) ? &passed : &failed);
        if (!sums_print(&sums) && options.count >= ENOUGH_SEEDS) {
                printf("FAILED: something in the line above did not happen at all\n");
                failed++;
        }
        secrets_clear();
        printf("%llu passed, %llu failed\n", (unsigned long long)passed, (unsigned long long)failed);
        return failed != 0;
}
