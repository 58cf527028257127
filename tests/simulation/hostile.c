/* Hostile clients: links of their own, frames made by hand; see the header. */
#include "tests/simulation/hostile.h"

#include "stream/protocol.h"
#include "tests/simulation/junk.h"
#include "transport/frame.h"
#include "transport/message.h"
#include "transport/wire.h"

#include <stdio.h>
#include <stdlib.h>

enum { ADDRESS_CAP = 64, PAUSE_MAX_MS = 3000, FLOOD = 300, HANDSHAKES = 10, HOPS_MAX = 100, HOP_BYTES = 250 };

struct hostile {
        struct hostiles *all;
        struct link *link;
        bool up;
        enum hostile_kind kind;
        struct timer timer;
        uint64_t ends_ms, next_id;
        uint8_t address[2][ADDRESS_CAP]; /* of the true streams, once the node has said them */
        size_t address_n[2];
        uint8_t back[HOPS_MAX * (HOP_BYTES + 4)];
        uint8_t payload[FRAME_MAX], frame[FRAME_MAX + 2], junk[JUNK_MAX];
};

struct hostiles {
        struct world *world;
        size_t count;
        uint64_t sent[HOSTILE_COUNT];
        struct hostile clients[];
};

static const char *const names[2] = {WORLD_ALICE_TO_BOB, WORLD_BOB_TO_ALICE};

static uint64_t choose(struct hostile *h, uint64_t below) { return world_choose(h->all->world, below); }

static void set(struct hostile *h, uint64_t in_ms)
{
        if (context_timer_set(world_context(h->all->world), &h->timer, in_ms)) abort();
}

/* --- sending ---------------------------------------------------------------------------------------------------------------- */

static void write_bytes(struct hostile *h, struct bytes bytes)
{
        enum err err = h->up && bytes.n ? h->link->ops->write(h->link, &bytes, 1) : OK;

        (void)err; /* it is lost, and `down` comes */
        h->all->sent[h->kind]++;
}

/* Mostly a short way back; now and then one that leaves little room in an answer, or none. */
static struct route way_back(struct hostile *h)
{
        struct writer w = writer_make(h->back, sizeof h->back);
        size_t hops = choose(h, 16) ? 1 : 1 + choose(h, HOPS_MAX);

        for (size_t i = 0; i < hops; i++)
                address_put(&w, address_local(i ? bytes_make(h->junk, HOP_BYTES) : BYTES_LITERAL("me")));
        return (struct route){hops, writer_bytes(&w)};
}

static void send_to(struct hostile *h, struct bytes to, struct bytes payload)
{
        uint8_t onward[ADDRESS_CAP + 4];
        struct writer onward_w = writer_make(onward, sizeof onward);
        struct writer w = writer_make(h->frame, sizeof h->frame);
        struct message msg = {.payload = payload};

        address_put(&onward_w, address_local(to));
        msg.onward = (struct route){1, writer_bytes(&onward_w)};
        msg.ret = way_back(h);
        if (onward_w.full || message_size(&msg) > FRAME_MAX) return;
        frame_put_length(&w, message_size(&msg));
        message_put(&w, &msg);
        write_bytes(h, writer_bytes(&w));
}

static void ask(struct hostile *h, struct bytes to, const struct stream_request *request)
{
        struct writer w = writer_make(h->payload, sizeof h->payload);

        stream_put_request(&w, request);
        if (!w.full) send_to(h, to, writer_bytes(&w));
}

static struct bytes address_of(const struct hostile *h, size_t which) { return bytes_make(h->address[which], h->address_n[which]); }

static void create(struct hostile *h, struct bytes name, bool partitioned, uint64_t partitions)
{
        ask(h, BYTES_LITERAL("stream_kafka"),
            &(struct stream_request){partitioned ? STREAM_CREATE_PARTITIONED : STREAM_CREATE,
                                     .create = {true, name, partitioned, partitions}});
}

static void push(struct hostile *h, struct bytes to, struct bytes data)
{
        uint8_t memory[UINT_SIZE_MAX];

        ask(h, to, &(struct stream_request){STREAM_PUSH, .push = {request_id_of(++h->next_id, memory), data}});
}

static void pull(struct hostile *h, struct bytes to, uint64_t index, uint64_t limit)
{
        uint8_t memory[UINT_SIZE_MAX];

        ask(h, to, &(struct stream_request){STREAM_PULL, .pull = {request_id_of(++h->next_id, memory), index, limit}});
}

/* --- what each kind does ------------------------------------------------------------------------------------------------------ */

static uint64_t wild(struct hostile *h)
{
        static const uint64_t numbers[] = {0, 1, 2, 31, 32, 33, 255, 1000, UINT32_MAX, INT64_MAX, UINT64_MAX - 1, UINT64_MAX};

        return numbers[choose(h, sizeof numbers / sizeof *numbers)];
}

static void random_once(struct hostile *h)
{
        size_t n = 1 + choose(h, 300);
        uint8_t *p = h->payload;

        context_random(world_context(h->all->world), p, n);
        if (choose(h, 2)) { /* a frame of its own, at least */
                p[0] = 0;
                p[1] = (uint8_t)(n > 257 ? 255 : n < 2 ? 0 : n - 2);
                if (n < 2) n = 2;
                if (n > 257) n = 257;
        }
        write_bytes(h, bytes_make(p, n));
}

static void wild_once(struct hostile *h)
{
        static const char *const stream_names[] = {WORLD_ALICE_TO_BOB, "x", "__consumer_offsets", "..", "a/b", "", "wild"};
        struct bytes name = bytes_of_text(stream_names[choose(h, 7)]), to = address_of(h, choose(h, 2));

        switch (choose(h, 6)) {
        case 0:
                create(h, name, choose(h, 2), choose(h, 2) ? 1 + choose(h, 3) : wild(h));
                break;
        case 1:
                pull(h, to, wild(h), wild(h));
                break;
        case 2:
                ask(h, BYTES_LITERAL("stream_kafka_index"),
                    &(struct stream_request){STREAM_INDEX, .index = {STREAM_INDEX_GET, BYTES_LITERAL("wild"), name, false, 0, 0}});
                break;
        case 3:
                ask(h, BYTES_LITERAL("stream_kafka_index"),
                    &(struct stream_request){STREAM_INDEX_PARTITIONED,
                                             .index = {STREAM_INDEX_SAVE, BYTES_LITERAL("wild"), name, true, wild(h), wild(h)}});
                break;
        case 4:
                create(h, bytes_of_text(names[0]), false, 1);
                break;
        case 5:
                send_to(h, choose(h, 2) ? to : BYTES_LITERAL("1#127.0.0.1:1"), junk_make(h->all->world, names[0], false, h->junk));
                break;
        }
}

/* Up to a limit and beyond, in one go. */
static void flood(struct hostile *h)
{
        struct bytes to = address_of(h, choose(h, 2));
        const uint64_t what = choose(h, 3);
        char name[32];

        for (int i = 0; i < FLOOD; i++) {
                if (what == 0) {
                        pull(h, to, UINT32_MAX, 1);
                } else if (what == 1) {
                        snprintf(name, sizeof name, "flood-%u", (unsigned)choose(h, 500));
                        create(h, bytes_of_text(name), true, 1 + choose(h, 4));
                } else {
                        memset(h->junk, i, 8000);
                        push(h, to, bytes_make(h->junk, choose(h, 8000)));
                        if (i > 30) break;
                }
        }
}

static void read_once(struct hostile *h)
{
        const struct log_record *records = NULL;
        size_t which = choose(h, 2), count = 0;

        if (world_records(h->all->world, names[which], &records, &count)) count = 0;
        pull(h, address_of(h, which), count ? records[choose(h, count)].index : 0, choose(h, 2) ? 1 + choose(h, 300) : wild(h));
}

static void save_once(struct hostile *h)
{
        static const char *const clients[] = {"bob", "alice-0", "alice-1", "alice-2"};
        const struct log_record *records = NULL;
        size_t who = choose(h, 4), count = 0, which = who ? 1 : 0;
        uint64_t index = wild(h);

        if (choose(h, 2) && world_records(h->all->world, names[which], &records, &count) == OK && count)
                index = records[choose(h, count)].index;
        ask(h, BYTES_LITERAL("stream_kafka_index"),
            &(struct stream_request){
                    STREAM_INDEX, .index = {STREAM_INDEX_SAVE, bytes_of_text(clients[who]), bytes_of_text(names[which]), false, 0, index}});
}

static void act(struct hostile *h)
{
        struct bytes to = address_of(h, choose(h, 2));

        switch (h->kind) {
        case HOSTILE_RANDOM:
                random_once(h);
                break;
        case HOSTILE_WILD:
                wild_once(h);
                break;
        case HOSTILE_FLOOD:
                if (!choose(h, 4)) flood(h);
                break;
        case HOSTILE_READER:
                read_once(h);
                break;
        case HOSTILE_JUNK:
                push(h, to, junk_make(h->all->world, names[0], false, h->junk));
                break;
        case HOSTILE_SAVER:
                save_once(h);
                break;
        case HOSTILE_REPLAY:
                push(h, to, junk_replay(h->all->world, h->junk));
                break;
        case HOSTILE_HANDSHAKES:

                for (int i = 0; i < HANDSHAKES; i++)
                        push(h, address_of(h, 0), junk_handshake(h->all->world, h->junk));

                break;
        case HOSTILE_DEAF:
                read_once(h);
                pull(h, to, 0, 300);
                break;
        case HOSTILE_COUNT:
                break;
        }
}

/* --- its link ---------------------------------------------------------------------------------------------------------------- */

static void learn(struct hostile *h, struct bytes body)
{
        struct stream_response response;
        struct message msg;
        struct address front;

        if (message_read(body, 64, &msg) || stream_response_read(msg.payload, &response) || response.protocol != STREAM_CREATE) return;
        if (!route_front(msg.ret, &front) || front.value.n > ADDRESS_CAP) return;
        for (size_t i = 0; i < 2; i++) {
                if (!bytes_equal(response.create.name, bytes_of_text(names[i]))) continue;
                memcpy(h->address[i], front.value.p, front.value.n);
                h->address_n[i] = front.value.n;
        }
}

static void on_up(void *user)
{
        struct hostile *h = user;

        h->up = true;
        if (h->kind == HOSTILE_RANDOM) return;
        for (size_t i = 0; i < 2; i++)
                create(h, bytes_of_text(names[i]), false, 1);
}

static size_t on_received(void *user, struct bytes in)
{
        struct hostile *h = user;
        struct bytes body;
        size_t used, at = 0;

        while (frame_next(bytes_make(in.p + at, in.n - at), &used, &body) == OK) {
                learn(h, body);
                at += used;
        }
        if (h->kind == HOSTILE_DEAF && h->address_n[0] && h->address_n[1]) h->link->ops->set_reading(h->link, false);
        return at;
}

static void on_drained(void *user, size_t queued) { (void)user, (void)queued; }

static void on_down(void *user, enum err err, const char *why)
{
        struct hostile *h = user;

        (void)err, (void)why;
        h->link = NULL;
        h->up = false;
        h->address_n[0] = h->address_n[1] = 0;
}

static void leave(struct hostile *h)
{
        if (h->link) h->link->ops->close(h->link, choose(h, 2));
        on_down(h, OK, NULL);
}

static void dial(struct hostile *h)
{
        static const struct link_events events = {on_up, on_received, on_drained, on_down};
        struct world *world = h->all->world;
        struct net *net = world_net(world, 0);
        const char *const *addresses;
        size_t nodes = world_nodes(world, &addresses);
        struct reason why;

        h->kind = (enum hostile_kind)choose(h, HOSTILE_COUNT);
        if (h->kind == HOSTILE_HANDSHAKES && !world_plan(world)->handshake_floods) h->kind = HOSTILE_JUNK;
        h->ends_ms = world_now_ms(world) + 1000 + choose(h, 15000);
        if (net->dial(net, addresses[choose(h, nodes)], &events, h, &h->link, &why)) abort();
}

static void on_timer(void *arg)
{
        struct hostile *h = arg;
        struct world *world = h->all->world;

        if (world_has_healed(world)) {
                leave(h);
                return;
        }
        if (h->link && world_now_ms(world) >= h->ends_ms) leave(h);
        if (!h->link) dial(h);
        for (uint64_t burst = choose(h, 8); h->up && burst > 0; burst--)
                act(h);
        set(h, 1 + choose(h, PAUSE_MAX_MS));
}

struct hostiles *hostiles_new(struct world *world, size_t count)
{
        struct hostiles *all = calloc(1, sizeof *all + count * sizeof *all->clients);

        if (!all) abort();
        all->world = world;
        all->count = count;
        for (size_t i = 0; i < count; i++) {
                struct hostile *h = &all->clients[i];

                h->all = all;
                timer_init(&h->timer, on_timer, h);
                set(h, choose(h, PAUSE_MAX_MS));
        }
        return all;
}

void hostiles_figures(const struct hostiles *all, uint64_t out[static HOSTILE_COUNT])
{
        for (size_t i = 0; i < HOSTILE_COUNT; i++)
                out[i] += all->sent[i];
}

void hostiles_free(struct hostiles *all)
{
        for (size_t i = 0; i < all->count; i++) {
                leave(&all->clients[i]);
                context_timer_stop(world_context(all->world), &all->clients[i].timer);
        }
        free(all);
}
