"""Terminals of every kind get what they can show: colours, characters, mouse; GNU screen too."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.terminal import Terminal, environment, mlpwatch_command
from tests.support.waiting import DEADLINE_SECONDS, wait_until

pytestmark = pytest.mark.xdist_group("terminal")

SCREEN = shutil.which("screen")

OPTIONS = ["--data", "digits", "--epochs", "9000", "--only", "numpy", "--name", "demo"]

BASIC = {*range(30, 38), *range(40, 48), *range(90, 98), *range(100, 108)}


def colour_systems(received: bytes) -> set[str]:
    """Return the colour systems that SGR sequences (ECMA-48, 8.3.117) name colours of."""
    found = set()
    for sequence in re.findall(rb"\x1b\[([\d;]*)m", received):
        parameters = [int(number or 0) for number in sequence.split(b";")]
        while parameters:
            number = parameters.pop(0)
            if number in (38, 48):
                kind = parameters.pop(0)
                found.add({2: "truecolor", 5: "256"}[kind])
                del parameters[: 3 if kind == 2 else 1]
            elif number in BASIC:
                found.add("16")
    return found


def sent(folder: Path, **variables: str) -> bytes:
    """Return what the dashboard sends until the first epoch is shown, and then to the end."""
    env = environment(**variables)
    # Unset here: what puts the program into its terminal is Python too, and sets LC_CTYPE.
    unset = [part for name, value in variables.items() if not value for part in ("-u", name)]
    command = ["env", *unset, *mlpwatch_command(), *OPTIONS]
    with Terminal(command, folder, env=env) as terminal:
        terminal.wait_for(lambda text: re.search(r"NumPy .* +[1-9]\d*/9000  training", text))
        terminal.send("o")
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert terminal.attributes_after == terminal.attributes_before
        return terminal.received()


@pytest.mark.parametrize(
    ("system", "variables"),
    [
        ("truecolor", {"COLORTERM": "truecolor"}),
        ("256", {"COLORTERM": "", "TERM": "xterm-256color"}),
        pytest.param("16", {"COLORTERM": "", "TERM": "linux"}, marks=pytest.mark.rare),
        pytest.param("none", {"COLORTERM": "", "TERM": "vt100"}, marks=pytest.mark.rare),
        ("none", {"COLORTERM": "truecolor", "NO_COLOR": "1"}),
    ],
    ids=["truecolor", "256", "16", "vt100", "NO_COLOR"],
)
def test_only_colours_of_the_terminal_are_sent(
    system: str, variables: dict[str, str], tmp_path: Path
) -> None:
    found = colour_systems(sent(tmp_path, **variables))
    if system == "truecolor":
        # A grey of the 256 colours is the same grey, and shorter to say.
        found.discard("256")
    assert found == {system} - {"none"}


LIGHT_GROUND = re.compile(rb"48;2;2[0-5]\d;2[0-5]\d;2[0-5]\d")


def test_a_light_terminal_gets_dark_letters_and_its_answer_is_no_key(tmp_path: Path) -> None:
    env = environment(COLORTERM="truecolor")
    with Terminal([*mlpwatch_command(), *OPTIONS], tmp_path, env=env) as terminal:
        wait_until(lambda: b"\x1b]11;?\x1b\\" in terminal.received())
        terminal.wait_for(lambda text: re.search(r"NumPy .* +[1-9]\d*/9000  training", text))
        assert not LIGHT_GROUND.search(terminal.received())
        for part in ("\x1b]11;rgb:ff", "ff/ffff/ffff", "\x1b\\"):
            terminal.send(part)
        wait_until(lambda: LIGHT_GROUND.search(terminal.received()))
        terminal.send("q")
        assert terminal.wait_for_end() == 0


@pytest.mark.parametrize(
    "variables",
    [
        pytest.param({"LC_ALL": "POSIX"}, marks=pytest.mark.rare),
        {"LC_ALL": "", "LC_CTYPE": "", "LANG": "C"},
    ],
    ids=["LC_ALL=POSIX", "LANG=C"],
)
def test_a_locale_that_is_not_utf8_gets_ascii(variables: dict[str, str], tmp_path: Path) -> None:
    assert sent(tmp_path, **variables).isascii()


@pytest.fixture
def screen_folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "sockets"
    folder.mkdir(mode=0o700)
    yield folder
    quitting = [SCREEN or "", "-S", "demo", "-X", "quit"]
    subprocess.run(
        quitting, env=environment(SCREENDIR=str(folder)), check=False, capture_output=True,
        timeout=DEADLINE_SECONDS,
    )  # fmt: skip


@pytest.mark.skipif(SCREEN is None, reason="GNU screen is not installed")
@pytest.mark.rare
def test_inside_screen_it_is_whole_after_a_detach_and_at_another_size(
    tmp_path: Path, screen_folder: Path
) -> None:
    env = environment(SCREENDIR=str(screen_folder), LC_ALL="C.UTF-8")
    status = tmp_path / "status"
    line = shlex.join([*mlpwatch_command(), *OPTIONS]) + f"; echo $? > {shlex.quote(str(status))}"
    start = [SCREEN or "", "-c", "/dev/null", "-U", "-S", "demo", "sh", "-c", line]
    with Terminal(start, tmp_path, columns=100, rows=30, env=env) as terminal:
        terminal.wait_for(lambda text: re.search(r"NumPy .* +[1-9]\d*/9000  training", text))
        terminal.wait_for("? help  q quit")
        terminal.send(" ")
        terminal.wait_for(lambda text: re.search(r"/9000  paused", text))
        terminal.send("\x01d")
        assert terminal.wait_for_end() == 0
    again = [SCREEN or "", "-U", "-r", "demo"]
    with Terminal(again, tmp_path, columns=140, rows=40, env=env) as terminal:
        # The footer comes before the columns where the screen is drawn in more than one go.
        seen = terminal.wait_for(
            lambda text: (
                "accuracy %" in text
                and "? help  q quit" in text
                and re.search(r"^ NumPy +[━╸─]", text, re.MULTILINE)
                and re.search(r"\d+/9000  paused", text)
            )
        )
        rows = seen.split("\n")
        assert rows[0].startswith(" mlpwatch  digits")
        assert len(re.findall(r"^ NumPy +[━╸─]", seen, re.MULTILINE)) == 1
        assert len(re.findall(r"\d+/9000  paused", seen)) == 1
        terminal.send("q")
        wait_until(status.exists)
        assert terminal.wait_for_end() == 0
    assert status.read_text().strip() == "0"
