"""Alice and Bob talk through a node: what they see, and what Kafka gets to see of it."""

import pytest

from harness import kafka_wire, kcat
from harness.wire import Reader, message

LINES = ["hello", "", "grüße, 世界", "tab\there", "  blanks at both ends  ", "x" * 1000]


@pytest.mark.sanitized
def test_dialogue_by_invitation(log, start_node, start_bob, start_alice):
    bob = start_bob(start_node(kafka=log).address)
    alice = start_alice(bob.invitation)
    alice.say(*LINES)
    assert alice.finish() == 0, alice.tail()
    assert alice.out == LINES
    assert bob.wait_received(len(LINES)) == LINES
    assert bob.stop() == 0


@pytest.mark.sanitized
def test_dialogue_by_names_and_identifier(start_node, start_bob, start_alice):
    node = start_node()
    bob = start_bob(node.address)
    who = ["--sender", bob.alice_to_bob, "--receiver", bob.bob_to_alice, "--peer", bob.identifier]
    alice = start_alice("--node", node.address, *who)
    alice.say("hello")
    assert alice.finish() == 0
    assert alice.out == ["hello"] and not any("vouched" in line for line in alice.err)


def test_unvouched_peers_are_named(start_node, start_bob, start_alice):
    node = start_node()
    bob = start_bob(node.address)
    alice = start_alice("--node", node.address, "--sender", bob.alice_to_bob, "--receiver", bob.bob_to_alice)
    alice.say("hello")
    assert alice.finish() == 0
    alice.wait_line(f"{bob.identifier}.*nobody vouched")
    bob.wait_line("I[0-9a-f]{64} is here; nobody vouched")


def test_trusted_alice_is_let_in_and_another_is_not(start_node, start_bob, start_alice):
    node = start_node()
    stranger = start_alice("strop:", identity="alice")  # a bad invitation: makes nothing but a failure
    stranger.finish()
    first = start_bob(node.address)
    alice = start_alice(first.invitation)
    alice.say("who am I?")
    assert alice.finish() == 0
    me = first.wait_line("(I[0-9a-f]{64}) is here")[1]
    first.stop()

    second = start_bob(node.address, "--trust", me)
    alice = start_alice(second.invitation)
    alice.say("let in")
    assert alice.finish() == 0
    other = start_alice(second.invitation, "--timeout", "3", identity="mallory")
    other.say("let in?")
    assert other.finish() == 1 and other.out == []
    assert second.received() == ["let in"]


def test_control_characters_are_shown_not_obeyed(start_node, start_bob, start_alice):
    bob = start_bob(start_node().address)
    alice = start_alice(bob.invitation)
    alice.say("red \x1b[31m text\x07")
    assert alice.finish() == 0
    for text in (*bob.wait_received(1), *alice.out):
        assert "\x1b" not in text and "\x07" not in text and "[31m text" in text


def test_C23_an_echo_loop_through_kafka_dies_after_the_first_record(kafka, start_node, start_bob, start_alice):
    """Records that no Alice has sent, to workers of Bob's and with a way back to such: they stand there once, and nothing follows from them."""
    node = start_node(kafka=kafka.address)
    bob = start_bob(node.address)
    planted = [message([to], b"planted", back=[back]) for to in ("echoer", "listener", "bob") for back in ("echoer", "listener", to)]
    for record in planted:
        kcat.produce(kafka.address, bob.alice_to_bob, record)
    alice = start_alice(bob.invitation)
    alice.say("behind all of them")
    assert alice.finish() == 0
    assert bob.wait_received(1) == ["behind all of them"]
    assert [record.value for record in kcat.records(kafka.address, bob.alice_to_bob) if b"planted" in record.value] == planted
    assert not [record for record in kcat.records(kafka.address, bob.bob_to_alice) if b"planted" in record.value]


@pytest.fixture
def talk(kafka, start_node, start_bob, start_alice):
    """A dialogue on the real Kafka that is over, node and all: what was said, and Bob."""
    secrets = [f"secret-{number}-of-a-dialogue" for number in range(40)]
    node = start_node(kafka=kafka.address)
    bob = start_bob(node.address, "--client-id", "bob-of-this-dialogue")
    before = kafka_wire.groups(kafka.address)
    alice = start_alice(bob.invitation)
    alice.say(*secrets)
    assert alice.finish() == 0
    bob.wait_line("^bob: I[0-9a-f]{64} is gone: ")  # Alice's last message, by which she closes, has been read
    bob.stop()
    assert node.stop() == 0
    return secrets, bob, kafka_wire.groups(kafka.address) - before


def test_what_stands_in_kafka(kafka, talk):
    secrets, bob, groups = talk
    topics = kcat.topics(kafka.address)
    assert topics[bob.alice_to_bob] == 1 and topics[bob.bob_to_alice] == 1

    # One record a message, and the handshake: two from Alice, one from Bob; then each says that it closes, in one more.
    for name, handshake in ((bob.alice_to_bob, 2), (bob.bob_to_alice, 1)):
        records = kcat.records(kafka.address, name)
        assert handshake + len(secrets) <= len(records) <= handshake + len(secrets) + 1
        assert [record.offset for record in records] == list(range(len(records)))
        assert all(record.key is None and record.headers == b"" for record in records)
        assert all(magic == 2 and compression == 0 for _, magic, compression in kafka.batches(name))
        for record in records:
            message = Reader(record.value)
            assert message.byte() == 1 and message.route() and message.route() and message.data()
            assert message.at == len(record.value)


def test_kafka_sees_ciphertext_alone(kafka, talk):
    secrets, bob, _ = talk
    kafka_wire.create_topic(kafka.address, "plain")
    kcat.produce(kafka.address, "plain", b"told in the open")
    assert kafka.stored(b"told in the open"), "what is told in the open would be found"
    records = kcat.records(kafka.address, bob.alice_to_bob) + kcat.records(kafka.address, bob.bob_to_alice)
    for part in (b"secret-", b"-of-a-dialogue", *(text.encode() for text in secrets)):
        assert not any(part in record.value for record in records)
        assert not kafka.stored(part)


def test_indexes_are_committed_offsets(kafka, talk):
    _, bob, groups = talk
    end = len(kcat.records(kafka.address, bob.alice_to_bob))
    assert kafka_wire.committed_offset(kafka.address, "bob-of-this-dialogue", bob.alice_to_bob) == (end, "")
    # Alice's client id is her own affair; it is the one other group.
    (group,) = groups - {"bob-of-this-dialogue"}
    offset, metadata = kafka_wire.committed_offset(kafka.address, group, bob.bob_to_alice)
    assert metadata == "" and 41 <= offset <= len(kcat.records(kafka.address, bob.bob_to_alice))
