"""A node that lies: stands between a client and a true node, and answers pushes of the client's choice itself, as stored, without storing them."""

import struct
import threading

from .between import Between
from .wire import Reader, data, message, uint


def _frames(sock):
    stream = sock.makefile("rb")
    while len(head := stream.read(2)) == 2:
        body = stream.read(*struct.unpack(">H", head))
        yield body


def _send(sock, lock, body):
    with lock:
        sock.sendall(struct.pack(">H", len(body)) + body)


class LyingNode(Between):
    """`swallows(number)` says of each push over it, counted from 0, whether it is lost. Ended by stop()."""

    def __init__(self, node, swallows):
        self.swallows = swallows
        self.pushes = self.swallowed = 0
        super().__init__(node)

    def ways(self, client, node):
        lock = threading.Lock()
        return (lambda: self._up(client, node, lock)), (lambda: self._down(client, node, lock))

    def _up(self, client, node, lock):
        up_lock = threading.Lock()
        try:
            for body in _frames(client):
                answer = self._answer(body)
                if answer:
                    _send(client, lock, answer)
                else:
                    _send(node, up_lock, body)
        except OSError:
            pass
        node.close()

    def _down(self, client, node, lock):
        try:
            for body in _frames(node):
                _send(client, lock, body)
        except OSError:
            pass
        client.close()

    def _answer(self, body):
        """What a push that is swallowed is answered with; None: pass it on."""
        reader = Reader(body)
        reader.byte()
        onward, back = reader.route(), reader.route()
        wrapper = Reader(reader.data())
        if wrapper.data() != b"stream_push":
            return None
        number, self.pushes = self.pushes, self.pushes + 1
        if not self.swallows(number):
            return None
        self.swallowed += 1
        request = Reader(wrapper.data()).uint()
        payload = data("stream_push") + data(uint(request) + uint(0) + uint(1_000_000 + number))
        return message([hop for _, hop in back], payload, back=[hop for _, hop in onward])
