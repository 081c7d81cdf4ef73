"""What rank 0 and the others do alike: agree on a plan, connect the engines."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from threading import Thread
from typing import TYPE_CHECKING, Self, TypeVar

from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.errors import ConfigError
from mlpwatch.core.files.strict_json import (
    parse_object,
    take_object,
    take_text,
    take_whole,
    to_json,
)
from mlpwatch.core.network.engine import Engine, EngineState, SharedEngine
from mlpwatch.core.training.ranks.exchange import RankExchange

if TYPE_CHECKING:
    from mlpwatch.core.training.ranks.torch_processes import Processes

Answer = TypeVar("Answer")

PLAN_KEY, READY_KEY = "plan", "ready/{rank}"
"""In the store: what rank 0 trains; and an empty text, or why a rank can't."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where an engine begins."""

    epoch: int = 0
    batch: int = 0
    updates: int = 0


@dataclass(frozen=True, slots=True)
class RankPlan:
    """What all ranks train; rank 0 decides it."""

    config: RunConfig
    sha256: str
    """Of the data."""
    starts: Mapping[EngineName, Start]

    def to_text(self) -> str:
        """Return it as JSON."""
        starts = {name: asdict(start) for name, start in self.starts.items()}
        return to_json({"config": self.config.to_dict(), "sha256": self.sha256, "starts": starts})

    @classmethod
    def from_text(cls, text: bytes) -> Self | None:
        """Build it from `to_text`; None from an empty text: rank 0 could not start.

        Raises:
            JsonError: it is something else.
            ConfigError: the settings are of another mlpwatch.
        """
        if not text:
            return None
        values = parse_object(text)
        config = RunConfig.from_dict(take_object(values, "config"))
        given = take_object(values, "starts")
        fields = {name: take_object(given, name) for name in config.engine_names}
        starts = {
            name: Start(*(take_whole(one, key) for key in ("epoch", "batch", "updates")))
            for name, one in fields.items()
        }
        return cls(config, take_text(values, "sha256"), starts)


def check_for_ranks(config: RunConfig) -> None:
    """Check that several processes can train these settings.

    Raises:
        ConfigError: they can't.
    """
    if config.has_networks:
        title = next(
            config.title(name) for name in config.engine_names if config.network_file(name)
        )
        raise ConfigError(
            f"--ranks: {title} computes the mean over its own images, and that of several "
            "processes is another; train your own network in one process"
        )
    if config.treatment is not None:
        raise ConfigError("--ranks: control and treatment train in one process")
    if config.device == "mps" and "torch" in config.engine_names:
        raise ConfigError("--ranks: device 'mps' can't sum over processes; use --device cpu")


def interruptible(call: Callable[[], Answer]) -> Answer:
    """Make a call that waits for other ranks, in a thread of its own; raise its error.

    A signal is handled between two instructions of the main thread: it must not wait in C++.
    """
    answer: Future[Answer] = Future()
    Thread(target=_settle, args=(answer, call), daemon=True).start()
    return answer.result()


def _settle(answer: "Future[Answer]", call: Callable[[], Answer]) -> None:
    """Set a future's result to what the call returns, or to the error that it raises."""
    try:
        answer.set_result(call())
    except BaseException as error:
        answer.set_exception(error)


def connect_ranks(
    processes: "Processes", engines: Mapping[EngineName, Engine], starts: Mapping[EngineName, Start]
) -> dict[EngineName, RankExchange]:
    """Make the engines train together with those of the other ranks, from rank 0's weights.

    Args:
        processes: all ranks.
        engines: the same in every rank, in the same order.
        starts: where they begin.
    """
    exchanges: dict[EngineName, RankExchange] = {}
    processes.make_groups(engines, _device(engines))
    for name, engine in engines.items():
        if not isinstance(engine, SharedEngine):
            raise TypeError(f"{type(engine).__name__} has no exchange")
        exchange = exchanges[name] = RankExchange(name, processes.rank, processes.size)
        vector = engine.exchange_with(exchange)
        exchange.connect(processes.vector(name, vector, exchange.spare))
        state = engine.state()
        processes.broadcast([*state.weights.values(), *state.slots.values()])
        engine.load_state(EngineState(state.weights, state.slots, starts[name].updates))
    return exchanges


def _device(engines: Mapping[EngineName, Engine]) -> str:
    """Return where PyTorch trains: `cpu`, `cuda`."""
    return str(getattr(engines.get("torch"), "device", "cpu")).partition(":")[0]
