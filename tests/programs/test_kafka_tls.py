"""A Kafka behind TLS and SASL (N1): what is configured is passed on, certificates are checked, and no password shows up anywhere."""

import subprocess

import pytest

from harness.kafka import Kafka
from harness.programs import Program

PASSWORD, WRONG_PASSWORD = "correct-horse-battery", "wrong-horse-battery"
# Beside the plain listener, which the broker itself uses: one with a certificate for its name, one with a certificate for another name.
CONFIG = f"""\
listeners=PLAINTEXT://127.0.0.1:{{port}},TLS://localhost:{{tls}},OTHER://localhost:{{other}},CONTROLLER://127.0.0.1:{{controller}}
advertised.listeners=PLAINTEXT://127.0.0.1:{{port}},TLS://localhost:{{tls}},OTHER://localhost:{{other}}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,TLS:SASL_SSL,OTHER:SASL_SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
ssl.keystore.type=PEM
listener.name.tls.ssl.keystore.location={{folder}}/localhost.pem
listener.name.other.ssl.keystore.location={{folder}}/elsewhere.example.pem
sasl.enabled.mechanisms=PLAIN
"""
for listener in ("tls", "other"):
    login = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_strop="{PASSWORD}";'
    CONFIG += f"listener.name.{listener}.plain.sasl.jaas.config={login}\n"


def openssl(*args):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, stdin=subprocess.DEVNULL)


def make_ca(folder, name):
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 2, "-subj", f"/CN={name}", "-keyout", folder / f"{name}.key", "-out",
            folder / f"{name}.crt")
    return folder / f"{name}.crt"


def make_keystore(folder, host, ca):
    """Key and certificate of the host in one file, as Kafka takes it."""
    key, request, certificate, extensions = (folder / f"{host}.{kind}" for kind in ("key", "csr", "crt", "ext"))
    extensions.write_text(f"subjectAltName=DNS:{host}\n")
    openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={host}", "-keyout", key, "-out", request)
    openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca.with_suffix(".key"), "-CAcreateserial", "-days", 2, "-extfile", extensions,
            "-out", certificate)
    (folder / f"{host}.pem").write_text(key.read_text() + certificate.read_text())


@pytest.fixture(scope="module")
def tls_kafka(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    broker = Kafka(folder, CONFIG)
    broker.ca, broker.wrong_ca = make_ca(folder, "ours"), make_ca(folder, "theirs")
    for host in ("localhost", "elsewhere.example"):
        make_keystore(folder, host, broker.ca)
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def node_conf(tmp_path):
    """Writes a configuration file with these properties of librdkafka, as deploy/strop-node.conf shows them."""

    def write(password, ca):
        path = tmp_path / "node.conf"
        path.touch(0o600)
        path.write_text(f"""\
[node]
log-level = debug
stream-prefix = strop
[kafka]
security.protocol = SASL_SSL
sasl.mechanism = PLAIN
sasl.username = strop
sasl.password = {password}
ssl.ca.location = {ca}
debug = security,broker
""")
        return path

    return write


def no_password_in(lines):
    return not any(password in line for line in lines for password in (PASSWORD, WRONG_PASSWORD))


@pytest.mark.parametrize("how", ["command line", "file"])
def test_N1_a_dialogue_over_tls_and_sasl(tls_kafka, node_conf, start_node, start_bob, start_alice, how):
    properties = {"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN", "sasl.username": "strop", "sasl.password": PASSWORD}
    if how == "file":
        args = ["--config", node_conf(PASSWORD, tls_kafka.ca)]
    else:
        args = ["--stream-prefix", "strop", "-X", f"ssl.ca.location={tls_kafka.ca}"]
        args += [word for name, value in properties.items() for word in ("-X", f"{name}={value}")]
    node = start_node(*args, kafka=f"localhost:{tls_kafka.tls}")
    bob = start_bob(node.address)
    alice = start_alice(bob.invitation)
    alice.say("through two kinds of encryption")
    assert alice.finish() == 0 and alice.out == ["through two kinds of encryption"]
    node.stop()
    assert no_password_in(node.log) and (how == "command line" or no_password_in(node.argv))


@pytest.mark.parametrize("wrong, reason", [("authority", "certificate verify failed"), ("host name", "certificate verify failed"),
                                           ("password", "Authentication failed")])
def test_N1_a_kafka_that_is_not_ours_is_refused(tls_kafka, node_conf, start_node, keep, tmp_path, wrong, reason):
    conf = node_conf(WRONG_PASSWORD if wrong == "password" else PASSWORD, tls_kafka.wrong_ca if wrong == "authority" else tls_kafka.ca)
    node = start_node("--config", conf, kafka=f"localhost:{tls_kafka.other if wrong == 'host name' else tls_kafka.tls}")
    node.wait_line(f"kafka: warning: cannot be reached: .*{reason}", timeout=20)
    bob = keep(Program("bob", "--node", node.address, "--identity", tmp_path / "bob"))
    assert bob.wait(20) == 1, "no stream can be made"
    node.stop()
    assert not any("reachable" in line for line in node.err)
    assert no_password_in(node.log)


def test_N1_it_is_the_name_in_the_certificate_that_is_refused(tls_kafka, node_conf, start_node):
    """Else as above: where nobody asks for the name, the other certificate is good."""
    unasked = ["-X", "ssl.endpoint.identification.algorithm=none"]
    node = start_node("--config", node_conf(PASSWORD, tls_kafka.ca), *unasked, kafka=f"localhost:{tls_kafka.other}")
    node.wait_line("kafka: reachable", timeout=20)
