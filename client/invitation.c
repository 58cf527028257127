/* Invitations: docs/protocol.md, "What is ours alone". Text that people pass on by hand and programs take from anywhere, so each part is
 * bounded and checked before it is copied, and each kind of damage has a sentence of its own. */
#include "client/invitation.h"

#include "transport/base/pack.h"

#include <stdio.h>

enum {
        ITEMS = 5,
        VERSION = 1,
        BASE64_SHIFT = 6,
        PACKED_MAX = INVITATION_TEXT_MAX / 4 * 3,
        PORT_MAX = 65535,
        PORT_DIGITS_MAX = 5,
};

#define PREFIX "strop:"

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* --- base64url, without padding (RFC 4648, section 5) ------------------------------------------------------------------- */

static int base64_value(uint8_t c)
{
        const char *at = c ? strchr(base64_digits, c) : NULL;

        return at ? (int)(at - base64_digits) : -1;
}

/* ERR_MALFORMED: *bad is the place of the first character that cannot be, or text.n where the text ends inside a byte. */
MUST_USE static enum err base64_read(struct bytes text, struct writer *out, size_t *bad)
{
        uint32_t bits = 0;
        unsigned count = 0;

        for (*bad = 0; *bad < text.n; ++*bad) {
                int value = base64_value(text.p[*bad]);

                if (value < 0) return ERR_MALFORMED;
                bits = (bits << BASE64_SHIFT | (uint32_t)value) & 0xffff;
                count += BASE64_SHIFT;
                if (count < 8) continue;
                count -= 8;
                writer_put_u8(out, (uint8_t)(bits >> count));
        }
        /* Less than a digit may be left over, and it has to be zero. */
        if (count >= BASE64_SHIFT || (bits & ((1u << count) - 1))) return ERR_MALFORMED;
        return writer_err(out);
}

static void base64_put(struct writer *w, struct bytes in)
{
        for (size_t i = 0; i < in.n; i += 3) {
                size_t n = in.n - i < 3 ? in.n - i : 3;
                uint32_t bits = 0;

                for (size_t k = 0; k < 3; k++) bits = bits << 8 | (k < n ? in.p[i + k] : 0);
                for (size_t k = 0; k <= n; k++) writer_put_u8(w, (uint8_t)base64_digits[bits >> (18 - BASE64_SHIFT * k) & 63]);
        }
}

/* --- what the parts may be ------------------------------------------------------------------------------------------------ */

static bool is_port(struct bytes text)
{
        unsigned port = 0;

        if (text.n == 0 || text.n > PORT_DIGITS_MAX) return false;
        for (size_t i = 0; i < text.n; i++) {
                if (text.p[i] < '0' || text.p[i] > '9') return false;
                port = port * 10 + (text.p[i] - '0');
        }
        return port >= 1 && port <= PORT_MAX;
}

/* "host:port"; the host of printable characters other than space, since it goes to a terminal and to the resolver. */
static bool is_node(struct bytes text)
{
        size_t colon = text.n;

        if (text.n > INVITATION_NODE_MAX) return false;
        for (size_t i = 0; i < text.n; i++) {
                if (text.p[i] <= ' ' || text.p[i] > '~') return false;
                if (text.p[i] == ':') colon = i;
        }
        return colon > 0 && colon < text.n && is_port(bytes_make(text.p + colon + 1, text.n - colon - 1));
}

/* What every node and Kafka take as a stream's name. */
static bool is_stream_name(struct bytes text)
{
        static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

        if (text.n == 0 || text.n > INVITATION_NAME_MAX) return false;
        for (size_t i = 0; i < text.n; i++)
                if (!text.p[i] || !strchr(allowed, text.p[i])) return false;
        return !bytes_equal(text, BYTES_LITERAL(".")) && !bytes_equal(text, BYTES_LITERAL(".."));
}

/* Copies a text that has been found to fit. */
static void copy_text(char *out, struct bytes text)
{
        memcpy(out, text.p, text.n);
        out[text.n] = '\0';
}

/* --- reading ---------------------------------------------------------------------------------------------------------------- */

MUST_USE static enum err read_nodes(struct pack_reader *r, struct invitation *out, struct reason *why)
{
        size_t count = pack_array(r);

        if (!r->err && (count < 1 || count > INVITATION_NODES_MAX))
                return fail(why, ERR_MALFORMED, "the invitation names %zu nodes; it has to be 1 to %d", count, INVITATION_NODES_MAX);
        for (out->node_count = 0; out->node_count < count; out->node_count++) {
                struct bytes node = pack_str(r);

                if (r->err) break;
                if (!is_node(node)) return fail(why, ERR_MALFORMED, "the invitation names a node that is no HOST:PORT");
                copy_text(out->nodes[out->node_count], node);
        }
        return r->err;
}

MUST_USE static enum err read_name(struct pack_reader *r, char *out, struct reason *why)
{
        struct bytes name = pack_str(r);

        if (r->err) return r->err;
        if (!is_stream_name(name)) return fail(why, ERR_BAD_NAME, "the invitation names a stream by a name that none can have");
        copy_text(out, name);
        return OK;
}

MUST_USE static enum err read_identifier(struct pack_reader *r, struct identifier *out, struct reason *why)
{
        struct bytes id = pack_bin(r);

        if (r->err) return r->err;
        if (id.n != sizeof out->hash) return fail(why, ERR_MALFORMED, "the invitation's identifier has %zu bytes instead of 32", id.n);
        memcpy(out->hash, id.p, id.n);
        return OK;
}

/* Where msgpack itself is not as it should be, no sentence is there yet; `why` is left as it is then. */
MUST_USE static enum err read_packed(struct bytes packed, struct invitation *out, struct reason *why)
{
        struct pack_reader r = pack_reader_make(packed);
        size_t items = pack_array(&r);
        uint64_t version = pack_uint(&r);
        enum err err;

        if (r.err) return r.err;
        if (version != VERSION)
                return fail(why, ERR_UNEXPECTED, "the invitation is of version %llu, this program knows version %d: use a newer one",
                            (unsigned long long)version, VERSION);
        if (items != ITEMS) return ERR_MALFORMED;
        if ((err = read_nodes(&r, out, why)) || (err = read_name(&r, out->alice_to_bob, why)) ||
            (err = read_name(&r, out->bob_to_alice, why)) || (err = read_identifier(&r, &out->identifier, why)))
                return err;
        if ((err = pack_end(&r))) return err;
        if (strcmp(out->alice_to_bob, out->bob_to_alice) == 0)
                return fail(why, ERR_BAD_NAME, "the invitation names one stream for both ways");
        return OK;
}

/* Without white space around, as it comes along when a line is copied. */
static struct bytes trimmed(struct bytes text)
{
        static const char space[] = " \t\r\n";

        for (; text.n && text.p[0] && strchr(space, text.p[0]); text.n--) text.p++;
        for (; text.n && text.p[text.n - 1] && strchr(space, text.p[text.n - 1]); text.n--) {
        }
        return text;
}

MUST_USE static enum err read_text(struct bytes text, struct writer *packed, struct reason *why)
{
        const size_t prefix = sizeof PREFIX - 1;
        size_t bad;

        if (text.n < prefix || memcmp(text.p, PREFIX, prefix) != 0)
                return fail(why, ERR_MALFORMED, "this is no invitation: it has to begin with \"" PREFIX "\"");
        text = bytes_make(text.p + prefix, text.n - prefix);
        if (base64_read(text, packed, &bad) == OK) return OK;
        if (bad < text.n)
                return fail(why, ERR_MALFORMED, "the invitation is damaged: character %zu cannot stand in one", prefix + bad + 1);
        return fail(why, ERR_TRUNCATED, "the invitation is damaged: its end is missing");
}

enum err invitation_parse(struct bytes text, struct invitation *out, struct reason *why)
{
        uint8_t memory[PACKED_MAX];
        struct writer packed = writer_make(memory, sizeof memory);
        struct invitation invitation = {.node_count = 0};
        struct reason said = {""};
        enum err err;

        text = trimmed(text);
        if (text.n > INVITATION_TEXT_MAX)
                return fail(why, ERR_TOO_LARGE, "the invitation has more than %d characters", INVITATION_TEXT_MAX);
        if ((err = read_text(text, &packed, why))) return err;
        err = read_packed(writer_bytes(&packed), &invitation, &said);
        if (!err) *out = invitation;
        else if (said.text[0]) err = fail(why, err, "%s", said.text);
        else if (err == ERR_TRUNCATED) err = fail(why, err, "the invitation is damaged: its end is missing");
        else err = fail(why, err, "the invitation is damaged: %s", err_text(err));
        return err;
}

/* --- writing ------------------------------------------------------------------------------------------------------------------ */

MUST_USE static enum err check(const struct invitation *invitation)
{
        if (invitation->node_count < 1 || invitation->node_count > INVITATION_NODES_MAX) return ERR_USAGE;
        for (size_t i = 0; i < invitation->node_count; i++)
                if (!is_node(bytes_of_text(invitation->nodes[i]))) return ERR_USAGE;
        if (!is_stream_name(bytes_of_text(invitation->alice_to_bob)) || !is_stream_name(bytes_of_text(invitation->bob_to_alice)) ||
            strcmp(invitation->alice_to_bob, invitation->bob_to_alice) == 0)
                return ERR_BAD_NAME;
        return OK;
}

static void put_packed(struct writer *w, const struct invitation *invitation)
{
        msgpack_packer pk = pack_into(w);

        msgpack_pack_array(&pk, ITEMS);
        msgpack_pack_uint8(&pk, VERSION);
        msgpack_pack_array(&pk, invitation->node_count);
        for (size_t i = 0; i < invitation->node_count; i++) pack_put_str(&pk, bytes_of_text(invitation->nodes[i]));
        pack_put_str(&pk, bytes_of_text(invitation->alice_to_bob));
        pack_put_str(&pk, bytes_of_text(invitation->bob_to_alice));
        pack_put_bin(&pk, bytes_make(invitation->identifier.hash, IDENTIFIER_SIZE));
}

enum err invitation_print(const struct invitation *invitation, char out[static INVITATION_TEXT_MAX + 1])
{
        uint8_t memory[PACKED_MAX];
        struct writer packed = writer_make(memory, sizeof memory), text = writer_make(out, INVITATION_TEXT_MAX);
        enum err err;

        if ((err = check(invitation))) return err;
        put_packed(&packed, invitation);
        writer_put(&text, PREFIX, sizeof PREFIX - 1);
        base64_put(&text, writer_bytes(&packed));
        if ((err = writer_err(&packed)) || (err = writer_err(&text))) return err;
        out[text.n] = '\0';
        return OK;
}
