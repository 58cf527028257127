/* The twin, its clock moved on by the test, and what is done behind its back. */
#include "tests/support/twin_backend.h"

static struct log *twin_open(void *user, const struct log_limits *limits, const struct log_events *events, void *events_user)
{
        struct twin_backend *twin = user;
        struct log *log = log_memory_new(&twin->tc.ctx, limits, events, events_user);

        log_memory_set_faults(log, &twin->faults);
        return log;
}

static void twin_close(void *user, struct log *log)
{
        (void)user;
        log_free(log);
}

static void twin_run(void *user, bool (*done)(void *arg), void *arg, uint64_t ms)
{
        struct twin_backend *twin = user;
        uint64_t until = twin->tc.now_ms + ms, at;

        while (!done(arg) && timers_next(&twin->tc.ctx.timers, &at) && at <= until)
                test_context_step(&twin->tc);
        if (!done(arg) && twin->tc.now_ms < until) test_context_advance(&twin->tc, until - twin->tc.now_ms);
}

static uint64_t twin_now(void *user) { return ((struct twin_backend *)user)->tc.now_ms; }

static enum err twin_write(void *user, struct log *log, const char *topic, uint32_t partition, struct bytes data, uint64_t hole)
{
        (void)user;
        return log_memory_write(log, topic, partition, data, hole);
}

static enum err twin_truncate(void *user, struct log *log, const char *topic, uint32_t partition, uint64_t index)
{
        (void)user;
        return log_memory_truncate(log, topic, partition, index);
}

static enum err twin_remove(void *user, struct log *log, const char *topic)
{
        (void)user;
        log_memory_delete(log, topic);
        return OK;
}

static enum err twin_dump(void *user, struct log *log, const char *topic, uint32_t partition,
                          void (*each)(void *arg, uint64_t index, struct bytes data), void *arg)
{
        const struct log_record *records;
        size_t count;
        enum err err = log_memory_dump(log, topic, partition, &records, &count);

        (void)user;
        for (size_t i = 0; !err && i < count; i++)
                each(arg, records[i].index, records[i].data);
        return err;
}

void twin_backend_init(struct twin_backend *twin, const char *name, uint64_t seed, struct log_memory_faults faults)
{
        test_context_init(&twin->tc, seed);
        twin->faults = faults;
        twin->backend = (struct log_backend){
                .name = name,
                .prefix = "",
                .user = twin,
                .open = twin_open,
                .close = twin_close,
                .run = twin_run,
                .now_ms = twin_now,
                .patience_ms = 10000,
                .write = twin_write,
                .truncate = twin_truncate,
                .remove = twin_remove,
                .holes = true,
                .dump = twin_dump,
        };
}

void twin_backend_clear(struct twin_backend *twin) { test_context_clear(&twin->tc); }
