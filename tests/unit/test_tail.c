/* The tail against a model of the log: pushes of ours and of others, holes, retention, topics made anew, readers at any index.
 * It never skips a record, never gives one out of order, never one of a topic that is gone, and never exceeds its budget. */
#include "stream/tail.h"
#include "tests/support/test.h"
#include "tests/support/test_context.h"

#include <stdio.h>
#include <stdlib.h>

enum { STREAMS = 4, LOG_MAX = 4000, STEPS = 60000, READ_CAP = 8 };

/* What really lies in the topic. */
struct model {
        char text[LOG_MAX][16]; /* "" where nothing lies */
        uint64_t end, start;
        unsigned life;     /* how often it was made anew */
        bool others_wrote; /* since the last acknowledgement of ours */
};

struct fixture {
        struct test_context tc;
        struct tail *tail;
        struct tail_stream streams[STREAMS];
        struct model models[STREAMS];
};

static uint64_t below(struct fixture *f, uint64_t n) { return test_context_next(&f->tc) % n; }

static const char *write_model(struct model *m, char who, size_t pad)
{
        snprintf(m->text[m->end], sizeof m->text[0], "%c%u.%u%.*s", who, m->life % 1000, (unsigned)m->end, (int)pad, "######");
        return m->text[m->end++];
}

static void push(struct fixture *f, unsigned s)
{
        struct model *m = &f->models[s];
        struct tail_stream *stream = &f->streams[s];
        uint64_t index = m->end, next = stream->next;
        bool known = stream->known;
        const char *text = write_model(m, 'o', (size_t)below(f, 6));
        enum tail_acked got = tail_acked(f->tail, stream, index, tail_record_new(bytes_of_text(text)));

        assert_int_equal(got, !known ? TAIL_STARTED : index < next ? TAIL_REMADE : index > next ? TAIL_RESTARTED : TAIL_EXTENDED);
        if (got == TAIL_RESTARTED) assert_true(stream->foreign);
        m->others_wrote = false;
}

static void remake(struct model *m)
{
        memset(m->text, 0, sizeof m->text);
        m->end = m->start = 0;
        m->life++;
}

/* A fetch: the first record at or behind a random index, told to the tail as the reader does. */
static void fetch(struct fixture *f, unsigned s, uint64_t generation)
{
        struct model *m = &f->models[s];
        uint64_t from = below(f, m->end + 2), to = from < m->start ? m->start : from;

        while (to < m->end && !m->text[to][0])
                to++;
        if (to >= from) tail_nothing_between(&f->streams[s], generation, from, to);
}

/* Every record between the index asked for and the last one given must have been given; what retention has removed may be. */
static void check_found(struct fixture *f, unsigned s, uint64_t index, const struct log_record *records, size_t count)
{
        const struct model *m = &f->models[s];
        uint64_t at = index;

        for (size_t i = 0; i < count; i++) {
                for (; at < records[i].index; at++)
                        if (m->text[at][0] && at >= m->start)
                                fail_msg("stream %u: %llu was skipped on the way to %llu", s, (unsigned long long)at,
                                         (unsigned long long)records[i].index);
                if (records[i].index != at) fail_msg("stream %u: index %llu out of order", s, (unsigned long long)records[i].index);
                if (!bytes_equal(records[i].data, bytes_of_text(m->text[at])))
                        fail_msg("stream %u: another record at %llu", s, (unsigned long long)at);
                at++;
        }
}

static void read_some(struct fixture *f, unsigned s)
{
        struct model *m = &f->models[s];
        struct tail_stream *stream = &f->streams[s];
        struct log_record records[READ_CAP];
        struct tail_found found;
        uint64_t index = below(f, m->end + 3);
        struct log_read read = {.index = index,
                                .max_records = 1 + below(f, 10),
                                .max_bytes = (size_t)below(f, 100),
                                .record_overhead = 4,
                                .record_max = 1000};
        enum tail_answer answer = tail_read(f->tail, stream, &read, records, READ_CAP, &found);

        assert_true(found.count <= READ_CAP && found.count <= read.max_records);
        assert_true((answer == TAIL_FOUND) == (found.count > 0));
        if (answer == TAIL_FOUND) check_found(f, s, index, records, found.count);
        if (answer == TAIL_AT_END && !m->others_wrote)
                for (uint64_t at = index; at < m->end; at++)
                        if (at >= m->start && m->text[at][0])
                                fail_msg("stream %u: at the end at %llu, but %llu is there", s, (unsigned long long)index,
                                         (unsigned long long)at);
        if (answer == TAIL_BEYOND && !m->others_wrote) assert_true(index > m->end);
}

static void step(struct fixture *f)
{
        unsigned s = (unsigned)below(f, STREAMS);
        struct model *m = &f->models[s];
        struct tail_stream *stream = &f->streams[s];
        uint64_t old = stream->generation;

        if (m->end + 10 > LOG_MAX) {
                remake(m);
                tail_reset(f->tail, stream);
        }
        switch (below(f, 20)) {
        case 0:
                write_model(m, 'f', 0);
                m->others_wrote = true;
                break;
        case 1:
                m->end += 1 + below(f, 3);
                m->others_wrote = true;
                break; /* a hole, as a transaction's marker leaves it */
        case 2:
                m->start = m->start + below(f, m->end - m->start + 1);
                break;
        case 3:
                if (below(f, 20) == 0) {
                        remake(m);
                        if (below(f, 2))
                                push(f, s); /* our own acknowledgement shows it ... */
                        else
                                tail_reset(f->tail, stream); /* ... or the broker says that the topic is gone */
                        if (stream->known && stream->generation == old)
                                tail_reset(f->tail, stream); /* nothing was known, so nothing could tell */
                        fetch(f, s, old);
                }
                break;
        case 4:
                fetch(f, s, stream->generation);
                break;
        case 5:
        case 6:
        case 7:
        case 8:
                push(f, s);
                break;
        default:
                read_some(f, s);
                break;
        }
}

static void run(uint64_t seed, size_t budget)
{
        struct fixture *f = calloc(1, sizeof *f);

        test_context_init(&f->tc, seed);
        f->tail = tail_new(budget);
        for (unsigned s = 0; s < STREAMS; s++)
                tail_stream_init(&f->streams[s]);
        for (unsigned i = 0; i < STEPS; i++) {
                step(f);
                assert_true(tail_bytes(f->tail) <= budget);
        }
        for (unsigned s = 0; s < STREAMS; s++)
                tail_stream_clear(f->tail, &f->streams[s]);
        assert_int_equal(tail_bytes(f->tail), 0);
        tail_free(f->tail);
        test_context_clear(&f->tc);
        free(f);
}

static void test_against_a_model(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 10; seed++)
                run(seed, seed % 2 ? 1u << 20 : 1000);
        run(11, 0);
}

/* The least recently used stream loses its records first. */
static void test_least_recently_used_goes_first(void **state)
{
        struct tail *tail = tail_new(1000);
        struct tail_stream a, b;
        struct log_record records[4];
        struct tail_found found;
        struct log_read read = {.index = 0, .max_records = 4, .max_bytes = 1000, .record_max = 1000};
        static const uint8_t big[400];

        (void)state;
        tail_stream_init(&a);
        tail_stream_init(&b);
        assert_int_equal(tail_acked(tail, &a, 0, tail_record_new(bytes_make(big, sizeof big))), TAIL_STARTED);
        assert_int_equal(tail_acked(tail, &b, 0, tail_record_new(bytes_make(big, sizeof big))), TAIL_STARTED);
        assert_int_equal(tail_read(tail, &a, &read, records, 4, &found), TAIL_FOUND);
        assert_int_equal(tail_acked(tail, &a, 1, tail_record_new(bytes_make(big, sizeof big))), TAIL_EXTENDED);
        assert_int_equal(tail_read(tail, &b, &read, records, 4, &found), TAIL_ASK);
        assert_int_equal(tail_read(tail, &a, &read, records, 4, &found), TAIL_FOUND);
        assert_int_equal(found.count, 2);
        tail_stream_clear(tail, &a);
        tail_stream_clear(tail, &b);
        tail_free(tail);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_against_a_model),
                cmocka_unit_test(test_least_recently_used_goes_first),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
