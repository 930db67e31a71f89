"""What a connection logs: dials, their failures and pauses, links lost and back.

Failures are WARNINGs, so a program that configures no logging at all still shows them: the
logger's handler of last resort prints them. Records name the host. What a server said in
refusing is shown as the error has it, in one bounded line without secrets.
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
    """A dial begins; ``attempt`` counts those without a stable link."""
    _logger.info("dialling %s (attempt %d)", place, attempt)


def log_open(place: str) -> None:
    """The first link is open and proven."""
    _logger.info("connected to %s", place)


def log_failure(attempt: int, most: int | None, why: str, pause: float) -> None:
    """A dial failed, and there will be another."""
    of = "" if most is None else f" of {most}"
    _logger.warning("attempt %d%s failed: %s; dialling again in %.1f s", attempt, of, why, pause)


def log_given_up(place: str, attempts: int, why: str) -> None:
    """There will be no other dial."""
    plural = "" if attempts == 1 else "s"
    _logger.warning("giving up on %s after %d attempt%s: %s", place, attempts, plural, why)


def log_lost(place: str, why: str, pause: float) -> None:
    """A link has ended, and there will be another."""
    _logger.warning("lost the connection to %s: %s; dialling in %.1f s", place, why, pause)


def log_replaced(place: str) -> None:
    """A link was ended for a new one, as the application asked."""
    _logger.info("a new connection to %s was asked for", place)


def log_ended(place: str, why: str) -> None:
    """A link has ended for good."""
    _logger.warning("the connection to %s has ended: %s", place, why)


def log_back(place: str, note: Reconnected) -> None:
    """A link is open and proven in the place of a lost one."""
    _logger.info(
        "connected to %s again (attempts: %d, commands that waited: %d, speech dropped: %d frames)",
        *(place, note.attempts, note.commands, note.audio_dropped),
    )


def log_asked_again() -> None:
    """The new link began in the middle of a turn, so its session is asked for."""
    _logger.info("the session may have a gap: asking the server for it again")
