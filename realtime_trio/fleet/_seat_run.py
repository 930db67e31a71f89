"""One session on a node, from the claim to its end: recover, dial, serve, hand over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final, Literal, TypeAlias, final

import attrs
import trio

from .._client._claimed_client import DialOptions, claimed_client
from .._client._client import Client
from .._exceptions import JournalError, JournalInUse, RealtimeError
from .._journal._journal_life import JournalLife, life_of
from .._journal._log_store import LogClaim
from .._journal._recovery import recover_log
from .._session._shell import Shell
from .._session._unwrapping_nursery import unwrapping_nursery
from ._command_intake import CommandIntake
from ._command_progress import CommandProgress, progress_before
from ._fleet_log import FleetLog, Seat
from ._shard_readers import ShardReaders

__all__ = ["Claim", "Dial", "DialFunction", "SeatEnd", "SeatRun"]

Dial: TypeAlias = DialOptions
_FINISH: Final = 5.0


@attrs.frozen(slots=True, kw_only=True)
class Claim:
    """A session that a node has claimed: the argument of the dial function.

    ``labels``, ``agent_key`` and ``chat_session_id`` are the values that it was created with.
    ``token`` counts its owners so far, including this one.
    """

    session: str
    labels: dict[str, str]
    agent_key: str | None
    chat_session_id: str | None
    token: int


DialFunction: TypeAlias = Callable[[Claim], Awaitable[DialOptions]]


@attrs.frozen(slots=True, kw_only=True)
class SeatEnd:
    """How a session ended on a node: released, or lost to another; ``blames`` what failed."""

    kind: Literal["released", "lost"]
    why: str
    blames: Literal["the log", "the session"] | None = None


@final
class SeatRun:
    """Holds one session until it is drained, lost, or ends."""

    def __init__(
        self,
        log: FleetLog,
        readers: ShardReaders,
        seat: Seat,
        claim: LogClaim,
        *,
        dial: DialFunction,
        limiter: trio.CapacityLimiter,
        on_open: Callable[[], object],
    ) -> None:
        self._log = log
        self._readers = readers
        self._seat = seat
        self._claim = claim
        self._dial = dial
        self._limiter = limiter
        self._on_open = on_open
        self._scope = trio.CancelScope()
        self._progress = CommandProgress()
        self._unsure = False  # whether the log may lack what became of commands
        self._intake: CommandIntake | None = None
        self._drained = trio.Event()
        self.life: JournalLife | None = None
        self.open: bool = False
        """Whether the link is open and proven."""

    def drain(self) -> None:
        """Let running turns finish, then end."""
        self._drained.set()
        if self._intake is not None:
            self._intake.stop()
        if not self.open:
            self._scope.cancel()

    def compare(self, seat: Seat | None, node: str) -> None:
        """Check the claim if the seat, as a node has just read it, does not have it."""
        held = seat is not None and (seat.node, seat.token) == (node, self._claim.token)
        if not held and self.life is not None:
            self.life.writer.hurry()

    async def run(self) -> SeatEnd:
        """Hold the session; return how that ended. Errors of the session are not raised.

        If it is cancelled, the session is not released: its node leaves, and its lease ends.
        """
        try:
            await self._run()
        except Exception as exc:
            blames: Literal["the log", "the session"] = "the session"
            if isinstance(exc, JournalError):
                blames = "the log"
            end = SeatEnd(kind="released", why=_words(exc), blames=blames)
        else:
            why = "drained" if self._drained.is_set() else "the client ended"
            end = SeatEnd(kind="released", why=why)
        lost = self._lost()
        if lost is not None:
            return SeatEnd(kind="lost", why=str(lost))
        try:
            await self._log.release(self._claim)
        except JournalInUse as exc:
            return SeatEnd(kind="lost", why=str(exc))
        except JournalError as exc:
            return SeatEnd(kind="lost", why=f"it could not be released: {exc}")
        return end

    async def _run(self) -> None:
        past = await recover_log(self._log, self._seat.name, self._progress.fold_groups)
        life = await life_of(self._log, self._claim, past, recover=True)
        if past is not None and past.ends_in_gap:
            self._unsure = True
            self._progress = await progress_before(self._log, past.info)
        self.life = life
        life.notes_again = self._progress.again
        async with unwrapping_nursery() as nursery:
            nursery.start_soon(life.writer.run)
            nursery.start_soon(self._watch_writer, life)
            try:
                with self._scope:
                    await self._serve(life)
            finally:
                with trio.move_on_after(_FINISH, shield=True):
                    await life.finish()

    @property
    def write_error(self) -> JournalError | None:
        """Why the last write failed; ``None`` after one that succeeded."""
        return None if self.life is None else self.life.writer.error

    def _lost(self) -> JournalInUse | None:
        """Return why another node holds the session; ``None`` if none does."""
        error = self.write_error
        return error if isinstance(error, JournalInUse) else None

    async def _watch_writer(self, life: JournalLife) -> None:
        """Stop when another node becomes the writer: this node must not use the server any more."""
        await life.writer.finished.wait()
        if isinstance(life.writer.error, JournalInUse):
            self._scope.cancel()

    async def _serve(self, life: JournalLife) -> None:
        spec, name = self._seat.spec, self._seat.name
        claim = Claim(
            session=name,
            labels=dict(spec.labels),
            agent_key=spec.agent_key,
            chat_session_id=spec.chat_session_id,
            token=self._claim.token,
        )
        async with AsyncExitStack() as stack:
            async with self._limiter:
                options = _completed(await self._dial(claim), claim)
                client, shell = await stack.enter_async_context(claimed_client(options, life))
            self.open = True
            self._on_open()
            try:
                await self._serve_open(client, shell, life)
            finally:
                self.open = False

    async def _serve_open(self, client: Client, shell: Shell, life: JournalLife) -> None:
        intake = CommandIntake(self._log, life, self._progress, client, shell, unsure=self._unsure)
        self._intake = intake
        async with trio.open_nursery() as nursery:
            nursery.start_soon(intake.run, self._seat.name, self._readers)
            await self._drained.wait()
            intake.stop()
            await client.drain()
            nursery.cancel_scope.cancel()


def _completed(options: DialOptions, claim: Claim) -> DialOptions:
    """Fill the options of the dial function with the values that the session was created with."""
    return attrs.evolve(
        options,
        agent_key=options.agent_key or claim.agent_key,
        chat_session_id=options.chat_session_id or claim.chat_session_id,
    )


def _words(exc: BaseException) -> str:
    """Describe an error for people; foreign messages may quote a secret."""
    known = isinstance(exc, RealtimeError)
    return str(exc) if known else f"it ended with {type(exc).__name__}"
