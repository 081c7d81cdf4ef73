"""Fixtures of the tests of the screen."""

from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from time import tzset

import pytest
from textual.css import stylesheet
from textual.css.model import RuleSet
from textual.css.tokenize import tokenize_values
from textual.css.tokenizer import Token
from textual.css.types import CSSLocation

from mlpwatch.core.runs.run import Run
from tests.support.samples.run_scenes import runs_of_all_kinds


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of 16 colours, whatever terminal the tests run in."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("COLORTERM", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture(autouse=True, scope="session")
def parsed_once() -> Iterator[None]:
    """Parse each style sheet once for all apps: that is 11 ms of the 92 ms of a start."""
    parse_rules: Callable[..., list[RuleSet]] = stylesheet.Stylesheet._parse_rules
    rules: dict[object, list[RuleSet]] = {}
    tokens: dict[object, dict[str, list[Token]]] = {}

    def parse(
        sheet: stylesheet.Stylesheet, css: str, read_from: CSSLocation, **how: Hashable
    ) -> list[RuleSet]:
        key = (css, read_from, tuple(how.items()), tuple(sheet._variables.items()))
        if key not in rules:
            rules[key] = parse_rules(sheet, css, read_from, **how)
        return rules[key]

    def tokenize(values: dict[str, str]) -> dict[str, list[Token]]:
        key = tuple(values.items())
        if key not in tokens:
            tokens[key] = tokenize_values(values)
        return tokens[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stylesheet.Stylesheet, "_parse_rules", parse)
        patch.setattr(stylesheet, "tokenize_values", tokenize)
        yield


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Run]]:
    """One run of each kind in `saved`, under the current folder; dates are shown in UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        patch.chdir(tmp_path)
        tzset()
        with runs_of_all_kinds(Path("saved")) as made:
            yield made
    tzset()
