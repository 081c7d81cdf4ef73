"""The syntax of the command line; `tui.__main__` implements the commands."""

import argparse
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from mlpwatch import __version__
from mlpwatch.core.cli.ending import add_end_options, add_notify_option
from mlpwatch.core.cli.options import add_run_options, add_training_options
from mlpwatch.core.cli.parser import Parser
from mlpwatch.core.cli.setup.own_defaults import MAX_FPS
from mlpwatch.core.errors import InputError
from mlpwatch.tui.hangup import add_hangup_option
from mlpwatch.tui.surroundings import theme_named
from mlpwatch.tui.terminal.window.signs import notify_stderr

if TYPE_CHECKING:
    from mlpwatch.tui.lecture.cue_file import Cue

_RUN_HELP = "name of the run, or path of its folder (default: the newest run)"

Command = Callable[[argparse.Namespace], int]

_DESCRIPTION = """\
Watch one MLP learn twice, side by side: by hand in NumPy and in PyTorch.

  mlpwatch [OPTIONS]             train and watch
  mlpwatch train [OPTIONS]       the same without a screen
  mlpwatch resume [RUN]          continue RUN, or the newest run
  mlpwatch branch RUN --at N     a new run from epoch N
  mlpwatch attach [RUN|PATH]     watch another's run or log
  mlpwatch attach HOST:RUN       one of another machine, through ssh
  mlpwatch order RUN ORDER       pause, resume, step, save, stop or set it
  mlpwatch sweep [OPTIONS]       a grid of settings times seeds
  mlpwatch compare RUN|GROUP...  runs and sweeps beside each other
  mlpwatch why A B               which setting makes the gap
  mlpwatch export RUN --to KIND  a run as a file: csv, html, png, ...
  mlpwatch status|tail RUN       how it stands, or its log, for scripts
  mlpwatch runs                  list saved runs
  mlpwatch data fetch mnist      download MNIST into the cache
  mlpwatch check FILE [FILE]     what is wrong in your own network
  mlpwatch new FILE              a starter file for it
  mlpwatch serve [RUN]           all of it in a browser
  mlpwatch completion SHELL      for bash, zsh or fish

mlpwatch COMMAND --help shows a command's own options. With no option at all it trains the `twin` \
recipe; --data and --recipe are the two to know.
"""


def build_parser(handlers: Mapping[str, Command], named: str | None = None) -> Parser:
    """Return the parser; each command's namespace has its function as `command`.

    Args:
        handlers: the functions of the commands that draw, or that the caller implements.
        named: the command whose options are wanted beside those of `watch`; None for all. The
            modules of the others are not imported: they are a fifth of the time to the first frame.
    """
    parser = Parser(
        prog="mlpwatch",
        description=_DESCRIPTION,
        allow_abbrev=False,
        usage="mlpwatch [COMMAND] [OPTIONS]",
    )
    parser.add_argument("--version", action="version", version=f"mlpwatch {__version__}")
    # Without their own names, commands would be called after the whole usage line.
    commands = parser.add_subparsers(
        prog="mlpwatch", metavar="COMMAND", required=True, help=argparse.SUPPRESS
    )
    watching = commands.add_parser("watch", prog="mlpwatch", allow_abbrev=False)
    _add_watch(watching)
    watching.set_defaults(command=handlers.get("watch"))
    if named is None:
        # Without a command, `mlpwatch` takes the options of its hidden first command.
        parser.epilog = "basics:" + watching.format_help().partition("\n\nbasics:")[2]
    for name in COMMANDS if named is None else {named} & set(COMMANDS):
        one = commands.add_parser(name, allow_abbrev=False)
        COMMANDS[name](one)
        if name in handlers:
            one.set_defaults(command=handlers[name])
    return parser


def _add_watch(parser: Parser) -> None:
    parser.description = "Train and watch, in this terminal."
    add_training_options(parser)
    add_run_options(parser, naming=True)
    add_end_options(parser)
    _add_screen_of_a_training(parser)
    parser.set_defaults(json=False, notifier=notify_stderr)


def _add_train(parser: Parser) -> None:
    from mlpwatch.core.cli.train import add_train_options, run_train  # noqa: PLC0415

    parser.description = "Train without a screen; one line per epoch and engine on stderr."
    parser.usage = "mlpwatch train [OPTIONS]"
    add_train_options(parser)
    parser.set_defaults(command=run_train, notifier=notify_stderr)


def _add_resume(parser: Parser) -> None:
    from mlpwatch.core.cli.ranks import add_ranks_option  # noqa: PLC0415

    parser.description = (
        "Continue a run where it stopped; --epochs makes it longer, and a falling learning rate "
        "then falls towards the new end."
    )
    parser.usage = "mlpwatch resume [RUN] [OPTIONS]"
    parser.add_argument("run", nargs="?", metavar="RUN", help=_RUN_HELP)
    parser.add_argument("--headless", action="store_true", help="without a screen")
    parser.add_argument("--json", action="store_true", help="headless: print the result as JSON")
    add_ranks_option(parser)
    add_training_options(parser)
    add_run_options(parser, naming=False)
    add_end_options(parser)
    _add_screen_of_a_training(parser)
    parser.set_defaults(notifier=notify_stderr)


def _add_branch(parser: Parser) -> None:
    from mlpwatch.core.cli.branch import add_branch_options  # noqa: PLC0415

    parser.description = (
        "Start a new run with the weights, the optimizer's memory and the place in the batch order "
        "that RUN had after an epoch. Options change its settings; what fits the weights may "
        "change. Without a change it ends as RUN does, to the bit."
    )
    parser.usage = "mlpwatch branch RUN --at EPOCH [OPTIONS]"
    parser.add_argument("run", metavar="RUN", help="name of the run, or path of its folder")
    parser.add_argument("--headless", action="store_true", help="without a screen")
    parser.add_argument("--json", action="store_true", help="headless: print the result as JSON")
    add_branch_options(parser)
    _add_screen_of_a_training(parser)
    parser.set_defaults(notifier=notify_stderr)


def _add_attach(parser: Parser) -> None:
    from mlpwatch.core.cli.remote.relay import add_far_options  # noqa: PLC0415

    parser.description = (
        "Watch a run from its folder: one that trains in another terminal or without a screen, or "
        "one that has ended. Pausing, saving and stopping reach the process that trains it; "
        "quitting leaves it alone. Of a sweep, GROUP shows all settings, GROUP/TRIAL one run. "
        "PATH is a log that another program writes: TensorBoard event files (needs "
        "mlpwatch[tensorboard]), Lightning's or Keras' CSV, Hugging Face's trainer_state.json, or "
        "JSON lines with numbers; a folder is searched. Of two, runs too, the metrics stand beside "
        "each other. HOST:RUN is a run of another machine, through your own ssh; HOST: is the "
        "newest there, HOST:PATH its folder."
    )
    parser.usage = "mlpwatch attach [RUN|GROUP|PATH|HOST:RUN] [RUN|PATH] [OPTIONS]"
    parser.add_argument(
        "run", nargs="?", metavar="RUN|GROUP|PATH|HOST:RUN",
        help="name of the run or sweep, or path of its folder or of a log (default: the newest "
        "run)",
    )  # fmt: skip
    parser.add_argument(
        "second", nargs="?", metavar="RUN|PATH", help="another, to be shown beside it"
    )
    add_run_options(parser, naming=False)
    add_far_options(parser)
    group = _add_screen_options(parser)
    add_notify_option(group)
    group.add_argument(
        "--spectate",
        action="store_true",
        help="only look: keys that pause, save, rename, delete or write are refused",
    )


def _add_relay(parser: Parser) -> None:
    from mlpwatch.core.cli.remote.relay import add_relay_options  # noqa: PLC0415

    parser.description = (
        "Send what is new of a run over standard output, and pass orders on to it: what mlpwatch "
        "attach HOST:RUN starts on the other machine."
    )
    parser.usage = "mlpwatch relay [RUN] [OPTIONS]"
    add_relay_options(parser)
    add_run_options(parser, naming=False)


def _add_order(parser: Parser) -> None:
    from mlpwatch.core.cli.remote.order import add_order_options, run_order  # noqa: PLC0415

    parser.description = (
        "Give one order to a run that trains in another terminal or without a screen. It is obeyed "
        "at the next batch; the answer says how the run stands."
    )
    parser.usage = "mlpwatch order RUN ORDER [OPTIONS]"
    add_order_options(parser)
    add_run_options(parser, naming=False)
    parser.set_defaults(command=run_order)


def _add_status(parser: Parser) -> None:
    from mlpwatch.core.cli.follow import add_status_options, run_status  # noqa: PLC0415

    parser.description = "Say how a run stands; with --wait, once it has ended."
    add_status_options(parser)
    add_run_options(parser, naming=False)
    parser.set_defaults(command=run_status)


def _add_tail(parser: Parser) -> None:
    from mlpwatch.core.cli.follow import add_tail_options, run_tail  # noqa: PLC0415

    parser.description = "Print the lines of a run's log, and those that come until it ends."
    add_tail_options(parser)
    add_run_options(parser, naming=False)
    parser.set_defaults(command=run_tail)


def _add_sweep(parser: Parser) -> None:
    from mlpwatch.core.cli.sweep import add_sweep_options  # noqa: PLC0415

    parser.description = (
        "Train a grid of settings times seeds. Every setting takes a list: --learning-rate "
        "0.03,0.1 --hidden '64;128,64'. Each trial is an ordinary run in the sweep's folder, "
        "GROUP/TRIAL where a run is named; past epochs are kept only with --history MB. The same "
        "--name again trains what is missing. --threads N gives all trials together N cores. On a "
        "terminal a screen shows all of it; without one, a line per trial and a table."
    )
    parser.usage = "mlpwatch sweep [OPTIONS]"
    add_sweep_options(parser)
    _add_screen_options(parser)
    parser.set_defaults(notifier=notify_stderr)


def _add_compare(parser: Parser) -> None:
    from mlpwatch.core.cli.comparison.compare import add_compare_options, run_compare  # noqa: PLC0415

    parser.description = (
        "Print runs and sweeps beside each other: test accuracies, means with standard deviations, "
        "and paired differences with a 95 % interval."
    )
    parser.usage = "mlpwatch compare RUN|GROUP... [OPTIONS]"
    add_compare_options(parser)
    add_run_options(parser, naming=False)
    parser.set_defaults(command=run_compare)


def _add_why(parser: Parser) -> None:
    from mlpwatch.core.cli.comparison.why import add_why_options, run_why  # noqa: PLC0415

    parser.description = (
        "Find out which of the settings that differ between A and B makes the difference in test "
        "accuracy: the networks in between are trained as a sweep, all combinations of up to six "
        "differences, and the gap is shared out (Shapley values). The same command continues it."
    )
    parser.usage = "mlpwatch why A B [OPTIONS]"
    add_why_options(parser)
    add_run_options(parser, naming=False)
    parser.set_defaults(command=run_why)


def _add_export(parser: Parser) -> None:
    from mlpwatch.core.cli.export import add_export_options, run_export  # noqa: PLC0415

    parser.description = "Write a run or a sweep as a file for other programs, or for people."
    parser.usage = "mlpwatch export RUN --to KIND [-o PATH]"
    add_export_options(parser)
    add_run_options(parser, naming=False)
    parser.set_defaults(command=run_export)


def _add_runs(parser: Parser) -> None:
    parser.description = "List saved runs, newest first."
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    add_run_options(parser, naming=False)


def _add_data(parser: Parser) -> None:
    parser.description = "Data sets in the cache."
    actions = parser.add_subparsers(metavar="fetch", required=True)
    fetching = actions.add_parser("fetch", allow_abbrev=False)
    fetching.description = "Download MNIST through fetch_openml; run it again to continue."
    fetching.add_argument("dataset", choices=["mnist"], metavar="mnist", help="what to download")


def _add_check(parser: Parser) -> None:
    from mlpwatch.core.cli.check import add_check_options, check  # noqa: PLC0415

    parser.description = (
        "Compare your own network with a float64 reference: outputs, loss, every gradient, two "
        "updates, 50 steps; name the first number that differs, and why."
    )
    add_check_options(parser)
    parser.set_defaults(command=check)


def _add_new(parser: Parser) -> None:
    from mlpwatch.core.cli.check import add_new_options, new  # noqa: PLC0415

    parser.description = "Write a starter file: the contract, with the backward pass left to write."
    add_new_options(parser)
    parser.set_defaults(command=new)


def _add_serve(parser: Parser) -> None:
    from mlpwatch.tui.serve.command import add_serve_options  # noqa: PLC0415

    parser.description = (
        "Show the dashboard in browsers, for people without SSH (needs mlpwatch[web]). Each viewer "
        "gets a screen of their own, at the least priority; up to 32 look on at once. The link "
        "that is printed has a token, and nothing is shown without it. Viewers look, browse and "
        "draw; nothing that changes a training, a run or a file is open to them without --control."
    )
    parser.usage = "mlpwatch serve [RUN] [OPTIONS]"
    add_serve_options(parser)
    add_run_options(parser, naming=False)


def _add_completion(parser: Parser) -> None:
    from mlpwatch.core.cli.setup.completion import add_completion_options  # noqa: PLC0415

    parser.description = "Print a script that completes commands, options and names of runs."
    add_completion_options(parser, lambda: build_parser({}))


COMMANDS: Mapping[str, Callable[[Parser], None]] = MappingProxyType(
    {
        "train": _add_train,
        "resume": _add_resume,
        "branch": _add_branch,
        "attach": _add_attach,
        "order": _add_order,
        "sweep": _add_sweep,
        "compare": _add_compare,
        "why": _add_why,
        "export": _add_export,
        "runs": _add_runs,
        "status": _add_status,
        "tail": _add_tail,
        "data": _add_data,
        "check": _add_check,
        "new": _add_new,
        "serve": _add_serve,
        "completion": _add_completion,
        "relay": _add_relay,
    }
)
"""What adds a command's options; it imports the command's module. Without a command, the first
word that is not an option, mlpwatch trains and watches."""


def _add_screen_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    group = parser.add_argument_group("screen")
    group.add_argument(
        "--fps", type=_frames, metavar="F", help="updates per second (default: 4; over SSH 2)"
    )
    group.add_argument("--no-mouse", action="store_true", help="leave the mouse to the terminal")
    group.add_argument("--ascii", action="store_true", help="plain ASCII characters only")
    group.add_argument("--big", action="store_true", help="begin with few, large numbers (v)")
    group.add_argument(
        "--theme",
        type=theme_named,
        metavar="NAME",
        help="dark (default), light, or any that the palette (ctrl+p) has",
    )
    return group


def _add_screen_of_a_training(parser: Parser) -> None:
    """Add the options of a screen behind which a run trains."""
    group = _add_screen_options(parser)
    add_hangup_option(group)
    group.add_argument(
        "--cues", type=_cues, metavar="FILE",
        help="a talk: what is said, paused and opened after which epoch, from a file",
    )  # fmt: skip


def _cues(text: str) -> "tuple[Cue, ...]":
    from mlpwatch.tui.lecture.cue_file import read_cues  # noqa: PLC0415

    try:
        return read_cues(Path(text).expanduser())
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _frames(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= MAX_FPS:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number above 0, up to {MAX_FPS:g}")
    return value
