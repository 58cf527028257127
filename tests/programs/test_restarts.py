"""Node, Kafka, Bob and Alice are killed and come again; what was said still arrives, once and in order."""

import pytest

from harness.kafka import free_ports


def lines(first, count):
    return [f"line {number}" for number in range(first, first + count)]


@pytest.fixture
def address():
    """Of a node that comes again at the same place."""
    return f"127.0.0.1:{free_ports(1)[0]}"


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_node_comes_again(end, kafka, address, start_node, start_bob, start_alice):
    node = start_node(kafka=kafka.address, listen=address)
    bob = start_bob(address)
    alice = start_alice(bob.invitation, "--timeout", "30")
    said = []
    for _ in range(3):
        said += lines(len(said), 20)
        alice.say(*said[-20:])
        alice.wait_echoes(len(said) - 10)  # some are on their way
        getattr(node, end)()
        node = start_node(kafka=kafka.address, listen=address)
    said += lines(len(said), 20)
    alice.say(*said[-20:])
    assert alice.finish(60) == 0, alice.tail()
    assert alice.out == said
    assert bob.wait_received(len(said)) == said


def test_node_on_the_embedded_log_comes_again(address, start_node, start_bob, start_alice):
    """It has forgotten all, so a new Alice starts with an empty stream, while Bob is the one from before."""
    node = start_node(listen=address)
    bob = start_bob(address)
    for number in range(2):
        alice = start_alice(bob.invitation, "--timeout", "20")
        alice.say(f"talk {number}")
        assert alice.finish() == 0, alice.tail() + bob.tail()
        node.kill()
        node = start_node(listen=address)
    assert bob.wait_received(2) == ["talk 0", "talk 1"]


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_bob_comes_again(end, log, start_node, start_bob, start_alice):
    """Under the names that he gave out; Alice notices and goes on through a new channel."""
    node = start_node(kafka=log)
    first = start_bob(node.address)
    alice = start_alice(first.invitation, "--timeout", "30")
    alice.say(*lines(0, 5))
    alice.wait_echoes(5)
    getattr(first, end)()
    alice.say(*lines(5, 5))
    second = start_bob(node.address)
    assert (second.invitation, second.identifier) == (first.invitation, first.identifier)
    assert alice.finish(60) == 0, alice.tail()
    assert alice.out == lines(0, 10)
    assert second.received() == lines(5, 5)


def test_bob_with_new_names(start_node, start_bob):
    node = start_node()
    first = start_bob(node.address)
    first.stop()
    second = start_bob(node.address, "--new")
    assert second.identifier == first.identifier
    assert second.alice_to_bob != first.alice_to_bob and second.bob_to_alice != first.bob_to_alice


def test_alice_comes_again(log, start_node, start_bob, start_alice):
    bob = start_bob(start_node(kafka=log).address)
    first = start_alice(bob.invitation)
    first.say(*lines(0, 5))
    first.wait_echoes(5)
    first.kill()
    second = start_alice(bob.invitation)
    second.say(*lines(5, 5))
    assert second.finish() == 0, second.tail()
    assert second.out == lines(5, 5)
    assert bob.wait_received(10) == lines(0, 10)


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_kafka_comes_again(end, own_kafka, start_node, start_bob, start_alice):
    """The node stays up and says what is wrong; nothing that was taken is lost."""
    own_kafka.start()
    node = start_node(kafka=own_kafka.address)
    bob = start_bob(node.address)
    alice = start_alice(bob.invitation, "--timeout", "60")
    alice.say(*lines(0, 10))
    alice.wait_echoes(10)
    getattr(own_kafka, end)()
    alice.say(*lines(10, 10))
    node.wait_line("kafka: .*cannot be reached", timeout=20)
    own_kafka.start()
    alice.say(*lines(20, 10))
    assert alice.finish(60) == 0, alice.tail() + node.tail()
    assert alice.out == lines(0, 30)
    assert bob.wait_received(30) == lines(0, 30)
