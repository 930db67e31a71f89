"""The examples of the documentation, found and executed.

The words of a fence say what its block is:

- ``python run``: a complete program. It runs as a file that holds exactly this text.
- ``python``: tests. pytest runs them from a file that holds exactly this text.
- ``python excerpt``: a part of a program. It runs inside one, see :func:`run_excerpt`.
- ``python hardware``: a complete program that needs devices. It is compiled, not run.
- ``python notebook``: a cell of a notebook. A kernel runs the cells of a page in their order.
- ``python sketch``: code of another library, to compare with ours. It is compiled, not run.
- ``sh run``: commands, run by a shell in an empty directory.
- ``text output``, right after a program or an excerpt: what it prints.

Only the address of the server is replaced. A program is compiled with the line numbers of its
page, so that a traceback points there. ``docs/contributing.md`` describes this for authors.
"""

from __future__ import annotations

import ast
import inspect
import io
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    chdir,
    contextmanager,
    redirect_stdout,
)
from pathlib import Path
from types import CodeType, ModuleType

import attrs
import trio

from tests.source import PACKAGE, ROOT

PLACEHOLDER = "https://agents.example.com"
"""The address that stands for a real server's."""

ADDRESS = "http://127.0.0.1:8080"
"""The address of ``realtime-trio serve``."""

KINDS = (
    *("python", "python excerpt", "python hardware", "python notebook", "python run"),
    *("python sketch", "sh run"),
)

_ADDRESSES = re.compile(rf"{re.escape(PLACEHOLDER)}|http://127\.0\.0\.1:\d+")
_FENCE = re.compile(
    r"^(?P<indent> *)(?P<ticks>```+)(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=indent)(?P=ticks) *$",
    re.MULTILINE | re.DOTALL,
)


@attrs.frozen(slots=True, kw_only=True)
class Block:
    """One block of code: the words of its fence, where it begins, what it prints."""

    page: Path
    kind: str
    line: int
    text: str
    output: str | None = None

    @property
    def label(self) -> str:
        """Where the block is, for the name of a test."""
        return f"{self.page.name}:{self.line}"

    def addressed(self, url: str) -> str:
        """The text with the address of a server that runs."""
        return _ADDRESSES.sub(url, self.text)

    def compiled(self, url: str, flags: int = 0) -> CodeType:
        """The text as code, on the lines that it has on its page."""
        padded = "\n" * (self.line - 1) + self.addressed(url)
        code: CodeType = compile(padded, str(self.page), "exec", flags=flags, dont_inherit=True)
        return code


def pages(root: Path) -> list[Path]:
    """Give the pages that are read: the README and the documentation."""
    docs = root / "docs"
    found = sorted(docs.rglob("*.md"))
    unread = {docs / "_build", docs / "newsfragments"}
    return [root / "README.md", *(page for page in found if unread.isdisjoint(page.parents))]


def blocks_of(page: Path) -> list[Block]:
    """Give all fenced blocks of a page in their order, those that print with their output."""
    text = page.read_text(encoding="utf-8")
    found: list[Block] = []
    end = -1
    for match in _FENCE.finditer(text):
        indent, kind = match["indent"], match["info"].strip()
        body = "".join(
            line.removeprefix(indent) for line in match["body"].splitlines(keepends=True)
        )
        line = text.count("\n", 0, match.start("body")) + 1
        if kind == "text output":
            if end < 0 or text[end : match.start()].strip():
                message = f"{page.name}:{line}: no program stands right before this output"
                raise ValueError(message)
            found[-1] = attrs.evolve(found[-1], output=body)
            continue
        end = match.end() if kind in {"python excerpt", "python run"} else -1
        found.append(Block(page=page, kind=kind, line=line, text=body))
    return found


# -- running -------------------------------------------------------------------------------


def run_file(program: Block, url: str, folder: Path) -> str:
    """Run a program as Python runs a file, in ``folder``, and give what it printed."""
    module = ModuleType("__main__")
    module.__file__ = str(program.page)
    before = sys.modules["__main__"]
    sys.modules["__main__"] = module
    try:
        with redirect_stdout(io.StringIO()) as printed, chdir(folder), _own_logging():
            exec(program.compiled(url), module.__dict__)
    finally:
        sys.modules["__main__"] = before
    return printed.getvalue()


@contextmanager
def _own_logging() -> Generator[None, None, None]:
    """Let a program configure logging, as one with a process of its own does."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    package = logging.getLogger("realtime_trio.connection")
    root.handlers.clear()
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        package.setLevel(logging.NOTSET)


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


def run_excerpt(
    excerpt: Block, names: Mapping[str, object], url: str, open_client: OpenClient
) -> str:
    """Run a part of a program and give what it printed. ``await`` may stand at its top.

    It sees ``names``, and a client from ``open_client`` if it uses the name ``client`` and
    does not define it.
    """
    code = excerpt.compiled(url, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    scope: dict[str, object] = {"__name__": "__example__", **names}
    wants_client = _wants(excerpt.text, "client")
    with redirect_stdout(io.StringIO()) as printed:
        if wants_client or code.co_flags & inspect.CO_COROUTINE:
            trio.run(_run_in_trio, code, scope, open_client if wants_client else None)
        else:
            eval(code, scope)
    return printed.getvalue()


def run_tests(block: Block, settings: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Let pytest run a block as a test file of a new project with these settings."""
    (folder / "pyproject.toml").write_text(settings, encoding="utf-8")
    (folder / "test_application.py").write_text(block.text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."]
    return _call(command, folder)


def run_shell(block: Block, url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Let a shell run a block; ``realtime-trio`` is the one of this tree."""
    tool = folder / "bin" / "realtime-trio"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {PACKAGE} "$@"\n', encoding="utf-8")
    tool.chmod(0o755)
    path = f"{tool.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return _call(["sh", "-e", "-c", block.addressed(url)], folder, PATH=path)


def run_process(program: Block, url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program from a file, in a process of its own."""
    (folder / "program.py").write_text(program.addressed(url), encoding="utf-8")
    return _call([sys.executable, "-W", "error", "program.py"], folder)


def _environment(**extra: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **extra}


def _call(command: list[str], folder: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env=_environment(**extra),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@contextmanager
def embedded_server() -> Iterator[str]:
    """Run ``realtime-trio serve`` on a free port, and give its address."""
    command = [sys.executable, "-m", PACKAGE, "serve", "--port", "0", "--pace", "0.001"]
    with subprocess.Popen(
        command,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()
