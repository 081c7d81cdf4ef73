"""What is imported and loaded is never looked at by the garbage collector again."""

import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest

from mlpwatch.tui.startup import load_torch_libraries, undisturbed


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_what_a_block_makes_is_out_of_the_collectors_sight() -> None:
    made: list[list[int]] = []
    with undisturbed():
        assert not gc.isenabled()
        made.append([1])
    assert gc.isenabled()
    assert not any(thing is made[0] for thing in gc.get_objects())


def test_a_block_that_fails_leaves_the_collector_on() -> None:
    with pytest.raises(ValueError, match="no data"), undisturbed():
        raise ValueError("no data")
    assert gc.isenabled()


def test_torch_finds_its_libraries_loaded_and_the_interpreter_was_free_meanwhile() -> None:
    if sys.platform != "linux":
        pytest.skip("on Linux only")
    script = """
import sys, threading, time
from mlpwatch.tui.startup import load_torch_libraries
ticks, done = [], threading.Event()
def tick():
    while not done.is_set():
        ticks.append(time.perf_counter())
        time.sleep(0.001)
ticker = threading.Thread(target=tick)
ticker.start()
began = time.perf_counter()
print(load_torch_libraries(), "torch" in sys.modules)
took = time.perf_counter() - began
done.set()
ticker.join()
print(max(b - a for a, b in zip(ticks, ticks[1:])) < took / 2)
import torch
print(torch.ones(3).sum().item())
"""
    command = [sys.executable, "-c", script]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert ran.stdout.split() == ["3", "False", "True", "3.0"]


def test_what_keys_ask_for_is_imported_where_there_is_a_screen() -> None:
    script = """
import sys
from mlpwatch.tui.startup import import_screens
print(import_screens(), "mlpwatch.tui.mistakes.screen" in sys.modules)
import mlpwatch.tui.app
print(import_screens() > 0, "mlpwatch.tui.mistakes.screen" in sys.modules, "torch" in sys.modules)
"""
    command = [sys.executable, "-c", script]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert ran.stdout.split() == ["0", "False", "True", "True", "False"]


def test_without_torch_nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlpwatch.tui.startup.find_spec", lambda _name: None)
    assert load_torch_libraries() == 0
