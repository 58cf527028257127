/* The checker of stream frames. For each connection it keeps the requests without an answer; what the streams hold is
 * stream_truth.h's matter, and what a reader may do reader_checker.h's. */
#include "tests/support/stream_checker.h"

#include "tests/support/reader_checker.h"
#include "tests/support/stream_truth.h"
#include "stream/protocol.h"
#include "transport/base/logger.h"
#include "transport/frame.h"
#include "transport/message.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

enum {
        ADDRESS_MAX = 64,
        HOPS_MAX = 256,
        RECORD_SURE = 64000, /* with the routes: a record up to so many bytes always fits an answer; a larger one may be passed over */
};

/* The worker at an address serves a stream; learned from the answer to a create. */
struct alias {
        UT_hash_handle hh;
        uint8_t address[ADDRESS_MAX];
        size_t address_n;
        struct truth_stream *stream;
};

/* A push in the order of its connection and stream; it stays after its answer, for what comes behind it. */
struct push {
        TAILQ_ENTRY(push) next;
        struct truth_stream *stream;           /* NULL: to an address that is no stream's */
        const struct generation *generation;   /* where it stands; NULL: not acknowledged, or it could stand in several */
        uint64_t index;
};

struct request {
        TAILQ_ENTRY(request) next;
        enum stream_protocol protocol;
        uint64_t key;          /* who was asked, and by whom: the answer's return and onward route, hashed */
        uint64_t id;           /* push, pull */
        uint64_t index, limit; /* pull */
        const struct generation *generation; /* pull: the stream's when it was asked, ... */
        uint64_t start;        /* ... and what retention had removed of that */
        size_t sure;           /* pull: a record of so many bytes fits the answer */
        uint64_t answers;      /* partitioned create: how many are due */
        uint64_t hash;         /* push: of its bytes; create, index: of what is named, which the answer repeats */
        struct push *push;
};

/* A true endpoint, through all its connections. */
struct party {
        UT_hash_handle hh;
        uint64_t who;
        struct reader_checker reader;
};

struct side {
        uint8_t *p;
        size_t n, cap;
};

struct watched {
        SLIST_ENTRY(watched) link;
        uint64_t id;
        struct party *party; /* NULL: whoever, who may write what he likes */
        struct side side[2]; /* what client and node have written, from the first incomplete frame on */
        TAILQ_HEAD(, request) requests;
        TAILQ_HEAD(push_list, push) pushes;
};

struct stream_checker {
        struct stream_truth truth;
        SLIST_HEAD(, watched) conns;
        struct alias *aliases;
        struct party *parties;
        struct stream_checker_figures figures;
};

#define violated(checker, ...) stream_truth_violated(&(checker)->truth, __VA_ARGS__)

static void *must(void *p)
{
        if (!p) abort();
        return p;
}

/* --- requests --- */

static struct watched *watched_find(struct stream_checker *checker, uint64_t id)
{
        struct watched *conn;

        SLIST_FOREACH(conn, &checker->conns, link)
                if (conn->id == id) return conn;
        return NULL;
}

/* The first address of `service`, then the whole of `client`: what a request and its answer have in common. */
static uint64_t key_of(struct route service, struct route client)
{
        struct address front = {0};
        uint64_t hash = route_front(service, &front) ? truth_hash(front.value) : 0;

        return truth_hash_more(hash + client.count, client.encoded);
}

static uint64_t id_of(struct request_id id)
{
        struct bare_reader r = bare_reader_make(id.raw);

        return bare_uint(&r);
}

static struct truth_stream *stream_behind(struct stream_checker *checker, struct route route)
{
        struct address front;
        struct alias *alias;

        if (!route_front(route, &front)) return NULL;
        HASH_FIND(hh, checker->aliases, front.value.p, front.value.n, alias);
        return alias ? alias->stream : NULL;
}

/* What a reader does wrong, in a sentence with two numbers in it at most. */
static void reader_violated(struct stream_checker *checker, const struct watched *conn, const char *what, uint64_t is, uint64_t should)
{
        char text[256];

        if (!what) return;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(text, sizeof text, what, (unsigned long long)is, (unsigned long long)should);
#pragma GCC diagnostic pop
        violated(checker, "%s (party %llu)", text, (unsigned long long)conn->party->who);
}

static void push_fill(struct stream_checker *checker, struct watched *conn, const struct stream_push_request *in, struct route to,
                      struct request *out)
{
        checker->figures.pushes++;
        out->id = id_of(in->id);
        out->hash = truth_hash(in->data);
        out->push = must(calloc(1, sizeof *out->push));
        out->push->stream = stream_behind(checker, to);
        if (out->push->stream) truth_asked(&checker->truth, out->push->stream, out->hash);
        TAILQ_INSERT_TAIL(&conn->pushes, out->push, next);
}

static void pull_fill(struct stream_checker *checker, struct watched *conn, const struct stream_pull_request *in, struct route to,
                      struct request *out)
{
        const struct truth_stream *stream = stream_behind(checker, to);
        uint64_t reach;

        checker->figures.pulls++;
        out->id = id_of(in->id);
        out->index = in->index;
        out->limit = in->limit;
        out->generation = stream ? stream->now : NULL;
        out->start = stream ? stream->now->start : 0;
        if (!conn->party) return;
        reach = conn->party->reader.reach;
        reader_violated(checker, conn, reader_pulls(&conn->party->reader, in->index, in->limit), in->index, reach);
}

static uint64_t index_hash(struct bytes client_id, struct bytes stream_name, bool partitioned, uint64_t partition)
{
        return truth_hash_more(truth_hash_more(partitioned ? partition + 1 : 0, client_id), stream_name);
}

/* Whether an answer is due. */
static bool index_fill(struct stream_checker *checker, struct watched *conn, const struct stream_index_request *in, struct request *out)
{
        out->hash = index_hash(in->client_id, in->stream_name, in->partitioned, in->partition);
        if (in->kind == STREAM_INDEX_GET) {
                if (conn->party) reader_violated(checker, conn, reader_asks_index(&conn->party->reader), 0, 0);
                return true;
        }
        checker->figures.saves++;
        if (conn->party)
                reader_violated(checker, conn, reader_saves(&conn->party->reader, in->index), in->index, conn->party->reader.reach);
        return false;
}

/* Fills in what the request asks for; false: no answer is due. */
static bool request_fill(struct stream_checker *checker, struct watched *conn, const struct stream_request *in, struct route to,
                         struct request *out)
{
        switch (in->protocol) {
        case STREAM_PUSH:
                push_fill(checker, conn, &in->push, to, out);
                return true;
        case STREAM_PULL:
                pull_fill(checker, conn, &in->pull, to, out);
                return true;
        case STREAM_INDEX:
        case STREAM_INDEX_PARTITIONED:
                return index_fill(checker, conn, &in->index, out);
        case STREAM_CREATE:
        case STREAM_CREATE_PARTITIONED:
                out->hash = in->create.named ? truth_hash(in->create.name) : 0;
                out->answers = in->create.partitions;
                return true;
        case STREAM_ERROR:
        case STREAM_PROTOCOL_COUNT:
                break;
        }
        return false;
}

/* A create is asked of the service and answered by the stream's worker. */
static bool is_create(enum stream_protocol protocol) { return protocol == STREAM_CREATE || protocol == STREAM_CREATE_PARTITIONED; }

static void client_says(struct stream_checker *checker, struct watched *conn, const struct message *msg)
{
        struct stream_request in;
        struct request *request;

        if (stream_request_read(msg->payload, &in)) {
                if (conn->party) violated(checker, "a client wrote something that is not a request");
                return;
        }
        request = must(calloc(1, sizeof *request));
        request->protocol = in.protocol;
        if (!request_fill(checker, conn, &in, msg->onward, request)) {
                free(request);
                return;
        }
        request->sure = RECORD_SURE > msg->ret.encoded.n ? RECORD_SURE - msg->ret.encoded.n : 0;
        request->key = key_of(is_create(in.protocol) ? ROUTE_EMPTY : msg->onward, msg->ret);
        TAILQ_INSERT_TAIL(&conn->requests, request, next);
}

/* --- answers --- */

static bool answers(const struct request *request, const struct stream_response *in)
{
        switch (in->protocol) {
        case STREAM_PUSH: return request->id == in->push.id;
        case STREAM_PULL: return request->id == in->pull.id;
        case STREAM_CREATE:
        case STREAM_CREATE_PARTITIONED: return request->hash == truth_hash(in->create.name) || request->hash == 0;
        default:
                return request->hash ==
                       index_hash(in->index.client_id, in->index.stream_name, in->index.partitioned, in->index.partition);
        }
}

/* Whether the push stands where the answer says, in a generation that is noted then; `place` is the latest with anything at that index. */
static bool push_stands(struct request *request, uint64_t index, const struct seen **place)
{
        const struct generation *generation = request->push->stream ? request->push->stream->now : NULL;
        size_t found = 0;

        request->push->generation = NULL;
        for (; generation; generation = generation->older) {
                size_t at = generation_find(generation, index);

                if (at == generation->count || generation->seen[at].index != index) continue;
                if (!*place) *place = &generation->seen[at];
                if (generation->seen[at].hash != request->hash) continue;
                request->push->generation = generation;
                found++;
        }
        if (found > 1) request->push->generation = NULL; /* which one is not to be known */
        return found > 0;
}

/* The request that this answers. Where ids repeat, which they may, a push that stands where the answer says goes before the others. */
static struct request *request_find(struct watched *conn, const struct stream_response *in, const struct message *msg)
{
        uint64_t key = key_of(is_create(in->protocol) ? ROUTE_EMPTY : msg->ret, msg->onward);
        struct request *request, *first = NULL;
        const struct seen *place = NULL;

        TAILQ_FOREACH(request, &conn->requests, next) {
                if (request->protocol != in->protocol || request->key != key || !answers(request, in)) continue;
                if (in->protocol != STREAM_PUSH || in->push.failed || push_stands(request, in->push.index, &place)) return request;
                if (!first) first = request;
        }
        return first;
}

static void created(struct stream_checker *checker, const struct stream_response *in, const struct message *msg)
{
        struct address front = {0};
        struct alias *alias;

        if (stream_behind(checker, msg->ret)) return;
        if (!route_front(msg->ret, &front) || front.value.n > ADDRESS_MAX) {
                violated(checker, "a create was answered without an address");
                return;
        }
        alias = must(calloc(1, sizeof *alias));
        memcpy(alias->address, front.value.p, front.value.n);
        alias->address_n = front.value.n;
        alias->stream = truth_stream_named(&checker->truth, in->create.name, in->create.partitioned ? in->create.partition : 0);
        HASH_ADD(hh, checker->aliases, address, (unsigned)alias->address_n, alias);
}

/* I4: of this connection's pushes to the stream, those before stand before, those behind stand behind. */
static void order_check(struct stream_checker *checker, const struct push *push)
{
        const struct push *other;

        if (!push->generation) return;
        for (other = TAILQ_PREV(push, push_list, next); other; other = TAILQ_PREV(other, push_list, next)) {
                if (other->generation != push->generation) continue;
                if (other->index >= push->index)
                        violated(checker, "I4: %s: a push stands at %llu, one sent before it at %llu", push->stream->name,
                                 (unsigned long long)push->index, (unsigned long long)other->index);
                break;
        }
        for (other = TAILQ_NEXT(push, next); other; other = TAILQ_NEXT(other, next)) {
                if (other->generation != push->generation) continue;
                if (other->index <= push->index)
                        violated(checker, "I4: %s: a push stands at %llu, one sent behind it at %llu", push->stream->name,
                                 (unsigned long long)push->index, (unsigned long long)other->index);
                break;
        }
}

static void pushed(struct stream_checker *checker, const struct stream_response *in, const struct message *msg, struct request *request)
{
        struct truth_stream *stream = stream_behind(checker, msg->ret);
        const struct seen *place = NULL;

        if (in->push.failed) {
                checker->figures.failed++;
                if (stream) truth_refused(&checker->truth, stream, request->hash);
                return;
        }
        checker->figures.acknowledged++;
        if (!stream || request->push->stream != stream) {
                violated(checker, "I1: a push was acknowledged by someone who is no stream");
                return;
        }
        request->push->index = in->push.index;
        if (push_stands(request, in->push.index, &place))
                order_check(checker, request->push);
        else if (!place)
                violated(checker, "I1: %s: acknowledged at %llu, where nothing is", stream->name, (unsigned long long)in->push.index);
        else
                violated(checker, "I1: %s: acknowledged at %llu, where other bytes are", stream->name, (unsigned long long)in->push.index);
}

/* What is wrong with an answer to a pull, as one from this generation. */
static bool pull_fits(const struct generation *generation, const struct request *request, struct bytes messages, uint64_t *is, uint64_t *should)
{
        uint64_t start = generation == request->generation ? request->start : 0, from = request->index > start ? request->index : start;
        size_t at = generation_find(generation, from), latest = generation_find(generation, generation->start);
        struct stream_message message;
        bool first = true;

        for (; stream_message_next(&messages, &message); at++) {
                /* Retention may have removed more meanwhile, and what is too large for an answer is passed over. */
                while (at < generation->count && generation->seen[at].index < message.index &&
                       ((first && at < latest) || generation->seen[at].size > request->sure))
                        at++;
                *is = message.index;
                *should = at < generation->count ? generation->seen[at].index : UINT64_MAX;
                if (*is != *should) return false;
                if (generation->seen[at].hash != truth_hash(message.data)) return false;
                first = false;
        }
        return true;
}

static uint64_t last_index(struct bytes messages)
{
        struct stream_message message = {0};

        while (stream_message_next(&messages, &message)) continue;
        return message.index;
}

/* I3: the answer is what the log holds from the index asked for on, without a gap and without anything else. */
static void pulled(struct stream_checker *checker, struct watched *conn, const struct stream_response *in, const struct message *msg,
                   const struct request *request)
{
        struct truth_stream *stream = stream_behind(checker, msg->ret);
        const struct generation *generation;
        uint64_t is = 0, should = 0, older_is, older_should;

        if (!stream) {
                violated(checker, "I3: a pull was answered by someone who is no stream");
                return;
        }
        checker->figures.records += in->pull.count;
        if (in->pull.count > request->limit) violated(checker, "I3: %s: more records than were asked for", stream->name);
        if (conn->party)
                reader_is_given(&conn->party->reader, request->index, request->limit, in->pull.count, last_index(in->pull.messages));
        generation = stream->now;
        if (pull_fits(generation, request, in->pull.messages, &is, &should)) return;
        while ((generation = generation->older))
                if (pull_fits(generation, request, in->pull.messages, &older_is, &older_should)) return;
        if (is == should)
                violated(checker, "I3: %s: got other bytes than stand at %llu", stream->name, (unsigned long long)is);
        else
                violated(checker, "I3: %s: pulled from %llu, got %llu where %llu is next", stream->name, (unsigned long long)request->index,
                         (unsigned long long)is, (unsigned long long)should);
}

static void request_take(struct watched *conn, struct request *request)
{
        if (request->protocol == STREAM_CREATE_PARTITIONED && --request->answers > 0) return;
        TAILQ_REMOVE(&conn->requests, request, next);
        free(request);
}

static void node_says(struct stream_checker *checker, struct watched *conn, const struct message *msg)
{
        struct truth_stream *stream = stream_behind(checker, msg->ret);
        struct stream_response in;
        struct request *request;
        char text[200];

        if (stream_response_read(msg->payload, &in)) {
                violated(checker, "the node wrote something that is not an answer");
                return;
        }
        if (in.protocol == STREAM_ERROR) {
                checker->figures.errors++;
                return;
        }
        if (stream) truth_refresh(&checker->truth, stream, false);
        request = request_find(conn, &in, msg);
        if (!request) {
                violated(checker, "the node answered (protocol %d) what was not asked, or twice, to %s", (int)in.protocol,
                         route_text(msg->onward, text, sizeof text));
                return;
        }
        if (is_create(in.protocol)) created(checker, &in, msg);
        if (in.protocol == STREAM_PUSH) pushed(checker, &in, msg, request);
        if (in.protocol == STREAM_PULL) pulled(checker, conn, &in, msg, request);
        if (in.protocol == STREAM_INDEX && conn->party)
                reader_is_told(&conn->party->reader, in.index.present ? in.index.index : 0);
        request_take(conn, request);
}

/* --- frames --- */

static void frame_check(struct stream_checker *checker, struct watched *conn, bool by_client, struct bytes body)
{
        struct message msg;

        if (body.n == 0) return;
        if (message_read(body, HOPS_MAX, &msg)) {
                if (!by_client || conn->party)
                        violated(checker, "%s wrote a frame that does not decode", by_client ? "a client" : "the node");
                return;
        }
        if (msg.onward.count == 0) return;
        if (by_client)
                client_says(checker, conn, &msg);
        else
                node_says(checker, conn, &msg);
}

void stream_checker_written(struct stream_checker *checker, uint64_t id, bool by_client, struct bytes bytes)
{
        struct watched *conn = watched_find(checker, id);
        struct side *side;
        struct bytes body;
        size_t used, at = 0;

        if (!conn) {
                violated(checker, "bytes on a connection that is over");
                return;
        }
        side = &conn->side[by_client];
        if (bytes.n > side->cap - side->n) {
                side->cap = 2 * side->cap + bytes.n;
                side->p = must(realloc(side->p, side->cap));
        }
        memcpy(side->p + side->n, bytes.p, bytes.n);
        side->n += bytes.n;
        while (frame_next(bytes_make(side->p + at, side->n - at), &used, &body) == OK) {
                frame_check(checker, conn, by_client, body);
                at += used;
        }
        side->n -= at;
        if (side->n && at) memmove(side->p, side->p + at, side->n);
}

static struct party *party_of(struct stream_checker *checker, uint64_t who)
{
        struct party *party;

        if (!who) return NULL;
        HASH_FIND(hh, checker->parties, &who, sizeof who, party);
        if (party) return party;
        party = must(calloc(1, sizeof *party));
        party->who = who;
        HASH_ADD(hh, checker->parties, who, sizeof party->who, party);
        return party;
}

void stream_checker_opened(struct stream_checker *checker, uint64_t id, uint64_t who)
{
        struct watched *conn = must(calloc(1, sizeof *conn));

        conn->id = id;
        conn->party = party_of(checker, who);
        TAILQ_INIT(&conn->requests);
        TAILQ_INIT(&conn->pushes);
        SLIST_INSERT_HEAD(&checker->conns, conn, link);
        checker->figures.connections++;
}

static void watched_free(struct watched *conn)
{
        struct request *request;
        struct push *push;

        while ((request = TAILQ_FIRST(&conn->requests))) {
                TAILQ_REMOVE(&conn->requests, request, next);
                free(request);
        }
        while ((push = TAILQ_FIRST(&conn->pushes))) {
                TAILQ_REMOVE(&conn->pushes, push, next);
                free(push);
        }
        free(conn->side[0].p);
        free(conn->side[1].p);
        free(conn);
}

void stream_checker_closed(struct stream_checker *checker, uint64_t id)
{
        struct watched *conn = watched_find(checker, id);

        if (!conn) return;
        SLIST_REMOVE(&checker->conns, conn, watched, link);
        watched_free(conn);
}

/* --- what happens to the log behind everybody's back --- */

void stream_checker_foreign(struct stream_checker *checker, const char *name, uint32_t partition, struct bytes data)
{
        truth_asked(&checker->truth, truth_stream_named(&checker->truth, bytes_of_text(name), partition), truth_hash(data));
}

void stream_checker_truncates(struct stream_checker *checker, const char *name, uint32_t partition, uint64_t index)
{
        truth_truncates(&checker->truth, name, partition, index);
}

void stream_checker_deletes(struct stream_checker *checker, const char *name) { truth_deletes(&checker->truth, name); }

uint64_t stream_checker_read_upto(struct stream_checker *checker, uint64_t who) { return party_of(checker, who)->reader.low; }

/* --- as a whole --- */

struct stream_checker *stream_checker_new(stream_checker_dump *dump, void *user)
{
        struct stream_checker *checker = must(calloc(1, sizeof *checker));

        stream_truth_init(&checker->truth, dump, user);
        return checker;
}

void stream_checker_free(struct stream_checker *checker)
{
        struct watched *conn;
        struct alias *alias, *next_alias;
        struct party *party, *next_party;

        if (!checker) return;
        while ((conn = SLIST_FIRST(&checker->conns))) {
                SLIST_REMOVE_HEAD(&checker->conns, link);
                watched_free(conn);
        }
        HASH_ITER(hh, checker->aliases, alias, next_alias)
        {
                HASH_DEL(checker->aliases, alias);
                free(alias);
        }
        HASH_ITER(hh, checker->parties, party, next_party)
        {
                HASH_DEL(checker->parties, party);
                free(party);
        }
        stream_truth_clear(&checker->truth);
        free(checker);
}

void stream_checker_finish(struct stream_checker *checker) { truth_refresh_all(&checker->truth); }

const char *stream_checker_violation(const struct stream_checker *checker)
{
        return checker->truth.violation[0] ? checker->truth.violation : NULL;
}

struct stream_checker_figures stream_checker_figures(const struct stream_checker *checker) { return checker->figures; }
