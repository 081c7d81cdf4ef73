"""What a watched loop writes: its numbers, epochs, end; and what it never does to the loop."""

import math
import os
import pickle
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

import mlpwatch
from mlpwatch.core.errors import InputError
from mlpwatch.core.files.line_file import LineFile
from mlpwatch.core.monitor import writer as log_writer
from mlpwatch.core.monitor.follower import NO_END, LoopFollower, points_of, summarize_loop
from mlpwatch.core.monitor.loop import WatchedLoop
from mlpwatch.core.runs.layout import WATCH_NAME
from mlpwatch.core.runs.lock import is_locked
from mlpwatch.core.scalars.store import ScalarStore
from tests.support.waiting import wait_until
from tests.support.watched import ENDLESS, lines_of, program, run_program


@pytest.fixture
def run(tmp_path: Path) -> Iterator[WatchedLoop]:
    with mlpwatch.watch("loop", saved=tmp_path, epochs=2, classes=3) as loop:
        yield loop


def test_numbers_and_epochs_reach_the_store_of_a_follower(run: WatchedLoop, tmp_path: Path) -> None:
    for _ in range(2):
        for x in run.steps([0.5, 0.25, 0.125]):
            run.log(**{"train/loss": x}, kind=np.float32(2), on=True)
        run.epoch(**{"val/loss": np.float64(0.5)})
    run.close()
    follower, store = LoopFollower(tmp_path / "loop"), ScalarStore()
    for line in follower.read():
        store.add(points_of(line))
    assert store.names() == ("train/loss", "kind", "on", "val/loss")
    train = store.series("train/loss")
    assert train.steps.tolist() == [1, 2, 3, 4, 5, 6]
    assert train.values.tolist() == [0.5, 0.25, 0.125] * 2
    assert store.series("val/loss").steps.tolist() == [3, 6]
    state = follower.state
    assert (state.state, state.step, state.epoch) == ("finished", 6, 2)
    assert state.values == {"val/loss": 0.5}
    assert summarize_loop(tmp_path / "loop") == state
    assert state.manifest is not None
    assert state.manifest.epochs == 2


def test_a_loop_that_fails_says_why(tmp_path: Path) -> None:
    def train() -> None:
        with mlpwatch.watch("loop", saved=tmp_path) as run:
            for _ in run.steps(range(3)):
                run.log(loss=1 / 0)

    with pytest.raises(ZeroDivisionError):
        train()
    state = summarize_loop(tmp_path / "loop")
    assert (state.state, state.reason) == ("failed", "ZeroDivisionError: division by zero")
    assert state.step == 1


@pytest.mark.parametrize(
    ("raised", "state"),
    [
        (KeyboardInterrupt(), ("stopped", "interrupted")),
        (SystemExit(0), ("finished", "")),
        (SystemExit(3), ("failed", "exit status 3")),
        (MemoryError("no room\nfor 3 arrays"), ("failed", "MemoryError: no room for 3 arrays")),
    ],
)
def test_how_the_block_is_left_is_how_it_ended(
    tmp_path: Path, raised: BaseException, state: tuple[str, str]
) -> None:
    with pytest.raises(type(raised)), mlpwatch.watch("loop", saved=tmp_path):
        raise raised
    found = summarize_loop(tmp_path / "loop")
    assert (found.state, found.reason) == state


def test_what_is_no_number_is_said_once_and_the_loop_goes_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with mlpwatch.watch("loop", saved=tmp_path) as run:
        for _ in run.steps(range(3)):
            run.log(loss="low", other=1, lost=math.nan, huge=10**400)
    (first, second) = capfd.readouterr().err.splitlines()
    assert first.startswith("mlpwatch: loop: log loss: expected a number: could not convert")
    assert "log huge: expected a number" in second
    values = [line.values for line in lines_of(tmp_path / "loop")][:3]
    assert [one["other"] for one in values] == [1, 1, 1]
    assert all(math.isnan(one[name]) for one in values for name in ("loss", "lost", "huge"))


def test_a_taken_name_gets_a_number(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with mlpwatch.watch("loop", saved=tmp_path), mlpwatch.watch("loop", saved=tmp_path) as second:
        assert second.path == tmp_path / "loop-2"
    assert "loop is taken, so this is loop-2" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"name": "a/b"}, "path separator"),
        ({"epochs": 0}, "epochs=0: expected a whole number from 1"),
        ({"classes": 2.5}, "classes=2.5"),
        ({"optimizer": 3}, "optimizer int: expected"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(
    tmp_path: Path, settings: dict[str, object], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        mlpwatch.watch(saved=tmp_path / "saved", **settings)  # type: ignore[arg-type]
    assert not (tmp_path / "saved").exists()


def test_without_a_folder_the_loop_runs_unwatched(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    with mlpwatch.watch("loop", saved=tmp_path / "file" / "saved") as run:
        for _ in run.steps(range(3)):
            run.log(loss=1.0)
        run.epoch(labels=[0], predictions=[0])
        assert not run.save_requested
        assert run.step(loss=1.0)
    assert "the loop runs unwatched" in capfd.readouterr().err


def test_two_threads_log_all_of_their_numbers(run: WatchedLoop, tmp_path: Path) -> None:
    def log(name: str) -> None:
        for number in range(5_000):
            run.log(**{name: float(number)})

    threads = [Thread(target=log, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run.close()
    lines = lines_of(tmp_path / "loop")
    for name in ("a", "b"):
        found = [line.values[name] for line in lines if name in line.values]
        assert found == list(range(5_000))


def test_rows_are_thinned_while_the_disk_is_away_and_the_loss_is_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(log_writer, "MOST_ROWS", 1_000)
    real, away = LineFile.append_text, [True]

    def append(file: LineFile, text: str, *, sync: bool = True) -> None:
        if away[0]:
            raise OSError(28, "No space left on device")
        real(file, text, sync=sync)

    monkeypatch.setattr(LineFile, "append_text", append)
    with mlpwatch.watch("loop", saved=tmp_path) as run:
        for number in run.steps(range(20_000)):
            run.log(loss=float(number))
            if not number % 1_000:
                run.log(rare=1.0)
        wait_until(lambda: "No space left" in capfd.readouterr().err)
        away[0] = False
        wait_until((tmp_path / "loop/loop.jsonl").exists)
    lines = lines_of(tmp_path / "loop")
    steps = [line.step for line in lines if line.kind == "scalars"]
    assert steps == sorted(steps)
    assert len(steps) < 4_000
    assert any("rare" in line.values for line in lines)
    (note,) = [line.text for line in lines if line.kind == "unwritten"]
    assert note.startswith("No space left on device: ")
    assert lines[-1].kind == "ended"


def test_a_row_that_is_not_finite_is_never_thinned() -> None:
    rows: list[log_writer.Row] = [(n, 0.0, {"loss": float(n)}) for n in range(10_000)]
    rows[1234] = (1234, 0.0, {"loss": math.nan})
    kept = [step for step, _, _ in log_writer.chosen_rows(rows)]
    assert 1234 in kept
    assert kept[-1] == 9_999
    assert len(kept) <= log_writer.MOST_ROWS_WRITTEN + 1


def test_a_forked_child_writes_nothing_and_keeps_no_lock(run: WatchedLoop, tmp_path: Path) -> None:
    run.log(here=1.0)
    child = os.fork()
    if not child:
        run.log(child=1.0)
        run.epoch(child=1.0)
        run.close()
        os._exit(0 if run.path is None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    run.log(here=2.0)
    assert is_locked(tmp_path / "loop", WATCH_NAME)
    run.close()
    assert {name for line in lines_of(tmp_path / "loop") for name in line.values} == {"here"}
    assert not is_locked(tmp_path / "loop", WATCH_NAME)


def test_a_copy_for_a_spawned_process_does_nothing(run: WatchedLoop) -> None:
    copy = pickle.loads(pickle.dumps(run))
    assert copy.path is None
    copy.log(loss=1.0)
    assert list(copy.steps([1, 2])) == [1, 2]


def test_a_killed_loop_is_listed_as_failed(tmp_path: Path) -> None:
    with program(ENDLESS, tmp_path) as process:
        path = tmp_path / "saved" / "loop"
        wait_until(lambda: path.exists() and summarize_loop(path).step > 10)
        assert summarize_loop(path).state == "training"
        process.send_signal(signal.SIGKILL)
        process.wait()
    state = summarize_loop(path)
    assert (state.state, state.reason) == ("failed", NO_END)
    assert LoopFollower(path).read()[-1].step == state.step


def test_a_full_disk_ends_no_loop(tmp_path: Path) -> None:
    full = """
import mlpwatch, resource, signal, sys, time
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with mlpwatch.watch("loop") as run:
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))
    for number in run.steps(range(3_000)):
        run.log(loss=float(number))
        time.sleep(0.0005)
print("done")
"""
    done = run_program(full, tmp_path)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    said = done.stderr.splitlines()
    assert said[0].startswith("mlpwatch: loop: File too large; training continues, what can't be")
    assert len(said) == 2
    assert summarize_loop(tmp_path / "saved/loop").reason == NO_END


def test_without_a_block_the_end_of_the_process_is_its_end(tmp_path: Path) -> None:
    text = "import mlpwatch\nrun = mlpwatch.watch('loop')\nrun.step(loss=1.0)\n"
    assert run_program(text, tmp_path).returncode == 0
    assert summarize_loop(tmp_path / "saved/loop").state == "finished"
    run_program(text + "raise ValueError('no')\n", tmp_path)
    state = summarize_loop(tmp_path / "saved/loop-2")
    assert (state.state, state.reason) == ("failed", "ValueError: no")


def test_importing_loads_nothing_heavy_and_watching_no_numpy(tmp_path: Path) -> None:
    text = """
import sys, time
began = time.perf_counter()
import mlpwatch
print(time.perf_counter() - began)
with mlpwatch.watch("loop") as run:
    for x in run.steps([1.0]):
        run.log(loss=x)
heavy = {"numpy", "torch", "textual", "rich", "sklearn", "scipy", "pandas"}
print(sorted(heavy & set(sys.modules)))
"""
    took, loaded = run_program(text, tmp_path).stdout.splitlines()
    assert loaded == "[]"
    assert float(took) < 0.05
    assert sys.modules["mlpwatch"] is mlpwatch


def test_a_spawned_worker_that_has_the_loop_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("""
import multiprocessing, mlpwatch
def work(run):
    run.log(child=1.0)
    run.epoch(child=1.0)
if __name__ == "__main__":
    with mlpwatch.watch("loop") as run:
        for method in ("spawn", "fork"):
            child = multiprocessing.get_context(method).Process(target=work, args=(run,))
            child.start()
            child.join()
            run.log(**{method: float(child.exitcode)})
""")
    done = run_program("import runpy; runpy.run_path('train.py', run_name='__main__')", tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [line.values for line in lines_of(tmp_path / "saved/loop") if line.values]
    assert lines == [{"spawn": 0}, {"fork": 0}]


@pytest.mark.rare
def test_workers_of_a_dataloader_that_have_the_loop_write_nothing(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "train.py").write_text("""
import mlpwatch, torch
class Data(torch.utils.data.Dataset):
    def __init__(self, run): self.run = run
    def __len__(self): return 8
    def __getitem__(self, index):
        self.run.log(child=1.0)
        return torch.tensor(index)
if __name__ == "__main__":
    with mlpwatch.watch("loop") as run:
        for method in ("fork", "spawn"):
            loader = torch.utils.data.DataLoader(
                Data(run), batch_size=2, num_workers=2, multiprocessing_context=method)
            for batch in run.steps(loader):
                run.log(sum=batch.sum())
""")
    done = run_program("import runpy; runpy.run_path('train.py', run_name='__main__')", tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [line.values for line in lines_of(tmp_path / "saved/loop") if line.values]
    assert lines == [{"sum": n} for n in (1, 5, 9, 13)] * 2
