//! What the crate makes of random bytes, for our decoders to be compared with: `decoders SEED COUNT` writes so many inputs to stdout, valid ones in
//! all the forms that an encoding may take and others that were damaged, each with the crate's verdict.
//!
//! Three items each, a length (4 bytes, little-endian) and as many bytes: the kind in one byte, as in `judge`; the input; the verdict. That is
//! empty where the crate refuses the input; else 1, or 2 where bytes were left over, and the crate's own encoding of what it understood.

use ed25519_dalek::{Signer, SigningKey};
use ockam::identity::{Identity, SecureChannelMessage};
use ockam::protocols::stream::requests::{CreateStreamRequest, IndexRequest, PullRequest, PushRequest};
use ockam::protocols::stream::responses::{IndexResponse, InitResponse, PullResponse, PushConfirm};
use ockam::protocols::ProtocolPayload;
use ockam::vault::SoftwareVaultForVerifyingSignatures;
use ockam::TransportMessage;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rand_chacha::ChaCha20Rng;
use serde::{de::DeserializeOwned, Serialize};
use sha2::{Digest, Sha256};
use std::io::{BufWriter, Cursor, Write};

// --- the crate's verdict ---------------------------------------------------------------------------------------------------------

enum Verdict {
    Refused,
    Taken(Vec<u8>),
    Leftover(Vec<u8>),
}

fn bare<T: DeserializeOwned>(input: &[u8]) -> Option<(T, bool)> {
    let value = serde_bare::from_slice(input).ok()?;
    let mut cursor = Cursor::new(input);
    serde_bare::from_reader::<_, T>(&mut cursor).ok()?;
    Some((value, cursor.position() < input.len() as u64))
}

fn again<T: Serialize>(value: &T) -> Vec<u8> {
    serde_bare::to_vec(value).expect("an encoding")
}

fn transport(input: &[u8]) -> Verdict {
    match serde_bare::from_slice::<TransportMessage>(input) {
        Ok(mut message) => {
            message.version = 1; // not looked at by anyone
            Verdict::Taken(again(&message))
        }
        Err(_) => Verdict::Refused,
    }
}

fn stream(input: &[u8], response: bool) -> Verdict {
    fn inner<T: DeserializeOwned + Serialize>(data: &[u8]) -> Option<(Vec<u8>, bool)> {
        bare::<T>(data).map(|(value, leftover)| (again(&value), leftover))
    }
    let Some((wrapper, outside)) = bare::<ProtocolPayload>(input) else {
        return Verdict::Refused;
    };
    let read = match (wrapper.protocol.as_str(), response) {
        ("stream_create", false) => inner::<CreateStreamRequest>(&wrapper.data),
        ("stream_push", false) => inner::<PushRequest>(&wrapper.data),
        ("stream_pull", false) => inner::<PullRequest>(&wrapper.data),
        ("stream_index", false) => inner::<IndexRequest>(&wrapper.data),
        ("stream_create", true) => inner::<InitResponse>(&wrapper.data),
        ("stream_push", true) => inner::<PushConfirm>(&wrapper.data),
        ("stream_pull", true) => inner::<PullResponse>(&wrapper.data),
        ("stream_index", true) => inner::<IndexResponse>(&wrapper.data),
        _ => None,
    };
    let Some((data, inside)) = read else { return Verdict::Refused };
    let encoding = again(&ProtocolPayload {
        protocol: wrapper.protocol,
        data,
    });
    if inside || outside {
        Verdict::Leftover(encoding)
    } else {
        Verdict::Taken(encoding)
    }
}

fn channel(input: &[u8]) -> Verdict {
    match minicbor::decode::<SecureChannelMessage>(input) {
        Ok(message) => Verdict::Taken(minicbor::to_vec(message).expect("an encoding")),
        Err(_) => Verdict::Refused,
    }
}

fn history(input: &[u8], runtime: &tokio::runtime::Runtime) -> Verdict {
    match runtime.block_on(Identity::import(None, input, SoftwareVaultForVerifyingSignatures::create())) {
        Ok(identity) => Verdict::Taken(identity.identifier().0.to_vec()),
        Err(_) => Verdict::Refused,
    }
}

// --- inputs ------------------------------------------------------------------------------------------------------------------------

struct Chance(ChaCha20Rng);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        (self.0.next_u64() % limit as u64) as usize
    }

    fn one_in(&mut self, limit: usize) -> bool {
        self.below(limit) == 0
    }

    fn bytes(&mut self, size: usize) -> Vec<u8> {
        let mut bytes = vec![0; size];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// Lengths about where an encoding changes its form.
    fn size(&mut self) -> usize {
        match self.below(16) {
            0..=3 => 0,
            4..=11 => 1 + self.below(30),
            12..=13 => 22 + self.below(4),
            14 => 126 + self.below(4),
            _ => self.below(400),
        }
    }

    fn data(&mut self) -> Vec<u8> {
        let size = self.size();
        self.bytes(size)
    }

    fn text(&mut self) -> Vec<u8> {
        if self.one_in(12) {
            return self.data();
        }
        let size = self.size();
        (0..size)
            .map(|_| ["a", "-", "ü", "世", "\0", "_", "🦀"][self.below(7)])
            .collect::<String>()
            .into_bytes()
    }

    fn number(&mut self) -> u64 {
        let bits = self.below(65) as u32;
        self.0.next_u64().checked_shr(64 - bits).unwrap_or(0)
    }
}

/// BARE, as it is written and sometimes longer than needed.
struct Bare(Vec<u8>);

impl Bare {
    fn uint(&mut self, chance: &mut Chance, mut value: u64) {
        let mut bytes = Vec::new();
        loop {
            bytes.push(value as u8 & 127);
            value >>= 7;
            if value == 0 {
                break;
            }
        }
        if chance.one_in(25) {
            let wanted = bytes.len() + chance.below(12);
            bytes.resize(wanted, 0);
        }
        let last = bytes.len() - 1;
        self.0.extend(
            bytes
                .iter()
                .enumerate()
                .map(|(at, byte)| if at < last { byte | 128 } else { *byte }),
        );
    }

    fn data(&mut self, chance: &mut Chance, data: &[u8]) {
        self.uint(chance, data.len() as u64);
        self.0.extend_from_slice(data);
    }

    fn route(&mut self, chance: &mut Chance) {
        let hops = chance.below(4);
        self.uint(chance, hops as u64);
        for _ in 0..hops {
            self.0.push([0, 0, 0, 1, 2, 23, 24, 127, 128, 255][chance.below(10)]);
            let address = chance.data();
            self.data(chance, &address);
        }
    }
}

fn transport_input(chance: &mut Chance) -> Vec<u8> {
    let mut out = Bare(vec![if chance.one_in(10) { chance.below(256) as u8 } else { 1 }]);
    out.route(chance);
    out.route(chance);
    let payload = chance.data();
    out.data(chance, &payload);
    if chance.one_in(10) {
        let more = chance.data();
        out.0.extend(more);
    }
    out.0
}

/// The body of a stream message after these fields: n a number, d data, s a string, p a byte that says whether something follows.
fn stream_fields(chance: &mut Chance, out: &mut Bare, fields: &str) {
    for field in fields.chars() {
        match field {
            'n' => {
                let number = chance.number();
                out.uint(chance, number);
            }
            's' => {
                let text = chance.text();
                out.data(chance, &text);
            }
            'p' => out.0.push([1, 1, 1, 1, 2, 255][chance.below(6)]),
            '0'..='9' => out.uint(chance, field as u64 - '0' as u64),
            _ => {
                let data = chance.data();
                out.data(chance, &data);
            }
        }
    }
}

fn stream_input(chance: &mut Chance, response: bool) -> Vec<u8> {
    let requests = [
        ("create", "ps"),
        ("create", "0"),
        ("push", "nd"),
        ("pull", "nnn"),
        ("index", "0ss"),
        ("index", "1ssn"),
    ];
    let responses = [
        ("create", "s"),
        ("push", "n0n"),
        ("push", "n1n"),
        ("pull", "n0"),
        ("pull", "n2ndnd"),
        ("index", "sspn"),
        ("index", "ss0"),
    ];
    let (name, fields) = if response {
        responses[chance.below(responses.len())]
    } else {
        requests[chance.below(requests.len())]
    };
    let (mut body, mut out) = (Bare(Vec::new()), Bare(Vec::new()));
    stream_fields(chance, &mut body, fields);
    if chance.one_in(20) {
        let more = chance.data();
        body.0.extend(more);
    }
    out.data(chance, format!("stream_{name}").as_bytes());
    out.data(chance, &body.0);
    if chance.one_in(20) {
        let more = chance.data();
        out.0.extend(more);
    }
    out.0
}

/// CBOR in every form that a decoder may be asked to take.
struct Cbor(Vec<u8>);

impl Cbor {
    fn head(&mut self, chance: &mut Chance, major: u8, value: u64) {
        let needed = [value < 24, value < 1 << 8, value < 1 << 16, value < 1 << 32]
            .iter()
            .position(|fits| *fits)
            .unwrap_or(4);
        let form = if chance.one_in(20) {
            needed + chance.below(5 - needed)
        } else {
            needed
        };
        match form {
            0 => self.0.push(major << 5 | value as u8),
            _ => {
                self.0.push(major << 5 | (23 + form) as u8);
                self.0.extend_from_slice(&value.to_be_bytes()[8 - (1 << (form - 1))..]);
            }
        }
    }

    fn uint(&mut self, chance: &mut Chance, value: u64) {
        self.head(chance, 0, value);
    }

    fn bytes(&mut self, chance: &mut Chance, bytes: &[u8]) {
        if chance.one_in(60) {
            self.0.push(0x5f);
            self.head(chance, 2, bytes.len() as u64);
            self.0.extend_from_slice(bytes);
            self.0.push(0xff);
            return;
        }
        self.head(chance, 2, bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// An array of so many items, written by `each`; `open`: things may stand behind the last, as behind the fields of a struct.
    fn array(&mut self, chance: &mut Chance, count: usize, open: bool, mut each: impl FnMut(&mut Self, &mut Chance, usize)) {
        let more = if open && chance.one_in(20) { 1 + chance.below(2) } else { 0 };
        let indefinite = chance.one_in(15);
        if indefinite {
            self.0.push(0x9f);
        } else {
            self.head(chance, 4, (count + more) as u64);
        }
        for at in 0..count {
            each(self, chance, at);
        }
        for _ in 0..more {
            self.anything(chance, 0);
        }
        if indefinite {
            self.0.push(0xff);
        }
    }

    /// Whatever CBOR has.
    fn anything(&mut self, chance: &mut Chance, depth: usize) {
        let kind = chance.below(if depth < 24 { 11 } else { 5 });
        match kind {
            0 | 1 => {
                let number = chance.number();
                self.head(chance, kind as u8, number);
            }
            2 | 3 => {
                let text = chance.text();
                self.head(chance, kind as u8, text.len() as u64);
                self.0.extend(text);
            }
            4 => self
                .0
                .extend_from_slice([&[0xf4][..], &[0xf6], &[0xf7], &[0xf9, 0x3c, 0], &[0xfb; 9], &[0xf8, 0x20], &[0xe0]][chance.below(7)]),
            5 => {
                let count = chance.below(3);
                self.head(chance, 5, count as u64);
                for _ in 0..2 * count {
                    self.anything(chance, depth + 1);
                }
            }
            6 => {
                let tag = chance.number();
                self.head(chance, 6, tag);
                self.anything(chance, depth + 1);
            }
            7 => {
                self.0.push([0x5f, 0x7f][chance.below(2)]);
                self.0.push(0xff);
            }
            _ => {
                let count = 1 + chance.below(2);
                self.array(chance, count, false, |out, chance, _| out.anything(chance, depth + 1));
            }
        }
    }

    fn address(&mut self, chance: &mut Chance) {
        let (indefinite, unknown, swapped) = (chance.one_in(15), chance.one_in(20), chance.one_in(15));
        if indefinite {
            self.0.push(0xbf);
        } else {
            self.head(chance, 5, 2 + u64::from(unknown));
        }
        for key in if swapped { [2, 1] } else { [1, 2] } {
            self.uint(chance, key);
            if key == 1 {
                let kind = [0, 0, 1, 23, 24, 255, 256][chance.below(7)];
                self.uint(chance, kind);
            } else {
                let value = chance.data();
                self.array(chance, value.len(), false, |out, chance, at| out.uint(chance, value[at].into()));
            }
        }
        if unknown {
            let key = 3 + chance.number() / 2;
            self.uint(chance, key);
            self.anything(chance, 0);
        }
        if indefinite {
            self.0.push(0xff);
        }
    }

    fn route(&mut self, chance: &mut Chance) {
        let hops = chance.below(4);
        self.array(chance, hops, false, |out, chance, _| out.address(chance));
    }

    /// `[variant, [fields...]]`
    fn variant(&mut self, chance: &mut Chance, variant: u64, count: usize, each: impl FnMut(&mut Self, &mut Chance, usize)) {
        self.head(chance, 4, 2);
        self.uint(chance, variant);
        self.array(chance, count, true, each);
    }

    fn signature(&mut self, chance: &mut Chance, signature: &[u8]) {
        self.variant(chance, 0, 1, |out, chance, _| out.bytes(chance, signature));
    }
}

fn channel_input(chance: &mut Chance) -> Vec<u8> {
    let mut out = Cbor(Vec::new());
    match chance.below(12) {
        0 => out.variant(chance, 2, 0, |_, _, _| ()),
        1 => {
            let variant = chance.number();
            out.variant(chance, variant, 1, |out, chance, _| out.anything(chance, 0));
        }
        2 => {
            let changes = history_input(chance);
            out.variant(chance, 1, 1, |out, chance, _| {
                out.array(chance, 2, true, |out, chance, at| match at {
                    0 => out.0.extend_from_slice(&changes),
                    _ => out.array(chance, 0, false, |_, _, _| ()),
                })
            });
        }
        _ => out.variant(chance, 0, 1, |out, chance, _| {
            out.array(chance, 3, true, |out, chance, at| match at {
                0 | 1 => out.route(chance),
                _ => {
                    let payload = chance.data();
                    out.bytes(chance, &payload);
                }
            })
        }),
    }
    out.0
}

/// A history of one to three changes, each signed as it should be; what they say is not always what it should be.
fn history_input(chance: &mut Chance) -> Vec<u8> {
    let count = 1 + chance.below(3);
    let mut time = 1_700_000_000 + chance.number() % 1000;
    let (mut previous, mut hash): (Option<SigningKey>, Option<Vec<u8>>) = (None, None);
    let mut changes = Vec::new();
    for _ in 0..count {
        let key = SigningKey::from_bytes(&chance.bytes(32).try_into().expect("32 bytes"));
        let mut data = Cbor(Vec::new());
        data.array(chance, 5, true, |out, chance, at| match (at, &hash) {
            (0, _) if chance.one_in(40) => out.anything(chance, 0),
            (0, None) => out.0.push(0xf6),
            (0, Some(hash)) => out.bytes(chance, hash),
            (1, _) => out.variant(chance, 0, 1, |out, chance, _| out.bytes(chance, key.verifying_key().as_bytes())),
            (2, _) => out.0.push([0xf4, 0xf5][chance.below(2)]),
            (3, _) => out.uint(chance, time),
            _ => {
                let expires = time.wrapping_add(chance.number());
                out.uint(chance, expires);
            }
        });
        let (version, kind) = (
            [1, 1, 1, 1, 1, 1, 1, 1, 1, 2][chance.below(10)],
            [1, 1, 1, 1, 1, 1, 1, 1, 1, 2][chance.below(10)],
        );
        let mut versioned = Cbor(Vec::new());
        versioned.array(chance, 3, true, |out, chance, at| match at {
            0 => out.uint(chance, version),
            1 => out.uint(chance, kind),
            _ => out.bytes(chance, &data.0),
        });
        let digest = Sha256::digest(&versioned.0);
        let by_own = key.sign(&digest).to_bytes();
        let by_previous = match &previous {
            Some(previous) if !chance.one_in(20) => Some(previous.sign(&digest).to_bytes()),
            None if chance.one_in(20) => Some(by_own),
            _ => None,
        };
        changes.push((versioned.0, by_own, by_previous));
        hash = Some(digest.to_vec());
        previous = Some(key);
        time = if chance.one_in(12) { time - 1 } else { time + chance.number() % 3 };
    }
    let mut out = Cbor(Vec::new());
    out.array(chance, count, false, |out, chance, at| {
        let (data, own, previous) = &changes[at];
        let null = previous.is_none() && chance.one_in(6);
        let fields = if previous.is_some() || null { 3 } else { 2 };
        out.array(chance, fields, fields == 3, |out, chance, field| match (field, previous) {
            (0, _) => out.bytes(chance, data),
            (1, _) => out.signature(chance, own),
            (_, Some(previous)) => out.signature(chance, previous),
            _ => out.0.push(0xf6),
        });
    });
    out.0
}

/// Bytes changed, cut off, put in, taken out, said twice.
fn damage(chance: &mut Chance, input: &mut Vec<u8>) {
    for _ in 0..1 + chance.below(3) {
        let at = chance.below(input.len() + 1);
        let to = (at + chance.below(9)).min(input.len());
        match chance.below(7) {
            0 | 1 if at < input.len() => input[at] ^= 1 << chance.below(8),
            2 if at < input.len() => input[at] = [0, 1, 0x7f, 0x80, 0xff, 0x9f, 0xf6, 0x18, 0x1b, 0x5f][chance.below(10)],
            3 => input.truncate(at),
            4 => {
                let size = 1 + chance.below(4);
                let new = chance.bytes(size);
                input.splice(at..at, new);
            }
            5 => drop(input.drain(at..to)),
            _ => {
                let again = input[at..to].to_vec();
                input.splice(at..at, again);
            }
        }
    }
}

fn input(chance: &mut Chance, kind: u8) -> Vec<u8> {
    if chance.one_in(20) {
        return chance.data();
    }
    let mut input = match kind {
        0 => transport_input(chance),
        1 => stream_input(chance, false),
        2 => stream_input(chance, true),
        3 => channel_input(chance),
        _ => history_input(chance),
    };
    if chance.one_in(2) {
        damage(chance, &mut input);
    }
    input
}

fn judge(kind: u8, input: &[u8], runtime: &tokio::runtime::Runtime) -> Verdict {
    match kind {
        0 => transport(input),
        1 => stream(input, false),
        2 => stream(input, true),
        3 => channel(input),
        _ => history(input, runtime),
    }
}

fn put(out: &mut impl Write, item: &[u8]) {
    out.write_all(&(item.len() as u32).to_le_bytes()).expect("stdout");
    out.write_all(item).expect("stdout");
}

fn main() {
    let mut numbers = std::env::args().skip(1).map(|arg| arg.parse::<u64>().expect("decoders SEED COUNT"));
    let (seed, count) = (numbers.next().expect("SEED"), numbers.next().expect("COUNT"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut chance = Chance(ChaCha20Rng::seed_from_u64(seed));
    let mut out = BufWriter::new(std::io::stdout().lock());
    for _ in 0..count {
        // Histories cost much more, for their signatures.
        let kind = [0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 4][chance.below(20)];
        let input = input(&mut chance, kind);
        put(&mut out, &[kind]);
        put(&mut out, &input);
        match judge(kind, &input, &runtime) {
            Verdict::Refused => put(&mut out, &[]),
            Verdict::Taken(encoding) => put(&mut out, &[&[1], encoding.as_slice()].concat()),
            Verdict::Leftover(encoding) => put(&mut out, &[&[2], encoding.as_slice()].concat()),
        }
    }
    out.flush().expect("stdout");
}
