"""Fixtures for the tests of the command line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from anyio.from_thread import start_blocking_portal

from realtime_trio.server import open_server
from tests.cli.chat import Served
from tests.cli.command import TERMINAL, Call, make_call


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove what the environment says about the terminal: its width, its colours, its type.

    Each test sets these itself: the suite also runs in an editor, in CI and without a terminal.
    """
    for name in TERMINAL:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def call(capsysbinary: pytest.CaptureFixture[bytes]) -> Call:
    """Run a command in this process."""
    return make_call(capsysbinary)


@pytest.fixture
def served() -> Iterator[Served]:
    with (
        start_blocking_portal("trio") as portal,
        portal.wrap_async_context_manager(open_server()) as server,
    ):
        yield Served(server, portal.call)
