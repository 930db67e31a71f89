"""The package as source text, for the tests that judge how it is written."""

from __future__ import annotations

import ast
from pathlib import Path

import attrs

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "realtime_trio"


@attrs.frozen(slots=True, kw_only=True)
class Module:
    """One module: its dotted name, whether it is a package's ``__init__``, and its text."""

    name: str
    text: str
    is_package: bool = False

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)


def read_modules(root: Path = ROOT, package: str = PACKAGE) -> list[Module]:
    """Give every module below ``root/package``, in the order of their names."""
    found = []
    for path in sorted((root / package).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        found.append(
            Module(
                name=".".join(parts[:-1] if is_package else parts),
                text=path.read_text(encoding="utf-8"),
                is_package=is_package,
            )
        )
    return found
