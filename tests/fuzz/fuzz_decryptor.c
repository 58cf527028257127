/* An established channel's receiver. The input makes the true sender send, and gives the receiver what was sent in any order, again,
 * changed, cut, under another number, or junk. A model says what has to be taken; what is not taken changes nothing (I8), and at the end a
 * true message is still taken. */
#include "tests/fuzz/fuzz.h"
#include "transport/secure_channel/session.h"

enum { SENT_MAX = 96, TEXT_MAX = 48, SEALED_MAX = NONCE_SIZE + TEXT_MAX + TAG_SIZE };

struct sent {
        uint8_t text[TEXT_MAX], sealed[SEALED_MAX];
        size_t text_n;
        uint64_t nonce;
        bool taken;
};

struct run {
        struct encryptor enc;
        struct decryptor dec;
        struct sent sent[SENT_MAX];
        size_t count;
        uint8_t key[KEY_SIZE];
        uint64_t highest; /* that was taken */
};

static size_t sealed_size(const struct sent *sent) { return NONCE_SIZE + sent->text_n + TAG_SIZE; }

/* Channels at their beginning, at a change of keys, and at the end of all numbers. */
static void start(struct run *run, uint8_t where)
{
        static const uint64_t first[] = {0, 1, 31, 32, 33, 64, UINT64_MAX - 40, UINT64_MAX - 2};
        const uint64_t nonce = first[where % (sizeof first / sizeof *first)];

        run->count = 0;
        fuzz_require(encryptor_init(&run->enc, run->key, nonce) == OK && decryptor_init(&run->dec, run->key) == OK);
        if (nonce) {
                run->dec.highest = nonce - 1;
                run->dec.window = 1;
        }
        run->highest = run->dec.highest;
}

/* NULL: the input has sent enough, or no number is left. */
static struct sent *send(struct run *run, struct bytes text)
{
        struct sent *sent = &run->sent[run->count];

        if (run->count == SENT_MAX) return NULL;
        *sent = (struct sent){.nonce = run->enc.nonce};
        sent->text_n = text.n < TEXT_MAX ? text.n : TEXT_MAX;
        if (sent->text_n) memcpy(sent->text, text.p, sent->text_n);
        if (sent->nonce == UINT64_MAX) {
                fuzz_require(encryptor_seal(&run->enc, bytes_make(sent->text, sent->text_n), sent->sealed) == ERR_NONCES);
                return NULL;
        }
        fuzz_require(encryptor_seal(&run->enc, bytes_make(sent->text, sent->text_n), sent->sealed) == OK);
        run->count++;
        return sent;
}

static bool has_to_be_taken(const struct run *run, const struct sent *sent)
{
        if (sent->taken) return false;
        return sent->nonce > run->highest ? sent->nonce - run->highest <= REPLAY_WINDOW : run->highest - sent->nonce <= REPLAY_WINDOW;
}

static enum err receive(struct run *run, struct bytes in, struct bytes *text, uint8_t clear[static SEALED_MAX + 256])
{
        const struct decryptor before = run->dec;
        uint8_t *exact = fuzz_memory(in.n);
        uint64_t nonce = 0;
        enum err err;

        if (in.n) memcpy(exact, in.p, in.n);
        err = decryptor_open(&run->dec, bytes_make(exact, in.n), clear, &nonce);
        free(exact);
        if (err) {
                fuzz_require(run->dec.current == before.current && run->dec.previous == before.previous);
                fuzz_require(run->dec.highest == before.highest && run->dec.window == before.window);
        } else {
                *text = bytes_make(clear, in.n - NONCE_SIZE - TAG_SIZE);
        }
        return err;
}

static void receive_true(struct run *run, struct sent *sent)
{
        uint8_t clear[SEALED_MAX + 256];
        const bool expected = has_to_be_taken(run, sent);
        struct bytes text = BYTES_NONE;
        enum err err = receive(run, bytes_make(sent->sealed, sealed_size(sent)), &text, clear);

        fuzz_require(expected ? err == OK : err == ERR_REPLAYED);
        if (err) return;
        fuzz_require(bytes_equal(text, bytes_make(sent->text, sent->text_n)));
        sent->taken = true;
        if (sent->nonce > run->highest) run->highest = sent->nonce;
        fuzz_require(run->dec.highest == run->highest);
}

static bool was_sent(const struct run *run, struct bytes in)
{
        for (size_t i = 0; i < run->count; i++)
                if (bytes_equal(in, bytes_make(run->sent[i].sealed, sealed_size(&run->sent[i])))) return true;
        return false;
}

static void receive_false(struct run *run, struct bytes in)
{
        uint8_t clear[SEALED_MAX + 256];
        struct bytes text;

        if (!was_sent(run, in)) fuzz_require(receive(run, in, &text, clear) != OK);
}

/* A message that was sent, with one thing about it changed. */
static void receive_changed(struct run *run, const struct sent *sent, struct fuzz_input *in)
{
        uint8_t changed[SEALED_MAX + 1];
        size_t n = sealed_size(sent), at, distance;

        memcpy(changed, sent->sealed, n);
        switch (fuzz_below(in, 4)) {
        case 0:
                at = fuzz_below(in, n);
                changed[at] ^= fuzz_u8(in);
                break;
        case 1:
                n = fuzz_below(in, n);
                break;
        case 2:
                changed[n++] = fuzz_u8(in);
                break;
        default:
                distance = fuzz_u8(in);
                changed[NONCE_SIZE - 1] = (uint8_t)(changed[NONCE_SIZE - 1] + distance);
        }
        receive_false(run, bytes_make(changed, n));
}

static void step(struct run *run, struct fuzz_input *in)
{
        const uint8_t what = fuzz_u8(in);
        struct sent *sent = run->count ? &run->sent[(what >> 3) % run->count] : NULL;

        switch (what & 7) {
        case 0:
                (void)send(run, fuzz_take(in, what >> 3));
                break;
        case 1:
        case 2: /* the newest, which is how it usually is */
                if ((sent = send(run, fuzz_take(in, what >> 5)))) receive_true(run, sent);
                break;
        case 3: /* lost on the way */
                for (int i = what >> 3; i > 0; i--)
                        (void)send(run, BYTES_NONE);
                break;
        case 4:
                receive_false(run, fuzz_take(in, what));
                break;
        case 5:
                if (run->count) receive_changed(run, &run->sent[fuzz_below(in, run->count)], in);
                break;
        case 6:
                if (run->count) receive_true(run, &run->sent[fuzz_below(in, run->count)]);
                break;
        default:
                if (sent) receive_true(run, sent);
        }
}

/* Whatever has come: a message that the window can take is taken. */
static void end(struct run *run)
{
        struct sent *last;

        if (run->count == SENT_MAX) run->count--;
        last = send(run, BYTES_LITERAL("still here"));
        if (last) receive_true(run, last);
        encryptor_clear(&run->enc);
        decryptor_clear(&run->dec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct run run;
        struct fuzz_input in = fuzz_input_make(data, size);

        fuzz_need_secrets();
        /* A key for each input: under one for all, the fuzzer learns true messages from what it sees compared, and hands them in as its own. */
        crypto_sha256(bytes_make(data, size), run.key);
        start(&run, fuzz_u8(&in));
        for (int steps = 0; fuzz_more(&in) && steps < 256; steps++)
                step(&run, &in);
        end(&run);
        return 0;
}
