"""Many messages, and many Alices."""

import pytest

from harness.process import Process
from harness.programs import BUILD


def test_a_thousand_messages_each_way_in_order(log, start_node, start_bob, start_alice):
    """Across some thirty changes of the key."""
    lines = [f"message {number}" for number in range(1000)]
    bob = start_bob(start_node(kafka=log).address)
    alice = start_alice(bob.invitation)
    alice.say(*lines)
    assert alice.finish(60) == 0, alice.tail()
    assert alice.out == lines
    assert bob.wait_received(len(lines)) == lines


@pytest.mark.sanitized
def test_ten_alices_at_once(log, start_node, start_bob, start_alice):
    """Each sees her own echoes alone, though all read one stream."""
    bob = start_bob(start_node(kafka=log).address)
    alices = [start_alice(bob.invitation, identity=f"alice-{number}") for number in range(10)]
    said = [[f"{number}: line {line}" for line in range(50)] for number in range(10)]
    for lines in zip(*said):
        for alice, line in zip(alices, lines):
            alice.say(line)
    for alice, lines in zip(alices, said):
        assert alice.finish(60) == 0, alice.tail()
        assert alice.out == lines
    assert sorted(bob.wait_received(500)) == sorted(sum(said, []))


def test_I4_bursts_into_new_topics_keep_their_order(kafka, start_node, keep):
    """A hundred pushes at once to a topic that was made just now: once in some 150 times the second stood before the first."""
    node = start_node(kafka=kafka.address)
    load = [BUILD / "tests/bench/load", "--node", node.address, "--messages", "300", "--window", "100"]
    for _ in range(100):
        burst = [keep(Process(load)) for _ in range(4)]
        assert [process.wait(60) for process in burst] == [0] * 4, "\n".join(process.tail() for process in burst)
