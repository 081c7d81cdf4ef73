"""`mlpwatch completion bash|zsh|fish`: a script for the shell that completes options and runs."""

import argparse
from collections.abc import Callable
from functools import partial

from mlpwatch.core.cli.parser import Parser, parsers_of
from mlpwatch.core.errors import InputError

SHELLS = ("bash", "zsh", "fish")

_BASH = r"""
_mlpwatch_runs() {
  local saved=saved i name
  for ((i = 1; i < COMP_CWORD; i++)); do
    if [[ ${COMP_WORDS[i]} == --saved ]]; then
      saved=${COMP_WORDS[i + 1]}
      [[ $saved == = ]] && saved=${COMP_WORDS[i + 2]}
    fi
  done
  saved=${saved/#\~/$HOME}
  for name in "$saved"/*/{config,watch,group}.json "$saved"/*/*/config.json; do
    [[ -e $name ]] || continue
    name=${name%/*} name=${name#"$saved"/}
    [[ $name == *[!A-Za-z0-9._/+@%,=-]* ]] && continue
    [[ $name == "$1"* ]] && printf '%s\n' "$name"
  done
}
"""

_ZSH = r"""
_mlpwatch_runs() {
  local saved=saved i
  local -a names
  for ((i = 1; i < CURRENT; i++)); do
    [[ $words[i] == --saved ]] && saved=$words[i+1]
    [[ $words[i] == --saved=* ]] && saved=${words[i]#--saved=}
  done
  saved=${saved/#\~/$HOME}
  names=($saved/*/{config,watch,group}.json(N:h) $saved/*/*/config.json(N:h))
  names=(${names#$saved/})
  compadd -a names
}
"""

_FISH = r"""
function __mlpwatch_runs
  set -l saved saved
  set -l words (commandline -opc)
  for i in (seq (count $words))
    test "$words[$i]" = --saved; and set saved $words[(math $i + 1)]
    if string match -q -- '--saved=*' "$words[$i]"
      set saved (string replace -- --saved= '' $words[$i])
    end
  end
  set saved (string replace -r -- '^~' $HOME $saved)
  set -l found $saved/*/config.json $saved/*/watch.json $saved/*/group.json $saved/*/*/config.json
  for path in $found
    string replace -- $saved/ '' (string replace -r -- '/[^/]*$' '' $path)
  end
end
"""

_RUNS = {
    "bash": "_mlpwatch_runs",
    "zsh": "_mlpwatch_runs",
    "fish": "(__mlpwatch_runs)",
    "preamble": {"bash": _BASH, "zsh": _ZSH, "fish": _FISH},
}
"""The folder is read by the shell itself: starting mlpwatch for a list takes 0.1 s a key. Bash's
`compgen -W` is not used for names, since it would run a command that stands in one."""

_RUN_METAVARS = ("RUN", "A", "B")
_FILE_METAVARS = ("FILE", "FILE[:NAME]", "PATH")
_FOLDER_METAVAR = "DIR"


def add_completion_options(parser: argparse.ArgumentParser, whole: Callable[[], Parser]) -> None:
    """Add the shell; the command prints the script for all of `whole`.

    Args:
        parser: of this command.
        whole: returns the parser of the whole command line.
    """
    parser.add_argument(
        "shell", choices=SHELLS, metavar="|".join(SHELLS),
        help="such as: source <(mlpwatch completion bash)",
    )  # fmt: skip
    parser.set_defaults(command=partial(_run_completion, whole))


def _run_completion(whole: Callable[[], Parser], options: argparse.Namespace) -> int:
    print(completion_script(whole(), options.shell))  # noqa: T201
    return 0


def completion_script(parser: Parser, shell: str) -> str:
    """Return the script for a shell.

    Args:
        parser: of the whole command line; changed for the purpose.
        shell: one of `SHELLS`.

    Raises:
        InputError: the package shtab is missing.
    """
    try:
        import shtab  # noqa: PLC0415 - only here is it needed
    except ImportError:
        raise InputError("completion: needs the package shtab; pip install shtab") from None
    _show_commands(parser)
    for one in parsers_of(parser):
        for action in one._actions:
            metavar = str(action.metavar or "")
            if metavar.split("|", maxsplit=1)[0] in _RUN_METAVARS:
                action.complete = _RUNS  # type: ignore[attr-defined]
            elif metavar == _FOLDER_METAVAR:
                action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
            elif metavar in _FILE_METAVARS or "|PATH" in metavar:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    return shtab.complete(parser, shell)


def _show_commands(parser: Parser) -> None:
    """Give each command its description, and `mlpwatch` alone the options of its first command.

    The help has its own list of commands, so argparse is given none: shtab takes them for private.
    """
    for one in parsers_of(parser):
        for action in one._actions:
            if isinstance(action, argparse._SubParsersAction):
                action.help = "command"
                action._choices_actions = [
                    action._ChoicesPseudoAction(name, (), (child.description or "").split(". ")[0])
                    for name, child in action.choices.items()
                    if name != "watch"
                ]
    (commands,) = (one for one in parser._actions if isinstance(one, argparse._SubParsersAction))
    for option in commands.choices["watch"]._actions:
        if not isinstance(option, argparse._HelpAction):
            parser._add_action(option)
