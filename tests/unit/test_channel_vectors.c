/* The recorded channels of the crate, played against ours: with the same keys, ephemeral keys and addresses, every frame
 * that we send is the crate's, to the byte, and every frame of the crate's is understood. */
#include "tests/support/test.h"
#include "tests/support/test_context.h"
#include "tests/support/vectors.h"
#include "transport/base/logger.h"
#include "transport/secure_channel/channel.h"
#include "transport/secure_channel/crypto.h"
#include "transport/secure_channel/secrets.h"

#define VECTORS "tests/vectors/crate-0.116/secure-channel.json"

enum { APPS_MAX = 16, FRAME_LENGTH = 2, SENT_MAX = 65536 + 16 };

static const struct origin from_tcp = {ORIGIN_TCP, 1, NULL};

/* One side of a recorded channel; the other is the recording. */
static struct {
        struct test_context tc;
        struct router *router;
        struct worker *wire, *apps[APPS_MAX];
        struct identity *identity;
        struct purpose_key *purpose_key;
        struct identifier peer;
        struct trust trust;
        struct channels *channels;
        struct channel *channel; /* once it is up */
        enum err closed;
        struct bytes ephemeral, addresses[2]; /* what is drawn: the key, then decryptor and encryptor */
        size_t addresses_drawn, apps_count;
        uint8_t sent[SENT_MAX]; /* the last on the wire, as a transport message */
        size_t sent_n, sent_count;
        const json_t *expected; /* what comes out of the channel next */
        size_t received;
} play;

/* --- randomness as it was recorded -------------------------------------------------------------------------------------- */

static uint8_t hex_pair(const uint8_t *text)
{
        const char pair[3] = {(char)text[0], (char)text[1], 0};

        return *hex_bytes(pair).p;
}

/* Ephemeral keys are drawn by 32 bytes, addresses by 16. */
static void recorded_random(void *user, void *out, size_t n)
{
        uint8_t *bytes = out;

        (void)user;
        if (n == KEY_SIZE) {
                memcpy(out, play.ephemeral.p, KEY_SIZE);
                return;
        }
        assert_int_equal(n, 16);
        assert_true(play.addresses_drawn < 2);
        const struct bytes text = play.addresses[play.addresses_drawn++];
        assert_int_equal(text.n, 32);
        for (size_t i = 0; i < n; i++)
                bytes[i] = hex_pair(text.p + 2 * i);
}

/* --- the wire and the workers behind the channel ------------------------------------------------------------------------ */

static void wire_handle(void *self, const struct delivery *delivery)
{
        struct message msg = delivery->msg;
        struct writer w = writer_make(play.sent, sizeof play.sent);

        (void)self;
        msg.onward = route_rest(msg.onward);
        message_put(&w, &msg);
        assert_ok(writer_err(&w));
        play.sent_n = w.n;
        play.sent_count++;
}

static void expect_sent(const char *what, struct bytes frame)
{
        assert_bytes_equal(what, bytes_make(play.sent, play.sent_n), bytes_make(frame.p + FRAME_LENGTH, frame.n - FRAME_LENGTH));
}

static struct route recorded_route(const json_t *route, uint8_t *memory, size_t n)
{
        struct writer w = writer_make(memory, n);
        const json_t *address;
        size_t i;

        json_array_foreach(route, i, address)
                address_put(&w, (struct address){(uint8_t)vector_uint(address, "type"), vector_hex(address, "value")});
        assert_ok(writer_err(&w));
        return (struct route){i, writer_bytes(&w)};
}

static void app_handle(void *self, const struct delivery *delivery)
{
        uint8_t memory[1024];
        const struct route ret = recorded_route(vector_member(play.expected, "return_route"), memory, sizeof memory),
                           onward = recorded_route(vector_member(play.expected, "onward_route"), memory + 512, 512);
        struct address front;

        (void)self;
        assert_bytes_equal("onward route", delivery->msg.onward.encoded, onward.encoded);
        assert_true(route_front(delivery->msg.ret, &front));
        assert_bytes_equal("our encryptor", front.value, channel_address(play.channel));
        assert_bytes_equal("return route", route_rest(delivery->msg.ret).encoded, ret.encoded);
        assert_bytes_equal("payload", delivery->msg.payload, vector_hex(play.expected, "payload"));
        assert_int_equal(delivery->origin.kind, ORIGIN_CHANNEL);
        play.received++;
}

/* Whoever the recorded messages go to has to be there. */
static void add_app(struct bytes address)
{
        struct worker *worker;
        const enum err err = router_add(play.router, address, ORIGINS_CHANNEL, app_handle, NULL, &worker);

        if (err == ERR_UNEXPECTED) return;
        assert_ok(err);
        assert_true(play.apps_count < APPS_MAX);
        play.apps[play.apps_count++] = worker;
}

static void up(void *user, struct channel *channel)
{
        (void)user;
        play.channel = channel;
}

static void closed(void *user, struct channel *channel, enum err err, const char *why)
{
        (void)user;
        (void)channel;
        (void)why;
        play.closed = err;
}

/* --- the side ----------------------------------------------------------------------------------------------------------- */

static void missing(void *user, struct channel *channel, uint64_t count)
{
        (void)user, (void)channel;
        fail_msg("%llu messages are said to be missing", (unsigned long long)count);
}

static void refused(void *user, enum err err, const char *why)
{
        (void)user, (void)err;
        fail_msg("refused: %s", why);
}

static struct bytes first_address(const json_t *message, const char *route)
{
        return vector_hex(json_array_get(vector_member(message, route), 0), "value");
}

/* The encryptor's address stands in the frames of encrypted messages alone. */
static struct bytes encryptor_address(const json_t *direction)
{
        const struct bytes frame = vector_hex(json_array_get(vector_member(direction, "messages"), 0), "frame");
        struct message msg;
        struct address front;

        assert_ok(message_read(bytes_make(frame.p + FRAME_LENGTH, frame.n - FRAME_LENGTH), 16, &msg));
        assert_true(route_front(msg.ret, &front));
        return front.value;
}

static void load_side(const json_t *side, const json_t *other)
{
        const json_t *changes = vector_member(side, "changes"), *key = vector_member(side, "purpose_key");
        const struct bytes seed = vector_hex(vector_member(json_array_get(changes, json_array_size(changes) - 1), "key"), "secret");

        assert_ok(identity_restore(vector_hex(side, "change_history"), seed.p, &play.identity));
        assert_ok(purpose_key_restore(vector_hex(key, "secret").p, vector_hex(key, "attestation"), &play.purpose_key));
        assert_ok(identifier_parse(bytes_of_text(vector_text(other, "identifier")), &play.peer));
        play.trust = (struct trust){.list = &play.peer, .count = 1};
        play.ephemeral = vector_hex(vector_member(side, "ephemeral"), "secret");
}

static void start(const json_t *handshake, bool initiator)
{
        static const struct channels_events events = {up, closed, missing, refused};
        static const struct transport_limits limits = TRANSPORT_LIMITS_DEFAULT;
        const json_t *messages = vector_member(handshake, "messages");

        memset(&play, 0, sizeof play);
        test_context_init(&play.tc, 1);
        play.tc.utc_s = 1710000000;
        play.tc.ctx.random = recorded_random;
        load_side(vector_member(handshake, initiator ? "initiator" : "responder"),
                  vector_member(handshake, initiator ? "responder" : "initiator"));
        play.addresses[0] = first_address(json_array_get(messages, initiator ? 0 : 1), "return_route");
        play.addresses[1] = encryptor_address(vector_member(handshake, initiator ? "initiator_to_responder" : "responder_to_initiator"));
        play.router = router_new(&play.tc.ctx, &limits);
        assert_non_null(play.router);
        assert_ok(router_add(play.router, BYTES_LITERAL("wire"), ORIGIN_LOCAL, wire_handle, NULL, &play.wire));
        const struct channels_config config = {play.identity, play.purpose_key, CHANNEL_LIMITS_DEFAULT, &events, NULL, ORIGIN_TCP};
        play.channels = channels_new(play.router, &config);
        assert_non_null(play.channels);
}

static void finish(void)
{
        channels_free(play.channels);
        router_remove(play.router, play.wire);
        for (size_t i = 0; i < play.apps_count; i++)
                router_remove(play.router, play.apps[i]);
        context_turn_end(&play.tc.ctx);
        router_free(play.router);
        purpose_key_free(play.purpose_key);
        identity_free(play.identity);
        test_context_clear(&play.tc);
        assert_int_equal(secrets_used(), 0);
}

/* A recorded frame comes in over TCP: the connection puts itself before the return route. */
static void arrive(struct bytes frame)
{
        struct message msg;

        assert_ok(message_read(bytes_make(frame.p + FRAME_LENGTH, frame.n - FRAME_LENGTH), 16, &msg));
        assert_ok(route_prepend(router_arena(play.router), address_local(BYTES_LITERAL("wire")), msg.ret, &msg.ret));
        router_post(play.router, from_tcp, msg);
}

/* --- messages ----------------------------------------------------------------------------------------------------------- */

/* Of most encrypted messages only the payload was kept; the routes are those of the first frame. */
static void arrive_encrypted(const json_t *message)
{
        uint8_t memory[128];
        struct writer w = writer_make(memory, sizeof memory);
        struct message msg = {.payload = vector_hex(message, "payload")};

        address_put(&w, address_local(play.addresses[0]));
        msg.onward = (struct route){1, writer_bytes(&w)};
        router_post(play.router, from_tcp, msg);
}

static void receive_all(const json_t *messages)
{
        const json_t *message;
        size_t i, payloads = 0;

        json_array_foreach(messages, i, message)
        {
                play.expected = vector_member(vector_member(message, "clear"), "payload");
                if (play.expected) {
                        add_app(first_address(play.expected, "onward_route"));
                        payloads++;
                }
                if (vector_member(message, "frame"))
                        arrive(vector_hex(message, "frame"));
                else
                        arrive_encrypted(message);
                assert_int_equal(play.received, payloads);
        }
        assert_true(payloads > 0);
}

static void send_one(const json_t *message, const json_t *clear)
{
        uint8_t onward[1024], ret[1024];
        struct message msg = {.payload = vector_hex(clear, "payload")};
        struct message sent;

        assert_ok(route_prepend(router_arena(play.router), address_local(channel_address(play.channel)),
                                recorded_route(vector_member(clear, "onward_route"), onward, sizeof onward), &msg.onward));
        msg.ret = recorded_route(vector_member(clear, "return_route"), ret, sizeof ret);
        assert_ok(router_send(play.router, ORIGIN_OWN, msg));
        assert_ok(message_read(bytes_make(play.sent, play.sent_n), 16, &sent));
        assert_bytes_equal("payload", sent.payload, vector_hex(message, "payload"));
        if (vector_member(message, "frame")) expect_sent("frame", vector_hex(message, "frame"));
}

static void send_all(const json_t *messages)
{
        const json_t *message;
        size_t i, payloads = 0;

        json_array_foreach(messages, i, message)
        {
                const json_t *clear = vector_member(vector_member(message, "clear"), "payload");
                const size_t sent = play.sent_count;

                if (clear) {
                        send_one(message, clear);
                        payloads++;
                } else { /* the last is close */
                        struct message close;
                        channel_close(play.channel);
                        assert_ok(message_read(bytes_make(play.sent, play.sent_n), 16, &close));
                        assert_bytes_equal("close", close.payload, vector_hex(message, "payload"));
                        assert_int_equal(i, json_array_size(messages) - 1);
                }
                assert_int_equal(play.sent_count, sent + 1);
        }
        assert_true(payloads > 0);
}

/* --- plays -------------------------------------------------------------------------------------------------------------- */

static const json_t *recorded(size_t i, const char *name)
{
        const json_t *handshake = json_array_get(vector_member(vectors_load(VECTORS), "handshakes"), i);

        assert_string_equal(vector_text(handshake, "name"), name);
        return handshake;
}

static struct bytes frame_of(const json_t *handshake, size_t i)
{
        return vector_hex(json_array_get(vector_member(handshake, "messages"), i), "frame");
}

static void connect_to_recording(const json_t *handshake)
{
        const struct bytes route[] = {BYTES_LITERAL("wire"),
                                      first_address(json_array_get(vector_member(handshake, "messages"), 0), "onward_route")};
        struct channel *channel;
        struct route to;

        assert_ok(route_of_locals(router_arena(play.router), route, 2, &to));
        assert_ok(channels_connect(play.channels, to, &play.trust, 5000, &channel));
        test_context_advance(&play.tc, 0);
        expect_sent("message 1", frame_of(handshake, 0));
        arrive(frame_of(handshake, 1));
        assert_ptr_equal(play.channel, channel);
}

static void play_initiator(const json_t *handshake)
{
        start(handshake, true);
        connect_to_recording(handshake);
        expect_sent("message 3", frame_of(handshake, 2));
        receive_all(vector_member(vector_member(handshake, "responder_to_initiator"), "messages"));
        send_all(vector_member(vector_member(handshake, "initiator_to_responder"), "messages"));
        finish();
}

static void play_responder(const json_t *handshake)
{
        start(handshake, false);
        assert_ok(channels_listen(play.channels, first_address(json_array_get(vector_member(handshake, "messages"), 0), "onward_route"),
                                  &play.trust));
        arrive(frame_of(handshake, 0));
        expect_sent("message 2", frame_of(handshake, 1));
        arrive(frame_of(handshake, 2));
        assert_non_null(play.channel);
        send_all(vector_member(vector_member(handshake, "responder_to_initiator"), "messages"));
        receive_all(vector_member(vector_member(handshake, "initiator_to_responder"), "messages"));
        assert_int_equal(play.closed, ERR_CLOSED); /* the last of them */
        finish();
}

static void plain_as_initiator(void **state)
{
        (void)state;
        play_initiator(recorded(0, "plain"));
}

static void plain_as_responder(void **state)
{
        (void)state;
        play_responder(recorded(0, "plain"));
}

static void rotated_responder_as_initiator(void **state)
{
        (void)state;
        play_initiator(recorded(1, "rotated-responder"));
}

static void rotated_responder_as_responder(void **state)
{
        (void)state;
        play_responder(recorded(1, "rotated-responder"));
}

/* An identity of ours has Ed25519 keys, so this one is played from the initiator's side only. */
static void against_p256_as_initiator(void **state)
{
        (void)state;
        play_initiator(recorded(2, "rotated-initiator-p256-responder"));
}

/* Credentials are taken and passed over; we present none, so the recording ends where ours would have stood. */
static void credentials_are_taken_as_initiator(void **state)
{
        (void)state;
        const json_t *handshake = recorded(3, "credentials");

        start(handshake, true);
        connect_to_recording(handshake);
        assert_int_equal(play.sent_count, 2);
        finish();
}

static int drop_vectors(void **state)
{
        (void)state;
        vectors_clear();
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(plain_as_initiator, drop_vectors),
                cmocka_unit_test_teardown(plain_as_responder, drop_vectors),
                cmocka_unit_test_teardown(rotated_responder_as_initiator, drop_vectors),
                cmocka_unit_test_teardown(rotated_responder_as_responder, drop_vectors),
                cmocka_unit_test_teardown(against_p256_as_initiator, drop_vectors),
                cmocka_unit_test_teardown(credentials_are_taken_as_initiator, drop_vectors),
        };

        logger_set_level(LOG_LEVEL_ERROR);
        if (crypto_init(NULL) || secrets_init(16)) return 1;
        const int failed = cmocka_run_group_tests(tests, NULL, NULL);
        secrets_clear();
        return failed;
}
