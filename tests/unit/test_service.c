/* The stream services, request by request: what is answered, by whom and when; names; what is answered while Kafka is away. */
#include "stream/service.h"
#include "tests/support/service_bench.h"
#include "tests/support/test.h"
#include "tests/support/vectors.h"

#include <stdio.h>
#include <stdlib.h>

static struct bench *started(void)
{
        struct bench *bench = bench_new(7);

        bench_start(bench);
        return bench;
}

static struct stream_service_figures figures(struct bench *bench) { return node_figures(bench->node).service; }

/* --- create -------------------------------------------------------------------------------------------------------------- */

static void one_worker_for_all_connections(void **state)
{
        struct bench *bench = started();
        struct bench_client *a = bench_connect(bench), *b = bench_connect(bench);
        struct bytes first = bench_made(a, "s"), second = bench_made(b, "s"), third = bench_made(a, "s"), other = bench_made(a, "t");

        (void)state;
        assert_bytes_equal("same", first, second);
        assert_bytes_equal("same", first, third);
        assert_false(bytes_equal(first, other));
        assert_int_equal(figures(bench).streams, 2);
        bench_pushed(a, first, BYTES_LITERAL("x"), 0);
        bench_pushed(b, first, BYTES_LITERAL("y"), 1);
        bench_free(bench);
}

static void partitions_are_streams_of_their_own(void **state)
{
        struct bench *bench = started();
        struct bench_client *client = bench_connect(bench);
        struct bench_answer answer;

        (void)state;
        bench_create_partitioned(client, "p", 3);
        for (uint64_t i = 0; i < 3; i++) {
                assert_true(bench_next(client, &answer));
                assert_int_equal(answer.response.protocol, STREAM_CREATE_PARTITIONED);
                assert_int_equal(answer.response.create.partition, i);
        }
        bench_nothing(client);
        /* As many answers as asked for, whatever the topic has; pushes to what it has not fail. */
        bench_create_partitioned(client, "p", 5);
        for (uint64_t i = 0; i < 5; i++)
                assert_true(bench_next(client, &answer));
        uint8_t address[ADDRESS_RANDOM_SIZE];
        struct bytes fifth = bytes_make(address, sizeof address);
        memcpy(address, answer.from.p, sizeof address);
        bench_push(client, fifth, 9, BYTES_LITERAL("x"));
        answer = bench_only(client, STREAM_PUSH);
        assert_true(answer.response.push.failed);
        assert_int_equal(answer.response.push.index, 0);
        bench_pull(client, fifth, 9, 0, 8);
        assert_int_equal(bench_only(client, STREAM_PULL).response.pull.count, 0); /* at once */
        bench_free(bench);
}

struct name_case {
        const char *name, *reason; /* NULL: taken */
};

static void R10_names(void **state)
{
        static const struct name_case cases[] = {
                {"a", NULL},
                {"A-Z_a.z-09", NULL},
                {"...", NULL},
                {"_x", NULL},
                {".hidden", NULL},
                {"", "Invalid request"},
                {".", "The stream name may not be . or .."},
                {"..", "The stream name may not be . or .."},
                {"__consumer_offsets", "Stream names that begin with __ are reserved"},
                {"__", "Stream names that begin with __ are reserved"},
                {"../x", "A stream name may have letters, digits, '.', '_' and '-' only"},
                {"a b", "A stream name may have letters, digits, '.', '_' and '-' only"},
                {"\xc3\xa9", "A stream name may have letters, digits, '.', '_' and '-' only"},
                {"a\nb", "A stream name may have letters, digits, '.', '_' and '-' only"},
        };
        struct bench *bench = started();
        struct bench_client *client = bench_connect(bench);
        const struct log_record *records;
        size_t count;

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                if (!cases[i].reason) {
                        bench_made(client, cases[i].name);
                        continue;
                }
                bench_create(client, cases[i].name);
                struct bench_answer answer = bench_only(client, STREAM_ERROR);
                assert_bytes_equal(cases[i].name, answer.response.error.reason, bytes_of_text(cases[i].reason));
                assert_bytes_equal(cases[i].name, answer.from, BYTES_LITERAL("stream_kafka"));
                assert_err(log_memory_dump(bench->log, cases[i].name, 0, &records, &count), ERR_NOT_FOUND);
        }
        assert_int_equal(figures(bench).open_requests, 0);
        bench_free(bench);
}

static void R10_lengths_and_bytes_of_names(void **state)
{
        struct bench *bench = bench_new(7);
        struct bench_client *client;
        char name[260];

        (void)state;
        bench->config.service.name_max = 240; /* as with a prefix of 8 characters */
        bench_start(bench);
        client = bench_connect(bench);
        memset(name, 'n', sizeof name);
        name[240] = '\0';
        bench_made(client, name);
        name[240] = 'n';
        name[241] = '\0';
        bench_create(client, name);
        assert_bytes_equal("241", bench_only(client, STREAM_ERROR).response.error.reason, BYTES_LITERAL("The stream name is too long"));
        /* A NUL in it ends no name. */
        bench_request(client, BYTES_LITERAL("stream_kafka"),
                      &(struct stream_request){STREAM_CREATE, .create = {true, {(const uint8_t *)"a\0b", 3}, false, 1}});
        bench_only(client, STREAM_ERROR);
        bench_free(bench);
}

static void generated_names_are_random(void **state)
{
        struct bench *bench = started();
        struct bench_client *client = bench_connect(bench);
        char names[2][64];

        (void)state;
        for (int i = 0; i < 2; i++) {
                bench_create(client, NULL);
                struct bytes name = bench_only(client, STREAM_CREATE).response.create.name;
                assert_int_equal(name.n, 10 + 32);
                memcpy(names[i], name.p, name.n);
                names[i][name.n] = '\0';
        }
        assert_string_not_equal(names[0], names[1]);
        assert_bytes_equal("joined by its name", bench_made(client, names[0]), bench_made(client, names[0]));
        bench_free(bench);
}

/* --- push and pull ------------------------------------------------------------------------------------------------------- */

static void pushes_stand_in_order_and_come_back(void **state)
{
        struct bench *bench = started();
        struct bench_client *client = bench_connect(bench);
        struct bytes to = bench_made(client, "s");
        struct stream_message message;
        struct bench_answer answer;
        char text[16];

        (void)state;
        bench_set_faults(bench, (struct log_memory_faults){.delay_max_ms = 20});
        for (unsigned i = 0; i < 50; i++) {
                snprintf(text, sizeof text, "record %u", i);
                bench_push(client, to, i, bytes_of_text(text));
        }
        bench_advance(bench, 1000);
        for (unsigned i = 0; i < 50; i++) { /* in the order pushed, each with its own id */
                assert_true(bench_next(client, &answer));
                assert_int_equal(answer.response.push.id, i);
                assert_int_equal(answer.response.push.index, i);
        }
        bench_pull(client, to, 77, 40, 8);
        bench_advance(bench, 100);
        answer = bench_only(client, STREAM_PULL);
        assert_int_equal(answer.response.pull.id, 77);
        assert_int_equal(answer.response.pull.count, 8);
        for (unsigned i = 40; stream_message_next(&answer.response.pull.messages, &message); i++) {
                snprintf(text, sizeof text, "record %u", i);
                assert_int_equal(message.index, i);
                assert_bytes_equal("record", message.data, bytes_of_text(text));
        }
        bench_free(bench);
}

static void a_held_pull_is_answered_when_something_comes(void **state)
{
        struct bench *bench = started();
        struct bench_client *reader = bench_connect(bench), *writer = bench_connect(bench);
        struct bytes to = bench_made(reader, "s");

        (void)state;
        bench_pull(reader, to, 1, 0, 8);
        bench_advance(bench, 4000);
        bench_nothing(reader);
        assert_int_equal(figures(bench).held_pulls, 1);
        bench_pushed(writer, to, BYTES_LITERAL("x"), 0);
        assert_int_equal(bench_only(reader, STREAM_PULL).response.pull.count, 1);
        assert_int_equal(figures(bench).held_pulls, 0);
        bench_advance(bench, 10000);
        bench_nothing(reader); /* exactly one answer */
        bench_pull(reader, to, 2, 0, 0);
        assert_int_equal(bench_only(reader, STREAM_PULL).response.pull.count, 0); /* limit 0: at once */
        bench_free(bench);
}

static void R5_largest_numbers(void **state)
{
        struct bench *bench = started();
        struct bench_client *client = bench_connect(bench);
        struct bytes to = bench_made(client, "s");

        (void)state;
        bench_pushed(client, to, BYTES_LITERAL("x"), 0);
        bench_pull(client, to, UINT64_MAX, 0, UINT64_MAX);
        assert_int_equal(bench_only(client, STREAM_PULL).response.pull.count, 1);
        bench_pull(client, to, UINT64_MAX, UINT64_MAX, UINT64_MAX);
        bench_advance(bench, 5000);
        assert_int_equal(bench_only(client, STREAM_PULL).response.pull.count, 0);
        bench_create_partitioned(client, "s", UINT64_MAX);
        bench_only(client, STREAM_ERROR);
        bench_request(client, BYTES_LITERAL("stream_kafka_index"),
                      &(struct stream_request){STREAM_INDEX_PARTITIONED,
                                               .index = {STREAM_INDEX_GET, BYTES_LITERAL("c"), BYTES_LITERAL("s"), true, UINT64_MAX, 0}});
        struct bench_answer answer = bench_only(client, STREAM_INDEX_PARTITIONED);
        assert_false(answer.response.index.present);
        assert_true(answer.response.index.partition == UINT64_MAX);
        bench_free(bench);
}

/* What is kept to be echoed has a limit; within it, an id of any size comes back as it was sent. */
static void R5_ids_of_more_than_32_bytes_are_refused(void **state)
{
        struct bench *bench = started();
        struct bench_client *client = bench_connect(bench);
        struct bytes to = bench_made(client, "s");
        uint8_t id[REQUEST_ID_MAX + 1];

        (void)state;
        memset(id, 0x80, sizeof id);
        id[REQUEST_ID_MAX - 1] = 1;
        bench_request(client, to, &(struct stream_request){STREAM_PUSH, .push = {{.raw = bytes_make(id, REQUEST_ID_MAX)}, BYTES_LITERAL("x")}});
        assert_non_null(memmem(client->link->written + client->read, client->link->written_n - client->read, id, REQUEST_ID_MAX));
        client->read = client->link->written_n;
        id[REQUEST_ID_MAX - 1] = 0x80;
        id[REQUEST_ID_MAX] = 1;
        bench_request(client, to, &(struct stream_request){STREAM_PUSH, .push = {{.raw = bytes_make(id, sizeof id)}, BYTES_LITERAL("x")}});
        assert_bytes_equal("reason", bench_only(client, STREAM_ERROR).response.error.reason, BYTES_LITERAL("Invalid request"));
        bench_free(bench);
}

static void failed_pushes_get_status_1(void **state)
{
        struct bench *bench = started();
        struct bench_client *client = bench_connect(bench);
        struct bytes to = bench_made(client, "s");
        static uint8_t data[65423];
        struct bench_answer answer;

        (void)state;
        bench_set_faults(bench, (struct log_memory_faults){.append_fail_percent = 100});
        bench_push(client, to, 5, BYTES_LITERAL("x"));
        answer = bench_only(client, STREAM_PUSH);
        assert_true(answer.response.push.failed);
        assert_int_equal(answer.response.push.index, 0);
        assert_int_equal(answer.response.push.id, 5);
        bench_set_faults(bench, (struct log_memory_faults){0});
        bench_push(client, to, 6, bytes_make(data, 65423)); /* one more than can come back */
        assert_true(bench_only(client, STREAM_PUSH).response.push.failed);
        log_memory_delete(bench->log, "s");
        bench_push(client, to, 7, BYTES_LITERAL("x"));
        assert_true(bench_only(client, STREAM_PUSH).response.push.failed);
        assert_int_equal(bench_stat(bench, STAT_PUSHES_FAILED), 3);
        bench_pull(client, to, 8, 0, 1);
        assert_int_equal(bench_only(client, STREAM_PULL).response.pull.count, 0);
        bench_free(bench);
}

/* The largest push comes back to a reader with the usual addresses, whatever its id. */
static void the_largest_record_comes_back(void **state)
{
        struct bench *bench = started();
        struct bench_client *client = bench_connect(bench);
        struct bytes to = bench_made(client, "s");
        static uint8_t data[65422];
        struct stream_message message;

        (void)state;
        memset(data, 0x5a, sizeof data);
        bench_pushed(client, to, bytes_make(data, sizeof data), 0);
        client->ret = BYTES_LITERAL("0123456789abcdef0123456789abcdef");
        bench_pull(client, to, UINT64_MAX, 0, 8);
        struct bench_answer answer = bench_only(client, STREAM_PULL);
        assert_int_equal(answer.response.pull.count, 1);
        assert_true(stream_message_next(&answer.response.pull.messages, &message));
        assert_bytes_equal("record", message.data, bytes_make(data, sizeof data));
        bench_free(bench);
}

/* --- the index service --------------------------------------------------------------------------------------------------- */

static void check_index(struct bench_client *client, const char *client_id, const char *name, bool present, uint64_t index)
{
        bench_index_get(client, client_id, name);
        struct bench_answer answer = bench_only(client, STREAM_INDEX);
        assert_bytes_equal("from", answer.from, BYTES_LITERAL("stream_kafka_index"));
        assert_bytes_equal("client", answer.response.index.client_id, bytes_of_text(client_id));
        assert_bytes_equal("stream", answer.response.index.stream_name, bytes_of_text(name));
        assert_int_equal(answer.response.index.present, present);
        assert_int_equal(answer.response.index.index, index);
}

static void index_is_saved_and_told(void **state)
{
        struct bench *bench = started();
        struct bench_client *a = bench_connect(bench), *b = bench_connect(bench);
        char long_id[300];

        (void)state;
        bench_made(a, "s");
        check_index(a, "c", "s", false, 0);
        bench_index_save(a, "c", "s", 5);
        bench_nothing(a);
        check_index(b, "c", "s", true, 5);
        bench_index_save(b, "c", "s", 2);
        check_index(a, "c", "s", true, 2);
        bench_index_save(a, "c", "s", 1ull << 63); /* no offset of Kafka's: dropped */
        check_index(a, "c", "s", true, 2);
        check_index(a, "d", "s", false, 0);
        check_index(a, "c", "nowhere", false, 0);
        check_index(a, "c", "__consumer_offsets", false, 0);
        check_index(a, "", "s", false, 0);
        bench_index_save(a, "c", "__consumer_offsets", 1);
        bench_index_save(a, "", "s", 1);
        memset(long_id, 'c', sizeof long_id);
        long_id[299] = '\0';
        bench_index_save(a, long_id, "s", 1);
        check_index(a, long_id, "s", false, 0);
        long_id[255] = '\0';
        bench_index_save(a, long_id, "s", 1);
        check_index(a, long_id, "s", true, 1);
        memset(long_id, 's', STREAM_NAME_MAX); /* a stream's name likewise */
        long_id[STREAM_NAME_MAX] = '\0';
        bench_made(a, long_id);
        bench_index_save(a, "c", long_id, 7);
        check_index(b, "c", long_id, true, 7);
        uint64_t invalid = bench_stat(bench, STAT_REQUESTS_INVALID);
        long_id[STREAM_NAME_MAX] = 's';
        long_id[STREAM_NAME_MAX + 1] = '\0';
        bench_index_save(a, "c", long_id, 8);
        check_index(a, "c", long_id, false, 0);
        assert_int_equal(bench_stat(bench, STAT_REQUESTS_INVALID), invalid + 2);
        /* A NUL in a name is no end of it. */
        bench_request(a, BYTES_LITERAL("stream_kafka_index"),
                      &(struct stream_request){STREAM_INDEX,
                                               .index = {STREAM_INDEX_GET, BYTES_LITERAL("c\0d"), BYTES_LITERAL("s"), false, 0, 0}});
        assert_false(bench_only(a, STREAM_INDEX).response.index.present);
        bench_free(bench);
}

/* --- what is no request ---------------------------------------------------------------------------------------------------- */

static void bad_requests_are_told_by_whoever_was_asked(void **state)
{
        struct bench *bench = started();
        struct bench_client *client = bench_connect(bench);
        struct bytes to = bench_made(client, "s"), service = BYTES_LITERAL("stream_kafka"), index = BYTES_LITERAL("stream_kafka_index");
        struct bench_answer answer;

        (void)state;
        bench_send(client, to, BYTES_LITERAL("junk"));
        answer = bench_only(client, STREAM_ERROR);
        assert_bytes_equal("from", answer.from, to);
        assert_bytes_equal("reason", answer.response.error.reason, BYTES_LITERAL("Invalid request"));
        bench_send(client, service, BYTES_NONE);
        assert_bytes_equal("from", bench_only(client, STREAM_ERROR).from, service);
        bench_send(client, index, BYTES_LITERAL("junk"));
        bench_nothing(client);
        bench_pull(client, service, 1, 0, 1);
        bench_only(client, STREAM_ERROR);
        bench_pull(client, index, 1, 0, 1);
        bench_nothing(client);
        bench_index_get(client, "c", "s");
        bench_only(client, STREAM_INDEX);
        bench_free(bench);
}

static size_t put_answer(unsigned kind, uint8_t *memory, size_t cap)
{
        struct writer w = writer_make(memory, cap);
        uint8_t id_memory[UINT_SIZE_MAX];
        struct request_id id = request_id_of(3, id_memory);

        switch (kind) {
        case 0:
                stream_put_error(&w, "Invalid request");
                break;
        case 1:
                stream_put_created(&w, BYTES_LITERAL("some-stream"), false, 0);
                break;
        case 2:
                stream_put_created(&w, BYTES_LITERAL("some-stream"), true, 2);
                break;
        case 3:
                stream_put_pushed(&w, id, false, 5);
                break;
        case 4:
                stream_put_pulled_head(&w, id, 0, 0);
                break;
        default:
                stream_put_pulled_head(&w, id, 1, stream_pulled_message_size(300, 2));
                stream_put_pulled_message(&w, 300, BYTES_LITERAL("hi"));
        }
        assert_ok(writer_err(&w));
        return w.n;
}

static void R6_answers_are_never_answered(void **state)
{
        struct bench *bench = started();
        struct bench_client *client = bench_connect(bench);
        struct bytes to[] = {BYTES_LITERAL("stream_kafka"), BYTES_LITERAL("stream_kafka_index"), bench_made(client, "s")};
        uint8_t memory[128];

        (void)state;
        for (unsigned kind = 0; kind < 6; kind++)
                for (size_t i = 0; i < 3; i++) {
                        size_t n = put_answer(kind, memory, sizeof memory);
                        bench_send(client, to[i], bytes_make(memory, n));
                        bench_nothing(client);
                }
        assert_int_equal(bench_stat(bench, STAT_DROP_REPLY), 18);
        bench_advance(bench, 100000);
        bench_nothing(client);
        bench_free(bench);
}

/* Each answer that comes is sent back as a request to whoever sent it: nothing goes on for ever. */
static void R6_a_mirror_makes_no_loop(void **state)
{
        struct bench *bench = started();
        struct bench_client *client = bench_connect(bench);
        struct bytes to = bench_made(client, "s");
        struct bench_answer answer;
        unsigned mirrored = 0;
        uint8_t payload[256], from[64];

        (void)state;
        bench_send(client, to, BYTES_LITERAL("junk"));
        bench_push(client, to, 1, BYTES_LITERAL("x"));
        bench_pull(client, to, 1, 0, 1);
        bench_create(client, "s");
        bench_create(client, "");
        bench_index_get(client, "c", "s");
        while (bench_next(client, &answer)) {
                size_t n = answer.msg.payload.n, from_n = answer.from.n;
                assert_true(++mirrored < 10);
                memcpy(payload, answer.msg.payload.p, n);
                memcpy(from, answer.from.p, from_n);
                bench_send(client, bytes_make(from, from_n), bytes_make(payload, n));
                bench_advance(bench, 6000);
        }
        assert_true(mirrored >= 6);
        bench_free(bench);
}

/* --- Kafka is away --------------------------------------------------------------------------------------------------------- */

static void away_requests_wait_or_are_empty(void **state)
{
        struct bench *bench = started();
        struct bench_client *client = bench_connect(bench), *other = bench_connect(bench);
        struct bytes to = bench_made(client, "s");
        struct bench_answer answer;

        (void)state;
        bench_index_save(client, "c", "s", 4);
        bench_set_away(bench, true);
        bench_push(client, to, 1, BYTES_LITERAL("a"));
        bench_push(client, to, 2, BYTES_LITERAL("b"));
        bench_index_get(client, "c", "s");
        bench_pull(other, to, 3, 0, 1);
        bench_advance(bench, 4999);
        bench_nothing(other);
        bench_advance(bench, 1);
        assert_int_equal(bench_only(other, STREAM_PULL).response.pull.count, 0);
        bench_create(other, "later");
        bench_advance(bench, 59000);
        bench_nothing(client);
        bench_nothing(other);
        bench_set_away(bench, false);
        bench_settle(bench);
        bench_only(other, STREAM_CREATE);
        unsigned pushed = 0, indexed = 0;
        while (bench_next(client, &answer)) {
                if (answer.response.protocol == STREAM_PUSH) {
                        assert_false(answer.response.push.failed);
                        assert_int_equal(answer.response.push.index, pushed++);
                } else {
                        assert_int_equal(answer.response.protocol, STREAM_INDEX);
                        assert_int_equal(answer.response.index.index, 4);
                        indexed++;
                }
        }
        assert_int_equal(pushed, 2);
        assert_int_equal(indexed, 1);
        bench_free(bench);
}

static void away_a_create_ends_its_connection_after_its_time(void **state)
{
        struct bench *bench = started();
        struct bench_client *client = bench_connect(bench), *other = bench_connect(bench);
        struct bytes to = bench_made(other, "s");

        (void)state;
        bench_set_away(bench, true);
        bench_create(client, "later");
        bench_push(other, to, 1, BYTES_LITERAL("a"));
        bench_advance(bench, 1000);
        bench_create(client, "later-2");
        bench_advance(bench, 58999);
        assert_false(client->link->closed);
        bench_advance(bench, 1);
        assert_true(client->link->closed);
        assert_false(other->link->closed);
        assert_int_equal(figures(bench).open_requests, 1);
        assert_int_equal(bench_stat(bench, STAT_CONNS_TIMED_OUT), 1);
        bench_set_away(bench, false);
        bench_settle(bench);
        bench_only(other, STREAM_PUSH);
        bench_free(bench);
}

/* --- stopping -------------------------------------------------------------------------------------------------------------- */

static void on_stopped(void *user) { ((struct bench *)user)->stopped = true; }

static void stop_answers_what_was_accepted(void **state)
{
        struct bench *bench = started();
        struct bench_client *client = bench_connect(bench), *other = bench_connect(bench);
        struct bytes to = bench_made(client, "s");
        unsigned pushed = 0, pulled = 0;
        struct bench_answer answer;

        (void)state;
        bench_set_faults(bench, (struct log_memory_faults){.delay_max_ms = 50});
        for (uint64_t i = 0; i < 3; i++)
                bench_pull(client, to, i, 100, 1);
        bench_pull(other, to, 9, 200, 1);
        for (uint64_t i = 0; i < 20; i++)
                bench_push(client, to, i, BYTES_LITERAL("x"));
        node_stop(bench->node, 5000, on_stopped, bench);
        bench_pull(other, to, 10, 0, 1); /* nobody reads this any more */
        bench_advance(bench, 1000);
        assert_true(bench->stopped);
        assert_int_equal(bench_only(other, STREAM_PULL).response.pull.id, 9);
        while (bench_next(client, &answer)) {
                if (answer.response.protocol == STREAM_PULL)
                        pulled++;
                else
                        assert_int_equal(answer.response.push.index, pushed++);
        }
        assert_int_equal(pulled, 3);
        assert_int_equal(pushed, 20);
        assert_int_equal(figures(bench).open_requests + figures(bench).held_pulls, 0);
        bench_free(bench);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(one_worker_for_all_connections),
                cmocka_unit_test(partitions_are_streams_of_their_own),
                cmocka_unit_test(R10_names),
                cmocka_unit_test(R10_lengths_and_bytes_of_names),
                cmocka_unit_test(generated_names_are_random),
                cmocka_unit_test(pushes_stand_in_order_and_come_back),
                cmocka_unit_test(a_held_pull_is_answered_when_something_comes),
                cmocka_unit_test(R5_largest_numbers),
                cmocka_unit_test(R5_ids_of_more_than_32_bytes_are_refused),
                cmocka_unit_test(failed_pushes_get_status_1),
                cmocka_unit_test(the_largest_record_comes_back),
                cmocka_unit_test(index_is_saved_and_told),
                cmocka_unit_test(bad_requests_are_told_by_whoever_was_asked),
                cmocka_unit_test(R6_answers_are_never_answered),
                cmocka_unit_test(R6_a_mirror_makes_no_loop),
                cmocka_unit_test(away_requests_wait_or_are_empty),
                cmocka_unit_test(away_a_create_ends_its_connection_after_its_time),
                cmocka_unit_test(stop_answers_what_was_accepted),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
