"""The error of a command that cannot continue."""

from __future__ import annotations

__all__ = ["CommandError"]


class CommandError(Exception):
    """One line for standard error, and the exit status: 2 for a usage error, otherwise 1."""

    def __init__(self, message: str, *, status: int = 2) -> None:
        super().__init__(message)
        self.status = status
