"""The row that shows which epochs are kept."""

import pytest

from mlpwatch.tui.kit.epoch_bar import epoch_bar
from mlpwatch.tui.kit.look import SHOWS_ALL, Look
from mlpwatch.tui.kit.theme import Role


def drawn(kept: list[int], shown: int, done: int, planned: int, columns: int = 40) -> str:
    bar = epoch_bar(kept, shown, done, planned, columns=columns, look=SHOWS_ALL)
    assert [role for text, role in bar if text == "●"] == [Role.WARNING]
    return "".join(text for text, _ in bar)


def test_an_epoch_takes_a_column_where_all_fit() -> None:
    assert drawn([0, 1, 4, 5, 6], 5, 8, 10) == "━━╌╌━●━╌╌  "


def test_many_epochs_share_the_columns() -> None:
    assert drawn([0, 30, 50, 51, 99], 50, 99, 99, 10) == "━╌╌━╌●╌╌╌━"
    assert drawn(list(range(1_000)), 0, 999, 999, 10) == "●" + "━" * 9


@pytest.mark.parametrize("epochs", [1, 2, 7, 40, 41, 1_999])
def test_the_first_the_last_and_the_one_shown_are_always_seen(epochs: int) -> None:
    for shown in {0, epochs // 2, epochs}:
        bar = drawn([0, epochs], shown, epochs, epochs)
        assert bar[0] in "━●"
        assert bar[-1] in "━●"
        assert len(bar) == min(40, epochs + 1)


def test_in_ascii() -> None:
    bar = epoch_bar([0, 1], 1, 3, 4, columns=9, look=Look(ascii_only=True))
    assert "".join(text for text, _ in bar) == "=o-- "
