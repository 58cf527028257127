/* Each counter of the services counts what its help says, and nothing else: a table of what a client does and which counters move by how
 * much. */
#include "tests/support/service_bench.h"
#include "tests/support/test.h"
#include "tests/support/vectors.h"
#include "transport/wire.h"

struct scene {
        struct bench *bench;
        struct bench_client *client;
        struct bytes to; /* a stream with three records */
};

static void creates(struct scene *scene) { bench_create(scene->client, "another"); }
static void creates_what_may_not_be(struct scene *scene) { bench_create(scene->client, "a/b"); }
static void creates_more_than_may_be(struct scene *scene) { bench_create_partitioned(scene->client, "many", 11); }
static void pushes(struct scene *scene) { bench_push(scene->client, scene->to, 1, BYTES_LITERAL("x")); }
static void pulls(struct scene *scene) { bench_pull(scene->client, scene->to, 1, 0, 2); }

static void pushes_what_is_not_taken(struct scene *scene)
{
        bench_set_faults(scene->bench, (struct log_memory_faults){.append_fail_percent = 100});
        bench_push(scene->client, scene->to, 1, BYTES_LITERAL("x"));
        bench_advance(scene->bench, 1000);
}

static void pushes_too_much(struct scene *scene)
{
        static uint8_t data[FRAME_MAX];

        bench_push(scene->client, scene->to, 1, bytes_make(data, scene->bench->config.service.record_max + 1));
}

static void pulls_where_nothing_is(struct scene *scene)
{
        bench_pull(scene->client, scene->to, 1, 3, 1);
        bench_advance(scene->bench, 6000);
}

static void pulls_over_a_large_record(struct scene *scene)
{
        static uint8_t data[FRAME_MAX];

        assert_ok(log_memory_write(scene->bench->log, "s", 0, bytes_make(data, sizeof data), 0));
        assert_ok(log_memory_write(scene->bench->log, "s", 0, BYTES_LITERAL("five"), 0));
        bench_pull(scene->client, scene->to, 1, 3, 1);
}

static void gets_an_index(struct scene *scene) { bench_index_get(scene->client, "reader", "s"); }
static void saves_an_index(struct scene *scene) { bench_index_save(scene->client, "reader", "s", 2); }

static const char *long_name(size_t n)
{
        static char name[512];

        memset(name, 'n', n);
        name[n] = '\0';
        return name;
}

/* The longest reader's name is taken, one byte more is not. */
static void gets_with_the_longest_name(struct scene *scene) { bench_index_get(scene->client, long_name(CLIENT_ID_MAX), "s"); }

static void gets_with_too_long_a_name(struct scene *scene)
{
        bench_index_get(scene->client, long_name(CLIENT_ID_MAX + 1), "s");
        assert_false(bench_only(scene->client, STREAM_INDEX).response.index.present);
}

static void saves_with_too_long_a_name(struct scene *scene) { bench_index_save(scene->client, long_name(CLIENT_ID_MAX + 1), "s", 2); }
static void says_nonsense(struct scene *scene) { bench_send(scene->client, scene->to, BYTES_LITERAL("nonsense")); }

/* An id that is longer than is echoed. */
static void pulls_with_too_long_an_id(struct scene *scene)
{
        uint8_t payload[128], id[REQUEST_ID_MAX + 1];
        struct writer w = writer_make(payload, sizeof payload);

        memset(id, 0xff, REQUEST_ID_MAX);
        id[REQUEST_ID_MAX] = 1;
        bare_put_string(&w, BYTES_LITERAL("stream_pull"));
        bare_put_uint(&w, sizeof id + 2);
        writer_put(&w, id, sizeof id);
        writer_put(&w, "\0\1", 2);
        assert_ok(writer_err(&w));
        bench_send(scene->client, scene->to, writer_bytes(&w));
        bench_only(scene->client, STREAM_ERROR);
}

static void says_an_answer(struct scene *scene)
{
        uint8_t payload[64];
        struct writer w = writer_make(payload, sizeof payload);

        stream_put_error(&w, "an answer");
        bench_send(scene->client, scene->to, writer_bytes(&w));
}

static void asks_nobody(struct scene *scene) { bench_send(scene->client, BYTES_LITERAL("nobody"), BYTES_LITERAL("x")); }
static void says_nothing(struct scene *scene) { bench_feed(scene->client, BYTES_LITERAL("\0\0")); }

static const struct {
        const char *name;
        void (*act)(struct scene *scene);
        struct {
                enum stat_id stat;
                uint64_t by;
        } moves[4]; /* beside frames and bytes */
} cases[] = {
        {"creates", creates, {{STAT_CREATES, 1}}},
        {"creates what may not be", creates_what_may_not_be, {{STAT_CREATES, 1}, {STAT_REQUESTS_INVALID, 1}}},
        {"creates more than may be", creates_more_than_may_be, {{STAT_CREATES, 1}, {STAT_REQUESTS_INVALID, 1}, {STAT_LIMIT_STREAMS, 1}}},
        {"pushes", pushes, {{STAT_PUSHES, 1}}},
        {"pushes what is not taken", pushes_what_is_not_taken, {{STAT_PUSHES, 1}, {STAT_PUSHES_FAILED, 1}}},
        {"pushes too much", pushes_too_much, {{STAT_PUSHES, 1}, {STAT_PUSHES_FAILED, 1}}},
        {"pulls", pulls, {{STAT_PULLS, 1}, {STAT_RECORDS_OUT, 2}}},
        {"pulls where nothing is", pulls_where_nothing_is, {{STAT_PULLS, 1}, {STAT_PULLS_EMPTY, 1}}},
        {"pulls over a large record", pulls_over_a_large_record, {{STAT_PULLS, 1}, {STAT_RECORDS_OUT, 1}, {STAT_RECORDS_TOO_LARGE, 1}}},
        {"gets an index", gets_an_index, {{STAT_INDEX_GETS, 1}}},
        {"saves an index", saves_an_index, {{STAT_INDEX_SAVES, 1}}},
        {"gets with the longest name", gets_with_the_longest_name, {{STAT_INDEX_GETS, 1}}},
        {"gets with too long a name", gets_with_too_long_a_name, {{STAT_INDEX_GETS, 1}, {STAT_REQUESTS_INVALID, 1}}},
        {"saves with too long a name", saves_with_too_long_a_name, {{STAT_INDEX_SAVES, 1}, {STAT_REQUESTS_INVALID, 1}}},
        {"says nonsense", says_nonsense, {{STAT_REQUESTS_INVALID, 1}}},
        {"pulls with too long an id", pulls_with_too_long_an_id, {{STAT_REQUESTS_INVALID, 1}}},
        {"says an answer", says_an_answer, {{STAT_DROP_REPLY, 1}}},
        {"asks nobody", asks_nobody, {{STAT_DROP_NO_WORKER, 1}}},
        {"says nothing", says_nothing, {{STAT_HEARTBEATS, 1}}},
};

static struct scene scene_make(uint64_t seed)
{
        struct scene scene = {.bench = bench_new(seed)};

        scene.bench->config.service.streams = 10;
        bench_start(scene.bench);
        scene.client = bench_connect(scene.bench);
        scene.to = bench_made(scene.client, "s");
        for (uint64_t i = 0; i < 3; i++)
                bench_pushed(scene.client, scene.to, BYTES_LITERAL("record"), i);
        return scene;
}

static void each_counts_what_it_says(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct scene scene = scene_make(i);
                struct stats expected = scene.bench->tc.ctx.stats, *got = &scene.bench->tc.ctx.stats;

                cases[i].act(&scene);
                bench_settle(scene.bench);
                for (size_t k = 0; k < 4; k++)
                        if (cases[i].moves[k].by) expected.v[cases[i].moves[k].stat] += cases[i].moves[k].by;
                assert_int_equal(got->v[STAT_FRAMES_IN], expected.v[STAT_FRAMES_IN] + 1);
                assert_true(got->v[STAT_BYTES_IN] > expected.v[STAT_BYTES_IN]);
                for (enum stat_id s = STAT_FRAMES_IN; s < STAT_COUNT; s++) {
                        if (s == STAT_FRAMES_IN || s == STAT_FRAMES_OUT || s == STAT_BYTES_IN || s == STAT_BYTES_OUT) continue;
                        if (got->v[s] != expected.v[s])
                                fail_msg("%s: %s is %llu, not %llu", cases[i].name, stat_name(s), (unsigned long long)got->v[s],
                                         (unsigned long long)expected.v[s]);
                }
                bench_free(scene.bench);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_counts_what_it_says),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
