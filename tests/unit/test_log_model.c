/* Every log against the model of its topics: the twin and the embedded cluster, or a real Kafka where STROP_TEST_BROKERS names one.
 * STROP_MODEL_SEED=N runs that seed alone; STROP_MODEL_SEEDS=N so many of each. */
#include "tests/support/kafka_backend.h"
#include "tests/support/log_model.h"
#include "tests/support/test.h"
#include "tests/support/twin_backend.h"

#include <stdio.h>
#include <stdlib.h>

enum { SWEEP_MS = 25, STALE_MS = 4 * SWEEP_MS };

static uint64_t number_from(const char *name, uint64_t otherwise)
{
        const char *value = getenv(name);

        return value ? strtoull(value, NULL, 10) : otherwise;
}

/* Tails from none to enough for all, so that tail, fetches and both together answer. */
static struct log_model_plan plan_of(uint64_t seed, unsigned steps)
{
        static const size_t tails[] = {1u << 20, 2000, 0, 8000};

        return (struct log_model_plan){.seed = seed, .steps = steps, .tail_bytes = tails[seed % 4], .sweep_ms = SWEEP_MS};
}

static void add(struct log_model_counts *sum, const struct log_model_counts *one)
{
        sum->appends += one->appends;
        sum->others += one->others;
        sum->holes += one->holes;
        sum->truncations += one->truncations;
        sum->remakes += one->remakes;
        sum->reads += one->reads;
        sum->answers += one->answers;
        sum->records += one->records;
        sum->empty += one->empty;
        sum->cancelled += one->cancelled;
        sum->beyond += one->beyond;
        sum->below += one->below;
}

static struct log_model_counts run_seeds(struct log_backend *backend,
                                         struct log_model_plan *(*change)(struct log_model_plan *plan, void *arg), void *arg,
                                         uint64_t seeds, unsigned steps)
{
        uint64_t only = number_from("STROP_MODEL_SEED", 0), first = only ? only : 1,
                 last = only ? only : number_from("STROP_MODEL_SEEDS", seeds);
        struct log_model_counts sum = {0};

        for (uint64_t seed = first; seed <= last; seed++) {
                struct log_model_plan plan = plan_of(seed, steps);
                struct log_model_counts one = log_model_run(backend, change(&plan, arg));

                add(&sum, &one);
        }
        printf("%s: %zu appends, %zu by others, %zu holes, %zu truncations, %zu remakes; %zu reads (%zu beyond, %zu below), %zu answers, "
               "%zu empty, %zu records, %zu cancelled\n",
               backend->name, sum.appends, sum.others, sum.holes, sum.truncations, sum.remakes, sum.reads, sum.beyond, sum.below,
               sum.answers, sum.empty, sum.records, sum.cancelled);
        assert_true(only || (sum.appends && sum.others && sum.beyond && sum.empty && sum.cancelled && sum.records > sum.appends));
        return sum;
}

static struct log_model_plan *as_it_is(struct log_model_plan *plan, void *arg)
{
        (void)arg;
        return plan;
}

static struct log_model_plan *with_another(struct log_model_plan *plan, void *arg)
{
        plan->other = arg;
        plan->stale_ms = STALE_MS;
        return plan;
}

static void I3_readers_of_the_twin_skip_nothing(void **state)
{
        struct twin_backend twin;

        (void)state;
        for (uint32_t delay_ms = 0; delay_ms <= 30; delay_ms += 15) {
                twin_backend_init(&twin, "twin", 1, (struct log_memory_faults){.delay_max_ms = delay_ms});
                struct log_model_counts sum = run_seeds(&twin.backend, as_it_is, NULL, 20, 3000);
                assert_true(sum.holes && sum.truncations && sum.remakes && sum.below);
                twin_backend_clear(&twin);
        }
}

static void I3_readers_of_the_embedded_log_skip_nothing(void **state)
{
        struct kafka_backend kafka;

        (void)state;
        kafka_backend_init(&kafka, "embedded");
        run_seeds(&kafka.backend, with_another, &kafka.sibling, 3, 2000);
        kafka_backend_clear(&kafka);
}

static void I3_readers_of_a_real_Kafka_skip_nothing(void **state)
{
        struct kafka_backend kafka;

        (void)state;
        kafka_backend_init(&kafka, getenv("STROP_TEST_BROKERS"));
        struct log_model_counts sum = run_seeds(&kafka.backend, with_another, &kafka.sibling, 2, 1500);
        assert_true(sum.holes && sum.truncations && sum.remakes && sum.below);
        kafka_backend_clear(&kafka);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(I3_readers_of_the_twin_skip_nothing),
                cmocka_unit_test(I3_readers_of_the_embedded_log_skip_nothing),
        };
        const struct CMUnitTest real[] = {
                cmocka_unit_test(I3_readers_of_a_real_Kafka_skip_nothing),
        };

        if (getenv("STROP_TEST_BROKERS")) return cmocka_run_group_tests(real, NULL, NULL);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
