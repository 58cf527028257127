/* Identities: docs/protocol.md, "Identity". A history is an array of changes, each with signed data and one or two signatures:
 * by its own key, and from the second change on by the key before. The identifier is the hash of the first change's data.
 *
 * Own identities are only ever made by reading back and verifying what was put together, so one that others would refuse is
 * never handed out. */
#include "transport/secure_channel/identity.h"

#include "transport/secure_channel/crypto.h"
#include "transport/secure_channel/secrets.h"

#include <stdlib.h>

enum {
        CHANGE_MAX = 256, /* a change that we write: 229 bytes with today's times, 8 more with the largest */
        HEAD_MAX = 9,
};

/* One change as it stands in a history. */
struct change {
        struct bytes data;
        struct signature signature, previous_signature;
        bool has_previous_signature;
};

/* What a change's data says. */
struct change_data {
        bool has_previous;
        uint8_t previous[HASH_SIZE];
        struct public_key key;
        struct change_terms terms;
};

struct identity {
        uint8_t seed[KEY_SIZE];
        struct identity_view view;
        uint8_t *history; /* on the heap: nothing secret */
        size_t history_n;
};
_Static_assert(sizeof(struct identity) <= SECRET_SLOT_SIZE, "an identity fits into a secret slot");

/* --- identifiers ------------------------------------------------------------------------------------------------------ */

char *identifier_text(const struct identifier *id, char out[static IDENTIFIER_TEXT_SIZE + 1])
{
        static const char digits[] = "0123456789abcdef";
        char *p = out;

        *p++ = 'I';
        for (size_t i = 0; i < IDENTIFIER_SIZE; i++) {
                *p++ = digits[id->hash[i] >> 4];
                *p++ = digits[id->hash[i] & 15];
        }
        *p = '\0';
        return out;
}

static int hex_digit(uint8_t c)
{
        if (c >= '0' && c <= '9') return c - '0';
        if (c >= 'a' && c <= 'f') return c - 'a' + 10;
        if (c >= 'A' && c <= 'F') return c - 'A' + 10;
        return -1;
}

enum err identifier_parse(struct bytes text, struct identifier *out)
{
        struct identifier id;

        if (text.n != IDENTIFIER_TEXT_SIZE || text.p[0] != 'I') return ERR_MALFORMED;
        for (size_t i = 0; i < IDENTIFIER_SIZE; i++) {
                int high = hex_digit(text.p[1 + 2 * i]), low = hex_digit(text.p[2 + 2 * i]);

                if (high < 0 || low < 0) return ERR_MALFORMED;
                id.hash[i] = (uint8_t)(high << 4 | low);
        }
        *out = id;
        return OK;
}

bool identifier_equal(const struct identifier *a, const struct identifier *b)
{
        return crypto_equal(a->hash, b->hash, sizeof a->hash);
}

/* --- reading and verifying -------------------------------------------------------------------------------------------- */

static void change_read(struct cbor_reader *r, struct change *out)
{
        struct cbor_items items = cbor_array(r);

        cbor_need(r, &items);
        out->data = cbor_bytes(r);
        cbor_need(r, &items);
        signature_read(r, &out->signature);
        out->has_previous_signature = cbor_more(r, &items) && signature_read_optional(r, &out->previous_signature);
        cbor_skip_rest(r, &items, 1);
}

MUST_USE static enum err change_data_read(struct bytes data, struct change_data *out)
{
        struct cbor_reader outer = cbor_reader_make(data);
        struct cbor_reader r = cbor_reader_make(versioned_read(&outer, DATA_TYPE_CHANGE));
        struct cbor_items items;

        if (outer.err) return outer.err;
        items = cbor_array(&r);
        cbor_need(&r, &items);
        out->has_previous = !cbor_take_null(&r);
        if (out->has_previous) cbor_bytes_fixed(&r, out->previous, sizeof out->previous);
        cbor_need(&r, &items);
        public_key_read(&r, &out->key);
        cbor_need(&r, &items);
        out->terms.revoke_all_purpose_keys = cbor_bool(&r);
        cbor_need(&r, &items);
        out->terms.created_at = cbor_uint(&r);
        cbor_need(&r, &items);
        out->terms.expires_at = cbor_uint(&r);
        cbor_skip_rest(&r, &items, 1);
        return r.err;
}

/* Whether a change may follow what `view` says of those before it (none: view->changes is 0). */
MUST_USE static enum err change_follows(const struct identity_view *view, const struct change *change, const struct change_data *data)
{
        if (!view->changes) return data->has_previous ? ERR_IDENTITY : OK;
        if (data->terms.created_at < view->latest_created_at) return ERR_IDENTITY;
        if (!data->has_previous || !crypto_equal(data->previous, view->latest_hash, HASH_SIZE)) return ERR_IDENTITY;
        if (!change->has_previous_signature) return ERR_IDENTITY;
        return signature_verify(&view->latest_key, change->data, &change->previous_signature);
}

/* Verifies a change against those before it, and lets the view move on. */
MUST_USE static enum err view_add(struct identity_view *view, const struct change *change)
{
        struct change_data data;
        enum err err;

        if ((err = change_data_read(change->data, &data)) || (err = change_follows(view, change, &data))) return err;
        if ((err = signature_verify(&data.key, change->data, &change->signature))) return err;
        crypto_sha256(change->data, view->latest_hash);
        if (!view->changes) memcpy(view->identifier.hash, view->latest_hash, sizeof view->identifier.hash);
        view->latest_key = data.key;
        view->latest_created_at = data.terms.created_at;
        view->latest_expires_at = data.terms.expires_at;
        view->changes++;
        return OK;
}

/* Verifies; the reader then stands behind the history. */
MUST_USE static enum err history_verify(struct cbor_reader *r, size_t max_changes, struct identity_view *out)
{
        struct cbor_items items = cbor_array(r);
        struct identity_view view = {.changes = 0};
        struct change change;
        enum err err;

        while (cbor_more(r, &items)) {
                if (view.changes == max_changes) return ERR_TOO_LARGE;
                change_read(r, &change);
                if (r->err) return r->err;
                if ((err = view_add(&view, &change))) return err;
        }
        if (r->err) return r->err;
        if (!view.changes) return ERR_IDENTITY;
        *out = view;
        return OK;
}

enum err identity_verify(struct bytes history, size_t max_changes, struct identity_view *out)
{
        struct cbor_reader r = cbor_reader_make(history);

        return history_verify(&r, max_changes, out);
}

enum history_order identity_compare(struct bytes known, struct bytes shown)
{
        struct cbor_reader a = cbor_reader_make(known), b = cbor_reader_make(shown);
        struct cbor_items in_a = cbor_array(&a), in_b = cbor_array(&b);
        struct change change_a, change_b;

        for (;;) {
                bool more_a = cbor_more(&a, &in_a), more_b = cbor_more(&b, &in_b);

                if (a.err || b.err) return HISTORY_CONFLICT;
                if (!more_a) return more_b ? HISTORY_NEWER : HISTORY_SAME;
                if (!more_b) return HISTORY_OLDER;
                change_read(&a, &change_a);
                change_read(&b, &change_b);
                if (!bytes_equal(change_a.data, change_b.data)) return HISTORY_CONFLICT;
        }
}

/* --- one's own -------------------------------------------------------------------------------------------------------- */

static struct public_key key_of_seed(const uint8_t seed[static KEY_SIZE])
{
        uint8_t public[KEY_SIZE];

        crypto_ed25519_public(seed, public);
        return public_key_ed25519(public);
}

static void sign(const uint8_t seed[static KEY_SIZE], struct bytes data, struct signature *out)
{
        uint8_t digest[HASH_SIZE];

        crypto_sha256(data, digest);
        out->type = KEY_ED25519;
        crypto_ed25519_sign(seed, bytes_make(digest, sizeof digest), out->bytes);
}

/* VersionedData of ChangeData. `previous` is the hash of the change before, or NULL. */
static void put_change_data(struct writer *w, const uint8_t *previous, const struct public_key *key, const struct change_terms *terms)
{
        uint8_t memory[CHANGE_MAX];
        struct writer data = writer_make(memory, sizeof memory);

        cbor_put_array(&data, 5);
        if (previous) cbor_put_bytes(&data, bytes_make(previous, HASH_SIZE));
        else cbor_put_null(&data);
        public_key_put(&data, key);
        cbor_put_bool(&data, terms->revoke_all_purpose_keys);
        cbor_put_uint(&data, terms->created_at);
        cbor_put_uint(&data, terms->expires_at);
        versioned_put_head(w, DATA_TYPE_CHANGE, data.n);
        writer_put(w, data.p, data.n);
}

/* A change to the key of `seed`; `before` is the identity that it changes, or NULL for the first. */
static void put_change(struct writer *w, const struct identity *before, const uint8_t seed[static KEY_SIZE],
                       const struct change_terms *terms)
{
        uint8_t memory[CHANGE_MAX];
        struct writer data = writer_make(memory, sizeof memory);
        struct public_key key = key_of_seed(seed);
        struct signature signature;

        put_change_data(&data, before ? before->view.latest_hash : NULL, &key, terms);
        cbor_put_array(w, before ? 3 : 2);
        cbor_put_bytes(w, writer_bytes(&data));
        sign(seed, writer_bytes(&data), &signature);
        signature_put(w, &signature);
        if (!before) return;
        sign(before->seed, writer_bytes(&data), &signature);
        signature_put(w, &signature);
}

/* The changes of a verified history, without what stands around them. */
static struct bytes changes_of(struct bytes history)
{
        struct cbor_reader r = cbor_reader_make(history);
        struct cbor_items items = cbor_array(&r);
        struct bytes all = cbor_rest(&r), rest = all;

        while (cbor_more(&r, &items)) {
                cbor_skip(&r);
                rest = cbor_rest(&r);
        }
        return bytes_make(all.p, all.n - rest.n);
}

/* The history with one more change, on the heap. */
MUST_USE static enum err history_extend(const struct identity *before, const uint8_t seed[static KEY_SIZE], const struct change_terms *terms,
                                        struct writer *out)
{
        struct bytes changes = before ? changes_of(identity_history(before)) : BYTES_NONE;
        size_t cap = HEAD_MAX + changes.n + CHANGE_MAX;
        uint8_t *memory = malloc(cap);
        struct writer w = writer_make(memory, cap);

        if (!memory) return ERR_NO_MEMORY;
        cbor_put_array(&w, before ? before->view.changes + 1 : 1);
        writer_put(&w, changes.p, changes.n);
        put_change(&w, before, seed, terms);
        *out = w;
        return OK;
}

/* Verifies a history and that its latest key is the seed's. `used` is how many bytes it takes. */
MUST_USE static enum err own_verify(struct bytes history, const uint8_t seed[static KEY_SIZE], struct identity_view *view, size_t *used)
{
        struct cbor_reader r = cbor_reader_make(history);
        struct public_key key = key_of_seed(seed);
        enum err err = history_verify(&r, IDENTITY_CHANGES_MAX, view);

        if (err) return err;
        if (!public_key_equal(&view->latest_key, &key)) return ERR_IDENTITY;
        *used = history.n - cbor_rest(&r).n;
        return OK;
}

/* Takes the history's memory, also on failure. */
MUST_USE static enum err own_make(uint8_t *take_history, size_t n, const uint8_t seed[static KEY_SIZE], struct identity **out)
{
        struct identity *identity;
        struct identity_view view;
        enum err err = own_verify(bytes_make(take_history, n), seed, &view, &n);

        if (!err && !(identity = secret_new())) err = ERR_FULL;
        if (err) {
                free(take_history);
                return err;
        }
        memcpy(identity->seed, seed, sizeof identity->seed);
        identity->view = view;
        identity->history = take_history;
        identity->history_n = n;
        *out = identity;
        return OK;
}

enum err identity_new_with(const uint8_t seed[static KEY_SIZE], const struct change_terms *terms, struct identity **out)
{
        struct writer history;
        enum err err = history_extend(NULL, seed, terms, &history);

        return err ? err : own_make(history.p, history.n, seed, out);
}

static struct change_terms terms_from(uint64_t now_s, bool revoke_all_purpose_keys)
{
        return (struct change_terms){
                .created_at = now_s,
                .expires_at = now_s > UINT64_MAX - IDENTITY_LIFE_S ? UINT64_MAX : now_s + IDENTITY_LIFE_S,
                .revoke_all_purpose_keys = revoke_all_purpose_keys,
        };
}

enum err identity_new(const uint8_t seed[static KEY_SIZE], uint64_t now_s, struct identity **out)
{
        struct change_terms terms = terms_from(now_s, false);

        return identity_new_with(seed, &terms, out);
}

enum err identity_rotate_with(struct identity *identity, const uint8_t seed[static KEY_SIZE], const struct change_terms *terms)
{
        struct writer history;
        struct identity_view view;
        size_t n;
        enum err err;

        if (identity->view.changes >= IDENTITY_CHANGES_MAX) return ERR_FULL;
        if ((err = history_extend(identity, seed, terms, &history))) return err;
        if ((err = own_verify(writer_bytes(&history), seed, &view, &n))) {
                free(history.p);
                return err;
        }
        free(identity->history);
        memcpy(identity->seed, seed, sizeof identity->seed);
        identity->view = view;
        identity->history = history.p;
        identity->history_n = n;
        return OK;
}

enum err identity_rotate(struct identity *identity, const uint8_t seed[static KEY_SIZE], bool revoke_all_purpose_keys, uint64_t now_s)
{
        uint64_t latest = identity->view.latest_created_at;
        struct change_terms terms = terms_from(now_s < latest ? latest : now_s, revoke_all_purpose_keys);

        return identity_rotate_with(identity, seed, &terms);
}

enum err identity_restore(struct bytes history, const uint8_t seed[static KEY_SIZE], struct identity **out)
{
        uint8_t *copy = malloc(history.n ? history.n : 1);

        if (!copy) return ERR_NO_MEMORY;
        if (history.n) memcpy(copy, history.p, history.n);
        return own_make(copy, history.n, seed, out);
}

void identity_free(struct identity *identity)
{
        if (!identity) return;
        free(identity->history);
        secret_free(identity);
}

struct bytes identity_history(const struct identity *identity)
{
        return bytes_make(identity->history, identity->history_n);
}

const struct identity_view *identity_get_view(const struct identity *identity)
{
        return &identity->view;
}

const uint8_t *identity_seed(const struct identity *identity)
{
        return identity->seed;
}

void identity_sign(const struct identity *identity, struct bytes data, struct signature *out)
{
        sign(identity->seed, data, out);
}
