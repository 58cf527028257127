/* Who reaches whom in the node: nobody reaches another's connection, by whatever address (R8); nothing is dialled for a client (R7); and
 * what comes with a way back that leads to the services themselves, or nowhere, ends there (R6), which from TCP cannot even be said. */
#include "stream/log_memory.h"
#include "stream/protocol.h"
#include "stream/service.h"
#include "tests/support/fake_link.h"
#include "tests/support/test.h"
#include "tests/support/test_context.h"
#include "transport/wire.h"

#include <stdlib.h>

struct rig {
        struct test_context tc;
        struct router *router;
        struct conns *conns;
        struct log *log;
        struct stream_service *service;
};

static void on_done(void *user, const struct log_result *result) { stream_service_log_done(((struct rig *)user)->service, result); }
static void on_pressure(void *user, bool high) { stream_service_log_pressure(((struct rig *)user)->service, high); }
static void on_stopped(void *user) { (void)user; }

static void on_closed(void *user, uint64_t id, enum err err, const char *why)
{
        (void)err, (void)why;
        stream_service_conn_closed(((struct rig *)user)->service, id);
}

static struct rig *rig_new(void)
{
        static const struct log_events log_events = {.done = on_done, .pressure = on_pressure, .stopped = on_stopped};
        static const struct conns_events conns_events = {.closed = on_closed};
        struct rig *rig = calloc(1, sizeof *rig);
        struct transport_limits transport = TRANSPORT_LIMITS_DEFAULT;
        struct service_limits service = SERVICE_LIMITS_DEFAULT;
        struct log_limits log = LOG_LIMITS_DEFAULT;

        assert_non_null(rig);
        test_context_init(&rig->tc, 8);
        assert_non_null(rig->router = router_new(&rig->tc.ctx, &transport));
        assert_non_null(rig->conns = conns_new(rig->router, &conns_events, rig));
        assert_non_null(rig->log = log_memory_new(&rig->tc.ctx, &log, &log_events, rig));
        assert_non_null(rig->service = stream_service_new(rig->router, rig->conns, rig->log, &service));
        return rig;
}

static void rig_free(struct rig *rig)
{
        conns_free(rig->conns);
        stream_service_free(rig->service);
        log_free(rig->log);
        context_turn_end(&rig->tc.ctx);
        router_free(rig->router);
        test_context_clear(&rig->tc);
        free(rig);
}

static uint64_t count_of(const struct rig *rig, enum stat_id id) { return rig->tc.ctx.stats.v[id]; }

/* One hop, encoded into memory of 300 bytes. */
static struct route hop(uint8_t type, struct bytes value, uint8_t *memory)
{
        struct writer w = writer_make(memory, 300);

        address_put(&w, (struct address){type, value});
        assert_ok(writer_err(&w));
        return (struct route){1, writer_bytes(&w)};
}

/* --- R8 -------------------------------------------------------------------------------------------------------------------- */

enum { CONNECTIONS = 2000 };

struct known {
        struct fake_link *link;
        struct conn *conn;
        char address[ADDRESS_RANDOM_SIZE + 1];
};

static void open_all(struct rig *rig, struct known *known)
{
        for (size_t i = 0; i < CONNECTIONS; i++) {
                known[i].link = fake_link_new();
                assert_ok(conns_open(rig->conns, &known[i].link->link, true, &known[i].conn));
                assert_int_equal(conn_address(known[i].conn).n, ADDRESS_RANDOM_SIZE);
                memcpy(known[i].address, conn_address(known[i].conn).p, ADDRESS_RANDOM_SIZE);
                assert_int_equal(strspn(known[i].address, "0123456789abcdef"), 32); /* 128 bits */
        }
}

/* Sends to an address from outside, in each way that there is; nothing may come out anywhere. */
static void send_to(struct rig *rig, const char *address, uint64_t conn)
{
        static const enum origin_kind outside[] = {ORIGIN_TCP, ORIGIN_STREAM, ORIGIN_CHANNEL, ORIGIN_CHANNEL_UNTRUSTED};
        uint8_t memory[300];
        struct message msg = {.onward = hop(ADDRESS_LOCAL, bytes_of_text(address), memory), .payload = BYTES_LITERAL("for another")};

        for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
                router_post(rig->router, (struct origin){outside[i], conn, NULL}, msg);
}

static int compare(const void *a, const void *b) { return strcmp(a, b); }

static void R8_nobody_reaches_another_s_connection(void **state)
{
        struct rig *rig = rig_new();
        struct known *old = calloc(CONNECTIONS, sizeof *old), *now = calloc(CONNECTIONS, sizeof *now);
        char(*all)[ADDRESS_RANDOM_SIZE + 1] = calloc(2 * CONNECTIONS, sizeof *all);

        (void)state;
        assert_true(old && now && all);
        open_all(rig, old);
        for (size_t i = 0; i < CONNECTIONS; i++)
                send_to(rig, old[i].address, conn_id(old[(i + 1) % CONNECTIONS].conn));
        assert_int_equal(count_of(rig, STAT_DROP_NOT_ALLOWED), 4 * CONNECTIONS);
        for (size_t i = 0; i < CONNECTIONS; i++) {
                fake_link_down(old[i].link, ERR_CLOSED, "gone");
                context_turn_end(&rig->tc.ctx);
                send_to(rig, old[i].address, 1); /* of one that is closed */
        }
        assert_int_equal(count_of(rig, STAT_DROP_NO_WORKER), 4 * CONNECTIONS);
        open_all(rig, now);
        for (size_t i = 0; i < CONNECTIONS; i++) {
                send_to(rig, old[i].address, 1); /* an old one again: nobody has got it */
                memcpy(all[i], old[i].address, sizeof *all);
                memcpy(all[CONNECTIONS + i], now[i].address, sizeof *all);
        }
        assert_int_equal(count_of(rig, STAT_DROP_NO_WORKER), 8 * CONNECTIONS);
        assert_int_equal(count_of(rig, STAT_DROP_NOT_ALLOWED), 4 * CONNECTIONS);
        qsort(all, 2 * CONNECTIONS, sizeof *all, compare);
        for (size_t i = 1; i < 2 * CONNECTIONS; i++)
                assert_true(strcmp(all[i - 1], all[i]) < 0);
        for (size_t i = 0; i < 100000; i++) { /* guesses */
                char guess[ADDRESS_RANDOM_SIZE + 1];

                memcpy(guess, now[i % CONNECTIONS].address, sizeof guess);
                guess[i / CONNECTIONS % 32] = "0123456789abcdefABCDEF"[test_context_next(&rig->tc) % 22];
                send_to(rig, guess, 1);
        }
        for (size_t i = 0; i < CONNECTIONS; i++)
                assert_int_equal(now[i].link->written_n + old[i].link->written_n, 0);
        assert_int_equal(count_of(rig, STAT_FRAMES_OUT), 0);
        rig_free(rig);
        for (size_t i = 0; i < CONNECTIONS; i++) {
                fake_link_free(old[i].link);
                fake_link_free(now[i].link);
        }
        free(old);
        free(now);
        free(all);
}

/* --- R6 and R7 ----------------------------------------------------------------------------------------------------------- */

static const char *const kinds[] = {"create", "a bad create", "push", "pull", "a held pull", "index get", "nonsense"};
enum { KINDS = sizeof kinds / sizeof *kinds, ANSWERS = 6 };

static struct bytes payload_of(size_t kind, uint8_t *memory)
{
        struct writer w = writer_make(memory, 300);
        uint8_t id[UINT_SIZE_MAX];
        struct stream_request request = {0};

        switch (kind) {
        case 0:
        case 1:
                request = (struct stream_request){STREAM_CREATE,
                                                  .create = {true, kind ? BYTES_LITERAL("a/b") : BYTES_LITERAL("s"), false, 1}};
                break;
        case 2:
                request = (struct stream_request){STREAM_PUSH, .push = {request_id_of(1, id), BYTES_LITERAL("x")}};
                break;
        case 3:
        case 4:
                request = (struct stream_request){STREAM_PULL, .pull = {request_id_of(2, id), kind == 3 ? 0 : 1000, 1}};
                break;
        case 5:
                request = (struct stream_request){STREAM_INDEX,
                                                  .index = {STREAM_INDEX_GET, BYTES_LITERAL("c"), BYTES_LITERAL("s"), false, 0, 0}};
                break;
        default:
                return BYTES_LITERAL("nonsense");
        }
        stream_put_request(&w, &request);
        assert_ok(writer_err(&w));
        return writer_bytes(&w);
}

static struct bytes answer_of(size_t kind, uint8_t *memory)
{
        struct writer w = writer_make(memory, 300);
        uint8_t id_memory[UINT_SIZE_MAX];
        struct request_id id = request_id_of(7, id_memory);
        struct stream_index_request index = {STREAM_INDEX_GET, BYTES_LITERAL("c"), BYTES_LITERAL("s"), false, 0, 0};

        switch (kind) {
        case 0:
                stream_put_error(&w, "Invalid request");
                break;
        case 1:
                stream_put_created(&w, BYTES_LITERAL("s"), false, 0);
                break;
        case 2:
                stream_put_created(&w, BYTES_LITERAL("s"), true, 1);
                break;
        case 3:
                stream_put_pushed(&w, id, false, 5);
                break;
        case 4:
                stream_put_index(&w, &index, true, 300);
                break;
        default:
                stream_put_pulled_head(&w, id, 0, 0);
        }
        assert_ok(writer_err(&w));
        return writer_bytes(&w);
}

struct asker {
        struct rig *rig;
        struct fake_link *link;
        struct conn *conn;
        char stream[ADDRESS_RANDOM_SIZE + 1]; /* its address */
};

/* A connection that has created a stream, by a frame, and knows its address from the answer. */
static struct asker asker_make(struct rig *rig)
{
        struct asker asker = {.rig = rig, .link = fake_link_new()};
        uint8_t payload[300], onward[300], ret[300], frame[600];
        struct writer w = writer_make(frame, sizeof frame);
        struct message answer;
        struct address from;

        assert_ok(conns_open(rig->conns, &asker.link->link, true, &asker.conn));
        struct message msg = {hop(ADDRESS_LOCAL, BYTES_LITERAL("stream_kafka"), onward), hop(ADDRESS_LOCAL, BYTES_LITERAL("me"), ret),
                              payload_of(0, payload)};
        writer_put_u8(&w, 0);
        writer_put_u8(&w, (uint8_t)message_size(&msg));
        message_put(&w, &msg);
        fake_link_feed(asker.link, writer_bytes(&w));
        test_context_advance(&rig->tc, 10);
        assert_true(asker.link->written_n > 2);
        assert_ok(message_read(bytes_make(asker.link->written + 2, asker.link->written_n - 2), 10, &answer));
        assert_true(route_front(answer.ret, &from));
        assert_int_equal(from.value.n, ADDRESS_RANDOM_SIZE);
        memcpy(asker.stream, from.value.p, from.value.n);
        fake_link_drain(asker.link, SIZE_MAX);
        fake_link_forget(asker.link);
        return asker;
}

static void ask(struct asker *asker, struct bytes to, struct route ret, struct bytes payload)
{
        uint8_t memory[300];
        struct message msg = {hop(ADDRESS_LOCAL, to, memory), ret, payload};

        router_post(asker->rig->router, (struct origin){ORIGIN_TCP, conn_id(asker->conn), NULL}, msg);
        test_context_advance(&asker->rig->tc, 6000);
}

static struct bytes worker_for(const struct asker *asker, size_t kind)
{
        return kind < 2 ? BYTES_LITERAL("stream_kafka") : kind == 5 ? BYTES_LITERAL("stream_kafka_index") : bytes_of_text(asker->stream);
}

static void R6_a_way_back_to_nowhere_or_to_the_services_ends_there(void **state)
{
        struct rig *rig = rig_new();
        struct asker asker = asker_make(rig);
        uint8_t memory[4][300], payload[300];
        struct route ways[] = {
                ROUTE_EMPTY,
                hop(ADDRESS_LOCAL, BYTES_LITERAL("stream_kafka"), memory[0]),
                hop(ADDRESS_LOCAL, BYTES_LITERAL("stream_kafka_index"), memory[1]),
                hop(ADDRESS_LOCAL, bytes_of_text(asker.stream), memory[2]),
                hop(ADDRESS_TCP, BYTES_LITERAL("127.0.0.1:4000"), memory[3]), /* R7 */
        };
        size_t ways_n = sizeof ways / sizeof *ways, written = asker.link->written_n;

        (void)state;
        for (size_t i = 0; i < ways_n; i++) {
                for (size_t kind = 0; kind < KINDS; kind++) {
                        uint64_t nowhere = count_of(rig, STAT_DROP_NO_WORKER), refused = count_of(rig, STAT_DROP_NOT_ALLOWED),
                                 replies = count_of(rig, STAT_DROP_REPLY);
                        bool local = i > 0 && i < 4;

                        ask(&asker, worker_for(&asker, kind), ways[i], payload_of(kind, payload));
                        if (count_of(rig, STAT_DROP_NO_WORKER) != nowhere + !local ||
                            count_of(rig, STAT_DROP_NOT_ALLOWED) != refused + local)
                                fail_msg("way %zu, %s: its answer was not dropped once", i, kinds[kind]);
                        assert_int_equal(count_of(rig, STAT_DROP_REPLY), replies);
                }
                for (size_t kind = 0; kind < ANSWERS; kind++) {
                        uint64_t replies = count_of(rig, STAT_DROP_REPLY),
                                 others = count_of(rig, STAT_DROP_NO_WORKER) + count_of(rig, STAT_DROP_NOT_ALLOWED);

                        ask(&asker, BYTES_LITERAL("stream_kafka"), ways[i], answer_of(kind, payload));
                        ask(&asker, BYTES_LITERAL("stream_kafka_index"), ways[i], answer_of(kind, payload));
                        ask(&asker, bytes_of_text(asker.stream), ways[i], answer_of(kind, payload));
                        if (count_of(rig, STAT_DROP_REPLY) != replies + 3)
                                fail_msg("way %zu, answer %zu: %llu of 3 were dropped", i, kind,
                                         (unsigned long long)(count_of(rig, STAT_DROP_REPLY) - replies));
                        assert_int_equal(count_of(rig, STAT_DROP_NO_WORKER) + count_of(rig, STAT_DROP_NOT_ALLOWED), others);
                }
        }
        assert_int_equal(asker.link->written_n, written); /* nothing of it came out */
        assert_int_equal(stream_service_figures(rig->service).open_requests + stream_service_figures(rig->service).held_pulls, 0);
        rig_free(rig);
        fake_link_free(asker.link);
}

/* An onward route that begins with a TCP address reaches nobody; there is nobody who could dial. */
static void R7_a_tcp_address_reaches_nobody(void **state)
{
        struct rig *rig = rig_new();
        uint8_t memory[300];
        struct message msg = {.onward = hop(ADDRESS_TCP, BYTES_LITERAL("127.0.0.1:4000"), memory), .payload = BYTES_LITERAL("x")};
        static const enum origin_kind all[] = {ORIGIN_LOCAL, ORIGIN_TCP, ORIGIN_STREAM, ORIGIN_CHANNEL, ORIGIN_CHANNEL_UNTRUSTED};

        (void)state;
        for (size_t i = 0; i < 5; i++) {
                router_post(rig->router, (struct origin){all[i], 0, NULL}, msg);
                assert_int_equal(count_of(rig, STAT_DROP_NO_WORKER), i + 1);
        }
        msg.onward = hop(ADDRESS_TCP, BYTES_LITERAL("stream_kafka"), memory); /* a service's name, as another kind of address */
        router_post(rig->router, (struct origin){ORIGIN_TCP, 0, NULL}, msg);
        assert_int_equal(count_of(rig, STAT_DROP_NO_WORKER), 6);
        rig_free(rig);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(R8_nobody_reaches_another_s_connection),
                cmocka_unit_test(R6_a_way_back_to_nowhere_or_to_the_services_ends_there),
                cmocka_unit_test(R7_a_tcp_address_reaches_nobody),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
