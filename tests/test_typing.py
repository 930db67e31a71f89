"""What type checkers make of the public API: ``tests/typing/api.py`` asserts it, whole."""

from __future__ import annotations

import ast
import inspect
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import msgspec
import pytest

import realtime_trio as rt
from realtime_trio.server import Faults, RealtimeServer
from tools.door_tables import INTERNAL

ROOT = Path(__file__).parents[1]
API = ROOT / "tests" / "typing" / "api.py"
FLEET_LOG = API.with_name("api_fleet.py")
DOORS = [API.with_name("door_aio.py"), API.with_name("door_blocking.py")]

# Constructors of values from what is private.
NOT_FOR_USERS = {"Session.of"}
CLASSES = [value for name in rt.__all__ if inspect.isclass(value := getattr(rt, name))]
# What a log of one's own implements is asserted in a file of its own.
PROTOCOL = ["FleetCommand", "FleetLog", "LogNews"]
LOGS = {*PROTOCOL, "MemoryLog", "RedisLog", "SqliteLog"}
FLEET = [
    name
    for name in rt.fleet.__all__
    if name not in LOGS and inspect.isclass(getattr(rt.fleet, name))
]


def asserted(tree: ast.Module) -> Iterator[ast.expr]:
    """What stands in an ``assert_type`` before the type."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "assert_type":
            yield node.args[0]


def members_asserted(tree: ast.Module) -> set[str]:
    """``Class.member`` for each member of a parameter that stands in an ``assert_type``."""
    found: set[str] = set()
    for function in tree.body:
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            classes = {
                argument.arg: ast.unparse(argument.annotation).split("[")[0].split(".")[-1]
                for argument in function.args.args
                if argument.annotation is not None
            }
            body = ast.Module(body=function.body, type_ignores=[])
            for expression in asserted(body):
                for node in ast.walk(expression):
                    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                        found.add(f"{classes.get(node.value.id)}.{node.attr}")
    return found


def members(cls: type) -> set[str]:
    """The public methods, properties and fields of a class, without those of a public base."""
    names = {name for name in dir(cls) if not name.startswith("_")}
    if attrs.has(cls):
        names |= {field.name for field in attrs.fields(cls) if not field.name.startswith("_")}
    if issubclass(cls, msgspec.Struct):
        names |= set(cls.__struct_fields__)
    others = [base for base in cls.__mro__[1:] if base in CLASSES or base in Exception.__mro__]
    names -= {name for base in others for name in members_of(base)}
    return {f"{cls.__name__}.{name}" for name in names} - NOT_FOR_USERS


def members_of(cls: type) -> set[str]:
    """All names of a class, fields included."""
    fields = attrs.fields(cls) if attrs.has(cls) else ()
    return {*dir(cls), *(field.name for field in fields)}


TREE = ast.parse(API.read_text(encoding="utf-8"))


def test_every_public_name_stands_in_the_file() -> None:
    """``rt.Name``, wherever: a new public name without an assertion fails."""
    used = {
        node.attr
        for node in ast.walk(TREE)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "rt"
    }
    assert not set(rt.__all__) - used


@pytest.mark.parametrize("cls", [*CLASSES, RealtimeServer, Faults], ids=lambda cls: cls.__name__)
def test_every_public_member_is_asserted(cls: type) -> None:
    """Methods, properties and fields: a new one without an assertion fails."""
    if issubclass(cls, (rt.Lane, rt.Direction)):
        return
    assert not members(cls) - members_asserted(TREE)


@pytest.mark.parametrize("name", FLEET)
def test_every_public_member_of_a_fleet_is_asserted(name: str) -> None:
    """Without those that only other parts of the package call."""
    found = {f"{name}.{each.partition('.')[2]}" for each in members(getattr(rt.fleet, name))}
    assert not found - members_asserted(TREE) - INTERNAL


@pytest.mark.parametrize("name", PROTOCOL)
def test_every_member_of_the_log_s_protocol_is_asserted(name: str) -> None:
    tree = ast.parse(FLEET_LOG.read_text(encoding="utf-8"))
    assert not members(getattr(rt.fleet, name)) - members_asserted(tree)


@pytest.mark.parametrize("function", rt.testing.__all__)
def test_every_function_of_the_test_kit_stands_in_the_file(function: str) -> None:
    """As ``rt.testing.name``."""
    assert f"rt.testing.{function}" in API.read_text(encoding="utf-8")


@pytest.mark.parametrize("checker", [["mypy", "--strict"], ["pyright"]], ids=lambda args: args[0])
def test_the_files_check(checker: list[str]) -> None:
    """Both checkers, each in its strictest mode."""
    name, *options = checker
    environment = dict(os.environ, PYRIGHT_PYTHON_IGNORE_WARNINGS="1")
    environment["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    result = subprocess.run(
        [sys.executable, "-m", name, *options, *map(str, [API, FLEET_LOG, *DOORS])],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
