"""``realtime-trio bench``: it starts the benchmark suite."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from realtime_trio.cli import _bench
from tests.cli.command import Call, refusal


def test_finds_the_benchmarks_in_a_checkout(call: Call) -> None:
    said = refusal(call, "bench", "nix")
    assert "no such question: nix; available: decode" in said


def test_passes_the_options_on_unchanged(
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


def test_says_where_to_find_missing_benchmarks(monkeypatch: pytest.MonkeyPatch, call: Call) -> None:
    monkeypatch.setattr(_bench, "_BESIDE", "no_such_directory")
    assert "run this command in a checkout" in refusal(call, "bench")


def test_names_the_missing_packages(monkeypatch: pytest.MonkeyPatch, call: Call) -> None:
    monkeypatch.setitem(sys.modules, "benchmarks._cli", None)
    assert "pip install 'realtime-trio[bench]'" in refusal(call, "bench")
