"""One style for what the linter does not check: imports within the package, section comments."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from tests.source import PACKAGE, Module, read_modules

SECTION_WIDTH = 92
_RULE = re.compile(r"\s*#\s?[-=~*#]{2,}")
_SECTION = re.compile(r" *# -- \S.* (-+)")


def absolute_imports(modules: Iterable[Module]) -> list[str]:
    """List the imports of the package's own modules that are not relative."""
    found: list[str] = []
    for module in modules:
        for node in ast.walk(module.tree):
            names: list[str] = []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            if any(name.partition(".")[0] == PACKAGE for name in names):
                found.append(f"{module.name}:{getattr(node, 'lineno', 0)}")
    return found


def odd_sections(modules: Iterable[Module]) -> list[str]:
    """List the section comments that do not look like ``# -- title ---`` up to one column."""
    return [
        f"{module.name}:{number}: {line.strip()}"
        for module in modules
        for number, line in enumerate(module.text.splitlines(), 1)
        if _RULE.match(line) and not (_SECTION.fullmatch(line) and len(line) == SECTION_WIDTH)
    ]


def test_modules_import_each_other_by_relative_names() -> None:
    assert absolute_imports(read_modules()) == []


def test_sections_have_one_form() -> None:
    assert odd_sections(read_modules()) == []


# -- the tests can fail --------------------------------------------------------------------


def test_an_absolute_import_is_found() -> None:
    text = f"import trio\nfrom . import a\nfrom {PACKAGE}.events import b\nimport {PACKAGE}.c\n"
    module = Module(name=f"{PACKAGE}.m", text=text)
    assert absolute_imports([module]) == [f"{PACKAGE}.m:3", f"{PACKAGE}.m:4"]


def test_an_odd_section_is_found() -> None:
    right = "# -- right ".ljust(SECTION_WIDTH, "-")
    text = f"{right}\n    # ---- wrong {'-' * 20}\n# plain -- words\n"
    module = Module(name="m", text=text)
    assert [line.partition(" ")[0] for line in odd_sections([module])] == ["m:2:"]
