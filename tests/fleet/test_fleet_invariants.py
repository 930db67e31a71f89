"""The invariants of a fleet, over schedules that nobody would think of.

Two nodes share a log in memory, on the virtual clock. Each may be cut off, paused, slow, or lose
answers, at any time; both may be killed and replaced. Meanwhile commands are put into the queue.

3. Tokens of a log never fall, and nothing of an older owner stands behind a newer one.
4. A command is sent at most once and ends in exactly one way, in order.
6. A follower never skips in silence.  7. It reads its own writes.
10. Afterwards every session has one owner that lives, and one connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import hypothesis.strategies as st
import pytest
import trio
import trio.testing
from hypothesis import given, settings

import realtime_trio as rt
from realtime_trio._log._log_entries import HeaderEntry, RemoteEntry
from realtime_trio.fleet import MemoryLog, RemoteReceipt, RemoteSession
from realtime_trio.server import RealtimeServer

from .partition import PartitionedLog
from .test_fleet import check_follower, dial_to

STEPS = (
    *("send", "send", "send", "send-again", "wait", "wait", "attach"),
    *("pause", "wake", "away", "back", "slow", "loses", "kill", "cancel"),
)


@pytest.fixture(autouse=True, scope="module")
def no_threads() -> Iterator[None]:
    """The virtual clock does not wait for threads, so what they do is done in place."""

    async def run_sync(call: Callable[..., object], *args: object, **_: object) -> object:
        await trio.lowlevel.checkpoint()
        return call(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trio.to_thread, "run_sync", run_sync)
        yield


class Cluster:
    """Two nodes, the commands that were given, and the troubles that are on."""

    def __init__(self, log: MemoryLog, nursery: trio.Nursery, url: RealtimeServer) -> None:
        self.log = log
        self.nursery = nursery
        self.url = url
        self.views = [PartitionedLog(log, 1), PartitionedLog(log, 2)]
        self.scopes = [trio.CancelScope(), trio.CancelScope()]
        self.receipts: list[RemoteReceipt] = []

    def start(self, index: int) -> None:
        """Start the node in the place ``index``."""
        self.nursery.start_soon(self.hold, self.views[index], self.scopes[index])

    async def hold(self, view: PartitionedLog, scope: trio.CancelScope) -> None:
        """A node, until it is killed."""
        with scope:
            async with rt.fleet.open_node(view, dial_to(self.url)):
                await trio.sleep_forever()

    def kill(self, index: int) -> None:
        """End a node without a word, and start another in its place."""
        self.views[index].away = True
        self.scopes[index].cancel()
        self.views[index] = PartitionedLog(self.log, index + 10)
        self.scopes[index] = trio.CancelScope()
        self.start(index)

    def heal(self) -> None:
        """No trouble any more."""
        for view in self.views:
            view.away, view.loses, view.delay = False, 0.0, 0.0
            view.wake()

    async def step(self, step: str, index: int, session: RemoteSession) -> None:
        """One step of a schedule."""
        view = self.views[index]
        match step:
            case "send":
                key = f"k{len(self.receipts)}"
                self.receipts.append(await session.send_text(f"text of {key}", key=key))
            case "send-again" if self.receipts:
                receipt = self.receipts[-1]
                again = await session.send_text(f"text of {receipt.key}", key=receipt.key)
                assert again.number == receipt.number
            case "cancel":
                self.nursery.start_soon(cancel, session)
            case "wait":
                await trio.sleep(1.7 * (1 + index))
            case "pause":
                view.pause()
            case "wake":
                view.wake()
            case "away" | "back":
                view.away = step == "away"
            case "slow":
                view.delay = 0.4
            case "loses":
                view.loses = 0.3
            case "kill":
                self.kill(index)
            case _:
                await trio.lowlevel.checkpoint()


async def cancel(session: RemoteSession) -> None:
    try:
        await session.cancel()
    except (rt.InDoubt, rt.NotSent, rt.ClosedError):
        return


async def run_schedule(steps: Sequence[tuple[str, int]]) -> None:
    log = MemoryLog()
    async with rt.server.open_server() as server, rt.fleet.open_fleet(log) as fleet:
        await fleet.create("call-17")
        async with fleet.attach("call-17") as session, trio.open_nursery() as nursery:
            jumps = session.subscribe(rt.Jumped)
            cluster = Cluster(log, nursery, server)
            cluster.start(0)
            cluster.start(1)
            for step, index in steps:
                await cluster.step(step, index, session)
            cluster.heal()
            with trio.fail_after(120):
                for receipt in cluster.receipts:
                    await ended(receipt)
                    await session.reached(receipt.position)
                await trio.sleep(10)
                await session.ready()
                await check_follower(log, session)
            await check_owner(log)
            await check_log_of(log, cluster.receipts)
            info = await log.info("call-17")
            assert info is not None
            told = jumps.statistics().depth
            assert bool(info.gaps) or not told
            nursery.cancel_scope.cancel()


async def ended(receipt: RemoteReceipt) -> None:
    try:
        await receipt.sent()
    except (rt.InDoubt, rt.NotSent):
        assert receipt.status in {"in-doubt", "not-sent"}


async def check_owner(log: MemoryLog) -> None:
    (seat,) = await log.seats()
    assert seat.node in await log.nodes()


async def check_log_of(log: MemoryLog, receipts: Sequence[RemoteReceipt]) -> None:
    sendings: list[int] = []
    headers = position = 0
    info = await log.info("call-17")
    assert info is not None
    while position < info.position:
        blocks = await log.read("call-17", position)
        if not blocks:
            gap = next(gap for gap in info.gaps if gap.first <= position + 1 <= gap.last)
            position = gap.last
            continue
        for block in blocks:
            assert block.first == position + 1
            for _, _, item in block.items():
                headers += isinstance(item, HeaderEntry)
                if isinstance(item, RemoteEntry) and item.status == "sending":
                    sendings.append(item.number)
            position = block.last
    assert len(sendings) == len(set(sendings))
    order = [number for number in sendings if number in {each.number for each in receipts}]
    assert order == sorted(order)


schedules = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 1)), max_size=25)


@given(schedules)
@settings(max_examples=300, deadline=None)
def test_the_invariants_hold_over_any_schedule(steps: list[tuple[str, int]]) -> None:
    trio.run(run_schedule, steps, clock=trio.testing.MockClock(autojump_threshold=0))
