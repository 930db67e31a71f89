"""A session of a fleet in a process that holds no connection to the server."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar, final

import trio

from .._client._misuse import check_not_nested
from .._client._subscribes import Subscribes
from .._core._codec import Codec
from .._core._notifications import Media, ToolNotification
from .._core._state import SessionState
from .._exceptions import ClosedError, RealtimeError
from .._lanes._statistics import PipelineStatistics
from .._lanes._subscription import LaneView
from .._lanes._watch import Watch
from .._outbound._outgoing import check_outgoing
from .._turns._channel import TurnChannel
from .._turns._outcome import Outcome
from .._turns._turn_progress import Subsession, TurnProgress
from ..events import ClientWantsCancelEvent, Event, Lane, TextInputEvent
from ..events._checks import check_several
from ._fleet_log import CommandKind, FleetLog
from ._follower import Follower
from ._remote_receipt import RemoteReceipt

__all__ = ["RemoteSession", "RemoteTurn"]

T = TypeVar("T")
_CLOSE_DEADLINE = 2.0


@final
class RemoteTurn:
    """A turn that ``session.ask`` began; see :class:`~realtime_trio.Turn`."""

    def __init__(self, progress: TurnProgress, receipt: RemoteReceipt) -> None:
        self.text: TurnChannel[str] = progress.text
        self.thoughts: TurnChannel[str] = progress.thoughts
        self.tools: TurnChannel[ToolNotification] = progress.tools
        self.media: TurnChannel[Media] = progress.media
        self.subsessions: TurnChannel[Subsession] = progress.subsessions
        self.receipt: RemoteReceipt = receipt
        """The receipt of the input."""
        self._progress = progress

    @property
    def outcome(self) -> Outcome:
        """How the turn ended; raises :class:`~realtime_trio.TurnError` while the turn runs."""
        return self._progress.result()

    async def wait(self) -> Outcome:
        """Wait for the outcome. Any number of tasks may wait; cancelling one changes nothing."""
        await self._progress.decided.wait()
        return self._progress.result()

    def __repr__(self) -> str:
        """Show the outcome, never the content."""
        return f"<RemoteTurn: {self._progress.summary}>"


@final
class RemoteSession(Subscribes):
    """A session of a fleet; made by ``fleet.attach``.

    It has the state, lanes, subscriptions and watches of a client, slightly behind the node
    that holds the connection. If it cannot read on from its position, it continues from a
    snapshot and emits :class:`~realtime_trio.Jumped`.
    """

    def __init__(self, log: FleetLog, follower: Follower) -> None:
        self._log = log
        self._follower = follower
        self._pipeline = follower.pipeline
        self._codec = Codec()
        self._asking = trio.Lock()
        self.control: LaneView = LaneView(follower.pipeline, Lane.CONTROL)
        """The control lane."""
        self.text: LaneView = LaneView(follower.pipeline, Lane.TEXT)
        """The text lane."""
        self.audio: LaneView = LaneView(follower.pipeline, Lane.AUDIO)
        """The audio lane. The log keeps received audio as its length only."""

    # -- reading ---------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The name of the session in the fleet."""
        return self._follower.seat.name

    @property
    def state(self) -> SessionState:
        """The frozen state at :attr:`position`, or slightly before it; cheap to keep."""
        return self._follower.pipeline.state

    @property
    def position(self) -> int:
        """The position in the log up to which all entries were passed to the lanes."""
        return self._follower.position

    @property
    def owner(self) -> str | None:
        """The node that holds the session, as far as this process knows; ``None`` if none does.

        A node holds it as long as it sends heartbeats. During a long silence in a turn, this shows
        whether a node still waits for the answer.
        """
        return self._follower.seat.node if self._follower.owner_lives else None

    @property
    def exact(self) -> bool:
        """Whether the state equals the node's: false if it uses another version of handlers."""
        return self._follower.exact

    @property
    def error(self) -> str | None:
        """Why the log cannot be read now; the state is out of date meanwhile."""
        error = self._follower.error
        return None if error is None else str(error)

    def statistics(self) -> PipelineStatistics:
        """Return what the lanes have handled and what they buffer."""
        return self._follower.pipeline.statistics()

    def watch(self, selector: Callable[[SessionState], T]) -> Watch[T]:
        """Watch a value selected from the state: its current value first, then the latest."""
        return self._follower.pipeline.watch(selector)

    async def reached(self, position: int) -> None:
        """Wait until the state has everything up to a position: read your own writes.

        A checkpoint. Any number of tasks may wait, and cancelling one changes nothing. Raises
        :class:`~realtime_trio.ClosedError` if this process detaches first.
        """
        await self._follower.reached(position)

    async def ready(self) -> None:
        """Wait until a node holds the session and the server accepts input."""
        async with self.watch(lambda state: state.turn.can_send_input) as changes:
            async for can_send in changes:
                if can_send:
                    return

    # -- sending ---------------------------------------------------------------------------

    async def send(
        self, event: Event, *, key: str | None = None, force: bool = False
    ) -> RemoteReceipt:
        """Queue an event for the session; its owner sends the events in order.

        ``key`` identifies the command: a key that was used before returns the receipt of the
        earlier command. ``force`` as in :meth:`realtime_trio.Client.send`.
        If it is cancelled, the event may still be queued; with a key, call again to find out.
        Raises :class:`~realtime_trio.JournalError` if the log fails,
        :class:`~realtime_trio.ClosedError` once this process has detached, and ``TypeError`` or
        ``ValueError`` as a client does.
        """
        kind: CommandKind = "force" if force else "event"
        if isinstance(event, ClientWantsCancelEvent):
            kind = "cancel"
        return await self._put(event, key, kind, None)

    async def _put(
        self, event: Event, key: str | None, kind: CommandKind, progress: TurnProgress | None
    ) -> RemoteReceipt:
        check_outgoing(event)
        if self._follower.ended:
            message = "this process has detached from the session: attach to it again"
            raise ClosedError(message)
        frame = self._codec.encode(event)
        key = key if key is not None else secrets.token_hex(12)
        async with self._follower.putting:
            command = await self._log.put_command(self.name, key, kind, frame)
            follower = self._follower
            return follower.commands.receipt(key, command.number, follower.position, progress)

    async def send_text(
        self, text: str, *, file_ids: Iterable[str] = (), key: str | None = None
    ) -> RemoteReceipt:
        """Send a text without following its turn; see :meth:`send`."""
        check_several(file_ids, "file_ids")
        return await self.send(TextInputEvent(text=text, file_ids=tuple(file_ids)), key=key)

    async def cancel(self, *, key: str | None = None) -> None:
        """Cancel the running turn. A cancel overtakes the queued commands.

        Returns when the server has confirmed it. Raises :class:`~realtime_trio.NotSent` or
        :class:`~realtime_trio.InDoubt` as :meth:`realtime_trio.Client.cancel` does.
        """
        receipt = await self._put(ClientWantsCancelEvent(), key, "cancel", None)
        await receipt.sent()

    @asynccontextmanager
    async def ask(
        self, text: str, *, file_ids: Iterable[str] = (), key: str | None = None
    ) -> AsyncGenerator[RemoteTurn, None]:
        """Send a text and follow its turn, as :meth:`realtime_trio.Client.ask` does.

        The turn survives the end of its node: another node takes the session over. With a key
        that was used before, the outcome is :class:`~realtime_trio.TurnLost`, and nothing is
        sent again. Leaving the block early cancels the turn. If the text still waits behind
        another turn then, it is not withdrawn: it is sent later, and its turn runs to its end.
        Raises :class:`~realtime_trio.TurnError` inside another ``ask`` of the same task.
        """
        check_several(file_ids, "file_ids")
        check_not_nested(self._asking)
        event = TextInputEvent(text=text, file_ids=tuple(file_ids))
        async with self._asking:
            progress = TurnProgress()
            turn = RemoteTurn(progress, await self._put(event, key, "event", progress))
            try:
                yield turn
                await progress.decided.wait()
            except BaseException:
                await self._abandon(progress, turn.receipt)
                raise

    async def _abandon(self, progress: TurnProgress, receipt: RemoteReceipt) -> None:
        if progress.outcome is not None:
            return
        with trio.move_on_after(_CLOSE_DEADLINE, shield=True), suppress(RealtimeError):
            await receipt.sent()  # before, a cancel would end the turn of another input
            await self.cancel()
        self._follower.commands.forget(receipt.number, progress)
