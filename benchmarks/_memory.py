"""Measure the memory of this process."""

from __future__ import annotations

import gc
import resource
import sys
from pathlib import Path

__all__ = ["resident_kilobytes"]

_STATM = Path("/proc/self/statm")


def resident_kilobytes() -> float:
    """Return the current memory of the process, after a garbage collection. If the system does not
    report that, it is the maximum so far, which never falls.
    """
    gc.collect()
    try:
        pages = int(_STATM.read_text(encoding="ascii").split()[1])
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 1024 if sys.platform == "darwin" else float(peak)
    return pages * resource.getpagesize() / 1024
