"""What goes wrong is said in one clear line, within 10 s, with exit code 1; nothing else is harmed."""

import os
import re
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from harness.kafka import free_ports
from harness.process import TOP, Process
from harness.programs import BUILD, SLOW, Program, one_line_error

NOBODY = "I" + "0" * 64


@pytest.fixture
def start_program(keep):
    return lambda *args: keep(Program(*args))


def fails(process, *words, code=1):
    assert process.wait(12 * SLOW) == code, process.tail()
    line = one_line_error(process)
    for word in words:
        assert word in line, process.tail()
    assert process.out == []


def test_node_not_reachable(start_program, tmp_path):
    (port,) = free_ports(1)
    fails(start_program("alice", "--node", f"127.0.0.1:{port}", "--sender", "a", "--receiver", "b", "--identity", tmp_path / "alice"), str(port), "refused")
    fails(start_program("bob", "--node", f"127.0.0.1:{port}", "--identity", tmp_path / "bob"), str(port), "refused")


def test_wrong_stream_name(start_node, start_program, tmp_path):
    node = start_node()
    alice = start_program("alice", "--node", node.address, "--sender", "nobody_reads", "--receiver", "nobody_writes", "--identity", tmp_path / "alice",
                          "--timeout", "5")
    fails(alice, "is Bob running", "stream names")


def test_forbidden_stream_name(start_node, start_program, tmp_path):
    node = start_node()
    fails(start_program("alice", "--node", node.address, "--sender", "__consumer_offsets", "--receiver", "b", "--identity", tmp_path / "alice"), "reserved")


def test_wrong_peer_is_refused_before_anything_is_sent(start_node, start_bob, start_alice):
    node = start_node()
    bob = start_bob(node.address)
    alice = start_alice("--node", node.address, "--sender", bob.alice_to_bob, "--receiver", bob.bob_to_alice, "--peer", NOBODY)
    alice.say("a secret for somebody else")
    fails(alice, bob.identifier)
    assert bob.received() == [] and not any("is here" in line for line in bob.err)


@pytest.mark.parametrize("text", ["strop:", "strop:AAAA", "strop:!!!!", "nonsense", "strop:lQGRr"])
def test_bad_invitation(start_program, tmp_path, text):
    fails(start_program("alice", text, "--identity", tmp_path / "alice"), "invitation")


@pytest.mark.parametrize("program", ["alice", "bob"])
def test_identity_file_that_others_can_read(start_program, tmp_path, program):
    path = tmp_path / "identity"
    path.write_bytes(b"x" * 100)
    path.chmod(0o644)
    args = ["--sender", "a", "--receiver", "b"]
    fails(start_program(program, *args, "--identity", path), str(path), "chmod 600")


@pytest.mark.parametrize("program", ["alice", "bob"])
def test_identity_file_that_is_none(start_program, tmp_path, program):
    path = tmp_path / "identity"
    path.write_bytes(b"x" * 100)
    path.chmod(0o600)
    fails(start_program(program, "--sender", "a", "--receiver", "b", "--identity", path), str(path))


def test_a_line_that_is_no_text(start_node, start_bob, start_alice):
    node = start_node()
    bob = start_bob(node.address)
    alice = start_alice(bob.invitation)
    alice.write(b"\xff\xfe\nnot sent either\n")
    fails(alice, "line 1 is not UTF-8 text; neither it nor what follows was sent")
    assert bob.received() == []


@pytest.mark.sanitized
def test_the_largest_line_and_one_byte_more(start_node, start_bob, start_alice):
    node = start_node()
    bob = start_bob(node.address)
    alice = start_alice(bob.invitation)
    alice.say("x" * 69999)
    assert alice.wait(12 * SLOW) == 1
    limit = int(re.search(r"the most that fits is (\d+)", one_line_error(alice))[1])
    assert limit == 65222
    again = start_alice(bob.invitation)
    again.say("y" * limit)
    assert again.finish() == 0, again.tail()
    assert again.out == ["y" * limit]
    more = start_alice(bob.invitation)
    more.say("z" * (limit + 1))
    fails(more, str(limit))


def test_wrong_kafka_property(start_program):
    for argument, words in (("no.such=1", ["No such configuration property"]), ("acks=0", ["acks cannot be set"]), ("linger.ms=x", ["linger.ms"])):
        process = start_program("strop-node", "--listen", "127.0.0.1:0", "--kafka", "127.0.0.1:1", "-X", argument)
        assert process.wait(12 * SLOW) in (1, 2)
        line = one_line_error(process)
        assert all(word in line for word in words), process.tail()


def test_kafka_that_has_never_answered_is_not_healthy(start_node):
    (port, http) = free_ports(2)
    node = start_node("--http", f"127.0.0.1:{http}", kafka=f"127.0.0.1:{port}")  # nobody listens there
    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.urlopen(f"http://127.0.0.1:{http}/health", timeout=10)
    assert answer.value.code == 503
    metrics = urllib.request.urlopen(f"http://127.0.0.1:{http}/metrics", timeout=10).read().decode()
    assert "\nstrop_kafka_reachable 0\n" in metrics, node.tail()


def test_closed_descriptors_are_not_taken_by_what_the_node_opens(keep):
    (http,) = free_ports(1)
    start = 'exec 0<&- 1>&- 2>&-; exec "$0" "$@"'
    node = keep(Process(["sh", "-c", start, BUILD / "strop-node", "--listen", "127.0.0.1:0", "--http", f"127.0.0.1:{http}"]))
    deadline = time.monotonic() + 20 * SLOW
    while True:  # it can say nothing: it stands when it answers
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{http}/metrics", timeout=10).read()
            break
        except urllib.error.URLError:
            assert node.running and time.monotonic() < deadline
    assert [os.readlink(f"/proc/{node.pid}/fd/{number}") for number in range(3)] == ["/dev/null"] * 3


def test_closed_output_is_an_error_that_is_said(start_node, tmp_path):
    node = start_node()
    run = ["sh", "-c", 'exec 1>&-; exec "$0" "$@"', BUILD / "bob", "--node", node.address, "--identity", tmp_path / "bob"]
    done = subprocess.run(run, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=20 * SLOW)
    assert done.returncode == 1 and "bob: " in done.stderr, done.stderr


def test_wrong_usage(start_program):
    for program in ("alice", "bob", "strop-node"):
        fails(start_program(program, "--nonsense"), "--nonsense", code=2)


def test_a_port_that_is_taken(start_node, start_program):
    node = start_node()
    for kafka in ("127.0.0.1:1", "embedded"):
        process = start_program("strop-node", "--listen", node.address, "--kafka", kafka)
        fails(process, node.address)
        assert len(process.err) == 1, process.tail()  # not even a warning


def test_kafka_comes_later(own_kafka, start_node, start_bob, start_alice, keep, tmp_path):
    node = start_node(kafka=own_kafka.address)
    node.wait_line("kafka.*(away|reach)", timeout=15)
    bob = keep(Program("bob", "--node", node.address, "--identity", tmp_path / "bob"))
    assert bob.wait(15 * SLOW) == 1  # nothing came within 10 s, and he says so
    assert "Kafka may be away" in one_line_error(bob)
    own_kafka.start()
    node.wait_line("reachable", timeout=30)
    bob = start_bob(node.address)
    alice = start_alice(bob.invitation)
    alice.say("after all")
    assert alice.finish() == 0, alice.tail()
    assert alice.out == ["after all"]


def test_demo_prints_the_echoes_alone():
    done = subprocess.run(["make", "-s", "demo"], cwd=TOP, input="hello\nworld\n", capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, "hello\nworld\n"), done.stderr
