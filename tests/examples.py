"""The examples of the documentation, found and executed.

A fence that reads ``python run`` holds a program; those of one page that read
``python run=NAME`` with one name are the parts of one program; a fence ``text output``
right after one holds what the program prints. A program is compiled with the lines that it has
on its page, so that a traceback points there. ``docs/contributing.md`` tells it to authors.
"""

from __future__ import annotations

import ast
import inspect
import io
import re
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    redirect_stdout,
)
from importlib import import_module
from pathlib import Path
from types import CodeType

import attrs
import trio
from anyio.from_thread import start_blocking_portal

PLACEHOLDER = "https://agents.example.com"
"""The address that stands for the embedded server's."""

_FENCE = re.compile(
    r"^(?P<indent> *)(?P<ticks>```+)(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=indent)(?P=ticks) *$",
    re.MULTILINE | re.DOTALL,
)
_RUN = re.compile(r"python run(?:=(?P<name>\S+))?")


@attrs.frozen(slots=True, kw_only=True)
class Program:
    """One executable example: where it begins, its text on its own lines, what it prints."""

    page: Path
    line: int
    source: str
    output: str | None = None

    @property
    def label(self) -> str:
        return f"{self.page.name}:{self.line}"


@attrs.frozen(slots=True, kw_only=True)
class _Fence:
    info: str
    body: str
    line: int
    start: int
    end: int


def _fences(text: str) -> Iterator[_Fence]:
    for match in _FENCE.finditer(text):
        indent = match["indent"]
        body = "".join(
            line.removeprefix(indent) for line in match["body"].splitlines(keepends=True)
        )
        yield _Fence(
            info=match["info"].strip(),
            body=body,
            line=text.count("\n", 0, match.start("body")) + 1,
            start=match.start(),
            end=match.end(),
        )


def _appended(source: str, fence: _Fence) -> str:
    """Put a part at the line that it has on its page."""
    return source + "\n" * (fence.line - 1 - source.count("\n")) + fence.body


def programs_of(page: Path) -> list[Program]:
    """Give the programs of one page in the order in which they begin."""
    text = page.read_text(encoding="utf-8")
    found: dict[str, Program] = {}
    key, end = "", 0
    for fence in _fences(text):
        run = _RUN.fullmatch(fence.info)
        if run is not None:
            key, end = run["name"] or f"line {fence.line}", fence.end
            known = found.get(key) or Program(page=page, line=fence.line, source="")
            found[key] = attrs.evolve(known, source=_appended(known.source, fence))
        elif fence.info == "text output":
            if not key or text[end : fence.start].strip():
                message = f"{page.name}:{fence.line}: no program stands right before this output"
                raise ValueError(message)
            known = found[key]
            found[key] = attrs.evolve(known, output=(known.output or "") + fence.body)
    return list(found.values())


def pages(root: Path) -> list[Path]:
    """Give the pages that may hold programs."""
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]


# ---- running -------------------------------------------------------------------------------

OpenClient = Callable[[], AbstractAsyncContextManager[object]]


def _wants(source: str, name: str) -> bool:
    """Say whether a program uses a name that it does not define."""
    nodes = list(ast.walk(ast.parse(source)))
    names = [node for node in nodes if isinstance(node, ast.Name) and node.id == name]
    defined = any(isinstance(node.ctx, ast.Store) for node in names)
    defined |= any(isinstance(node, ast.arg) and node.arg == name for node in nodes)
    return bool(names) and not defined


async def _run_in_trio(
    code: CodeType, scope: dict[str, object], open_client: OpenClient | None
) -> None:
    async with AsyncExitStack() as stack:
        if open_client is not None:
            scope["client"] = await stack.enter_async_context(open_client())
        # With a top-level await in it the code evaluates to a coroutine.
        pending: Coroutine[None, None, None] | None = eval(code, scope)
        if pending is not None:
            await pending


def run(program: Program, names: Mapping[str, object], url: str, open_client: OpenClient) -> str:
    """Execute a program and give what it printed.

    It sees ``names``, and a client from ``open_client`` where it uses the name ``client`` and
    does not define it. Whatever it raises comes out.
    """
    source = program.source.replace(PLACEHOLDER, url)
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code: CodeType = compile(source, str(program.page), "exec", flags=flags, dont_inherit=True)
    scope: dict[str, object] = {"__name__": "__example__", **names}
    wants_client = _wants(source, "client")
    with redirect_stdout(io.StringIO()) as printed:
        if wants_client or code.co_flags & inspect.CO_COROUTINE:
            trio.run(_run_in_trio, code, scope, open_client if wants_client else None)
        else:
            eval(code, scope)
    return printed.getvalue()


@asynccontextmanager
async def _listening() -> AsyncGenerator[str, None]:
    # Imported late: the harness is of use, and tested, where the server is not.
    server = import_module("realtime_trio.server")
    config = server.ServerConfig(users=(server.Account(user_id="me", password="secret"),))
    async with server.open_server(config) as running:
        yield await running.listen()


@contextmanager
def embedded_server() -> Iterator[str]:
    """Run the embedded server in a thread of its own, and give its address.

    The user of the examples, ``me`` with the password ``secret``, can log in there.
    """
    with (
        start_blocking_portal(backend="trio") as portal,
        portal.wrap_async_context_manager(_listening()) as url,
    ):
        yield url
