"""kcat, as the other opinion on what stands in Kafka."""

import json
import subprocess
import tempfile
from dataclasses import dataclass


@dataclass
class Record:
    offset: int
    key: object  # None or bytes
    value: object  # None or bytes
    headers: bytes


def _run(address, *args, timeout=30):
    done = subprocess.run(["kcat", "-b", address, *args], stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout)
    assert done.returncode == 0, f"kcat {args}: {done.stderr.decode()}"
    return done.stdout


def topics(address):
    """Name to number of partitions."""
    listing = json.loads(_run(address, "-L", "-J"))
    return {topic["topic"]: len(topic["partitions"]) for topic in listing["topics"]}


def _sized(raw, size):
    return (None, raw) if size < 0 else (raw[:size], raw[size:])


def records(address, topic, partition=0):
    """All records of a partition, from its start to its end."""
    # Lengths come first, so that any byte may follow.
    raw = _run(address, "-C", "-q", "-e", "-t", topic, "-p", str(partition), "-o", "beginning", "-f", "%o %K %S|%k%s%h\n")
    found = []
    while raw:
        head, _, raw = raw.partition(b"|")
        offset, key_size, value_size = map(int, head.split())
        key, raw = _sized(raw, key_size)
        value, raw = _sized(raw, value_size)
        headers, _, raw = raw.partition(b"\n")
        found.append(Record(offset, key, value, headers))
    return found


def produce_lines(address, topic, lines, partition=0):
    """A record for each line, in order."""
    with tempfile.NamedTemporaryFile() as file:
        file.write("".join(f"{line}\n" for line in lines).encode())
        file.flush()
        _run(address, "-P", "-t", topic, "-p", str(partition), "-l", file.name)


def produce_null(address, topic, partition=0):
    """A record without a value (a tombstone)."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"k:\n")
        file.flush()
        _run(address, "-P", "-t", topic, "-p", str(partition), "-K", ":", "-Z", "-l", file.name)


def produce(address, topic, value, partition=0):
    """One record with exactly these bytes."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(value)
        file.flush()
        _run(address, "-P", "-t", topic, "-p", str(partition), file.name)
