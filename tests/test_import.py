"""What ``import realtime_trio`` brings in, and what it leaves for later."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from collections.abc import Iterable, Iterator

import realtime_trio as rt

# Not every program needs these: they come when they are first used.
LATER = (
    "cattrs",
    "h11",
    "httpx",
    "numpy",
    "rich",
    "trio_websocket",
    "websockets",
    "realtime_trio._client",
    "realtime_trio._lanes",
    "realtime_trio.audio",
    "realtime_trio.aio",
    "realtime_trio.blocking",
    "opentelemetry",
    "prometheus_client",
    "realtime_trio.cli",
    "realtime_trio.instrument",
    "realtime_trio.server",
    "realtime_trio.testing",
    "realtime_trio._core.vendors._history",
    "realtime_trio._connection._recording",
)
SCRIPT = """
import sys
import realtime_trio
print([name for name in {later} if name in sys.modules])
"""


def imported_in(body: Iterable[ast.stmt]) -> Iterator[tuple[str, str]]:
    """Yield each imported name with the module it is imported from, ``""`` for the package."""
    for node in body:
        if isinstance(node, ast.ImportFrom):
            yield from ((alias.asname or alias.name, node.module or "") for alias in node.names)


def test_the_three_lists_of_public_names_agree() -> None:
    """What type checkers import, what is imported on first use, and ``__all__``."""
    body = ast.parse(inspect.getsource(rt)).body
    for_checkers = dict(
        imported_in(
            node
            for block in body
            if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
            for node in block.body
        )
    )
    on_first_use = rt._NAMES_LATER | dict.fromkeys(rt._MODULES_LATER, "")
    assert for_checkers == on_first_use
    immediately = {name for name, _ in imported_in(body) if not name.startswith("_")}
    stars = {
        name
        for module in (rt._notifications, rt._shell_notifications, rt._exceptions)
        for name in module.__all__
    }
    others = {"annotations", "TYPE_CHECKING", "Any", "*"}
    assert set(rt.__all__) == {*on_first_use, *immediately, *stars} - others
    assert len(rt.__all__) == len(set(rt.__all__))


def test_the_import_leaves_what_not_every_program_needs() -> None:
    command = [sys.executable, "-c", SCRIPT.format(later=LATER)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_every_public_name_is_there() -> None:
    for name in rt.__all__:
        assert getattr(rt, name) is getattr(rt, name)
        assert name in dir(rt)


def test_what_comes_later_is_what_its_module_has() -> None:
    from realtime_trio._connection._recording import Recorder

    assert rt.Recorder is Recorder
    assert not hasattr(rt, "recorder")
