/* What an endpoint remembers of its peers' histories (C13). The input shows histories of a few identities, longer, shorter and forked ones,
 * in any order; a model that is a plain list says what has to come of it. */
#include "tests/fuzz/fuzz.h"
#include "transport/secure_channel/known_peers.h"

enum { PEERS = 4, LENGTHS = 3, HISTORIES = 2 * LENGTHS, HISTORY_MAX = 2048, LIMIT_MAX = 3 };

/* The first LENGTHS are one history with 1, 2, ... changes; the others have another change for their last. */
struct peer {
        struct identifier id;
        uint8_t memory[HISTORIES][HISTORY_MAX];
        struct bytes histories[HISTORIES];
};

struct remembered {
        size_t peer, history;
        bool named;
};

/* Most recently seen first. */
struct model {
        struct remembered list[LIMIT_MAX];
        size_t count, limit;
};

static struct peer peers[PEERS];

static void make_history(struct peer *peer, uint8_t number, size_t history)
{
        const size_t length = history % LENGTHS + 1;
        struct identity *identity;
        uint8_t seed[KEY_SIZE] = {number, 1};
        struct bytes made;

        if (length == 1 && history >= LENGTHS) seed[2] = 1; /* another identity altogether */
        fuzz_require(identity_new(seed, 1700000000, &identity) == OK);
        if (history == 0) peer->id = identity_get_view(identity)->identifier;
        for (size_t i = 2; i <= length; i++) {
                seed[1] = (uint8_t)i;
                seed[2] = history >= LENGTHS && i == length;
                fuzz_require(identity_rotate(identity, seed, false, 1700000000 + i) == OK);
        }
        made = identity_history(identity);
        fuzz_require(made.n <= HISTORY_MAX);
        memcpy(peer->memory[history], made.p, made.n);
        peer->histories[history] = bytes_make(peer->memory[history], made.n);
        identity_free(identity);
}

static void make_peers(void)
{
        static bool ready;

        if (ready) return;
        for (uint8_t i = 0; i < PEERS; i++)
                for (size_t h = 0; h < HISTORIES; h++)
                        make_history(&peers[i], i, h);
        ready = true;
}

static bool is_prefix(size_t a, size_t b)
{
        if (a >= LENGTHS) return a == b;
        return b >= LENGTHS ? a % LENGTHS < b % LENGTHS : a <= b;
}

static struct remembered *model_find(struct model *model, size_t peer)
{
        for (size_t i = 0; i < model->count; i++)
                if (model->list[i].peer == peer) return &model->list[i];
        return NULL;
}

static void model_remove(struct model *model, const struct remembered *entry)
{
        size_t at = (size_t)(entry - model->list);

        model->count--;
        memmove(&model->list[at], &model->list[at + 1], (model->count - at) * sizeof *entry);
}

static void model_remember(struct model *model, size_t peer, size_t history, bool named)
{
        struct remembered *entry = model_find(model, peer);

        if (model->limit == 0) return;
        if (entry) {
                named = named || entry->named;
                model_remove(model, entry);
        } else if (model->count == model->limit) {
                size_t at = model->count;

                while (at > 0 && model->list[at - 1].named)
                        at--;
                model_remove(model, &model->list[at ? at - 1 : model->count - 1]);
        }
        memmove(&model->list[1], &model->list[0], model->count * sizeof *entry);
        model->list[0] = (struct remembered){peer, history, named};
        model->count++;
}

static void check_all(struct known_peers *known, struct model *model)
{
        for (size_t p = 0; p < PEERS; p++) {
                const struct remembered *entry = model_find(model, p);

                for (size_t h = 0; h < HISTORIES; h++)
                        fuzz_require(known_peers_has(known, &peers[p].id, peers[p].histories[h]) == (entry && entry->history == h));
        }
}

static void step(struct known_peers *known, struct model *model, struct fuzz_input *in)
{
        const uint8_t what = fuzz_u8(in), which = fuzz_u8(in);
        const size_t p = which % PEERS, h = which / PEERS % HISTORIES;
        const struct remembered *entry = model_find(model, p);
        const enum err err = known_peers_check(known, &peers[p].id, peers[p].histories[h]);

        fuzz_require(err == (!entry || is_prefix(entry->history, h) ? OK : ERR_IDENTITY));
        if (err || !(what & 1)) return;
        fuzz_require(known_peers_remember(known, &peers[p].id, peers[p].histories[h], what & 2) == OK);
        model_remember(model, p, h, what & 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct fuzz_input in = fuzz_input_make(data, size);
        struct model model = {.limit = fuzz_below(&in, LIMIT_MAX + 1)};
        struct known_peers *known;

        fuzz_need_secrets();
        make_peers();
        known = known_peers_new(model.limit);
        fuzz_require(known);
        for (int steps = 0; fuzz_more(&in) && steps < 32; steps++)
                step(known, &model, &in);
        check_all(known, &model);
        known_peers_free(known);
        return 0;
}
