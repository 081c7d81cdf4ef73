"""The formats of `mlpwatch export`, and the file that each writes."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlpwatch.core.config import EngineName
from mlpwatch.core.errors import InputError, RunError
from mlpwatch.core.text import printable

if TYPE_CHECKING:
    from mlpwatch.core.report.reading import RunReading
    from mlpwatch.core.sweeps.reading import GroupReading


@dataclass(frozen=True, slots=True)
class ExportSource:
    """What is exported: a run, or a sweep of runs."""

    folder: Path
    is_group: bool
    """Whether it is a sweep."""
    again: Callable[[], str] = lambda: ""
    """Returns the command that makes it again; may be empty."""
    engine: EngineName | None = None
    """Whose model is exported; None for the first that the run trains."""


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """One value of `--to`. What makes the file imports what it needs only when it is called."""

    summary: str
    make: Callable[[ExportSource], bytes | Mapping[str, bytes]]
    """Returns the whole file; of a folder, its files by their paths in it.

    Raises:
        InputError: it can't be made of this run, or an optional package is missing.
        RunError: the run can't be read.
    """
    is_text: bool = True
    """Whether a terminal can show it."""
    has_engine: bool = False
    """Whether it is of one engine alone."""


def export_bytes(source: ExportSource, kind: str) -> bytes:
    """Return the whole file of one format.

    Raises:
        InputError: the format has none for a sweep, or an optional package is missing.
        RunError: the run can't be read.
    """
    data = FORMATS[kind].make(source)
    if not isinstance(data, bytes):
        raise InputError(f"--to {kind}: it is a folder, which has no place in a pipe; give a path")
    return data


def export_file(source: ExportSource, kind: str, path: Path | None, here: Path) -> Path:
    """Write a run or a sweep in one format; no file is ever overwritten.

    Args:
        source: what is written.
        kind: a key of `FORMATS`.
        path: of the new file, or a folder for it; None for `here`. In a folder it is named after
            the run, with a number where that name is taken.
        here: the current folder.

    Returns:
        The path of the file.

    Raises:
        InputError: the file is there already, or it can't be made, see `export_bytes`.
        RunError: the run can't be read, or the file can't be written; no file is left.
    """
    # Not at the top: every command imports this module, and `secrets` takes 4 ms.
    from mlpwatch.core.files.new_files import create  # noqa: PLC0415

    if path is not None and not path.is_dir():
        # Before the work: a figure takes seconds.
        if path.exists() or path.is_symlink():
            raise _taken(path)
        data = FORMATS[kind].make(source)
        try:
            create(path, data)
        except FileExistsError:
            raise _taken(path) from None
        except OSError as error:
            raise RunError(
                f"-o {printable(path)}: not written, {error.strerror}; give another path or free "
                "some space"
            ) from None
        return path
    from mlpwatch.core.runs.export import safe_stem, write_numbered  # noqa: PLC0415 - NumPy

    data = FORMATS[kind].make(source)
    return write_numbered(path or here, safe_stem(source.folder.resolve().name), kind, data)


def _taken(path: Path) -> InputError:
    return InputError(
        f"-o {printable(path)}: exists already and is not overwritten; remove it or give another"
    )


def _csv(source: ExportSource) -> bytes:
    from mlpwatch.core.runs.export import runs_as_csv  # noqa: PLC0415

    return runs_as_csv(_runs(source)).encode()


def _json(source: ExportSource) -> bytes:
    from mlpwatch.core.report.objects import group_json, run_json  # noqa: PLC0415

    return (group_json if source.is_group else run_json)(source.folder).encode()


def _figure(kind: str) -> Callable[[ExportSource], bytes]:
    def make(source: ExportSource) -> bytes:
        with needs("report", kind):
            from mlpwatch.core.report.figures import group_figure, run_figure  # noqa: PLC0415
        if source.is_group:
            return group_figure(_group_with_epochs(source.folder), kind)
        return run_figure(_run_with_epochs(source.folder), kind)

    return make


def _html(source: ExportSource) -> bytes:
    if source.is_group:
        from mlpwatch.core.report.pages.group_page import group_page  # noqa: PLC0415

        return group_page(_group_with_epochs(source.folder), source.again())
    from mlpwatch.core.report.pages.run_page import run_page  # noqa: PLC0415

    return run_page(_run_with_epochs(source.folder), source.again())


def _script(source: ExportSource) -> bytes:
    from mlpwatch.core.report.walkthrough.notebook import run_script  # noqa: PLC0415

    return run_script(_single(source, "py")).encode()


def _notebook(source: ExportSource) -> bytes:
    with needs("report", "ipynb"):
        import nbformat  # noqa: F401, PLC0415
    from mlpwatch.core.report.walkthrough.notebook import run_notebook  # noqa: PLC0415

    return run_notebook(_single(source, "ipynb")).encode()


def _tensorboard(source: ExportSource) -> Mapping[str, bytes]:
    with needs("tensorboard", "tensorboard"):
        from mlpwatch.core.report.event_files import event_files  # noqa: PLC0415

    return event_files(_single(source, "tensorboard"))


def _onnx(source: ExportSource) -> bytes:
    with needs("onnx", "onnx"):
        from mlpwatch.core.report.onnx_model import onnx_bytes  # noqa: PLC0415
    from mlpwatch.core.runs.manifest import read_manifest  # noqa: PLC0415
    from mlpwatch.core.runs.run import Run  # noqa: PLC0415

    _check_single(source, "onnx")
    run = Run(source.folder, read_manifest(source.folder))
    engine = source.engine or run.config.engine_names[0]
    if engine not in run.config.engine_names:
        raise InputError(f"--engine {engine}: {run.name} trains {run.config.only} alone")
    return onnx_bytes(run, engine)


def _single(source: ExportSource, kind: str) -> "RunReading":
    """Read a run.

    Raises:
        InputError: it is a sweep, or has done no epoch.
    """
    _check_single(source, kind)
    return _run_with_epochs(source.folder)


def _check_single(source: ExportSource, kind: str) -> None:
    if source.is_group:
        name = printable(source.folder.name)
        raise InputError(
            f"--to {kind}: {name} is a sweep of several runs; name one of them as {name}/TRIAL"
        )


def _run_with_epochs(folder: Path) -> "RunReading":
    from mlpwatch.core.report.reading import read_run  # noqa: PLC0415

    reading = read_run(folder)
    if not reading.engines:
        raise InputError(f"{printable(folder.name)}: no epoch has ended yet; wait for the first")
    return reading


def _group_with_epochs(folder: Path) -> "GroupReading":
    from mlpwatch.core.sweeps.reading import GroupReader  # noqa: PLC0415

    reading = GroupReader(folder).read()
    if not any(row.records for row in reading.rows):
        raise InputError(f"{printable(folder.name)}: no epoch has ended yet; wait for the first")
    return reading


@contextmanager
def needs(extra: str, kind: str) -> Iterator[None]:
    """Import an extra's packages in the body.

    Raises:
        InputError: one of them is not installed; the message names the extra.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name == "mlpwatch":
            raise
        raise InputError(
            f"--to {kind}: needs {name}, which is not installed; pip install 'mlpwatch[{extra}]'"
        ) from None


def _runs(source: ExportSource) -> list[Path]:
    from mlpwatch.core.runs.listing import run_folders  # noqa: PLC0415

    return sorted(run_folders(source.folder)) if source.is_group else [source.folder]


FORMATS: Mapping[str, ExportFormat] = {
    "csv": ExportFormat("a row per model and epoch, with the settings", _csv),
    "json": ExportFormat("one object: settings, result, epochs with their matrices", _json),
    "html": ExportFormat("a report: one page that loads nothing", _html),
    "ipynb": ExportFormat("the run made again in a notebook, by hand and in PyTorch", _notebook),
    "py": ExportFormat("the same as a script", _script),
    "png": ExportFormat("a page of figures to print or to show", _figure("png"), is_text=False),
    "svg": ExportFormat("the same page, to scale", _figure("svg")),
    "onnx": ExportFormat("one model, for any runtime", _onnx, is_text=False, has_engine=True),
    "tensorboard": ExportFormat("a log folder for TensorBoard", _tensorboard, is_text=False),
}
"""By the value of `--to`, which is also the ending of the file's name."""
