/* strop-node: reads its options, starts Kafka's log, the node, the listener and the metrics, and stops them in order. */
#include "node/http.h"
#include "node/options.h"
#include "node/trim.h"
#include "transport/base/standard.h"
#include "transport/tcp.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

struct program {
        struct options options;
        struct context ctx;
        struct loop *loop;
        struct node *node;
        struct tcp_listener *listener;
        struct http *http;
        struct trim trim;
        struct loop_watch *on_term, *on_int;
        bool stopping, forced;
};

static void print_version(void)
{
        printf("strop-node %s (librdkafka %s, libevent %s)\n", STROP_VERSION, kafka_library_version(), http_library_version());
}

/* Returns the exit code. */
static int print_asked(const struct options *options)
{
        if (options->help) options_print_help(stdout);
        else if (options->sample) options_print_sample(stdout);
        else print_version();
        if (fflush(stdout) == 0 && !ferror(stdout)) return 0;
        fprintf(stderr, "strop-node: cannot write to stdout: %s\n", strerror(errno));
        return 1;
}

/* A node holds no keys of clients, but passwords for its Kafka, and what passes through it is nobody's business; and it takes all the
 * descriptors it may have. */
static void prepare_process(void)
{
        struct rlimit limit;

        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        prctl(PR_SET_DUMPABLE, 0);
        signal(SIGPIPE, SIG_IGN);
        if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
                limit.rlim_cur = limit.rlim_max;
                setrlimit(RLIMIT_NOFILE, &limit);
        }
}

/* Kafka must be reachable still when clients hold all that they may. */
static void keep_descriptors(struct transport_limits *limits)
{
        struct rlimit limit;
        size_t most;

        if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == RLIM_INFINITY) return;
        most = limit.rlim_cur / 2 > DESCRIPTORS_KEPT ? (size_t)limit.rlim_cur - DESCRIPTORS_KEPT : (size_t)limit.rlim_cur / 2;
        if (limits->connections <= most) return;
        log_warning(NULL, "at most %zu connections, not %zu: the system allows %llu descriptors", most, limits->connections,
                    (unsigned long long)limit.rlim_cur);
        limits->connections = most;
}

static void accepted(void *user, struct link *take_link)
{
        struct program *program = user;

        node_accept(program->node, take_link);
}

static void stopped(void *user)
{
        struct program *program = user;

        loop_stop(program->loop);
}

static void stop(void *arg)
{
        struct program *program = arg;

        if (program->stopping) { /* asked again: someone is in a hurry */
                program->forced = true;
                loop_stop(program->loop);
                return;
        }
        program->stopping = true;
        log_info(NULL, "stopping");
        tcp_listener_free(program->listener);
        program->listener = NULL;
        node_stop(program->node, (uint32_t)program->options.stop_ms, stopped, program);
}

static enum err start_log(struct program *program, struct reason *why)
{
        const struct options *options = &program->options;
        struct kafka_config config = {
                .brokers = options->kafka, .properties = options->properties, .property_count = options->property_count,
                .prefix = options->stream_prefix, .group_prefix = options->group_prefix,
                .replication_factor = (int)options->replication_factor, .limits = options->log,
        };
        struct log *log;
        enum err err = kafka_log_new(program->loop, &config, &node_log_events, program->node, &log, why);

        if (err) return err;
        if ((err = node_set_log(program->node, log))) return fail(why, err, "%s", err_text(err));
        return OK;
}

static enum err start_node(struct program *program, struct reason *why)
{
        struct node_config config = {program->options.transport, program->options.service};
        size_t prefix_n = strlen(program->options.stream_prefix);

        /* A topic is prefix, "_" and stream name. */
        if (prefix_n + 1 >= config.service.name_max) return fail(why, ERR_USAGE, "stream-prefix is too long: it leaves no room for names");
        if (prefix_n) config.service.name_max -= prefix_n + 1;
        keep_descriptors(&config.transport);
        loop_keep_small_apart();
        program->loop = loop_new(&program->ctx);
        program->node = program->loop ? node_new(&program->ctx, &config) : NULL;
        return program->node ? OK : fail(why, ERR_NO_MEMORY, "cannot start: out of memory, or no event loop");
}

static enum err start(struct program *program, struct reason *why)
{
        enum err err = start_node(program, why);

        if (err) return err;
        if ((err = loop_watch_signal(program->loop, SIGTERM, stop, program, &program->on_term)) ||
            (err = loop_watch_signal(program->loop, SIGINT, stop, program, &program->on_int)))
                return fail(why, err, "cannot catch signals");
        if ((err = trim_start(&program->trim, &program->ctx))) return fail(why, err, "%s", err_text(err));
        if ((err = start_log(program, why))) return err;
        if (program->options.http[0]) {
                if ((err = http_new(program->loop, program->options.http, program->node, &program->http, why))) return err;
                log_info(NULL, "metrics on http://%s/metrics", http_address(program->http));
        }
        return tcp_listen(program->loop, &program->options.transport, program->options.listen, accepted, program, &program->listener, why);
}

static void finish(struct program *program)
{
        tcp_listener_free(program->listener);
        trim_stop(&program->trim);
        http_free(program->http);
        node_free(program->node);
        loop_unwatch(program->on_term);
        loop_unwatch(program->on_int);
        if (program->loop) {
                loop_finish(program->loop, FINISH_MS); /* answers may still be on their way out */
                loop_free(program->loop);
        }
        context_clear(&program->ctx);
        options_clear(&program->options);
}

static int run(struct program *program)
{
        struct reason why = {""};
        enum err err = start(program, &why);

        if (err) {
                fprintf(stderr, "strop-node: %s\n", why.text);
        } else {
                fprintf(stderr, "listening on %s\n", tcp_listener_address(program->listener));
                if (strcmp(program->options.kafka, "embedded") == 0)
                        log_warning(NULL, "the log is embedded: it keeps about 5 MB a stream and forgets everything at the end; "
                                          "for a real one use --kafka HOST:PORT");
                loop_run(program->loop);
        }
        finish(program);
        if (err) return err == ERR_USAGE ? 2 : 1;
        if (!program->forced) return 0;
        log_error("strop-node", "stopped by a second signal, before all that was accepted was stored");
        return 1;
}

int main(int argc, char **argv)
{
        static struct program program;
        struct reason why = {""};
        enum err err;

        if (!standard_hold()) return 1;
        prepare_process();
        err = options_read(&program.options, argc, argv, &why);
        if (err) {
                fprintf(stderr, "strop-node: %s\n", why.text);
                options_clear(&program.options);
                return err == ERR_USAGE ? 2 : 1;
        }
        if (program.options.help || program.options.version || program.options.sample) {
                int code = print_asked(&program.options);

                options_clear(&program.options);
                return code;
        }
        logger_set_level(program.options.log_level);
        context_init(&program.ctx);
        return run(&program);
}
