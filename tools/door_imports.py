"""The import statements of a generated module, and the signatures that need them."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator
from copy import deepcopy

import attrs

from .door_dialects import Dialect
from .door_source import PACKAGE, Function, Source
from .door_tables import PLACES, TAKEN, DoorModule

__all__ = ["Imports", "Signature", "signature"]


class Imports:
    """The import statements of one generated module."""

    def __init__(self, module: DoorModule, dialect: Dialect) -> None:
        self._module = module
        self._dialect = dialect
        self._own = {entry.name for entry in module.classes}
        self.found: dict[str, tuple[str, str]] = {}
        """By the name in the module: its origin, and its name there."""

    def add(self, origin: str, name: str, alias: str = "") -> None:
        """Import a name."""
        known = self.found.setdefault(alias or name, (origin, name))
        if known != (origin, name) and not re.fullmatch(r"T\d?", name):
            message = f"{name} stands for two things: of {known[0]} and of {origin}"
            raise ValueError(message)

    def door(self, module: str, name: str) -> None:
        """Import a name of the same door."""
        if module != self._module.name:
            self.add(f".{module}", name)

    def names_of(self, node: ast.AST, source: Source) -> None:
        """Import every name that an annotation or a default uses."""
        for each in ast.walk(node):
            if isinstance(each, ast.Constant) and isinstance(each.value, str):
                continue
            if not isinstance(each, ast.Name) or hasattr(builtins, each.id):
                continue
            if each.id in PLACES:
                self.door(PLACES[each.id], each.id)
            elif each.id in source.names:
                origin, name = source.names[each.id]
                self.add(origin, name, "" if name == each.id else each.id)
            elif each.id in source.modules:
                self.add("", each.id)

    def lines(self) -> Iterator[str]:
        """Write them; the formatter sorts them."""
        for alias, (origin, name) in self.found.items():
            shown = f"{name} as {alias}" if alias != name else name
            if not origin:
                yield f"import {shown}"
            elif origin.startswith("."):
                yield f"from {origin} import {shown}"
            elif origin.split(".")[0] == PACKAGE:
                yield f"from .{origin.removeprefix(PACKAGE)} import {shown}"
            else:
                yield f"from {origin} import {shown}"


@attrs.define(slots=True)
class Signature:
    """The parameters of a function of a door, and the arguments that it passes."""

    parameters: str
    arguments: str


def signature(node: Function, source: Source, imports: Imports, *, method: bool) -> Signature:
    """Return the parameters of ``node`` as its door has them."""
    arguments = deepcopy(node.args)
    positional = [*arguments.posonlyargs, *arguments.args][1 if method else 0 :]
    passed = [_taken(argument, imports) for argument in positional]
    if arguments.vararg is not None:
        passed.append(f"*{arguments.vararg.arg}")
    passed += [f"{each.arg}={_taken(each, imports)}" for each in arguments.kwonlyargs]
    for each in (*positional, *arguments.kwonlyargs, *filter(None, [arguments.vararg])):
        if each.annotation is not None:
            imports.names_of(each.annotation, source)
    for default in (*arguments.defaults, *filter(None, arguments.kw_defaults)):
        imports.names_of(default, source)
    return Signature(ast.unparse(arguments), ", ".join(passed))


def _taken(argument: ast.arg, imports: Imports) -> str:
    if argument.annotation is None:
        return argument.arg
    wanted = TAKEN.get(ast.unparse(argument.annotation))
    if wanted is None:
        return argument.arg
    kind, convert, module = wanted
    argument.annotation = ast.Name(kind)
    imports.door(module, kind)
    imports.door(module, convert)
    return f"{convert}({argument.arg})"
