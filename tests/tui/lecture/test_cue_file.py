"""Cue files: what each line means, and what is wrong in one that is not understood."""

import re
from pathlib import Path

import pytest

from mlpwatch.core.errors import InputError
from mlpwatch.tui.__main__ import main
from mlpwatch.tui.lecture.cue_file import Cue, Moment, check_cues, plan_pause, read_cues
from tests.support.checkout import CHECKOUT

TALK = """\
# A talk.

start     say   Two networks,   one seed.
epoch 1   pause
          open  why
+2.5s     back
          resume
epoch 3   pause
\tpress o
end       say
"""


def read(folder: Path, text: str) -> tuple[Cue, ...]:
    path = folder / "talk.cues"
    path.write_text(text)
    return read_cues(path)


def test_a_line_has_a_moment_an_action_and_what_it_is_about(tmp_path: Path) -> None:
    at_once = Moment("after")
    assert read(tmp_path, TALK) == (
        Cue(3, Moment("start"), "say", "Two networks, one seed."),
        Cue(4, Moment("epoch", 1), "pause"),
        Cue(5, at_once, "open", "why"),
        Cue(6, Moment("after", 2.5), "back"),
        Cue(7, at_once, "resume"),
        Cue(8, Moment("epoch", 3), "pause"),
        Cue(9, at_once, "press", "o"),
        Cue(10, Moment("end"), "say"),
    )


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("at 3 pause", "'at 3 pause': expected start, epoch N, +Ns or end first, or a space"),
        ("starting pause", "'starting pause': expected start"),
        ("epoch 0 pause", "epoch '0': expected a number from 1 on"),
        ("epoch ٣ pause", "expected a number from 1 on"),
        ("epoch 2 puase", "action 'puase': expected one of say, pause, resume, open, back, press"),
        ("epoch 2", "action '': expected one of say"),
        ("+soon back", "'+soon': expected seconds, like +20s"),
        ("+99999s back", "'+99999s': expected seconds"),
        ("start open door", "open 'door': expected one of mistakes, why"),
        ("start press F99", "press 'F99': expected a key of the help, like o"),
        ("start pause now", "pause 'now': expected nothing after pause"),
        ("start say " + 201 * "x", "say: 201 characters; expected at most 200"),
        ("start say \x1b]0;x\x07", "expected printable text"),
        ("epoch 1 pause\nstart say late", ":2: start: expected before all other moments"),
        ("epoch 2 pause\nepoch 1 pause", ":2: epoch 1: expected after epoch 2"),
        ("end say x\nepoch 1 pause", ":2: epoch: expected before end"),
        ("# nothing\n", "no cue in it"),
        (100_001 * "#", "expected at most 100,000 bytes"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_the_line(
    tmp_path: Path, line: str, fault: str
) -> None:
    with pytest.raises(InputError) as raised:
        read(tmp_path, line)
    assert fault in str(raised.value)
    assert str(raised.value).isprintable()


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"start say caf\xe9\n")
    for name, fault in (("none", "no such file"), (".", "not a file"), ("latin", "UTF-8")):
        with pytest.raises(InputError, match=fault):
            read_cues(tmp_path / name)


def test_a_run_must_be_long_enough_and_have_a_screen(tmp_path: Path) -> None:
    cues = read(tmp_path, TALK)
    check_cues(cues, 3, "")
    with pytest.raises(InputError, match="line 8 waits for epoch 3, and the run has 2"):
        check_cues(cues, 2, "")
    with pytest.raises(InputError, match="--cues: the output is no terminal"):
        check_cues(cues, 3, "the output is no terminal")


def test_the_readme_s_talk_is_understood_and_needs_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (talk,) = re.findall(r"```\n(# moment .*?)```", (CHECKOUT / "README.md").read_text(), re.DOTALL)
    assert len(read(tmp_path, talk)) == len(talk.splitlines()) - 1
    assert main(["--saved", str(tmp_path), "--cues", str(tmp_path / "talk.cues")]) == 2
    assert "--cues: the output is no terminal; a talk needs a screen" in capsys.readouterr().err


class PlannedRun:
    """A run that notes where it is to pause."""

    def __init__(self) -> None:
        self.pauses: list[int] = []

    def pause_at_epoch(self, epoch: int) -> None:
        self.pauses.append(epoch)


def test_the_next_pause_is_planned_before_its_epoch_begins(tmp_path: Path) -> None:
    cues, run = read(tmp_path, TALK), PlannedRun()
    for done in range(len(cues)):
        plan_pause(run, cues[done:])
    assert run.pauses == [1, 1, 3, 3, 3, 3]
    plan_pause(object(), cues)  # a run of another process can't plan
