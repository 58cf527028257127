/* Kafka's state as we see it. What librdkafka logs about connections is kept back: it makes one warning when Kafka is found to
 * be away, and one now and then while only some brokers are. Other lines are limited for each kind. */
#include "stream/kafka/health.h"

#include "transport/base/logger.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

enum {
        PATIENCE_MIN_MS = 500,  /* how long a probe waits for its answer; doubled when none comes */
        PATIENCE_MAX_MS = 2000,
        SILENT_MS = 4000,       /* no answer for so long: away, whatever librdkafka says */
        PROBE_UP_MS = 5000,
        PROBE_AWAY_MS = 500,
        QUIET_MS = 60000, /* between two warnings of one kind */
        KINDS_MAX = 16,
};

enum health_state {
        HEALTH_UNKNOWN, /* no probe has ended yet */
        HEALTH_UP,
        HEALTH_AWAY,
};

struct kind {
        char facility[16];
        uint64_t warned_ms;
        bool warned;
};

struct health {
        struct context *ctx;
        void (*back)(void *user);
        void *user;
        struct helper *helper; /* NULL: stopped */
        rd_kafka_t *rk;
        rd_kafka_t *probe_rk;  /* the helper's while probing */
        struct helper_job probe;
        bool probing, alarm;   /* alarm: librdkafka says that it lost all brokers */
        rd_kafka_resp_err_t probe_err; /* the helper's while probing */
        int probe_ms;                  /* ... and so is this: how long it may wait */
        struct timer timer;
        enum health_state state;
        int patience_ms;
        bool failing;          /* the last probe was not answered; since: */
        uint64_t failing_since_ms, away_since_ms;
        char last[256];        /* what librdkafka said last about a connection */
        char away[320];
        unsigned troubled;     /* probes in a row that were answered while some connections failed */
        bool trouble;          /* such a line came since the last probe */
        struct kind kinds[KINDS_MAX];
};

static bool may_warn(struct health *health, const char *facility)
{
        struct kind *kind = health->kinds;
        uint64_t now = context_now_ms(health->ctx);

        for (int i = 0; i < KINDS_MAX - 1 && kind->facility[0] && strcmp(kind->facility, facility) != 0; i++) kind++;
        if (kind->warned && now - kind->warned_ms < QUIET_MS) return false;
        snprintf(kind->facility, sizeof kind->facility, "%s", facility);
        kind->warned = true;
        kind->warned_ms = now;
        return true;
}

void health_warn(struct health *health, const char *kind, const char *fmt, ...)
{
        char text[400];
        va_list args;

        if (!may_warn(health, kind)) return;
        va_start(args, fmt);
        vsnprintf(text, sizeof text, fmt, args);
        va_end(args);
        log_warning("kafka", "%s", text);
}

static void set_up(struct health *health)
{
        enum health_state before = health->state;

        health->failing = false;
        health->patience_ms = PATIENCE_MIN_MS;
        health->alarm = false;
        health->last[0] = '\0'; /* what was wrong is no reason for what comes */
        if (before == HEALTH_UP) return;
        health->state = HEALTH_UP;
        health->away[0] = '\0';
        if (before == HEALTH_AWAY)
                log_info("kafka", "reachable again after %llu s",
                         (unsigned long long)((context_now_ms(health->ctx) - health->away_since_ms) / 1000));
        else
                log_info("kafka", "reachable");
        health->back(health->user);
}

static void set_away(struct health *health)
{
        if (health->state == HEALTH_AWAY) return;
        health->state = HEALTH_AWAY;
        health->away_since_ms = context_now_ms(health->ctx);
        snprintf(health->away, sizeof health->away, "Kafka cannot be reached: %s", health->last[0] ? health->last : "no answer");
        log_warning("kafka", "cannot be reached: %s", health->last[0] ? health->last : "no answer");
}

/* Some connections fail for a while and others stand: worth a line. */
static void note_trouble(struct health *health)
{
        health->troubled = health->trouble ? health->troubled + 1 : 0;
        health->trouble = false;
        if (health->troubled >= 2) health_warn(health, "FAIL", "a broker cannot be reached: %s", health->last);
}

static void next_probe(struct health *health, uint64_t in_ms)
{
        if (context_timer_set(health->ctx, &health->timer, in_ms) != OK) log_error("kafka", "out of memory: not watched any more");
}

static void probe_run(struct helper_job *job)
{
        struct health *health = HELPER_JOB_OWNER(job, struct health, probe);
        const struct rd_kafka_metadata *metadata = NULL;
        /* Without a topic librdkafka would ask about all there are. */
        rd_kafka_topic_t *rkt = rd_kafka_topic_new(health->probe_rk, "__consumer_offsets", NULL);

        health->probe_err = rkt ? rd_kafka_metadata(health->probe_rk, 0, rkt, &metadata, health->probe_ms) : RD_KAFKA_RESP_ERR__FAIL;
        if (!health->probe_err) rd_kafka_metadata_destroy(metadata);
        if (rkt) rd_kafka_topic_destroy(rkt);
}

static void note_failure(struct health *health)
{
        uint64_t now = context_now_ms(health->ctx);

        if (!health->failing) health->failing_since_ms = now;
        health->failing = true;
        if (health->patience_ms < PATIENCE_MAX_MS) health->patience_ms *= 2;
        if (health->alarm || now - health->failing_since_ms >= SILENT_MS) set_away(health);
}

static void probe_done(struct helper_job *job)
{
        struct health *health = HELPER_JOB_OWNER(job, struct health, probe);

        health->probing = false;
        if (!health->helper) return;
        if (!health->probe_err) {
                set_up(health);
                note_trouble(health);
        } else {
                note_failure(health);
        }
        next_probe(health, health->failing ? PROBE_AWAY_MS : PROBE_UP_MS);
}

static void probe_now(void *arg)
{
        struct health *health = arg;

        if (health->probing || !health->helper) return;
        health->probing = true;
        health->probe_ms = health->patience_ms; /* from here on the helper's: an answer to somebody else may change patience meanwhile */
        health->probe_rk = health->rk;
        helper_ask(health->helper, &health->probe);
}

struct health *health_new(struct context *ctx, void (*back)(void *user), void *user)
{
        struct health *health = calloc(1, sizeof *health);

        if (!health) return NULL;
        health->ctx = ctx;
        health->patience_ms = PATIENCE_MIN_MS;
        health->back = back;
        health->user = user;
        health->probe.run = probe_run;
        health->probe.done = probe_done;
        timer_init(&health->timer, probe_now, health);
        return health;
}

void health_free(struct health *health)
{
        free(health);
}

void health_start(struct health *health, struct helper *helper, rd_kafka_t *rk)
{
        health->helper = helper;
        health->rk = rk;
        probe_now(health);
}

void health_use(struct health *health, rd_kafka_t *rk) { health->rk = rk; }

void health_stop(struct health *health)
{
        health->helper = NULL;
        context_timer_stop(health->ctx, &health->timer);
}

const char *health_not_up(const struct health *health)
{
        return health->state == HEALTH_UNKNOWN ? "Kafka has not answered yet" : health_away(health);
}

const char *health_away(const struct health *health)
{
        return health->state == HEALTH_AWAY ? health->away : NULL;
}

bool health_is_up(const struct health *health)
{
        return health->state == HEALTH_UP;
}

void health_answered(struct health *health)
{
        if (health->state == HEALTH_AWAY && health->helper) set_up(health);
}

/* librdkafka's lines begin with the thread; people need what comes behind it. */
static const char *without_thread(const char *line)
{
        const char *end;

        if (strncmp(line, "[thrd:", 6) != 0 || !(end = strstr(line, "]: "))) return line;
        return end + 3;
}

static bool is_about_connection(const char *facility)
{
        static const char *const names[] = {"FAIL", "ERROR", "REQTMOUT", "GETPID", "BROKERFAIL", "CONNECT", "COORD"};

        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
                if (strcmp(facility, names[i]) == 0) return true;
        return false;
}

/* What we know and have set so. */
static bool is_no_news(const char *facility)
{
        return strcmp(facility, "CONFWARN") == 0 || strcmp(facility, "AUTOCREATE") == 0;
}

static void take_line(struct health *health, const char *facility, const char *line, int level)
{
        char text[400];

        printable(text, sizeof text, bytes_of_text(without_thread(line)));
        if (level <= LOG_WARNING && is_about_connection(facility)) {
                snprintf(health->last, sizeof health->last, "%.255s", text);
                health->trouble = true;
        } else if (level <= LOG_WARNING && !is_no_news(facility) && may_warn(health, facility)) {
                log_warning("kafka", "%s: %s", facility, text);
                return;
        }
        log_debug("kafka", "%s: %s", facility, text);
}

bool health_event(struct health *health, rd_kafka_event_t *event)
{
        const char *facility, *line;
        int level;

        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_LOG) {
                if (rd_kafka_event_log(event, &facility, &line, &level) == 0) take_line(health, facility, line, level);
                return true;
        }
        if (rd_kafka_event_type(event) != RD_KAFKA_EVENT_ERROR) return false;
        context_count(health->ctx, STAT_KAFKA_ERRORS);
        log_debug("kafka", "error: %s", rd_kafka_event_error_string(event));
        if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
                health->alarm = true;
                probe_now(health);
        }
        return false;
}
