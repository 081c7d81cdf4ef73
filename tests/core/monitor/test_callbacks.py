"""The README's callbacks for Keras and Lightning, with the real packages where they are installed.

Without them, a stand-in calls the same text with the arguments that their documentation gives.
"""

import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from mlpwatch.core.monitor.follower import summarize_loop
from tests.support.watched import lines_of, run_program

KERAS = """
    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs):
            self.model.stop_training |= not run.step(**logs)
        def on_epoch_end(self, epoch, logs):
            run.epoch(**logs)
"""

LIGHTNING = """
    class Watch(lightning.Callback):
        def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
            trainer.should_stop |= not run.step(**trainer.callback_metrics)
        def on_train_epoch_end(self, trainer, module):
            run.epoch(**trainer.callback_metrics)
"""

REAL_KERAS = """
import os
os.environ["KERAS_BACKEND"] = "torch"
import numpy as np, keras, mlpwatch
x, y = np.random.rand(64, 4), np.random.randint(0, 3, 64)
model = keras.Sequential([keras.layers.Dense(3, activation="softmax")])
model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
"""

REAL_LIGHTNING = """
import logging, warnings, lightning, mlpwatch, torch
logging.disable(logging.WARNING)
warnings.simplefilter("ignore")
class Module(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 3)
    def training_step(self, batch, index):
        x, y = batch
        loss = torch.nn.functional.cross_entropy(self.layer(x), y)
        self.log("train_loss", loss)
        return loss
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)
data = torch.utils.data.TensorDataset(torch.rand(64, 4), torch.randint(0, 3, (64,)))
loader = torch.utils.data.DataLoader(data, batch_size=16)
"""

STAND_INS = """
import types, mlpwatch
class Callback:
    pass
keras = types.SimpleNamespace(callbacks=types.SimpleNamespace(Callback=Callback))
lightning = types.SimpleNamespace(Callback=Callback)
"""

FIT_KERAS = "    model.fit(x, y, epochs=2, batch_size=16, verbose=0, callbacks=[Watch()])\n"

FIT_LIGHTNING = """
    trainer = lightning.Trainer(
        max_epochs=2, logger=False, callbacks=[Watch()], enable_checkpointing=False,
        enable_progress_bar=False, accelerator="cpu",
    )
    trainer.fit(Module(), loader)
"""

DRIVE_KERAS = """
    one = Watch()
    one.model = types.SimpleNamespace(stop_training=False)
    for epoch in range(2):
        for batch in range(4):
            if not one.model.stop_training:
                one.on_train_batch_end(batch, {"loss": 0.5, "accuracy": 0.5})
        one.on_epoch_end(epoch, {"loss": 0.5, "accuracy": 0.5})
"""

DRIVE_LIGHTNING = """
    one, trainer = Watch(), types.SimpleNamespace(should_stop=False)
    trainer.callback_metrics = {"train_loss": 0.5}
    for epoch in range(2):
        for batch in range(4):
            if not trainer.should_stop:
                one.on_train_batch_end(trainer, None, None, None, batch)
        one.on_train_epoch_end(trainer, None)
"""

CASES = {
    "keras": (REAL_KERAS, KERAS, FIT_KERAS),
    "lightning": (REAL_LIGHTNING, LIGHTNING, FIT_LIGHTNING),
    "like keras": (STAND_INS, KERAS, DRIVE_KERAS),
    "like lightning": (STAND_INS, LIGHTNING, DRIVE_LIGHTNING),
}

# The loop stops itself, by the socket that `mlpwatch order` uses.
STOP = """
    class Once:
        def __init__(self): self.step = run.step
        def __call__(self, **scalars):
            if run.path and len(calls) == 1:
                from mlpwatch.core.remote.client import give_order
                from mlpwatch.core.remote.protocol import Command
                give_order(run.path, Command("stop"))
            calls.append(scalars)
            return self.step(**scalars)
    calls = []
    run.step = Once()
"""


def run_case(name: str, folder: Path, *, stops: bool) -> "subprocess.CompletedProcess[str]":
    if not name.startswith("like") and find_spec(name) is None:
        pytest.skip(f"{name} is not installed: pip install {name}")
    set_up, callback, fit = CASES[name]
    head = 'with mlpwatch.watch("loop", epochs=2) as run:\n'
    return run_program(set_up + head + (STOP if stops else "") + callback + fit, folder, 120)


@pytest.mark.parametrize("name", CASES)
def test_a_callback_logs_every_step_and_epoch(name: str, tmp_path: Path) -> None:
    done = run_case(name, tmp_path, stops=False)
    assert done.returncode == 0, done.stderr
    state = summarize_loop(tmp_path / "saved/loop")
    assert (state.state, state.step, state.epoch) == ("finished", 8, 2)
    names = {"loss", "accuracy"} if "keras" in name else {"train_loss"}
    lines = lines_of(tmp_path / "saved/loop")
    assert {key for line in lines for key in line.values} == names
    assert [line.step for line in lines if line.kind == "epoch"] == [4, 8]


@pytest.mark.parametrize("name", CASES)
def test_a_callback_stops_when_it_is_asked(name: str, tmp_path: Path) -> None:
    done = run_case(name, tmp_path, stops=True)
    assert done.returncode == 0, done.stderr
    assert summarize_loop(tmp_path / "saved/loop").step == 2
