"""A few requests of Kafka's own protocol, so that tests look at and change group offsets and topics without any code of ours, and
without the seconds that Kafka's command line tools take to start."""

import socket
import struct
import time

NO_ERROR, UNKNOWN_TOPIC_OR_PARTITION = 0, 3
# The coordinator of a fresh cluster needs a moment: loading, not available, not coordinator.
COORDINATOR_ERRORS = (14, 15, 16)

CONCURRENT_TRANSACTIONS = 51

OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR, LIST_GROUPS, CREATE_TOPICS, DELETE_TOPICS = 8, 9, 10, 16, 19, 20
DELETE_RECORDS, INIT_PRODUCER_ID, ADD_PARTITIONS_TO_TXN, END_TXN, DESCRIBE_CONFIGS = 21, 22, 24, 26, 32


def _string(text):
    raw = text.encode()
    return struct.pack(">h", len(raw)) + raw


def _array(items):
    return struct.pack(">i", len(items)) + b"".join(items)


class Reader:
    def __init__(self, raw):
        self.raw, self.at = raw, 0

    def take(self, form):
        (value,) = struct.unpack_from(">" + form, self.raw, self.at)
        self.at += struct.calcsize(">" + form)
        return value

    def string(self):
        size = self.take("h")
        if size < 0:
            return None
        self.at += size
        return self.raw[self.at - size : self.at].decode()


def request(address, key, version, body, timeout=10):
    """One request on a connection of its own; the body of its answer."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout) as sock:
        message = struct.pack(">hhi", key, version, 1) + _string("tests") + body
        sock.sendall(struct.pack(">i", len(message)) + message)
        stream = sock.makefile("rb")
        (size,) = struct.unpack(">i", stream.read(4))
        answer = Reader(stream.read(size))
        assert answer.take("i") == 1, "the answer to another request"
        return answer


def _retried(attempt, timeout=20, passing=COORDINATOR_ERRORS):
    deadline = time.monotonic() + timeout
    while True:
        error, result = attempt()
        if error not in passing or time.monotonic() > deadline:
            assert error == NO_ERROR, f"Kafka answered error {error}"
            return result


def _find_coordinator(address, group):
    def attempt():
        answer = request(address, FIND_COORDINATOR, 0, _string(group))
        error = answer.take("h")
        return error, None

    _retried(attempt)


def committed_offset(address, group, topic, partition=0):
    """The offset that the group has committed, and the metadata beside it; offset None where there is none."""

    def attempt():
        body = _string(group) + _array([_string(topic) + _array([struct.pack(">i", partition)])])
        answer = request(address, OFFSET_FETCH, 1, body)
        assert answer.take("i") == 1 and answer.string() == topic and answer.take("i") == 1
        assert answer.take("i") == partition
        offset, metadata, error = answer.take("q"), answer.string(), answer.take("h")
        if error == UNKNOWN_TOPIC_OR_PARTITION:
            return NO_ERROR, (None, metadata)
        return error, (None if offset < 0 else offset, metadata)

    _find_coordinator(address, group)
    return _retried(attempt)


def wait_committed(address, group, topic, offset, timeout=20):
    """Until this is what the group has committed; commits are seen a moment after they were asked for."""
    deadline = time.monotonic() + timeout
    while (found := committed_offset(address, group, topic)[0]) != offset:
        assert time.monotonic() < deadline, f"{group} has committed {found} and not {offset}"


def commit_offset(address, group, topic, offset, partition=0):
    """Commits as a simple consumer does: no generation, no member."""

    def attempt():
        entry = struct.pack(">iq", partition, offset) + _string("")
        body = _string(group) + struct.pack(">i", -1) + _string("") + struct.pack(">q", -1)
        body += _array([_string(topic) + _array([entry])])
        answer = request(address, OFFSET_COMMIT, 2, body)
        assert answer.take("i") == 1 and answer.string() == topic and answer.take("i") == 1
        answer.take("i")
        return answer.take("h"), None

    _find_coordinator(address, group)
    # The coordinator hears of a topic that was just made a moment later.
    _retried(attempt, passing=(*COORDINATOR_ERRORS, UNKNOWN_TOPIC_OR_PARTITION))


def groups(address):
    """The names of all groups."""

    def attempt():
        answer = request(address, LIST_GROUPS, 1, b"")
        answer.take("i")
        error = answer.take("h")
        return error, {(answer.string(), answer.string())[0] for _ in range(answer.take("i"))}

    return _retried(attempt)


def create_topic(address, topic, partitions=1, config=None):
    entries = [_string(name) + _string(value) for name, value in (config or {}).items()]
    entry = _string(topic) + struct.pack(">ih", partitions, 1) + _array([]) + _array(entries)
    answer = request(address, CREATE_TOPICS, 2, _array([entry]) + struct.pack(">i?", 10000, False))
    answer.take("i")
    assert answer.take("i") == 1 and answer.string() == topic
    error = answer.take("h")
    assert error == NO_ERROR, f"Kafka answered error {error}: {answer.string()}"


def delete_topic(address, topic):
    answer = request(address, DELETE_TOPICS, 1, _array([_string(topic)]) + struct.pack(">i", 10000))
    answer.take("i")
    assert answer.take("i") == 1 and answer.string() == topic
    error = answer.take("h")
    assert error == NO_ERROR, f"Kafka answered error {error}"


def leave_mark(address, topic, transactional_id, partition=0):
    """A transaction without records that is given up: its mark stands in the log and no reader sees it."""
    producer, epoch = _init_producer(address, transactional_id)
    head = _string(transactional_id) + struct.pack(">qh", producer, epoch)

    def add():
        answer = request(address, ADD_PARTITIONS_TO_TXN, 0, head + _array([_string(topic) + _array([struct.pack(">i", partition)])]))
        assert answer.take("i") == 0 and answer.take("i") == 1 and answer.string() == topic and answer.take("i") == 1
        assert answer.take("i") == partition
        return answer.take("h"), None

    def end():
        answer = request(address, END_TXN, 0, head + struct.pack(">?", False))
        answer.take("i")
        return answer.take("h"), None

    _retried(add, passing=(*COORDINATOR_ERRORS, UNKNOWN_TOPIC_OR_PARTITION, CONCURRENT_TRANSACTIONS))
    _retried(end, passing=(*COORDINATOR_ERRORS, CONCURRENT_TRANSACTIONS))


def _init_producer(address, transactional_id):
    def find():
        answer = request(address, FIND_COORDINATOR, 1, _string(transactional_id) + struct.pack(">b", 1))
        answer.take("i")
        return answer.take("h"), None

    def init():
        answer = request(address, INIT_PRODUCER_ID, 0, _string(transactional_id) + struct.pack(">i", 60000))
        answer.take("i")
        error = answer.take("h")
        return error, (answer.take("q"), answer.take("h"))

    _retried(find)
    return _retried(init, passing=(*COORDINATOR_ERRORS, CONCURRENT_TRANSACTIONS))


def topic_configs(address, topic):
    """What was set for the topic, by name."""
    answer = request(address, DESCRIBE_CONFIGS, 1, _array([struct.pack(">b", 2) + _string(topic) + struct.pack(">i", -1)]) + b"\0")
    assert answer.take("i") == 0 and answer.take("i") == 1 and answer.take("h") == NO_ERROR
    answer.string(), answer.take("b"), answer.string()
    found = {}
    for _ in range(answer.take("i")):
        name, value = answer.string(), answer.string()
        answer.take("?")
        source = answer.take("b")
        answer.take("?")
        assert answer.take("i") == 0, "synonyms were not asked for"
        if source == 1:  # set for this topic
            found[name] = value
    return found


def delete_records(address, topic, before, partition=0):
    """The topic's log begins at offset `before` from then on, as if retention had removed what is older."""
    entry = _string(topic) + _array([struct.pack(">iq", partition, before)])
    answer = request(address, DELETE_RECORDS, 1, _array([entry]) + struct.pack(">i", 10000))
    answer.take("i")
    assert answer.take("i") == 1 and answer.string() == topic and answer.take("i") == 1
    answer.take("i"), answer.take("q")
    error = answer.take("h")
    assert error == NO_ERROR, f"Kafka answered error {error}"
