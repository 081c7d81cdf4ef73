"""Where PyTorch trains: what is asked for, what is there, and what can't be."""

import pytest

from mlpwatch.core.config import Device, Dtype, RunConfig
from mlpwatch.core.errors import ConfigError
from mlpwatch.core.network.build import device_for


@pytest.mark.parametrize(
    ("has_cuda", "has_mps", "dtype", "expected"),
    [
        (False, False, "float32", "cpu"),
        (True, False, "float64", "cuda"),
        (True, True, "float32", "cuda"),
        (False, True, "float32", "mps"),
        (False, True, "float64", "cpu"),
    ],
)
def test_auto_takes_the_best_that_holds_the_dtype(
    has_cuda: bool, has_mps: bool, dtype: Dtype, expected: str
) -> None:
    assert device_for(RunConfig(device="auto", dtype=dtype), has_cuda, has_mps) == expected


@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
def test_what_is_there_is_taken_as_asked(device: Device) -> None:
    assert device_for(RunConfig(device=device), True, True) == device


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_what_is_absent_is_refused_with_what_to_do(device: Device) -> None:
    with pytest.raises(ConfigError, match=f"device '{device}'.* use --device cpu or auto"):
        device_for(RunConfig(device=device), False, False)


def test_a_device_without_float64_is_refused_for_it() -> None:
    with pytest.raises(ConfigError, match="'mps' has no float64"):
        device_for(RunConfig(device="mps", dtype="float64"), False, True)
