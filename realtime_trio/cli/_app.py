"""The commands. Only this module converts their failures to one line and an exit status."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import cast

from cyclopts import App, CycloptsError

from .._exceptions import RealtimeError
from .._version import __version__
from ._command_error import CommandError
from ._settings import Settings
from ._standard_streams import is_output_failure, silence
from ._terminal_text import clean

__all__ = ["run", "whole_app"]


# Expected errors of commands; anything else is a bug and shows its traceback.
_REPORTED = (
    BrokenPipeError,
    KeyboardInterrupt,
    CycloptsError,
    CommandError,
    RealtimeError,
    BaseExceptionGroup,
)


# Summaries, equal to the first lines of the docstrings, so that the list imports no command.
_COMMANDS = {
    "demo": "Show a conversation over a real websocket, with measurements.",
    "chat": "Talk to a server: type a line, read the answer.",
    "send": "Say one thing, and print the answer; for scripts.",
    "voice": "Talk to a server and hear its answers. Ctrl-C leaves.",
    "serve": "Run the embedded server until Ctrl-C or SIGTERM.",
    "node": "Hold sessions of a fleet until Ctrl-C or SIGTERM; then finish turns and hand over.",
    "replay": "Replay a trace or a recording: show what an application would have received.",
    "history": (
        "Show what a journal, a recording or a trace holds: its entries, or the state at a moment."
    ),
    "export": "Write a session of a journal as a recording, without its secrets.",
    "top": "Show lanes, latencies, subscribers and the turn of a client while it works.",
    "record": 'Record a conversation without its secrets; "replay" shows it again.',
    "bench": "Measure how fast the library is on this machine, and compare it with its budget.",
    "events": "Show every event of the protocol: type, class, direction, lanes.",
}

# Each command is in the module of its name, unless that is another module's name.
_MODULES = {
    "node": "_node_command",
    "replay": "_replay_command",
    "history": "_history_command",
    "export": "_export_command",
}
_COMPLETION = "--install-completion"


def whole_app() -> App:
    """Create the program, for its completion."""
    return _make_app(())


def _make_app(called: Sequence[str]) -> App:
    app = App(
        name="realtime-trio",
        version=lambda: f"realtime-trio {__version__}",
        config=Settings(tuple(_COMMANDS)),
        help="Realtime agent streams from the command line.",
        # Markdown joins the lines of a paragraph. Its import is slow, and a list has no paragraphs.
        help_format="markdown" if {*called} & {*_COMMANDS, _COMPLETION} else "plaintext",
        print_error=False,
        exit_on_error=False,
        suppress_keyboard_interrupt=False,
        result_action="return_value",
    )
    for name, summary in _COMMANDS.items():
        # By name: each command is imported when it is called. Its docstring is its complete help
        # text; a summary given here would replace it.
        own = None if name in called else summary
        module = _MODULES.get(name, f"_{name}")
        app.command(f"{__package__}.{module}:{name}", name=name, help=own)
    own = None if _COMPLETION in called else "Install completion for the shell: bash, zsh or fish."
    app.command(f"{__package__}._completion_command:install_completion", name=_COMPLETION, help=own)
    return app


def run(argv: Sequence[str]) -> int:
    """Run one command and return its exit status."""
    try:
        status = _make_app(argv[:1])(list(argv))
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except SystemExit as exc:
        # cyclopts prints the help with its own console, which exits when its pipe is closed.
        if isinstance(exc.__context__, BrokenPipeError):
            return _status_of(exc.__context__)
        raise
    except (OSError, *_REPORTED) as exc:
        return _status_of(exc)


def _status_of(failure: BaseException) -> int:
    """Return the exit status for a failure. A bug is raised unchanged."""
    leaves = list(_leaves(failure))
    if any(isinstance(each, KeyboardInterrupt) for each in leaves):
        return 130  # even if it caused another failure
    if not all(isinstance(each, _REPORTED) or is_output_failure(each) for each in leaves):
        raise failure
    match leaves[0]:
        case BrokenPipeError():  # the reader closed the pipe
            silence(sys.stdout)
            return 0
        case OSError() as exc:
            silence(sys.stdout)
            return _complain(f"cannot write the output: {exc.strerror}", 1)
        case CommandError() as exc:
            return _complain(str(exc), exc.status)
        case exc:
            return _complain(str(exc), 2 if isinstance(exc, CycloptsError) else 1)


def _leaves(failure: BaseException) -> Iterator[BaseException]:
    if isinstance(failure, BaseExceptionGroup):
        for inner in cast("BaseExceptionGroup[BaseException]", failure).exceptions:
            yield from _leaves(inner)
    else:
        yield failure


def _complain(message: str, status: int) -> int:
    line = clean(" ".join(message.split()))
    try:
        print(f"realtime-trio: {line}", file=sys.stderr, flush=True)
    except OSError:  # only the exit status can still report the failure
        silence(sys.stderr)
    return status
