"""What the programs do about keys: they refuse libraries that compute wrongly, and keep keys in memory that is locked, undumpable and wiped."""

import os
import re
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

from harness.process import Process
from harness.programs import BUILD, Alice, Bob, Node, Program, one_line_error

NOBODY = 65534

# The function that computes wrongly, and what the program says of it.
WRONG = {
    "crypto_hash_sha256": "SHA-256",
    "crypto_hash_sha256_final": "SHA-256",
    "crypto_auth_hmacsha256_final": "HMAC-SHA-256",
    "crypto_scalarmult": "X25519",
    "crypto_scalarmult accepts": "X25519",  # a point of low order
    "crypto_scalarmult_base": "X25519",
    "crypto_sign_seed_keypair": "Ed25519",
    "crypto_sign_detached": "Ed25519",
    "crypto_sign_verify_detached": "Ed25519",
    "crypto_sign_verify_detached accepts": "Ed25519",
    "EVP_DigestVerify": "ECDSA P-256",
    "EVP_DigestVerify accepts": "ECDSA P-256",
    "EVP_CipherUpdate": "AES-256-GCM",
    "EVP_CipherFinal_ex accepts": "AES-256-GCM",  # a wrong tag
}


@pytest.mark.parametrize("wrong", WRONG)
def test_G44_a_primitive_that_computes_wrongly_is_found_at_start(preloaded, keep, tmp_path, wrong):
    preloaded(STROP_WRONG=wrong)
    for program in ("alice", "bob"):
        path = tmp_path / program
        process = keep(Program(program, "--sender", "a", "--receiver", "b", "--identity", path))
        assert process.wait() == 1
        assert f"{WRONG[wrong]} of the installed libraries gives a wrong answer" in one_line_error(process)
        assert process.out == [] and not path.exists(), "nothing was done before it was found"


def test_G44_the_node_computes_nothing_that_could_be_wrong():
    """It carries what endpoints have encrypted: the libraries of cryptography are librdkafka's affair there."""
    dynamic = subprocess.run(["readelf", "-d", BUILD / "strop-node"], check=True, capture_output=True, text=True).stdout
    assert "librdkafka" in dynamic and "libsodium" not in dynamic and "libcrypto" not in dynamic


class Memory:
    """What a process has in memory: each readable mapping, and whether it is locked."""

    def __init__(self, pid):
        self.parts = []
        text = Path(f"/proc/{pid}/smaps").read_text()
        with open(f"/proc/{pid}/mem", "rb") as memory:
            for found in re.finditer(r"^([0-9a-f]+)-([0-9a-f]+) r\S+ .*?(\S*)\n(?:[A-Z]\w+:.*\n)*?VmFlags:(.*)$", text, re.M):
                start, end = int(found[1], 16), int(found[2], 16)
                if found[3].startswith("[v"):  # the kernel's own
                    continue
                memory.seek(start)
                self.parts.append((found[3] or "anonymous", " lo " in found[4] + " ", memory.read(end - start)))

    def find(self, key):
        """Names of the mappings that hold the middle of the key (the curve's functions change its ends), locked ones as "locked"."""
        return ["locked" if locked else name for name, locked, content in self.parts if key[4:28] in content]


def keys_in(path):
    """What the preloaded library has recorded, without the protocol's name, from which the handshake's first key is derived."""
    raw, keys = path.read_bytes() if path.exists() else b"", []
    while raw:
        keys.append(raw[1 : 1 + raw[0]])
        raw = raw[1 + raw[0] :]
    return {key for key in keys if len(key) >= 32} - {b"OCKAM_XX_25519_AES256_GCM_SHA256"}


@pytest.fixture
def selftest_keys(preloaded, keep, tmp_path):
    """Those of the known answers: whatever a program uses that ends before it has an identity."""
    path = tmp_path / "keys-of-the-selftest"
    preloaded(STROP_KEYS=path)
    (tmp_path / "not-an-identity").touch(0o600)
    assert keep(Program("bob", "--identity", tmp_path / "not-an-identity", "--sender", "a", "--receiver", "b")).wait() == 1
    return keys_in(path)


def seed_of(identity):
    """The seed stands behind the only 32 bytes of its kind in the file (strop-identity(5))."""
    return re.search(rb"\xc4 (.{32})", identity.read_bytes(), re.S)[1]


def test_G45_keys_are_in_locked_memory_and_gone_after_the_session(preloaded, selftest_keys, start_node, keep, tmp_path):
    node = start_node()
    preloaded(STROP_KEYS=tmp_path / "keys-of-bob")
    bob = keep(Bob(node.address, tmp_path / "bob"))
    lasting = keys_in(tmp_path / "keys-of-bob") - selftest_keys
    assert seed_of(tmp_path / "bob") in lasting
    preloaded(STROP_KEYS=tmp_path / "keys-of-alice")
    alice = keep(Alice(bob.invitation, identity=tmp_path / "alice"))
    alice.say(*(f"over {number} changes of the key" for number in range(100)))
    alice.wait_echoes(100)

    for process, name in ((bob, "bob"), (alice, "alice")):
        memory = Memory(process.pid)
        keys = keys_in(tmp_path / f"keys-of-{name}") - selftest_keys
        assert memory.find(seed_of(tmp_path / name)) == ["locked"]
        places = [memory.find(key) for key in keys]
        assert len(keys) > 20, "those of the handshake and of three changes"
        # Locked are the identity's and the static key; the session's keys are in libcrypto's contexts, on the heap.
        assert 1 <= places.count(["locked"]) <= 2
        assert 2 <= places.count(["[heap]"]) <= 4, "one for each direction, and one before it for what comes late"
        assert {tuple(place) for place in places} <= {(), ("locked",), ("[heap]",)}

    assert alice.finish() == 0
    bob.wait_line("^bob: I[0-9a-f]{64} is gone: ")
    keys = keys_in(tmp_path / "keys-of-bob") - selftest_keys

    def found():
        memory = Memory(bob.pid)
        return {key: memory.find(key) for key in keys if memory.find(key)}

    bob.until("the session's keys are gone from memory", lambda: found().keys() <= lasting, 10)
    assert all(places == ["locked"] for places in found().values())


def status(pid, name):
    return re.search(rf"^{name}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M)[1]


def others_may_look(process):
    """The kernel gives what is in /proc/PID to root when the process must not be dumped, and else to whose process it is."""
    owner = int(status(process.pid, "Uid"))
    assert owner != 0
    return os.stat(f"/proc/{process.pid}/mem").st_uid == owner


@pytest.fixture
def start_as_nobody(keep):
    """Starts copies of the programs, in a folder that anybody can reach, as a user who is not root."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777 | stat.S_ISVTX)
        for program in ("strop-node", "alice", "bob"):
            shutil.copy(BUILD / program, folder)
        user = ["setpriv", f"--reuid={NOBODY}", "--clear-groups"] if os.getuid() == 0 else []
        yield lambda *argv: keep(Process([*user, *argv], cwd=folder, stdin=True))


def test_G45_no_program_leaves_a_core_or_lets_others_look(start_as_nobody):
    node = start_as_nobody("./strop-node", "--listen", "127.0.0.1:0", "--kafka", "embedded")
    address = node.wait_line(r"^listening on (\S+)$")[1]
    bob = start_as_nobody("./bob", "--node", address, "--identity", "bob.identity")
    alice = start_as_nobody("./alice", bob.wait_line(r"^invitation: (\S+)$", "out")[1], "--identity", "alice.identity")
    alice.write("hello\n")
    alice.wait_line("hello", "out")
    for process in (node, bob, alice):
        assert re.search(r"^Max core file size +0 +0 ", Path(f"/proc/{process.pid}/limits").read_text(), re.M)
        assert not others_may_look(process)
    for process in (bob, alice):
        assert int(status(process.pid, "VmLck")) > 0
    careless = start_as_nobody("sh", "-c", "echo up; read line")
    careless.wait_line("up", "out")
    assert others_may_look(careless)
