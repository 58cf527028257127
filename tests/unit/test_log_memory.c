/* The log's twin in memory: the suite for every log, on time without delay and with it, and what the twin does on request. */
#include "tests/support/log_probe.h"
#include "tests/support/twin_backend.h"

/* --- faults -------------------------------------------------------------------------------------------------------- */

static struct twin_backend *twin_of(struct probe *probe)
{
        return probe->backend->user;
}

static void set_away(struct probe *probe, bool away)
{
        struct log_memory_faults faults = twin_of(probe)->faults;

        faults.away = away;
        log_memory_set_faults(probe->log, &faults);
        assert_true((log_away(probe->log) != NULL) == away);
}

static void away_everything_waits(void **state)
{
        struct probe *probe = probe_open(state);
        struct log_stream *stream = made_stream(probe);
        uint64_t appends[50];
        uint8_t memory[8];

        appends[0] = ask_append(probe, stream, made_up(memory, 8, 0));
        set_away(probe, true);
        for (unsigned i = 1; i < 49; i++) appends[i] = ask_append(probe, stream, made_up(memory, 8, i));
        uint64_t create = ask_create(probe, "later", 1), load = ask_load(probe, "c", probe->topic, 0);
        uint64_t held = ask_read(probe, stream, usual(0, 60000)), tired = ask_read(probe, stream, usual(0, 1000));
        probe_save(probe, "c", probe->topic, 0, 7);
        probe_save(probe, "c", "nowhere", 0, 7);
        uint64_t start = probe->backend->now_ms(probe->backend->user);
        struct seen *seen = await(probe, tired);
        check_empty(seen);
        assert_in_range(seen->at_ms - start, 1000, 1100);
        probe_run(probe, 10000);
        assert_false(seen_of(probe, appends[1])->done);
        assert_false(seen_of(probe, create)->done);
        assert_false(seen_of(probe, load)->done);
        assert_false(seen_of(probe, held)->done);

        set_away(probe, false);
        appends[49] = ask_append(probe, stream, made_up(memory, 8, 49)); /* not past those that waited */
        for (unsigned i = 0; i < 50; i++) assert_int_equal(await(probe, appends[i])->index, i);
        assert_err(await(probe, create)->err, OK);
        assert_true(await(probe, load)->present);
        assert_int_equal(seen_of(probe, load)->index, 7);
        assert_true(await(probe, held)->count > 0);
        check_record(seen_of(probe, held), 0, 0, made_up(memory, 8, 0));
        assert_false(await(probe, ask_load(probe, "c", "nowhere", 0))->present);
        log_stream_put(probe->log, stream);
        probe_close(probe);
}

static void away_stop_gives_up_after_its_time(void **state)
{
        struct probe *probe = probe_open(state);
        struct log_stream *stream = made_stream(probe);

        set_away(probe, true);
        uint64_t append = ask_append(probe, stream, bytes_of_text("a")), create = ask_create(probe, "later", 1);
        uint64_t cancelled = ask_append(probe, stream, bytes_of_text("b"));
        probe_cancel(probe, cancelled);
        uint64_t start = probe->backend->now_ms(probe->backend->user);
        probe_stop(probe, 3000);
        assert_in_range(probe->backend->now_ms(probe->backend->user) - start, 3000, 3100);
        assert_err(seen_of(probe, append)->err, ERR_CANCELLED);
        assert_err(seen_of(probe, create)->err, ERR_CANCELLED);
        uint64_t late = ask_append(probe, stream, bytes_of_text("c"));
        assert_err(await(probe, late)->err, ERR_CANCELLED);
        log_stream_put(probe->log, stream);
        probe_close(probe);
}

static void appends_fail_on_request(void **state)
{
        struct probe *probe = probe_open(state);
        struct log_stream *stream = made_stream(probe);
        struct log_memory_faults faults = twin_of(probe)->faults;
        const struct log_record *records;
        size_t count, stored = 0;

        faults.append_fail_percent = 30;
        log_memory_set_faults(probe->log, &faults);
        for (unsigned i = 0; i < 200; i++) {
                struct seen *seen = await(probe, ask_append(probe, stream, bytes_of_text("x")));
                if (seen->err) {
                        assert_err(seen->err, ERR_FAILED);
                        continue;
                }
                assert_int_equal(seen->index, stored++);
        }
        assert_true(stored > 100 && stored < 180);
        assert_ok(log_memory_dump(probe->log, probe->topic, 0, &records, &count));
        assert_int_equal(count, stored); /* what failed is not in the log */
        assert_err(log_memory_dump(probe->log, probe->topic, 1, &records, &count), ERR_NOT_FOUND);
        log_stream_put(probe->log, stream);
        probe_close(probe);
}

static void delays_come_between_streams_only(void **state)
{
        struct probe *probe = probe_open(state);
        struct log_memory_faults faults = {.delay_max_ms = 50};
        unsigned overtaken = 0;

        log_memory_set_faults(probe->log, &faults);
        made(probe, probe->topic, 2);
        struct log_stream *a = stream_of(probe, probe->topic, 0), *b = stream_of(probe, probe->topic, 1);
        for (unsigned i = 0; i < 50; i++) {
                uint64_t first = ask_append(probe, a, bytes_of_text("a")), second = ask_append(probe, b, bytes_of_text("b"));
                assert_int_equal(await(probe, first)->index, i);
                assert_int_equal(await(probe, second)->index, i);
                if (seen_of(probe, second)->order < seen_of(probe, first)->order) overtaken++;
        }
        assert_true(overtaken > 5);
        log_stream_put(probe->log, a);
        log_stream_put(probe->log, b);
        probe_close(probe);
}

static void creates_reads_and_look_ups_fail_on_request(void **state)
{
        struct probe *probe = probe_open(state);
        struct log_stream *stream = made_stream(probe);
        const struct log_record *records;
        size_t count;

        appended(probe, stream, bytes_of_text("a"));
        log_memory_set_faults(probe->log, &(struct log_memory_faults){
                                                  .create_fail_percent = 100, .read_fail_percent = 100, .index_fail_percent = 100});
        assert_err(await(probe, ask_create(probe, "later", 1))->err, ERR_FAILED);
        assert_err(log_memory_dump(probe->log, "later", 0, &records, &count), ERR_NOT_FOUND);
        assert_err(await(probe, ask_read(probe, stream, usual(0, 1000)))->err, ERR_FAILED);
        assert_err(await(probe, ask_load(probe, "c", probe->topic, 0))->err, ERR_FAILED);
        log_memory_set_faults(probe->log, &(struct log_memory_faults){0});
        assert_err(await(probe, ask_create(probe, "later", 1))->err, OK);
        assert_int_equal(await(probe, ask_read(probe, stream, usual(0, 1000)))->count, 1);
        log_stream_put(probe->log, stream);
        probe_close(probe);
}

static void appends_are_answered_later_than_stored_and_in_any_order(void **state)
{
        struct probe *probe = probe_open(state);
        struct log_stream *stream = made_stream(probe);
        uint64_t appends[50];
        unsigned overtaken = 0, unanswered = 0;
        const struct log_record *records;
        size_t count;

        log_memory_set_faults(probe->log, &(struct log_memory_faults){.answer_max_ms = 100});
        for (unsigned i = 0; i < 50; i++) appends[i] = ask_append(probe, stream, bytes_of_text("x"));
        probe_run(probe, 1);
        assert_ok(log_memory_dump(probe->log, probe->topic, 0, &records, &count));
        assert_int_equal(count, 50);
        for (unsigned i = 0; i < 50; i++) unanswered += !seen_of(probe, appends[i])->done;
        assert_true(unanswered > 40);
        for (unsigned i = 0; i < 50; i++) assert_int_equal(await(probe, appends[i])->index, i);
        for (unsigned i = 1; i < 50; i++) overtaken += seen_of(probe, appends[i])->order < seen_of(probe, appends[i - 1])->order;
        assert_true(overtaken > 10);
        log_stream_put(probe->log, stream);
        probe_close(probe);
}

static void takes_back_what_is_not_stored(void **state)
{
        struct probe *probe = probe_open(state);
        struct log_stream *stream = made_stream(probe);
        const struct log_record *records;
        size_t count;
        uint64_t stored, back;

        log_memory_set_faults(probe->log, &(struct log_memory_faults){.answer_max_ms = 100000});
        stored = ask_append(probe, stream, bytes_of_text("stored"));
        probe_run(probe, 1);
        back = ask_append(probe, stream, bytes_of_text("back"));
        seen_of(probe, back)->cancelled = true;
        assert_true(log_memory_take_back(probe->log, back));
        assert_false(log_memory_take_back(probe->log, back));
        assert_false(log_memory_take_back(probe->log, stored));
        probe_run(probe, 200000);
        assert_true(seen_of(probe, stored)->done);
        assert_ok(log_memory_dump(probe->log, probe->topic, 0, &records, &count));
        assert_int_equal(count, 1);
        log_stream_put(probe->log, stream);
        probe_close(probe);
}

static void freed_with_all_kinds_of_work_open(void **state)
{
        struct probe *probe = probe_open(state);
        struct log_stream *stream = made_stream(probe);

        set_away(probe, true);
        ask_append(probe, stream, bytes_of_text("a"));
        ask_read(probe, stream, usual(0, 1000));
        ask_create(probe, "later", 1);
        ask_load(probe, "c", probe->topic, 0);
        probe->backend->close(probe->backend->user, probe->log);
        probe->log = probe->backend->open(probe->backend->user, &LOG_LIMITS_DEFAULT, probe->log_events, probe);
        probe_run(probe, 2000); /* no completion, nothing touched */
        assert_int_equal(probe->completions, 1);
        probe_close(probe);
}

int main(void)
{
        static struct twin_backend prompt, slow;
        int failed;

        twin_backend_init(&prompt, "log in memory", 1, (struct log_memory_faults){0});
        twin_backend_init(&slow, "log in memory, with delays", 2, (struct log_memory_faults){.delay_max_ms = 40});
        struct CMUnitTest tests[] = {
                cmocka_unit_test_prestate(away_everything_waits, &prompt.backend),
                cmocka_unit_test_prestate(away_everything_waits, &slow.backend),
                cmocka_unit_test_prestate(away_stop_gives_up_after_its_time, &prompt.backend),
                cmocka_unit_test_prestate(appends_fail_on_request, &prompt.backend),
                cmocka_unit_test_prestate(creates_reads_and_look_ups_fail_on_request, &prompt.backend),
                cmocka_unit_test_prestate(appends_are_answered_later_than_stored_and_in_any_order, &prompt.backend),
                cmocka_unit_test_prestate(takes_back_what_is_not_stored, &prompt.backend),
                cmocka_unit_test_prestate(delays_come_between_streams_only, &prompt.backend),
                cmocka_unit_test_prestate(freed_with_all_kinds_of_work_open, &slow.backend),
        };
        failed = log_suite_run(&prompt.backend) + log_suite_run(&slow.backend) + cmocka_run_group_tests(tests, NULL, NULL);
        twin_backend_clear(&prompt);
        twin_backend_clear(&slow);
        return failed;
}
