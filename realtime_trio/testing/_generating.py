"""Generating examples needs Hypothesis, which is imported on first use."""

from __future__ import annotations

import importlib

__all__ = ["require_hypothesis"]


def require_hypothesis(purpose: str) -> None:
    """Raise ``ImportError``, which says what to install, if Hypothesis is missing."""
    try:
        importlib.import_module("hypothesis")
    except ImportError:
        message = f"{purpose} needs hypothesis: pip install 'realtime-trio[testing]'"
        raise ImportError(message, name="hypothesis") from None
