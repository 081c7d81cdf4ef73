"""Where the sweep's screen gets its trials from: a sweep that this process trains, or a folder."""

import math
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from time import monotonic
from typing import Literal

from mlpwatch.core.runs.layout import GROUP_NAME, STOP_NAME
from mlpwatch.core.sweeps.group import is_held, store_group
from mlpwatch.core.sweeps.reading import GroupReader, GroupReading
from mlpwatch.core.sweeps.sweep import Pool, Sweep
from mlpwatch.tui.groups.setting_list import SweepPicture

Phase = Literal["measuring", "training", "ended"]


class SweepTraining:
    """Trains a sweep from a thread of this process; its trials train in processes of their own.

    Args:
        sweep: planned, nothing of it written yet.
        pool: its workers.
        stop: what the sweep asks whether to stop.
    """

    def __init__(self, sweep: Sweep, pool: Pool, stop: Flag) -> None:
        self.sweep = sweep
        self._pool, self._stop = pool, stop
        self.phase: Phase = "measuring"
        self.error: BaseException | None = None
        """Why it could not be trained."""
        self.seconds = math.nan
        """It was estimated to take; NaN if unknown."""
        self.began = monotonic()
        self._thread = Thread(target=self._train, name="sweep", daemon=True)

    @property
    def where(self) -> str:
        """What trains, in a few words."""
        return self._pool.where

    @property
    def is_stopping(self) -> bool:
        """Whether it has been asked to stop and has not ended."""
        return self._stop.is_set() and self.phase != "ended"

    def start(self) -> None:
        """Measure the trials' speed, then train what is missing."""
        self._thread.start()

    def stop(self) -> None:
        """Ask all trials to save and end."""
        self._stop.set()

    def join(self, seconds: float) -> None:
        """Wait until all trials have ended; while their speed is measured there are none."""
        if self.phase == "training":
            self._thread.join(seconds)

    def _train(self) -> None:
        try:
            trials = self.sweep.missing()
            if trials:
                # Before anything is written: data that can't be read are bad input.
                self.seconds = self.sweep.estimate(self._pool, trials)
            if self._stop.is_set():
                return
            store_group(self.sweep.path, self.sweep.group)
            self.phase = "training"
            self.began = monotonic()
            for _end in self.sweep.train(self._pool, trials):
                """Each trial's folder says how it ended."""
        except BaseException as error:  # the app ends, and the command line raises it
            self.error = error
        finally:
            self._pool.close()
            self.phase = "ended"


class SweepSource:
    """Reads a sweep's folder again and again, and stops the sweep.

    Args:
        path: the sweep's folder, which need not exist yet if this process trains it.
        training: of this process; None for a sweep of another one, or one that has ended.
    """

    def __init__(self, path: Path, training: SweepTraining | None = None) -> None:
        self.path, self.training = path, training
        self._reader: GroupReader | None = None

    @property
    def error(self) -> BaseException | None:
        """Why this process could not train it."""
        return self.training.error if self.training else None

    @property
    def is_training(self) -> bool:
        """Whether a process trains its trials."""
        return self.training.phase != "ended" if self.training else is_held(self.path)

    @property
    def waits_for(self) -> str:
        """What happens before there is anything to show."""
        if self.training is None:
            return "reading …"
        return f"measuring how fast the trials train: {self.training.where} …"

    def read(self) -> SweepPicture | None:
        """Read all trials and their statistics; None before there is anything to read.

        Not thread-safe: one thread at a time.

        Raises:
            RunError: the folder can't be read.
        """
        reading = self.newest()
        return None if reading is None else SweepPicture.of(reading)

    def newest(self) -> GroupReading | None:
        """Read all trials; None before this process has made the sweep's folder.

        Raises:
            RunError: the folder can't be read.
        """
        if self._reader is None:
            if self.training is not None and not (self.path / GROUP_NAME).is_file():
                return None
            self._reader = GroupReader(self.path)
        return self._reader.read()

    def stop(self) -> None:
        """Ask the trials to save and end, here or in another process.

        Raises:
            OSError: the order can't be written for another process.
        """
        if self.training is not None:
            self.training.stop()
        elif self.is_training:
            (self.path / STOP_NAME).touch()

    def leave(self) -> None:
        """Ask the trials that this process trains to save and end."""
        if self.training is not None:
            self.training.stop()

    def join(self, seconds: float) -> None:
        """Wait for the trials that this process trains."""
        if self.training is not None:
            self.training.join(seconds)
