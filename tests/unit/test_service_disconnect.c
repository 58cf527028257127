/* R9: whoever asked goes away at any moment. Nothing of his is kept, nothing is answered to others, nothing touches freed memory, and
 * what the log had taken is stored. And by chance: clients that ask, stall, leave and come back, while the log delays and is away;
 * each request of one who stays is answered exactly once, and right. */
#include "stream/service.h"
#include "tests/support/service_bench.h"
#include "tests/support/test.h"
#include "tests/support/vectors.h"

#include <stdio.h>
#include <stdlib.h>

static struct stream_service_figures figures(struct bench *bench) { return node_figures(bench->node).service; }

/* --- each state ---------------------------------------------------------------------------------------------------------- */

struct scene {
        struct bench *bench;
        struct bench_client *leaver, *stayer;
        struct bytes to; /* a stream with 10 records of 30,000 bytes */
};

static void create_waits(struct scene *scene)
{
        bench_set_away(scene->bench, true);
        bench_create(scene->leaver, "later");
        bench_create_partitioned(scene->leaver, "later-3", 3);
}

static void push_waits(struct scene *scene)
{
        bench_set_away(scene->bench, true);
        bench_push(scene->leaver, scene->to, 1, BYTES_LITERAL("stored all the same"));
}

static void push_is_on_its_way(struct scene *scene)
{
        bench_set_faults(scene->bench, (struct log_memory_faults){.delay_max_ms = 100});
        for (uint64_t i = 0; i < 5; i++)
                bench_push(scene->leaver, scene->to, i, BYTES_LITERAL("x"));
}

static void pull_is_held(struct scene *scene)
{
        bench_pull(scene->leaver, scene->to, 1, 10, 1);
        bench_pull(scene->leaver, scene->to, 2, 1000, 1);
}

static void pull_is_asked_for(struct scene *scene)
{
        bench_set_faults(scene->bench, (struct log_memory_faults){.delay_max_ms = 100});
        for (uint64_t i = 0; i < 5; i++)
                bench_pull(scene->leaver, scene->to, i, 0, 1);
}

/* Pulls whose records have come while the output was full: 30 of 60,000 bytes. */
static void pull_is_parked(struct scene *scene)
{
        scene->leaver->slow = true;
        bench_set_faults(scene->bench, (struct log_memory_faults){.delay_max_ms = 5});
        for (uint64_t i = 0; i < 30; i++)
                bench_pull(scene->leaver, scene->to, i, 0, 2);
        bench_advance(scene->bench, 10);
        assert_in_range(figures(scene->bench).held_pulls, 20, 29);
}

static void index_get_waits(struct scene *scene)
{
        bench_set_away(scene->bench, true);
        bench_index_save(scene->leaver, "c", "s", 3);
        bench_index_get(scene->leaver, "c", "s");
}

static void reading_is_held(struct scene *scene)
{
        bench_set_away(scene->bench, true);
        for (uint64_t i = 0; i < 20; i++)
                bench_push(scene->leaver, scene->to, i, BYTES_LITERAL("x"));
        assert_false(scene->leaver->link->reading);
        assert_true(scene->leaver->link->left_n > 0);
}

static void a_frame_is_half_there(struct scene *scene) { bench_feed(scene->leaver, BYTES_LITERAL("\x00\x40\x01\x01\x00\x0cstream")); }

static void everything_at_once(struct scene *scene)
{
        pull_is_held(scene);
        create_waits(scene);
        push_waits(scene);
        index_get_waits(scene);
}

static void nothing_waits(struct scene *scene) { bench_index_save(scene->leaver, "c", "s", 3); }

static const struct state_case {
        const char *name;
        void (*reach)(struct scene *scene);
        size_t stored; /* pushes of the leaver's that must be in the log in the end */
} state_cases[] = {
        {"create waits", create_waits, 0},
        {"push waits", push_waits, 1},
        {"push is on its way", push_is_on_its_way, 5},
        {"pull is held", pull_is_held, 0},
        {"pull is asked for", pull_is_asked_for, 0},
        {"pull is parked", pull_is_parked, 0},
        {"index get waits", index_get_waits, 0},
        {"reading is held", reading_is_held, 8},
        {"a frame is half there", a_frame_is_half_there, 0},
        {"everything at once", everything_at_once, 1},
        {"nothing waits", nothing_waits, 0},
};

static struct scene scene_make(uint64_t seed)
{
        struct scene scene = {.bench = bench_new(seed)};
        static uint8_t data[30000];

        scene.bench->config.service.requests_per_conn = 8;
        bench_start(scene.bench);
        scene.leaver = bench_connect(scene.bench);
        scene.stayer = bench_connect(scene.bench);
        scene.to = bench_made(scene.leaver, "s");
        for (unsigned i = 0; i < 10; i++)
                assert_ok(log_memory_write(scene.bench->log, "s", 0, bytes_make(data, sizeof data), 0));
        return scene;
}

/* The leaver goes `after_ms` into the state; the stayer's own requests, made then, are all answered in the end. */
static void leave(const struct state_case *c, uint64_t after_ms, enum err err, uint64_t seed)
{
        struct scene scene = scene_make(seed);
        struct bench *bench = scene.bench;
        const struct log_record *records;
        struct bench_answer answer;
        size_t count, answers = 0;

        c->reach(&scene);
        bench_push(scene.stayer, scene.to, 1, BYTES_LITERAL("the stayer's"));
        bench_pull(scene.stayer, scene.to, 2, 0, 1);
        bench_advance(bench, after_ms);
        size_t written = scene.leaver->link->written_n;
        fake_link_down(scene.leaver->link, err, "gone");
        bench_settle(bench);
        assert_true(figures(bench).open_requests <= 1); /* the stayer's push */
        assert_true(figures(bench).held_pulls <= 1);
        assert_int_equal(node_figures(bench->node).connections, 1);
        bench_set_faults(bench, (struct log_memory_faults){0});
        bench_advance(bench, 20000);
        assert_int_equal(figures(bench).open_requests + figures(bench).held_pulls, 0);
        assert_int_equal(scene.leaver->link->written_n, written);
        while (bench_next(scene.stayer, &answer))
                answers++;
        assert_int_equal(answers, 2);
        assert_ok(log_memory_dump(bench->log, "s", 0, &records, &count));
        assert_int_equal(count, 10 + 1 + c->stored);
        bench_free(bench);
}

static void R9_gone_in_each_state(void **state)
{
        static const enum err errs[] = {ERR_CLOSED, ERR_SYSTEM, ERR_UNREACHABLE};
        static const uint64_t after[] = {0, 1, 3, 10, 50, 200};
        uint64_t seed = 0;

        (void)state;
        for (size_t i = 0; i < sizeof state_cases / sizeof *state_cases; i++)
                for (size_t k = 0; k < 3; k++)
                        for (size_t a = 0; a < sizeof after / sizeof *after; a++)
                                for (int n = 0; n < 3; n++)
                                        leave(&state_cases[i], after[a], errs[k], ++seed);
}

static void on_stopped(void *user) { ((struct bench *)user)->stopped = true; }

/* The node itself ends a connection while it answers it: its output has no room for the answer. */
static void R9_gone_while_it_is_answered(void **state)
{
        (void)state;
        for (unsigned kind = 0; kind < 5; kind++) {
                struct scene scene = {.bench = bench_new(kind)};
                struct bench *bench = scene.bench;

                bench->config.transport.output_high = 120;
                bench->config.transport.output_low = 60;
                bench->config.transport.output_max = 200;
                bench_start(bench);
                scene.stayer = bench_connect(bench);
                scene.leaver = bench_connect(bench);
                scene.to = bench_made(scene.stayer, "s");
                bench_set_away(bench, true);
                scene.leaver->slow = true;
                for (uint64_t i = 0; i < 4; i++) {
                        if (kind == 0) bench_create_partitioned(scene.leaver, "many", 8);
                        if (kind == 1) bench_push(scene.leaver, scene.to, i, BYTES_LITERAL("x"));
                        if (kind == 2) bench_pull(scene.leaver, scene.to, i, 0, 1);
                        if (kind == 3) bench_index_get(scene.leaver, "a client with a name of its own", "s");
                        if (kind == 4) bench_pull(scene.leaver, scene.to, i, 1000, 1);
                }
                bench_set_away(bench, false);
                if (kind == 4) node_stop(bench->node, 1000, on_stopped, bench);
                if (kind == 2)
                        assert_ok(log_memory_write(bench->log, "s", 0,
                                                   BYTES_LITERAL("0123456789012345678901234567890123456789012345678901234567890123456789"),
                                                   0));
                bench_advance(bench, 6000);
                if (kind != 2)
                        assert_true(scene.leaver->link->closed);
                else
                        assert_false(scene.leaver->link->closed); /* pulls wait for the output instead */
                if (kind != 2) assert_int_equal(figures(bench).open_requests + figures(bench).held_pulls, 0);
                bench_free(bench);
        }
}

/* --- by chance ----------------------------------------------------------------------------------------------------------- */

enum { ACTORS = 4, STREAMS = 3, STEPS = 400, IDS_MAX = 4096 };

static const char *const stream_names[STREAMS] = {"one", "two", "three"};

struct actor {
        struct bench_client *client;
        struct bytes to[STREAMS]; /* known addresses; n 0: not created yet */
        uint8_t addresses[STREAMS][ADDRESS_RANDOM_SIZE];
        unsigned creates[STREAMS], gets;
        char pending[IDS_MAX]; /* by id: 'h' push, 'l' pull, 0 nothing; ids are never used again by anyone */
        unsigned char stream[IDS_MAX];
        uint64_t index[IDS_MAX], limit[IDS_MAX];
};

struct play {
        struct bench *bench;
        struct actor actors[ACTORS];
        uint64_t ids;
        const struct bench_client *pusher[IDS_MAX]; /* by id */
        size_t answers;
};

static uint64_t below(struct play *play, uint64_t n) { return test_context_next(&play->bench->tc) % n; }

static void arrive(struct play *play, struct actor *actor)
{
        memset(actor, 0, sizeof *actor);
        actor->client = bench_connect(play->bench);
}

static void depart(struct play *play, struct actor *actor)
{
        if (!actor->client->link->closed) fake_link_down(actor->client->link, ERR_CLOSED, "by chance");
        bench_settle(play->bench);
        arrive(play, actor);
}

/* A record names the push that it came by, so that order and index can be checked. */
static struct bytes record_of(uint64_t id)
{
        static char text[2000];
        int n = snprintf(text, sizeof text, "%llu:", (unsigned long long)id);

        memset(text + n, 'x', sizeof text - (size_t)n);
        return bytes_make(text, (size_t)n + id * 7919 % 1900);
}

static void ask(struct play *play, struct actor *actor)
{
        unsigned s = (unsigned)below(play, STREAMS);
        uint64_t id = play->ids;

        if (!actor->to[s].n) {
                actor->creates[s]++;
                bench_create(actor->client, stream_names[s]);
                return;
        }
        switch (below(play, 8)) {
        case 0:
        case 1:
        case 2:
                actor->pending[id] = 'h';
                play->pusher[id] = actor->client;
                actor->stream[id] = (unsigned char)s;
                play->ids++;
                bench_push(actor->client, actor->to[s], id, record_of(id));
                break;
        case 3:
        case 4:
        case 5:
                actor->pending[id] = 'l';
                actor->stream[id] = (unsigned char)s;
                actor->index[id] = below(play, 60);
                actor->limit[id] = below(play, 20);
                play->ids++;
                bench_pull(actor->client, actor->to[s], id, actor->index[id], actor->limit[id]);
                break;
        case 6:
                actor->gets++;
                bench_index_get(actor->client, "c", stream_names[s]);
                break;
        default:
                bench_index_save(actor->client, "c", stream_names[s], below(play, 100));
        }
}

static void check_pushed(struct play *play, struct actor *actor, const struct bench_answer *answer)
{
        const struct log_record *records;
        uint64_t id = answer->response.push.id;
        size_t count;

        if (id >= play->ids || actor->pending[id] != 'h') fail_msg("push %llu: answered twice, or to another", (unsigned long long)id);
        actor->pending[id] = 0;
        if (answer->response.push.failed) return;
        assert_ok(log_memory_dump(play->bench->log, stream_names[actor->stream[id]], 0, &records, &count));
        assert_true(answer->response.push.index < count);
        assert_bytes_equal("I1", records[answer->response.push.index].data, record_of(id));
}

static void check_pulled(struct play *play, struct actor *actor, struct bench_answer *answer)
{
        const struct log_record *records;
        struct stream_message message;
        uint64_t id = answer->response.pull.id, at;
        size_t count;

        if (id >= play->ids || actor->pending[id] != 'l') fail_msg("pull %llu: answered twice, or to another", (unsigned long long)id);
        actor->pending[id] = 0;
        at = actor->index[id];
        assert_true(answer->response.pull.count <= actor->limit[id]);
        assert_ok(log_memory_dump(play->bench->log, stream_names[actor->stream[id]], 0, &records, &count));
        while (stream_message_next(&answer->response.pull.messages, &message)) {
                assert_int_equal(message.index, at);
                assert_true(at < count);
                assert_bytes_equal("I3", message.data, records[at++].data);
        }
}

static void check_created(struct actor *actor, const struct bench_answer *answer)
{
        for (unsigned s = 0; s < STREAMS; s++) {
                if (!bytes_equal(answer->response.create.name, bytes_of_text(stream_names[s]))) continue;
                assert_true(actor->creates[s]-- > 0);
                memcpy(actor->addresses[s], answer->from.p, ADDRESS_RANDOM_SIZE);
                actor->to[s] = bytes_make(actor->addresses[s], ADDRESS_RANDOM_SIZE);
        }
}

static void listen_to(struct play *play, struct actor *actor)
{
        struct bench_answer answer;

        while (bench_next(actor->client, &answer)) {
                play->answers++;
                switch (answer.response.protocol) {
                case STREAM_CREATE:
                        check_created(actor, &answer);
                        break;
                case STREAM_PUSH:
                        check_pushed(play, actor, &answer);
                        break;
                case STREAM_PULL:
                        check_pulled(play, actor, &answer);
                        break;
                case STREAM_INDEX:
                        assert_true(actor->gets-- > 0);
                        break;
                default:
                        fail_msg("an answer of kind %d", (int)answer.response.protocol);
                }
        }
}

static void step(struct play *play)
{
        struct actor *actor = &play->actors[below(play, ACTORS)];
        struct log_memory_faults faults = play->bench->faults;

        switch (below(play, 20)) {
        case 0:
                faults.away = !faults.away;
                bench_set_faults(play->bench, faults);
                break;
        case 1:
                bench_advance(play->bench, below(play, 300));
                break;
        case 2:
                actor->client->slow = !actor->client->slow;
                break;
        case 3:
                if (play->bench->client_count < BENCH_CLIENTS - 1) depart(play, actor);
                break;
        default:
                ask(play, actor);
        }
        for (unsigned i = 0; i < ACTORS; i++)
                listen_to(play, &play->actors[i]);
}

/* Each client's pushes to a stream stand in it in the order in which they were sent (I4): ids go up. */
static void check_order(struct play *play)
{
        const struct log_record *records;
        size_t count;

        for (unsigned s = 0; s < STREAMS; s++) {
                uint64_t last[BENCH_CLIENTS] = {0};

                if (log_memory_dump(play->bench->log, stream_names[s], 0, &records, &count)) continue;
                for (size_t i = 0; i < count; i++) {
                        uint64_t id = strtoull((const char *)records[i].data.p, NULL, 10);
                        size_t who = (size_t)(play->pusher[id] - play->bench->clients);

                        assert_true(id + 1 > last[who]);
                        last[who] = id + 1;
                }
        }
}

static size_t perform(uint64_t seed)
{
        struct play *play = calloc(1, sizeof *play);

        assert_non_null(play);
        play->bench = bench_new(seed);
        play->bench->config.service.requests_per_conn = 4 + seed % 20;
        play->bench->config.service.pulls_per_conn = 1 + seed % 5;
        play->bench->config.transport.output_high = 4000;
        play->bench->config.transport.output_low = 1000;
        play->bench->log_limits.append_bytes_high = 20000;
        play->bench->log_limits.append_bytes_low = 5000;
        play->bench->faults =
                (struct log_memory_faults){.delay_max_ms = (uint32_t)(seed % 4 * 10), .append_fail_percent = seed % 3 ? 0 : 10};
        bench_start(play->bench);
        for (unsigned i = 0; i < ACTORS; i++)
                arrive(play, &play->actors[i]);
        for (unsigned i = 0; i < STEPS; i++)
                step(play);

        bench_set_away(play->bench, false);
        for (unsigned i = 0; i < ACTORS; i++)
                play->actors[i].client->slow = false;
        bench_advance(play->bench, 20000);
        for (unsigned i = 0; i < ACTORS; i++) {
                struct actor *actor = &play->actors[i];

                listen_to(play, actor);
                if (actor->client->link->closed) continue; /* stalled for too long */
                for (uint64_t id = 0; id < play->ids; id++)
                        if (actor->pending[id])
                                fail_msg("seed %llu: request %llu was never answered", (unsigned long long)seed, (unsigned long long)id);
                for (unsigned s = 0; s < STREAMS; s++)
                        assert_int_equal(actor->creates[s], 0);
                assert_int_equal(actor->gets, 0);
        }
        assert_int_equal(figures(play->bench).open_requests + figures(play->bench).held_pulls, 0);
        check_order(play);
        size_t answers = play->answers;
        bench_free(play->bench);
        free(play);
        return answers;
}

static void each_request_is_answered_once_and_right(void **state)
{
        size_t answers = 0;

        (void)state;
        for (uint64_t seed = 1; seed <= 150; seed++)
                answers += perform(seed);
        assert_true(answers > 10000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(R9_gone_in_each_state),
                cmocka_unit_test(R9_gone_while_it_is_answered),
                cmocka_unit_test(each_request_is_answered_once_and_right),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
