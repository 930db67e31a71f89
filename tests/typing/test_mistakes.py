"""The type checker finds the mistakes of a handler, and those in the use of a door."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mypy import api

from tests.source import ROOT

HERE = Path(__file__).parent


@pytest.mark.parametrize(("name", "mistakes"), [("handlers_wrong", 5), ("doors_wrong", 9)])
def test_mypy_reports_each_mistake_and_nothing_else(name: str, mistakes: int) -> None:
    wrong = HERE / f"{name}.py"
    lines = wrong.read_text(encoding="utf-8").splitlines()
    expected = {
        (number, code)
        for number, line in enumerate(lines, start=1)
        for code in re.findall(r"# E: ([\w-]+)$", line)
    }
    assert len(expected) == mistakes
    options = ["--config-file", str(ROOT / "pyproject.toml"), "--no-error-summary"]
    report, problems, _ = api.run([*options, str(wrong)])
    assert problems == ""
    found = re.findall(rf"^\S*{name}\.py:(\d+): error: .*\[([\w-]+)\]$", report, re.M)
    assert len(found) == report.count(": error: ")
    assert {(int(number), code) for number, code in found} == expected
