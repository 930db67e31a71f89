"""Puts the benchmarks into the wheel: they stand beside the package, and are run from within.

An editable installation needs no copy: there the checkout itself is what is run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_HOME = "realtime_trio/_benchmarks"
_RECORDINGS = ("text", "thoughts", "tools", "delegation", "cancel", "openai")


class BenchmarksHook(BuildHookInterface[Any]):
    """Copies the suite, and the recordings that it reads."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name what goes where."""
        if version == "standard":
            included = build_data["force_include"]
            for path in Path(self.root, "benchmarks").glob("*.py"):
                included[f"benchmarks/{path.name}"] = f"{_HOME}/{path.name}"
            for name in _RECORDINGS:
                file = f"recordings/embedded_{name}.jsonl"
                included[f"tests/data/{file}"] = f"{_HOME}/{file}"
