/* Consumers that are renewed, on the mock cluster: neither the current one nor the one before comes to know more topics than it may, whatever lasts,
 * and those that end are waited for. */
#include "stream/kafka/embedded.h"
#include "stream/kafka/reader_parts.h"
#include "tests/support/kafka_backend.h"
#include "tests/support/log_probe.h"
#include "transport/base/logger.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <string.h>

enum { MS = 30000, KNOWN = 4 };

/* Instances of librdkafka that have ended: in the way of the calls of this program. */
enum { ENDED_MAX = 256 };
static rd_kafka_t *_Atomic ended[ENDED_MAX];
static atomic_size_t ended_count;

void rd_kafka_destroy_flags(rd_kafka_t *rk, int flags)
{
        void (*theirs)(rd_kafka_t *, int);

        *(void **)&theirs = dlsym(RTLD_NEXT, "rd_kafka_destroy_flags"); /* as POSIX has it */
        theirs(rk, flags);
        ended[atomic_fetch_add(&ended_count, 1) % ENDED_MAX] = rk;
}

static bool has_ended(const rd_kafka_t *rk)
{
        for (size_t i = 0; i < ended_count && i < ENDED_MAX; i++)
                if (ended[i] == rk) return true;
        return false;
}

struct fixture {
        struct kafka_backend kafka;
        struct probe *probe;
        struct log_limits limits;
        unsigned left; /* lines that say so of a consumer */
};

static void count_left(void *user, enum log_level level, const char *line)
{
        struct fixture *f = user;

        (void)level;
        if (strstr(line, "left to itself")) f->left++;
}

static int setup(void **state)
{
        struct fixture *f = calloc(1, sizeof *f);

        assert_non_null(f);
        kafka_backend_init(&f->kafka, "embedded");
        f->kafka.backend.patience_ms = MS;
        f->limits = LOG_LIMITS_DEFAULT;
        f->limits.topics_per_consumer = KNOWN;
        f->probe = probe_open_with(&f->kafka.backend, &f->limits);
        logger_set_sink(count_left, f);
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        logger_set_sink(NULL, NULL);
        kafka_backend_clear(&f->kafka);
        free(f);
        return 0;
}

static struct kafka_log *log_of(const struct fixture *f) { return (struct kafka_log *)(void *)f->probe->log; }

static uint64_t renewed(const struct fixture *f) { return f->kafka.ctx.stats.v[STAT_KAFKA_CONSUMERS_RENEWED]; }

/* --- fetches that last --- */

struct other_writer {
        struct fixture *f;
        struct log_stream *stream;
        uint64_t index, waits; /* where the next record will stand, and the read that is out for it */
        char name[160];
};

static void other_writer_init(struct other_writer *writer, struct fixture *f, unsigned n)
{
        writer->f = f;
        writer->index = 0;
        snprintf(writer->name, sizeof writer->name, "%s-%u", f->probe->topic, n);
        made(f->probe, writer->name, 1);
        writer->stream = stream_of(f->probe, writer->name, 0);
        writer->waits = ask_read(f->probe, writer->stream, usual(0, 2 * MS));
}

/* One record of another's; it comes to the read that is out, alone. Then the next one is asked for. */
static void other_writer_goes_on(struct other_writer *writer)
{
        struct fixture *f = writer->f;
        char text[32];

        snprintf(text, sizeof text, "theirs %llu", (unsigned long long)writer->index);
        assert_ok(f->kafka.backend.write(&f->kafka, f->probe->log, writer->name, 0, bytes_of_text(text), 0));
        assert_int_equal(await(f->probe, writer->waits)->count, 1);
        check_record(seen_of(f->probe, writer->waits), 0, writer->index, bytes_of_text(text));
        writer->waits = ask_read(f->probe, writer->stream, usual(++writer->index, 2 * MS));
}

static bool is_at_end(void *arg)
{
        const struct other_writer *writer = arg;
        const struct fetch *live = writer->stream->read.live;

        return live && live->state == FETCH_RUNNING && live->at_end;
}

static void until_followed(struct other_writer *writer)
{
        writer->f->kafka.backend.run(&writer->f->kafka, is_at_end, writer, MS);
        assert_true(is_at_end(writer));
}

static void other_writer_clear(struct other_writer *writer)
{
        probe_cancel(writer->f->probe, writer->waits);
        log_stream_put(writer->f->probe->log, writer->stream);
}

static bool has_no_live(void *arg) { return !((const struct log_stream *)arg)->read.live; }

/* Somebody writes a stream all the time, and somebody reads it: it is followed for ever, in whatever consumer it began. Other streams are followed
 * meanwhile, for a while each: no consumer comes to know more topics than it may, and the first reader misses nothing and has nothing twice. */
static void consumers_stay_bounded_while_a_fetch_lasts(void **state)
{
        enum { STREAMS = 3 * KNOWN };
        struct fixture *f = *state;
        struct other_writer lasting, other;

        other_writer_init(&lasting, f, STREAMS);
        must_not_come(f->probe, lasting.waits, 20);
        other_writer_goes_on(&lasting);
        until_followed(&lasting);
        for (unsigned i = 0; i < STREAMS; i++) {
                other_writer_init(&other, f, i);
                must_not_come(f->probe, other.waits, 20);
                other_writer_goes_on(&other);
                until_followed(&other);
                assert_in_range(consumer_knows(other.stream->read.live->consumer), 1, KNOWN);
                other_writer_goes_on(&lasting);
                until_followed(&lasting);
                assert_in_range(consumer_knows(lasting.stream->read.live->consumer), 1, KNOWN);
                probe_cancel(f->probe, other.waits);
                fetch_stop(other.stream->read.live); /* as when it has had no reader for two seconds */
                f->kafka.backend.run(&f->kafka, has_no_live, other.stream, MS);
                log_stream_put(f->probe->log, other.stream);
        }
        assert_in_range(renewed(f), STREAMS / KNOWN - 1, 4 * STREAMS / KNOWN);
        other_writer_clear(&lasting);
        probe_close(f->probe);
        assert_int_equal(f->left, 0);
}

/* --- the instances --- */

static void take(struct consumers *consumers, unsigned n, struct consumer_instance **out)
{
        char name[16];

        snprintf(name, sizeof name, "t%u", n);
        *out = consumers_take(consumers, name);
        assert_non_null(*out);
}

/* Whatever an instance is for. */
static void what_lasts_is_to_leave_once(struct fixture *f, enum kafka_role role)
{
        enum { HALF = KNOWN / 2 };
        struct consumers consumers;
        struct consumer_instance *lasting, *other;
        struct reason why;

        assert_ok(consumers_open(&consumers, log_of(f), role, &why));
        take(&consumers, 0, &lasting);
        for (unsigned i = 1; i < 3 * KNOWN; i++) {
                take(&consumers, i, &other);
                assert_ptr_equal(consumers_to_leave(&consumers), i == KNOWN + HALF - 1 ? lasting : NULL);
                if (i < KNOWN) assert_ptr_equal(other, lasting);
                consumers_give_back(&consumers, other);
        }
        consumers_give_back(&consumers, lasting);
        assert_null(consumers.before);
        take(&consumers, 3 * KNOWN, &other);
        assert_int_equal(consumer_knows(other), 1); /* it is a new one */
        consumers_give_back(&consumers, other);
        consumers_close(&consumers);
}

static void fetches_of_the_one_before_are_to_leave_once(void **state)
{
        struct fixture *f = *state;

        what_lasts_is_to_leave_once(f, KAFKA_LIVE);
        what_lasts_is_to_leave_once(f, KAFKA_HISTORY);
        probe_close(f->probe);
        assert_int_equal(f->left, 0);
}

/* Several that end at once are all given their time, and at the close each is awaited. */
static void all_that_end_are_awaited(void **state)
{
        enum { RENEWALS = 3 };
        struct fixture *f = *state;
        struct kafka_log *log = log_of(f);
        struct consumers consumers;
        struct consumer_instance *instance;
        const rd_kafka_t *ours[RENEWALS + 1];
        struct reason why;

        log->limits.topics_per_consumer = 1;
        assert_ok(consumers_open(&consumers, log, KAFKA_HISTORY, &why));
        ended_count = 0;
        for (unsigned i = 0; i <= RENEWALS; i++) {
                take(&consumers, i, &instance);
                ours[i] = instance->handle.rk;
                consumers_give_back(&consumers, instance);
        }
        assert_int_equal(renewed(f), RENEWALS);
        consumers_close(&consumers);
        for (unsigned i = 0; i <= RENEWALS; i++) assert_true(has_ended(ours[i]));
        assert_int_equal(f->left, 0);
        probe_close(f->probe);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                T(consumers_stay_bounded_while_a_fetch_lasts),
                T(fetches_of_the_one_before_are_to_leave_once),
                T(all_that_end_are_awaited),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
