/* Runs dialogues, one for each seed, several processes at once, and says which failed and how to see one again. Nothing here knows what
 * time it is: a seed gives the same run on every machine. */
#include "tests/simulation/dialogue.h"
#include "transport/base/logger.h"
#include "transport/secure_channel/crypto.h"
#include "transport/secure_channel/secrets.h"

#include <getopt.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SLOTS = 2048, ENOUGH_SEEDS = 300, ALL_SEEDS = 2000, KILLS_MIN = 20, JOBS_MAX = 64, EVENTS_MIN = 1000, BROKEN_SEEDS = 20 };

static const char *const broken_names[BROKEN_COUNT] = {"nothing", "I1", "I2", "I3", "I4", "I7", "I8"};

struct options {
        uint64_t seed, count, jobs;
        bool verbose, digest;
        enum broken broken;
};

static const char usage[] = "usage: simulation [--seed N] [--count N] [--jobs N] [--broken WHAT] [--digest] [--verbose]\n"
                            "  --seed N   the first seed (1)\n"
                            "  --count N  how many (1)\n"
                            "  --jobs N   processes at once (1)\n"
                            "  --broken   a promise that the log, or an endpoint, breaks: I1, I2, I3, I4, I7, I8\n"
                            "  --digest   print what each run comes down to\n"
                            "  --verbose  say what happens\n";

/* Sums of all runs, to be seen that the faults which the runs are there for took place: the row's name, and where it stands. */
#define ROWS(X)                                                                                                                            \
        X("seeds", 1)                                                                                                                      \
        X("of them strict", r->strict)                                                                                                     \
        X("events", r->world.steps)                                                                                                        \
        X("lines echoed", r->dialogue.messages)                                                                                            \
        X("handshakes begun", r->dialogue.attempts)                                                                                        \
        X("channels", r->dialogue.channels)                                                                                                \
        X("channels given up", r->dialogue.renewals)                                                                                       \
        X("endpoints restarted", r->dialogue.restarts)                                                                                     \
        X("node crashes", r->world.crashes)                                                                                                \
        X("node stops", r->world.stops)                                                                                                    \
        X("connections", r->world.checker.connections)                                                                                     \
        X("resets", r->world.net.resets)                                                                                                   \
        X("half-open", r->world.net.half_open)                                                                                             \
        X("dials refused", r->world.net.refused)                                                                                           \
        X("partitions", r->world.net.blocks)                                                                                               \
        X("narrow connections", r->world.net.slow)                                                                                         \
        X("log outages", r->world.outages)                                                                                                 \
        X("pushes acknowledged", r->world.checker.acknowledged)                                                                            \
        X("pushes refused", r->world.checker.failed)                                                                                       \
        X("records pulled", r->world.checker.records)                                                                                      \
        X("errors answered", r->world.checker.errors)                                                                                      \
        X("appends lost with a node", r->world.log.appends_lost)                                                                           \
        X("saves lost with a node", r->world.log.saves_lost)                                                                               \
        X("foreign records", r->world.junk)                                                                                                \
        X("truncations", r->world.truncations)                                                                                             \
        X("topics deleted", r->world.deletions)                                                                                            \
        X("streams found shorter", r->dialogue.stats[STAT_STREAM_TRUNCATED])                                                               \
        X("pushed again", r->dialogue.stats[STAT_REPUSHED])                                                                                \
        X("duplicates refused", r->dialogue.stats[STAT_REPLAYED])                                                                          \
        X("undecryptable", r->dialogue.stats[STAT_DECRYPT_FAILED])                                                                         \
        X("not allowed", r->dialogue.stats[STAT_DROP_NOT_ALLOWED])                                                                         \
        X("undecodable", r->dialogue.stats[STAT_DROP_UNDECODED])                                                                           \
        X("malformed frames", r->dialogue.stats[STAT_FRAMES_MALFORMED])                                                                    \
        X("handshakes pushed out", r->dialogue.stats[STAT_HANDSHAKES_FULL])                                                                \
        X("pulls over the limit", r->dialogue.stats[STAT_LIMIT_PULLS])                                                                     \
        X("streams over the limit", r->dialogue.stats[STAT_LIMIT_STREAMS])                                                                 \
        X("connections held at a limit", r->dialogue.stats[STAT_LIMIT_REQUESTS])                                                           \
        X("log under pressure", r->world.log.pressures)                                                                                    \
        X("appends over the limit", r->dialogue.stats[STAT_LIMIT_APPENDS])
#define KILL_ROW(point, name)   X("killed when " name, r->world.kills[point])
#define HOSTILE_ROW(kind, name) X("hostile: " name, r->dialogue.hostile[kind])

static const char *const row_names[] = {
#define X(name, value) name,
        ROWS(X) KILL_LIST(KILL_ROW) HOSTILE_LIST(HOSTILE_ROW)
#undef X
};
enum { ROW_COUNT = sizeof row_names / sizeof *row_names };

static void rows_add(uint64_t rows[static ROW_COUNT], const struct dialogue_result *r)
{
        const uint64_t values[ROW_COUNT] = {
#define X(name, value) value,
                ROWS(X) KILL_LIST(KILL_ROW) HOSTILE_LIST(HOSTILE_ROW)
#undef X
        };

        for (size_t i = 0; i < ROW_COUNT; i++)
                rows[i] += values[i];
}

/* What the processes share: each has a place of its own, and takes the next seed. */
struct shared {
        _Atomic uint64_t next;
        struct place {
                uint64_t seed; /* that runs now */
                bool running;
                uint64_t passed, failed, rows[ROW_COUNT];
        } places[JOBS_MAX];
};

static bool number_read(const char *text, uint64_t *out)
{
        char *end;
        unsigned long long number = strtoull(text, &end, 10);

        if (*end || text[0] < '0' || text[0] > '9') return false;
        *out = number;
        return true;
}

static bool broken_read(const char *text, enum broken *out)
{
        size_t i = 1;

        while (i < BROKEN_COUNT && strcmp(broken_names[i], text) != 0)
                i++;
        if (i == BROKEN_COUNT) return false;
        *out = (enum broken)i;
        return true;
}

static bool options_read(int argc, char **argv, struct options *options)
{
        static const struct option known[] = {{"seed", required_argument, NULL, 's'},
                                              {"count", required_argument, NULL, 'c'},
                                              {"jobs", required_argument, NULL, 'j'},
                                              {"digest", no_argument, NULL, 'd'},
                                              {"broken", required_argument, NULL, 'b'},
                                              {"verbose", no_argument, NULL, 'v'},
                                              {0}};
        int option;

        while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
                if (option == 's' && number_read(optarg, &options->seed)) continue;
                if (option == 'c' && number_read(optarg, &options->count)) continue;
                if (option == 'j' && number_read(optarg, &options->jobs) && options->jobs >= 1 && options->jobs <= JOBS_MAX) continue;
                if (option == 'b' && broken_read(optarg, &options->broken)) continue;
                if (option == 'd')
                        options->digest = true;
                else if (option == 'v')
                        options->verbose = true;
                else
                        return false;
        }
        return optind == argc;
}

static void log_line(void *user, enum log_level level, const char *line)
{
        const struct options *options = user;

        if (options->verbose) printf("  %s%s\n", level == LOG_LEVEL_DEBUG ? "  " : "", line);
}

static void replay_print(const char *program, uint64_t seed)
{
        printf("  replay: %s --seed %llu --verbose\n", program, (unsigned long long)seed);
}

static bool run_seed(const char *program, uint64_t seed, const struct options *options, uint64_t rows[static ROW_COUNT])
{
        struct dialogue_result result;

        if (options->verbose) printf("seed %llu\n", (unsigned long long)seed);
        dialogue_run(seed, options->verbose, options->broken, &result);
        rows_add(rows, &result);
        if (!result.passed) {
                printf("FAILED: seed %llu: %s\n", (unsigned long long)seed, result.failure);
                replay_print(program, seed);
        } else if (options->verbose) {
                printf("passed: %llu lines, %llu events, %llu ms\n", (unsigned long long)result.dialogue.messages,
                       (unsigned long long)result.world.steps, (unsigned long long)result.world.simulated_ms);
        }
        if (options->digest) printf("%llu %016llx\n", (unsigned long long)seed, (unsigned long long)result.digest);
        fflush(stdout);
        return result.passed;
}

/* --- processes ----------------------------------------------------------------------------------------------------------------- */

static void work(const char *program, const struct options *options, struct shared *shared, struct place *place)
{
        for (;;) {
                uint64_t i = atomic_fetch_add(&shared->next, 1);

                if (i >= options->count) return;
                place->seed = options->seed + i;
                place->running = true;
                ++*(run_seed(program, place->seed, options, place->rows) ? &place->passed : &place->failed);
                place->running = false;
        }
}

static pid_t work_begin(const char *program, const struct options *options, struct shared *shared, size_t job)
{
        pid_t pid = fork();

        if (pid < 0) abort();
        if (pid > 0) return pid;
        work(program, options, shared, &shared->places[job]);
        exit(0);
}

/* Waits for all; whoever dies with a seed in work has failed it, and another one goes on in his place. */
static void work_all(const char *program, const struct options *options, struct shared *shared)
{
        pid_t pids[JOBS_MAX];
        size_t running = options->jobs;
        int status;

        for (size_t job = 0; job < options->jobs; job++)
                pids[job] = work_begin(program, options, shared, job);
        while (running > 0) {
                pid_t pid = waitpid(-1, &status, 0);
                size_t job = 0;

                while (job < options->jobs && pids[job] != pid)
                        job++;
                if (job == options->jobs) continue;
                if (!shared->places[job].running) {
                        running--;
                        continue;
                }
                shared->places[job].running = false;
                shared->places[job].failed++;
                printf("FAILED: seed %llu ended the process (%s %d)\n", (unsigned long long)shared->places[job].seed,
                       WIFSIGNALED(status) ? "signal" : "exit", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
                replay_print(program, shared->places[job].seed);
                fflush(stdout);
                pids[job] = work_begin(program, options, shared, job);
        }
}

/* A seed that does not give the same run twice cannot be looked into. */
static bool run_twice(uint64_t seed)
{
        struct dialogue_result first, second;

        dialogue_run(seed, false, BROKEN_NOTHING, &first);
        dialogue_run(seed, false, BROKEN_NOTHING, &second);
        if (first.digest == second.digest) return true;
        printf("FAILED: seed %llu goes another way the second time\n", (unsigned long long)seed);
        return false;
}

/* Each promise broken on purpose is noticed, and named. */
static bool broken_noticed(enum broken broken)
{
        struct dialogue_result result;

        for (uint64_t seed = 1; seed <= BROKEN_SEEDS; seed++) {
                dialogue_run(seed, false, broken, &result);
                if (!result.passed && strncmp(result.failure, broken_names[broken], strlen(broken_names[broken])) == 0) return true;
        }
        printf("FAILED: %s was broken in %d seeds and no checker said so\n", broken_names[broken], BROKEN_SEEDS);
        return false;
}

static uint64_t rows_print(const uint64_t rows[static ROW_COUNT], bool enough)
{
        uint64_t failed = 0;

        for (size_t i = 0; i < ROW_COUNT; i++)
                printf("%s%llu %s", i ? ", " : "", (unsigned long long)rows[i], row_names[i]);
        printf("\n");
        for (size_t i = 0; enough && i < ROW_COUNT; i++) {
                bool kill = strncmp(row_names[i], "killed", 6) == 0;

                if (rows[i] >= (kill && rows[0] >= ALL_SEEDS ? KILLS_MIN : 1)) continue;
                printf("FAILED: this did not happen, or too seldom: %s\n", row_names[i]);
                failed++;
        }
        if (enough && rows[2] < EVENTS_MIN * rows[0]) {
                printf("FAILED: fewer than %d events in a seed on average\n", EVENTS_MIN);
                failed++;
        }
        return failed;
}

int main(int argc, char **argv)
{
        struct options options = {.seed = 1, .count = 1, .jobs = 1};
        uint64_t passed = 0, failed = 0, rows[ROW_COUNT] = {0};
        struct shared *shared;
        struct reason why;

        if (!options_read(argc, argv, &options)) {
                fputs(usage, stderr);
                return 2;
        }
        if (crypto_init(&why) || secrets_init(SLOTS)) {
                fputs("the primitives do not work here\n", stderr);
                return 1;
        }
        shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (shared == MAP_FAILED) return 1;
        logger_set_sink(log_line, &options);
        if (options.verbose) logger_set_level(LOG_LEVEL_DEBUG);
        if (options.jobs > 1)
                work_all(argv[0], &options, shared);
        else
                work(argv[0], &options, shared, &shared->places[0]);
        for (size_t job = 0; job < options.jobs; job++) {
                passed += shared->places[job].passed;
                failed += shared->places[job].failed;
                for (size_t i = 0; i < ROW_COUNT; i++)
                        rows[i] += shared->places[job].rows[i];
        }
        if (options.count > 1) ++*(run_twice(options.seed) ? &passed : &failed);
        for (unsigned broken = 1; options.count >= ENOUGH_SEEDS && broken < BROKEN_COUNT; broken++)
                ++*(broken_noticed((enum broken)broken) ? &passed : &failed);
        if (!options.digest) failed += rows_print(rows, options.count >= ENOUGH_SEEDS);
        munmap(shared, sizeof *shared);
        secrets_clear();
        printf("%llu passed, %llu failed\n", (unsigned long long)passed, (unsigned long long)failed);
        return failed != 0;
}
