/* Puts IdentityPayload = [ChangeHistory, PurposeKeyAttestation, credentials] into handshake messages and takes it apart.
 * Credentials are passed over: we trust identifiers, not authorities. */
#include "transport/secure_channel/handshake.h"

enum {
        PAYLOAD_HEADS = 2, /* 83 and 80: the struct and the empty array of credentials */
        NOISE_OVERHEAD = 2 * KEY_SIZE + 2 * TAG_SIZE,
};

struct identity_payload {
        struct bytes history, attestation;
};

enum err handshake_new(enum noise_role role, const struct handshake_self *self, const uint8_t ephemeral_secret[static KEY_SIZE],
                       struct noise **out)
{
        return noise_new(role, BYTES_LITERAL(NOISE_PROTOCOL_NAME), BYTES_NONE, purpose_key_secret(self->purpose_key), ephemeral_secret, out);
}

/* --- writing ------------------------------------------------------------------------------------------------------------ */

static enum err put_identity(const struct handshake_self *self, struct arena *arena, struct bytes *out)
{
        const struct bytes history = identity_history(self->identity), attestation = purpose_key_attestation(self->purpose_key);
        const size_t n = PAYLOAD_HEADS + history.n + attestation.n;
        uint8_t *memory = arena_alloc(arena, n);
        struct writer w = writer_make(memory, n);

        if (!memory) return ERR_FULL;
        cbor_put_array(&w, 3);
        writer_put(&w, history.p, history.n);
        writer_put(&w, attestation.p, attestation.n);
        cbor_put_array(&w, 0);
        *out = writer_bytes(&w);
        return writer_err(&w);
}

enum err handshake_write(struct noise *noise, const struct handshake_self *self, struct arena *arena, struct bytes *out)
{
        struct bytes payload = BYTES_NONE;
        enum err err;

        if (noise_messages(noise) > 0 && (err = put_identity(self, arena, &payload))) return err;
        const size_t cap = NOISE_OVERHEAD + payload.n;
        uint8_t *memory = arena_alloc(arena, cap);
        struct writer w = writer_make(memory, cap);

        if (!memory) return ERR_FULL;
        if (!(err = noise_write(noise, payload, &w))) *out = writer_bytes(&w);
        return err;
}

/* --- reading ------------------------------------------------------------------------------------------------------------ */

enum err handshake_read(struct noise *noise, struct bytes msg, struct arena *arena, struct bytes *payload)
{
        uint8_t *memory = arena_alloc(arena, msg.n ? msg.n : 1);
        size_t n;
        enum err err;

        if (!memory) return ERR_FULL;
        if (!(err = noise_read(noise, msg, memory, &n))) *payload = bytes_make(memory, n);
        return err;
}

/* The bytes of the next item, which is somebody else's to read. */
static struct bytes take_item(struct cbor_reader *r)
{
        const struct bytes rest = cbor_rest(r);

        cbor_skip(r);
        return bytes_make(rest.p, rest.n - cbor_rest(r).n);
}

static enum err payload_read(struct bytes in, struct identity_payload *out)
{
        struct cbor_reader r = cbor_reader_make(in);
        struct cbor_items items = cbor_array(&r), credentials;

        cbor_need(&r, &items);
        out->history = take_item(&r);
        cbor_need(&r, &items);
        out->attestation = take_item(&r);
        cbor_need(&r, &items);
        credentials = cbor_array(&r);
        cbor_skip_rest(&r, &credentials, 1);
        cbor_skip_rest(&r, &items, 1);
        return r.err;
}

/* --- checks ------------------------------------------------------------------------------------------------------------- */

static enum err check_identity(struct bytes history, const struct handshake_rules *rules, struct identity_view *view, struct reason *why)
{
        enum err err;

        if (history.n > rules->limits->history_bytes) return fail(why, ERR_TOO_LARGE, "the peer's change history is too large");
        if ((err = identity_verify(history, rules->limits->history_changes, view)))
                return fail(why, err, "the peer's identity does not verify: %s", err_text(err));
        if ((err = known_peers_check(rules->known, &view->identifier, history)))
                return fail(why, err, "the peer shows an older or another change history than before; an old key of it may be in wrong hands");
        return OK;
}

static enum err check_attestation(const struct noise *noise, struct bytes attestation, const struct identity_view *view, uint64_t now_s,
                                  struct reason *why)
{
        struct attestation_view key;
        const enum err err = attestation_verify(attestation, view, now_s, &key);

        if (err == ERR_EXPIRED)
                return fail(why, err, "the peer's purpose key is expired or not valid yet; is the clock right? (%llu seconds UTC here)",
                            (unsigned long long)now_s);
        if (err) return fail(why, err, "the peer's purpose key does not verify: %s", err_text(err));
        if (key.kind != PURPOSE_SECURE_CHANNEL || !crypto_equal(key.x25519, noise_remote_static(noise), KEY_SIZE))
                return fail(why, ERR_IDENTITY, "the peer attests another key than it used in the handshake");
        return OK;
}

static enum err check_trust(const struct trust *trust, const struct identifier *peer, bool *named, struct reason *why)
{
        char text[IDENTIFIER_TEXT_SIZE + 1];
        const enum trust_verdict verdict = trust_judge(trust, peer);

        if (verdict == TRUST_REFUSED) return fail(why, ERR_UNTRUSTED, "%s is not a trusted identity here", identifier_text(peer, text));
        *named = verdict == TRUST_NAMED;
        return OK;
}

enum err handshake_check(const struct noise *noise, struct bytes payload, const struct handshake_rules *rules, struct handshake_peer *out,
                         struct reason *why)
{
        struct identity_payload parts;
        struct identity_view view;
        bool named;
        enum err err;

        if (!noise_remote_static(noise)) return fail(why, ERR_UNEXPECTED, "the handshake has not come to the peer's identity");
        if ((err = payload_read(payload, &parts))) return fail(why, err, "the peer sent no identity: %s", err_text(err));
        if ((err = check_identity(parts.history, rules, &view, why))) return err;
        if ((err = check_attestation(noise, parts.attestation, &view, rules->now_s, why))) return err;
        if ((err = check_trust(rules->trust, &view.identifier, &named, why))) return err;
        *out = (struct handshake_peer){view.identifier, named, parts.history};
        return OK;
}

enum err handshake_keys(const struct noise *noise, enum noise_role role, uint8_t send[static KEY_SIZE], uint8_t receive[static KEY_SIZE])
{
        return role == NOISE_INITIATOR ? noise_split(noise, receive, send) : noise_split(noise, send, receive);
}
