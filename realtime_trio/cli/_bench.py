"""``realtime-trio bench``: the benchmark suite, on this machine."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Annotated, cast

from cyclopts import Parameter

from ._command_error import CommandError

__all__ = ["bench"]

_PACKAGE = __name__.partition(".")[0]
# A wheel has the suite inside the package, a checkout next to it.
_WITHIN, _BESIDE = f"{_PACKAGE}._benchmarks", "benchmarks"
_Flag = Annotated[bool, Parameter(negative=())]


def bench(
    *questions: str,
    quick: _Flag = False,
    peers: _Flag = False,
    json: Path | None = None,
    html: Path | None = None,
    markdown: Path | None = None,
    compare: Path | None = None,
    strict: _Flag = False,
) -> int:
    """Measure how fast the library is on this machine, and compare it with its budget.

    Figures are medians. Compare ratios within one run.

    Parameters
    ----------
    questions
        Run only these benchmarks: decode, fold, core, lanes, socket, latency and so on. The
        default is all of them.
    quick
        Measure less precisely, in less than two minutes.
    peers
        Also measure other libraries, if they are installed.
    json
        Write the run to this file, for --compare.
    html
        Write a report with plots to this file.
    markdown
        Write the tables to this file.
    compare
        Show what is faster or slower than in the run in this file, and how certain that is.
    strict
        End with status 1 if the budget is exceeded.
    """
    flags = {"--quick": quick, "--peers": peers, "--strict": strict}
    files = {"--json": json, "--html": html, "--markdown": markdown, "--compare": compare}
    options = [name for name, wanted in flags.items() if wanted]
    options += [f"{name}={path}" for name, path in files.items() if path is not None]
    suite = _suite()
    ask = cast("Callable[[list[str]], int]", suite.ask)
    misuse = cast("type[Exception]", suite.Misuse)
    try:
        return ask([*options, "--", *questions])
    except misuse as exc:
        raise CommandError(str(exc)) from exc


def _suite() -> ModuleType:
    """Return the entry point of the suite."""
    found = next(_homes(), None)
    if found is None:
        message = (
            "the benchmarks are not installed: run this command in a checkout of the repository, "
            "or install the package from a wheel"
        )
        raise CommandError(message)
    try:
        return importlib.import_module(f"{found}._cli")
    except ModuleNotFoundError as exc:
        message = f"the benchmarks need {exc.name}: pip install 'realtime-trio[bench]'"
        raise CommandError(message) from exc


def _homes() -> Iterator[str]:
    """Return the suite's locations. That of a checkout is made importable."""
    if importlib.util.find_spec(_WITHIN) is not None:
        yield _WITHIN
    root = Path(__file__).resolve().parents[2]
    if (root / _BESIDE / "_cli.py").is_file():
        if str(root) not in sys.path:
            sys.path.append(str(root))
        yield _BESIDE
