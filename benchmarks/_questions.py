"""The questions: the modules ``bench_*`` of this package."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path

import attrs

from ._kit import Kit

__all__ = ["Question", "find", "names"]

# The order of the questions; others follow by name.
_ORDER = (
    "decode", "fold", "core", "lanes", "instruments", "paced", "socket", "compression", "latency",
    "doors", "cancel_under_flood", "growth", "many", "journal", "audio", "detector", "startup",
    "memory",
)  # fmt: skip
# Only run with --peers: they need further packages.
PEERS = "peers"


@attrs.frozen(slots=True, kw_only=True)
class Question:
    """One file ``bench_NAME.py``: its ``TITLE``, its ``measure(kit)``, its ``PROCESSES``.

    ``processes`` is the number of processes in quick and in full mode; a question that opens
    sockets or counts memory needs few.
    """

    name: str
    title: str
    measure: Callable[[Kit], None]
    processes: tuple[int, int] = (2, 5)


def names(*, peers: bool = False) -> list[str]:
    """Return the names of the questions, in the order in which they are asked."""
    here = [str(Path(__file__).parent)]
    found = {
        module.name.removeprefix("bench_")
        for module in pkgutil.iter_modules(here)
        if module.name.startswith("bench_")
    }
    ordered = [name for name in _ORDER if name in found]
    ordered += sorted(found - set(_ORDER))
    return [name for name in ordered if peers or not name.startswith(PEERS)]


def find(name: str) -> Question:
    """Return the question of that name. Raises ``LookupError``."""
    if name not in names(peers=True):
        message = f"there is no question {name!r}; available: {', '.join(names(peers=True))}"
        raise LookupError(message)
    module = importlib.import_module(f".bench_{name}", __package__)
    return Question(
        name=name,
        title=module.TITLE,
        measure=module.measure,
        processes=getattr(module, "PROCESSES", (2, 5)),
    )
