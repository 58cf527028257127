/* Endpoints around a node (endpoint_rig.h). */
#include "tests/support/endpoint_rig.h"

#include "tests/support/test.h"
#include "transport/secure_channel/secrets.h"

#include <stdio.h>

/* --- node and log --------------------------------------------------------------------------------------------------------- */

static void accept_link(void *user, struct link *take_link)
{
        struct endpoint_rig *rig = user;

        node_accept(rig->node, take_link);
}

void endpoint_rig_init(struct endpoint_rig *rig, uint64_t seed)
{
        const struct node_config config = {TRANSPORT_LIMITS_DEFAULT, SERVICE_LIMITS_DEFAULT};
        const struct log_limits limits = LOG_LIMITS_DEFAULT;

        memset(rig, 0, sizeof *rig);
        test_context_init(&rig->tc, seed);
        rig->net = sim_net_new(&rig->tc.ctx);
        rig->node = node_new(&rig->tc.ctx, &config);
        assert_non_null(rig->node);
        rig->log = log_memory_new(&rig->tc.ctx, &limits, &node_log_events, rig->node);
        assert_ok(node_set_log(rig->node, rig->log));
        rig->host = sim_net_listen(rig->net, "node:4000", accept_link, rig);
}

void endpoint_rig_clear(struct endpoint_rig *rig)
{
        sim_host_crash(rig->host);
        node_free(rig->node);
        test_context_advance(&rig->tc, 2 * SIM_NET_LINGER_MS);
        sim_net_free(rig->net);
        test_context_clear(&rig->tc);
}

void endpoint_rig_run(struct endpoint_rig *rig, uint64_t ms) { test_context_advance(&rig->tc, ms); }

uint64_t endpoint_rig_stat(const struct endpoint_rig *rig, enum stat_id stat) { return rig->tc.ctx.stats.v[stat]; }

size_t endpoint_rig_records(struct endpoint_rig *rig, const char *stream, const struct log_record **records)
{
        size_t count;

        assert_ok(log_memory_dump(rig->log, stream, 0, records, &count));
        return count;
}

void endpoint_rig_write(struct endpoint_rig *rig, const char *stream, struct bytes data)
{
        assert_ok(log_memory_write(rig->log, stream, 0, data, 0));
}

void endpoint_rig_copy(struct endpoint_rig *rig, const char *from, size_t i, const char *to)
{
        static uint8_t memory[FRAME_MAX];
        const struct log_record *records;

        assert_true(i < endpoint_rig_records(rig, from, &records));
        memcpy(memory, records[i].data.p, records[i].data.n);
        endpoint_rig_write(rig, to, bytes_make(memory, records[i].data.n));
}

/* --- endpoints ------------------------------------------------------------------------------------------------------------- */

static void on_ready(void *user)
{
        struct resident *resident = user;

        resident->ready++;
}

static void on_peer_up(void *user, struct channel *channel, bool named)
{
        struct resident *resident = user;

        (void)named;
        resident->ups++;
        resident->channel = channel;
}

static void on_peer_down(void *user, struct channel *channel, enum err err, const char *why)
{
        struct resident *resident = user;

        resident->downs++;
        resident->down_err = err;
        snprintf(resident->why, sizeof resident->why, "%s", why);
        if (channel == resident->channel) resident->channel = NULL;
}

static void on_message(void *user, const struct delivery *delivery)
{
        struct resident *resident = user;
        const struct bytes payload = delivery->msg.payload;

        resident->received++;
        resident->origin = delivery->origin.kind;
        resident->text_n = payload.n;
        memcpy(resident->text, payload.p, payload.n < RIG_TEXT_MAX ? payload.n : RIG_TEXT_MAX);
        if (resident->echo) assert_ok(endpoint_reply(resident->endpoint, delivery, payload));
}

static void on_drained(void *user) { (void)user; }

static void on_notice(void *user, enum err err, const char *text)
{
        struct resident *resident = user;

        (void)err;
        resident->notices++;
        snprintf(resident->notice, sizeof resident->notice, "%s", text);
}

static const struct endpoint_events events = {on_ready, on_peer_up, on_peer_down, on_message, on_drained, on_notice};

static void start(struct resident *resident)
{
        struct reason why = {""};

        resident->ready = 0;
        resident->channel = NULL;
        resident->endpoint = endpoint_new(&resident->rig->tc.ctx, &resident->config, &events, resident, &why);
        if (!resident->endpoint) fail_msg("%s", why.text);
        endpoint_rig_run(resident->rig, 100);
        if (resident->config.node_count) assert_int_equal(resident->ready, 1);
}

void resident_init(struct resident *resident, struct endpoint_rig *rig, uint8_t number, const struct endpoint_config *config)
{
        static const char *const nodes[] = {"node:4000"};

        memset(resident, 0, sizeof *resident);
        resident->rig = rig;
        resident->trust = (struct trust){.everyone = true};
        party_init(&resident->party, number, 1, rig->tc.utc_s - 1000);
        resident->config = *config;
        resident->config.net = sim_net_dialler(rig->net, 0);
        resident->config.nodes = nodes;
        resident->config.node_count = config->sender ? 1 : 0;
        resident->config.identity = resident->party.identity;
        resident->config.trust = &resident->trust;
        resident->config.transport = TRANSPORT_LIMITS_DEFAULT;
        resident->config.channel = CHANNEL_LIMITS_DEFAULT;
        resident->config.stream = STREAM_CLIENT_LIMITS_DEFAULT;
        start(resident);
}

void resident_init_bob(struct resident *bob, struct endpoint_rig *rig, uint8_t number)
{
        const struct endpoint_config config = {
                .sender = "bob_to_alice", .receiver = "alice_to_bob", .client_id = "bob", .listen = "listener", .application = "echoer"};

        resident_init(bob, rig, number, &config);
        bob->echo = true;
}

void resident_init_alice(struct resident *alice, struct endpoint_rig *rig, uint8_t number)
{
        const struct endpoint_config config = {.sender = "alice_to_bob", .receiver = "bob_to_alice", .client_id = "alice"};

        resident_init(alice, rig, number, &config);
}

/* Nothing of what it would still have sent goes out. */
static void kill_endpoint(struct resident *resident)
{
        sim_net_reset_all(resident->rig->net);
        endpoint_free(resident->endpoint);
        context_turn_end(&resident->rig->tc.ctx);
        resident->endpoint = NULL;
}

void resident_restart(struct resident *resident)
{
        kill_endpoint(resident);
        start(resident);
}

void resident_clear(struct resident *resident)
{
        if (resident->endpoint) kill_endpoint(resident);
        party_clear(&resident->party);
}

int endpoint_rig_open_pair(struct endpoint_rig *rig, uint64_t seed, struct resident *alice, struct resident *bob)
{
        endpoint_rig_init(rig, seed);
        resident_init_bob(bob, rig, 2);
        resident_init_alice(alice, rig, 1);
        return 0;
}

int endpoint_rig_close_pair(struct endpoint_rig *rig, struct resident *alice, struct resident *bob)
{
        resident_clear(alice);
        resident_clear(bob);
        endpoint_rig_clear(rig);
        return secrets_used() == 0 ? 0 : -1;
}

void resident_trust(struct resident *resident, const struct resident *other)
{
        resident->trusted = other->party.id;
        resident->trust = (struct trust){.list = &resident->trusted, .count = 1};
}

struct channel *resident_connect(struct resident *resident)
{
        const unsigned ups = resident->ups;
        struct channel *channel;

        assert_ok(endpoint_connect(resident->endpoint, BYTES_LITERAL("listener"), 5000, &channel));
        endpoint_rig_run(resident->rig, 100);
        assert_int_equal(resident->ups, ups + 1);
        assert_ptr_equal(resident->channel, channel);
        return channel;
}

void resident_send(struct resident *resident, struct channel *channel, const char *worker, const char *text)
{
        assert_ok(endpoint_send(resident->endpoint, channel, bytes_of_text(worker), bytes_of_text(text)));
        endpoint_rig_run(resident->rig, 100);
}

void resident_expect_echo(struct resident *resident, struct channel *channel, const char *text)
{
        const unsigned received = resident->received;

        resident_send(resident, channel, "echoer", text);
        assert_int_equal(resident->received, received + 1);
        assert_int_equal(resident->text_n, strlen(text));
        assert_memory_equal(resident->text, text, resident->text_n);
}
