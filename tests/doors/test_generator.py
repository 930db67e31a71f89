"""The classes of the doors are those that the generator writes, and they lack nothing."""

from __future__ import annotations

import ast
import inspect

import pytest

import realtime_trio as rt
from realtime_trio import audio, fleet, server
from tools import door_types
from tools.door_dialects import DIALECTS, Dialect
from tools.door_tables import INTERNAL, MODULES, DoorModule
from tools.doors import generate, path_of


def _native(name: str) -> type:
    for module in (rt, audio, fleet, server):
        if hasattr(module, name):
            cls: type = getattr(module, name)
            return cls
    raise LookupError(name)


NATIVE = {
    entry.name: _native(entry.name)
    for module in MODULES
    for entry in module.classes
    if entry.name != "Commands"
}


def _same(written: str, checked_in: str) -> bool:
    """Compare as trees: the formatter may break lines as it likes, and sorts the imports."""

    def parts(text: str) -> tuple[set[str], list[str]]:
        imports: set[str] = set()
        rest: list[str] = []
        for node in ast.parse(text).body:
            if isinstance(node, ast.ImportFrom):
                where = f"{'.' * node.level}{node.module or ''}"
                imports |= {f"{where} {alias.name} {alias.asname}" for alias in node.names}
            elif isinstance(node, ast.Import):
                imports |= {alias.name for alias in node.names}
            else:
                rest.append(ast.dump(node))
        return imports, rest

    (imports, rest), (kept, same) = parts(written), parts(checked_in)
    return rest == same and kept <= imports


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.package)
@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_the_classes_are_up_to_date(module: DoorModule, dialect: Dialect) -> None:
    """``python -m tools.doors`` writes them again."""
    assert _same(generate(module, dialect), path_of(module, dialect).read_text(encoding="utf-8"))


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.package)
def test_the_assertions_of_types_are_up_to_date(dialect: Dialect) -> None:
    """``python -m tools.door_types`` writes them again."""
    checked_in = door_types.path_of(dialect).read_text(encoding="utf-8")
    assert _same(door_types.generate(dialect), checked_in)


def _public(cls: type) -> set[str]:
    return {name for name in dir(cls) if not name.startswith("_")}


@pytest.mark.parametrize("door", [rt.aio, rt.blocking], ids=lambda door: door.__name__)
@pytest.mark.parametrize("name", NATIVE)
def test_every_public_member_of_a_native_class_is_there(name: str, door: object) -> None:
    native, mirrored = NATIVE[name], getattr(door, name)
    without = {each.partition(".")[2] for each in INTERNAL if each.startswith(f"{name}.")}
    if door is rt.blocking:
        without.add("aclose")
    missing = _public(native) - _public(mirrored) - without
    assert not {each for each in missing if not _is_attribute(mirrored, each)}


def _is_attribute(cls: type, name: str) -> bool:
    return any(
        f"self.{name}: " in inspect.getsource(base)
        for base in cls.__mro__[:-1]
        if base.__module__.startswith("realtime_trio")
    )


@pytest.mark.parametrize("name", ["Client", "Turn", "Receipt", "AudioLane", "RealtimeServer"])
def test_the_signatures_are_the_native_ones(name: str) -> None:
    """Apart from what a door takes and gives in its own way."""
    for member in _public(NATIVE[name]):
        native = inspect.getattr_static(NATIVE[name], member)
        if inspect.isfunction(native) and f"{name}.{member}" not in INTERNAL:
            expected = list(inspect.signature(native).parameters)
            for door in (rt.aio, rt.blocking):
                mirrored = getattr(getattr(door, name), member)
                assert list(inspect.signature(mirrored).parameters) == expected


def test_each_member_says_what_it_means() -> None:
    for door in (rt.aio, rt.blocking):
        for name in NATIVE:
            cls = getattr(door, name)
            assert all(inspect.getdoc(getattr(cls, member)) for member in _public(cls))
