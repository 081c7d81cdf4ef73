"""Keys and commands that set numbers of a run while it trains: learning rate, speed limit."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from textual.app import App, SystemCommand

from mlpwatch.core.config import EngineName
from mlpwatch.core.errors import ConfigError
from mlpwatch.core.limits import check_new_rate
from mlpwatch.core.spectating import LOOKS_ONLY, looks_only
from mlpwatch.tui.kit.run_text import why_not
from mlpwatch.tui.run_stack import RunStack

if TYPE_CHECKING:
    from mlpwatch.core.run_source import RunSource

LEAST_LIMIT, MOST_LIMIT = 1e-3, 1e6
"""Steps per second that can be set, as by an order from outside."""


class LiveSettings:
    """Sets numbers of the run that is shown.

    Args:
        app: shows the dialogs.
        runs: the run that is shown is its top one.
        answer: shows a line on the screen where a key was pressed.
        redraw: draws what has changed.
    """

    def __init__(
        self,
        app: App[int],
        runs: RunStack,
        answer: Callable[[str], None],
        redraw: Callable[[], None],
    ) -> None:
        self._app, self._runs, self._answer, self._redraw = app, runs, answer, redraw

    def faster(self) -> None:
        """Raise or remove the speed limit."""
        if self._is_live("faster"):
            self._runs.top.faster()
            self._redraw()

    def slower(self) -> None:
        """Lower the speed limit."""
        if self._is_live("slower"):
            self._runs.top.slower()
            self._redraw()

    def scale_rate(self, factor: float) -> None:
        """Multiply the learning rate of each model from its next batch on."""
        session = self._session()
        if session is None:
            return
        rates = {name: factor * session.learning_rate(name) for name in self._training()}
        try:
            for rate in rates.values():
                check_new_rate(rate)
        except ConfigError as error:
            self._answer(str(error))
            return
        # Models with the same rate by one order: in lockstep it then holds from the same step on.
        for rate in dict.fromkeys(rates.values()):
            session.set_learning_rate(rate, *(name for name in rates if rates[name] == rate))
        self._answer(
            f"learning rate {_rates_text(rates, self._runs.top.titles)} from the next batch on"
        )

    def commands(self) -> Iterator[SystemCommand]:
        """Yield the palette's commands that ask for a number."""
        both = "both models" if len(self._runs.names) > 1 else "the model"
        about = f"of {both}, by number, from the next batch on (+ doubles it, - halves it)"
        yield SystemCommand("Set the learning rate", about, self._ask_rate)
        if len(self._runs.names) > 1:
            for name in self._runs.names:
                title, about = (
                    f"Set the learning rate of {self._runs.top.title(name)}",
                    "of this model alone",
                )
                yield SystemCommand(title, about, partial(self._ask_rate, name))
        yield SystemCommand(
            "Set the speed limit", "in steps per second, by number", self._ask_limit
        )

    def _ask_rate(self, *engines: EngineName) -> None:
        session = self._session()
        if session is None:
            return
        named = engines or tuple(self._training())
        schedule = session.config.of(named[0]).schedule
        falls = "" if schedule == "constant" else f" The {schedule} schedule falls from it."

        def set_rate(text: str | None) -> None:
            if text is not None:
                session.set_learning_rate(_typed_rate(text), *named)
                self._redraw()

        from mlpwatch.tui.kit.dialogs import LineEntry  # noqa: PLC0415

        entry = LineEntry(
            f"Learning rate of {' and '.join(self._runs.top.title(name) for name in named)}",
            f"{session.learning_rate(named[0]):g}",
            _typed_rate,
            yes="sets it",
            no="changes nothing",
            facts=[f"It holds from the next batch on.{falls}"],
        )
        self._app.push_screen(entry, set_rate)

    def _ask_limit(self) -> None:
        watch = self._runs.top
        if self._session() is None:
            return

        def set_limit(text: str | None) -> None:
            if text is not None:
                watch.set_limit(_typed_limit(text))
                self._redraw()

        from mlpwatch.tui.kit.dialogs import LineEntry  # noqa: PLC0415

        entry = LineEntry(
            "Steps per second at most",
            "" if watch.limit is None else f"{watch.limit:g}",
            _typed_limit,
            yes="sets it",
            no="changes nothing",
            facts=["Nothing at all lifts the limit."],
        )
        self._app.push_screen(entry, set_limit)

    def _training(self) -> list[EngineName]:
        state = self._runs.top.state
        return [n for n, one in state.engines.items() if not one.ended] if state else []

    def _session(self) -> "RunSource | None":
        """Return the run if it can be changed now; otherwise say why not."""
        watch = self._runs.top
        if looks_only():
            self._answer(LOOKS_ONLY)
            return None
        if watch.session is None:
            watch.refuse("the learning rate can be changed once it is loaded")
            self._redraw()
            return None
        return watch.session if self._is_live("set") else None

    def _is_live(self, action: str) -> bool:
        if why := why_not(self._runs.top, action):
            self._answer(why)
        return not why


def _rates_text(rates: dict[EngineName, float], titles: Mapping[EngineName, str]) -> str:
    if len(set(rates.values())) == 1:
        return f"{next(iter(rates.values())):g}"
    return ", ".join(f"{rate:g} ({titles[name]})" for name, rate in rates.items())


def _typed_rate(text: str) -> float:
    """Return the learning rate that was typed.

    Raises:
        ConfigError: it is no number, or out of range.
    """
    try:
        rate = float(text)
    except ValueError:
        raise ConfigError(f"learning rate {text!r:.40}: expected a number, like 0.05") from None
    check_new_rate(rate)
    return rate


def _typed_limit(text: str) -> float | None:
    """Return the speed limit that was typed; None for none.

    Raises:
        ConfigError: it is no number, or out of range.
    """
    try:
        limit = float(text) if text.strip() else None
    except ValueError:
        raise ConfigError(f"limit {text!r:.40}: expected steps per second, like 50") from None
    if limit is not None and not LEAST_LIMIT <= limit <= MOST_LIMIT:
        raise ConfigError(
            f"limit {limit:g}: expected steps per second from {LEAST_LIMIT:g} to {MOST_LIMIT:,.0f}"
        )
    return limit
