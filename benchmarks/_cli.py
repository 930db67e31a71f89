"""The command line of the suite."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from . import _budget, _model, _questions, _runner
from ._model import Run

__all__ = ["Misuse", "ask", "main"]


class Misuse(Exception):
    """The arguments are invalid; the message is one line."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="How fast is realtime_trio, and is it as fast as it has to be.",
        epilog=f"questions: {', '.join(_questions.names(peers=True))}",
    )
    parser.add_argument("names", nargs="*", metavar="QUESTION", help="ask these only")
    parser.add_argument("--quick", action="store_true", help="less exact, under two minutes")
    parser.add_argument("--peers", action="store_true", help="also measure other libraries")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the run as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a report with plots")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables")
    parser.add_argument(
        "--compare", type=Path, metavar="FILE", help="say what changed since that run"
    )
    parser.add_argument(
        "--from", type=Path, metavar="FILE", dest="stored", help="show that run, measure nothing"
    )
    parser.add_argument("--strict", action="store_true", help="end with status 1 over budget")
    parser.add_argument("--worker", metavar="QUESTION", help=argparse.SUPPRESS)
    parser.add_argument("--process", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the suite from a shell. Return the exit status: 2 for a usage error, with one line."""
    try:
        return ask(argv)
    except Misuse as exc:
        print(f"benchmarks: {exc}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def ask(argv: Sequence[str]) -> int:
    """Run the suite. Return 1 if a question failed or, on request, a line of the budget did not
    hold. Raises :exc:`Misuse`.
    """
    options = _parser().parse_args(argv)
    if options.worker:
        from ._worker import work

        work(options.worker, quick=options.quick, process=options.process, out=options.out)
        return 0
    known = _questions.names(peers=True)
    unknown = sorted(set(options.names) - set(known))
    if unknown:
        message = f"no such question: {', '.join(unknown)}; available: {', '.join(known)}"
        raise Misuse(message)
    try:
        before = _model.load(options.compare) if options.compare else None
        run = _model.load(options.stored) if options.stored else None
    except (OSError, ValueError) as exc:
        raise Misuse(str(exc)) from exc
    return _show(run or _measured(options), before, options)


def _measured(options: argparse.Namespace) -> Run:
    from . import _table

    names = options.names or _questions.names(peers=options.peers)
    with _table.progress(len(names)) as shown:
        return _runner.run(names, quick=options.quick, progress=shown.asks, answered=shown.answered)


def _show(run: Run, before: Run | None, options: argparse.Namespace) -> int:
    from . import _report, _table

    _table.show(run, before)
    if options.json:
        _model.save(run, options.json)
    if options.markdown:
        _report.write(_report.markdown(run), options.markdown)
    if options.html:
        from . import _html

        _report.write(_html.page(run, before), options.html)
    failed = any(answer.failure for answer in run.answers)
    missed = options.strict and not all(outcome.held for outcome in _budget.judge(run))
    if failed:
        print("some benchmarks failed: see above", file=sys.stderr)
    return 1 if failed or missed else 0
