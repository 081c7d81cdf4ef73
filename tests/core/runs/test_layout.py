"""Names of runs are safe as folders and on a terminal."""

import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpwatch.core.errors import InputError
from mlpwatch.core.recipes import from_recipe
from mlpwatch.core.runs.layout import check_run_name, new_run_name
from mlpwatch.core.text import printable


def test_a_new_name_is_date_in_utc_recipe_and_random_tail() -> None:
    # 01:30 in a zone two hours ahead is still the day before in UTC.
    now = datetime(2026, 11, 24, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    names = {new_run_name(from_recipe("seed"), now) for _ in range(50)}
    assert all(re.fullmatch(r"2026-11-23-seed-[a-z0-9]{4}", name) for name in names)
    assert len(names) > 40
    for name in names:
        check_run_name(name)


@pytest.mark.parametrize("name", ["a", "mnist-2", "Übung 1", "数字", "a..b", "x" * 100, "a:b~c"])
def test_plain_names_pass(name: str) -> None:
    check_run_name(name)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("", "empty"),
        ("  ", "empty"),
        (" a", "space"),
        ("a\n", "space"),
        (".", r"begins with '\.'"),
        ("..", r"begins with '\.'"),
        (".hidden", r"begins with '\.'"),
        ("-rf", "begins with '-'"),
        ("a/b", "separator"),
        ("../a", r"begins with '\.'"),
        ("/etc", "separator"),
        ("a\\b", "separator"),
        ("a\0b", "can't be shown"),
        ("a\nb", "can't be shown"),
        ("a\x1b[31mb", "can't be shown"),
        ("a\x9bb", "can't be shown"),
        ("a\u202eb", "can't be shown"),
        ("a\u2066b", "can't be shown"),
        ("a\u200bb", "can't be shown"),
        ("a\u2028b", "can't be shown"),
        ("a\udc80b", "can't be shown"),
        ("x" * 101, "101 characters, at most 100"),
        ("数" * 100, "300 bytes, at most 255"),
    ],
)
def test_each_bad_name_is_refused_in_one_printable_line(name: str, fault: str) -> None:
    with pytest.raises(InputError, match=fault) as caught:
        check_run_name(name)
    assert str(caught.value).isprintable()


@given(st.text(st.characters() | st.sampled_from("ab./- "), min_size=1, max_size=120))
def test_a_name_is_refused_in_one_line_or_is_one_folder_below(name: str) -> None:
    try:
        check_run_name(name)
    except InputError as error:
        refusal = str(error)
    else:
        refusal = ""
    if refusal:
        assert refusal.isprintable()
        return
    path = Path("saved") / name
    assert path.parent == Path("saved")
    assert path.name == name == printable(name)
    assert len(name.encode()) <= 255


def test_printable_shows_what_a_terminal_would_obey() -> None:
    assert printable("a\x1b[2J\u202eb\udc80\n") == r"a\x1b[2J\u202eb\udc80\n"
    assert printable(datetime(2026, 1, 1, tzinfo=UTC).date()) == "2026-01-01"
