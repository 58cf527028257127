/* The checker of stream frames. For each connection it keeps the requests without an answer; for each stream the truth as it has
 * seen it: which index holds which bytes, as a hash. */
#include "tests/support/stream_checker.h"

#include "stream/protocol.h"
#include "transport/base/logger.h"
#include "transport/frame.h"
#include "transport/message.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

enum { NAME_MAX_ = 249, KEY_MAX = 192, HOPS_MAX = 32 };

/* A record that was seen to stand at an index. */
struct seen {
        uint64_t index, hash;
};

struct stream {
        SLIST_ENTRY(stream) link;
        char name[NAME_MAX_ + 1];
        uint32_t partition;
        struct seen *seen; /* all records that any dump has shown, by index */
        size_t count, cap;
};

/* The worker at an address serves a stream; learned from the answer to a create. */
struct alias {
        SLIST_ENTRY(alias) link;
        uint8_t address[KEY_MAX];
        size_t address_n;
        struct stream *stream;
};

/* A push in the order of its connection and stream; it stays after its answer, for what comes behind it. */
struct push {
        TAILQ_ENTRY(push) next;
        const struct stream *stream;
        uint64_t index;
        bool acked;
};

struct request {
        TAILQ_ENTRY(request) next;
        enum stream_protocol protocol;
        uint8_t key[KEY_MAX]; /* who was asked, and by whom: the answer's return and onward route */
        size_t key_n;
        uint64_t id;           /* push, pull */
        uint64_t index, limit; /* pull */
        uint64_t hash;         /* push: of its bytes; create, index: of what is named, which the answer repeats */
        struct push *push;
};

struct side {
        uint8_t *p;
        size_t n, cap;
};

struct watched {
        SLIST_ENTRY(watched) link;
        uint64_t id;
        struct side side[2]; /* what client and node have written, from the first incomplete frame on */
        TAILQ_HEAD(, request) requests;
        TAILQ_HEAD(push_list, push) pushes;
};

struct stream_checker {
        stream_checker_dump *dump;
        void *user;
        SLIST_HEAD(, watched) conns;
        SLIST_HEAD(, stream) streams;
        SLIST_HEAD(, alias) aliases;
        struct stream_checker_figures figures;
        char violation[512];
};

__attribute__((format(printf, 2, 3))) static void violated(struct stream_checker *checker, const char *fmt, ...)
{
        va_list args;

        if (checker->violation[0]) return;
        va_start(args, fmt);
        vsnprintf(checker->violation, sizeof checker->violation, fmt, args);
        va_end(args);
}

static void *must(void *p)
{
        if (!p) abort();
        return p;
}

/* FNV-1a, going on from `hash`; nobody attacks a test. */
static uint64_t hash_more(uint64_t hash, struct bytes in)
{
        for (size_t i = 0; i < in.n; i++)
                hash = (hash ^ in.p[i]) * 0x100000001b3u;
        return (hash ^ in.n) * 0x100000001b3u;
}

static uint64_t hash_of(struct bytes in)
{
        return hash_more(0xcbf29ce484222325u, in);
}

/* --- the truth --- */

static struct stream *stream_named(struct stream_checker *checker, struct bytes name, uint64_t partition)
{
        struct stream *stream;

        SLIST_FOREACH(stream, &checker->streams, link)
                if (bytes_equal(bytes_of_text(stream->name), name) && stream->partition == partition) return stream;
        assert(name.n <= NAME_MAX_);
        stream = must(calloc(1, sizeof *stream));
        memcpy(stream->name, name.p, name.n);
        stream->partition = (uint32_t)partition;
        SLIST_INSERT_HEAD(&checker->streams, stream, link);
        return stream;
}

/* Compares the record with what was seen at its place before, or notes it as the next one. */
static void seen_check(struct stream_checker *checker, struct stream *stream, size_t at, const struct log_record *record)
{
        uint64_t hash = hash_of(record->data);

        if (at < stream->count) {
                if (stream->seen[at].index != record->index || stream->seen[at].hash != hash)
                        violated(checker, "I3: the record at %llu of %s is another one than before (now at %llu)",
                                 (unsigned long long)stream->seen[at].index, stream->name, (unsigned long long)record->index);
                return;
        }
        if (at > 0 && record->index <= stream->seen[at - 1].index)
                violated(checker, "I3: %s has record %llu behind %llu", stream->name, (unsigned long long)record->index,
                         (unsigned long long)stream->seen[at - 1].index);
        if (stream->count == stream->cap) {
                stream->cap = stream->cap ? 2 * stream->cap : 64;
                stream->seen = must(realloc(stream->seen, stream->cap * sizeof *stream->seen));
        }
        stream->seen[stream->count++] = (struct seen){record->index, hash};
}

/* Takes over what the log holds now; what was seen before is compared only with `all`, and else its last record alone. */
static void stream_refresh(struct stream_checker *checker, struct stream *stream, bool all)
{
        const struct log_record *records = NULL;
        size_t count = 0, from = all || stream->count == 0 ? 0 : stream->count - 1;

        if (checker->dump(checker->user, stream->name, stream->partition, &records, &count)) count = 0;
        if (count < stream->count) violated(checker, "I3: %s had %zu records and has %zu", stream->name, stream->count, count);
        for (size_t i = from; i < count; i++)
                seen_check(checker, stream, i, &records[i]);
}

/* Place of the first record at or behind `index`; the stream's count: none. */
static size_t seen_find(const struct stream *stream, uint64_t index)
{
        size_t low = 0, high = stream->count;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (stream->seen[middle].index < index) low = middle + 1;
                else high = middle;
        }
        return low;
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
static size_t key_of(uint8_t key[static KEY_MAX], struct route service, struct route client)
{
        struct writer w = writer_make(key, KEY_MAX);
        struct address front = {0};

        if (route_front(service, &front)) address_put(&w, front);
        route_put(&w, client);
        assert(!w.full);
        return w.n;
}

static uint64_t id_of(struct request_id id)
{
        struct bare_reader r = bare_reader_make(id.raw);

        return bare_uint(&r);
}

static struct stream *stream_behind(struct stream_checker *checker, struct route route)
{
        struct address front;
        struct alias *alias;

        if (!route_front(route, &front)) return NULL;
        SLIST_FOREACH(alias, &checker->aliases, link)
                if (bytes_equal(bytes_make(alias->address, alias->address_n), front.value)) return alias->stream;
        return NULL;
}

/* Fills in what the request asks for; false: no answer is due. */
static bool request_fill(struct stream_checker *checker, struct watched *conn, const struct stream_request *in, struct route to,
                         struct request *out)
{
        switch (in->protocol) {
        case STREAM_PUSH:
                checker->figures.pushes++;
                out->id = id_of(in->push.id);
                out->hash = hash_of(in->push.data);
                out->push = must(calloc(1, sizeof *out->push));
                out->push->stream = stream_behind(checker, to);
                TAILQ_INSERT_TAIL(&conn->pushes, out->push, next);
                return true;
        case STREAM_PULL:
                checker->figures.pulls++;
                out->id = id_of(in->pull.id);
                out->index = in->pull.index;
                out->limit = in->pull.limit;
                return true;
        case STREAM_INDEX:
                out->hash = hash_more(hash_of(in->index.client_id), in->index.stream_name);
                return in->index.kind == STREAM_INDEX_GET;
        case STREAM_CREATE:
                out->hash = hash_of(in->create.name);
                return true;
        case STREAM_CREATE_PARTITIONED:
        case STREAM_INDEX_PARTITIONED:
        case STREAM_ERROR:
        case STREAM_PROTOCOL_COUNT:
                break;
        }
        return false;
}

static void client_says(struct stream_checker *checker, struct watched *conn, const struct message *msg)
{
        struct stream_request in;
        struct request *request;

        if (stream_request_read(msg->payload, &in)) {
                violated(checker, "a client wrote something that is not a request");
                return;
        }
        request = must(calloc(1, sizeof *request));
        request->protocol = in.protocol;
        if (!request_fill(checker, conn, &in, msg->onward, request)) {
                free(request);
                return;
        }
        /* A create is asked of the service and answered by the stream's worker. */
        request->key_n = key_of(request->key, in.protocol == STREAM_CREATE ? ROUTE_EMPTY : msg->onward, msg->ret);
        TAILQ_INSERT_TAIL(&conn->requests, request, next);
}

/* --- answers --- */

static uint64_t repeated_hash(const struct stream_response *in)
{
        if (in->protocol == STREAM_CREATE) return hash_of(in->create.name);
        if (in->protocol == STREAM_INDEX) return hash_more(hash_of(in->index.client_id), in->index.stream_name);
        return 0;
}

static struct request *request_find(struct watched *conn, const struct stream_response *in, const struct message *msg)
{
        bool by_id = in->protocol == STREAM_PUSH || in->protocol == STREAM_PULL;
        uint64_t id = in->protocol == STREAM_PUSH ? in->push.id : in->pull.id, hash = repeated_hash(in);
        uint8_t key[KEY_MAX];
        size_t key_n = key_of(key, in->protocol == STREAM_CREATE ? ROUTE_EMPTY : msg->ret, msg->onward);
        struct request *request;

        TAILQ_FOREACH(request, &conn->requests, next) {
                if (request->protocol != in->protocol || !bytes_equal(bytes_make(request->key, request->key_n), bytes_make(key, key_n)))
                        continue;
                if (by_id ? request->id == id : request->hash == hash) return request;
        }
        return NULL;
}

static void created(struct stream_checker *checker, const struct stream_response *in, const struct message *msg)
{
        struct address front = {0};
        struct alias *alias;

        if (stream_behind(checker, msg->ret)) return;
        if (!route_front(msg->ret, &front) || front.value.n > KEY_MAX) {
                violated(checker, "a create was answered without an address");
                return;
        }
        alias = must(calloc(1, sizeof *alias));
        memcpy(alias->address, front.value.p, front.value.n);
        alias->address_n = front.value.n;
        alias->stream = stream_named(checker, in->create.name, 0);
        SLIST_INSERT_HEAD(&checker->aliases, alias, link);
}

/* I4: of this connection's pushes to the stream, those before stand before, those behind stand behind. */
static void order_check(struct stream_checker *checker, const struct push *push)
{
        const struct push *other;

        for (other = TAILQ_PREV(push, push_list, next); other; other = TAILQ_PREV(other, push_list, next)) {
                if (!other->acked || other->stream != push->stream) continue;
                if (other->index >= push->index)
                        violated(checker, "I4: %s: a push stands at %llu, one sent before it at %llu", push->stream->name,
                                 (unsigned long long)push->index, (unsigned long long)other->index);
                break;
        }
        for (other = TAILQ_NEXT(push, next); other; other = TAILQ_NEXT(other, next)) {
                if (!other->acked || other->stream != push->stream) continue;
                if (other->index <= push->index)
                        violated(checker, "I4: %s: a push stands at %llu, one sent behind it at %llu", push->stream->name,
                                 (unsigned long long)push->index, (unsigned long long)other->index);
                break;
        }
}

static void pushed(struct stream_checker *checker, const struct stream_response *in, const struct message *msg, struct request *request)
{
        struct stream *stream = stream_behind(checker, msg->ret);
        size_t at;

        if (in->push.failed) {
                checker->figures.failed++;
                return;
        }
        checker->figures.acknowledged++;
        if (!stream || request->push->stream != stream) {
                violated(checker, "I1: a push was acknowledged by someone who is no stream");
                return;
        }
        stream_refresh(checker, stream, false);
        at = seen_find(stream, in->push.index);
        if (at == stream->count || stream->seen[at].index != in->push.index)
                violated(checker, "I1: %s: acknowledged at %llu, where nothing is", stream->name, (unsigned long long)in->push.index);
        else if (stream->seen[at].hash != request->hash)
                violated(checker, "I1: %s: acknowledged at %llu, where other bytes are", stream->name, (unsigned long long)in->push.index);
        request->push->acked = true;
        request->push->index = in->push.index;
        order_check(checker, request->push);
}

/* I3: the answer is what the log holds from the index asked for on, without a gap and without anything else. */
static void pulled(struct stream_checker *checker, const struct stream_response *in, const struct message *msg, const struct request *request)
{
        struct stream *stream = stream_behind(checker, msg->ret);
        struct bytes messages = in->pull.messages;
        struct stream_message message;
        size_t at;

        if (!stream) {
                violated(checker, "I3: a pull was answered by someone who is no stream");
                return;
        }
        if (in->pull.count > request->limit) violated(checker, "I3: %s: more records than were asked for", stream->name);
        stream_refresh(checker, stream, false);
        at = seen_find(stream, request->index);
        for (; stream_message_next(&messages, &message); at++) {
                checker->figures.records++;
                if (at >= stream->count || stream->seen[at].index != message.index) {
                        violated(checker, "I3: %s: pulled from %llu, got %llu where %llu is next", stream->name,
                                 (unsigned long long)request->index, (unsigned long long)message.index,
                                 (unsigned long long)(at < stream->count ? stream->seen[at].index : UINT64_MAX));
                        return;
                }
                if (stream->seen[at].hash != hash_of(message.data))
                        violated(checker, "I3: %s: got other bytes than stand at %llu", stream->name, (unsigned long long)message.index);
        }
}

static void node_says(struct stream_checker *checker, struct watched *conn, const struct message *msg)
{
        struct stream_response in;
        struct request *request;
        char text[200];

        if (stream_response_read(msg->payload, &in)) {
                violated(checker, "the node wrote something that is not an answer");
                return;
        }
        if (in.protocol == STREAM_ERROR) checker->figures.errors++;
        if (in.protocol == STREAM_ERROR || in.protocol == STREAM_CREATE_PARTITIONED || in.protocol == STREAM_INDEX_PARTITIONED) return;
        request = request_find(conn, &in, msg);
        if (!request) {
                violated(checker, "the node answered (protocol %d) what was not asked, or twice, to %s", (int)in.protocol,
                         route_text(msg->onward, text, sizeof text));
                return;
        }
        if (in.protocol == STREAM_CREATE) created(checker, &in, msg);
        if (in.protocol == STREAM_PUSH) pushed(checker, &in, msg, request);
        if (in.protocol == STREAM_PULL) pulled(checker, &in, msg, request);
        TAILQ_REMOVE(&conn->requests, request, next);
        free(request);
}

/* --- frames --- */

static void frame_check(struct stream_checker *checker, struct watched *conn, bool by_client, struct bytes body)
{
        struct message msg;

        if (body.n == 0) return;
        if (message_read(body, HOPS_MAX, &msg)) {
                violated(checker, "%s wrote a frame that does not decode", by_client ? "a client" : "the node");
                return;
        }
        if (msg.onward.count == 0) return;
        if (by_client) client_says(checker, conn, &msg);
        else node_says(checker, conn, &msg);
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

void stream_checker_opened(struct stream_checker *checker, uint64_t id)
{
        struct watched *conn = must(calloc(1, sizeof *conn));

        conn->id = id;
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

/* --- as a whole --- */

struct stream_checker *stream_checker_new(stream_checker_dump *dump, void *user)
{
        struct stream_checker *checker = must(calloc(1, sizeof *checker));

        checker->dump = dump;
        checker->user = user;
        return checker;
}

void stream_checker_free(struct stream_checker *checker)
{
        struct watched *conn;
        struct stream *stream;
        struct alias *alias;

        if (!checker) return;
        while ((conn = SLIST_FIRST(&checker->conns))) {
                SLIST_REMOVE_HEAD(&checker->conns, link);
                watched_free(conn);
        }
        while ((alias = SLIST_FIRST(&checker->aliases))) {
                SLIST_REMOVE_HEAD(&checker->aliases, link);
                free(alias);
        }
        while ((stream = SLIST_FIRST(&checker->streams))) {
                SLIST_REMOVE_HEAD(&checker->streams, link);
                free(stream->seen);
                free(stream);
        }
        free(checker);
}

void stream_checker_finish(struct stream_checker *checker)
{
        struct stream *stream;

        SLIST_FOREACH(stream, &checker->streams, link)
                stream_refresh(checker, stream, true);
}

const char *stream_checker_violation(const struct stream_checker *checker)
{
        return checker->violation[0] ? checker->violation : NULL;
}

struct stream_checker_figures stream_checker_figures(const struct stream_checker *checker)
{
        return checker->figures;
}
