"""alice and bob as somebody meets them who has read no more than --help."""

import base64
import json
import os
import re
import signal
import subprocess

import pytest

from harness.process import TOP, Process
from harness.programs import BUILD, SLOW, Program, one_line_error

PROGRAMS = ["alice", "bob"]
NOWHERE = "127.0.0.1:1"  # wrong use is told before anything is tried there
# [1, ["127.0.0.1:1"], "a_to_b", "b_to_a", I0101...]
PACKED = b"\x95\x01\x91\xab127.0.0.1:1\xa6a_to_b\xa6b_to_a\xc4\x20" + b"\x01" * 32
INVITATION = "strop:" + base64.urlsafe_b64encode(PACKED).decode().rstrip("=")


def run(program, *args, **how):
    return subprocess.run([BUILD / program, *map(str, args)], capture_output=True, text=True, timeout=30 * SLOW, **how)


def plain(text):
    """Without what differs between a help text and a man page."""
    text = re.sub(r"\s+", " ", text.replace("\\", "")).strip().rstrip(".")
    return text[:1].lower() + text[1:]


def help_options(program):
    """What --help says of each option."""
    text = run(program, "--help").stdout
    body = text[text.index("\n  --") :].split("\n\n")[0]
    entries = re.split(r"\n  --", body)[1:]
    options = {}
    for entry in entries:
        head, _, more = entry.partition("  ") if "  " in entry.split("\n")[0] else entry.partition("\n")
        options[head] = plain(more)
    return options


def man_options(program):
    page = (TOP / f"docs/man/{program}.1").read_text()
    entries = re.split(r"^\.It Fl Fl ", page[: page.index(".Sh FILES")], flags=re.MULTILINE)[1:]
    options = {}
    for entry in entries:
        head, _, text = entry.partition("\n")
        options[head.replace("Ar ", "")] = plain(text.replace("\n.El", ""))
    return options


@pytest.mark.parametrize("program", PROGRAMS)
def test_man_page_says_what_help_says(program):
    helped, manual = help_options(program), man_options(program)
    assert manual.pop("help , Fl Fl version") == "print a help text, or the version, and exit"
    assert helped.pop("help") == "this text" and helped.pop("version") == ""
    assert manual == helped


@pytest.mark.parametrize("program", [*PROGRAMS, "strop-node"])
def test_exit_codes_of_help_version_and_wrong_use(program):
    for args, code in ((["--help"], 0), (["--version"], 0), (["--no-such"], 2)):
        done = run(program, *args)
        assert done.returncode == code, done
        assert bool(done.stdout) == (code == 0) and len(done.stderr.splitlines()) == (code == 2)


@pytest.mark.parametrize("program", [*PROGRAMS, "strop-node"])
def test_help_that_cannot_be_written(program):
    with open("/dev/full", "w") as full:
        done = subprocess.run([BUILD / program, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=30)
    assert done.returncode == 1


@pytest.mark.parametrize(
    "program, args, words",
    [
        ("alice", ["--timeout", "0", "x"], ["--timeout", "1 to 86400"]),
        ("alice", ["a", "b"], ["one argument too many"]),
        ("alice", [], ["invitation", "--help"]),
        ("alice", ["--sender", "a"], ["invitation", "--sender and --receiver"]),
        ("alice", ["--direct", "--sender", "a"], ["--direct"]),
        ("alice", ["--peer", "I12", "--sender", "a", "--receiver", "b"], ["identifier", "I12"]),
        ("alice", ["--node", "nowhere", "--sender", "a", "--receiver", "b"], ["nowhere"]),
        ("bob", ["--trust", "bob"], ["identifier", "bob"]),
        ("bob", ["--listen", "127.0.0.1:0", "--sender", "a"], ["--listen"]),
        ("bob", ["--node", "127.0.0.1:notaport"], ["notaport"]),
        ("bob", ["--sender", "", "--receiver", "b"], ["1 to 249"]),
        ("bob", ["--listen", "127.0.0.1:0", "--new"], ["--listen", "--new"]),
        ("bob", ["--listen", "127.0.0.1:0", "--client-id", "x"], ["--listen", "--client-id"]),
        ("bob", ["--node", NOWHERE, "--advertise", "x"], ["--advertise x is not HOST:PORT"]),
        ("bob", ["--node", NOWHERE, *["--advertise", "x:1"] * 9], ["--advertise", "more than 8 times"]),
        ("bob", ["--node", NOWHERE, "--sender", "a", "--receiver", "a"], ["sender and receiver are the same stream"]),
        ("bob", ["--node", NOWHERE, "--sender", "a b", "--receiver", "a"], ["no stream can have such a name"]),
        ("alice", ["--node", NOWHERE, "--sender", "a", "--receiver", "a"], ["sender and receiver are the same stream"]),
        ("alice", [INVITATION, "--sender", "other"], ["--sender is not the stream of the invitation"]),
        ("alice", [INVITATION, "--receiver", "a_to_b"], ["--receiver is not the stream of the invitation"]),
        ("alice", [INVITATION, "--peer", "I" + "0" * 64], ["--peer is not who made the invitation"]),
        ("alice", [INVITATION, "--peer", "I12"], ["--peer is not who made the invitation"]),
    ],
)
def test_wrong_use_is_one_clear_line(program, args, words, tmp_path):
    done = run(program, "--identity", tmp_path / "identity", *args, stdin=subprocess.DEVNULL)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2 and line.startswith(f"{program}: ") and all(word in line for word in words), done
    assert done.stdout == ""


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_home(program, tmp_path):
    env = {key: value for key, value in os.environ.items() if key not in ("HOME", "XDG_STATE_HOME")}
    done = run(program, *(["strop:x"] if program == "alice" else []), env=env, stdin=subprocess.DEVNULL)
    assert done.returncode == 1 and "--identity FILE" in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals(number, start_node, start_bob, start_alice):
    bob = start_bob(start_node().address)
    alice = start_alice(bob.invitation)
    alice.say("one")
    alice.wait_echoes(1)
    alice.signal(number)
    assert alice.wait(10 * SLOW) == 1
    assert "interrupted; 1 of 1 lines have come back" in one_line_error(alice)
    bob.signal(number)
    assert bob.wait(10 * SLOW) == 0


def test_both_signals_at_once_are_told_once(start_node, start_bob, start_alice):
    bob = start_bob(start_node().address)
    alice = start_alice(bob.invitation)
    alice.say("one")
    alice.wait_echoes(1)
    for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT):
        alice.signal(number)
    assert alice.wait(10 * SLOW) == 1
    assert "interrupted; 1 of 1 lines have come back" in one_line_error(alice)


def test_an_invitation_with_the_same_once_more(tmp_path):
    same = ["--sender", "a_to_b", "--receiver", "b_to_a", "--peer", "I" + "01" * 32]
    done = run("alice", "--identity", tmp_path / "identity", INVITATION, *same, "--timeout", "1", stdin=subprocess.DEVNULL)
    assert done.returncode == 1 and "cannot reach the node" in done.stderr, done


def test_an_invitation_leads_to_each_of_bobs_nodes(start_node, keep, start_alice, tmp_path):
    """The first is away when he starts and when Alice comes; the second serves both."""
    node = start_node()
    bob = keep(Program("bob", "--node", NOWHERE, "--node", node.address, "--identity", tmp_path / "bob"))
    names = dict(line.split(": ", 1) for line in bob.wait_count(4, timeout=20 * SLOW))
    text = names["invitation"].removeprefix("strop:")
    packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    assert NOWHERE.encode() in packed and node.address.encode() in packed
    alice = start_alice(names["invitation"])
    alice.say("by the second")
    assert alice.finish() == 0, alice.tail()
    assert alice.out == ["by the second"]


def test_stdin_that_is_empty_or_closed(start_node, start_bob, keep, tmp_path):
    bob = start_bob(start_node().address)
    for end in ("</dev/null", "<&-"):
        alice = keep(Process(["sh", "-c", f'exec "$0" "$@" {end}', BUILD / "alice", bob.invitation, "--identity", tmp_path / "alice"]))
        code = alice.wait(15 * SLOW)
        assert alice.out == []
        if end == "</dev/null":
            assert code == 0, alice.tail()
        else:
            assert code == 1 and "standard input" in one_line_error(alice), alice.tail()


def test_stdout_that_is_full(start_node, start_bob, keep, tmp_path):
    node = start_node()
    bob = start_bob(node.address)
    shell = 'echo hello | exec "$0" "$@" >/dev/full'
    alice = keep(Process(["sh", "-c", shell, BUILD / "alice", bob.invitation, "--identity", tmp_path / "alice"]))
    assert alice.wait(15 * SLOW) == 1
    assert "cannot write to standard output" in one_line_error(alice)
    other = keep(Process(["sh", "-c", 'exec "$0" "$@" >/dev/full', BUILD / "bob", "--node", node.address, "--identity", tmp_path / "other"]))
    assert other.wait(15 * SLOW) == 1
    assert "cannot write to standard output" in one_line_error(other)


def test_bob_whose_reader_is_gone_goes_on(start_node, start_alice, keep, tmp_path):
    """As in `bob | head -4`: the names are read, the rest is not."""
    shell = '{ "$0" "$@" & echo "pid $!" >&2; wait; } | head -4'
    bob = keep(Process(["sh", "-c", shell, BUILD / "bob", "--node", start_node().address, "--identity", tmp_path / "bob"]))
    invitation = bob.wait_line(r"^invitation: (strop:\S+)$", "out", timeout=15 * SLOW)[1]
    alice = start_alice(invitation)
    alice.say("one", "two", "three")
    assert alice.finish() == 0, alice.tail() + bob.tail()
    bob.wait_line("bob: cannot write to standard output: .*Going on")
    os.kill(int(bob.wait_line(r"^pid (\d+)$")[1]), signal.SIGTERM)
    bob.wait(15)
    assert sum("Going on" in line for line in bob.err) == 1


def test_json_is_exact_and_a_line_each(start_node, keep, start_alice, tmp_path):
    node = start_node()
    bob = keep(Program("bob", "--node", node.address, "--identity", tmp_path / "bob", "--json"))
    names = json.loads(bob.wait_line("^{", "out", timeout=15 * SLOW).string)
    assert set(names) == {"bob_to_alice", "alice_to_bob", "identifier", "invitation"}
    said = ['quote " and \\ and \\x1b', "\x1b[31m red \x07", "grüß dich € 😀 \u2028 \u0085", "", "\t"]
    alice = start_alice(names["invitation"], "--json")
    alice.write("".join(f"{line}\n" for line in said))
    assert alice.finish() == 0, alice.tail()
    assert [json.loads(line) for line in alice.out] == [{"line": number, "echo": line} for number, line in enumerate(said, 1)]
    received = [json.loads(line) for line in bob.wait_count(1 + len(said))[1:]]
    assert [entry["received"] for entry in received] == said
    assert all(re.fullmatch("I[0-9a-f]{64}", entry["from"]) for entry in received)
    assert all(line.isprintable() for line in alice.out + bob.out)


def test_two_bobs_with_the_same_streams(start_node, start_bob, start_alice):
    """The same identity twice, by mistake: Alice talks to whichever answers first, and each line is received once."""
    node = start_node()
    first = start_bob(node.address)
    second = start_bob(node.address)
    assert second.invitation == first.invitation
    said = [f"line {number}" for number in range(100)]
    alice = start_alice(first.invitation)
    alice.say(*said)
    assert alice.finish() == 0, alice.tail()
    assert alice.out == said
    assert sorted(first.received() + second.received()) == sorted(said)


@pytest.fixture
def with_clock():
    """The environment of a program whose clock is off by so many seconds; only what day it is, not how time passes."""
    library = next((path for path in ("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1", "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1")
                    if os.path.exists(path)), None)
    assert library, "libfaketime is missing: run deploy/setup test"
    return lambda seconds: {"LD_PRELOAD": library, "FAKETIME": f"{seconds:+d}", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_NO_CACHE": "1"}


@pytest.mark.parametrize("who, seconds", [("bob", 86400), ("alice", 86400), ("alice", -86400)])
def test_C14_a_wrong_clock_is_named(who, seconds, with_clock, start_node, keep, tmp_path):
    """Whoever is behind refuses, since what the other has signed is not valid yet, and says so: Alice on her stderr, or Bob on his."""
    clock = {who: with_clock(seconds)}
    node = start_node()
    bob = keep(Program("bob", "--node", node.address, "--identity", tmp_path / "bob", env=clock.get("bob")))
    invitation = bob.wait_line(r"^invitation: (strop:\S+)$", "out", timeout=15 * SLOW)[1]
    alice = keep(Program("alice", invitation, "--identity", tmp_path / "alice", "--timeout", "4", env=clock.get("alice"), stdin=True))
    alice.write("hello\n")
    alice.close_stdin()
    assert alice.wait(20 * SLOW) == 1
    assert alice.out == [] and not any(line.startswith("received") for line in bob.out)
    if (who, seconds) in (("bob", 86400), ("alice", -86400)):  # Alice is behind
        assert "is the clock right?" in one_line_error(alice) and "nothing was sent" in one_line_error(alice)
    else:
        assert "not let this Alice in" in alice.err[-1]
        bob.wait_line("turned away: .*is the clock right")


def test_alice_on_a_terminal(start_node, start_bob, keep, tmp_path):
    """She asks for what she was not given, says who it is and what to do, takes a mistyped line back, and ends with Ctrl-D."""
    bob = start_bob(start_node().address)
    ours, hers = os.openpty()
    try:
        alice = keep(Process([BUILD / "alice", "--identity", tmp_path / "alice"], stdin=hers))
        os.write(ours, bob.invitation.encode() + b"\n")
        alice.wait_line(rf"^Bob's invitation \(.*\): alice: talking to {bob.identifier}", timeout=15 * SLOW)
        alice.wait_line("Ctrl-D ends")
        os.write(ours, b"hello\n")
        assert alice.wait_count(1) == ["hello"]
        os.write(ours, b"\xff\n")
        alice.wait_line("line 2 is not UTF-8 text; it was not sent")
        os.write(ours, "grüß dich\n".encode())
        assert alice.wait_count(2) == ["hello", "grüß dich"]
        os.write(ours, b"\x04")
        assert alice.wait(15 * SLOW) == 0, alice.tail()
    finally:
        os.close(ours)
        os.close(hers)
    assert bob.received() == ["hello", "grüß dich"]
