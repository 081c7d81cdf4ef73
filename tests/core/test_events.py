"""The mailbox keeps order, counts what it drops, and never makes a trainer wait."""

from threading import Barrier, Thread

from hypothesis import given, settings
from hypothesis import strategies as st

from mlpwatch.core.config import ENGINE_NAMES, EngineName
from mlpwatch.core.events import Event, Mail, Mailbox, Paused, Resumed, StepDone

SECONDS = 20.0


def step(number: int, engine: EngineName = "numpy") -> StepDone:
    return StepDone(engine, number, number / 10, 1 / (number + 1))


def test_events_come_out_in_the_order_in_which_they_went_in() -> None:
    mailbox = Mailbox()
    events: list[Event] = [Paused("numpy", 0), step(1), step(2), Resumed("numpy", 2), step(3)]
    for event in events:
        mailbox.put(event)
    assert mailbox.drain() == Mail(tuple(events), 0)
    assert mailbox.drain() == Mail((), 0)


def test_a_full_lane_drops_the_oldest_steps_and_counts_them_once() -> None:
    mailbox = Mailbox(step_capacity=3)
    mailbox.put(Paused("numpy", 0))
    mailbox.put_steps(step(n) for n in range(5))
    mailbox.put(step(5))
    mailbox.put(Resumed("numpy", 6))
    expected = (Paused("numpy", 0), step(3), step(4), step(5), Resumed("numpy", 6))
    assert mailbox.drain() == Mail(expected, 3)
    mailbox.put(step(6))
    assert mailbox.drain() == Mail((step(6),), 0)


def test_life_cycle_events_are_never_dropped() -> None:
    mailbox = Mailbox(step_capacity=1)
    marks = [Paused("torch", n) for n in range(1_000)]
    for mark in marks:
        mailbox.put(mark)
        mailbox.put(step(mark.step))
    mail = mailbox.drain()
    assert [event for event in mail.events if isinstance(event, Paused)] == marks
    assert mail.steps_dropped == 999


@given(
    st.integers(1, 5),
    st.lists(st.sampled_from(["step", "steps", "pause", "drain"]), max_size=40),
)
@settings(max_examples=200)
def test_drains_and_drops_account_for_every_event(capacity: int, actions: list[str]) -> None:
    mailbox = Mailbox(capacity)
    sent: list[Event] = []
    received: list[Event] = []
    dropped = 0
    for action in [*actions, "drain"]:
        if action == "drain":
            mail = mailbox.drain()
            received += mail.events
            dropped += mail.steps_dropped
        elif action == "pause":
            sent.append(Paused("numpy", len(sent)))
            mailbox.put(sent[-1])
        else:
            new = [step(len(sent) + n) for n in range(1 if action == "step" else 3)]
            sent += new
            mailbox.put_steps(new)
    kept = iter(sent)
    assert all(event in kept for event in received)  # a subsequence, in order
    assert len(sent) == len(received) + dropped
    pauses = [event for event in sent if isinstance(event, Paused)]
    assert [event for event in received if isinstance(event, Paused)] == pauses


def test_four_threads_lose_nothing_and_are_never_held_up() -> None:
    """Nobody drains at first: a lane that waited for room would never let the threads end."""
    mailbox = Mailbox(step_capacity=1_000)
    gate = Barrier(4)
    count = 5_000

    def hammer(engine: EngineName, first: int) -> None:
        gate.wait(SECONDS)
        for n in range(first, first + count):
            mailbox.put(step(n, engine))
            if n % 10 == 0:
                mailbox.put(Paused(engine, n))

    work = [(engine, half * count) for engine in ENGINE_NAMES for half in range(2)]
    threads = [Thread(target=hammer, args=one, daemon=True) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
        assert not thread.is_alive()
    mail = mailbox.drain()
    steps = [event for event in mail.events if isinstance(event, StepDone)]
    assert len(steps) == 1_000
    assert mail.steps_dropped == 4 * count - 1_000
    pauses = {(event.engine, event.step) for event in mail.events if isinstance(event, Paused)}
    assert len(pauses) == 4 * count // 10


def test_draining_while_four_threads_put_loses_nothing() -> None:
    mailbox = Mailbox()
    count = 5_000

    def send(first: int) -> None:
        for n in range(first, first + count):
            mailbox.put(step(n))

    senders = [Thread(target=send, args=(count * n,), daemon=True) for n in range(4)]
    for sender in senders:
        sender.start()
    received: list[Event] = []
    dropped = 0
    while any(sender.is_alive() for sender in senders):
        mail = mailbox.drain()
        received += mail.events
        dropped += mail.steps_dropped
    received += mailbox.drain().events
    numbers = [event.step for event in received if isinstance(event, StepDone)]
    assert dropped == 0
    assert sorted(numbers) == list(range(4 * count))
    for first in range(0, 4 * count, count):
        own = [n for n in numbers if first <= n < first + count]
        assert own == sorted(own)
