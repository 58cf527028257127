/* Identities by number (party.h). */
#include "tests/support/party.h"

#include "tests/support/test.h"

static void secret_of(uint8_t out[static KEY_SIZE], uint8_t number, uint8_t what)
{
        const uint8_t text[] = {'p', number, what};

        crypto_sha256(bytes_make(text, sizeof text), out);
}

void party_init(struct party *party, uint8_t number, size_t changes, uint64_t now_s)
{
        uint8_t seed[KEY_SIZE];

        *party = (struct party){.number = number};
        secret_of(seed, number, 1);
        assert_ok(identity_new(seed, now_s, &party->identity));
        for (size_t i = 1; i < changes; i++) {
                secret_of(seed, number, (uint8_t)(i + 1));
                assert_ok(identity_rotate(party->identity, seed, false, now_s));
        }
        secret_of(seed, number, 0);
        assert_ok(purpose_key_new(party->identity, seed, now_s, &party->purpose_key));
        party->self = (struct handshake_self){party->identity, party->purpose_key};
        party->id = identity_get_view(party->identity)->identifier;
}

void party_renew_purpose_key(struct party *party, uint64_t now_s)
{
        uint8_t secret[KEY_SIZE];

        purpose_key_free(party->purpose_key);
        secret_of(secret, party->number, (uint8_t)(0xff - party->purpose_keys++));
        assert_ok(purpose_key_new(party->identity, secret, now_s, &party->purpose_key));
        party->self.purpose_key = party->purpose_key;
}

void party_clear(struct party *party)
{
        purpose_key_free(party->purpose_key);
        identity_free(party->identity);
        *party = (struct party){0};
}

struct bytes identity_payload(uint8_t *memory, size_t n, struct bytes history, struct bytes attestation)
{
        struct writer w = writer_make(memory, n);

        cbor_put_array(&w, 3);
        writer_put(&w, history.p, history.n);
        writer_put(&w, attestation.p, attestation.n);
        cbor_put_array(&w, 0);
        assert_ok(writer_err(&w));
        return writer_bytes(&w);
}

static void put_purpose_public_key(struct writer *w, const struct attestation_fields *fields)
{
        cbor_put_array(w, 2);
        cbor_put_uint(w, fields->key_variant);
        cbor_put_array(w, 1);
        if (fields->key_variant == PURPOSE_CREDENTIALS) {
                const struct public_key key = public_key_ed25519(fields->x25519);
                public_key_put(w, &key);
        } else {
                cbor_put_bytes(w, bytes_make(fields->x25519, KEY_SIZE));
        }
}

struct bytes attestation_of(uint8_t *memory, size_t n, const struct attestation_fields *fields)
{
        uint8_t inner_memory[256], data_memory[300];
        struct writer inner = writer_make(inner_memory, sizeof inner_memory), data = writer_make(data_memory, sizeof data_memory),
                      w = writer_make(memory, n);
        struct signature signature;

        cbor_put_array(&inner, 5);
        cbor_put_bytes(&inner, bytes_make(fields->subject->hash, IDENTIFIER_SIZE));
        cbor_put_bytes(&inner, bytes_make(fields->latest_hash, HASH_SIZE));
        put_purpose_public_key(&inner, fields);
        cbor_put_uint(&inner, fields->created_at);
        cbor_put_uint(&inner, fields->expires_at);
        versioned_put_head(&data, fields->data_type, inner.n);
        writer_put(&data, inner.p, inner.n);
        cbor_put_array(&w, 2);
        cbor_put_bytes(&w, writer_bytes(&data));
        identity_sign(fields->signer, writer_bytes(&data), &signature);
        signature_put(&w, &signature);
        assert_ok(writer_err(&inner));
        assert_ok(writer_err(&data));
        assert_ok(writer_err(&w));
        return writer_bytes(&w);
}
