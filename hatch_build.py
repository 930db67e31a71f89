"""Put the benchmarks into the wheel: they are next to the package, but run from within it. An
editable installation needs no copy: it runs the checkout.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_HOME = "realtime_trio/_benchmarks"
_RECORDINGS = ("text", "thoughts", "tools", "delegation", "cancel", "openai")


class BenchmarksHook(BuildHookInterface[Any]):
    """Copies the suite and its recordings."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files of the suite to the wheel."""
        if version == "standard":
            included = build_data["force_include"]
            for path in Path(self.root, "benchmarks").glob("*.py"):
                included[f"benchmarks/{path.name}"] = f"{_HOME}/{path.name}"
            for name in _RECORDINGS:
                file = f"recordings/embedded_{name}.jsonl"
                included[f"tests/data/{file}"] = f"{_HOME}/{file}"
