"""Alice and Bob, each of them ours or one made with the real Ockam crate, through the node on a real Kafka and straight over TCP."""

import pytest

from harness import rust
from harness.pairing import Way, check_received, talk_over
from harness.programs import Node

SIZES = [0, 1, 31, 32, 33, 100]
# What comes back to either side (docs/protocol.md, "Messages").
LARGEST = {"node": 65222, "direct": 65335}
PAIRINGS = pytest.mark.parametrize("alice, bob", [(a, b) for a in ("rust", "c") for b in ("rust", "c")])
MIXED = [("rust", "c"), ("c", "rust")]
WAYS = pytest.mark.parametrize("through", ["node", "direct"])


def texts_of(sizes, count):
    """What a Rust Alice says, of these sizes in turn."""
    return [rust.text(number, sizes[number % len(sizes)]) for number in range(count)]


@pytest.fixture
def way(request, through, start_node):
    """None: straight to Bob."""
    return Way.fresh(start_node(kafka=request.getfixturevalue("kafka").address)) if through == "node" else None


@pytest.fixture(scope="module", autouse=True)
def unhurried(kafka, keep_long, long_pairing):
    """Talks at the Rust client's usual pause of 250 ms, which take half a minute: under way while the other tests run."""
    node = keep_long(Node(kafka=kafka.address))
    talks = {}
    for alice, bob in MIXED:
        way = Way.fresh(node)
        listener = long_pairing.bob(bob, way, interval=250)
        texts = texts_of(SIZES, 1000)
        window = ["--window", "60"] if alice == "rust" else []
        talks[alice, bob] = long_pairing.alice(alice, way, listener, texts, *window, interval=250), listener, texts
    return talks


@WAYS
@PAIRINGS
def test_I4_a_thousand_messages_each_way(alice, bob, way, pairing):
    """In order, across 31 changes of the key in each direction."""
    texts = texts_of(SIZES, 1000)
    listener = pairing.bob(bob, way)
    talk_over(pairing.alice(alice, way, listener, texts))
    check_received(listener, texts)


@WAYS
@PAIRINGS
def test_the_largest_message(alice, bob, through, way, pairing):
    texts = texts_of([LARGEST[through], 0, LARGEST[through] - 1, 33], 6)
    listener = pairing.bob(bob, way)
    talk_over(pairing.alice(alice, way, listener, texts))
    check_received(listener, texts)


@WAYS
@pytest.mark.parametrize("bob", ["rust", "c"])
def test_one_byte_more_than_fits_is_refused(bob, way, pairing):
    """By our Alice, who says how much fits; so much comes back."""
    listener = pairing.bob(bob, way)
    alice = pairing.alice("c", way, listener, ["x" * 70000])
    assert alice.finish() == 1 and alice.out == []
    most = int(alice.wait_line(r"the most that fits is (\d+)")[1])
    talk_over(pairing.alice("c", way, listener, ["x" * most]))
    alice = pairing.alice("c", way, listener, ["fits", "x" * (most + 1)])
    assert alice.finish() == 1 and alice.out == ["fits"]
    alice.wait_line(f"line 2 is {most + 1} bytes long, and the most that fits is {most}; neither it nor what follows was sent")


@WAYS
@pytest.mark.parametrize("alice, bob", MIXED)
def test_several_channels_at_once(alice, bob, way, pairing):
    """Five Alices, each with a channel of her own to one Bob; through the node all five read one stream."""
    texts = texts_of(SIZES, 200)
    listener = pairing.bob(bob, way)
    for one in [pairing.alice(alice, way, listener, texts) for _ in range(5)]:
        talk_over(one)
    assert len(listener.wait_received(1000)) == 1000


@pytest.mark.parametrize("alice, bob", MIXED)
def test_I4_a_thousand_messages_at_the_usual_pause(alice, bob, unhurried):
    one, listener, texts = unhurried[alice, bob]
    talk_over(one)
    check_received(listener, texts)


def test_endpoints_of_the_crate_of_2021(kafka, start_node, pairing):
    """Their channel is the old one, which our endpoints do not speak; the node carries it all the same."""
    way = Way.fresh(start_node(kafka=kafka.address))
    bob = pairing.keep(rust.RustBob(*way.bob, "--client-id", "bob", "--interval", "5", crate=rust.OLD))
    sizes = ",".join(map(str, SIZES))
    alice = pairing.keep(rust.RustAlice(*way.alice, "--interval", "5", "--peer", bob.identifier, "--size", sizes, crate=rust.OLD, count=1000))
    alice.finish()
    check_received(bob, texts_of(SIZES, 1000))
