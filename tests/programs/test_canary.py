"""What is said is nowhere but at its two ends (C21): not on the wire, not in the node's memory or lines, not in any file."""

import os
import socket

import pytest

from harness.between import Between

CANARY = "canary-7f3a9c"


class Wiretap(Between):
    """Keeps every byte that goes through, either way."""

    def __init__(self, node):
        self.heard = bytearray()
        super().__init__(node)

    def ways(self, client, node):
        return (lambda: self._pass(client, node)), (lambda: self._pass(node, client))

    def _pass(self, source, sink):
        try:
            while chunk := source.recv(65536):
                self.heard += chunk
                sink.sendall(chunk)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def memory_of(pid):
    """Every byte that a process could write to."""
    regions = []
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            where, rights = line.split()[:2]
            start, end = (int(number, 16) for number in where.split("-"))
            if not rights.startswith("rw") or "[v" in line:
                continue
            try:
                mem.seek(start)
                regions.append(mem.read(end - start))
            except OSError:
                pass  # a guard page, or locked away
    return b"\0".join(regions)


def files_below(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def wiretap():
    taps = []

    def start(node):
        taps.append(Wiretap(node.address))
        return taps[-1]

    yield start
    for tap in taps:
        tap.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="another process's memory is root's to read")
def test_C21_what_is_said_is_nowhere_but_at_its_ends(kafka, wiretap, start_node, start_bob, start_alice, tmp_path):
    node = start_node("--log-level", "debug", kafka=kafka.address)
    tap = wiretap(node)
    bob = start_bob(tap.address)
    alice = start_alice(bob.invitation)
    said = [f"{CANARY}-{number}" for number in range(100)]
    alice.say(*said)
    assert alice.finish() == 0, alice.tail()
    assert alice.out == said and bob.wait_received(100) == said

    canary = CANARY.encode()
    stream = bob.alice_to_bob.encode()
    node_memory = memory_of(node.pid)
    assert stream in node_memory and stream in tap.heard  # one can find things this way ...
    assert canary in memory_of(bob.pid)
    assert canary not in node_memory  # ... and this is not among them
    assert canary not in tap.heard and len(tap.heard) > 100 * 2 * 100
    assert not any(CANARY in line for line in node.log + bob.err + alice.err)
    for folder in (tmp_path, kafka.folder):
        files = files_below(folder)
        assert files
        assert not [path for path, content in files.items() if canary in content]
