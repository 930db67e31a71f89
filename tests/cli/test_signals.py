"""What a command does on a signal to end."""

from __future__ import annotations

import os
import signal
import sys

import pytest
import trio

from realtime_trio import _startup
from realtime_trio.cli._signals import endings, until_signalled

TOLD = pytest.mark.parametrize(
    "how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda each: each.name
)


@TOLD
async def test_a_started_command_ends_in_good_order(how: signal.Signals) -> None:
    """It is cancelled and cleans up, and the command continues after it."""
    steps: list[str] = []
    async with until_signalled() as ending:
        ending.started = True
        try:
            os.kill(os.getpid(), how)
            await trio.sleep_forever()
        finally:
            steps.append("cleaned up")
    assert ending.signalled
    assert steps == ["cleaned up"]


@TOLD
async def test_a_signal_before_the_start_is_an_interrupt(how: signal.Signals) -> None:
    """Like Ctrl-C without a handler."""

    async def run() -> None:
        async with until_signalled():
            os.kill(os.getpid(), how)
            await trio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        await run()


async def test_runs_to_its_end_without_a_signal(autojump_clock: object) -> None:
    """It ends by itself, and the handlers of the signals are restored."""
    before = signal.getsignal(signal.SIGTERM)
    async with until_signalled() as ending:
        assert signal.getsignal(signal.SIGTERM) is not before
    assert not ending.signalled
    assert signal.getsignal(signal.SIGTERM) is before


def test_keeps_an_ignored_hang_up_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """``nohup`` ignores it; some systems do not have it."""
    assert signal.SIGHUP in endings()
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert endings() == [signal.SIGINT, signal.SIGTERM]
    finally:
        signal.signal(signal.SIGHUP, before)
    monkeypatch.delattr(signal, "SIGHUP")
    assert endings() == [signal.SIGINT, signal.SIGTERM]


@pytest.mark.parametrize(
    ("argv", "is_it"),
    [
        (["/usr/bin/realtime-trio", "chat"], True),
        (["app.py"], False),
    ],
)
def test_only_the_program_handles_the_interrupt(
    argv: list[str], is_it: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the first import until the command line itself can catch it."""
    left: list[int] = []
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(os, "_exit", left.append)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        _startup.watch()
        assert (signal.getsignal(signal.SIGINT) is not signal.default_int_handler) == is_it
        if is_it:
            signal.raise_signal(signal.SIGINT)
        _startup.begin()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert left == [130] * is_it


def test_keeps_an_existing_interrupt_handler(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A script's background process ignores it."""
    monkeypatch.setattr(sys, "argv", ["realtime-trio"])
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _startup.watch()
        _startup.begin()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
