"""The wheel in an environment of its own: one name at its top, and it trains and draws."""

import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

import mlpwatch
from tests.support.checkout import CHECKOUT
from tests.support.terminal import Terminal, assert_restored, environment
from tests.support.waiting import DEADLINE_SECONDS

pytestmark = pytest.mark.xdist_group("package")

NAMED = f"mlpwatch-{mlpwatch.__version__}"

BUILD_SECONDS = 300


def run(command: Sequence[object], folder: Path) -> "subprocess.CompletedProcess[str]":
    env = environment(PYTHONPATH="", PIP_NO_INDEX="1", PIP_DISABLE_PIP_VERSION_CHECK="1")
    return subprocess.run(
        [str(part) for part in command], cwd=folder, env=env, capture_output=True, text=True,
        timeout=BUILD_SECONDS, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the sdist, and the wheel that was built from it."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for folder in (".src", "core", "tui"):
        unwanted = ignore_patterns("__pycache__", "*.egg-info")
        copytree(CHECKOUT / folder, source / folder, symlinks=True, ignore=unwanted)
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        (source / file).write_bytes((CHECKOUT / file).read_bytes())
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", built, source]
    done = run(build, source)
    assert done.returncode == 0, done.stdout + done.stderr
    return built


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a fresh environment in which the wheel is installed and its dependencies are found."""
    fresh = tmp_path_factory.mktemp("fresh") / "env"
    made = run([sys.executable, "-m", "venv", "--without-pip", fresh], built)
    assert made.returncode == 0, made.stderr
    (wheel,) = built.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--python", fresh / "bin/python", "install", "--no-deps"]
    done = run([*pip, wheel], built)
    assert done.returncode == 0, done.stdout + done.stderr
    return fresh


def site_packages(env: Path) -> Path:
    (found,) = env.glob("lib/python*/site-packages")
    return found


@pytest.fixture(scope="module")
def usable(installed: Path) -> Path:
    """Return the environment's commands, which find the dependencies of the tests' own."""
    # A .pth file of a folder that is named in one is not read: no checkout comes with them.
    folders = [path for path in sys.path if path.endswith("site-packages")]
    (site_packages(installed) / "dependencies.pth").write_text("\n".join(folders) + "\n")
    return installed / "bin"


def test_the_wheel_has_one_name_at_its_top(installed: Path) -> None:
    names = {path.name for path in site_packages(installed).iterdir()}
    assert names - {"dependencies.pth"} == {"mlpwatch", f"{NAMED}.dist-info"}


def test_the_sdist_holds_what_the_wheel_is_built_from(built: Path) -> None:
    assert {path.name for path in built.iterdir()} == {
        f"{NAMED}.tar.gz", f"{NAMED}-py3-none-any.whl"
    }  # fmt: skip
    with tarfile.open(built / f"{NAMED}.tar.gz") as archive:
        names = archive.getnames()
    for name in ("LICENSE", "README.md", ".src/mlpwatch/py.typed", ".src/mlpwatch/core/config.py"):
        assert f"{NAMED}/{name}" in names


def test_it_runs_from_its_own_folder_and_says_its_version(usable: Path, tmp_path: Path) -> None:
    say = "import mlpwatch.core.config as c, mlpwatch.tui as t; print(c.__file__, t.__file__)"
    done = run([usable / "python", "-c", say], tmp_path)
    assert done.stdout.count(str(site_packages(usable.parent))) == 2, done.stderr
    for command in ([usable / "mlpwatch"], [usable / "python", "-m", "mlpwatch"]):
        assert run([*command, "--version"], tmp_path).stdout == f"mlpwatch {mlpwatch.__version__}\n"


def test_the_module_trains(usable: Path, tmp_path: Path) -> None:
    options = ["--data", "digits", "--hidden", "8", "--epochs", "1", "--name", "first"]
    done = run([usable / "python", "-m", "mlpwatch", "train", *options], tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "run saved in saved/first"
    assert (tmp_path / "saved/first/torch.safetensors").is_file()


def test_the_command_draws_a_screen(usable: Path, tmp_path: Path) -> None:
    env = environment(PYTHONPATH="", MLPWATCH_CACHE=str(tmp_path / "cache"))
    with Terminal([str(usable / "mlpwatch"), "--epochs", "2000"], tmp_path, env=env) as terminal:
        terminal.wait_for(lambda text: text.count("/2000") >= 2 and "? help" in text)
        terminal.send("q")
        assert terminal.wait_for_end(DEADLINE_SECONDS) == 0
        assert_restored(terminal)
    assert len(list((tmp_path / "saved").iterdir())) == 1
