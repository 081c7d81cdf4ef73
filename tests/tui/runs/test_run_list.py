"""Filter, order, cursor and marks of the list of runs, and which columns fit."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlpwatch.core.runs.listing import EngineSummary, RunSummary
from mlpwatch.tui.runs.columns import COLUMN_GAP, COLUMNS, ListedRun, fitting_columns, matches
from mlpwatch.tui.runs.run_list import RunList


def run(name: str, day: int = 1, accuracy: float | None = 0.9, **fields: object) -> ListedRun:
    summary = RunSummary(
        name,
        Path("saved") / name,
        "stopped",
        created=datetime(2026, 11, day, tzinfo=UTC),
        dataset="mnist",
        recipe="twin",
        hidden=(64, 32),
        epochs_planned=12,
        engines=(EngineSummary("numpy", day, accuracy, None),),
    )
    return ListedRun(replace(summary, **fields))  # type: ignore[arg-type]


DAMAGED = ListedRun(RunSummary("zero", Path("saved/zero"), "damaged", "what for"))


def shown(runs: RunList) -> list[str]:
    return [one.summary.name for one in runs.shown]


def listed(*names: str) -> RunList:
    runs = RunList()
    runs.replace(run(name, day) for day, name in enumerate(names, start=1))
    return runs


def sort_by(runs: RunList, heading: str) -> None:
    wanted = [column.heading for column in COLUMNS].index(heading)
    runs.sort_by(wanted - runs.column)


EXPECTED = {
    "run": ["Ada", "bob", "zero"],
    "when": ["bob", "Ada", "zero"],
    "epochs": ["bob", "Ada", "zero"],
    "NumPy": ["Ada", "bob", "zero"],
    "data": ["Ada", "bob", "zero"],
    "hidden": ["bob", "Ada", "zero"],
    "state": ["zero", "Ada", "bob"],
}


@pytest.mark.parametrize("heading", EXPECTED)
def test_it_sorts_by_every_column_and_what_is_unknown_comes_last(heading: str) -> None:
    runs = RunList()
    bob = run("bob", 9, 0.8, hidden=(8,), dataset="own", state="stopped")
    runs.replace([DAMAGED, bob, run("Ada", 2, 0.95, state="finished")])
    sort_by(runs, heading)
    expected = EXPECTED[heading]
    if heading == "state":
        expected = ["zero", "Ada", "bob"]
    assert shown(runs) == expected
    runs.reverse()
    known = [name for name in expected if name != "zero" or heading in ("run", "state")]
    unknown = [name for name in expected if name not in known]
    assert shown(runs) == known[::-1] + unknown


def test_sorting_goes_round_all_columns_and_back() -> None:
    runs = listed("a", "b")
    seen = []
    for _ in COLUMNS:
        seen.append(runs.column)
        runs.sort_by(1)
    assert sorted(seen) == list(range(len(COLUMNS)))
    assert runs.column == seen[0]
    runs.sort_by(-1)
    assert runs.column == seen[-1]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", True),
        ("MNI 64-32", True),
        ("twin stopped", True),
        ("3/12", True),
        ("2026-11-03", True),
        ("90.00% val", True),
        ("twin running", False),
        ("[", False),
        ("\\", False),
    ],
)
def test_a_filter_looks_for_each_word_in_all_that_is_shown(text: str, found: bool) -> None:
    assert matches(run("one", 3), text) == found


def test_cursor_and_marks_stay_on_their_runs() -> None:
    runs = listed("a", "b", "c")
    runs.move(1)
    runs.toggle_mark()
    assert runs.selected is not None
    assert runs.selected.summary.name == "b"
    sort_by(runs, "run")
    runs.replace([run("new", 20), run("a", 1), run("b", 2), run("c", 3)])
    assert runs.selected is not None
    assert runs.selected.summary.name == "b"
    assert [one.summary.name for one in runs.marked] == ["b"]


def test_the_cursor_stays_in_a_list_that_shrinks_and_grows() -> None:
    runs = listed("a", "b", "c")
    runs.move(99)
    assert runs.row == 2
    runs.filter_by("c ")
    assert (shown(runs), runs.row) == (["c"], 0)
    runs.filter_by("nothing")
    assert runs.selected is None
    runs.move(1)
    runs.toggle_mark()
    runs.filter_by("")
    assert (len(runs.shown), runs.row) == (3, 0)


def test_four_runs_can_be_marked_and_numbers_are_given_again() -> None:
    runs = listed("a", "b", "c", "d", "e", "f")
    for _ in range(4):
        assert runs.toggle_mark()
        runs.move(1)
    assert not runs.toggle_mark(), "the fifth"
    runs.go_to(Path("saved/e"))
    assert runs.toggle_mark(), "takes the mark away"
    runs.go_to(Path("saved/a"))
    assert runs.toggle_mark()
    assert [one.summary.name for one in runs.marked] == ["f", "a", "d", "c"]
    assert runs.mark_number(run("a")) == 1


def test_a_mark_survives_a_list_that_was_read_before_the_rename() -> None:
    runs = listed("a", "b")
    runs.toggle_mark()
    runs.follow(Path("saved/b"), Path("saved/bee"))
    assert shown(runs) == ["bee", "a"]
    runs.replace([run("a", 1), run("b", 2)])
    assert runs.marked == []
    runs.replace([run("a", 1), run("bee", 2)])
    assert [one.summary.name for one in runs.marked] == ["bee"]


def test_a_deleted_run_gives_its_mark_back() -> None:
    runs = listed("a", "b", "c", "d", "e")
    for _ in range(4):
        runs.toggle_mark()
        runs.move(1)
    runs.replace([run("a", 1), run("b", 2)])
    runs.go_to(Path("saved/a"))
    assert runs.toggle_mark()
    assert [one.summary.name for one in runs.marked] == ["a", "b"]


@pytest.mark.parametrize("width", range(1, 230))
def test_columns_fit_and_a_long_name_takes_the_rest(width: int) -> None:
    columns = fitting_columns(width, longest_name=250)
    taken = sum(taken for _, taken in columns) + COLUMN_GAP * (len(columns) - 1)
    assert taken == width
    assert columns[0][0].heading == "run"
    assert columns[0][1] >= min(width, 20)


@pytest.mark.parametrize(("longest", "taken"), [(4, 20), (20, 20), (33, 33)])
def test_no_gap_parts_short_names_from_their_numbers(longest: int, taken: int) -> None:
    assert fitting_columns(220, longest)[0][1] == taken


def test_the_more_room_the_more_columns() -> None:
    def headings(width: int) -> list[str]:
        return [column.heading for column, _ in fitting_columns(width, longest_name=20)]

    assert headings(40) == ["run"]
    # Never one model's accuracy without the other's.
    assert headings(60) == ["run", "NumPy", "PyTorch"]
    assert headings(65) == ["run", "NumPy", "PyTorch", "state"]
    assert headings(77) == ["run", "epochs", "NumPy", "PyTorch", "state"]
    settings = {"optimizer", "rate", "batch"}
    every = [column.heading for column in COLUMNS]
    assert headings(138) == [heading for heading in every if heading not in settings]
    assert headings(168) == every
    assert headings(97)[:2] == ["run", "recipe"]


@pytest.mark.parametrize(
    ("share", "text"), [(1.0, "100.0% val "), (0.99999, "100.0% val "), (0.97, "97.00% val ")]
)
def test_an_accuracy_fits_its_column(share: float, text: str) -> None:
    column = next(column for column in COLUMNS if column.heading == "NumPy")
    assert column.cell(run("one", accuracy=share))[0] == text
    assert len(text) == column.width


def test_every_heading_has_room_for_its_arrow() -> None:
    assert [one.heading for one in COLUMNS if 0 < one.width <= len(one.heading)] == []


@pytest.mark.parametrize(
    ("done", "planned", "text"),
    [
        (7, 12, "7/12"),
        (144, 100_000, "144/100k"),
        (99_999, 100_000, "99k/100k"),
        (5, 2_500, "5/2500"),
    ],
)
def test_many_epochs_are_cut_to_thousands_and_stay_in_their_column(
    done: int, planned: int, text: str
) -> None:
    [column] = [one for one in COLUMNS if one.heading == "epochs"]
    engines = (EngineSummary("numpy", done, 0.9, None),)
    one = run("many", epochs_planned=planned, engines=engines)
    assert column.cell(one)[0] == text
    assert len(text) <= column.width
