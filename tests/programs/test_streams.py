"""The node as a stream client sees it, with requests written by hand, and Kafka's side looked at with kcat."""

import pytest

from harness import kafka_wire, kcat


@pytest.mark.sanitized
def test_push_and_pull(log, start_node, connect):
    client = connect(start_node(kafka=log))
    stream = client.create("push_and_pull")
    values = [b"one", b"", bytes(range(256)), b"z" * 60000]
    assert [client.push(stream, value) for value in values] == [0, 1, 2, 3]
    assert client.pull(stream, 0) == list(enumerate(values))
    assert client.pull(stream, 1, limit=1) == [(1, b"")]
    assert client.push(stream, b"y" * 65423) is None, "more than can come back in one frame"
    assert client.push(stream, b"y" * 65422) == 4
    assert client.pull(stream, 3) == [(3, values[3])], "as many as fit in one frame"
    assert client.pull(stream, 4) == [(4, b"y" * 65422)]


@pytest.mark.sanitized
def test_index(log, start_node, connect):
    node = start_node(kafka=log)
    client = connect(node)
    client.create("indexed")
    assert client.index("reader", "indexed") is None
    client.save("reader", "indexed", 7)
    assert client.index("reader", "indexed") == 7
    client.save("reader", "indexed", 3)
    assert client.index("reader", "indexed") == 3
    assert client.index("another", "indexed") is None


def test_records_of_another_producer_are_delivered(kafka, start_node, connect):
    client = connect(start_node(kafka=kafka.address))
    stream = client.create("foreign")
    assert client.push(stream, b"ours") == 0
    kcat.produce(kafka.address, "foreign", b"theirs")
    assert client.pull(stream, 0, limit=1) == [(0, b"ours")]
    assert client.pull(stream, 1) == [(1, b"theirs")]
    # One that waits already is found too.
    client.send([stream], b"\x0bstream_pull\x03\x05\x02\x08")
    kcat.produce(kafka.address, "foreign", b"later")
    _, protocol, answer = client.receive()
    assert protocol == "stream_pull" and answer.uint() == 5
    assert [(answer.uint(), answer.data()) for _ in range(answer.uint())] == [(2, b"later")]


def test_a_topic_that_exists_is_joined(kafka, start_node, connect):
    kafka_wire.create_topic(kafka.address, "joined")
    kcat.produce(kafka.address, "joined", b"before")
    client = connect(start_node(kafka=kafka.address))
    stream = client.create("joined")
    assert client.pull(stream, 0) == [(0, b"before")]
    assert client.push(stream, b"after") == 1
    assert [record.value for record in kcat.records(kafka.address, "joined")] == [b"before", b"after"]


def test_prefixes(kafka, start_node, connect):
    node = start_node("--stream-prefix", "team", "--group-prefix", "crew", kafka=kafka.address)
    client = connect(node)
    stream = client.create("prefixed")
    client.push(stream, b"value")
    client.save("reader", "prefixed", 1)
    assert node.stop() == 0
    assert "prefixed" not in kcat.topics(kafka.address)
    assert [record.value for record in kcat.records(kafka.address, "team_prefixed")] == [b"value"]
    assert any(group.startswith("crew") and group.endswith("reader") for group in kafka_wire.groups(kafka.address))


def test_streams_outlive_the_node(kafka, start_node, connect):
    first = start_node(kafka=kafka.address)
    client = connect(first)
    stream = client.create("outlives")
    assert client.push(stream, b"kept") == 0
    client.save("reader", "outlives", 1)
    assert first.stop() == 0
    client = connect(start_node(kafka=kafka.address))
    assert client.index("reader", "outlives") == 1
    assert client.pull(client.create("outlives"), 0) == [(0, b"kept")]


def test_two_nodes_serve_one_stream(kafka, start_node, connect):
    one, other = (connect(start_node(kafka=kafka.address)) for _ in range(2))
    to_write, to_read = one.create("shared"), other.create("shared")
    for number in range(5):
        assert one.push(to_write, b"%d" % number) == number
        assert other.pull(to_read, number) == [(number, b"%d" % number)]
