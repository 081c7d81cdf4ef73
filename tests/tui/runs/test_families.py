"""Branches stand below their parents in the list of runs, in its default order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mlpwatch.core.runs.listing import RunSummary
from mlpwatch.tui.runs.columns import MOST_DEPTH, ListedRun
from mlpwatch.tui.runs.run_list import RunList

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def listed(**parents: str) -> list[ListedRun]:
    """Runs in the order of their creation, each with its parent's name or an empty text."""
    return [
        ListedRun(
            RunSummary(
                name,
                Path(name),
                "stopped",
                created=NOON + timedelta(minutes=n),
                parent=parent or None,
            )
        )
        for n, (name, parent) in enumerate(parents.items())
    ]


def shown(runs: list[ListedRun], *, reverse: bool = False, by: str = "") -> list[str]:
    chosen = RunList()
    chosen.replace(runs)
    if reverse:
        chosen.reverse()
    chosen.filter_by(by)
    return [run.tree_name for run in chosen.shown]


def test_a_family_stands_where_its_newest_run_is() -> None:
    runs = listed(a="", b="", a1="a", c="", a2="a", a11="a1")
    assert shown(runs) == ["a", "└ a2", "└ a1", "  └ a11", "c", "b"]


def test_another_order_and_a_filter_have_no_tree() -> None:
    runs = listed(a="", b="", a1="a")
    assert shown(runs, reverse=True) == ["a", "b", "a1"]
    assert shown(runs, by="a") == ["a1", "a"]


def test_a_branch_whose_parent_is_gone_stands_alone_and_a_circle_ends() -> None:
    assert shown(listed(x="gone", a="")) == ["a", "x"]
    assert sorted(name.strip("└ ") for name in shown(listed(p="q", q="p"))) == ["p", "q"]
    deep = {"r0": "", **{f"r{n}": f"r{n - 1}" for n in range(1, 12)}}
    assert shown(listed(**deep))[-1] == "  " * (MOST_DEPTH - 1) + "└ r11"


def test_a_renamed_parent_keeps_its_branches_by_its_id() -> None:
    runs = listed(a="", b="a", c="a")
    summaries = [replace(one.summary, id=n) for one, n in zip(runs, ("1", "2", "3"), strict=True)]
    first, branch, old = summaries
    family = [
        replace(first, name="renamed"),
        replace(branch, parent_id="1"),
        # Another run has the name now: a branch that knows the id is not below it.
        replace(first, name="a", id="4"),
        replace(old, parent_id=""),
    ]
    names = shown([ListedRun(one) for one in family])
    assert names.index("└ b") == names.index("renamed") + 1
    assert names.index("└ c") == names.index("a") + 1
