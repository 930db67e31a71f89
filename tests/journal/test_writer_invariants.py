"""What holds for a log whatever its store does, and whenever its writer is killed.

The numbers are those of the rules in ``Rules`` below. Random stores are slow, away for a while,
fail before or after they have written, and lose the answer.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st
from trio._core import _run

from realtime_trio._config import ClientConfig
from realtime_trio._core._state import Limits
from realtime_trio._exceptions import JournalError
from realtime_trio._journal import _log_writer
from realtime_trio._journal._journal_life import JournalLife
from realtime_trio._journal._log_store import LogGap, LogInfo
from realtime_trio._journal._memory_log import MemoryStore
from realtime_trio._journal._recovery import recover_log
from realtime_trio._lanes._pipeline import Pipeline
from realtime_trio._log._log_entries import LogItem
from realtime_trio._log._log_fold import LogFold
from realtime_trio._log._state_snapshot import digest
from tests.journal.test_live_log import NAME, MemoryJournal, begin, feed_one
from tests.strategies import conversations

MAX_ENTRIES, MAX_BYTES = 40, 20_000


class Unreliable(MemoryStore):
    """A memory log that is slow, or away, or whose answers are lost."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance
        self.away = False
        self.well = False

    async def _fail_sometimes(self, what: str) -> None:
        if self.well:
            await trio.lowlevel.checkpoint()
            return
        await trio.sleep(self.chance.choice([0, 0, 0.001, 0.1, 3]))
        if self.chance.random() < 0.1:
            self.away = not self.away
        if self.away or self.chance.random() < 0.1:
            raise JournalError(what)

    async def append(self, claim: Any, first: Any, groups: Any) -> int:
        await self._fail_sometimes("not written")
        size = await super().append(claim, first, groups)
        await self._fail_sometimes("written, and the answer was lost")
        return size

    async def put_gap(self, claim: Any, gap: Any, snapshot: Any) -> None:
        await self._fail_sometimes("no gap")
        await super().put_gap(claim, gap, snapshot)

    async def put_snapshot(self, claim: Any, snapshot: Any) -> None:
        await self._fail_sometimes("no snapshot")
        await super().put_snapshot(claim, snapshot)

    async def beat(self, claim: Any) -> None:
        await self._fail_sometimes("no heartbeat")
        await super().beat(claim)


class Rules:
    """Everything that was handed to the writers of one log, and what must hold of it."""

    def __init__(self, log: Unreliable) -> None:
        self.log = log
        self.handed: list[tuple[float, LogItem]] = []
        self.durable = 0

    def watch(self, life: JournalLife) -> None:
        """Note what the life hands over from now on."""
        append = life.writer.append

        def noted(at: float, items: list[LogItem], size: int) -> int:
            self.handed += [(at, item) for item in items]
            return append(at, items, size)

        life.writer.append = noted  # type: ignore[method-assign]

    def hold_now(self, life: JournalLife) -> None:
        """Rule 8: what waits stays under its bound."""
        figures = life.writer.statistics()
        assert figures.waiting <= MAX_ENTRIES
        assert figures.waiting_bytes <= MAX_BYTES
        self.durable = max(self.durable, life.writer.durable)

    def folded(self, position: int) -> LogFold:
        fold = LogFold()
        fold.apply_groups([(at, [item]) for at, item in self.handed], until=position)
        return fold

    async def hold_after_a_kill(self) -> None:
        """Rules 1, 2 and 5."""
        info = await self.log.info(NAME)
        assert info is not None
        assert info.position >= self.durable, "5: what was durable survives"
        gaps = {gap.first: gap.last for gap in info.gaps}
        at = 0
        while at < info.position:
            blocks = await self.log.read(NAME, at)
            for block in blocks:
                assert block.first == at + 1, "1: no hole, nothing twice"
                for position, _, item in block.items():
                    assert item == self.handed[position - 1][1], "1: positions never move"
                at = block.last
            if not blocks:
                at = gaps[at + 1]  # 1: what is missing is said
        if at:
            past = await recover_log(self.log, NAME)
            assert past is not None
            assert past.recovered.lost is None
            assert digest(past.fold.state) == digest(self.folded(at).state), "2: the same state"
        del self.handed[at:]


async def _live(rules: Rules, frames: list[str | bytes], chance: random.Random) -> None:
    """One life, which is killed in the middle, or ends when the store is well again."""
    log = rules.log
    log.well = True  # opening waits for the store
    life = await begin(MemoryJournal(log))
    log.well = False
    rules.watch(life)
    pipeline = Pipeline(ClientConfig(batch_size=chance.choice([1, 32])), clock=trio.current_time)
    end_at = chance.randrange(len(frames) + 1)
    async with trio.open_nursery() as nursery:
        life.begin(pipeline, Limits(), trio.current_time())
        nursery.start_soon(pipeline.run)
        nursery.start_soon(life.writer.run)
        for number, frame in enumerate(frames):
            if number == end_at and chance.random() < 0.7:
                nursery.cancel_scope.cancel()
                return
            began = trio.current_time()
            if chance.random() < 0.5:
                await feed_one(pipeline, frame)
            else:
                await pipeline.feed([frame] * chance.choice([1, 3, 30]))
            assert trio.current_time() == began, "9: nothing waits for the log"
            rules.hold_now(life)
            await trio.sleep(chance.choice([0, 0.001, 0.03, 5]))
            rules.hold_now(life)
        await trio.sleep(1)
        live = pipeline.state
        assert digest(live) == digest(rules.folded(len(rules.handed)).state), "9: nor loses"
        log.well = True
        await life.reached(life.writer.position)
        rules.hold_now(life)
        nursery.cancel_scope.cancel()


@settings(max_examples=80, deadline=None)
@given(st.lists(conversations(max_size=6), min_size=1, max_size=3), st.integers(0, 2**32))
def test_a_log_keeps_its_rules_whatever_its_store_does(stories: list[list[Any]], seed: int) -> None:
    async def main() -> None:
        _run._r.seed(seed)
        chance = random.Random(seed)
        rules = Rules(Unreliable(chance))
        for story in stories:
            frames = [each if isinstance(each, bytes) else json.dumps(each) for each in story]
            await _live(rules, frames, chance)
            rules.log.well = True
            if await rules.log.info(NAME):
                await rules.hold_after_a_kill()

    with (
        patch.object(_log_writer, "MAX_ENTRIES", MAX_ENTRIES),
        patch.object(_log_writer, "MAX_BYTES", MAX_BYTES),
        patch.object(_log_writer, "SNAPSHOT_EVERY", 25),
        patch.object(trio.to_thread, "run_sync", _at_once),
    ):
        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


async def _at_once(call: Callable[..., Any], *args: Any, **_options: Any) -> Any:
    """A thread has no place on a virtual clock."""
    await trio.lowlevel.checkpoint()
    return call(*args)


async def test_a_buffer_dropped_while_it_is_empty_leaves_no_gap(
    autojump_clock: trio.testing.MockClock,
) -> None:
    log = MemoryStore()
    life = await begin(MemoryJournal(log))
    pipeline = Pipeline(ClientConfig(), clock=trio.current_time)
    async with trio.open_nursery() as nursery:
        life.begin(pipeline, Limits(), trio.current_time())
        nursery.start_soon(pipeline.run)
        nursery.start_soon(life.writer.run)
        await life.writer.reached(life.writer.position)
        life.writer._drop()
        await trio.sleep(1)
        await feed_one(pipeline, '{"type":"pong"}')
        await life.writer.reached(life.writer.position)
        nursery.cancel_scope.cancel()
    info = await log.info(NAME)
    assert info is not None
    assert (info.position, info.gaps) == (life.writer.position, ())


def test_a_gap_without_positions_is_left_out() -> None:
    """No reader gets past it: only a damaged log has one."""
    empty, real = LogGap(first=4, last=3, why="jumped"), LogGap(first=4, last=4, why="jumped")
    info = LogInfo(name=NAME, position=4, first=1, clean=True, gaps=(empty, real))
    assert info.gaps == (real,)
