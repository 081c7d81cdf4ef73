"""A rank that keeps the others waiting is named, and so is one that has ended."""

from collections.abc import Callable

import pytest

from mlpwatch.core.training.ranks import watchdog as module
from mlpwatch.core.training.ranks.exchange import RankExchange
from mlpwatch.core.training.ranks.watchdog import Watchdog


class Texts:
    """A store in memory."""

    def __init__(self) -> None:
        self.texts: dict[str, bytes] = {}

    def set(self, key: str, value: str) -> None:
        self.texts[key] = value.encode()

    def get(self, key: str) -> bytes:
        return self.texts[key]


class Scene:
    """Rank 0's watchdog of three ranks, at a time that the test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.said = 100.0, list[str]()
        self.store, self.exchange = Texts(), RankExchange("numpy", 0, 3)
        self.dog = Watchdog(self.store, [self.exchange])
        self.dog.on_silence = self.said.append
        self.beats = {1: 0, 2: 0}
        monkeypatch.setattr(module, "monotonic", lambda: self.now)

    def pass_time(self, seconds: int, alive: tuple[int, ...], steps: dict[int, int]) -> None:
        for _ in range(2 * seconds):
            self.now += 0.5
            for rank in self.beats:
                self.beats[rank] += rank in alive
                self.store.set(f"beat/{rank}", f"{self.beats[rank]} {steps[rank]}")
            self.dog._listen()
            self.dog._look()


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(monkeypatch)


def test_a_rank_that_gives_no_sign_is_named_once_and_when_it_answers_again(scene: Scene) -> None:
    scene.exchange.steps = 7
    scene.pass_time(5, (1, 2), {1: 7, 2: 7})
    scene.exchange.waits_since = scene.now
    scene.pass_time(9, (1,), {1: 7, 2: 7})
    assert scene.said == []
    scene.pass_time(30, (1,), {1: 7, 2: 7})
    assert scene.said == ["rank 2 has not answered for 10 s; the others wait for it"]
    scene.exchange.waits_since = None
    scene.pass_time(1, (1, 2), {1: 8, 2: 8})
    assert scene.said[1:] == ["rank 2 answers again, after 40 s"]


def test_a_rank_that_is_only_slow_is_named_too(scene: Scene) -> None:
    scene.exchange.steps, scene.exchange.waits_since = 7, scene.now
    scene.pass_time(11, (1, 2), {1: 6, 2: 7})
    assert scene.said == ["rank 1 has not answered for 10 s; the others wait for it"]


def test_a_pause_names_nobody(scene: Scene) -> None:
    scene.pass_time(60, (1, 2), {1: 7, 2: 7})
    assert scene.said == []


def test_after_an_error_the_rank_without_a_sign_is_the_one_that_ended(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.pass_time(2, (1, 2), {1: 7, 2: 7})

    def wait(_seconds: float) -> bool:
        scene.pass_time(1, (2,), {1: 7, 2: 7})
        return False

    monkeypatch.setattr(scene.dog._closing, "wait", wait)
    assert scene.dog.explain(RuntimeError("Connection closed by peer")) == "rank 1 has ended"


def test_an_error_without_a_silent_rank_says_what_the_system_said(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.pass_time(2, (1, 2), {1: 7, 2: 7})

    def wait(_seconds: float) -> bool:
        scene.pass_time(1, (1, 2), {1: 7, 2: 7})
        return False

    monkeypatch.setattr(scene.dog._closing, "wait", wait)
    text = scene.dog.explain(RuntimeError("Connection\nreset"))
    assert text == "another rank has ended: Connection reset"


def test_a_store_that_is_gone_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    store, gone = Texts(), list[int]()
    dog = Watchdog(store, [RankExchange("numpy", 1, 2)])
    dog.on_gone = lambda: gone.append(1)
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.001)
    dog.start()

    def lost(_key: str, _value: str) -> None:
        raise RuntimeError("Broken pipe")

    replaced: Callable[[str, str], None] = lost
    monkeypatch.setattr(store, "set", replaced)
    dog._thread.join(10.0)
    assert gone == [1]
