"""The real command in odd surroundings: encodings, folders, descriptors, variables, names."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from mlpwatch.core.runs.run import Run
from tests.support.checkout import CHECKOUT, SOURCE
from tests.support.samples.data_kinds import NAMED, READ, REFUSED
from tests.support.terminal import Terminal, assert_restored, environment, mlpwatch_command
from tests.support.waiting import DEADLINE_SECONDS

pytestmark = pytest.mark.xdist_group("surroundings")

SMALL = ("--data", "digits", "--hidden", "8", "--epochs", "1", "--only", "numpy")

LETTERS = re.compile(r"A +B .* Y +Z$", re.MULTILINE)

LATIN_1, JAPANESE = "en_US.ISO-8859-1", "ja_JP.EUC-JP"


def at_full_speed(terminal: Terminal) -> None:
    """Lift the limit that a short run begins with."""
    terminal.wait_for("] lifts it")
    terminal.send("]")


def call(
    folder: Path, *arguments: str, before: Sequence[str] = (), **env: str
) -> "subprocess.CompletedProcess[bytes]":
    env.setdefault("MLPWATCH_CACHE", str(folder / "cache"))
    return subprocess.run(
        [*before, *mlpwatch_command(), *arguments], cwd=folder, env=environment(**env),
        capture_output=True, timeout=DEADLINE_SECONDS, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def one_line(done: "subprocess.CompletedProcess[bytes]", status: int, *words: str) -> None:
    """Check that a command ended with this status and one line on stderr that has the words."""
    said = done.stderr.decode()
    assert done.returncode == status, said
    (line,) = said.splitlines()
    assert line.startswith("mlpwatch: ")
    for word in words:
        assert word in line


@pytest.fixture(scope="module")
def locales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two locales that are not UTF-8."""
    folder = tmp_path_factory.mktemp("locales")
    make = shutil.which("localedef")
    for name in (LATIN_1, JAPANESE) if make else ():
        language, _, encoding = name.partition(".")
        command = [str(make), "-i", language, "-f", encoding, "--no-archive", str(folder / name)]
        subprocess.run(command, capture_output=True, check=False)
    if not all((folder / name).is_dir() for name in (LATIN_1, JAPANESE)):
        pytest.skip("localedef and the sources of locales are missing")
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a small trained run, `saved/first`."""
    folder = tmp_path_factory.mktemp("trained")
    assert call(folder, "train", *SMALL, "--name", "first").returncode == 0
    return folder


@pytest.mark.parametrize("name", [LATIN_1, pytest.param(JAPANESE, marks=pytest.mark.rare)])
def test_a_locale_that_is_not_utf_8_gets_what_it_can_write(
    tmp_path: Path, locales: Path, name: str
) -> None:
    env = {"LOCPATH": str(locales), "LC_ALL": name, "PYTHONUTF8": "0"}
    done = call(tmp_path, "train", *SMALL, "--name", "first", **env)
    assert done.returncode == 0, done.stderr
    assert b"numpy test accuracy" in done.stdout
    assert b"Error" not in done.stderr
    shutil.copytree(tmp_path / "saved/first", tmp_path / "saved/数字")
    (tmp_path / "saved/damaged").mkdir()
    listed = call(tmp_path, "runs", **env)
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.count(b"first") == 1
    assert call(tmp_path, "--help", **env).returncode == 0


@pytest.mark.parametrize(
    "encoding", ["ascii", pytest.param("latin-1:strict", marks=pytest.mark.rare), "utf-16"]
)
def test_any_encoding_of_the_streams_will_do(trained: Path, encoding: str) -> None:
    for arguments in (["runs"], ["--help"], ["train", "--data", "…", *SMALL[2:]]):
        done = call(trained, *arguments, PYTHONIOENCODING=encoding)
        assert done.returncode == (2 if "…" in arguments else 0), done.stderr
        assert "Traceback" not in done.stderr.decode("latin-1").replace("\0", "")


def test_columns_of_the_list_are_counted_in_cells(trained: Path) -> None:
    saved = trained / "wide"
    shutil.copytree(trained / "saved", saved)
    (saved / "first").rename(saved / "数字認識一号")
    shutil.copytree(trained / "saved/first", saved / "plain")
    lines = call(trained, "runs", "--saved", "wide").stdout.decode().splitlines()
    columns = [line.index("digits") + sum(c > "\u2e80" for c in line) for line in lines[1:]]
    assert len(lines) == 3
    assert set(columns) == {lines[0].index("data")}


def nobody(*arguments: str, folder: Path, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run as a user without a home and an entry in /etc/passwd."""
    as_nobody = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"]
    places = [str(SOURCE), *(path for path in sys.path if path.endswith("site-packages"))]
    variables = {
        "LANG": "C.UTF-8", "TERM": "xterm-256color", "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(places), "PYTHONDONTWRITEBYTECODE": "1", **env,
    }  # fmt: skip
    return subprocess.run(
        [*as_nobody, nobodys_python(), *arguments], cwd=folder, env=variables, text=True,
        capture_output=True, timeout=DEADLINE_SECONDS, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def nobodys_python() -> str:
    """Return an interpreter that a user without rights may run on this checkout; skip without."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        # Also the checkout: a clone below a folder of mode 0700 is read by nobody else.
        look = f"open({str(CHECKOUT / 'pyproject.toml')!r})"
        test = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", python, "-c", look]
        possible = os.getuid() == 0 and shutil.which("setpriv") and Path(python).exists()
        if possible and subprocess.run(test, capture_output=True, check=False).returncode == 0:
            return python
    pytest.skip("needs root, who may become a user without a home, and what both may read")


@pytest.fixture
def anyones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that every user may write."""
    folder = Path(os.path.realpath(tmp_path_factory.mktemp("anyones")))
    for parent in (folder, *folder.parents):
        if parent != Path("/tmp") and parent.is_relative_to("/tmp"):
            parent.chmod(0o755)
    folder.chmod(0o777)
    return folder


def test_a_user_without_a_home_trains_and_is_asked_for_a_cache(anyones: Path) -> None:
    done = nobody("-m", "mlpwatch", "train", *SMALL[2:], folder=anyones)
    assert done.returncode == 0, done.stderr
    assert "run saved in saved/" in done.stdout
    done = nobody("-m", "mlpwatch", "data", "fetch", "mnist", folder=anyones)
    assert done.returncode == 2
    assert done.stderr.startswith("mlpwatch: MLPWATCH_CACHE: not set, and this user has no home")
    assert done.stderr.count("\n") == 1


def test_a_user_without_a_home_draws_but_keeps_nothing(anyones: Path) -> None:
    script = (
        "from mlpwatch.core.data.dataset import load_dataset\n"
        "from mlpwatch.core.drawing.own_set import DrawingSet\n"
        "from mlpwatch.core.errors import DataError\n"
        "kept = DrawingSet.for_dataset(load_dataset('digits', 0, '0..1'))\n"
        "try: kept.read()\n"
        "except DataError as error: print(error)\n"
    )
    done = nobody("-c", script, folder=anyones)
    assert done.stdout.startswith("MLPWATCH_DRAWINGS: not set"), done.stderr


@pytest.mark.parametrize("arguments", [["train", *SMALL], ["runs"], ["resume"], ["attach"], []])
def test_a_deleted_working_folder_is_one_line(tmp_path: Path, arguments: list[str]) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    before = ["sh", "-c", f'rmdir "{gone}"; exec "$@"', "sh"]
    one_line(call(gone, *arguments, before=before), 2, "working folder: no such file", "cd to")


def test_a_deleted_working_folder_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    command = ["sh", "-c", f'rmdir "{gone}"; exec "$@"', "sh", *mlpwatch_command(), *SMALL]
    with Terminal(command, gone) as terminal:
        assert terminal.wait_for_end() == 2
        assert terminal.attributes_after == terminal.attributes_before
        assert b"cd to another" in terminal.received()


def test_a_package_called_core_of_ones_own_is_left_alone(trained: Path) -> None:
    own = trained / "own"
    (own / "core").mkdir(parents=True)
    (own / "core/__init__.py").write_text("raise SystemExit('the wrong core')\n")
    (own / "tui.py").write_text("raise SystemExit('the wrong tui')\n")
    done = call(trained, "runs", PYTHONPATH=str(own))
    assert done.returncode == 0, done.stderr
    assert b"first" in done.stdout


def test_a_tilde_behind_an_equals_sign_is_the_home_folder(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    done = call(tmp_path, "train", *SMALL, "--saved=~/runs", "--name", "first", HOME=str(home))
    assert done.returncode == 0, done.stderr
    assert (home / "runs/first/config.json").is_file()
    assert not (tmp_path / "~").exists()
    one_line(call(tmp_path, "runs", "--saved=~nobody-of-this-name/x"), 2, "no such home folder")


@pytest.mark.parametrize(
    "closed",
    ["0", "1", "2", "0,1,2", *(pytest.param(c, marks=pytest.mark.rare) for c in ("0,1", "1,2"))],
)
def test_closed_descriptors_are_not_written_over(tmp_path: Path, closed: str) -> None:
    closing = " ".join(f"{number}>&-" for number in closed.split(","))
    before = ["sh", "-c", f'exec "$@" {closing}', "sh"]
    done = call(tmp_path, "train", *SMALL, "--json", "--name", "first", before=before)
    assert done.returncode == 0
    if "1" not in closed:
        assert list(json.loads(done.stdout)["engines"]) == ["numpy"]
    assert "2" in closed or b"epoch 1/1" in done.stderr
    run = Run.open(tmp_path / "saved", "first")
    assert run.read_latest("numpy") is not None
    for file in run.path.iterdir():
        assert b"samples/s" not in (file.read_bytes() if file.is_file() else b"")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TEXTUAL_DRIVER", "garbage"),
        ("TEXTUAL_DRIVER", "no.such:Driver"),
        ("TEXTUAL_DRIVER", "os:path"),
        ("TEXTUAL_COLOR_SYSTEM", "garbage"),
        ("TEXTUAL_LOG", "/no/such/folder/log"),
        ("TEXTUAL_FPS", "9" * 21),
        ("ESCDELAY", "9" * 400),
    ],
)
def test_garbage_in_textuals_variables_is_one_line(tmp_path: Path, name: str, value: str) -> None:
    with Terminal([*mlpwatch_command(), *SMALL], tmp_path, env=environment(**{name: value})) as t:
        assert t.wait_for_end() == 2
        said = t.received().decode()
    assert said.startswith(f"mlpwatch: {name}="), said
    assert said.count("\n") == 1
    assert "unset it" in said
    assert not (tmp_path / "saved").exists()


@pytest.mark.parametrize(
    "name",
    [
        "TEXTUAL_THEME",
        *(pytest.param(n, marks=pytest.mark.rare) for n in ("TEXTUAL_ANIMATIONS", "TEXTUAL_FPS")),
    ],
)
def test_what_textual_passes_over_does_no_harm(tmp_path: Path, name: str) -> None:
    env = environment(**{name: "garbage"})
    with Terminal([*mlpwatch_command(), *SMALL], tmp_path, env=env) as terminal:
        at_full_speed(terminal)
        terminal.wait_for("1/1")
        terminal.send("q")
        assert terminal.wait_for_end() == 0


def test_a_run_of_a_hostile_name_is_taken_leave_of_in_plain_text(trained: Path) -> None:
    hostile = "x\x1b]0;stolen\x07\x1b[31m"
    shutil.copytree(trained / "saved/first", trained / "hostile" / hostile)
    command = [*mlpwatch_command(), "attach", hostile, "--saved", "hostile"]
    with Terminal(command, trained) as terminal:
        terminal.wait_for("1/1")
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert_restored(terminal)
        after = terminal.received().rpartition(b"\x1b[?1049l")[2]
        assert rb"x\x1b]0;stolen\x07" in after
        assert b"\x1b]0;stolen" not in after


@pytest.mark.rare
def test_without_a_name_the_newest_run_is_meant(trained: Path) -> None:
    assert call(trained, "train", *SMALL, "--name", "second").returncode == 0
    done = call(trained, "resume", "--headless", "--epochs", "2")
    assert done.returncode == 0, done.stderr
    assert b"run saved in saved/second" in done.stdout
    with Terminal([*mlpwatch_command(), "attach"], trained) as terminal:
        terminal.wait_for("2/2")
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert "second" in terminal.after_the_app()[-1]
    one_line(call(trained, "resume", "--headless", "--saved", "none"), 2, "no run in it")


def test_moved_data_are_asked_for_and_then_remembered(tmp_path: Path) -> None:
    READ["idx"](tmp_path / "data")
    train = ["train", "--data", "data", "--hidden", "8", "--only", "numpy", "--epochs"]
    assert call(tmp_path, *train, "1", "--name", "first").returncode == 0
    (tmp_path / "data").rename(tmp_path / "moved")
    resume = ["resume", "first", "--headless", "--epochs"]
    done = call(tmp_path, *resume, "2")
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.decode().splitlines() if line.startswith("mlpwatch: ")]
    assert "data': no such file" in line
    assert "where they have moved, give their new path with --data" in line
    assert call(tmp_path, *resume, "2", "--data", "moved").returncode == 0
    assert Run.open(tmp_path / "saved", "first").config.data == str(tmp_path / "moved")
    assert call(tmp_path, *resume, "3").returncode == 0


def test_letters_are_shown_as_letters_even_where_the_data_are_gone(tmp_path: Path) -> None:
    NAMED["letters.npz"][0](tmp_path / "letters.npz")
    command = [*mlpwatch_command(), "--data", "letters.npz", "--epochs", "3", "--only", "numpy"]
    with Terminal(command, tmp_path, columns=140, rows=50) as terminal:
        terminal.wait_for(lambda text: "3/3" in text and LETTERS.search(text))
        terminal.send("q")
        assert terminal.wait_for_end() == 0
    (tmp_path / "letters.npz").unlink()
    command = [*mlpwatch_command(), "attach"]
    with Terminal(command, tmp_path, columns=140, rows=50) as terminal:
        terminal.wait_for(lambda text: "3/3" in text and LETTERS.search(text))
        terminal.send("q")
        assert terminal.wait_for_end() == 0


@pytest.mark.parametrize("name", ["mnist.pkl.gz", "page.npz", "two sets", "colour.npz"])
def test_unfit_files_are_one_line_of_the_real_command(tmp_path: Path, name: str) -> None:
    write, words = REFUSED[name]
    write(tmp_path / name)
    one_line(call(tmp_path, "train", "--data", name), 2, *words)
    assert not (tmp_path / "saved").exists()


@pytest.mark.rare
def test_a_theme_is_chosen_by_its_name(tmp_path: Path) -> None:
    with Terminal([*mlpwatch_command(), *SMALL, "--theme", "light"], tmp_path) as terminal:
        terminal.wait_for("training")
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        light = terminal.received()
    with Terminal([*mlpwatch_command(), *SMALL], tmp_path) as terminal:
        terminal.wait_for("training")
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert light[:4000] != terminal.received()[:4000]
    with Terminal([*mlpwatch_command(), "--theme", "neon"], tmp_path) as terminal:
        assert terminal.wait_for_end() == 2
        assert b"--theme: 'neon': expected one of ansi-" in terminal.received()
