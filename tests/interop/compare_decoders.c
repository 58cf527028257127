/* Our decoders against the crate's (crate-0.116/src/bin/decoders.rs says what comes on stdin): both must take the same inputs, understand
 * the same by them, and write that down in the same bytes. What we take in we also write, read and write again: the same each time.
 *
 * Where both differ on purpose there is a reason in the list below, with a rule by which it is recognised; docs/protocol.md has them too.
 */
#include "stream/protocol.h"
#include "tests/interop/items.h"
#include "transport/secure_channel/channel_message.h"
#include "transport/secure_channel/crypto.h"
#include "transport/secure_channel/identity.h"

#include <inttypes.h>
#include <string.h>

enum { INPUT_MAX = 1 << 20, HOPS_MAX = 100000, CHANGES_MAX = 64, SHOWN_MAX = 10, CBOR_BREAK = 0xff, CBOR_NULL = 0xf6 };

enum verdict { REFUSED, TAKEN, LEFTOVER };

enum reason_id {
        BOTH_ALIKE,
        NAME_NOT_UTF8,      /* the hub takes names as bytes and leaves it to Kafka to refuse them, and so do we */
        ID_OVER_64_BITS,    /* the hub takes and echoes such ids */
        CREDENTIALS_UNREAD, /* nobody here has an authority: credentials are skipped, not read */
        NESTED_TOO_DEEP,    /* unknown items are skipped to a depth of 16 */
        STRAY_BREAK,        /* the crate's skipping takes a "break" that ends nothing for an item */
        REASONS,
        DIFFERENT = REASONS,
};

static const char *const reasons[REASONS] = {
        "alike",           "a name that is not UTF-8", "an id over 64 bits", "credentials are not read",
        "nested too deep", "a break that ends nothing"};

/* What one side made of an input: its verdict and its own encoding. */
struct outcome {
        enum verdict verdict;
        struct bytes encoding;
};

static struct arena arena;

static enum verdict verdict_of(enum err err) { return err == OK ? TAKEN : err == ERR_TRAILING ? LEFTOVER : REFUSED; }

static struct bytes written(const struct writer *w)
{
        if (w->full) DIE("no room for an encoding");
        return writer_bytes(w);
}

/* --- transport messages --------------------------------------------------------------------------------------------------- */

/* A route goes on as it came, lengths longer than needed with it; here each address is written anew. */
static void put_route_anew(struct writer *w, struct route route)
{
        struct address front;

        bare_put_uint(w, route.count);
        for (; route_front(route, &front); route = route_rest(route))
                address_put(w, front);
}

static void put_message_anew(struct writer *w, const struct message *msg)
{
        writer_put_u8(w, 1);
        put_route_anew(w, msg->onward);
        put_route_anew(w, msg->ret);
        bare_put_data(w, msg->payload);
}

static struct outcome transport(struct bytes in, uint8_t *memory)
{
        static uint8_t passed_memory[INPUT_MAX], passed_anew_memory[INPUT_MAX];
        struct writer w = writer_make(memory, INPUT_MAX), passed = writer_make(passed_memory, INPUT_MAX),
                      passed_anew = writer_make(passed_anew_memory, INPUT_MAX);
        struct message msg;

        if (message_read(in, HOPS_MAX, &msg)) return (struct outcome){.verdict = REFUSED};
        put_message_anew(&w, &msg);
        message_put(&passed, &msg);
        if (message_size(&msg) != passed.n) DIE("message_size says %zu for %zu bytes", message_size(&msg), passed.n);
        if (message_read(written(&passed), HOPS_MAX, &msg)) DIE("a message that we wrote does not decode");
        put_message_anew(&passed_anew, &msg);
        if (!bytes_equal(written(&passed_anew), written(&w))) DIE("a message that we passed on has become another");
        return (struct outcome){TAKEN, written(&w)};
}

static enum reason_id no_reason(struct bytes in, const struct outcome *crates)
{
        (void)in;
        (void)crates;
        return DIFFERENT;
}

/* --- stream messages ------------------------------------------------------------------------------------------------------ */

static struct outcome request(struct bytes in, uint8_t *memory)
{
        struct writer w = writer_make(memory, INPUT_MAX);
        struct stream_request request;
        enum err err = stream_request_read(in, &request);

        if (err) return (struct outcome){.verdict = verdict_of(err)};
        stream_put_request(&w, &request);
        return (struct outcome){TAKEN, written(&w)};
}

static void put_pulled(struct writer *w, const struct stream_response *response)
{
        struct bytes messages = response->pull.messages;
        uint8_t id[UINT_SIZE_MAX];
        struct stream_message message;
        size_t size = 0;

        while (stream_message_next(&messages, &message))
                size += stream_pulled_message_size(message.index, message.data.n);
        stream_put_pulled_head(w, request_id_of(response->pull.id, id), response->pull.count, size);
        messages = response->pull.messages;
        while (stream_message_next(&messages, &message))
                stream_put_pulled_message(w, message.index, message.data);
}

static struct outcome response(struct bytes in, uint8_t *memory)
{
        struct writer w = writer_make(memory, INPUT_MAX);
        struct stream_response response;
        uint8_t id[UINT_SIZE_MAX];
        enum err err = stream_response_read(in, &response);

        if (err) return (struct outcome){.verdict = verdict_of(err)};
        switch (response.protocol) {
        case STREAM_CREATE:
                stream_put_created(&w, response.create.name, false, 0);
                break;
        case STREAM_PUSH:
                stream_put_pushed(&w, request_id_of(response.push.id, id), response.push.failed, response.push.index);
                break;
        case STREAM_PULL:
                put_pulled(&w, &response);
                break;
        case STREAM_INDEX: {
                struct stream_index_request index = {.client_id = response.index.client_id, .stream_name = response.index.stream_name};

                stream_put_index(&w, &index, response.index.present, response.index.index);
                break;
        }
        default: /* of the hub's alone: the crate knows neither partitions nor errors */
                return (struct outcome){.verdict = REFUSED};
        }
        return (struct outcome){TAKEN, written(&w)};
}

static bool not_utf8(struct bytes a, struct bytes b) { return !bytes_are_utf8(a) || !bytes_are_utf8(b); }

static enum reason_id request_reason(struct bytes in, const struct outcome *crates)
{
        struct stream_request request;

        if (crates->verdict != REFUSED || stream_request_read(in, &request)) return DIFFERENT;
        switch (request.protocol) {
        case STREAM_CREATE:
                return not_utf8(request.create.name, BYTES_NONE) ? NAME_NOT_UTF8 : DIFFERENT;
        case STREAM_INDEX:
                return not_utf8(request.index.client_id, request.index.stream_name) ? NAME_NOT_UTF8 : DIFFERENT;
        case STREAM_PUSH:
        case STREAM_PULL: {
                struct bare_reader id = bare_reader_make(request.protocol == STREAM_PUSH ? request.push.id.raw : request.pull.id.raw);

                bare_uint(&id);
                return id.err ? ID_OVER_64_BITS : DIFFERENT;
        }
        default:
                return DIFFERENT;
        }
}

/* --- what is in channels ---------------------------------------------------------------------------------------------------- */

static struct outcome channel(struct bytes in, uint8_t *memory)
{
        struct writer w = writer_make(memory, INPUT_MAX);
        struct channel_message message;

        if (channel_message_read(in, &arena, HOPS_MAX, &message)) return (struct outcome){.verdict = REFUSED};
        if (message.kind == CHANNEL_MESSAGE_PAYLOAD)
                channel_payload_put(&w, &message.msg);
        else if (message.kind == CHANNEL_MESSAGE_CLOSE)
                channel_close_put(&w);
        if (message.kind == CHANNEL_MESSAGE_PAYLOAD && channel_payload_size(&message.msg) != w.n) DIE("channel_payload_size is wrong");
        return (struct outcome){TAKEN, written(&w)};
}

static enum reason_id channel_reason(struct bytes in, const struct outcome *crates)
{
        struct channel_message message;
        enum err err = channel_message_read(in, &arena, HOPS_MAX, &message);

        if (!err && message.kind == CHANNEL_MESSAGE_CREDENTIALS) return CREDENTIALS_UNREAD;
        if (crates->verdict == TAKEN && err == ERR_TOO_LARGE) return NESTED_TOO_DEEP;
        return DIFFERENT;
}

static struct outcome history(struct bytes in, uint8_t *memory)
{
        struct identity_view view;

        if (identity_verify(in, CHANGES_MAX, &view)) return (struct outcome){.verdict = REFUSED};
        memcpy(memory, view.identifier.hash, IDENTIFIER_SIZE);
        return (struct outcome){TAKEN, bytes_make(memory, IDENTIFIER_SIZE)};
}

static enum reason_id history_reason(struct bytes in, const struct outcome *crates)
{
        struct identity_view view;

        return crates->verdict == TAKEN && identity_verify(in, CHANGES_MAX, &view) == ERR_TOO_LARGE ? NESTED_TOO_DEEP : DIFFERENT;
}

/* --- comparing ---------------------------------------------------------------------------------------------------------------- */

static struct kind {
        const char *name;
        struct outcome (*ours)(struct bytes in, uint8_t *memory);
        enum reason_id (*reason)(struct bytes in, const struct outcome *crates);
        bool readable; /* what `ours` writes is an encoding of the same kind */
        bool cbor;
        uint64_t inputs, taken, leftover, by_reason[REASONS];
} kinds[] = {
        {.name = "transport messages", .ours = transport, .reason = no_reason, .readable = true},
        {.name = "stream requests", .ours = request, .reason = request_reason, .readable = true},
        {.name = "stream responses", .ours = response, .reason = no_reason, .readable = true},
        {.name = "channel messages", .ours = channel, .reason = channel_reason, .readable = true, .cbor = true},
        {.name = "histories", .ours = history, .reason = history_reason, .cbor = true},
};

enum { KINDS = sizeof kinds / sizeof *kinds };

/* Left over bytes are a refusal too, as the hub has it; which of two faults we name is all the same. */
static bool same(const struct outcome *ours, const struct outcome *crates)
{
        if (crates->verdict == REFUSED) return ours->verdict != TAKEN;
        return ours->verdict == crates->verdict && (ours->verdict != TAKEN || bytes_equal(ours->encoding, crates->encoding));
}

static void show(const char *what, struct bytes bytes)
{
        fprintf(stderr, "  %s ", what);
        for (size_t i = 0; i < bytes.n; i++)
                fprintf(stderr, "%02x", bytes.p[i]);
        fputc('\n', stderr);
}

static void show_difference(const struct kind *kind, struct bytes in, const struct outcome *ours, const struct outcome *crates)
{
        static const char *const names[] = {"refused", "taken", "leftover"};

        fprintf(stderr, "%s: ours %s, the crate's %s\n", kind->name, names[ours->verdict], names[crates->verdict]);
        show("input", in);
        show("ours ", ours->encoding);
        show("crate", crates->encoding);
}

/* Whether it is breaks that end nothing which we refuse: with a null in their place, or before them, we understand what the crate does.
 * Where that are credentials, which we do not read, it is enough that we take them. */
static bool has_stray_breaks(const struct kind *kind, struct bytes in, const struct outcome *crates, unsigned most)
{
        static uint8_t memory[INPUT_MAX];
        uint8_t *changed = malloc(in.n + 1);
        bool found = false;

        for (size_t i = 0; i < in.n && !found; i++) {
                for (size_t instead = 0; instead < 2 && in.p[i] == CBOR_BREAK && !found; instead++) {
                        struct bytes with = bytes_make(changed, in.n + 1 - instead);
                        struct outcome outcome;

                        memcpy(changed, in.p, i);
                        changed[i] = CBOR_NULL;
                        memcpy(changed + i + 1, in.p + i + instead, in.n - i - instead);
                        outcome = kind->ours(with, memory);
                        arena_reset(&arena);
                        found = outcome.verdict == TAKEN && (outcome.encoding.n == 0 || bytes_equal(outcome.encoding, crates->encoding));
                        if (!found && most > 1) found = has_stray_breaks(kind, with, crates, most - 1);
                }
        }
        free(changed);
        return found;
}

/* Reading what we wrote and writing it again gives the same. */
static void check_round_trip(const struct kind *kind, struct bytes in, const struct outcome *ours)
{
        static uint8_t memory[INPUT_MAX];
        struct outcome again;

        if (!kind->readable || ours->verdict != TAKEN || ours->encoding.n == 0) return;
        again = kind->ours(ours->encoding, memory);
        if (same(ours, &again)) return;
        show_difference(kind, in, ours, &again);
        DIE("%s: written, read and written again it is another", kind->name);
}

/* Whether it was as it should be. */
static bool compare(struct kind *kind, struct bytes in, const struct outcome *crates)
{
        static uint8_t memory[INPUT_MAX];
        struct outcome ours = kind->ours(in, memory);
        enum reason_id reason = same(&ours, crates) ? BOTH_ALIKE : kind->reason(in, crates);

        if (reason == DIFFERENT && kind->cbor && crates->verdict == TAKEN && ours.verdict == REFUSED &&
            has_stray_breaks(kind, in, crates, 2))
                reason = STRAY_BREAK;
        kind->inputs++;
        kind->taken += ours.verdict == TAKEN;
        kind->leftover += ours.verdict == LEFTOVER;
        if (reason != DIFFERENT)
                kind->by_reason[reason]++;
        else
                show_difference(kind, in, &ours, crates);
        check_round_trip(kind, in, &ours);
        arena_reset(&arena);
        return reason != DIFFERENT;
}

static void report(void)
{
        for (size_t i = 0; i < KINDS; i++) {
                const struct kind *kind = &kinds[i];

                printf("%s: %" PRIu64 " inputs, %" PRIu64 " taken, %" PRIu64 " with bytes left over", kind->name, kind->inputs, kind->taken,
                       kind->leftover);
                for (int reason = BOTH_ALIKE + 1; reason < REASONS; reason++)
                        if (kind->by_reason[reason]) printf("; %s: %" PRIu64, reasons[reason], kind->by_reason[reason]);
                putchar('\n');
        }
}

int main(void)
{
        static uint8_t kind_memory[1], in_memory[INPUT_MAX], verdict_memory[INPUT_MAX];
        uint64_t inputs = 0, differences = 0;
        struct bytes kind;
        struct reason why;

        if (crypto_init(&why)) DIE("%s", why.text);
        arena_init(&arena, 8u << 20);
        for (; item_read(kind_memory, sizeof kind_memory, &kind) && differences < SHOWN_MAX; inputs++) {
                struct bytes in = item_must(in_memory, sizeof in_memory), verdict = item_must(verdict_memory, sizeof verdict_memory);
                struct outcome crates = {.verdict = REFUSED};

                if (kind.n != 1 || *kind.p >= KINDS) DIE("a kind that is not known");
                if (verdict.n) crates = (struct outcome){verdict.p[0] == 1 ? TAKEN : LEFTOVER, bytes_make(verdict.p + 1, verdict.n - 1)};
                if (!compare(&kinds[*kind.p], in, &crates)) differences++;
        }
        report();
        printf("%" PRIu64 " inputs, %" PRIu64 " differences without a reason\n", inputs, differences);
        arena_clear(&arena);
        return differences ? 1 : 0;
}
