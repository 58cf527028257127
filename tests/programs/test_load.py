"""Many messages, and many Alices."""

import pytest


def test_a_thousand_messages_each_way_in_order(log, start_node, start_bob, start_alice):
    """Across some thirty changes of the key."""
    lines = [f"message {number}" for number in range(1000)]
    bob = start_bob(start_node(kafka=log).address)
    alice = start_alice(bob.invitation)
    alice.say(*lines)
    assert alice.finish(60) == 0, alice.tail()
    assert alice.out == lines
    assert bob.received() == lines


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
    assert sorted(bob.received()) == sorted(sum(said, []))
