"""How an Alice and a Bob of either kind reach each other, and when their talk is over."""

import uuid
from dataclasses import dataclass

from .programs import Alice, Bob, DirectBob
from .rust import RustAlice, RustBob


@dataclass
class Way:
    """Two streams at a node."""

    node: str
    alice_to_bob: str
    bob_to_alice: str

    @classmethod
    def fresh(cls, node):
        """Streams that nobody has used. Names of eight characters: the crate's largest message depends on their length."""
        return cls(node.address, "a" + uuid.uuid4().hex[:7], "b" + uuid.uuid4().hex[:7])

    @property
    def bob(self):
        return ["--node", self.node, "--sender", self.bob_to_alice, "--receiver", self.alice_to_bob]

    @property
    def alice(self):
        return ["--node", self.node, "--sender", self.alice_to_bob, "--receiver", self.bob_to_alice]


class Pairing:
    """Starts either side; `keep` ends it, `folder` is for identities. Without a way, Alice goes straight to Bob at his `address`."""

    def __init__(self, keep, folder):
        self.keep, self.folder = keep, folder

    def bob(self, kind, way, *args, interval=5):
        """A Bob, "rust" or "c"."""
        if kind == "rust" and way:
            client = [] if "--client-id" in args else ["--client-id", f"bob-{way.alice_to_bob}"]
            return self.keep(RustBob(*way.bob, *client, "--interval", interval, *args))
        if kind == "rust":
            return self.keep(RustBob("--listen", "127.0.0.1:0", *args))
        identity = self.folder / f"bob-{uuid.uuid4().hex}"
        if way:
            return self.keep(Bob(way.node, identity, "--sender", way.bob_to_alice, "--receiver", way.alice_to_bob, *args))
        return self.keep(DirectBob("127.0.0.1:0", identity, *args))

    def alice(self, kind, way, bob, texts, *args, interval=5, named=True, count=None):
        """An Alice who says these texts to that Bob, and unless he is not named to nobody else; a Rust one says texts of her own, of the
        same sizes, `count` of them where that is more."""
        peer = ["--peer", bob.identifier] if named else []
        if kind == "rust":
            client = [] if "--client-id" in args else ["--client-id", f"alice-{uuid.uuid4().hex}"]
            there = [*way.alice, *client, "--interval", interval] if way else ["--connect", bob.address]
            what = ["--size", ",".join(str(len(text)) for text in texts), *([] if "--window" in args else ["--window", 16])]
            return self.keep(RustAlice(*there, *peer, *what, *args, count=count or len(texts)))
        there = way.alice if way else ["--direct", "--node", bob.address]
        patience = [] if "--timeout" in args else ["--timeout", "60"]
        alice = self.keep(Alice(*there, *peer, *patience, *args, identity=self.folder / f"alice-{uuid.uuid4().hex}"))
        alice.texts = list(texts)
        alice.say(*texts)
        return alice


def talk_over(alice, timeout=120):
    """All echoes have come, each as it was sent and in order; the Alice has ended."""
    if isinstance(alice, RustAlice):
        alice.finish(timeout)
    else:
        assert alice.finish(timeout) == 0, alice.tail()
        assert alice.out == alice.texts


def check_received(bob, texts, timeout=60):
    """Bob got these texts in this order; a Rust Bob says how long each was and how it began."""
    got = bob.wait_received(len(texts), timeout)
    assert got == (texts if isinstance(got[0], str) else [(len(text), text[:40]) for text in texts])
