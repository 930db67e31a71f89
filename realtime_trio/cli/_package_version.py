"""The version of the program."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

__all__ = ["package_version"]


def package_version() -> str:
    """Return the version of the installed package, or "0" if it runs from source."""
    try:
        return version("realtime-trio")
    except PackageNotFoundError:
        return "0"
