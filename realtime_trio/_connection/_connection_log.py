"""Log records of a connection: dials, their failures and pauses, links lost and restored. Failures
are WARNINGs, so a program without any logging configuration still shows them: Python's handler of
last resort prints them. Records name the host. The text of a refusal is shown as in the error, in
one bounded line without secrets.
"""

from __future__ import annotations

import logging
from typing import Final

from .._core._shell_notifications import Reconnected

__all__ = [
    "log_asked_again",
    "log_back",
    "log_dial",
    "log_ended",
    "log_failure",
    "log_given_up",
    "log_lost",
    "log_open",
    "log_replaced",
]

_logger: Final = logging.getLogger("realtime_trio.connection")


def log_dial(place: str, attempt: int) -> None:
    """Log a dial; ``attempt`` counts consecutive dials without a stable link."""
    _logger.info("dialling %s (attempt %d)", place, attempt)


def log_open(place: str) -> None:
    """Log that the first link is open and proven."""
    _logger.info("connected to %s", place)


def log_failure(attempt: int, most: int | None, why: str, pause: float) -> None:
    """Log a failed dial that will be repeated."""
    of = "" if most is None else f" of {most}"
    _logger.warning("attempt %d%s failed: %s; dialling again in %.1f s", attempt, of, why, pause)


def log_given_up(place: str, attempts: int, why: str) -> None:
    """Log that the client dials no more."""
    plural = "" if attempts == 1 else "s"
    _logger.warning("giving up on %s after %d attempt%s: %s", place, attempts, plural, why)


def log_lost(place: str, why: str, pause: float) -> None:
    """Log a link that has ended and will be replaced."""
    _logger.warning("lost the connection to %s: %s; dialling in %.1f s", place, why, pause)


def log_replaced(place: str) -> None:
    """Log that the application asked for a new link."""
    _logger.info("the application asked for a new connection to %s", place)


def log_ended(place: str, why: str) -> None:
    """Log a link that has ended and will not be replaced."""
    _logger.warning("the connection to %s has ended: %s", place, why)


def log_back(place: str, note: Reconnected) -> None:
    """Log that a proven link replaces a lost one."""
    _logger.info(
        "connected to %s again (attempts: %d, commands that waited: %d, speech dropped: %d frames)",
        *(place, note.attempts, note.commands, note.audio_dropped),
    )


def log_asked_again() -> None:
    """Log that the session is requested again, because the link began in the middle of a turn."""
    _logger.info("the session may have a gap: asking the server for it again")
