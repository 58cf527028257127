/* The handshake, token by token in the order of the Noise specification; its names are kept (h, ck, k, n, s, e, rs, re).
 *
 * Everything a message changes is made in `next` and becomes `now` when the whole message has held; both lie in the same
 * secret slot, so no copy of a key is left on the stack. */
#include "transport/secure_channel/noise.h"
#include "transport/secure_channel/secrets.h"

#include <assert.h>

/* Tests define it to look at the state after each token, as the recorded vectors have it. */
#ifndef NOISE_AFTER_TOKEN
#define NOISE_AFTER_TOKEN(state, token) ((void)0)
#endif

enum { MESSAGES = 3 };

struct state {
        uint8_t h[HASH_SIZE], ck[HASH_SIZE], k[KEY_SIZE];
        uint64_t n;
        uint8_t rs[KEY_SIZE], re[KEY_SIZE];
        bool has_key, has_rs;
        uint8_t messages; /* how many are behind us */
};

struct noise {
        enum noise_role role;
        uint8_t s[KEY_SIZE], e[KEY_SIZE];
        struct state now, next;
};
static_assert(sizeof(struct noise) <= SECRET_SLOT_SIZE, "a handshake fits into its slot");

/* --- CipherState and SymmetricState ------------------------------------------------------------------------------------- */

static void mix_hash(struct state *st, struct bytes data)
{
        crypto_sha256_2(bytes_make(st->h, HASH_SIZE), data, st->h);
}

static void mix_key(struct state *st, const uint8_t dh[static KEY_SIZE])
{
        crypto_hkdf2(st->ck, bytes_make(dh, KEY_SIZE), st->ck, st->k);
        st->has_key = true;
        st->n = 0;
}

static enum err mix_dh(struct state *st, const uint8_t secret[static KEY_SIZE], const uint8_t public[static KEY_SIZE])
{
        uint8_t dh[KEY_SIZE];
        const enum err err = crypto_x25519(secret, public, dh);

        if (!err) mix_key(st, dh);
        crypto_wipe(dh, sizeof dh);
        return err;
}

static enum err encrypt_and_hash(struct state *st, struct bytes clear, struct writer *out)
{
        const size_t n = clear.n + (st->has_key ? TAG_SIZE : 0);
        uint8_t *place = out->p + out->n;
        enum err err = OK;

        if (n > out->cap - out->n) return ERR_TOO_LARGE;
        if (st->has_key) {
                struct aead *aead = aead_new(st->k);
                err = aead ? aead_seal(aead, st->n++, bytes_make(st->h, HASH_SIZE), clear, place) : ERR_NO_MEMORY;
                aead_free(aead);
        } else if (n) {
                memcpy(place, clear.p, n);
        }
        if (err) return err;
        out->n += n;
        mix_hash(st, bytes_make(place, n));
        return OK;
}

static enum err decrypt_and_hash(struct state *st, struct bytes in, uint8_t *clear)
{
        enum err err = OK;

        if (st->has_key) {
                struct aead *aead = aead_new(st->k);
                err = aead ? aead_open(aead, st->n++, bytes_make(st->h, HASH_SIZE), in, clear) : ERR_NO_MEMORY;
                aead_free(aead);
        } else if (in.n) {
                memcpy(clear, in.p, in.n);
        }
        if (!err) mix_hash(st, in);
        return err;
}

/* --- tokens ------------------------------------------------------------------------------------------------------------- */

static enum err write_e(struct noise *noise, struct writer *out)
{
        struct state *st = &noise->next;
        uint8_t public[KEY_SIZE];

        crypto_x25519_public(noise->e, public);
        writer_put(out, public, KEY_SIZE);
        mix_hash(st, bytes_make(public, KEY_SIZE));
        NOISE_AFTER_TOKEN(st, "e");
        return writer_err(out);
}

static enum err read_e(struct noise *noise, struct bytes *in)
{
        struct state *st = &noise->next;

        if (in->n < KEY_SIZE) return ERR_TRUNCATED;
        memcpy(st->re, in->p, KEY_SIZE);
        *in = bytes_make(in->p + KEY_SIZE, in->n - KEY_SIZE);
        mix_hash(st, bytes_make(st->re, KEY_SIZE));
        NOISE_AFTER_TOKEN(st, "e");
        return OK;
}

static enum err write_s(struct noise *noise, struct writer *out)
{
        struct state *st = &noise->next;
        uint8_t public[KEY_SIZE];

        crypto_x25519_public(noise->s, public);
        const enum err err = encrypt_and_hash(st, bytes_make(public, KEY_SIZE), out);
        NOISE_AFTER_TOKEN(st, "s");
        return err;
}

static enum err read_s(struct noise *noise, struct bytes *in)
{
        enum { SEALED = KEY_SIZE + TAG_SIZE };
        struct state *st = &noise->next;

        if (in->n < SEALED) return ERR_TRUNCATED;
        const enum err err = decrypt_and_hash(st, bytes_make(in->p, SEALED), st->rs);
        *in = bytes_make(in->p + SEALED, in->n - SEALED);
        st->has_rs = !err;
        NOISE_AFTER_TOKEN(st, "s");
        return err;
}

static enum err mix_ee(struct noise *noise)
{
        const enum err err = mix_dh(&noise->next, noise->e, noise->next.re);

        NOISE_AFTER_TOKEN(&noise->next, "ee");
        return err;
}

/* The initiator's ephemeral and the responder's static key. */
static enum err mix_es(struct noise *noise)
{
        struct state *st = &noise->next;
        const enum err err = noise->role == NOISE_INITIATOR ? mix_dh(st, noise->e, st->rs) : mix_dh(st, noise->s, st->re);

        NOISE_AFTER_TOKEN(st, "es");
        return err;
}

/* The initiator's static and the responder's ephemeral key. */
static enum err mix_se(struct noise *noise)
{
        struct state *st = &noise->next;
        const enum err err = noise->role == NOISE_INITIATOR ? mix_dh(st, noise->s, st->re) : mix_dh(st, noise->e, st->rs);

        NOISE_AFTER_TOKEN(st, "se");
        return err;
}

/* --- messages ----------------------------------------------------------------------------------------------------------- */

typedef enum err message_writer(struct noise *noise, struct writer *out);
typedef enum err message_reader(struct noise *noise, struct bytes *in);

/* e, ee, s, es */
static enum err write_2(struct noise *noise, struct writer *out)
{
        enum err err;

        if ((err = write_e(noise, out)) || (err = mix_ee(noise)) || (err = write_s(noise, out))) return err;
        return mix_es(noise);
}

static enum err read_2(struct noise *noise, struct bytes *in)
{
        enum err err;

        if ((err = read_e(noise, in)) || (err = mix_ee(noise)) || (err = read_s(noise, in))) return err;
        return mix_es(noise);
}

/* s, se */
static enum err write_3(struct noise *noise, struct writer *out)
{
        const enum err err = write_s(noise, out);

        return err ? err : mix_se(noise);
}

static enum err read_3(struct noise *noise, struct bytes *in)
{
        const enum err err = read_s(noise, in);

        return err ? err : mix_se(noise);
}

static const struct {
        enum noise_role sender;
        message_writer *write;
        message_reader *read;
} messages[MESSAGES] = {
        {NOISE_INITIATOR, write_e, read_e},
        {NOISE_RESPONDER, write_2, read_2},
        {NOISE_INITIATOR, write_3, read_3},
};

/* Ends a message: `next` is the state from now on, or was never there. */
static void finish(struct noise *noise, enum err err)
{
        if (!err) {
                noise->next.messages++;
                noise->now = noise->next;
        }
        crypto_wipe(&noise->next, sizeof noise->next);
}

enum err noise_write(struct noise *noise, struct bytes payload, struct writer *out)
{
        const unsigned i = noise->now.messages;
        const size_t start = out->n;
        enum err err;

        if (i == MESSAGES || messages[i].sender != noise->role) return ERR_UNEXPECTED;
        noise->next = noise->now;
        if (!(err = messages[i].write(noise, out))) err = encrypt_and_hash(&noise->next, payload, out);
        NOISE_AFTER_TOKEN(&noise->next, "payload");
        if (!err && out->n - start > NOISE_MESSAGE_MAX) err = ERR_TOO_LARGE;
        if (err) out->n = start;
        finish(noise, err);
        return err;
}

enum err noise_read(struct noise *noise, struct bytes msg, uint8_t *payload, size_t *payload_n)
{
        const unsigned i = noise->now.messages;
        enum err err;

        if (i == MESSAGES || messages[i].sender == noise->role) return ERR_UNEXPECTED;
        if (msg.n > NOISE_MESSAGE_MAX) return ERR_TOO_LARGE;
        noise->next = noise->now;
        if (!(err = messages[i].read(noise, &msg))) err = decrypt_and_hash(&noise->next, msg, payload);
        NOISE_AFTER_TOKEN(&noise->next, "payload");
        if (!err) *payload_n = msg.n - (noise->next.has_key ? TAG_SIZE : 0);
        finish(noise, err);
        return err;
}

/* --- state -------------------------------------------------------------------------------------------------------------- */

/* The specification's Initialize: h is the name, or its hash where it is longer; then the prologue is mixed in. */
static void start(struct state *st, struct bytes protocol_name, struct bytes prologue)
{
        if (protocol_name.n > HASH_SIZE)
                crypto_sha256(protocol_name, st->h);
        else
                memcpy(st->h, protocol_name.p, protocol_name.n);
        memcpy(st->ck, st->h, HASH_SIZE);
        mix_hash(st, prologue);
}

enum err noise_new(enum noise_role role, struct bytes protocol_name, struct bytes prologue, const uint8_t static_secret[static KEY_SIZE],
                   const uint8_t ephemeral_secret[static KEY_SIZE], struct noise **out)
{
        struct noise *noise = secret_new();

        if (!noise) return ERR_FULL;
        noise->role = role;
        memcpy(noise->s, static_secret, KEY_SIZE);
        memcpy(noise->e, ephemeral_secret, KEY_SIZE);
        start(&noise->now, protocol_name, prologue);
        *out = noise;
        return OK;
}

void noise_free(struct noise *noise)
{
        secret_free(noise);
}

unsigned noise_messages(const struct noise *noise)
{
        return noise->now.messages;
}

const uint8_t *noise_remote_static(const struct noise *noise)
{
        return noise->now.has_rs ? noise->now.rs : NULL;
}

const uint8_t *noise_hash(const struct noise *noise)
{
        return noise->now.h;
}

enum err noise_split(const struct noise *noise, uint8_t k1[static KEY_SIZE], uint8_t k2[static KEY_SIZE])
{
        if (noise->now.messages != MESSAGES) return ERR_UNEXPECTED;
        crypto_hkdf2(noise->now.ck, BYTES_NONE, k1, k2);
        return OK;
}

struct noise_trace noise_trace(const struct noise *noise)
{
        const struct state *st = &noise->now;

        return (struct noise_trace){st->h, st->ck, st->has_key ? st->k : NULL, st->n};
}
