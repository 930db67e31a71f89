"""The type checker finds the mistakes of a handler."""

from __future__ import annotations

import re
from pathlib import Path

from mypy import api

from tests.source import ROOT

WRONG = Path(__file__).with_name("handlers_wrong.py")


def test_mypy_reports_each_mistake_and_nothing_else() -> None:
    lines = WRONG.read_text(encoding="utf-8").splitlines()
    expected = {
        (number, code)
        for number, line in enumerate(lines, start=1)
        for code in re.findall(r"# E: ([\w-]+)$", line)
    }
    assert len(expected) == 5
    options = ["--config-file", str(ROOT / "pyproject.toml"), "--no-error-summary"]
    report, problems, _ = api.run([*options, str(WRONG)])
    assert problems == ""
    found = re.findall(r"^\S*handlers_wrong\.py:(\d+): error: .*\[([\w-]+)\]$", report, re.M)
    assert len(found) == report.count(": error: ")
    assert {(int(number), code) for number, code in found} == expected
