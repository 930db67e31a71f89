"""What the tests of the command line share."""

from __future__ import annotations

import pytest

from tests.cli.command import TERMINAL, Call, make_call


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in the environment says how wide, colourful or dumb the terminal is.

    Only a test decides that: the suite runs in an editor, in CI and without a terminal too.
    """
    for name in TERMINAL:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def call(capsysbinary: pytest.CaptureFixture[bytes]) -> Call:
    """Run a command in this process."""
    return make_call(capsysbinary)
