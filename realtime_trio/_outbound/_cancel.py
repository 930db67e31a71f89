"""Cancelling the turn that runs: one request for all who ask, and the server's word for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, final

import attrs
import trio

from .._exceptions import ClosedError, InDoubt, NotSent, RealtimeError
from ..events import ClientWantsCancelEvent
from ._outbox import Outbox
from ._receipt import Receipt

__all__ = ["CancelResult", "Canceller"]


@attrs.frozen(slots=True)
class CancelResult:
    """The server has confirmed a cancel; ``via`` is the way on which it did."""

    via: Literal["socket", "rest"]


@attrs.define(slots=True, eq=False)
class _Request:
    """One cancel on its way, shared by ``waiters`` tasks."""

    receipt: Receipt
    waiters: int = 0
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    settled: trio.Event = attrs.field(factory=trio.Event)
    confirmed: CancelResult | None = None
    error: RealtimeError | None = None

    def settle(self, confirmed: CancelResult | None, error: RealtimeError | None = None) -> None:
        if not self.settled.is_set():
            self.confirmed, self.error = confirmed, error
            self.settled.set()


@final
class Canceller:
    """Sends at most one ``client_wants_cancel`` at a time and waits for ``cancelled``.

    ``by_rest`` asks the server over REST; it raises :class:`~realtime_trio.RealtimeError`
    where that fails.
    """

    def __init__(
        self,
        outbox: Outbox,
        timeout: float,
        by_rest: Callable[[], Awaitable[None]],
    ) -> None:
        self._outbox = outbox
        self._timeout = timeout
        self._by_rest = by_rest
        self._request: _Request | None = None

    async def cancel(self, nursery: trio.Nursery) -> CancelResult:
        """Ask, or join the request that is on its way, and wait for the server's word.

        ``nursery`` runs the request, so that one caller's cancellation does not undo what
        others wait for; when the last of them is cancelled, a request that has not left is
        taken back. Raises :class:`~realtime_trio.NotSent` or
        :class:`~realtime_trio.InDoubt` where no word came in time on either way.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        request = self._request
        if request is None:
            request = _Request(self._outbox.put_anyway(ClientWantsCancelEvent()))
            self._request = request
            nursery.start_soon(self._pursue, request)
        request.waiters += 1
        try:
            await request.settled.wait()
        finally:
            request.waiters -= 1
            if not request.waiters:
                request.scope.cancel()
        if request.error is not None:
            # A fresh one for each: one that is raised twice collects both tracebacks.
            raise type(request.error)(*request.error.args)
        assert request.confirmed is not None
        return request.confirmed

    def confirm(self) -> None:
        """``cancelled`` was received."""
        if self._request is not None:
            self._request.settle(CancelResult("socket"))

    def close(self) -> None:
        """The client has ended: nothing will be heard."""
        if self._request is not None:
            message = "the client was closed before the server answered the cancel"
            self._request.settle(None, ClosedError(message))

    async def _pursue(self, request: _Request) -> None:
        """Wait for the word on the socket, then ask by REST."""
        try:
            with request.scope:
                with trio.move_on_after(self._timeout):
                    await request.settled.wait()
                    return
                await self._ask_by_rest(request)
        finally:
            self._request = None
            if not request.settled.is_set():
                self._outbox.withdraw(request.receipt)

    async def _ask_by_rest(self, request: _Request) -> None:
        try:
            await self._by_rest()
        except RealtimeError as exc:
            self._give_up(request, str(exc))
        else:
            self._outbox.withdraw(request.receipt)
            request.settle(CancelResult("rest"))

    def _give_up(self, request: _Request, why: str) -> None:
        waited = f"no answer within {self._timeout:g} s, and by REST: {why}"
        if self._outbox.withdraw(request.receipt) or request.receipt.status == "not-sent":
            request.settle(None, NotSent(f"the cancel was not sent: {waited}"))
        else:
            request.settle(None, InDoubt(f"the server did not confirm the cancel: {waited}"))
