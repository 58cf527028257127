/* Alice's and Bob's endpoints whole, and the hub between them, which the input plays: it answers what it is asked or does not, later,
 * wrongly, with bytes as they come; it drops connections, and puts junk among the records of the two streams, repeats and changes them.
 *
 * What must hold: what the endpoints write are requests; what they keep is bounded; Bob's application gets texts that Alice sent, each
 * once, and hers gets what he echoed. At the end the hub tells the truth: unless it lied about what it stores, a new channel comes up and a
 * text comes back. */
#include "client/endpoint.h"
#include "stream/protocol.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/fake_link.h"
#include "tests/support/party.h"
#include "tests/support/test_context.h"
#include "transport/frame.h"

enum {
        SIDES = 2,
        STEPS_MAX = 80,
        ASKED_MAX = 24,
        RECORDS_MAX = 96,
        RECORD_MAX = 1400,
        ADDRESSES_MAX = 8,
        TEXTS_MAX = 64,
        CALLS_MAX = 6, /* more than are let in where few are; each takes as long as twenty other steps */
        NOW_S = 1717171717
};

enum { ALICE, BOB };

/* A request that has not been answered. */
struct asked {
        uint8_t memory[RECORD_MAX + 256];
        struct message msg;
        struct stream_request request;
};

struct record {
        uint8_t data[RECORD_MAX];
        size_t n;
};

struct stream {
        struct record records[RECORDS_MAX];
        size_t count;
        uint64_t saved; /* its reader's index */
        bool was_saved;
};

struct side {
        size_t number;
        struct fake_net net;
        struct endpoint *endpoint;
        struct fake_link *link; /* that is up; NULL: none */
        struct asked asked[ASKED_MAX];
        size_t asked_count;
        uint8_t addresses[ADDRESSES_MAX][ADDRESS_RANDOM_SIZE]; /* of its workers, as it told them */
        size_t address_count;
        bool ready;
        struct channel *channel; /* Alice's newest */
        size_t ups;
};

struct text {
        bool at_bob, back;
};

static struct {
        struct test_context tc;
        struct side sides[SIDES];
        struct stream streams[SIDES]; /* number n: what side n writes */
        struct text texts[TEXTS_MAX];
        size_t text_count, calls;
        bool crowded; /* few channels are let in: older ones give way, and with them what was said in them */
        bool lied;
        uint8_t ephemerals;
        struct fuzz_input in;
} run;

static const char *const names[SIDES] = {"alice_to_bob", "bob_to_alice"};
static const char *const addresses[SIDES] = {"stream0", "stream1"};
static struct party parties[SIDES];
static void (*test_random)(void *user, void *out, size_t n);

/* --- the applications ------------------------------------------------------------------------------------------------- */

static struct text *text_of(struct bytes payload)
{
        uint32_t number;

        fuzz_require(payload.n == sizeof number);
        memcpy(&number, payload.p, sizeof number);
        fuzz_require(number < run.text_count);
        return &run.texts[number];
}

static void on_message(void *user, const struct delivery *delivery)
{
        struct side *side = user;
        struct text *text = text_of(delivery->msg.payload);
        enum err err;

        fuzz_require(delivery->origin.peer && memcmp(delivery->origin.peer, parties[!side->number].id.hash, IDENTIFIER_SIZE) == 0);
        fuzz_require(delivery->origin.kind == (side->number == ALICE ? ORIGIN_CHANNEL : ORIGIN_CHANNEL_UNTRUSTED));
        if (side->number == ALICE) {
                fuzz_require(text->at_bob && !text->back);
                text->back = true;
                return;
        }
        fuzz_require(!text->at_bob);
        text->at_bob = true;
        err = endpoint_reply(side->endpoint, delivery, delivery->msg.payload);
        (void)err;
}

static void on_ready(void *user) { ((struct side *)user)->ready = true; }

static void on_peer_up(void *user, struct channel *channel, bool named)
{
        struct side *side = user;

        fuzz_require(identifier_equal(channel_peer(channel), &parties[!side->number].id) && named == (side->number == ALICE));
        fuzz_require(channel_is_initiator(channel) == (side->number == ALICE));
        side->channel = channel;
        side->ups++;
}

static void on_peer_down(void *user, struct channel *channel, enum err err, const char *why)
{
        struct side *side = user;

        fuzz_require(err != OK && why[0]);
        if (side->channel == channel) side->channel = NULL;
}

static void on_drained(void *user) { (void)user; }

static void on_notice(void *user, enum err err, const char *text)
{
        (void)user;
        (void)err;
        fuzz_require(text[0] && bytes_are_utf8(bytes_of_text(text)));
}

static const struct endpoint_events events = {on_ready, on_peer_up, on_peer_down, on_message, on_drained, on_notice};

/* --- what an endpoint asks of the hub ---------------------------------------------------------------------------------- */

static void learn_address(struct side *side, struct bytes address)
{
        if (address.n != ADDRESS_RANDOM_SIZE) return;
        for (size_t i = 0; i < side->address_count && i < ADDRESSES_MAX; i++)
                if (memcmp(side->addresses[i], address.p, address.n) == 0) return;
        memcpy(side->addresses[side->address_count++ % ADDRESSES_MAX], address.p, address.n);
}

static void forget_asked(struct side *side, size_t i)
{
        side->asked_count--;
        for (; i < side->asked_count; i++) {
                const struct asked *next = &side->asked[i + 1];
                const size_t n = next->msg.payload.n + (size_t)(next->msg.payload.p - next->memory);

                memcpy(side->asked[i].memory, next->memory, n);
                fuzz_require(message_read(bytes_make(side->asked[i].memory, n), 8, &side->asked[i].msg) == OK);
                fuzz_require(stream_request_read(side->asked[i].msg.payload, &side->asked[i].request) == OK);
        }
}

/* Every frame is one request. */
static void take_frame(struct side *side, struct bytes body)
{
        struct asked *asked;
        struct address back;

        if (side->asked_count == ASKED_MAX) forget_asked(side, 0);
        asked = &side->asked[side->asked_count++];
        fuzz_require(body.n <= sizeof asked->memory);
        memcpy(asked->memory, body.p, body.n);
        fuzz_require(message_read(bytes_make(asked->memory, body.n), 8, &asked->msg) == OK && asked->msg.onward.count >= 1);
        fuzz_require(stream_request_read(asked->msg.payload, &asked->request) == OK);
        fuzz_require(asked->msg.ret.count == 1 && route_front(asked->msg.ret, &back));
        learn_address(side, back.value);
}

static void take_written(struct side *side)
{
        struct bytes rest, body;
        size_t used;

        if (!side->link) return;
        if (!side->link->closed) fake_link_drain(side->link, SIZE_MAX);
        rest = fake_link_written(side->link);
        for (; rest.n; rest = bytes_make(rest.p + used, rest.n - used)) {
                fuzz_require(frame_next(rest, &used, &body) == OK);
                take_frame(side, body);
        }
        fake_link_forget(side->link);
        if (!side->link->closed) return;
        side->link = NULL;
        side->asked_count = 0;
}

/* What is due now is done, and what the endpoints wrote taken. */
static void settle(void)
{
        uint64_t at;

        do {
                for (size_t i = 0; i < SIDES; i++) {
                        run.sides[i].net.refuse = run.sides[i].net.count > FAKE_NET_LINKS - 2;
                        if (run.sides[i].link) fake_link_offer(run.sides[i].link);
                }
                test_context_advance(&run.tc, 0);
                for (size_t i = 0; i < SIDES; i++)
                        take_written(&run.sides[i]);
        } while (timers_next(&run.tc.ctx.timers, &at) && at <= run.tc.now_ms);
}

/* --- what the hub answers --------------------------------------------------------------------------------------------- */

static void feed(struct side *side, struct bytes in)
{
        if (side->link && !side->link->closed) fake_link_feed(side->link, in);
        settle();
}

static void send_frame(struct side *side, struct route onward, const char *from, struct bytes payload)
{
        static uint8_t memory[FRAME_LENGTH_SIZE + FRAME_MAX];
        uint8_t ret[64];
        struct writer r = writer_make(ret, sizeof ret), w = writer_make(memory, sizeof memory);

        address_put(&r, address_local(bytes_of_text(from)));
        const struct message msg = {onward, {1, writer_bytes(&r)}, payload};
        frame_put_length(&w, message_size(&msg));
        message_put(&w, &msg);
        if (!w.full && message_size(&msg) <= FRAME_MAX) feed(side, writer_bytes(&w));
}

static size_t stream_of(const struct asked *asked)
{
        struct address to = {0};

        (void)route_front(asked->msg.onward, &to);
        return bytes_equal(to.value, bytes_of_text(addresses[BOB]));
}

static void append(struct stream *stream, struct bytes data)
{
        if (stream->count == RECORDS_MAX || data.n > RECORD_MAX) return;
        if (data.n) memcpy(stream->records[stream->count].data, data.p, data.n);
        stream->records[stream->count++].n = data.n;
}

static void put_pulled(struct writer *w, const struct stream_pull_request *pull, const struct stream *stream, uint64_t shift)
{
        const uint64_t from = pull->index < stream->count ? pull->index : stream->count;
        const uint64_t count = stream->count - from < pull->limit ? stream->count - from : pull->limit;
        size_t size = 0;

        for (uint64_t i = from; i < from + count; i++)
                size += stream_pulled_message_size(i + shift, stream->records[i].n);
        stream_put_pulled_head(w, pull->id, count, size);
        for (uint64_t i = from; i < from + count; i++)
                stream_put_pulled_message(w, i + shift, bytes_make(stream->records[i].data, stream->records[i].n));
}

/* The true answer to request i; nothing, where it is a save, or a pull that has to wait. */
static void answer(struct side *side, size_t i, bool empty_too)
{
        static uint8_t memory[FRAME_MAX];
        const struct asked *asked = &side->asked[i];
        const struct stream_request *request = &asked->request;
        struct stream *stream = &run.streams[stream_of(asked)];
        struct writer w = writer_make(memory, sizeof memory);
        const char *from = addresses[stream_of(asked)];
        uint8_t to[64];
        struct route onward;

        switch (request->protocol) {
        case STREAM_CREATE:
                from = addresses[bytes_equal(request->create.name, bytes_of_text(names[BOB]))];
                stream_put_created(&w, request->create.name, false, 0);
                break;
        case STREAM_PUSH:
                if (stream->count == RECORDS_MAX) return;
                stream_put_pushed(&w, request->push.id, false, stream->count);
                append(stream, request->push.data);
                break;
        case STREAM_PULL:
                if (request->pull.index >= stream->count && !empty_too) return;
                put_pulled(&w, &request->pull, stream, 0);
                break;
        case STREAM_INDEX:
                stream = &run.streams[bytes_equal(request->index.stream_name, bytes_of_text(names[BOB]))];
                if (request->index.kind == STREAM_INDEX_SAVE) {
                        stream->saved = request->index.index;
                        stream->was_saved = true;
                        forget_asked(side, i);
                        return;
                }
                stream_put_index(&w, &request->index, stream->was_saved, stream->saved);
                break;
        default:
                fuzz_failed("a request that endpoints have no use for", __FILE__, __LINE__);
        }
        fuzz_require(!w.full && asked->msg.ret.encoded.n <= sizeof to);
        memcpy(to, asked->msg.ret.encoded.p, asked->msg.ret.encoded.n);
        onward = (struct route){1, bytes_make(to, asked->msg.ret.encoded.n)};
        forget_asked(side, i);
        send_frame(side, onward, from, writer_bytes(&w));
}

static uint64_t some_number(void)
{
        const uint8_t which = fuzz_u8(&run.in);

        return which < 240 ? which % 16 : UINT64_MAX >> (which - 240) * 4;
}

/* An answer that is not true. */
static void lie(struct side *side, size_t i)
{
        static uint8_t memory[FRAME_MAX];
        const struct asked *asked = &side->asked[i];
        const struct stream_request *request = &asked->request;
        struct writer w = writer_make(memory, sizeof memory);
        const uint8_t how = fuzz_u8(&run.in);

        run.lied = true;
        if (how % 4 == 0)
                stream_put_error(&w, "no");
        else if (request->protocol == STREAM_CREATE)
                stream_put_created(&w, bytes_of_text(names[how / 4 % 2]), how & 64, some_number());
        else if (request->protocol == STREAM_PUSH)
                stream_put_pushed(&w, request->push.id, how & 8, some_number());
        else if (request->protocol == STREAM_PULL)
                put_pulled(&w, &request->pull, &run.streams[how / 4 % 2], some_number());
        else if (request->protocol == STREAM_INDEX)
                stream_put_index(&w, &request->index, how & 8, some_number());
        if (!w.full) send_frame(side, asked->msg.ret, addresses[how / 4 % 2], writer_bytes(&w));
}

/* To one of its workers, or wherever the input says, as if it came from the hub. */
static void send_anything(struct side *side)
{
        static const char *const locals[] = {"listener", "echoer", "stream_kafka", "nobody"};
        const uint8_t which = fuzz_u8(&run.in);
        uint8_t memory[64];
        struct writer w = writer_make(memory, sizeof memory);

        run.lied = true;
        if (which < 128 && side->address_count)
                address_put(&w,
                            address_local(bytes_make(side->addresses[which % side->address_count % ADDRESSES_MAX], ADDRESS_RANDOM_SIZE)));
        else
                address_put(&w, address_local(bytes_of_text(locals[which % 4])));
        send_frame(side, (struct route){1, writer_bytes(&w)}, addresses[which % 2], fuzz_data(&run.in));
}

/* --- records that nobody pushed ----------------------------------------------------------------------------------------- */

static void junk(struct stream *stream)
{
        static const char *const locals[] = {"listener", "echoer", "stream_kafka", "nobody"};
        const uint8_t how = fuzz_u8(&run.in);
        uint8_t memory[RECORD_MAX], route[64];
        struct writer w = writer_make(memory, sizeof memory), o = writer_make(route, sizeof route);
        const struct record *record = stream->count ? &stream->records[how / 4 % stream->count] : NULL;
        size_t at;

        switch (how % 4) {
        case 0:
                append(stream, fuzz_take(&run.in, how / 4));
                break;
        case 1:
                if (record) append(stream, bytes_make(record->data, record->n));
                break;
        case 2:
                if (!record || !record->n) break;
                memcpy(memory, record->data, record->n);
                at = fuzz_u16(&run.in) % record->n;
                memory[at] ^= fuzz_u8(&run.in);
                append(stream, bytes_make(memory, record->n));
                break;
        default:
                address_put(&o, address_local(bytes_of_text(locals[how / 4 % 4])));
                message_put(&w, &(struct message){{1, writer_bytes(&o)}, {1, writer_bytes(&o)}, fuzz_data(&run.in)});
                append(stream, writer_bytes(&w));
        }
}

/* --- steps -------------------------------------------------------------------------------------------------------------- */

static void link_up(struct side *side)
{
        if (side->link || !side->net.count || side->net.links[side->net.count - 1]->closed) return;
        side->link = fake_net_up(&side->net);
        settle();
}

static void link_down(struct side *side)
{
        struct fake_link *link = side->net.count ? side->net.links[side->net.count - 1] : NULL;

        side->link = NULL;
        side->asked_count = 0;
        if (link && !link->closed) fake_link_down(link, ERR_CLOSED, "closed by the other side");
        settle();
}

static void advance(uint64_t ms)
{
        const uint64_t until = run.tc.now_ms + ms;
        uint64_t at;

        while (timers_next(&run.tc.ctx.timers, &at) && at <= until) {
                if (at > run.tc.now_ms) test_context_advance(&run.tc, at - run.tc.now_ms);
                settle();
        }
        if (run.tc.now_ms < until) test_context_advance(&run.tc, until - run.tc.now_ms);
        settle();
}

static void call(void)
{
        struct channel *channel;
        enum err err = endpoint_connect(run.sides[ALICE].endpoint, BYTES_LITERAL("listener"), 5000, &channel);

        (void)err;
        settle();
}

static void call_step(void)
{
        if (run.calls++ < CALLS_MAX) call();
}

static bool say(void)
{
        struct side *alice = &run.sides[ALICE];
        const uint32_t number = (uint32_t)run.text_count;
        enum err err;

        if (!alice->channel || number == TEXTS_MAX) return false;
        run.texts[run.text_count++] = (struct text){0};
        err = endpoint_send(alice->endpoint, alice->channel, BYTES_LITERAL("echoer"), bytes_make(&number, sizeof number));
        settle();
        return err == OK;
}

/* Answers what can be answered, so often. */
static void be_true(size_t rounds)
{
        for (; rounds; rounds--)
                for (size_t s = 0; s < SIDES; s++)
                        for (size_t i = 0, before; i < run.sides[s].asked_count;) {
                                before = run.sides[s].asked_count;
                                answer(&run.sides[s], i, false);
                                if (run.sides[s].asked_count >= before) i++;
                        }
}

static void answer_step(struct side *side, uint8_t how)
{
        if (!side->asked_count) return;
        switch (how % 4) {
        case 0:
                answer(side, 0, false);
                break;
        case 1:
                answer(side, how / 4 % side->asked_count, how & 128);
                break;
        case 2:
                lie(side, how / 4 % side->asked_count);
                break;
        default:
                forget_asked(side, how / 4 % side->asked_count);
        }
}

static void check(void)
{
        for (size_t i = 0; i < SIDES; i++) {
                const struct side *side = &run.sides[i];

                fuzz_require(endpoint_unconfirmed(side->endpoint) <= 2 * 16);
                if (side->link) fuzz_require(side->link->queued == 0);
        }
}

static void step(void)
{
        static const uint32_t pauses_ms[] = {1, 50, 200, 1000, 2500, 10000, 31000, 61000};
        const uint8_t what = fuzz_u8(&run.in);
        struct side *side = &run.sides[what & 1];

        switch (what >> 1 & 15) {
        case 0:
                link_up(side);
                break;
        case 1:
                link_down(side);
                break;
        case 2:
                advance(pauses_ms[what >> 5]);
                break;
        case 3:
        case 4:
                be_true(what >> 6);
                break;
        case 5:
        case 6:
        case 7:
                answer_step(side, fuzz_u8(&run.in));
                break;
        case 8:
                run.lied = true;
                feed(side, fuzz_data(&run.in));
                break;
        case 9:
                send_anything(side);
                break;
        case 10:
        case 11:
                junk(&run.streams[what & 1]);
                break;
        case 12:
                call_step();
                break;
        case 13:
                (void)say();
                break;
        case 14:
                if (run.sides[ALICE].channel && what >> 5 == 7) endpoint_disconnect(run.sides[ALICE].endpoint, run.sides[ALICE].channel);
                if (what >> 5 == 7) run.sides[ALICE].channel = NULL;
                settle();
                break;
        default: /* all the way to a channel, as it usually goes */
                link_up(&run.sides[ALICE]);
                link_up(&run.sides[BOB]);
                be_true(3);
                call_step();
                be_true(4);
        }
        check();
}

/* --- the end ------------------------------------------------------------------------------------------------------------ */

/* New connections, true answers: a channel comes up, and a text comes back. */
static void check_end(void)
{
        const size_t ups = run.sides[ALICE].ups;

        for (size_t i = 0; i < SIDES; i++) {
                if (run.sides[i].net.count > FAKE_NET_LINKS - 4 || run.streams[i].count > RECORDS_MAX - 24) return;
                link_down(&run.sides[i]);
                run.sides[i].ready = false;
        }
        for (size_t rounds = 0; rounds < 80 && !(run.sides[ALICE].ready && run.sides[BOB].ready); rounds++) {
                advance(500);
                for (size_t i = 0; i < SIDES; i++)
                        link_up(&run.sides[i]);
                be_true(2);
        }
        fuzz_require(run.sides[ALICE].ready && run.sides[BOB].ready);
        be_true(RECORDS_MAX / 4);
        call();
        for (size_t rounds = 0; rounds < 40 && run.sides[ALICE].ups == ups; rounds++) {
                be_true(4);
                advance(100);
        }
        fuzz_require(run.sides[ALICE].ups > ups);
        if (!say()) return;
        for (size_t rounds = 0; rounds < 40 && !run.texts[run.text_count - 1].back; rounds++) {
                be_true(4);
                advance(100);
        }
        fuzz_require(run.texts[run.text_count - 1].back);
}

/* Ephemeral keys are the same in each run, so that what was computed with them is remembered. */
static void give_random(void *user, void *out, size_t n)
{
        test_random(user, out, n);
        if (n == KEY_SIZE) memset(out, ++run.ephemerals, n);
}

static void side_init(struct side *side, size_t number)
{
        static const char *const nodes[] = {"node:4000"};
        static const struct trust everyone = {.everyone = true};
        static struct trust bob_alone;
        struct reason why;
        struct endpoint_config config = {
                .net = &side->net.net,
                .nodes = nodes,
                .node_count = 1,
                .sender = names[number],
                .receiver = names[!number],
                .client_id = number == ALICE ? "alice" : "bob",
                .identity = parties[number].identity,
                .trust = number == ALICE ? &bob_alone : &everyone,
                .listen = number == BOB ? "listener" : NULL,
                .application = number == BOB ? "echoer" : NULL,
                .transport = TRANSPORT_LIMITS_DEFAULT,
                .channel = CHANNEL_LIMITS_DEFAULT,
                .stream = STREAM_CLIENT_LIMITS_DEFAULT,
        };

        bob_alone = (struct trust){.list = &parties[BOB].id, .count = 1};
        side->number = number;
        side->link = NULL;
        side->asked_count = side->address_count = side->ups = 0;
        side->ready = false;
        side->channel = NULL;
        fake_net_init(&side->net);
        config.transport.arena_bytes = FUZZ_ARENA;
        config.channel.handshakes = run.crowded ? 2 : 128;
        config.channel.channels = run.crowded ? 4 : 256;
        config.stream.unconfirmed = 16;
        config.stream.unconfirmed_bytes = 8192;
        config.stream.in_flight = 4;
        config.stream.in_flight_bytes = 2048;
        config.stream.pulls_ahead = 2;
        config.stream.pull_limit = 4;
        side->endpoint = endpoint_new(&run.tc.ctx, &config, &events, side, &why);
        fuzz_require(side->endpoint);
}

static void run_begin(const uint8_t *data, size_t size)
{
        test_context_init(&run.tc, 1);
        test_random = run.tc.ctx.random;
        run.tc.ctx.random = give_random;
        run.ephemerals = 0;
        run.text_count = run.calls = 0;
        run.lied = false;
        run.in = fuzz_input_make(data, size);
        run.crowded = fuzz_u8(&run.in) & 1;
        for (size_t i = 0; i < SIDES; i++) {
                run.streams[i].count = 0;
                run.streams[i].was_saved = false;
                side_init(&run.sides[i], i);
        }
        settle();
}

static void run_end(void)
{
        for (size_t i = 0; i < SIDES; i++)
                endpoint_free(run.sides[i].endpoint);
        context_turn_end(&run.tc.ctx);
        test_context_clear(&run.tc);
        for (size_t i = 0; i < SIDES; i++)
                fake_net_clear(&run.sides[i].net);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        fuzz_need_secrets();
        fuzz_silence();
        if (!parties[0].identity)
                for (uint8_t i = 0; i < SIDES; i++)
                        party_init(&parties[i], (uint8_t)(i + 1), 1, NOW_S - 1000);
        run_begin(data, size);
        for (int steps = 0; fuzz_more(&run.in) && steps < STEPS_MAX; steps++)
                step();
        if (!run.lied && !run.crowded && size % 4 == 0) check_end();
        run_end();
        return 0;
}
