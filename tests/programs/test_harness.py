"""The means of the tests themselves: what they can't see, no test on them could fail for."""

import pytest

from harness import kafka_wire, kcat
from harness.process import Process


def test_kafka_is_seen(kafka):
    kafka_wire.create_topic(kafka.address, "seen", partitions=2)
    assert kcat.topics(kafka.address)["seen"] == 2

    values = [b"plain", bytes(range(256)), b"with\nlines\n", b"|%s"]
    for value in values:
        kcat.produce(kafka.address, "seen", value)
    records = kcat.records(kafka.address, "seen")
    assert [record.value for record in records] == values
    assert [record.offset for record in records] == [0, 1, 2, 3]
    assert all(record.key is None and record.headers == b"" for record in records)
    assert kafka.stored(b"with\nlines\n") and not kafka.stored(b"never written")

    kafka_wire.delete_topic(kafka.address, "seen")


def test_group_offsets_are_seen(kafka):
    kafka_wire.create_topic(kafka.address, "offsets")
    assert kafka_wire.committed_offset(kafka.address, "reader", "offsets") == (None, "")
    kafka_wire.commit_offset(kafka.address, "reader", "offsets", 7)
    assert kafka_wire.committed_offset(kafka.address, "reader", "offsets") == (7, "")


def test_waiting_ends_with_what_was_said(keep):
    process = keep(Process(["bash", "-c", "echo one; echo two >&2; read"], stdin=True))
    assert process.wait_line("t(w)o", "err")[1] == "w"
    with pytest.raises(AssertionError, match="out. one"):
        process.wait_line("three", "out", timeout=0.1)
    process.close_stdin()
    assert process.wait() == 1
    with pytest.raises(AssertionError, match="ended .exit 1. before"):
        process.wait_line("three", "out")
