"""Errors as one clear exception: the one place where groups of a nursery are opened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, cast

import trio

from .._exceptions import ClosedError, InDoubt, NotSent

__all__ = ["first_cause", "is_echo"]

_ECHOES: Final = (ClosedError, InDoubt, NotSent)


def first_cause(own: BaseException | None, raised: BaseException) -> BaseException:
    """What to raise where a body ended with ``own`` and its nursery with ``raised``.

    The body's own error wins. Else the one error that is no ``Cancelled``; where there are
    several, a flat group of them; where there is none, a ``Cancelled`` as it came.
    """
    if own is not None and not isinstance(own, trio.Cancelled):
        return own
    leaves = list(_leaves(raised))
    errors = [leaf for leaf in leaves if not isinstance(leaf, trio.Cancelled)]
    if not errors:
        return own or leaves[0]
    if len(errors) == 1:
        return errors[0]
    return BaseExceptionGroup("several tasks of the client failed", errors)


def is_echo(error: BaseException) -> bool:
    """Whether an error says no more than that something did not get out any more."""
    errors = [leaf for leaf in _leaves(error) if not isinstance(leaf, trio.Cancelled)]
    return bool(errors) and all(isinstance(leaf, _ECHOES) for leaf in errors)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        for inner in group.exceptions:
            yield from _leaves(inner)
    else:
        yield error
