"""The entry point: what it imports, and what it prints if something is missing."""

from __future__ import annotations

import errno
import importlib
import inspect
import io
import subprocess
import sys
from collections.abc import Callable

import pytest

import realtime_trio.cli
from realtime_trio import _startup
from realtime_trio._exceptions import ConnectionFailed
from realtime_trio.cli import _app
from realtime_trio.cli._command_error import CommandError
from tests.cli.command import Call, environment, run


def outcome(failure: BaseException, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = _app._status_of(failure)
    return status, capsys.readouterr().err


def test_prints_one_clear_line_without_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "cyclopts", None)
    monkeypatch.delitem(sys.modules, "realtime_trio.cli._app")
    with pytest.raises(SystemExit) as left:
        realtime_trio.cli.main([])
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert "pip install 'realtime-trio[cli]'" in said
    assert said.count("\n") == 1


def test_the_version_needs_no_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "cyclopts", None)
    monkeypatch.delitem(sys.modules, "realtime_trio.cli._app")
    with pytest.raises(SystemExit) as left:
        realtime_trio.cli.main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"realtime-trio {realtime_trio.__version__}\n"


def test_any_other_missing_module_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "realtime_trio.cli._command_error", None)
    monkeypatch.delitem(sys.modules, "realtime_trio.cli._app")
    with pytest.raises(ModuleNotFoundError):
        realtime_trio.cli.main([])


def test_the_library_does_not_import_the_command_line() -> None:
    code = (
        "import sys, realtime_trio, realtime_trio._processor, realtime_trio.cli;"
        "sys.exit(str({'rich', 'cyclopts'} & set(sys.modules) or '') or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env=environment(), check=False, timeout=60
    )
    assert done.returncode == 0


def test_shows_help_without_a_command() -> None:
    done = run("--help")
    assert done.returncode == 0
    shown = " ".join(done.stdout.decode().replace("\u2502", " ").split())
    assert all(f"{name} {summary}" in shown for name, summary in _app._COMMANDS.items())
    assert done.stderr == b""


def command_function(name: str) -> Callable[..., object]:
    module = importlib.import_module(f"realtime_trio.cli.{_app._MODULES.get(name, f'_{name}')}")
    command: Callable[..., object] = getattr(module, name)
    return command


@pytest.mark.parametrize("name", _app._COMMANDS)
def test_the_list_repeats_the_summary_of_each_command(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = inspect.getdoc(command_function(name))
    assert said is not None
    assert said.splitlines()[0] == _app._COMMANDS[name]
    assert _app.run([name, "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    about, _, _ = said.partition("Parameters\n")
    assert " ".join(about.split()) in shown


@pytest.mark.parametrize("name", _app._COMMANDS)
def test_the_help_describes_each_parameter(name: str) -> None:
    command = command_function(name)
    _, _, described = (inspect.getdoc(command) or "").partition("Parameters\n----------\n")
    names = [line for line in described.splitlines() if line and not line.startswith(" ")]
    assert names == list(inspect.signature(command).parameters)


def test_maps_failures_to_lines_and_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(CommandError("a\n  b"), capsys) == (2, "realtime-trio: a b\n")
    assert outcome(CommandError("x", status=1), capsys) == (1, "realtime-trio: x\n")
    assert outcome(ConnectionFailed("no link"), capsys) == (1, "realtime-trio: no link\n")
    assert outcome(KeyboardInterrupt(), capsys) == (130, "")


def test_reports_unwritable_output_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    told = (1, "realtime-trio: cannot write the output: No space left on device\n")
    assert outcome(full, capsys) == told
    assert outcome(ExceptionGroup("", [full, BrokenPipeError()]), capsys) == told
    assert outcome(BrokenPipeError(), capsys) == (0, "")
    with pytest.raises(PermissionError):
        _app._status_of(PermissionError(errno.EACCES, "Permission denied", "a file"))


def test_keeps_the_status_if_stderr_is_unwritable(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def write(self, text: str, /) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys, "stderr", Full())
    assert _app._status_of(CommandError("x")) == 2


@pytest.mark.parametrize("context", [BrokenPipeError(), ValueError(), None])
def test_help_into_a_closed_pipe_succeeds(
    monkeypatch: pytest.MonkeyPatch, context: Exception | None
) -> None:
    """The console of cyclopts exits in this case; any other exit keeps its status."""

    def leave(_called: object) -> object:
        left = SystemExit(1)
        left.__context__ = context
        raise left

    monkeypatch.setattr(_app, "_make_app", leave)
    if isinstance(context, BrokenPipeError):
        assert _app.run(["--help"]) == 0
    else:
        with pytest.raises(SystemExit):
            _app.run(["--help"])


def test_reports_the_first_error_of_a_group(capsys: pytest.CaptureFixture[str]) -> None:
    group = BaseExceptionGroup("", [ExceptionGroup("", [CommandError("inner")])])
    assert outcome(group, capsys) == (2, "realtime-trio: inner\n")


def test_an_interrupt_takes_precedence_over_other_failures(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The other failures are consequences of the interrupt."""
    group = BaseExceptionGroup("", [RuntimeError("bug"), KeyboardInterrupt()])
    assert outcome(group, capsys) == (130, "")


@pytest.mark.parametrize(
    ("argv", "called", "is_it"),
    [
        (["/usr/bin/realtime-trio", "chat"], ["python", "/usr/bin/realtime-trio", "chat"], True),
        (["realtime-trio.exe"], ["realtime-trio.exe"], True),
        (["-m", "serve"], ["python", "-W", "error", "-m", "realtime_trio", "serve"], True),
        (["-m"], ["python", "-m", "pytest", "realtime_trio"], False),
        (["app.py"], ["python", "app.py", "-m", "realtime_trio"], False),
        (["-c"], ["python", "-c", "import realtime_trio"], False),
        ([""], ["python"], False),
        ([], [], False),
    ],
)
def test_detects_that_it_is_the_program(argv: list[str], called: list[str], is_it: bool) -> None:
    """An application that imports the library keeps its own handling of Ctrl-C."""
    assert _startup.is_program(argv, called) is is_it


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ExceptionGroup):
        _app._status_of(ExceptionGroup("", [RuntimeError("bug")]))
    with pytest.raises(ExceptionGroup):
        _app._status_of(ExceptionGroup("", [CommandError("use"), RuntimeError("bug")]))


def test_joins_the_lines_of_a_paragraph(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = call("send", "--help").lines
    assert "was cancelled, and 4 if the outcome is unknown." in lines
