"""Generate the type assertions of both doors from those of the native classes.

``python -m tools.door_types`` writes ``tests/typing/door_aio.py`` and ``door_blocking.py`` from
the functions of ``tests/typing/api.py`` whose parameters are of a class that the doors mirror.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tools.door_dialects import BLOCKING, DIALECTS, Dialect
from tools.door_source import ROOT, Function
from tools.door_tables import INTERNAL, MODULES, PLACES
from tools.without_async import without_async

__all__ = ["generate", "main", "path_of"]

API: Final = ROOT / "tests" / "typing" / "api.py"

_NATIVE_FUNCTIONS: Final = frozenset({"memory_connector", "recorder"})
"""Lines about objects that are for trio in each door."""

_NATIVE_ONLY: Final = ("from_channel(",)
"""Text in lines that do not apply to a door: its channels are not channels of trio."""

_BLOCKING_ONLY: Final = ("aclose(", "await it.reconnect()")
"""Text in lines that do not apply to the blocking door."""

_OPENING: Final = {name for module in MODULES for _, name, _ in module.functions}

_PLACE: Final = re.compile(
    rf"\brt\.(?:audio\.|fleet\.|server\.)?({'|'.join(sorted({*PLACES, *_OPENING}))})\b"
)


def _mirrored(node: Function) -> bool:
    """Whether a function has a parameter of a class that the doors have, or opens one."""
    annotations = [each.annotation for each in node.args.args if each.annotation is not None]
    if any(_PLACE.search(ast.unparse(annotation)) for annotation in annotations):
        return True
    return any(found[1] in _OPENING for found in _PLACE.finditer(ast.unparse(node)))


def _internal(node: Function) -> Iterator[str]:
    """List the calls of members that the doors do not have."""
    for argument in node.args.args:
        cls = argument.annotation and ast.unparse(argument.annotation).split("[")[0]
        for member in INTERNAL:
            owner, _, name = member.partition(".")
            if cls and cls.rpartition(".")[2] == owner:
                yield f"{argument.arg}.{name}("


def _lines(node: Function, dialect: Dialect) -> Iterator[ast.stmt]:
    blocking = _BLOCKING_ONLY if dialect is BLOCKING else ()
    without = [*_NATIVE_ONLY, *_internal(node), *blocking]
    for statement in node.body:
        if not any(part in ast.unparse(statement) for part in without):
            yield statement


def _names(node: Function) -> set[str]:
    """Return the names that a function uses from its module."""
    names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    return names - {each.arg for each in ast.walk(node) if isinstance(each, ast.arg)}


def _head(tree: ast.Module, chosen: list[Function]) -> Iterator[ast.stmt]:
    """Return the imports, type names, classes and functions that the chosen functions use."""
    used = {name for node in chosen for name in _names(node)}
    for node in tree.body[1:]:
        if isinstance(node, (ast.AsyncFunctionDef, ast.ClassDef, ast.FunctionDef)):
            if node.name in used and node not in chosen:
                yield node
        else:
            yield node


def generate(dialect: Dialect) -> str:
    """Return the text of one file."""
    tree = ast.parse(API.read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, Function) and _mirrored(node)]
    chosen = [node for node in functions if node.name not in _NATIVE_FUNCTIONS]
    for node in chosen:
        node.body = list(_lines(node, dialect))
    head = list(_head(tree, chosen))
    whole = ast.Module(body=[*head, *chosen], type_ignores=[])
    if dialect is BLOCKING:
        whole = without_async(whole)
    text = "\n\n\n".join(ast.unparse(node) for node in whole.body[len(head) :])
    top = "\n".join(ast.unparse(node) for node in whole.body[: len(head)])
    doc = (
        f'"""The types of ``rt.{dialect.package}``, as ``api.py`` asserts the native ones.\n\n'
        'Written by tools/door_types.py.\n"""'
    )
    return f"{doc}\n\n" + _PLACE.sub(rf"rt.{dialect.package}.\1", f"{top}\n\n\n{text}\n")


def path_of(dialect: Dialect) -> Path:
    """Return where a file is checked in."""
    return API.with_name(f"door_{dialect.package}.py")


def main() -> None:
    """Write both files, and format them."""
    paths: list[str] = []
    for dialect in DIALECTS:
        path_of(dialect).write_text(generate(dialect), encoding="utf-8")
        paths.append(str(path_of(dialect)))
    ruff = [sys.executable, "-m", "ruff"]
    subprocess.run([*ruff, "check", "--select", "I,F401", "--fix", "-q", *paths], check=True)
    subprocess.run([*ruff, "format", "-q", *paths], check=True)


if __name__ == "__main__":
    main()
