"""What the compiler and the linker were told shows in what they made, and making it again gives the same bytes."""

import filecmp
import os
import re
import shutil
import subprocess

import pytest

from harness.process import TOP
from harness.programs import BUILD

MADE = ["strop-node", "alice", "bob", "libstrop.so.0"]
COMPILED_WITH = ["-fstack-protector-strong", "-fstack-clash-protection", "-fcf-protection=full", "-ftrivial-auto-var-init=zero"]


def readelf(name, *flags):
    return subprocess.run(["readelf", "-W", *flags, BUILD / name], check=True, capture_output=True, text=True).stdout


def segment(name, kind):
    """The flags of the segment, R W E."""
    return re.search(rf"^  {kind} .* ([R ][W ][E ]) 0x\w+$", readelf(name, "--segments"), re.M)[1]


@pytest.mark.parametrize("name", MADE)
def test_G41_addresses_are_random(name):
    assert re.search(r"Type: +DYN ", readelf(name, "--file-header"))
    if not name.startswith("lib"):
        assert re.search(r"\(FLAGS_1\) .*\bPIE\b", readelf(name, "--dynamic"))


@pytest.mark.parametrize("name", MADE)
def test_G41_nothing_is_written_and_run(name):
    assert segment(name, "GNU_STACK") == "RW "
    loaded = re.findall(r"^  LOAD .* ([R ][W ][E ]) 0x\w+$", readelf(name, "--segments"), re.M)
    assert "R E" in loaded and not any("W" in flags and "E" in flags for flags in loaded)


@pytest.mark.parametrize("name", MADE)
def test_G41_relocations_are_read_only(name):
    dynamic = readelf(name, "--dynamic")
    assert segment(name, "GNU_RELRO") == "R  "
    assert re.search(r"\(FLAGS\) .*\bBIND_NOW\b", dynamic) and re.search(r"\(FLAGS_1\) .*\bNOW\b", dynamic)


@pytest.mark.parametrize("name", MADE)
def test_G41_libraries_come_from_the_system_alone(name):
    assert not re.search(r"\((RPATH|RUNPATH)\)", readelf(name, "--dynamic"))


@pytest.mark.parametrize("name", MADE)
def test_G41_every_object_was_compiled_with_protection(name):
    """The debugging information says how. (The note on control flow protection is no measure: Debian's start-up objects lack it.)"""
    producers = re.findall(r"DW_AT_producer .*: (GNU C17 .*)", readelf(name, "--debug-dump=info", "--dwarf-depth=1"))
    assert len(producers) > 20
    assert all(flag in producer for producer in producers for flag in COMPILED_WITH)


@pytest.mark.parametrize("name", MADE)
def test_G41_the_protections_are_at_work(name):
    symbols = readelf(name, "--dyn-syms")
    for guard in ("__stack_chk_fail", "__memcpy_chk", "__snprintf_chk"):
        assert re.search(rf"UND {guard}@", symbols), guard
    assert "-D_FORTIFY_SOURCE=3 " in (BUILD / "flags").read_text()


def test_G44_a_build_elsewhere_gives_the_same_bytes(tmp_path):
    """Of the same sources with the same flags, in another folder."""
    there = tmp_path / "another" / "folder of a different length"
    for part in ("transport", "stream", "client", "node"):
        shutil.copytree(TOP / part, there / part)
    for part in ("Makefile", *(path.relative_to(TOP) for path in TOP.glob("tests/**/*.mk"))):
        (there / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(TOP / part, there / part)
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "BUILD=build/other", "all"], cwd=there, check=True, timeout=300, capture_output=True)
    for name in [*MADE, "static/libstrop.a"]:
        assert filecmp.cmp(BUILD / name, there / "build/other" / name, shallow=False), name
