"""Our programs, with the arguments that a test needs and nothing else."""

import os
import re

from .process import TOP, Process

BUILD = TOP / os.environ.get("STROP_BUILD", "build/release")
# Under a sanitizer everything takes longer; deadlines are multiplied by this.
SLOW = 4 if BUILD.name.startswith("san-") else 1


class Program(Process):
    """Ends by itself or by SIGTERM; a sanitizer's complaint fails the test (conftest.py looks)."""

    def __init__(self, program, *args, **how):
        super().__init__([BUILD / program, *args], **how)


class Node(Program):
    """On the embedded log, or on the Kafka at `kafka`; on a free port unless `listen` says which."""

    def __init__(self, *args, kafka="embedded", listen="127.0.0.1:0"):
        super().__init__("strop-node", "--listen", listen, "--kafka", kafka, *args)
        self.address = self.wait_line(r"^listening on (\S+)$", timeout=10 * SLOW)[1]


class Bob(Program):
    """Ready when constructed; what he printed is in his attributes."""

    def __init__(self, node, identity, *args):
        super().__init__("bob", "--node", node, "--identity", identity, *args)
        self.invitation = self.wait_line(r"^invitation: (strop:\S+)$", "out", timeout=15 * SLOW)[1]
        for name in ("bob_to_alice", "alice_to_bob", "identifier"):
            setattr(self, name, self.wait_line(rf"^{name}: (\S+)$", "out")[1])

    def received(self):
        return [line[len("received: ") :] for line in self.out if line.startswith("received: ")]

    def wait_received(self, count, timeout=30):
        self.until(f"{count} messages received", lambda: len(self.received()) >= count, timeout * SLOW)
        return self.received()


class DirectBob(Program):
    """Without a node, at his `address`."""

    received, wait_received = Bob.received, Bob.wait_received

    def __init__(self, listen, identity, *args):
        super().__init__("bob", "--listen", listen, "--identity", identity, *args)
        self.address = self.wait_line(r"^listening: (\S+)$", "out", timeout=15 * SLOW)[1]
        self.identifier = self.wait_line(r"^identifier: (\S+)$", "out")[1]


class Alice(Program):
    """With a pipe for stdin: write() lines, then finish()."""

    def __init__(self, *args, identity):
        super().__init__("alice", *args, "--identity", identity, stdin=True)

    def say(self, *lines):
        self.write("".join(f"{line}\n" for line in lines))

    def wait_echoes(self, count, timeout=30):
        return self.wait_count(count, "out", timeout * SLOW)

    def finish(self, timeout=30):
        """No more input: her exit code."""
        self.close_stdin()
        return self.wait(timeout * SLOW)


def one_line_error(process):
    """What a program that failed said: the one line of stderr that says why."""
    lines = [line for line in process.err if line.strip() and not re.match(r"^(warning|info|notice)\b", line)]
    assert len(lines) == 1, f"one line that says why was expected:\n{process.tail()}"
    return lines[0]
