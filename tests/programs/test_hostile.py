"""The node against clients that mean it no good, over real sockets. Beside each of them works one that behaves and must not notice.
Times are made short by limits where they are the matter; with the defaults they are the same (tests/scale)."""

import os
import random
import resource
import signal
import socket
import struct
import subprocess
import time

import pytest

from harness import hostile, wire
from harness.process import Process
from harness.programs import BUILD, SLOW
from harness.wire import StreamClient


@pytest.fixture
def start(start_node):
    """A node with metrics, and limits."""

    def run(*args, **limits):
        return start_node("--http", "127.0.0.1:0", *args, *[word for name, value in limits.items() for word in ("--limit", f"{name}={value}")])

    return run


def gone(sockets, timeout=20):
    """Waits until the node has closed them all."""
    left = list(sockets)

    def done():
        left[:] = [sock for sock in left if not hostile.is_closed(sock)]
        return not left

    hostile.until("the node closes the connections", done, timeout * SLOW)


def test_R1_memory_follows_what_came_not_what_was_promised(start, neighbour_of):
    count = 1000
    node = start(frame_start_ms=3000)
    neighbour_of(node)
    before = hostile.rss(node)
    sockets = [hostile.connect(node) for _ in range(count)]
    for sock in sockets:
        sock.sendall(b"\xff\xff\x01")
    hostile.until_figures(node, connections=count + 1)
    if SLOW == 1:
        assert hostile.rss(node) - before <= count * 6144
    gone(sockets)
    hostile.until_figures(node, connections=1, connections_timed_out=count)


TLS_HELLO = bytes.fromhex("1603010200010001fc0303") + bytes(500)


@pytest.mark.sanitized
def test_R2_what_is_no_ockam_is_cut_off(start, neighbour_of):
    node = start(frame_start_ms=1000, first_frame_ms=2000)
    neighbour_of(node)
    silent, dripping, tls, http, noise = (hostile.connect(node) for _ in range(5))
    tls.sendall(TLS_HELLO)
    http.sendall(b"GET / HTTP/1.1\r\nHost: example\r\n\r\n")
    try:
        noise.sendall(b"\x00\x40" + random.Random(2).randbytes(1 << 20))
    except ConnectionError:
        pass  # cut off before all was sent
    gone([noise])
    hostile.until_figures(node, frames_malformed=1)
    # A byte at a time, of a frame that would be whole in a week: more time is given for what has come alone.
    dripping.sendall(b"\xff\xff")

    def drip():
        try:
            dripping.sendall(b"\1")
        except ConnectionError:
            return True
        return hostile.is_closed(dripping)

    hostile.until("the slow one is cut off", drip, 10 * SLOW)
    gone([silent, tls, http])
    hostile.until_figures(node, connections=1, connections_timed_out=4)


def test_R3_who_never_reads_costs_little_and_is_closed(start, neighbour_of):
    count, most = 40, 40 * (256 + 64) * 1024
    node = start(send_stalled_ms=3000)
    neighbour = neighbour_of(node)
    writer = StreamClient(node.address)
    stream = writer.create("large")
    for _ in range(4):
        writer.push(stream, bytes(60000))
    sockets = [hostile.connect(node, small_buffer=True) for _ in range(count)]
    for sock in sockets:
        sock.sendall(b"".join(hostile.pull(stream, number, number % 4, 1) for number in range(1000)))
    figures = hostile.until_figures(node, limit_output=lambda times: times >= count, timeout=20 * SLOW)
    assert figures["output_bytes"] <= most
    neighbour.served()
    figures = hostile.until_figures(node, connections=2, connections_timed_out=count, timeout=30 * SLOW)
    gone(sockets)
    assert figures["output_bytes"] == 0 and figures["held_pulls"] <= 1


class Flooder:
    """Keeps `window` pushes on their way on one connection, however many the node takes."""

    def __init__(self, node, stream, window):
        self.sock = hostile.connect(node)
        self.sock.setblocking(False)
        self.answered, self.left, self.window, self.stream = 0, b"", window, stream
        self.out = b"".join(hostile.push(stream, number, b"flood") for number in range(window))
        self.more = hostile.push(stream, 1, b"flood")

    def step(self):
        try:
            self.out = self.out[self.sock.send(self.out) :] if self.out else b""
            self.left += self.sock.recv(1 << 16)
        except BlockingIOError:
            return
        at = 0
        while at + 2 <= len(self.left):
            (size,) = struct.unpack_from(">H", self.left, at)
            if at + 2 + size > len(self.left):
                break
            at += 2 + size
            self.answered += 1
            self.out += self.more
        self.left = self.left[at:]


def test_R4_those_who_flood_get_the_same_share(start, neighbour_of):
    """Jain's index of what each of them got: 1 where all got the same."""
    count = 20
    node = start()
    neighbour = neighbour_of(node)
    maker = StreamClient(node.address)
    flooders = [Flooder(node, maker.create(f"flood-{number}"), 200) for number in range(count)]
    before = len(neighbour.seconds)
    while sum(flooder.answered for flooder in flooders) < 20000 // SLOW or len(neighbour.seconds) < before + 20:
        assert neighbour.error is None
        for flooder in flooders:
            flooder.step()
    shares = [flooder.answered for flooder in flooders]
    assert sum(shares) ** 2 / (count * sum(share * share for share in shares)) >= 0.9, shares


def test_R4_a_rate_is_kept_and_nothing_is_dropped(start, neighbour_of):
    node = start(frames_per_s=500)
    neighbour_of(node)
    client = StreamClient(node.address)
    stream = client.create("s")
    begin = time.monotonic()
    client.sock.sendall(b"".join(hostile.push(stream, number, b"x") for number in range(1500)))
    for number in range(1500):
        _, protocol, answer = client.receive()
        assert protocol == "stream_push" and answer.uint() == number
        assert (answer.uint(), answer.uint()) == (0, number)
    assert time.monotonic() - begin >= 1.9  # a second's worth at once, then two seconds for the rest
    assert hostile.figures(node)["limit_rate"] >= 1


def test_R4_one_host_has_so_many_connections(start, neighbour_of):
    node = start(host_connections=10)
    neighbour_of(node)
    held = [StreamClient(node.address) for _ in range(9)]
    assert [client.create("s") for client in held]
    extra = hostile.connect(node)
    gone([extra])
    figures = hostile.figures(node)
    assert (figures["limit_host"], figures["connections_refused"], figures["connections"]) == (1, 1, 10)
    held.pop().close()
    hostile.until_figures(node, connections=9)
    StreamClient(node.address).create("s")


@pytest.mark.sanitized
def test_R5_a_pull_for_everything_gets_one_frame(start, neighbour_of):
    most = 2**64 - 1
    node = start(hold_ms=200)
    neighbour_of(node)
    client = StreamClient(node.address)
    stream = client.create("s")
    for number in range(40):
        client.push(stream, bytes(number * 200))
    assert client.pull(stream, 0, most) == [(number, bytes(number * 200)) for number in range(len(client.pull(stream, 0, most)))]
    assert client.pull(stream, most, most) == []
    assert client.pull(stream, 39, most) == [(39, bytes(39 * 200))]


class Mirror:
    """Between two nodes: what one of them answers goes to the other as a request."""

    def __init__(self, one, other):
        self.clients = [StreamClient(one.address), StreamClient(other.address)]
        self.passed = 0

    def fence(self, client):
        """Whole frames that the node has sent until all that came from us was done."""
        client.sock.sendall(hostile.PING)
        bodies = []
        while True:
            body = client.stream.read(*struct.unpack(">H", client.stream.read(2)))
            if body == b"\1" + wire.route("me") + wire.route() + wire.data(b"\1"):
                return bodies
            bodies.append(body)

    def turn(self):
        """All that waits at either node is passed on to the other. How much it was."""
        waiting = [self.fence(client) for client in self.clients]
        for client, bodies in zip(reversed(self.clients), waiting):
            client.sock.sendall(b"".join(hostile.frame(body) for body in bodies))
        self.passed += sum(map(len, waiting))
        return sum(map(len, waiting))


def test_R6_nodes_do_not_answer_answers(start, neighbour_of):
    """Requests whose way back leads to the services and streams of the other node; the mirror passes on all that comes."""
    nodes = [start(hold_ms=100), start(hold_ms=100)]
    neighbours = [neighbour_of(node) for node in nodes]
    mirror = Mirror(*nodes)
    streams = [client.create("s") for client in mirror.clients]
    for client, stream, others in zip(mirror.clients, streams, reversed(streams)):
        for back in (others, "stream_kafka", "stream_kafka_index"):
            client.sock.sendall(
                hostile.push(stream, 1, b"x", [back])
                + hostile.pull(stream, 2, 0, 1, [back])
                + hostile.pull(stream, 3, 1000, 1, [back])
                + hostile.create("s", [back])
                + hostile.create("a/b", [back])
                + hostile.index_get("c", "s", [back])
                + hostile.request(stream, "nonsense", b"", [back])
            )
    hostile.until_figures(nodes[0], held_pulls=lambda held: held <= 1)
    hostile.until_figures(nodes[1], held_pulls=lambda held: held <= 1)
    turns = [mirror.turn() for _ in range(3)]
    hostile.until_figures(nodes[0], held_pulls=lambda held: held <= 1, open_requests=lambda open: open <= 1)
    assert mirror.passed >= 2 * 3 * 7, turns
    assert [mirror.turn() for _ in range(3)] == [0, 0, 0]
    for node, neighbour in zip(nodes, neighbours):
        neighbour.served()
        assert hostile.figures(node)["drop_reply"] >= 15


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "192.0.2.7", "name.example"])
def test_R7_the_node_dials_nobody(start, neighbour_of, preloaded, tmp_path, host):
    """Nothing that is named in a route is dialled, or looked up; the node goes on dialling its Kafka alone."""
    preloaded(STROP_DIALS=tmp_path / "dials")
    node = start()
    neighbour_of(node)
    client = StreamClient(node.address)
    stream = client.create("s")
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.setblocking(False)
        port = trap.getsockname()[1]
        tcp = b"\1" + wire.data(f"{host}:{port}")
        local = b"\0" + wire.data(stream)
        payload = wire.data(wire.data("stream_push") + wire.data(b"\1" + wire.data("x")))
        for hops in ([tcp], [tcp, local], [local, tcp], [tcp, tcp, tcp]):
            route = wire.uint(len(hops)) + b"".join(hops)
            client.sock.sendall(hostile.frame(b"\1" + route + wire.route("me") + payload))
            client.sock.sendall(hostile.frame(b"\1" + wire.route(stream) + route + payload))
        client.sock.sendall(hostile.PING)
        while client.stream.read(*struct.unpack(">H", client.stream.read(2)))[-1:] != b"\1":
            pass
        with pytest.raises(BlockingIOError):
            trap.accept()
    assert hostile.figures(node)["drop_no_worker"] >= 2
    dialled = [line.split() for line in (tmp_path / "dials").read_text().splitlines()]
    assert {"127.0.0.1"} == {name for name, _ in dialled} and str(port) not in {number for _, number in dialled}


STATES = {
    "connected": lambda stream: b"",
    "a frame is half there": lambda stream: hostile.push(stream, 1, bytes(3000))[:1500],
    "creates": lambda stream: b"".join(hostile.create(f"gone-{number}") for number in range(5)),
    "pushes": lambda stream: b"".join(hostile.push(stream, number, bytes(1000)) for number in range(30)),
    "pulls held": lambda stream: b"".join(hostile.pull(stream, number, 2**40, 1) for number in range(64)),
    "pulls answered": lambda stream: b"".join(hostile.pull(stream, number, 0, 100) for number in range(64)),
    "output waits": lambda stream: b"".join(hostile.pull(stream, number, 0, 100) for number in range(300)),
    "gets an index": lambda stream: b"".join(hostile.index_get(f"reader-{number}", "shared") for number in range(20)),
    "everything": lambda stream: hostile.create("more")
    + b"".join(hostile.push(stream, n, b"x") + hostile.pull(stream, n, 10**6 + n, 1) + hostile.index_get("c", "shared") for n in range(10)),
}


def leave(sock, how):
    if how == "RST":
        hostile.reset(sock)
    elif how == "FIN":
        sock.close()
    else:
        sock.shutdown(socket.SHUT_WR)


def leave_in_the_middle(node, stream, cases, chance):
    half_closed = []
    for state, how, moment in cases:
        sock = hostile.connect(node, small_buffer=state == "output waits")
        lead = STATES[state](stream)
        if moment:
            lead = lead[: chance.randrange(len(lead) + 1)]
        try:
            sock.sendall(lead)
            if moment % 3 == 0 and state != "connected":
                sock.settimeout(0.002)
                sock.recv(100)  # leaves in the middle of the answers
        except (TimeoutError, ConnectionError):
            pass
        leave(sock, how)
        if how == "half-close":
            half_closed.append(sock)
    gone(half_closed)
    return hostile.until_figures(node, connections=2, open_requests=lambda n: n <= 1, held_pulls=lambda n: n <= 1, timeout=30 * SLOW)


@pytest.mark.sanitized
def test_R9_gone_at_any_moment_in_any_way(start, neighbour_of):
    """Nine states, three ways to leave, 20 moments: the bytes that lead to the state are cut anywhere, or nowhere. The node opens connections to
    Kafka when it first needs them, so what the first half left is the measure for the second."""
    chance = random.Random(9)
    node = start()
    neighbour_of(node)
    maker = StreamClient(node.address)
    stream = maker.create("shared")
    for _ in range(3):
        maker.push(stream, bytes(20000))
    cases = [(state, how, moment) for state in STATES for how in ("FIN", "RST", "half-close") for moment in range(20)]
    chance.shuffle(cases)
    half = len(cases) // 2
    leave_in_the_middle(node, stream, cases[:half], chance)
    before = hostile.descriptors(node)
    figures = leave_in_the_middle(node, stream, cases[half:], chance)
    assert figures["connections_opened"] == len(cases) + 2 >= 540
    hostile.until("the descriptors are back", lambda: hostile.descriptors(node) <= before, 20 * SLOW)


def test_R12_names_and_payloads_do_not_write_into_the_log(start, neighbour_of):
    evil = [b"INJECTED", b"\x1b[2J\x1b]0;INJECTED\x07", b"a\r\nINJECTED: error", b"%n%s%x%n", b"\xff\xfe\x80", b"\xc2\x9b2J", "\u202eINJECTED".encode(), b"I" * 65000]
    node = start("--log-level", "debug")
    neighbour_of(node)
    client = StreamClient(node.address)
    stream = client.create("s")
    for text in evil:
        for onward in (text, "stream_kafka", stream, "stream_kafka_index"):
            raw = onward if isinstance(onward, bytes) else onward.encode()
            for protocol, body in (("stream_create", b"\1" + wire.data(text)), ("stream_index", b"\1" + wire.data(text[:200]) + wire.data(text[:300]) + b"\1")):
                payload = wire.data(protocol) + wire.data(body)
                whole = b"\1" + wire.uint(1) + b"\0" + wire.data(raw) + wire.route("me") + wire.data(payload)
                if len(whole) <= 65535:
                    client.sock.sendall(hostile.frame(whole))
    client.sock.sendall(hostile.request("stream_kafka_index", "stream_index", b"\1" + wire.data("gone\r\nINJECTED") + wire.data("no_such") + b"\1"))
    client.sock.sendall(hostile.PING)
    while client.stream.read(*struct.unpack(">H", client.stream.read(2)))[-1:] != b"\1":
        pass
    figures = hostile.figures(node)
    assert figures["requests_invalid"] >= 8 and figures["drop_no_worker"] >= 8
    for line in list(node.err):
        assert len(line.encode()) < 512 and line.isprintable(), repr(line)
        assert not line.startswith("INJECTED"), line


def test_G31_without_descriptors_accepting_rests_and_comes_back(kafka, start_node, neighbour_of):
    node = start_node("--http", "127.0.0.1:0", kafka=kafka.address)
    neighbour = neighbour_of(node)
    hostile.figures(node)
    hard = resource.prlimit(node.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(node.pid, resource.RLIMIT_NOFILE, (hostile.descriptors(node) + 20, hard))
    sockets = [hostile.connect(node) for _ in range(60)]
    hostile.until("all descriptors are used", lambda: any("accepting pauses" in line for line in node.err), 20)
    neighbour.served()  # on the connection that it has, and to Kafka over the ones that the node has
    used, begin = hostile.cpu_seconds(node), time.monotonic()
    served = neighbour.served()
    hostile.until("some time passes", lambda: time.monotonic() - begin > 2)
    spent = (hostile.cpu_seconds(node) - used) / (time.monotonic() - begin)
    work = (neighbour.served() - served) * 0.002  # the neighbour's requests cost a little as well
    assert spent <= 0.05 + work, spent
    for sock in sockets:
        sock.close()
    begin = time.monotonic()
    late = StreamClient(node.address)
    late.create("late")
    assert time.monotonic() - begin <= 2
    figures = hostile.figures(node)
    assert 1 <= figures["accepts_paused"] <= 200, "accepting was tried again and again"
    assert figures["connections_refused"] == 0


def test_G31_descriptors_are_kept_for_kafka(kafka, keep, neighbour_of):
    allowed, clients = 600, 600 - 256
    start = f'ulimit -n {allowed}; exec "$0" "$@"'
    options = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--kafka", kafka.address]
    node = keep(Process(["sh", "-c", start, BUILD / "strop-node", *options]))
    node.address = node.wait_line(r"^listening on (\S+)$", timeout=10 * SLOW)[1]
    assert any(f"at most {clients} connections, not 10000: the system allows {allowed} descriptors" in line for line in node.err)
    neighbour = neighbour_of(node)
    sockets = [hostile.connect(node) for _ in range(clients + 100)]
    hostile.until("those beyond are refused", lambda: hostile.figures(node)["connections_refused"] > 100)
    neighbour.served()
    figures = hostile.figures(node)
    assert figures["connections"] == clients
    assert figures["accepts_paused"] == 0
    for sock in sockets:
        sock.close()


def test_a_log_that_nobody_reads_does_not_stop_the_node(keep):
    reading, writing = os.pipe()
    with subprocess.Popen(
        [BUILD / "strop-node", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--log-level", "debug"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=writing,
    ) as process:
        try:
            os.close(writing)
            said = b""
            while b"listening on" not in said or not said.endswith(b"\n"):
                said += os.read(reading, 1 << 16)
            node = type("Node", (), {"address": said.split(b"listening on ")[1].split()[0].decode(), "pid": process.pid})
            http = said.split(b"metrics on http://")[1].split(b"/")[0].decode()
            node.wait_line = staticmethod(lambda pattern: (None, http))
            client = StreamClient(node.address)
            stream = client.create("s")
            while not (missing := hostile.figures(node)["log_lines_dropped"]):
                for _ in range(100):
                    client.send(["nobody"], b"x")
                client.push(stream, b"x")
            os.set_blocking(reading, False)
            while True:  # now somebody reads
                try:
                    os.read(reading, 1 << 16)
                except BlockingIOError:
                    break
            client.send(["nobody"], b"x")
            client.push(stream, b"x")
            assert f"warning: {missing} lines are missing here" in os.read(reading, 1 << 16).decode()
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()
            os.close(reading)


# --- peers that vanish -------------------------------------------------------------------------------------------------------------------

def test_R14_vanished_peers_are_noticed(elsewhere, start_node, neighbour_of):
    """The defaults notice in 40 s; here the same is 2 s."""
    times = {"keepalive_idle_s": 1, "keepalive_interval_s": 1, "keepalive_count": 2, "user_timeout_ms": 2000}
    limits = [word for name, value in times.items() for word in ("--limit", f"{name}={value}")]
    node = start_node("--http", "127.0.0.1:0", *limits, listen=f"{elsewhere.ours}:0")
    hostile.vanish(node, elsewhere, neighbour_of(node), 50, 20)
