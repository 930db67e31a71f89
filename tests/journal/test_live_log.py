"""What a client logs while it runs folds to the state that it has, whatever the schedule."""

from __future__ import annotations

import json
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st
from trio._core import _run

from realtime_trio._config import ClientConfig, LaneBounds
from realtime_trio._core._notifications import MessageStreaming
from realtime_trio._core._state import Limits, SessionState
from realtime_trio._exceptions import JournalError
from realtime_trio._journal import _log_writer
from realtime_trio._journal._journal_life import JournalLife
from realtime_trio._journal._log_store import LogClaim, StoredSnapshot
from realtime_trio._journal._log_writer import LogWriter
from realtime_trio._journal._memory_log import MemoryStore
from realtime_trio._journal._recovery import recover_log
from realtime_trio._lanes._intake import ignore
from realtime_trio._lanes._overflow import Block
from realtime_trio._lanes._pipeline import Pipeline
from realtime_trio._log._log_entries import CommandEntry, ReceiptEntry
from realtime_trio._log._log_fold import LogFold
from realtime_trio._log._state_snapshot import digest, digest_cut, read_snapshot
from realtime_trio.events import Lane, ServerEvent
from tests.log.stories import LOCAL
from tests.strategies import conversations

NAME = "call"


class MemoryJournal:
    """A journal without a file."""

    full_audio = False

    def __init__(self, log: MemoryStore | None = None) -> None:
        self.log = log or MemoryStore()

    def writer(self, claim: LogClaim, *, position: int) -> LogWriter:
        return LogWriter(self.log, claim, position=position)

    async def close(self, claim: LogClaim) -> None:
        await self.log.close(claim)


async def begin(journal: MemoryJournal, *, recover: bool = True) -> JournalLife:
    past = await recover_log(journal.log, NAME)
    claim = await journal.log.claim(NAME)
    position = 0 if past is None else past.info.position
    return JournalLife(journal, claim, past if recover else None, position)  # type: ignore[arg-type]


def now() -> float:
    """A clock that is never the same twice."""
    now.at = getattr(now, "at", 1_700_000_000.0) + 0.0004  # type: ignore[attr-defined]
    return now.at  # type: ignore[attr-defined, no-any-return]


async def feed_one(
    pipeline: Pipeline, frame: str | bytes, observe: Callable[[Any], None] = ignore
) -> None:
    """Feed a frame as a link does that received one alone."""
    if not pipeline.intake.take_one(frame, observe):
        await pipeline.intake.settle()


async def live(
    life: JournalLife, wire: list[Any], chance: random.Random, config: ClientConfig
) -> Pipeline:
    """Run a client's pipeline over a conversation while other tasks interfere."""
    pipeline = Pipeline(config, clock=now)
    life.begin(pipeline, Limits(config.max_sessions, config.max_messages), now())
    frames = [each if isinstance(each, bytes) else json.dumps(each) for each in wire]
    over = trio.Event()
    posted: list[ServerEvent] = [*LOCAL] * 2

    def look(_event: object) -> None:
        if chance.random() < 0.1 and posted:
            pipeline.post(posted.pop())

    async def interfere() -> None:
        for _ in range(40):
            if over.is_set():
                return
            match chance.randrange(8):
                case 0:
                    pipeline.set_user_session_id(chance.choice([None, "main", "a"]))
                case 1:
                    pipeline.reset()
                case 2 if posted:
                    pipeline.post(posted.pop())
                case _:
                    pass
            for _ in range(chance.randrange(1, 4)):
                await trio.lowlevel.checkpoint()

    async def feed() -> None:
        rest = list(frames)
        while rest:
            size = chance.choice([0, 1, 2, 5, 40])
            if size:
                await pipeline.feed(rest[:size], look)
            else:
                size = 1
                await feed_one(pipeline, rest[0], look)
            rest = rest[size:]
            if chance.random() < 0.5:
                await trio.lowlevel.checkpoint()
        over.set()

    async with trio.open_nursery() as nursery:
        if chance.random() < 0.5:  # a reader that holds its lane up
            notes = pipeline.subscribe(lane=Lane.TEXT, overflow=Block(2))
            nursery.start_soon(_read_slowly, notes)
        nursery.start_soon(pipeline.run)
        nursery.start_soon(interfere)
        await feed()
        pipeline.close()
    return pipeline


async def _read_slowly(notes: Any) -> None:
    try:
        async for _ in notes:
            for _ in range(5):
                await trio.lowlevel.checkpoint()
    except Exception:  # it lagged: the lane was at its bound
        return


SMALL = LaneBounds(max_items=6, max_bytes=3000)


def config_of(chance: random.Random) -> ClientConfig:
    bounds = chance.choice([LaneBounds(), SMALL])
    return ClientConfig(
        text=bounds,
        audio=bounds,
        control=bounds,
        batch_size=chance.choice([1, 3, 32]),
        coalesce=chance.random() < 0.8,
        max_sessions=chance.choice([2, 256]),
        max_messages=chance.choice([2, 10_000]),
    )


async def fold_all(log: MemoryStore) -> LogFold:
    """The fold of everything, without a snapshot."""
    fold = LogFold()
    while blocks := await log.read(NAME, fold.position):
        for block in blocks:
            fold.apply(block)
    return fold


def seeded(seed: int, main: Callable[[random.Random], Awaitable[None]]) -> None:
    async def run() -> None:
        _run._r.seed(seed)
        await main(random.Random(seed))

    trio.run(run)


@settings(max_examples=60, deadline=None)
@given(st.lists(conversations(max_size=5), min_size=1, max_size=3), st.integers(0, 2**32))
def test_lives_of_one_log_fold_to_what_each_of_them_had(
    stories: list[list[Any]], seed: int
) -> None:
    """Live state == fold of all == snapshot and tail; recovered or begun afresh."""

    async def main(chance: random.Random) -> None:
        journal = MemoryJournal()
        for wire in stories:
            recover = chance.random() < 0.7
            before = await recover_log(journal.log, NAME)
            life = await begin(journal, recover=recover)
            if recover and before is not None:
                assert life.state is not None
                assert digest(life.state) == digest(before.fold.state)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(life.writer.run)
                pipeline = await live(life, wire, chance, config_of(chance))
                if chance.random() < 0.6:
                    await life.finish()
                else:  # killed: only what was committed is there
                    await life.writer.reached(life.writer.position)
                nursery.cancel_scope.cancel()
            whole = await fold_all(journal.log)
            assert whole.position == life.writer.position
            assert whole.state == pipeline.state
            again = await recover_log(journal.log, NAME)
            assert again is not None
            assert digest(again.fold.state) == digest(pipeline.state)
            assert again.recovered.lost is None

    seeded(seed, main)


@settings(max_examples=60, deadline=None)
@given(conversations(max_size=8), st.integers(0, 2**32))
def test_cuts_in_flight_are_each_of_their_own_position(wire: list[Any], seed: int) -> None:
    async def main(chance: random.Random) -> None:
        journal = MemoryJournal()
        life = await begin(journal)
        cuts: list[Any] = []

        async def cut_often() -> None:
            for _ in range(40):
                cuts.append(life._take_cut(lambda: None))
                for _ in range(chance.randrange(1, 6)):
                    await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.writer.run)
            pipeline_done = await _with(cut_often, life, wire, chance)
            await life.writer.reached(life.writer.position)
            nursery.cancel_scope.cancel()
        assert pipeline_done.drained
        blocks = await journal.log.read(NAME, 0, 10_000)
        for pending in cuts:
            if pending.cut is None:  # placed when the lanes had ended
                continue
            prefix = LogFold()
            for block in blocks:
                prefix.apply_groups(block.groups(), until=pending.position)
            assert prefix.position == pending.position
            assert_same(prefix.state, pending.cut.state)

    seeded(seed, main)


def assert_same(one: SessionState, other: SessionState) -> None:
    """Equal states, with equal digests; says where they differ."""
    for name in ("control", "text", "audio"):
        assert getattr(one, name) == getattr(other, name), name
    assert (one.revision, one.counters) == (other.revision, other.counters)
    assert digest(one) == digest(other)


async def _with(
    other: Callable[[], Awaitable[None]],
    life: JournalLife,
    wire: list[Any],
    chance: random.Random,
) -> Pipeline:
    async with trio.open_nursery() as nursery:
        pipeline_started = trio.Event()

        async def later() -> None:
            await pipeline_started.wait()
            await other()

        nursery.start_soon(later)
        begin_ = life.begin

        def began(*args: Any) -> None:
            begin_(*args)
            pipeline_started.set()

        life.begin = began  # type: ignore[method-assign, assignment]
        pipeline = await live(life, wire, chance, config_of(chance))
        nursery.cancel_scope.cancel()
    return pipeline


@pytest.fixture
def inline_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs in a thread runs at once: a thread has no place on a virtual clock."""

    async def run_sync(call: Callable[..., Any], *args: Any, **_options: Any) -> Any:
        await trio.lowlevel.checkpoint()
        return call(*args)

    monkeypatch.setattr(trio.to_thread, "run_sync", run_sync)


# -- a store that fails --------------------------------------------------------------------


class Failing(MemoryStore):
    """A memory log that refuses to write for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = False

    async def append(self, claim: Any, first: Any, groups: Any) -> int:
        self._check()
        return await super().append(claim, first, groups)

    async def put_gap(self, claim: Any, gap: Any, snapshot: Any) -> None:
        self._check()
        await super().put_gap(claim, gap, snapshot)

    def _check(self) -> None:
        if self.broken:
            message = "no space left"
            raise JournalError(message)


async def test_a_log_that_fails_for_long_jumps(
    monkeypatch: Any, autojump_clock: object, inline_threads: None
) -> None:
    monkeypatch.setattr(_log_writer, "MAX_ENTRIES", 50)
    log = Failing()
    life = await begin(MemoryJournal(log))
    text = json.dumps({"type": "text_delta", "session_id": "s", "content": "x"})
    async with trio.open_nursery() as nursery:
        pipeline = Pipeline(ClientConfig(), clock=now)
        life.begin(pipeline, Limits(), now())
        nursery.start_soon(pipeline.run)
        nursery.start_soon(life.writer.run)
        await pipeline.feed([text] * 10)
        await life.reached(11)
        log.broken = True
        await pipeline.feed([text] * 200)
        await trio.sleep(20)
        assert life.writer.statistics().error == "no space left"
        assert life.writer.statistics().waiting <= 50
        assert life.writer.durable == 11
        log.broken = False
        await life.reached(211)
        await pipeline.feed([text] * 5)
        await life.reached(216)
        figures = life.writer.statistics()
        assert (figures.error, figures.jumps, figures.appended) == (None, 1, 216)
        pipeline.close()
        await trio.sleep(1)
        await life.finish()
        nursery.cancel_scope.cancel()
    past = await recover_log(log, NAME)
    assert past is not None
    assert past.recovered.lost is None  # the snapshot at the end is behind the gap
    assert past.recovered.clean
    assert past.fold.state.sessions["s"].open_message.content == "x" * 215  # type: ignore[union-attr]
    (gap,) = past.info.gaps
    assert (gap.first, gap.last, gap.why) == (12, 211, "jumped")


async def test_a_writer_that_was_replaced_ends(
    autojump_clock: object, inline_threads: None
) -> None:
    log = MemoryStore()
    life = await begin(MemoryJournal(log))
    pipeline = Pipeline(ClientConfig(), clock=now)
    life.begin(pipeline, Limits(), now())
    await log.claim(NAME)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(life.writer.run)
        await life.writer.finished.wait()
        assert "another client is now writing" in str(life.writer.error)
        await life.written_ahead(1)
        with pytest.raises(JournalError, match="ended at 0, before position 1"):
            await life.reached(1)
        await life.finish()
    assert await log.read(NAME, 0) == []


async def test_commands_that_wait_are_noted_again_behind_a_cut(
    autojump_clock: object, inline_threads: None
) -> None:
    log = MemoryStore()
    life = await begin(MemoryJournal(log))
    pipeline = Pipeline(ClientConfig(), clock=now)
    life.begin(pipeline, Limits(), now())
    first, second, third = (life.queued("set_agent", str(number)) for number in range(3))
    life.sending(second)
    life.sending(third)
    life.settled(third, "sent")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipeline.run)
        nursery.start_soon(life.writer.run)
        cut = life._take_cut(lambda: None)
        pipeline.close()
        await trio.sleep(1)
        await life.finish()
    assert cut.cut is not None
    blocks = await log.read(NAME, cut.position)
    behind = [item for block in blocks for at, _, item in block.items() if at > cut.position]
    noted = [
        CommandEntry(first, "set_agent", "0"),
        CommandEntry(second, "set_agent", "1"),
        ReceiptEntry(second, "sending"),
    ]
    assert behind == noted * 2  # once more behind the snapshot at the end
    past = await recover_log(log, NAME)
    assert past is not None
    left = [(each.frame, type(each.error).__name__) for each in past.recovered.commands]
    assert left == [("0", "NotSent"), ("1", "InDoubt")]


async def snapshots_of(
    frames: Iterable[str], monkeypatch: pytest.MonkeyPatch, *, share: int
) -> MemoryStore:
    """The log of a client that takes a snapshot every 20 entries, one second an entry."""
    monkeypatch.setattr(_log_writer, "SNAPSHOT_EVERY", 20)
    monkeypatch.setattr(_log_writer, "_SNAPSHOT_SHARE", share)
    log = MemoryStore()
    life = await begin(MemoryJournal(log))
    life.writer._next_snapshot = 20
    pipeline = Pipeline(ClientConfig(), clock=now)
    life.begin(pipeline, Limits(), now())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipeline.run)
        nursery.start_soon(life.writer.run)
        for frame in frames:
            await pipeline.feed([frame])
            await trio.sleep(1)
        pipeline.close()
        await trio.sleep(1)
        await life.finish()
        nursery.cancel_scope.cancel()
    return log


class AtOnce:
    """Takes a cut that is done as soon as it is placed, and repeats commands behind it."""

    def __init__(self, writer: LogWriter) -> None:
        self.writer = writer
        self.position = 0
        self.cut = LogFold().cut()

    def __call__(self, on_done: Callable[[], None]) -> AtOnce:
        self.position = self.writer.position
        self.writer.append(1.0, [ReceiptEntry(1, "sent")] * 3, 1)
        return self


class Compared(MemoryStore):
    """A store that compares a snapshot's position with the end of its log."""

    def __init__(self) -> None:
        super().__init__()
        self.behind: list[int] = []

    async def put_snapshot(self, claim: LogClaim, snapshot: StoredSnapshot) -> None:
        self.behind.append(self.position_of(claim.name) - snapshot.position)
        await super().put_snapshot(claim, snapshot)


async def test_a_snapshot_follows_the_entries_that_repeat_commands(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: object, inline_threads: None
) -> None:
    """Recovery skips what is before it: without them, a command could be sent again."""
    monkeypatch.setattr(_log_writer, "SNAPSHOT_EVERY", 5)
    log = Compared()
    writer = LogWriter(log, await log.claim(NAME), position=0)
    writer.cut_by(AtOnce(writer))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        writer.append(1.0, [ReceiptEntry(1, "sending")] * 5, 1)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert log.behind[0] == 3


async def test_a_snapshot_is_taken_every_so_often(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: object, inline_threads: None
) -> None:
    pings = (json.dumps({"type": "ping", "id": str(number)}) for number in range(60))
    log = await snapshots_of(pings, monkeypatch, share=0)
    kept = await log.snapshots(NAME)
    assert len(kept) >= 3, [each.position for each in kept]
    for stored in kept:
        snapshot = read_snapshot(stored.data)
        assert snapshot is not None
        assert snapshot.position == stored.position
        prefix = LogFold()
        for block in await log.read(NAME, 0, 10_000):
            prefix.apply_groups(block.groups(), until=stored.position)
        assert digest(prefix.state) == digest_cut(snapshot.cut)


async def test_snapshots_of_a_long_conversation_become_rare(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: object, inline_threads: None
) -> None:
    """Each holds everything; each is three times as long as the one before it."""
    noise = random.Random(1)
    words = [noise.randbytes(300).hex() for _ in range(400)]
    base = {"type": "text_delta", "session_id": "s", "role": "assistant"}
    frames = [json.dumps({**base, "content": word}) for word in words]
    log = await snapshots_of(frames, monkeypatch, share=2)
    kept = await log.snapshots(NAME)
    written = sum(len(block.data) for block in await log.read(NAME, 0, 10_000))
    during = [len(each.data) for each in kept[1:]]  # the first is that of the clean end
    assert len(during) >= 3
    assert sum(during) < 1.6 * written


@pytest.mark.parametrize("alone", [True, False])
async def test_a_frame_is_logged_before_anything_follows_from_it(alone: bool) -> None:
    """Also a frame that the receive task handles itself, as in paced traffic."""
    life = await begin(MemoryJournal())
    pipeline = Pipeline(ClientConfig(), clock=now)
    life.begin(pipeline, Limits(), now())
    text = json.dumps({"type": "text_delta", "session_id": "s", "role": "user", "content": "x"})
    positions: list[int] = []
    pipeline.tap((MessageStreaming,), lambda _note: positions.append(life.writer.position))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipeline.run)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(3):
            if alone:
                await feed_one(pipeline, text)
            else:
                await pipeline.feed([text])
        pipeline.close()
    assert positions == [2, 3, 4]  # after the header


@pytest.mark.parametrize("frame", ['{"type": "text_delta", "session_id": "s"}', bytes(4)])
async def test_a_single_frame_without_room_is_logged_when_it_is_taken(frame: str | bytes) -> None:
    life = await begin(MemoryJournal())
    pipeline = Pipeline(ClientConfig(text=SMALL, audio=SMALL, control=SMALL), clock=now)
    life.begin(pipeline, Limits(), now())
    await pipeline.feed([frame] * SMALL.max_items)  # nothing runs yet
    full = life.writer.position
    assert not pipeline.intake.take_one(frame)
    assert life.writer.position == full
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipeline.run)
        await pipeline.intake.settle()
        assert life.writer.position == full + 1
        pipeline.close()


async def test_a_watch_follows_what_is_durable_until_the_writer_ends() -> None:
    life = await begin(MemoryJournal())
    pipeline = Pipeline(ClientConfig(), clock=now)
    life.begin(pipeline, Limits(), now())
    with life.writer.watch_durable() as durable:
        assert await durable.receive() == 0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.writer.run)
            assert await durable.receive() == 1  # the header
            await pipeline.feed(["{}"] * 3)
            assert await durable.receive() == 4
            await life.finish()
            with pytest.raises(trio.EndOfChannel):
                await durable.receive()


async def test_a_log_that_was_behind_at_the_end_ends_with_a_snapshot(
    monkeypatch: pytest.MonkeyPatch, inline_threads: None
) -> None:
    """The lanes have ended by then, so no mark passes through them."""
    monkeypatch.setattr(_log_writer, "MAX_ENTRIES", 50)
    log = MemoryStore()
    life = await begin(MemoryJournal(log))
    pipeline = Pipeline(ClientConfig(), clock=now)
    life.begin(pipeline, Limits(), now())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipeline.run)
        await pipeline.feed(['{"type": "text_delta", "session_id": "s", "content": "x"}'] * 200)
        pipeline.close()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(life.writer.run)
        await life.finish()
    assert life.writer.error is None
    again = await recover_log(log, NAME)
    assert again is not None
    assert again.recovered.clean
    assert again.recovered.position == life.writer.position == 201
    assert digest(again.fold.state) == digest(pipeline.state)
