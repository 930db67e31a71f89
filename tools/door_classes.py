"""Write one class of a door."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from .door_dialects import AIO, BLOCKING, Dialect
from .door_imports import Imports, Signature, signature
from .door_source import PACKAGE, Function, Source, attributes, item_of, marks
from .door_tables import FROM_BASE, INTERNAL, OWN, PLACES, Mirrored

__all__ = ["ClassWriter", "docstring"]

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
        names = marks(node)
        given = signature(node, source, self._imports, method=True)
        if "overload" in names:
            yield from self._overload(node, source, given)
        elif "setter" in names:
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
        dialect, names = self._dialect, marks(node)
        name = dialect.renamed.get(node.name, node.name)
        kind = self._kind(node)
        returns, body = kind(node, source, given)
        if "property" in names:
            yield "    @property"
        define = dialect.define if kind == self._awaited else "def"
        yield f"    {define} {name}({given.parameters}) -> {returns}:"
        yield self._doc(ast.get_docstring(node, clean=False) or _WORDS[node.name], 8)
        yield from (f"        {line}" for line in body)

    def _kind(self, node: Function) -> Callable[[Function, Source, Signature], _Member]:
        returns = ast.unparse(node.returns) if node.returns is not None else ""
        if "asynccontextmanager" in marks(node):
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
        item = item_of(node.returns)
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
        item = item_of(node.returns)
        self._imports.names_of(item, source)
        returns = self._dialect.generator.format(ast.unparse(item))
        self._imports.add("collections.abc", returns.partition("[")[0])
        return returns, [f"return self._door.each({self._held}.{node.name}({given.arguments}))"]

    def _awaited(self, node: Function, source: Source, given: Signature) -> _Member:
        passed = f", {given.arguments}" if given.arguments else ""
        return self._result(node, source, f"{self._dialect.call}({self._held}.{node.name}{passed})")

    def _plain(self, node: Function, source: Source, given: Signature) -> _Member:
        native = f"{self._held}.{node.name}"
        if "property" not in marks(node):
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
        return docstring(self._dialect.docstring(text), indent)


def docstring(text: str, indent: int) -> str:
    """Write a docstring."""
    return " " * indent + f'"""{text}"""'
