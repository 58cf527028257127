"""Endpoints made with the real Ockam crates, against ours: directly over TCP, and through the node on a real Kafka."""

import uuid

import pytest

from harness.process import TOP, Process

MODERN = TOP / "build/interop/crate-0.116/release"
OLD = TOP / "build/interop/crate-0.25/release"
SIZES = "0,1,31,32,33,100"


def rust(keep, crate, program, *args):
    return keep(Process([crate / program, *args], name=f"rust-{program}"))


@pytest.fixture
def names():
    """Two fresh stream names: alice_to_bob, bob_to_alice."""
    tag = uuid.uuid4().hex
    return f"alice_to_bob_{tag}", f"bob_to_alice_{tag}"


def finish_rust_alice(alice, count):
    assert alice.wait(120) == 0, alice.tail()
    assert f"done {count}" in alice.out
    assert len([line for line in alice.out if line.startswith("echo ")]) == count


def say_and_compare(alice, count):
    lines = [f"line {i} " + "x" * (i % 150) for i in range(count)]
    alice.say(*lines)
    assert alice.finish(120) == 0, alice.tail()
    assert alice.out == lines


def test_a_rust_bob_and_our_alice_directly(keep, start_alice):
    bob = rust(keep, MODERN, "bob", "--listen", "127.0.0.1:0")
    address = bob.wait_line(r"^listening on (\S+)$", "out", timeout=30)[1]
    identifier = bob.wait_line(r"^identifier: (I[0-9a-f]{64})$", "out")[1]
    say_and_compare(start_alice("--direct", "--node", address, "--peer", identifier), 100)


def test_a_rust_alice_and_our_bob_directly(keep, tmp_path):
    from harness.programs import Program

    bob = keep(Program("bob", "--listen", "127.0.0.1:0", "--identity", tmp_path / "bob"))
    address = bob.wait_line(r"^listening: (\S+)$", "out")[1]
    identifier = bob.wait_line(r"^identifier: (I[0-9a-f]{64})$", "out")[1]
    finish_rust_alice(rust(keep, MODERN, "alice", "--connect", address, "--peer", identifier, "--count", "100", "--size", SIZES), 100)


@pytest.mark.parametrize("count", [1000])
def test_a_rust_bob_and_our_alice_through_kafka(keep, start_node, start_alice, kafka, names, count):
    node = start_node(kafka=kafka.address)
    alice_to_bob, bob_to_alice = names
    bob = rust(keep, MODERN, "bob", "--node", node.address, "--sender", bob_to_alice, "--receiver", alice_to_bob, "--client-id",
               f"rust_{bob_to_alice}", "--interval", "5")
    identifier = bob.wait_line(r"^identifier: (I[0-9a-f]{64})$", "out", timeout=30)[1]
    bob.wait_line(r"^ready", "out", timeout=30)
    alice = start_alice("--node", node.address, "--sender", alice_to_bob, "--receiver", bob_to_alice, "--peer", identifier, "--timeout", "60")
    say_and_compare(alice, count)


@pytest.mark.parametrize("count", [1000])
def test_a_rust_alice_and_our_bob_through_kafka(keep, start_node, start_bob, kafka, count):
    node = start_node(kafka=kafka.address)
    bob = start_bob(node.address)
    alice = rust(keep, MODERN, "alice", "--node", node.address, "--sender", bob.alice_to_bob, "--receiver", bob.bob_to_alice, "--client-id",
                 f"rust_{bob.bob_to_alice}", "--interval", "5", "--peer", bob.identifier, "--count", str(count), "--size", SIZES, "--window", "16")
    finish_rust_alice(alice, count)
    assert len(bob.wait_received(count)) == count


@pytest.mark.parametrize("crate, count", [(MODERN, 100), (OLD, 20)], ids=["0.116", "0.25"])
def test_rust_to_rust_through_kafka(keep, start_node, kafka, names, crate, count):
    node = start_node(kafka=kafka.address)
    alice_to_bob, bob_to_alice = names
    interval = [] if crate == OLD else ["--interval", "1"]
    bob = rust(keep, crate, "bob", "--node", node.address, "--sender", bob_to_alice, "--receiver", alice_to_bob, "--client-id",
               f"rust_{bob_to_alice}", *interval)
    bob.wait_line(r"^ready", "out", timeout=30)
    alice = rust(keep, crate, "alice", "--node", node.address, "--sender", alice_to_bob, "--receiver", bob_to_alice, "--client-id",
                 f"rust_{alice_to_bob}", *interval, "--count", str(count))
    finish_rust_alice(alice, count)
