"""Cancelling the turn that runs: one request for all who ask, and the server's word for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
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
    """What a cancel came to: ``via`` is the way on which the server has confirmed it.

    ``"withdrawn"``: the input of the turn had not been written, and never will be. The server
    knows of neither.
    """

    via: Literal["socket", "rest", "withdrawn"]


@attrs.define(slots=True, eq=False)
class _Request:
    """One cancel on its way, shared by ``waiters`` tasks.

    ``input`` is the number of the input that was written last when it was made, ``words`` how
    many answers of the server are due.
    """

    receipt: Receipt
    input: int
    words: int = 1
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
    """Sends one ``client_wants_cancel`` for all who ask and waits for ``cancelled``.

    ``inputs`` gives how many inputs were written. ``by_rest`` asks the server over REST; it
    raises :class:`~realtime_trio.RealtimeError` where that fails.

    A server confirms a cancel also where it has come to an input whose turn has not begun, and
    has cancelled nothing then (protocol.md §7 G). So it is asked once more when that begins.
    """

    def __init__(
        self,
        outbox: Outbox,
        timeout: float,
        *,
        inputs: Callable[[], int],
        by_rest: Callable[[], Awaitable[None]],
    ) -> None:
        self._outbox = outbox
        self._timeout = timeout
        self._inputs = inputs
        self._by_rest = by_rest
        self._request: _Request | None = None
        self._early = 0  # words of the server that came before the turn of the input had begun

    @property
    def wanted(self) -> bool:
        """Whether the turn of the last input is to be cancelled, and is not known to be."""
        if self._early:
            return True
        request = self._request
        if request is None or request.settled.is_set():
            return False
        return request.input == self._inputs()

    async def cancel(self, nursery: trio.Nursery) -> CancelResult:
        """Ask, or join the request that is on its way, and wait for the server's word.

        ``nursery`` runs the request, so that one caller's cancellation does not undo what
        others wait for; when the last of them is cancelled, a request that has not left is
        taken back. Raises :class:`~realtime_trio.NotSent` or
        :class:`~realtime_trio.InDoubt` where no word came in time on either way.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        request = self._request
        if request is None or request.settled.is_set():
            request = _Request(self._outbox.put_anyway(ClientWantsCancelEvent()), self._inputs())
            self._request = request
            nursery.start_soon(self._pursue, request)
        elif request.input != self._inputs():  # that one was meant for an earlier turn
            request.input = self._inputs()
            if not request.receipt.queued:
                self._send_again(request)
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

    def _send_again(self, request: _Request) -> None:
        request.receipt = self._outbox.put_anyway(ClientWantsCancelEvent())
        request.words += 1

    def confirm(self) -> None:
        """``cancelled`` was received."""
        request = self._request
        if request is not None:
            request.words -= 1
            if request.words <= 0:
                request.settle(CancelResult("socket"))

    def confirm_early(self) -> None:
        """``cancelled`` was received before the turn of the input had begun."""
        self._early += 1

    def turn_begun(self) -> None:
        """The turn of the input has begun: ask again, if it is to be cancelled."""
        if not self._early:
            return
        request = self._request
        with suppress(ClosedError):
            if request is None or request.settled.is_set():
                self._outbox.put_anyway(ClientWantsCancelEvent())
            else:
                self._send_again(request)
        self.no_turn()

    def no_turn(self) -> None:
        """The input has begun no turn: what was confirmed is all that there is to confirm."""
        early, self._early = self._early, 0
        for _ in range(early):
            self.confirm()

    def link_lost(self) -> None:
        """What was confirmed says nothing of the turn that may run on the next link."""
        self._early = 0

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
            if self._request is request:
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
