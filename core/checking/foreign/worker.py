"""The process that calls a user's network: `python -m mlpwatch.core.checking.foreign.worker`.

It imports the file and says what it has; then it reads a job (one folder), calls the network on
each batch, and writes one JSON line per scenario to descriptor `results`, arrays beside the job.
Whatever the user's code prints, raises or never finishes stays in here.
"""

import json
import os
import sys
from pathlib import Path
from types import ModuleType

import numpy as np

from mlpwatch.core.checking.foreign.results import Results
from mlpwatch.core.checking.foreign.scenarios import Scenarios
from mlpwatch.core.foreign.loading import attributes_of, import_source
from mlpwatch.core.foreign.user_module import UserModule, is_fit
from mlpwatch.core.foreign.user_network import (
    Found,
    NotUnderstoodError,
    UserNetwork,
    find_network,
)
from mlpwatch.core.specification import Specification


def serve(path_text: str, name: str, jobs: int, results_fd: int) -> None:
    """Import the file, say what it has, and do the job whose folder comes on descriptor `jobs`."""
    path = Path(path_text)
    with os.fdopen(results_fd, "w", encoding="utf-8") as stream, os.fdopen(jobs) as commands:
        results = Results(stream, path)
        try:
            # In a process of its own the user's modules may come first, as in a script.
            sys.path.insert(0, str(path.parent))
            module = import_source(path.read_bytes(), path, path.parent)
            found = find_network(module, name or None)
            user = _module(found, module) if found.kind == "module" else None
            facts = user.facts() if user is not None else {}
        except NotUnderstoodError as error:
            results.send(kind="not understood", text=str(error))
            return
        except BaseException as error:
            results.send(kind="import failed", **results.fault(error))
            return
        owner = found.target
        attributes = attributes_of(module) | attributes_of(owner)
        has = ("loss_value", "update", "train", "backward")
        net = user or UserNetwork(found, Specification())
        results.send(
            kind="loaded",
            style=found.kind,
            name=found.name,
            attributes=attributes,
            has={key: net.has(key) for key in has},
            facts=facts,
        )
        folder = Path(commands.readline().strip())
        if folder == Path():
            return
        settings = json.loads((folder / "job.json").read_text())
        settings["spec"]["hidden"] = tuple(settings["spec"]["hidden"])
        with np.load(folder / "job.npz", allow_pickle=False) as file:
            job = {key: file[key] for key in file.files}
        results.use(folder)
        spec = Specification(**settings["spec"])
        if user is not None and (reason := is_fit(spec, facts, settings["classes"])) is not None:
            results.send(kind="not understood", text=reason)
            return
        Scenarios(user or UserNetwork(found, spec), job, settings, results).run()


def _module(found: Found, module: ModuleType) -> UserModule:
    """Return a PyTorch module that starts alike each time, on one thread."""
    torch = sys.modules["torch"]
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return UserModule(found, module)


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
