"""Clients that nobody wishes for, one that behaves beside them, and what can be seen of a node from outside."""

import os
import re
import socket
import struct
import threading
import time
import urllib.request

from . import wire


def figures(node):
    """What /metrics says, by name without "strop_" and "_total"; the node must have been started with --http."""
    address = node.wait_line(r"metrics on http://(\S+)/metrics")[1]
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    return {name: int(value) for name, value in re.findall(r"^strop_(\w+?)(?:_total)? (\d+)$", text, re.M)}


def until(what, done, timeout=20):
    """Waits until done() is true; returns what it returned."""
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while not (result := done()):
        assert time.monotonic() < deadline, f"{timeout} s passed before {what}"
        pause.wait(0.05)
    return result


def until_figures(node, timeout=20, **wanted):
    """Waits until each figure named is what is wanted, a number or what says yes to it; returns all figures."""
    last = {}

    def done():
        last.update(figures(node))
        return all(want(last[name]) if callable(want) else last[name] == want for name, want in wanted.items())

    try:
        until(f"{wanted}", done, timeout)
    except AssertionError as error:
        raise AssertionError(f"{error}; at the end: { {name: last.get(name) for name in wanted} }") from None
    return last


def rss(node):
    """Resident memory in bytes."""
    with open(f"/proc/{node.pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read())[1]) * 1024


def descriptors(node):
    return len(os.listdir(f"/proc/{node.pid}/fd"))


def cpu_seconds(node):
    """Time that the node has spent on a processor."""
    with open(f"/proc/{node.pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def connect(node, small_buffer=False):
    """A plain socket to the node."""
    host, port = node.address.rsplit(":", 1)
    sock = socket.socket()
    if small_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(20)
    sock.connect((host, int(port)))
    return sock


def frame(body):
    return struct.pack(">H", len(body)) + body


def request(to, protocol, body, back=("me",)):
    """A whole frame."""
    return frame(wire.message([to], wire.data(protocol) + wire.data(body), back))


def push(to, number, value, back=("me",)):
    return request(to, "stream_push", wire.uint(number) + wire.data(value), back)


def pull(to, number, index, limit, back=("me",)):
    return request(to, "stream_pull", wire.uint(number) + wire.uint(index) + wire.uint(limit), back)


def create(name, back=("me",)):
    return request("stream_kafka", "stream_create", b"\1" + wire.data(name), back)


def index_get(client_id, name, back=("me",)):
    return request("stream_kafka_index", "stream_index", b"\0" + wire.data(client_id) + wire.data(name), back)


# A message without onward route and with payload 00 is answered by one with payload 01: all that came before it is done by then.
PING = frame(b"\1" + wire.route() + wire.route("me") + wire.data(b"\0"))


def is_closed(sock):
    """Whether the node has ended the connection; what else comes is thrown away."""
    sock.setblocking(False)
    try:
        while sock.recv(1 << 16):
            pass
        return True
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def reset(sock):
    """Closes it with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Neighbour:
    """A client that behaves: pushes a message and pulls it back, one after the other, in a thread of its own. Every answer is checked; the time
    each took is kept."""

    def __init__(self, node, name="neighbour"):
        self.client = wire.StreamClient(node.address)
        self.stream = self.client.create(name)
        self.seconds, self.error = [], None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _once(self, number):
        value = f"message {number} ".encode() * (1 + number % 50)
        begin = time.monotonic()
        index = self.client.push(self.stream, value)
        assert index == number, f"pushed to {index}, not {number}"
        got = self.client.pull(self.stream, number, 1)
        assert got == [(number, value)], f"pulled {got}"
        self.seconds.append(time.monotonic() - begin)

    def _run(self):
        try:
            while not self._stop.is_set():
                self._once(len(self.seconds))
                self._stop.wait(0.005)
        except Exception as error:
            self.error = error

    def served(self):
        """Waits until it has been served once more, from now on; fails when it has noticed anything. How often it was in all."""
        before = len(self.seconds)
        until("the neighbour is served", lambda: self.error or len(self.seconds) > before + 1, 60)
        assert self.error is None, f"the neighbour noticed: {self.error!r}"
        return len(self.seconds)

    def p99(self):
        ordered = sorted(self.seconds)
        return ordered[len(ordered) * 99 // 100]

    def finish(self):
        self.served()
        self._stop.set()
        self._thread.join(20)
        self.client.close()
        assert self.error is None, f"the neighbour noticed: {self.error!r}"
