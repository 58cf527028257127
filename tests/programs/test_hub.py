"""The hub of 2021, replayed over TCP: its recorded requests go to the program, on the embedded log and on a real Kafka, and each gets the
recorded answer, byte for byte but for random addresses and names. The requests that are answered otherwise on purpose are those of
tests/vectors/hub-2021-differences.json, which tests/unit/test_service_hub.c holds to docs/protocol.md."""

import json
import re
import socket
import struct

import pytest

from harness import kafka_wire, kcat
from harness.process import TOP
from harness.wire import Reader, StreamClient, data, message, uint

RECORDED = json.loads((TOP / "tests/vectors/hub-2021.json").read_text())["vectors"]
LISTED = json.loads((TOP / "tests/vectors/hub-2021-differences.json").read_text())["rows"]
PING, PONG = b"\0\x09\1\0\1\0\2me\1\0", b"\1\1\0\2me\0\1\1"
# Streams that were made before their part of the recording begins: the hub's address, a name, what stands in them.
MADE_BEFORE = {
    "1d2e7c58c59f8f65": ("vec-sizes", [b"A" * 2500, b"B" * 2500, *(bytes([65 + i]) * 10 for i in range(2, 10))]),
    "3f7dbb058830a2c4": ("vec-retention", [bytes([i]) * 1000 for i in range(50)]),
    "f6cad6af56c69246": ("vec-5d631-60", [bytes([i]) * 1000 for i in range(60)]),
    "08b751a787b500c7": ("vec5-5d73e", [b"abc"]),
    "d06a2f26831e8fca": ("vec6-5d760", [b"abc"]),
}


class Connection:
    """Frames out and in; `ping` shows that nothing else came."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.sock = socket.create_connection((host, int(port)), 20)
        self.stream = self.sock.makefile("rb")

    def send(self, raw):
        self.sock.sendall(raw)

    def frame(self):
        """The next one; None at the end."""
        head = self.stream.read(2)
        return self.stream.read(*struct.unpack(">H", head)) if head else None

    def nothing_more(self):
        self.send(PING)
        assert self.frame() == PONG

    def close(self):
        self.stream.close()
        self.sock.close()


def parsed(frame):
    """Return route and payload of an answer to [me] or another."""
    reader = Reader(frame)
    assert reader.byte() == 1
    reader.route()
    back = [address.decode() for _, address in reader.route()]
    return back, reader.data()


def body_of(payload):
    wrapper = Reader(payload)
    return wrapper.data().decode(), Reader(wrapper.data())


def pulled(payload):
    protocol, reader = body_of(payload)
    assert protocol == "stream_pull"
    reader.uint()
    return [(reader.uint(), reader.data()) for _ in range(reader.uint())]


class Replay:
    """`filler` is a node on the same log: what it appended, `node` has not in memory. `retention`: removes what is older; None: it cannot be."""

    def __init__(self, node, filler, retention):
        self.node, self.filler, self.retention = node, filler, retention
        self.ours = {}  # the hub's address: ours
        self.streams = {}  # name and partition: ours
        self.first, self.other = Connection(node), Connection(node)

    def address(self, hub):
        if hub not in self.ours and hub in MADE_BEFORE:
            name, records = MADE_BEFORE[hub]
            client = StreamClient(self.filler)
            stream = client.create(name)
            for index, record in enumerate(records):
                assert client.push(stream, record) == index
            client.close()
            if name == "vec-retention":
                self.retention(name)
            client = StreamClient(self.node)
            self.ours[hub] = client.create(name).decode()
            client.close()
        return self.ours.get(hub, hub)

    def translated(self, raw):
        """With the hub's addresses, of 16 characters, replaced by ours."""

        def ours(match):
            new = self.address(match[1].decode()).encode()
            return b"\0" + data(new)

        return re.sub(rb"\0\x10([0-9a-f]{16})", ours, raw)

    def send(self, connection, vector):
        raw = bytes.fromhex(vector["request"])
        if "three TCP segments" in vector["name"]:
            raw = b"\0\x1b\1\1\0" + raw
        if vector["name"].startswith("transport "):
            connection.send(raw)
            return
        frame = self.translated(raw[2:])
        connection.send(struct.pack(">H", len(frame)) + frame)

    def learn(self, hub_frame, frame):
        """Pairs the addresses of two answers to a create; a stream has one address of ours, for ever."""
        ([hub], _), ([ours], payload) = parsed(hub_frame), parsed(frame)
        protocol, reader = body_of(payload)
        name = reader.data().decode()
        partition = reader.uint() if protocol == "stream_create_partitioned" else 0
        assert re.fullmatch("[0-9a-f]{32}", ours)
        self.ours.setdefault(hub, ours)
        assert self.streams.setdefault((name, partition), ours) == ours

    def same(self, connection, vector):
        """The recorded answers."""
        for response in vector["responses"]:
            expected = bytes.fromhex(response)[2:]
            frame = connection.frame()
            assert frame is not None, "the node closed the connection"
            back, payload = parsed(expected)
            if back and body_of(payload)[0].startswith("stream_create"):
                self.learn(expected, frame)
                expected = with_our_name(expected, frame)
            assert frame == self.translated(expected)
        if vector.get("connection_closed"):
            assert connection.frame() is None


def with_our_name(expected, frame):
    """A generated name is random, and longer than the hub's."""
    ours = re.search(rb"generated_[0-9a-f]{32}", frame)
    if not ours or not re.search(rb"generated_[0-9a-f]{8}", expected):
        return expected
    (back,), payload = parsed(expected)
    protocol, reader = body_of(payload)
    reader.data()
    rest = reader.raw[reader.at :]
    return message(["me"], data(protocol) + data(data(ours[0]) + rest), [back])


# --- answered otherwise, each a function of replay, connection and vector -------------------------------------------------------


def same(replay, connection, vector):
    replay.same(connection, vector)


def error(reason, sender="stream_kafka"):
    def check(replay, connection, vector):
        back, payload = parsed(connection.frame())
        protocol, reader = body_of(payload)
        assert (back, protocol, reader.data().decode()) == ([replay.address(sender)], "error", reason)

    return check


def thousands(first, count):
    def check(replay, connection, vector):
        _, payload = parsed(connection.frame())
        assert pulled(payload) == [(index, bytes([index]) * 1000) for index in range(first, first + count)]

    return check


def messages(*expected):
    def check(replay, connection, vector):
        _, payload = parsed(connection.frame())
        assert [value for _, value in pulled(payload)] == list(expected)

    return check


def no_more_than_the_limit(replay, connection, vector):
    recorded = pulled(parsed(bytes.fromhex(vector["responses"][0])[2:])[1])
    assert len(recorded) == 5
    assert pulled(parsed(connection.frame())[1]) == recorded[:4]


def too_large_to_come_back(replay, connection, vector):
    frame = message([replay.address("1d2e7c58c59f8f65")], data("stream_push") + data(uint(7) + data(b"z" * 65450)))
    connection.send(struct.pack(">H", len(frame)) + frame)
    protocol, reader = body_of(parsed(connection.frame())[1])
    assert (protocol, reader.uint(), reader.uint(), reader.uint()) == ("stream_push", 7, 1, 0)


def absent(replay, connection, vector):
    protocol, reader = body_of(parsed(connection.frame())[1])
    reader.data(), reader.data()
    assert (protocol, reader.byte()) == ("stream_index", 0)


def dropped(replay, connection, vector):
    pass


def alike(replay, connection, vector):
    """A matter of Kafka's: the embedded log has no such rule."""
    back, payload = parsed(connection.frame())
    protocol, reader = body_of(payload)
    assert protocol == ("error" if replay.retention else "stream_create")
    assert replay.retention is None or "collides" in reader.data().decode()


def still_there(replay, connection, vector):
    client = StreamClient(replay.node)
    assert client.index("first-reader", "vec-sizes") is None
    client.create("after-four-refused")
    client.close()


characters = error("A stream name may have letters, digits, '.', '_' and '-' only")
no_partitions = error("A stream needs at least one partition")
INSTEAD = {
    "pull limit 4 answers more than the limit": no_more_than_the_limit,
    "push: the biggest frame, 65535 bytes, data 65488": too_large_to_come_back,
    "pull index 0 where the log starts at 40": thousands(40, 3),
    "pull whose answer is over 65535 bytes: length wraps": messages(),
    "stream_create sent to a stream worker": error("Invalid request", "f6cad6af56c69246"),
    "after that crash: pull": thousands(0, 1),
    'create with a name Kafka refuses ("a b/c")': characters,
    "create partitioned with 0 partitions": no_partitions,
    "create partitioned with 0 partitions, existing topic": no_partitions,
    "create name not UTF-8": characters,
    "create name of 300 bytes": error("The stream name is too long"),
    'create name "."': error("The stream name may not be . or .."),
    'create "a_b"': alike,
    'create "__consumer_offsets"': error("Stream names that begin with __ are reserved"),
    "index get after save 2^63": absent,
    "pull limit 2^22 - 1 (limit*1024 just under 2^32)": messages(b"abc"),
    "pull limit 2^21 (limit*1024 = 2^31)": messages(b"abc"),
    **{f"refused create number {number} within 5 s": characters for number in range(1, 5)},
    "hub after four refused creates within 5 s": still_there,
    "first index get on a cluster without __consumer_offsets": still_there,
    "hub against Kafka 4.x": still_there,
}
# The recording has not kept all bytes of these answers.
SHORTENED = {
    "pull index 40 where the log starts at 40": thousands(40, 2),
    "pull 60 messages of 1000 bytes (fits in one frame)": thousands(0, 60),
}
# test_restarts.py stops a Kafka, test_service_hub.c has these to the letter.
KAFKA_AWAY = {"Kafka down: push", "Kafka down: pull"}
RETENTION = {"pull index 0 where the log starts at 40", "pull index 40 where the log starts at 40"}
HELD = next(row["vectors"] for row in LISTED if row["row"].startswith("pull at or beyond the end"))
NO_SERVICE = next(row["vectors"] for row in LISTED if "echo_service" in row["row"])
INSTEAD |= {name: dropped for name in [*NO_SERVICE, "transport zero-length frame", "transport onward [1#127.0.0.1:port, peer]: hub connects out"]}
INSTEAD |= {name: same for name in [*HELD, "create without a name", "create partitioned, 1 partition, no name"]}


def test_the_list_of_differences_is_what_is_checked_here():
    listed = [name for row in LISTED for name in row["vectors"]]
    assert sorted(listed) == sorted([*INSTEAD, *KAFKA_AWAY])
    names = [vector["name"] for vector in RECORDED]
    assert len(names) == len(set(names)) == 124 and set(listed) | set(SHORTENED) <= set(names)


@pytest.mark.sanitized
def test_every_recorded_request_gets_the_recorded_answer(log, request, start_node):
    kafka = None if log == "embedded" else request.getfixturevalue("kafka").address
    limits = ["--limit", "hold_ms=100"]  # what is held is answered sooner
    plain, prefixed = start_node(*limits, kafka=log), start_node(*limits, "--stream-prefix", "pfx", kafka=log)
    filler = start_node(kafka=log) if kafka else plain
    replay = Replay(plain.address, filler.address, (lambda name: kafka_wire.delete_records(kafka, name, 40)) if kafka else None)
    prefix = Connection(prefixed.address)
    left_out = KAFKA_AWAY | (set() if kafka else RETENTION)
    replayed = 0
    for vector in RECORDED:
        name = vector["name"]
        if name in left_out:
            continue
        own = Connection(plain.address) if name.startswith("transport ") else None
        other = replay.other if "other connection" in name or "another connection" in name else replay.first
        connection = own or (prefix if "prefix" in name.lower() else other)
        if name == "push: the biggest frame, 65535 bytes, data 65488" or vector["request"] is None:
            assert name in INSTEAD
        else:
            replay.send(connection, vector)
        {**INSTEAD, **SHORTENED}.get(name, same)(replay, connection, vector)
        if not vector.get("connection_closed") or name in INSTEAD:
            connection.nothing_more()
        if own:
            own.close()
        replayed += 1
    assert replayed == 124 - len(left_out)
    if kafka:
        topics = kcat.topics(kafka)
        assert topics["vec-5d631"] == 1 and topics["vec-5d631-p3"] == 3 and topics["pfx_vec8"] == 1
        assert prefixed.stop() == 0  # saves what is still to be saved
        assert kafka_wire.committed_offset(kafka, "pclient", "pfx_vec8") == (2, "")
