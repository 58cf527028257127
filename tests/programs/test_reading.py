"""What readers get on a real Kafka that others write to, cut, fill and stop: through nodes, and as Alice and Bob."""

import os
import signal
import threading
import time
import urllib.request

import pytest

from harness import kafka_wire, kcat
from harness.process import Process
from harness.programs import BUILD


def figures(node):
    """The node's metrics, by name."""
    url = node.wait_line(r"metrics on (http://\S+)$")[1]
    lines = urllib.request.urlopen(url, timeout=10).read().decode().splitlines()
    return {name: int(value) for name, value in (line.split() for line in lines if line and not line.startswith("#"))}


def read_all(client, stream, index, count):
    """So many records from the index on, pulled one after the other."""
    found = []
    while len(found) < count:
        records = client.pull(stream, index, limit=100)
        found += records
        index = records[-1][0] + 1 if records else index
    return found


# --- others write ---------------------------------------------------------------------------------------------------


def test_two_nodes_carry_a_conversation(kafka, start_node, start_bob, start_alice):
    """Bob at one, Alice at the other: a thousand messages each way, in order."""
    lines = [f"message {number}" for number in range(1000)]
    bob = start_bob(start_node(kafka=kafka.address).address)
    alice = start_alice(bob.invitation, "--node", start_node(kafka=kafka.address).address)
    alice.say(*lines)
    assert alice.finish(60) == 0, alice.tail()
    assert alice.out == lines
    assert bob.wait_received(len(lines)) == lines


def test_all_records_of_another_producer_come_in_order(kafka, start_node, connect):
    """Some before anybody reads, some while a reader waits, ours between them."""
    node = start_node("--http", "127.0.0.1:0", kafka=kafka.address)
    client = connect(node)
    stream = client.create("kcat-writes")
    said = [f"theirs {number}" for number in range(300)]
    kcat.produce_lines(kafka.address, "kcat-writes", said[:100])
    found = read_all(client, stream, 0, 100)
    for first in range(100, 300, 50):
        writer = threading.Thread(target=kcat.produce_lines, args=(kafka.address, "kcat-writes", said[first : first + 50]))
        writer.start()
        found += read_all(client, stream, len(found), 50)
        writer.join()
        assert client.push(stream, b"ours") == len(found)
        found += read_all(client, stream, len(found), 1)
    assert [index for index, _ in found] == list(range(len(found)))
    assert [value.decode() for _, value in found if value != b"ours"] == said
    assert [number for number, (_, value) in enumerate(found) if value == b"ours"] == [150, 201, 252, 303]


@pytest.mark.parametrize("log, readers", [("embedded", 5000), ("kafka", 1000)], indirect=["log"])
def test_readers_that_wait_cost_a_sweep_now_and_then(log, readers, start_node, keep):
    """No fetch, and no more sweeps than one in readers / 10 ms."""
    node = start_node("--http", "127.0.0.1:0", kafka=log)
    load = keep(Process([BUILD / "tests/bench/load", "--node", node.address, "--connections", str(readers), "--messages", "1", "--hold"], stdin=True))
    load.wait_line('"messages"', "out", timeout=120)
    before, start = figures(node), time.monotonic()
    now = before
    while now["strop_sweeps_total"] < before["strop_sweeps_total"] + 6:
        now = figures(node)
        assert time.monotonic() - start < 60, "the sweep does not go on"
    periods = (time.monotonic() - start) * 1000 / (readers / 10)
    assert now["strop_sweeps_total"] - before["strop_sweeps_total"] <= periods + 2
    assert now["strop_fetches_total"] == before["strop_fetches_total"]
    load.close_stdin()
    assert load.wait(30) == 0


# --- a Kafka that is there already -----------------------------------------------------------------------------------


def test_a_hubs_kafka_is_taken_over_in_place(kafka, start_node, connect):
    """Topics, prefix, partitions and committed offsets as the original's clients left them; nothing is made anew or changed."""
    config = {"retention.ms": "123456789", "max.message.bytes": "200000"}
    kafka_wire.create_topic(kafka.address, "hub_b_to_a", partitions=2, config=config)
    kafka_wire.create_topic(kafka.address, "hub_a_to_b")
    kcat.produce_lines(kafka.address, "hub_b_to_a", [f"old {number}" for number in range(10)])
    kcat.produce_lines(kafka.address, "hub_b_to_a", [f"second partition {number}" for number in range(3)], partition=1)
    kafka_wire.commit_offset(kafka.address, "alice-of-the-hub", "hub_b_to_a", 7)
    kafka_wire.commit_offset(kafka.address, "alice-of-the-hub", "hub_b_to_a", 2, partition=1)
    kafka_wire.delete_records(kafka.address, "hub_b_to_a", 3)

    def state():
        topics = kcat.topics(kafka.address)
        names = [name for name in topics if name.startswith("hub_")]
        return topics, kafka_wire.groups(kafka.address), [kafka_wire.topic_configs(kafka.address, name) for name in names]

    before = state()
    assert config in before[2]
    node = start_node("--stream-prefix", "hub", kafka=kafka.address)
    alice, bob = connect(node), connect(node)
    to_read, to_write = alice.create("b_to_a"), bob.create("b_to_a")
    index = alice.index("alice-of-the-hub", "b_to_a")
    assert index == 7
    assert alice.pull(to_read, index) == [(number, b"old %d" % number) for number in range(7, 10)]
    assert bob.push(to_write, b"new") == 10
    assert alice.pull(to_read, 10) == [(10, b"new")]
    alice.save("alice-of-the-hub", "b_to_a", 11)
    assert alice.pull(to_read, 0, limit=1) == [(3, b"old 3")], "the log's start"
    assert bob.push(bob.create("a_to_b"), b"the other way") == 0
    second = alice.create_partitioned("b_to_a", 2)[1]
    assert alice.index_partitioned("alice-of-the-hub", "b_to_a", 1) == 2
    assert alice.pull(second, 2) == [(2, b"second partition 2")]
    assert bob.push(bob.create_partitioned("b_to_a", 2)[1], b"new") == 3
    assert node.stop() == 0
    assert state() == before
    assert kafka_wire.committed_offset(kafka.address, "alice-of-the-hub", "hub_b_to_a") == (11, "")
    assert [record.value for record in kcat.records(kafka.address, "hub_b_to_a", 1)] == [*(b"second partition %d" % n for n in range(3)), b"new"]


# --- a broker that stands still --------------------------------------------------------------------------------------


def test_readers_outlast_a_broker_that_stands_still(own_kafka, start_node, connect):
    """Stopped for as long as a pull is held; the readers are answered, and get what comes afterwards. Nothing spins."""
    own_kafka.start()
    node = start_node("--http", "127.0.0.1:0", kafka=own_kafka.address)
    ours, theirs, past = (connect(node) for _ in range(3))
    streams = {client: client.create(name) for client, name in ((ours, "still-ours"), (theirs, "still-theirs"), (past, "still-past"))}
    kcat.produce_lines(own_kafka.address, "still-past", ["old 0", "old 1"])
    assert ours.push(streams[ours], b"0") == 0
    before = figures(node)
    os.kill(own_kafka.process.pid, signal.SIGSTOP)
    try:
        # Each pull is held as long as it may be, and answered though Kafka does not.
        answers = {}

        def wait(client, index):
            answers[client] = client.pull(streams[client], index)

        waiting = [threading.Thread(target=wait, args=(client, index)) for client, index in ((ours, 1), (theirs, 0), (past, 0))]
        for thread in waiting:
            thread.start()
        for thread in waiting:
            thread.join(20)
        assert answers == {ours: [], theirs: [], past: []}
    finally:
        os.kill(own_kafka.process.pid, signal.SIGCONT)
    assert read_all(past, streams[past], 0, 2) == [(0, b"old 0"), (1, b"old 1")]
    kcat.produce(own_kafka.address, "still-theirs", b"after")
    assert read_all(theirs, streams[theirs], 0, 1) == [(0, b"after")]
    assert ours.push(streams[ours], b"1") == 1
    assert read_all(ours, streams[ours], 0, 2) == [(0, b"0"), (1, b"1")]
    assert figures(node)["strop_fetches_total"] - before["strop_fetches_total"] < 40


# --- what is not true, and indexes that are not ------------------------------------------------------------------------


def junk_into(address, topic, number):
    """One of each kind that a node or a client cannot take."""
    kcat.produce(address, topic, b"\xff junk %d" % number)
    kcat.produce_null(address, topic)
    kcat.produce(address, topic, b"x" * 70000)
    kafka_wire.leave_mark(address, topic, f"mark-{topic}-{number}")


def test_C5_junk_before_between_and_after_records(kafka, start_node, connect):
    """A null value is an empty record; what is larger than a frame, and marks, are passed over; nothing else is missing."""
    node = start_node("--http", "127.0.0.1:0", kafka=kafka.address)
    client = connect(node)
    stream = client.create("junk")
    for number in range(3):
        junk_into(kafka.address, "junk", number)
        assert client.push(stream, b"true %d" % number) is not None
    junk_into(kafka.address, "junk", 3)
    expected = []
    for number in range(4):
        expected += [b"\xff junk %d" % number, b""] + ([b"true %d" % number] if number < 3 else [])
    found = read_all(client, stream, 0, len(expected))
    assert [value for _, value in found] == expected
    for index, value in found:  # from each of them, and from what lies before it
        assert client.pull(stream, index, limit=1) == [(index, value)]
    assert client.push(stream, b"the end") is not None
    assert read_all(client, stream, found[-1][0] + 1, 1)[0][1] == b"the end", "over a mark and what is too large"
    assert figures(node)["strop_records_too_large_total"] >= 4


def test_C5_alice_and_bob_talk_over_junk(kafka, start_node, start_bob, start_alice):
    bob = start_bob(start_node(kafka=kafka.address).address)
    junk_into(kafka.address, bob.alice_to_bob, 0)
    junk_into(kafka.address, bob.bob_to_alice, 0)
    alice = start_alice(bob.invitation)
    said = []
    for number in range(1, 4):
        said += [f"line {number}.{part}" for part in range(20)]
        alice.say(*said[-20:])
        alice.wait_echoes(len(said) - 5)  # some are under way
        junk_into(kafka.address, bob.alice_to_bob, number)
        junk_into(kafka.address, bob.bob_to_alice, number)
    alice.say("the end")
    assert alice.finish(60) == 0, alice.tail() + bob.tail()
    assert alice.out == [*said, "the end"]
    assert bob.wait_received(len(said) + 1) == [*said, "the end"]


def test_C9_a_saved_index_that_moves_does_not_move_bob(kafka, start_node, start_bob, start_alice):
    """I7: while he is up he goes by his own index, wherever the group's is set."""
    bob = start_bob(start_node(kafka=kafka.address).address, "--client-id", "bob-of-C9-up")
    alice = start_alice(bob.invitation)
    said = []
    for offset in (0, 1000000, 0):
        said += [f"line {len(said) + part}" for part in range(5)]
        alice.say(*said[-5:])
        alice.wait_echoes(len(said))
        kafka_wire.commit_offset(kafka.address, "bob-of-C9-up", bob.alice_to_bob, offset)
    alice.say("the end")
    assert alice.finish() == 0, alice.tail()
    assert alice.out == [*said, "the end"] and bob.wait_received(len(said) + 1) == alice.out


@pytest.mark.parametrize("how", ["rewound", "pushed forward", "made anew"])
def test_C9_bob_comes_back_to_an_index_that_is_wrong(how, kafka, start_node, start_bob, start_alice):
    """Set back: what was said is read once more and is nobody's. Beyond the end: he says so, and reads from the start."""
    node = start_node(kafka=kafka.address)
    name = how.replace(" ", "-")
    bob = start_bob(node.address, "--client-id", f"bob-of-C9-{name}")
    alice = start_alice(bob.invitation)
    alice.say("one", "two")
    assert alice.finish() == 0
    bob.wait_line("^bob: I[0-9a-f]{64} is gone: ")
    assert bob.stop() == 0
    if how == "made anew":
        kafka_wire.delete_topic(kafka.address, bob.alice_to_bob)
        kafka_wire.create_topic(kafka.address, bob.alice_to_bob)
    else:
        kafka_wire.commit_offset(kafka.address, f"bob-of-C9-{name}", bob.alice_to_bob, 0 if how == "rewound" else 10**6)
    again = start_bob(node.address, "--client-id", f"bob-of-C9-{name}")
    second = start_alice(again.invitation, "--timeout", "40", identity="second")
    second.say("three")
    assert second.finish(60) == 0, second.tail() + again.tail()
    assert second.out == ["three"] and again.received() == ["three"]
    if how == "pushed forward":
        again.wait_line("ends before message 999999")
