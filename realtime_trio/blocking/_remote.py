"""Sessions of a fleet, with their receipts and turns.

Written by tools/doors.py: change the native classes instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, overload

from .._client._subscribes import T1, T2, T3, T4, T5, T
from .._core._notifications import Media, Notification, ToolNotification
from .._core._state import SessionState
from .._lanes._overflow import Coalesce, Overflow
from .._lanes._statistics import PipelineStatistics
from .._turns._outcome import Outcome
from .._turns._turn_progress import Subsession
from ..events import Event
from ..fleet._remote_receipt import RemoteReceipt as NativeRemoteReceipt
from ..fleet._remote_receipt import RemoteStatus
from ..fleet._remote_session import RemoteSession as NativeRemoteSession
from ..fleet._remote_session import RemoteTurn as NativeRemoteTurn
from ._channels import LaneView, Subscription, TurnChannel, Watch
from ._door import Door, Mirror

__all__ = ["RemoteReceipt", "RemoteSession", "RemoteTurn"]


class RemoteReceipt(Mirror[NativeRemoteReceipt]):
    """The status of a command of a fleet's session, according to the session's log.

    ``status`` goes from "queued" (in the queue of the session) through "accepted" (its owner has
    read it) and "sending" to one of three ends: "sent" (passed completely to the network),
    "not-sent" (the server certainly does not have it) or "in-doubt" (its owner ended while sending
    it). ``key`` identifies the command: two calls with the same key are one command.
    """

    @property
    def key(self) -> str:
        """The key of the command."""
        return self._door.plain(lambda: self._native.key)

    @property
    def number(self) -> int:
        """The number of the command in the queue of its session."""
        return self._door.plain(lambda: self._native.number)

    @property
    def status(self) -> RemoteStatus:
        """How far the command has come, as far as this process knows."""
        return self._door.plain(lambda: self._native.status)

    @property
    def position(self) -> int:
        """The position in the log of its latest status; 0 before "accepted"."""
        return self._door.plain(lambda: self._native.position)

    def accepted(self) -> None:
        """Wait until the session's owner has read it; then the end of a node cannot lose it.

        Also returns if the command has already ended. Any number of threads may wait. Raises
        :class:`~realtime_trio.NotSent` if the log lost it, and :class:`~realtime_trio.ClosedError`
        if this process detaches first.
        """
        self._door.call(self._native.accepted)

    def sent(self) -> None:
        """Wait until it was passed to the network.

        Raises :class:`~realtime_trio.NotSent`, :class:`~realtime_trio.InDoubt` if its owner
        ended while it may have been sent, and :class:`~realtime_trio.ClosedError` if this
        process detaches first.
        """
        self._door.call(self._native.sent)

    def durable(self) -> None:
        """Wait as :meth:`accepted` does: everything that followers read is durable."""
        self._door.call(self._native.durable)


class RemoteTurn(Mirror[NativeRemoteTurn]):
    """A turn that ``session.ask`` began; see :class:`~realtime_trio.Turn`."""

    def __init__(self, door: Door, native: NativeRemoteTurn) -> None:
        super().__init__(door, native)
        self.text: TurnChannel[str] = TurnChannel(door, native.text)
        self.thoughts: TurnChannel[str] = TurnChannel(door, native.thoughts)
        self.tools: TurnChannel[ToolNotification] = TurnChannel(door, native.tools)
        self.media: TurnChannel[Media] = TurnChannel(door, native.media)
        self.subsessions: TurnChannel[Subsession] = TurnChannel(door, native.subsessions)
        self.receipt: RemoteReceipt = RemoteReceipt(door, native.receipt)
        """The receipt of the input."""

    @property
    def outcome(self) -> Outcome:
        """How the turn ended; raises :class:`~realtime_trio.TurnError` while the turn runs."""
        return self._door.plain(lambda: self._native.outcome)

    def wait(self) -> Outcome:
        """Wait for the outcome. Any number of threads may wait."""
        return self._door.call(self._native.wait)


class RemoteSession(Mirror[NativeRemoteSession]):
    """A session of a fleet; made by ``fleet.attach``.

    It has the state, lanes, subscriptions and watches of a client, slightly behind the node
    that holds the connection. If it cannot read on from its position, it continues from a
    snapshot and emits :class:`~realtime_trio.Jumped`.
    """

    def __init__(self, door: Door, native: NativeRemoteSession) -> None:
        super().__init__(door, native)
        self.control: LaneView = LaneView(door, native.control)
        """The control lane."""
        self.text: LaneView = LaneView(door, native.text)
        """The text lane."""
        self.audio: LaneView = LaneView(door, native.audio)
        """The audio lane. The log keeps received audio as its length only."""

    @overload
    def subscribe(self, *, overflow: Overflow = ...) -> Subscription[Notification]: ...

    @overload
    def subscribe(self, c1: type[T1], /, *, overflow: Overflow = ...) -> Subscription[T1]: ...

    @overload
    def subscribe(
        self, c1: type[T1], c2: type[T2], /, *, overflow: Overflow = ...
    ) -> Subscription[T1 | T2]: ...

    @overload
    def subscribe(
        self, c1: type[T1], c2: type[T2], c3: type[T3], /, *, overflow: Overflow = ...
    ) -> Subscription[T1 | T2 | T3]: ...

    @overload
    def subscribe(
        self, c1: type[T1], c2: type[T2], c3: type[T3], c4: type[T4], /, *, overflow: Overflow = ...
    ) -> Subscription[T1 | T2 | T3 | T4]: ...

    @overload
    def subscribe(
        self,
        c1: type[T1],
        c2: type[T2],
        c3: type[T3],
        c4: type[T4],
        c5: type[T5],
        /,
        *,
        overflow: Overflow = ...,
    ) -> Subscription[T1 | T2 | T3 | T4 | T5]: ...

    @overload
    def subscribe(self, *classes: type[T], overflow: Overflow = ...) -> Subscription[T]: ...

    def subscribe(self, *classes: type[Any], overflow: Overflow = Coalesce()) -> Subscription[Any]:
        """Subscribe to items of these classes, notifications and wire events alike, from now on.

        Without classes, all notifications. For up to five classes a type checker infers the union.
        Across lanes: control first, then audio, then text, never reordered within a lane. Raises
        ``TypeError`` for a class that is neither. After the client has ended, the subscription
        ends immediately.
        """
        return Subscription(
            self._door,
            self._door.plain(lambda: self._native.subscribe(*classes, overflow=overflow)),
        )

    @property
    def name(self) -> str:
        """The name of the session in the fleet."""
        return self._door.plain(lambda: self._native.name)

    @property
    def state(self) -> SessionState:
        """The frozen state at :attr:`position`, or slightly before it; cheap to keep."""
        return self._door.plain(lambda: self._native.state)

    @property
    def position(self) -> int:
        """The position in the log up to which all entries were passed to the lanes."""
        return self._door.plain(lambda: self._native.position)

    @property
    def owner(self) -> str | None:
        """The node that holds the session, as far as this process knows; ``None`` if none does.

        A node holds it as long as it sends heartbeats. During a long silence in a turn, this shows
        whether a node still waits for the answer.
        """
        return self._door.plain(lambda: self._native.owner)

    @property
    def exact(self) -> bool:
        """Whether the state equals the node's: false if it uses another version of handlers."""
        return self._door.plain(lambda: self._native.exact)

    @property
    def error(self) -> str | None:
        """Why the log cannot be read now; the state is out of date meanwhile."""
        return self._door.plain(lambda: self._native.error)

    def statistics(self) -> PipelineStatistics:
        """Return what the lanes have handled and what they buffer."""
        return self._door.plain(lambda: self._native.statistics())

    def watch(self, selector: Callable[[SessionState], T]) -> Watch[T]:
        """Watch a value selected from the state: its current value first, then the latest."""
        return Watch(self._door, self._door.plain(lambda: self._native.watch(selector)))

    def reached(self, position: int) -> None:
        """Wait until the state has everything up to a position: read your own writes.

        Any number of threads may wait. Raises
        :class:`~realtime_trio.ClosedError` if this process detaches first.
        """
        self._door.call(self._native.reached, position)

    def ready(self) -> None:
        """Wait until a node holds the session and the server accepts input."""
        self._door.call(self._native.ready)

    def send(self, event: Event, *, key: str | None = None, force: bool = False) -> RemoteReceipt:
        """Queue an event for the session; its owner sends the events in order.

        ``key`` identifies the command: a key that was used before returns the receipt of the
        earlier command. ``force`` as in :meth:`realtime_trio.Client.send`. If the wait is
        interrupted, the event may still be queued; with a key, call again to find out. Raises
        :class:`~realtime_trio.JournalError` if the log fails, :class:`~realtime_trio.ClosedError`
        once this process has detached, and ``TypeError`` or ``ValueError`` as a client does.
        """
        return RemoteReceipt(
            self._door, self._door.call(self._native.send, event, key=key, force=force)
        )

    def send_text(
        self, text: str, *, file_ids: Iterable[str] = (), key: str | None = None
    ) -> RemoteReceipt:
        """Send a text without following its turn; see :meth:`send`."""
        return RemoteReceipt(
            self._door, self._door.call(self._native.send_text, text, file_ids=file_ids, key=key)
        )

    def cancel(self, *, key: str | None = None) -> None:
        """Cancel the running turn. A cancel overtakes the queued commands.

        Returns when the server has confirmed it. Raises :class:`~realtime_trio.NotSent` or
        :class:`~realtime_trio.InDoubt` as :meth:`realtime_trio.Client.cancel` does.
        """
        self._door.call(self._native.cancel, key=key)

    def ask(
        self, text: str, *, file_ids: Iterable[str] = (), key: str | None = None
    ) -> AbstractContextManager[RemoteTurn]:
        """Send a text and follow its turn, as :meth:`realtime_trio.Client.ask` does.

        The turn survives the end of its node: another node takes the session over. With a key
        that was used before, the outcome is :class:`~realtime_trio.TurnLost`, and nothing is
        sent again. Leaving the block early cancels the turn. If the text still waits behind
        another turn then, it is not withdrawn: it is sent later, and its turn runs to its end.
        Raises :class:`~realtime_trio.TurnError` inside another ``ask`` of the same thread.
        """
        return self._door.block(
            self._native.ask(text, file_ids=file_ids, key=key), RemoteTurn, alone=True
        )

    def close(self) -> None:
        """Detach from the session now, from a thread other than the one in its block.

        What waits there ends: calls with :class:`~realtime_trio.ClosedError`, iterations after
        what they hold. The block itself is left as usual. A second call does nothing.
        """
        self._door.detach()
