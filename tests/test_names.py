"""One name, one thing: no class name and no module name stands twice in the package.

A reader who meets a name in a traceback or a search finds the one place that defines it.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable

import pytest

from tests.source import PACKAGE, Module, read_modules

# The doors mirror the native classes, so their classes have the same names on purpose.
DOORS = (f"{PACKAGE}.aio", f"{PACKAGE}.blocking")
# The topics of the folds are those of the events.
MIRRORED = (f"{PACKAGE}.events.", f"{PACKAGE}._handlers.")

# The largest share of the package's lines that one package may hold, in percent.
LARGEST = 15
LARGEST_OF = {"server": 18}


def _base(name: str) -> str:
    return name.rpartition(".")[2]


def repeated_modules(modules: Iterable[Module]) -> list[str]:
    """List each module name that stands twice, with the modules that share it."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for module in modules:
        if not module.is_package and not module.name.startswith(DOORS):
            places[_base(module.name)].append(module.name)
    return [
        f"{name}: {', '.join(found)}"
        for name, found in sorted(places.items())
        if len([each for each in found if not each.startswith(MIRRORED)]) > 1
        or (len(found) > 1 and not all(each.startswith(MIRRORED) for each in found))
    ]


def repeated_classes(modules: Iterable[Module]) -> list[str]:
    """List each top-level class name that stands twice, with the modules that define it."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for module in modules:
        if not module.name.startswith(DOORS):
            for node in module.tree.body:
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(module.name)
    return [
        f"{name}: {', '.join(found)}" for name, found in sorted(places.items()) if len(found) > 1
    ]


def shares(modules: Iterable[Module]) -> dict[str, float]:
    """Give the percentage of all lines that each package below the root holds by itself."""
    lines: defaultdict[str, int] = defaultdict(int)
    for module in modules:
        package = module.name if module.is_package else module.name.rpartition(".")[0]
        lines[package.partition(".")[2]] += module.text.count("\n")
    total = sum(lines.values())
    return {name: 100 * count / total for name, count in lines.items() if name}


# -- the package ---------------------------------------------------------------------------


def test_no_module_name_stands_twice() -> None:
    assert repeated_modules(read_modules()) == []


def test_no_class_name_stands_twice() -> None:
    assert repeated_classes(read_modules()) == []


def test_no_package_outgrows_the_others() -> None:
    found = shares(read_modules())
    large = {name: share for name, share in found.items() if share > LARGEST_OF.get(name, LARGEST)}
    assert large == {}


# -- the tests can fail --------------------------------------------------------------------


def _module(name: str, text: str = "") -> Module:
    return Module(name=f"{PACKAGE}.{name}", text=text)


def test_a_repeated_module_is_found() -> None:
    modules = [_module("server._turn"), _module("_turns._turn")]
    assert repeated_modules(modules) == [f"_turn: {PACKAGE}.server._turn, {PACKAGE}._turns._turn"]


def test_topics_of_events_and_handlers_may_be_mirrored() -> None:
    modules = [_module("events._audio"), _module("_handlers._audio")]
    assert repeated_modules(modules) == []
    assert repeated_modules([*modules, _module("server._audio")]) != []


@pytest.mark.parametrize("door", ["aio", "blocking"])
def test_a_repeated_class_is_found_except_in_a_door(door: str) -> None:
    text = "class Turn:\n    pass\n"
    modules = [_module("server._turns", text), _module("_turns._ask", text)]
    assert len(repeated_classes(modules)) == 1
    assert repeated_classes([modules[0], _module(f"{door}._client", text)]) == []


def test_a_package_that_outgrows_the_others_is_found() -> None:
    found = shares([_module("server._a", "x\n" * 60), _module("_lanes._b", "x\n" * 40)])
    assert found == {"server": 60.0, "_lanes": 40.0}
