"""libstrop as others get it: installed, found by pkg-config, linked shared and static; its names, its documentation, its threads."""

import os
import re
import subprocess

import pytest

from harness.process import TOP, Process


def run(*argv, **how):
    return subprocess.run([str(arg) for arg in argv], check=True, capture_output=True, text=True, **how).stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder below which `make install` has put everything."""
    folder = tmp_path_factory.mktemp("installed")
    run("make", "-s", "install", f"DESTDIR={folder}", "PREFIX=/usr", cwd=TOP, timeout=300)
    return folder


def flags(installed, *more):
    env = {**os.environ, "PKG_CONFIG_SYSROOT_DIR": str(installed), "PKG_CONFIG_PATH": f"{installed}/usr/lib/pkgconfig:{SYSTEM_PKGS}"}
    # The folders of the system's own packages are not below the sysroot.
    return [flag for flag in run("pkg-config", "--cflags", "--libs", *more, "strop", env=env).split() if not flag.startswith(("-I", "-L"))]


SYSTEM_PKGS = run("pkg-config", "--variable", "pc_path", "pkg-config").strip()


def build(installed, source, kind, out):
    """Compiles a program against what is installed; `kind` is how libstrop gets into it."""
    libraries = flags(installed, *(["--static"] if kind == "static" else []))
    if kind == "static":
        libraries = [f"{installed}/usr/lib/libstrop.a" if flag == "-lstrop" else flag for flag in libraries]
    warnings = ["-std=c17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror"]
    run("cc", *warnings, f"-I{installed}/usr/include", source, f"-L{installed}/usr/lib", *libraries, "-o", out)
    return {"LD_LIBRARY_PATH": f"{installed}/usr/lib"} if kind == "shared" else {}


def declared(installed):
    """What strop.h says that there is."""
    return set(re.findall(r"^STROP_API .*?(strop_\w+)\(", (installed / "usr/include/strop.h").read_text(), re.MULTILINE))


def test_names_are_those_of_header_map_and_man_page(installed):
    header = declared(installed)
    assert len(header) > 25
    exported = run("nm", "-D", "--defined-only", installed / "usr/lib/libstrop.so.0").split("\n")
    assert {line.split()[-1] for line in exported if line} == {f"{name}@@STROP_0" for name in header} | {"STROP_0"}
    assert set(re.findall(r"^\s+(strop_\w+);", (TOP / "client/strop.map").read_text(), re.MULTILINE)) == header
    page = (TOP / "docs/man/libstrop.3").read_text()
    assert set(re.findall(r"^\.Fn (strop_\w+)", page, re.MULTILINE)) == header
    static = run("nm", "-g", "--defined-only", installed / "usr/lib/libstrop.a").split("\n")
    assert {line.split()[-1] for line in static if " " in line} == header


def test_header_stands_alone_and_is_cpp_too(installed, tmp_path):
    source = tmp_path / "alone.c"
    source.write_text("#include <strop.h>\nint main(void) { return strop_version() == 0; }\n")
    for compiler in (["cc", "-std=c99"], ["g++", "-x", "c++"]):
        run(*compiler, "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{installed}/usr/include", "-c", source, "-o", tmp_path / "alone.o")


def test_library_needs_no_kafka_and_no_thread(installed):
    needed = run("ldd", installed / "usr/lib/libstrop.so.0")
    assert "rdkafka" not in needed and "inih" not in needed
    undefined = run("nm", "-D", "--undefined-only", installed / "usr/lib/libstrop.so.0")
    assert "pthread_create" not in undefined and "thrd_create" not in undefined and "fork" not in undefined


@pytest.mark.parametrize("kind", ["shared", "static"])
def test_installed_library_and_example(kind, installed, start_node, start_bob, keep, tmp_path):
    env = build(installed, TOP / "docs/example.c", kind, tmp_path / "example")
    assert ("libstrop" in run("ldd", tmp_path / "example", env={**os.environ, **env})) == (kind == "shared")
    bob = start_bob(start_node().address)
    process = keep(Process([tmp_path / "example", bob.invitation], env=env))
    assert process.wait(20) == 0, process.tail()
    assert process.out == ["hello from C"]


def test_example_without_a_node_says_so_and_fails(installed, start_node, start_bob, keep, tmp_path):
    env = build(installed, TOP / "docs/example.c", "shared", tmp_path / "example")
    node = start_node()
    bob = start_bob(node.address)
    bob.stop()
    node.stop()
    process = keep(Process([tmp_path / "example", bob.invitation], env=env))
    assert process.wait(30) == 1, process.tail()
    assert process.out == []
    assert f"cannot reach the node at {node.address}" in process.err[0] and "no answer" in process.err[-1]


def test_documents_that_are_named_are_installed_and_nothing_stays_after_uninstall(installed, tmp_path):
    folder = installed / "usr/share/doc/strop"
    named = set()
    for page in (TOP / "docs/man").glob("*.[0-9]"):
        named |= set(re.findall(r"share/doc/strop/([\w.-]+\w)", page.read_text()))
    assert {"protocol.md", "example.c"} <= named
    assert [name for name in sorted(named) if not (folder / name).is_file()] == []
    for verb in ("install", "uninstall"):
        run("make", "-s", verb, f"DESTDIR={tmp_path}", "PREFIX=/usr", cwd=TOP, timeout=300)
    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == []
    assert not (tmp_path / "usr/share/doc/strop").exists()


@pytest.mark.parametrize("kind", ["shared", "static"])
def test_program_with_a_loop_of_its_own(kind, installed, start_node, start_bob, keep, tmp_path):
    env = build(installed, TOP / "tests/programs/embed.c", kind, tmp_path / "embed")
    bob = start_bob(start_node().address)
    process = keep(Process([tmp_path / "embed", bob.invitation], env=env))
    assert process.wait(30) == 0, process.tail()
    assert process.out == [f"line {number}" for number in range(10)]
    assert process.err == ["threads: 1", "woken when there was something to do"]
    assert bob.received() == process.out
