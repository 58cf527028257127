/* The client's producer (docs/protocol.md, "The stream client").
 *
 * One list holds every message from when it is taken until the node has confirmed it, in the order of the taking; `next` is the first
 * that is not out. A lost connection, or a refused push, puts `next` back to the front, so the same bytes go out again in the same order
 * (I5). After a refusal nothing new goes out before all answers are in: what was out behind the refused one may be stored already, and the
 * less overtakes it the better; the secure channel's window at the reader evens out the rest. */
#include "stream/client/producer.h"

#include "stream/client/handle.h"
#include "transport/base/logger.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

enum producer_state {
        PRODUCER_AWAY,     /* no connection */
        PRODUCER_CREATING, /* create's answer is awaited; the timer asks again */
        PRODUCER_REFUSED,  /* the timer's pause before create is asked again */
        PRODUCER_PUSHING,  /* the stream stands; the timer watches that answers come */
        PRODUCER_HALTED,   /* a push was refused: the other answers are awaited, the timer watches */
        PRODUCER_PAUSED,   /* ... they are in: the timer's pause before create is asked again, and pushing goes on */
};

struct push {
        TAILQ_ENTRY(push) entry;
        uint64_t id;   /* of its latest push */
        bool out;      /* an answer is awaited */
        bool repeated; /* it was out before */
        size_t n;
        uint8_t data[]; /* the transport message */
};
TAILQ_HEAD(push_list, push);

struct producer {
        struct stream_handle handle;
        struct stream_client_limits limits;
        const struct producer_events *events;
        void *user;
        struct worker *entrance; /* takes the messages to push */
        enum producer_state state;
        bool stands; /* `ready` was told on this connection */
        bool was_full;
        struct push_list pushes;
        struct push *next; /* first that is not out; NULL: all are */
        size_t count, bytes, out, out_bytes;
        uint64_t next_id;
        uint64_t waiting_since; /* the latest answer, or when the first push went out */
        struct grave grave;
};

static const struct producer_events no_events = {tell_nobody, tell_nobody, tell_nobody, notice_nobody, refuse_nobody};

static void notice(struct producer *producer, enum stream_trouble trouble, const char *text)
{
        enum err err = trouble == TROUBLE_SILENCE ? ERR_TIMEOUT : ERR_FAILED;

        if (handle_troubled(&producer->handle, trouble)) producer->events->notice(producer->user, err, text);
}

static void well(struct producer *producer)
{
        if (handle_well(&producer->handle)) producer->events->notice(producer->user, OK, HANDLE_ANSWERS);
}

/* Keeps a copy of the message, as the bytes that will be pushed. */
static bool keep(struct producer *producer, const struct message *msg)
{
        const struct stream_client_limits *limits = &producer->limits;
        size_t n = message_size(msg);
        struct push *push = NULL;
        struct writer w;

        if (n > limits->push_max) {
                context_count(producer->handle.ctx, STAT_FRAMES_TOO_LARGE);
                return false;
        }
        if (producer->count < 2 * limits->unconfirmed && producer->bytes + n <= 2 * limits->unconfirmed_bytes)
                push = malloc(sizeof *push + n);
        if (!push) {
                context_count(producer->handle.ctx, STAT_DROP_UNCONFIRMED_FULL);
                return false;
        }
        *push = (struct push){.n = n};
        w = writer_make(push->data, n);
        message_put(&w, msg);
        TAILQ_INSERT_TAIL(&producer->pushes, push, entry);
        if (!producer->next) producer->next = push;
        producer->count++;
        producer->bytes += n;
        return true;
}

/* The push counts as out before the request is sent: its answer may come before that returns. */
static enum err push_out(struct producer *producer, struct push *push)
{
        uint8_t id[UINT_SIZE_MAX];
        struct stream_request request = {
                .protocol = STREAM_PUSH,
                .push = {.id = request_id_of(producer->next_id, id), .data = bytes_make(push->data, push->n)},
        };
        bool repeated = push->repeated;
        enum err err;

        if (producer->out == 0) producer->waiting_since = context_now_ms(producer->handle.ctx);
        push->id = producer->next_id++;
        push->out = push->repeated = true;
        producer->out++;
        producer->out_bytes += push->n;
        producer->next = TAILQ_NEXT(push, entry);
        err = handle_ask(&producer->handle, &request);
        if (err == OK) {
                if (repeated) context_count(producer->handle.ctx, STAT_REPUSHED);
                return OK;
        }
        push->out = false;
        push->repeated = repeated;
        producer->out--;
        producer->out_bytes -= push->n;
        producer->next = push;
        return err;
}

static bool may_push(const struct producer *producer, const struct push *push)
{
        if (producer->out == 0) return true;
        return producer->out < producer->limits.in_flight && producer->out_bytes + push->n <= producer->limits.in_flight_bytes;
}

/* Sends what may go out. The router having no room is no failure: the timer comes back to it. */
static void pump(struct producer *producer)
{
        if (producer->state != PRODUCER_PUSHING) return;
        while (producer->next && may_push(producer, producer->next)) {
                if (push_out(producer, producer->next)) {
                        handle_wake_in(&producer->handle, producer->limits.retry_min_ms);
                        return;
                }
        }
        if (producer->out && !timer_is_set(&producer->handle.timer)) handle_wake_in(&producer->handle, producer->limits.answer_ms);
}

/* As if nothing were out: all that is kept goes out again from the front. */
static void rewind_pushes(struct producer *producer)
{
        struct push *push;

        TAILQ_FOREACH (push, &producer->pushes, entry) {
                push->out = false;
        }
        producer->next = TAILQ_FIRST(&producer->pushes);
        producer->out = 0;
        producer->out_bytes = 0;
}

static void create(struct producer *producer)
{
        producer->state = PRODUCER_CREATING;
        handle_wake_in(&producer->handle, producer->limits.answer_ms);
        if (handle_create(&producer->handle)) handle_wake_in(&producer->handle, producer->limits.retry_min_ms);
}

static void answered_created(struct producer *producer, const struct delivery *delivery, const struct stream_response *response)
{
        bool first = !producer->stands;

        if (producer->state != PRODUCER_CREATING) return;
        if (handle_created(&producer->handle, delivery, response)) {
                notice(producer, TROUBLE_REFUSED, HANDLE_WRONG_STREAM);
                return;
        }
        context_timer_stop(producer->handle.ctx, &producer->handle.timer);
        producer->state = PRODUCER_PUSHING;
        producer->stands = true;
        rewind_pushes(producer);
        pump(producer);
        if (producer->count == 0) well(producer);
        if (first && producer->stands) producer->events->ready(producer->user);
}

/* The push that `id` stands for. Answers come in order as a rule, so it is found at the front. */
static struct push *find_out(struct producer *producer, uint64_t id)
{
        struct push *push;

        TAILQ_FOREACH (push, &producer->pushes, entry) {
                /* cppcheck-suppress uninitvar; it does not see through the list's macro */
                if (push == producer->next) return NULL;
                if (push->out && push->id == id) return push;
        }
        return NULL;
}

static void forget(struct producer *producer, struct push *push)
{
        TAILQ_REMOVE(&producer->pushes, push, entry);
        producer->count--;
        producer->bytes -= push->n;
        free(push);
}

/* A push is confirmed and forgotten. */
static void confirmed(struct producer *producer)
{
        const struct stream_client_limits *limits = &producer->limits;

        if (producer->state == PRODUCER_PUSHING) well(producer);
        pump(producer);
        if (producer->was_full && (producer->count > limits->unconfirmed / 2 || producer->bytes > limits->unconfirmed_bytes / 2)) return;
        if (producer->was_full || producer->count == 0) {
                producer->was_full = false;
                producer->events->drained(producer->user);
        }
}

/* Once nothing is out any more, what was refused is tried again after a pause. */
static void halt(struct producer *producer)
{
        producer->state = PRODUCER_HALTED;
        if (producer->out) return;
        producer->state = PRODUCER_PAUSED;
        rewind_pushes(producer);
        handle_wake_in(&producer->handle, handle_pause(&producer->handle));
}

/* The answer has no reason. One that a pause does not heal is the message's size, as a rule, so that is told. */
static void tell_not_stored(struct producer *producer, size_t size)
{
        char text[128];

        snprintf(text, sizeof text, "the node could not store a message of %zu bytes (larger than it takes?); trying again", size);
        notice(producer, TROUBLE_FAILED, text);
}

static void answered_pushed(struct producer *producer, const struct stream_response *response)
{
        struct push *push = find_out(producer, response->push.id);
        bool pushing = producer->state == PRODUCER_PUSHING || producer->state == PRODUCER_HALTED;

        if (!push) {
                context_count(producer->handle.ctx, STAT_ANSWERS_LATE);
                return;
        }
        push->out = false;
        producer->out--;
        producer->out_bytes -= push->n;
        producer->waiting_since = context_now_ms(producer->handle.ctx);
        if (!response->push.failed) forget(producer, push); /* before what is left goes out again from the front */
        if (pushing && (response->push.failed || producer->state == PRODUCER_HALTED)) halt(producer);
        if (!response->push.failed)
                confirmed(producer);
        else
                tell_not_stored(producer, push->n);
}

/* An error names no request. As an answer to create it is a refusal, which may pass (a limit); as another it means that the stream's
 * worker is not what it was. So the stream is created anew, after a pause. */
static void answered_error(struct producer *producer, const struct stream_response *response)
{
        char reason[256];

        producer->state = PRODUCER_REFUSED;
        handle_wake_in(&producer->handle, handle_pause(&producer->handle));
        if (handle_troubled(&producer->handle, TROUBLE_REFUSED))
                producer->events->refused(producer->user, printable(reason, sizeof reason, response->error.reason));
}

static void on_answer(void *self, const struct delivery *delivery)
{
        struct producer *producer = self;
        struct stream_response response;

        if (stream_response_read(delivery->msg.payload, &response)) {
                context_count(producer->handle.ctx, STAT_DROP_UNDECODED);
                return;
        }
        switch (response.protocol) {
        case STREAM_CREATE:
                answered_created(producer, delivery, &response);
                break;
        case STREAM_PUSH:
                answered_pushed(producer, &response);
                break;
        case STREAM_ERROR:
                answered_error(producer, &response);
                break;
        default:
                context_count(producer->handle.ctx, STAT_ANSWERS_LATE);
        }
}

static void on_message(void *self, const struct delivery *delivery)
{
        struct producer *producer = self;
        struct message msg = delivery->msg;

        msg.onward = route_rest(msg.onward);
        if (!keep(producer, &msg)) return;
        pump(producer);
        if (producer->was_full || !producer_full(producer)) return;
        producer->was_full = true;
        producer->events->full(producer->user);
}

/* While pushes are out: have their answers been awaited for too long? */
static void check_answers(struct producer *producer)
{
        uint64_t now = context_now_ms(producer->handle.ctx), due = producer->waiting_since + producer->limits.answer_ms;

        pump(producer);
        if (producer->out == 0) return;
        if (now < due) {
                handle_wake_in(&producer->handle, due - now);
                return;
        }
        create(producer);
        notice(producer, TROUBLE_SILENCE, HANDLE_SILENT);
}

static void on_timer(void *arg)
{
        struct producer *producer = arg;

        switch (producer->state) {
        case PRODUCER_AWAY:
                break;
        case PRODUCER_CREATING:
                create(producer);
                notice(producer, TROUBLE_SILENCE, HANDLE_SILENT);
                break;
        case PRODUCER_REFUSED:
        case PRODUCER_PAUSED: /* what could not be stored: the stream may have been deleted */
                create(producer);
                break;
        case PRODUCER_PUSHING:
        case PRODUCER_HALTED:
                check_answers(producer);
        }
}

static void bury(void *object)
{
        struct producer *producer = object;
        struct push *push;

        while ((push = TAILQ_FIRST(&producer->pushes))) {
                TAILQ_REMOVE(&producer->pushes, push, entry);
                free(push);
        }
        free(producer);
}

struct producer *producer_new(struct router *router, struct bytes service, struct bytes stream_name,
                              const struct stream_client_limits *limits, const struct producer_events *events, void *user)
{
        struct producer *producer = calloc(1, sizeof *producer);

        if (!producer) return NULL;
        producer->limits = *limits;
        producer->events = events;
        producer->user = user;
        TAILQ_INIT(&producer->pushes);
        if (handle_init(&producer->handle, router, service, stream_name, &producer->limits, on_answer, on_timer, producer)) goto no_handle;
        if (router_add(router, BYTES_NONE, ORIGIN_LOCAL, on_message, producer, &producer->entrance)) goto no_entrance;
        return producer;
no_entrance:
        handle_clear(&producer->handle);
no_handle:
        free(producer);
        return NULL;
}

void producer_free(struct producer *producer)
{
        if (!producer) return;
        producer->state = PRODUCER_AWAY;
        producer->events = &no_events;
        router_remove(producer->handle.router, producer->entrance);
        handle_clear(&producer->handle);
        context_bury(producer->handle.ctx, &producer->grave, bury, producer);
}

struct bytes producer_address(const struct producer *producer) { return worker_address(producer->entrance); }

void producer_connected(struct producer *producer, struct bytes conn)
{
        producer_disconnected(producer);
        if (handle_connect(&producer->handle, conn) == OK) create(producer);
}

void producer_disconnected(struct producer *producer)
{
        producer->state = PRODUCER_AWAY;
        producer->stands = false;
        context_timer_stop(producer->handle.ctx, &producer->handle.timer);
        handle_disconnect(&producer->handle);
        rewind_pushes(producer);
}

bool producer_full(const struct producer *producer)
{
        return producer->count >= producer->limits.unconfirmed || producer->bytes >= producer->limits.unconfirmed_bytes;
}

size_t producer_unconfirmed(const struct producer *producer) { return producer->count; }
