/* Partitions that are not there, on the mock cluster: whoever comes for them again and again takes no time from others, and a stream that is created
 * is there at once. */
#include "stream/kafka/embedded.h"
#include "stream/kafka/reader_parts.h"
#include "tests/support/kafka_backend.h"
#include "tests/support/log_probe.h"

enum { MS = 30000, UNKNOWN_TOPIC = 3 };

struct fixture {
        struct kafka_backend kafka;
        struct probe *probe, *other;
        struct log_limits limits;
        char name[160];
};

static int setup(void **state)
{
        struct fixture *f = calloc(1, sizeof *f);

        assert_non_null(f);
        kafka_backend_init(&f->kafka, "embedded");
        f->kafka.backend.patience_ms = f->kafka.sibling.patience_ms = MS;
        f->limits = LOG_LIMITS_DEFAULT;
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        kafka_backend_clear(&f->kafka);
        free(f);
        return 0;
}

/* A log with a topic, and a second one, to which it is nothing but a topic of Kafka's. */
static void open_logs(struct fixture *f)
{
        f->probe = probe_open_with(&f->kafka.backend, &f->limits);
        f->other = probe_open_with(&f->kafka.sibling, &f->limits);
        snprintf(f->name, sizeof f->name, "%s-0", f->probe->topic);
        made(f->probe, f->name, 1);
}

static void write_as_another(struct fixture *f, const char *text)
{
        assert_ok(f->kafka.backend.write(&f->kafka, f->probe->log, f->name, 0, bytes_of_text(text), 0));
}

/* Readers of partitions that are not there, each of which comes again as soon as it is answered. */
struct crowd {
        struct fixture *f;
        struct log_stream *streams[64];
        uint64_t reads[64], began_ms, answered;
        uint64_t waits; /* the read of somebody else, for whom all this is */
        size_t count;
};

enum { CROWD_READS_MAX = 7000 }; /* a probe has so many tokens, and some for others */

static void crowd_init(struct crowd *crowd, struct fixture *f, size_t count)
{
        *crowd = (struct crowd){.f = f, .count = count, .began_ms = context_now_ms(&f->kafka.ctx)};
        for (unsigned i = 0; i < count; i++) {
                crowd->streams[i] = stream_of(f->other, f->name, 1 + i);
                crowd->reads[i] = ask_read(f->other, crowd->streams[i], usual(0, MS));
        }
}

static bool crowd_goes_on(void *arg)
{
        struct crowd *crowd = arg;
        struct probe *other = crowd->f->other;

        for (size_t i = 0; i < crowd->count; i++) {
                if (!seen_of(other, crowd->reads[i])->done || crowd->answered == CROWD_READS_MAX) continue;
                check_empty(seen_of(other, crowd->reads[i]));
                crowd->reads[i] = ask_read(other, crowd->streams[i], usual(0, MS));
                crowd->answered++;
        }
        return seen_of(other, crowd->waits)->done || crowd->answered == CROWD_READS_MAX;
}

static void crowd_clear(struct crowd *crowd)
{
        struct probe *other = crowd->f->other;

        for (size_t i = 0; i < crowd->count; i++) {
                if (!seen_of(other, crowd->reads[i])->done) probe_cancel(other, crowd->reads[i]);
                log_stream_put(other->log, crowd->streams[i]);
        }
}

/* More of them than fit a question for ends: the sweep goes on and finds what another node writes, and each is answered no more often than once in a
 * sweep's time. */
static void partitions_that_are_not_there_take_nothing_from_others(void **state)
{
        enum { ABSENT = 63, CHUNK = 10, RECORDS = 3 };
        struct fixture *f = *state;
        struct log_stream *stream;
        struct crowd crowd;
        uint64_t sweeps;

        f->limits.sweep_chunk = CHUNK;
        open_logs(f);
        stream = stream_of(f->other, f->name, 0);
        crowd_init(&crowd, f, ABSENT);
        for (unsigned i = 0; i < RECORDS; i++) {
                crowd.waits = ask_read(f->other, stream, usual(i, MS));
                write_as_another(f, "theirs");
                f->kafka.backend.run(&f->kafka, crowd_goes_on, &crowd, MS);
                assert_true(seen_of(f->other, crowd.waits)->done);
                check_record(seen_of(f->other, crowd.waits), 0, i, bytes_of_text("theirs"));
        }
        sweeps = (context_now_ms(&f->kafka.ctx) - crowd.began_ms) / f->limits.sweep_ms;
        assert_in_range(crowd.answered, 1, ABSENT * (sweeps + 1));
        crowd_clear(&crowd);
        log_stream_put(f->other->log, stream);
        probe_close(f->other);
        probe_close(f->probe);
}

static bool is_put_off(void *arg) { return ((const struct log_stream *)arg)->read.ends == ENDS_ABSENT; }

/* Kafka has said that there is no such stream, and is asked again in a minute; but then it is created through this node, and has what it has. */
static void a_stream_that_is_created_is_not_absent(void **state)
{
        struct fixture *f = *state;
        struct log_stream *stream;
        uint64_t read;

        f->limits.sweep_ms = 2 * MS;
        open_logs(f);
        write_as_another(f, "theirs");
        embedded_set_topic_error(f->probe->log, f->name, UNKNOWN_TOPIC);
        stream = stream_of(f->probe, f->name, 0);
        check_empty(await(f->probe, ask_read(f->probe, stream, usual(0, MS))));
        read = ask_read(f->probe, stream, usual(0, MS));
        f->kafka.backend.run(&f->kafka, is_put_off, stream, MS);
        assert_true(is_put_off(stream));
        embedded_set_topic_error(f->probe->log, f->name, 0);
        made(f->probe, f->name, 1);
        check_record(await(f->probe, read), 0, 0, bytes_of_text("theirs"));
        log_stream_put(f->probe->log, stream);
        probe_close(f->other);
        probe_close(f->probe);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                T(partitions_that_are_not_there_take_nothing_from_others),
                T(a_stream_that_is_created_is_not_absent),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
