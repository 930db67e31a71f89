"""Which questions there are: the modules ``bench_*`` of this package."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path

import attrs

from ._kit import Kit

__all__ = ["Question", "find", "names"]

# In this order they are asked; what is not named comes behind, by name.
_ORDER = (
    "decode", "fold", "core", "lanes", "instruments", "paced", "socket", "compression", "latency",
    "doors", "cancel_under_flood", "growth", "many", "journal", "fleet", "audio", "detector",
    "startup", "memory",
)  # fmt: skip
# Asked with --peers only: they want packages of their own.
PEERS = "peers"


@attrs.frozen(slots=True, kw_only=True)
class Question:
    """One file ``bench_NAME.py``: its ``TITLE``, its ``measure(kit)``, its ``PROCESSES``.

    ``processes`` are how many processes answer it, in quick mode and in full; those of a
    question that opens sockets or counts memory need not be many.
    """

    name: str
    title: str
    measure: Callable[[Kit], None]
    processes: tuple[int, int] = (2, 5)


def names(*, peers: bool = False) -> list[str]:
    """The names of the questions, in the order in which they are asked."""
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
    """The question of that name. Raises ``LookupError``."""
    if name not in names(peers=True):
        message = f"there is no question {name!r}; there are: {', '.join(names(peers=True))}"
        raise LookupError(message)
    module = importlib.import_module(f".bench_{name}", __package__)
    return Question(
        name=name,
        title=module.TITLE,
        measure=module.measure,
        processes=getattr(module, "PROCESSES", (2, 5)),
    )
