"""Every key of the table does what its help says, and the table is all that there is."""

import inspect
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from textual.actions import parse
from textual.binding import Binding
from textual.keys import _character_to_key
from textual.screen import Screen

from mlpwatch.tui.app import MlpwatchApp
from mlpwatch.tui.dashboard.screen import Dashboard
from mlpwatch.tui.draw.screen import DrawScreen
from mlpwatch.tui.explain.screen import ExplainScreen
from mlpwatch.tui.groups.screen import GroupScreen
from mlpwatch.tui.help.text import help_text
from mlpwatch.tui.kit.dialogs import Confirmation, LineEntry
from mlpwatch.tui.kit.keys import KEYS, Key, Where, bindings, footer_keys
from mlpwatch.tui.kit.lines import Footer
from mlpwatch.tui.layers.screen import LayersScreen
from mlpwatch.tui.lecture.big_screen import BigScreen
from mlpwatch.tui.metrics.screen import MetricsScreen
from mlpwatch.tui.mistakes.screen import MistakesScreen
from mlpwatch.tui.runs.branching.dialog import BranchDialog
from mlpwatch.tui.runs.comparison_screen import CompareScreen
from mlpwatch.tui.runs.screen import RunsScreen
from mlpwatch.tui.weights.screen import WeightsScreen
from tests.support.keys import (  # noqa: F401 - each adds to EFFECTS
    dashboard_key_effects,
    draw_effects,
    layers_key_effects,
    metrics_key_effects,
    mistakes_key_effects,
    run_key_effects,
    sweep_key_effects,
    weights_key_effects,
)
from tests.support.keys.key_effects import EFFECTS, phases
from tests.support.metrics_stage import on_metrics_stage, training_log
from tests.support.samples.run_scenes import runs_of_all_kinds
from tests.support.samples.scenes import finished, training
from tests.support.samples.sweep_samples import four_settings
from tests.support.stage import NEVER_FPS, on_stage
from tests.support.sweep_stage import on_sweep_stage

pytestmark = pytest.mark.slow

PLACES: dict[Where, type[Screen[Any]] | type[MlpwatchApp]] = {
    "everywhere": MlpwatchApp,
    "dashboard": Dashboard,
    "mistakes": MistakesScreen,
    "explain": ExplainScreen,
    "weights": WeightsScreen,
    "layers": LayersScreen,
    "big": BigScreen,
    "runs": RunsScreen,
    "compare": CompareScreen,
    "question": Confirmation,
    "entry": LineEntry,
    "branch": BranchDialog,
    "draw": DrawScreen,
    "sweep": GroupScreen,
    "metrics": MetricsScreen,
}

WITH_FOOTER: tuple[Where, ...] = (
    "dashboard",
    "mistakes",
    "explain",
    "draw",
    "weights",
    "layers",
    "runs",
    "compare",
    "sweep",
    "metrics",
    "big",
)
"""The screens on which the global keys work too."""

ARROWS = str.maketrans({"↑": "up", "↓": "down", "←": "left", "→": "right"})


def test_footer_and_help_name_the_key_that_works() -> None:
    for key in KEYS:
        shown = key.shown.translate(ARROWS).replace("page ", "page")
        name = _character_to_key(shown) if len(shown) == 1 else shown
        assert name in key.keys.split(","), key


def every_key() -> list[object]:
    """Return each key; a further name of one is bound with the first, and rare."""
    return [
        pytest.param(key, name, id=f"{key.where}-{name}", marks=pytest.mark.rare if number else ())
        for key in KEYS
        for number, name in enumerate(key.keys.split(","))
    ]


@pytest.mark.parametrize(("key", "name"), every_key())
async def test_the_key_does_what_its_help_says(
    key: Key, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fps = 50.0 if key.action in ("leave", "interrupt") else NEVER_FPS
    monkeypatch.chdir(tmp_path)
    saved = tmp_path / "saved" if key.where in ("runs", "compare", "question", "entry") else None
    if key.where == "sweep":
        async with on_sweep_stage(four_settings(tmp_path)) as sweep_stage:
            await EFFECTS[key.where, key.action](sweep_stage, name)
        return
    if key.where == "metrics":
        log = training_log(tmp_path / "log.jsonl", extra=("lr", *map(str, range(9))))
        async with on_metrics_stage(log, log) as metrics_stage:
            await EFFECTS[key.where, key.action](metrics_stage, name)
        return
    with runs_of_all_kinds(saved) if saved else nullcontext():
        async with on_stage(training(), fps=fps, saved=saved) as stage:
            await EFFECTS[key.where, key.action](stage, name)


def test_every_effect_belongs_to_a_key() -> None:
    assert {(key.where, key.action) for key in KEYS} == set(EFFECTS)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: f"{key.where}-{key.shown}")
def test_its_action_exists_and_takes_its_arguments(key: Key) -> None:
    namespace, name, arguments = parse(key.action)
    owner = MlpwatchApp if namespace == "app" else PLACES[key.where]
    action = getattr(owner, f"action_{name}")
    inspect.signature(action).bind(None, *arguments)


@pytest.mark.parametrize("where", WITH_FOOTER)
def test_no_key_means_two_things_in_one_place(where: Where) -> None:
    here = [key.keys.split(",") for key in KEYS if key.where in (where, "everywhere")]
    counts = Counter(name for names in here for name in names)
    # A pen that goes down with anything else would be no pen; p pauses there. In lists home and
    # end go to their ends; of a past epoch, see `test_past_epochs`, among the epochs too. A sweep
    # has no epochs to go to, and X ends the sweep.
    ends = {"home", "end"}
    expected: dict[Where, set[str]] = {
        "draw": {"space"}, "mistakes": ends, "weights": ends, "runs": ends,
        "sweep": {*ends, "X"}, "metrics": ends,
    }  # fmt: skip
    assert {name for name, count in counts.items() if count > 1} == expected.get(where, set())


@pytest.mark.parametrize("where", PLACES)
def test_bindings_are_the_table(where: Where) -> None:
    made = {(b.key, b.action) for b in bindings(where) if isinstance(b, Binding)}
    assert made == {(key.keys, key.action) for key in KEYS if key.where == where}
    own = {(b.key, b.action) for b in PLACES[where].BINDINGS if isinstance(b, Binding)}
    assert own == made


def test_help_names_every_key_in_one_line_each() -> None:
    for key in KEYS:
        # Their keys are in their own help: there is no other screen from which they open.
        here: Where = key.where if key.where in ("sweep", "metrics") else "dashboard"
        lines = help_text(here).split("\n")
        line = f"  {key.shown:<10} {key.help}"
        assert line in lines
        # The scrollbar takes two of the 74 columns that the stylesheet leaves.
        assert len(line) <= 72


@pytest.mark.parametrize("where", WITH_FOOTER)
def test_a_wide_footer_names_every_labelled_key(where: Where) -> None:
    keys = footer_keys(where)
    row = Footer(where).paint(220, 1).row(0)
    own = {key.keys for key in KEYS if key.where == where}
    labelled = [
        key
        for key in KEYS
        if key.label and (key.where == where or (key.where == "everywhere" and key.keys not in own))
    ]
    assert sorted(key.keys for key in keys) == sorted(key.keys for key in labelled)
    for key in keys:
        assert f" {key.shown} {key.label} " in row


@pytest.mark.parametrize("where", WITH_FOOTER)
@pytest.mark.parametrize("width", [30, 60, 80, 100])
def test_a_narrow_footer_keeps_help_and_q_and_cuts_no_word(where: Where, width: int) -> None:
    row = Footer(where).paint(width, 1).row(0)
    does = "quit" if where in ("dashboard", "sweep", "metrics") else "back"
    assert row.rstrip().endswith(f"? help  q {does}")


@pytest.mark.parametrize("size", [(80, 24), (100, 30)])
@pytest.mark.parametrize("keys", ["", "space"])
async def test_a_projector_sees_the_best_keys(size: tuple[int, int], keys: str) -> None:
    async with on_stage(training(), size) as stage:
        await stage.press(*keys.split())
        row = stage.row("? help  q quit")
    for hint in ("space pause", "m mistakes", "e why", "w weights", "d draw", "r runs"):
        assert f" {hint} " in row


async def test_a_footer_names_only_keys_that_do_something() -> None:
    async with on_stage(training(), (220, 60)) as stage:
        assert ". step" not in stage.row("q quit")
        await stage.press("space")
        assert ". step" in stage.row("q quit")
        assert "] faster" in stage.row("q quit")
        await stage.press("right_square_bracket")
        assert "] faster" not in stage.row("q quit")
        await stage.press("m")
        assert "enter large" in stage.row("q back")
        await stage.press("enter")
        assert "enter large" not in stage.row("q back"), "it is large"
        await stage.press("escape")
        assert "enter large" in stage.row("q back")


@pytest.mark.parametrize("key", ["space", "full_stop", "1", "right_square_bracket", "X"])
@pytest.mark.parametrize("screen", ["", "m", "e", "w"])
async def test_a_key_without_effect_on_a_finished_run_says_why(key: str, screen: str) -> None:
    async with on_stage(finished(), (100, 30)) as stage:
        await stage.press(*screen.split())
        footer = stage.row("? help")
        assert "pause" not in footer
        assert "faster" not in footer
        await stage.press(key)
        assert "this run has ended; r, then c, trains it further" in stage.text()
        stage.state.expire(stage.state.message_until)
        await stage.look()
        assert "this run has ended" not in stage.text(), "no message stays"


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("full_stop", "space pauses; then . trains one batch"),
        ("right_square_bracket", "no speed limit is set; [ sets one"),
    ],
)
async def test_a_key_without_effect_while_it_trains_says_why(key: str, why: str) -> None:
    async with on_stage(training()) as stage:
        await stage.press("right_square_bracket", key)
        assert why in stage.text()


async def test_plain_footers_name_the_arrows_in_words() -> None:
    async with on_stage(training(), (140, 40), ascii_only=True) as stage:
        for key, label in (("e", "right next page"), ("w", "right next"), ("m", "right next")):
            await stage.press(key)
            footer = stage.row("? help")
            assert label in footer
            assert ">" not in footer
            await stage.press("q")


async def test_every_global_key_is_in_the_command_palette() -> None:
    async with on_stage(training()) as stage:
        titles = {command.title for command in stage.app.get_system_commands(stage.app.screen)}
    for key in KEYS:
        if key.where == "everywhere" and key.action != "command_palette":
            title = key.label or key.help
            assert title[0].upper() + title[1:] in titles
    assert "Quit" in titles
    assert "Keys" not in titles, "Textual's own help beside ours"


async def test_pausing_works_among_the_mistakes_too_and_is_seen() -> None:
    async with on_stage(training()) as stage:
        await stage.press("m", "space")
        assert phases(stage) == ["paused", "paused"]
        assert "NumPy epoch 5 paused  PyTorch epoch 3 paused" in stage.text()
