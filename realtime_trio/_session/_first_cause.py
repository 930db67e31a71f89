"""Errors as one clear exception: the one place where groups of a nursery are opened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, cast

import trio

from .._exceptions import ClosedError, InDoubt, NotSent

__all__ = ["first_cause", "with_reason"]

_ECHOES: Final = (ClosedError, InDoubt, NotSent, trio.EndOfChannel)


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


def with_reason(own: BaseException | None, reason: BaseException) -> BaseException:
    """What to raise where a client ended by itself for ``reason``, and its body with ``own``.

    The reason itself where the body raised nothing, or no more than that the client has ended.
    An error that says something else stays, and has the reason at the end of its causes.
    """
    if own is None or _is_echo(own):
        return reason
    if not isinstance(own, trio.Cancelled):
        causes = _causes(own)
        if not any(cause is known for cause in causes for known in _causes(reason)):
            causes[-1].__cause__ = reason
    return own


def _causes(error: BaseException) -> list[BaseException]:
    """An error, what caused it, and so on."""
    chain = [error]
    while (cause := chain[-1].__cause__) is not None and all(cause is not one for one in chain):
        chain.append(cause)
    return chain


def _is_echo(error: BaseException) -> bool:
    """Whether an error says no more than that nothing gets out or comes in any more."""
    errors = [leaf for leaf in _leaves(error) if not isinstance(leaf, trio.Cancelled)]
    return bool(errors) and all(isinstance(leaf, _ECHOES) for leaf in errors)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        for inner in group.exceptions:
            yield from _leaves(inner)
    else:
        yield error
