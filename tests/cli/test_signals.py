"""What a command does that is told to end."""

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
async def test_what_has_begun_ends_in_good_order(how: signal.Signals) -> None:
    """It is cancelled, cleans up, and the command goes on behind it."""
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
async def test_what_has_not_begun_is_an_interrupt(how: signal.Signals) -> None:
    """As Ctrl-C is where nobody waits for it."""

    async def run() -> None:
        async with until_signalled():
            os.kill(os.getpid(), how)
            await trio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        await run()


async def test_nobody_told_it(autojump_clock: object) -> None:
    """Then it comes to its own end, and the signals are what they were."""
    before = signal.getsignal(signal.SIGTERM)
    async with until_signalled() as ending:
        assert signal.getsignal(signal.SIGTERM) is not before
    assert not ending.signalled
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_hang_up_that_is_ignored_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """By ``nohup``; and some systems have none."""
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
def test_only_the_program_takes_the_interrupt(
    argv: list[str], is_it: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the first import on until the command line itself can catch it."""
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


def test_an_interrupt_that_is_handled_already_is_left_alone(
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
