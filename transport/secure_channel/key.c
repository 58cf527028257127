/* Public keys, signatures and VersionedData: docs/protocol.md, "Identity". Each key and signature is an enum value with one
 * field, [variant, [bytes]]. A signature is over the digest of the data, not over the data. */
#include "transport/secure_channel/key.h"

#include "transport/secure_channel/crypto.h"

enum { VERSION = 1 };

static size_t key_size(enum key_type type)
{
        return type == KEY_P256 ? P256_KEY_SIZE : KEY_SIZE;
}

struct public_key public_key_ed25519(const uint8_t key[static KEY_SIZE])
{
        struct public_key out = {.type = KEY_ED25519};

        memcpy(out.key, key, KEY_SIZE);
        return out;
}

bool public_key_equal(const struct public_key *a, const struct public_key *b)
{
        return a->type == b->type && crypto_equal(a->key, b->key, key_size(a->type));
}

/* The variant's fields: one byte string of n bytes, and what a later version may put behind it. */
static void read_field(struct cbor_reader *r, uint8_t *out, size_t n)
{
        struct cbor_items fields = cbor_array(r);

        cbor_need(r, &fields);
        cbor_bytes_fixed(r, out, n);
        cbor_skip_rest(r, &fields, 1);
}

static enum key_type key_type_of(struct cbor_reader *r, uint64_t variant)
{
        if (variant > KEY_P256) cbor_fail(r, ERR_MALFORMED);
        return variant == KEY_P256 ? KEY_P256 : KEY_ED25519;
}

void public_key_read(struct cbor_reader *r, struct public_key *out)
{
        *out = (struct public_key){.type = key_type_of(r, cbor_variant(r))};
        read_field(r, out->key, key_size(out->type));
}

void signature_read(struct cbor_reader *r, struct signature *out)
{
        *out = (struct signature){.type = key_type_of(r, cbor_variant(r))};
        read_field(r, out->bytes, sizeof out->bytes);
}

bool signature_read_optional(struct cbor_reader *r, struct signature *out)
{
        uint64_t variant;

        if (cbor_take_null(r)) return false;
        variant = cbor_variant(r);
        if (variant > KEY_P256) {
                cbor_skip(r);
                return false;
        }
        *out = (struct signature){.type = key_type_of(r, variant)};
        read_field(r, out->bytes, sizeof out->bytes);
        return !r->err;
}

static void put_enum(struct writer *w, enum key_type type, struct bytes field)
{
        cbor_put_array(w, 2);
        cbor_put_uint(w, type);
        cbor_put_array(w, 1);
        cbor_put_bytes(w, field);
}

void public_key_put(struct writer *w, const struct public_key *key)
{
        put_enum(w, key->type, bytes_make(key->key, key_size(key->type)));
}

void signature_put(struct writer *w, const struct signature *signature)
{
        put_enum(w, signature->type, bytes_make(signature->bytes, sizeof signature->bytes));
}

enum err signature_verify(const struct public_key *key, struct bytes data, const struct signature *signature)
{
        uint8_t digest[HASH_SIZE];

        if (key->type != signature->type) return ERR_SIGNATURE;
        crypto_sha256(data, digest);
        if (key->type == KEY_P256) return crypto_p256_verify(key->key, bytes_make(digest, sizeof digest), signature->bytes);
        return crypto_ed25519_verify(key->key, bytes_make(digest, sizeof digest), signature->bytes);
}

struct bytes versioned_read(struct cbor_reader *r, uint8_t data_type)
{
        struct cbor_items items = cbor_array(r);
        uint8_t version, type;
        struct bytes data;

        cbor_need(r, &items);
        version = cbor_u8(r);
        cbor_need(r, &items);
        type = cbor_u8(r);
        cbor_need(r, &items);
        data = cbor_bytes(r);
        cbor_skip_rest(r, &items, 1);
        if (version != VERSION || type != data_type) cbor_fail(r, ERR_IDENTITY);
        return data;
}

void versioned_put_head(struct writer *w, uint8_t data_type, size_t n)
{
        cbor_put_array(w, 3);
        cbor_put_u8(w, VERSION);
        cbor_put_u8(w, data_type);
        cbor_put_bytes_head(w, n);
}
