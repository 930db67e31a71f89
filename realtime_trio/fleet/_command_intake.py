"""The owner's side of commands: reads the queue of a session, and sends its commands in order.

Rule 1. A command is read once: "accepted" in the log moves the cursor with the entry.
Rule 2. "reserved" is durable in the log before a command goes to the outbox. An owner that takes
        over sends commands that were only accepted, and marks reserved ones as "in-doubt".
Rule 3. Commands are sent one at a time and in order; a cancel overtakes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final, final

import trio

from .._client._client import Client
from .._client._write_callback import write_callback
from .._core._codec import Codec
from .._exceptions import ClosedError, InDoubt, JournalError, NotSent
from .._journal._journal_life import JournalLife
from .._log._log_entries import RemoteEntry, RemoteWord
from .._session._shell import Shell
from ._command_progress import CommandProgress, command_event
from ._fleet_log import FleetCommand, FleetLog
from ._shard_readers import ShardReaders

__all__ = ["CommandIntake"]

_FORGET_EVERY: Final = 64
_PAUSE: Final = 0.2


@final
class CommandIntake:
    """Handles the commands of one session while this node holds it.

    ``unsure``: the log may lack what became of the commands in the queue.
    """

    def __init__(
        self,
        log: FleetLog,
        life: JournalLife,
        progress: CommandProgress,
        client: Client,
        shell: Shell,
        *,
        unsure: bool = False,
    ) -> None:
        self._log = log
        self._life = life
        self._progress = progress
        self._client = client
        self._shell = shell
        self._unsure = unsure
        self._codec = Codec()
        self._queue: deque[FleetCommand] = deque()
        self._news = trio.Event()
        self._accepted = 0
        self._stopped = False

    def _note(self, number: int, status: RemoteWord) -> int:
        entry = RemoteEntry(number, status)
        self._progress.fold(entry)
        position = self._life.note(entry)
        self._life.writer.hurry()
        return position

    async def run(self, name: str, readers: ShardReaders) -> None:
        """Read and send until cancelled."""
        await self._go_on(name)
        feed = readers.queue(name, self._progress.cursor)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send_all)
                while True:
                    command = await feed.next()
                    if not self._stopped:
                        await self._accept(command, nursery)
        finally:
            readers.drop(feed)

    def stop(self) -> None:
        """Accept and send nothing more; the next owner sends the rest."""
        self._stopped = True

    async def _go_on(self, name: str) -> None:
        """Take over the commands that the previous owner read and did not finish (rule 2).

        If the log is ``unsure``, that owner ended before it had repeated behind a jump what became
        of the commands, so this one does. Any that had not ended before may have been sent, so none
        is sent again.
        """
        for number, status in self._progress.ends.items() if self._unsure else ():
            self._note(number, status)
        for number, status in sorted(self._progress.open.items()):
            if self._unsure or status != "accepted":
                self._note(number, "in-doubt")
                continue
            command = await self._find(name, number)
            if command is None:
                self._note(number, "not-sent")
            else:
                self._queue.append(command)
        while self._unsure and (command := await self._next(name, self._progress.cursor)):
            self._note(command.number, "in-doubt")
        self._note(self._progress.cursor, "cursor")

    async def _find(self, name: str, number: int) -> FleetCommand | None:
        found = await self._next(name, number - 1)
        return found if found is not None and found.number == number else None

    async def _next(self, name: str, number: int) -> FleetCommand | None:
        """Return the first command in the queue after this one."""
        while True:
            try:
                found = await self._log.commands(name, number, 1)
            except JournalError:
                await trio.sleep(_PAUSE)
                continue
            return found[0] if found else None

    async def _accept(self, command: FleetCommand, nursery: trio.Nursery) -> None:
        self._note(command.number, "accepted")
        if command.kind == "cancel":
            nursery.start_soon(self._cancel, command)
        else:
            self._queue.append(command)
            self._news.set()
        self._accepted += 1
        if self._accepted % _FORGET_EVERY == 0:
            try:
                await self._log.forget_commands(
                    self._life.claim, min(self._oldest(), command.number)
                )
            except JournalError:
                return  # the writer meets the same failure, and handles it

    def _oldest(self) -> int:
        return min(self._progress.open, default=self._progress.cursor + 1) - 1

    async def _send_all(self) -> None:
        while True:
            while not self._queue or self._stopped:
                self._news = trio.Event()
                await self._news.wait()
            command = self._queue[0]
            if command.kind != "force":
                await self._shell.gate.opened()
            if self._stopped:
                continue
            self._queue.popleft()
            await self._send(command)

    async def _reserve(self, number: int) -> bool:
        """Make it durable in the log that a command may be on its way to the server."""
        try:
            await self._life.writer.reached(self._note(number, "reserved"))
        except JournalError:
            return False  # another node owns the session, or the log was closed
        return True

    async def _send(self, command: FleetCommand) -> None:
        number = command.number
        event = command_event(self._codec, command.frame)
        if event is None:
            self._note(number, "not-sent")
            return
        if not await self._reserve(number):
            return
        try:
            receipt = await self._shell.outbox.put(
                event,
                force=command.kind == "force",
                on_write=partial(
                    self._on_write, number, write_callback(self._shell.pipeline, event)
                ),
            )
            await receipt.sent()
        except (NotSent, ClosedError) as exc:
            # If the client ends, the next owner sends it; a cancel withdrew it permanently.
            left = self._shell.closed or isinstance(exc, ClosedError)
            self._note(number, "accepted" if left else "not-sent")
        except InDoubt:
            self._note(number, "in-doubt")
        else:
            self._note(number, "sent")

    def _on_write(self, number: int, tell: Callable[[], None] | None) -> None:
        self._note(number, "sending")
        if tell is not None:
            tell()

    async def _cancel(self, command: FleetCommand) -> None:
        number = command.number
        if not await self._reserve(number):
            return
        self._note(number, "sending")
        try:
            await self._client.cancel()
        except NotSent:
            self._note(number, "not-sent")
        except (InDoubt, ClosedError):
            self._note(number, "in-doubt")
        else:
            self._note(number, "sent")
