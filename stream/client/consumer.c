/* The client's consumer (docs/protocol.md, "The stream client"): finds out where to go on, pulls, routes on, saves where it is.
 * Which pulls are out is pull_window.h's matter. Every request has an id of its own, for ever, so an answer that comes after its request
 * was given up, or over an older connection, meets nobody. */
#include "stream/client/consumer.h"

#include "stream/client/handle.h"
#include "stream/client/pull_window.h"
#include "transport/base/logger.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum consumer_state {
        CONSUMER_AWAY,     /* no connection */
        CONSUMER_CREATING, /* create's answer is awaited; the timer asks again */
        CONSUMER_REFUSED,  /* the timer's pause before create is asked again */
        CONSUMER_ASKING,   /* the index is asked for; the timer starts anew */
        CONSUMER_CHECKING, /* pulls are out from the last index read (`check`) and from the start (`probe`) */
        CONSUMER_PULLING,
};

struct consumer {
        struct stream_handle handle;
        struct stream_client_limits limits;
        const struct consumer_events *events;
        void *user;
        struct bytes index_service, client_id, reply_address; /* in `memory` */
        uint8_t *memory;
        enum consumer_state state;
        bool stands; /* `ready` was told on this connection */
        bool paused;
        bool known; /* the index is */
        uint64_t index, saved;
        uint64_t next_id;
        struct pull_window window;
        struct pull check, probe; /* CONSUMER_CHECKING */
        bool not_empty;           /* ... the probe had an answer with messages */
        bool suspected;           /* ... there is a reason for the probe: else the check alone is out, which costs the node next to nothing */
        uint64_t stood_ms;        /* when something came, or a check has shown that what was read still stands */
        uint64_t quiet_until;     /* no pull before: the last answer came at once and had nothing */
        uint64_t saved_ms;        /* when the index was last saved */
        struct timer save_timer;
        struct grave grave;
};

static const struct consumer_events no_events = {tell_nobody, notice_nobody, refuse_nobody};

static void notice(struct consumer *consumer, enum stream_trouble trouble, const char *text)
{
        enum err err = trouble == TROUBLE_SILENCE ? ERR_TIMEOUT : ERR_FAILED;

        if (handle_troubled(&consumer->handle, trouble)) consumer->events->notice(consumer->user, err, text);
}

static void well(struct consumer *consumer)
{
        if (handle_well(&consumer->handle)) consumer->events->notice(consumer->user, OK, HANDLE_ANSWERS);
}

static void create(struct consumer *consumer)
{
        window_clear(&consumer->window, consumer->handle.ctx);
        consumer->check = consumer->probe = (struct pull){0};
        consumer->state = CONSUMER_CREATING;
        handle_wake_in(&consumer->handle, consumer->limits.answer_ms);
        if (handle_create(&consumer->handle)) handle_wake_in(&consumer->handle, consumer->limits.retry_min_ms);
}

/* --- saving the index ----------------------------------------------------------------------------------------------- */

static struct stream_request index_request(const struct consumer *consumer, enum stream_index_kind kind)
{
        return (struct stream_request){
                .protocol = STREAM_INDEX,
                .index = {.kind = kind, .client_id = consumer->client_id, .stream_name = consumer->handle.name, .index = consumer->index},
        };
}

/* There is no answer to a save. What is lost with it is read once more. */
static void save(struct consumer *consumer)
{
        struct stream_request request = index_request(consumer, STREAM_INDEX_SAVE);

        if (consumer->saved == consumer->index || handle_ask_service(&consumer->handle, consumer->index_service, &request)) return;
        consumer->saved = consumer->index;
        consumer->saved_ms = context_now_ms(consumer->handle.ctx);
}

static void save_on_timer(void *arg) { save(arg); }

/* At once if the last save is long enough ago, else when it will be; behind what has been routed on, in the router's queue too. */
static void save_soon(struct consumer *consumer)
{
        uint64_t now = context_now_ms(consumer->handle.ctx), due = consumer->saved_ms + consumer->limits.save_ms;

        if (consumer->saved == consumer->index || timer_is_set(&consumer->save_timer)) return;
        if (now >= due || context_timer_set(consumer->handle.ctx, &consumer->save_timer, due - now)) save(consumer);
}

/* --- routing on -------------------------------------------------------------------------------------------------------- */

/* ERR_FULL: the router takes no more for now; the message has to come again. */
static enum err route_on(struct consumer *consumer, struct bytes data)
{
        struct origin origin = {.kind = ORIGIN_STREAM};
        struct message msg;
        enum err err;

        if (message_read(data, router_limits(consumer->handle.router)->route_hops, &msg) || msg.onward.count == 0) {
                context_count(consumer->handle.ctx, STAT_DROP_UNDECODED);
                return OK;
        }
        if (consumer->reply_address.n) {
                err = route_prepend(router_arena(consumer->handle.router), address_local(consumer->reply_address), msg.ret, &msg.ret);
                if (err) return err;
        }
        return router_send(consumer->handle.router, origin, msg);
}

/* Routes on what has not been before; `index` is the next one then. */
static void take_messages(struct consumer *consumer, struct bytes messages)
{
        struct stream_message message;

        while (stream_message_next(&messages, &message)) {
                if (message.index < consumer->index || message.index == UINT64_MAX) continue;
                if (route_on(consumer, message.data)) {
                        consumer->quiet_until = context_now_ms(consumer->handle.ctx) + consumer->limits.retry_min_ms;
                        break;
                }
                consumer->index = message.index + 1;
        }
        save_soon(consumer);
}

/* --- pulling ----------------------------------------------------------------------------------------------------------- */

static enum err send_pull(struct consumer *consumer, uint64_t id, uint64_t from, uint64_t limit)
{
        uint8_t memory[UINT_SIZE_MAX];
        struct stream_request request = {
                .protocol = STREAM_PULL,
                .pull = {.id = request_id_of(id, memory), .index = from, .limit = limit},
        };

        return handle_ask(&consumer->handle, &request);
}

/* The timer fires when the oldest pull has waited long enough, or the quiet is over. */
static void watch(struct consumer *consumer)
{
        uint64_t now = context_now_ms(consumer->handle.ctx), at, asked;

        if (window_oldest(&consumer->window, &asked))
                at = asked + consumer->limits.answer_ms;
        else
                at = UINT64_MAX;
        if (consumer->check.used && consumer->check.asked_ms + consumer->limits.answer_ms < at)
                at = consumer->check.asked_ms + consumer->limits.answer_ms;
        if (consumer->probe.used && consumer->probe.asked_ms + consumer->limits.answer_ms < at)
                at = consumer->probe.asked_ms + consumer->limits.answer_ms;
        if (consumer->quiet_until > now && consumer->quiet_until < at) at = consumer->quiet_until;
        if (at == UINT64_MAX)
                context_timer_stop(consumer->handle.ctx, &consumer->handle.timer);
        else
                handle_wake_in(&consumer->handle, at > now ? at - now : 0);
}

/* Asks whatever is to be asked. The pull is in the table before it goes out: its answer may come before that returns. */
static void pull_on(struct consumer *consumer)
{
        uint64_t now = context_now_ms(consumer->handle.ctx), from, limit, id;

        if (consumer->state != CONSUMER_PULLING) return;
        while (!consumer->paused && now >= consumer->quiet_until &&
               window_next(&consumer->window, consumer->index, &consumer->limits, &from, &limit)) {
                id = consumer->next_id++;
                if (!window_add(&consumer->window, id, from, limit, now)) break;
                if (send_pull(consumer, id, from, limit) == OK) {
                        if (consumer->state != CONSUMER_PULLING) return;
                        continue;
                }
                pull_remove(window_find(&consumer->window, id), consumer->handle.ctx);
                consumer->quiet_until = now + consumer->limits.retry_min_ms;
        }
        watch(consumer);
}

/* An empty answer that came at once is a hub's that holds no pulls: it is not asked again at once. */
static void quieten(struct consumer *consumer, const struct pull *pull, uint64_t count)
{
        uint64_t now = context_now_ms(consumer->handle.ctx);

        if (count == 0 && now < pull->asked_ms + consumer->limits.empty_ms) consumer->quiet_until = now + consumer->limits.empty_ms;
}

static void begin_check(struct consumer *consumer, bool suspected);

/* Nothing has come for long: a stream that was cut, or made anew, and has not come to our index yet looks just so. */
static bool check_is_due(const struct consumer *consumer)
{
        uint64_t due = consumer->stood_ms + consumer->limits.check_ms, asked;

        return consumer->state == CONSUMER_PULLING && !consumer->paused && consumer->index > 0 && !window_oldest(&consumer->window, &asked) &&
               context_now_ms(consumer->handle.ctx) >= due;
}

static void pull_answered(struct consumer *consumer, struct pull *pull, struct bytes messages, uint64_t count, size_t size)
{
        window_learn(&consumer->window, pull, count, size, consumer->limits.pull_limit);
        if (pull->from > consumer->index && count > 0) {
                if (pull_hold(pull, messages)) pull_remove(pull, consumer->handle.ctx);
                pull_on(consumer);
                return;
        }
        if (pull->from <= consumer->index) quieten(consumer, pull, count);
        if (count > 0) consumer->stood_ms = context_now_ms(consumer->handle.ctx);
        pull_remove(pull, consumer->handle.ctx);
        take_messages(consumer, messages);
        while ((pull = window_ripe(&consumer->window, consumer->index))) {
                take_messages(consumer, pull->held->messages);
                pull_remove(pull, consumer->handle.ctx);
        }
        if (check_is_due(consumer))
                begin_check(consumer, false);
        else
                pull_on(consumer);
}

/* --- where to go on ------------------------------------------------------------------------------------------------------ */

static void go_on(struct consumer *consumer)
{
        consumer->check = consumer->probe = (struct pull){0};
        consumer->stood_ms = context_now_ms(consumer->handle.ctx);
        consumer->state = CONSUMER_PULLING;
        pull_on(consumer);
}

/* Both pulls of the check, as far as they are not out. */
static void ask_check(struct consumer *consumer)
{
        struct pull *pulls[] = {&consumer->check, &consumer->probe};
        uint64_t now = context_now_ms(consumer->handle.ctx);

        for (size_t i = 0; i < 2 && consumer->state == CONSUMER_CHECKING && now >= consumer->quiet_until; i++) {
                struct pull *pull = pulls[i];

                if (pull->used || (pull == &consumer->probe && (consumer->not_empty || !consumer->suspected))) continue;
                *pull = (struct pull){.used = true, .id = consumer->next_id++, .limit = 1, .asked_ms = now};
                if (pull == &consumer->check) pull->from = consumer->index - 1;
                if (send_pull(consumer, pull->id, pull->from, 1) == OK) continue;
                pull->used = false;
                consumer->quiet_until = now + consumer->limits.retry_min_ms;
        }
        if (consumer->state == CONSUMER_CHECKING) watch(consumer);
}

static void truncated(struct consumer *consumer)
{
        char text[512], name[256];

        context_count(consumer->handle.ctx, STAT_STREAM_TRUNCATED);
        snprintf(text, sizeof text,
                 "stream %s ends before message %" PRIu64 ", which was read already: it was cut or made anew. Reading it from its start",
                 printable(name, sizeof name, consumer->handle.name), consumer->index - 1);
        consumer->index = 0;
        go_on(consumer);
        consumer->events->notice(consumer->user, ERR_NOT_FOUND, text);
}

/* A check without messages proves something only where the stream is known to have some: an empty answer can also mean that the node's
 * Kafka is away, or that the stream is made anew and empty as yet. Then both are asked again. */
static void check_answered(struct consumer *consumer, struct pull *pull, struct bytes messages, uint64_t count)
{
        bool is_check = pull == &consumer->check;

        quieten(consumer, pull, count);
        pull->used = false;
        if (is_check && count == 0) consumer->suspected = true;
        if (!is_check && count > 0) consumer->not_empty = true;
        if (is_check && count > 0) {
                take_messages(consumer, messages);
                go_on(consumer);
        } else if (is_check && consumer->not_empty) {
                truncated(consumer);
        } else {
                ask_check(consumer);
        }
}

static void begin_check(struct consumer *consumer, bool suspected)
{
        consumer->suspected = suspected;
        consumer->not_empty = false;
        consumer->state = CONSUMER_CHECKING;
        ask_check(consumer);
}

static void index_known(struct consumer *consumer)
{
        bool first = !consumer->stands;

        consumer->stands = true;
        consumer->quiet_until = 0;
        save_soon(consumer);
        if (consumer->index > 0) {
                begin_check(consumer, true);
        } else {
                go_on(consumer);
        }
        if (first && consumer->stands) consumer->events->ready(consumer->user);
}

static void ask_index(struct consumer *consumer)
{
        struct stream_request request = index_request(consumer, STREAM_INDEX_GET);

        consumer->state = CONSUMER_ASKING;
        handle_wake_in(&consumer->handle, consumer->limits.answer_ms);
        if (handle_ask_service(&consumer->handle, consumer->index_service, &request))
                handle_wake_in(&consumer->handle, consumer->limits.retry_min_ms);
}

/* --- what the node answers ------------------------------------------------------------------------------------------------ */

static void answered_created(struct consumer *consumer, const struct delivery *delivery, const struct stream_response *response)
{
        if (consumer->state != CONSUMER_CREATING) return;
        if (handle_created(&consumer->handle, delivery, response)) {
                notice(consumer, TROUBLE_REFUSED, HANDLE_WRONG_STREAM);
                return;
        }
        if (consumer->known)
                index_known(consumer);
        else
                ask_index(consumer);
}

static void answered_index(struct consumer *consumer, const struct stream_response *response)
{
        if (consumer->state != CONSUMER_ASKING || !bytes_equal(response->index.client_id, consumer->client_id) ||
            !bytes_equal(response->index.stream_name, consumer->handle.name)) {
                context_count(consumer->handle.ctx, STAT_ANSWERS_LATE);
                return;
        }
        consumer->index = consumer->saved = response->index.present ? response->index.index : 0;
        consumer->known = true;
        index_known(consumer);
}

static void answered_pulled(struct consumer *consumer, const struct stream_response *response, size_t size)
{
        uint64_t id = response->pull.id;
        struct pull *pull = window_find(&consumer->window, id);

        if (consumer->check.used && consumer->check.id == id) pull = &consumer->check;
        if (consumer->probe.used && consumer->probe.id == id) pull = &consumer->probe;
        if (!pull) {
                context_count(consumer->handle.ctx, STAT_ANSWERS_LATE);
                return;
        }
        if (consumer->state == CONSUMER_CHECKING)
                check_answered(consumer, pull, response->pull.messages, response->pull.count);
        else
                pull_answered(consumer, pull, response->pull.messages, response->pull.count, size);
        well(consumer);
}

/* An error names no request. As an answer to create it is a refusal, which may pass (a limit); as another it means that the stream's
 * worker is not what it was. So the stream is created anew, after a pause. */
static void answered_error(struct consumer *consumer, const struct stream_response *response)
{
        char reason[256];

        window_clear(&consumer->window, consumer->handle.ctx);
        consumer->check = consumer->probe = (struct pull){0};
        consumer->state = CONSUMER_REFUSED;
        handle_wake_in(&consumer->handle, handle_pause(&consumer->handle));
        if (handle_troubled(&consumer->handle, TROUBLE_REFUSED))
                consumer->events->refused(consumer->user, printable(reason, sizeof reason, response->error.reason));
}

static void on_answer(void *self, const struct delivery *delivery)
{
        struct consumer *consumer = self;
        struct stream_response response;

        if (stream_response_read(delivery->msg.payload, &response)) {
                context_count(consumer->handle.ctx, STAT_DROP_UNDECODED);
                return;
        }
        switch (response.protocol) {
        case STREAM_CREATE:
                answered_created(consumer, delivery, &response);
                break;
        case STREAM_INDEX:
                answered_index(consumer, &response);
                break;
        case STREAM_PULL:
                answered_pulled(consumer, &response, delivery->msg.payload.n);
                break;
        case STREAM_ERROR:
                answered_error(consumer, &response);
                break;
        default:
                context_count(consumer->handle.ctx, STAT_ANSWERS_LATE);
        }
}

static bool waited_too_long(const struct consumer *consumer)
{
        uint64_t now = context_now_ms(consumer->handle.ctx), asked;
        uint32_t answer_ms = consumer->limits.answer_ms;

        if (consumer->check.used && now >= consumer->check.asked_ms + answer_ms) return true;
        if (consumer->probe.used && now >= consumer->probe.asked_ms + answer_ms) return true;
        return window_oldest(&consumer->window, &asked) && now >= asked + answer_ms;
}

static void on_timer(void *arg)
{
        struct consumer *consumer = arg;

        switch (consumer->state) {
        case CONSUMER_AWAY:
                return;
        case CONSUMER_REFUSED:
                create(consumer);
                return;
        case CONSUMER_CHECKING:
        case CONSUMER_PULLING:
                if (waited_too_long(consumer)) break;
                if (consumer->state == CONSUMER_CHECKING)
                        ask_check(consumer);
                else
                        pull_on(consumer);
                return;
        case CONSUMER_CREATING:
        case CONSUMER_ASKING:
                break;
        }
        create(consumer);
        notice(consumer, TROUBLE_SILENCE, HANDLE_SILENT);
}

/* --- life ------------------------------------------------------------------------------------------------------------------ */

static void bury(void *object)
{
        struct consumer *consumer = object;

        free(consumer->memory);
        free(consumer);
}

/* Copies a part of the configuration behind what is there already. */
static struct bytes put_aside(struct writer *w, struct bytes part)
{
        struct bytes copy = bytes_make(w->p + w->n, part.n);

        writer_put(w, part.p, part.n);
        return copy;
}

static bool copy_config(struct consumer *consumer, const struct consumer_config *config)
{
        size_t n = config->index_service.n + config->client_id.n + config->reply_address.n;
        struct writer w;

        consumer->memory = malloc(n + 1);
        if (!consumer->memory) return false;
        w = writer_make(consumer->memory, n);
        consumer->index_service = put_aside(&w, config->index_service);
        consumer->client_id = put_aside(&w, config->client_id);
        consumer->reply_address = put_aside(&w, config->reply_address);
        return true;
}

struct consumer *consumer_new(struct router *router, const struct consumer_config *config, const struct stream_client_limits *limits,
                              const struct consumer_events *events, void *user)
{
        struct consumer *consumer = calloc(1, sizeof *consumer);

        if (!consumer) return NULL;
        consumer->limits = *limits;
        consumer->events = events;
        consumer->user = user;
        timer_init(&consumer->save_timer, save_on_timer, consumer);
        if (!copy_config(consumer, config) || handle_init(&consumer->handle, router, config->service, config->stream_name,
                                                          &consumer->limits, on_answer, on_timer, consumer)) {
                bury(consumer);
                return NULL;
        }
        return consumer;
}

void consumer_free(struct consumer *consumer)
{
        if (!consumer) return;
        consumer->events = &no_events;
        if (consumer->known) save(consumer);
        consumer_disconnected(consumer);
        handle_clear(&consumer->handle);
        context_bury(consumer->handle.ctx, &consumer->grave, bury, consumer);
}

void consumer_connected(struct consumer *consumer, struct bytes conn)
{
        consumer_disconnected(consumer);
        if (handle_connect(&consumer->handle, conn) == OK) create(consumer);
}

void consumer_disconnected(struct consumer *consumer)
{
        struct context *ctx = consumer->handle.ctx;

        consumer->state = CONSUMER_AWAY;
        consumer->stands = false;
        window_clear(&consumer->window, ctx);
        consumer->check = consumer->probe = (struct pull){0};
        context_timer_stop(ctx, &consumer->handle.timer);
        context_timer_stop(ctx, &consumer->save_timer);
        handle_disconnect(&consumer->handle);
}

void consumer_pause(struct consumer *consumer, bool paused)
{
        if (consumer->paused == paused) return;
        consumer->paused = paused;
        pull_on(consumer);
}

uint64_t consumer_index(const struct consumer *consumer) { return consumer->index; }
