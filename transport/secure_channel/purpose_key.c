/* Purpose keys: docs/protocol.md, "Purpose key". An attestation binds a key to an identity's latest change and to a span of
 * time inside that change's own; it is signed by that change's key. */
#include "transport/secure_channel/purpose_key.h"

#include "transport/secure_channel/crypto.h"
#include "transport/secure_channel/secrets.h"

#include <stdlib.h>

enum { ATTESTATION_MAX = 256 }; /* one that we write: 196 bytes with today's times, 8 more with the largest */

struct attestation {
        struct bytes data;
        struct signature signature;
};

struct attestation_data {
        struct identifier subject;
        uint8_t latest_hash[HASH_SIZE];
        struct attestation_view view;
};

struct purpose_key {
        uint8_t secret[KEY_SIZE], public[KEY_SIZE];
        uint8_t *attestation; /* on the heap: nothing secret */
        size_t attestation_n;
};
_Static_assert(sizeof(struct purpose_key) <= SECRET_SLOT_SIZE, "a purpose key fits into a secret slot");

static void attestation_read(struct cbor_reader *r, struct attestation *out)
{
        struct cbor_items items = cbor_array(r);

        cbor_need(r, &items);
        out->data = cbor_bytes(r);
        cbor_need(r, &items);
        signature_read(r, &out->signature);
        cbor_skip_rest(r, &items, 1);
}

/* [0, [X25519 key]] or [1, [PublicKey]]. */
static void purpose_public_key_read(struct cbor_reader *r, struct attestation_view *out)
{
        uint64_t variant = cbor_variant(r);
        struct cbor_items fields = cbor_array(r);

        if (variant > PURPOSE_CREDENTIALS) cbor_fail(r, ERR_MALFORMED);
        out->kind = variant == PURPOSE_CREDENTIALS ? PURPOSE_CREDENTIALS : PURPOSE_SECURE_CHANNEL;
        cbor_need(r, &fields);
        if (out->kind == PURPOSE_CREDENTIALS) public_key_read(r, &out->signing);
        else cbor_bytes_fixed(r, out->x25519, sizeof out->x25519);
        cbor_skip_rest(r, &fields, 1);
}

MUST_USE static enum err attestation_data_read(struct bytes data, struct attestation_data *out)
{
        struct cbor_reader outer = cbor_reader_make(data);
        struct cbor_reader r = cbor_reader_make(versioned_read(&outer, DATA_TYPE_PURPOSE_KEY));
        struct cbor_items items;

        if (outer.err) return outer.err;
        items = cbor_array(&r);
        cbor_need(&r, &items);
        cbor_bytes_fixed(&r, out->subject.hash, sizeof out->subject.hash);
        cbor_need(&r, &items);
        cbor_bytes_fixed(&r, out->latest_hash, sizeof out->latest_hash);
        cbor_need(&r, &items);
        purpose_public_key_read(&r, &out->view);
        cbor_need(&r, &items);
        out->view.created_at = cbor_uint(&r);
        cbor_need(&r, &items);
        out->view.expires_at = cbor_uint(&r);
        cbor_skip_rest(&r, &items, 1);
        return r.err;
}

MUST_USE static enum err attestation_fits(const struct attestation_data *data, const struct identity_view *identity)
{
        if (!identifier_equal(&data->subject, &identity->identifier)) return ERR_IDENTITY;
        if (!crypto_equal(data->latest_hash, identity->latest_hash, HASH_SIZE)) return ERR_IDENTITY;
        if (data->view.created_at < identity->latest_created_at) return ERR_IDENTITY;
        return data->view.expires_at > identity->latest_expires_at ? ERR_IDENTITY : OK;
}

MUST_USE static enum err attestation_is_valid_at(const struct attestation_view *view, uint64_t now_s)
{
        if (view->created_at > now_s && view->created_at - now_s > CLOCK_SKEW_S) return ERR_EXPIRED;
        return view->expires_at < now_s ? ERR_EXPIRED : OK;
}

enum err attestation_verify(struct bytes attestation, const struct identity_view *identity, uint64_t now_s, struct attestation_view *out)
{
        struct cbor_reader r = cbor_reader_make(attestation);
        struct attestation read;
        struct attestation_data data = {.view = {.kind = PURPOSE_SECURE_CHANNEL}};
        enum err err;

        attestation_read(&r, &read);
        if (r.err) return r.err;
        if ((err = attestation_data_read(read.data, &data)) || (err = attestation_fits(&data, identity))) return err;
        if ((err = signature_verify(&identity->latest_key, read.data, &read.signature))) return err;
        /* Last, so that only what was truly signed is ever called expired. */
        if ((err = attestation_is_valid_at(&data.view, now_s))) return err;
        *out = data.view;
        return OK;
}

static void put_attestation_data(struct writer *w, const struct identity_view *identity, const uint8_t public[static KEY_SIZE],
                                 uint64_t created_at, uint64_t expires_at)
{
        uint8_t memory[ATTESTATION_MAX];
        struct writer data = writer_make(memory, sizeof memory);

        cbor_put_array(&data, 5);
        cbor_put_bytes(&data, bytes_make(identity->identifier.hash, IDENTIFIER_SIZE));
        cbor_put_bytes(&data, bytes_make(identity->latest_hash, HASH_SIZE));
        cbor_put_array(&data, 2);
        cbor_put_uint(&data, PURPOSE_SECURE_CHANNEL);
        cbor_put_array(&data, 1);
        cbor_put_bytes(&data, bytes_make(public, KEY_SIZE));
        cbor_put_uint(&data, created_at);
        cbor_put_uint(&data, expires_at);
        versioned_put_head(w, DATA_TYPE_PURPOSE_KEY, data.n);
        writer_put(w, data.p, data.n);
}

void attestation_put(struct writer *w, const struct identity *identity, const uint8_t public[static KEY_SIZE], uint64_t created_at,
                     uint64_t expires_at)
{
        uint8_t memory[ATTESTATION_MAX];
        struct writer data = writer_make(memory, sizeof memory);
        struct signature signature;

        put_attestation_data(&data, identity_get_view(identity), public, created_at, expires_at);
        identity_sign(identity, writer_bytes(&data), &signature);
        cbor_put_array(w, 2);
        cbor_put_bytes(w, writer_bytes(&data));
        signature_put(w, &signature);
}

enum err purpose_key_restore(const uint8_t secret[static KEY_SIZE], struct bytes attestation, struct purpose_key **out)
{
        struct purpose_key *key = secret_new();

        if (!key) return ERR_FULL;
        if (!(key->attestation = malloc(attestation.n ? attestation.n : 1))) {
                secret_free(key);
                return ERR_NO_MEMORY;
        }
        if (attestation.n) memcpy(key->attestation, attestation.p, attestation.n);
        key->attestation_n = attestation.n;
        memcpy(key->secret, secret, KEY_SIZE);
        crypto_x25519_public(secret, key->public);
        *out = key;
        return OK;
}

enum err purpose_key_new(const struct identity *identity, const uint8_t secret[static KEY_SIZE], uint64_t now_s, struct purpose_key **out)
{
        const struct identity_view *view = identity_get_view(identity);
        uint64_t created_at = now_s < view->latest_created_at ? view->latest_created_at : now_s, life;
        uint8_t public[KEY_SIZE], memory[ATTESTATION_MAX];
        struct writer w = writer_make(memory, sizeof memory);

        if (view->latest_expires_at < created_at) return ERR_EXPIRED;
        life = view->latest_expires_at - created_at;
        if (life > PURPOSE_KEY_LIFE_S) life = PURPOSE_KEY_LIFE_S;
        crypto_x25519_public(secret, public);
        attestation_put(&w, identity, public, created_at, created_at + life);
        return purpose_key_restore(secret, writer_bytes(&w), out);
}

void purpose_key_free(struct purpose_key *key)
{
        if (!key) return;
        free(key->attestation);
        secret_free(key);
}

const uint8_t *purpose_key_secret(const struct purpose_key *key)
{
        return key->secret;
}

const uint8_t *purpose_key_public(const struct purpose_key *key)
{
        return key->public;
}

struct bytes purpose_key_attestation(const struct purpose_key *key)
{
        return bytes_make(key->attestation, key->attestation_n);
}
