"""Imports point one way: the picture of the architecture, enforced.

::

    events <- _core <- _core.vendors <- _handlers <- _processor <- _log, audio
           <- _transports, _lanes, _outbound <- _rest, _turns, _journal <- _connection, _history
           <- _session <- _voice <- _client <- server, testing, fleet, _doors
           <- aio, blocking <- instrument <- cli

Every package has a row that names what it may import. The leaves (``_exceptions``,
``_config``, ``abc``) may be imported by all and import only each other. An import counts
wherever it is written: inside a function, inside ``if TYPE_CHECKING``, relative or not.
Only a leaf may name a type of the layers above it under ``TYPE_CHECKING``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

import attrs
import pytest

from tests.source import PACKAGE, Module, read_modules

# Which layers each layer may import, itself and the leaves apart. A module without a row here
# fails the test: add its row first.
LEAVES = frozenset(
    {
        *("_config", "_exceptions", "_idle", "_needs_trio", "_redact", "_startup", "_throttle"),
        *("_value", "_version", "abc"),
    }
)
CORE = frozenset({"events", "_core", "_core.vendors", "_handlers", "_processor"})
VALUES = frozenset({"events", "_core"})
CLIENT = frozenset(
    {
        *("_transports", "_lanes", "_outbound", "_rest", "_turns"),
        *("_journal", "_connection", "_session", "_voice", "_client"),
    }
)
INNER = CORE | CLIENT | {"_log", "audio"}
ROOT_LAYER = "(root)"
MAY_IMPORT: dict[str, frozenset[str]] = {
    "abc": frozenset(),
    "_exceptions": frozenset(),
    "_config": frozenset(),
    "_idle": frozenset(),
    "_needs_trio": frozenset(),
    "_redact": frozenset(),
    "_startup": frozenset(),
    "_throttle": frozenset(),
    "_value": frozenset(),
    "_version": frozenset(),
    "events": frozenset(),
    "_core": frozenset({"events"}),
    "_core.vendors": VALUES,
    "_handlers": VALUES | {"_core.vendors"},
    "_processor": VALUES | {"_handlers"},
    "_log": CORE,
    "_replay": CORE,
    "_schema": CORE,
    "audio": VALUES,
    "_transports": frozenset(),
    "_lanes": CORE,
    "_journal": CORE | {"_log", "_lanes"},
    "_history": CORE | {"_log", "_journal", "_replay"},
    "_outbound": VALUES,
    "_rest": VALUES | {"_transports"},
    "_turns": VALUES | {"_lanes", "_outbound"},
    "_connection": VALUES | {"_transports", "_lanes", "_outbound", "_rest", "_turns"},
    "_session": CORE | {"_log"} | (CLIENT - {"_session", "_voice", "_client"}) | {"audio"},
    "_voice": VALUES | {"audio", "_lanes", "_outbound", "_session"},
    "_client": CORE | (CLIENT - {"_client"}),
    # The server speaks the protocol on its own: it shares only the in-memory transport and
    # the generators of sound.
    "server": frozenset({"_transports", "audio"}),
    "fleet": INNER - {"audio", "_replay"},
    "testing": INNER | {"_history", "server"},
    "instrument": INNER | {"_doors", "aio", "blocking"},
    # What the doors share knows trio and nothing of the client.
    "_doors": frozenset(),
    "aio": INNER | {"_doors", "_history", "fleet", "server"},
    "blocking": INNER | {"_doors", "_history", "fleet", "server"},
    "cli": INNER
    | {"_history", "blocking", "fleet", "instrument", "server", "testing"}
    | {"_replay", "_schema", ROOT_LAYER},
    "__main__": frozenset({"cli"}),
    # The public names: everything but the command line.
    ROOT_LAYER: INNER | {"_history", "aio", "blocking", "fleet", "instrument", "server", "testing"},
}

# Values in, values out: no scheduler, no clock, no log, no chance, no network.
SANS_IO = CORE | {"_log"}
IMPURE = frozenset(
    {
        *("trio", "anyio", "asyncio", "concurrent", "multiprocessing", "subprocess", "threading"),
        *("time", "logging", "random", "secrets", "uuid"),
        *("httpx", "select", "selectors", "signal", "socket", "ssl"),
        *("trio_websocket", "websockets", "wsproto"),
    }
)


@attrs.frozen(slots=True, kw_only=True)
class Import:
    """One imported module, absolute, and where it stands."""

    target: str
    line: int
    type_checking: bool


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
    return name == "TYPE_CHECKING"


def _targets(node: ast.Import | ast.ImportFrom, module: Module, known: set[str]) -> Iterator[str]:
    """Name the modules that one statement imports, submodules told from plain names."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    base = node.module or ""
    if node.level:
        here = module.name.split(".")
        up = node.level - 1 if module.is_package else node.level
        base = ".".join([*here[: len(here) - up], *([base] if base else [])])
    for alias in node.names:
        whole = f"{base}.{alias.name}"
        yield whole if whole in known else base


def imports_of(module: Module, known: set[str]) -> Iterator[Import]:
    """Find every import statement of a module, however deep it stands."""
    pending: list[tuple[ast.AST, bool]] = [(module.tree, False)]
    while pending:
        node, guarded = pending.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            for target in _targets(node, module, known):
                yield Import(target=target, line=node.lineno, type_checking=guarded)
        elif isinstance(node, ast.If) and _is_type_checking(node.test):
            pending += [(child, True) for child in node.body]
            pending += [(child, guarded) for child in node.orelse]
        else:
            pending += [(child, guarded) for child in ast.iter_child_nodes(node)]


def layer_of(name: str) -> str:
    """Name the layer of a module: the longest dotted name below the root that has a row."""
    parts = name.split(".")[1:]
    for end in range(len(parts), 1, -1):
        if (nested := ".".join(parts[:end])) in MAY_IMPORT:
            return nested
    return parts[0] if parts else ROOT_LAYER


def _judge(module: Module, found: Import) -> str | None:
    layer = layer_of(module.name)
    where = f"{module.name}:{found.line}"
    top = found.target.partition(".")[0]
    if top != PACKAGE:
        if layer in SANS_IO and top in IMPURE:
            return f"{where}: {layer} is sans-IO and may not import {found.target}"
        return None
    target = layer_of(found.target)
    if target == layer or target in LEAVES or target in MAY_IMPORT[layer]:
        return None
    if layer in LEAVES and found.type_checking:
        return None
    return f"{where}: no arrow is drawn from {layer} to {target} ({found.target})"


def violations(modules: list[Module]) -> list[str]:
    """List every import that the picture does not draw."""
    known = {module.name for module in modules}
    undrawn = [m for m in modules if layer_of(m.name) not in MAY_IMPORT]
    found = [f"{m.name}: the layer {layer_of(m.name)} is not drawn: add its row" for m in undrawn]
    for module in modules:
        if module not in undrawn:
            verdicts = (_judge(module, item) for item in imports_of(module, known))
            found += [verdict for verdict in verdicts if verdict is not None]
    return sorted(found)


def arrows_of_leaves(modules: list[Module]) -> dict[str, set[str]]:
    """Give what each leaf imports of the package when the program runs."""
    known = {module.name for module in modules}
    return {
        layer_of(module.name): {
            layer_of(item.target)
            for item in imports_of(module, known)
            if not item.type_checking and item.target.startswith(f"{PACKAGE}.")
        }
        for module in modules
        if layer_of(module.name) in LEAVES
    }


def circles(modules: list[Module]) -> list[str]:
    """List each circle of imports, wherever it runs; ``TYPE_CHECKING`` ones are no imports.

    A package's ``__init__`` stands for the names it exports, so imports of it do not count.
    """
    known = {module.name for module in modules}
    plain = {module.name for module in modules if not module.is_package}
    graph = {
        module.name: {
            item.target
            for item in imports_of(module, known)
            if item.target in plain and not item.type_checking
        }
        for module in modules
        if not module.is_package
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as exc:
        return [" <- ".join(exc.args[1])]
    return []


# -- the package ---------------------------------------------------------------------------


def test_every_import_follows_an_arrow_of_the_picture() -> None:
    assert violations(read_modules()) == []


def test_no_package_has_a_circle_of_imports_inside() -> None:
    assert circles(read_modules()) == []


def test_leaves_do_not_import_each_other_in_a_circle() -> None:
    TopologicalSorter(arrows_of_leaves(read_modules())).prepare()


def test_the_table_itself_has_no_circle() -> None:
    TopologicalSorter(MAY_IMPORT).prepare()


# -- the tests can fail --------------------------------------------------------------------


def _modules(**texts: str) -> list[Module]:
    """Build a small package: ``_lanes__lane`` becomes ``realtime_trio._lanes._lane``."""
    root = Module(name=PACKAGE, text="", is_package=True)
    inner = {"_lanes", "_core", "_core.vendors", "events", "server"}
    packages = [Module(name=f"{PACKAGE}.{p}", text="", is_package=True) for p in sorted(inner)]
    named = [
        Module(name=f"{PACKAGE}.{name.replace('__', '._', 1)}", text=text)
        for name, text in texts.items()
    ]
    return [root, *packages, *named]


@pytest.mark.parametrize(
    "text",
    [
        "from realtime_trio._lanes import _lane",
        "from realtime_trio import _lanes",
        "import realtime_trio._lanes._lane",
        "from .._lanes._lane import LaneTask",
        "from .. import _lanes",
        "def late():\n    from .._lanes import _lane",
        "if TYPE_CHECKING:\n    from realtime_trio._lanes import _lane",
        "import typing\nif typing.TYPE_CHECKING:\n    from realtime_trio._lanes import _lane",
        "try:\n    pass\nexcept ValueError:\n    import realtime_trio._lanes",
    ],
)
def test_an_arrow_to_the_right_is_refused_however_it_is_written(text: str) -> None:
    (message,) = violations(_modules(_core__codec=text))
    assert "no arrow is drawn from _core to _lanes" in message


def test_the_root_package_is_a_layer_of_its_own() -> None:
    (message,) = violations(_modules(_core__codec="from realtime_trio import EventStreamProcessor"))
    assert "no arrow is drawn from _core to (root)" in message


def test_arrows_to_the_left_and_to_leaves_pass() -> None:
    text = (
        "from realtime_trio import abc, events\nfrom .._exceptions import DecodeError\nimport json"
    )
    assert violations(_modules(_core__codec=text, _exceptions="import trio", abc="")) == []


@pytest.mark.parametrize("name", ["trio", "time", "logging", "random", "trio.lowlevel"])
@pytest.mark.parametrize("layer", ["events__turn", "_core__state", "_handlers__turn", "_processor"])
def test_the_core_has_no_clock_no_log_no_chance_and_no_trio(layer: str, name: str) -> None:
    (message,) = violations(_modules(**{layer: f"def late():\n    import {name}"}))
    assert f"is sans-IO and may not import {name}" in message


def test_the_shell_may_use_trio_and_the_clock() -> None:
    assert violations(_modules(_lanes__lane="import trio\nimport time")) == []


def test_only_a_leaf_may_look_up_under_type_checking() -> None:
    text = "if TYPE_CHECKING:\n    from realtime_trio.events import ServerEvent"
    assert violations(_modules(abc=text)) == []
    (message,) = violations(_modules(abc="from realtime_trio.events import ServerEvent"))
    assert "no arrow is drawn from abc to events" in message


def test_the_else_branch_of_type_checking_is_real() -> None:
    text = "if TYPE_CHECKING:\n    pass\nelse:\n    from realtime_trio import events"
    assert len(violations(_modules(abc=text))) == 1


def test_a_layer_without_a_row_is_refused() -> None:
    assert violations(_modules(_misc="")) == [
        "realtime_trio._misc: the layer _misc is not drawn: add its row"
    ]


def test_a_nested_package_has_a_row_of_its_own() -> None:
    text = "from .vendors import _history"
    (message,) = violations(_modules(_core__codec=text))
    assert "no arrow is drawn from _core to _core.vendors" in message


def test_a_circle_inside_a_package_is_found() -> None:
    modules = _modules(_core__one="from ._two import x", _core__two="from ._one import y")
    assert circles(modules) != []


def test_leaves_in_a_circle_are_found() -> None:
    circle = _modules(
        abc="from realtime_trio import _config",
        _config="from realtime_trio._exceptions import NotSent",
        _exceptions="from .abc import Transport",
    )
    with pytest.raises(CycleError):
        TopologicalSorter(arrows_of_leaves(circle)).prepare()
