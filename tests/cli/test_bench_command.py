"""``realtime-trio bench``: the way to the suite."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from realtime_trio.cli import _bench
from tests.cli.command import Call, refusal


def test_it_finds_the_suite_of_a_checkout(call: Call) -> None:
    said = refusal(call, "bench", "nix")
    assert "no such question: nix; available: decode" in said


def test_options_reach_the_suite_as_they_are(
    monkeypatch: pytest.MonkeyPatch, call: Call, tmp_path: Path
) -> None:
    asked: list[list[str]] = []

    def ask(argv: list[str]) -> int:
        asked.append(argv)
        return 1

    monkeypatch.setattr(_bench, "_suite", lambda: SimpleNamespace(ask=ask, Misuse=ValueError))
    file = tmp_path / "old.json"
    assert call("bench", "core", "lanes", "--quick", "--compare", file).status == 1
    assert call("bench").status == 1
    assert asked == [["--quick", f"--compare={file}", "--", "core", "lanes"], ["--"]]


def test_without_the_suite_it_says_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, call: Call
) -> None:
    monkeypatch.setattr(_bench, "_BESIDE", "no_such_directory")
    assert "run this command in a checkout" in refusal(call, "bench")


def test_without_the_packages_it_says_which(monkeypatch: pytest.MonkeyPatch, call: Call) -> None:
    monkeypatch.setitem(sys.modules, "benchmarks._cli", None)
    assert "pip install 'realtime-trio[bench]'" in refusal(call, "bench")
