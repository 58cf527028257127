"""Both sides of a pairing. Without a cargo of today there are no real Ockam endpoints: the tests are skipped then."""

import pytest

from harness import rust
from harness.pairing import Pairing


def pytest_collection_modifyitems(items):
    reason = rust.missing()
    for item in items if reason else []:
        item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def pairing(keep, tmp_path):
    return Pairing(keep, tmp_path)


@pytest.fixture(scope="module")
def long_pairing(keep_long, tmp_path_factory):
    """For what goes on beside other tests."""
    return Pairing(keep_long, tmp_path_factory.mktemp("long"))
