"""Cancel the running turn: all callers share one request and one confirmation of the server."""

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
    """The result of a cancel: ``via`` names the path on which the server confirmed it.

    ``"withdrawn"`` means that the input of the turn was not written and never will be; the server
    knows neither the input nor the cancel.
    """

    via: Literal["socket", "rest", "withdrawn"]


@attrs.define(slots=True, eq=False)
class _Request:
    """One cancel in progress, shared by ``waiters`` tasks.

    ``input`` is the number of the last input that was written when the request was made,
    ``confirmations`` is the number of confirmations that the server still owes.
    """

    receipt: Receipt
    input: int
    confirmations: int = 1
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
    """Send one ``client_wants_cancel`` for all callers and wait for ``cancelled``.

    ``inputs`` returns the number of inputs written. ``by_rest`` asks the server over REST; it
    raises :class:`~realtime_trio.RealtimeError` if that fails.

    A server also confirms a cancel that reaches an input whose turn has not begun, but then it
    cancels nothing (protocol.md §7 G). The client asks once more when that turn begins.
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
        self._early = 0  # confirmations received before the turn of the input began

    @property
    def wanted(self) -> bool:
        """Whether the turn of the last input should be cancelled and no cancel is confirmed yet."""
        if self._early:
            return True
        request = self._request
        if request is None or request.settled.is_set():
            return False
        return request.input == self._inputs()

    async def cancel(self, nursery: trio.Nursery) -> CancelResult:
        """Send a request, or join the one in progress, and wait for the confirmation.

        ``nursery`` runs the request, so the cancellation of one caller does not undo what others
        wait for. When the last of them is cancelled, a request that is still queued is withdrawn.
        Raises :class:`~realtime_trio.NotSent` or :class:`~realtime_trio.InDoubt` if neither path
        confirms the cancel in time.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        request = self._request
        if request is None or request.settled.is_set():
            request = _Request(self._outbox.put_unbounded(ClientWantsCancelEvent()), self._inputs())
            self._request = request
            nursery.start_soon(self._pursue, request)
        elif request.input != self._inputs():  # the earlier request was for an earlier turn
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
            # A new exception for each caller: one that is raised twice collects both tracebacks.
            raise type(request.error)(*request.error.args)
        assert request.confirmed is not None
        return request.confirmed

    def _send_again(self, request: _Request) -> None:
        request.receipt = self._outbox.put_unbounded(ClientWantsCancelEvent())
        request.confirmations += 1

    def confirm(self) -> None:
        """Handle ``cancelled``."""
        request = self._request
        if request is not None:
            request.confirmations -= 1
            if request.confirmations <= 0:
                request.settle(CancelResult("socket"))

    def confirm_early(self) -> None:
        """Handle a ``cancelled`` received before the turn of the input began."""
        self._early += 1

    def turn_begun(self) -> None:
        """Note that the turn of the input began; ask again if it should be cancelled."""
        if not self._early:
            return
        request = self._request
        with suppress(ClosedError):
            if request is None or request.settled.is_set():
                self._outbox.put_unbounded(ClientWantsCancelEvent())
            else:
                self._send_again(request)
        self.no_turn()

    def no_turn(self) -> None:
        """Note that the input begins no turn: an early confirmation settles the cancel."""
        early, self._early = self._early, 0
        for _ in range(early):
            self.confirm()

    def link_lost(self) -> None:
        """Forget early confirmations: they prove nothing about a turn on the next link."""
        self._early = 0

    def close(self) -> None:
        """Settle all requests: the client ended, and no confirmation can arrive."""
        if self._request is not None:
            message = "the client was closed before the server answered the cancel"
            self._request.settle(None, ClosedError(message))

    async def _pursue(self, request: _Request) -> None:
        """Wait for the confirmation on the socket, then ask by REST."""
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
        waited = f"no answer within {self._timeout:g} s; by REST: {why}"
        if self._outbox.withdraw(request.receipt) or request.receipt.status == "not-sent":
            request.settle(None, NotSent(f"the cancel was not sent: {waited}"))
        else:
            request.settle(None, InDoubt(f"the server did not confirm the cancel: {waited}"))
