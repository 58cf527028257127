/* The hub of 2021, replayed: each of its recorded requests goes to the node, and the answer is compared byte for byte, but for addresses
 * and names that are random. Where the node answers otherwise on purpose, the table below says how by the vector's name, and
 * docs/protocol.md, "Where the node differs from the hub of 2021", says why; tests/vectors/hub-2021-differences.json ties the two
 * together, and both are held to it here. */
#include "tests/support/service_bench.h"
#include "tests/support/test.h"
#include "tests/support/vectors.h"

#include <stdio.h>
#include <stdlib.h>

enum { HUB_ADDRESS = 16, KNOWN_MAX = 64 };

/* An address of the hub's, and ours that stands for it. */
struct known {
        char hub[HUB_ADDRESS + 1];
        char ours[ADDRESS_RANDOM_SIZE + 1];
        char name[300];
        uint64_t partition;
};

struct replay {
        struct bench *bench;
        struct bench_client *first, *other;
        struct known known[KNOWN_MAX];
        size_t known_count;
        const json_t *vectors;
        uint64_t dropped; /* messages to unknown addresses, before the request at hand */
};

/* --- streams that were made before their part of the recording begins --------------------------------------------------- */

static void fill_sizes(struct bench_client *client, struct bytes to)
{
        uint8_t memory[2500];
        uint64_t index = 0;

        for (int i = 0; i < 10; i++) {
                size_t n = i < 2 ? 2500 : 10;
                memset(memory, 'A' + i, n);
                bench_pushed(client, to, bytes_make(memory, n), index++);
        }
}

static void fill_thousands(struct bench_client *client, struct bytes to, unsigned count)
{
        uint8_t memory[1000];

        for (unsigned i = 0; i < count; i++) {
                memset(memory, (int)i, sizeof memory);
                bench_pushed(client, to, bytes_make(memory, sizeof memory), i);
        }
}

static void fill_60(struct bench_client *client, struct bytes to)
{
        fill_thousands(client, to, 60);
}

static void fill_from_40(struct bench_client *client, struct bytes to)
{
        fill_thousands(client, to, 50);
        assert_ok(log_memory_truncate(client->bench->log, "vec-retention", 0, 40));
}

static void fill_abc(struct bench_client *client, struct bytes to)
{
        bench_pushed(client, to, BYTES_LITERAL("abc"), 0);
}

static const struct made_before {
        const char *hub, *name;
        void (*fill)(struct bench_client *client, struct bytes to);
} made_before[] = {
        {"1d2e7c58c59f8f65", "vec-sizes", fill_sizes},
        {"3f7dbb058830a2c4", "vec-retention", fill_from_40},
        {"f6cad6af56c69246", "vec-5d631-60", fill_60},
        {"08b751a787b500c7", "vec5-5d73e", fill_abc},
        {"d06a2f26831e8fca", "vec6-5d760", fill_abc},
};

/* --- addresses ------------------------------------------------------------------------------------------------------------ */

static struct known *known_of(struct replay *replay, struct bytes hub)
{
        for (size_t i = 0; i < replay->known_count; i++)
                if (bytes_equal(hub, bytes_of_text(replay->known[i].hub))) return &replay->known[i];
        return NULL;
}

/* A create answer pairs two addresses. One stream and partition has one address of ours, for ever. */
static struct known *learn(struct replay *replay, struct bytes hub, struct bytes ours, struct bytes name, uint64_t partition)
{
        struct known *known = &replay->known[replay->known_count++];

        assert_true(replay->known_count <= KNOWN_MAX);
        assert_int_equal(hub.n, HUB_ADDRESS);
        assert_int_equal(ours.n, ADDRESS_RANDOM_SIZE);
        memcpy(known->hub, hub.p, hub.n);
        memcpy(known->ours, ours.p, ours.n);
        memcpy(known->name, name.p, name.n);
        known->partition = partition;
        for (struct known *earlier = replay->known; earlier < known; earlier++)
                if (!strcmp(earlier->name, known->name) && earlier->partition == partition) assert_string_equal(earlier->ours, known->ours);
        return known;
}

/* Our address for one in a request; services have the same names everywhere. */
static struct bytes translate(struct replay *replay, struct bytes hub)
{
        struct known *known = known_of(replay, hub);

        if (known) return bytes_of_text(known->ours);
        for (size_t i = 0; i < sizeof made_before / sizeof *made_before; i++) {
                const struct made_before *m = &made_before[i];

                if (!bytes_equal(hub, bytes_of_text(m->hub))) continue;
                struct bytes ours = bench_made(replay->first, m->name);
                m->fill(replay->first, ours);
                return bytes_of_text(learn(replay, hub, ours, bytes_of_text(m->name), 0)->ours);
        }
        return hub;
}

static struct message message_of(struct bytes frame)
{
        struct message msg;
        struct bytes body;
        size_t used;

        assert_ok(frame_next(frame, &used, &body));
        assert_int_equal(used, frame.n);
        assert_ok(message_read(body, 256, &msg));
        return msg;
}

static struct route route_to(struct bytes address)
{
        static uint8_t memory[512];
        struct writer w = writer_make(memory, sizeof memory);

        address_put(&w, address_local(address));
        assert_ok(writer_err(&w));
        return (struct route){1, writer_bytes(&w)};
}

static void feed_request(struct replay *replay, struct bench_client *client, const char *request)
{
        static uint8_t frame[FRAME_LENGTH_SIZE + FRAME_MAX];
        struct message msg = message_of(hex_bytes(request));
        struct writer w = writer_make(frame, sizeof frame);
        struct address to;

        assert_true(route_front(msg.onward, &to));
        assert_int_equal(msg.onward.count, 1);
        msg.onward = route_to(translate(replay, to.value));
        frame_put_length(&w, message_size(&msg));
        message_put(&w, &msg);
        assert_ok(writer_err(&w));
        bench_feed(client, writer_bytes(&w));
}

/* --- comparing ------------------------------------------------------------------------------------------------------------ */

/* Random names are of another length, so the answer is written anew with ours, which must have the right form. */
static struct bytes with_our_name(struct bytes payload, const struct stream_response *hub, const struct stream_response *ours)
{
        static uint8_t memory[512];
        struct writer w = writer_make(memory, sizeof memory);
        struct bytes name = ours->create.name, generated = BYTES_LITERAL("generated_");

        if (hub->create.name.n < generated.n || !bytes_equal(bytes_make(hub->create.name.p, generated.n), generated)) return payload;
        assert_int_equal(name.n, generated.n + 32);
        assert_bytes_equal("generated name", bytes_make(name.p, generated.n), generated);
        for (size_t i = generated.n; i < name.n; i++) assert_non_null(strchr("0123456789abcdef", name.p[i]));
        stream_put_created(&w, name, hub->create.partitioned, hub->create.partition);
        assert_ok(writer_err(&w));
        return writer_bytes(&w);
}

static void compare(struct replay *replay, const char *name, const char *hub_hex, const struct bench_answer *ours)
{
        static uint8_t memory[FRAME_MAX];
        struct message expected = message_of(hex_bytes(hub_hex));
        struct writer w = writer_make(memory, sizeof memory);
        struct stream_response hub = {.protocol = STREAM_ERROR};
        struct address from;

        if (!route_front(expected.ret, &from)) from.value = BYTES_NONE;
        if (!stream_response_read(expected.payload, &hub) && (hub.protocol == STREAM_CREATE || hub.protocol == STREAM_CREATE_PARTITIONED)) {
                if (!known_of(replay, from.value)) learn(replay, from.value, ours->from, ours->response.create.name, hub.create.partition);
                expected.payload = with_our_name(expected.payload, &hub, &ours->response);
        }
        if (expected.ret.count) expected.ret = route_to(translate(replay, from.value));
        message_put(&w, &expected);
        assert_ok(writer_err(&w));
        assert_bytes_equal(name, ours->frame, writer_bytes(&w));
}

/* The id over 64 bits: read by no client's reader, so the frame is compared as it is. */
static bool next_frame(struct bench_client *client, struct bench_answer *answer)
{
        struct bytes rest = bytes_make(client->link->written + client->read, client->link->written_n - client->read);
        struct address from;
        size_t used;

        if (rest.n == 0) return false;
        assert_ok(frame_next(rest, &used, &answer->frame));
        assert_ok(message_read(answer->frame, 256, &answer->msg));
        answer->from = route_front(answer->msg.ret, &from) ? from.value : BYTES_NONE; /* a pong has no way back */
        if (stream_response_read(answer->msg.payload, &answer->response)) answer->response.protocol = STREAM_PROTOCOL_COUNT;
        client->read += used;
        return true;
}

static void check_same(struct replay *replay, struct bench_client *client, const json_t *vector)
{
        const json_t *response;
        struct bench_answer answer;
        size_t i;

        json_array_foreach(vector_member(vector, "responses"), i, response) {
                if (!next_frame(client, &answer)) fail_msg("%s: no answer number %zu", vector_text(vector, "name"), i + 1);
                compare(replay, vector_text(vector, "name"), json_string_value(response), &answer);
        }
        bench_nothing(client);
        assert_int_equal(client->link->closed, json_is_true(json_object_get(vector, "connection_closed")));
}

/* --- where we differ ---------------------------------------------------------------------------------------------------- */

/* The same answer, once the pull has been held for its time. */
static void held(struct replay *replay, struct bench_client *client, const json_t *vector)
{
        bench_nothing(client);
        bench_advance(replay->bench, replay->bench->config.service.hold_ms - 1);
        bench_nothing(client);
        bench_advance(replay->bench, 1);
        check_same(replay, client, vector);
}

static void check_error(struct bench_client *client, const char *reason)
{
        struct bench_answer answer = bench_only(client, STREAM_ERROR);

        assert_bytes_equal("reason", answer.response.error.reason, bytes_of_text(reason));
        assert_bytes_equal("from", answer.from, BYTES_LITERAL("stream_kafka"));
}

static void wrong_characters(struct replay *replay, struct bench_client *client, const json_t *vector)
{
        (void)replay;
        (void)vector;
        check_error(client, "A stream name may have letters, digits, '.', '_' and '-' only");
}

static void name_too_long(struct replay *replay, struct bench_client *client, const json_t *vector)
{
        (void)replay;
        (void)vector;
        check_error(client, "The stream name is too long");
}

static void name_is_dot(struct replay *replay, struct bench_client *client, const json_t *vector)
{
        (void)replay;
        (void)vector;
        check_error(client, "The stream name may not be . or ..");
}

static void no_partitions(struct replay *replay, struct bench_client *client, const json_t *vector)
{
        (void)replay;
        (void)vector;
        check_error(client, "A stream needs at least one partition");
}

static void reserved(struct replay *replay, struct bench_client *client, const json_t *vector)
{
        const struct log_record *records;
        size_t count;

        (void)vector;
        check_error(client, "Stream names that begin with __ are reserved");
        assert_err(log_memory_dump(replay->bench->log, "__consumer_offsets", 0, &records, &count), ERR_NOT_FOUND);
}

static void invalid_from_the_stream(struct replay *replay, struct bench_client *client, const json_t *vector)
{
        struct bench_answer answer = bench_only(client, STREAM_ERROR);

        (void)vector;
        assert_bytes_equal("reason", answer.response.error.reason, BYTES_LITERAL("Invalid request"));
        assert_bytes_equal("from", answer.from, translate(replay, BYTES_LITERAL("f6cad6af56c69246")));
}

/* `count` messages from `index` on, each of 1000 bytes of its index. */
static void check_thousands(struct bench_client *client, uint64_t index, uint64_t count)
{
        struct bench_answer answer = bench_only(client, STREAM_PULL);
        struct stream_message message;
        uint8_t memory[1000];

        assert_int_equal(answer.response.pull.count, count);
        while (stream_message_next(&answer.response.pull.messages, &message)) {
                memset(memory, (int)index, sizeof memory);
                assert_int_equal(message.index, index++);
                assert_bytes_equal("message", message.data, bytes_make(memory, sizeof memory));
        }
}

static void from_the_start(struct replay *replay, struct bench_client *client, const json_t *vector)
{
        (void)replay;
        (void)vector;
        check_thousands(client, 40, 3);
}

/* These two the hub answers alike, but the recording has not kept all of their bytes. */
static void two_thousands(struct replay *replay, struct bench_client *client, const json_t *vector)
{
        (void)replay;
        (void)vector;
        check_thousands(client, 40, 2);
}

static void sixty_thousands(struct replay *replay, struct bench_client *client, const json_t *vector)
{
        (void)replay;
        (void)vector;
        check_thousands(client, 0, 60);
}

static void stream_is_well(struct replay *replay, struct bench_client *client, const json_t *vector)
{
        (void)replay;
        (void)vector;
        check_thousands(client, 0, 1);
}

static void no_more_than_the_limit(struct replay *replay, struct bench_client *client, const json_t *vector)
{
        struct bench_answer answer = bench_only(client, STREAM_PULL);
        struct message hub = message_of(hex_bytes(json_string_value(json_array_get(vector_member(vector, "responses"), 0))));
        struct stream_response theirs;
        struct stream_message a, b;

        (void)replay;
        assert_ok(stream_response_read(hub.payload, &theirs));
        assert_int_equal(theirs.pull.count, 5);
        assert_int_equal(answer.response.pull.count, 4);
        while (stream_message_next(&answer.response.pull.messages, &a)) {
                assert_true(stream_message_next(&theirs.pull.messages, &b));
                assert_int_equal(a.index, b.index);
                assert_bytes_equal("message", a.data, b.data);
        }
}

static void too_large_to_come_back(struct replay *replay, struct bench_client *client, const json_t *vector)
{
        static uint8_t data[65488];
        struct bench_answer answer;

        (void)vector; /* its request is too long to have been written down */
        memset(data, 'z', sizeof data);
        bench_push(client, translate(replay, BYTES_LITERAL("1d2e7c58c59f8f65")), 1, bytes_make(data, sizeof data - 16));
        answer = bench_only(client, STREAM_PUSH);
        assert_true(answer.response.push.failed);
        assert_int_equal(answer.response.push.index, 0);
}

/* What the hub stored there we refused, so the pull is one at the end. */
static void length_does_not_wrap(struct replay *replay, struct bench_client *client, const json_t *vector)
{
        (void)vector;
        bench_advance(replay->bench, replay->bench->config.service.hold_ms);
        assert_int_equal(bench_only(client, STREAM_PULL).response.pull.count, 0);
}

static void any_limit_will_do(struct replay *replay, struct bench_client *client, const json_t *vector)
{
        struct bench_answer answer = bench_only(client, STREAM_PULL);
        struct stream_message message;

        (void)replay;
        (void)vector;
        assert_int_equal(answer.response.pull.count, 1);
        assert_true(stream_message_next(&answer.response.pull.messages, &message));
        assert_bytes_equal("message", message.data, BYTES_LITERAL("abc"));
}

static void absent(struct replay *replay, struct bench_client *client, const json_t *vector)
{
        (void)replay;
        (void)vector;
        assert_false(bench_only(client, STREAM_INDEX).response.index.present);
}

/* Names that only Kafka finds too much alike are its own matter; the twin has no such rule. */
static void alike_to_kafka(struct replay *replay, struct bench_client *client, const json_t *vector)
{
        (void)replay;
        (void)vector;
        assert_bytes_equal("name", bench_only(client, STREAM_CREATE).response.create.name, BYTES_LITERAL("a_bvec-5d631"));
}

/* Dropped and counted; the connection goes on. */
static void no_such_worker(struct replay *replay, struct bench_client *client, const json_t *vector)
{
        (void)vector;
        bench_nothing(client);
        assert_false(client->link->closed);
        assert_true(bench_stat(replay->bench, STAT_DROP_NO_WORKER) > replay->dropped);
}

/* A heartbeat: no answer, and the connection goes on, as the ping behind it shows. */
static void a_heartbeat(struct replay *replay, struct bench_client *client, const json_t *vector)
{
        struct bench_answer answer;

        (void)replay;
        (void)vector;
        bench_nothing(client);
        bench_feed(client, BYTES_LITERAL("\x00\x09\x01\x00\x01\x00\x02me\x01\x00"));
        assert_true(next_frame(client, &answer));
        assert_bytes_equal("pong", answer.msg.payload, BYTES_LITERAL("\x01"));
}

/* The hub's process had ended. */
static void still_there(struct replay *replay, struct bench_client *client, const json_t *vector)
{
        (void)vector;
        bench_made(client, "after-four-refused");
        bench_made(bench_connect(replay->bench), "after-four-refused");
}

/* Held until the coordinator is there; then told what is true. */
static void index_waits_for_kafka(struct replay *replay, struct bench_client *client, const json_t *vector)
{
        (void)vector;
        bench_index_get(client, "first-reader", "vec-sizes");
        bench_advance(replay->bench, 600000);
        bench_nothing(client);
        bench_set_away(replay->bench, false);
        bench_settle(replay->bench);
        absent(replay, client, vector);
}

/* There is no Kafka here: the tests of the programs run on one of version 4. */
static void seen_elsewhere(struct replay *replay, struct bench_client *client, const json_t *vector)
{
        (void)replay;
        (void)client;
        assert_null(vector_member(vector, "request"));
}

static void push_waits_for_kafka(struct replay *replay, struct bench_client *client, const json_t *vector)
{
        struct bench_answer answer;

        (void)vector;
        bench_advance(replay->bench, 600000);
        bench_nothing(client);
        assert_false(client->link->closed);
        bench_set_away(replay->bench, false);
        bench_settle(replay->bench);
        answer = bench_only(client, STREAM_PUSH);
        assert_false(answer.response.push.failed);
        assert_int_equal(answer.response.push.index, 2);
}

static void pull_is_empty_in_time(struct replay *replay, struct bench_client *client, const json_t *vector)
{
        (void)vector;
        bench_nothing(client);
        bench_advance(replay->bench, replay->bench->config.service.hold_ms);
        assert_int_equal(bench_only(client, STREAM_PULL).response.pull.count, 0);
        assert_false(client->link->closed);
        bench_set_away(replay->bench, false);
}

static const struct difference {
        const char *name;
        void (*check)(struct replay *replay, struct bench_client *client, const json_t *vector);
        bool away; /* Kafka cannot be reached when the request comes */
} differences[] = {
        {"pull from the empty stream, index 0", held, false},
        {"pull from the empty stream, index 5 (beyond the end)", held, false},
        {"pull index = end", held, false},
        {"pull index = end + 1", held, false},
        {"pull index 2^63-1", held, false},
        {"pull index 2^64-1", held, false},
        {"pull index 2^64-2", held, false},
        {"partitioned pull from partition 0", held, false},
        {"pull limit 4 answers more than the limit", no_more_than_the_limit, false},
        {"push: the biggest frame, 65535 bytes, data 65488", too_large_to_come_back, false},
        {"pull index 0 where the log starts at 40", from_the_start, false},
        {"pull whose answer is over 65535 bytes: length wraps", length_does_not_wrap, false},
        {"stream_create sent to a stream worker", invalid_from_the_stream, false},
        {"after that crash: pull", stream_is_well, false},
        {"create with a name Kafka refuses (\"a b/c\")", wrong_characters, false},
        {"create partitioned with 0 partitions", no_partitions, false},
        {"create partitioned with 0 partitions, existing topic", no_partitions, false},
        {"create name not UTF-8", wrong_characters, false},
        {"create name of 300 bytes", name_too_long, false},
        {"create name \".\"", name_is_dot, false},
        {"create \"a_b\"", alike_to_kafka, false},
        {"create \"__consumer_offsets\"", reserved, false},
        {"index get after save 2^63", absent, false},
        {"pull limit 2^22 - 1 (limit*1024 just under 2^32)", any_limit_will_do, false},
        {"pull limit 2^21 (limit*1024 = 2^31)", any_limit_will_do, false},
        {"Kafka down: push", push_waits_for_kafka, true},
        {"Kafka down: pull", pull_is_empty_in_time, true},
        {"refused create number 1 within 5 s", wrong_characters, false},
        {"refused create number 2 within 5 s", wrong_characters, false},
        {"refused create number 3 within 5 s", wrong_characters, false},
        {"refused create number 4 within 5 s", wrong_characters, false},
        {"hub after four refused creates within 5 s", still_there, false},
        {"create without a name", check_same, false},
        {"create partitioned, 1 partition, no name", check_same, false},
        {"first index get on a cluster without __consumer_offsets", index_waits_for_kafka, true},
        {"hub against Kafka 4.x", seen_elsewhere, false},
        {"transport zero-length frame", a_heartbeat, false},
        {"transport onward [1#127.0.0.1:port, peer]: hub connects out", no_such_worker, false},
        {"forwarding_service register", no_such_worker, false},
        {"Kafka down, nothing asked meanwhile: echo answers", no_such_worker, true},
        {"transport echo_service", no_such_worker, false},
        {"transport after unknown: still alive", no_such_worker, false},
        {"transport trailing bytes after the message", no_such_worker, false},
        {"transport version 2", no_such_worker, false},
        {"transport address type written as two-byte uint 80 00", no_such_worker, false},
        {"transport long return route", no_such_worker, false},
        {"transport two hops onward [echo_service, x]", no_such_worker, false},
        {"transport empty return route", no_such_worker, false},
        {"transport frame in three TCP segments", no_such_worker, false},
        {"transport two frames in one segment", no_such_worker, false},
};

static const struct difference shortened[] = {
        {"pull index 40 where the log starts at 40", two_thousands, false},
        {"pull 60 messages of 1000 bytes (fits in one frame)", sixty_thousands, false},
};

enum { DIFFERENCES = sizeof differences / sizeof *differences, SHORTENED = sizeof shortened / sizeof *shortened };

/* The entry for a vector in one of the tables; NULL: there is none. */
static const struct difference *entry_of(const char *name, const struct difference *table, size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (!strcmp(table[i].name, name)) return &table[i];
        return NULL;
}

/* What concerns the connection itself gets one of its own, since the hub closed some. */
static struct bench_client *client_for(struct replay *replay, const char *name)
{
        if (!strncmp(name, "transport ", 10)) return bench_connect(replay->bench);
        return strstr(name, "other connection") || strstr(name, "another connection") ? replay->other : replay->first;
}

static void feed(struct replay *replay, struct bench_client *client, const json_t *vector)
{
        const char *name = vector_text(vector, "name"), *request = vector_text(vector, "request");

        if (strstr(name, "three TCP segments")) bench_feed(client, BYTES_LITERAL("\x00\x1b\x01\x01\x00")); /* the recording has the last */
        if (!strncmp(name, "transport ", 10))
                bench_feed(client, hex_bytes(request));
        else if (request[0] != '(') feed_request(replay, client, request);
}

static void replay_one(struct replay *replay, const json_t *vector)
{
        const char *name = vector_text(vector, "name");
        struct bench_client *client = client_for(replay, name);
        const struct difference *entry = entry_of(name, differences, DIFFERENCES);

        if (!entry) entry = entry_of(name, shortened, SHORTENED);
        replay->dropped = bench_stat(replay->bench, STAT_DROP_NO_WORKER);
        if (entry && entry->away) bench_set_away(replay->bench, true);
        if (vector_member(vector, "request"))
                feed(replay, client, vector);
        else
                assert_non_null(entry);
        if (entry)
                entry->check(replay, client, vector);
        else
                check_same(replay, client, vector);
        bench_set_away(replay->bench, false);
}

static void answers_as_the_hub_of_2021(void **state)
{
        struct replay *replay = calloc(1, sizeof *replay);
        const json_t *vector;
        size_t i;

        (void)state;
        assert_non_null(replay);
        replay->bench = bench_new(1);
        bench_start(replay->bench);
        replay->first = bench_connect(replay->bench);
        replay->other = bench_connect(replay->bench);
        replay->vectors = vector_member(vectors_load("tests/vectors/hub-2021.json"), "vectors");
        assert_int_equal(json_array_size(replay->vectors), 124);
        json_array_foreach(replay->vectors, i, vector) replay_one(replay, vector);
        assert_int_equal(bench_stat(replay->bench, STAT_DROP_REPLY), 0);
        bench_free(replay->bench);
        free(replay);
}

/* --- the list of differences ---------------------------------------------------------------------------------------------- */

static bool has_vector(const json_t *vectors, const char *name)
{
        const json_t *vector;
        size_t i;

        json_array_foreach(vectors, i, vector) if (!strcmp(vector_text(vector, "name"), name)) return true;
        return false;
}

/* Each vector that the list names is recorded and checked above for its difference, once; and no other is. */
static void the_list_names_what_is_checked_here(void **state)
{
        const json_t *rows = vector_member(vectors_load("tests/vectors/hub-2021-differences.json"), "rows"), *row, *name;
        const json_t *vectors = vector_member(vectors_load("tests/vectors/hub-2021.json"), "vectors");
        size_t i, j, listed = 0;

        (void)state;
        json_array_foreach(rows, i, row) json_array_foreach(vector_member(row, "vectors"), j, name) {
                if (!has_vector(vectors, json_string_value(name))) fail_msg("not recorded: %s", json_string_value(name));
                if (!entry_of(json_string_value(name), differences, DIFFERENCES)) fail_msg("not checked: %s", json_string_value(name));
                listed++;
        }
        assert_int_equal(listed, DIFFERENCES);
        for (i = 0; i < SHORTENED; i++) assert_true(has_vector(vectors, shortened[i].name));
        vectors_clear();
}

/* Rows that no recorded request shows name the test that does. */
static void rows_without_a_recording_have_a_test(void **state)
{
        const json_t *rows = vector_member(vectors_load("tests/vectors/hub-2021-differences.json"), "rows"), *row;
        char wanted[128], line[512];
        size_t i;

        (void)state;
        json_array_foreach(rows, i, row) {
                const json_t *test = vector_member(row, "seen_in");
                bool found = false;
                FILE *file;

                assert_true((test == NULL) == (json_array_size(vector_member(row, "vectors")) > 0));
                if (!test) continue;
                snprintf(wanted, sizeof wanted, "static void %s(void **state)", vector_text(test, "test"));
                file = fopen(vector_text(test, "file"), "r");
                assert_non_null(file);
                while (!found && fgets(line, sizeof line, file)) found = !strncmp(line, wanted, strlen(wanted));
                fclose(file);
                if (!found) fail_msg("%s is not in %s", wanted, vector_text(test, "file"));
        }
        vectors_clear();
}

/* The table of the document, row by row: its first column is what the list has, in the same order, and its last one says why. */
static void the_document_has_the_same_list(void **state)
{
        const json_t *rows = vector_member(vectors_load("tests/vectors/hub-2021-differences.json"), "rows");
        FILE *file = fopen("docs/protocol.md", "r");
        char line[2000];
        bool within = false;
        size_t count = 0;

        (void)state;
        assert_non_null(file);
        while (fgets(line, sizeof line, file)) {
                const char *row = vector_text(json_array_get(rows, count), "row");

                if (!strncmp(line, "## ", 3)) within = !strncmp(line, "## Where the node differs from the hub of 2021", 46);
                if (!within || strncmp(line, "| ", 2) || !strncmp(line, "| request |", 11)) continue;
                if (strncmp(line + 2, row, strlen(row)) || strncmp(line + 2 + strlen(row), " | ", 3)) fail_msg("\"%s\" is not: %s", row, line);
                if (strstr(line, "| |")) fail_msg("a row without a reason: %s", line);
                if (++count == json_array_size(rows)) break;
        }
        assert_int_equal(count, json_array_size(rows));
        while (fgets(line, sizeof line, file) && strncmp(line, "## ", 3))
                if (line[0] == '|') fail_msg("a row that the list has not: %s", line);
        fclose(file);
        vectors_clear();
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(answers_as_the_hub_of_2021),
                cmocka_unit_test(the_list_names_what_is_checked_here),
                cmocka_unit_test(rows_without_a_recording_have_a_test),
                cmocka_unit_test(the_document_has_the_same_list),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
