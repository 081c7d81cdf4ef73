"""How an engine ended, by `result.json`."""

from typing import get_args

from mlpwatch.core.config import EngineName
from mlpwatch.core.errors import RunError
from mlpwatch.core.evaluation import numbers_alone
from mlpwatch.core.events import EndReason, RunEnded
from mlpwatch.core.files.strict_json import (
    JsonError,
    take_choice,
    take_number,
    take_object,
    take_text,
)
from mlpwatch.core.runs.run import Run

_REASONS: tuple[EndReason, ...] = get_args(EndReason)


def recorded_end(run: Run, name: EngineName) -> RunEnded | None:
    """Return an engine's end with its test accuracy; None where no sound result tells of it.

    Its step is 0: the result does not hold it.
    """
    try:
        result = run.read_result()
        engine = take_object(take_object(result or {}, "engines"), name)
        loss, accuracy = take_number(engine, "test_loss"), take_number(engine, "test_accuracy")
        test = None
        if 0 <= accuracy <= 1:
            test = numbers_alone(loss, accuracy, run.dataset.classes)
        reason = take_choice(engine, "ended", _REASONS)
        return RunEnded(
            name, reason, take_text(engine, "detail"), 0, take_number(engine, "seconds"), test
        )
    except (RunError, JsonError):
        return None
