/* Our Noise XX against the crate snow's (noise-snow/src/main.rs says what comes on stdin): in both roles each message must be the same byte
 * for byte, what the other side wrote must be understood, and so with what follows under the keys that change. */
#include "tests/interop/items.h"
#include "transport/secure_channel/noise.h"
#include "transport/secure_channel/secrets.h"
#include "transport/secure_channel/session.h"

#include <inttypes.h>
#include <string.h>

enum { ITEM_MAX = 65535, TEXT_MAX = 512, SECRETS = 8 };

/* One handshake as snow held it. */
struct recorded {
        uint8_t name_memory[64], secrets[4][KEY_SIZE], hash[HASH_SIZE];
        uint8_t payload_memory[3][ITEM_MAX], message_memory[3][ITEM_MAX];
        struct bytes name, payloads[3], messages[3];
        uint32_t follow; /* messages in each direction behind it */
};

static uint64_t number; /* of the handshake at hand */

static void same(const char *what, struct bytes ours, struct bytes theirs)
{
        if (!bytes_equal(ours, theirs))
                DIE("handshake %" PRIu64 ": %s differs (%zu bytes of ours, %zu of theirs)", number, what, ours.n, theirs.n);
}

static void must(const char *what, enum err err)
{
        if (err) DIE("handshake %" PRIu64 ": %s: %s", number, what, err_name(err));
}

static void read_exactly(uint8_t *memory, size_t n)
{
        if (item_must(memory, n).n != n) DIE("handshake %" PRIu64 ": an item of another size than %zu", number, n);
}

static bool read_recorded(struct recorded *r)
{
        uint8_t follow[4];

        if (!item_read(r->name_memory, sizeof r->name_memory, &r->name)) return false;
        for (int i = 0; i < 4; i++)
                read_exactly(r->secrets[i], KEY_SIZE);
        for (int i = 0; i < 3; i++)
                r->payloads[i] = item_must(r->payload_memory[i], ITEM_MAX);
        for (int i = 0; i < 3; i++)
                r->messages[i] = item_must(r->message_memory[i], ITEM_MAX);
        read_exactly(r->hash, HASH_SIZE);
        read_exactly(follow, sizeof follow);
        memcpy(&r->follow, follow, sizeof follow);
        return true;
}

/* Our side in this role, with snow's at the other end; k1 and k2 are what comes of it. */
static void play(const struct recorded *r, enum noise_role role, uint8_t k1[KEY_SIZE], uint8_t k2[KEY_SIZE])
{
        static uint8_t memory[ITEM_MAX];
        const uint8_t(*own)[KEY_SIZE] = role == NOISE_INITIATOR ? &r->secrets[0] : &r->secrets[2];
        const uint8_t(*other)[KEY_SIZE] = role == NOISE_INITIATOR ? &r->secrets[2] : &r->secrets[0];
        uint8_t static_key[KEY_SIZE];
        struct noise *noise;

        must("start", noise_new(role, r->name, BYTES_NONE, own[0], own[1], &noise));
        for (int i = 0; i < 3; i++) {
                struct writer w = writer_make(memory, sizeof memory);
                size_t n;

                if ((i == 1) == (role == NOISE_RESPONDER)) {
                        must("write", noise_write(noise, r->payloads[i], &w));
                        same("a message", writer_bytes(&w), r->messages[i]);
                } else {
                        must("read", noise_read(noise, r->messages[i], memory, &n));
                        same("a payload", bytes_make(memory, n), r->payloads[i]);
                }
        }
        same("the hash", bytes_make(noise_hash(noise), HASH_SIZE), bytes_make(r->hash, HASH_SIZE));
        crypto_x25519_public(other[0], static_key);
        same("the static key", bytes_make(noise_remote_static(noise), KEY_SIZE), bytes_make(static_key, KEY_SIZE));
        must("split", noise_split(noise, k1, k2));
        noise_free(noise);
}

/* One direction: a sealed message of ours is snow's, and snow's opens. */
static void follow(struct encryptor *enc, struct decryptor *dec, struct bytes text, struct bytes theirs)
{
        uint8_t sealed[NONCE_SIZE + TEXT_MAX + TAG_SIZE], opened[TEXT_MAX];
        uint64_t nonce = enc->nonce, got;
        size_t n = text.n + NONCE_SIZE + TAG_SIZE;

        must("seal", encryptor_seal(enc, text, sealed));
        same("a ciphertext", bytes_make(sealed + NONCE_SIZE, n - NONCE_SIZE), theirs);
        memcpy(sealed + NONCE_SIZE, theirs.p, theirs.n);
        must("open", decryptor_open(dec, bytes_make(sealed, n), opened, &got));
        if (got != nonce) DIE("handshake %" PRIu64 ": another nonce", number);
        same("a text", bytes_make(opened, text.n), text);
}

static void compare_what_follows(const struct recorded *r, const uint8_t k1[KEY_SIZE], const uint8_t k2[KEY_SIZE])
{
        uint8_t text_memory[TEXT_MAX], there_memory[TEXT_MAX + TAG_SIZE], back_memory[TEXT_MAX + TAG_SIZE];
        struct encryptor there, back;
        struct decryptor there_in, back_in;

        must("keys", encryptor_init(&there, k1, 0));
        must("keys", decryptor_init(&there_in, k1));
        must("keys", encryptor_init(&back, k2, 0));
        must("keys", decryptor_init(&back_in, k2));
        for (uint32_t i = 0; i < r->follow; i++) {
                struct bytes text = item_must(text_memory, sizeof text_memory);

                follow(&there, &there_in, text, item_must(there_memory, sizeof there_memory));
                follow(&back, &back_in, text, item_must(back_memory, sizeof back_memory));
        }
        encryptor_clear(&there);
        encryptor_clear(&back);
        decryptor_clear(&there_in);
        decryptor_clear(&back_in);
}

int main(void)
{
        static struct recorded recorded;
        uint8_t k1[2][KEY_SIZE], k2[2][KEY_SIZE];
        uint64_t followed = 0;
        struct reason why;

        if (crypto_init(&why)) DIE("%s", why.text);
        if (secrets_init(SECRETS)) DIE("no memory for secrets");
        for (; read_recorded(&recorded); number++) {
                for (int role = 0; role < 2; role++)
                        play(&recorded, role ? NOISE_RESPONDER : NOISE_INITIATOR, k1[role], k2[role]);
                same("k1", bytes_make(k1[0], KEY_SIZE), bytes_make(k1[1], KEY_SIZE));
                same("k2", bytes_make(k2[0], KEY_SIZE), bytes_make(k2[1], KEY_SIZE));
                compare_what_follows(&recorded, k1[0], k2[0]);
                followed += 2ull * recorded.follow;
        }
        secrets_clear();
        printf("%" PRIu64 " handshakes and %" PRIu64 " messages after them agree\n", number, followed);
        return 0;
}
