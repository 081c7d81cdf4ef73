"""Work beside the training: one job at a time, errors where the next one is handed over."""

import os
import sys
from threading import Event, get_ident, get_native_id

import pytest

from mlpwatch.core.scheduling import NICENESS, stand_back
from mlpwatch.core.training.epoch_report import Background
from tests.support.samples.training import SECONDS


def test_jobs_run_elsewhere_one_after_the_other() -> None:
    background, seen, gate = Background("jobs"), [], Event()

    def wait_and_note() -> None:
        gate.wait(SECONDS)
        seen.append(get_ident())

    background.submit(wait_and_note)
    assert seen == []
    gate.set()
    background.submit(lambda: seen.append(get_ident()))  # waits for the first
    background.wait()
    assert len(seen) == 2
    assert len(set(seen)) == 1
    assert seen[0] != get_ident()
    background.close()


def test_an_error_is_raised_once_where_the_next_job_is_handed_over() -> None:
    background, done = Background("jobs"), []

    def fail() -> None:
        raise ZeroDivisionError

    background.submit(fail)
    with pytest.raises(ZeroDivisionError):
        background.submit(lambda: done.append("not this one"))
    background.wait()
    background.submit(lambda: done.append("this one"))
    background.close()
    assert done == ["this one"]


def test_closing_does_what_is_left_and_ends_the_thread() -> None:
    background, done = Background("jobs"), []
    background.submit(lambda: done.append(1))
    background.close()
    assert done == [1]
    Background("never used").close()


@pytest.mark.skipif(sys.platform != "linux", reason="priorities of single threads are Linux's")
def test_background_threads_stand_back_once() -> None:
    background, found = Background("jobs"), []

    def note_twice() -> None:
        for _ in range(2):
            found.append(os.getpriority(os.PRIO_PROCESS, get_native_id()))
            stand_back()

    here = os.getpriority(os.PRIO_PROCESS, get_native_id())
    background.submit(note_twice)
    background.close()
    assert found == [here + NICENESS, here + NICENESS]
    assert os.getpriority(os.PRIO_PROCESS, get_native_id()) == here
