"""config.toml: defaults that options override; what is wrong is one line that names the file."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlpwatch.core.cli.setup.own_defaults import CONFIG_VARIABLE, FILE_NAME
from mlpwatch.core.errors import InputError
from mlpwatch.core.runs.run import Run
from mlpwatch.tui.__main__ import main
from mlpwatch.tui.formatting import rename_keys, with_keys
from mlpwatch.tui.kit.keys import KEYS, bindings
from mlpwatch.tui.kit.own_keys import rebind
from tests.support.checkout import SOURCE
from tests.support.samples.scenes import training
from tests.support.stage import on_stage
from tests.support.terminal import environment

SMALL = ("--hidden", "8", "--epochs", "1", "--threads", "1", "--only", "numpy", "--name", "one")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the file, and the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path))
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text)
    return path


def test_the_settings_are_defaults_and_options_win(folder: Path) -> None:
    write(folder, 'saved = "mine"\ndata = "digits"\nfps = 2\n')
    assert main(["train", *SMALL]) == 0
    assert Run.open(folder / "mine", "one").config.data == "digits"
    assert main(["train", *SMALL, "--saved", "given", "--data", "digits"]) == 0
    assert (folder / "given" / "one").is_dir()


WRONG = {
    'colour = "red"': "colour: no such setting; expected one of theme, fps",
    "fps = 0": "fps = 0: expected a number above 0, up to 60",
    "fps = true": "fps = True: expected a number",
    "notify = 1": "notify = 1: expected true or false",
    "theme = 3": "theme = 3: expected a name",
    'keys = "m"': "keys = 'm': expected a table",
    "theme = ": "expected TOML",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_one_line_that_names_the_file(
    text: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(folder, text)
    assert main(["runs"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"mlpwatch: {path}: ")
    assert WRONG[text] in line


def test_a_file_that_cannot_be_read_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads every file")
    write(folder, "fps = 2").chmod(0)
    assert main(["runs"]) == 2
    assert "make it readable" in capsys.readouterr().err


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_one_line(
    make: Callable[[Path], None], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(folder / FILE_NAME)
    assert main(["runs"]) == 2
    assert f"{folder / FILE_NAME}: not a file; " in capsys.readouterr().err


def test_without_a_file_nothing_is_imported_for_it(folder: Path) -> None:
    program = "import sys; from mlpwatch.tui.__main__ import main; main(['runs']); "
    program += "print('tomllib' in sys.modules)"
    env = environment(**{CONFIG_VARIABLE: str(folder)})
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "False"


@pytest.fixture
def _table() -> object:
    before = list(KEYS)
    yield
    KEYS[:] = before
    rename_keys({})


@pytest.mark.usefixtures("_table")
def test_keys_take_each_others_place() -> None:
    rebind({"m": "M", "?": "f1", "]": "(", "[": ")"}, "file")
    everywhere = {key.action: key for key in KEYS if key.where in ("everywhere", "dashboard")}
    assert everywhere["help"].keys == "f1"
    assert everywhere["faster"].keys == "left_parenthesis"
    assert everywhere["app.mistakes"].shown == "M"
    assert "left_parenthesis" in {getattr(one, "key", "") for one in bindings("everywhere")}


@pytest.mark.usefixtures("_table")
async def test_texts_name_the_own_keys() -> None:
    rebind({"tab": "f2", "space": "@", "=": "%"}, "file")
    async with on_stage(training(), size=(80, 24)) as stage:
        await stage.press("z")
        assert "one panel fills this screen; f2 shows the next" in stage.text()
        await stage.press("tab")
        assert "accuracy" in stage.text()
        await stage.press("full_stop")
        assert "@ pauses; then . trains one batch" in stage.text()
        await stage.press("equals_sign")
        assert "lockstep, % ends it" in stage.row("lockstep, ")
    rename_keys({})
    assert with_keys("{tab} or {ctrl+c}; {[} {]}") == "tab or ctrl+c; [ ]"


OWN_KEY = re.compile(r"\{([^{}\s\\0-9]|[a-z]+(?:\+[a-z])?)\}")


def test_every_key_in_a_text_is_one() -> None:
    known, found = {key.shown for key in KEYS}, set[str]()
    for path in (SOURCE / "mlpwatch" / "tui").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= set(OWN_KEY.findall(node.value))
    assert found - known == {"size", "socket"}, "but for places in templates, all are keys"
    assert {"X", "tab", "enter", "=", "]"} <= found


@pytest.mark.parametrize(
    ("new", "said"),
    [({"?": "s"}, "'s' would mean two things"), ({"€": "s"}, "'€': no such key")],
)
@pytest.mark.usefixtures("_table")
def test_a_wrong_key_is_one_line(new: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        rebind(new, "/a/config.toml")
    assert str(caught.value).startswith("/a/config.toml: keys: ")
