/* Bob's stream names: made, written, read again. */
#include "client/names.h"

#include "transport/base/pack.h"
#include "transport/base/private_file.h"

#include <stdio.h>

enum { NAMES_VERSION = 1, NAMES_FILE_MAX = 1024 };

static const char what[] = "file of stream names";

static void make_name(char out[static INVITATION_NAME_MAX + 1], const char *prefix, struct context *ctx)
{
        uint8_t random[16];
        size_t n = (size_t)snprintf(out, INVITATION_NAME_MAX + 1, "%s", prefix);

        context_random(ctx, random, sizeof random);
        for (size_t i = 0; i < sizeof random; i++) n += (size_t)snprintf(out + n, INVITATION_NAME_MAX + 1 - n, "%02x", random[i]);
}

void names_make(struct names *names, struct context *ctx)
{
        make_name(names->bob_to_alice, "bob_to_alice_", ctx);
        make_name(names->alice_to_bob, "alice_to_bob_", ctx);
}

static void take_name(struct pack_reader *r, char out[static INVITATION_NAME_MAX + 1])
{
        struct bytes name = pack_str(r);

        if (r->err) return;
        if (name.n == 0 || name.n > INVITATION_NAME_MAX || memchr(name.p, 0, name.n)) {
                r->err = ERR_MALFORMED;
                return;
        }
        memcpy(out, name.p, name.n);
        out[name.n] = '\0';
}

enum err names_read(struct bytes in, struct names *out)
{
        struct pack_reader r = pack_reader_make(in);
        struct names names = {0};
        size_t items = pack_array(&r);
        uint64_t version = pack_uint(&r);
        enum err err;

        if (!r.err && (items != 3 || version != NAMES_VERSION)) return ERR_MALFORMED;
        take_name(&r, names.bob_to_alice);
        take_name(&r, names.alice_to_bob);
        if ((err = pack_end(&r))) return err;
        *out = names;
        return OK;
}

static enum err names_write(const struct names *names, const char *path, struct reason *why)
{
        uint8_t memory[NAMES_FILE_MAX];
        struct writer w = writer_make(memory, sizeof memory);
        msgpack_packer pk = pack_into(&w);

        msgpack_pack_array(&pk, 3);
        msgpack_pack_uint64(&pk, NAMES_VERSION);
        pack_put_str(&pk, bytes_of_text(names->bob_to_alice));
        pack_put_str(&pk, bytes_of_text(names->alice_to_bob));
        if (writer_err(&w)) return fail(why, ERR_TOO_LARGE, "the stream names are too long");
        return private_file_write(path, what, writer_bytes(&w), false, why);
}

enum err names_open(struct names *names, const char *path, struct context *ctx, bool fresh, struct reason *why)
{
        uint8_t memory[NAMES_FILE_MAX];
        struct writer w = writer_make(memory, sizeof memory);
        enum err err = fresh ? ERR_NOT_FOUND : private_file_read(path, what, &w, why);

        if (err == ERR_NOT_FOUND) {
                names_make(names, ctx);
                return names_write(names, path, why);
        }
        if (err) return err;
        if ((err = names_read(writer_bytes(&w), names)))
                return fail(why, err, "the %s %s is damaged: %s. With --new, fresh names are made", what, path, err_text(err));
        return OK;
}
