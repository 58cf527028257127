//! Noise XX by the crate snow, for ours to be compared with: `noise-snow SEED COUNT` writes so many random handshakes to stdout, each with all
//! keys, payloads and messages and with what follows it in both directions under a new key each 32 messages, as Ockam has it.
//!
//! Each item is a length (4 bytes, little-endian) and as many bytes. A handshake: protocol name; static and ephemeral secret of the
//! initiator, then of the responder; three payloads, three messages; the handshake hash; as one item of 4 bytes the number of messages that
//! follow in each direction; for each a text, its ciphertext from initiator to responder, its ciphertext back.

use rand_chacha::rand_core::{RngCore, SeedableRng};
use rand_chacha::ChaCha20Rng;
use snow::params::NoiseParams;
use snow::{Builder, HandshakeState, StatelessTransportState};
use std::io::{BufWriter, Write};

const STANDARD: &str = "Noise_XX_25519_AESGCM_SHA256";
const OCKAM: &str = "OCKAM_XX_25519_AES256_GCM_SHA256";
const REKEY_EACH: u64 = 32;
/// A message is at most 65,535 bytes: a key, an encrypted key and two tags are the most that goes off for the handshake.
const PAYLOAD_MAX: usize = 65535 - 32 - 48 - 16;

fn put(out: &mut impl Write, item: &[u8]) {
    out.write_all(&(item.len() as u32).to_le_bytes()).expect("stdout");
    out.write_all(item).expect("stdout");
}

fn below(random: &mut ChaCha20Rng, limit: usize) -> usize {
    (random.next_u64() % limit as u64) as usize
}

fn bytes(random: &mut ChaCha20Rng, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    random.fill_bytes(&mut bytes);
    bytes
}

/// Mostly small, often at a block's edge, sometimes the largest.
fn payload(random: &mut ChaCha20Rng) -> Vec<u8> {
    let size = match below(random, 50) {
        0 => PAYLOAD_MAX,
        1 => below(random, PAYLOAD_MAX + 1),
        2..=9 => 0,
        10..=19 => 15 + below(random, 3),
        _ => below(random, 600),
    };
    bytes(random, size)
}

fn side(name: &str, secret: &[u8], ephemeral: &[u8], initiator: bool) -> HandshakeState {
    let mut params: NoiseParams = STANDARD.parse().expect("a name that snow knows");
    params.name = name.to_string();
    let builder = Builder::new(params)
        .local_private_key(secret)
        .fixed_ephemeral_key_for_testing_only(ephemeral);
    let built = if initiator {
        builder.build_initiator()
    } else {
        builder.build_responder()
    };
    built.expect("a handshake state")
}

fn seal(from: &mut StatelessTransportState, to: &mut StatelessTransportState, nonce: u64, text: &[u8]) -> Vec<u8> {
    if nonce > 0 && nonce % REKEY_EACH == 0 {
        from.rekey_outgoing();
        to.rekey_incoming();
    }
    let mut sealed = vec![0; text.len() + 16];
    let size = from.write_message(nonce, text, &mut sealed).expect("sealed");
    assert_eq!(size, sealed.len());
    let mut opened = vec![0; sealed.len()];
    let size = to.read_message(nonce, &sealed, &mut opened).expect("opened");
    assert_eq!(&opened[..size], text);
    sealed
}

fn handshake(random: &mut ChaCha20Rng, out: &mut impl Write) {
    let name = if below(random, 4) == 0 { STANDARD } else { OCKAM };
    let secrets: Vec<_> = (0..4).map(|_| bytes(random, 32)).collect();
    let mut initiator = side(name, &secrets[0], &secrets[1], true);
    let mut responder = side(name, &secrets[2], &secrets[3], false);
    let payloads: Vec<_> = (0..3).map(|_| payload(random)).collect();
    let mut messages = Vec::new();
    for (number, payload) in payloads.iter().enumerate() {
        let (from, to) = if number == 1 {
            (&mut responder, &mut initiator)
        } else {
            (&mut initiator, &mut responder)
        };
        let (mut message, mut read) = (vec![0; 65535], vec![0; 65535]);
        let size = from.write_message(payload, &mut message).expect("written");
        message.truncate(size);
        let size = to.read_message(&message, &mut read).expect("read");
        assert_eq!(&read[..size], payload.as_slice());
        messages.push(message);
    }
    put(out, name.as_bytes());
    for item in secrets.iter().chain(&payloads).chain(&messages) {
        put(out, item);
    }
    put(out, initiator.get_handshake_hash());
    let mut initiator = initiator.into_stateless_transport_mode().expect("transport");
    let mut responder = responder.into_stateless_transport_mode().expect("transport");
    let count = below(random, 3 * REKEY_EACH as usize);
    put(out, &(count as u32).to_le_bytes());
    for nonce in 0..count as u64 {
        let size = below(random, 200);
        let text = bytes(random, size);
        put(out, &text);
        put(out, &seal(&mut initiator, &mut responder, nonce, &text));
        put(out, &seal(&mut responder, &mut initiator, nonce, &text));
    }
}

fn main() {
    let mut numbers = std::env::args()
        .skip(1)
        .map(|arg| arg.parse::<u64>().expect("noise-snow SEED COUNT"));
    let (seed, count) = (numbers.next().expect("SEED"), numbers.next().expect("COUNT"));
    let mut random = ChaCha20Rng::seed_from_u64(seed);
    let mut out = BufWriter::new(std::io::stdout().lock());
    for _ in 0..count {
        handshake(&mut random, &mut out);
    }
    out.flush().expect("stdout");
}
