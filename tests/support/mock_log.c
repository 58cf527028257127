/* A log on the mock cluster with a probe: see the header. */
#include "tests/support/mock_log.h"

#include "stream/kafka/topics.h"

void mock_log_init(struct mock_log *f)
{
        kafka_backend_init(&f->kafka, "embedded");
        f->kafka.backend.patience_ms = f->kafka.sibling.patience_ms = MOCK_LOG_MS;
        f->limits = LOG_LIMITS_DEFAULT;
        f->probe = NULL;
}

void mock_log_clear(struct mock_log *f)
{
        mock_log_close(f);
        kafka_backend_clear(&f->kafka);
}

int mock_log_setup(void **state)
{
        struct mock_log *f = calloc(1, sizeof *f);

        assert_non_null(f);
        mock_log_init(f);
        *state = f;
        return 0;
}

int mock_log_teardown(void **state)
{
        struct mock_log *f = *state;

        mock_log_clear(f);
        free(f);
        return 0;
}

void mock_log_open(struct mock_log *f)
{
        assert_null(f->probe);
        f->probe = probe_open_with(&f->kafka.backend, &f->limits);
}

void mock_log_close(struct mock_log *f)
{
        struct probe *probe = f->probe;

        f->probe = NULL;
        if (probe) probe_close(probe);
}

const struct kafka_log *mock_log_inside(const struct mock_log *f) { return (const struct kafka_log *)(const void *)f->probe->log; }

/* --- waiting --- */

uint64_t counted(const struct mock_log *f, enum stat_id stat) { return f->kafka.ctx.stats.v[stat]; }

struct beyond {
        const struct mock_log *f;
        enum stat_id stat;
        uint64_t count;
};

static bool is_beyond(void *arg)
{
        const struct beyond *wanted = arg;

        return counted(wanted->f, wanted->stat) > wanted->count;
}

void until_counted(struct mock_log *f, enum stat_id stat, uint64_t count)
{
        struct beyond wanted = {f, stat, count};

        f->kafka.backend.run(&f->kafka, is_beyond, &wanted, MOCK_LOG_MS);
        assert_true(is_beyond(&wanted));
}

void until_away(struct mock_log *f, bool away)
{
        while (away != (log_away(f->probe->log) != NULL))
                probe_run(f->probe, 20);
}

/* --- streams --- */

struct log_stream *new_stream(struct mock_log *f, unsigned n)
{
        char topic[sizeof f->probe->topic + 16];

        snprintf(topic, sizeof topic, "%s-%u", f->probe->topic, n);
        made(f->probe, topic, 1);
        return stream_of(f->probe, topic, 0);
}

static bool is_followed(void *arg)
{
        const struct log_stream *stream = arg;

        return stream->read.live && stream->read.live->state == FETCH_RUNNING && stream->read.live->at_end;
}

static void is_given(struct mock_log *f, uint64_t waits, uint64_t index, const char *text)
{
        check_record(await(f->probe, waits), 0, index, bytes_of_text(text));
}

struct log_stream *new_followed_stream(struct mock_log *f, uint64_t *waits)
{
        struct log_stream *stream = new_stream(f, 0);

        *waits = ask_read(f->probe, stream, usual(0, MOCK_LOG_MS));
        must_not_come(f->probe, *waits, 20);
        write_as_another(f, stream, "theirs");
        is_given(f, *waits, 0, "theirs");
        *waits = ask_read(f->probe, stream, usual(FOLLOWED_OURS, MOCK_LOG_MS));
        f->kafka.backend.run(&f->kafka, is_followed, stream, MOCK_LOG_MS);
        assert_true(is_followed(stream));
        assert_int_equal(appended(f->probe, stream, bytes_of_text("ours")), FOLLOWED_OURS);
        is_given(f, *waits, FOLLOWED_OURS, "ours");
        *waits = ask_read(f->probe, stream, usual(FOLLOWED_OURS + 1, 4 * MOCK_LOG_MS));
        return stream;
}

const char *topic_of(const struct log_stream *stream) { return stream->topic->name; }

void write_as_another(struct mock_log *f, const struct log_stream *stream, const char *text)
{
        assert_ok(f->kafka.backend.write(&f->kafka, f->probe->log, topic_of(stream), stream->partition, bytes_of_text(text), 0));
}
