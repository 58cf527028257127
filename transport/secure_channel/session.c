/* Numbered messages under keys that change each 32 (session.h).
 *
 * A receiver's window is the highest nonce that it took and the 32 before it, one bit each; it takes nonces up to 32 beyond.
 * So a nonce is of the interval of the highest one, of the one before, or of the one after, and no other key is ever needed. */
#include "transport/secure_channel/session.h"

#include <assert.h>

static_assert(REPLAY_WINDOW <= REKEY_INTERVAL, "current, previous and next key are enough");
static_assert(REPLAY_WINDOW + 1 <= 64, "the highest nonce and those behind it have a bit each");

/* --- sending ------------------------------------------------------------------------------------------------------------ */

enum err encryptor_init(struct encryptor *enc, const uint8_t key[static KEY_SIZE], uint64_t first_nonce)
{
        struct aead *aead = aead_new(key);

        if (!aead) return ERR_NO_MEMORY;
        enc->aead = aead;
        enc->nonce = first_nonce;
        return OK;
}

void encryptor_clear(struct encryptor *enc)
{
        aead_free(enc->aead);
        enc->aead = NULL;
}

static void put_nonce(uint8_t out[static NONCE_SIZE], uint64_t nonce)
{
        for (int i = NONCE_SIZE - 1; i >= 0; i--, nonce >>= 8) out[i] = (uint8_t)nonce;
}

enum err encryptor_seal(struct encryptor *enc, struct bytes in, uint8_t *out)
{
        const bool rekey = enc->nonce > 0 && enc->nonce % REKEY_INTERVAL == 0;
        struct aead *aead = enc->aead;
        enum err err;

        if (enc->nonce == UINT64_MAX) return ERR_NONCES;
        if (rekey && !(aead = aead_rekeyed(enc->aead))) return ERR_NO_MEMORY;
        if ((err = aead_seal(aead, enc->nonce, BYTES_NONE, in, out + NONCE_SIZE))) {
                if (rekey) aead_free(aead);
                return err;
        }
        put_nonce(out, enc->nonce++);
        if (rekey) {
                aead_free(enc->aead);
                enc->aead = aead;
        }
        return OK;
}

/* --- receiving ---------------------------------------------------------------------------------------------------------- */

enum err decryptor_init(struct decryptor *dec, const uint8_t key[static KEY_SIZE])
{
        struct aead *aead = aead_new(key);

        if (!aead) return ERR_NO_MEMORY;
        *dec = (struct decryptor){.current = aead};
        return OK;
}

void decryptor_clear(struct decryptor *dec)
{
        aead_free(dec->current);
        aead_free(dec->previous);
        dec->current = dec->previous = NULL;
}

static uint64_t get_nonce(const uint8_t in[static NONCE_SIZE])
{
        uint64_t nonce = 0;

        for (int i = 0; i < NONCE_SIZE; i++) nonce = nonce << 8 | in[i];
        return nonce;
}

static bool window_takes(const struct decryptor *dec, uint64_t nonce)
{
        if (nonce == UINT64_MAX) return false;
        if (nonce > dec->highest) return nonce - dec->highest <= REPLAY_WINDOW;
        return dec->highest - nonce <= REPLAY_WINDOW && !(dec->window >> (dec->highest - nonce) & 1);
}

/* The window moves on by so many: counts those that leave it without having come. */
static void window_leave(struct decryptor *dec, uint64_t by)
{
        for (uint64_t behind = REPLAY_WINDOW; behind > REPLAY_WINDOW - by; behind--) {
                if (behind > dec->highest) continue;
                if (!(dec->window >> behind & 1)) {
                        dec->run++;
                        continue;
                }
                dec->missing += dec->run;
                dec->run = 0;
        }
}

static void window_mark(struct decryptor *dec, uint64_t nonce)
{
        if (nonce > dec->highest) {
                window_leave(dec, nonce - dec->highest);
                dec->window = dec->window << (nonce - dec->highest) | 1;
                dec->highest = nonce;
        } else {
                dec->window |= (uint64_t)1 << (dec->highest - nonce);
        }
}

/* Tries the key of the next interval; it becomes the current one only when a message proves that the sender is there (C4). */
static enum err open_next(struct decryptor *dec, uint64_t nonce, struct bytes in, uint8_t *out)
{
        struct aead *next = aead_rekeyed(dec->current);
        enum err err = next ? aead_open(next, nonce, BYTES_NONE, in, out) : ERR_NO_MEMORY;

        if (err) {
                aead_free(next);
                return err;
        }
        aead_free(dec->previous);
        dec->previous = dec->current;
        dec->current = next;
        return OK;
}

static enum err open_with_key_of(struct decryptor *dec, uint64_t nonce, struct bytes in, uint8_t *out)
{
        const uint64_t interval = nonce / REKEY_INTERVAL, current = dec->highest / REKEY_INTERVAL;

        if (interval > current) return open_next(dec, nonce, in, out);
        if (interval == current) return aead_open(dec->current, nonce, BYTES_NONE, in, out);
        return dec->previous ? aead_open(dec->previous, nonce, BYTES_NONE, in, out) : ERR_REPLAYED;
}

enum err decryptor_open(struct decryptor *dec, struct bytes in, uint8_t *out, uint64_t *nonce_out)
{
        enum err err;

        if (in.n < NONCE_SIZE + TAG_SIZE) return ERR_TRUNCATED;
        const uint64_t nonce = get_nonce(in.p);
        if (!window_takes(dec, nonce)) return ERR_REPLAYED;
        if ((err = open_with_key_of(dec, nonce, bytes_make(in.p + NONCE_SIZE, in.n - NONCE_SIZE), out))) return err;
        window_mark(dec, nonce);
        *nonce_out = nonce;
        return OK;
}

uint64_t decryptor_missing(struct decryptor *dec)
{
        const uint64_t missing = dec->missing;

        dec->missing = 0;
        return missing;
}
