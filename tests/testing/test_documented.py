"""The page on testing names all that the kit has, and the page on connections all that is told."""

from __future__ import annotations

import inspect
import re

import pytest

import realtime_trio as rt
from realtime_trio._core import _shell_notifications
from realtime_trio._io import _outcome
from realtime_trio.server._pipeline import Faults
from realtime_trio.testing import plugin
from tests.source import ROOT

INTERNAL = {"apply", "flush", "holding", "refusal"}


def words(page: str) -> set[str]:
    """The names that a page writes as code."""
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


def test_what_is_told_of_the_connection_is_documented() -> None:
    told = set(_shell_notifications.__all__)
    about = {name for name in told if not re.match("Audio|Memory|Lagged|Auth", name)}
    assert {"Reconnected", "SessionRestored"} <= about
    assert about <= words("explanation/connection.md")


def test_every_outcome_and_error_is_documented() -> None:
    outcomes = {name for name in _outcome.__all__ if name.startswith("Turn")}
    assert len(outcomes) == 4
    errors = {"ConnectionFailed", "ConnectionLost", "AuthenticationError", "NotSent", "InDoubt"}
    assert outcomes | errors | {"ClosedError"} <= words("explanation/connection.md")
