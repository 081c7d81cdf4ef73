"""A talk in a real terminal: `--cues`."""

from pathlib import Path

from tests.support.terminal import Terminal, environment, mlpwatch_command

SMALL = ("--data", "digits", "--hidden", "8", "--epochs", "3", "--name", "demo")


def test_a_talk_pauses_both_models_where_it_says(tmp_path: Path) -> None:
    (tmp_path / "talk.cues").write_text(
        "epoch 2  pause\n         say    Two epochs, no more.\nend      say    All done.\n"
    )
    # 500 steps a second: an epoch lasts a fifth of the time between two looks at what is due.
    command = [*mlpwatch_command(), *SMALL, "--cues", "talk.cues"]
    with Terminal(command, tmp_path, env=environment()) as terminal:
        terminal.wait_for("both start")
        terminal.send("]" * 10)
        terminal.wait_for("Two epochs, no more.")
        terminal.wait_for(lambda text: text.count("2/3  paused") == 2)
        terminal.send(" ")
        terminal.wait_for("All done.")
        terminal.wait_for(lambda text: text.count("3/3") == 2)
        terminal.send("q")
        assert terminal.wait_for_end() == 0
