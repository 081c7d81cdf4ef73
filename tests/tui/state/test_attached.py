"""The screen of a run that lives elsewhere: what differs from one that trains here."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from mlpwatch.tui.state.watch import MANY_EVENTS, Watch
from tests.support.samples.scenes import FakeSession, digits, trained, training
from tests.support.stage import Stage, on_stage, until


@asynccontextmanager
async def attached(session: FakeSession | None = None) -> AsyncIterator[Stage]:
    """Show a run as `mlpwatch attach` does."""
    async with on_stage(training(), session=session, attached=True) as stage:
        yield stage


async def test_the_footer_says_that_leaving_leaves_it_alone() -> None:
    async with attached() as stage:
        assert "q leave it" in stage.text()
        assert "q quit" not in stage.text()
        for key in ("m", "e", "w"):
            await stage.press(key)
            assert "q back" in stage.text()
            await stage.press("q")
            assert "q leave it" in stage.text()
    async with on_stage(training()) as stage:
        assert "q quit" in stage.text()


async def test_it_says_at_once_which_keys_matter() -> None:
    async with attached() as stage:
        assert "following 2026-11-23-twin-k3f9: q leaves it alone, X ends it" in stage.text()


async def test_the_digits_are_not_slowed_for_whoever_watches() -> None:
    async with attached() as stage:
        assert stage.session.limit is None
        assert "limit" not in stage.row("mlpwatch")


async def test_a_limit_that_another_terminal_set_is_shown() -> None:
    async with attached() as stage:
        stage.session.limit = 50.0
        await stage.look()
        assert "limit 50 steps/s, ] raises it" in stage.row("mlpwatch")
        await stage.press("right_square_bracket")
        assert stage.session.limit == 100


async def test_what_comes_in_bursts_is_taken_in_without_waiting_for_the_next_frame() -> None:
    async with attached() as stage:
        stage.session.feed(trained("numpy", 100 + MANY_EVENTS, first=101))
        stage.app.runs.poll()
        assert not stage.app.runs.poll(), "nothing new"
        stage.session.feed(trained("numpy", 150 + MANY_EVENTS, first=101 + MANY_EVENTS))
        numpy = stage.state.engines["numpy"]
        await until(lambda: numpy.step == 150 + MANY_EVENTS, stage.pilot)
        assert stage.app.runs.poll(), "the next frame shows it"
        assert not stage.app.runs.poll()


async def test_leaving_stops_nothing() -> None:
    left: list[bool] = []
    session = FakeSession()
    session.leave = lambda: left.append(True)  # type: ignore[method-assign]
    async with attached(session) as stage:
        watch: Watch = stage.app.runs.top
        watch.leave()
        assert left == [True]
        assert not session.ended
        name = session.run.path.name
        assert watch.farewell == (
            f"{name} trains on without this screen; mlpwatch attach {name} shows it again"
        )
        session.stop()
        watch.poll()
        assert watch.farewell == f"{name} has ended; mlpwatch resume {name} continues it"


async def test_missing_images_are_explained_among_the_mistakes() -> None:
    nothing = replace(digits(), images=digits().images[:0], labels=digits().labels[:0])
    session = FakeSession(dataset=nothing)
    session.images_missing = "no images: data 'x.npz': no such file or directory"
    async with on_stage(session=session, attached=True) as stage:
        await stage.press("m")
        assert "no images: data 'x.npz': no such file or directory" in stage.text()
        await stage.press("t", "f", "tab", "right", "end")
