"""Fixtures of all tests that run programs, and how their results are counted. Where STROP_NO_SKIPS is set, as in CI, a test that is
skipped has failed."""

import os

import pytest

from harness.hostile import Elsewhere, Neighbour
from harness.kafka import Kafka
from harness.process import Process
from harness.programs import BUILD, Alice, Bob, Node
from harness.wire import StreamClient


def pytest_configure(config):
    config.addinivalue_line("markers", "sanitized: short enough to run in a build with sanitizers too")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.skipped and os.environ.get("STROP_NO_SKIPS"):
        report.outcome, report.longrepr = "failed", f"skipped, which STROP_NO_SKIPS forbids: {call.excinfo.value}"


def pytest_unconfigure(config):
    """The closing line of all our tests, after pytest's own."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter:
        for reason in sorted({report.longrepr[2] for report in reporter.stats.get("skipped", [])}):
            print(reason.replace("Skipped", "skipped", 1))
        passed = len(reporter.stats.get("passed", []))
        failed = len(reporter.stats.get("failed", [])) + len(reporter.stats.get("error", []))
        print(f"{passed} passed, {failed} failed")


@pytest.fixture(scope="session")
def kafka(tmp_path_factory):
    """A real Kafka for the whole run; tests use topics of their own and leave it up."""
    broker = Kafka(tmp_path_factory.mktemp("kafka"))
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def own_kafka(tmp_path):
    """A Kafka that a test may stop, kill and start; not started yet."""
    folder = tmp_path / "kafka"
    folder.mkdir()
    broker = Kafka(folder)
    yield broker
    broker.stop()


def keeping():
    """Takes over processes: keep(process) returns it; at the end they are stopped, last one first, and what they said is shown if the test
    failed."""
    kept = []

    def take(process: Process):
        kept.append(process)
        return process

    yield take
    stuck, complaints = [], []
    for process in reversed(kept):
        try:
            process.stop()
        except AssertionError:
            stuck.append(process.name)
        complaints += process.complaints()
        print(process.tail(200), end="\n\n")
    assert not complaints, "a sanitizer complained"
    assert not stuck, f"had to be killed: {stuck}"


keep = pytest.fixture(keeping, name="keep")
keep_long = pytest.fixture(keeping, scope="module", name="keep_long")


@pytest.fixture(params=["embedded", "kafka"])
def log(request):
    """Where streams are kept: the value of --kafka. A test that takes it runs once on each."""
    return "embedded" if request.param == "embedded" else request.getfixturevalue("kafka").address


@pytest.fixture
def preloaded(monkeypatch):
    """Sets what the preloaded library does (tests/harness/preload.c) in programs that are started from then on."""

    def use(**what):
        monkeypatch.setenv("LD_PRELOAD", str(BUILD / "tests/harness/preload.so"))
        for name, value in what.items():
            monkeypatch.setenv(name, str(value))

    return use


@pytest.fixture
def start_node(keep):
    return lambda *args, **how: keep(Node(*args, **how))


@pytest.fixture
def start_bob(keep, tmp_path):
    return lambda node, *args, identity="bob": keep(Bob(node, tmp_path / identity, *args))


@pytest.fixture
def start_alice(keep, tmp_path):
    return lambda *args, identity="alice": keep(Alice(*args, identity=tmp_path / identity))


@pytest.fixture
def neighbour_of():
    """A client that behaves, on this node; it is stopped at the end, and must not have noticed anything."""
    made = []

    def run(node):
        made.append(Neighbour(node))
        return made[-1]

    yield run
    for neighbour in made:
        neighbour.finish()


@pytest.fixture
def elsewhere():
    """Another machine, where this one lets us make a network namespace."""
    try:
        place = Elsewhere()
    except OSError as error:
        pytest.skip(f"no network namespace can be made here: {error}")
    yield place
    place.remove()


@pytest.fixture
def connect():
    """Connects a stream client to a node: connect(node)."""
    clients = []

    def make(node, timeout=60):
        clients.append(StreamClient(node.address, timeout))
        return clients[-1]

    yield make
    for client in clients:
        client.close()
