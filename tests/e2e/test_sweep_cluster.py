"""A sweep on a real Dask scheduler with two workers on loopback."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlpwatch.core.runs.run import Run
from mlpwatch.tui.__main__ import main
from tests.support.checkout import SOURCE
from tests.support.sweeps import LONG, begin, epochs_of, reading
from tests.support.waiting import last_words, wait_until

pytestmark = [pytest.mark.xdist_group("sweeps"), pytest.mark.slow]


@pytest.fixture
def cluster(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Yield the address of a scheduler with two workers, or as many as asked for, and nannies."""
    workers = getattr(request, "param", 2)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "dask", *words], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(SOURCE)}, cwd=tmp_path,
        )
        for words in (
            ("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"),
            *(
                ("worker", address, "--nthreads", "1", "--no-dashboard", "--name", f"w{n}",
                 "--local-directory", str(tmp_path / f"w{n}"))
                for n in range(1, workers + 1)
            ),
        )
    ]  # fmt: skip
    yield address
    for process in processes[::-1]:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        process.wait(30)


def worker_pids(address: str, workers: int = 2) -> list[int]:
    """Return the processes of the workers, once all are there."""
    from distributed import Client

    with Client(address, timeout=30, set_as_default=False) as client:
        client.wait_for_workers(workers, timeout=60)
        return list(client.run(os.getpid).values())


def test_workers_without_the_folder_send_epochs_and_whole_runs_and_one_may_die(
    tmp_path: Path, cluster: str
) -> None:
    pids = worker_pids(cluster)
    saved = tmp_path / "saved"
    words = (*LONG, "80", "--seeds", "2", "--cluster", cluster, "--json")
    sweep = begin(saved, *words, shares_disk=False)
    # Epochs come back while it trains, and both are listed as in training.
    wait_until(lambda: min(epochs_of(saved, 0), epochs_of(saved, 1)) >= 2)
    found = reading(saved)
    assert found is not None
    assert [row.state for row in found.rows] == ["training", "training"]
    assert not list((saved / "g").glob("*/*.safetensors*"))
    os.kill(pids[0], signal.SIGKILL)
    out, err = sweep.communicate(timeout=120)
    assert sweep.returncode == 0, err
    assert json.loads(out)["states"] == {"finished": 2}
    for seed in (0, 1):
        folder = saved / "g" / f"seed={seed}"
        run = Run.open(saved, f"g/seed={seed}")
        assert run.manifest.group == "g"
        assert {record.epoch for record in run.read_metrics()} == set(range(1, 81))
        assert (run.read_result() or {})["run"] == str(folder)
        latest = run.read_latest("torch")
        assert latest is not None
        assert latest.checkpoint.position.epoch == 80


@pytest.mark.rare
def test_on_one_disk_ctrl_c_saves_and_the_same_sweep_continues(
    tmp_path: Path, cluster: str
) -> None:
    worker_pids(cluster)
    saved = tmp_path / "saved"
    sweep = begin(saved, *LONG, "100", "--seeds", "3", "--cluster", cluster)
    wait_until(lambda: min(epochs_of(saved, 0), epochs_of(saved, 1)) >= 2)
    os.killpg(sweep.pid, signal.SIGINT)
    assert "saved; the same sweep continues it" in last_words(sweep)
    assert sweep.returncode == 130
    found = reading(saved)
    assert found is not None
    assert [row.state for row in found.rows] == ["stopped", "stopped", "waiting"]
    assert list((saved / "g").glob("seed=0/*.safetensors"))
    again = begin(saved, "--cluster", cluster, shares_disk=False)
    out, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    assert "3 of 3" in out


@pytest.mark.rare
@pytest.mark.parametrize("cluster", [1], indirect=True)
def test_a_single_worker_does_one_trial_after_the_other(tmp_path: Path, cluster: str) -> None:
    worker_pids(cluster, 1)
    words = (*LONG, "2", "--seeds", "2", "--cluster", cluster, "--json")
    sweep = begin(tmp_path / "saved", *words, shares_disk=False)
    out, err = sweep.communicate(timeout=120)
    assert sweep.returncode == 0, err
    assert json.loads(out)["states"] == {"finished": 2}


def test_a_cluster_that_is_not_there_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mlpwatch.core.sweeps.cluster.CONNECT_SECONDS", 0.2)
    words = ["sweep", "--data", "digits", "--cluster"]
    assert main([*words, "tcp://127.0.0.1:9"]) == 2
    assert "no Dask scheduler answers there" in capsys.readouterr().err
    assert main([*words, "tcp://127.0.0.1:9", "--jobs", "2"]) == 2
    assert "leave it out" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main([*words, "tcp://127.0.0.1:9"]) == 2
    error = capsys.readouterr().err
    assert "pip install 'mlpwatch[cluster]'" in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
