"""Clients that nobody wishes for, one that behaves beside them, and what can be seen of a node from outside."""

import os
import re
import socket
import struct
import subprocess
import threading
import time
import urllib.request

from . import wire
from .process import Process


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


IP_BIND_ADDRESS_NO_PORT = 24  # Linux; Python's socket does not name it


def connect(node, small_buffer=False, source=None):
    """A plain socket to the node, from another address of this machine where one is named: from one address the system looks ever longer for a
    free port, the more are taken."""
    host, port = node.address.rsplit(":", 1)
    sock = socket.socket()
    if source:
        sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        sock.bind((source, 0))
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

    made = 0

    def __init__(self, node):
        Neighbour.made += 1
        self.client = wire.StreamClient(node.address)
        self.stream = self.client.create(f"neighbour-{os.getpid()}-{Neighbour.made}")
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

    def p99(self, since=0):
        """Of all but the first `since`."""
        ordered = sorted(self.seconds[since:])
        return ordered[len(ordered) * 99 // 100]

    def finish(self):
        self.served()
        self._stop.set()
        self._thread.join(20)
        self.client.close()
        assert self.error is None, f"the neighbour noticed: {self.error!r}"


HOLDER = """
import socket, sys
host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
held = [socket.create_connection((host, port), 20) for _ in range(count)]
for sock in held:
    sock.sendall(b"\\0\\0")
print("ready", flush=True)
sys.stdin.read()
"""


class Elsewhere:
    """Another machine: a network namespace, joined to this one by a pair of devices; `ours` is our address there. OSError with the reason where
    none can be made."""

    def __init__(self):
        self.name, self.device = f"strop-{os.getpid()}", f"st{os.getpid()}"
        self.ours, self.theirs = "198.18.77.1", "198.18.77.2"
        try:
            done = subprocess.run(["ip", "netns", "add", self.name], capture_output=True, text=True)
        except FileNotFoundError:
            raise OSError("there is no ip command") from None
        if done.returncode:
            raise OSError(done.stderr.strip())
        self._ip("link", "add", self.device, "type", "veth", "peer", "name", "there", "netns", self.name)
        self._ip("addr", "add", f"{self.ours}/30", "dev", self.device)
        self._ip("link", "set", self.device, "up")
        self._ip("-n", self.name, "addr", "add", f"{self.theirs}/30", "dev", "there")
        self._ip("-n", self.name, "link", "set", "there", "up")

    def _ip(self, *words):
        done = subprocess.run(["ip", *words], capture_output=True, text=True)
        if done.returncode:
            self.remove()
            raise OSError(done.stderr.strip())

    def run(self, *argv):
        return Process(["ip", "netns", "exec", self.name, *argv], name="elsewhere", stdin=True)

    def vanish(self):
        """What is sent there is answered by nobody from now on, and nobody says so."""
        self._ip("-n", self.name, "addr", "flush", "dev", "there")

    def remove(self):
        subprocess.run(["ip", "link", "del", self.device], capture_output=True)
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True)


def vanish(node, elsewhere, neighbour, count, timeout):
    """`count` connections from elsewhere, as many from here; those from elsewhere vanish. How long it was until the node knew."""
    here = [connect(node) for _ in range(count)]
    for sock in here:
        sock.sendall(b"\0\0")
    holder = elsewhere.run("python3", "-c", HOLDER, elsewhere.ours, node.address.rsplit(":", 1)[1], count)
    try:
        holder.wait_line("ready", "out", timeout=30)
        until_figures(node, connections=2 * count + 1)
        before = descriptors(node)
        elsewhere.vanish()
        begin = time.monotonic()
        until_figures(node, connections=count + 1, timeout=timeout)
        took = time.monotonic() - begin
        until("their descriptors are back", lambda: descriptors(node) <= before - count)
        assert not any(is_closed(sock) for sock in here)
        neighbour.served()
    finally:
        holder.stop()
    return took
