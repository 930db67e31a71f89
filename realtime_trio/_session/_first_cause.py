"""Reduce errors to one clear exception: only this module unpacks the groups of a nursery."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, cast

import trio

from .._exceptions import ClosedError, InDoubt, NotSent

__all__ = ["first_cause", "with_reason"]

_ECHOES: Final = (ClosedError, InDoubt, NotSent, trio.EndOfChannel)


def first_cause(own: BaseException | None, raised: BaseException) -> BaseException:
    """Return the exception to raise when a body ended with ``own`` and its nursery with ``raised``.

    The error of the body wins. Otherwise it is the one error that is not ``Cancelled``; for
    several errors a flat group of them; for none the ``Cancelled`` itself.
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
    """Return the exception to raise when a client ended for ``reason`` and its body with ``own``.

    It is ``reason`` itself if the body raised nothing or only reported that the client has ended.
    Any other error stays and gets ``reason`` at the end of its causes.
    """
    if own is None or _is_echo(own):
        return reason
    if not isinstance(own, trio.Cancelled):
        causes = _causes(own)
        if not any(cause is known for cause in causes for known in _causes(reason)):
            causes[-1].__cause__ = reason
    return own


def _causes(error: BaseException) -> list[BaseException]:
    """Return an error, its cause, and so on."""
    chain = [error]
    while (cause := chain[-1].__cause__) is not None and all(cause is not one for one in chain):
        chain.append(cause)
    return chain


def _is_echo(error: BaseException) -> bool:
    """Whether an error only reports that the client can no longer send or receive."""
    errors = [leaf for leaf in _leaves(error) if not isinstance(leaf, trio.Cancelled)]
    return bool(errors) and all(isinstance(leaf, _ECHOES) for leaf in errors)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        for inner in group.exceptions:
            yield from _leaves(inner)
    else:
        yield error
