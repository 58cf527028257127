/* Who may reach what inside an endpoint (C23): one table of origins and local addresses, held against every worker that the endpoint has,
 * as Bob and as Alice; and the ways that somebody outside, or an authenticated peer, would really take. The router and the endpoint are
 * compiled into this test, so that it sees every worker there is. */
#include "tests/support/endpoint_rig.h"
#include "tests/support/fake_link.h"
#include "tests/support/test.h"

#include "transport/router.c"

#include "client/endpoint.c"

#include "transport/secure_channel/secrets.h"

#include "transport/base/logger.h"

/* The table of docs/architecture.md, "Routing": what each kind of worker takes. An endpoint with a stream takes handshakes and ciphertext
 * from the stream alone, one without from its connections alone. */
enum kind { CONNECTION, PRODUCER, ANSWERS, LISTENER, DECRYPTOR, ENCRYPTOR, APPLICATION, KINDS };

static const struct {
        const char *name;
        unsigned over_a_stream, direct;
} table[KINDS] = {
        [CONNECTION] = {"connection", ORIGIN_LOCAL, ORIGIN_LOCAL},
        [PRODUCER] = {"producer", ORIGIN_LOCAL, 0},
        [ANSWERS] = {"producer's or consumer's answers", ORIGIN_TCP, 0},
        [LISTENER] = {"listener", ORIGIN_STREAM, ORIGIN_TCP},
        [DECRYPTOR] = {"decryptor", ORIGIN_STREAM, ORIGIN_TCP},
        [ENCRYPTOR] = {"encryptor", ORIGIN_LOCAL, ORIGIN_LOCAL},
        [APPLICATION] = {"application", ORIGIN_CHANNEL | ORIGIN_CHANNEL_UNTRUSTED, ORIGIN_CHANNEL | ORIGIN_CHANNEL_UNTRUSTED},
};

static struct endpoint_rig rig;
static struct resident alice, bob;

static int set_up(void **state)
{
        (void)state;
        return endpoint_rig_open_pair(&rig, 5, &alice, &bob);
}

static int tear_down(void **state)
{
        (void)state;
        return endpoint_rig_close_pair(&rig, &alice, &bob);
}

/* --- the table ------------------------------------------------------------------------------------------------------------- */

static bool is_at(const struct worker *worker, struct bytes address)
{
        return address.n > 0 && bytes_equal(worker_address(worker), address);
}

static bool is_encryptor(const struct endpoint *endpoint, const struct worker *worker)
{
        const struct peer *peer;

        TAILQ_FOREACH (peer, &endpoint->peers, entry)
                if (is_at(worker, channel_address(peer->channel))) return true;
        return false;
}

/* The handlers of the two workers that take the node's answers. Nobody gives their addresses out, so they are learnt from an endpoint that
 * has no channel yet: they are what is left then. */
static worker_handler *answer_handlers[2];

static bool takes_answers(const struct worker *worker)
{
        return worker->handler == answer_handlers[0] || worker->handler == answer_handlers[1];
}

/* `conn`: the connection's address. */
static enum kind kind_of(const struct endpoint *endpoint, const struct worker *worker, struct bytes conn)
{
        if (is_at(worker, conn)) return CONNECTION;
        if (endpoint->stream && is_at(worker, bidirectional_address(endpoint->stream))) return PRODUCER;
        if (is_at(worker, BYTES_LITERAL("listener"))) return LISTENER;
        if (worker == endpoint->application) return APPLICATION;
        if (is_encryptor(endpoint, worker)) return ENCRYPTOR;
        return takes_answers(worker) ? ANSWERS : DECRYPTOR;
}

static void learn_answers(const struct endpoint *endpoint, struct bytes conn)
{
        struct worker *worker, *next;
        size_t n = 0;

        memset(answer_handlers, 0, sizeof answer_handlers);
        assert_true(TAILQ_EMPTY(&endpoint->peers));
        HASH_ITER(hh, endpoint->router->workers, worker, next)
        {
                if (kind_of(endpoint, worker, conn) != DECRYPTOR) continue;
                assert_true(n < 2);
                answer_handlers[n++] = worker->handler;
        }
        assert_int_equal(n, 2);
}

static unsigned delivered;

static void take(void *self, const struct delivery *delivery)
{
        (void)self, (void)delivery;
        delivered++;
}

/* Whether a message of this origin gets to the worker; it is not handled. */
static bool gets_there(struct router *router, struct worker *worker, enum origin_kind kind)
{
        static const uint8_t somebody[IDENTIFIER_SIZE];
        worker_handler *handler = worker->handler;
        const struct bytes address = worker_address(worker);
        struct message msg = {.payload = BYTES_LITERAL("\x01x")};

        delivered = 0;
        worker->handler = take;
        assert_ok(route_of_locals(router_arena(router), &address, 1, &msg.onward));
        router_post(router, (struct origin){kind, 0, kind & ORIGINS_CHANNEL ? somebody : NULL}, msg);
        worker->handler = handler;
        return delivered == 1;
}

/* Every worker against every origin; `expected` says how many of each kind there have to be. */
static void hold_against_table(struct endpoint *endpoint, struct bytes conn, const unsigned expected[KINDS])
{
        const bool direct = !endpoint->stream;
        struct worker *worker, *next;
        unsigned found[KINDS] = {0};

        HASH_ITER(hh, endpoint->router->workers, worker, next)
        {
                const enum kind kind = kind_of(endpoint, worker, conn);
                const unsigned accepts = direct ? table[kind].direct : table[kind].over_a_stream;

                found[kind]++;
                for (unsigned origin = ORIGIN_LOCAL; origin <= ORIGIN_CHANNEL_UNTRUSTED; origin <<= 1) {
                        if (gets_there(endpoint->router, worker, (enum origin_kind)origin) != ((accepts & origin) != 0))
                                fail_msg("%s from origin %u: %s", table[kind].name, origin, accepts & origin ? "refused" : "let in");
                }
        }
        for (size_t i = 0; i < KINDS; i++)
                if (found[i] != expected[i]) fail_msg("%u of kind %s, expected %u", found[i], table[i].name, expected[i]);
}

/* An address that nobody has is reached from nowhere. */
static void nobody_is_at(struct endpoint *endpoint, struct bytes address)
{
        const uint64_t dropped = endpoint_rig_stat(&rig, STAT_DROP_NO_WORKER);

        for (unsigned origin = ORIGIN_LOCAL; origin <= ORIGIN_CHANNEL_UNTRUSTED; origin <<= 1) {
                struct message msg = {.payload = BYTES_LITERAL("\x01x")};
                assert_ok(route_of_locals(router_arena(endpoint->router), &address, 1, &msg.onward));
                router_post(endpoint->router, (struct origin){(enum origin_kind)origin, 0, NULL}, msg);
        }
        assert_int_equal(endpoint_rig_stat(&rig, STAT_DROP_NO_WORKER), dropped + 5);
}

/* BARE data of 32 bytes: what a handshake begins with. */
static const char first_message[] = "\x20"
                                    "0123456789abcdef0123456789abcdef";

/* A message whose way on and way back are these, as the record of a stream. */
static struct bytes record_of(const char *onward, const char *ret, const char *payload)
{
        static uint8_t memory[512];
        struct writer w = writer_make(memory, sizeof memory);

        writer_put_u8(&w, 1);
        bare_put_uint(&w, 1);
        address_put(&w, address_local(bytes_of_text(onward)));
        bare_put_uint(&w, ret ? 1 : 0);
        if (ret) address_put(&w, address_local(bytes_of_text(ret)));
        bare_put_data(&w, bytes_of_text(payload));
        assert_ok(writer_err(&w));
        return writer_bytes(&w);
}

static struct bytes conn_of(struct endpoint *endpoint) { return conn_address(connector_conn(endpoint->connector)); }

static void C23_every_worker_of_bob_from_every_origin(void **state)
{
        (void)state;
        static const unsigned at_rest[KINDS] = {1, 1, 2, 1, 0, 0, 1}, with_two[KINDS] = {1, 1, 2, 1, 3, 2, 1};

        learn_answers(bob.endpoint, conn_of(bob.endpoint));
        hold_against_table(bob.endpoint, conn_of(bob.endpoint), at_rest);
        resident_connect(&alice);
        resident_connect(&alice);
        endpoint_rig_write(&rig, "alice_to_bob", record_of("listener", "nobody", first_message)); /* Bob waits for its message 3 */
        endpoint_rig_run(&rig, 100);
        hold_against_table(bob.endpoint, conn_of(bob.endpoint), with_two);
        nobody_is_at(bob.endpoint, BYTES_LITERAL("nobody"));
        nobody_is_at(bob.endpoint, BYTES_LITERAL(""));
}

static void C23_every_worker_of_alice_from_every_origin(void **state)
{
        (void)state;
        static const unsigned at_rest[KINDS] = {1, 1, 2, 0, 0, 0, 1}, with_one[KINDS] = {1, 1, 2, 0, 1, 1, 1};

        learn_answers(alice.endpoint, conn_of(alice.endpoint));
        hold_against_table(alice.endpoint, conn_of(alice.endpoint), at_rest);
        resident_connect(&alice);
        hold_against_table(alice.endpoint, conn_of(alice.endpoint), with_one);
        nobody_is_at(alice.endpoint, BYTES_LITERAL("listener"));
        nobody_is_at(alice.endpoint, BYTES_LITERAL("echoer"));
}

/* Bob without a node: Alice's connections come straight to him. */
static void C23_every_worker_of_a_direct_bob_from_every_origin(void **state)
{
        (void)state;
        static const unsigned at_rest[KINDS] = {[CONNECTION] = 1, [LISTENER] = 1, [APPLICATION] = 1};
        const struct endpoint_config config = {.listen = "listener", .application = "echoer"};
        struct fake_link *link = fake_link_new();
        struct resident direct;
        struct worker *worker, *next, *found = NULL;

        resident_init(&direct, &rig, 3, &config);
        endpoint_accept(direct.endpoint, &link->link);
        HASH_ITER(hh, direct.endpoint->router->workers, worker, next)
        if (!is_at(worker, BYTES_LITERAL("listener")) && worker != direct.endpoint->application) found = worker;
        assert_non_null(found); /* one connection, and nothing else */
        hold_against_table(direct.endpoint, worker_address(found), at_rest);
        resident_clear(&direct);
        fake_link_free(link);
}

/* --- the ways in ------------------------------------------------------------------------------------------------------------ */

enum { ADDRESSES_MAX = 16 };

/* All addresses of an endpoint's workers, as text. */
static size_t addresses_of(const struct endpoint *endpoint, char out[ADDRESSES_MAX][ADDRESS_RANDOM_SIZE + 1])
{
        struct worker *worker, *next;
        size_t n = 0;

        HASH_ITER(hh, endpoint->router->workers, worker, next)
        {
                assert_true(n < ADDRESSES_MAX && worker->address_n <= ADDRESS_RANDOM_SIZE);
                memcpy(out[n], worker->address, worker->address_n);
                out[n++][worker->address_n] = '\0';
        }
        return n;
}

static size_t records_in(const char *stream)
{
        const struct log_record *records;

        return endpoint_rig_records(&rig, stream, &records);
}

/* Plain messages are put into the stream that an endpoint reads, for each of its workers, each as the way back, too: nothing is delivered.
 * What goes out is one answer for each that the listener takes for a handshake. */
static void nothing_gets_in(struct resident *resident, const char *stream, const char *other)
{
        char addresses[ADDRESSES_MAX][ADDRESS_RANDOM_SIZE + 1];
        const size_t count = addresses_of(resident->endpoint, addresses), before = records_in(other);
        const unsigned received = resident->received, ups = resident->ups;

        for (size_t i = 0; i < count; i++) {
                for (size_t k = 0; k < count; k++)
                        endpoint_rig_write(&rig, stream, record_of(addresses[i], addresses[k], first_message));
                endpoint_rig_write(&rig, stream, record_of(addresses[i], NULL, first_message));
        }
        endpoint_rig_run(&rig, 1000);
        assert_int_equal(resident->received, received);
        assert_int_equal(resident->ups, ups);
        assert_int_equal(records_in(other) - before, resident->config.listen ? count + 1 : 0);
}

static void C23_nothing_that_is_put_into_a_stream_gets_past_a_channel(void **state)
{
        (void)state;
        struct channel *channel = resident_connect(&alice);

        nothing_gets_in(&bob, "alice_to_bob", "bob_to_alice");
        nothing_gets_in(&alice, "bob_to_alice", "alice_to_bob");
        resident_expect_echo(&alice, channel, "the channel is as it was");
}

/* The authenticated peer names every worker of Bob's through the channel: the application's alone is reached, trusted by name or not. */
static void the_peer_reaches_the_application_alone(enum origin_kind origin)
{
        struct channel *channel = resident_connect(&alice);
        char addresses[ADDRESSES_MAX][ADDRESS_RANDOM_SIZE + 1];
        const size_t count = addresses_of(bob.endpoint, addresses);
        const uint64_t refused = endpoint_rig_stat(&rig, STAT_DROP_NOT_ALLOWED);
        const unsigned received = bob.received;
        const size_t sent = records_in("bob_to_alice");

        assert_true(count > 6);
        for (size_t i = 0; i < count; i++)
                resident_send(&alice, channel, addresses[i], "for you");
        assert_int_equal(endpoint_rig_stat(&rig, STAT_DROP_NOT_ALLOWED), refused + count - 1);
        assert_int_equal(bob.received, received + 1);
        assert_int_equal(bob.origin, origin);
        assert_int_equal(records_in("bob_to_alice"), sent + 1); /* the echo */
        resident_expect_echo(&alice, channel, "going on");
}

static void C23_a_peer_that_was_let_in_reaches_the_application_alone(void **state)
{
        (void)state;
        the_peer_reaches_the_application_alone(ORIGIN_CHANNEL_UNTRUSTED);
}

static void C23_a_peer_that_is_named_reaches_the_application_alone(void **state)
{
        (void)state;
        resident_trust(&bob, &alice);
        the_peer_reaches_the_application_alone(ORIGIN_CHANNEL);
}

/* Echoers at both ends, and a message from one to the other that nobody sent: the first record is the last. */
static void C23_an_echo_loop_dies_after_the_first_record(void **state)
{
        (void)state;
        const struct endpoint_config other_way = {.sender = "alice_to_bob",
                                                  .receiver = "bob_to_alice",
                                                  .client_id = "other bob",
                                                  .listen = "listener",
                                                  .application = "echoer"};
        struct resident other;

        resident_init(&other, &rig, 4, &other_way);
        other.echo = true;
        const size_t to_bob = records_in("alice_to_bob"), to_other = records_in("bob_to_alice");
        endpoint_rig_write(&rig, "alice_to_bob", record_of("echoer", "echoer", "\x04ping"));
        endpoint_rig_run(&rig, 60000);
        assert_int_equal(records_in("alice_to_bob"), to_bob + 1);
        assert_int_equal(records_in("bob_to_alice"), to_other);
        assert_int_equal(bob.received + other.received, 0);

        /* From listener to listener: an answer to a first message is none, but it can look like one. It ends with the handshakes that never
         * come up. */
        endpoint_rig_write(&rig, "alice_to_bob", record_of("listener", "listener", first_message));
        endpoint_rig_run(&rig, 60000);
        assert_true(records_in("alice_to_bob") + records_in("bob_to_alice") <= to_bob + 1 + to_other + 3);
        assert_int_equal(bob.ups + other.ups, 0);
        resident_clear(&other);
}

/* The node turned bad: it sends what it likes over the connection. Nothing but its answers is taken from there. */
static void C23_a_bad_node_reaches_nothing_over_the_connection(void **state)
{
        (void)state;
        struct channel *channel = resident_connect(&alice);
        char addresses[ADDRESSES_MAX][ADDRESS_RANDOM_SIZE + 1];
        const size_t count = addresses_of(bob.endpoint, addresses);
        const uint64_t refused = endpoint_rig_stat(&rig, STAT_DROP_NOT_ALLOWED);

        for (size_t i = 0; i < count; i++) {
                const struct bytes address = bytes_of_text(addresses[i]);
                struct message msg = {.payload = bytes_of_text(first_message)};
                assert_ok(route_of_locals(router_arena(bob.endpoint->router), &address, 1, &msg.onward));
                router_post(bob.endpoint->router, (struct origin){ORIGIN_TCP, 1, NULL}, msg);
        }
        assert_int_equal(endpoint_rig_stat(&rig, STAT_DROP_NOT_ALLOWED), refused + count - 2);
        assert_int_equal(bob.received, 0);
        resident_expect_echo(&alice, channel, "going on");
}

#define with_rig(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                with_rig(C23_every_worker_of_bob_from_every_origin),
                with_rig(C23_every_worker_of_alice_from_every_origin),
                with_rig(C23_every_worker_of_a_direct_bob_from_every_origin),
                with_rig(C23_nothing_that_is_put_into_a_stream_gets_past_a_channel),
                with_rig(C23_a_peer_that_was_let_in_reaches_the_application_alone),
                with_rig(C23_a_peer_that_is_named_reaches_the_application_alone),
                with_rig(C23_an_echo_loop_dies_after_the_first_record),
                with_rig(C23_a_bad_node_reaches_nothing_over_the_connection),
        };

        logger_set_level(LOG_LEVEL_ERROR);
        if (crypto_init(NULL) || secrets_init(128)) return 1;
        const int failed = cmocka_run_group_tests(tests, NULL, NULL);
        secrets_clear();
        return failed;
}
