"""The outbox: three queues, the turn gate, and one task that writes.

Urgent entries (cancels, pings and pongs) go before commands, and commands before audio. Each
queue keeps its order. A command waits at the gate while the server works on an answer (see
``_turn_gate``); a command that may pass does not wait behind one that may not.

Only the writer task touches the socket: a send that is cancelled half-way would silently
corrupt the connection. The application only calls a queue, and cancelling that call is
harmless: an event is queued once or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final, final

import trio

from .._config import ClientConfig
from .._core._codec import Codec
from .._exceptions import ClosedError
from .._idle import TaskSlot, WaitingTasks
from .._needs_trio import OwnThread
from ..events import (
    ClientWantsCancelEvent,
    Event,
    PingEvent,
    PongEvent,
    PttEndEvent,
    TextInputEvent,
)
from ._command_log import CommandLog
from ._outgoing import check_outgoing
from ._receipt import Receipt, ReceiptStatus
from ._send_queue import Entry, EntryQueue, OutboxStatistics
from ._turn_gate import TurnGate

__all__ = ["Outbox"]

_URGENT: Final = (ClientWantsCancelEvent, PingEvent, PongEvent)
_MAX_URGENT: Final = 64


def _utf8_size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


@final
class Outbox:
    """The queues of one client. It outlives links: the next link sends what the last one did not.

    The outbox calls ``on_kill`` before it writes something that kills the running turn, and
    ``on_input`` before it writes an input.
    """

    def __init__(
        self,
        config: ClientConfig,
        codec: Codec,
        gate: TurnGate,
        *,
        on_kill: Callable[[], None],
        on_input: Callable[[], None],
    ) -> None:
        self._codec = codec
        self._gate = gate
        self._urgent = EntryQueue(_MAX_URGENT, config.max_command_bytes)
        self._commands = EntryQueue(config.max_commands, config.max_command_bytes)
        self.audio: EntryQueue = EntryQueue(config.max_audio_frames, config.max_audio_bytes)
        self.writer: TaskSlot = TaskSlot()
        """The writer task of the link: it ends when it has nothing to write."""
        self._idle = WaitingTasks()
        self._may_pass = 0
        self._writing: Entry | None = None
        self._sent = self._sent_bytes = 0
        self._audio_dropped = 0
        self._closed = False
        self._draining = 0
        self._away = False
        self.thread: OwnThread = OwnThread()
        """The thread that may use the client."""
        self.links: int = 0
        """The number of links that have taken entries from it."""
        self._on_kill = on_kill
        self.command_log: CommandLog | None = None
        """Records every command that has a receipt."""
        self._on_input = on_input
        self._ping = codec.encode(PingEvent())

    # -- queueing --------------------------------------------------------------------------

    async def put(
        self, event: Event, *, force: bool = False, on_write: Callable[[], None] | None = None
    ) -> Receipt:
        """Queue an event; wait for room. If the call is cancelled, the event is not queued.

        Waiting callers get room in the order of their calls. Raises
        :class:`~realtime_trio.ClosedError` once closed.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        entry, queue = self._entry(event, force, on_write)
        await self._enter(queue, entry)
        assert entry.receipt is not None
        return entry.receipt

    def put_nowait(
        self, event: Event, *, force: bool = False, on_write: Callable[[], None] | None = None
    ) -> Receipt:
        """Queue an event, or raise ``trio.WouldBlock`` if its queue is full."""
        entry, queue = self._entry(event, force, on_write)
        self._enter_nowait(queue, entry)
        assert entry.receipt is not None
        return entry.receipt

    async def put_audio(self, data: bytes) -> None:
        """Queue one frame of audio; wait for room. Otherwise the same as :meth:`put`.

        While there is no link, the frame is dropped and counted.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._drops_audio():
            await trio.lowlevel.cancel_shielded_checkpoint()
            return
        await self._enter(self.audio, Entry(data, len(data)))

    def put_audio_nowait(self, data: bytes) -> None:
        """Queue one frame of audio, or raise ``trio.WouldBlock``."""
        if not self._drops_audio():
            self._enter_nowait(self.audio, Entry(data, len(data)))

    def _drops_audio(self) -> bool:
        """Whether to drop (and count) a frame because there is no link: late speech is useless."""
        self._check_open()
        self._audio_dropped += self._away
        return self._away

    def put_unbounded(self, event: PttEndEvent | ClientWantsCancelEvent) -> Receipt:
        """Queue the end of an utterance or a cancel even if its queue is full.

        At most one of each waits at a time, so the bounds are exceeded by one entry at most.
        """
        entry, queue = self._entry(event, False, None)
        self._check_open()
        self._append(queue, entry)
        assert entry.receipt is not None
        return entry.receipt

    @property
    def audio_size(self) -> int:
        """Bytes of queued audio."""
        return self.audio.size

    def drop_oldest_audio(self) -> int:
        """Drop the oldest queued frame of audio; return its size in bytes, 0 if there is none."""
        for entry in self.audio.entries:
            if entry.event is None:
                self.audio.remove(entry)
                self._audio_dropped += 1
                return entry.size
        return 0

    def put_for_link(self, event: Event | None) -> None:
        """Queue an entry of the client itself for this link: a ping, a pong, a resync.

        ``None`` is a ping of the transport. If the urgent queue is full, the entry is dropped:
        enough entries of its kind are already queued.
        """
        if self._closed or len(self._urgent.entries) >= _MAX_URGENT:
            return
        frame = None if event is None else self._codec.encode(event)
        size = 0 if frame is None else _utf8_size(frame)
        self._append(self._urgent, Entry(frame, size, event, of_link=True))

    def withdraw(self, receipt: Receipt) -> bool:
        """Withdraw a command if the writer has not taken it yet."""
        if not receipt.queued:
            return False
        queue, entry = next(
            (queue, entry)
            for queue in (self._urgent, self._commands, self.audio)
            for entry in queue.entries
            if entry.receipt is receipt
        )
        queue.remove(entry)
        self._may_pass -= entry.may_pass
        receipt.settle("not-sent", "it was withdrawn")
        return True

    def _entry(
        self, event: Event, force: bool, on_write: Callable[[], None] | None
    ) -> tuple[Entry, EntryQueue]:
        if self._draining and not isinstance(event, (ClientWantsCancelEvent, PttEndEvent)):
            message = "the client is draining: it accepts no new commands"
            raise ClosedError(message)
        check_outgoing(event)
        frame = self._codec.encode(event)
        receipt = Receipt(event.type, self.command_log)
        entry = Entry(frame, _utf8_size(frame), event, receipt, force=force, on_write=on_write)
        if isinstance(event, TextInputEvent):
            entry.around = self._ping  # the pongs show which answer is its own (protocol.md §7 G)
        if isinstance(event, _URGENT):
            return entry, self._urgent
        # While there is no link, its audio is dropped: see link_lost.
        behind_audio = isinstance(event, PttEndEvent) and not self._away
        return entry, self.audio if behind_audio else self._commands

    async def _enter(self, queue: EntryQueue, entry: Entry) -> None:
        self._check_open()
        if queue.fits(entry.size) and not queue.awaited:
            self._append(queue, entry)
            await trio.lowlevel.cancel_shielded_checkpoint()
            return
        async with queue.turn:
            while not queue.fits(entry.size) and not self._closed:
                await queue.wait()
            self._check_open()
            self._append(queue, entry)

    def _enter_nowait(self, queue: EntryQueue, entry: Entry) -> None:
        self._check_open()
        if queue.awaited or not queue.fits(entry.size):
            raise trio.WouldBlock
        self._append(queue, entry)

    def _check_open(self) -> None:
        self.thread.check()
        if self._closed:
            message = "the client is closed"
            raise ClosedError(message)

    def _append(self, queue: EntryQueue, entry: Entry) -> None:
        queue.append(entry)
        if entry.receipt is not None and isinstance(entry.frame, str):
            entry.receipt.log_queued(entry.frame)
        if queue is self._commands and entry.event is not None:
            entry.may_pass = self._gate.may_pass(entry.event, force=entry.force)
            self._may_pass += entry.may_pass
        self.wake()

    # -- writing ---------------------------------------------------------------------------

    def wake(self) -> None:
        """Make the writer check again: a new entry is queued, or the gate opened."""
        self.writer.activate()

    async def next(self, *, stay: bool) -> Entry | None:
        """Take the next entry to write. Only the writer task calls this.

        Without an entry, it waits for one if the task should ``stay``. Otherwise it returns
        ``None`` if the next entry starts another task.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        while (entry := self._next_entry()) is None:
            self._idle.unpark_all()
            if not stay and self.writer.leave():
                return None
            await self.writer.sleep(idle=True)
        self._writing = entry
        if entry.receipt is not None:
            entry.receipt.status = "sending"
            entry.receipt.log_sending(ahead=not isinstance(entry.event, _URGENT))
        if entry.event is not None and self._gate.writing(entry.event):
            self._on_kill()
        if isinstance(entry.event, TextInputEvent):
            self._on_input()
        if entry.on_write is not None:
            entry.on_write()
        return entry

    def _next_entry(self) -> Entry | None:
        if self._urgent.entries:
            return self._urgent.popleft()
        entry = self._next_command()
        if entry is not None:
            self._may_pass -= entry.may_pass
            return entry
        return self.audio.popleft() if self.audio.entries else None

    def _next_command(self) -> Entry | None:
        commands = self._commands
        if not commands.entries:
            return None
        if self._gate.open:
            return commands.popleft()
        if self._may_pass:
            for entry in commands.entries:
                if entry.event is not None and self._gate.allows(entry.event, force=entry.force):
                    commands.remove(entry)
                    return entry
        return None

    def finish_write(
        self,
        entry: Entry,
        status: ReceiptStatus,
        why: str = "",
        *,
        frames: int = 1,
        size: int | None = None,
    ) -> None:
        """Record what happened to the entry that was taken last, and to its run of that size.

        A receipt that already has the status "sent" keeps it.
        """
        self._writing = None
        if status == "sent":
            self._sent += frames
            self._sent_bytes += entry.size if size is None else size
        if entry.receipt is not None and entry.receipt.status == "sending":
            entry.receipt.settle(status, why)

    @property
    def empty(self) -> bool:
        """Whether nothing is queued and nothing is being written."""
        queues = (self._urgent, self._commands, self.audio)
        return self._writing is None and not any(queue.entries for queue in queues)

    async def emptied(self) -> None:
        """Wait until the outbox is empty or closed."""
        while not self.empty:
            await self._idle.park()

    @contextmanager
    def draining(self) -> Generator[None, None, None]:
        """Within this block, accept only cancels and ends of utterances."""
        self._draining += 1
        try:
            yield
        finally:
            self._draining -= 1

    async def flushed(self) -> None:
        """Wait until every entry that may leave has left; forever if no link takes them."""
        while self._writing is not None or self._can_send():
            await self._idle.park()

    def _can_send(self) -> bool:
        if self._urgent.entries or self.audio.entries:
            return True
        waiting = self._commands.entries
        if self._gate.open:
            return bool(waiting)
        allows = self._gate.allows
        return bool(self._may_pass) and any(
            entry.event is not None and allows(entry.event, force=entry.force) for entry in waiting
        )

    # -- the link and the end --------------------------------------------------------------

    def link_lost(self) -> int:
        """Drop the entries of the broken link; return the number of audio frames dropped.

        Commands stay and wait for the gate of the next link. The end of an utterance is dropped
        too: it would kill a turn that continues there, and its audio is lost.
        """
        self._away = True
        for entry in self._urgent.clear():
            if not entry.of_link:
                self._append(self._urgent, entry)
        dropped = 0
        for entry in self.audio.clear():
            if entry.event is None:
                dropped += 1
            else:
                self._append(self._commands, entry)
        self._audio_dropped += dropped
        return dropped

    def link_opened(self) -> None:
        """Accept audio again."""
        self._away = False
        self.links += 1

    def close(self, why: str) -> None:
        """Refuse new entries and settle all waiting receipts as "not-sent". May be repeated."""
        self._closed = True
        for queue in (self._urgent, self._commands, self.audio):
            for entry in queue.clear():
                if entry.receipt is not None:
                    entry.receipt.settle("not-sent", why)
        self._may_pass = 0
        self._idle.unpark_all()

    def statistics(self) -> OutboxStatistics:
        """Return the queue depths and the counters."""
        return OutboxStatistics(
            urgent=len(self._urgent.entries),
            commands=len(self._commands.entries),
            command_bytes=self._commands.size,
            audio=sum(entry.event is None for entry in self.audio.entries),
            audio_bytes=self.audio.size,
            sent=self._sent,
            sent_bytes=self._sent_bytes,
            audio_dropped=self._audio_dropped,
        )
