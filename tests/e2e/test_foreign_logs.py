"""The log of another program, followed by the real command in a real terminal."""

import subprocess
from pathlib import Path

from tests.support.metrics_stage import write_lines
from tests.support.terminal import Terminal, assert_restored, environment, mlpwatch_command


def following(folder: Path, *paths: str, rows: int = 24) -> Terminal:
    command = [*mlpwatch_command(), "attach", *paths]
    return Terminal(command, folder, columns=80, rows=rows, env=environment())


def test_json_lines_are_followed_while_they_are_written(tmp_path: Path) -> None:
    log = write_lines(tmp_path / "log.jsonl", [{"step": 0, "train/loss": 2.0, "val/loss": 3.0}])
    with following(tmp_path, "log.jsonl") as terminal:
        terminal.wait_for("loss  2  3")
        terminal.wait_for("─ train  • val")
        write_lines(log, [{"step": 40, "train/loss": 1.5}], append=True)
        terminal.wait_for("step 40")
        terminal.wait_for("loss  1.5  3")
        with log.open("a") as file:
            file.write('{"step": 50, "train')
            file.flush()
            terminal.send("S")
            terminal.wait_for("smooth 0.6")
            file.write('/loss": 1.25}\n')
        terminal.wait_for("loss  1.25  3")
        # The program restarts from step 20.
        write_lines(log, [{"step": 20, "train/loss": 1.75}], append=True)
        terminal.wait_for("loss  1.75  3")
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert_restored(terminal)


def test_two_logs_stand_beside_each_other_and_sigterm_ends_it(tmp_path: Path) -> None:
    (tmp_path / "keras.csv").write_text("epoch,loss,val_loss\n0,2.0,3.0\n1,1.0,2.5\n")
    write_lines(tmp_path / "torch.jsonl", [{"epoch": 0, "train_loss": 4.0, "val_loss": 5.0}])
    with following(tmp_path, "keras.csv", "torch.jsonl") as terminal:
        terminal.wait_for("loss  1  2.5")
        terminal.wait_for("loss  4  5")
        terminal.process.terminate()
        assert terminal.wait_for_end() == 143


def test_what_can_t_be_read_is_one_line_and_status_2(tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\xff\x00")
    for name in ("picture.png", "nothing.jsonl"):
        command = [*mlpwatch_command(), "attach", name]
        with Terminal(command, tmp_path, env=environment()) as terminal:
            assert terminal.wait_for_end() == 2
            text = " ".join(terminal.text().split())
        assert "Traceback" not in text
        wanted = (
            "a binary file; mlpwatch reads TensorBoard" if name.endswith("png") else "not found"
        )
        assert wanted.replace(" ", "") in text.replace(" ", "")
    (tmp_path / "zeros.tfevents.1").write_bytes(b"\0" * 500)
    done = subprocess.run(
        [*mlpwatch_command(), "attach", "zeros.tfevents.1"], cwd=tmp_path, env=environment(),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "zeros.tfevents.1: a file of zeros, not an event file as its name says" in done.stderr
