"""The error of a command that cannot do what was asked."""

from __future__ import annotations

__all__ = ["CommandError"]


class CommandError(Exception):
    """One clear line for standard error, and the exit status: 2 for an error of use, else 1."""

    def __init__(self, message: str, *, status: int = 2) -> None:
        super().__init__(message)
        self.status = status
