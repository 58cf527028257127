/* The checker of streams finds what it is there to find: each promise is broken once, by frames made by hand. */
#include "tests/support/stream_checker.h"
#include "tests/support/test.h"

#include "stream/protocol.h"
#include "transport/frame.h"
#include "transport/message.h"

#include <stdlib.h>

enum { RECORDS_MAX = 16, CONN = 7, PARTY = 3 };


struct fixture {
        struct stream_checker *checker;
        struct log_record records[RECORDS_MAX]; /* what the log says it holds */
        size_t count;
        struct arena arena;
        uint8_t payload[4096], frame[8192];
};

static struct fixture *f; /* the running test's */

static enum err dump(void *user, const char *name, uint32_t partition, const struct log_record **records, size_t *count)
{
        (void)user;
        if (strcmp(name, "s") != 0 || partition != 0) return ERR_NOT_FOUND;
        *records = f->records;
        *count = f->count;
        return OK;
}

/* A push of a client's is stored. */
static void log_stores(uint64_t index, const char *text) { f->records[f->count++] = (struct log_record){index, bytes_of_text(text)}; }

/* Whoever wrote it. */
static void log_holds(uint64_t index, const char *text)
{
        stream_checker_foreign(f->checker, "s", 0, bytes_of_text(text));
        log_stores(index, text);
}

static struct route route_to(const char *address)
{
        struct bytes value = bytes_of_text(address);
        struct route route;

        assert_ok(route_of_locals(&f->arena, &value, 1, &route));
        return route;
}

/* A frame from one side, written in two pieces. */
static void says(bool client, const char *onward, const char *ret, const struct writer *payload)
{
        struct message msg = {route_to(onward), route_to(ret), writer_bytes(payload)};
        struct writer w = writer_make(f->frame, sizeof f->frame);

        assert_ok(writer_err(payload));
        frame_put_length(&w, message_size(&msg));
        message_put(&w, &msg);
        assert_ok(writer_err(&w));
        stream_checker_written(f->checker, CONN, client, bytes_make(w.p, 3));
        stream_checker_written(f->checker, CONN, client, bytes_make(w.p + 3, w.n - 3));
}

static struct writer payload(void)
{
        return writer_make(f->payload, sizeof f->payload);
}

static void client_asks(const char *to, const char *from, const struct stream_request *request)
{
        struct writer w = payload();

        stream_put_request(&w, request);
        says(true, to, from, &w);
}

static void client_pushes(uint64_t id, const char *text)
{
        uint8_t raw[UINT_SIZE_MAX];

        client_asks("worker", "producer",
                    &(struct stream_request){STREAM_PUSH, .push = {request_id_of(id, raw), bytes_of_text(text)}});
}

static void client_pulls(uint64_t id, uint64_t index, uint64_t limit)
{
        uint8_t raw[UINT_SIZE_MAX];

        client_asks("worker", "consumer", &(struct stream_request){STREAM_PULL, .pull = {request_id_of(id, raw), index, limit}});
}

static void node_creates(void)
{
        struct writer w = payload();

        stream_put_created(&w, BYTES_LITERAL("s"), false, 0);
        says(false, "producer", "worker", &w);
}

static void node_acknowledges(uint64_t id, bool failed, uint64_t index)
{
        uint8_t raw[UINT_SIZE_MAX];
        struct writer w = payload();

        stream_put_pushed(&w, request_id_of(id, raw), failed, index);
        says(false, "producer", "worker", &w);
}

/* Answers a pull with the records given, up to the one without data. */
static void node_answers(uint64_t id, const struct log_record *records)
{
        uint8_t raw[UINT_SIZE_MAX];
        struct writer w = payload();
        size_t count = 0, size = 0;

        for (; records[count].data.p; count++)
                size += stream_pulled_message_size(records[count].index, records[count].data.n);
        stream_put_pulled_head(&w, request_id_of(id, raw), count, size);
        for (size_t i = 0; i < count; i++)
                stream_put_pulled_message(&w, records[i].index, records[i].data);
        says(false, "consumer", "worker", &w);
}

#define RECORDS(...) ((const struct log_record[]){__VA_ARGS__, {0, BYTES_NONE}})
#define RECORD(index, text) {(index), BYTES_LITERAL(text)}

static int setup(void **state)
{
        (void)state;
        f = calloc(1, sizeof *f);
        assert_non_null(f);
        arena_init(&f->arena, 1 << 20);
        f->checker = stream_checker_new(dump, NULL);
        stream_checker_opened(f->checker, CONN, 0);
        client_asks("stream_kafka", "producer", &(struct stream_request){STREAM_CREATE, .create = {true, BYTES_LITERAL("s"), false, 1}});
        node_creates();
        assert_null(stream_checker_violation(f->checker));
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        stream_checker_free(f->checker);
        arena_clear(&f->arena);
        free(f);
        return 0;
}

static void holds(void)
{
        const char *violation = stream_checker_violation(f->checker);

        if (violation) fail_msg("unexpected: %s", violation);
}

static void violates(const char *beginning)
{
        const char *violation = stream_checker_violation(f->checker);

        if (!violation || strncmp(violation, beginning, strlen(beginning)) != 0)
                fail_msg("expected \"%s...\", got \"%s\"", beginning, violation ? violation : "nothing");
}

static void takes_what_is_right(void **state)
{
        struct stream_checker_figures figures;

        (void)state;
        client_pushes(0, "a");
        client_pushes(1, "b");
        client_pushes(2, "c");
        log_holds(4, "foreign");
        log_holds(5, "a");
        node_acknowledges(0, false, 5);
        log_holds(9, "b");
        node_acknowledges(2, true, 0);
        node_acknowledges(1, false, 9);
        client_pulls(0, 0, 8);
        client_pulls(1, 5, 1);
        client_pulls(2, 100, 8);
        node_answers(0, RECORDS(RECORD(4, "foreign"), RECORD(5, "a")));
        node_answers(1, RECORDS(RECORD(5, "a")));
        node_answers(2, &(struct log_record){0, BYTES_NONE});
        stream_checker_finish(f->checker);
        holds();
        figures = stream_checker_figures(f->checker);
        assert_int_equal(figures.connections, 1);
        assert_int_equal(figures.pushes, 3);
        assert_int_equal(figures.acknowledged, 2);
        assert_int_equal(figures.failed, 1);
        assert_int_equal(figures.pulls, 3);
        assert_int_equal(figures.records, 3);
        stream_checker_closed(f->checker, CONN);
        holds();
}

static void I1_acknowledged_where_nothing_is(void **state)
{
        (void)state;
        client_pushes(0, "a");
        node_acknowledges(0, false, 0);
        violates("I1: s: acknowledged at 0, where nothing is");
}

static void I1_acknowledged_where_other_bytes_are(void **state)
{
        (void)state;
        client_pushes(0, "a");
        log_holds(0, "b");
        node_acknowledges(0, false, 0);
        violates("I1: s: acknowledged at 0, where other bytes are");
}

static void I3_a_record_changes(void **state)
{
        (void)state;
        client_pushes(0, "a");
        client_pushes(1, "b");
        log_holds(0, "a");
        log_holds(1, "b");
        node_acknowledges(0, false, 0);
        node_acknowledges(1, false, 1);
        f->records[0].data = BYTES_LITERAL("x");
        holds();
        stream_checker_finish(f->checker);
        violates("I3: the record at 0 of s is another one");
}

static void I3_a_record_vanishes(void **state)
{
        (void)state;
        client_pushes(0, "a");
        log_holds(0, "a");
        node_acknowledges(0, false, 0);
        f->count = 0;
        stream_checker_finish(f->checker);
        violates("I3: s had 1 records and has 0");
}

static void pull_of_three(const struct log_record *answer)
{
        log_holds(1, "a");
        log_holds(2, "b");
        log_holds(3, "c");
        client_pulls(0, 2, 2);
        node_answers(0, answer);
}

static void I3_a_pull_skips(void **state)
{
        (void)state;
        pull_of_three(RECORDS(RECORD(3, "c")));
        violates("I3: s: pulled from 2, got 3 where 2 is next");
}

static void I3_a_pull_goes_back(void **state)
{
        (void)state;
        pull_of_three(RECORDS(RECORD(1, "a"), RECORD(2, "b")));
        violates("I3: s: pulled from 2, got 1 where 2 is next");
}

static void I3_a_pull_repeats(void **state)
{
        (void)state;
        pull_of_three(RECORDS(RECORD(2, "b"), RECORD(2, "b")));
        violates("I3: s: pulled from 2, got 2 where 3 is next");
}

static void I3_a_pull_invents(void **state)
{
        (void)state;
        pull_of_three(RECORDS(RECORD(2, "b"), RECORD(3, "C")));
        violates("I3: s: got other bytes than stand at 3");
}

static void I3_a_pull_gives_too_many(void **state)
{
        (void)state;
        log_holds(1, "a");
        log_holds(2, "b");
        client_pulls(0, 0, 1);
        node_answers(0, RECORDS(RECORD(1, "a"), RECORD(2, "b")));
        violates("I3: s: more records than were asked for");
}

static void I4_out_of_order(void **state)
{
        (void)state;
        for (uint64_t id = 0; id < 3; id++)
                client_pushes(id, "same");
        for (uint64_t index = 0; index < 3; index++)
                log_holds(index, "same");
        node_acknowledges(0, false, 1);
        holds();
        node_acknowledges(2, false, 0);
        violates("I4: s: a push stands at 0, one sent before it at 1");
}

static void I4_the_later_one_is_acknowledged_first(void **state)
{
        (void)state;
        for (uint64_t id = 0; id < 2; id++)
                client_pushes(id, "same");
        for (uint64_t index = 0; index < 2; index++)
                log_holds(index, "same");
        node_acknowledges(1, false, 0);
        node_acknowledges(0, false, 1);
        violates("I4: s: a push stands at 1, one sent behind it at 0");
}

static void answers_come_once(void **state)
{
        (void)state;
        client_pulls(0, 0, 1);
        node_answers(0, &(struct log_record){0, BYTES_NONE});
        holds();
        node_answers(0, &(struct log_record){0, BYTES_NONE});
        violates("the node answered (protocol 3) what was not asked, or twice, to consumer");
}

static void answers_need_a_question(void **state)
{
        (void)state;
        node_creates();
        violates("the node answered (protocol 0) what was not asked, or twice, to producer");
}

static void garbage_is_noticed(void **state)
{
        (void)state;
        stream_checker_written(f->checker, CONN, true, BYTES_LITERAL("\0\0")); /* a heartbeat */
        stream_checker_written(f->checker, CONN, true, BYTES_LITERAL("\0\4\1\0\0\0"));
        holds();
        stream_checker_written(f->checker, CONN, false, BYTES_LITERAL("\0\1\1"));
        violates("the node wrote a frame that does not decode");
}

static void nothing_is_written_after_the_end(void **state)
{
        (void)state;
        stream_checker_closed(f->checker, CONN);
        stream_checker_written(f->checker, CONN, true, BYTES_LITERAL("\0\0"));
        violates("bytes on a connection that is over");
}

static void I2_a_definite_failure_shows_up_later(void **state)
{
        (void)state;
        client_pushes(0, "a");
        node_acknowledges(0, true, 0);
        stream_checker_finish(f->checker);
        holds();
        log_stores(0, "a");
        stream_checker_finish(f->checker);
        violates("I2: s holds 1 records of the same bytes, of 1 asked for and 1 that definitely failed");
}

static void I2_what_is_stored_is_said_to_have_failed(void **state)
{
        (void)state;
        client_pushes(0, "a");
        log_stores(0, "a");
        node_acknowledges(0, true, 0);
        violates("I2: s holds 1 records of the same bytes, of 1 asked for and 1 that definitely failed");
}

static void I2_the_same_bytes_may_be_pushed_again_and_stored(void **state)
{
        (void)state;
        client_pushes(0, "a");
        node_acknowledges(0, true, 0);
        client_pushes(1, "a");
        log_stores(0, "a");
        node_acknowledges(1, false, 0);
        stream_checker_finish(f->checker);
        holds();
        log_stores(1, "a");
        stream_checker_finish(f->checker);
        violates("I2: s holds 2 records of the same bytes, of 2 asked for and 1 that definitely failed");
}

static void I2_a_record_that_nobody_asked_for(void **state)
{
        (void)state;
        log_stores(0, "a");
        stream_checker_finish(f->checker);
        violates("I2: s holds 1 records of the same bytes, of 0 asked for");
}

static void I3_what_retention_removes_is_not_missed_and_what_it_leaves_is(void **state)
{
        (void)state;
        log_holds(1, "a");
        log_holds(2, "b");
        log_holds(3, "c");
        client_pulls(0, 1, 8);
        stream_checker_truncates(f->checker, "s", 0, 2);
        memmove(f->records, f->records + 1, 2 * sizeof *f->records);
        f->count = 2;
        client_pulls(1, 0, 8);
        node_answers(0, RECORDS(RECORD(1, "a"), RECORD(2, "b")));
        node_answers(1, RECORDS(RECORD(2, "b")));
        stream_checker_finish(f->checker);
        holds();
        client_pulls(2, 0, 8);
        node_answers(2, RECORDS(RECORD(3, "c")));
        violates("I3: s: pulled from 0, got 3 where 2 is next");
}

static void I3_a_topic_made_anew_begins_again(void **state)
{
        (void)state;
        client_pushes(0, "a");
        client_pushes(1, "b");
        client_pulls(0, 0, 8);
        log_stores(0, "a");
        stream_checker_deletes(f->checker, "s");
        f->count = 0;
        log_stores(0, "b");
        node_acknowledges(1, false, 0);
        node_acknowledges(0, false, 0);
        node_answers(0, RECORDS(RECORD(0, "a")));
        client_pulls(1, 0, 8);
        node_answers(1, RECORDS(RECORD(0, "b")));
        stream_checker_finish(f->checker);
        holds();
        client_pulls(2, 0, 8);
        node_answers(2, RECORDS(RECORD(0, "a"), RECORD(1, "b")));
        violates("I3: s: got other bytes than stand at 0");
}

/* What an older topic of the name held, it held at its own indexes. */
static void I3_an_older_topics_records_stand_where_they_stood(void **state)
{
        (void)state;
        client_pulls(0, 0, 8);
        log_holds(0, "a");
        log_holds(1, "b");
        stream_checker_deletes(f->checker, "s");
        f->count = 0;
        log_holds(0, "c");
        node_answers(0, RECORDS(RECORD(0, "a"), RECORD(1, "b")));
        stream_checker_finish(f->checker);
        holds();
        client_pulls(1, 0, 8);
        node_answers(1, RECORDS(RECORD(0, "a"), RECORD(2, "b")));
        violates("I3: s: got other bytes than stand at 0");
}

static void I3_what_retention_removed_says_nothing_about_a_topic_made_anew(void **state)
{
        (void)state;
        log_holds(0, "a");
        log_holds(1, "b");
        stream_checker_truncates(f->checker, "s", 0, 1);
        f->records[0] = f->records[--f->count];
        client_pulls(0, 0, 8);
        stream_checker_deletes(f->checker, "s");
        f->count = 0;
        log_holds(0, "c");
        node_answers(0, RECORDS(RECORD(0, "c")));
        stream_checker_finish(f->checker);
        holds();
}

/* --- I7: a true endpoint's reader, on a connection of its own ----------------------------------------------------------------- */

static void reader_begins(uint64_t told)
{
        struct stream_request get = {STREAM_INDEX, .index = {STREAM_INDEX_GET, BYTES_LITERAL("c"), BYTES_LITERAL("s"), false, 0, 0}};
        struct writer w = payload();

        stream_checker_closed(f->checker, CONN);
        stream_checker_opened(f->checker, CONN, PARTY);
        client_asks("index", "consumer", &get);
        stream_put_index(&w, &get.index, true, told);
        says(false, "consumer", "index", &w);
}

static void reader_saves_index(uint64_t index)
{
        client_asks("index", "consumer",
                    &(struct stream_request){STREAM_INDEX, .index = {STREAM_INDEX_SAVE, BYTES_LITERAL("c"), BYTES_LITERAL("s"), false, 0, index}});
}

static void ten_records(void)
{
        static const char *const texts[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};

        for (uint64_t i = 0; i < 10; i++) log_holds(i, texts[i]);
}

static void I7_a_reader_that_goes_on_where_it_was_is_right(void **state)
{
        (void)state;
        ten_records();
        reader_begins(4);
        client_pulls(0, 3, 1);
        client_pulls(1, 0, 1);
        node_answers(0, RECORDS(RECORD(3, "3")));
        node_answers(1, RECORDS(RECORD(0, "0")));
        client_pulls(2, 4, 2);
        client_pulls(3, 6, 2);
        node_answers(3, RECORDS(RECORD(6, "6"), RECORD(7, "7")));
        node_answers(2, RECORDS(RECORD(4, "4"), RECORD(5, "5")));
        reader_saves_index(8);
        stream_checker_closed(f->checker, CONN);
        stream_checker_opened(f->checker, CONN, PARTY);
        client_pulls(4, 7, 1);
        client_pulls(5, 0, 1);
        client_pulls(6, 8, 2);
        holds();
}

static void I7_a_reader_asks_again_where_it_is(void **state)
{
        (void)state;
        ten_records();
        reader_begins(0);
        client_pulls(0, 0, 2);
        holds();
        client_asks("index", "consumer",
                    &(struct stream_request){STREAM_INDEX, .index = {STREAM_INDEX_GET, BYTES_LITERAL("c"), BYTES_LITERAL("s"), false, 0, 0}});
        violates("I7: a reader asks the node for its index though it has one");
}

static void I7_a_reader_begins_elsewhere(void **state)
{
        (void)state;
        ten_records();
        reader_begins(4);
        client_pulls(0, 7, 2);
        violates("I7: a reader begins at 7, which nobody has told it");
}

static void I7_a_reader_is_rewound(void **state)
{
        (void)state;
        ten_records();
        reader_begins(0);
        client_pulls(0, 0, 8);
        node_answers(0, RECORDS(RECORD(0, "0"), RECORD(1, "1"), RECORD(2, "2")));
        reader_saves_index(3);
        client_pulls(1, 1, 8);
        violates("I7: a reader goes back to 1");
}

static void I7_a_reader_is_pushed_forward(void **state)
{
        (void)state;
        ten_records();
        reader_begins(0);
        client_pulls(0, 0, 2);
        client_pulls(1, 4, 2);
        node_answers(0, RECORDS(RECORD(0, "0"), RECORD(1, "1")));
        node_answers(1, RECORDS(RECORD(4, "4"), RECORD(5, "5")));
        reader_saves_index(2);
        holds();
        reader_saves_index(6);
        violates("I7: a reader saves 6, and has been given what lies before 2");
}

static void I7_a_reader_goes_back_when_the_log_ends_before(void **state)
{
        (void)state;
        ten_records();
        reader_begins(0);
        client_pulls(0, 0, 8);
        node_answers(0, RECORDS(RECORD(0, "0"), RECORD(1, "1"), RECORD(2, "2")));
        reader_saves_index(3);
        stream_checker_deletes(f->checker, "s");
        f->count = 0;
        client_pulls(1, 2, 1);
        node_answers(1, &(struct log_record){0, BYTES_NONE});
        log_holds(0, "n");
        client_pulls(2, 0, 8);
        node_answers(2, RECORDS(RECORD(0, "n")));
        reader_saves_index(1);
        holds();
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(takes_what_is_right, setup, teardown),
                cmocka_unit_test_setup_teardown(I1_acknowledged_where_nothing_is, setup, teardown),
                cmocka_unit_test_setup_teardown(I1_acknowledged_where_other_bytes_are, setup, teardown),
                cmocka_unit_test_setup_teardown(I3_a_record_changes, setup, teardown),
                cmocka_unit_test_setup_teardown(I3_a_record_vanishes, setup, teardown),
                cmocka_unit_test_setup_teardown(I3_a_pull_skips, setup, teardown),
                cmocka_unit_test_setup_teardown(I3_a_pull_goes_back, setup, teardown),
                cmocka_unit_test_setup_teardown(I3_a_pull_repeats, setup, teardown),
                cmocka_unit_test_setup_teardown(I3_a_pull_invents, setup, teardown),
                cmocka_unit_test_setup_teardown(I3_a_pull_gives_too_many, setup, teardown),
                cmocka_unit_test_setup_teardown(I4_out_of_order, setup, teardown),
                cmocka_unit_test_setup_teardown(I4_the_later_one_is_acknowledged_first, setup, teardown),
                cmocka_unit_test_setup_teardown(I2_a_definite_failure_shows_up_later, setup, teardown),
                cmocka_unit_test_setup_teardown(I2_what_is_stored_is_said_to_have_failed, setup, teardown),
                cmocka_unit_test_setup_teardown(I2_the_same_bytes_may_be_pushed_again_and_stored, setup, teardown),
                cmocka_unit_test_setup_teardown(I2_a_record_that_nobody_asked_for, setup, teardown),
                cmocka_unit_test_setup_teardown(I3_what_retention_removes_is_not_missed_and_what_it_leaves_is, setup, teardown),
                cmocka_unit_test_setup_teardown(I3_a_topic_made_anew_begins_again, setup, teardown),
                cmocka_unit_test_setup_teardown(I3_an_older_topics_records_stand_where_they_stood, setup, teardown),
                cmocka_unit_test_setup_teardown(I3_what_retention_removed_says_nothing_about_a_topic_made_anew, setup, teardown),
                cmocka_unit_test_setup_teardown(I7_a_reader_that_goes_on_where_it_was_is_right, setup, teardown),
                cmocka_unit_test_setup_teardown(I7_a_reader_asks_again_where_it_is, setup, teardown),
                cmocka_unit_test_setup_teardown(I7_a_reader_begins_elsewhere, setup, teardown),
                cmocka_unit_test_setup_teardown(I7_a_reader_is_rewound, setup, teardown),
                cmocka_unit_test_setup_teardown(I7_a_reader_is_pushed_forward, setup, teardown),
                cmocka_unit_test_setup_teardown(I7_a_reader_goes_back_when_the_log_ends_before, setup, teardown),
                cmocka_unit_test_setup_teardown(answers_come_once, setup, teardown),
                cmocka_unit_test_setup_teardown(answers_need_a_question, setup, teardown),
                cmocka_unit_test_setup_teardown(garbage_is_noticed, setup, teardown),
                cmocka_unit_test_setup_teardown(nothing_is_written_after_the_end, setup, teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
