"""The wire of the node, written down once more apart from our own code (docs/protocol.md): BARE, frames, stream requests."""

import socket
import struct


def uint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def data(raw):
    raw = raw.encode() if isinstance(raw, str) else raw
    return uint(len(raw)) + raw


def route(*hops):
    return uint(len(hops)) + b"".join(b"\0" + data(hop) for hop in hops)


class Reader:
    def __init__(self, raw):
        self.raw, self.at = raw, 0

    def byte(self):
        self.at += 1
        return self.raw[self.at - 1]

    def uint(self):
        number = shift = 0
        while True:
            byte = self.byte()
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number

    def data(self):
        size = self.uint()
        self.at += size
        assert self.at <= len(self.raw), "a length beyond the input"
        return self.raw[self.at - size : self.at]

    def route(self):
        hops = []
        for _ in range(self.uint()):
            kind = self.byte()
            hops.append((kind, self.data()))
        return hops


def message(onward, payload, back=("me",)):
    """A transport message."""
    return b"\1" + route(*onward) + route(*back) + data(payload)


class StreamClient:
    """One connection to a node; one request at a time, each answered before the next."""

    def __init__(self, address, timeout=15):
        host, port = address.rsplit(":", 1)
        self.sock = socket.create_connection((host, int(port)), timeout)
        self.stream = self.sock.makefile("rb")
        self.requests = 0

    def close(self):
        self.stream.close()
        self.sock.close()

    def send(self, onward, payload):
        frame = message(onward, payload)
        self.sock.sendall(struct.pack(">H", len(frame)) + frame)

    def receive(self):
        """The next answer: who it is from, its protocol, and a reader of its body."""
        head = self.stream.read(2)
        assert len(head) == 2, "the node closed the connection"
        body = self.stream.read(*struct.unpack(">H", head))
        answer = Reader(body)
        assert answer.byte() == 1 and answer.route() == [(0, b"me")]
        ((_, sender),) = answer.route()
        wrapper = Reader(answer.data())
        protocol = wrapper.data().decode()
        return sender, protocol, Reader(wrapper.data())

    def ask(self, to, protocol, body):
        self.send([to], data(protocol) + data(body))
        sender, answered, reader = self.receive()
        assert answered == protocol, f"{protocol} was answered by {answered}: {reader.raw!r}"
        return sender, reader

    def create(self, name):
        """The address of the stream."""
        sender, answer = self.ask("stream_kafka", "stream_create", b"\1" + data(name))
        assert answer.data().decode() == name
        return sender

    def create_partitioned(self, name, partitions):
        """The addresses, by partition."""
        self.send(["stream_kafka"], data("stream_create_partitioned") + data(b"\1" + data(name) + uint(partitions)))
        addresses = {}
        for _ in range(partitions):
            sender, protocol, answer = self.receive()
            assert protocol == "stream_create_partitioned" and answer.data().decode() == name
            addresses[answer.uint()] = sender
        return addresses

    def index_partitioned(self, client_id, name, partition):
        _, answer = self.ask("stream_kafka_index", "stream_index_partitioned", b"\0" + data(client_id) + data(name) + uint(partition))
        assert (answer.data().decode(), answer.data().decode(), answer.uint()) == (client_id, name, partition)
        return answer.uint() if answer.byte() else None

    def push(self, stream, value):
        self.requests += 1
        _, answer = self.ask(stream, "stream_push", uint(self.requests) + data(value))
        assert answer.uint() == self.requests
        status, index = answer.uint(), answer.uint()
        return index if status == 0 else None

    def pull(self, stream, index, limit=8):
        """Pairs of index and bytes."""
        self.requests += 1
        _, answer = self.ask(stream, "stream_pull", uint(self.requests) + uint(index) + uint(limit))
        assert answer.uint() == self.requests
        return [(answer.uint(), answer.data()) for _ in range(answer.uint())]

    def index(self, client_id, name):
        body = b"\0" + data(client_id) + data(name)
        _, answer = self.ask("stream_kafka_index", "stream_index", body)
        assert (answer.data().decode(), answer.data().decode()) == (client_id, name)
        return answer.uint() if answer.byte() else None

    def save(self, client_id, name, index):
        body = b"\1" + data(client_id) + data(name) + uint(index)
        self.send(["stream_kafka_index"], data("stream_index") + data(body))
