"""What is in deploy/ fits the programs: the service's unit, the image, the compose file, the sample configuration."""

import json
import re
import shlex
import subprocess

import pytest
import yaml

from harness.process import TOP
from harness.programs import BUILD

DEPLOY = TOP / "deploy"


def understood(argv, tmp_path):
    """Whether the node knows each of these options; --help keeps it from starting."""
    (tmp_path / "node.conf").touch(0o600)
    argv = [word.replace("%d", str(tmp_path)) for word in argv]
    done = subprocess.run([BUILD / "strop-node", *argv, "--help"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10)
    return done.returncode == 0 and done.stderr == ""


@pytest.fixture
def unit(tmp_path):
    """The service's unit as `make install` puts it, with the program in its place."""
    subprocess.run(["make", "-s", "install", f"DESTDIR={tmp_path}", "PREFIX=/usr"], cwd=TOP, check=True, capture_output=True, timeout=300)
    return tmp_path / "usr/lib/systemd/system/strop-node.service"


def test_G42_the_service_is_exposed_to_little(unit):
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", unit], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert float(re.search(r"exposure level for strop-node.service: ([0-9.]+)", done.stdout)[1]) <= 1.5


def test_the_service_starts_what_was_installed(unit, tmp_path):
    (command,) = re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.M)
    program, *argv = shlex.split(command)
    assert program == "/usr/bin/strop-node" and (tmp_path / "usr/bin/strop-node").exists()
    assert understood(argv, tmp_path) and not understood([*argv, "--nonsense"], tmp_path)
    # With a path that exists here, systemd has nothing to say about any line of it; the man page may not be in its place.
    here = tmp_path / "strop-node.service"
    here.write_text(unit.read_text().replace("/usr/bin/strop-node", str(BUILD / "strop-node")))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", here], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def image():
    """The Containerfile's last stage: texts by instruction; lines joined, comments left out."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Containerfile").read_text(), flags=re.M).replace("\\\n", " ")
    parts = {}
    for line in text.split("\nFROM ")[-1].splitlines()[1:]:
        word, rest = line.split(maxsplit=1)
        assert word in ("RUN", "COPY", "USER", "WORKDIR", "VOLUME", "EXPOSE", "ENTRYPOINT", "CMD")
        parts.setdefault(word, []).append(rest)
    return parts


def test_the_image_has_the_libraries_that_the_programs_need(image):
    installed = set(re.search(r"--no-install-recommends (.*?) &&", image["RUN"][0])[1].split())
    libraries = set()
    for program in ("strop-node", "alice", "bob"):
        dynamic = subprocess.run(["readelf", "-d", BUILD / program], check=True, capture_output=True, text=True).stdout
        libraries |= set(re.findall(r"NEEDED.*\[(.*)\]", dynamic)) - {"libc.so.6"}
    owners = subprocess.run(["dpkg-query", "-S", *(f"*/{name}" for name in libraries)], check=True, capture_output=True, text=True).stdout
    assert installed == set(re.findall(r"^([^:]+):", owners, re.M)) | {"ca-certificates"}


def test_the_image_starts_a_node(image, tmp_path):
    assert image["USER"] == ["strop"] and json.loads(image["ENTRYPOINT"][0]) == ["/usr/bin/strop-node"]
    assert understood(json.loads(image["CMD"][0]), tmp_path)


def test_the_compose_file_starts_a_node_on_its_kafka(tmp_path):
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    kafka, node = compose["services"]["kafka"], compose["services"]["node"]
    assert understood(node["command"], tmp_path)
    assert (DEPLOY / node["build"]["context"] / node["build"]["dockerfile"]).samefile(DEPLOY / "Containerfile")
    assert f"PLAINTEXT://{node['command'][node['command'].index('--kafka') + 1]}" == kafka["environment"]["KAFKA_ADVERTISED_LISTENERS"]
