"""Puts the benchmarks into the wheel: they stand beside the package, and are run from within.

An editable installation needs no copy: there the checkout itself is what is run.
"""

from __future__ import annotations

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
            included["benchmarks"] = _HOME
            for name in _RECORDINGS:
                file = f"recordings/embedded_{name}.jsonl"
                included[f"tests/data/{file}"] = f"{_HOME}/{file}"
