"""What happens to Kafka, to topics and to the node while records are pushed: the contract of reliability I1 (acknowledged is stored at
its index), I2 (said to have failed is not stored), I4 (the order of the pushes). Kafka's side is read by kcat."""

import signal
import threading

import pytest

from harness import hostile, kafka_wire, kcat
from harness.kafka import free_ports
from harness.pushers import Crowd, Pusher
from harness.wire import StreamClient, data, uint


@pytest.fixture
def paused(kafka):
    """Holds the Kafka of all tests, and lets it go on whatever happens."""

    def pause(on):
        kafka.process.signal(signal.SIGSTOP if on else signal.SIGCONT)

    yield pause
    pause(False)


def names(stem, count):
    return [f"{stem}-{number}" for number in range(count)]


def test_I1_I2_I4_kafka_is_killed_and_paused_under_load(own_kafka, start_node, connect):
    own_kafka.start()
    node = start_node(kafka=own_kafka.address)
    fresh = connect(node)  # nothing for groups is there yet in this Kafka
    fresh.create("fresh")
    assert fresh.index("reader", "fresh") is None
    fresh.save("reader", "fresh", 3)
    crowd = Crowd(node.address, names("load", 8))
    crowd.wait_answers(100)
    for fault in "kill", "pause":
        seen = len(node.err)
        if fault == "kill":
            own_kafka.kill()
        else:
            own_kafka.process.signal(signal.SIGSTOP)
        node.wait_line("cannot be reached", timeout=20, after=seen)
        waiting = connect(node)  # brokers that are just back refuse to create topics for a moment
        waiting.send(["stream_kafka"], data("stream_create") + data(b"\1" + data(f"asked-{fault}")))
        if fault == "kill":
            own_kafka.start()
        else:
            own_kafka.process.signal(signal.SIGCONT)
        crowd.wait_answers(100)
        stream, protocol, _ = waiting.receive()
        assert protocol == "stream_create", node.tail()
        assert waiting.push(stream, b"first") == 0
    crowd.finish()
    assert crowd.failed() == 0
    assert all(pusher.connections == 1 for pusher in crowd.pushers)
    assert fresh.index("reader", "fresh") == 3
    assert kafka_wire.committed_offset(own_kafka.address, "reader", "fresh")[0] == 3
    crowd.check(own_kafka.address)


def test_I1_I4_the_node_is_killed_under_load(kafka, start_node):
    address = f"127.0.0.1:{free_ports(1)[0]}"
    node = start_node(kafka=kafka.address, listen=address)
    crowd = Crowd(address, names("killed", 8))
    for _ in range(3):
        crowd.wait_answers(50)
        node.kill()
        node = start_node(kafka=kafka.address, listen=address)
    crowd.wait_answers(50)
    crowd.finish()
    assert crowd.failed() == 0
    crowd.check(kafka.address)


def test_a_topic_is_deleted_under_load_and_made_anew(kafka, start_node, connect):
    node = start_node(kafka=kafka.address)
    others = Crowd(node.address, names("stays", 3))
    victim = Pusher(node.address, "deleted")
    victim.start()
    victim.wait_answers(100)
    kafka_wire.delete_topic(kafka.address, "deleted")
    victim.wait_answer(lambda status, index: status == 1)
    victim.finish()
    statuses = [victim.answers[number][0] for number in range(victim.pushed)]
    assert sorted(statuses) == statuses, "a push was stored behind one that failed"
    client = connect(node)
    stream = client.create("deleted")
    assert [client.push(stream, b"new %d" % number) for number in range(5)] == list(range(5))
    assert [record.value for record in kcat.records(kafka.address, "deleted")] == [b"new %d" % number for number in range(5)]
    others.finish()
    assert others.failed() == 0
    others.check(kafka.address, once=True)


def test_a_topic_is_made_anew_by_somebody_under_load(kafka, start_node):
    node = start_node("--http", "127.0.0.1:0", kafka=kafka.address)
    pusher = Pusher(node.address, "anew")
    pusher.start()
    pusher.wait_answers(100)
    kafka_wire.delete_topic(kafka.address, "anew")
    kafka_wire.create_topic(kafka.address, "anew")
    pusher.wait_answer(lambda status, index: status == 0 and index == 0)
    pusher.wait_answers(100)
    pusher.finish()
    last = max(number for number, (status, index) in pusher.answers.items() if number and status == 0 and index == 0)
    stands = {record.offset: record.value for record in kcat.records(kafka.address, "anew")}
    for number in range(last, pusher.pushed):
        status, index = pusher.answers[number]
        assert status != 0 or stands.get(index) == pusher.value(number)
    assert hostile.figures(node)["topics_remade"] >= 1


def test_I4_one_push_of_hundreds_is_too_large_for_its_topic(kafka, start_node, connect):
    kafka_wire.create_topic(kafka.address, "narrow", config={"max.message.bytes": "2000"})
    client = connect(start_node(kafka=kafka.address))
    stream = client.create("narrow")
    values = [b"%d" % number * 20 for number in range(400)]
    values[217] = b"x" * 5000
    for number, value in enumerate(values):
        client.send([stream], data("stream_push") + data(uint(number) + data(value)))
    for number in range(len(values)):
        _, protocol, answer = client.receive()
        assert (protocol, answer.uint(), answer.uint()) == ("stream_push", number, 1 if number == 217 else 0)
    del values[217]
    assert [record.value for record in kcat.records(kafka.address, "narrow")] == values


def test_a_topic_that_takes_no_pushes_is_no_matter_of_others(kafka, start_node, connect):
    """Kafka refuses records without a key in a compacted topic."""
    kafka_wire.create_topic(kafka.address, "compacted", config={"cleanup.policy": "compact"})
    node = start_node(kafka=kafka.address)
    others = Crowd(node.address, names("beside", 3))
    others.wait_answers(20)
    client = connect(node)
    stream = client.create("compacted")
    assert [client.push(stream, b"value") for _ in range(20)] == [None] * 20
    others.wait_answers(20)
    others.finish()
    assert others.failed() == 0
    others.check(kafka.address)
    restarts = [line for line in node.err if "replaced after a fatal error" in line]
    assert len(restarts) == 1, "each refusal costs everybody"


def test_a_thousand_creates_at_once(log, start_node, connect):
    client = connect(start_node(kafka=log))
    wanted = names("thousand", 1000)
    for name in wanted:
        client.send(["stream_kafka"], data("stream_create") + data(b"\1" + data(name)))
    streams = {}
    for _ in wanted:
        stream, protocol, answer = client.receive()
        assert protocol == "stream_create", answer.raw
        streams[answer.data().decode()] = stream
    assert sorted(streams) == sorted(wanted)
    for number, name in enumerate(wanted):
        client.send([streams[name]], data("stream_push") + data(uint(number) + data(name)))
    for _ in wanted:
        _, protocol, answer = client.receive()
        _, status, index = answer.uint(), answer.uint(), answer.uint()
        assert (protocol, status, index) == ("stream_push", 0, 0)


def test_an_index_that_was_just_saved_survives_a_stop(kafka, start_node, connect):
    node = start_node(kafka=kafka.address)
    client = connect(node)
    client.create("saved")
    for index in range(1, 200):
        client.save("reader", "saved", index)
    client.index("another", "saved")  # all that was sent before has been read
    assert node.stop() == 0
    assert kafka_wire.committed_offset(kafka.address, "reader", "saved")[0] == 199


def test_an_index_is_saved_when_its_connection_ends(kafka, start_node, connect):
    """Long before its time."""
    client = connect(start_node("--limit", "index_save_ms=60000", kafka=kafka.address))
    client.create("flushed")
    client.save("reader", "flushed", 1)
    client.save("reader", "flushed", 2)
    client.index("another", "flushed")
    kafka_wire.wait_committed(kafka.address, "reader", "flushed", 1)
    client.close()
    kafka_wire.wait_committed(kafka.address, "reader", "flushed", 2)


class Sender(threading.Thread):
    """Pushes as fast as the node takes it, and does not care for answers."""

    COUNT = 300

    def __init__(self, client, stream):
        super().__init__(daemon=True)
        self.client, self.stream, self.sent, self._seen = client, stream, 0, -1
        self._progress = threading.Condition()
        self.start()

    def run(self):
        for number in range(self.COUNT):
            self.client.send([self.stream], data("stream_push") + data(uint(number) + data(b"v" * 60000)))
            with self._progress:
                self.sent += 1
                self._progress.notify_all()

    def moved(self, within=2):
        """Whether it has sent more since the last time that it was asked, or does so now."""
        with self._progress:
            moved = self._progress.wait_for(lambda: self.sent > self._seen, within)
            self._seen = self.sent
            return moved and self.sent < self.COUNT


def test_pushes_wait_at_their_connections_while_kafka_does_not_answer(kafka, paused, start_node, connect):
    """More than the node may take is pushed: it stops reading, drops nothing, and goes on by itself."""
    node = start_node("--limit", "append_bytes_high=1048576", "--limit", "append_bytes_low=524288", "--limit", "frame_start_ms=1000", kafka=kafka.address)
    clients = [connect(node) for _ in range(2)]
    streams = [client.create(name) for client, name in zip(clients, names("pressed", 2))]
    assert [client.push(stream, b"first") for client, stream in zip(clients, streams)] == [0] * 2
    paused(True)
    senders = [Sender(client, stream) for client, stream in zip(clients, streams)]
    while any(sender.moved() for sender in senders):
        pass
    assert max(sender.sent for sender in senders) < Sender.COUNT, "the node takes whatever comes"
    paused(False)
    for client, sender in zip(clients, senders):
        for number in range(Sender.COUNT):
            _, protocol, answer = client.receive()
            assert (protocol, answer.uint(), answer.uint(), answer.uint()) == ("stream_push", number, 0, 1 + number)
        sender.join(10)
