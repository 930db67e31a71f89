"""Read the native modules: their classes, functions, attributes and names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeAlias

__all__ = ["PACKAGE", "ROOT", "Function", "Source", "attributes", "item_of", "marks"]

ROOT: Final = Path(__file__).resolve().parents[1]
PACKAGE: Final = "realtime_trio"

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


class Source:
    """A native module: its classes, its functions, and the origins of its names."""

    def __init__(self, module: str) -> None:
        self.module = module
        path = ROOT / PACKAGE / (module.replace(".", "/") + ".py")
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.names: dict[str, tuple[str, str]] = {}
        self.modules: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                self.modules |= {alias.name for alias in node.names}
            if isinstance(node, ast.ImportFrom):
                origin = self._absolute(node)
                for alias in node.names:
                    self.names[alias.asname or alias.name] = (origin, alias.name)
        for node in self.tree.body:
            for name in _defined(node):
                self.names[name] = (f"{PACKAGE}.{module}", name)

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = [PACKAGE, *self.module.split(".")][: -node.level]
        return ".".join([*package, *([node.module] if node.module else [])])

    def of_class(self, name: str) -> ast.ClassDef:
        """Find a class."""
        return next(n for n in self.tree.body if isinstance(n, ast.ClassDef) and n.name == name)

    def of_function(self, name: str) -> Function:
        """Find a function."""
        return next(n for n in self.tree.body if isinstance(n, Function) and n.name == name)


def _defined(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        yield node.name
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id
    elif isinstance(node, ast.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def attributes(cls: ast.ClassDef) -> Iterator[tuple[str, ast.expr, str]]:
    """List the public attributes that ``__init__`` annotates, with their docstrings."""
    init = next(
        (n for n in cls.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None
    )
    body = init.body if init is not None else []
    for place, node in enumerate(body):
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Attribute)):
            if isinstance(node, ast.Assign):
                yield from _unannotated(node, init)
            continue
        after = body[place + 1] if place + 1 < len(body) else None
        doc = ""
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            doc = str(after.value.value)
        if not node.target.attr.startswith("_"):
            yield node.target.attr, node.annotation, doc


def _unannotated(
    node: ast.Assign, init: ast.FunctionDef | None
) -> Iterator[tuple[str, ast.expr, str]]:
    """``self.x = x`` has the type of the parameter."""
    target = node.targets[0]
    if (
        init is None
        or not isinstance(node.value, ast.Name)
        or not isinstance(target, ast.Attribute)
    ):
        return
    for argument in init.args.args:
        public = not target.attr.startswith("_")
        if argument.arg == node.value.id and argument.annotation is not None and public:
            yield target.attr, argument.annotation, ""


def marks(node: Function) -> set[str]:
    """Return the names of the decorators."""
    return {ast.unparse(mark).rpartition(".")[2] for mark in node.decorator_list}


def item_of(annotation: ast.expr | None) -> ast.expr:
    """Return ``X`` of ``AsyncGenerator[X, None]`` or ``AbstractAsyncContextManager[X]``."""
    assert isinstance(annotation, ast.Subscript)
    inner = annotation.slice
    return inner.elts[0] if isinstance(inner, ast.Tuple) else inner
