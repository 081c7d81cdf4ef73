"""Numbers have widths that do not jump, and text can't break a line."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpwatch.tui import formatting
from mlpwatch.tui.terminal.ascii_filter import plain


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (42.9, "0:42"), (725, "12:05"), (3599.9, "59:59"), (3725, "1:02:05")],
)
def test_durations(seconds: float, text: str) -> None:
    assert formatting.duration(seconds) == text


def test_what_is_left_is_left_out_where_unknown() -> None:
    assert formatting.elapsed_and_left(42, 70) == "0:42 · about 1:10 left"
    assert formatting.elapsed_and_left(42, None) == "0:42"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.18234, "0.1823"),
        (12.3456, "12.345"),
        (1234.5, "1234.5"),
        (0.0, "0.0000"),
        (9.1e8, " 9e+8"),
        (3e-7, " 3e-7"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (None, "–"),
    ],
)
def test_losses(value: float | None, text: str) -> None:
    assert formatting.loss(value) == text.rjust(6)


@given(st.one_of(st.none(), st.floats(0, 1e99)))
def test_a_loss_takes_six_columns(value: float | None) -> None:
    assert len(formatting.loss(value)) == 6


@given(st.one_of(st.none(), st.floats(0, 1)))
def test_a_percentage_takes_eight_columns(share: float | None) -> None:
    assert len(formatting.percent(share)) == 8


@given(st.one_of(st.none(), st.floats(0, 9_990_000)))
def test_a_rate_takes_seven_columns_up_to_a_million(per_second: float | None) -> None:
    text = formatting.rate(per_second)
    assert len(text) == (7 if per_second is None or per_second < 999_500 else 9)


@pytest.mark.parametrize(
    ("per_second", "text"),
    [(182_345, "182,000"), (1_284, "1,280"), (999.6, "1,000"), (12.4, "12"), (0, "0")],
)
def test_rates_keep_three_digits(per_second: float, text: str) -> None:
    assert formatting.rate(per_second).strip() == text


def test_three_digits_are_told_also_where_they_are_0() -> None:
    told = [formatting.three_digits(number) for number in (0.7259, 1.2, 12.3, 123.0, 1.0)]
    assert told == ["0.726", "1.20", "12.3", "123", "1.00"]


def test_counts_agree_with_their_noun() -> None:
    assert formatting.count(1, "thread") == "1 thread"
    assert formatting.count(2_000, "step") == "2,000 steps"


@given(st.text())
def test_plain_text_is_ascii(text: str) -> None:
    assert all(character <= "~" for character in plain(text))


def test_plain_text_keeps_its_columns() -> None:
    assert plain("▸ 1 · 2 – 3… ━╸─ │") == "> 1 | 2 - 3. =+- |"
    assert plain("🔎é▁") == "  ? "
    assert plain("94.88 ± 0.12") == "94.88 +-0.12", "a mean and its deviation"
