"""The documentation names everything in the test kit, and every connection notification."""

from __future__ import annotations

import inspect
import re

import pytest

import realtime_trio as rt
from realtime_trio._core import _shell_notifications
from realtime_trio._turns import _outcome
from realtime_trio.server._fault_pipeline import Faults
from realtime_trio.testing import plugin
from tests.source import ROOT

INTERNAL = {"apply", "flush", "holding", "refusal"}


def words(page: str) -> set[str]:
    """Return the names that a page marks as code."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```.*?```", text, re.DOTALL)
    inline = re.findall(r"`[^`]+`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return set(re.findall(r"\w+", " ".join([*blocks, *inline])))


@pytest.mark.parametrize("name", [*rt.testing.__all__, *plugin.__all__])
def test_the_kit_is_documented(name: str) -> None:
    if name != "Peer":  # a part of check_transport
        assert name in words("testing.md")


def test_every_fault_is_documented() -> None:
    names = {name for name, _ in inspect.getmembers(Faults) if not name.startswith("_")}
    assert names >= INTERNAL
    assert names - INTERNAL <= words("testing.md")


def test_connection_notifications_are_documented() -> None:
    names = set(_shell_notifications.__all__)
    about = {name for name in names if not re.match("Audio|Memory|Lagged|Auth", name)}
    assert {"Reconnected", "SessionRestored"} <= about
    assert about <= words("explanation/connection.md")


def test_every_outcome_and_error_is_documented() -> None:
    outcomes = {name for name in _outcome.__all__ if name.startswith("Turn")}
    assert len(outcomes) == 4
    errors = {"ConnectionFailed", "ConnectionLost", "AuthenticationError", "NotSent", "InDoubt"}
    assert outcomes | errors | {"ClosedError"} <= words("explanation/connection.md")
