"""A node that loses messages and says that it has stored them: what Alice says has come back has come back."""

import pytest

from harness.lying_node import LyingNode

HANDSHAKE = 2  # Alice's pushes before her first line


@pytest.fixture
def lying_node():
    nodes = []

    def start(node, swallows):
        nodes.append(LyingNode(node.address, swallows))
        return nodes[-1]

    yield start
    for node in nodes:
        node.stop()


@pytest.fixture
def said():
    return [f"line {number}" for number in range(60)]


@pytest.mark.parametrize("lost", [1, 31, 32, 33])
def test_C6_lines_lost_in_the_middle_arrive_in_the_end(lost, lying_node, start_node, start_bob, start_alice, said):
    """Up to 31 the channel goes on, and Bob says how many are missing; beyond, a new one is made. Either way each line is printed once, in order."""
    node = start_node()
    bob = start_bob(node.address)
    lost_ones = range(HANDSHAKE + 10, HANDSHAKE + 10 + lost)
    liar = lying_node(node, lambda number: number in lost_ones)
    alice = start_alice(bob.invitation, "--node", liar.address)
    if lost == 1:  # enough behind it for Bob to know that it is lost, and texts that come again
        said = said + [f"more {number // 2}" for number in range(40)]
    alice.say(*said)
    assert alice.finish() == 0, alice.tail()
    assert alice.out == said
    assert liar.swallowed == lost
    assert any("going on through a new channel" in line for line in alice.err)
    assert set(bob.received()) == set(said)
    if lost == 1:
        bob.wait_line("1 messages of I[0-9a-f]{64} were lost on the way")


def test_C7_a_cut_off_tail_is_not_said_to_have_come(lying_node, start_node, start_bob, start_alice, said):
    """From line 20 on every push is acknowledged and lost, those of new channels too."""
    node = start_node()
    bob = start_bob(node.address)
    liar = lying_node(node, lambda number: number >= HANDSHAKE + 20)
    alice = start_alice(bob.invitation, "--node", liar.address, "--timeout", "6")
    alice.say(*said)
    assert alice.finish() == 1, alice.tail()
    assert alice.out == said[:20]
    assert any("20 of 60 lines have come back" in line for line in alice.err)
    assert bob.received() == said[:20]
