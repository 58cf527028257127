"""Our decoders against those of the crate, on inputs made at random."""

import os
import re
import secrets
import subprocess

from harness import rust
from harness.programs import BUILD

INPUTS = int(os.environ.get("DECODER_INPUTS", 50000))


def test_G22_our_decoders_take_what_the_crates_do():
    """And understand the same by it, and write the same; differences have a reason, or fail. The seed is in the output."""
    seed = secrets.randbits(63)
    print("seed", seed)
    with subprocess.Popen([rust.FOLDER / rust.MODERN / "release/decoders", str(seed), str(INPUTS)], stdout=subprocess.PIPE) as crate:
        compared = subprocess.run([BUILD / "tests/interop/compare_decoders"], stdin=crate.stdout, capture_output=True, text=True, timeout=3600)
    print(compared.stdout)
    assert compared.returncode == 0, compared.stderr
    assert crate.returncode == 0 and f"\n{INPUTS} inputs, 0 differences without a reason\n" in compared.stdout
    kinds = re.findall(r"^(.+): (\d+) inputs, (\d+) taken", compared.stdout, re.MULTILINE)
    assert len(kinds) == 5 and all(int(inputs) // 10 < int(taken) < int(inputs) for _, inputs, taken in kinds)
