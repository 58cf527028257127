"""Endpoints on the real Ockam crates (tests/interop), in the clothes of ours: constructed they are ready, and say what they got."""

import os
import re
import shutil
import subprocess

from .process import TOP, Process

FOLDER = TOP / "build/interop"
MODERN, OLD = "crate-0.116", "crate-0.25"
OLDEST_CARGO = (1, 70)
NO_CHANNEL, NO_ECHO = 3, 4  # how a Rust Alice ends


def missing():
    """Why no such endpoint can be had; None: they are there."""
    search = os.environ["PATH"] + os.pathsep + os.path.expanduser("~/.cargo/bin")
    cargo = shutil.which("cargo", path=search)
    if not cargo:
        return "there is no cargo, which builds the Ockam endpoints"
    said = subprocess.run([cargo, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60).stdout
    version = re.search(r"(\d+)\.(\d+)", said)
    if not version or tuple(map(int, version.groups())) < OLDEST_CARGO:
        return f"this cargo is too old to build the Ockam endpoints: {said.strip() or 'it does not run'}"
    return None


def text(number, size):
    """What a Rust Alice sends: its number, filled up to so many bytes where there is room."""
    head = f"{number} "
    return (head + "".join(chr(97 + at % 26) for at in range(len(head), size)))[:size]


class RustBob(Process):
    """Over streams: --node, --sender and so on; or --listen."""

    def __init__(self, *args, crate=MODERN):
        super().__init__([FOLDER / crate / "release/bob", *args], name=f"rust-bob-{crate}")
        self.identifier = self.wait_line(r"^identifier: ([IP][0-9a-f]{64})$", "out", timeout=60)[1]
        if "--listen" in args and crate == MODERN:
            self.address = self.wait_line(r"^listening on (\S+)$", "out", timeout=60)[1]
        self.wait_line(r"^ready$", "out", timeout=60)

    def received(self):
        """How long each text was, and how it began."""
        lines = [line.split(" ", 2)[1:] for line in self.out if line.startswith("received ")]
        return [(int(size), begin) for size, begin in lines]

    def wait_received(self, count, timeout=60):
        self.until(f"{count} messages received", lambda: len(self.received()) >= count, timeout)
        return self.received()


class RustAlice(Process):
    """Sends `count` texts and compares each echo, then ends."""

    def __init__(self, *args, crate=MODERN, count=1):
        super().__init__([FOLDER / crate / "release/alice", *args, "--count", count], name=f"rust-alice-{crate}")
        self.count = count

    def echoes(self):
        """Number, size and microseconds of each."""
        return [tuple(map(int, line.split()[1:])) for line in self.out if line.startswith("echo ")]

    def finish(self, timeout=120):
        assert self.wait(timeout) == 0, self.tail()
        assert f"done {self.count}" in self.out
        assert [number for number, _, _ in self.echoes()] == list(range(self.count))
