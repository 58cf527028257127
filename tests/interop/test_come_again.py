"""Node, Kafka and peers end and come again in the middle of talks with real Ockam endpoints. Those never connect anew and send nothing
twice; what the protocol leaves to us, our side makes good."""

import pytest

from harness import rust
from harness.kafka import free_ports
from harness.pairing import Way, check_received, talk_over
from harness.programs import Node


def lines(first, count):
    return [f"line {number}" for number in range(first, first + count)]


@pytest.fixture
def node(kafka, keep):
    """At a place of its own; `node()` starts it, again after it has ended."""
    place = f"127.0.0.1:{free_ports(1)[0]}"
    return lambda: keep(Node(kafka=kafka.address, listen=place))


def talking(pairing, way, bob, *args):
    """A Rust Alice in the middle of a talk that she does not end."""
    alice = pairing.alice("rust", way, bob, ["x" * 32], "--pause", "2", *args, count=1000000)
    alice.until("fifty echoes", lambda: len(alice.echoes()) >= 50, 60)
    return alice


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_a_node_comes_again_and_a_rust_alice_does_not(end, node, pairing):
    """Her connection is gone for good, and she says so; our Bob connects anew and serves the next one, under the same names."""
    first = node()
    way = Way.fresh(first)
    bob = pairing.bob("c", way)
    alice = talking(pairing, way, bob, "--timeout", "3")
    getattr(first, end)()
    node()
    bob.wait_line(r"connected", timeout=30)
    assert alice.wait(60) == rust.NO_ECHO, alice.tail()
    alice.wait_line("did not come back")
    talk_over(pairing.alice("rust", way, bob, lines(0, 50)))


def test_a_node_comes_again_and_a_rust_bob_does_not(node, pairing):
    """He stays up and silent. Our Alice goes on with the next Bob under the same names, who has another identity, unless she was told which one
    it must be; nothing that she said is lost."""
    first = node()
    way = Way.fresh(first)
    bob = pairing.bob("rust", way)
    loose = pairing.alice("c", way, bob, lines(0, 20), named=False)
    strict = pairing.alice("c", way, bob, lines(0, 20), "--timeout", "8")
    loose.wait_echoes(20)
    strict.wait_echoes(20)
    first.kill()
    node()
    for alice in (loose, strict):
        alice.texts += lines(20, 20)
        alice.say(*lines(20, 20))
    second = pairing.bob("rust", way)
    talk_over(loose)
    loose.wait_line("going on through a new channel")
    assert strict.finish(60) == 1 and strict.out == lines(0, 20), strict.tail()
    assert bob.running and second.running
    assert [begin for _, begin in second.received()] == lines(20, 20)


def test_kafka_comes_again(own_kafka, start_node, pairing):
    """The node keeps every connection, so the crate's endpoints do not notice but for the time that it takes."""
    own_kafka.start()
    node = start_node(kafka=own_kafka.address)
    ways = {kinds: Way.fresh(node) for kinds in (("rust", "c"), ("c", "rust"))}
    bobs = {(alice, bob): pairing.bob(bob, way) for (alice, bob), way in ways.items()}
    texts = [rust.text(number, 32) for number in range(150)]
    slow = pairing.alice("rust", ways["rust", "c"], bobs["rust", "c"], texts, "--pause", "10", "--window", "1", "--timeout", "120")
    ours = pairing.alice("c", ways["c", "rust"], bobs["c", "rust"], texts[:100], "--timeout", "120")
    slow.until("fifty echoes", lambda: len(slow.echoes()) >= 50, 60)
    ours.wait_echoes(100)
    own_kafka.stop()
    node.wait_line("kafka: .*cannot be reached", timeout=30)
    ours.texts = texts
    ours.say(*texts[100:])
    own_kafka.start()
    talk_over(slow)
    talk_over(ours)
    check_received(bobs["rust", "c"], texts)
    check_received(bobs["c", "rust"], texts)


@pytest.mark.parametrize("client_id", ["the same", "another"])
def test_a_rust_alice_is_killed_and_comes_again(client_id, kafka, start_node, pairing):
    """She is another identity then, and where she has another client id she reads the whole of Bob's stream first."""
    way = Way.fresh(start_node(kafka=kafka.address))
    bob = pairing.bob("c", way)
    first = talking(pairing, way, bob, "--client-id", "alice")
    first.kill()
    texts = [rust.text(number, 40) for number in range(100)]
    talk_over(pairing.alice("rust", way, bob, texts, "--client-id", "alice" if client_id == "the same" else "alice-2"))
    assert bob.received()[-100:] == texts


@pytest.mark.parametrize("client_id", ["the same", "another"])
def test_a_rust_bob_is_killed_and_comes_again(client_id, kafka, start_node, pairing):
    """With another client id he answers every handshake in the stream once more; nobody waits for those answers, and nobody minds."""
    way = Way.fresh(start_node(kafka=kafka.address))
    first = pairing.bob("rust", way, "--client-id", "bob")
    alice = pairing.alice("c", way, first, lines(0, 20), named=False)
    alice.wait_echoes(20)
    first.kill()
    alice.texts += lines(20, 20)
    alice.say(*lines(20, 20))
    second = pairing.bob("rust", way, "--client-id", "bob" if client_id == "the same" else "bob-2")
    talk_over(alice)
    assert [begin for _, begin in second.received()] == lines(20, 20)
    talk_over(pairing.alice("c", way, second, lines(0, 20)))
