"""Generate the classes of ``rt.aio`` and ``rt.blocking`` from the source of the native ones.
``python -m tools.doors`` writes them, ``tests/doors/test_generator.py`` compares them. Run it after
a change of a method, option or docstring of a native class. A new class that waits, or that such a
class returns, needs a line in :data:`MODULES`.

General layout: :class:`Source` reads a native module, :class:`ClassWriter` writes one class,
:func:`generate` puts a module together. A :class:`Dialect` holds the differences of the two doors.
"""

from __future__ import annotations

import ast
import builtins
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Final, TypeAlias

import attrs

__all__ = ["DIALECTS", "MODULES", "ROOT", "generate", "main"]

ROOT: Final = Path(__file__).resolve().parents[1]
PACKAGE: Final = "realtime_trio"

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


@attrs.frozen(slots=True, kw_only=True)
class Mirrored:
    """One class of a door.

    ``natives`` are the classes (module, name) whose members it has; it wraps the last one. ``base``
    is a class of the door, ``channel`` marks a channel. With ``own``, an object with a separate
    block has a separate door, which is closed at the end of the block.
    """

    name: str
    natives: tuple[tuple[str, str], ...]
    base: str = ""
    channel: bool = False
    exclusive: bool = False
    own: bool = False


@attrs.frozen(slots=True, kw_only=True)
class DoorModule:
    """One module of a door: its classes, and its opening functions."""

    name: str
    title: str
    classes: tuple[Mirrored, ...]
    functions: tuple[tuple[str, str, str], ...] = ()
    """Module, function, and the class of its value."""


def _one(module: str, name: str, *, channel: bool = False, exclusive: bool = False) -> Mirrored:
    natives = ((module, name),)
    return Mirrored(name=name, natives=natives, channel=channel, exclusive=exclusive)


CLIENT: Final = "_client._client"
COMMANDS: Final = "_client._command_methods"

MODULES: Final = (
    DoorModule(
        name="_channels",
        title="Subscriptions, watches, and the channels of a turn.",
        classes=(
            _one("_lanes._subscription", "Subscription", channel=True),
            _one("_lanes._watch", "Watch", channel=True, exclusive=True),
            _one("_turns._channel", "TurnChannel", channel=True),
            _one("_lanes._subscription", "LaneView"),
        ),
    ),
    DoorModule(
        name="_turn",
        title="Turns and receipts.",
        classes=(
            _one("_outbound._receipt", "Receipt"),
            _one("_turns._turn_progress", "Turn"),
            _one("_session._reconnection", "Reconnection"),
        ),
    ),
    DoorModule(
        name="_voice",
        title="Playing and talking.",
        classes=(
            _one("audio._playback", "Playback"),
            _one("audio._devices", "Microphone"),
            _one("audio._devices", "Speaker"),
            _one("audio._sinks", "WavSink"),
            Mirrored(
                name="AudioLane",
                natives=(("_voice._audio_lane", "AudioLane"),),
                base="LaneView",
            ),
        ),
        functions=(
            ("audio._devices", "open_microphone", "Microphone"),
            ("audio._devices", "open_speaker", "Speaker"),
            ("audio._sinks", "open_wav_sink", "WavSink"),
        ),
    ),
    DoorModule(
        name="_commands",
        title="One method for each command.",
        classes=(
            Mirrored(
                name="Commands",
                natives=(
                    (COMMANDS, "_CatalogueCommands"),
                    (COMMANDS, "_SessionCommands"),
                    (COMMANDS, "_VoiceCommands"),
                    (COMMANDS, "Commands"),
                ),
            ),
        ),
    ),
    DoorModule(
        name="_client",
        title="``open_client`` and the client that it opens.",
        classes=(
            Mirrored(
                name="Client",
                natives=(
                    ("_client._subscribes", "Subscribes"),
                    ("_client._journalled", "JournalAccess"),
                    (CLIENT, "Client"),
                ),
                base="Commands",
            ),
        ),
        functions=((CLIENT, "open_client", "Client"),),
    ),
    DoorModule(
        name="_history",
        title="The state at any moment of a journal, a recording or a trace.",
        classes=(_one("_history._time_travel", "History"),),
        functions=(("_history._time_travel", "open_history", "History"),),
    ),
    DoorModule(
        name="_remote",
        title="Sessions of a fleet, with their receipts and turns.",
        classes=(
            _one("fleet._remote_receipt", "RemoteReceipt"),
            _one("fleet._remote_session", "RemoteTurn"),
            Mirrored(
                name="RemoteSession",
                natives=(
                    ("_client._subscribes", "Subscribes"),
                    ("fleet._remote_session", "RemoteSession"),
                ),
                own=True,
            ),
        ),
    ),
    DoorModule(
        name="_fleet",
        title="A fleet: nodes, and sessions that any process attaches to.",
        classes=(
            _one("fleet._node_changes", "NodeChanges", channel=True),
            _one("fleet._fleet", "Fleet"),
            _one("fleet._node", "Node"),
        ),
        functions=(
            ("fleet._fleet", "open_fleet", "Fleet"),
            ("fleet._node", "open_node", "Node"),
        ),
    ),
    DoorModule(
        name="_server",
        title="The embedded server, for tests.",
        classes=(
            _one("server._fault_pipeline", "Faults"),
            _one("server._embedded", "RealtimeServer"),
        ),
        functions=(("server._embedded", "open_server", "RealtimeServer"),),
    ),
)

PLACES: Final = {entry.name: module.name for module in MODULES for entry in module.classes}
"""The module of each class of a door."""

OWN: Final = {entry.name for module in MODULES for entry in module.classes if entry.own}
"""The classes whose objects have a separate block within another one."""

INTERNAL: Final = frozenset(
    {
        *("Receipt.settle", "Receipt.log_queued", "Receipt.log_sending", "Receipt.written_ahead"),
        *("TurnChannel.put", "TurnChannel.finish", "NodeChanges.put", "NodeChanges.finish"),
        *("RemoteReceipt.move", "RemoteReceipt.settle", "RemoteReceipt.close"),
        *("Node.beat", "Node.claim", "Node.leave"),
    }
)
"""Members for other parts of the client: only their names are public."""

FROM_BASE: Final = frozenset(
    {
        *("receive", "receive_nowait", "close", "aclose"),
        *("__aiter__", "__anext__", "__enter__", "__exit__"),
    }
)
"""Members that the channels of a door inherit from their hand-written base."""

# Parameters that a door converts: their type in the door, the converting function, and the module
# of the door that has both.
TAKEN: Final = {
    "AuthSource": ("TokenSource", "as_auth", "_callbacks"),
    "AsyncIterable[bytes]": ("SoundSource", "as_source", "_callbacks"),
    "AudioSink": ("SoundSink", "as_sink", "_callbacks"),
    "DialFunction": ("DialSource", "as_dial", "_dialling"),
}


# -- reading -------------------------------------------------------------------------------


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


def _marks(node: Function) -> set[str]:
    return {ast.unparse(mark).rpartition(".")[2] for mark in node.decorator_list}


def _item(annotation: ast.expr | None) -> ast.expr:
    """Return ``X`` of ``AsyncGenerator[X, None]`` or ``AbstractAsyncContextManager[X]``."""
    assert isinstance(annotation, ast.Subscript)
    inner = annotation.slice
    return inner.elts[0] if isinstance(inner, ast.Tuple) else inner


# -- the two dialects ----------------------------------------------------------------------


@attrs.frozen(slots=True, kw_only=True)
class Dialect:
    """The differences of the doors."""

    package: str
    manager: str
    generator: str
    define: str
    call: str
    plain: Callable[[str], str]
    dunders: frozenset[str]
    renamed: Mapping[str, str]
    words: tuple[tuple[str, str], ...]

    def docstring(self, text: str) -> str:
        """Return a docstring in the words of this door."""
        for pattern, new in self.words:
            text = re.sub(pattern, new, text)
        return text


_EVERYWHERE: Final = (
    (r"``trio\.(WouldBlock|EndOfChannel|BusyResourceError)``", r":class:`~realtime_trio.\1`"),
    (r"``trio\.ClosedResourceError``", ":class:`~realtime_trio.ClosedError`"),
)

AIO: Final = Dialect(
    package="aio",
    manager="AbstractAsyncContextManager",
    generator="AsyncGenerator[{}, None]",
    define="async def",
    call="await self._door.call",
    plain=lambda text: text,
    dunders=frozenset({"__aiter__", "__anext__", "__await__"}),
    renamed={},
    words=(
        *_EVERYWHERE,
        (r"All of it is for one ``trio\.run``\.", "All of it is for one loop of asyncio."),
        (r"within this\s+``trio\.run``", "on this loop"),
        (r"only inside this\s+``trio\.run``", "only on this loop"),
        (r"\bA checkpoint; any", "Any"),
        (r" A checkpoint\.", ""),
    ),
)

BLOCKING: Final = Dialect(
    package="blocking",
    manager="AbstractContextManager",
    generator="Generator[{}, None, None]",
    define="def",
    call="self._door.call",
    plain=lambda text: f"self._door.plain(lambda: {text})",
    dunders=frozenset({"__aiter__", "__anext__"}),
    renamed={"__anext__": "__next__", "__aiter__": "__iter__"},
    words=(
        *_EVERYWHERE,
        (r"All of it is for one ``trio\.run``\.", "Any thread may use it."),
        (r"only inside this\s+``trio\.run``", "only inside ``rt.blocking``"),
        (r"\bA checkpoint; any", "Any"),
        (r" A checkpoint\.", ""),
        (r"``async\s+(with|for)\b", r"``\1"),
        (r"``await ", "``"),
        (r"await (turn\.wait\(\))", r"\1"),
        (r"anything with ``async token\(\)``", "anything with ``token()``"),
        (r"Await it to wait", "Call :meth:`wait` to wait"),
        (r"Await the result to wait", "Call ``wait()`` of the result to wait"),
        (
            r"[Aa]ny number\s+of tasks may wait, and cancelling one changes nothing",
            "Any number of threads may wait",
        ),
        (
            r"[Aa]ny number of tasks may wait; cancelling one changes nothing",
            "Any number of threads may wait",
        ),
        (r"([Aa])ny number\s+of\s+tasks\s+may\s+wait", r"\1ny number of threads may wait"),
        (r"runs in the task that reads", "runs in the client's thread"),
        (r"raised in that task", "raised in the thread that reads"),
        (r"the body\s+is cancelled", "what the body waits for is cancelled"),
        (r"cancels the body and is raised", "ends what the body waits for and is raised"),
        (r"other tasks", "other threads"),
        (r"Several tasks", "Several threads"),
        (r"to one task", "to one thread"),
    ),
)

DIALECTS: Final = (AIO, BLOCKING)


# -- writing -------------------------------------------------------------------------------


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


class ClassWriter:
    """Writes one class."""

    def __init__(self, entry: Mirrored, dialect: Dialect, imports: Imports) -> None:
        self._entry = entry
        self._dialect = dialect
        self._imports = imports
        self._sources = {module: Source(module) for module, _ in entry.natives}
        module, name = entry.natives[-1]
        self._source = self._sources[module]
        self._native = self._source.of_class(name)
        # A subclass holds the same object under another name, with its own type.
        self._held = "self._inner" if entry.channel or entry.base else "self._native"

    def write(self) -> Iterator[str]:
        """Write it, header first."""
        entry = self._entry
        native = f"Native{entry.name}"
        self._imports.add(f"{PACKAGE}.{self._source.module}", self._native.name, native)
        parameter = self._parameter()
        yield f"class {entry.name}({self._bases(native, parameter)}):"
        yield self._doc(ast.get_docstring(self._native, clean=False) or "", 4)
        yield from self._init(native + parameter)
        for module, name in entry.natives:
            source = self._sources[module]
            cls = source.of_class(name)
            for attribute, annotation, doc in attributes(cls):
                if not self._live(annotation):
                    yield from self._attribute(attribute, annotation, doc, source)
            for node in cls.body:
                if isinstance(node, Function) and self._wanted(node, cls):
                    yield from self._member(node, source)
        if self._dialect is BLOCKING and entry.name == "Client":
            self._imports.add("functools", "partial")
            self._imports.add(f"{PACKAGE}._client._stop", "stop_client")
            yield _CLOSE.format(
                what="Close the client",
                call="self._door.close(partial(stop_client, self._inner))",
            )
        if self._dialect is BLOCKING and entry.own:
            yield _CLOSE.format(what="Detach from the session", call="self._door.detach()")

    # -- the head --------------------------------------------------------------------------

    def _parameter(self) -> str:
        """Return ``[T]`` for a generic class."""
        for base in self._native.bases:
            if isinstance(base, ast.Subscript) and ast.unparse(base.value) == "Generic":
                self._imports.names_of(base, self._source)
                return f"[{ast.unparse(base.slice)}]"
        return ""

    def _received(self) -> str:
        """Return the item type of a channel that is not generic."""
        (base,) = self._native.bases
        assert isinstance(base, ast.Subscript)
        self._imports.names_of(base.slice, self._source)
        return ast.unparse(base.slice)

    def _bases(self, native: str, parameter: str) -> str:
        entry = self._entry
        if entry.channel:
            self._imports.door("_channel", "Channel")
            if not parameter:
                return f"Channel[{self._received()}]"
            return f"Channel{parameter}, Generic{parameter}"
        if entry.base:
            self._imports.door(PLACES[entry.base], entry.base)
            return entry.base
        self._imports.door("_door", "Mirror")
        return f"Mirror[{native}]"

    def _init(self, native: str) -> Iterator[str]:
        entry = self._entry
        live = [each for each in attributes(self._native) if self._live(each[1])]
        if not (entry.channel or entry.base or live):
            return
        self._imports.door("_door", "Door")
        yield f"    def __init__(self, door: Door, native: {native}) -> None:"
        if entry.channel:
            self._imports.add(
                f"{PACKAGE}.{self._source.module}", "signal_of", f"{entry.name.lower()}_signal"
            )
            exclusive = ", exclusive=True" if entry.exclusive else ""
            yield (
                f"        super().__init__(door, native, {entry.name.lower()}_signal(native)"
                f"{exclusive})"
            )
        else:
            yield "        super().__init__(door, native)"
        if entry.channel or entry.base:
            yield "        self._inner = native"
        for name, annotation, doc in live:
            kind = self._live(annotation)
            self._imports.names_of(annotation, self._source)
            yield f"        self.{name}: {ast.unparse(annotation)} = {kind}(door, native.{name})"
            if doc:
                yield self._doc(doc, 8)
        yield ""

    # -- the members -----------------------------------------------------------------------

    def _live(self, annotation: ast.expr | None) -> str:
        """Return the class of the door for this annotation; nothing for a value."""
        if isinstance(annotation, ast.Subscript):
            annotation = annotation.value
        name = annotation.id if isinstance(annotation, ast.Name) else ""
        return name if name in PLACES else ""

    def _wanted(self, node: Function, cls: ast.ClassDef) -> bool:
        if f"{cls.name}.{node.name}" in INTERNAL:
            return False
        if self._entry.channel:
            return not node.name.startswith("_") and node.name not in FROM_BASE
        return not node.name.startswith("_") or node.name in self._dialect.dunders

    def _attribute(
        self, name: str, annotation: ast.expr, doc: str, source: Source
    ) -> Iterator[str]:
        self._imports.names_of(annotation, source)
        yield "    @property"
        yield f"    def {name}(self) -> {ast.unparse(annotation)}:"
        yield self._doc(doc or f"The {name} of it.", 8)
        yield f"        return {self._dialect.plain(f'{self._held}.{name}')}"
        yield ""

    def _member(self, node: Function, source: Source) -> Iterator[str]:
        marks = _marks(node)
        given = signature(node, source, self._imports, method=True)
        if "overload" in marks:
            yield from self._overload(node, source, given)
        elif "setter" in marks:
            yield from self._setter(node, given)
        else:
            yield from self._method(node, source, given)
        yield ""

    def _overload(self, node: Function, source: Source, given: Signature) -> Iterator[str]:
        self._imports.add("typing", "overload")
        assert node.returns is not None
        self._imports.names_of(node.returns, source)
        yield "    @overload"
        yield f"    def {node.name}({given.parameters}) -> {ast.unparse(node.returns)}: ..."

    def _setter(self, node: Function, given: Signature) -> Iterator[str]:
        yield f"    @{node.name}.setter"
        yield f"    def {node.name}({given.parameters}) -> None:"
        if self._dialect is AIO:
            yield f"        {self._held}.{node.name} = {given.arguments}"
        else:
            change = f"setattr({self._held}, {node.name!r}, {given.arguments})"
            yield f"        self._door.plain(lambda: {change})"

    def _method(self, node: Function, source: Source, given: Signature) -> Iterator[str]:
        dialect, marks = self._dialect, _marks(node)
        name = dialect.renamed.get(node.name, node.name)
        kind = self._kind(node)
        returns, body = kind(node, source, given)
        if "property" in marks:
            yield "    @property"
        define = dialect.define if kind == self._awaited else "def"
        yield f"    {define} {name}({given.parameters}) -> {returns}:"
        yield self._doc(ast.get_docstring(node, clean=False) or _WORDS[node.name], 8)
        yield from (f"        {line}" for line in body)

    def _kind(self, node: Function) -> Callable[[Function, Source, Signature], _Member]:
        returns = ast.unparse(node.returns) if node.returns is not None else ""
        if "asynccontextmanager" in _marks(node):
            return self._block
        if node.name == "__await__":
            return self._wait
        if node.name == "__aiter__" and self._live(node.returns):
            return self._plain
        if node.name == "__aiter__":
            return self._itself
        if isinstance(node, ast.AsyncFunctionDef):
            return self._awaited
        return self._items if returns.startswith("AsyncGenerator") else self._plain

    def _block(self, node: Function, source: Source, given: Signature) -> _Member:
        item = _item(node.returns)
        self._imports.names_of(item, source)
        wrap = self._live(item)
        if not wrap:
            self._imports.door("_door", "same")
        self._imports.add("contextlib", self._dialect.manager)
        native = f"{self._held}.{node.name}({given.arguments})"
        # The block of an ask is in a separate task: the door knows the caller.
        alone = ", alone=True" if node.name == "ask" else ""
        own = ", own=True" if wrap in OWN else ""
        return (
            f"{self._dialect.manager}[{ast.unparse(item)}]",
            [f"return self._door.block({native}, {wrap or 'same'}{alone}{own})"],
        )

    def _wait(self, node: Function, source: Source, given: Signature) -> _Member:
        assert node.returns is not None
        self._imports.names_of(node.returns, source)
        return ast.unparse(node.returns), [f"return self._door.call({self._held}.wait).__await__()"]

    def _itself(self, node: Function, source: Source, given: Signature) -> _Member:
        self._imports.add("typing", "Self")
        return "Self", ["return self"]

    def _items(self, node: Function, source: Source, given: Signature) -> _Member:
        item = _item(node.returns)
        self._imports.names_of(item, source)
        returns = self._dialect.generator.format(ast.unparse(item))
        self._imports.add("collections.abc", returns.partition("[")[0])
        return returns, [f"return self._door.each({self._held}.{node.name}({given.arguments}))"]

    def _awaited(self, node: Function, source: Source, given: Signature) -> _Member:
        passed = f", {given.arguments}" if given.arguments else ""
        return self._result(node, source, f"{self._dialect.call}({self._held}.{node.name}{passed})")

    def _plain(self, node: Function, source: Source, given: Signature) -> _Member:
        native = f"{self._held}.{node.name}"
        if "property" not in _marks(node):
            native += f"({given.arguments})"
        return self._result(node, source, self._dialect.plain(native))

    def _result(self, node: Function, source: Source, value: str) -> _Member:
        assert node.returns is not None
        self._imports.names_of(node.returns, source)
        wrap = self._live(node.returns)
        if wrap:
            value = f"{wrap}(self._door, {value})"
        returns = ast.unparse(node.returns)
        return returns, [value if returns == "None" else f"return {value}"]

    def _doc(self, text: str, indent: int) -> str:
        return _docstring(self._dialect.docstring(text), indent)


_Member: TypeAlias = tuple[str, list[str]]

_CLOSE: Final = '''    def close(self) -> None:
        """{what} now, from a thread other than the one in its block.

        What waits there ends: calls with :class:`~realtime_trio.ClosedError`, iterations after
        what they hold. The block itself is left as usual. A second call does nothing.
        """
        {call}
'''

_WORDS: Final = {
    "__aiter__": "Iterate over it.",
    "__anext__": "Wait for the next item and return it.",
}


def _docstring(text: str, indent: int) -> str:
    return " " * indent + f'"""{text}"""'


def _function(entry: tuple[str, str, str], dialect: Dialect, imports: Imports) -> Iterator[str]:
    """Write a function that opens something."""
    module, name, kind = entry
    source = Source(module)
    node = source.of_function(name)
    given = signature(node, source, imports, method=False)
    imports.add("contextlib", dialect.manager)
    imports.add(f"{PACKAGE}.{module}", name, f"native_{name}")
    imports.door(PLACES[kind], kind)
    imports.door("_opening", "opened")
    yield f"def {name}({given.parameters}) -> {dialect.manager}[{kind}]:"
    yield _docstring(dialect.docstring(ast.get_docstring(node, clean=False) or ""), 4)
    yield f"    return opened(native_{name}({given.arguments}), {kind})"
    yield ""


def generate(module: DoorModule, dialect: Dialect) -> str:
    """Return the text of one module, as the formatter gets it."""
    imports = Imports(module, dialect)
    body: list[str] = []
    for entry in module.classes:
        body += ["", "", *ClassWriter(entry, dialect, imports).write()]
    for function in module.functions:
        body += ["", "", *_function(function, dialect, imports)]
    names = sorted(
        [entry.name for entry in module.classes] + [name for _, name, _ in module.functions]
    )
    head = [
        f'"""{module.title}\n\nWritten by tools/doors.py: change the native classes instead.\n"""',
        "",
        "from __future__ import annotations",
        "",
        *imports.lines(),
        "",
        f"__all__ = {names!r}",
    ]
    return "\n".join([*head, *body]) + "\n"


def path_of(module: DoorModule, dialect: Dialect) -> Path:
    """Return where a module is checked in."""
    return ROOT / PACKAGE / dialect.package / f"{module.name}.py"


def main(arguments: Iterable[str] = ()) -> None:
    """Write all modules, and format them."""
    paths: list[str] = []
    for dialect in DIALECTS:
        for module in MODULES:
            path = path_of(module, dialect)
            path.write_text(generate(module, dialect), encoding="utf-8")
            paths.append(str(path))
    ruff = [sys.executable, "-m", "ruff"]
    subprocess.run([*ruff, "check", "--select", "I,F401", "--fix", "-q", *paths], check=True)
    subprocess.run([*ruff, "format", "-q", *paths], check=True)


if __name__ == "__main__":
    main()
