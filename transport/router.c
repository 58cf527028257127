/* The table of workers and the queue between them. The queue is a ring that grows up to its limit and stays; an entry is a
 * message's views and its origin, so a hop allocates nothing. */
#include "transport/router.h"

#include "transport/base/logger.h"

#include <assert.h>
#include <stdlib.h>

/* Out of memory in the table is an error of router_add, not the end of the process. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct worker {
        UT_hash_handle hh;
        struct grave grave;
        worker_handler *handler;
        void *self;
        unsigned accepts;
        size_t address_n;
        uint8_t address[];
};

struct router {
        struct context *ctx;
        struct transport_limits limits;
        struct worker *workers; /* by address */
        struct delivery *queue; /* ring of `cap` entries, a power of two or 0 */
        size_t head, count, cap;
        bool running;
        struct arena arena;
};

enum { QUEUE_FIRST_CAP = 64 };

struct router *router_new(struct context *ctx, const struct transport_limits *limits)
{
        struct router *router = calloc(1, sizeof *router);

        if (!router) return NULL;
        router->ctx = ctx;
        router->limits = *limits;
        arena_init(&router->arena, limits->arena_bytes);
        return router;
}

void router_free(struct router *router)
{
        if (!router) return;
        assert(!router->workers && !router->running);
        arena_clear(&router->arena);
        free(router->queue);
        free(router);
}

static struct worker *worker_find(struct router *router, struct bytes address)
{
        struct worker *worker;

        HASH_FIND(hh, router->workers, address.p, address.n, worker);
        return worker;
}

static void random_address(struct router *router, uint8_t out[static ADDRESS_RANDOM_SIZE])
{
        static const char digits[] = "0123456789abcdef";
        uint8_t bytes[ADDRESS_RANDOM_SIZE / 2];

        context_random(router->ctx, bytes, sizeof bytes);
        for (size_t i = 0; i < sizeof bytes; i++) {
                out[2 * i] = (uint8_t)digits[bytes[i] >> 4];
                out[2 * i + 1] = (uint8_t)digits[bytes[i] & 15];
        }
}

enum err router_add(struct router *router, struct bytes address, unsigned accepts, worker_handler *handler, void *self, struct worker **out)
{
        uint8_t fresh[ADDRESS_RANDOM_SIZE];
        struct worker *worker;

        if (HASH_COUNT(router->workers) >= router->limits.workers) return ERR_FULL;
        if (address.n == 0) {
                random_address(router, fresh);
                address = bytes_make(fresh, sizeof fresh);
        }
        if (worker_find(router, address)) return ERR_UNEXPECTED;
        worker = calloc(1, sizeof *worker + address.n);
        if (!worker) return ERR_NO_MEMORY;
        worker->handler = handler;
        worker->self = self;
        worker->accepts = accepts;
        worker->address_n = address.n;
        memcpy(worker->address, address.p, address.n);
        HASH_ADD_KEYPTR(hh, router->workers, worker->address, worker->address_n, worker);
        if (!worker->hh.tbl) {
                free(worker);
                return ERR_NO_MEMORY;
        }
        *out = worker;
        return OK;
}

void router_remove(struct router *router, struct worker *worker)
{
        if (!worker) return;
        HASH_DEL(router->workers, worker);
        /* Messages in the queue may still point into its address. */
        context_bury(router->ctx, &worker->grave, free, worker);
}

struct bytes worker_address(const struct worker *worker)
{
        return bytes_make(worker->address, worker->address_n);
}

static void drop(struct router *router, enum stat_id stat, const struct delivery *delivery)
{
        char text[200];

        context_count(router->ctx, stat);
        if (logger_level() < LOG_LEVEL_DEBUG) return;
        log_debug(NULL, "dropped a message to %s: %s", route_text(delivery->msg.onward, text, sizeof text), stat_name(stat));
}

static void deliver(struct router *router, const struct delivery *delivery)
{
        struct address front;
        struct worker *worker = NULL;

        if (route_front(delivery->msg.onward, &front) && front.type == ADDRESS_LOCAL) worker = worker_find(router, front.value);
        if (!worker) drop(router, STAT_DROP_NO_WORKER, delivery);
        else if (!(worker->accepts & delivery->origin.kind)) drop(router, STAT_DROP_NOT_ALLOWED, delivery);
        else worker->handler(worker->self, delivery);
}

static bool queue_grow(struct router *router)
{
        size_t cap = router->cap ? 2 * router->cap : QUEUE_FIRST_CAP;
        struct delivery *queue = malloc(cap * sizeof *queue);

        if (!queue) return false;
        for (size_t i = 0; i < router->count; i++) queue[i] = router->queue[(router->head + i) & (router->cap - 1)];
        free(router->queue);
        router->queue = queue;
        router->cap = cap;
        router->head = 0;
        return true;
}

/* What a handler has sent goes before what waited already, in its order: all that follows from one message is done before the next one's turn, so
 * an answer that takes few hops does not overtake an earlier one that takes more. */
static void bring_forward(struct router *router, size_t waited)
{
        if (waited == 0) return;
        for (size_t sent = router->count - waited; sent > 0; sent--) {
                struct delivery last = router->queue[(router->head + router->count - 1) & (router->cap - 1)];

                router->head = (router->head - 1) & (router->cap - 1);
                router->queue[router->head] = last;
        }
}

static void run_dry(struct router *router)
{
        size_t waited;

        router->running = true;
        while (router->count > 0) {
                struct delivery delivery = router->queue[router->head];

                router->head = (router->head + 1) & (router->cap - 1);
                router->count--;
                waited = router->count;
                deliver(router, &delivery);
                bring_forward(router, waited);
        }
        router->running = false;
        arena_reset(&router->arena);
}

enum err router_send(struct router *router, struct origin origin, struct message msg)
{
        struct delivery delivery = {msg, origin};

        if (router->count >= router->limits.queue_messages || (router->count == router->cap && !queue_grow(router))) {
                drop(router, STAT_DROP_QUEUE_FULL, &delivery);
                if (!router->running) arena_reset(&router->arena); /* the message lay in it, and nobody else will */
                return ERR_FULL;
        }
        router->queue[(router->head + router->count) & (router->cap - 1)] = delivery;
        router->count++;
        if (!router->running) run_dry(router);
        return OK;
}

void router_settle(struct router *router)
{
        if (!router->running) arena_reset(&router->arena);
}

void router_post(struct router *router, struct origin origin, struct message msg)
{
        enum err err = router_send(router, origin, msg);

        (void)err; /* counted */
}

void router_answer(struct router *router, struct route to, struct bytes from, struct bytes payload)
{
        struct message msg = {.onward = to, .payload = payload};

        if (route_of_locals(&router->arena, &from, 1, &msg.ret)) {
                drop(router, STAT_DROP_QUEUE_FULL, &(struct delivery){msg, ORIGIN_OWN});
                router_settle(router);
                return;
        }
        router_post(router, ORIGIN_OWN, msg);
}

struct arena *router_arena(struct router *router)
{
        return &router->arena;
}

struct context *router_context(struct router *router)
{
        return router->ctx;
}

const struct transport_limits *router_limits(const struct router *router)
{
        return &router->limits;
}
