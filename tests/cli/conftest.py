"""What the tests of the command line share."""

from __future__ import annotations

import pytest

from tests.cli.command import TERMINAL, Call, make_call


@pytest.fixture
def call(capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run a command in this process, where nothing says how wide or colourful the terminal is."""
    for name in TERMINAL:
        monkeypatch.delenv(name, raising=False)
    return make_call(capsysbinary)
