"""The numbers of epochs for the charts, in bounded space for any number of epochs."""

from mlpwatch.core.epochs import EpochRecord
from mlpwatch.core.events import GapMeasured, StepCompared
from mlpwatch.tui.state.curves import Curve

MOST_EPOCHS = 512
"""Kept at a time. With its matrix an epoch of both models takes 3 kB; at full speed there are three
a second on MNIST and ninety on the bundled digits: an hour of them would be 30 to 900 MB. The
charts have 256 columns of dots at most."""

NEWEST_EPOCHS = 128
"""The newest epochs, all of which are kept."""


def is_kept(epoch: int, newest: int) -> bool:
    """Return whether an epoch's numbers are still kept after epoch `newest`.

    The answer depends only on the two, and a dropped epoch is never needed again: each time the
    run's length doubles, every second of the older epochs is dropped.

    Args:
        epoch: counted from 1.
        newest: the newest completed epoch, from 1.
    """
    stride = 1
    while newest // stride > MOST_EPOCHS // 2:
        stride *= 2
    return epoch > newest - NEWEST_EPOCHS or epoch % stride == 0


class EpochCurves:
    """Each quantity as a curve over steps or seconds, with one point per epoch, up to 500.

    Drawing a list of all epochs would cost more with each epoch: 20 ms more per frame after
    1,200 epochs, which are a million steps on MNIST.

    Args:
        planned: the expected last x; 0 if unknown.
    """

    def __init__(self, planned: float = 0) -> None:
        self.train_loss = Curve(planned=planned)
        self.validation_loss = Curve(planned=planned)
        self.validation_accuracy = Curve(planned=planned)
        self.train_accuracy = Curve(planned=planned)

    def add(self, x: float, epoch: EpochRecord) -> None:
        """Add one epoch, which ended at x."""
        self.train_loss.add(x, epoch.train_loss)
        self.validation_loss.add(x, epoch.val_loss)
        self.validation_accuracy.add(x, epoch.val_accuracy)
        self.train_accuracy.add(x, epoch.train_accuracy)


class GapCurves:
    """The gap between both models, as curves over steps or seconds.

    Args:
        planned: the expected last x; 0 if unknown.
    """

    def __init__(self, planned: float = 0) -> None:
        self._planned = planned
        self.weights = Curve(planned=planned)
        self.losses = Curve(planned=planned)
        self.layers: list[Curve] = []
        """From the input side; as many as the first gap has."""

    def add(self, x: float, gap: GapMeasured) -> None:
        """Add the gap of one epoch, which ended at x."""
        if not self.layers:
            self.layers = [Curve(planned=self._planned) for _ in gap.layer_differences]
        self.weights.add(x, gap.weight_difference)
        self.losses.add(x, gap.loss_difference)
        for curve, difference in zip(self.layers, gap.layer_differences, strict=True):
            curve.add(x, difference)


class StepCurves:
    """How far one step of both models is apart, as curves over steps or seconds.

    Args:
        planned: the expected last x; 0 if unknown.
    """

    def __init__(self, planned: float = 0) -> None:
        self.weights, self.rounding = Curve(planned=planned), Curve(planned=planned)

    def add(self, x: float, compared: StepCompared) -> None:
        """Add one comparison, of a step that ended at x."""
        self.weights.add(x, compared.difference)
        self.rounding.add(x, compared.rounding)
