"""Test programs in C that hold a log against its promises, on a real Kafka."""

import pytest

from harness.process import Process
from harness.programs import BUILD


@pytest.mark.parametrize("program", ["test_log_kafka", "test_log_model"])
def test_log_on_a_real_kafka(program, kafka, keep):
    process = keep(Process([BUILD / "tests/unit" / program], env={"STROP_TEST_BROKERS": kafka.address}))
    assert process.wait(120) == 0, process.tail(200)
