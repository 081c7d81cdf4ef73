"""The real command in a real terminal, as a person uses it."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from mlpwatch.core.config import ENGINE_NAMES
from mlpwatch.core.runs.run import Run
from tests.support.terminal import (
    Terminal,
    assert_restored,
    environment,
    mlpwatch_command,
    written_at,
)
from tests.support.waiting import DEADLINE_SECONDS, wait_until

pytestmark = pytest.mark.xdist_group("terminal")

SUMMARY = re.compile(
    r"numpy test accuracy \d+\.\d\d% \((finished|stopped) after [\d,]+ steps\)"
    r" · torch test accuracy \d+\.\d\d% \((finished|stopped) after [\d,]+ steps\)"
)


def watching(folder: Path, *options: str, columns: int = 80, rows: int = 24) -> Terminal:
    """Start `mlpwatch --data digits --name demo` in a terminal."""
    command = [*mlpwatch_command(), "--data", "digits", "--name", "demo", *options]
    return Terminal(
        command, folder, columns=columns, rows=rows,
        env=environment(MLPWATCH_CACHE=str(folder / "cache")),
    )  # fmt: skip


def without_a_terminal(
    folder: Path, arguments: Sequence[str], **env: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*mlpwatch_command(), *arguments], cwd=folder, env=environment(**env),
        capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def both_have(pattern: str, text: str) -> bool:
    return len(re.findall(pattern, text)) == len(ENGINE_NAMES)


def shows_all_panels(text: str) -> bool:
    return both_have("accuracy %", text) and both_have("confusion", text)


def shows_one_panel(text: str) -> bool:
    return "accuracy %" not in text and "confusion" not in text


def saved_steps(terminal: Terminal, folder: Path) -> tuple[int, int]:
    """Press `s`, wait until both files are new, and return the steps that they hold."""
    files = [folder / "saved/demo" / f"{name}.safetensors" for name in ENGINE_NAMES]

    def times() -> list[int]:
        return [written_at(file) for file in files]

    before = times()
    terminal.send("s")
    wait_until(lambda: all(new > old for new, old in zip(times(), before, strict=True)))
    run = Run.open(folder / "saved", "demo")
    numpy, torch = (run.read_latest(name) for name in ENGINE_NAMES)
    assert numpy is not None
    assert torch is not None
    return numpy.checkpoint.position.step, torch.checkpoint.position.step


def assert_loads_in_either_engine(folder: Path) -> None:
    from mlpwatch.core.data.dataset import load_dataset
    from mlpwatch.core.network.build import build_engine

    run = Run.open(folder / "saved", "demo")
    data = load_dataset("digits", run.config.seed, run.config.pixel_range)
    for saved_by in ENGINE_NAMES:
        latest = run.read_latest(saved_by)
        assert latest is not None
        for name in ENGINE_NAMES:
            engine = build_engine(
                name, run.config, data.train_images, data.train_labels, data.classes
            )
            engine.load_state(latest.checkpoint.state)
            for key, array in engine.state().weights.items():
                assert (array == latest.checkpoint.state.weights[key]).all()


def assert_mistakes_open_and_close(terminal: Terminal) -> None:
    """Open the mistakes, check the first digit, and go back by the sheet to the dashboard."""
    terminal.send("m")
    title = r"1 of \d+ · (validation image [\d,]+ · )?true \d · NumPy predicts \d"
    terminal.wait_for(lambda text: re.search(title, text))
    terminal.send("\r")
    parts = (
        r"[@#%*+=▀▄█]{4}",  # the digit
        r"NumPy +predicts \d +\d+\.\d %  (right|wrong)",
        r"PyTorch +predicts \d +\d+\.\d %  (right|wrong)",
        "1 of ",
    )
    terminal.wait_for(lambda text: all(re.search(part, text) for part in parts))
    terminal.send("\x1b")
    terminal.wait_for(" · true ")
    terminal.send("\x1b")
    terminal.wait_for("▸ loss")


def test_a_whole_session_in_80_columns(tmp_path: Path) -> None:
    with watching(tmp_path) as terminal:
        terminal.wait_for(lambda text: both_have(r"[1-9]\d*/20 +training", text))
        # Among what was sent, not on the screen: with warm files that state is gone in a second.
        assert b"loading" in terminal.received()
        assert "limit" in terminal.text()

        terminal.send(" ")
        terminal.wait_for(lambda text: both_have(r"\d+/20 +paused", text))
        steps = saved_steps(terminal, tmp_path)
        assert min(steps) > 0
        terminal.wait_for(f"saved/demo: NumPy at step {steps[0]}, PyTorch at step {steps[1]}")
        assert_loads_in_either_engine(tmp_path)
        assert saved_steps(terminal, tmp_path) == steps, "paused: the steps stand still"
        terminal.send(".")
        after_one = (steps[0] + 1, steps[1] + 1)
        wait_until(lambda: saved_steps(terminal, tmp_path) == after_one)
        terminal.wait_for(f"NumPy at step {after_one[0]}, PyTorch at step {after_one[1]}")

        assert_mistakes_open_and_close(terminal)
        terminal.send(" ")
        terminal.wait_for(lambda text: both_have(r"\d+/20 +training", text))
        terminal.send("]")
        terminal.wait_for(lambda text: "limit" not in text)
        seen = terminal.wait_for(lambda text: both_have(r"20/20 +finished", text))
        assert both_have(r"test +\d+\.\d\d %", seen)

        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert_restored(terminal)
        accuracies, where = terminal.after_the_app()[-2:]
        assert SUMMARY.fullmatch(accuracies), accuracies
        assert where == "run saved in saved/demo"
    result = json.loads((tmp_path / "saved/demo/result.json").read_text())
    for name in ENGINE_NAMES:
        accuracy = result["engines"][name]["test_accuracy"]
        assert f"{name} test accuracy {accuracy:.2%}" in accuracies


def test_a_wide_screen_shows_all_panels_follows_its_size_and_leaves_in_the_middle(
    tmp_path: Path,
) -> None:
    with watching(tmp_path, "--epochs", "2000", columns=140, rows=40) as terminal:
        terminal.wait_for("loading")
        seen = terminal.wait_for(lambda text: both_have(r"epoch +[1-9]\d*/2000", text))
        for panel in ("▸ loss", "accuracy %", "confusion"):
            assert both_have(panel, seen), seen
        for columns, rows in ((60, 15), (20, 5), (120, 36), (140, 40)):
            terminal.resize(columns, rows)
            terminal.wait_for(shows_all_panels if rows >= 36 else shows_one_panel)
        terminal.wait_for(lambda text: both_have("confusion", text) and "? help  q quit" in text)
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert_restored(terminal)
        accuracies, where = terminal.after_the_app()[-2:]
        match = SUMMARY.fullmatch(accuracies)
        assert match, accuracies
        assert match.groups() == ("stopped", "stopped")
        assert where == "run saved in saved/demo; mlpwatch resume demo continues it"


def test_q_goes_back_from_a_screen_and_on_the_dashboard_leaves_with_the_command_that_continues(
    tmp_path: Path,
) -> None:
    with watching(tmp_path, "--epochs", "2000", "--only", "numpy") as terminal:
        terminal.wait_for(lambda text: re.search(r"[1-9]\d*/2000", text))
        terminal.send("eq")
        terminal.send("w")
        terminal.wait_for("q back")
        terminal.send("q\x11")
        terminal.wait_for("q quit")
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert "mlpwatch resume demo continues it" in terminal.after_the_app()[-1]


@pytest.mark.rare
def test_many_quick_changes_of_size_end_in_a_whole_screen(tmp_path: Path) -> None:
    with watching(tmp_path, "--epochs", "2000", columns=140, rows=40) as terminal:
        terminal.wait_for(shows_all_panels)
        for _ in range(40):
            for columns, rows in ((60, 15), (20, 5), (120, 36)):
                terminal.resize(columns, rows)
        seen = terminal.wait_for(lambda text: shows_all_panels(text) and "? help  q" in text)
        assert seen.count("NumPy") == 1

        terminal.wipe()
        os.kill(terminal.process.pid, signal.SIGWINCH)
        seen = terminal.wait_for(lambda text: shows_all_panels(text) and "? help  q" in text)
        assert seen.startswith(" mlpwatch  digits")
        terminal.send("q")
        assert terminal.wait_for_end() == 0


def test_q_while_loading_leaves_at_once_with_nothing_on_disk(tmp_path: Path) -> None:
    with watching(tmp_path) as terminal:
        terminal.wait_for("loading")
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert_restored(terminal)
    assert not (tmp_path / "saved/demo/result.json").exists()


def test_data_that_is_broken_ends_with_one_line_and_no_folder(tmp_path: Path) -> None:
    (tmp_path / "broken.npz").write_bytes(b"this is no zip file")
    command = [*mlpwatch_command(), "--data", "broken.npz"]
    with Terminal(command, tmp_path) as terminal:
        assert terminal.wait_for_end() == 2
        assert b"\x1b[?1049h" not in terminal.received(), "refused before the screen"
        (line,) = terminal.received().decode().splitlines()
    assert line.startswith("mlpwatch: ")
    assert "broken.npz" in line
    assert b"Traceback" not in terminal.received()
    assert not (tmp_path / "saved").exists()


def test_without_unicode_the_screen_is_ascii(tmp_path: Path) -> None:
    command = [*mlpwatch_command(), "--data", "digits", "--only", "numpy", "--no-mouse"]
    env = environment(LC_ALL="C", LANG="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    with Terminal(command, tmp_path, env=env) as terminal:
        terminal.wait_for(lambda text: re.search(r"NumPy +[=>-]+ epoch +[1-9]\d*/20", text))
        terminal.send("m")
        terminal.wait_for("> NumPy wrong")
        terminal.send("q")
        terminal.wait_for("> loss")
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert terminal.received().isascii()
        assert not re.search(rb"\x1b\[\?100[0236]h", terminal.received()), "--no-mouse"


def test_a_dumb_terminal_gets_lines_instead_of_a_screen(tmp_path: Path) -> None:
    command = [*mlpwatch_command(), "--data", "digits", "--epochs", "1", "--only", "numpy"]
    with Terminal(command, tmp_path, env=environment(TERM="dumb")) as terminal:
        assert terminal.wait_for_end() == 0
        sent = terminal.received().decode()
    assert "\x1b" not in sent
    assert "TERM is dumb, so this trains without a screen" in sent
    assert re.search(r"numpy +epoch 1/1 .* val accuracy", sent)
    assert "numpy test accuracy" in sent


def test_without_a_terminal_it_says_so_trains_lists_and_resumes(tmp_path: Path) -> None:
    first = without_a_terminal(
        tmp_path, ["--data", "digits", "--epochs", "1", "--only", "numpy", "--name", "demo"]
    )
    assert first.returncode == 0
    said = first.stderr.splitlines()
    assert said[0] == "mlpwatch: the output is no terminal, so this trains without a screen"
    assert sum("epoch 1/1" in line for line in said) == 1
    assert "\x1b" not in first.stdout + first.stderr
    assert "run saved in saved/demo" in first.stdout

    listed = without_a_terminal(tmp_path, ["runs"])
    assert listed.returncode == 0
    assert re.search(
        r"^demo +digits +twin +128 +sgd +0\.3 +64 +1/1 +\d+\.\d\d% test",
        listed.stdout,
        re.MULTILINE,
    )

    done = without_a_terminal(tmp_path, ["resume", "demo", "--headless"])
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].endswith("continue with --epochs 11, say")

    longer = without_a_terminal(
        tmp_path, ["resume", "demo", "--headless", "--epochs", "2", "--json"]
    )
    assert longer.returncode == 0, longer.stderr
    assert json.loads(longer.stdout)["engines"]["numpy"]["ended"] == "finished"
    assert "epoch 2/2" in longer.stderr


def test_resume_shows_the_past_and_goes_on(tmp_path: Path) -> None:
    with watching(tmp_path, "--epochs", "2000", "--only", "numpy") as terminal:
        terminal.wait_for(lambda text: re.search(r"NumPy .* +[1-9]\d*/2000  training", text))
        terminal.send("q")
        assert terminal.wait_for_end() == 0
    steps = int(re.findall(r"stopped after ([\d,]+) steps", terminal.after_the_app()[-2])[0])
    with Terminal([*mlpwatch_command(), "resume", "demo"], tmp_path) as again:
        seen = again.wait_for(lambda text: re.search(r"NumPy .* +\d+/2000  training", text))
        assert re.search(r"val +\d+\.\d\d %", seen), "accuracies of the time before are known"
        again.send("q")
        assert again.wait_for_end() == 0
        after = int(re.findall(r"stopped after ([\d,]+) steps", again.after_the_app()[-2])[0])
    assert after >= steps


def test_keys_pressed_while_it_loads_hold(tmp_path: Path) -> None:
    with watching(tmp_path, "--epochs", "50", columns=140, rows=40) as terminal:
        # With warm files loading is over in a second: keys go in with the first frame.
        terminal.wait_for("mlpwatch")
        terminal.send(" [")
        terminal.wait_for("starts paused, space lets it train · at most 1000 steps/s")
        text = terminal.wait_for(lambda text: both_have("epoch  0/50  paused", text))
        assert "limit 1000 steps/s" in text
        terminal.send(" ")
        terminal.wait_for(lambda text: both_have(r"epoch +[1-9]\d*/50  training", text))


@pytest.mark.rare
def test_a_key_switches_lockstep_and_the_screen_says_so(tmp_path: Path) -> None:
    with watching(tmp_path, "--epochs", "5000", "--lockstep", columns=140, rows=40) as terminal:
        terminal.wait_for("lockstep, = ends it")
        terminal.wait_for(lambda text: both_have(r"epoch +[1-9]\d*/5000  training", text))
        terminal.send("1")
        terminal.wait_for("PyTorch waits for NumPy, which is paused")
        terminal.send("1=")
        terminal.wait_for("lockstep is off: each runs at its own speed")
        assert "lockstep, = ends it" not in terminal.text()
