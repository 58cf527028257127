"""A real Apache Kafka of one broker on the loopback, from the jars that pom.xml names; they are kept in build/kafka."""

import fcntl
import os
import random
import socket
import struct
import subprocess
from pathlib import Path

from ..process import TOP, Process

HERE = Path(__file__).parent
POM = HERE / "pom.xml"
CACHE = TOP / "build/kafka"

CONFIG = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs={folder}/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=5
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=1000
log.index.size.max.bytes=1048576
log.segment.bytes=67108864
"""


def free_ports(count):
    """Ports that nobody listens on now, none of those that the system gives to outgoing connections: such a one could be taken before its
    server listens, or while that is down, even by the connection that tries to reach it."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    sockets = []
    for port in random.sample(range(5000, first), 1000):
        try:
            sockets.append(socket.create_server(("127.0.0.1", port)))
        except OSError:
            continue
        if len(sockets) == count:
            break
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    assert len(ports) == count, "no free ports"
    return ports


def classpath():
    """Fetches the jars when they are not there, or not those that pom.xml names now."""
    CACHE.mkdir(parents=True, exist_ok=True)
    stamp = CACHE / "pom.xml"
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_bytes() != POM.read_bytes():
            jars = CACHE / "jars"
            fetch = ["mvn", "-B", "-q", "-f", POM, "dependency:copy-dependencies", f"-DoutputDirectory={jars}"]
            done = subprocess.run(fetch, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
            assert done.returncode == 0, f"Maven could not fetch Kafka:\n{done.stdout}{done.stderr}"
            stamp.write_bytes(POM.read_bytes())
    return f"{CACHE}/jars/*"


class Kafka:
    """Started by start(), and again after stop() or kill() with the same data on the same port. Lines of `config` come
    after ours, so they win; {tls} and {other} in them are two more ports."""

    def __init__(self, folder, config=""):
        self.folder = Path(folder)
        self.port, self.controller, self.tls, self.other = free_ports(4)
        self.address = f"127.0.0.1:{self.port}"
        self.process = None
        self._properties = self.folder / "server.properties"
        ports = {"port": self.port, "controller": self.controller, "tls": self.tls, "other": self.other}
        self._properties.write_text((CONFIG + config).format(folder=self.folder, **ports))
        self._java("kafka.tools.StorageTool", "format", "-t", "c3Ryb3AtdGVzdHMtMDAwMA", "-c", self._properties)

    def _argv(self, main, *args):
        flags = ["-Xmx768m", "-Xms256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
        return ["java", *flags, f"-Dlog4j2.configurationFile={HERE}/log4j2.xml", "-cp", classpath(), main, *map(str, args)]

    def _java(self, main, *args):
        done = subprocess.run(self._argv(main, *args), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{main}: {done.stdout}{done.stderr}"

    def start(self):
        env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
        self.process = Process(self._argv("kafka.Kafka", self._properties), name="kafka", env=env, cwd=self.folder)
        self.process.wait_line("Kafka Server started", timeout=60)

    def stop(self):
        if self.process:
            self.process.stop(timeout=60)

    def kill(self):
        self.process.kill()

    def stored(self, needle):
        """Whether these bytes stand anywhere in what Kafka keeps on disk."""
        return any(needle in path.read_bytes() for path in (self.folder / "data").rglob("*.log"))

    def batches(self, topic, partition=0):
        """Of each batch on disk: its first offset, the version of its format, its compression (0: none)."""
        found = []
        for path in sorted((self.folder / "data" / f"{topic}-{partition}").glob("*.log")):
            raw = path.read_bytes()
            while raw:
                offset, size, _, magic, _, attributes = struct.unpack_from(">qiibih", raw)
                found.append((offset, magic, attributes & 7))
                raw = raw[12 + size :]
        return found
