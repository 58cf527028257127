/* An identity at rest: docs/man/strop-identity.5. A msgpack array: a text that names the format, its version, the change
 * history, the seed of its latest key, and the SHA-256 of all that stands before this hash. The hash finds damage, which would
 * otherwise be told as a wrong signature or not at all; it is no protection against someone who may write the file.
 *
 * The seed passes through buffers on the stack here, which are wiped on every way out. */
#include "transport/secure_channel/identity_file.h"

#include "transport/base/logger.h"
#include "transport/base/pack.h"
#include "transport/base/private_file.h"
#include "transport/secure_channel/crypto.h"

enum {
        FILE_ITEMS = 5,
        FILE_VERSION = 1,
        FILE_MAX = 32 << 10, /* twice what IDENTITY_CHANGES_MAX changes take */
};

#define WHAT "identity file"

static const struct bytes format_name = {(const uint8_t *)"strop-identity", sizeof "strop-identity" - 1};

void identity_file_put(struct writer *w, const struct identity *identity)
{
        msgpack_packer pk = pack_into(w);
        uint8_t hash[HASH_SIZE];

        msgpack_pack_array(&pk, FILE_ITEMS);
        pack_put_str(&pk, format_name);
        msgpack_pack_uint8(&pk, FILE_VERSION);
        pack_put_bin(&pk, identity_history(identity));
        pack_put_bin(&pk, bytes_make(identity_seed(identity), KEY_SIZE));
        crypto_sha256(writer_bytes(w), hash);
        pack_put_bin(&pk, bytes_make(hash, sizeof hash));
}

enum err identity_file_read(struct bytes in, struct identity **out)
{
        struct pack_reader r = pack_reader_make(in);
        size_t items = pack_array(&r);
        struct bytes name = pack_str(&r), history, seed, hash, hashed;
        uint64_t version = pack_uint(&r);
        uint8_t expected[HASH_SIZE];
        enum err err;

        if (!r.err && (items != FILE_ITEMS || !bytes_equal(name, format_name))) return ERR_MALFORMED;
        if (!r.err && version != FILE_VERSION) return ERR_UNEXPECTED;
        history = pack_bin(&r);
        seed = pack_bin(&r);
        hashed = bytes_make(in.p, (size_t)(r.p - in.p));
        hash = pack_bin(&r);
        if ((err = pack_end(&r))) return err;
        crypto_sha256(hashed, expected);
        if (hash.n != HASH_SIZE || !crypto_equal(hash.p, expected, HASH_SIZE) || seed.n != KEY_SIZE) return ERR_MALFORMED;
        return identity_restore(history, seed.p, out);
}

/* A sentence for what is wrong with the file's content. */
MUST_USE static enum err content_error(const char *path, enum err err, struct reason *why)
{
        char shown[160];

        printable(shown, sizeof shown, bytes_of_text(path));
        switch (err) {
        case ERR_UNEXPECTED: return fail(why, err, WHAT " %s was written by a newer version of this program: use that one", shown);
        case ERR_FULL:
        case ERR_NO_MEMORY: return fail(why, err, WHAT " %s: %s", shown, err_text(err));
        default:
                return fail(why, err, WHAT " %s is damaged (%s): put a copy of it back, or move it away and get a new identity, which peers "
                            "must be told", shown, err_text(err));
        }
}

MUST_USE static enum err file_load(const char *path, struct identity **out, struct reason *why)
{
        uint8_t memory[FILE_MAX];
        struct writer content = writer_make(memory, sizeof memory);
        enum err err = private_file_read(path, WHAT, &content, why);

        if (!err && (err = identity_file_read(writer_bytes(&content), out))) err = content_error(path, err, why);
        crypto_wipe(memory, sizeof memory);
        return err;
}

MUST_USE static enum err file_save(const char *path, const struct identity *identity, bool only_new, struct reason *why)
{
        uint8_t memory[FILE_MAX];
        struct writer content = writer_make(memory, sizeof memory);
        enum err err;

        identity_file_put(&content, identity);
        if ((err = writer_err(&content))) err = fail(why, err, WHAT " %s: the identity has too long a history", path);
        else err = private_file_write(path, WHAT, writer_bytes(&content), only_new, why);
        crypto_wipe(memory, sizeof memory);
        return err;
}

enum err identity_file_save(const char *path, const struct identity *identity, struct reason *why)
{
        return file_save(path, identity, false, why);
}

MUST_USE static enum err identity_of_context(struct context *ctx, struct identity **out)
{
        uint8_t seed[KEY_SIZE];
        enum err err;

        context_random(ctx, seed, sizeof seed);
        err = identity_new(seed, context_utc_s(ctx), out);
        crypto_wipe(seed, sizeof seed);
        return err;
}

/* ERR_UNEXPECTED: someone else made the file in the meantime. */
MUST_USE static enum err file_make(const char *path, struct context *ctx, struct identity **out, struct reason *why)
{
        struct identity *identity;
        enum err err = identity_of_context(ctx, &identity);

        if (err) return fail(why, err, "cannot make an identity: %s", err_text(err));
        if ((err = file_save(path, identity, true, why))) identity_free(identity);
        else *out = identity;
        return err;
}

enum err identity_file_open(const char *path, struct context *ctx, struct identity **out, bool *made, struct reason *why)
{
        struct reason found = {""};
        enum err err = file_load(path, out, &found);
        bool is_new = false;

        if (err == ERR_NOT_FOUND) {
                err = file_make(path, ctx, out, &found);
                is_new = err == OK;
                if (err == ERR_UNEXPECTED) err = file_load(path, out, &found);
        }
        if (err) return fail(why, err, "%s", found.text);
        if (made) *made = is_new;
        return OK;
}
