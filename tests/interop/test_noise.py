"""Our Noise XX against another implementation, the crate snow's."""

import re
import secrets
import subprocess

from harness import rust
from harness.programs import BUILD

HANDSHAKES = 1000


def test_G24_random_handshakes_agree_with_another_implementation():
    """Both roles, payloads up to the largest, and what follows under keys that change; the seed is in the output."""
    seed = secrets.randbits(63)
    print("seed", seed)
    with subprocess.Popen([rust.FOLDER / "noise-snow/release/noise-snow", str(seed), str(HANDSHAKES)], stdout=subprocess.PIPE) as snow:
        compared = subprocess.run([BUILD / "tests/interop/compare_noise"], stdin=snow.stdout, capture_output=True, text=True, timeout=120)
    assert compared.returncode == 0, compared.stderr
    handshakes, messages = map(int, re.fullmatch(r"(\d+) handshakes and (\d+) messages after them agree\n", compared.stdout).groups())
    assert snow.returncode == 0 and handshakes == HANDSHAKES and messages > 50000
