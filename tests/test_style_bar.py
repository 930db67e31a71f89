"""The bar of size and shape: small modules, short functions, flat decisions, narrow excepts.

Every limit has a table of exceptions beside it, each with its reason. An entry that excuses
nothing any more fails as well, so the tables only hold what is true.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType

import pytest

from tests.source import Module, read_modules

MODULE_LINES = 400
MODULE_LINES_HARD = 600
FUNCTION_LINES = 80
FUNCTION_LINES_P90 = 30
LADDER_BRANCHES = 4
PUBLIC_METHODS = 20

# Module -> why it may have more than MODULE_LINES (never more than MODULE_LINES_HARD).
LONG_MODULES: Mapping[str, str] = MappingProxyType(
    {
        "realtime_trio._core._notifications": "a list of small classes, read by name",
        "realtime_trio.events._server": "a list of small classes, read by name",
        "realtime_trio._core._state": "the whole shape of the state in one place",
    }
)
# Class -> why it may have more than PUBLIC_METHODS: one method for each client event, say.
WIDE_CLASSES: Mapping[str, str] = MappingProxyType(
    {
        "realtime_trio._handlers._transaction.TextTransaction": "all changes of the text slice",
        "realtime_trio.fleet._redis_fleet.RedisLog": "a FleetLog, which is a LogStore",
        "realtime_trio.aio._commands.Commands": "one method for each command",
        "realtime_trio.blocking._commands.Commands": "one method for each command",
    }
)
# Function -> why it may catch everything: the named boundaries where one event, one handler or
# one subscriber is kept from harming the stream.
BROAD_EXCEPTS: Mapping[str, str] = MappingProxyType(
    {
        "realtime_trio._core._codec.Codec._build": "a class's own validators may raise anything",
        "realtime_trio._core._codec.Codec._structure": "then it is read with leniency",
        "realtime_trio._core._converter._array_hook.structure": "an entry costs itself",
        "realtime_trio._core._converter._entry": "adds the place, and raises",
        "realtime_trio._core._converter._class_hook.structure": "raises, or builds what is left",
        "realtime_trio._core._converter._strictly": "adds the place, and raises",
        "realtime_trio._core._converter._read_leniently": "a field costs itself",
        "realtime_trio._core._converter._build_without_invalid": "a field costs itself",
        "realtime_trio._log._plain_data.from_dict": "each of its codecs has errors of its own",
        "realtime_trio._handlers._fold.LaneFold.step": "a handler costs one event (invariant 7)",
        "realtime_trio._session._shell.Shell._supervise": "why the client ended leaves open_client",
        "realtime_trio._client._client.opened_client": "one clear error leaves open_client",
        "realtime_trio._rest._tokens.TokenKeeper.token": "a source's want of a network is retried",
        "realtime_trio._rest._calls.Rest._send": "whatever an answer makes of httpx fails the call",
        "realtime_trio._transports._trio_websocket_link.TrioWebsocketTransport.run": (
            "whatever ends the library's task ends the link"
        ),
        "realtime_trio._transports._trio_websocket_link.TrioWebsocketTransport._offer": (
            "what the receiver raises in the library's task is raised in its own"
        ),
        "realtime_trio._voice._audio_lane.AudioLane.play_to": "one clear error leaves the playback",
        "realtime_trio._session._unwrapping_nursery.unwrapping_nursery": "errors leave bare",
        "realtime_trio.fleet._redis_host._hold_host": "errors leave bare, as from open_client",
        "realtime_trio.fleet._redis_host.RedisHost.run.work": "raised again in the caller",
        "realtime_trio.fleet._redis_host.RedisHost.soon.work": "raises what is not of Redis",
        "realtime_trio.fleet._seat_run.SeatRun.run": "a session never ends its node",
        "realtime_trio.blocking._supply.Fetch.take": "raised in the thread that reads",
        "realtime_trio.blocking._thread_wait.ThreadWait.wait": "raised when trio ended the call",
        "realtime_trio.server._contain.contained": "one connection never ends the server",
        "realtime_trio.server._embedded.open_server": "errors leave bare, as from open_client",
    }
)

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


# -- measures ------------------------------------------------------------------------------


def _named(module: Module) -> Iterator[tuple[str, ast.AST]]:
    """Walk a module with the dotted name of the scope that each node stands in."""
    pending: list[tuple[str, ast.AST]] = [(module.name, module.tree)]
    while pending:
        scope, node = pending.pop()
        yield scope, node
        for child in ast.iter_child_nodes(node):
            if isinstance(child, FunctionNode | ast.ClassDef):
                pending.append((f"{scope}.{child.name}", child))
            else:
                pending.append((scope, child))


def _percentile(values: list[int], share: float) -> int:
    """Give the smallest value that at least ``share`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else 0


def long_modules(modules: list[Module], excused: Mapping[str, str]) -> list[str]:
    """List the modules over their limit, and the excuses that nothing needs."""
    found = []
    sizes = {module.name: len(module.text.splitlines()) for module in modules}
    for name, lines in sizes.items():
        limit = MODULE_LINES_HARD if name in excused else MODULE_LINES
        if lines > limit:
            found.append(f"{name}: {lines} lines, at most {limit}")
    idle = [name for name in excused if sizes.get(name, 0) <= MODULE_LINES]
    return found + [f"{name}: is excused and need not be" for name in idle]


def function_lengths(modules: list[Module]) -> dict[str, int]:
    """Give the lines of each function, from its ``def`` to its end, docstring included."""
    return {
        f"{scope}:{node.lineno}": (node.end_lineno or node.lineno) - node.lineno + 1
        for module in modules
        for scope, node in _named(module)
        if isinstance(node, FunctionNode)
    }


def long_functions(modules: list[Module]) -> list[str]:
    """List the functions over their limit, and the 90th percentile where it is over its own."""
    lengths = function_lengths(modules)
    found = [
        f"{name}: {lines} lines, at most {FUNCTION_LINES}"
        for name, lines in lengths.items()
        if lines > FUNCTION_LINES
    ]
    p90 = _percentile(list(lengths.values()), 0.9)
    if p90 > FUNCTION_LINES_P90:
        longest = sorted(lengths, key=lambda name: -lengths[name])[:10]
        found.append(
            f"90th percentile: {p90} lines, at most {FUNCTION_LINES_P90}; longest: {longest}"
        )
    return found


def _next_rung(node: ast.If) -> ast.If | None:
    """Give the ``elif`` of an ``if`` (or the lone ``if`` of its ``else``, which is the same)."""
    lone = node.orelse[0] if len(node.orelse) == 1 else None
    return lone if isinstance(lone, ast.If) else None


def _branches(node: ast.If) -> int:
    """Count the conditions of one ladder; its last ``else`` is no condition."""
    rung = _next_rung(node)
    return 1 if rung is None else 1 + _branches(rung)


def tall_ladders(modules: list[Module]) -> list[str]:
    """List the if/elif ladders with too many branches, each by its first ``if``."""
    ifs = [
        (scope, node)
        for module in modules
        for scope, node in _named(module)
        if isinstance(node, ast.If)
    ]
    rungs = [_next_rung(node) for _, node in ifs]
    return [
        f"{scope}:{node.lineno}: {_branches(node)} branches, at most {LADDER_BRANCHES}: use a table"
        for scope, node in ifs
        if _branches(node) > LADDER_BRANCHES and node not in rungs
    ]


def wide_classes(modules: list[Module], excused: Mapping[str, str]) -> list[str]:
    """List the classes with too many public methods, and the excuses that nothing needs."""
    widths = {
        scope: len(
            {
                item.name
                for item in node.body
                if isinstance(item, FunctionNode) and not item.name.startswith("_")
            }
        )
        for module in modules
        for scope, node in _named(module)
        if isinstance(node, ast.ClassDef)
    }
    wide = {name for name, width in widths.items() if width > PUBLIC_METHODS}
    found = [
        f"{name}: {widths[name]} public methods, at most {PUBLIC_METHODS}"
        for name in sorted(wide - set(excused))
    ]
    return found + [f"{name}: is excused and need not be" for name in excused if name not in wide]


def _lets_go_on(handler: ast.ExceptHandler) -> bool:
    """Say whether a handler only cleans up: it ends in a bare ``raise`` that nothing jumps over."""
    last = handler.body[-1]
    jumps = (ast.Return, ast.Break, ast.Continue)
    return (
        isinstance(last, ast.Raise)
        and last.exc is None
        and not any(isinstance(node, jumps) for node in ast.walk(handler))
    )


def _catches_everything(node: ast.AST) -> bool:
    """Say whether a node is ``except Exception``, its wider kin, or ``suppress(Exception)``."""
    caught: list[ast.expr | None] = []
    if isinstance(node, ast.ExceptHandler) and not _lets_go_on(node):
        caught = [*node.type.elts] if isinstance(node.type, ast.Tuple) else [node.type]
    elif isinstance(node, ast.Call) and _last_name(node.func) == "suppress":
        caught = [*node.args]
    return any(one is None or _last_name(one) in {"Exception", "BaseException"} for one in caught)


def _last_name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else str(getattr(node, "id", ""))


def broad_excepts(modules: list[Module], excused: Mapping[str, str]) -> list[str]:
    """List the places that catch everything, and the excuses that nothing needs."""
    places = [
        (scope, node)
        for module in modules
        for scope, node in _named(module)
        if _catches_everything(node)
    ]
    found = [
        f"{scope}:{getattr(node, 'lineno', 0)}: catches everything and is no named boundary"
        for scope, node in places
        if scope not in excused
    ]
    used = {scope for scope, _ in places}
    return found + [f"{name}: is excused and need not be" for name in excused if name not in used]


def _undocumented_in(body: list[ast.stmt], scope: str) -> Iterator[str]:
    for node in body:
        if not isinstance(node, FunctionNode | ast.ClassDef) or node.name.startswith("_"):
            continue
        name = f"{scope}.{node.name}"
        marks = {_last_name(mark) for mark in node.decorator_list}
        if ast.get_docstring(node) is None and not marks & {"overload", "override", "setter"}:
            yield f"{name}:{node.lineno}: is public and has no docstring"
        if isinstance(node, ast.ClassDef):
            yield from _undocumented_in(node.body, name)


def undocumented(modules: list[Module]) -> list[str]:
    """List what is public by its name and has no docstring."""
    bare = [
        f"{module.name}: the module has no docstring"
        for module in modules
        if module.text.strip() and ast.get_docstring(module.tree) is None
    ]
    return bare + [
        line for module in modules for line in _undocumented_in(module.tree.body, module.name)
    ]


# -- the package ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def modules() -> list[Module]:
    return read_modules()


def test_modules_are_small(modules: list[Module]) -> None:
    assert long_modules(modules, LONG_MODULES) == []


def test_functions_are_short(modules: list[Module]) -> None:
    assert long_functions(modules) == []


def test_decisions_are_flat(modules: list[Module]) -> None:
    assert tall_ladders(modules) == []


def test_classes_are_narrow(modules: list[Module]) -> None:
    assert wide_classes(modules, WIDE_CLASSES) == []


def test_only_named_boundaries_catch_everything(modules: list[Module]) -> None:
    assert broad_excepts(modules, BROAD_EXCEPTS) == []


def test_what_is_public_says_what_it_means(modules: list[Module]) -> None:
    assert undocumented(modules) == []


# -- the tests can fail --------------------------------------------------------------------


def _module(text: str) -> list[Module]:
    return [Module(name="m", text=text)]


def _function(lines: int, name: str = "f") -> str:
    return f"def {name}():\n" + "    x = 1\n" * (lines - 1)


def test_a_long_module_is_found_and_can_be_excused_up_to_the_hard_limit() -> None:
    assert long_modules(_module("x = 1\n" * 400), {}) == []
    assert long_modules(_module("x = 1\n" * 401), {}) == ["m: 401 lines, at most 400"]
    assert long_modules(_module("x = 1\n" * 600), {"m": "a table"}) == []
    assert long_modules(_module("x = 1\n" * 601), {"m": "a table"}) == ["m: 601 lines, at most 600"]


def test_an_excuse_that_nothing_needs_is_found() -> None:
    idle = ["m: is excused and need not be"]
    assert long_modules(_module("x = 1\n"), {"m": "was long"}) == idle
    assert wide_classes(_module("x = 1\n"), {"m": "was wide"}) == idle
    assert broad_excepts(_module("x = 1\n"), {"m": "was broad"}) == idle


def test_a_long_function_is_found_also_when_nested_or_async() -> None:
    short = "".join(_function(3, f"g{i}") for i in range(20))
    assert long_functions(_module(short + _function(80))) == []
    assert long_functions(_module(short + _function(81))) == ["m.f:61: 81 lines, at most 80"]
    nested = f"class A:\n    async {_function(82)[:-1]}".replace("\n    x", "\n        x")
    assert long_functions(_module(short + nested))[0].startswith("m.A.f:62: 82 lines")


def test_a_percentile_over_its_limit_is_found() -> None:
    nine_short = "".join(_function(30, f"g{i}") for i in range(9))
    assert long_functions(_module(nine_short + _function(60))) == []
    (message,) = long_functions(_module(nine_short + _function(31, "a") + _function(31, "b")))
    assert message.startswith("90th percentile: 31 lines, at most 30; longest: ['m.b:302', 'm.a:")


def test_the_percentile_is_a_value_of_the_list() -> None:
    assert [_percentile(list(range(1, n + 1)), 0.9) for n in (0, 1, 9, 10, 11)] == [0, 1, 9, 9, 10]


def _ladder(branches: int) -> str:
    rungs = "".join(f"elif x == {i}:\n    pass\n" for i in range(1, branches))
    return f"if x == 0:\n    pass\n{rungs}else:\n    pass\n"


def test_a_tall_ladder_is_found_once() -> None:
    assert tall_ladders(_module(_ladder(4))) == []
    assert tall_ladders(_module(_ladder(6))) == ["m:1: 6 branches, at most 4: use a table"]


def test_a_wide_class_is_found_and_private_methods_do_not_count() -> None:
    def wide(methods: int) -> str:
        public = "".join(f"    def m{i}(self): pass\n" for i in range(methods))
        return f"class A:\n    def _p(self): pass\n{public}"

    assert wide_classes(_module(wide(20)), {}) == []
    assert wide_classes(_module(wide(21)), {}) == ["m.A: 21 public methods, at most 20"]
    assert wide_classes(_module(wide(21)), {"m.A": "one for each client event"}) == []


def test_a_property_and_its_setter_are_one_method() -> None:
    pairs = "".join(
        f"    @property\n    def p{i}(self): pass\n    @p{i}.setter\n    def p{i}(self, v): pass\n"
        for i in range(20)
    )
    assert wide_classes(_module(f"class A:\n{pairs}"), {}) == []


@pytest.mark.parametrize(
    "clause",
    [
        "except Exception:",
        "except BaseException as exc:",
        "except (ValueError, Exception):",
        "except builtins.Exception:",
        "except:",
        "except* Exception:",
    ],
)
def test_a_broad_except_is_found_and_can_be_named(clause: str) -> None:
    text = f"def f():\n    try:\n        pass\n    {clause}\n        pass\n"
    assert broad_excepts(_module(text), {}) == [
        "m.f:4: catches everything and is no named boundary"
    ]
    assert broad_excepts(_module(text), {"m.f": "one handler costs one event"}) == []


@pytest.mark.parametrize(("jump", "count"), [("", 0), ("if x: return\n        ", 1)])
def test_cleaning_up_and_letting_go_on_is_not_catching(jump: str, count: int) -> None:
    text = f"def f():\n    try:\n        pass\n    except BaseException:\n        {jump}raise\n"
    assert len(broad_excepts(_module(text), {})) == count


def test_a_broad_suppress_is_found_and_narrow_ones_pass() -> None:
    assert len(broad_excepts(_module("with contextlib.suppress(Exception): pass"), {})) == 1
    narrow = "with suppress(KeyError): pass\ntry:\n    pass\nexcept ValueError:\n    pass"
    assert broad_excepts(_module(narrow), {}) == []


def test_missing_docstrings_are_found() -> None:
    methods = "    def f(self): ...\n    def _g(self): ...\n"
    text = f'"""M."""\nclass A:\n    """A."""\n{methods}def h(): ...'
    assert undocumented(_module(text)) == [
        "m.A.f:4: is public and has no docstring",
        "m.h:6: is public and has no docstring",
    ]
    assert undocumented(_module("x = 1")) == ["m: the module has no docstring"]


def test_overloads_and_empty_modules_need_no_docstring() -> None:
    assert undocumented(_module("")) == []
    assert undocumented(_module('"""M."""\n@typing.overload\ndef f() -> int: ...')) == []
