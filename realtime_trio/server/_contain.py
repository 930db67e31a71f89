"""The boundary that keeps one connection's failure from ending the server."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, cast

__all__ = ["contained"]

_logger: Final = logging.getLogger("realtime_trio.server")


@contextmanager
def contained(what: str) -> Generator[None, None, None]:
    """Log an exception of the block and continue; ``what`` names its owner.

    The log has the type and the place, never the message: that can quote what a client sent.
    """
    try:
        yield
    except Exception as exc:
        leaf = _first_leaf(exc)
        place = traceback.extract_tb(leaf.__traceback__ or exc.__traceback__)[-1]
        name = type(leaf).__name__
        _logger.error("%s: %s in %s, line %s", what, name, place.filename, place.lineno)


def _first_leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        error = group.exceptions[0]
    return error
