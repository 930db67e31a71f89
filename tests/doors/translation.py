"""The examples of the documentation as their readers write them for the other doors.

``trio`` and ``rt`` are the same names with the door's own things behind them: ``rt.open_client``
is the door's, ``trio.run`` runs asyncio, or nothing at all. What has no such form in a door is in
:data:`NATIVE_ONLY`, with its reason.
"""

from __future__ import annotations

import ast
import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from types import CodeType, ModuleType, TracebackType
from typing import Any, Final

import trio as native_trio

import realtime_trio as native_rt
from tests.examples import Block
from tools.without_async import without_async

THREADS: Final = "a thread is not cancelled: client.close() ends its waits"
BOTH: Final = ("aio", "blocking")

NATIVE_ONLY: Final = {
    "transports.md: rt.testing.check_transport": (BOTH, "a transport is an object for trio"),
    "testing.md: check_log": (BOTH, "a log is an object for trio"),
    "testing.md: realtime_server": (BOTH, "the fixtures of the plugin are for tests on trio"),
    "reconnecting.md: trio.sleep_forever": (
        ("blocking",),
        "a sleeping thread does not hear that its client has ended",
    ),
    "reconnecting.md: nursery.cancel_scope": (("blocking",), THREADS),
    "coming-from-pipecat.md: nursery.cancel_scope": (("blocking",), THREADS),
    "first-conversation.md: nursery.cancel_scope": (("blocking",), THREADS),
    "files.md: trio.move_on_after": (("blocking",), THREADS),
    "troubleshooting.md: trio.move_on_after": (("blocking",), THREADS),
}
"""By the page and a text of the example: the doors that it has no form in, and why."""


def reason_against(block: Block, door: str) -> str | None:
    """Say why an example has no form in a door."""
    for place, (doors, reason) in NATIVE_ONLY.items():
        page, _, text = place.partition(": ")
        if block.page.name == page and text in block.text and door in doors:
            return reason
    return None


# -- rt ------------------------------------------------------------------------------------


class Rt:
    """``rt`` and its modules: what the door has is the door's."""

    def __init__(self, door: ModuleType, native: ModuleType) -> None:
        self._door = door
        self._native = native

    def __getattr__(self, name: str) -> Any:
        if name in self._door.__all__:
            return getattr(self._door, name)
        found = getattr(self._native, name)
        return Rt(self._door, found) if isinstance(found, ModuleType) else found


aio_rt = Rt(native_rt.aio, native_rt)
blocking_rt = Rt(native_rt.blocking, native_rt)


# -- trio ----------------------------------------------------------------------------------


class _Scope:
    """A cancel scope of the task that enters it."""

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = seconds
        self._fired = False
        self.cancelled_caught = False

    def __enter__(self) -> _Scope:
        self._task = asyncio.current_task()
        assert self._task is not None
        self._before = self._task.cancelling()
        loop = asyncio.get_running_loop()
        self._timer = None if self._seconds is None else loop.call_later(self._seconds, self.cancel)
        return self

    def cancel(self) -> None:
        assert self._task is not None
        if not self._fired:
            self._fired = True
            self._task.cancel()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if self._timer is not None:
            self._timer.cancel()
        if self._fired and self._task is not None:
            mine = self._task.uncancel() <= self._before
            self.cancelled_caught = mine and isinstance(exc, asyncio.CancelledError)
        return self.cancelled_caught


class _Tasks:
    """A nursery."""

    def __init__(self) -> None:
        self.cancel_scope = self
        self._group = asyncio.TaskGroup()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> _Tasks:
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *how: Any) -> bool | None:
        await self._group.__aexit__(*how)
        return None

    def start_soon(self, fn: Callable[..., Coroutine[Any, Any, None]], *args: object) -> None:
        self._tasks.append(self._group.create_task(fn(*args)))

    def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()


class AioTrio:
    """``trio`` for asyncio."""

    abc = native_trio.abc
    sleep = staticmethod(asyncio.sleep)
    open_nursery = _Tasks
    move_on_after = _Scope

    class lowlevel:  # noqa: N801  a module
        @staticmethod
        async def checkpoint() -> None:
            await asyncio.sleep(0)

    @staticmethod
    def run(fn: Callable[..., Coroutine[Any, Any, None]], *args: object) -> None:
        asyncio.run(fn(*args))

    @staticmethod
    async def sleep_forever() -> None:
        await asyncio.get_running_loop().create_future()


class BlockingTrio:
    """``trio`` for threads."""

    sleep = staticmethod(time.sleep)

    class lowlevel:  # noqa: N801  a module
        @staticmethod
        def checkpoint() -> None:
            assert threading.current_thread().name != "realtime_trio"

    @staticmethod
    def run(fn: Callable[..., None], *args: object) -> None:
        fn(*args)


# -- the text ------------------------------------------------------------------------------


class _Imports(ast.NodeTransformer):
    """Takes ``trio``, ``rt`` and what the door has from the door."""

    def __init__(self, door: str) -> None:
        self._door = door
        self._names: list[str] = getattr(native_rt, door).__all__

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        return [self._import(alias) for alias in node.names]

    def _import(self, alias: ast.alias) -> ast.stmt:
        if alias.name == "trio":
            own = "AioTrio" if self._door == "aio" else "BlockingTrio"
        elif alias.name == "realtime_trio":
            own = f"{self._door}_rt"
        else:
            return ast.Import([alias])
        shown = ast.alias(own, alias.asname or alias.name)
        return ast.ImportFrom(__name__, [shown], 0)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> list[ast.stmt]:
        if not (node.module or "").startswith("realtime_trio"):
            return [node]
        return list(self._split(node))

    def _split(self, node: ast.ImportFrom) -> Iterator[ast.stmt]:
        for alias in node.names:
            module = node.module
            if alias.name in self._names:
                module = f"realtime_trio.{self._door}"
            yield ast.ImportFrom(module, [alias], 0)


class TranslatedBlock(Block):
    """An example in the words of a door."""

    door: str = "aio"

    def compiled(self, url: str, flags: int = 0) -> CodeType:
        """The code: positions are those of the page, where a node has one."""
        tree = ast.parse("\n" * (self.line - 1) + self.addressed(url), str(self.page))
        if self.door == "blocking":
            tree = without_async(tree)
        translated = ast.fix_missing_locations(_Imports(self.door).visit(tree))
        code: CodeType = compile(translated, str(self.page), "exec", dont_inherit=True)
        return code


class BlockingBlock(TranslatedBlock):
    """An example without ``async``."""

    door = "blocking"


def translated(block: Block, door: str) -> Block:
    """Give an example in the words of a door."""
    kind = BlockingBlock if door == "blocking" else TranslatedBlock
    return kind(
        page=block.page, kind=block.kind, line=block.line, text=block.text, output=block.output
    )
