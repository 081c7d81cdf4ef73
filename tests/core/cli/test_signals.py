"""The first signal saves, a further one leaves at once, the same one sent twice does not."""

import signal

import pytest

from mlpwatch.core.cli.signals import IMPATIENT_SECONDS, StopRequest


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the statuses with which the process would have left at once."""
    statuses: list[int] = []
    monkeypatch.setattr("os._exit", statuses.append)
    return statuses


def training() -> StopRequest:
    request = StopRequest()
    request.is_loading = False
    return request


def test_a_second_signal_leaves_at_once_but_never_a_hangup(left: list[int]) -> None:
    request = training()
    request.receive(signal.SIGINT, None)
    assert (request.flag.is_set(), left) == (True, [])
    request.received_at -= 2 * IMPATIENT_SECONDS
    request.receive(signal.SIGHUP, None)
    assert left == []
    request.receive(signal.SIGTERM, None)
    assert left == [143]
    assert request.exit_status == 130, "of the first one"


def test_the_same_signal_sent_twice_still_saves(
    left: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlpwatch.core.cli.signals.monotonic", lambda: 5.0)
    request = training()
    request.receive(signal.SIGTERM, None)
    request.receive(signal.SIGTERM, None)
    assert left == []
    assert request.exit_status == 143


def test_while_loading_the_first_one_leaves_and_says_so(
    left: list[int], capfd: pytest.CaptureFixture[str]
) -> None:
    StopRequest().receive(signal.SIGTERM, None)
    assert left == [143]
    assert capfd.readouterr().err == "stopped while loading: nothing was trained, nothing is lost\n"
